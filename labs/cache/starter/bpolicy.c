// Which frame the buffer cache gives up; see bcache.h. Called by bcache.c and bdisk.c, with the cache's lock
// held, but for bcache_policy(), which changes nothing that is shared.
//
// TO WRITE. As it is, this file gives out frames that were never used, and then the first that it may. In
// order:
//
//   1. LRU: a list of all frames by last use. c->newest and c->oldest are its ends, b->newer and b->older its
//      links (index + 1; 0 ends it). bpolicy_add() puts a frame in as the newest, bpolicy_touch() makes it
//      that again; the victim is the oldest that bspare() admits.
//   2. For part B, the policies' notes: every policy is told of every use, whoever it is by, as anybody may
//      ask it next. struct bpolicy is a way to write them side by side.
//      Clock: b->used, set by every use; c->hand goes round the frames by number, clears what it passes, and
//      stops at the first that was not set. What bspare() does not admit it leaves alone.
//      MRU: b->mru says whether the last user had chosen CACHE_MRU. As LRU, if the oldest that may go was not
//      last used so; else the newest that was.
//   3. bcache_policy(): what was chosen before; -1, and nothing changes, for what is no policy. The choice is
//      the process's own: `chosen` is in memory of which each process has a copy, which fork() copies.
//      bpolicy_rereads(): whether it has chosen MRU.
#include "bcache.h"

#ifndef BPOLICY_PRIVATE
#define BPOLICY_PRIVATE static // each process has a copy of the libOS's data, and hands it on when it forks
#endif
BPOLICY_PRIVATE u32 chosen = CACHE_LRU;

void bpolicy_add(struct bcache *c, struct buf *b) {}

void bpolicy_touch(struct bcache *c, struct buf *b) {}

struct buf *bpolicy_victim(struct bcache *c) {
    for (struct buf *b = c->buf; b < &c->buf[c->nbufs]; b++)
        if (bspare(b) && b->block == BUF_NONE) return b;
    for (struct buf *b = c->buf; b < &c->buf[c->nbufs]; b++)
        if (bspare(b)) return b;
    return 0;
}

int bpolicy_rereads(void) { return chosen == CACHE_MRU; }

int bcache_policy(int policy) { return -1; }
