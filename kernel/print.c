// kprintf: the kernel's messages, on the console, as they are formatted. Nothing is stored, nothing can fail; two
// harts may interleave. %c %s %p, and %d %u %x with or without l; a width, a leading 0 (%08x), - for the left side.
#include "console.h"
#include "kernel.h"

struct spec {
    int width;
    char fill;
    bool left;
};

static void pad(int n, char c)
{
    for (; n > 0; n--)
        console_putc(c);
}

static void print_text(const char *s, int n, struct spec f)
{
    if (!f.left)
        pad(f.width - n, ' ');
    for (int i = 0; i < n; i++)
        console_putc(s[i]);
    if (f.left)
        pad(f.width - n, ' ');
}

static void print_number(u64 v, bool negative, u32 base, struct spec f)
{
    char digits[24];
    int n = sizeof(digits);
    do
        digits[--n] = "0123456789abcdef"[v % base];
    while (v /= base);
    if (negative && f.fill == '0') { // -007
        console_putc('-');
        f.width--;
    } else if (negative) {
        digits[--n] = '-';
    }
    if (f.fill == '0' && !f.left)
        pad(f.width - ((int)sizeof(digits) - n), '0');
    print_text(digits + n, (int)sizeof(digits) - n, f.fill == '0' ? (struct spec){0} : f);
}

static int length(const char *s)
{
    int n = 0;
    while (s[n])
        n++;
    return n;
}

void kvprintf(const char *p, __builtin_va_list args)
{
    for (; *p; p++) {
        if (*p != '%') {
            console_putc(*p);
            continue;
        }
        struct spec f = {.fill = ' '};
        p++;
        if (*p == '-')
            f.left = true, p++;
        else if (*p == '0')
            f.fill = '0', p++;
        for (; *p >= '0' && *p <= '9'; p++)
            f.width = f.width * 10 + *p - '0';
        bool is_long = *p == 'l';
        p += is_long;
        switch (*p) {
        case 'c':
            print_text(&(char){(char)__builtin_va_arg(args, int)}, 1, f);
            break;
        case 's': {
            const char *s = __builtin_va_arg(args, const char *);
            print_text(s ? s : "(null)", s ? length(s) : 6, f);
            break;
        }
        case 'd': {
            long v = is_long ? __builtin_va_arg(args, long) : __builtin_va_arg(args, int);
            print_number(v < 0 ? -(u64)v : (u64)v, v < 0, 10, f);
            break;
        }
        case 'u':
        case 'x': {
            u64 v = is_long ? __builtin_va_arg(args, u64) : __builtin_va_arg(args, u32);
            print_number(v, false, *p == 'u' ? 10 : 16, f);
            break;
        }
        case 'p':
            print_number((u64)__builtin_va_arg(args, void *), false, 16, (struct spec){16, '0', false});
            break;
        case 0:
            return;
        default: // %% too
            console_putc(*p);
        }
    }
}

int kprintf(const char *format, ...)
{
    __builtin_va_list args;
    __builtin_va_start(args, format);
    kvprintf(format, args);
    __builtin_va_end(args);
    return 0;
}
