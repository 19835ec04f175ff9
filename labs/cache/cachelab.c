// The programs of the cache lab's tests (tests.py): what each mode does, and in tests.py what the disk and
// the kernel must have seen. The disk has files f000, f001 ..., of which only the first block is used: so no
// two blocks in a row are asked for, and none is read ahead.
#include "labs/cache/files.h"
#include "user/kernel/cache.h"

// A few files, three times.
static int hit(uint64 seed) {
    uint64 total = 0;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 20; i++) total = total * 31 + look(pick(seed, i, 300));
    answer("total", total);
    return 0;
}

// The total of what one of three children reads; two have the same order, and all begin with different inodes
// of one block.
static uint64 reader(uint64 seed, int who) {
    uint64 total = look(FILES - 20 + who);
    for (int i = 0; i < 60; i++)
        total = total * 31 + look(200 + (i * (who == 2 ? 11 : 7) + (int)(seed % 60)) % 60);
    return total;
}

// Reads both blocks of many files, so that nothing is in the cache of what the children will read.
static int shared(uint64 seed) {
    int fds[3][2];
    for (int i = 0; i < 150; i++) {
        static char c[4096];
        int fd = open(name_of(i), O_RDONLY);
        read(fd, c, 4096);
        read(fd, c, 1);
        close(fd);
    }
    for (int who = 0; who < 3; who++) {
        pipe(fds[who]);
        if (must_fork() == 0) {
            uint64 total = reader(seed, who);
            write(fds[who][1], &total, sizeof total);
            exit(0);
        }
    }
    for (int who = 0; who < 3; who++) {
        uint64 total = 0;
        read(fds[who][0], &total, sizeof total);
        printf("answer reader%d %lx\n", who, total);
        wait(0);
    }
    return 0;
}

// New files, in blocks and frames that others have left.
static int fresh_blocks(uint64 seed) {
    for (int i = 30; i < FILES; i++) look(i);
    for (int i = 0; i < 30; i++) need(unlink(name_of(i)) == 0, "cannot remove a file");
    sync();
    for (int i = 0; i < 24; i++) {
        uint64 word = fresh(seed, 3000 + (uint64)i);
        char name[] = "new00";
        name[3] = (char)('0' + i / 10);
        name[4] = (char)('0' + i % 10);
        int fd = open(name, O_CREATE | O_WRONLY);
        need(fd >= 0 && write(fd, &word, sizeof word) == sizeof word, "cannot make a file");
        close(fd);
    }
    sync();
    return 0;
}

// One word of each file is changed, in all more blocks than the cache has frames; then all are read.
static int dirty(uint64 seed) {
    uint64 total = 0;
    for (int i = 0; i < 300; i++) {
        put(i, 0, fresh(seed, 4000 + (uint64)i));
        if (i % 16 == 15) sync();
    }
    for (int i = 0; i < 300; i++) total = total * 31 + look(i);
    answer("total", total);
    return 0;
}

// What nobody has asked to be durable stays in memory, whatever else is read.
static int kept(uint64 seed) {
    uint64 total = 0;
    for (int i = 0; i < 30; i++) put(i, 0, fresh(seed, 4000 + (uint64)i));
    for (int round = 0; round < 2; round++)
        for (int i = 30; i < 300; i++) total = total * 31 + look(i);
    for (int i = 0; i < 30; i++) total = total * 31 + look(i);
    answer("total", total);
    return 0;
}

// One process reads a file whose words it knows, over and over; meanwhile another reads more than fits. Where
// a slice ends while the one copies from a frame, the frame must stay what it is.
static int held(uint64 seed) {
    int fds[2];
    uint64 base[BIG];
    for (uint64 block = 0; block < BIG; block++) base[block] = fresh(seed, 9000 + block);
    pipe(fds);
    if (must_fork() == 0) {
        uint64 total = 0;
        for (int round = 0; round < 20; round++)
            for (int i = 0; i < 300; i++) total = total * 31 + look(i);
        write(fds[1], &total, sizeof total);
        exit(0);
    }
    uint64 wrong = 0;
    static uint64 word[512];
    for (int round = 0; round < 2000; round++) {
        int fd = open("big", O_RDONLY);
        for (uint64 block = 0; read(fd, word, sizeof word) == sizeof word; block++)
            for (uint64 j = 0, right = base[block]; j < 512; j++, right += STEP) wrong += word[j] != right;
        close(fd);
    }
    answer("wrong", wrong);
    uint64 total = 0;
    read(fds[0], &total, sizeof total);
    answer("total", total);
    wait(0);
    return 0;
}

// All files once, with the policy that all begin with; then an order that favours some, with another.
static uint64 once(void) {
    uint64 total = 0;
    for (int i = FILES - 1; i >= 0; i--) total = total * 31 + look(i);
    return total;
}

static int favour(uint64 seed, int policy) {
    uint64 total = once();
    need(policy == CACHE_LRU || cachepolicy(policy) == CACHE_LRU,
         "cachepolicy() does not say what was chosen before");
    for (int i = 0; i < FAVOURITES; i++) total = total * 31 + look(favourite(seed, i));
    answer("total", total);
    return 0;
}

static int lru(uint64 seed) { return favour(seed, CACHE_LRU); }

static int clock(uint64 seed) { return favour(seed, CACHE_CLOCK); }

// The same files again and again.
static int mru(uint64 seed) {
    uint64 total = once();
    (void)seed;
    need(cachepolicy(CACHE_MRU) == CACHE_LRU, "cachepolicy() does not say what was chosen before");
    for (int round = 0; round < 3; round++) total = total * 31 + once();
    answer("total", total);
    return 0;
}

// A parent with LRU and a child with MRU take turns; what the one uses the other leaves alone.
static int own(uint64 seed) {
    int to[2], from[2];
    char c = 0;
    uint64 total = once();
    pipe(to);
    pipe(from);
    answer("first", (uint64)cachepolicy(CACHE_MRU));
    answer("none", (uint64)(cachepolicy(CACHE_POLICIES) + cachepolicy(-1)));
    if (must_fork() == 0) {
        uint64 sum = (uint64)cachepolicy(CACHE_MRU);
        for (int round = 0; round < 24; round++) {
            read(to[0], &c, 1);
            for (int i = 0; i < 20; i++) sum = sum * 31 + look(others(round * 20 + i));
            write(from[1], &c, 1);
        }
        write(from[1], &sum, sizeof sum);
        exit(0);
    }
    answer("second", (uint64)cachepolicy(CACHE_LRU));
    for (int round = 0; round < 24; round++) {
        for (int i = 0; i < 20; i++)
            total = total * 31 + look((int)((uint64)(round * 20 + i) * 7 + seed % 40) % 40);
        write(to[1], &c, 1);
        read(from[0], &c, 1);
    }
    uint64 sum = 0;
    read(from[0], &sum, sizeof sum);
    answer("child", sum);
    answer("parent", total);
    wait(0);
    return 0;
}

// Each process has a word of each file for itself.
static int racing(uint64 seed) {
    for (int who = 0; who < 5; who++) {
        if (must_fork()) continue;
        for (int i = 0; i < 100; i++) {
            uint64 r = fresh(seed, 10000 + (uint64)(who * 1000 + i));
            put((int)((r >> 8) % 280), who, r);
            for (int k = 0; k < 3; k++) look((int)((r >> 16 >> (k * 9)) % 300));
        }
        exit(0);
    }
    while (wait(0) >= 0) continue;
    return 0;
}

// 1024 reads that find their block, between two that do not.
static int cost(uint64 seed) {
    char some[8];
    (void)seed;
    for (int i = 60; i < 260; i++) look(i); // so that it is not among the first frames
    look(1);
    look(2);
    look(3);
    for (int i = 1; i < 3; i++) {
        int fd = open(name_of(i), O_RDONLY);
        for (int k = 0; k < 512; k++) read(fd, some, sizeof some);
        close(fd);
    }
    look(4);
    return 0;
}

static const struct mode modes[] = {
    {"hit", hit},     {"shared", shared}, {"fresh", fresh_blocks},
    {"dirty", dirty}, {"kept", kept},     {"held", held},
    {"lru", lru},     {"clock", clock},   {"mru", mru},
    {"own", own},     {"racing", racing}, {"cost", cost},
    {0, 0},
};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
