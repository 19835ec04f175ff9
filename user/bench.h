// For the programs of `make bench`, which count instructions, where the cycle counter counts those.
#ifndef USER_BENCH_H
#define USER_BENCH_H

#include "kernel/types.h"
#include "user/user.h"

static inline uint64 cycle(void) {
    uint64 c;
    __asm__ volatile("rdcycle %0" : "=r"(c));
    return c;
}

// Says which of n counts has `below` smaller ones; sorts them. A slice may end in any of them.
static inline void bench_row(const char *name, uint64 *count, int n, int below) {
    for (int i = 1; i < n; i++)
        for (int j = i; j && count[j] < count[j - 1]; j--) {
            uint64 c = count[j];
            count[j] = count[j - 1];
            count[j - 1] = c;
        }
    printf("bench %s %lu\n", name, count[below]);
}

#endif
