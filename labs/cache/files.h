// The files of the cache lab's disk, for its test programs. Word j of f007 is fresh(seed, 7) + j * STEP,
// before a test changes it; tests.py has the same.
#ifndef LABS_CACHE_FILES_H
#define LABS_CACHE_FILES_H

#include "labs/lab.h"
#include "user/exv6.h"
#include "user/kernel/fcntl.h"

#define FILES      310
#define FAVOURITES 900 // uses
#define BIG        10  // blocks of the file `big`
#define STEP       0x9e3779b97f4a7c15

static inline void need(int ok, const char *what) {
    if (ok) return;
    printf("cachelab: %s\n", what);
    exit(1);
}

static inline int must_fork(void) {
    int pid = fork();
    need(pid >= 0, "cannot fork");
    return pid;
}

static inline const char *name_of(int i) {
    static char name[] = "f000";
    for (int d = 3; d > 0; d--, i /= 10) name[d] = (char)('0' + i % 10);
    return name;
}

// Reads the first block of a file: a number that all of its words make.
static inline uint64 look(int i) {
    static uint64 word[512];
    uint64 fold = 0;
    int fd = open(name_of(i), O_RDONLY);
    need(fd >= 0 && read(fd, word, sizeof word) == sizeof word, "cannot read a file");
    close(fd);
    for (int j = 0; j < 512; j++) fold = fold * 31 + word[j];
    return fold;
}

// Changes a word of a file.
static inline void put(int i, int at, uint64 value) {
    uint64 skipped[8];
    int fd = open(name_of(i), O_RDWR), bytes = at * (int)sizeof value;
    need(fd >= 0 && (at == 0 || read(fd, skipped, bytes) == bytes) &&
             write(fd, &value, sizeof value) == sizeof value,
         "cannot change a file");
    close(fd);
}

// All that was done is durable.
static inline void sync(void) {
    int fd = open(name_of(299), O_RDONLY);
    need(fd >= 0 && fsync(fd) == 0, "fsync fails");
    close(fd);
}

static inline int pick(uint64 seed, int i, uint64 n) { return (int)(fresh(seed, 5000 + (uint64)i) % n); }

// Half of the time one of a third of the files.
static inline int favourite(uint64 seed, int i) {
    uint64 r = fresh(seed, 5000 + (uint64)i);
    return (int)((r >> 8) % (r & 1 ? 100 : FILES));
}

// One after another, downwards, but for the first 50.
static inline int others(int i) { return FILES - 1 - i % (FILES - 50); }

#endif
