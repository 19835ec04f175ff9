// Tests of the rest of bcache.h: replacement by the policy that each process chooses (libos/bpolicy.c),
// blocks that are kept for the log, and blocks that go straight to or from other pages (braw.c).
#include "grade/host/versions.h"

// ---- policies ----

// Blocks that make no sequence, of which one more is asked for.
static u32 scattered(u32 i) { return i * 37 % 100; }

static u32 reads_of_pass(u32 n) {
    u32 before = submits[DISK_READ];
    for (u32 i = 0; i < n; i++)
        if (read_version(scattered(i)) != 1) return ~0u;
    return submits[DISK_READ] - before;
}

static void clock_policy(void *arg) {
    (void)arg;
    check("the policy before", CACHE_LRU, bcache_policy(CACHE_CLOCK));
    check("no such policy", -1, bcache_policy(CACHE_POLICIES));
    check("nor this", -1, bcache_policy(-1));
    for (u32 i = 0; i < 4; i++) read_version(i * 10);
    read_version(50); // once round; then in place of 0, the first
    read_version(10);
    read_version(60); // not in place of 10, which was used since, but of 20
    u32 reads = submits[DISK_READ];
    read_version(10);
    read_version(30);
    read_version(50);
    read_version(60);
    check("clock: what was used since the hand passed stays", reads, submits[DISK_READ]);
    read_version(20);
    check("clock: the next goes", reads + 1, submits[DISK_READ]);
}

static void mru_policy(void *arg) {
    u32 *hot = arg;
    reads_of_pass(30);
    check("LRU: going round over more than fits, nothing is found", 30, reads_of_pass(30));
    bcache_policy(CACHE_CLOCK);
    check("clock: nor then", 30, reads_of_pass(30));
    bcache_policy(CACHE_MRU);
    reads_of_pass(30);
    check("MRU: 20 frames save 18 reads of 30, at least", 1, reads_of_pass(30) <= 12);
    bcache_policy(CACHE_LRU);
    for (u32 i = 0; i < 4; i++) read_version(hot[i]);
    u32 reads = submits[DISK_READ], wasted = 0;
    for (u32 i = 0; i < 30; i++) {
        bcache_policy(CACHE_MRU);
        wasted += read_version(scattered(i)) != 1;
        bcache_policy(CACHE_LRU);
        if (i % 10 == 0)
            for (u32 h = 0; h < 4; h++) wasted += read_version(hot[h]) != 1;
    }
    check("MRU takes nothing that others use", 1, submits[DISK_READ] + wasted <= reads + 30 - 14);
}

// The cache is full of what nobody uses any more.
static void mru_late(void *arg) {
    (void)arg;
    for (u32 i = 40; i < 60; i++) read_version(scattered(i));
    bcache_policy(CACHE_MRU);
    reads_of_pass(30);
    check("MRU takes what others do not use", 1, reads_of_pass(30) <= 12);
}

static void child_policy(void *arg) { *(int *)arg = bcache_policy(CACHE_MRU); }

static void keeping(void *arg) {
    (void)arg;
    struct buf *b;
    u32 block[] = {3, 95, 4, 7}, wrong = 0;
    for (u32 i = 0; i < 4; i++) {
        wrong += bread(cache, block[i], &b);
        put_version(b->data, block[i], 2);
        if (i < 2) bdirty(cache, b);
        wrong += !bkeep(cache, b) || bkeep(cache, b);
        brelse(cache, b);
    }
    check("bkeep says whether it was kept before", 0, wrong);
    for (int policy = 0; policy < CACHE_POLICIES; policy++) {
        bcache_policy(policy);
        for (u32 i = 20; i < 80; i++) wrong += write_version(i, 2);
        for (u32 i = 0; i < 30; i++) wrong += read_version(i + 60) != 1 + (i < 20);
    }
    bcache_policy(CACHE_LRU);
    check("bflush", 0, bflush(cache));
    for (u32 i = 0; i < 4; i++) wrong += get_version(media_block(block[i]), block[i]) != 1;
    check("what is kept does not go to the disk", 0, wrong);
    for (u32 i = 0; i < 4; i++) wrong += read_version(block[i]) != 2;
    check("nor out of memory", 0, wrong);
    bad[11] = 1;
    check("copies to a bad block fail", BUF_E_IO, bwrite_kept(cache, 10, block, 4));
    bad[11] = 0;
    check("bwrite_kept", 0, bwrite_kept(cache, 10, block, 4));
    for (u32 i = 0; i < 4; i++) wrong += get_version(media_block(10 + i), block[i]) != 2;
    check("copies them elsewhere", 0, wrong);
    bunkeep(cache, block, 4);
    check("let go, they are dirty", 4, cache->ndirty);
    check("and go to their places", 0, bflush(cache));
    for (u32 i = 0; i < 4; i++) wrong += get_version(media_block(block[i]), block[i]) != 2;
    check("all of them", 0, wrong);
    check("bread", 0, bread(cache, 5, &b));
    put_version(b->data, 5, 3);
    check("bwrite", 0, bwrite(cache, b));
    check("writes a held buffer at once", 3, get_version(media_block(5), 5));
    bad[5] = 1;
    check("or says that it cannot", BUF_E_IO, bwrite(cache, b));
    bad[5] = 0;
    brelse(cache, b);
}

// ---- pages of programs ----

static u8 *page(u32 i) { return arena + (u64)i * EXO_PAGE; }

static void straight(void *arg) {
    (void)arg;
    ppn_t ppn[16];
    struct buf *b;
    u32 wrong = 0;
    check("pages", 16, fake_pages(arena, 16, 1, ppn));
    check("blocks come straight into pages", 16, bread_pages(cache, 20, ppn, 16));
    for (u32 i = 0; i < 16; i++) wrong += get_version(page(i), 20 + i) != 1;
    check("all of them", 0, wrong);
    check("in one request", 1, submits[DISK_READ]);
    read_version(20);
    check("not into the cache", 2, submits[DISK_READ]);
    write_version(45, 2);
    check("up to one that is in the cache", 5, bread_pages(cache, 40, ppn, 16));
    check("which is not read", 0, bread_pages(cache, 45, ppn, 16));
    check("up to the last block", 2, bread_pages(cache, 98, ppn, 16));
    check("and none past it", 0, bread_pages(cache, 100, ppn, 16));
    bad[61] = 1;
    check("none if the disk fails", 0, bread_pages(cache, 60, ppn, 4));
    bad[61] = 0;
    unpinnable = 3;
    check("a page not to be had for a moment", 4, bread_pages(cache, 60, ppn, 4));
    is_overdue = false;
    unpinnable = 3;
    check("and one not to be had at all", 0, bread_pages(cache, 70, ppn, 4));
    is_overdue = true;
    unpinnable = 0;
    bcache_policy(CACHE_MRU);
    check("none for who will read them again", 0, bread_pages(cache, 50, ppn, 4));
    bcache_policy(CACHE_LRU);

    for (u32 i = 0; i < 16; i++) put_version(page(i), 70 + i, 5);
    read_version(72);
    check("pages go straight to blocks", 16, bwrite_pages(cache, 70, ppn, 16));
    for (u32 i = 0; i < 16; i++) wrong += get_version(media_block(70 + i), 70 + i) != 5;
    check("all of them there", 0, wrong);
    for (u32 i = 0; i < 16; i++) wrong += read_version(70 + i) != 5;
    check("a clean copy in the cache was forgotten", 0, wrong);
    check("a dirty one stops it", 3, (write_version(75, 6), bwrite_pages(cache, 72, ppn, 16)));
    check("and is not lost", 6, read_version(75));
    check("so does one that is held", 2, bread(cache, 74, &b) ? ~0u : bwrite_pages(cache, 72, ppn, 16));
    bkeep(cache, b);
    brelse(cache, b);
    check("or kept", 2, bwrite_pages(cache, 72, ppn, 16));
}

static u32 walkers;

static void walk(void *arg) {
    u32 *wrong = arg;
    for (u32 round = 0; round < 20; round++)
        for (u32 i = 0; i < 40; i++) *wrong += read_version(i) != 1;
    walkers--;
}

// Writes what others read ahead, but never read.
static void write_ahead(void *arg) {
    u32 *wrong = arg;
    ppn_t ppn[8];
    fake_pages(arena, 8, 0, ppn);
    for (u32 version = 2; walkers; version++) {
        for (u32 i = 0; i < 8; i++) put_version(page(i), 40 + i, version);
        u32 n = bwrite_pages(cache, 40, ppn, 8);
        for (u32 i = 0; i < n; i++) *wrong += read_version(40 + i) != version;
    }
}

// Ends while the disk does something for it.
static void die_waiting(void *arg) {
    struct pages pages;
    (void)arg;
    fake_pages(arena, 1, 0, pages.ppn);
    lock_acquire(&cache->lock);
    check("a request of one's own", 0, begin_own(cache, cache->extent, DISK_WRITE, 90, &pages, 1).err);
    lock_release(&cache->lock);
}

static void read_far(void *arg) {
    (void)arg;
    check("its record is free again", 1, read_version(50));
}

static void test_pages(void) {
    disk_filled(100, 10);
    spare_records = 1;
    as_process(die_waiting);
    as_process(read_far);
    spare_records = EXO_NREQ;

    disk_filled(100, 40);
    as_process(straight);
    for (u32 seed = 1; seed <= 10; seed++) {
        u32 wrong = 0;
        chance = seed;
        disk_filled(100, 30);
        for (walkers = 0; walkers < 3; walkers++) spawn(walk, &wrong);
        spawn(write_ahead, &wrong);
        run();
        if (seed == 10 || wrong) check("nobody finds what was read ahead of a write", 0, wrong);
    }
}

static void test_policies(void) {
    u32 hot[] = {30 * 37 % 100, 31 * 37 % 100, 32 * 37 % 100, 33 * 37 % 100};
    int was = -1;
    disk_filled(100, 4);
    as_process(clock_policy);
    disk_filled(100, 20);
    spawn(mru_policy, hot);
    run();
    disk_filled(100, 20);
    as_process(mru_late);
    spawn(child_policy, &was);
    run();
    check("a policy is its process's alone", CACHE_LRU, was);
    disk_filled(100, 30);
    as_process(keeping);
}

int main(void) {
    suite = "bpolicy";
    test_policies();
    test_pages();
    return finish_tests();
}
