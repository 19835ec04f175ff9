// Strings, memory, and the two helpers over system calls that programs expect. Where xv6's differ from C's
// (strchr does not find the final 0, atoi knows no sign) these do as xv6's.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "user/user.h"

uint strlen(const char *s) {
    const char *end = s;
    while (*end) end++;
    return end - s;
}

char *strcpy(char *to, const char *from) {
    for (uint i = 0; (to[i] = from[i]) != 0; i++)
        ;
    return to;
}

int strcmp(const char *a, const char *b) {
    uint i = 0;
    while (a[i] && a[i] == b[i]) i++;
    return (uchar)a[i] - (uchar)b[i];
}

char *strchr(const char *s, char c) {
    while (*s && *s != c) s++;
    return *s ? (char *)s : 0;
}

void *memset(void *to, int byte, uint n) {
    char *end = (char *)to + n;
    for (char *t = to; t < end; t++) *t = byte;
    return to;
}

void *memmove(void *to, const void *from, int n) {
    char *t = to;
    const char *f = from;
    if ((uint64)t <= (uint64)f) {
        for (int i = 0; i < n; i++) t[i] = f[i];
    } else {
        for (int i = n - 1; i >= 0; i--) t[i] = f[i];
    }
    return to;
}

void *memcpy(void *to, const void *from, uint n) { return memmove(to, from, n); }

int memcmp(const void *a, const void *b, uint n) {
    const uchar *x = a, *y = b;
    for (uint i = 0; i < n; i++) {
        if (x[i] != y[i]) return x[i] - y[i];
    }
    return 0;
}

int atoi(const char *s) {
    uint n = 0;
    for (; *s >= '0' && *s <= '9'; s++) n = n * 10 + (*s - '0');
    return n;
}

// One line of standard input, with its line end if that fits: at most max - 1 bytes and a 0. Read a byte at a
// time, because what follows the line belongs to whoever reads next.
char *gets(char *to, int max) {
    int n = 0;
    while (n < max - 1) {
        char c;
        if (read(0, &c, 1) != 1) break;
        to[n++] = c;
        if (c == '\n' || c == '\r') break;
    }
    if (max > 0) to[n] = 0;
    return to;
}

int stat(const char *path, struct stat *st) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) return -1;
    int r = fstat(fd, st);
    close(fd);
    return r;
}
