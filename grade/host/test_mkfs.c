// Tests of the label and image checks of user/first/label.c, and of the programs mkfs and fsck, which run
// here in child processes with their own arguments. Files are made in a directory of their own and removed at
// the end.
#define main mkfs_main
#include "mkfs/mkfs.c"
#undef main
#define main fsck_main
#include "mkfs/fsck.c"
#undef main
#include "user/first/label.c"
#include "libos/super.c"
#include "libos/fs.c"
#include "libos/inode.c"
#include "libos/direct.c"
#include "libos/dir.c"
#include "libos/path.c"
#include "mkfs/host.c"
#include "mkfs/format.c"
#include "mkfs/memcache.c"
#include "mkfs/unlogged.c"
#include "mkfs/check.c"
#include "mkfs/replay.c"
#include <sys/wait.h>

static int failures;

static void check(const char *name, long long expected, long long saw) {
    if (expected == saw) {
        printf("ok mkfs: %s\n", name);
        return;
    }
    failures++;
    printf("not ok mkfs: %s: expected %lld, saw %lld\n", name, expected, saw);
}

static u64 random_u64(void) {
    static u64 state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1d;
}

// ---- label ----

static struct label l;

static void resum(void) { l.sum = label_sum(0, &l, offsetof(struct label, sum)); }

static void sound_label(void) {
    l = (struct label){
        .magic = LABEL_MAGIC, .version = LABEL_VERSION, .nblocks = 1000, .nextents = 5, .nlines = 2};
    static const struct label_extent extents[] = {
        {"label", 0, 1}, {"boot", 1, 9}, {"unix", 10, 90}, {"fifteen-letters", 100, 100}, {"fs", 200, 800}};
    memcpy(l.extent, extents, sizeof extents);
    l.line[0] = (struct label_line){"unix", "unix", 8, 100, 10, 1, 0, 8, LINE_CONSOLE, 0, "an argument"};
    l.line[1] = (struct label_line){"other", "boot", 16, 0, 1, 0, 0, 0, 0, 0, ""};
    resum();
}

#define LABEL(change, error)                                    \
    do {                                                        \
        sound_label();                                          \
        change;                                                 \
        resum();                                                \
        check("label: " #change, error, label_check(&l, 1000)); \
    } while (0)

static void test_label(void) {
    sound_label();
    check("a sound label", LABEL_OK, label_check(&l, 1000));
    check("on a larger device", LABEL_OK, label_check(&l, 1ull << 40));
    check("on a smaller one", LABEL_E_DEVICE, label_check(&l, 999));
    check("an extent is found", 200, label_find(&l, "fs")->start);
    check("of 15 letters too", 100, label_find(&l, "fifteen-letters")->start);
    check("but not of 16", 1, label_find(&l, "fifteen-letters!") == 0);
    check("nor by a part of its name", 1, label_find(&l, "f") == 0 && label_find(&l, "fss") == 0);
    l.spare[3] = 1;
    check("a wrong sum", LABEL_E_SUM, label_check(&l, 1000));
    LABEL(l.magic++, LABEL_E_MAGIC);
    LABEL(l.version++, LABEL_E_VERSION);
    LABEL(l.nblocks = 0, LABEL_E_DEVICE);
    LABEL(l.nextents = 33, LABEL_E_COUNT);
    LABEL(l.nlines = 17, LABEL_E_COUNT);
    LABEL(l.nextents = 0xffffffff, LABEL_E_COUNT);
    LABEL(l.spare0 = 1, LABEL_E_SPARE);
    LABEL(l.spare[215] = 1, LABEL_E_SPARE);
    LABEL(l.extent[5].count = 1, LABEL_E_SPARE);
    LABEL(l.nextents = 4, LABEL_E_SPARE);
    LABEL(l.line[15].args[127] = 1, LABEL_E_SPARE);
    LABEL(l.line[1].spare = 1, LABEL_E_SPARE);
    LABEL((memset(&l.extent, 0, sizeof l.extent), l.nextents = 0), LABEL_E_SELF);
    LABEL(l.extent[0].name[0] = 'L', LABEL_E_SELF);
    LABEL(l.extent[0].start = 1, LABEL_E_SELF);
    LABEL(l.extent[0].count = 2, LABEL_E_SELF);
    LABEL(l.extent[1].name[0] = 0, LABEL_E_EXTENT_NAME);
    LABEL(l.extent[1].name[15] = 'x', LABEL_E_EXTENT_NAME);
    LABEL(l.extent[1].name[1] = ' ', LABEL_E_EXTENT_NAME);
    LABEL(l.extent[1].name[1] = (char)0x80, LABEL_E_EXTENT_NAME);
    LABEL(memset(l.extent[1].name, 'x', 16), LABEL_E_EXTENT_NAME);
    LABEL(strcpy(l.extent[4].name, "boot"), LABEL_E_EXTENT_TWICE);
    LABEL(l.extent[3].count = 0, LABEL_E_EXTENT_BOUNDS);
    LABEL(l.extent[4].count++, LABEL_E_EXTENT_BOUNDS);
    LABEL(l.extent[3].count = 0xffffffff, LABEL_E_EXTENT_BOUNDS);
    LABEL(l.extent[3].start = 0xffffffff, LABEL_E_EXTENT_BOUNDS);
    LABEL(l.extent[1].start = 0, LABEL_E_EXTENT_ORDER);
    LABEL(l.extent[3].start--, LABEL_E_EXTENT_ORDER);
    LABEL(l.extent[4] = ((struct label_extent){"x", 150, 1}), LABEL_E_EXTENT_ORDER);
    LABEL(l.line[0].name[0] = 0, LABEL_E_LINE_NAME);
    LABEL(strcpy(l.line[1].name, "unix"), LABEL_E_LINE_TWICE);
    LABEL(l.line[1].image[0] = 0, LABEL_E_LINE_IMAGE);
    LABEL(l.line[1].image[0] = 'r', LABEL_E_LINE_IMAGE);
    LABEL(l.line[1].extents = 1, LABEL_E_LINE_GIVES);
    LABEL(l.line[1].extents = 32, LABEL_E_LINE_GIVES);
    LABEL(l.line[1].extents = 1u << 31, LABEL_E_LINE_GIVES);
    LABEL(l.line[1].extents = 8, LABEL_E_LINE_GIVES);
    LABEL(l.line[0].envs = 0, LABEL_E_LINE_EMPTY);
    LABEL(l.line[0].pages = 1u << 31, LABEL_E_LINE_QUOTA);
    LABEL(l.line[0].envs = EXO_NENV + 1, LABEL_E_LINE_QUOTA);
    LABEL(l.line[0].accounts = EXO_NACCT + 1, LABEL_E_LINE_QUOTA);
    LABEL(l.line[0].more_extents = EXO_NEXT + 1, LABEL_E_LINE_QUOTA);
    LABEL(l.line[0].slots = EXO_NSLOT + 1, LABEL_E_LINE_QUOTA);
    LABEL(l.line[0].flags = 2, LABEL_E_LINE_FLAGS);
    LABEL(l.line[1].flags = 1, LABEL_E_LINE_CONSOLE);
    LABEL(memset(l.line[0].args, 'x', LABEL_ARGS), LABEL_E_LINE_ARGS);
    LABEL(l.line[0].args[0] = '\n', LABEL_E_LINE_ARGS);

    int names = 0;
    for (int i = 0; i < LABEL_ERRORS; i++)
        for (int j = 0; j < i; j++) names += strcmp(label_error_name(i), label_error_name(j)) == 0;
    check("every error has words of its own", 0, names);
    check("and one that is none has some", 0, strcmp(label_error_name(LABEL_ERRORS), "unknown error"));
}

// What the kernel relies on, tested in another way than label.c does.
static int relied_on(void) {
    static u8 owner[1000];
    memset(owner, 0, sizeof owner);
    u32 given = 0, bad = l.nblocks > 1000 || l.nextents > LABEL_EXTENTS || l.nlines > LABEL_LINES;
    for (u32 i = 0; i < l.nextents && !bad; i++) {
        const struct label_extent *e = &l.extent[i];
        bad |= e->count == 0 || !memchr(e->name, 0, LABEL_NAME) || (u64)e->start + e->count > 1000;
        for (u64 b = e->start; b < (u64)e->start + e->count && !bad; b++) bad |= owner[b]++;
    }
    for (u32 i = 0; i < l.nlines && !bad; i++) {
        bad |= !memchr(l.line[i].args, 0, LABEL_ARGS) || !label_find(&l, l.line[i].image);
        bad |= (given & l.line[i].extents) || (u64)l.line[i].extents >> l.nextents;
        given |= l.line[i].extents;
    }
    return !bad;
}

static void test_label_fuzz(void) {
    int unseen = 0, wrong = 0, passed = 0;
    for (u64 bit = 0; bit < sizeof l * 8; bit++) {
        sound_label();
        ((u8 *)&l)[bit / 8] ^= 1 << bit % 8;
        unseen += label_check(&l, 1000) == LABEL_OK;
    }
    check("no flipped bit passes", 0, unseen);
    for (int i = 0; i < 300000; i++) {
        sound_label();
        for (u64 n = 1 + random_u64() % 3; n; n--) {
            static const u32 values[] = {0, 1, 2, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, 999, 1000, 1001};
            u64 at = random_u64() % 2 ? random_u64() % 160 : 800 + random_u64() % 400;
            u32 v = random_u64() % 2 ? values[random_u64() % 10] : random_u64() % 1100;
            if (random_u64() % 2)
                memcpy((u8 *)&l + at / 4 * 4, &v, 4);
            else
                ((u8 *)&l)[at] = random_u64() >> 13;
        }
        resum();
        if (label_check(&l, 1000) == LABEL_OK) {
            passed++;
            wrong += !relied_on();
        }
    }
    check("what passes can be relied on", 0, wrong);
    check("some changes do pass", 1, passed > 1000);
}

// ---- images ----

static struct image_header sound_image(void) {
    return (struct image_header){IMAGE_MAGIC, IMAGE_VERSION, 0,    0x40000040, 0x40000000, 8192,
                                 4096,        4096,          8192, 16384,      {0}};
}

#define IMAGE(change, error)                                     \
    do {                                                         \
        struct image_header h = sound_image();                   \
        change;                                                  \
        check("image: " #change, error, image_check(&h, 16384)); \
    } while (0)

static void test_image(void) {
    IMAGE(, LABEL_OK);
    IMAGE(h.magic = 0, LABEL_E_IMAGE_MAGIC);
    IMAGE(h.version = 2, LABEL_E_IMAGE_VERSION);
    IMAGE(h.spare0 = 1, LABEL_E_IMAGE_SPARE);
    IMAGE(h.spare[2] = 1, LABEL_E_IMAGE_SPARE);
    IMAGE(h.load += 8, LABEL_E_IMAGE_ALIGN);
    IMAGE(h.text = 8191, LABEL_E_IMAGE_ALIGN);
    IMAGE(h.stack = 1, LABEL_E_IMAGE_ALIGN);
    IMAGE(h.data += 4096, LABEL_E_IMAGE_ROOM);
    IMAGE((h.text = 0xfffff000, h.rodata = 0xfffff000), LABEL_E_IMAGE_ROOM);
    IMAGE(h.load = 0, LABEL_E_IMAGE_LIMITS);
    IMAGE(h.load = EXO_USER_END, LABEL_E_IMAGE_LIMITS);
    IMAGE(h.load = -4096ull, LABEL_E_IMAGE_LIMITS);
    IMAGE((h.load = EXO_USER_END - 45056, h.entry = h.load + 64), LABEL_OK);
    IMAGE((h.load = EXO_USER_END - 40960, h.entry = h.load + 64), LABEL_E_IMAGE_LIMITS);
    IMAGE(h.entry = h.load + 62, LABEL_E_IMAGE_ENTRY);
    IMAGE(h.entry++, LABEL_E_IMAGE_ENTRY);
    IMAGE(h.entry = h.load + 8192, LABEL_E_IMAGE_ENTRY);
    IMAGE(h.entry = 0, LABEL_E_IMAGE_ENTRY);
}

// ---- the programs ----

static char said[4096];

// Runs mkfs or fsck with the words of `line` ('_' stands for a space in one); returns its status and keeps
// what it said.
static int run(int (*program_main)(int, char **), const char *line) {
    static char copy[4096];
    static char *argv[128];
    int argc = 1, status;
    fflush(stdout);
    strcpy(copy, line);
    argv[0] = "x";
    for (char *w = strtok(copy, " "); w; w = strtok(0, " ")) {
        for (char *c = w; *c; c++) *c = *c == '_' ? ' ' : *c;
        argv[argc++] = w;
    }
    argv[argc] = 0;
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("said", "w", stdout) || dup2(1, 2) < 0) _exit(99);
        exit(program_main(argc, argv));
    }
    waitpid(pid, &status, 0);
    FILE *f = fopen("said", "r");
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void refused(const char *line, const char *message) {
    int status = run(mkfs_main, line);
    if (status == 1 && strstr(said, message)) {
        printf("ok mkfs: refused: %s\n", message);
        return;
    }
    failures++;
    printf("not ok mkfs: %s: expected status 1 and \"%s\", saw %d and %s\n", line, message, status, said);
}

static void make_file(const char *name, u64 size, const void *begin, u64 nbegin) {
    FILE *f = fopen(name, "wb");
    for (u64 i = 0; i < size; i++)
        fputc(i < nbegin ? ((const u8 *)begin)[i] : (u8)(i * 31 + i / 4096 * 7 + 1), f);
    fclose(f);
}

static void test_refusals(void) {
    refused("-s 1M", "-o IMG and -s SIZE");
    refused("-o img", "-o IMG and -s SIZE");
    refused("-o img -s 1M --what", "arguments");
    refused("-o img -s 1MB", "\"1MB\" is not a size");
    refused("-o img -s -1", "\"-1\" is not a size");
    refused("-o img -s 1M --swap 6K", "6K is not whole blocks");
    refused("-o img -s 1M --raw r", "--raw: NAME=... expected");
    refused("-o img -s 1M --raw r=0", "extent \"r\": it would be empty");
    refused("-o img -s 1M --raw 0123456789abcdef=1", "a name has 1 to 15 characters");
    refused("-o img -s 1M --raw r=1 --raw r=1", "two extents of one name");
    refused("-o img -s 1M --raw label=1", "two extents of one name");
    refused("-o img -s 1M --raw a_b=1", "bad name of an extent");
    refused("-o img -s 99999999999", "is not a size");
    refused("-o img -s 20 --fs-size 0 --swap 20", "it needs 21 blocks (84 KiB), -s says 20 (80 KiB)");
    refused("-o img -s 20", "it needs 31 blocks (124 KiB), -s says 20 (80 KiB)");
    refused("-o img -s 1M --fs-size 2M", "it needs 513 blocks (2052 KiB), -s says 256 (1024 KiB)");
    refused("-o img -s 1M --fs-size 29", "its tables need 30 blocks (120 KiB), it has 29 (116 KiB)");
    refused("-o img -s 8G --fs-size 5G", "a file system has at most 1048576 (4194304 KiB)");
    refused("-o img -s 1M --inodes 70000", "70000 are wanted, 65472 are possible");
    refused("-o img -s 1M --inodes 60000", "it needs 968 blocks (3872 KiB), -s says 256");
    refused("-o img -s 1M large",
            "its files need 300 blocks (1200 KiB), 233 (932 KiB) of its 255 (1020 KiB)");
    refused("-o img -s 1M --fs-size 0 small", "small: there is no file system");
    refused("-o img -s 1M missing", "missing: No such file");
    refused("-o img -s 1M .", "not a regular file");
    refused("-o img -s 1M small ./small", "there is another \"small\"");
    refused("-o img -s 1M name-of-15-char", "a name has 1 to 14 characters");
    refused("-o img -s 1M --boot small", "small: not an image");
    refused("-o img -s 1M --boot longer.img", "its header says 16384 bytes, it has 16385");
    refused("-o img -s 1M --boot shorter.img", "image larger than its extent");
    refused("-o img -s 1M --line name=x", "line \"name=x\": line's image is no extent");
    refused("-o img -s 1M --line name=x_image=fs", "line without environments");
    refused("-o img -s 1M --line name=x_image=fs_envs=1_extents=y", "there is no extent \"y\"");
    refused("-o img -s 1M --line name=x_image=fs_envs=1_extents=label", "gives an extent it cannot give");
    refused("-o img -s 1M --line name=x_envs=q", "envs: \"q\" is not a number");
    refused("-o img -s 1M --line name=x_envs=4294967296", "envs=4294967296 is too large");
    refused("-o img -s 1M --line name=x_image=fs_envs=121", "asks for more than there can be");
    refused("-o img -s 1M --line name=x_color=red", "what is \"color\"?");
    refused("-o img -s 1M --line name=x_console=1", "what is \"console\"?");
    refused("-o img -s 1M --line name=0123456789abcdef", "has more than 15 characters");
    refused("-o img -s 1M --manifest missing", "missing: No such file");
    refused("-o none/img -s 1M", "none/img: No such file");
    check("a refusal makes no image", -1, access("img", F_OK));

    char line[2000] = "-o img -s 1M";
    for (int i = 0; i < 32; i++) sprintf(line + strlen(line), " --raw r%d=1", i);
    refused(line, "more than 32 extents");
    strcpy(line, "-o img -s 1M");
    for (int i = 0; i < 17; i++) sprintf(line + strlen(line), " --line name=n%d", i);
    refused(line, "more than 16 lines");
}

static u8 *load(const char *path, u64 *size) { return access(path, R_OK) ? 0 : read_file(path, size); }

// The bytes of a file in the file system's root directory are those of the host's file of that name.
static int same_file(struct fs *fs, struct inode *root_dir, const char *path) {
    u64 size;
    struct inode *ip;
    u8 *want = load(path, &size), *saw = grab(size + 1, 1);
    if (path_find(fs, &root_dir, path, &ip)) return 0;
    inode_lock(fs, ip);
    i64 n = inode_read(fs, ip, 0, saw, size + 1, 0);
    inode_unlock(fs, ip);
    int same = n == (i64)size && memcmp(saw, want, size) == 0;
    free(want);
    free(saw);
    return same;
}

#define GOOD                                                                                    \
    "-s 4M --boot good.img --libos unix=good.img --swap 64K --raw r=3 --manifest lines --line " \
    "name=two_image=unix_envs=2_args=x_=_y small large empty"

static void test_image_made(void) {
    u64 size, size2;
    check("a good command", 0, run(mkfs_main, "-o img " GOOD));
    check("says nothing", 0, strlen(said));
    check("fsck finds nothing", 0, run(fsck_main, "img"));
    check("the same again", 0, run(mkfs_main, "-o img2 " GOOD));
    u8 *disk = load("img", &size), *disk2 = load("img2", &size2), *boot = load("good.img", &size2);
    check("its size", 4 << 20, size);
    check("gives the same image", 0, memcmp(disk, disk2, size));
    const struct label *lab = (const struct label *)disk;
    static const char *const names[] = {"label", "boot", "unix", "swap", "r", "fs"};
    int wrong = lab->nextents != 6;
    for (u32 i = 0; i < 6; i++) wrong += strcmp(lab->extent[i].name, names[i]) != 0;
    check("extents in order", 0, wrong);
    check("the file system takes the rest", 1024, lab->extent[5].start + lab->extent[5].count);
    check("the boot image is there", 0, memcmp(disk + 4096, boot, 16384));
    check("the libOS too", 0, memcmp(disk + 4096 * 5, boot, 16384));
    check("lines of the manifest and the command", 2, lab->nlines);
    const struct label_line *n = &lab->line[0];
    check("name", 0, strcmp(n->name, "unix") | strcmp(n->image, "unix"));
    check("extents", 1 << 5 | 1 << 3, n->extents);
    check("numbers", 0,
          n->pages - 500 || n->envs - 64 || n->accounts - 1 || n->more_extents - 2 || n->slots - 8);
    check("flags and arguments", 0, n->flags != LINE_CONSOLE || strcmp(n->args, "root=fs console=no"));
    check("a second line", 0, strcmp(lab->line[1].args, "x = y"));

    const struct label_extent *e = label_find(lab, "fs");
    u8 *dirty = grab(e->count, 1);
    struct bcache *cache = memcache_new(disk + (u64)e->start * 4096, dirty, e->count);
    struct fs *fs = grab(1, FS_MEMORY(10));
    struct inode *root_dir;
    check("the file system mounts", 0,
          fs_mount(fs, FS_MEMORY(10), cache) || inode_get(fs, FS_ROOT, &root_dir));
    check("a small file", 1, same_file(fs, root_dir, "small"));
    check("a large one", 1, same_file(fs, root_dir, "large"));
    check("an empty one", 1, same_file(fs, root_dir, "empty"));
    free(fs);
    memcache_end(cache);
    free(dirty);

    check("a refusal leaves an old image", 1,
          run(mkfs_main, "-o img -s 20") == 1 && access("img", F_OK) == 0);
    check("a file system may be all but full", 0, run(mkfs_main, "-o img2 -s 325 large"));
    check("and is sound", 0, run(fsck_main, "img2"));
    refused("-o img2 -s 324 large", "need 300 blocks (1200 KiB), 299");
    check("the smallest disk", 0, run(mkfs_main, "-o img2 -s 31") || run(fsck_main, "img2"));
    check("no file system", 0, run(mkfs_main, "-o img2 -s 2 --fs-size 0 --swap 1") || run(fsck_main, "img2"));
    check("a large disk", 0, run(mkfs_main, "-o img2 -s 1G large"));
    free(disk2);
    free(boot);
    free(disk);
}

// fsck as a program: damage in each part of a disk is told, with status 1.
static void test_fsck(void) {
    static const struct {
        u32 at;
        const char *message;
    } damage[] = {
        {0, "not a label"},
        {100, "checksum"},
        {4096, "extent \"boot\": not an image"},
        {5 * 4096, "extent \"unix\": not an image"},
        {(1 + 4 + 4 + 16 + 3) * 4096, "fs: no superblock"},
    };
    u64 size;
    for (u32 i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        u8 *disk = load("img", &size);
        disk[damage[i].at] ^= 1;
        FILE *f = fopen("damaged", "wb");
        fwrite(disk, 1, size, f);
        fclose(f);
        free(disk);
        int status = run(fsck_main, "damaged");
        if (status != 1 || !strstr(said, damage[i].message)) printf("# fsck said: %s\n", said);
        check(damage[i].message, 1, status == 1 && strstr(said, damage[i].message));
    }
    check("fsck of half an image", 1, truncate("damaged", 4096) == 0 && run(fsck_main, "damaged") == 1);
    check("fsck of nothing", 1, run(fsck_main, "missing"));
    check("fsck without arguments", 1, run(fsck_main, ""));
}

static void store(const char *path, const u8 *disk, u64 size) {
    FILE *f = fopen(path, "wb");
    fwrite(disk, 1, size, f);
    fclose(f);
}

static int is_file(const char *path, const u8 *disk, u64 size) {
    u64 n;
    u8 *now = load(path, &n);
    int same = n == size && memcmp(now, disk, size) == 0;
    free(now);
    return same;
}

// fsck of an image whose log holds a transaction that fills the last block with 7s.
static void test_replay(void) {
    u64 size;
    u8 *disk = load("img", &size), *fs = disk + (1 + 4 + 4 + 16 + 3) * 4096;
    const struct fs_super *s = (const struct fs_super *)fs;
    struct log_anchor *a = (struct log_anchor *)(fs + s->log_start * 4096);
    struct log_record *r = (struct log_record *)(fs + (s->log_start + 1 + a->tail) * 4096);
    u8 *contents = (u8 *)r + 4096, *last = fs + (u64)(s->nblocks - 1) * 4096;
    *r = (struct log_record){LOG_RECORD_MAGIC, s->id, s->generation, a->sequence, 1, 0, {s->nblocks - 1}, 0};
    memset(contents, 7, 4096);
    r->sum = label_sum(label_sum(0, r, offsetof(struct log_record, sum)), contents, 4096);
    store("damaged", disk, size);
    check("an image with a transaction in its log is sound", 0, run(fsck_main, "damaged"));
    check("and fsck tells of it", 1, strstr(said, "mounting will replay 1 transactions, 1 blocks") != 0);
    check("but changes nothing", 1, is_file("damaged", disk, size));
    check("fsck -r", 0, run(fsck_main, "-r damaged"));
    check("replays it", 1, strstr(said, "1 transactions replayed, 1 blocks") != 0);
    memcpy(last, contents, 4096);
    a->tail += 2;
    a->sequence += 2;
    a->sum = label_sum(0, a, offsetof(struct log_anchor, sum));
    check("which changes the block and the anchor", 1, is_file("damaged", disk, size));
    check("and leaves nothing to say", 1, run(fsck_main, "damaged") == 0 && said[0] == 0);
    check("fsck -r of nothing", 1, run(fsck_main, "-r missing"));
    check("fsck -r alone", 1, run(fsck_main, "-r"));
    free(disk);
}

int main(void) {
    char dir[] = "/tmp/test_mkfs.XXXXXX";
    static const char *const files[] = {"said",     "small",      "large",       "empty",
                                        "good.img", "longer.img", "shorter.img", "name-of-15-char",
                                        "lines",    "img",        "img2",        "damaged"};
    static const char lines[] = "# a comment\n\n  name=unix extents=fs,swap pages=500 envs=64 accounts=1 "
                                "more_extents=2 slots=8 console args=root=fs console=no\n";
    struct image_header h = sound_image();
    if (!mkdtemp(dir) || chdir(dir)) return 2;
    make_file("small", 3, 0, 0);
    make_file("large", 298 * 4096 - 1, 0, 0); // 298 blocks, one indirect; the directory's makes 300
    make_file("empty", 0, 0, 0);
    make_file("good.img", 16384, &h, sizeof h);
    make_file("longer.img", 16385, &h, sizeof h);
    make_file("shorter.img", 12288, &h, sizeof h);
    make_file("name-of-15-char", 1, 0, 0);
    make_file("lines", sizeof lines - 1, lines, sizeof lines);

    test_label();
    test_label_fuzz();
    test_image();
    test_refusals();
    test_image_made();
    test_fsck();
    test_replay();
    for (u32 i = 0; i < sizeof files / sizeof files[0]; i++) unlink(files[i]);
    if (chdir("/") || rmdir(dir)) failures++;
    return failures > 0;
}
