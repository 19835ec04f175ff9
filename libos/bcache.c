// Which frame holds which block, and who holds the frame; see bcache.h. Called by the file system, and by
// bdisk.c and braw.c, which talk to the disk.
#include "bcache.h"

// ---- which frame holds what ----

static struct buf *linked(struct bcache *c, u16 link) { return link ? &c->buf[link - 1] : 0; }

static u16 link_to(struct bcache *c, struct buf *b) { return b - c->buf + 1; }

static u16 *chain_of(struct bcache *c, u32 block) { return &c->chain[block % BCACHE_CHAINS]; }

struct buf *blookup(struct bcache *c, u32 block) {
    struct buf *b = linked(c, *chain_of(c, block));
    while (b && b->block != block) b = linked(c, b->hash_next);
    return b;
}

int bspare(const struct buf *b) {
    return b->held == 0 && !b->dirty && !b->kept && (b->state == BUF_EMPTY || b->state == BUF_VALID);
}

struct buf *bclaim(struct bcache *c, u32 block) {
    struct buf *b = bpolicy_victim(c);
    if (!b) return 0;
    if (b->block != BUF_NONE) {
        u16 *p = chain_of(c, b->block);
        while (*p != link_to(c, b)) p = &linked(c, *p)->hash_next;
        *p = b->hash_next;
    }
    b->block = block;
    b->state = BUF_EMPTY;
    b->trouble = BUF_WELL;
    b->hash_next = *chain_of(c, block);
    *chain_of(c, block) = link_to(c, b);
    return b;
}

// ---- holding ----

// Waits until the caller alone holds the block's buffer. Returns with the cache's lock held, unless it fails:
// only when no frame can be had, because what is in them cannot be written.
static int hold(struct bcache *c, u32 block, struct buf **out) {
    struct buf *b;
    if (block >= c->nblocks) return BUF_E_IO;
    lock_acquire(&c->lock);
    while (!(b = blookup(c, block)) && !(b = bclaim(c, block))) {
        if (bclean(c) == 0) continue;
        lock_release(&c->lock);
        return BUF_E_IO;
    }
    b->held++;
    lock_release(&c->lock);
    lock_acquire(&b->lock);
    lock_acquire(&c->lock);
    *out = b;
    return 0;
}

int bread(struct bcache *c, u32 block, struct buf **out) {
    int err = hold(c, block, out);
    if (err) return err;
    err = bfill(c, *out);
    lock_release(&c->lock);
    if (err) brelse(c, *out);
    return err;
}

int bnew(struct bcache *c, u32 block, struct buf **out) {
    int err = hold(c, block, out);
    if (err) return err;
    struct buf *b = *out;
    while (b->state == BUF_READING || b->state == BUF_WRITING) bawait(c);
    b->state = BUF_VALID;
    b->trouble = BUF_WELL;
    lock_release(&c->lock);
    __builtin_memset(b->data, 0, EXO_PAGE);
    bdirty(c, b);
    return 0;
}

void bdirty(struct bcache *c, struct buf *b) {
    lock_acquire(&c->lock);
    if (!b->dirty) {
        b->dirty = 1;
        b->dirtied = c->clock;
        c->ndirty++;
    }
    lock_release(&c->lock);
}

void brelse(struct bcache *c, struct buf *b) {
    lock_release(&b->lock);
    lock_acquire(&c->lock);
    b->held--;
    bpolicy_touch(c, b);
    bbehind(c);
    lock_release(&c->lock);
}
