// The two functions that the compiler may call on its own account, for large initialisers and copies.
#include "kernel.h"

void *memset(void *to, int c, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);

#define NO_CALL __attribute__((optimize("no-tree-loop-distribute-patterns"))) // of the function itself

NO_CALL void *memset(void *to, int c, size_t n)
{
    for (u8 *p = to; n; n--)
        *p++ = (u8)c;
    return to;
}

NO_CALL void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    u8 *p = to;
    for (const u8 *q = from; n; n--)
        *p++ = *q++;
    return to;
}
