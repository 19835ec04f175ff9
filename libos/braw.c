// Requests between blocks and pages that are not those blocks' frames; see bcache.h. Called by the log, and
// by direct.c for the pages of programs. Whoever begins such a request waits for it: nobody else would
// collect it.
#include <exo/call.h>
#include "bcache.h"
#include "pager.h"
#include "proc.h"

#define KEPT_AT_ONCE 128

struct pages {
    ppn_t ppn[EXO_REQ_BLOCKS];
} __attribute__((aligned(sizeof(ppn_t) * EXO_REQ_BLOCKS))); // so, in one page, as the kernel wants it

// With the cache's lock, so that nobody sees the request before its starter is known.
static struct exo_ret begin_own(struct bcache *c, u32 extent, enum disk_op op, u32 block,
                                const struct pages *pages, u32 n) {
    struct exo_ret r;
    do r = exo_disk_submit(op, n, extent, block, pages->ppn, 0);
    while (r.err == E_FIXED && pager_overdue());
    if (r.err == 0) c->starter[(r.val & 0xffff) % EXO_NREQ] = me()->eid; // an account's records are in a row
    return r;
}

// Waits for a request. Without the cache's lock.
static int finish_own(u64 id) {
    for (;;) {
        u64 seen = __atomic_load_n(&EXO_WORDS->completions, __ATOMIC_ACQUIRE);
        struct exo_ret done = exo_disk_done(id);
        if (done.err != E_BUSY) return done.err || done.val ? BUF_E_IO : 0;
        disk_wait(seen);
    }
}

// Begins one, when there is a record for it, and waits for it. Lets go of the cache's lock.
static int move(struct bcache *c, u32 extent, enum disk_op op, u32 block, const struct pages *pages, u32 n) {
    struct exo_ret r;
    while ((r = begin_own(c, extent, op, block, pages, n)).err == E_FULL) bawait(c);
    lock_release(&c->lock);
    return r.err ? BUF_E_IO : finish_own(r.val);
}

int bbarrier(struct bcache *c) {
    struct pages none;
    lock_acquire(&c->lock);
    return move(c, c->extent, DISK_FLUSH, 0, &none, 0);
}

// ---- many blocks ----

// How many of the first of n blocks lie in a row, as far as one request goes.
static u32 row(const u32 *block, u32 n) {
    u32 m = 1;
    while (m < n && m < EXO_REQ_BLOCKS && block[m] == block[0] + m) m++;
    return m;
}

// Page ppn[i] goes to block[i], or comes from there: as many requests at once as there are records.
int bmove(struct bcache *c, u32 extent, enum disk_op op, const u32 *block, const ppn_t *ppn, u32 n) {
    u64 id[EXO_NREQ];
    u32 begun = 0, ended = 0, done = 0;
    int err = 0;
    lock_acquire(&c->lock);
    while (done < n && err == 0) {
        struct pages pages;
        u32 m = row(block + done, n - done);
        for (u32 i = 0; i < m; i++) pages.ppn[i] = ppn[done + i];
        struct exo_ret r = {.err = E_FULL};
        if (begun - ended < EXO_NREQ) r = begin_own(c, extent, op, block[done], &pages, m);
        if (r.err == 0) {
            id[begun++ % EXO_NREQ] = r.val;
            done += m;
        } else if (r.err != E_FULL) {
            err = BUF_E_IO;
        } else if (begun == ended) {
            bawait(c);
        } else {
            lock_release(&c->lock);
            err = finish_own(id[ended++ % EXO_NREQ]);
            lock_acquire(&c->lock);
        }
    }
    lock_release(&c->lock);
    while (ended < begun)
        if (finish_own(id[ended++ % EXO_NREQ])) err = BUF_E_IO;
    return err;
}

int bwrite_kept(struct bcache *c, u32 to, const u32 *block, u32 n) {
    int err = 0;
    for (u32 done = 0, m; done < n && err == 0; done += m) {
        u32 where[KEPT_AT_ONCE];
        ppn_t ppn[KEPT_AT_ONCE];
        m = n - done < KEPT_AT_ONCE ? n - done : KEPT_AT_ONCE;
        lock_acquire(&c->lock);
        for (u32 i = 0; i < m; i++) {
            where[i] = to + done + i;
            ppn[i] = blookup(c, block[done + i])->ppn;
        }
        lock_release(&c->lock);
        err = bmove(c, c->extent, DISK_WRITE, where, ppn, m);
    }
    return err;
}

// ---- pages of programs ----

static u32 clip(const struct bcache *c, u32 block, u32 n) {
    u32 left = block < c->nblocks ? c->nblocks - block : 0;
    n = n < EXO_REQ_BLOCKS ? n : EXO_REQ_BLOCKS;
    return n < left ? n : left;
}

u32 bread_pages(struct bcache *c, u32 block, const ppn_t *ppn, u32 n) {
    struct pages pages;
    u32 i = 0;
    if (bpolicy_rereads()) return 0;
    lock_acquire(&c->lock);
    for (n = clip(c, block, n); i < n; i++) {
        const struct buf *b = blookup(c, block + i);
        if (b && (!bspare(b) || b->state == BUF_VALID)) break;
        pages.ppn[i] = ppn[i];
    }
    if (i) return move(c, c->extent, DISK_READ, block, &pages, i) ? 0 : i;
    lock_release(&c->lock);
    return 0;
}

// Others may have read these blocks ahead while they were being written.
static void forget(struct bcache *c, u32 block, u32 n) {
    lock_acquire(&c->lock);
    for (u32 i = 0; i < n; i++) {
        struct buf *b;
        while ((b = blookup(c, block + i)) && b->state == BUF_READING) bawait(c);
        if (b && b->state == BUF_VALID && !b->dirty && !b->kept) b->state = BUF_EMPTY;
    }
    lock_release(&c->lock);
}

u32 bwrite_pages(struct bcache *c, u32 block, const ppn_t *ppn, u32 n) {
    struct pages pages;
    u32 i = 0;
    lock_acquire(&c->lock);
    for (n = clip(c, block, n); i < n; i++) {
        const struct buf *b = blookup(c, block + i);
        if (b && !bspare(b)) break;
        pages.ppn[i] = ppn[i];
    }
    if (i == 0) {
        lock_release(&c->lock);
        return 0;
    }
    int err = move(c, c->extent, DISK_WRITE, block, &pages, i);
    forget(c, block, i);
    return err ? 0 : i;
}
