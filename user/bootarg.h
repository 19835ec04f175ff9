// The machine's boot arguments: words of the form NAME=VALUE, which whoever starts it gives (BOOTARGS of
// `make qemu`). The kernel shows them to everybody. For programs and for images alike.
#ifndef USER_BOOTARG_H
#define USER_BOOTARG_H

#include <exo/abi.h>

// Where the value of `name` begins among EXO_WORDS->bootargs, a space or NUL ends it; 0 if it is not there.
static inline const volatile char *boot_arg(const char *name) {
    for (const volatile char *p = EXO_WORDS->bootargs; *p;) {
        const char *n = name;
        while (*n && *p == *n) p++, n++;
        if (!*n && *p == '=') return p + 1;
        while (*p && *p != ' ') p++;
        while (*p == ' ') p++;
    }
    return 0;
}

// As a decimal number; `otherwise` if it is not there.
static inline u64 boot_number(const char *name, u64 otherwise) {
    const volatile char *p = boot_arg(name);
    u64 n = 0;
    if (!p || *p < '0' || *p > '9') return otherwise;
    for (; *p >= '0' && *p <= '9'; p++) n = n * 10 + (u64)(*p - '0');
    return n;
}

#endif
