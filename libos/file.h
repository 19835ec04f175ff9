// Open files, and the descriptors by which each process knows its own. Called by programs, through the jump
// table, for all calls on descriptors (file.c) and on path names (namecall.c); by fork and exit for the hooks
// below.
//
// A struct file is one open(), or one end of a pipe: dup() and fork() make more descriptors that lead to it,
// and share its offset. All are in one table, whose lock guards `refs` and is held for that only. What else
// is in a file is set before its first descriptor is, and stays; but `off` is under the lock of the inode. A
// process's descriptors are touched by itself alone, or by its parent before it runs.
#ifndef EXV6_FILE_H
#define EXV6_FILE_H

#include "fs.h"
#include "pipe.h"

struct stat;

enum file_kind { FILE_NONE, FILE_PIPE, FILE_INODE, FILE_DEVICE };

struct file {
    u32 refs; // 0: free
    u8 kind;  // enum file_kind
    u8 readable;
    u8 writable;
    u8 append;         // every write goes to the end
    struct pipe *pipe; // FILE_PIPE
    struct inode *ip;  // FILE_INODE, FILE_DEVICE
    u16 major;         // FILE_DEVICE
    u64 off;           // FILE_INODE
};

struct files {
    struct lock lock;
    struct file file[NFILE];
    struct fdtable {
        struct file *fd[NOFILE];
        struct inode *cwd;
    } table[NPROC]; // by process index
};

// ---- for the rest of the libOS ----

// The first process's working directory; before that no path is looked up.
void file_start(struct inode *root);

// A child gets all that this process has; and loses what it still has, if it did not come to life or broke
// down.
void file_fork(struct proc *child);
void file_cancel(struct proc *child);

// Closes all that this process has.
void file_exit(void);

// Where the working directory is kept: another thread may change it during any wait.
struct inode *const *file_cwd(void);

// ---- between file.c and namecall.c ----

// The lowest free descriptor, and a file for it, FILE_NONE yet; -1 if there is no one or no other. The caller
// fills it in, its kind last, or drops both.
int fd_new(struct file **);
void fd_drop(int fd);

// The file behind a descriptor, or 0: for file_put(), as another thread may close the descriptor meanwhile.
struct file *fd_get(int fd);
void file_put(struct file *);

struct fs *the_fs(void);

// ---- calls: -1 for whatever fails, as in xv6 ----

int sys_read(int fd, void *to, int n);
int sys_write(int fd, const void *from, int n);
int sys_close(int fd);
int sys_dup(int fd);
int sys_fstat(int fd, struct stat *);
int sys_pipe(int *fds);
int sys_fsync(int fd);

int sys_open(const char *path, int mode);
int sys_mkdir(const char *path);
int sys_mknod(const char *path, short major, short minor);
int sys_link(const char *old, const char *name);
int sys_unlink(const char *path);
int sys_chdir(const char *path);

int sys_poweroff(int code); // poweroff.c

#endif
