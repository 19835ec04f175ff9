// storebench : for the benchmarks, what a policy of one's own is worth. The work of the key-value library OS
// (user/kv/) on files, a bucket each; and a file larger than the cache read again and again, under LRU and
// under MRU. Prints `bench NAME N`: instructions an operation or a pass, requests to the disk a pass.
#include "kernel/cache.h"
#include "kernel/fcntl.h"
#include "kernel/types.h"
#include "user/bench.h"
#include "user/exv6.h"
#include "user/kv/work.h"

#define BUCKETS 500
#define RECORDS 63
#define OPS     2000
#define SEED    7
#define FILE    1400 // pages: the cache has 1024 frames
#define PASSES  4

static struct record {
    u64 key;
    struct value value;
} record[RECORDS]; // of the bucket looked at
static uint n;

static void need(int ok, const char *what) {
    if (ok) return;
    fprintf(2, "storebench: %s\n", what);
    exit(1);
}

// ---- a store on files ----

static const char *file_of(u64 key) {
    static char name[] = "bucket/000";
    uint b = (uint)((key * 0x9e3779b97f4a7c15 >> 32) % BUCKETS);
    for (int i = 9; i > 6; i--, b /= 10) name[i] = (char)('0' + b % 10);
    return name;
}

// Its place among the records of its bucket; n if it has none.
static uint look(u64 key) {
    int fd = open(file_of(key), O_RDONLY), got = fd < 0 ? 0 : read(fd, record, sizeof record);
    if (fd >= 0) close(fd);
    need(got >= 0, "cannot read a bucket");
    n = (uint)got / sizeof *record;
    uint i = 0;
    while (i < n && record[i].key != key) i++;
    return i;
}

static bool keep(u64 key) {
    int fd = open(file_of(key), O_CREATE | O_WRONLY | O_TRUNC), bytes = (int)(n * sizeof *record);
    bool ok = fd >= 0 && write(fd, record, bytes) == bytes;
    if (fd >= 0) close(fd);
    return ok;
}

bool store_put(u64 key, const struct value *value) {
    uint i = look(key);
    if (i == RECORDS) return false;
    record[i] = (struct record){key, *value};
    n += i == n;
    return keep(key);
}

bool store_get(u64 key, struct value *value) {
    uint i = look(key);
    if (i < n) *value = record[i].value;
    return i < n;
}

bool store_delete(u64 key) {
    uint i = look(key);
    if (i == n) return false;
    record[i] = record[--n];
    return keep(key);
}

static void store(void) {
    need(mkdir("bucket") == 0, "cannot make bucket/");
    work.state = SEED;
    uint64 begun = cycle();
    while (work.done < OPS) work_on();
    printf("bench store-files %lu\n", (cycle() - begun) / OPS);
    need(work.wrong == 0, "wrong answers");
}

// ---- a scan ----

static char page[4096];

static void scan(const char *name, int policy) {
    uint64 took = 0;
    need(cachepolicy(policy) >= 0, "no such policy");
    for (int i = 0; i < PASSES; i++) { // the last is one of many
        int fd = open("scan", O_RDONLY);
        uint64 begun = cycle();
        while (read(fd, page, sizeof page) == sizeof page) continue;
        took = cycle() - begun;
        close(fd);
    }
    printf("bench %s %lu\n", name, took);
}

int main(void) {
    store();
    int fd = open("scan", O_CREATE | O_WRONLY);
    for (int i = 0; i < FILE; i++) need(write(fd, page, sizeof page) == sizeof page, "no room for a file");
    close(fd);
    scan("scan-lru", CACHE_LRU);
    scan("scan-mru", CACHE_MRU);
    return 0;
}
