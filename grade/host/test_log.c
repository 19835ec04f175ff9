// The log by itself (libos/log.c, recover.c), on a ring so small that records go round it all the time:
// random transactions on a few blocks, then power cuts (powercut.h). What is there after each must be what
// there was after some op, no earlier than the last completed log_sync.
#include "grade/host/fake_exo.h"
#include "libos/super.c"
#include "libos/drain.c"
#include "libos/log.c"
#include "libos/logmark.c"
#include "libos/recover.c"
#include "libos/bcache.c"
#include "libos/bdisk.c"
#include "libos/bpolicy.c"
#include "libos/braw.c"
#include "grade/host/powercut.h"

#define log    (&shared.fs.log)
#define super  (&shared.fs.super)
#define cache  (&shared.cache)
#define BLOCKS 24 // that ops change
#define OPS    150

static u32 nblocks, done;
static struct {
    u32 began;          // when
    u32 last[BLOCKS];   // op that changed the block last, after this one
    u32 synced, syncer; // when a log_sync was completed that covers it; 0: never
} ops[OPS + 1];
static u32 errors;

static u32 block_of(u32 i) { return super->data_start + i; }

static void stamp(u32 i, u32 op) {
    struct buf *b;
    if (bread(cache, block_of(i), &b)) {
        errors++;
        return;
    }
    for (u32 w = 0; w < EXO_PAGE / 4; w++) ((u32 *)b->data)[w] = op;
    log_write(log, cache, b);
    brelse(cache, b);
    ops[op].last[i] = op;
}

static void one_op(u32 op, u32 blocks) {
    memcpy(ops[op].last, ops[op - 1].last, sizeof ops[op].last);
    ops[op].began = tape->time;
    op_begin(log);
    for (u32 i = draw(BLOCKS); blocks--; i++) stamp(i % BLOCKS, op);
    op_end(log);
    done = op;
}

static void work(void *arg) {
    (void)arg;
    for (u32 op = 1; op <= OPS; op++) {
        one_op(op, 1 + draw(draw(3) ? 4 : FS_OP_BLOCKS(super)));
        if (draw(3)) continue;
        errors += log_sync(log, cache) != 0;
        ops[op].synced = tape->time;
    }
}

static void begin(void *arg) {
    struct buf *b;
    (void)arg;
    bread(cache, 0, &b);
    memcpy(super, b->data, sizeof *super);
    brelse(cache, b);
    errors += log_open(log, cache, super) != 0;
}

// ---- after the cut ----

static u32 points, torn, lost, cuts_again, unequal;
static u32 found[BLOCKS];

static void remount(void *arg) {
    begin(arg);
    for (u32 i = 0; i < BLOCKS; i++) {
        struct buf *b;
        bread(cache, block_of(i), &b);
        const u32 *w = (const u32 *)b->data;
        found[i] = w[0];
        for (u32 k = 0; k < EXO_PAGE / 4; k++) torn += w[k] != w[0];
        brelse(cache, b);
    }
}

static void mount_after(const struct tape *t, u32 time, enum loss loss, struct tape *mounting) {
    disk_new(nblocks, CACHE_LEAST);
    tape_cut(t, media, time, loss);
    if (mounting) tape_begin(mounting, nblocks);
    tape = mounting;
    spawn(remount, 0);
    run();
    tape = 0;
}

static void check_cut(const struct tape *t, u32 time, enum loss loss) {
    struct tape mounting;
    u32 from = 0, to = 0, want[BLOCKS];
    mount_after(t, time, loss, &mounting);
    for (u32 op = 1; op <= OPS; op++) {
        if (ops[op].synced && ops[op].synced <= time) from = op;
        if (ops[op].began <= time) to = op;
    }
    while (from <= to && memcmp(ops[from].last, found, sizeof found)) from++;
    if (from > to && lost++ < 5) printf("# cut at %u: not as after any op up to %u\n", time, to);
    points++;
    if (draw(3) == 0) {
        memcpy(want, found, sizeof want);
        mount_after(&mounting, draw(mounting.time + 1), draw(LOSSES), 0);
        unequal += memcmp(want, found, sizeof want) != 0;
        cuts_again++;
    }
    tape_erase(&mounting);
}

// ---- a log that others left ----

static struct log_anchor *anchor(void) {
    return (struct log_anchor *)(media + (u64)super->log_start * FS_BLOCK_SIZE);
}

static int open_result;

static void try_open(void *arg) {
    (void)arg;
    open_result = log_open(log, cache, super);
}

// What log_open says of the disk as it is now.
static int opened(u32 nbufs) {
    u8 *now_there = malloc((u64)nblocks * EXO_PAGE);
    struct fs_super s = *super;
    memcpy(now_there, media, (u64)nblocks * EXO_PAGE);
    disk_new(nblocks, nbufs);
    memcpy(media, now_there, (u64)nblocks * EXO_PAGE);
    free(now_there);
    *super = s;
    spawn(try_open, 0);
    run();
    return open_result;
}

static void test_open(void) {
    check("the log opens", 0, opened(CACHE_LEAST));
    u32 least_frames = NPROC + BUF_HELD - 1 + FS_OP_BLOCKS(super) + BUF_HELD - 1; // of one op at a time
    check("not with a cache too small", LOG_E_MEMORY, opened(least_frames - 1));
    check("but with one just large enough", 0, opened(least_frames));
    anchor()->generation++;
    check("not with an anchor of another file system", LOG_E_CORRUPT, opened(CACHE_LEAST));
    anchor()->generation--;
    struct log_record *r =
        (struct log_record *)(media + (u64)(super->log_start + 1 + anchor()->tail) * EXO_PAGE);
    *r = (struct log_record){LOG_RECORD_MAGIC, super->id, super->generation, .sequence = anchor()->sequence};
    u64 sequence = anchor()->sequence;
    check("a record that was cut off is none", 0, opened(CACHE_LEAST));
    check("its number is not used again", sequence + 1, anchor()->sequence);
    r = (struct log_record *)(media + (u64)(super->log_start + 1 + anchor()->tail) * EXO_PAGE);
    *r = (struct log_record){LOG_RECORD_MAGIC, super->id, super->generation, .sequence = sequence + 1,
                             .count = 1};
    r->block[0] = super->log_start;
    r->sum = label_sum(label_sum(0, r, offsetof(struct log_record, sum)),
                       media + (u64)(super->log_start + 1 + (anchor()->tail + 1) % (super->log_blocks - 1)) *
                                   EXO_PAGE,
                       EXO_PAGE);
    check("nor with a record of the log's own blocks", LOG_E_CORRUPT, opened(CACHE_LEAST));
}

// ---- blocks that may be written past the log ----

static void fresh(void *arg) {
    u32 x = block_of(3), y = block_of(4);
    begin(arg);
    check("what no transaction has to do with is fresh", 1, log_fresh(log, x));
    op_begin(log);
    log_freed(log, x);
    stamp(4, 1);
    op_end(log);
    check("what the running transaction has freed is not", 0, log_fresh(log, x));
    check("log_sync", 0, log_sync(log, cache));
    check("it is once this is durable", 1, log_fresh(log, x));
    check("what would be replayed is not", 0, log_fresh(log, y));
    check("log_freeze", 0, log_freeze(log, cache));
    log_thaw(log);
    check("it is once it is in place", 1, log_fresh(log, y));
    u32 flushes = submits[DISK_FLUSH];
    op_begin(log);
    stamp(4, 1);
    op_end(log);
    log_sync(log, cache);
    check("a commit takes one flush", flushes + 1, submits[DISK_FLUSH]);
    op_begin(log);
    log_bare(log);
    stamp(4, 1);
    op_end(log);
    log_sync(log, cache);
    check("one more if blocks were written past the log", flushes + 3, submits[DISK_FLUSH]);
    op_begin(log);
    stamp(4, 1);
    op_end(log);
    log_sync(log, cache);
    log_sync(log, cache);
    check("but only then, and none if there is nothing to commit", flushes + 4, submits[DISK_FLUSH]);
}

static u32 synced;

static void sync_one(void *arg) {
    u32 op = (u64)arg;
    op_begin(log);
    stamp(op, op);
    op_end(log);
    errors += log_sync(log, cache) != 0;
    synced++;
}

static void new_log(u32 log_blocks);

static void test_group(void) {
    new_log(60);
    spawn(begin, 0);
    run();
    u32 flushes = submits[DISK_FLUSH];
    disk_pace = 400; // slow: others come while a commit is under way
    for (u64 i = 1; i <= 12; i++) spawn(sync_one, (void *)i);
    run();
    disk_pace = 8;
    check("twelve processes sync", 12, synced);
    check("and share their commits", 1, submits[DISK_FLUSH] - flushes <= 6);
}

// ---- all of it ----

static void format(u64 id, u32 log_blocks) {
    nblocks = 200;
    fs_layout(super, nblocks, 64, id);
    super->log_blocks = log_blocks;
    place(super);
    super->sum = label_sum(0, super, offsetof(struct fs_super, sum));
    memcpy(media, super, sizeof *super);
    *anchor() = (struct log_anchor){LOG_ANCHOR_MAGIC, super->id, super->generation, .sequence = 1};
    anchor()->sum = label_sum(0, anchor(), offsetof(struct log_anchor, sum));
}

static void new_log(u32 log_blocks) {
    disk_new(200, CACHE_LEAST);
    format(1, log_blocks);
}

static void workload(u64 seed) {
    struct tape t;
    chance = seed;
    disk_pace = 1 + draw(10);
    memset(ops, 0, sizeof ops);
    disk_new(200, CACHE_LEAST);
    format(seed, 19 + draw(30));
    spawn(begin, 0);
    run();
    tape_begin(&t, nblocks);
    tape = &t;
    spawn(work, 0);
    run();
    tape = 0;
    for (u32 time = draw(2); time <= t.time; time += 2) check_cut(&t, time, draw(LOSSES));
    tape_erase(&t);
}

int main(int argc, char **argv) {
    u64 seed = argc > 1 ? strtoull(argv[1], 0, 0) : 1, n = argc > 1 ? 1 : 8;
    suite = "log";
    for (u64 i = seed; i < seed + n; i++) workload(i);
    printf("# %u power cuts and %u more while mounting\n", points, cuts_again);
    check("nothing fails", 0, errors);
    check("cut anywhere: no block is torn", 0, torn);
    check("cut anywhere: all of the first so many ops, and those that were synced", 0, lost);
    check("cut while mounting: it comes to the same", 0, unequal);
    if (argc == 1) check("power was cut 1000 times", 1, points >= 1000);
    test_open();
    new_log(30);
    spawn(fresh, 0);
    run();
    test_group();
    return finish_tests();
}
