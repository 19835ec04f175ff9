// mmap, munmap and msync: private and shared, of files and anonymous.
#include "ut.h"

#include "kernel/mman.h"
#include "user/exv6.h"

#define RW (PROT_READ | PROT_WRITE)

// Byte i of what the test files hold.
static uchar byte_at(uint64 i) { return (uchar)(i * 7 + (i >> 12) * 31 + 1); }

// A file of so many bytes, open for both.
static int make_bytes(const char *path, int bytes) {
    static uchar buf[PGSIZE];
    int fd = open(path, O_CREATE | O_RDWR | O_TRUNC);
    if (fd < 0) fail(path, 0, fd);
    for (int at = 0; at < bytes; at += PGSIZE) {
        int n = bytes - at < PGSIZE ? bytes - at : PGSIZE;
        for (int i = 0; i < n; i++) buf[i] = byte_at((uint64)(at + i));
        expect("write", n, write(fd, buf, n));
    }
    return fd;
}

static void *map(uint64 bytes, int prot, int flags, int fd, uint64 offset) {
    void *p = mmap(0, bytes, prot, flags, fd, offset);
    if (p == (void *)BAD) fail("mmap", (long)bytes, BAD);
    return p;
}

static void *map_memory(uint64 bytes, int how) { return map(bytes, RW, how | MAP_ANONYMOUS, -1, 0); }

static void refused(const char *what, void *p) { expect(what, BAD, (long)p); }

static void check(const uchar *p, uint64 from, uint64 to, uint64 off) {
    for (uint64 i = from; i < to; i++)
        if (p[i] != byte_at(i + off)) fail("a byte of the mapping", byte_at(i + off), p[i]);
}

// Byte `at` of the file, as read() sees it.
static int file_byte(const char *path, int at) {
    uchar buf[512];
    int fd = open(path, O_RDONLY), n = 0;
    for (int left = at + 1; left > 0 && (n = read(fd, buf, sizeof buf)) > 0; left -= n)
        if (left <= n) {
            close(fd);
            return buf[left - 1];
        }
    fail(path, at, n);
}

static uchar *at_child; // what the children below look at

static void store_there(void *unused) { *(volatile uchar *)at_child = 1; }
static void load_there(void *unused) { (void)*(volatile uchar *)at_child; }

static void expect_fault(const char *what, void (*how)(void *), void *at) {
    at_child = at;
    expect(what, BAD, status_of(how, 0));
}

// ---- private ----

static void private_file(void) {
    int bytes = 5 * PGSIZE + 100, fd = make_bytes("m", bytes);
    uchar *p = map((uint64)bytes, RW, MAP_PRIVATE, fd, 0);
    close(fd);
    check(p, 0, (uint64)bytes, 0);
    for (int i = bytes; i < 6 * PGSIZE; i++) expect("a byte past the end", 0, p[i]);
    p[0] = 99;
    p[bytes - 1] = 98;
    expect("munmap", 0, munmap(p, (uint64)bytes));
    expect("first byte of the file", byte_at(0), file_byte("m", 0));
    expect("last byte of the file", byte_at((uint64)bytes - 1), file_byte("m", bytes - 1));
    expect_fault("a load after munmap", load_there, p);
    unlink("m");
}

// A large one comes without a copy, straight from the disk.
static void private_offset(void) {
    int pages = 40, fd = make_bytes("m", pages * PGSIZE);
    uchar *p = map(30ul * PGSIZE, PROT_READ, MAP_PRIVATE, fd, 7ul * PGSIZE);
    check(p, 0, 30ul * PGSIZE, 7ul * PGSIZE);
    expect_fault("a store to what is only to be read", store_there, p + 8 * PGSIZE);
    close(fd);
    fd = open("m", O_RDONLY);
    expect("a call that would store there", BAD, read(fd, p, 1));
    close(fd);
    unlink("m");
}

static void change_copy(void *p) {
    volatile uchar *at = p;
    expect("before", 5, at[PGSIZE]);
    at[PGSIZE] = 6;
    at[0] = 7;
}

static void private_fork(void) {
    uchar *p = map_memory(2 * PGSIZE, MAP_PRIVATE);
    p[PGSIZE] = 5;
    expect("the child", 0, status_of(change_copy, p));
    expect("what the child stored", 5, p[PGSIZE]);
    expect("what nobody stored", 0, p[0]);
}

// ---- shared ----

#define ROUNDS 20000

static void count_up(void *word) {
    for (int i = 0; i < ROUNDS; i++) __atomic_fetch_add((uint64 *)word, 1, __ATOMIC_RELAXED);
}

static void shared_memory(void) {
    uint64 *p = map_memory(3 * PGSIZE, MAP_SHARED);
    for (int i = 0; i < 3 * PGSIZE / 8; i++) expect("a fresh word", 0, (long)p[i]);
    for (int i = 0; i < 4; i++) spawn(count_up, p + 512);
    for (int i = 0, status; i < 4; i++) {
        if (wait(&status) < 0) fail("wait", 0, BAD);
        expect("status", 0, status);
    }
    expect("counted", 4 * ROUNDS, (long)p[512]);
}

// A process that has no more to do with this one than the file's name.
static void other_end(void *unused) {
    int fd = open("m", O_RDWR);
    volatile uint *p = map(2 * PGSIZE, RW, MAP_SHARED, fd, 0);
    close(fd);
    while (p[0] != 1) sleep(1);
    p[1024] = 77;
    p[0] = 2;
}

static void shared_file(void) {
    int fd = make_bytes("m", 2 * PGSIZE);
    volatile uint *p = map(2 * PGSIZE, RW, MAP_SHARED, fd, 0);
    int pid = spawn(other_end, 0), status;
    p[0] = 1;
    while (p[0] != 2) sleep(1);
    expect("what the other stored", 77, p[1024]);
    expect("pid", pid, wait(&status));
    expect("status", 0, status);
    expect("what the other stored, in the file after its end", 77, file_byte("m", PGSIZE));
    p[1025] = 78;
    expect("not in the file yet", byte_at(PGSIZE + 4), file_byte("m", PGSIZE + 4));
    expect("msync", 0, msync((void *)p, 2 * PGSIZE));
    expect("in the file", 78, file_byte("m", PGSIZE + 4));
    expect("write", 8, write(open("m", O_WRONLY), "\1\2\3\4\5\6\7\10", 8));
    p[1025] = 79;
    expect("munmap", 0, munmap((void *)p, 2 * PGSIZE));
    expect("in the file", 79, file_byte("m", PGSIZE + 4));
    expect("what was written to a page that nobody has stored to since", 8, file_byte("m", 7));
    close(fd);
    unlink("m");
}

static void store_and_exit(void *how) {
    uchar *p = map(PGSIZE, RW, MAP_SHARED, open("m", O_RDWR), 0);
    static char *argv[] = {"echo", "-n", 0};
    p[1] = 200;
    if (how == 0) exit(0);
    if (how == (void *)1) exec("echo", argv);
    spawn(store_there, at_child = p + 2); // it is this process's now, too, and dies with 1 in it
    wait(0);
    for (;;) kill(getpid());
}

static void shared_ends(void) {
    for (long how = 0; how < 3; how++) {
        close(make_bytes("m", 100));
        expect("its end", how == 2 ? BAD : 0, status_of(store_and_exit, (void *)how));
        expect("what it had stored", 200, file_byte("m", 1));
        expect("what its child had stored", how == 2 ? 1 : byte_at(2), file_byte("m", 2));
    }
    unlink("m");
}

// What is mapped lives on without a name; what of the file is past its new end is not written.
static void shared_unlinked(void) {
    int fd = make_bytes("m", 3 * PGSIZE);
    uchar *p = map(3 * PGSIZE, RW, MAP_SHARED, fd, 0);
    close(fd);
    unlink("m");
    check(p, 0, 3 * PGSIZE, 0);
    p[0] = 1;
    fd = make_bytes("n", 3 * PGSIZE);
    uchar *q = map(3 * PGSIZE, RW, MAP_SHARED, fd, 0);
    close(fd);
    close(open("n", O_RDWR | O_TRUNC));
    make_file("n", "short");
    q[1] = 'H';
    q[2 * PGSIZE] = 1;
    expect("munmap", 0, munmap(q, 3 * PGSIZE));
    struct stat st;
    expect("stat", 0, stat("n", &st));
    expect("size", 5, (long)st.size);
    expect("a byte", 'H', file_byte("n", 1));
    unlink("n");
}

static void shared_grows(void) {
    int fd = make_bytes("m", PGSIZE);
    uchar *p = map(PGSIZE, RW, MAP_SHARED, fd, 0), *q;
    refused("past the end", mmap(0, 2 * PGSIZE, RW, MAP_SHARED, fd, 0));
    p[3] = 9;
    close(fd);
    fd = open("m", O_RDWR | O_APPEND);
    for (int i = 0; i < 2 * PGSIZE; i += 4) expect("write", 4, write(fd, "abcd", 4));
    q = map(3 * PGSIZE, PROT_READ, MAP_SHARED, fd, 0);
    expect("the same page", 9, q[3]);
    p[4] = 10;
    expect("the same page", 10, q[4]);
    expect("what was added", 'b', q[2 * PGSIZE + 1]);
    expect_fault("a store to what is only to be read", store_there, q + 2 * PGSIZE);
    close(fd);
    unlink("m");
}

// What others append to the last page is not lost when what was mapped before is written.
static void shared_tail(void) {
    int fd = make_bytes("m", 100);
    uchar *p = map(100, RW, MAP_SHARED, fd, 0);
    expect("write", 3, write(open("m", O_WRONLY | O_APPEND), "abc", 3));
    p[0] = 1;
    expect("msync", 0, msync(p, 100));
    expect("what was stored", 1, file_byte("m", 0));
    expect("what was appended", 'a', file_byte("m", 100));
    uchar *q = map(103, PROT_READ, MAP_SHARED, fd, 0);
    expect("what was appended, in a new mapping", 'c', q[102]);
    p[101] = 'B';
    expect("munmap", 0, munmap(p, 103));
    expect("what was stored", 'B', file_byte("m", 101));
    expect("what was appended", 'c', file_byte("m", 102));
    unlink("m");
}

// ---- parts, and what is refused ----

static void parts(void) {
    for (int how = 0; how < 2; how++) {
        int fd = make_bytes("m", 8 * PGSIZE);
        uchar *p = map(8 * PGSIZE, RW, how ? MAP_SHARED : MAP_PRIVATE, fd, 0);
        p[4 * PGSIZE] = 1;
        expect("the middle", 0, munmap(p + 4 * PGSIZE, PGSIZE));
        expect("the head", 0, munmap(p, PGSIZE));
        expect("the tail", 0, munmap(p + 7 * PGSIZE, 10));
        check(p, PGSIZE, 4 * PGSIZE, 0);
        check(p, 5 * PGSIZE, 7 * PGSIZE, 0);
        expect_fault("the head", load_there, p + PGSIZE - 1);
        expect_fault("the middle", load_there, p + 4 * PGSIZE);
        expect_fault("the tail", load_there, p + 7 * PGSIZE);
        expect("in the file", how ? 1 : byte_at(4 * PGSIZE), file_byte("m", 4 * PGSIZE));
        p[6 * PGSIZE] = 2;
        expect("all before the hole", 0, munmap(p, 4 * PGSIZE));
        check(p, 5 * PGSIZE, 6 * PGSIZE, 0);
        if (how) {
            uchar *whole = map(8 * PGSIZE, PROT_READ, MAP_SHARED, fd, 0);
            expect("what another mapping shows", 2, whole[6 * PGSIZE]);
            expect("munmap", 0, munmap(whole, 8 * PGSIZE));
        }
        uchar *again = map(PGSIZE, PROT_READ, MAP_PRIVATE, fd, PGSIZE);
        check(again, 0, PGSIZE, PGSIZE);
        expect("all", 0, munmap(p, 8 * PGSIZE));
        expect("nothing is left there", BAD, munmap(p + PGSIZE, 3 * PGSIZE));
        expect("in the file", how ? 2 : byte_at(6 * PGSIZE), file_byte("m", 6 * PGSIZE));
        close(fd);
    }
    unlink("m");
}

static void map_refused(void) {
    int fd = make_bytes("m", 2 * PGSIZE), ro = open("m", O_RDONLY), wo = open("m", O_WRONLY),
        dir = open(".", 0);
    int ends[2];
    expect("pipe", 0, pipe(ends));
    refused("a place", mmap((void *)0x10000000, PGSIZE, RW, MAP_PRIVATE, fd, 0));
    refused("no bytes", mmap(0, 0, RW, MAP_PRIVATE, fd, 0));
    refused("too many bytes", mmap(0, ~0ul, RW, MAP_PRIVATE, fd, 0));
    refused("a part of a page", mmap(0, PGSIZE, RW, MAP_PRIVATE, fd, 8));
    refused("past the end", mmap(0, 2 * PGSIZE + 1, RW, MAP_PRIVATE, fd, 0));
    refused("past the end", mmap(0, PGSIZE, RW, MAP_PRIVATE, fd, 2 * PGSIZE));
    refused("far past the end", mmap(0, PGSIZE, RW, MAP_PRIVATE, fd, ~0ul << 12));
    refused("not to be read", mmap(0, PGSIZE, PROT_WRITE, MAP_PRIVATE, fd, 0));
    refused("neither", mmap(0, PGSIZE, 0, MAP_PRIVATE, fd, 0));
    refused("to be run", mmap(0, PGSIZE, PROT_READ | 4, MAP_PRIVATE, fd, 0));
    refused("neither shared nor private", mmap(0, PGSIZE, RW, 0, fd, 0));
    refused("both", mmap(0, PGSIZE, RW, MAP_SHARED | MAP_PRIVATE, fd, 0));
    refused("another flag", mmap(0, PGSIZE, RW, MAP_PRIVATE | 0x10, fd, 0));
    refused("no file", mmap(0, PGSIZE, RW, MAP_PRIVATE, 15, 0));
    refused("no file", mmap(0, PGSIZE, RW, MAP_PRIVATE, -1, 0));
    refused("a pipe", mmap(0, PGSIZE, RW, MAP_PRIVATE, ends[0], 0));
    refused("a directory", mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, dir, 0));
    refused("a device", mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, 0, 0));
    refused("a file that may not be read", mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE, wo, 0));
    refused("a file that may not be written", mmap(0, PGSIZE, RW, MAP_SHARED, ro, 0));
    refused("anonymous, with a file", mmap(0, PGSIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, fd, 0));
    refused("anonymous, of an offset", mmap(0, PGSIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, PGSIZE));
    refused("anonymous, only to be read", mmap(0, PGSIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    uchar *p = map(PGSIZE, RW, MAP_PRIVATE, ro, 0); // a copy may be written
    p[0] = 1;
    expect("munmap: no address of a page", BAD, munmap(p + 1, PGSIZE));
    expect("munmap: no bytes", BAD, munmap(p, 0));
    expect("munmap: too many bytes", BAD, munmap(p, ~0ul));
    expect("munmap: the heap", BAD, munmap(sbrk(0) - (uint64)sbrk(0) % PGSIZE, PGSIZE));
    expect("munmap: the libOS", BAD, munmap((void *)0x40000000, PGSIZE));
    expect("munmap: nowhere", BAD, munmap((void *)~0xffful, PGSIZE));
    expect("msync: nothing there", BAD, msync(p - PGSIZE, PGSIZE));
    expect("msync: no address of a page", BAD, msync(p + 8, PGSIZE));
    expect("msync of a private one", 0, msync(p, PGSIZE));
    unlink("m");
}

// As many as there may be; and all of the pages that shared ones may have.
static void map_limits(void) {
    uchar *p[NMAP];
    for (int i = 0; i < NMAP; i++) p[i] = map_memory(3 * PGSIZE, i % 2 ? MAP_SHARED : MAP_PRIVATE);
    refused("one more", mmap(0, PGSIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    expect("one more, by cutting", BAD, munmap(p[3] + PGSIZE, PGSIZE));
    p[3][PGSIZE] = 1;
    for (int i = 0; i < NMAP; i++) expect("munmap", 0, munmap(p[i], 3 * PGSIZE));
    refused("too much to share", mmap(0, 1025ul * PGSIZE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    p[0] = map_memory(200ul * PGSIZE, MAP_SHARED);
    for (int i = 0; i < 200; i++) p[0][i * PGSIZE] = (uchar)i;
    for (int i = 0; i < 200; i++) expect("a page", i, p[0][i * PGSIZE]);
    expect("munmap", 0, munmap(p[0], 200ul * PGSIZE));
    for (int i = 0; i < 600; i++)
        expect("again and again", 0,
               munmap(map_memory(100ul * PGSIZE, i % 2 ? MAP_SHARED : MAP_PRIVATE), 100ul * PGSIZE));
}

static void against_heap(void) {
    refused("more than there is", mmap(0, 0x3fe00000, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    uchar *p = map_memory(512ul * PGSIZE, MAP_PRIVATE), *q = map_memory(PGSIZE, MAP_PRIVATE);
    p[0] = p[512ul * PGSIZE - 1] = q[0] = 1;
    expect("munmap", 0, munmap(map_memory(PGSIZE, MAP_PRIVATE), PGSIZE));
    expect("what is left", 1, q[0]);
    uint64 room = ((uint64)q & ~0x1ffffful) - (uint64)sbrk(0);
    expect("a heap that would reach them", BAD, (long)sbrk((int)room + 1));
    expect("munmap", 0, munmap(p, 512ul * PGSIZE));
    expect("what is left", 1, q[0]);
    expect("munmap", 0, munmap(q, PGSIZE));
}

// The calls take a mapping as they take any memory.
static void map_as_buffer(void) {
    int fd = make_bytes("m", 20 * PGSIZE);
    for (int how = 0; how < 2; how++) {
        uchar *p = map_memory(20 * PGSIZE, how ? MAP_SHARED : MAP_PRIVATE);
        int from = open("m", O_RDONLY), to = open("n", O_CREATE | O_WRONLY | O_TRUNC);
        expect("read", 20 * PGSIZE, read(from, p, 20 * PGSIZE));
        check(p, 0, 20 * PGSIZE, 0);
        expect("write", 20 * PGSIZE, write(to, p, 20 * PGSIZE));
        if (how == 0) expect("beyond it", BAD, write(to, p + 19 * PGSIZE, 2 * PGSIZE));
        strcpy((char *)p, "n");
        expect("a name", 0, unlink((char *)p));
        close(from);
        close(to);
    }
    // What read() stores in a file's mapping is new, even if the disk stores it there itself: as it could of
    // a file that is not in the cache.
    uchar *p = map(20 * PGSIZE, RW, MAP_SHARED, fd, 0);
    int from = open("edit", O_RDONLY), bytes = read(from, p + PGSIZE, 16 * PGSIZE);
    if (bytes < 4 * PGSIZE) fail("read", 4 * PGSIZE, bytes);
    expect("munmap", 0, munmap(p, 20 * PGSIZE));
    for (int at = 0; at < bytes; at += 1000)
        expect("a byte", file_byte("edit", at), file_byte("m", PGSIZE + at));
    unlink("m");
    unlink("n");
}

const struct test map_tests[] = {{"mapprivate", private_file, 0},
                                 {"mapoffset", private_offset, 0},
                                 {"mapfork", private_fork, 0},
                                 {"mapmemory", shared_memory, 0},
                                 {"mapfile", shared_file, 0},
                                 {"mapends", shared_ends, 0},
                                 {"mapunlinked", shared_unlinked, 0},
                                 {"mapgrows", shared_grows, 0},
                                 {"maptail", shared_tail, 0},
                                 {"mapparts", parts, 0},
                                 {"maprefused", map_refused, 0},
                                 {"maplimits", map_limits, 0},
                                 {"mapheap", against_heap, 0},
                                 {"mapbuffer", map_as_buffer, 0},
                                 {0, 0, 0}};
