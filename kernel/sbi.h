// Calls into the firmware (SBI 0.3 and up): starting harts, interrupts between harts, remote fences, the
// timer, and the machine's end. Each returns 0 or a negative SBI error; what a kernel cannot go on without is
// checked by its caller. A mask has a bit for each hart's id.
#ifndef EXV6_SBI_H
#define EXV6_SBI_H

#include "riscv.h"

enum {
    SBI_EXT_TIME = 0x54494d45,
    SBI_EXT_IPI = 0x735049,
    SBI_EXT_RFENCE = 0x52464e43,
    SBI_EXT_HSM = 0x48534d,
    SBI_EXT_SRST = 0x53525354,
};

#ifdef __riscv
static inline long sbi_call(u64 ext, u64 fn, u64 x0, u64 x1, u64 x2, u64 x3, u64 x4) {
    register u64 a0 __asm__("a0") = x0;
    register u64 a1 __asm__("a1") = x1;
    register u64 a2 __asm__("a2") = x2;
    register u64 a3 __asm__("a3") = x3;
    register u64 a4 __asm__("a4") = x4;
    register u64 a6 __asm__("a6") = fn;
    register u64 a7 __asm__("a7") = ext;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7) : "memory");
    return (long)a0;
}
#endif

// The hart starts at physical address `entry` with translation off, a0 = its id.
static inline long sbi_hart_start(u64 hart, u64 entry) {
    return sbi_call(SBI_EXT_HSM, 0, hart, entry, 0, 0, 0);
}
static inline long sbi_send_ipi(u64 mask) { return sbi_call(SBI_EXT_IPI, 0, mask, 0, 0, 0, 0); }
static inline long sbi_remote_fence_i(u64 mask) { return sbi_call(SBI_EXT_RFENCE, 0, mask, 0, 0, 0, 0); }
// size = ~0: every address; asid 0: every address space.
static inline long sbi_remote_sfence(u64 mask, u64 va, u64 size, u64 asid) {
    return sbi_call(SBI_EXT_RFENCE, asid ? 2 : 1, mask, 0, va, size, asid);
}
// Only for harts without Sstc; those with it write stimecmp.
static inline long sbi_set_timer(u64 time) { return sbi_call(SBI_EXT_TIME, 0, time, 0, 0, 0, 0); }
// Returns only when it fails.
static inline long sbi_shutdown(void) { return sbi_call(SBI_EXT_SRST, 0, 0, 0, 0, 0, 0); }

#endif
