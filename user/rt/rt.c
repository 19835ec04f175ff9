// The C part of the runtime: faults, environments, floating point and printing. See rt.h.
#include "rt.h"

extern const char try_begin[], try_end[], try_failed[], try_jump_failed[];
void rt_fault_c(struct exo_uarea *ua, u64 *regs);

#define REGS_A0 2 // in fault_entry's order

void rt_fault_c(struct exo_uarea *ua, u64 *regs) {
    struct rt *r = rt_of(ua);
    va_t epc = ua->fault.epc;
    if (r->on_fault && r->on_fault(ua)) return;
    regs[REGS_A0] = ua->fault.cause;
    if (epc >= (va_t)try_begin && epc < (va_t)try_end)
        ua->fault.epc = (va_t)try_failed;
    else if (r->try_sp)
        ua->fault.epc = (va_t)try_jump_failed;
    else
        rt_fault(ua);
}

void rt_env_init(struct exo_uarea *ua, void (*main)(u64), u64 arg, va_t stack_top) {
    struct rt *r = rt_of(ua);
    for (u32 i = 0; i < 4; i++) ua->entry[i] = rt_entries[i];
    r->main = main;
    r->arg = arg;
    r->stack = r->call_stack = stack_top;
}

void rt_exit(void) {
    exo_env_end(self());
    for (;;) rt_yield(0);
}

// The flag must tell what the hart has whenever an epilogue looks: so no epilogue between the two, and if one
// was held back, once more in the next slice.
i64 rt_fp(u64 on) {
    struct exo_uarea *ua = uarea();
    for (;;) {
        __atomic_fetch_or(&ua->mask, MASK_LIBOS, __ATOMIC_SEQ_CST);
        i64 err = exo_fp(on);
        if (!err) rt()->fp_on = on;
        __atomic_fetch_and(&ua->mask, ~(u64)MASK_LIBOS, __ATOMIC_SEQ_CST);
        if (!(__atomic_load_n(&ua->pending, __ATOMIC_SEQ_CST) & PENDING_EPILOGUE)) return err;
        rt_yield(0);
    }
}

i64 rt_map(ppn_t root, va_t va, ppn_t ppn, u64 bits) { return exo_bind(root, va, ppn, bits, 0).err; }

bool str_eq(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

void *memset(void *p, int c, size_t n) {
    for (char *to = p; n; n--) *to++ = (char)c;
    return p;
}

void *memcpy(void *to, const void *from, size_t n) {
    char *t = to;
    for (const char *f = from; n; n--) *t++ = *f++;
    return to;
}

void rt_write(const char *s, u64 n) {
    while (n) {
        struct exo_ret r = exo_cons_write(s, n);
        if (r.err) return;
        s += r.val;
        n -= r.val;
    }
}

// ---- printing ----

struct out {
    char *to;
    u64 size, n; // n may pass size: what would have been written
};

static void put(struct out *o, char c) {
    if (o->n < o->size) o->to[o->n] = c;
    o->n++;
}

static void put_number(struct out *o, u64 v, u32 base, u32 width, char pad) {
    char digits[20];
    u32 n = 0;
    do digits[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    for (; width > n; width--) put(o, pad);
    while (n) put(o, digits[--n]);
}

static void put_signed(struct out *o, i64 v, u32 width) {
    if (v < 0) put(o, '-');
    put_number(o, v < 0 ? 0 - (u64)v : (u64)v, 10, width, ' ');
}

static void put_all(struct out *o, const char *f, va_list args) {
    for (; *f; f++) {
        if (*f != '%') {
            put(o, *f);
            continue;
        }
        char pad = *++f == '0' ? '0' : ' ';
        u32 width = 0;
        for (; *f >= '0' && *f <= '9'; f++) width = width * 10 + (u32)(*f - '0');
        bool is_long = *f == 'l';
        f += is_long;
        switch (*f) {
        case 'd': put_signed(o, is_long ? va_arg(args, i64) : va_arg(args, i32), width); break;
        case 'u': put_number(o, is_long ? va_arg(args, u64) : va_arg(args, u32), 10, width, pad); break;
        case 'x': put_number(o, is_long ? va_arg(args, u64) : va_arg(args, u32), 16, width, pad); break;
        case 'p': put_number(o, va_arg(args, u64), 16, width, pad); break;
        case 's': {
            const char *s = va_arg(args, const char *);
            u32 n = 0;
            for (; *s; s++, n++) put(o, *s);
            for (; n < width; n++) put(o, ' ');
            break;
        }
        case 'c': put(o, (char)va_arg(args, int)); break;
        default: put(o, *f);
        }
    }
}

u64 vprint_to(char *out, u64 size, const char *fmt, va_list args) {
    struct out o = {out, size - 1, 0};
    put_all(&o, fmt, args);
    out[o.n < o.size ? o.n : o.size] = 0;
    return o.n;
}

u64 print_to(char *out, u64 size, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    u64 n = vprint_to(out, size, fmt, args);
    va_end(args);
    return n;
}

void print(const char *fmt, ...) {
    char line[512]
        __attribute__((aligned(512))); // never across a page: a line is one call as long as it is short
    struct out o = {line, sizeof line, 0};
    va_list args;
    va_start(args, fmt);
    put_all(&o, fmt, args);
    va_end(args);
    rt_write(line, o.n < o.size ? o.n : o.size);
}
