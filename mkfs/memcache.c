// The contract of libos/bcache.h and libos/lock.h for a program of one thread whose whole disk is in memory.
#include <stdlib.h>
#include <string.h>
#include "fsimage.h"
#include "../libos/bcache.h"

struct memcache {
    u8 *mem, *used;
    struct bcache cache; // the last: it ends in an array, here of no length
};

static struct memcache *of(struct bcache *c) {
    return (struct memcache *)((u8 *)c - offsetof(struct memcache, cache));
}

struct bcache *memcache_new(u8 *mem, u8 *used, u32 nblocks) {
    struct memcache *m = calloc(1, sizeof *m);
    if (!m) abort();
    m->mem = mem;
    m->used = used;
    m->cache.nblocks = nblocks;
    return &m->cache;
}

void memcache_end(struct bcache *c) { free(of(c)); }

int bread(struct bcache *c, u32 block, struct buf **out) {
    if (block >= c->nblocks) return BUF_E_IO;
    struct buf *b = calloc(1, sizeof *b);
    if (!b) return BUF_E_IO;
    b->block = block;
    b->data = of(c)->mem + (u64)block * FS_BLOCK_SIZE;
    *out = b;
    return 0;
}

int bnew(struct bcache *c, u32 block, struct buf **out) {
    int err = bread(c, block, out);
    if (err == 0) {
        memset((*out)->data, 0, FS_BLOCK_SIZE);
        bdirty(c, *out);
    }
    return err;
}

void bdirty(struct bcache *c, struct buf *b) { of(c)->used[b->block] = 1; }

void brelse(struct bcache *c, struct buf *b) {
    (void)c;
    free(b);
}

void bahead(struct bcache *c, u32 block, u32 n) { (void)c, (void)block, (void)n; }

u32 bread_pages(struct bcache *c, u32 block, const ppn_t *ppn, u32 n) {
    (void)c, (void)block, (void)ppn, (void)n;
    return 0;
}

u32 bwrite_pages(struct bcache *c, u32 block, const ppn_t *ppn, u32 n) {
    (void)c, (void)block, (void)ppn, (void)n;
    return 0;
}

void lock_acquire(struct lock *l) {
    if (l->holder) abort(); // one thread: it would wait for itself
    l->holder = 1;
}

void lock_release(struct lock *l) {
    if (!l->holder) abort();
    l->holder = 0;
}
