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

// Checks everything fsformat.h promises, of a file system that may fill nblocks. Prints each violation in a
// line that begins with `who`, and returns how many there are.
u32 fs_check(const u8 *mem, u32 nblocks, FILE *out, const char *who);

// A cache without a disk (memcache.c): buffers are the blocks of mem themselves. used[b] becomes 1 when b
// changes.
struct bcache *memcache_new(u8 *mem, u8 *used, u32 nblocks);
void memcache_end(struct bcache *);

#endif
