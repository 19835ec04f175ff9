// The two functions that the compiler may call on its own account, for large initialisers and copies.
#include "kernel.h"

void *memset(void *to, int c, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

#define NO_CALL __attribute__((optimize("no-tree-loop-distribute-patterns"))) // of the function itself

// By words where that is possible: boot clears the kernel's tables this way.
NO_CALL void *memset(void *to, int c, size_t n) {
    u8 *p = to;
    if ((u64)p % 8 == 0) {
        u64 v = 0x0101010101010101 * (u8)c;
        for (; n >= 64; n -= 64, p += 64) {
            u64 *w = (u64 *)p;
            w[0] = w[1] = w[2] = w[3] = w[4] = w[5] = w[6] = w[7] = v;
        }
    }
    for (; n; n--) *p++ = (u8)c;
    return to;
}

// By words where that is possible: the RAM disk moves whole blocks this way.
NO_CALL void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    u8 *p = to;
    const u8 *q = from;
    if (((u64)p | (u64)q) % 8 == 0) {
        for (; n >= 32; n -= 32, p += 32, q += 32) {
            u64 *pw = (u64 *)p;
            const u64 *qw = (const u64 *)q;
            u64 a = qw[0], b = qw[1], c = qw[2], d = qw[3];
            pw[0] = a, pw[1] = b, pw[2] = c, pw[3] = d;
        }
    }
    for (; n; n--) *p++ = *q++;
    return to;
}
