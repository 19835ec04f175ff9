// See log.h. Called by everything that changes the file system; by fsync and shutdown for the rest.
#include "log.h"

static u32 op_blocks(const struct log *log) { return FS_OP_BLOCKS(log->super); }

static u32 least(u32 a, u32 b) { return a < b ? a : b; }

// After the ring or what is in it has changed.
static void set_most(struct log *log) {
    u32 left = log_ring(log) - log->used;
    log->most = left ? least(left - 1, bkeep_max(log->cache, op_blocks(log))) : 0;
}

// ---- commit ----

// With no op under way nobody changes a block of the transaction.
static int sum_blocks(struct log *log, u64 *sum) {
    for (u32 i = 0; i < log->n; i++) {
        struct buf *b;
        if (bread(log->cache, log->block[i], &b)) return LOG_E_IO;
        *sum = label_sum(*sum, b->data, FS_BLOCK_SIZE);
        brelse(log->cache, b);
    }
    return 0;
}

static int write_head(struct log *log) {
    struct buf *b;
    if (bnew(log->cache, log_slot(log, log->head), &b)) return LOG_E_IO;
    struct log_record *r = (struct log_record *)b->data;
    r->magic = LOG_RECORD_MAGIC;
    r->id = log->super->id;
    r->generation = log->super->generation;
    r->sequence = log->sequence;
    r->count = log->n;
    for (u32 i = 0; i < log->n; i++) r->block[i] = log->block[i];
    u64 sum = label_sum(0, r, offsetof(struct log_record, sum));
    int err = sum_blocks(log, &sum);
    r->sum = sum;
    if (err == 0) err = bwrite(log->cache, b);
    brelse(log->cache, b);
    return err;
}

static int write_blocks(struct log *log) {
    u32 at = (log->head + 1) % log_ring(log), first = least(log->n, log_ring(log) - at);
    int err = bwrite_kept(log->cache, log_slot(log, at), log->block, first);
    if (err || first == log->n) return err;
    return bwrite_kept(log->cache, log_slot(log, 0), log->block + first, log->n - first);
}

// If it fails the transaction goes on as it was.
static int commit(struct log *log) {
    if (log->n == 0) return 0;
    if (log->bare && bbarrier(log->cache)) return LOG_E_IO;
    if (write_blocks(log) || write_head(log) || bbarrier(log->cache)) return LOG_E_IO;
    bunkeep(log->cache, log->block, log->n);
    log->used += 1 + log->n;
    log->head = (log->head + 1 + log->n) % log_ring(log);
    log_committed(log);
    log->n = 0;
    set_most(log);
    __atomic_store_n(&log->sequence, log->sequence + 1, __ATOMIC_RELEASE);
    return 0;
}

// ---- checkpoint ----

int log_anchor(struct log *log) {
    struct buf *b;
    if (bnew(log->cache, log->super->log_start, &b)) return LOG_E_IO;
    struct log_anchor *a = (struct log_anchor *)b->data;
    *a = (struct log_anchor){.magic = LOG_ANCHOR_MAGIC,
                             .id = log->super->id,
                             .generation = log->super->generation,
                             .sequence = log->sequence,
                             .tail = log->head};
    a->sum = label_sum(0, a, offsetof(struct log_anchor, sum));
    int err = bwrite(log->cache, b);
    brelse(log->cache, b);
    return err || bbarrier(log->cache) ? LOG_E_IO : 0;
}

// Only with an empty transaction: a kept block is not written to its place, though a record may hold an
// earlier state of it.
static int checkpoint(struct log *log) {
    if (log->used == 0) return 0;
    if (bflush(log->cache) || log_anchor(log)) return LOG_E_IO;
    log_emptied(log);
    log->used = 0;
    set_most(log);
    return 0;
}

// ---- ops ----

// Whether one op more finds room, with all others taking as much as they may.
static int has_room(struct log *log) {
    u32 ops = __atomic_load_n(&log->ops.count, __ATOMIC_ACQUIRE),
        n = __atomic_load_n(&log->n, __ATOMIC_RELAXED);
    return n + (ops + 1) * op_blocks(log) <= log->most;
}

// Commits, and makes at least half of the ring free, so that a checkpoint serves several commits.
static int make_room(struct log *log) {
    int err = commit(log);
    if (err == 0 && (log->used > log_ring(log) / 2 || log->most < op_blocks(log))) err = checkpoint(log);
    return err;
}

void op_begin(struct log *log) {
    lock_acquire(&log->gate);
    if (log->refuses || !has_room(log)) {
        drain_wait(&log->ops);
        if (!has_room(log)) make_room(log);
        log->refuses = !has_room(log);
    }
    drain_enter(&log->ops);
    lock_release(&log->gate);
}

void op_end(struct log *log) { drain_leave(&log->ops); }

int log_refuses(const struct log *log) { return log->refuses; }

void log_write(struct log *log, struct bcache *cache, struct buf *b) {
    if (bkeep(cache, b)) log->block[__atomic_fetch_add(&log->n, 1, __ATOMIC_RELAXED)] = b->block;
}

// ---- what is durable ----

// While the gate is held all that has ended is in the transaction that is being committed: so who comes then
// need not begin another.
int log_sync(struct log *log, struct bcache *cache) {
    (void)cache;
    u64 mine = __atomic_load_n(&log->sequence, __ATOMIC_ACQUIRE);
    int err = 0;
    lock_acquire(&log->gate);
    if (log->sequence == mine) {
        drain_wait(&log->ops);
        err = commit(log);
    }
    lock_release(&log->gate);
    return err;
}

int log_freeze(struct log *log, struct bcache *cache) {
    (void)cache;
    lock_acquire(&log->gate);
    drain_wait(&log->ops);
    int err = commit(log);
    return err ? err : checkpoint(log);
}

void log_thaw(struct log *log) { lock_release(&log->gate); }

int log_open(struct log *log, struct bcache *cache, const struct fs_super *super) {
    log->cache = cache;
    log->super = super;
    if (bkeep_max(cache, op_blocks(log)) < op_blocks(log)) return LOG_E_MEMORY;
    int err = log_recover(log);
    if (err == 0) set_most(log);
    return err;
}
