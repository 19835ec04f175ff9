// Disk requests: disk_submit, disk_done, on whatever disk the machine has.
#include "kt.h"

#define NPAGES 16

static ppn_t pages[EXO_REQ_BLOCKS] __attribute__((aligned(64)));

static void pages_new(u32 n) {
    for (u32 i = 0; i < n; i++) pages[i] = page_new();
}

static void pages_end(u32 n) {
    for (u32 i = 0; i < n; i++) page_end(pages[i]);
}

static void fill(ppn_t ppn, u64 v) {
    u64 *w = map(ppn, RW);
    for (u32 i = 0; w && i < 512; i++) w[i] = v + i;
    win_end(w);
}

static bool holds(ppn_t ppn, u64 v) {
    u64 *w = map(ppn, PTE_R);
    bool ok = w;
    for (u32 i = 0; ok && i < 512; i++) ok = w[i] == v + i;
    win_end(w);
    return ok;
}

// Waits for its completion: yields until the counter moves.
static i64 done(u64 request) {
    u64 late = exo_time() + 5000 * kt_ms;
    struct exo_ret r;
    while ((r = exo_disk_done(request)).err == E_BUSY && exo_time() < late) rt_yield(0);
    return r.err ? r.err : (i64)r.val;
}

static i64 transfer(u32 op, u64 e, u64 block, u32 n) {
    struct exo_ret r = exo_disk_submit(op, n, e, block, op == DISK_FLUSH ? NULL : pages, 0);
    return r.err ? r.err : done(r.val);
}

static void write_read(void) {
    u64 e = test_extent(), before = EXO_WORDS->completions, n = 0;
    pages_new(NPAGES);
    for (u32 count = 1; count <= NPAGES; count += 5) {
        kt_with = count;
        for (u32 i = 0; i < count; i++) fill(pages[i], count * 0x10000 + i * 0x1000);
        CHECK(transfer(DISK_WRITE, e, count, count), 0);
        for (u32 i = 0; i < count; i++) fill(pages[i], 0);
        CHECK(transfer(DISK_FLUSH, e, 0, 0), 0);
        CHECK(transfer(DISK_READ, e, count, count), 0);
        for (u32 i = 0; i < count; i++) TRUE(holds(pages[i], count * 0x10000 + i * 0x1000));
        n += 3;
    }
    CHECK(EXO_WORDS->completions, before + n);
    for (u32 i = 0; i < NPAGES; i++) CHECK(page_of(pages[i])->pins, 0);
    pages_end(NPAGES);
}

// The last block, each block for itself, in a different order.
static void blocks(void) {
    u64 e = test_extent();
    u32 count = EXO_EXTS[e].count, n = count < 32 ? count : 32;
    pages_new(1);
    for (u32 i = 0; i < n; i++) {
        fill(pages[0], i << 20);
        CHECK(transfer(DISK_WRITE, e, count - 1 - i, 1), 0);
    }
    for (u32 i = n; i-- > 0;) {
        CHECK(transfer(DISK_READ, e, count - 1 - i, 1), 0);
        TRUE(holds(pages[0], i << 20));
    }
    pages_end(1);
}

// The same page several times in a request.
static void same_page(void) {
    u64 e = test_extent();
    pages_new(1);
    for (u32 i = 1; i < 4; i++) pages[i] = pages[0];
    fill(pages[0], 0x7000);
    CHECK(transfer(DISK_WRITE, e, 3, 4), 0);
    fill(pages[0], 0);
    CHECK(transfer(DISK_READ, e, 6, 1), 0);
    TRUE(holds(pages[0], 0x7000));
    CHECK(page_of(pages[0])->pins, 0);
    pages_end(1);
}

static void submit_errors(void) {
    u64 e = test_extent(), bad;
    u32 count = EXO_EXTS[e].count;
    pages_new(NPAGES);
    // argument
    for (u32 op = 0; op < 256; op++) {
        kt_with = op;
        CHECK(exo_disk_submit(op, 0, 999, 0, NULL, 0).err, op == DISK_FLUSH ? E_EXT : E_ARG);
        CHECK(exo_disk_submit(op, EXO_REQ_BLOCKS + 1, e, 0, pages, 0).err, E_ARG);
        CHECK(exo_disk_submit(op, 1ul << 40, e, 0, pages, 0).err, E_ARG);
        CHECK(exo_disk_submit(op, 0x00ffffffffffffff, e, 0, pages, 0).err, E_ARG);
        if (op > DISK_FLUSH) CHECK(exo_disk_submit(op, 1, e, 0, pages, 0).err, E_ARG);
    }
    CHECK(exo_disk_submit(DISK_FLUSH, 1, e, 0, pages, 0).err, E_ARG);
    kt_with = 0;
    // pointer
    CHECK(exo_disk_submit(DISK_READ, 1, 999, 0, NULL, 0).err, E_ADDR);
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, (ppn_t *)((va_t)pages + 4), 0).err, E_ADDR);
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, (ppn_t *)0xffffffc080200000, 0).err, E_ADDR);
    ppn_t *edge = map(pages[15], RW);
    edge[1022] = edge[1023] = pages[0];
    CHECK(exo_disk_submit(DISK_READ, 3, e, 0, edge + 1022, 0).err, E_ADDR);
    struct exo_ret r = exo_disk_submit(DISK_READ, 2, e, 0, edge + 1022, 0);
    CHECK(r.err, 0);
    CHECK(done(r.val), 0);
    win_end(edge);
    CHECK(exo_disk_submit(DISK_READ, 2, e, 0, edge + 1022, 0).err, E_ADDR);
    // names
    for (EACH_BAD(bad, ext)) {
        CHECK(exo_disk_submit(DISK_READ, 1, bad, 0, pages, 0).err, E_EXT);
        CHECK(exo_disk_submit(DISK_FLUSH, 0, bad, 0, NULL, 0).err, E_EXT);
    }
    CHECK(exo_disk_submit(DISK_READ, 1, e, count, pages, 0).err, E_ARG);
    CHECK(exo_disk_submit(DISK_READ, 2, e, count - 1, pages, 0).err, E_ARG);
    CHECK(exo_disk_submit(DISK_READ, 16, e, count - 15, pages, 0).err, E_ARG);
    CHECK(exo_disk_submit(DISK_READ, 1, e, ~0ul, pages, 0).err, E_ARG);
    CHECK(exo_disk_submit(DISK_READ, 2, e, ~0ul, pages, 0).err, E_ARG);
    CHECK(exo_disk_submit(DISK_READ, 1, e, 1ul << 32, pages, 0).err, E_ARG);
    CHECK(exo_disk_submit(DISK_READ, 1, e, 1ul << 52, pages, 0).err, E_ARG);
    ppn_t good = pages[0];
    for (EACH_BAD(bad, ppn, good)) {
        if (bad >> 32) continue;
        pages[0] = (ppn_t)bad;
        CHECK(exo_disk_submit(DISK_READ, 1, e, 0, pages, 0).err, E_PPN);
        CHECK(exo_disk_submit(DISK_WRITE, 16, e, 0, pages, 0).err, E_PPN);
    }
    kt_with = 0;
    pages[0] = 0;
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, pages, 0).err, E_PPN);
    pages[0] = good;
    // type: into tables, roots, code, u-areas
    ppn_t types[] = {kt_root, kt_timer, env_of(self())->uarea}, last = pages[15];
    for (u32 i = 0; i < 3; i++) {
        pages[15] = types[i];
        kt_with = i;
        CHECK(exo_disk_submit(DISK_READ, 16, e, 0, pages, 0).err, E_TYPE);
        CHECK(exo_disk_submit(DISK_WRITE, 16, e, 0, pages, 0).err, E_TYPE);
    }
    pages[15] = last;
    for (u32 i = 0; i < NPAGES; i++) CHECK(page_of(pages[i])->pins, 0);
    pages_end(NPAGES);
}

static void done_errors(void) {
    u64 e = test_extent();
    pages_new(1);
    struct exo_ret r = exo_disk_submit(DISK_READ, 1, e, 0, pages, 0);
    CHECK(r.err, 0);
    u64 id = r.val;
    const u64 bad[] = {0,
                       id + 1,
                       id + 0x10000,
                       id - 0x10000,
                       id & 0xffff,
                       id | 1ul << 32,
                       id | 1ul << 63,
                       ~0ul,
                       EXO_NACCT * EXO_NREQ,
                       0xffff,
                       id | EXO_NACCT * EXO_NREQ};
    for (u32 i = 0; i < sizeof bad / 8; i++) {
        kt_with = bad[i];
        CHECK(exo_disk_done(bad[i]).err, E_REQ);
    }
    CHECK(done(id), 0);
    CHECK(exo_disk_done(id).err, E_REQ); // twice
    pages_end(1);
}

// More than the device takes at once, collected in another order; the record shows each.
static void flight(void) {
    u64 e = test_extent(), id[EXO_NREQ], before = EXO_WORDS->completions;
    pages_new(EXO_NREQ);
    for (u32 i = 0; i < EXO_NREQ; i++) {
        ppn_t one[1] __attribute__((aligned(8))) = {pages[i]};
        fill(pages[i], (u64)i << 32);
        struct exo_ret r = exo_disk_submit(DISK_WRITE, 1, e, i, one, 0);
        CHECK(r.err, 0);
        id[i] = r.val;
        const volatile struct exo_req *q = &EXO_REQS[r.val & 0xffff];
        CHECK(q->id, r.val);
        CHECK(q->account, 1);
        CHECK(q->op, DISK_WRITE);
        CHECK(q->count, 1);
        CHECK(q->ext, e);
        CHECK(q->block, EXO_EXTS[e].start + i);
        CHECK(q->ppns[0], pages[i]);
    }
    CHECK(EXO_ACCTS[1].requests, EXO_NREQ);
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, pages, 0).err, E_FULL);
    CHECK(exo_disk_submit(DISK_FLUSH, 0, e, 0, NULL, 0).err, E_FULL);
    for (u32 i = EXO_NREQ; i-- > 0;) CHECK(done(id[i * 5 % EXO_NREQ]), 0);
    CHECK(EXO_WORDS->completions, before + EXO_NREQ);
    for (u32 i = 0; i < EXO_NREQ; i++) {
        fill(pages[0], 0);
        CHECK(transfer(DISK_READ, e, i, 1), 0);
        TRUE(holds(pages[0], (u64)i << 32));
    }
    pages_end(EXO_NREQ);
}

// Each is refused while a request is in flight; one that is granted came after its end, and is undone.
static i64 disturb(u32 how, u64 e, u32 acct) {
    i64 err;
    struct exo_ret r;
    switch (how) {
    case 0:
        err = exo_page_free(pages[0]);
        if (!err) CHECK(exo_page_alloc(pages[0], 0).err, 0);
        return err;
    case 1:
        err = exo_page_give(pages[0], acct);
        if (!err) CHECK(exo_page_give(pages[0], 1), 0); // its parent may, before it runs
        return err;
    case 2:
        err = exo_pt_link(pages[0], 0, 2, pages[0]);
        if (!err) CHECK(exo_pt_unlink(pages[0], 0, 2).err, 0);
        return err;
    case 3:
        r = exo_ext_split(e, 1);
        if (!r.err) CHECK(exo_ext_join(e, r.val), 0);
        return r.err;
    default: return exo_ext_give(e, acct); // which has no quota for it
    }
}

// While a request is in flight, its page and its extent stay where they are.
static void in_flight(void) {
    u64 e = test_extent();
    struct child c;
    pages_new(1);
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, NULL, 0)) return;
    for (u32 i = 0; i < 50; i++) {
        struct exo_ret r = exo_disk_submit(DISK_WRITE, 1, e, 0, pages, 0);
        kt_with = i % 5;
        CHECK(r.err, 0);
        i64 err = disturb(i % 5, e, c.acct);
        bool flying = EXO_REQS[r.val & 0xffff].state != REQ_DONE; // then it was when asked, too
        if (flying || (err && err != E_QUOTA)) CHECK(err, i % 5 < 3 ? E_PINNED : E_BUSY);
        CHECK(done(r.val), 0);
    }
    child_end(&c);
    pages_end(1);
}

static void child(u64 unused) {
    u64 e = sh->w[0], mine = sh->w[5];
    cap_t r = sh->w[1], w = sh->w[2];
    ppn_t other = (ppn_t)sh->w[3];
    struct exo_ret q;
    (void)unused;
    pages_new(1);
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, pages, 0).err, E_CAP);
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, pages, w).err, E_CAP);
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, pages, r + 1).err, E_CAP);
    CHECK(exo_disk_submit(DISK_WRITE, 1, e, 0, pages, r).err, E_CAP);
    CHECK(exo_disk_submit(DISK_FLUSH, 0, e, 0, NULL, r).err, E_CAP);
    CHECK(exo_disk_submit(DISK_READ, 1, sh->w[4], 0, pages, 0).err, E_CAP); // one that is not open at all
    CHECK(exo_disk_submit(DISK_READ, 1, sh->w[4], 0, pages, r).err, E_CAP);
    ppn_t mine0 = pages[0];
    pages[0] = other;
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, pages, r).err, E_OWNER);
    CHECK(exo_disk_submit(DISK_WRITE, 1, e, 0, pages, w).err, E_OWNER);
    pages[0] = kt_root;
    CHECK(exo_disk_submit(DISK_READ, 1, e, 0, pages, r).err, E_OWNER);
    pages[0] = mine0;
    pages[1] = other;
    CHECK(exo_disk_submit(DISK_READ, 2, e, 0, pages, r).err, E_OWNER);
    q = exo_disk_submit(DISK_READ, 1, e, 0, pages, r);
    CHECK(q.err, 0);
    CHECK(done(q.val), 0);
    TRUE(holds(pages[0], 0xaaaa0000));
    fill(pages[0], 0xbbbb0000);
    q = exo_disk_submit(DISK_WRITE, 1, e, 1, pages, w);
    CHECK(q.err, 0);
    CHECK(exo_disk_done(mine).err, E_OWNER); // a request of account 1's
    CHECK(done(q.val), 0);
    q = exo_disk_submit(DISK_FLUSH, 0, e, 0, NULL, w);
    CHECK(q.err, 0);
    CHECK(done(q.val), 0);
    pages_end(1);
}

static void accounts(void) {
    u64 e = test_extent(), f = exo_ext_split(e, 8).val;
    struct child c;
    pages_new(2);
    sh->w[0] = e;
    sh->w[1] = exo_cap_new().val;
    sh->w[2] = exo_cap_new().val;
    sh->w[3] = pages[1];
    sh->w[4] = f;
    CHECK(exo_ext_set(e, sh->w[1], sh->w[2]), 0);
    fill(pages[0], 0xaaaa0000);
    CHECK(transfer(DISK_WRITE, e, 0, 1), 0);
    struct exo_ret r = exo_disk_submit(DISK_READ, 1, e, 0, pages, 0);
    sh->w[5] = r.val;
    if (child_new(&c, CHILD_PAGES, 1, 0, 0, 0, child, 0) && child_run(&c)) WAIT(!env_lives(c.eid));
    child_end(&c);
    CHECK(done(r.val), 0);
    CHECK(transfer(DISK_READ, e, 1, 1), 0);
    TRUE(holds(pages[0], 0xbbbb0000));
    CHECK(exo_ext_set(e, 0, 0), 0);
    CHECK(exo_ext_join(e, f), 0);
    pages_end(2);
}

static void fixed_child(u64 unused) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    u64 e = sh->w[0];
    (void)unused;
    pages_new(3);
    CHECK(exo_acct_set(self_account(), a->fixed + 2, a->envs, a->accts, a->exts), 0);
    CHECK(exo_disk_submit(DISK_READ, 3, e, 0, pages, sh->w[1]).err, E_FIXED);
    struct exo_ret r = exo_disk_submit(DISK_READ, 2, e, 0, pages, sh->w[1]);
    CHECK(r.err, 0);
    CHECK(done(r.val), 0);
}

static void fixed(void) {
    u64 e = test_extent();
    sh->w[0] = e;
    sh->w[1] = exo_cap_new().val;
    CHECK(exo_ext_set(e, sh->w[1], 0), 0);
    pool_open(CHILD_PAGES);
    child_does(fixed_child, 0);
    pool_close();
    CHECK(exo_ext_set(e, 0, 0), 0);
}

// Ends with requests in flight: they end too, and nothing of them is left.
static void flyer(u64 unused) {
    (void)unused;
    pages_new(NPAGES);
    for (;;) {
        for (u32 i = 0; i < EXO_NREQ; i++) {
            ppn_t one[1] __attribute__((aligned(8))) = {pages[i]};
            exo_disk_submit(i % 2 ? DISK_READ : DISK_WRITE, 1, sh->w[0], i, one, sh->w[1]);
        }
        sh->w[2]++;
        for (u32 i = 0; i < EXO_NREQ; i++) exo_disk_done(EXO_REQS[(self_account() - 1) * EXO_NREQ + i].id);
        rt_yield(0);
    }
}

static void account_ends(void) {
    u64 e = test_extent();
    sh->w[0] = e;
    sh->w[1] = exo_cap_new().val;
    CHECK(exo_ext_set(e, sh->w[1], sh->w[1]), 0);
    for (u32 round = 0; round < 5; round++) {
        struct child c;
        sh->w[2] = 0;
        if (!child_new(&c, CHILD_PAGES + NPAGES, 1, 0, 0, 0, flyer, 0)) return;
        child_run(&c);
        WAIT(sh->w[2] > round);
        child_end(&c);
        CHECK(EXO_EXTS[e].requests, 0);
    }
    CHECK(exo_ext_set(e, 0, 0), 0);
}

// An extent's account ends while another reads from it.
static void extent_ends(void) {
    u64 e = test_extent(), f = exo_ext_split(e, 16).val;
    cap_t cap = exo_cap_new().val;
    struct child c;
    pages_new(1);
    if (!child_new(&c, CHILD_PAGES, 1, 0, 1, 0, NULL, 0)) return;
    CHECK(exo_ext_give(f, c.acct), 0);
    CHECK(exo_ext_set(f, cap, cap), 0); // not running yet: the parent may
    struct exo_ret r = exo_disk_submit(DISK_READ, 1, f, 0, pages, cap);
    CHECK(r.err, 0);
    u32 acct = c.acct;
    CHECK(exo_acct_end(acct), 0);
    CHECK(done(r.val), 0);
    acct_gone(acct);
    CHECK(EXO_EXTS[f].account, 1);
    CHECK(exo_ext_join(e, f), 0);
    pages_end(1);
}

static const struct test disk_tests[] = {
    T_DISK(write_read),  T_DISK(blocks),       T_DISK(same_page),   T_DISK(submit_errors),
    T_DISK(done_errors), T_DISK(flight),       T_DISK(in_flight),   T_DISK(accounts),
    T_DISK(fixed),       T_DISK(account_ends), T_DISK(extent_ends),
};
AREA(disk);
