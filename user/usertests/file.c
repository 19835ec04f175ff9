// Descriptors and what is in files.
#include "ut.h"

static char buf[BSIZE * 2];

static void write_and_read(void) {
    int fd = open("f", O_CREATE | O_RDWR);
    for (int i = 0; i < 100; i++) {
        expect("write", 10, write(fd, "aaaaaaaaaa", 10));
        expect("write", 10, write(fd, "bbbbbbbbbb", 10));
    }
    close(fd);
    fd = open("f", O_RDONLY);
    expect("read", 2000, read(fd, buf, sizeof(buf)));
    expect("at the end", 0, read(fd, buf, sizeof(buf)));
    expect("first", 'a', buf[1980]);
    expect("last", 'b', buf[1999]);
    expect("write to it", BAD, write(fd, "x", 1));
    expect("close", 0, close(fd));
    expect("close again", BAD, close(fd));
    expect("unlink", 0, unlink("f"));
}

static void modes(void) {
    make_file("f", "text");
    int fd = open("f", O_WRONLY);
    expect("read", BAD, read(fd, buf, 1));
    close(fd);
    expect("of what is not there", BAD, open("nosuch", O_RDONLY));
    expect("directory to write", BAD, open(".", O_WRONLY));
    expect("directory to read and write", BAD, open(".", O_RDWR));
    fd = open(".", O_RDONLY);
    expect("write to a directory", BAD, write(fd, "x", 1));
    close(fd);
    unlink("f");
}

static void truncates(void) {
    make_file("f", "1234567890");
    int reader = open("f", O_RDONLY), fd = open("f", O_WRONLY | O_TRUNC);
    expect("read of nothing", 0, read(reader, buf, 10));
    expect("write", 3, write(fd, "abc", 3));
    expect("read", 3, read(reader, buf, 10));
    make_file("f", "");
    expect("write past the end", BAD, write(fd, "x", 1));
    close(fd);
    close(reader);
    unlink("f");
}

static void every_block(void) {
    int fd = open("big", O_CREATE | O_RDWR);
    for (int i = 0; i < MAXFILE; i++) {
        *(int *)buf = i;
        expect("write", BSIZE, write(fd, buf, BSIZE));
    }
    close(fd);
    fd = open("big", O_RDONLY);
    for (int i = 0; i < MAXFILE; i++) {
        expect("read", BSIZE, read(fd, buf, BSIZE));
        expect("block", i, *(int *)buf);
    }
    expect("end", 0, read(fd, buf, BSIZE));
    struct stat st;
    expect("fstat", 0, fstat(fd, &st));
    expect("size", (long)MAXFILE * BSIZE, st.size);
    close(fd);
    unlink("big");
}

static void sizes(void) {
    for (int n = 499; n < 3 * BSIZE / 2; n += 471) {
        int fd = open("f", O_CREATE | O_RDWR);
        for (int i = 0; i < 2; i++) expect("write", n, write(fd, buf, n));
        close(fd);
        expect("unlink", 0, unlink("f"));
    }
    expect("nothing", 0, write(1, buf, 0));
}

static void dups(void) {
    make_file("f", "abcdef");
    int a = open("f", O_RDONLY), b = dup(a), c = open("f", O_RDONLY);
    expect("lowest", a + 1, b);
    read(a, buf, 2);
    read(b, buf, 1);
    expect("shared offset", 'c', buf[0]);
    read(c, buf, 1);
    expect("own offset", 'a', buf[0]);
    close(a);
    read(b, buf, 1);
    expect("still open", 'd', buf[0]);
    expect("dup of what is closed", BAD, dup(a));
    expect("of what never was", BAD, dup(NOFILE));
    expect("of -1", BAD, dup(-1));
    unlink("f");
}

static void no_descriptors(void) {
    int n = 0;
    while (dup(0) >= 0) n++;
    expect("all", NOFILE - 3, n);
    expect("open", BAD, open("README", O_RDONLY));
    int fds[2];
    expect("pipe", BAD, pipe(fds));
    close(3);
    expect("pipe with one", BAD, pipe(fds));
    expect("open with one", 3, open("README", O_RDONLY));
}

static int told[2], over[2]; // pipes: a child has all that it can get; the parent has seen it

static void hold_many(void *unused) {
    (void)unused;
    close(over[1]);
    while (open("README", O_RDONLY) >= 0) continue;
    write(told[1], "x", 1);
    read(over[0], buf, 1);
}

static void no_open_files(void) {
    expect("pipe", 0, pipe(told) | pipe(over));
    int children = NFILE / (NOFILE - 6) + 1;
    for (int i = 0; i < children; i++) spawn(hold_many, 0);
    for (int i = 0; i < children; i++) expect("a child is ready", 1, read(told[0], buf, 1));
    int fd = open("README", O_RDONLY);
    if (fd >= 0) fail("open of one too many", BAD, fd);
    close(over[1]);
    while (wait(0) > 0) continue;
    fd = open("README", O_RDONLY);
    if (fd < 0) fail("open afterwards", 3, fd);
}

static void bad_descriptors(void) {
    static const int fds[] = {-1, NOFILE, NOFILE - 1, 1000, 0x7fffffff, (int)0x80000000};
    struct stat st;
    for (uint i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
        expect("read", BAD, read(fds[i], buf, 1));
        expect("write", BAD, write(fds[i], buf, 1));
        expect("close", BAD, close(fds[i]));
        expect("fstat", BAD, fstat(fds[i], &st));
        expect("dup", BAD, dup(fds[i]));
    }
}

static void unlinked_but_open(void) {
    make_file("f", "hello");
    int fd = open("f", O_RDWR);
    expect("unlink", 0, unlink("f"));
    make_file("f", "yyy");
    expect("read", 5, read(fd, buf, sizeof(buf)));
    expect("the old one", 'h', buf[0]);
    expect("write", 10, write(fd, buf, 10));
    close(fd);
    unlink("f");
}

static void write_letter(void *p) {
    char text[10];
    int fd = *(int *)p;
    memset(text, 'a' + getpid() % 26, sizeof(text));
    for (int i = 0; i < 200; i++) expect("write", sizeof(text), write(fd, text, sizeof(text)));
}

static void shared_descriptor(void) {
    int fd = open("f", O_CREATE | O_RDWR), got;
    uint64 total = 0;
    for (int i = 0; i < 3; i++) spawn(write_letter, &fd);
    while (wait(0) > 0) continue;
    close(fd);
    fd = open("f", O_RDONLY);
    while ((got = read(fd, buf, 10)) > 0) {
        for (int i = 1; i < got; i++) expect("in one piece", buf[0], buf[i]);
        total += got;
    }
    expect("size", 3 * 2000, total);
    unlink("f");
}

static void fill_one(void *p) {
    char *path = p;
    int fd = open(path, O_CREATE | O_RDWR);
    memset(buf, path[1], 500);
    for (int i = 0; i < 12; i++) expect("write", 500, write(fd, buf, 500));
    close(fd);
}

static void four_at_once(void) {
    static char *const names[] = {"f0", "f1", "f2", "f3"};
    for (int i = 0; i < 4; i++) spawn(fill_one, names[i]);
    for (int i = 0, status; i < 4; i++) {
        wait(&status);
        expect("status", 0, status);
    }
    for (int i = 0; i < 4; i++) {
        int fd = open(names[i], O_RDONLY), got, total = 0;
        while ((got = read(fd, buf, sizeof(buf))) > 0) {
            for (int j = 0; j < got; j++) expect("byte", names[i][1], buf[j]);
            total += got;
        }
        expect("size", 6000, total);
        close(fd);
        unlink(names[i]);
    }
}

static void disk_full(void) {
    int n = 0, full = 0;
    for (; !full && n < 1000; n++) {
        int fd = open(name_of("full", n), O_CREATE | O_WRONLY);
        if (fd < 0) break;
        for (int i = 0; i < MAXFILE && !full; i++) full = write(fd, buf, BSIZE) != BSIZE;
        close(fd);
    }
    if (!full) fail("a full disk", 1, full);
    expect("one byte more", BAD, open("one", O_CREATE | O_WRONLY) < 0 ? BAD : write(3, buf, 1));
    unlink("one");
    for (int i = 0; i < n; i++) expect("unlink", 0, unlink(name_of("full", i)));
    make_file("after", "room again");
    unlink("after");
}

static void append(void) {
    make_file("f", "one");
    int a = open("f", O_WRONLY | O_APPEND), b = open("f", O_WRONLY | O_APPEND);
    expect("write", 3, write(a, "two", 3));
    expect("write", 5, write(b, "three", 5));
    int fd = open("f", O_RDONLY);
    expect("all of it", 11, read(fd, buf, sizeof(buf)));
    unlink("f");
}

const struct test file_tests[] = {
    {"write_and_read", write_and_read, 0},
    {"modes", modes, 0},
    {"truncates", truncates, 0},
    {"every_block", every_block, 0},
    {"sizes", sizes, 0},
    {"dups", dups, 0},
    {"no_descriptors", no_descriptors, 0},
    {"no_open_files", no_open_files, 0},
    {"bad_descriptors", bad_descriptors, 0},
    {"unlinked_but_open", unlinked_but_open, 0},
    {"shared_descriptor", shared_descriptor, 0},
    {"four_at_once", four_at_once, 0},
    {"append", append, 0},
    {"disk_full", disk_full, 1},
    {0, 0, 0},
};
