// Tests of descriptors, pipes and the terminal (libos/file.c, namecall.c, pipe.c, tty.c) over the real file
// system and buffer cache: what xv6's programs can see of them, then many processes at once.
#include "grade/host/fake_exo.h"
#include "libos/super.c"
#include "libos/log.c"
#include "libos/fs.c"
#include "libos/inode.c"
#include "libos/dir.c"
#include "libos/path.c"
#include "libos/bcache.c"
#define min pipe_min
#include "libos/pipe.c"
#undef min
#define take tty_take
#include "libos/tty.c"
#undef take
#include "libos/file.c"
#include "libos/namecall.c"
#include "mkfs/format.c"
#define bad    fsck_bad
#define claim  fsck_claim
#define dot    fsck_dot
#define dotdot fsck_dotdot
#include "mkfs/check.c"
#undef bad

void *grab(u64 n, u64 size) // for fsck
{
    return calloc(n, size);
}

// ---- what a program has: memory, and calls on it ----

#define AREA 65536 // each process's part of the arena; its first bytes are for paths

static u8 *area(void)
{
    return arena + (u64)self % 16 * AREA;
}

static u8 *data(void)
{
    return area() + 1024;
}

static char *name(const char *path)
{
    return strcpy((char *)area(), path);
}

#define BAD ((void *)0x80000000)

static int open_(const char *path, int mode)
{
    return sys_open(name(path), mode);
}

static int write_(int fd, const char *text)
{
    memcpy(data(), text, strlen(text));
    return sys_write(fd, data(), strlen(text));
}

// Reads up to n bytes: whether they are `text`, and no more.
static int reads(int fd, int n, const char *text)
{
    memset(data(), '#', n);
    int got = sys_read(fd, data(), n);
    return got == (int)strlen(text) && memcmp(data(), text, got) == 0;
}

static struct stat stat_(int fd)
{
    struct stat *st = (struct stat *)data();
    memset(st, 0, sizeof *st);
    if (sys_fstat(fd, st))
        st->type = -1;
    return *st;
}

static int pipe_(int fds[2])
{
    int err = sys_pipe((int *)data());
    memcpy(fds, data(), 2 * sizeof(int));
    return err;
}

// ---- processes ----

struct life {
    void (*body)(void *);
    void *arg;
};

static void live(void *arg)
{
    struct life l = *(struct life *)arg;
    free(arg);
    l.body(l.arg);
    file_exit();
}

static struct life *new_life(void (*body)(void *), void *arg)
{
    struct life *l = malloc(sizeof *l);
    *l = (struct life){body, arg};
    return l;
}

static u32 fork_(void (*body)(void *), void *arg)
{
    u32 child = spawn(live, new_life(body, arg));
    actor[child].why = NEW;
    file_fork(&shared.procs.proc[child]);
    actor[child].why = NOTHING;
    return child;
}

static void wait_(u32 child)
{
    while (actor[child].why != DONE)
        lock_pause();
}

static u32 used_files(void)
{
    u32 n = 0;
    for (u32 i = 0; i < NFILE; i++)
        n += shared.files.file[i].refs;
    for (u32 i = 0; i < NPIPE; i++)
        n += shared.pipes.pipe[i].used;
    return n;
}

static u32 free_blocks;

static void first_process(void *arg)
{
    struct inode *root;
    if (fs_mount(&shared.fs, sizeof shared.fs_memory, &shared.cache) || inode_get(&shared.fs, FS_ROOT, &root))
        abort();
    free_blocks = shared.fs.nfree;
    file_start(root);
    struct life *l = arg;
    l->body(l->arg);
    file_exit();
    if (used_files())
        breach("a file or pipe stays in use");
    if (fs_sync(&shared.fs))
        breach("sync fails");
    for (u32 i = 0; i < NINODE; i++)
        if (shared.fs.inode[i].refs)
            breach("an inode stays in use");
    if (fs_check(media, exts[EXTENT].count, stdout, "# fsck"))
        breach("the file system is damaged");
}

// Runs body as the first process on a new file system.
static void on_new_disk(u32 nblocks, void (*body)(void *), void *arg)
{
    struct fs_super s;
    struct life l = {body, arg};
    disk_new(nblocks, CACHE_FRAMES);
    if (fs_layout(&s, nblocks, 0, 1) > nblocks)
        abort();
    fs_format(media, &s);
    screen_used = ring_used = typed_left = 0;
    words.input = 0;
    spawn(first_process, &l);
    run();
}

// ---- descriptors ----

static void descriptors(void *arg)
{
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
    for (int fd = 0; fd < NOFILE; fd++)
        sys_close(fd);
}

static void modes(void *arg)
{
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
    for (fd = 0; fd < NOFILE; fd++)
        sys_close(fd);
}

static void names(void *arg)
{
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
    for (fd = 0; fd < NOFILE; fd++)
        sys_close(fd);
}

static void bad_pointers(void *arg)
{
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

static void limits(void *arg)
{
    (void)arg;
    int n = 0, fds[2];
    while (open_("f", O_CREATE | O_RDWR) >= 0)
        n++;
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

static void open_many(void *arg)
{
    (void)arg;
    for (int fd = 0; fd < NOFILE; fd++)
        sys_close(fd);
    while (open_("f", O_CREATE | O_RDWR) >= 0)
        opened++;
    while (!go_on)
        lock_pause();
}

static void all_files(void *arg)
{
    (void)arg;
    int fds[2];
    open_("f", O_CREATE | O_RDWR);
    go_on = opened = 0;
    u32 child[8];
    for (u32 i = 0; i < 8; i++)
        child[i] = fork_(open_many, 0);
    while (opened < NFILE - 1)
        lock_pause();
    check("open files of all processes", NFILE - 1, opened);
    check("then no pipe", -1, pipe_(fds));
    go_on = 1;
    for (u32 i = 0; i < 8; i++)
        wait_(child[i]);
    check("they come back", 1, used_files());
}

static void large(void *arg)
{
    (void)arg;
    u32 n = 300000, wrong = 0;
    int fd = open_("big", O_CREATE | O_RDWR);
    for (u32 i = 0; i < n; i++)
        arena[i] = i * 7 + i / 4096;
    check("one large write", n, sys_write(fd, arena, n));
    memset(arena, 0, n);
    int r = open_("big", O_RDONLY);
    check("one large read", n, sys_read(r, arena, n));
    for (u32 i = 0; i < n; i++)
        wrong += arena[i] != (u8)(i * 7 + i / 4096);
    check("the same bytes", 0, wrong);
    check("fsync", 0, sys_fsync(fd));
    check("nothing is left to write", 0, shared.cache.ndirty);
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

static void devices_(void *arg)
{
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

// ---- pipes ----

static void close_end(void *arg)
{
    int *fds = arg;
    for (int i = 0; i < 30; i++)
        lock_pause();
    sys_close(fds[0]);
    sys_close(fds[1]);
}

static void read_all(void *arg)
{
    int *fds = arg, got;
    sys_close(fds[1]);
    while ((got = sys_read(fds[0], data(), 1 + draw(2000))) > 0)
        fds[2] += got;
}

static int answer;

static void read_once(void *arg)
{
    answer = sys_read(*(int *)arg, data(), 100);
}

static void write_much(void *arg)
{
    answer = sys_write(((int *)arg)[1], data(), 10000);
}

static void kill_waiting(u32 child)
{
    for (int i = 0; i < 200; i++)
        lock_pause();
    kill_proc(child);
    wait_(child);
}

static void pipes(void *arg)
{
    (void)arg;
    int fds[3], more[2];
    check("pipe", 0, pipe_(fds));
    check("its ends are the lowest descriptors", 1, fds[0] == 0 && fds[1] == 1);
    check("the wrong ends", -2, sys_read(fds[1], data(), 1) + sys_write(fds[0], data(), 1));
    check("fstat", -1, stat_(fds[0]).type);
    check("write", 5, write_(fds[1], "hello"));
    check("read in parts", 1, reads(fds[0], 2, "he") && reads(fds[0], 100, "llo"));
    u32 child = fork_(close_end, fds);
    write_(fds[1], "x");
    sys_close(fds[1]);
    check("what was written is read after the end is closed", 1, reads(fds[0], 100, "x"));
    check("at the end once all copies are closed", 1, reads(fds[0], 100, ""));
    wait_(child);
    check("and again", 1, reads(fds[0], 100, ""));
    sys_close(fds[0]);
    pipe_(fds);
    sys_close(fds[0]);
    check("write when nobody can read", -1, write_(fds[1], "x"));
    sys_close(fds[1]);
    pipe_(fds);
    fork_(close_end, fds);
    sys_close(fds[0]);
    check("a writer that waits for room when the last reader goes", -1, sys_write(fds[1], data(), 5000));
    pipe_(more);
    check("a pipe used again is empty", 1, write_(more[1], "new") == 3 && reads(more[0], 100, "new"));
    kill_waiting(fork_(read_once, more));
    check("a reader that is killed", -1, answer);
    kill_waiting(fork_(write_much, more));
    check("a writer that is killed", -1, answer);
    for (int fd = 0; fd < NOFILE; fd++)
        sys_close(fd);
    pipe_(fds);
    fds[2] = 0;
    child = fork_(read_all, fds);
    sys_close(fds[0]);
    int total = 0;
    for (u32 i = 0; i < 100; i++)
        total += sys_write(fds[1], data(), draw(3000));
    int copy = sys_dup(fds[1]);
    sys_close(fds[1]);
    for (u32 i = 0; i < 50; i++)
        lock_pause();
    check("no end before the last copy of the write end is closed", 0, actor[child].why == DONE);
    sys_close(copy);
    wait_(child);
    check("what was written is read", total, fds[2]);
}

// Writer i of many writes i and a running number, 8 bytes at a time, that nobody may tear or lose.
struct many {
    int fds[2];
    u32 writers, readers, records, got, wrong;
    u32 sum[8];
};

static void write_many(void *arg)
{
    struct many *m = arg;
    sys_close(m->fds[0]);
    for (u32 i = 0; i < m->records; i++) {
        u32 word = self << 20 | i;
        memcpy(data(), &word, 4);
        m->wrong += sys_write(m->fds[1], data(), 4) != 4;
    }
}

// The ring's size is a multiple of 4, and so is every write: so is every read.
static void read_many(void *arg)
{
    struct many *m = arg;
    int got;
    u32 last[NPROC] = {0};
    sys_close(m->fds[1]);
    while ((got = sys_read(m->fds[0], data(), 4 * (1 + draw(100)))) > 0) {
        for (int i = 0; i < got; i += 4) {
            u32 word;
            memcpy(&word, data() + i, 4);
            m->got++;
            m->sum[(word >> 20) % 8] += word & 0xfffff;
            m->wrong += (word & 0xfffff) < last[word >> 20]; // each reader finds a writer's in order
            last[word >> 20] = word & 0xfffff;
        }
    }
    m->wrong += got != 0;
}

static void many_ends(void *arg)
{
    struct many *m = arg;
    u32 wrong = 0, n = m->records;
    m->got = m->wrong = 0;
    memset(m->sum, 0, sizeof m->sum);
    pipe_(m->fds);
    for (u32 i = 0; i < m->writers + m->readers; i++)
        fork_(i < m->writers ? write_many : read_many, m);
    sys_close(m->fds[0]);
    sys_close(m->fds[1]);
    for (u32 i = 1; i <= m->writers + m->readers; i++)
        wait_(i);
    for (u32 i = 1; i <= m->writers; i++)
        wrong += m->sum[i] != n * (n - 1) / 2;
    m->wrong += wrong + (m->got != n * m->writers);
}

// ---- the terminal ----

static int screen_is(const char *text)
{
    int same = strcmp(screen, text) == 0;
    if (!same)
        printf("# the screen shows \"%s\"\n", screen);
    screen_used = 0;
    screen[0] = 0;
    return same;
}

static void read_lines(void *arg)
{
    u32 *lines = arg;
    int got;
    while ((got = sys_read(0, data(), 200)) > 0) {
        breaches += got != 41 || data()[40] != '\n';
        for (int i = 0; i < 40; i++)
            breaches += data()[i] != data()[0];
        lines[data()[0]]++;
    }
    breaches += got < 0;
}

static void terminal(void *arg)
{
    (void)arg;
    sys_mknod(name("console"), CONSOLE, 0);
    int fd = open_("console", O_RDWR);
    type_in("hello\r");
    check("a line", 1, reads(fd, 100, "hello\n"));
    check("echoed", 1, screen_is("hello\n"));
    type_in("helx\x7flox\x08\n");
    check("erase", 1, reads(fd, 100, "hello\n"));
    check("on the screen too", 1, screen_is("helx\b \blox\b \b\n"));
    type_in("\x7f\x08wrong\x15right\n");
    check("kill the line; nothing to erase", 1, reads(fd, 100, "right\n"));
    check("on the screen too", 1, screen_is("wrong\b \b\b \b\b \b\b \b\b \bright\n"));
    type_in("\xc3\xa9\x7f\xe2\x82\xac\x7fz\n");
    check("characters of several bytes are erased whole", 1, reads(fd, 100, "z\n"));
    check("on the screen too", 1, screen_is("\xc3\xa9\b \b\xe2\x82\xac\b \bz\n"));
    type_in("abcdef\n");
    check("a line read in parts", 1, reads(fd, 3, "abc") && reads(fd, 3, "def") && reads(fd, 3, "\n"));
    type_in("one\n\ntwo\n");
    check("a line a read", 1, reads(fd, 100, "one\n") && reads(fd, 100, "\n") && reads(fd, 100, "two\n"));
    type_in("\x04");
    check("^D is the end of input", 1, reads(fd, 100, ""));
    type_in("ab\x04next\n");
    check("^D after something ends that first", 1, reads(fd, 100, "ab") && reads(fd, 100, ""));
    check("and does not stay", 1, reads(fd, 100, "next\n"));
    check("no bytes are asked for", 0, sys_read(fd, data(), 0));
    static char long_line[3000];
    memset(long_line, 'x', sizeof long_line - 2);
    long_line[sizeof long_line - 2] = '\n';
    type_in(long_line);
    u32 total = 0;
    int got = 0;
    while (total < sizeof long_line - 1 && (got = sys_read(fd, data(), 5000)) > 0)
        total += got;
    check("a line longer than the ring comes in pieces", sizeof long_line - 1, total);
    check("the last of which ends it", '\n', data()[got - 1]);
    screen_used = 0;
    cons_error = E_OWNER;
    check("a console that is not ours", -2, sys_read(fd, data(), 1) + sys_write(fd, data(), 1));
    cons_error = 0;
    u32 child = fork_(read_once, &fd);
    kill_waiting(child);
    check("a reader that is killed", -1, answer);
    memset(arena + 1000, 'y', 10000);
    check("output over several pages", 10000, sys_write(fd, arena + 1000, 10000));
    check("is all there", 10000, strlen(screen));
}

static void readers(void *arg)
{
    (void)arg;
    static char paste[26 * 41 + 4];
    u32 lines[256] = {0}, wrong = 0;
    for (u32 i = 0; i < 26; i++) {
        memset(paste + i * 41, 'a' + i, 40);
        paste[i * 41 + 40] = '\n';
    }
    memcpy(paste + 26 * 41, "\x04\x04\x04", 4);
    sys_mknod(name("console"), CONSOLE, 0);
    open_("console", O_RDWR);
    type_in(paste);
    for (u32 i = 0; i < 3; i++)
        fork_(read_lines, lines);
    for (u32 i = 1; i <= 3; i++)
        wait_(i);
    for (u32 i = 0; i < 26; i++)
        wrong += lines['a' + i] != 1;
    check("26 lines at once, three readers: each line to one", 0, wrong);
    paste[26 * 41] = 0;
    check("and echoed in order", 0, strcmp(screen, paste));
}

// ---- many processes on one file system ----

#define RECORD 100

static void append(void *arg)
{
    u32 *wrong = arg;
    int fd = open_("log", O_WRONLY | O_APPEND);
    for (u32 i = 0; i < 20; i++) {
        memset(data(), 'A' + self, RECORD);
        *wrong += sys_write(0, data(), RECORD) != RECORD; // the offset that all share
        *wrong += sys_write(fd, data(), RECORD) != RECORD;
    }
}

// Every record is of one writer, and each wrote its share.
static u32 count_records(const char *path, u32 writers)
{
    u32 n[256] = {0}, wrong = 0;
    int fd = open_(path, O_RDONLY);
    while (sys_read(fd, data(), RECORD) == RECORD) {
        for (u32 i = 1; i < RECORD; i++)
            wrong += data()[i] != data()[0];
        n[data()[0]]++;
    }
    for (u32 i = 1; i <= writers; i++)
        wrong += n['A' + i] != 20;
    sys_close(fd);
    return wrong;
}

static void appenders(void *arg)
{
    u32 *wrong = arg;
    open_("shared", O_CREATE | O_WRONLY);
    sys_close(open_("log", O_CREATE));
    for (u32 i = 0; i < 6; i++)
        fork_(append, wrong);
    for (u32 i = 1; i <= 6; i++)
        wait_(i);
    *wrong += count_records("shared", 6) + count_records("log", 6);
}

// Does whatever comes to mind with a few names; what is wrong, fsck finds.
static void rummage(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < 40; i++) {
        char a[16], b[16];
        int dir = draw(3);
        sprintf(a, dir ? "d%u/f%u" : "f%u", draw(2), draw(4));
        sprintf(b, dir == 1 ? "f%u" : "d%u/g", draw(4));
        int fd, n;
        switch (draw(8)) {
        case 0:
            sys_unlink(name(a));
            break;
        case 1:
            sys_link(name(a), strcpy((char *)area() + 512, b));
            break;
        case 2:
            sys_mkdir(name(draw(2) ? "d0" : "d1"));
            break;
        case 3:
            sys_unlink(name(draw(2) ? "d0" : b));
            break;
        case 4:
            sys_chdir(name(draw(2) ? "d0" : "/"));
            break;
        case 5:
            fd = open_(a, O_RDONLY);
            n = sys_read(fd, data(), draw(20000));
            sys_close(fd);
            if (n > 20000)
                breach("a read of more than was asked for");
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

static void rummagers(void *arg)
{
    (void)arg;
    open_("keep", O_CREATE | O_RDWR);
    for (u32 i = 0; i < 5; i++)
        fork_(rummage, 0);
    for (u32 i = 1; i <= 5; i++)
        wait_(i);
}

int main(int argc, char **argv)
{
    u32 seeds = argc > 1 ? strtoul(argv[1], 0, 10) : 8, wrong = 0;
    steps_max = 100 << 20;
    suite = "file";
    on_new_disk(300, descriptors, 0);
    on_new_disk(300, modes, 0);
    on_new_disk(300, names, 0);
    on_new_disk(300, bad_pointers, 0);
    on_new_disk(300, limits, 0);
    on_new_disk(300, all_files, 0);
    on_new_disk(600, large, 0);
    on_new_disk(300, devices_, 0);
    suite = "pipe";
    on_new_disk(300, pipes, 0);
    for (u32 seed = 1; seed <= seeds; seed++) {
        struct many m = {.writers = 1 + seed % 4, .readers = 1 + seed % 3, .records = 400};
        chance = seed;
        on_new_disk(300, many_ends, &m);
        wrong += m.wrong;
    }
    check("many readers and writers: nothing lost or out of order", 0, wrong);
    suite = "tty";
    on_new_disk(300, terminal, 0);
    on_new_disk(300, readers, 0);
    suite = "file";
    for (u32 seed = 1; seed <= seeds; seed++) {
        chance = seed;
        disk_pace = 1 + draw(30);
        on_new_disk(300, appenders, &wrong);
        on_new_disk(200, rummagers, 0);
    }
    check("writers to one file do not overwrite each other", 0, wrong);
    check("nothing that must not be", 0, breaches);
    free(media);
    free(bad);
    free(frames);
    free(in_flight);
    return failures > 0;
}
