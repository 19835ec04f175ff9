// The floating-point registers, the only place that names them: the rest of the kernel is compiled without. sstatus.FS
// is not Off when these run; who calls says whose registers they are.
#include "offsets.h"

    .option arch, +f, +d
    .section .text

// void fp_zero(void)
    .globl fp_zero
fp_zero:
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fmv.d.x f\n, zero
    .endr
    csrw    fcsr, zero
    ret

// void fp_save(struct exo_forced *)
    .globl fp_save
fp_save:
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fsd     f\n, FORCED_f+8*\n(a0)
    .endr
    csrr    t0, fcsr
    sd      t0, FORCED_fcsr(a0)
    ret

// void fp_load(const struct exo_forced *): fcsr from the libOS's memory is masked by the hardware
    .globl fp_load
fp_load:
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fld     f\n, FORCED_f+8*\n(a0)
    .endr
    ld      t0, FORCED_fcsr(a0)
    csrw    fcsr, t0
    ret
