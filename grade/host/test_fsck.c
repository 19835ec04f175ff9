// Tests of fsck's check: it finds each kind of damage, and survives any. And tests of the file system on
// damaged disks: whatever is done there ends with a result or an error, nothing held, no access out of
// bounds.
#include "grade/host/strict.h"
#include "libos/super.c"
#include "libos/log.c"
#include "libos/logmark.c"
#include "libos/recover.c"
#include "libos/fs.c"
#include "libos/inode.c"
#include "libos/direct.c"
#include "libos/dir.c"
#include "libos/path.c"
#include "mkfs/format.c"
#include "mkfs/check.c"
#include "mkfs/replay.c"
#include "mkfs/host.c"

static FILE *out; // what fsck says
static char said[1 << 14];

static u32 fsck(void) {
    rewind(out);
    u32 n = fs_check(dev.disk, dev.nblocks, out, "");
    fputc(0, out);
    fflush(out);
    return n;
}

static struct fs_dinode *disk_inode(u32 inum) {
    return (struct fs_dinode *)(dev.disk + (u64)fs->super.inode_start * FS_BLOCK_SIZE) + inum;
}

static void *disk_block(u32 b) { return dev.disk + (u64)b * FS_BLOCK_SIZE; }

static struct inode *create(const char *path, enum fs_type type, u64 size) {
    static u8 data[FS_WRITE_MAX];
    struct inode *ip;
    op_begin(&fs->log);
    if (path_create(fs, &root, path, type, 0, 0, &ip)) abort();
    inode_unlock(fs, ip);
    op_end(&fs->log);
    while (ip->d.size < size) {
        u64 left = size - ip->d.size;
        op_begin(&fs->log);
        inode_lock(fs, ip);
        inode_write(fs, ip, ip->d.size, data, left < sizeof data ? left : sizeof data, 0);
        inode_unlock(fs, ip);
        op_end(&fs->log);
    }
    return ip;
}

// Inodes: 2 /d, 3 /d/e, 4 /d/f (60000 bytes), 5 /g (5 MB), 6 /h (empty)
static void populate(void) {
    disk_new(1500, 64);
    create("d", FS_DIR, 0);
    create("d/e", FS_DIR, 0);
    create("d/f", FS_FILE, 60000);
    create("g", FS_FILE, 5000000);
    create("h", FS_FILE, 0);
    if (fs_freeze(fs)) abort();
    fs_thaw(fs);
}

// The sound disk is damaged by `change`; fsck must say `expected`.
static u8 *sound;
#define DAMAGE(change, expected)                                      \
    do {                                                              \
        memcpy(dev.disk, sound, (u64)dev.nblocks *FS_BLOCK_SIZE);     \
        change;                                                       \
        fsck();                                                       \
        if (!strstr(said, expected)) printf("# fsck said: %s", said); \
        check("fsck: " expected, 1, strstr(said, expected) != 0);     \
    } while (0)

static void resum(struct fs_super *s) { s->sum = label_sum(0, s, offsetof(struct fs_super, sum)); }

static u32 ring_slot(u32 at) { return fs->super.log_start + 1 + at % (fs->super.log_blocks - 1); }

// A whole record that fills the block with zeros.
static struct log_record *commit_record(u32 block) {
    const struct log_anchor *a = disk_block(fs->super.log_start);
    struct log_record *r = disk_block(ring_slot(a->tail));
    *r = (struct log_record){LOG_RECORD_MAGIC, fs->super.id, fs->super.generation, .sequence = a->sequence,
                             .count = 1};
    r->block[0] = block;
    void *contents = disk_block(ring_slot(a->tail + 1));
    memset(contents, 0, FS_BLOCK_SIZE);
    r->sum = label_sum(label_sum(0, r, offsetof(struct log_record, sum)), contents, FS_BLOCK_SIZE);
    return r;
}

// Records that are not whole, or not the next, are none.
static u32 found_records(void) {
    struct fs_found found;
    u32 n = fs_examine(dev.disk, dev.nblocks, out, "", &found);
    return n ? ~0u : found.records;
}

static void test_log(void) {
    u32 block = fs->super.nblocks - 1; // in no use
    struct log_record *r = commit_record(block);
    check("a record in the log is found", 1, found_records());
    r->sum++;
    check("unless its sum is wrong", 0, found_records());
    r = commit_record(block);
    ((u8 *)disk_block(ring_slot(((struct log_anchor *)disk_block(fs->super.log_start))->tail + 1)))[5] = 1;
    check("or a block of it is another", 0, found_records());
    r = commit_record(block);
    r->sequence++;
    check("or its number", 0, found_records());
    r = commit_record(block);
    r->count = fs->super.log_blocks;
    check("or it is longer than the log", 0, found_records());
    commit_record(block);
    memset(disk_block(block), 1, FS_BLOCK_SIZE);
    fs_replay(dev.disk);
    check("replayed, it is in place", 0, *(u8 *)disk_block(block));
    check("and no longer in the log", 0, found_records());
}

static void test_finds(void) {
    struct fs_super *s;
    struct log_anchor *anchor;
    struct fs_dirent *top, *d, *e;
    u8 *map;
    populate();
    s = disk_block(0);
    anchor = disk_block(s->log_start);
    top = disk_block(disk_inode(1)->addr[0]);
    d = disk_block(disk_inode(2)->addr[0]);
    e = disk_block(disk_inode(3)->addr[0]);
    map = disk_block(s->bitmap_start);
    sound = malloc((u64)dev.nblocks * FS_BLOCK_SIZE);
    memcpy(sound, dev.disk, (u64)dev.nblocks * FS_BLOCK_SIZE);
    check("a sound disk", 0, fsck());

    DAMAGE(s->ninodes++, "no superblock");
    DAMAGE((s->nblocks++, resum(s)), "no superblock");
    DAMAGE((s->ninodes += 64, resum(s)), "no superblock");
    DAMAGE((s->bitmap_start++, resum(s)), "no superblock");
    DAMAGE(((u8 *)s)[sizeof *s] = 1, "superblock: bytes after it");
    DAMAGE(anchor->sequence++, "no anchor");
    DAMAGE((anchor->tail = 1 << 20, anchor->sum = label_sum(0, anchor, 40)), "no anchor");
    DAMAGE(commit_record(s->inode_start), "the root is not a directory");
    DAMAGE(commit_record(0), "a transaction of blocks it may not have");
    DAMAGE(commit_record(s->nblocks), "a transaction of blocks it may not have");
    DAMAGE(disk_inode(0)->size = 1, "inode 0 is not 0");
    DAMAGE(disk_inode(1)->type = FS_FILE, "the root is not a directory");
    DAMAGE(disk_inode(6)->type = 4, "inode 6: no such type: 4");
    DAMAGE(disk_inode(6)->size = FS_MAX_SIZE + 1, "inode 6: impossible size");
    DAMAGE(disk_inode(6)->size = 1, "inode 6: nothing from its block 0 on, of 1");
    DAMAGE(disk_inode(4)->size = 1, "lies past its size");
    DAMAGE(disk_inode(4)->addr[0] = s->data_start - 1, "is no data block");
    DAMAGE(disk_inode(4)->addr[0] = s->nblocks, "is no data block");
    DAMAGE(disk_inode(4)->addr[0] = disk_inode(4)->addr[1], "is also inode 4's");
    DAMAGE(disk_inode(4)->addr[10] = disk_inode(5)->addr[11], "is also inode 4's");
    DAMAGE(*(u32 *)disk_block(disk_inode(5)->addr[11]) = disk_inode(5)->addr[11], "is also inode 5's");
    DAMAGE(disk_inode(4)->nlink = 2, "inode 4: nlink is 2, not 1");
    DAMAGE(disk_inode(2)->nlink = 1, "inode 2: nlink is 1, not 2");
    DAMAGE(disk_inode(7)->nlink = 1, "inode 7: free, but with 1 links");
    DAMAGE(disk_inode(7)->size = 1, "inode 7: free or a device, but of 1 bytes");
    DAMAGE(disk_inode(7)->addr[0] = disk_inode(4)->addr[0], "inode 7: block");
    DAMAGE((disk_inode(7)->type = FS_FILE, disk_inode(7)->nlink = 1), "inode 7: nothing names it");
    DAMAGE((disk_inode(2)->nlink = 0, top[2].inum = 0), "directory 2: removed, but not empty");
    DAMAGE(disk_inode(2)->size += 8, "directory 2: size 72 is not whole entries");
    DAMAGE(disk_inode(3)->size = 16, "directory 3: no \".\" and \"..\"");
    DAMAGE(d[0].inum = 3, "directory 2: its first entry is not \".\"");
    DAMAGE(d[1].name[0] = 'x', "directory 2: its second entry is not \"..\"");
    DAMAGE(e[1].inum = 1, "directory 3: \"..\" is 1, it lies in 2");
    DAMAGE(top[1].inum = 2, "directory 1: \"..\" is 2, it lies in 1");
    DAMAGE(d[3].inum = 9, "\"f\" names inode 9, which is free");
    DAMAGE(d[3].inum = 65535, "\"f\" names inode 65535, which is free");
    DAMAGE(d[3].inum = 0, "inode 4: nothing names it");
    DAMAGE(d[3].name[0] = 0, "directory 2: bad name \"\"");
    DAMAGE(d[3].name[0] = '/', "directory 2: bad name \"/\"");
    DAMAGE(d[3].name[0] = '.', "directory 2: bad name \".\"");
    DAMAGE(d[3].name[5] = 'x', "directory 2: bad name \"f\"");
    DAMAGE(d[3].name[0] = 'e', "directory 2: \"e\" twice");
    DAMAGE(d[3].inum = 3, "directory 3: named 2 times");
    DAMAGE(d[3].inum = 1, "directory 1: named 1 times");
    DAMAGE((top[2].inum = 0, e[1].inum = 3, d[2].inum = 0, d[3].inum = 2), "directory 2: no path leads");
    DAMAGE(map[disk_inode(4)->addr[0] / 8] = 0, "is in use, but marked as free");
    DAMAGE(map[0] = 0, "block 0 is in use, but marked as free");
    DAMAGE(map[s->nblocks / 8 + 1] = 0, "is in use, but marked as free");
    DAMAGE(map[(s->nblocks - 1) / 8] = 0xff, "block 1499 is lost");
    memcpy(dev.disk, sound, (u64)dev.nblocks * FS_BLOCK_SIZE);
    test_log();
    free(sound);
}

// ---- any damage ----

static u64 seed = 42;

static u32 below(u32 n) { return (random_u64(&seed) >> 33) % n; }

// One field of what holds the file system together gets another value, likely or wild.
static void damage(void) {
    static const u32 wild[] = {0, 1, 2, 3, 0xffffffff, 1499, 1500, 64, 16};
    const struct fs_super *s = &fs->super;
    u32 value = below(2) ? wild[below(9)] : s->data_start + below(s->nblocks - s->data_start);
    u8 *p;
    switch (below(6)) {
    case 0: // in an inode: anything
        p = (u8 *)disk_inode(1 + below(8)) + below(16) * 4;
        break;
    case 1: // where a pointer is
        p = (u8 *)&disk_inode(1 + below(6))->addr[below(12)];
        break;
    case 2: // in an indirect block
        p = (u8 *)disk_block(disk_inode(5)->addr[10 + below(2)] % s->nblocks) + below(1024) * 4;
        break;
    case 3: // in a directory
        p = (u8 *)disk_block(disk_inode(1 + below(3))->addr[0] % s->nblocks) + below(20) * 4;
        break;
    case 4: // in the bitmap
        p = (u8 *)disk_block(s->bitmap_start) + below(48) * 4;
        break;
    default: p = (u8 *)disk_block(s->log_start) + below(12) * 4;
    }
    if (p < (u8 *)disk_block(1)) return;
    if (below(2))
        memcpy(p, &value, 4);
    else
        p[below(4)] ^= 1 << below(8);
}

// Does a bit of everything; results do not matter.
static void use(void) {
    static const char *const paths[] = {"d", "d/e", "d/f", "g", "h", "d/e/x", "y", "d/e/..", "d/../g", "e"};
    static u8 data[FS_WRITE_MAX];
    for (int i = 0; i < 60; i++) {
        struct inode *ip = 0;
        const char *path = paths[below(10)];
        op_begin(&fs->log);
        switch (below(6)) {
        case 0:
            if (path_create(fs, &root, path, below(3) ? FS_FILE : FS_DIR, 0, 0, &ip) == 0) {
                inode_write(fs, ip, ip->d.size, data, sizeof data, 0);
                inode_drop(fs, ip);
            }
            break;
        case 1: path_link(fs, &root, path, paths[below(10)]); break;
        case 2: path_unlink(fs, &root, path); break;
        default:
            if (path_find(fs, &root, path, &ip)) break;
            if (inode_lock(fs, ip) == 0) {
                if (below(4) == 0)
                    inode_trunc(fs, ip);
                else if (below(2))
                    inode_write(fs, ip, below(ip->d.size % 6000000 + 1), data, sizeof data, 0);
                inode_read(fs, ip, below(ip->d.size % 6000000 + 1), data, sizeof data, 0);
                inode_unlock(fs, ip);
            }
            inode_put(fs, ip);
        }
        op_end(&fs->log);
    }
}

static void test_survives(void) {
    int held = 0, silent = 0;
    populate();
    u64 bytes = (u64)dev.nblocks * FS_BLOCK_SIZE;
    u8 *first = malloc(bytes);
    memcpy(first, dev.disk, bytes);
    for (int i = 0; i < 1500; i++) {
        memcpy(dev.disk, first, bytes);
        for (u32 n = 1 + below(3); n; n--) damage();
        int changed = memcmp(dev.disk, first, bytes) != 0;
        u32 violations = fsck();
        silent += changed && violations == 0;
        if (mount(50) == 0) use();
        held += !at_rest();
        fsck();
    }
    free(first);
    check("used after any damage, nothing stays held", 0, held);
    // What may change unseen: major and minor of an inode, and entries that are not in use.
    printf("# %d changes were no damage\n", silent);
    check("few changes are no damage", 1, silent < 300);
}

int main(void) {
    out = fmemopen(said, sizeof said, "w");
    test_finds();
    test_survives();
    fclose(out);
    return finish();
}
