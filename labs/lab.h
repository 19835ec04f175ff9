// For the labs' test programs. Each is run as PROGRAM MODE SEED; what it works with derives from the seed by
// fresh(), and grade/graded.py derives the same: so an answer cannot be known beforehand.
#ifndef LABS_LAB_H
#define LABS_LAB_H

#include "user/kernel/types.h"
#include "user/user.h"

// Value number i of a seed (splitmix64).
static inline uint64 fresh(uint64 seed, uint64 i) {
    uint64 z = seed + (i + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// What the grader compares with its own.
static inline void answer(const char *name, uint64 value) { printf("answer %s %lx\n", name, value); }

static inline uint64 number(const char *s) {
    uint64 n = 0;
    while (*s >= '0' && *s <= '9') n = n * 10 + (uint64)(*s++ - '0');
    return n;
}

struct mode {
    const char *name;
    int (*run)(uint64 seed);
};

// The mode named on the command line: its exit status.
static inline int run_mode(const struct mode *modes, int argc, char **argv) {
    for (; argc == 3 && modes->name; modes++)
        if (strcmp(modes->name, argv[1]) == 0) return modes->run(number(argv[2]));
    fprintf(2, "usage: %s MODE SEED\n", argv[0]);
    return 126;
}

#endif
