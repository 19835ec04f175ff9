// The file system of the Unix libOS: inodes, directories, path names. Format: fsformat.h; blocks come through
// bcache.h, transactions are log.h's. Used by file.c (descriptors), exec and map.c.
//
// All state is in one struct fs in memory that every process of the libOS sees at the same address; there is
// no static data. Nothing here trusts the disk: what it finds broken it reports as FS_E_CORRUPT, and goes on.
//
// Locks, in this order: op_begin; an inode (a directory before what it names, and no others); fs->alloc;
// buffers; fs->table. "[op]" marks what is called between op_begin(&fs->log) and op_end(&fs->log): inode_put
// too, because the last one frees an inode without names. "[locked]" needs inode_lock first.
#ifndef EXV6_FS_H
#define EXV6_FS_H

#include "bcache.h"
#include "fsformat.h"
#include "log.h"

enum fs_error {
    FS_E_IO = -1,       // the disk's error
    FS_E_CORRUPT = -2,  // the file system is damaged here
    FS_E_NONE = -3,     // no such name
    FS_E_EXISTS = -4,   // the name is taken
    FS_E_TYPE = -5,     // a directory where none may be, or something else where one must be
    FS_E_NAME = -6,     // no name to create or remove: empty, "/", "." or ".."
    FS_E_NOTEMPTY = -7, // the directory has entries
    FS_E_SPACE = -8,    // no block is free
    FS_E_INODES = -9,   // no inode on the disk is free
    FS_E_TABLE = -10,   // no inode in memory is free
    FS_E_LINKS = -11,   // too many links
    FS_E_RANGE = -12,   // offset past the end, size past FS_MAX_SIZE, or more than FS_WRITE_MAX at once
    FS_E_COPY = -13,    // the program's memory could not be read or written
    FS_E_FORMAT = -14,  // mount: not a file system of this version, or larger than its extent
    FS_E_MEMORY = -15,  // mount: no room for a single inode, or for what one op may change
};

#define FS_WRITE_MAX 32768 // bytes that one op may write: 8 blocks, or parts of 9

// An inode in memory: one for all who use it. Its contents are read at the first inode_lock.
struct inode {
    u32 inum; // under fs->table, as refs
    u32 refs; // 0: not in use
    struct lock lock;
    u32 valid;          // d holds what the disk has
    struct fs_dinode d; // under lock, as valid
};

// The physical pages behind n whole pages of a program's memory: how many of the first can be read, or
// written if `write`. A null one: the disk does not reach them.
typedef u32 fs_pages(const void *at, u32 n, int write, ppn_t *ppn);

// Copies n bytes between a block and a program's memory; nonzero if that memory is not there. It must not use
// the file system: an inode and a buffer are held. A null fs_copy means memory that needs no check, and is no
// program's.
typedef int fs_copy(void *to, const void *from, u64 n);

struct fs {
    struct bcache *cache;
    fs_pages *pages; // for whoever reads or writes with an fs_copy; set after fs_mount
    struct log log;
    struct fs_super super;
    struct lock alloc; // the two below, and the bitmap
    u32 nfree;         // free blocks
    u32 next_block;    // where the search for a free block begins
    u32 next_inode;    // the same for inodes; a hint that needs no lock
    struct lock table;
    u32 ninodes; // in memory
    struct inode inode[];
};

#define FS_MEMORY(inodes) (sizeof(struct fs) + (inodes) * sizeof(struct inode))

struct fs_stat {
    u32 inum;
    u16 type; // enum fs_type
    u16 nlink;
    u64 size;
};

// ---- the whole (fs.c) ----

// Makes a file system out of `bytes` of memory and the extent under the cache: puts in place what the log
// holds, and frees inodes that were left without names. Begins its own op. 0; FS_E_MEMORY; FS_E_FORMAT;
// FS_E_IO; FS_E_CORRUPT.
int fs_mount(struct fs *, u64 bytes, struct bcache *);

// Everything done so far survives a power cut when this returns 0. Outside any op.
int fs_sync(struct fs *);

// The same, and until fs_thaw nothing changes it, nor does the log hold anything: what stands before the
// machine is switched off. fs_thaw is due whatever fs_freeze returns.
int fs_freeze(struct fs *);
void fs_thaw(struct fs *);

// ---- inodes (inode.c) ----

// A reference to inode inum; one more, to what *from leads to when it is taken; one less [op].
int inode_get(struct fs *, u32 inum, struct inode **);
struct inode *inode_dup(struct fs *, struct inode *const *from);
void inode_put(struct fs *, struct inode *);

// 0 and locked; or not locked and FS_E_IO, FS_E_CORRUPT, or FS_E_NONE (it is free: a damaged directory's
// fault).
int inode_lock(struct fs *, struct inode *);
void inode_unlock(struct fs *, struct inode *);

// inode_unlock and inode_put [op].
void inode_drop(struct fs *, struct inode *);

// Bytes read, fewer only at the end or past an error [locked]; or the error, if there was nothing before it.
i64 inode_read(struct fs *, struct inode *, u64 off, void *to, u64 n, fs_copy *);

// Bytes written, from off, which may not be past the end [op, locked]. Fewer than n when the disk is full, or
// past an error; or the error itself. What could not be written leaves no block behind.
i64 inode_write(struct fs *, struct inode *, u64 off, const void *from, u64 n, fs_copy *);

// Makes it empty [op, locked].
int inode_trunc(struct fs *, struct inode *);

struct fs_stat inode_stat(const struct inode *); // [locked]

// ---- names (dir.c, path.c) ----

// Paths begin at the root if with '/', else at *cwd, which may become another at any time. Names past 14
// characters are cut. In a directory that was removed while in use, only "." is found, and nothing can be
// made.

// A reference to what path names, not locked [op]. "" names cwd.
int path_find(struct fs *, struct inode *const *cwd, const char *path, struct inode **);

// What open(O_CREATE), mkdir and mknod do [op]: makes an inode of the given type, and returns it locked. If
// path is there and type is FS_FILE, returns that, provided it is a file or a device.
int path_create(struct fs *, struct inode *const *cwd, const char *path, enum fs_type type, u16 major,
                u16 minor, struct inode **);

// Another name for the file or device `old` [op].
int path_link(struct fs *, struct inode *const *cwd, const char *old, const char *name);

// Removes a name [op]; of a directory, only when it is empty. What it named goes when nobody uses it any
// more.
int path_unlink(struct fs *, struct inode *const *cwd, const char *path);

// ---- between these files only ----

// bread() for who will change the block, before anything else of this op is changed [op]. FS_E_IO also when
// no change can be taken, as the log cannot be written.
int bedit(struct fs *, u32 block, struct buf **);

// A free block, marked as in use, and zeroed unless `bare` [op]; back again [op].
int block_alloc(struct fs *, int bare, u32 *block);
int block_free(struct fs *, u32 block);
int block_ok(const struct fs *, u32 block); // whether an inode may point to it

// A reference to a new inode, of which only the type is set yet [op]; writes ip->d to its block [op, locked].
int inode_alloc(struct fs *, enum fs_type, struct inode **);
int inode_store(struct fs *, struct inode *);
int inode_reclaim(struct fs *); // frees the inodes that have a type and no name
// The number of its block bn, which is there [locked]; or else is made, with what leads to it [op, locked]:
// zeroed, or for MAP_BARE just as it is on the disk.
enum map { MAP_FIND, MAP_GROW, MAP_BARE };
int inode_block(struct fs *, struct inode *, u32 bn, u32 *block);
int inode_map(struct fs *, struct inode *, u32 bn, enum map, u32 *block);
int inode_cut(struct fs *, struct inode *, u64 keep); // frees what it has from block `keep` on [op, locked]

// In direct.c: blocks moved without a copy, or 0 when that is not possible. direct_read: of n bytes at `off`
// of a file whose blocks from there on are `run` consecutive ones from `block` [locked]. direct_append: bytes
// of n that were added to the file, whose size is the caller's to set [op, locked].
u32 direct_read(struct fs *, u32 block, u32 run, u64 off, void *to, u64 n);
u64 direct_append(struct fs *, struct inode *, const void *from, u64 n, fs_copy *);

// dp is a locked directory, name has FS_NAME bytes. dir_find: the entry's inode number and offset. dir_link
// adds an entry [op]; dir_unlink clears the one at off [op].
int dir_find(struct fs *, struct inode *dp, const char *name, u32 *inum, u64 *off);
int dir_link(struct fs *, struct inode *dp, const char *name, u32 inum);
int dir_unlink(struct fs *, struct inode *dp, u64 off);
int dir_empty(struct fs *, struct inode *dp); // 0, or FS_E_NOTEMPTY

#endif
