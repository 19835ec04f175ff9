// Memory, strings, and messages on the console; see lib.h.
#include "lib.h"

#include <exo/call.h>
#include <stdarg.h>

#define MESSAGE 200

static int words(const void *a, const void *b) { return (((u64)a | (u64)b) & 7) == 0; }

void *memset(void *p, int c, size_t n) {
    u8 *to = p;
    if (words(p, p)) {
        u64 v = 0x0101010101010101 * (u8)c;
        for (; n >= 8; n -= 8, to += 8) *(u64 *)to = v;
    }
    for (; n; n--) *to++ = (u8)c;
    return p;
}

void *memcpy(void *to, const void *from, size_t n) {
    u8 *t = to;
    const u8 *f = from;
    if (words(to, from)) {
        for (; n >= 32; n -= 32, t += 32, f += 32) {
            u64 *tw = (u64 *)t;
            const u64 *fw = (const u64 *)f;
            u64 a = fw[0], b = fw[1], c = fw[2], d = fw[3];
            tw[0] = a;
            tw[1] = b;
            tw[2] = c;
            tw[3] = d;
        }
    }
    for (; n; n--) *t++ = *f++;
    return to;
}

void *memmove(void *to, const void *from, size_t n) {
    u8 *t = to;
    const u8 *f = from;
    if (t <= f || t >= f + n) return memcpy(to, from, n); // ascending, a word's loads before its stores
    while (n--) t[n] = f[n];
    return to;
}

int memcmp(const void *a, const void *b, size_t n) {
    const u8 *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}

size_t strlen(const char *s) {
    size_t n = 0;
    while (s[n]) n++;
    return n;
}

struct message {
    char text[MESSAGE];
    u32 n;
};

static void put(struct message *m, char c) {
    if (m->n < MESSAGE) m->text[m->n++] = c;
}

static void put_number(struct message *m, u64 v, u32 base) {
    char digits[20];
    u32 n = 0;
    do digits[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    while (n) put(m, digits[--n]);
}

static void put_int(struct message *m, int v) {
    if (v < 0) put(m, '-');
    put_number(m, v < 0 ? 0u - (u32)v : (u32)v, 10);
}

static void put_string(struct message *m, const char *s) {
    while (*s) put(m, *s++);
}

void print(const char *fmt, ...) {
    struct message m;
    m.n = 0;
    va_list args;
    va_start(args, fmt);
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(&m, *fmt);
            continue;
        }
        fmt += fmt[1] == 'l' ? 2 : 1;
        if (*fmt == 'd') {
            put_int(&m, va_arg(args, int));
        } else if (*fmt == 's') {
            put_string(&m, va_arg(args, const char *));
        } else if (*fmt == 'x') {
            put_number(&m, va_arg(args, u64), 16);
        } else {
            put(&m, *fmt);
        }
    }
    va_end(args);
    for (u32 done = 0; done < m.n;) {
        struct exo_ret r = exo_cons_write(m.text + done, m.n - done);
        if (r.err || r.val == 0) break;
        done += (u32)r.val;
    }
}
