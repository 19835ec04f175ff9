// The instructions C cannot write: control registers, fences, waiting; and the bits of the control
// registers, named as the privileged manual names them. Included everywhere in the kernel.
// On the host (unit tests) grade/host/machine.h stands in for them.
#ifndef EXV6_RISCV_H
#define EXV6_RISCV_H

#include <exo/abi.h> // the bits of a PTE

#define KERNEL_BASE 0xffffffc000000000 // va = pa + this, for RAM and devices alike

#define SSTATUS_SIE  (1UL << 1)
#define SSTATUS_SPIE (1UL << 5)
#define SSTATUS_SPP  (1UL << 8)
#define SSTATUS_FS   (3UL << 13)
#define SSTATUS_SUM  (1UL << 18)

#define SIE_SSIE (1UL << 1)
#define SIE_STIE (1UL << 5)
#define SIE_SEIE (1UL << 9)

#define CAUSE_INTERRUPT (1UL << 63)

#define SATP_SV39       (8UL << 60)
#define SATP_ASID_SHIFT 44

#ifndef __ASSEMBLER__
#include <stdbool.h>

#ifdef __riscv
#define csr_read(csr)                                            \
    ({                                                           \
        u64 v_;                                                  \
        __asm__ volatile("csrr %0, " #csr : "=r"(v_)::"memory"); \
        v_;                                                      \
    })
#define csr_write(csr, v) __asm__ volatile("csrw " #csr ", %0" ::"rK"((u64)(v)) : "memory")
#define csr_set(csr, v)   __asm__ volatile("csrs " #csr ", %0" ::"rK"((u64)(v)) : "memory")
#define csr_clear(csr, v) __asm__ volatile("csrc " #csr ", %0" ::"rK"((u64)(v)) : "memory")

// sfence.vma: all of it; one address space; one page of one address space.
#define sfence_all()      __asm__ volatile("sfence.vma" ::: "memory")
#define sfence_asid(asid) __asm__ volatile("sfence.vma zero, %0" ::"r"((u64)(asid)) : "memory")
#define sfence_page(va, asid) \
    __asm__ volatile("sfence.vma %0, %1" ::"r"((u64)(va)), "r"((u64)(asid)) : "memory")
#define fence_i()   __asm__ volatile("fence.i" ::: "memory")
#define fence_io()  __asm__ volatile("fence iorw, iorw" ::: "memory")
#define wfi()       __asm__ volatile("wfi" ::: "memory")
#define nops()      __asm__ volatile(".rept 400\n nop\n .endr") // a translation block of QEMU's, at most 512
#define cpu_relax() __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x10" ::: "memory") // pause

// trap.S: until it is the ticket's turn.
#define lock_wait(ticket, lock)                                                                      \
    do {                                                                                             \
        register i64 t_ __asm__("t3") = (i32)(ticket); /* as lw loads it */                          \
        register void *l_ __asm__("t2") = (lock);                                                    \
        __asm__ volatile("jal t1, lock_wait" ::"r"(t_), "r"(l_) : "t0", "t1", "t4", "t5", "memory"); \
    } while (0)

#else
#include "grade/host/machine.h"
#endif

static inline u64 satp_of(u64 root_ppn, u64 asid) { return SATP_SV39 | asid << SATP_ASID_SHIFT | root_ppn; }

static inline u64 pte_of(u64 ppn, u64 bits) { return ppn << 10 | bits; }

#endif // __ASSEMBLER__
#endif
