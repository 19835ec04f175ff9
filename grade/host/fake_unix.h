// The Unix side of the libOS for tests on the host: its file system, cache, descriptors, pipes and terminal
// over fake_exo.h, and processes that call them as programs do. Included by tests as source.
#include "grade/host/fake_exo.h"
#include "libos/super.c"
#include "libos/drain.c"
#include "libos/log.c"
#include "libos/logmark.c"
#include "libos/recover.c"
#include "libos/fs.c"
#include "libos/inode.c"
#include "libos/direct.c"
#include "libos/dir.c"
#include "libos/path.c"
#include "libos/bcache.c"
#include "libos/bdisk.c"
#include "libos/bpolicy.c"
#include "libos/braw.c"
#define min pipe_min
#include "libos/pipe.c"
#undef min
#define take tty_take
#include "libos/tty.c"
#undef take
// Each process as if it had several threads: descriptors' files are held while they are used.
bool thread_any(void) { return true; }
#define user_pages fake_pages
void user_pages_done(void) {}
#include "libos/file.c"
#include "libos/namecall.c"
#include "mkfs/format.c"
#define bad    fsck_bad
#define claim  fsck_claim
#define dot    fsck_dot
#define dotdot fsck_dotdot
#include "mkfs/check.c"
#include "mkfs/replay.c"
#undef bad

void *grab(u64 n, u64 size) // for fsck
{
    return calloc(n, size);
}

// ---- what a program has: memory, and calls on it ----

#define AREA 65536 // each process's part of the arena; its first bytes are for paths

static u8 *area(void) { return arena + (u64)self % 16 * AREA; }

static u8 *data(void) { return area() + 1024; }

static char *name(const char *path) { return strcpy((char *)area(), path); }

#define BAD ((void *)0x80000000)

static int open_(const char *path, int mode) { return sys_open(name(path), mode); }

static int write_(int fd, const char *text) {
    memcpy(data(), text, strlen(text));
    return sys_write(fd, data(), strlen(text));
}

// Reads up to n bytes: whether they are `text`, and no more.
static int reads(int fd, int n, const char *text) {
    memset(data(), '#', n);
    int got = sys_read(fd, data(), n);
    return got == (int)strlen(text) && memcmp(data(), text, got) == 0;
}

static struct stat stat_(int fd) {
    struct stat *st = (struct stat *)data();
    memset(st, 0, sizeof *st);
    if (sys_fstat(fd, st)) st->type = -1;
    return *st;
}

static int pipe_(int fds[2]) {
    int err = sys_pipe((int *)data());
    memcpy(fds, data(), 2 * sizeof(int));
    return err;
}

// ---- processes ----

struct life {
    void (*body)(void *);
    void *arg;
};

static void live(void *arg) {
    struct life l = *(struct life *)arg;
    free(arg);
    l.body(l.arg);
    file_exit();
}

static struct life *new_life(void (*body)(void *), void *arg) {
    struct life *l = malloc(sizeof *l);
    *l = (struct life){body, arg};
    return l;
}

static u32 fork_(void (*body)(void *), void *arg) {
    u32 child = spawn(live, new_life(body, arg));
    actor[child].why = NEW;
    file_fork(&shared.procs.proc[child]);
    actor[child].why = NOTHING;
    return child;
}

static void wait_(u32 child) {
    while (actor[child].why != DONE) lock_pause();
}

static u32 used_files(void) {
    u32 n = 0;
    for (u32 i = 0; i < NFILE; i++) n += shared.files.file[i].refs;
    for (u32 i = 0; i < NPIPE; i++) n += shared.pipes.pipe[i].used;
    return n;
}

static u32 free_blocks;

static void first_process(void *arg) {
    struct inode *root;
    if (fs_mount(&shared.fs, sizeof shared.fs_memory, &shared.cache) || inode_get(&shared.fs, FS_ROOT, &root))
        abort();
    free_blocks = shared.fs.nfree;
    file_start(root);
    struct life *l = arg;
    l->body(l->arg);
    file_exit();
    if (used_files()) breach("a file or pipe stays in use");
    if (fs_sync(&shared.fs)) breach("sync fails");
    for (u32 i = 0; i < NINODE; i++)
        if (shared.fs.inode[i].refs) breach("an inode stays in use");
    if (fs_check(media, exts[EXTENT].count, stdout, "# fsck")) breach("the file system is damaged");
}

// Runs body as the first process on a new file system.
static void on_new_disk(u32 nblocks, void (*body)(void *), void *arg) {
    struct fs_super s;
    struct life l = {body, arg};
    disk_new(nblocks, CACHE_LEAST);
    if (fs_layout(&s, nblocks, 0, 1) > nblocks) abort();
    fs_format(media, &s);
    screen_used = ring_used = typed_left = 0;
    words.input = 0;
    spawn(first_process, &l);
    run();
}
