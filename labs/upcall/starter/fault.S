// Where the kernel enters a process that made an exception (FAULT in <exo/abi.h>), and the way back; see
// upcall.h. Registers are as they were, but t0 = u-area and t1 = cause: their values, and t2's, are in the
// fault frame.
//
// TO WRITE. In order:
//
//   1. A stack. If sp points into this process's libOS stack (STACK_PAGES below SELF_STACK(t0), in one
//      unsigned comparison), it was the libOS that faulted: go on below. Else the program, whose sp may
//      be anything: begin at the top. Only t1 and t2 are free until a struct trap's room is made there.
//   2. Into the trap: the sp there was, s0 (for the backtrace), all that a C function need not keep, tp,
//      and the kernel's frame, field by field.
//   3. The frame is free now: clear byte 0 of mask. Not earlier, or the next exception overwrites what
//      you have not copied; not later, or the kernel stops the process at the next one.
//   4. upcall_fault(trap), in C. When it returns, all registers come back; the last two loads are gp,
//      from the trap's epc, and sp. Then jr gp. A slice may end before any instruction of this: what you
//      need must then be in registers or on the stack, nowhere in the u-area.
//   5. For part B, before 4's loads: if the word that SELF_ENDS(t0) points to is not 0, and the trap's
//      epc is the program's (below LIBOS_TABLE), the registers become a struct context on the stack
//      (CONTEXT_ROOM bytes; regs.h has each_reg), as they would have been, pc in place of x0; then
//      signal_leave(context) and thread_resume(context).
#include <exo/abi.h>
#include "kernel/syscall.h"
#include "regs.h"
#include "upcall.h"

    .text
    .globl  upcall_exception
upcall_exception:
    ld      sp, SELF_STACK(t0)
    li      a0, 0
    call    upcall_fault
