// A file system in the memory of a host program: making one, checking one, and what libos/ needs to work on
// one. Used by mkfs, fsck and the tests.
#ifndef EXV6_FSIMAGE_H
#define EXV6_FSIMAGE_H

#include <stdio.h>
#include "../libos/fsformat.h"

struct bcache;

// Writes an empty file system as laid out in s: superblock, log, bitmap, "/". mem is s->nblocks blocks, all
// zero.
void fs_format(u8 *mem, const struct fs_super *s);

// The two below need a superblock of which fs_super_ok() holds. What the log holds: whole records, and blocks
// in them. 0 if the log is no log, or a record names blocks that it may not.
int fs_log(const u8 *mem, u32 *records, u32 *blocks);

// Puts in place what the log holds, and empties it, as mounting would.
void fs_replay(u8 *mem);

// What is no violation, as mounting takes care of it.
struct fs_found {
    u32 records, blocks; // in the log
    u32 nameless;        // inodes that were open when the machine stopped, and had lost their last name
};

// Checks everything fsformat.h promises, of a file system that may fill nblocks, in the state that it will
// have once its log is replayed. Prints each violation in a line that begins with `who`, and returns how many
// there are.
u32 fs_examine(const u8 *mem, u32 nblocks, FILE *out, const char *who, struct fs_found *);
u32 fs_check(const u8 *mem, u32 nblocks, FILE *out, const char *who); // the same for who wants only that

// A cache without a disk (memcache.c): buffers are the blocks of mem themselves. used[b] becomes 1 when b
// changes.
struct bcache *memcache_new(u8 *mem, u8 *used, u32 nblocks);
void memcache_end(struct bcache *);

#endif
