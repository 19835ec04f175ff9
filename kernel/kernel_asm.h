// What trap.S and the kernel's C both say; and for trap.S the offsets that the build makes from offsets.c.
#ifndef EXV6_KERNEL_ASM_H
#define EXV6_KERNEL_ASM_H

#ifdef __ASSEMBLER__
#include "offsets.h"
#endif
#include "riscv.h"
#include <exo/abi.h>

// For debuggers, CSRs as DWARF numbers them.
#define DWARF_SSCRATCH (4096 + 0x140)
#define DWARF_SEPC     (4096 + 0x141)

// Here a trap comes in; all registers are those of what trapped, which goes on at sepc. The frame is one on
// another stack (a signal's, as DWARF calls it).
// clang-format off
#ifdef __ASSEMBLER__
.macro trapped
    .cfi_sections .debug_frame
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column DWARF_SEPC
    .cfi_def_cfa tp, 0
    .cfi_same_value sp
.endm
#endif
// clang-format on

#define CAUSE_ECALL  8
#define CSR_STIMECMP 0x14d
#define LOCK_SPINS   500 // looks at the lock before the first nap
#define LOCK_NAP     200 // in `time`: 20 us

// hart.ready, when it is not a state word
#define READY_NONE  1          // no environment's word: running, of account 0
#define READY_SAME  0          // likewise: a client of this account, its word that of `base` with ENV_CALLING
#define READY_CROSS 0x80000000 // added to the word of a client of another account

// hart.special
#define SPECIAL_PHASE  1  // past the slice's end, within the budget
#define SPECIAL_SLOW   2  // slices are drawn, or there is no stimecmp
#define SPECIAL_SBI    8  // there is no stimecmp
#define SPECIAL_HELD   16 // mask holds EPILOGUE back
#define SPECIAL_POSTED 4  // something asked of this environment waits until it is left

#endif
