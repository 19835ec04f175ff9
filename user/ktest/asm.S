// What tests need of assembly: see kt.h.
#include "../rt/rt.h"


// ecall_regs(nr, a0, a1, out)
    .globl  ecall_regs
ecall_regs:
    addi    sp, sp, -128
    .set    i, 0
    .irp    r, ra, gp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, a3
    sd      \r, 8 * i(sp)
    .set    i, i + 1
    .endr
    mv      a7, a0
    mv      a0, a1
    mv      a1, a2
    ld      ra, pattern
    .irp    r, 3, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    addi    x\r, ra, \r
    .endr
    addi    ra, ra, 1
    ecall
    sd      ra, 120(sp)
    ld      ra, 112(sp)         // out
    .irp    r, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd      x\r, 8 * \r(ra)
    .endr
    ld      t0, 120(sp)
    sd      t0, 8(ra)
    sd      sp, 16(ra)
    .set    i, 0
    .irp    r, ra, gp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    ld      \r, 8 * i(sp)
    .set    i, i + 1
    .endr
    addi    sp, sp, 128
    ret

    .balign 8
pattern:
    .dword  0x5a5a5a5a5a5a0000
