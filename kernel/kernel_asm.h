// What trap.S and the kernel's C both say; and for trap.S the offsets that the build makes from offsets.c.
#ifndef EXV6_KERNEL_ASM_H
#define EXV6_KERNEL_ASM_H

#ifdef __ASSEMBLER__
#include "offsets.h"
#endif
#include "riscv.h"
#include <exo/abi.h>

#define CAUSE_ECALL 8
#define CSR_STIMECMP 0x14d

// hart.ready, when it is not a state word
#define READY_NONE 1           // no environment's word: running, of account 0
#define READY_CROSS 0x80000000 // added to the word of a client of another account

// hart.special
#define SPECIAL_PHASE 1  // past the slice's end, within the budget
#define SPECIAL_SLOW 2   // slices are drawn, or there is no stimecmp
#define SPECIAL_POSTED 4 // a move of this environment waits until it is left

#endif
