// What a disk must stand, for grade/files.py.
//
//   filetest large N       writes a file of N MiB, reads it back and removes it
//   filetest copied N      the same with memory that is not whole pages
//   filetest full N        N times: fills the disk to the last block, checks what is there, removes it
//   filetest policy        how many requests to the disk it takes to read a file larger than the cache again
//   and again filetest sync P N      P processes make N files each, for grade/crash.py: see there
#include <exo/abi.h>
#include "kernel/cache.h"
#include "kernel/fcntl.h"
#include "kernel/types.h"
#include "kernel/stat.h"
#include "user/user.h"
#include "user/exv6.h"

#define CHUNK 32768
#define FILES 100

static uint64 room[CHUNK / 8 + 1] __attribute__((aligned(4096)));
static uint64 *words = room; // whole pages: blocks may go to and from them straight

static void fail(const char *what, int n) {
    printf("filetest: %s %d\n", what, n);
    exit(1);
}

// Chunk n of file f.
static void make_chunk(uint64 f, uint64 n) {
    uint64 x = (f << 32 | n) * 0x9e3779b97f4a7c15 + 1;
    for (int i = 0; i < CHUNK / 8; i++) words[i] = x += 0x2545f4914f6cdd1d;
}

static void check_chunk(uint64 f, uint64 n, int bytes) {
    uint64 x = (f << 32 | n) * 0x9e3779b97f4a7c15 + 1;
    for (int i = 0; i < bytes / 8; i++)
        if (words[i] != (x += 0x2545f4914f6cdd1d)) fail("wrong bytes in chunk", (int)n);
}

// ---- one large file ----

static void large(int mib) {
    int n = mib * ((1 << 20) / CHUNK), begun = uptime();
    int fd = open("large", O_CREATE | O_TRUNC | O_WRONLY);
    if (fd < 0) fail("cannot create", 0);
    for (int i = 0; i < n; i++) {
        make_chunk(0, i);
        if (write(fd, words, CHUNK) != CHUNK) fail("cannot write chunk", i);
    }
    if (fsync(fd) || close(fd)) fail("cannot sync", 0);
    int written = uptime();
    fd = open("large", O_RDONLY);
    for (int i = 0; i < n; i++) {
        if (read(fd, words, CHUNK) != CHUNK) fail("cannot read chunk", i);
        check_chunk(0, i, CHUNK);
    }
    if (read(fd, words, CHUNK) != 0) fail("the file is longer than", n);
    close(fd);
    int read_back = uptime();
    if (unlink("large")) fail("cannot remove", 0);
    printf("filetest: %d MiB: %d ticks to write, %d to read, %d to remove\n", mib, written - begun,
           read_back - written, uptime() - read_back);
}

// ---- a full disk ----

static char *name_of(int f) {
    static char name[] = "full00";
    name[4] = '0' + f / 10;
    name[5] = '0' + f % 10;
    return name;
}

// Bytes that fit into a file of at most 8 MiB: a write that fails may have written a part.
static int fill_file(int f) {
    struct stat st;
    int fd = open(name_of(f), O_CREATE | O_TRUNC | O_WRONLY);
    if (fd < 0) fail("cannot create file", f);
    for (int i = 0; i < (8 << 20) / CHUNK; i++) {
        make_chunk(f, i);
        if (write(fd, words, CHUNK) != CHUNK) break;
    }
    if (fstat(fd, &st)) fail("no size of file", f);
    if (st.size < 8 << 20 && write(fd, words, 1) >= 0) fail("not full, with file", f);
    close(fd);
    return st.size;
}

static void check_file(int f, int size) {
    int fd = open(name_of(f), O_RDONLY);
    for (int at = 0; at < size; at += CHUNK) {
        int n = size - at < CHUNK ? size - at : CHUNK;
        if (read(fd, words, CHUNK) != n) fail("cannot read file", f);
        check_chunk(f, at / CHUNK, n);
    }
    close(fd);
}

static void full(int times) {
    int size[FILES], first = 0;
    for (int t = 0; t < times; t++) {
        int n = 0, sum = 0;
        do {
            size[n] = fill_file(n);
            sum += size[n];
        } while (size[n++] == 8 << 20);
        for (int f = 0; f < n; f++) check_file(f, size[f]);
        for (int f = 0; f < n; f++)
            if (unlink(name_of(f))) fail("cannot remove file", f);
        if (t && sum != first) fail("bytes that fit are not as the first time, but", sum);
        first = sum;
    }
    printf("filetest: %d times %d bytes fill the disk\n", times, first);
}

// ---- replacement in the buffer cache ----

#define BEYOND 160 // chunks: 5 MiB

// Requests for reading a file of a quarter more than the cache holds, once more.
static int requests_of(int policy) {
    uint64 before = 0;
    cachepolicy(policy);
    for (int pass = 0; pass < 3; pass++) {
        int fd = open("policy", O_RDONLY);
        before = EXO_WORDS->completions;
        for (int i = 0; i < BEYOND; i++) {
            if (read(fd, words, CHUNK) != CHUNK) fail("cannot read chunk", i);
            check_chunk(0, i, CHUNK);
        }
        close(fd);
    }
    return EXO_WORDS->completions - before;
}

static void policy(void) {
    int fd = open("policy", O_CREATE | O_TRUNC | O_WRONLY);
    words++; // no whole pages: all goes through the cache
    for (int i = 0; i < BEYOND; i++) {
        make_chunk(0, i);
        if (write(fd, words, CHUNK) != CHUNK) fail("cannot write chunk", i);
    }
    if (fsync(fd) || close(fd)) fail("cannot sync", 0);
    if (cachepolicy(CACHE_POLICIES) != -1) fail("no such policy", 0);
    int lru = requests_of(CACHE_LRU), clock = requests_of(CACHE_CLOCK), mru = requests_of(CACHE_MRU);
    if (cachepolicy(CACHE_LRU) != CACHE_MRU) fail("not the last policy", 0);
    if (unlink("policy")) fail("cannot remove", 0);
    printf("filetest: requests with LRU %d, clock %d, MRU %d\n", lru, clock, mru);
}

// ---- files that are synced ----

// File keepPQ is version Q, Q + 4 and so on of process P's: the one before the last is not touched, so that
// it can be asked for after a crash. A block is all of one word: version, process and number of the block.
static int keep(int p, int version) {
    static char name[] = "keep00", line[] = "synced 0 0000\n";
    name[4] = '0' + p;
    name[5] = '0' + version % 4;
    int fd = open(name, O_CREATE | O_TRUNC | O_WRONLY);
    for (int b = 0; b < 1 + version * 7 % 20; b++) {
        for (int i = 0; i < 512; i++) words[i] = 0x6b656570UL << 32 | version << 16 | p << 8 | b;
        if (write(fd, words, 4096) != 4096) return -1;
    }
    if (fsync(fd) || close(fd)) return -1;
    line[7] = '0' + p;
    for (int i = 12, v = version; i > 8; i--, v /= 10) line[i] = '0' + v % 10;
    return write(1, line, sizeof line - 1) < 0;
}

// What nobody asks for, but must leave a sound file system.
static int stir(int p, int version) {
    static char dir[] = "dir0", inner[] = "dir0/0", other[] = "dir0/x";
    dir[3] = inner[3] = other[3] = '0' + p;
    inner[5] = '0' + version % 3;
    mkdir(dir);
    int fd = open(inner, O_CREATE | O_RDWR);
    if (fd < 0 || write(fd, words, 1000 + version * 999 % 30000) < 0) return -1;
    unlink(other);
    if (link(inner, other)) return -1;
    if (version % 5 == 0 && unlink(inner)) return -1;
    return close(fd);
}

static void sync_files(int nprocs, int versions) {
    int status;
    for (int p = 0; p < nprocs; p++) {
        if (fork()) continue;
        for (int v = 1; v <= versions; v++)
            if (keep(p, v) || stir(p, v)) fail("cannot make version", v);
        exit(0);
    }
    while (wait(&status) > 0)
        if (status) fail("a process failed:", status);
    printf("filetest: synced all\n");
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "copied") == 0) words++;
    if (argc == 3 && (words != room || strcmp(argv[1], "large") == 0))
        large(atoi(argv[2]));
    else if (argc == 3 && strcmp(argv[1], "full") == 0)
        full(atoi(argv[2]));
    else if (argc == 2 && strcmp(argv[1], "policy") == 0)
        policy();
    else if (argc == 4 && strcmp(argv[1], "sync") == 0)
        sync_files(atoi(argv[2]), atoi(argv[3]));
    else
        fail("what?", argc);
    exit(0);
}
