// The two functions that the compiler may call on its own account: for large initialisers and structure copies.
#include "kernel.h"

void *memset(void *to, int c, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

// Words where both ends allow it, else bytes. The barrier keeps the compiler from seeing a memset here.
void *memset(void *to, int c, size_t n)
{
    u8 *p = to;
    u64 word = (u8)c * 0x0101010101010101;
    for (; n >= 8 && (u64)p % 8 == 0; p += 8, n -= 8) {
        *(u64 *)p = word;
        __asm__ volatile("" ::: "memory");
    }
    for (; n; n--) {
        *p++ = (u8)c;
        __asm__ volatile("" ::: "memory");
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    u8 *p = to;
    const u8 *q = from;
    for (; n >= 8 && ((u64)p | (u64)q) % 8 == 0; p += 8, q += 8, n -= 8) {
        *(u64 *)p = *(const u64 *)q;
        __asm__ volatile("" ::: "memory");
    }
    for (; n; n--) {
        *p++ = *q++;
        __asm__ volatile("" ::: "memory");
    }
    return to;
}
