// Assembler macros: registers of a struct context (thread.h), which begins with x1-x31, in place of x0 the
// pc.
#ifndef EXV6_REGS_H
#define EXV6_REGS_H

#define CONTEXT_F 256 // offset of f0-f31, fcsr

// For debuggers: the register that stands for where the way back leads (sepc, as DWARF numbers it), in
// frames that are on another stack than what they go back to.
#define DWARF_PC (4096 + 0x141)

// clang-format off

    // a function whose caller has another stack (a signal's frame, as DWARF calls it)
    .macro  from_elsewhere
    .cfi_sections .debug_frame
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column DWARF_PC
    .endm

    // the same, entered by an upcall: t0 is the u-area, what it interrupted is in the kernel's frame there
    .macro  from_upcall frame
    from_elsewhere
    .cfi_def_cfa t0, 0
    .cfi_same_value sp
    .cfi_offset DWARF_PC, \frame+FRAME_EPC
    .cfi_offset t0, \frame+FRAME_T0
    .cfi_offset t1, \frame+FRAME_T1
    .cfi_offset t2, \frame+FRAME_T2
    .endm

    // x1 to x31 without t0-t2, of the context t1
    .macro  each_reg op
    .irp    r, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    \op     x\r, 8 * \r(t1)
    .endr
    .irp    r, 28, 29, 30, 31
    \op     x\r, 8 * \r(t1)
    .endr
    .endm

    // f0 to f31, of the context t0
    .macro  each_f op
    .irp    r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    \op     f\r, CONTEXT_F + 8 * \r(t0)
    .endr
    .irp    r, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op     f\r, CONTEXT_F + 8 * \r(t0)
    .endr
    .endm

    // all of the context a0, and its pc; gp is free for that
    .macro  resume_context
    ld      gp, (a0)
    .irp    r, 1, 2, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld      x\r, 8 * \r(a0)
    .endr
    ld      a0, 8 * 10(a0)
    jr      gp
    .endm

#endif
