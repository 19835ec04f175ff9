// Pages and registers of an RV64 machine with Sv39, as far as user mode may see them.
#ifndef USER_KERNEL_RISCV_H
#define USER_KERNEL_RISCV_H

#define PGSHIFT 12
#define PGSIZE  4096
#define MAXVA   (1L << 38) // user half of Sv39

#define PGROUNDUP(n)   (((n) + PGSIZE - 1) & ~(PGSIZE - 1))
#define PGROUNDDOWN(n) ((n) & ~(PGSIZE - 1))

// Page table entries: ten flag bits (as in <exo/abi.h>), then the physical page number.
#define PTE_V          0x001
#define PTE_R          0x002
#define PTE_W          0x004
#define PTE_X          0x008
#define PTE_U          0x010
#define PTE_G          0x020
#define PTE_A          0x040
#define PTE_D          0x080
#define PTE_FLAGS(pte) ((pte)&0x3ff)
#define PTE2PA(pte)    (((pte) >> 10) << PGSHIFT)
#define PA2PTE(pa)     ((((uint64)(pa)) >> PGSHIFT) << 10)

// Index of va in the page table of a level: 2 is the root.
#define PXMASK         0x1ff
#define PXSHIFT(level) (PGSHIFT + 9 * (level))
#define PX(level, va)  ((((uint64)(va)) >> PXSHIFT(level)) & PXMASK)

#ifndef __ASSEMBLER__
#include "types.h"

typedef uint64 pte_t;
typedef uint64 *pagetable_t;

#ifdef __riscv
static inline uint64 r_sp(void) {
    uint64 x;
    asm volatile("mv %0, sp" : "=r"(x));
    return x;
}

static inline uint64 r_fp(void) {
    uint64 x;
    asm volatile("mv %0, s0" : "=r"(x));
    return x;
}

static inline uint64 r_ra(void) {
    uint64 x;
    asm volatile("mv %0, ra" : "=r"(x));
    return x;
}

// Ticks of the machine's 10 MHz clock.
static inline uint64 r_time(void) {
    uint64 x;
    asm volatile("rdtime %0" : "=r"(x));
    return x;
}
#endif
#endif

#endif
