// Makes a disk image: label with manifest, boot image, libOS images, swap and raw extents, and a file system.
//
//   mkfs -o IMG -s SIZE [--boot FILE] [--libos NAME=FILE]... [--swap SIZE] [--raw NAME=SIZE]...
//        [--fs-size SIZE] [--inodes N] [--line LINE]... [--manifest FILE] FILE...
//
// A SIZE is a number of 4 KiB blocks, or of bytes with K, M or G. Extents lie in the order of their options;
// the file system (extent `fs`) is last and takes what is left, unless --fs-size says less (0: no file
// system). Each FILE goes into its root directory, under the last part of its name. A LINE is a libOS to
// start: name=NAME [image=EXTENT] [extents=EXTENT,...] [pages=N] [envs=N] [accounts=N] [more_extents=N]
// [slots=N] [console] [args=the rest of the line]; see struct label_line. A manifest has one a line, and
// comments with #. The same arguments and files give the same image, to the byte.
//
// Everything is checked and laid out before IMG is touched. What is refused ends with status 1.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fsimage.h"
#include "host.h"
#include "../libos/fs.h"

struct extent {
    const char *name;
    u64 start, count;
    const u8 *data; // 0: zeros
};

struct file {
    const char *name;
    const u8 *data;
    u64 size;
};

static struct {
    const char *out;
    u64 nblocks;
    struct extent extent[LABEL_EXTENTS];
    u32 nextents;
    u64 fs_blocks; // all ones: what is left
    u32 ninodes;
    struct file *file;
    u32 nfiles;
    const char *line[LABEL_LINES + 1];
    u32 nlines;
} plan;

static struct label label;
static u8 *image, *used; // all blocks; whether block b may differ from zeros

typedef unsigned long long ull;

// ---- arguments ----

static u64 number(const char *text, const char *what) {
    char *end;
    errno = 0;
    ull n = strtoull(text, &end, 0);
    if (end == text || *end || errno || *text == '-') die("%s: \"%s\" is not a number", what, text);
    return n;
}

static u64 blocks(const char *text, const char *what) {
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    u64 n = strtoull(text, &end, 0);
    const char *unit = *end ? strchr(units, *end) : 0;
    if (end == text || errno || *text == '-' || n >> 32 || (*end && (!unit || end[1])))
        die("%s: \"%s\" is not a size: a number of blocks, or of bytes with K, M or G", what, text);
    if (!unit) return n;
    n <<= 10 * (unit - units + 1);
    if (n % DISK_BLOCK_SIZE) die("%s: %s is not whole blocks of %d bytes", what, text, DISK_BLOCK_SIZE);
    return n / DISK_BLOCK_SIZE;
}

static void add_extent(const char *name, u64 count, const u8 *data) {
    if (plan.nextents == LABEL_EXTENTS) die("extent \"%s\": more than %d extents", name, LABEL_EXTENTS);
    if (count == 0) die("extent \"%s\": it would be empty", name);
    if (*name == 0 || strlen(name) >= LABEL_NAME)
        die("extent \"%s\": a name has 1 to %d characters", name, LABEL_NAME - 1);
    plan.extent[plan.nextents++] = (struct extent){.name = name, .count = count, .data = data};
}

static void add_image(const char *name, const char *path) {
    u64 size;
    const u8 *data = read_file(path, &size);
    u64 count = (size + DISK_BLOCK_SIZE - 1) / DISK_BLOCK_SIZE;
    const struct image_header *h = (const struct image_header *)data;
    enum label_error e = image_check(h, count * DISK_BLOCK_SIZE);
    if (e) die("%s: %s", path, label_error_name(e));
    u64 says = (u64)h->text + h->rodata + h->data;
    if (says != count * DISK_BLOCK_SIZE)
        die("%s: its header says %llu bytes, it has %llu", path, (ull)says, (ull)size);
    add_extent(name, count, data);
}

// Splits NAME=VALUE.
static char *value(char *arg, const char *option) {
    char *eq = strchr(arg, '=');
    if (!eq) die("--%s: NAME=... expected, not \"%s\"", option, arg);
    *eq = 0;
    return eq + 1;
}

static void add_line(const char *text) {
    if (plan.nlines == LABEL_LINES) die("more than %d lines in the manifest", LABEL_LINES);
    plan.line[plan.nlines++] = text;
}

static void add_manifest(const char *path) {
    u64 size;
    char *text = (char *)read_file(path, &size), *save;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(0, "\n", &save)) {
        line += strspn(line, " \t");
        if (*line && *line != '#') add_line(line);
    }
}

static void add_file(const char *path) {
    struct file *f = &plan.file[plan.nfiles];
    const char *slash = strrchr(path, '/');
    f->name = slash ? slash + 1 : path;
    if (*f->name == 0 || strlen(f->name) > FS_NAME) die("%s: a name has 1 to %d characters", path, FS_NAME);
    for (u32 i = 0; i < plan.nfiles; i++)
        if (strcmp(plan.file[i].name, f->name) == 0) die("%s: there is another \"%s\"", path, f->name);
    f->data = read_file(path, &f->size);
    plan.nfiles++;
}

static void parse(int argc, char **argv) {
    enum { BOOT = 256, LIBOS, SWAP, RAW, FS_SIZE, INODES, LINE, MANIFEST };
    static const struct option options[] = {
        {"boot", 1, 0, BOOT},       {"libos", 1, 0, LIBOS},   {"swap", 1, 0, SWAP},
        {"raw", 1, 0, RAW},         {"line", 1, 0, LINE},     {"manifest", 1, 0, MANIFEST},
        {"fs-size", 1, 0, FS_SIZE}, {"inodes", 1, 0, INODES}, {0, 0, 0, 0},
    };
    char *v;
    int c;
    add_extent(LABEL_EXTENT, 1, (const u8 *)&label);
    plan.fs_blocks = ~0ull;
    while ((c = getopt_long(argc, argv, "o:s:", options, 0)) != -1) {
        switch (c) {
        case 'o': plan.out = optarg; break;
        case 's': plan.nblocks = blocks(optarg, "-s"); break;
        case BOOT: add_image(BOOT_EXTENT, optarg); break;
        case LIBOS:
            v = value(optarg, "libos");
            add_image(optarg, v);
            break;
        case SWAP: add_extent("swap", blocks(optarg, "--swap"), 0); break;
        case RAW:
            v = value(optarg, "raw");
            add_extent(optarg, blocks(v, "--raw"), 0);
            break;
        case FS_SIZE: plan.fs_blocks = blocks(optarg, "--fs-size"); break;
        case INODES:
            if (number(optarg, "--inodes") > FS_MAX_INODES)
                die("--inodes: %s are wanted, %u are possible", optarg, FS_MAX_INODES);
            plan.ninodes = number(optarg, "--inodes");
            break;
        case LINE: add_line(optarg); break;
        case MANIFEST: add_manifest(optarg); break;
        default: die("see the head of mkfs/mkfs.c for the arguments");
        }
    }
    if (!plan.out || !plan.nblocks) die("-o IMG and -s SIZE must be given");
    plan.file = grab(argc - optind, sizeof *plan.file);
    for (; optind < argc; optind++) add_file(argv[optind]);
}

// ---- layout ----

static ull kib(u64 nblocks) { return nblocks * (DISK_BLOCK_SIZE / 1024); }

// Data blocks of a file of `size` bytes, indirect ones included.
static u64 file_blocks(u64 size) {
    u64 n = (size + FS_BLOCK_SIZE - 1) / FS_BLOCK_SIZE, sum = n;
    if (n > FS_DIRECT) sum++;
    if (n > FS_DIRECT + FS_POINTERS) sum += 1 + (n - FS_DIRECT - 1) / FS_POINTERS;
    return sum;
}

static void check_fs(const struct fs_super *s, u64 nblocks) {
    u64 need = file_blocks((plan.nfiles + 2) * sizeof(struct fs_dirent));
    for (u32 i = 0; i < plan.nfiles; i++) {
        if (plan.file[i].size > FS_MAX_SIZE)
            die("%s: %llu bytes, a file has at most %llu", plan.file[i].name, (ull)plan.file[i].size,
                (ull)FS_MAX_SIZE);
        need += file_blocks(plan.file[i].size);
    }
    if (plan.nfiles + 2 > s->ninodes)
        die("the file system needs %u inodes, it has %u", plan.nfiles + 2, s->ninodes);
    u64 have = s->nblocks - s->data_start;
    if (need > have)
        die("the file system is too small: its files need %llu blocks (%llu KiB), %llu (%llu KiB) of its "
            "%llu "
            "(%llu KiB) are for data",
            (ull)need, kib(need), (ull)have, kib(have), (ull)nblocks, kib(nblocks));
}

// Gives every extent its place, the file system last.
static void lay_out(struct fs_super *s) {
    u64 sum = 0;
    for (u32 i = 0; i < plan.nextents; i++) sum += plan.extent[i].count;
    if (plan.nblocks >> 32) die("-s: %llu blocks, a disk has less than 2^32", (ull)plan.nblocks);
    u64 left = plan.nblocks > sum ? plan.nblocks - sum : 0;
    u64 fs = plan.fs_blocks == ~0ull ? left : plan.fs_blocks;
    if (plan.fs_blocks == ~0ull && fs > FS_MAX_BLOCKS) fs = FS_MAX_BLOCKS;
    if (fs > FS_MAX_BLOCKS)
        die("--fs-size: %llu blocks (%llu KiB), a file system has at most %u (%llu KiB)", (ull)fs, kib(fs),
            FS_MAX_BLOCKS, kib(FS_MAX_BLOCKS));
    u32 least = plan.fs_blocks ? fs_layout(s, fs, plan.ninodes, 0) : 0;
    u64 need = sum + (plan.fs_blocks == ~0ull ? least : plan.fs_blocks);
    if (need > plan.nblocks)
        die("the disk is too small: it needs %llu blocks (%llu KiB), -s says %llu (%llu KiB)", (ull)need,
            kib(need), (ull)plan.nblocks, kib(plan.nblocks));
    if (least > fs)
        die("the file system is too small: its tables need %u blocks (%llu KiB), it has %llu (%llu KiB)",
            least, kib(least), (ull)fs, kib(fs));
    if (plan.fs_blocks) add_extent("fs", fs, 0);
    if (plan.fs_blocks)
        check_fs(s, fs);
    else if (plan.nfiles)
        die("%s: there is no file system", plan.file[0].name);
    u64 at = 0;
    for (u32 i = 0; i < plan.nextents; i++) {
        plan.extent[i].start = at;
        at += plan.extent[i].count;
    }
}

// ---- label ----

static u32 extent_bits(char *names, const char *line) {
    u32 bits = 0;
    char *save;
    for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(0, ",", &save)) {
        const struct label_extent *e = label_find(&label, name);
        if (!e) die("line \"%s\": there is no extent \"%s\"", line, name);
        bits |= 1u << (e - label.extent);
    }
    return bits;
}

static void set_text(char *to, u64 size, const char *from, const char *line) {
    if (strlen(from) >= size)
        die("line \"%s\": \"%s\" has more than %llu characters", line, from, (ull)size - 1);
    strcpy(to, from);
}

static void set_field(struct label_line *l, char *key, char *v, const char *line) {
    static const struct {
        const char *key;
        u32 offset;
    } numbers[] = {
        {"pages", offsetof(struct label_line, pages)},
        {"envs", offsetof(struct label_line, envs)},
        {"accounts", offsetof(struct label_line, accounts)},
        {"more_extents", offsetof(struct label_line, more_extents)},
        {"slots", offsetof(struct label_line, slots)},
    };
    for (u32 i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (v && strcmp(key, numbers[i].key) == 0) {
            u64 n = number(v, key);
            if (n >> 32) die("line \"%s\": %s=%s is too large", line, key, v);
            *(u32 *)((u8 *)l + numbers[i].offset) = n;
            return;
        }
    }
    if (v && strcmp(key, "name") == 0)
        set_text(l->name, sizeof l->name, v, line);
    else if (v && strcmp(key, "image") == 0)
        set_text(l->image, sizeof l->image, v, line);
    else if (v && strcmp(key, "extents") == 0)
        l->extents = extent_bits(v, line);
    else if (!v && strcmp(key, "console") == 0)
        l->flags |= LINE_CONSOLE;
    else
        die("line \"%s\": what is \"%s\"?", line, key);
}

static void parse_line(struct label_line *l, const char *line) {
    char *copy = grab(strlen(line) + 1, 1), *save;
    strcpy(copy, line);
    char *args = strncmp(copy, "args=", 5) ? strstr(copy, " args=") : copy;
    if (args) {
        set_text(l->args, sizeof l->args, strchr(args, '=') + 1, line);
        *args = 0;
    }
    for (char *word = strtok_r(copy, " \t\r", &save); word; word = strtok_r(0, " \t\r", &save)) {
        char *eq = strchr(word, '=');
        if (eq) *eq = 0;
        set_field(l, word, eq ? eq + 1 : 0, line);
    }
    if (l->image[0] == 0) memcpy(l->image, l->name, sizeof l->image);
    free(copy);
}

static void make_label(void) {
    label.magic = LABEL_MAGIC;
    label.version = LABEL_VERSION;
    label.nblocks = plan.nblocks;
    label.nextents = plan.nextents;
    for (u32 i = 0; i < plan.nextents; i++) {
        strcpy(label.extent[i].name, plan.extent[i].name);
        label.extent[i].start = plan.extent[i].start;
        label.extent[i].count = plan.extent[i].count;
    }
    for (u32 i = 0; i <= plan.nlines; i++) { // the first check is of the extents alone
        label.nlines = i;
        label.sum = label_sum(0, &label, offsetof(struct label, sum));
        enum label_error e = label_check(&label, plan.nblocks);
        if (e)
            die("%s%s%s%s", i ? "line \"" : "", i ? plan.line[i - 1] : "", i ? "\": " : "",
                label_error_name(e));
        if (i < plan.nlines) parse_line(&label.line[i], plan.line[i]);
    }
}

// ---- contents ----

static void write_file(struct fs *fs, struct inode *root, const struct file *f) {
    struct inode *ip;
    char name[FS_NAME + 1] = "";
    strncpy(name, f->name, FS_NAME);
    op_begin(&fs->log);
    i64 err = path_create(fs, &root, name, FS_FILE, 0, 0, &ip);
    if (err) die("%s: error %lld of the file system", f->name, (long long)err);
    inode_unlock(fs, ip);
    op_end(&fs->log);
    for (u64 at = 0; at < f->size;) {
        u64 n = f->size - at < FS_WRITE_MAX ? f->size - at : FS_WRITE_MAX;
        op_begin(&fs->log);
        inode_lock(fs, ip);
        err = inode_write(fs, ip, at, f->data + at, n, 0);
        inode_unlock(fs, ip);
        op_end(&fs->log);
        if (err != (i64)n) die("%s: error %lld of the file system", f->name, (long long)err);
        at += n;
    }
    op_begin(&fs->log);
    inode_put(fs, ip);
    op_end(&fs->log);
}

// The libOS's own code fills the file system.
static void make_fs(struct fs_super *s, const struct extent *e) {
    u64 id = 0;
    for (u32 i = 0; i < plan.nfiles; i++)
        id = label_sum(id + plan.file[i].size, plan.file[i].data,
                       (plan.file[i].size / FS_BLOCK_SIZE + 1) * FS_BLOCK_SIZE);
    fs_layout(s, e->count, plan.ninodes, id);
    u8 *mem = image + e->start * DISK_BLOCK_SIZE;
    fs_format(mem, s);
    memset(used + e->start, 1, s->data_start + 1);

    struct bcache *cache = memcache_new(mem, used + e->start, e->count);
    struct fs *fs = grab(1, FS_MEMORY(8));
    struct inode *root;
    int err = fs_mount(fs, FS_MEMORY(8), cache);
    if (err || (err = inode_get(fs, FS_ROOT, &root))) die("error %d of the new file system", err);
    for (u32 i = 0; i < plan.nfiles; i++) write_file(fs, root, &plan.file[i]);
    free(fs);
    memcache_end(cache);
    if (fs_check(mem, e->count, stderr, program)) die("the new file system is not sound");
}

static int is_zero(const u8 *block) {
    return block[0] == 0 && memcmp(block, block + 1, DISK_BLOCK_SIZE - 1) == 0;
}

// Blocks of zeros are left out, so that the image takes no more room than its contents.
static void write_image(void) {
    int fd = open(plan.out, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) die("%s: %s", plan.out, strerror(errno));
    int bad = ftruncate(fd, (off_t)(plan.nblocks * DISK_BLOCK_SIZE));
    for (u64 b = 0; b < plan.nblocks && !bad; b++) {
        off_t at = (off_t)(b * DISK_BLOCK_SIZE);
        if (used[b] && !is_zero(image + at))
            bad = pwrite(fd, image + at, DISK_BLOCK_SIZE, at) != DISK_BLOCK_SIZE;
    }
    if (close(fd) || bad) {
        int why = errno;
        unlink(plan.out);
        die("%s: %s", plan.out, strerror(why));
    }
}

int main(int argc, char **argv) {
    struct fs_super super;
    program = "mkfs";
    parse(argc, argv);
    lay_out(&super);
    make_label();
    image = grab(plan.nblocks, DISK_BLOCK_SIZE);
    used = grab(plan.nblocks, 1);
    for (u32 i = 0; i < plan.nextents; i++) {
        const struct extent *e = &plan.extent[i];
        if (e->data) {
            memcpy(image + e->start * DISK_BLOCK_SIZE, e->data, e->count * DISK_BLOCK_SIZE);
            memset(used + e->start, 1, e->count);
        }
    }
    if (plan.fs_blocks) make_fs(&super, &plan.extent[plan.nextents - 1]);
    write_image();
    return 0;
}
