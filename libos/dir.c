// Directories: files of struct fs_dirent. Called by path.c, with the directory locked.
#include "fs.h"

static int same_name(const char *a, const char *b) { return __builtin_memcmp(a, b, FS_NAME) == 0; }

static const char dot[FS_NAME] = ".", dotdot[FS_NAME] = "..";

enum wanted {
    NAMED,  // the entry of that name
    UNUSED, // one that can be filled
    CHILD,  // any but "." and ".."
};

static int is_wanted(const struct fs_dirent *e, enum wanted w, const char *name) {
    if (w == UNUSED || e->inum == 0) return w == UNUSED && e->inum == 0;
    return w == NAMED ? same_name(e->name, name) : !same_name(e->name, dot) && !same_name(e->name, dotdot);
}

// The first wanted entry: its inode number, and its offset. FS_E_NONE: there is none, and off is the size.
static int dir_scan(struct fs *fs, struct inode *dp, enum wanted w, const char *name, u32 *inum, u64 *off) {
    for (u64 base = 0; base < dp->d.size; base += FS_BLOCK_SIZE) {
        u32 block;
        struct buf *b;
        int err = inode_block(fs, dp, base / FS_BLOCK_SIZE, &block);
        if (err) return err;
        if (bread(fs->cache, block, &b)) return FS_E_IO;
        const struct fs_dirent *e = (const struct fs_dirent *)b->data;
        u64 left = (dp->d.size - base) / sizeof *e;
        u32 n = left < FS_ENTRIES ? left : FS_ENTRIES, i = 0;
        while (i < n && !is_wanted(&e[i], w, name)) i++;
        *off = base + i * sizeof *e;
        *inum = i < n ? e[i].inum : 0;
        brelse(fs->cache, b);
        if (i < n) return 0;
    }
    *off = dp->d.size;
    return FS_E_NONE;
}

// A directory that was removed while in use still has its "..", which may name nothing by now: it finds only
// ".".
int dir_find(struct fs *fs, struct inode *dp, const char *name, u32 *inum, u64 *off) {
    if (dp->d.type != FS_DIR) return FS_E_TYPE;
    if (dp->d.nlink == 0 && !same_name(name, dot)) return FS_E_NONE;
    return dir_scan(fs, dp, NAMED, name, inum, off);
}

static int put_entry(struct fs *fs, struct inode *dp, u64 off, const struct fs_dirent *e) {
    i64 n = inode_write(fs, dp, off, e, sizeof *e, 0);
    return n == sizeof *e ? 0 : n < 0 ? (int)n : FS_E_IO;
}

int dir_link(struct fs *fs, struct inode *dp, const char *name, u32 inum) {
    struct fs_dirent e = {.inum = inum};
    u32 other;
    u64 off;
    int err = dir_find(fs, dp, name, &other, &off);
    if (err != FS_E_NONE) return err ? err : FS_E_EXISTS;
    if (dp->d.nlink == 0) return FS_E_NONE;
    err = dir_scan(fs, dp, UNUSED, 0, &other, &off);
    if (err && err != FS_E_NONE) return err;
    __builtin_memcpy(e.name, name, FS_NAME);
    return put_entry(fs, dp, off, &e);
}

int dir_unlink(struct fs *fs, struct inode *dp, u64 off) {
    return put_entry(fs, dp, off, &(struct fs_dirent){0});
}

int dir_empty(struct fs *fs, struct inode *dp) {
    u32 inum;
    u64 off;
    int err = dir_scan(fs, dp, CHILD, 0, &inum, &off);
    return err == FS_E_NONE ? 0 : err ? err : FS_E_NOTEMPTY;
}
