// The programs of the fs lab's tests (tests.py): what each mode does, and in tests.py what must be on the
// disk whenever the power goes. Before each call that changes something a process marks the trace with the
// call's number, and after each fsync with that of the last: so it is known what had begun and what was
// promised.
#include <exo/call.h>

#include "labs/lab.h"
#include "user/exv6.h"
#include "user/kernel/fcntl.h"
#include "user/kernel/stat.h"

#define MARK_CALL 0x6361 // (MARK_CALL | who << 16, number)
#define MARK_SYNC 0x7379
#define STEP      0x9e3779b97f4a7c15
#define PAGES     9

static uint64 words[PAGES * 512] __attribute__((aligned(4096)));
static uint64 calls, who;

static void need(int ok, const char *what) {
    if (ok) return;
    printf("fslab: %s\n", what);
    exit(1);
}

static int must_fork(void) {
    int pid = fork();
    need(pid >= 0, "cannot fork");
    return pid;
}

static void call(void) { exo_mark(MARK_CALL | who << 16, ++calls); }

static void sync_file(const char *name) {
    int fd = open(name, O_RDONLY);
    if (fd < 0) return;
    need(fsync(fd) == 0, "fsync fails");
    exo_mark(MARK_SYNC | who << 16, calls);
    close(fd);
}

// n bytes that derive from a value; `apart`: so many bytes past the beginning of a page.
static char *bytes(uint64 value, int n, int apart) {
    char *to = (char *)words + apart;
    for (int i = 0; i * 8 < n; i++) {
        uint64 word = value + (uint64)i * STEP;
        memmove(to + i * 8, &word, 8);
    }
    return to;
}

static int size_of(const char *name) {
    struct stat st;
    return stat(name, &st) < 0 ? -1 : (int)st.size;
}

// ---- one process that changes files, in every way ----

static const char *name_of(uint64 r) {
    static const char *names[] = {"a", "b", "c", "d", "e", "f", "sub/a", "sub/b"};
    return names[r % 8];
}

// Whether it could be: it may be in a directory that is not there.
static int make(const char *name, uint64 value, int n, int apart) {
    call();
    int fd = open(name, O_CREATE | O_WRONLY | O_TRUNC);
    if (fd < 0) return 0;
    call();
    need(write(fd, bytes(value, n, apart), n) == n, "write fails");
    close(fd);
    return 1;
}

static void append(const char *name, uint64 value, int n, int apart) {
    int size = size_of(name);
    call();
    if (size < 0 || size > 30000) return;
    int fd = open(name, O_WRONLY | O_APPEND);
    need(fd >= 0 && write(fd, bytes(value, n, apart), n) == n, "write fails");
    close(fd);
}

static void change(uint64 r, uint64 value) {
    const char *name = name_of(r >> 8), *other = name_of(r >> 16);
    int n = 1 + (int)((r >> 24) % 9000), blocks = 4096 * (1 + (int)((r >> 24) % 8));
    switch (r % 12) {
    case 0:
    case 1:
    case 2: make(name, value, n, 8); break;
    case 3: make(name, value, blocks, 0); break;
    case 4: append(name, value, n, 8); break;
    case 5: append(name, value, blocks, 0); break;
    case 6:
    case 7: call(), link(name, other); break;
    case 8:
    case 9: call(), unlink(name); break;
    case 10: call(), mkdir("sub"); break;
    default: call(), unlink("sub"); break;
    }
}

static void enter(void) {
    call();
    need(mkdir("w") == 0 && chdir("w") == 0, "cannot make a directory");
}

static int changes(uint64 seed) {
    enter();
    make("sync", seed, 8, 8);
    for (uint64 i = 0; i < 56; i++) {
        uint64 r = fresh(seed, i);
        change(r, fresh(seed, 1000 + i));
        if (r >> 40 & 1 && i % 4 == 3) sync_file("sync");
    }
    return 0;
}

// Each change is made durable.
static int durable(uint64 seed) {
    enter();
    make("sync", seed, 8, 8);
    for (uint64 i = 0; i < 26; i++) {
        change(fresh(seed, i), fresh(seed, 1000 + i));
        sync_file("sync");
    }
    return 0;
}

// Whole blocks from whole pages, most of which go to the disk without a copy in the cache.
static int bare(uint64 seed) {
    enter();
    make("sync", seed, 8, 8);
    for (uint64 i = 0; i < 20; i++) {
        uint64 r = fresh(seed, i);
        const char *name = name_of(r % 6);
        if (r & 64) {
            call();
            unlink(name);
        }
        append(name, r, 4096 * (4 + (int)((r >> 8) % 3)), 0);
        make(name_of(r / 7 % 6), r, 4096 * (4 + (int)((r >> 16) % 5)), 0);
        if (i % 3 == 2) sync_file("sync");
    }
    return 0;
}

// Small writes all over, so that the log goes round.
static int order(uint64 seed) {
    enter();
    for (uint64 i = 0; i < 40; i++) {
        make(name_of(i % 6), fresh(seed, i), 1 + (int)(fresh(seed, 100 + i) % 12000), 8);
        if (i % 3 == 2) sync_file("a");
    }
    return 0;
}

// ---- several ----

static int together(uint64 seed) {
    enter();
    sync_file(".");
    for (who = 1; who < 4; who++) {
        if (must_fork()) continue;
        static char dir[] = "p0";
        dir[1] = (char)('0' + who);
        calls = 0;
        call();
        need(mkdir(dir) == 0 && chdir(dir) == 0, "cannot make a directory");
        for (uint64 i = 0; i < 16; i++) {
            uint64 r = fresh(seed, who * 100 + i);
            make(name_of(r % 5), r, 1 + (int)((r >> 8) % 5000), 8);
            if (r >> 32 & 1) {
                call();
                unlink(name_of(r / 5 % 5));
            }
            if (i % 2 == 1) sync_file(".");
        }
        exit(0);
    }
    while (wait(0) >= 0) continue;
    return 0;
}

// Far more than the log has room for, by four at a time; nothing may fail.
static int full(uint64 seed) {
    enter();
    for (who = 1; who < 5; who++) {
        if (must_fork()) continue;
        static char name[] = "f00";
        for (uint64 i = 0; i < 12; i++) {
            name[1] = (char)('0' + who);
            name[2] = (char)('0' + i % 4);
            need(make(name, fresh(seed, who * 100 + i), 24000, 8), "open fails");
        }
        exit(0);
    }
    int status, wrong = 0;
    while (wait(&status) >= 0) wrong += status != 0;
    answer("wrong", (uint64)wrong);
    return 0;
}

// Twelve processes have written something, and want it to be durable, all at a time.
static int group(uint64 seed) {
    int ready[2], go[2];
    char c[12];
    enter();
    pipe(ready);
    pipe(go);
    for (who = 1; who < 13; who++) {
        if (must_fork()) continue;
        static char name[] = "g0";
        name[1] = (char)('a' + who);
        make(name, fresh(seed, who), 96, 8);
        int fd = open(name, O_WRONLY | O_APPEND);
        call();
        need(write(fd, bytes(fresh(seed, 100 + who), 8, 8), 8) == 8, "write fails");
        write(ready[1], c, 1);
        read(go[0], c, 1);
        need(fsync(fd) == 0, "fsync fails");
        exo_mark(MARK_SYNC | who << 16, calls);
        exit(0);
    }
    for (int i = 0; i < 12; i++) read(ready[0], c, 1);
    exo_mark(MARK_SYNC, 0);
    write(go[1], c, 12);
    while (wait(0) >= 0) continue;
    return 0;
}

// Reads what the log had, and goes on.
static int replay(uint64 seed) {
    static char name[] = "r0";
    for (int i = 0; i < 6; i++) {
        uint64 fold = 0;
        name[1] = (char)('0' + i);
        int fd = open(name, O_RDONLY);
        need(fd >= 0 && read(fd, words, 4096) == 4096, "cannot read a file");
        close(fd);
        for (int j = 0; j < 512; j++) fold = fold * 31 + words[j];
        answer(name, fold);
    }
    enter();
    make("a", fresh(seed, 77), 5000, 8);
    sync_file("a");
    return 0;
}

static int cost(uint64 seed) {
    enter();
    make("a", seed, 100, 8);
    sync_file("a");
    for (uint64 i = 0; i < 24; i++) {
        make(name_of(i % 6), fresh(seed, i), 3000, 8);
        sync_file("a");
        sync_file("a");
    }
    return 0;
}

static const struct mode modes[] = {
    {"changes", changes}, {"durable", durable}, {"bare", bare},     {"order", order}, {"together", together},
    {"full", full},       {"group", group},     {"replay", replay}, {"cost", cost},   {0, 0},
};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
