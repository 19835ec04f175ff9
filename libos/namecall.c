// The calls that take a path name; see file.h. Each is one op of the file system, with the path copied in
// first.
#include "file.h"
#include "kernel/fcntl.h"
#include "shared.h"

// Copies a path in, and begins an op. 0, or -1 without one.
static int begin(const char *path, char name[MAXPATH]) {
    if (user_str(path, name, MAXPATH) < 0) return -1;
    op_begin(&the_fs()->log);
    return 0;
}

static int end(int err) {
    op_end(&the_fs()->log);
    return err ? -1 : 0;
}

// A reference to what path names, locked.
static int find_locked(const char *path, struct inode **ip) {
    int err = path_find(the_fs(), file_cwd(), path, ip);
    if (err == 0 && (err = inode_lock(the_fs(), *ip))) inode_put(the_fs(), *ip);
    return err;
}

// What open() does with the inode: looks at whether it can be opened so, and empties it if asked to.
static int open_as(struct inode *ip, int mode) {
    enum fs_type type = inode_stat(ip).type;
    if (type == FS_DIR && mode != O_RDONLY) return -1;
    if (type == FS_DEVICE && ip->d.major >= NDEV) return -1;
    if (type == FS_FILE && mode & O_TRUNC) return inode_trunc(the_fs(), ip);
    return 0;
}

static int open_inode(const char *path, int mode, struct file *f) {
    struct fs *fs = the_fs();
    struct inode *ip;
    int err =
        mode & O_CREATE ? path_create(fs, file_cwd(), path, FS_FILE, 0, 0, &ip) : find_locked(path, &ip);
    if (err) return err;
    if ((err = open_as(ip, mode))) {
        inode_drop(fs, ip);
        return err;
    }
    f->major = ip->d.major;
    f->ip = ip;
    f->readable = !(mode & O_WRONLY);
    f->writable = (mode & (O_WRONLY | O_RDWR)) != 0;
    f->append = (mode & O_APPEND) != 0;
    f->kind = ip->d.type == FS_DEVICE ? FILE_DEVICE : FILE_INODE;
    inode_unlock(fs, ip);
    return 0;
}

int sys_open(const char *path, int mode) {
    char name[MAXPATH];
    struct file *f;
    int fd = fd_new(&f);
    if (fd < 0) return -1;
    if (begin(path, name) < 0 || end(open_inode(name, mode, f)) < 0) {
        fd_drop(fd);
        return -1;
    }
    return fd;
}

static int make(const char *path, enum fs_type type, u16 major, u16 minor) {
    char name[MAXPATH];
    struct inode *ip;
    if (begin(path, name) < 0) return -1;
    int err = path_create(the_fs(), file_cwd(), name, type, major, minor, &ip);
    if (err == 0) inode_drop(the_fs(), ip);
    return end(err);
}

int sys_mkdir(const char *path) { return make(path, FS_DIR, 0, 0); }

int sys_mknod(const char *path, short major, short minor) { return make(path, FS_DEVICE, major, minor); }

int sys_link(const char *old, const char *name) {
    char from[MAXPATH], to[MAXPATH];
    if (user_str(old, from, MAXPATH) < 0 || begin(name, to) < 0) return -1;
    return end(path_link(the_fs(), file_cwd(), from, to));
}

int sys_unlink(const char *path) {
    char name[MAXPATH];
    if (begin(path, name) < 0) return -1;
    return end(path_unlink(the_fs(), file_cwd(), name));
}

int sys_chdir(const char *path) {
    char name[MAXPATH];
    struct inode *ip;
    if (begin(path, name) < 0) return -1;
    int err = find_locked(name, &ip);
    if (err == 0) {
        bool dir = inode_stat(ip).type == FS_DIR;
        inode_unlock(the_fs(), ip);
        if (dir) {
            struct inode *was = *file_cwd();
            file_start(ip);
            ip = was;
        } else {
            err = FS_E_TYPE;
        }
        inode_put(the_fs(), ip);
    }
    return end(err);
}
