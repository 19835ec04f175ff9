// Tests of the buffer cache (libos/bcache.c, bdisk.c): each promise of bcache.h on its own, then many
// processes against a model, with a disk that is slow, out of order, short of request records and has bad
// blocks.
#include "grade/host/versions.h"

// ---- one promise each ----

static void one_block(void *arg) {
    (void)arg;
    struct buf *b;
    check("a block is what the disk has", 1, read_version(5));
    check("the second time it is not read", 1, (read_version(5), submits[DISK_READ]));
    check("a block past the extent", BUF_E_IO, bread(cache, 100, &b));
    check("a block far past it", BUF_E_IO, bread(cache, ~0u, &b));
    check("no new block past it", BUF_E_IO, bnew(cache, 100, &b));
    check("the last block", 1, read_version(99));
    check("a change is seen by the next reader", 2, (write_version(5, 2), read_version(5)));
    check("but not on the disk", 1, get_version(media_block(5), 5));
    check("bflush", 0, bflush(cache));
    check("then it is", 2, get_version(media_block(5), 5));
    check("bflush makes it durable", 1, submits[DISK_FLUSH]);
    check("bflush writes nothing twice", 1, (bflush(cache), submits[DISK_WRITE]));
    u32 reads = submits[DISK_READ];
    check("bnew", 0, bnew(cache, 7, &b));
    check("a new block is zero", 0, get_version(b->data, 7));
    brelse(cache, b);
    check("and was not read", reads, submits[DISK_READ]);
    check("and goes to the disk", 0, (bflush(cache), get_version(media_block(7), 7)));
    check("bnew of a cached block zeroes it", 0, bnew(cache, 5, &b) ? -2 : get_version(b->data, 5));
    brelse(cache, b);
    flush_fails = 1;
    check("a device that cannot make it durable", BUF_E_IO, bflush(cache));
    flush_fails = 0;
}

static void sequences(void *arg) {
    (void)arg;
    u32 wrong = 0;
    for (u32 i = 0; i < 63; i++) wrong += read_version(i) != 1;
    check("blocks read in sequence", 0, wrong);
    check("requests for 63 of them: 1, 2, 4, 8, then 16 at a time", 7, submits[DISK_READ]);
    check("no more than 16 at once", 16, most_blocks);
    u32 reads = submits[DISK_READ];
    for (u32 i = 0; i < 10; i++) wrong += read_version(600 + i * 7) != 1;
    check("elsewhere, one at a time", reads + 10, submits[DISK_READ]);
    reads = submits[DISK_READ];
    for (u32 i = 0; i < 31; i++) wrong += read_version(200 + i) != 1 || read_version(300 + i) != 1;
    check("two sequences at once", reads + 2 * 5, submits[DISK_READ]);
    reads = submits[DISK_READ];
    bahead(cache, 400, 16);
    check("bahead starts one request", reads + 1, submits[DISK_READ]);
    for (u32 i = 0; i < 16; i++) wrong += read_version(400 + i) != 1;
    check("which brings in all", reads + 1, submits[DISK_READ]);
    wrong += read_version(505) != 1;
    bahead(cache, 500, 10);
    check("bahead leaves out what is cached", reads + 4, submits[DISK_READ]);
    bahead(cache, 998, 16);
    check("bahead ends with the extent", 1, read_version(999));
    check("having read it", reads + 5, submits[DISK_READ]);
    bahead(cache, 5000, 16);
    check("blocks were right", 0, wrong);
}

static void replacement(void *arg) {
    (void)arg;
    u32 wrong = 0;
    for (u32 i = 0; i < 4; i++) wrong += read_version(i * 10) != 1;
    read_version(0);
    read_version(50); // in place of 10
    u32 reads = submits[DISK_READ];
    read_version(0);
    read_version(20);
    read_version(30);
    check("what was used last stays", reads, submits[DISK_READ]);
    read_version(10);
    check("what was not is gone", reads + 1, submits[DISK_READ]);
    for (u32 i = 0; i < 90; i++) wrong += write_version(i, 2);
    for (u32 i = 0; i < 90; i++) wrong += read_version(i) != 2;
    check("more changes than frames", 0, wrong);
    check("bflush", 0, bflush(cache));
    for (u32 i = 0; i < 100; i++) wrong += get_version(media_block(i), i) != (i < 90 ? 2 : 1);
    check("all of them on the disk", 0, wrong);
}

static void write_runs(void *arg) {
    (void)arg;
    u32 wrong = 0;
    for (u32 i = 0; i < 40; i++) wrong += write_version((i * 17) % 40, 2); // in disorder
    check("nothing written yet", 0, submits[DISK_WRITE]);
    wrong += bflush(cache);
    for (u32 i = 0; i < 40; i++) wrong += get_version(media_block(i), i) != 2;
    check("bflush writes all", 0, wrong);
    check("in runs of 16", 3, submits[DISK_WRITE]);
    for (u32 i = 0; i < 60; i++) wrong += write_version(i * 3, 3);
    check("past half of the frames writing begins", 1, submits[DISK_WRITE] > 3);
    check("and keeps below it", 1, cache->ndirty <= cache->nbufs / 2);
    check("bflush", 0, bflush(cache));
    check("nothing is dirty then", 0, cache->ndirty);
}

static void bad_blocks(void *arg) {
    (void)arg;
    struct buf *b;
    bad[4] = 1;
    u32 wrong = 0;
    for (u32 i = 0; i < 8; i++) wrong += read_version(i) != (i == 4 ? -2 : 1);
    check("only the bad block cannot be read", 0, wrong);
    bahead(cache, 0, 16);
    check("nor after bahead", -2, read_version(4));
    bad[4] = 0;
    check("and once it is well again it can", 1, read_version(4));
    for (u32 i = 0; i < 8; i++) wrong += write_version(i, 2);
    bad[4] = 1;
    check("a bad block in a run: bflush says so", BUF_E_IO, bflush(cache));
    for (u32 i = 0; i < 8; i++) wrong += i != 4 && get_version(media_block(i), i) != 2;
    check("the others were written", 0, wrong);
    check("again", BUF_E_IO, bflush(cache));
    check("its data is not lost", 2, read_version(4));
    bad[4] = 0;
    check("bflush once it is well again", 0, bflush(cache));
    check("its data is there", 2, get_version(media_block(4), 4));
    memset(bad, 1, 100);
    for (u32 i = 0; i < cache->nbufs; i++) wrong += bnew(cache, 50 + i, &b) != 0 ? 1 : (brelse(cache, b), 0);
    check("every frame has a block that cannot be written", 0, wrong);
    check("then there is none for another", BUF_E_IO, bread(cache, 0, &b));
    memset(bad, 0, 100);
    check("until bflush succeeds", 0, bflush(cache));
    check("a read then", 2, read_version(0));
}

// ---- several processes ----

static void read_one(void *arg) {
    u32 *wrong = arg;
    *wrong += read_version(8) != 1;
}

static u32 holders;

static void hold_and_flush(void *arg) {
    u32 *wrong = arg;
    struct buf *b;
    *wrong += bread(cache, 1, &b);
    *wrong += holders++ != 0;
    put_version(b->data, 1, 2 + self);
    bdirty(cache, b);
    for (u32 i = 0; i < 20; i++) lock_pause();
    *wrong += get_version(b->data, 1) != 2 + self;
    holders--;
    brelse(cache, b);
    *wrong += bflush(cache);
    *wrong += get_version(media_block(1), 1) < 2;
}

// Holds as many buffers as it may, as all others do.
static void hold_most(void *arg) {
    u32 *wrong = arg, first = self * BUF_HELD;
    struct buf *b[BUF_HELD];
    for (u32 round = 0; round < 5; round++) {
        for (u32 i = 0; i < BUF_HELD; i++) *wrong += bread(cache, first + i + round * 40, &b[i]);
        for (u32 i = 0; i < BUF_HELD; i++) {
            *wrong += get_version(b[i]->data, first + i + round * 40) != 1;
            brelse(cache, b[i]);
        }
    }
}

static void together(void) {
    u32 wrong = 0;
    disk_filled(300, 60);
    for (u32 i = 0; i < 8; i++) spawn(read_one, &wrong);
    run();
    check("eight read one block", 0, wrong);
    check("which is read once", 1, submits[DISK_READ]);
    for (u32 i = 0; i < 8; i++) spawn(hold_and_flush, &wrong);
    run();
    check("a buffer has one holder at a time, and bflush waits for it", 0, wrong);
    disk_filled(300, 10 * BUF_HELD);
    for (u32 i = 0; i < 10; i++) spawn(hold_most, &wrong);
    run();
    check("as many processes as there are frames for", 0, wrong);
    disk_filled(300, 60);
    spare_records = 1;
    for (u32 i = 0; i < 10; i++) spawn(hold_most, &wrong);
    run();
    spare_records = EXO_NREQ;
    check("with one request record for ten", 0, wrong);
    check("used by one at a time", 1, most_active);
}

// ---- against a model ----

// Of each block: the version its buffer should have, which its holder changes; and the last one that bdirty()
// was told of, which the next bflush() has to write.
#define BLOCKS 120
static u32 version[BLOCKS], told[BLOCKS], mismatches, refused, flush_errors;
static int with_bad;

static void one_write(u32 block) {
    struct buf *b;
    int fresh = draw(8) == 0;
    if (fresh ? bnew(cache, block, &b) : bread(cache, block, &b)) {
        refused += !bad[block];
        return;
    }
    mismatches += get_version(b->data, block) != (fresh ? 0 : version[block]);
    put_version(b->data, block, ++version[block]);
    if (!fresh) bdirty(cache, b);
    told[block] = version[block];
    for (u32 i = draw(4); i; i--) lock_pause();
    mismatches += get_version(b->data, block) != version[block];
    brelse(cache, b);
}

static void one_read(u32 block) {
    struct buf *b;
    if (bread(cache, block, &b)) {
        refused += !bad[block];
        return;
    }
    mismatches += get_version(b->data, block) != version[block];
    for (u32 i = draw(4); i; i--) lock_pause();
    mismatches += get_version(b->data, block) != version[block];
    brelse(cache, b);
}

static void one_flush(void) {
    u32 had[BLOCKS];
    memcpy(had, told, sizeof had);
    if (bflush(cache)) {
        flush_errors++;
        return;
    }
    // A version that is being written now may be there in part, but never an older one.
    for (u32 i = 0; i < BLOCKS; i++) mismatches += ((u64 *)media_block(i))[0] < had[i];
}

static void wander(void *arg) {
    (void)arg;
    u32 at = draw(BLOCKS);
    bcache_policy(draw(CACHE_POLICIES));
    for (u32 i = 0; i < 60; i++) {
        at = draw(4) ? (at + 1) % BLOCKS : draw(BLOCKS);
        switch (draw(16)) {
        case 0: one_flush(); break;
        case 1: bahead(cache, at, 1 + draw(16)); break;
        case 2:
        case 3:
        case 4:
        case 5:
        case 6: one_write(at); break;
        default: one_read(at);
        }
        if (with_bad && draw(40) == 0) bad[draw(BLOCKS)] ^= 1;
    }
}

static void last_flush(void *arg) {
    (void)arg;
    mismatches += bflush(cache) != 0;
    for (u32 i = 0; i < BLOCKS; i++) mismatches += get_version(media_block(i), i) != version[i];
    for (u32 i = 0; i < cache->nbufs; i++) mismatches += cache->buf[i].held || cache->buf[i].dirty;
    mismatches += cache->ndirty != 0;
}

static void model(u64 seed) {
    chance = seed;
    disk_pace = 1 + draw(40);
    spare_records = draw(2) ? EXO_NREQ : 1 + draw(3);
    u32 procs = 1 + draw(8);
    disk_filled(BLOCKS, procs * BUF_HELD + 2 + draw(80));
    for (u32 i = 0; i < BLOCKS; i++) version[i] = told[i] = 1;
    for (u32 i = 0; i < procs; i++) spawn(wander, 0);
    run();
    memset(bad, 0, BLOCKS);
    as_process(last_flush);
    spare_records = EXO_NREQ;
}

int main(int argc, char **argv) {
    u32 seeds = argc > 1 ? strtoul(argv[1], 0, 10) : 60;
    suite = "bcache";
    disk_filled(100, 20);
    as_process(one_block);
    disk_filled(1000, CACHE_LEAST);
    as_process(sequences);
    disk_filled(100, 4);
    as_process(replacement);
    disk_filled(200, 100);
    as_process(write_runs);
    disk_filled(200, 30);
    as_process(bad_blocks);
    together();
    for (u64 seed = 1; seed <= seeds; seed++) model(seed);
    check("model: contents and durability", 0, mismatches);
    check("model: no block refused", 0, refused);
    check("model: no bflush failed", 0, flush_errors);
    with_bad = 1;
    for (u64 seed = 1; seed <= seeds; seed++) model(seed + 1000000);
    check("model with bad blocks: contents and durability", 0, mismatches);
    check("model with bad blocks: some bflush failed", 1, flush_errors > 0);
    return finish_tests();
}
