// Formatted output: %d %u %x with an optional l or ll, %p %s %c %%. A bare %l is an unsigned 64-bit decimal,
// as in xv6 of 2022. The text of a call is gathered on the stack and written at once, so that lines of
// different writers do not mix (up to CHUNK bytes) and a call costs one write.
#include <stdarg.h>

#include "kernel/types.h"
#include "user/user.h"

#define CHUNK 512

struct out {
    int fd;
    int used;
    va_list args;
    char text[CHUNK];
};

static void flush(struct out *o) {
    if (o->used > 0) write(o->fd, o->text, o->used);
    o->used = 0;
}

static void put(struct out *o, char c) {
    if (o->used == CHUNK) flush(o);
    o->text[o->used++] = c;
}

static void put_string(struct out *o, const char *s) {
    for (s = s ? s : "(null)"; *s; s++) put(o, *s);
}

// At least `width` digits, of a number in base 10 or 16.
static void put_number(struct out *o, uint64 x, uint base, int width) {
    char digits[20];
    int n = 0;
    do {
        digits[n++] = "0123456789ABCDEF"[x % base];
        x /= base;
    } while (x > 0 || n < width);
    while (n > 0) put(o, digits[--n]);
}

static void put_signed(struct out *o, long x) {
    if (x < 0) put(o, '-');
    put_number(o, x < 0 ? -(uint64)x : (uint64)x, 10, 1);
}

// One conversion, from behind its % on; the first character that is no longer part of it.
static const char *convert(struct out *o, const char *f) {
    int longs = 0;
    while (longs < 2 && *f == 'l') {
        longs++;
        f++;
    }
    if (longs == 1 && *f != 'd' && *f != 'u' && *f != 'x') {
        put_number(o, va_arg(o->args, uint64), 10, 1);
        return f;
    }
    switch (*f) {
    case 'd': put_signed(o, longs ? va_arg(o->args, long) : va_arg(o->args, int)); break;
    case 'u':
    case 'x':
        put_number(o, longs ? va_arg(o->args, uint64) : va_arg(o->args, uint), *f == 'x' ? 16 : 10, 1);
        break;
    case 'p':
        put_string(o, "0x");
        put_number(o, va_arg(o->args, uint64), 16, 16);
        break;
    case 's': put_string(o, va_arg(o->args, const char *)); break;
    case 'c': put(o, va_arg(o->args, int)); break;
    case '%': put(o, '%'); break;
    default: // shown, so that the mistake is
        put(o, '%');
        if (*f) put(o, *f);
        break;
    }
    return *f ? f + 1 : f;
}

static void format(struct out *o, int fd, const char *f) {
    o->fd = fd;
    o->used = 0;
    while (*f) {
        if (*f == '%')
            f = convert(o, f + 1);
        else
            put(o, *f++);
    }
    flush(o);
}

void fprintf(int fd, const char *f, ...) {
    struct out o;
    va_start(o.args, f);
    format(&o, fd, f);
    va_end(o.args);
}

void printf(const char *f, ...) {
    struct out o;
    va_start(o.args, f);
    format(&o, 1, f);
    va_end(o.args);
}
