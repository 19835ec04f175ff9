// Path names, and what is done with them. Called by file.c, exec and chdir, inside an op.
//
// One inode is locked at a time on the way down, so that ".." cannot deadlock; path_unlink and path_create
// lock a directory and then what it names.
#include "fs.h"

// Copies the first name of path, cut to FS_NAME bytes or padded with NULs. Returns what follows it and its
// slashes, or 0 if there is no name.
static const char *next_name(const char *path, char name[FS_NAME]) {
    u32 n = 0;
    while (*path == '/') path++;
    if (*path == 0) return 0;
    for (; *path && *path != '/'; path++)
        if (n < FS_NAME) name[n++] = *path;
    while (n < FS_NAME) name[n++] = 0;
    while (*path == '/') path++;
    return path;
}

// A reference to what path names; or, with `parent`, to the directory of its last name, which goes to `name`.
static int walk(struct fs *fs, struct inode *const *cwd, const char *path, int parent, char name[FS_NAME],
                struct inode **out) {
    struct inode *ip, *next = 0;
    int err;
    if (*path != '/')
        ip = inode_dup(fs, cwd);
    else if ((err = inode_get(fs, FS_ROOT, &ip)))
        return err;
    while ((path = next_name(path, name))) {
        u32 inum;
        u64 off;
        if (parent && *path == 0) {
            *out = ip;
            return 0;
        }
        if ((err = inode_lock(fs, ip))) {
            inode_put(fs, ip);
            return err;
        }
        err = dir_find(fs, ip, name, &inum, &off);
        if (err == 0) err = inode_get(fs, inum, &next);
        inode_drop(fs, ip);
        if (err) return err;
        ip = next;
    }
    if (parent) {
        inode_put(fs, ip);
        return FS_E_NAME;
    }
    *out = ip;
    return 0;
}

int path_find(struct fs *fs, struct inode *const *cwd, const char *path, struct inode **out) {
    char name[FS_NAME];
    return walk(fs, cwd, path, 0, name, out);
}

// The locked directory of path's last name.
static int lock_parent(struct fs *fs, struct inode *const *cwd, const char *path, char name[FS_NAME],
                       struct inode **dp) {
    int err = walk(fs, cwd, path, 1, name, dp);
    if (err == 0 && (err = inode_lock(fs, *dp))) inode_put(fs, *dp);
    return err;
}

// What path_create found where it should make something: inode inum.
static int open_existing(struct fs *fs, u32 inum, enum fs_type type, struct inode **out) {
    int err = inode_get(fs, inum, out);
    if (err) return err;
    if ((err = inode_lock(fs, *out))) {
        inode_put(fs, *out);
        return err;
    }
    if (type == FS_FILE && (*out)->d.type != FS_DIR) return 0;
    inode_drop(fs, *out);
    return FS_E_EXISTS;
}

// Gives the new, locked ip its contents and its name in dp. The name comes last, so that it never names what
// failed. If it does fail, ip has a nlink of 0, with which it goes when it is dropped.
static int name_new(struct fs *fs, struct inode *dp, const char *name, struct inode *ip) {
    static const char dot[FS_NAME] = ".", dotdot[FS_NAME] = "..";
    int dir = ip->d.type == FS_DIR;
    int err = inode_store(fs, ip);
    if (err == 0 && dir) err = dir_link(fs, ip, dot, ip->inum);
    if (err == 0 && dir) err = dir_link(fs, ip, dotdot, dp->inum);
    dp->d.nlink += dir;
    if (err == 0 && dir) err = inode_store(fs, dp);
    if (err == 0) err = dir_link(fs, dp, name, ip->inum);
    if (err) {
        dp->d.nlink -= dir;
        ip->d.nlink = 0;
        inode_store(fs, ip);
        inode_store(fs, dp);
    }
    return err;
}

int path_create(struct fs *fs, struct inode *const *cwd, const char *path, enum fs_type type, u16 major,
                u16 minor, struct inode **out) {
    char name[FS_NAME];
    struct inode *dp, *ip;
    u32 inum;
    u64 off;
    int err = lock_parent(fs, cwd, path, name, &dp);
    if (err) return err;
    err = dir_find(fs, dp, name, &inum, &off);
    if (err == 0) {
        inode_drop(fs, dp);
        return open_existing(fs, inum, type, out);
    }
    if (err == FS_E_NONE && type == FS_DIR && dp->d.nlink == FS_MAX_LINKS) err = FS_E_LINKS;
    if (err == FS_E_NONE && dp->d.nlink) err = inode_alloc(fs, type, &ip);
    if (err == 0 && (err = inode_lock(fs, ip))) inode_put(fs, ip);
    if (err == 0) {
        ip->d.major = major;
        ip->d.minor = minor;
        ip->d.nlink = 1;
        if ((err = name_new(fs, dp, name, ip)))
            inode_drop(fs, ip);
        else
            *out = ip;
    }
    inode_drop(fs, dp);
    return err;
}

static int add_links(struct fs *fs, struct inode *ip, int n) {
    int err = inode_lock(fs, ip);
    if (err) return err;
    if (ip->d.type == FS_DIR)
        err = FS_E_TYPE;
    else if (ip->d.nlink + n > FS_MAX_LINKS)
        err = FS_E_LINKS;
    else {
        ip->d.nlink += n;
        if ((err = inode_store(fs, ip))) ip->d.nlink -= n;
    }
    inode_unlock(fs, ip);
    return err;
}

// The link is counted before it is made: between the two, another's unlink must not free the inode, nor a
// failing disk leave a name that is not counted.
int path_link(struct fs *fs, struct inode *const *cwd, const char *old, const char *new) {
    struct inode *ip, *dp;
    int err = path_find(fs, cwd, old, &ip);
    if (err) return err;
    if ((err = add_links(fs, ip, 1)) == 0) {
        char name[FS_NAME];
        err = lock_parent(fs, cwd, new, name, &dp);
        if (err == 0) {
            err = dir_link(fs, dp, name, ip->inum);
            inode_drop(fs, dp);
        }
        if (err) add_links(fs, ip, -1);
    }
    inode_put(fs, ip);
    return err;
}

// Takes the entry at off out of dp, and then a link from ip, which it names. Both are locked.
static int remove_entry(struct fs *fs, struct inode *dp, u64 off, struct inode *ip) {
    int err = ip->d.type == FS_DIR ? dir_empty(fs, ip) : 0;
    if (err == 0 && (ip->d.nlink == 0 || (ip->d.type == FS_DIR && dp->d.nlink < 2))) err = FS_E_CORRUPT;
    if (err == 0) err = dir_unlink(fs, dp, off);
    if (err == 0 && ip->d.type == FS_DIR) {
        dp->d.nlink--;
        err = inode_store(fs, dp);
    }
    if (err == 0) {
        ip->d.nlink--;
        err = inode_store(fs, ip);
    }
    return err;
}

int path_unlink(struct fs *fs, struct inode *const *cwd, const char *path) {
    char name[FS_NAME];
    struct inode *dp, *ip;
    u32 inum;
    u64 off;
    int err = lock_parent(fs, cwd, path, name, &dp);
    if (err) return err;
    if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0))) err = FS_E_NAME;
    if (err == 0) err = dir_find(fs, dp, name, &inum, &off);
    if (err == 0 && inum == dp->inum) // would wait for itself
        err = FS_E_CORRUPT;
    if (err == 0 && (err = inode_get(fs, inum, &ip)) == 0) {
        if ((err = inode_lock(fs, ip)) == 0) {
            err = remove_entry(fs, dp, off, ip);
            inode_unlock(fs, ip);
        }
        inode_put(fs, ip);
    }
    inode_drop(fs, dp);
    return err;
}
