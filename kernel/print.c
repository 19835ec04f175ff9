// kprintf: the kernel's messages, on the console, as they are formatted. Nothing is stored, nothing can fail;
// two harts may interleave. %s, and %d %u %x with or without l; a width, and a leading 0 (%08x).
#include "kernel.h"

// n characters, filled up on the left to the width.
static void put(const char *s, int n, int width, char fill) {
    for (; width > n; width--) console_putc(fill);
    while (n-- > 0) console_putc(*s++);
}

static void put_number(u64 v, bool negative, u32 base, int width, char fill) {
    char digits[24];
    int n = sizeof(digits);
    do digits[--n] = "0123456789abcdef"[v % base];
    while (v /= base);
    if (negative) digits[--n] = '-';
    put(digits + n, (int)sizeof(digits) - n, width, fill);
}

void kvprintf(const char *p, __builtin_va_list args) {
    for (; *p; p++) {
        if (*p != '%') {
            console_putc(*p);
            continue;
        }
        char fill = *++p == '0' ? '0' : ' ';
        int width = 0, n = 0;
        for (; *p >= '0' && *p <= '9'; p++) width = width * 10 + *p - '0';
        bool is_long = *p == 'l';
        p += is_long;
        if (*p == 's') {
            const char *s = __builtin_va_arg(args, const char *);
            while (s[n]) n++;
            put(s, n, width, fill);
        } else if (*p == 'd') {
            long v = is_long ? __builtin_va_arg(args, long) : __builtin_va_arg(args, int);
            put_number(v < 0 ? -(u64)v : (u64)v, v < 0, 10, width, fill);
        } else if (*p == 'u' || *p == 'x') {
            u64 v = is_long ? __builtin_va_arg(args, u64) : __builtin_va_arg(args, u32);
            put_number(v, false, *p == 'u' ? 10 : 16, width, fill);
        } else if (*p) {
            console_putc(*p); // %%
        } else {
            return;
        }
    }
}

int kprintf(const char *format, ...) {
    __builtin_va_list args;
    __builtin_va_start(args, format);
    kvprintf(format, args);
    __builtin_va_end(args);
    return 0;
}
