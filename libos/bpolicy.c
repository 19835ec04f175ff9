// Which frame the buffer cache gives up; see bcache.h. Called by bcache.c and bdisk.c, with the cache's lock
// held, but for bcache_policy(), which changes nothing that is shared.
//
// Each policy keeps its own notes on all frames, and sees every use, as any process may ask it next.
#include "bcache.h"

#ifndef BPOLICY_PRIVATE
#define BPOLICY_PRIVATE static // each process has a copy of the libOS's data, and hands it on when it forks
#endif
BPOLICY_PRIVATE u32 chosen = CACHE_LRU;

// ---- least recently used ----

static struct buf *at_link(struct bcache *c, u16 link) { return link ? &c->buf[link - 1] : 0; }

static u16 link_of(struct bcache *c, struct buf *b) { return b - c->buf + 1; }

static void lru_add(struct bcache *c, struct buf *b) {
    b->newer = 0;
    b->older = c->newest;
    *(c->newest ? &at_link(c, c->newest)->newer : &c->oldest) = link_of(c, b);
    c->newest = link_of(c, b);
}

static void lru_touch(struct bcache *c, struct buf *b) {
    *(b->newer ? &at_link(c, b->newer)->older : &c->newest) = b->older;
    *(b->older ? &at_link(c, b->older)->newer : &c->oldest) = b->newer;
    lru_add(c, b);
}

static struct buf *lru_victim(struct bcache *c) {
    struct buf *b = at_link(c, c->oldest);
    while (b && !bspare(b)) b = at_link(c, b->newer);
    return b;
}

// ---- clock ----

static void clock_touch(struct bcache *c, struct buf *b) {
    (void)c;
    b->used = 1;
}

// Twice round: the first may find only marks.
static struct buf *clock_victim(struct bcache *c) {
    for (u32 i = 0; i < 2 * c->nbufs; i++) {
        struct buf *b = &c->buf[c->hand];
        c->hand = (c->hand + 1) % c->nbufs;
        if (!bspare(b)) continue;
        if (!b->used) return b;
        b->used = 0;
    }
    return 0;
}

// ---- most recently used ----

// Whose last user has chosen this policy. The order of use is that of the first one.
static void mru_touch(struct bcache *c, struct buf *b) {
    (void)c;
    b->mru = chosen == CACHE_MRU;
}

static struct buf *mru_victim(struct bcache *c) {
    struct buf *coldest = lru_victim(c);
    if (!coldest || !coldest->mru) return coldest;
    struct buf *b = at_link(c, c->newest);
    while (!bspare(b) || !b->mru) b = at_link(c, b->older);
    return b;
}

// ---- all of them ----

static const struct bpolicy policies[CACHE_POLICIES] = {
    [CACHE_LRU] = {lru_add, lru_touch, lru_victim},
    [CACHE_CLOCK] = {.touch = clock_touch, .victim = clock_victim},
    [CACHE_MRU] = {.touch = mru_touch, .victim = mru_victim},
};

void bpolicy_add(struct bcache *c, struct buf *b) {
    for (u32 i = 0; i < CACHE_POLICIES; i++)
        if (policies[i].add) policies[i].add(c, b);
}

void bpolicy_touch(struct bcache *c, struct buf *b) {
    for (u32 i = 0; i < CACHE_POLICIES; i++)
        if (policies[i].touch) policies[i].touch(c, b);
}

struct buf *bpolicy_victim(struct bcache *c) {
    return policies[chosen].victim(c);
}

int bpolicy_rereads(void) { return chosen == CACHE_MRU; }

int bcache_policy(int policy) {
    int was = chosen;
    if (policy < 0 || policy >= CACHE_POLICIES) return -1;
    chosen = policy;
    return was;
}
