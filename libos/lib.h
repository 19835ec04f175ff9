// What C code cannot do without: the functions that the compiler calls, and messages on the console. The
// latter go past files and the terminal, so that they work when those do not.
#ifndef EXV6_LIB_H
#define EXV6_LIB_H

#include <exo/types.h>

void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

// %d int, %lx u64, %s, %%. One message is at most 200 bytes.
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
