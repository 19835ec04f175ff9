// See file.h.
#include "file.h"
#include "kernel/file.h"
#include "kernel/stat.h"
#include "pages.h"
#include "shared.h"
#include "thread.h"
#include "tty.h"

// What stands behind a device's major number.
static const struct device {
    int (*read)(void *to, int n);
    int (*write)(const void *from, int n);
} devices[NDEV] = {[CONSOLE] = {tty_read, tty_write}, [KEYS] = {tty_keys, tty_write}};

struct fs *the_fs(void) {
    return &SHARED->fs;
}

static struct fdtable *table_of(const struct proc *p) { return &SHARED->files.table[proc_index(p)]; }

struct inode *const *file_cwd(void) {
    return &table_of(me())->cwd;
}

// ---- references ----

static struct file *file_new(void) {
    struct files *all = &SHARED->files;
    struct file *f = all->file;
    lock_acquire(&all->lock);
    while (f < &all->file[NFILE] && f->refs) f++;
    if (f < &all->file[NFILE])
        *f = (struct file){.refs = 1};
    else
        f = 0;
    lock_release(&all->lock);
    return f;
}

// One that another thread is still opening is not there yet.
static bool is_open(const struct file *f) { return f && f->kind != FILE_NONE; }

// A reference to the file at *slot, or 0. Looks when it has the lock: while it waits for that, another thread
// may close it.
static struct file *file_dup(struct file *const *slot) {
    lock_acquire(&SHARED->files.lock);
    struct file *f = is_open(*slot) ? *slot : 0;
    if (f) f->refs++;
    lock_release(&SHARED->files.lock);
    return f;
}

static void inode_close(struct inode *ip) {
    op_begin(&the_fs()->log);
    inode_put(the_fs(), ip);
    op_end(&the_fs()->log);
}

// The last reference goes after what it leads to has been copied: from then on the entry is another's.
static void file_close(struct file *f) {
    struct file was = *f;
    lock_acquire(&SHARED->files.lock);
    bool last = --f->refs == 0;
    lock_release(&SHARED->files.lock);
    if (!last) return;
    if (was.kind == FILE_PIPE)
        pipe_close(was.pipe, was.writable);
    else if (was.kind != FILE_NONE)
        inode_close(was.ip);
}

// ---- descriptors ----

// Where fd's file is; 0: it has none.
static struct file *const *look(int fd) {
    struct file *const *fds = table_of(me())->fd;
    return fd >= 0 && fd < NOFILE && is_open(fds[fd]) ? &fds[fd] : 0;
}

struct file *fd_get(int fd) {
    struct file *const *slot = look(fd);
    if (!slot) return 0;
    return thread_any() ? file_dup(slot) : *slot;
}

void file_put(struct file *f) {
    if (f && thread_any()) file_close(f);
}

// The lowest free one for f, whose reference goes there, or is dropped: -1.
static int fd_place(struct file *f) {
    struct fdtable *t = table_of(me());
    for (int fd = 0; fd < NOFILE; fd++) {
        if (t->fd[fd]) continue;
        t->fd[fd] = f;
        return fd;
    }
    file_close(f);
    return -1;
}

int fd_new(struct file **f) {
    *f = file_new();
    return *f ? fd_place(*f) : -1;
}

void fd_drop(int fd) {
    struct file *f = table_of(me())->fd[fd];
    table_of(me())->fd[fd] = 0;
    file_close(f);
}

int sys_dup(int fd) {
    struct file *const *slot = look(fd);
    struct file *f = slot ? file_dup(slot) : 0;
    return f ? fd_place(f) : -1;
}

int sys_close(int fd) {
    if (!look(fd)) return -1;
    fd_drop(fd);
    return 0;
}

void file_start(struct inode *root) {
    the_fs()->pages = user_pages;
    table_of(me())->cwd = root;
}

void file_fork(struct proc *child) {
    struct fdtable *from = table_of(me()), *to = table_of(child);
    for (int fd = 0; fd < NOFILE; fd++) to->fd[fd] = from->fd[fd] ? file_dup(&from->fd[fd]) : 0;
    to->cwd = inode_dup(the_fs(), &from->cwd);
}

static void close_all(struct fdtable *t) {
    for (int fd = 0; fd < NOFILE; fd++) {
        struct file *f = t->fd[fd];
        t->fd[fd] = 0;
        if (f) file_close(f);
    }
    if (t->cwd) inode_close(t->cwd);
    t->cwd = 0;
}

void file_cancel(struct proc *child) { close_all(table_of(child)); }

void file_exit(void) { close_all(table_of(me())); }

// A descriptor for one end, which is closed if there is none.
static int fd_pipe(struct pipe *p, bool write_end) {
    struct file *f;
    int fd = fd_new(&f);
    if (fd < 0) {
        pipe_close(p, write_end);
        return -1;
    }
    f->pipe = p;
    f->readable = !write_end;
    f->writable = write_end;
    f->kind = FILE_PIPE;
    return fd;
}

int sys_pipe(int *fds) {
    struct pipe *p = user_ok(fds, 2 * sizeof *fds, true) ? pipe_new() : 0;
    if (!p) return -1;
    int r = fd_pipe(p, false), w = fd_pipe(p, true);
    if (r < 0 || w < 0) {
        sys_close(r);
        sys_close(w);
        return -1;
    }
    fds[0] = r;
    fds[1] = w;
    return 0;
}

// ---- bytes ----

static int read_inode(struct file *f, void *to, int n) {
    struct fs *fs = the_fs();
    if (inode_lock(fs, f->ip)) return -1;
    i64 got = inode_read(fs, f->ip, f->off, to, n, copy_out);
    if (got > 0) f->off += got;
    user_pages_done();
    inode_unlock(fs, f->ip);
    return got < 0 ? -1 : (int)got;
}

static int read(struct file *f, void *to, int n) {
    if (!f || !f->readable || n < 0) return -1;
    if (f->kind == FILE_PIPE) return pipe_read(f->pipe, to, n);
    if (f->kind == FILE_INODE) return read_inode(f, to, n);
    return devices[f->major].read ? devices[f->major].read(to, n) : -1;
}

int sys_read(int fd, void *to, int n) {
    struct file *f = fd_get(fd);
    int got = read(f, to, n);
    file_put(f);
    return got;
}

// One op's share.
static i64 write_some(struct file *f, const void *from, u64 n) {
    struct fs *fs = the_fs();
    op_begin(&fs->log);
    i64 got = inode_lock(fs, f->ip);
    if (got == 0) {
        if (f->append) f->off = inode_stat(f->ip).size;
        got = inode_write(fs, f->ip, f->off, from, n, copy_in);
        if (got > 0) f->off += got;
        user_pages_done();
        inode_unlock(fs, f->ip);
    }
    op_end(&fs->log);
    return got;
}

static int write_inode(struct file *f, const void *from, int n) {
    for (int done = 0; done < n;) {
        i64 m = n - done < FS_WRITE_MAX ? n - done : FS_WRITE_MAX;
        if (write_some(f, (const u8 *)from + done, m) != m) return -1;
        done += m;
    }
    return n;
}

static int write(struct file *f, const void *from, int n) {
    if (!f || !f->writable || n < 0) return -1;
    if (f->kind == FILE_PIPE) return pipe_write(f->pipe, from, n);
    if (f->kind == FILE_INODE) return write_inode(f, from, n);
    return devices[f->major].write ? devices[f->major].write(from, n) : -1;
}

int sys_write(int fd, const void *from, int n) {
    struct file *f = fd_get(fd);
    int done = write(f, from, n);
    file_put(f);
    return done;
}

static int get_stat(const struct file *f, struct stat *to) {
    if (!f || f->kind == FILE_PIPE || inode_lock(the_fs(), f->ip)) return -1;
    struct fs_stat st = inode_stat(f->ip);
    inode_unlock(the_fs(), f->ip);
    struct stat out = {.dev = ROOTDEV, .ino = st.inum, .type = st.type, .nlink = st.nlink, .size = st.size};
    return copy_out(to, &out, sizeof out);
}

int sys_fstat(int fd, struct stat *to) {
    struct file *f = fd_get(fd);
    int err = get_stat(f, to);
    file_put(f);
    return err;
}

int sys_fsync(int fd) {
    struct file *const *slot = look(fd);
    return slot && (*slot)->kind == FILE_INODE && fs_sync(the_fs()) == 0 ? 0 : -1;
}
