// Pointers that a call must refuse: none of them may harm anybody.
#include "ut.h"
#include "user/exv6.h"

static char *const bad[] = {
    (char *)KERNBASE,
    (char *)(MAXVA - PGSIZE),
    (char *)(MAXVA - 1),
    (char *)MAXVA,
    (char *)(MAXVA + PGSIZE),
    (char *)0xffffffe000000000,
    (char *)0xffffffc000000000,
    (char *)(1ul << 63),
    (char *)~0ul,
    (char *)0x30000000,
};
#define BADS (sizeof(bad) / sizeof(*bad))

static void reads_and_writes(void) {
    int fds[2];
    make_file("f", "0123456789");
    for (uint i = 0; i < BADS; i++) {
        int fd = open("f", O_RDWR);
        expect("read into", BAD, read(fd, bad[i], 8192));
        expect("write from", BAD, write(fd, bad[i], 8192));
        expect("to the console", BAD, write(1, bad[i], 8192));
        close(fd);
        pipe(fds);
        expect("pipe from", BAD, write(fds[1], bad[i], 8192));
        write(fds[1], "x", 1);
        expect("pipe into", BAD, read(fds[0], bad[i], 8192));
        close(fds[0]);
        close(fds[1]);
    }
    unlink("f");
}

static void names(void) {
    char *argv[] = {"x", 0};
    for (uint i = 0; i < BADS; i++) {
        expect("open", BAD, open(bad[i], O_CREATE | O_WRONLY));
        expect("unlink", BAD, unlink(bad[i]));
        expect("mkdir", BAD, mkdir(bad[i]));
        expect("mknod", BAD, mknod(bad[i], 1, 1));
        expect("chdir", BAD, chdir(bad[i]));
        expect("link", BAD, link(bad[i], "x"));
        expect("link to", BAD, link("README", bad[i]));
        expect("exec", BAD, exec(bad[i], argv));
    }
}

static void results(void) {
    static int zero;
    int fd = open("README", O_RDONLY);
    for (uint i = 0; i < BADS; i++) {
        expect("procinfo", BAD, procinfo(0, (struct procinfo *)bad[i]));
        expect("pipe", BAD, pipe((int *)bad[i]));
        expect("fstat", BAD, fstat(fd, (struct stat *)bad[i]));
        if (fork() == 0) exit(zero);
        expect("wait", BAD, wait((int *)bad[i]));
        if (wait(0) < 0) fail("the child is still there", 0, BAD);
    }
}

static void arguments(void) {
    for (uint i = 0; i < BADS; i++) {
        char *argv[] = {"echo", bad[i], 0};
        expect("an argument", BAD, exec("echo", argv));
        expect("all of them", BAD, exec("echo", (char **)bad[i]));
    }
}

static void every_page_as_a_name(void) {
    for (uint64 p = 0; p <= 1100 * 1024; p += PGSIZE) expect("link", BAD, link("nosuchfile", (char *)p));
}

// A string that ends where memory does, without a final 0.
static void cut_short(void) {
    sbrk(PGSIZE - (uint64)sbrk(0) % PGSIZE);
    char *last = sbrk(0) - 1;
    *last = 'x';
    expect("open", BAD, open(last, O_CREATE | O_WRONLY));
    expect("unlink", BAD, unlink(last));
    expect("link", BAD, link(last, last));
    char *argv[] = {"x", 0};
    expect("exec", BAD, exec(last, argv));
    sbrk(PGSIZE);
    expect("with more memory", BAD, unlink(last)); // "x": there is none
}

static void given_back(void) {
    char *a = sbrk(2 * PGSIZE);
    sbrk(-2 * PGSIZE);
    int fd = open("f", O_CREATE | O_WRONLY);
    expect("write", BAD, write(fd, a + PGSIZE, 1024));
    close(fd);
    unlink("f");
    fd = open("README", O_RDONLY);
    expect("read", BAD, read(fd, a + PGSIZE, 10));
}

static void fresh_pages(void) {
    int fd = open("f", O_CREATE | O_WRONLY);
    expect("write from the heap", PGSIZE, write(fd, sbrk(PGSIZE), PGSIZE));
    close(fd);
    unlink("f");
    expect("pipe", 0, pipe((int *)sbrk(PGSIZE)));
}

static void text_is_not_written(void) {
    int fd = open("README", O_RDONLY);
    expect("read into text", BAD, read(fd, (char *)text_is_not_written, 8));
    expect("pipe into text", BAD, pipe((int *)((uint64)text_is_not_written & ~7ul)));
}

static void negative(void) {
    int fd = open("README", O_RDONLY), n = read(fd, sbrk(0) - 1, -1);
    if (n > 0) fail("read of -1 bytes", BAD, n);
    n = write(1, sbrk(0) - 1, -1);
    if (n > 0) fail("write of -1 bytes", BAD, n);
}

// Blocks that a write took before it failed come back.
static void write_of_nothing(void) {
    for (int i = 0; i < 300; i++) {
        int fd = open("junk", O_CREATE | O_WRONLY);
        expect("write", BAD, write(fd, (char *)0xffffffffff, 1));
        close(fd);
        expect("unlink", 0, unlink("junk"));
    }
}

// A buffer over the end of its last page: xv6 moves as much as it can, or nothing; it must not be more.
static void straddling(void) {
    make_file("f", "0123456789");
    sbrk(PGSIZE - (uint64)sbrk(0) % PGSIZE);
    int fd = open("f", O_RDONLY), n = read(fd, sbrk(0) - 4, 10);
    if (n > 4) fail("read", BAD, n);
    close(fd);
    unlink("f");
}

static void unaligned(void) {
    char *a = (char *)PGROUNDUP((uint64)sbrk(3 * PGSIZE)) + PGSIZE - 3;
    make_file("f", "0123456789");
    int fd = open("f", O_RDONLY);
    expect("read", 10, read(fd, a, 10));
    for (int i = 0; i < 10; i++) expect("byte", '0' + i, a[i]);
    close(fd);
    unlink("f");
    int *odd = (int *)(a + 1), child = fork();
    if (child == 0) exit(7);
    expect("wait", child, wait(odd));
    expect("status", 7, ((char *)odd)[0]);
}

const struct test pointer_tests[] = {
    {"reads_and_writes", reads_and_writes, 0},
    {"names", names, 0},
    {"results", results, 0},
    {"arguments", arguments, 0},
    {"every_page_as_a_name", every_page_as_a_name, 0},
    {"cut_short", cut_short, 0},
    {"given_back", given_back, 0},
    {"fresh_pages", fresh_pages, 0},
    {"text_is_not_written", text_is_not_written, 0},
    {"negative", negative, 0},
    {"write_of_nothing", write_of_nothing, 0},
    {"straddling", straddling, 0},
    {"unaligned", unaligned, 0},
    {0, 0, 0},
};
