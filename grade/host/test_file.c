// Tests of descriptors and of the calls that take path names (libos/file.c, namecall.c) over the real file
// system and buffer cache: what xv6's programs can see of them, then many processes at once.
#include "grade/host/fake_unix.h"

// ---- descriptors ----

static void descriptors(void *arg) {
    (void)arg;
    check("open of nothing", -1, open_("a", O_RDONLY));
    check("the first descriptor is 0", 0, open_("a", O_CREATE | O_RDWR));
    check("then 1", 1, open_("a", O_RDONLY));
    check("then 2", 2, open_("a", O_WRONLY));
    check("close", 0, sys_close(0));
    check("close again", -1, sys_close(0));
    check("the lowest free one is taken", 0, open_("a", O_RDWR));
    sys_close(1);
    check("by dup too", 1, sys_dup(2));
    check("a descriptor below 0", -1, sys_read(-1, data(), 1));
    check("past the last", -1, sys_read(NOFILE, data(), 1));
    check("not open: read, write, dup, fstat, close, fsync", -6,
          sys_read(9, data(), 1) + sys_write(9, data(), 1) + sys_dup(9) + sys_fstat(9, (void *)data()) +
              sys_close(9) + sys_fsync(9));
    sys_close(1);
    sys_close(2);
    int r = open_("a", O_RDONLY), w = open_("a", O_WRONLY);
    check("write to what was opened to read", -1, write_(r, "x"));
    check("read from what was opened to write", -1, sys_read(w, data(), 1));
    check("write", 5, write_(w, "hello"));
    int copy = sys_dup(w);
    check("a copy", 6, write_(copy, " world"));
    check("shares the offset; another open does not", 1, reads(r, 100, "hello world"));
    check("at the end", 1, reads(r, 100, ""));
    check("what one writes the other reads", 1, write_(w, "!") == 1 && reads(r, 100, "!"));
    sys_close(w);
    check("a copy outlives the first", 1, write_(copy, "?"));
    int p = open_("a", O_RDONLY);
    check("reading in parts", 1,
          reads(p, 5, "hello") && reads(p, 1, " ") && reads(p, 5, "world") && reads(p, 5, "!?"));
    check("no bytes", 0, sys_read(p, data(), 0) + sys_write(copy, data(), 0));
    check("less than no bytes", -2, sys_read(p, data(), -1) + sys_write(copy, data(), -1));
    for (int fd = 0; fd < NOFILE; fd++) sys_close(fd);
}

static void modes(void *arg) {
    (void)arg;
    int fd = open_("f", O_CREATE | O_RDWR);
    write_(fd, "0123456789");
    int again = open_("f", O_CREATE | O_RDWR);
    check("O_CREATE leaves what is there", 1, reads(again, 4, "0123"));
    check("and overwrites in place", 1, write_(again, "abc") == 3 && stat_(again).size == 10);
    check("O_TRUNC empties it", 1, stat_(open_("f", O_WRONLY | O_TRUNC)).size == 0);
    check("under those who have it open", 1, reads(again, 4, ""));
    check("whose writes past the end fail", -1, write_(fd, "x"));
    int end = open_("f", O_WRONLY | O_APPEND), other = open_("f", O_WRONLY);
    write_(other, "12345");
    write_(end, "678");
    write_(other, "x");
    write_(end, "9");
    check("O_APPEND writes at the end", 1, reads(open_("f", O_RDONLY), 100, "12345x789"));
    check("O_CREATE of a directory", -1, open_("/", O_CREATE | O_RDWR));
    sys_mkdir(name("d"));
    check("O_CREATE where a directory is", -1, open_("d", O_CREATE));
    check("a directory to write", -3,
          open_("d", O_RDWR) + open_("d", O_WRONLY) + open_("d", O_RDONLY | O_TRUNC));
    int d = open_("d", O_RDONLY);
    struct stat st = stat_(d);
    check("fstat of a directory", 1, st.type == T_DIR && st.nlink == 1 && st.dev == ROOTDEV && st.size == 32);
    check("reading a directory: its two entries", 32, sys_read(d, data(), 100));
    struct fs_dirent *e = (struct fs_dirent *)data();
    check("are . and ..", 1, e[0].inum == st.ino && !strcmp(e[0].name, ".") && !strcmp(e[1].name, ".."));
    check("then no more", 0, sys_read(d, data(), 100));
    for (fd = 0; fd < NOFILE; fd++) sys_close(fd);
}

static void names(void *arg) {
    (void)arg;
    int fd = open_("f", O_CREATE | O_RDWR);
    struct stat st = stat_(fd);
    check("fstat of a file", 1, st.type == T_FILE && st.nlink == 1 && st.size == 0 && st.ino > 1);
    check("link", 0, sys_link(name("f"), strcpy((char *)area() + 512, "g")));
    check("two names", 2, stat_(fd).nlink);
    check("of one file", st.ino, stat_(open_("g", O_RDONLY)).ino);
    check("link of nothing, and to a name that is taken", -2,
          sys_link(name("h"), strcpy((char *)area() + 512, "i")) + sys_link(name("f"), (char *)area()));
    check("unlink both", 0, sys_unlink(name("f")) + sys_unlink(name("g")));
    check("unlink again", -1, sys_unlink(name("f")));
    check("it can still be written", 3, write_(fd, "abc"));
    check("and read", 1, reads(1, 100, "abc"));
    check("but not found", -1, open_("f", O_RDONLY));
    sys_close(0);
    check("until the last descriptor goes", 1, shared.fs.nfree < free_blocks);
    sys_close(1);
    check("then its block is free", free_blocks, shared.fs.nfree);
    check("mkdir", 0, sys_mkdir(name("/d")) + sys_mkdir(name("d/e")));
    check("mkdir where something is", -1, sys_mkdir(name("d")));
    check("mkdir in nothing", -1, sys_mkdir(name("x/y")));
    check("chdir", 0, sys_chdir(name("d/e")));
    check("from there names are looked up", 0, sys_close(open_("f", O_CREATE)));
    check("and from the root", 1, open_("/d/e/f", O_RDONLY) == 0 && open_("../../d/e/./f", O_RDONLY) == 1);
    check("chdir to a file, and to nothing", -2, sys_chdir(name("f")) + sys_chdir(name("x")));
    check("unlink of a directory that is not empty", -1, sys_unlink(name("/d")));
    check("of . and ..", -2, sys_unlink(name(".")) + sys_unlink(name("..")));
    check("names past 14 bytes are cut", 0, sys_close(open_("abcdefghijklmnop", O_CREATE)));
    check("so both are the same", 0, sys_close(open_("abcdefghijklmnXYZ", O_RDONLY)));
    char *p = (char *)area();
    memset(p, '/', MAXPATH);
    p[MAXPATH - 1] = 0;
    check("a path of the longest size", 3, 1 + sys_open(p, O_RDONLY));
    p[MAXPATH - 1] = '/';
    p[MAXPATH] = 0;
    check("a longer one", -1, sys_open(p, O_RDONLY));
    check("to each call", -6,
          sys_mkdir(p) + sys_unlink(p) + sys_chdir(p) + sys_mknod(p, 1, 1) + sys_link(p, (char *)data()) +
              sys_link(strcpy((char *)data(), "f"), p));
    check("the empty path is here", 1, stat_(open_("", O_RDONLY)).type == T_DIR);
    for (fd = 0; fd < NOFILE; fd++) sys_close(fd);
}

static void bad_pointers(void *arg) {
    (void)arg;
    int fd = open_("f", O_CREATE | O_RDWR), fds[2];
    u8 *end = arena + sizeof arena;
    check("a path", -6,
          sys_open(BAD, O_RDONLY) + sys_mkdir(BAD) + sys_unlink(BAD) + sys_chdir(BAD) + sys_mknod(BAD, 1, 1) +
              sys_link(BAD, BAD));
    memset(end - 8, 'x', 8);
    check("a path that runs out of memory", -1, sys_open((char *)end - 8, O_CREATE));
    check("write from nowhere", -1, sys_write(fd, BAD, 10));
    check("and from partly nowhere", -1, sys_write(fd, end - 8, 16));
    check("nothing was written", 0, stat_(fd).size);
    write_(fd, "0123456789");
    int r = open_("f", O_RDONLY);
    check("read to nowhere", -1, sys_read(r, BAD, 10));
    check("and to partly nowhere", -1, sys_read(r, end - 8, 10));
    check("the whole address space", -2, sys_read(r, (void *)-1, 10) + sys_write(fd, (void *)-1, 0x7fffffff));
    check("the offset did not move", 1, reads(r, 100, "0123456789"));
    sys_close(r);
    r = open_("f", O_RDONLY);
    check("memory need not be there past the end of the file", 10, sys_read(r, end - 10, 4096));
    check("fstat", -2, sys_fstat(fd, BAD) + sys_fstat(fd, (struct stat *)(end - 8)));
    check("pipe", -2, sys_pipe(BAD) + sys_pipe((int *)(end - 4)));
    check("no pipe stays", 0, shared.pipes.pipe[0].used);
    pipe_(fds);
    check("write to a pipe", -1, sys_write(fds[1], BAD, 10));
    write_(fds[1], "abc");
    check("read from a pipe", -1, sys_read(fds[0], BAD, 10));
    check("what it would have read is still there", 1, reads(fds[0], 10, "abc"));
    sys_mknod(name("console"), CONSOLE, 0);
    int tty = open_("console", O_RDWR);
    type_in("abc\n");
    check("write to the console", -1, sys_write(tty, BAD, 10));
    check("read from the console", -1, sys_read(tty, BAD, 10));
    check("the line is still there", 1, reads(tty, 10, "abc\n"));
}

static void limits(void *arg) {
    (void)arg;
    int n = 0, fds[2];
    while (open_("f", O_CREATE | O_RDWR) >= 0) n++;
    check("descriptors of one process", NOFILE, n);
    check("dup and pipe without any", -2, sys_dup(0) + pipe_(fds));
    sys_close(5);
    check("pipe with only one", -1, pipe_(fds));
    check("which is free again", 5, sys_dup(0));
    check("no pipe stays", 0, shared.pipes.pipe[0].used);
    sys_close(5);
    sys_close(7);
    check("pipe with two", 0, pipe_(fds));
    check("gets both", 57, fds[0] * 10 + fds[1]);
}

static u32 opened;
static int go_on;

static void open_many(void *arg) {
    (void)arg;
    for (int fd = 0; fd < NOFILE; fd++) sys_close(fd);
    while (open_("f", O_CREATE | O_RDWR) >= 0) opened++;
    while (!go_on) lock_pause();
}

static void all_files(void *arg) {
    (void)arg;
    int fds[2];
    open_("f", O_CREATE | O_RDWR);
    go_on = opened = 0;
    u32 child[8];
    for (u32 i = 0; i < 8; i++) child[i] = fork_(open_many, 0);
    while (opened < NFILE - 1) lock_pause();
    check("open files of all processes", NFILE - 1, opened);
    check("then no pipe", -1, pipe_(fds));
    go_on = 1;
    for (u32 i = 0; i < 8; i++) wait_(child[i]);
    check("they come back", 1, used_files());
}

static void large(void *arg) {
    (void)arg;
    u32 n = 300000, wrong = 0;
    int fd = open_("big", O_CREATE | O_RDWR);
    for (u32 i = 0; i < n; i++) arena[i] = i * 7 + i / 4096;
    check("one large write", n, sys_write(fd, arena, n));
    memset(arena, 0, n);
    int r = open_("big", O_RDONLY);
    check("one large read", n, sys_read(r, arena, n));
    for (u32 i = 0; i < n; i++) wrong += arena[i] != (u8)(i * 7 + i / 4096);
    check("the same bytes", 0, wrong);
    check("fsync", 0, sys_fsync(fd));
    check("nothing waits to be committed", 0, shared.fs.log.n);
    int full = open_("full", O_CREATE | O_RDWR), got;
    while ((got = sys_write(full, arena, 1 << 20)) > 0)
        ;
    check("a full disk", -1, got);
    check("has no block", 0, shared.fs.nfree);
    check("others can be read", 1,
          sys_close(r) == 0 && sys_read(open_("big", O_RDONLY), arena, 5000) == 5000);
    sys_close(full);
    check("unlink makes room", 0, sys_unlink(strcpy((char *)arena, "full")));
    check("for a write", 5000, sys_write(fd, arena, 5000));
    int fds[2];
    pipe_(fds);
    check("fsync of a pipe", -1, sys_fsync(fds[0]));
}

static void devices_(void *arg) {
    (void)arg;
    check("mknod", 0, sys_mknod(name("console"), CONSOLE, 0));
    check("mknod where something is", -1, sys_mknod(name("console"), CONSOLE, 0));
    int fd = open_("console", O_RDWR);
    struct stat st = stat_(fd);
    check("fstat", 1, fd == 0 && st.type == T_DEVICE && st.nlink == 1 && st.size == 0);
    check("O_TRUNC and O_CREATE do nothing to it", 1, open_("console", O_RDWR | O_TRUNC | O_CREATE));
    check("write", 5, write_(fd, "hello"));
    check("it is on the screen", 0, strcmp(screen, "hello"));
    check("fsync", -1, sys_fsync(fd));
    sys_mknod(name("none"), NDEV - 1, 0);
    fd = open_("none", O_RDWR);
    check("a device that is not there can be opened", 2, fd);
    check("and nothing else", -2, sys_read(fd, data(), 1) + write_(fd, "x"));
    sys_mknod(name("high"), NDEV, 0);
    sys_mknod(name("low"), -1, 0);
    check("a major number out of range", -2, open_("high", O_RDONLY) + open_("low", O_RDONLY));
    int o = open_("console", O_WRONLY);
    check("a console opened to write", -1, sys_read(o, data(), 1));
}

// ---- many processes on one file system ----

#define RECORD 100

static void append(void *arg) {
    u32 *wrong = arg;
    int fd = open_("log", O_WRONLY | O_APPEND);
    for (u32 i = 0; i < 20; i++) {
        memset(data(), 'A' + self, RECORD);
        *wrong += sys_write(0, data(), RECORD) != RECORD; // the offset that all share
        *wrong += sys_write(fd, data(), RECORD) != RECORD;
    }
}

// Every record is of one writer, and each wrote its share.
static u32 count_records(const char *path, u32 writers) {
    u32 n[256] = {0}, wrong = 0;
    int fd = open_(path, O_RDONLY);
    while (sys_read(fd, data(), RECORD) == RECORD) {
        for (u32 i = 1; i < RECORD; i++) wrong += data()[i] != data()[0];
        n[data()[0]]++;
    }
    for (u32 i = 1; i <= writers; i++) wrong += n['A' + i] != 20;
    sys_close(fd);
    return wrong;
}

static void appenders(void *arg) {
    u32 *wrong = arg;
    open_("shared", O_CREATE | O_WRONLY);
    sys_close(open_("log", O_CREATE));
    for (u32 i = 0; i < 6; i++) fork_(append, wrong);
    for (u32 i = 1; i <= 6; i++) wait_(i);
    *wrong += count_records("shared", 6) + count_records("log", 6);
}

// Does whatever comes to mind with a few names; what is wrong, fsck finds.
static void rummage(void *arg) {
    (void)arg;
    for (u32 i = 0; i < 40; i++) {
        char a[16], b[16];
        int dir = draw(3);
        sprintf(a, dir ? "d%u/f%u" : "f%u", draw(2), draw(4));
        sprintf(b, dir == 1 ? "f%u" : "d%u/g", draw(4));
        int fd, n;
        switch (draw(8)) {
        case 0: sys_unlink(name(a)); break;
        case 1: sys_link(name(a), strcpy((char *)area() + 512, b)); break;
        case 2: sys_mkdir(name(draw(2) ? "d0" : "d1")); break;
        case 3: sys_unlink(name(draw(2) ? "d0" : b)); break;
        case 4: sys_chdir(name(draw(2) ? "d0" : "/")); break;
        case 5:
            fd = open_(a, O_RDONLY);
            n = sys_read(fd, data(), draw(20000));
            sys_close(fd);
            if (n > 20000) breach("a read of more than was asked for");
            break;
        case 6:
            fd = open_(a, O_RDONLY);
            sys_fsync(fd);
            sys_close(fd);
            break;
        default:
            fd = open_(a, O_CREATE | O_RDWR | (draw(3) ? 0 : O_TRUNC));
            sys_write(fd, data(), draw(50000));
            sys_close(fd);
        }
    }
}

static void rummagers(void *arg) {
    (void)arg;
    open_("keep", O_CREATE | O_RDWR);
    for (u32 i = 0; i < 5; i++) fork_(rummage, 0);
    for (u32 i = 1; i <= 5; i++) wait_(i);
}

// ---- while a thread waits for a lock, another takes away what it was about to use ----

static int lent;
static struct inode *next_cwd;

static void close_lent(const struct lock *l) {
    if (l != &shared.files.lock) return;
    at_lock = 0;
    check("close", 0, sys_close(lent));
}

static void move_on(const struct lock *l) {
    if (l != &the_fs()->table) return;
    at_lock = 0;
    struct inode *was = *file_cwd();
    file_start(next_cwd);
    inode_put(the_fs(), was);
}

static void siblings(void *arg) {
    (void)arg;
    u32 before = used_files();
    lent = open_("f", O_CREATE | O_RDWR);
    at_lock = close_lent;
    check("dup of what is closed meanwhile", -1, sys_dup(lent));
    lent = open_("f", O_RDONLY);
    at_lock = close_lent;
    check("read of what is closed meanwhile", -1, sys_read(lent, data(), 1));
    check("no file left", before, used_files());

    sys_mkdir(name("a"));
    sys_mkdir(name("b"));
    write_(open_("a/here", O_CREATE | O_WRONLY), "a");
    write_(open_("b/here", O_CREATE | O_WRONLY), "b");
    sys_chdir(name("b"));
    next_cwd = inode_dup(the_fs(), file_cwd());
    sys_chdir(name("../a"));
    at_lock = move_on;
    check("a name looked up in what is the working directory then", 1,
          reads(open_("here", O_RDONLY), 2, "b"));
}

int main(int argc, char **argv) {
    u32 seeds = argc > 1 ? strtoul(argv[1], 0, 10) : 8, wrong = 0;
    suite = "file";
    on_new_disk(300, descriptors, 0);
    on_new_disk(300, modes, 0);
    on_new_disk(300, names, 0);
    on_new_disk(300, bad_pointers, 0);
    on_new_disk(300, limits, 0);
    on_new_disk(300, all_files, 0);
    on_new_disk(300, siblings, 0);
    on_new_disk(600, large, 0);
    on_new_disk(300, devices_, 0);
    for (u32 seed = 1; seed <= seeds; seed++) {
        chance = seed;
        disk_pace = 1 + draw(30);
        on_new_disk(300, appenders, &wrong);
        on_new_disk(200, rummagers, 0);
    }
    check("writers to one file do not overwrite each other", 0, wrong);
    return finish_tests();
}
