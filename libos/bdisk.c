// The buffer cache's dealings with the disk; see bcache.h. Called by bcache.c, by the file system for
// bahead() and bflush(), by the log, and by the first process for bcache_setup().
//
// A request that fails says nothing about its single blocks. So each of them is tried once more alone, and
// only what fails then is an error: a bad block costs no other's reader or writer anything but time.
#include <exo/call.h>
#include "bcache.h"
#include "proc.h"

void bcache_setup(struct bcache *c, u32 extent, u32 nbufs, u8 *data, const ppn_t *ppn) {
    __builtin_memset(c, 0, BCACHE_MEMORY(nbufs));
    c->extent = extent;
    c->nblocks = EXO_EXTS[extent].count;
    c->nbufs = nbufs;
    for (u32 i = 0; i < BCACHE_STREAMS; i++) c->stream[i].next = BUF_NONE;
    for (u32 i = 0; i < nbufs; i++) {
        struct buf *b = &c->buf[i];
        b->data = data + (u64)i * EXO_PAGE;
        b->ppn = ppn[i];
        b->block = BUF_NONE;
        bpolicy_add(c, b);
    }
}

// ---- requests ----

// The account's request records.
static const volatile struct exo_req *requests(struct bcache *c) {
    return &EXO_REQS[(EXO_EXTS[c->extent].account - 1) * EXO_NREQ];
}

static void finish(struct bcache *c, struct buf *b, enum disk_op op, u32 count, i64 status) {
    b->state = op == DISK_READ && status ? BUF_EMPTY : BUF_VALID;
    b->trouble = status == 0 ? BUF_WELL : count == 1 ? BUF_FAILED : BUF_ALONE;
    if (op == DISK_WRITE && status) {
        b->dirty = 1;
        c->ndirty++;
    }
}

// Whether a request is between a block and the frame that holds it.
static int is_ours(struct bcache *c, const volatile struct exo_req *q) {
    if (q->op == DISK_FLUSH) return 0;
    const struct buf *b = blookup(c, q->block - EXO_EXTS[c->extent].start);
    return b && b->ppn == q->ppns[0];
}

static int is_alive(eid_t eid) { return EXO_ENVS[eid & EXO_EID_INDEX].eid == eid; }

// Collects what the disk has done for the cache: whether that was anything.
static int reap(struct bcache *c) {
    const volatile struct exo_req *q = requests(c);
    int any = 0;
    for (u32 i = 0; i < EXO_NREQ; i++, q++) {
        if (__atomic_load_n(&q->state, __ATOMIC_ACQUIRE) != REQ_DONE || q->ext != c->extent) continue;
        if (!is_ours(c, q)) {
            if (!is_alive(c->starter[i])) exo_disk_done(q->id);
            continue;
        }
        u32 block = q->block - EXO_EXTS[c->extent].start, count = q->count;
        enum disk_op op = q->op;
        struct exo_ret r = exo_disk_done(q->id);
        if (r.err) continue;
        for (u32 n = 0; n < count; n++) finish(c, blookup(c, block + n), op, count, (i64)r.val);
        any = 1;
    }
    return any;
}

// Whether a completion is sure to come.
static int at_work(struct bcache *c) {
    const volatile struct exo_req *q = requests(c);
    for (u32 i = 0; i < EXO_NREQ; i++)
        if (q[i].ext == c->extent && (q[i].state == REQ_QUEUED || q[i].state == REQ_ACTIVE)) return 1;
    return 0;
}

static u64 completions(void) { return __atomic_load_n(&EXO_WORDS->completions, __ATOMIC_ACQUIRE); }

// Sleeps until the disk has done something, if it is at work for the cache. Else others have what is waited
// for (frames they hold, request records): lets them run.
void bawait(struct bcache *c) {
    u64 seen = completions(); // before looking at records: what is not seen there ends the wait
    if (reap(c)) return;
    int sleep = at_work(c);
    lock_release(&c->lock);
    if (sleep)
        disk_wait(seen);
    else
        lock_pause();
    lock_acquire(&c->lock);
}

// Starts a read or write of n consecutive blocks. 0, or the kernel's error: of all others than E_FULL the
// next try may expect the same.
static i64 submit(struct bcache *c, enum disk_op op, struct buf **run, u32 n) {
    ppn_t ppn[EXO_REQ_BLOCKS] __attribute__((aligned(sizeof(ppn_t) * EXO_REQ_BLOCKS))); // so, in one page
    for (u32 i = 0; i < n; i++) ppn[i] = run[i]->ppn;
    i64 err = exo_disk_submit(op, n, c->extent, run[0]->block, ppn, 0).err;
    for (u32 i = 0; i < n && err == 0; i++) {
        run[i]->state = op == DISK_READ ? BUF_READING : BUF_WRITING;
        c->ndirty -= run[i]->dirty;
        run[i]->dirty = 0;
    }
    return err;
}

// ---- reading ----

// Starts reading `n` blocks, the first of which is not valid: less where one is cached, was bad or finds no
// free frame. `mine` is held by the caller, if not 0. *got: how many were started.
static i64 read_run(struct bcache *c, struct buf *mine, u32 block, u32 n, u32 *got) {
    struct buf *run[EXO_REQ_BLOCKS];
    u32 i = 0;
    for (; i < n && block + i < c->nblocks; i++) {
        struct buf *b = blookup(c, block + i);
        if (!b && (b = bclaim(c, block + i))) bpolicy_touch(c, b);
        if (!b || b->state != BUF_EMPTY || (b != mine && b->held) || (i && b->trouble)) break;
        b->held++; // so that the next bclaim() lets it be
        run[i] = b;
        if (b->trouble) n = 1;
    }
    i64 err = i ? submit(c, DISK_READ, run, i) : 0;
    for (u32 k = 0; k < i; k++) run[k]->held--;
    *got = err ? 0 : i;
    return err;
}

// The stream that a miss of this block continues; a new one in place of the oldest, if there is none.
static struct bstream *stream_at(struct bcache *c, u32 block) {
    for (struct bstream *s = c->stream; s < &c->stream[BCACHE_STREAMS]; s++)
        if (s->next == block) return s;
    struct bstream *s = &c->stream[c->next_stream++ % BCACHE_STREAMS];
    *s = (struct bstream){.next = block};
    return s;
}

static i64 read_stream(struct bcache *c, struct buf *b) {
    struct bstream *s = stream_at(c, b->block);
    u32 got, window = s->window == 0 ? 1 : s->window < EXO_REQ_BLOCKS ? s->window * 2 : EXO_REQ_BLOCKS;
    i64 err = read_run(c, b, b->block, window, &got);
    if (err == 0) *s = (struct bstream){b->block + got, window};
    return err;
}

int bfill(struct bcache *c, struct buf *b) {
    for (int tries = 0; b->state != BUF_VALID; bawait(c)) {
        if (b->state != BUF_EMPTY) continue;
        if (tries && b->trouble == BUF_FAILED) return BUF_E_IO;
        i64 err = read_stream(c, b);
        if (err && err != E_FULL) return BUF_E_IO;
        tries += err == 0;
    }
    return 0;
}

void bahead(struct bcache *c, u32 block, u32 n) {
    if (n > EXO_REQ_BLOCKS) n = EXO_REQ_BLOCKS;
    lock_acquire(&c->lock);
    reap(c);
    for (u32 i = 0, got; i < n; i += got ? got : 1)
        if (read_run(c, 0, block + i, n - i, &got)) break;
    lock_release(&c->lock);
}

// ---- writing ----

// What failed alone is tried again by bflush() only.
static int can_write(const struct buf *b) { return b->dirty && b->held == 0 && b->trouble != BUF_FAILED; }

// The buffer of a block that can be written together with its neighbours, or 0.
static struct buf *joins(struct bcache *c, u32 block) {
    struct buf *b = blookup(c, block);
    return b && can_write(b) && b->trouble == BUF_WELL ? b : 0;
}

// Starts writing b, which can_write() admits, and its neighbours as far as they join.
static i64 write_run(struct bcache *c, struct buf *b) {
    struct buf *run[EXO_REQ_BLOCKS], *next;
    u32 first = b->block, n = 0;
    if (b->trouble) return submit(c, DISK_WRITE, &b, 1);
    while (b->block - first < EXO_REQ_BLOCKS - 1 && joins(c, first - 1)) first--;
    for (; n < EXO_REQ_BLOCKS && (next = joins(c, first + n)); n++) run[n] = next;
    return submit(c, DISK_WRITE, run, n);
}

// Starts writing all that nobody holds, as far as there are requests.
static i64 write_idle(struct bcache *c) {
    for (struct buf *b = c->buf; b < &c->buf[c->nbufs]; b++) {
        i64 err = can_write(b) ? write_run(c, b) : 0;
        if (err) return err;
    }
    return 0;
}

// Writes b, whose lock the caller has, if it is dirty.
static int write_held(struct bcache *c, struct buf *b) {
    i64 err = 0;
    while (b->dirty && (err = submit(c, DISK_WRITE, &b, 1)) == E_FULL) bawait(c);
    while (b->state == BUF_WRITING) bawait(c);
    return err || b->dirty ? BUF_E_IO : 0;
}

// Sees b through to the disk if it was dirty at time `goal`. It is idle, under way, or held by another; or it
// was part of a failed request.
static int settle(struct bcache *c, struct buf *b, u64 goal) {
    while (b->state == BUF_WRITING && b->dirtied <= goal) bawait(c);
    if (!b->dirty || b->dirtied > goal) return 0;
    b->held++;
    lock_release(&c->lock);
    lock_acquire(&b->lock);
    lock_acquire(&c->lock);
    int err = write_held(c, b);
    lock_release(&b->lock);
    b->held--;
    return err;
}

int bflush(struct bcache *c) {
    int err = 0;
    lock_acquire(&c->lock);
    u64 goal = c->clock++;
    for (struct buf *b = c->buf; b < &c->buf[c->nbufs]; b++)
        while (can_write(b) && b->dirtied <= goal && write_run(c, b) == E_FULL) bawait(c);
    for (struct buf *b = c->buf; b < &c->buf[c->nbufs]; b++)
        if (settle(c, b, goal)) err = BUF_E_IO;
    lock_release(&c->lock);
    return bbarrier(c) ? BUF_E_IO : err;
}

// ---- for the log ----

int bwrite(struct bcache *c, struct buf *b) {
    bdirty(c, b);
    lock_acquire(&c->lock);
    int err = write_held(c, b);
    lock_release(&c->lock);
    return err;
}

int bkeep(struct bcache *c, struct buf *b) {
    lock_acquire(&c->lock);
    int fresh = !b->kept;
    b->kept = 1;
    c->ndirty -= b->dirty;
    b->dirty = 0;
    lock_release(&c->lock);
    return fresh;
}

// Every process may hold one buffer, a commit and those in an op the rest of BUF_HELD.
u32 bkeep_max(const struct bcache *c, u32 op) {
    u32 others = NPROC + BUF_HELD - 1;
    return c->nbufs > others ? (c->nbufs - others) * op / (op + BUF_HELD - 1) : 0;
}

void bunkeep(struct bcache *c, const u32 *block, u32 n) {
    lock_acquire(&c->lock);
    for (u32 i = 0; i < n; i++) {
        struct buf *b = blookup(c, block[i]);
        b->kept = 0;
        b->dirty = 1;
        b->dirtied = c->clock;
        c->ndirty++;
    }
    lock_release(&c->lock);
}

// ---- for want of a frame ----

// Whether a dirty buffer keeps its frame because it cannot be written.
static int any_failed(struct bcache *c) {
    for (struct buf *b = c->buf; b < &c->buf[c->nbufs]; b++)
        if (b->dirty && b->trouble == BUF_FAILED) return 1;
    return 0;
}

int bclean(struct bcache *c) {
    if (reap(c)) return 0;
    i64 err = write_idle(c);
    if (err ? err != E_FULL : !at_work(c) && any_failed(c)) return BUF_E_IO;
    bawait(c);
    return 0;
}

void bbehind(struct bcache *c) {
    if (c->ndirty <= c->nbufs / 2) return;
    reap(c);
    write_idle(c); // what it cannot start now, the next one may
}
