// Where the kernel enters a process that made an exception (FAULT in <exo/abi.h>), and the way back; see
// upcall.h. Registers are as they were, but t0 = u-area and t1 = cause: their values, and t2's, are in the
// fault frame.
#include <exo/abi.h>
#include "kernel/syscall.h"
#include "regs.h"
#include "upcall.h"

    // what a C function need not keep, and this must
    .macro  each_dead op
    .set    i, 0
    .irp    r, ra, tp, a0, a1, a2, a3, a4, a5, a6, a7, t3, t4, t5, t6
    \op     \r, TRAP_REGS + 8 * i(sp)
    .set    i, i + 1
    .endr
    .endm

    // for debuggers: what is in the trap at sp
    .macro  at_trap
    .cfi_def_cfa sp, 0
    .cfi_offset sp, TRAP_SP
    .cfi_offset s0, TRAP_S0
    .cfi_offset DWARF_PC, TRAP_FRAME + FRAME_EPC
    .cfi_offset t0, TRAP_FRAME + FRAME_T0
    .cfi_offset t1, TRAP_FRAME + FRAME_T1
    .cfi_offset t2, TRAP_FRAME + FRAME_T2
    .set    i, 0
    .irp    r, ra, tp, a0, a1, a2, a3, a4, a5, a6, a7, t3, t4, t5, t6
    .cfi_offset \r, TRAP_REGS + 8 * i
    .set    i, i + 1
    .endr
    .endm

    .text
// The frame moves to the stack, so that the next one may come while this one is served; the way back needs no
// kernel, but a register: gp, which neither programs nor the libOS use.
    from_upcall UA_FAULT
    .globl  upcall_exception
upcall_exception:
    mv      t1, sp
    ld      t2, SELF_STACK(t0)
    sub     t2, t2, sp
    srli    t2, t2, 12
    sltiu   t2, t2, STACK_PAGES
    bnez    t2, 1f
    ld      sp, SELF_STACK(t0)
1:  addi    sp, sp, -TRAP_SIZE
    sd      t1, TRAP_SP(sp)
    at_trap // once all is stored: a debugger goes by it from here on
    sd      s0, TRAP_S0(sp)
    each_dead sd
    .irp    i, FRAME_T0, FRAME_T1, FRAME_T2, FRAME_EPC, FRAME_CAUSE, FRAME_TVAL
    ld      t1, UA_FAULT + \i(t0)
    sd      t1, TRAP_FRAME + \i(sp)
    .endr
    sb      zero, UA_MASK(t0)
    mv      a0, sp
    call    upcall_fault
    li      t0, UA_VA
    ld      t1, SELF_ENDS(t0)
    lw      t1, (t1)
    bnez    t1, 2f
1:  each_dead ld
    ld      t0, TRAP_FRAME + FRAME_T0(sp)
    ld      t1, TRAP_FRAME + FRAME_T1(sp)
    ld      t2, TRAP_FRAME + FRAME_T2(sp)
    ld      gp, TRAP_FRAME + FRAME_EPC(sp)
    ld      sp, TRAP_SP(sp)
    jr      gp

// The process is to end, or to be interrupted. If the program is what would go on, its registers become a
// context as at the end of a call: a program that has one fault after another is to hear of it, too.
2:  ld      t0, TRAP_FRAME + FRAME_EPC(sp)
    li      t1, LIBOS_TABLE
    bgeu    t0, t1, 1b
    each_dead ld
    addi    t1, sp, -CONTEXT_ROOM
    each_reg sd
    sd      t0, (t1)
    ld      t0, TRAP_SP(sp)
    sd      t0, 8 * 2(t1)
    ld      t0, TRAP_FRAME + FRAME_T0(sp)
    sd      t0, 8 * 5(t1)
    ld      t0, TRAP_FRAME + FRAME_T1(sp)
    sd      t0, 8 * 6(t1)
    ld      t0, TRAP_FRAME + FRAME_T2(sp)
    sd      t0, 8 * 7(t1)
    mv      sp, t1
    mv      a0, t1
    call    signal_leave
    mv      a0, sp
    j       thread_resume
    .cfi_endproc
