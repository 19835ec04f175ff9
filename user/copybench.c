// copybench : what it costs to copy 16 MiB from file to file by read() and write(), fsync() at the end, in
// instructions where the cycle counter counts those (`make bench`). user/copier.c has what it is compared
// with.
#include "kernel/fcntl.h"
#include "user/bench.h"

#define BLOCKS 4096
#define CHUNK  16 // blocks moved at once

static uint64 chunk[CHUNK][512] __attribute__((aligned(4096)));

static void need(int ok, const char *what) {
    if (ok) return;
    fprintf(2, "copybench: %s\n", what);
    exit(1);
}

static int must_open(const char *name, int mode) {
    int fd = open(name, mode);
    need(fd >= 0, "cannot open a file");
    return fd;
}

static void fill(int fd) {
    for (int b = 0; b < BLOCKS; b++) {
        for (int i = 0; i < 512; i++) chunk[b % CHUNK][i] = (uint64)b << 32 | (uint64)i;
        if (b % CHUNK == CHUNK - 1)
            need(write(fd, chunk, sizeof chunk) == sizeof chunk, "no room for a file");
    }
}

static void check(int fd) {
    for (int b = 0; b < BLOCKS; b++) {
        if (b % CHUNK == 0) need(read(fd, chunk, sizeof chunk) == sizeof chunk, "the copy is too short");
        for (int i = 0; i < 512; i++)
            need(chunk[b % CHUNK][i] == ((uint64)b << 32 | (uint64)i), "the copy differs");
    }
}

int main(void) {
    int fd = must_open("from", O_CREATE | O_WRONLY);
    fill(fd);
    need(fsync(fd) == 0, "fsync");
    close(fd);

    int from = must_open("from", O_RDONLY), to = must_open("to", O_CREATE | O_WRONLY), n;
    uint64 begun = cycle();
    while ((n = read(from, chunk, sizeof chunk)) > 0) need(write(to, chunk, n) == n, "no room for the copy");
    need(n == 0 && fsync(to) == 0, "the disk");
    uint64 took = cycle() - begun;
    close(to);

    check(must_open("to", O_RDONLY));
    printf("bench copy-files %lu\n", took);
    return 0;
}
