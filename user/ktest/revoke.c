// Memory revocation: the request, the time to answer it, and what is taken when nobody does.
#include "kt.h"

#define MORE 48 // pages a child takes beyond its reserve

static void errors(void) {
    struct child c;
    u64 bad;
    CHECK(exo_revoke(0, 0, 0), E_ARG);
    CHECK(exo_revoke(1, 0, 0), E_ARG);
    for (EACH_BAD(bad, acct)) CHECK(exo_revoke(bad, 1, 0), E_ACCT);
    CHECK(exo_revoke(0, 1, 0), E_ACCT);
    CHECK(exo_revoke(1, 1, 0), E_KIN);
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, NULL, 0)) return;
    u32 acct = c.acct;
    CHECK(exo_acct_end(acct), 0);
    if (EXO_ACCTS[acct].state == ACCT_ENDING) CHECK(exo_revoke(acct, 1, 0), E_STATE);
    acct_gone(acct);
}

// ---- a child that takes all it can get, and its pager ----

// w: [11] how many it took; [0] 1 when it has all its pages; [1] how to answer: 0 not at all, 1 gives back
// what is asked for; [2] requests seen, [3] and [4] the last one's n and deadline; [5] repossessions seen,
// [6] their count; [8] a kept page, [9] of them all how many are bound still; [32..] the ppns named.
static ppn_t taken[CHILD_PAGES + MORE];
static va_t at[CHILD_PAGES + MORE];
static u32 ntaken;

static void give_back(u64 n) {
    while (n-- && ntaken) {
        ntaken--;
        exo_unbind(my_root(), at[ntaken], 0);
        CHECK(exo_page_free(taken[ntaken]), 0);
    }
}

static void hear(void) {
    struct exo_uarea *ua = uarea();
    u64 bits = __atomic_fetch_and(&ua->pending, ~(u64)(PENDING_REVOKE | PENDING_REPO), __ATOMIC_SEQ_CST);
    if (bits & PENDING_REVOKE) {
        sh->w[3] = ua->revoke_n;
        sh->w[4] = ua->revoke_deadline;
        if (sh->w[1]) give_back(ua->revoke_n);
        sh->w[2]++;
    }
    if (bits & PENDING_REPO) {
        for (u32 i = 0; i < 32; i++) sh->w[32 + i] = ua->repo[i];
        sh->w[6] = ua->repo_count;
        sh->w[5]++;
    }
}

static u32 still_bound(void) {
    u32 n = 0;
    u64 v;
    for (u32 i = 0; i < ntaken; i++) n += rt_try_load(at[i], &v) == -1;
    return n;
}

static void greedy(u64 unused) {
    struct exo_ret r;
    (void)unused;
    CHECK(exo_acct_pager(self_account(), self()), 0);
    keep_self();
    while (ntaken < CHILD_PAGES + MORE && !(r = exo_page_alloc(0, 0)).err) {
        taken[ntaken] = (ppn_t)r.val;
        at[ntaken] = (va_t)map((ppn_t)r.val, RW);
        *(u64 *)at[ntaken] = ntaken;
        ntaken++;
    }
    CHECK(exo_page_set(taken[ntaken / 2], 0, 0, 0, 1), 0);
    sh->w[8] = taken[ntaken / 2];
    sh->w[11] = ntaken;
    sh->w[0] = 1;
    for (;;) {
        hear();
        if (sh->w[10]) {
            sh->w[9] = still_bound();
            sh->w[10] = 0;
        }
        rt_yield(0);
    }
}

static bool begin(struct child *c, u32 answer) {
    pool_open(MORE);
    sh->w[1] = answer;
    return child_new(c, CHILD_PAGES, 1, 1, 0, 0, greedy, 0) && child_run(c) && WAIT(sh->w[0]) &&
           CHECK(EXO_ACCTS[c->acct].held, CHILD_PAGES + MORE);
}

static void end(struct child *c) {
    child_end(c);
    pool_close();
}

static void answered(void) {
    struct child c;
    if (begin(&c, 1)) {
        u64 deadline = exo_time() + 2000 * kt_ms;
        CHECK(exo_revoke(c.acct, 20, deadline), 0);
        WAIT(sh->w[2]);
        CHECK(sh->w[3], 20);
        CHECK(sh->w[4], deadline);
        NAP(EXO_ACCTS[c.acct].held == CHILD_PAGES + MORE - 20);
        NAP(EXO_ACCTS[c.acct].revoke_deadline == 0);
        CHECK(EXO_ACCTS[c.acct].held, CHILD_PAGES + MORE - 20);
        CHECK(EXO_ACCTS[c.acct].repossessed, 0);
        CHECK(sh->w[5], 0);
    }
    end(&c);
}

// Nothing happens before the deadline; after it, what is above the target is taken, and named.
static void ignored(void) {
    struct child c;
    if (begin(&c, 0)) {
        u64 deadline = exo_time() + 50 * kt_ms;
        u32 had = EXO_ACCTS[c.acct].held;
        CHECK(exo_revoke(c.acct, 20, deadline), 0);
        while (exo_time() < deadline - 10 * kt_ms) {
            if (exo_time() < deadline - 20 * kt_ms && EXO_ACCTS[c.acct].held != had)
                CHECK(EXO_ACCTS[c.acct].held, had);
            rt_yield(0);
        }
        NAP(EXO_ACCTS[c.acct].held == had - 20);
        NAP(EXO_WORDS->doomed == 0);
        CHECK(EXO_ACCTS[c.acct].held, had - 20);
        CHECK(EXO_ACCTS[c.acct].repossessed, 20);
        WAIT(sh->w[6] == 20);
        CHECK(sh->w[2], 1);
        for (u32 i = 0; i < 20; i++) {
            ppn_t ppn = (ppn_t)sh->w[32 + i];
            TRUE(ppn && page_of(ppn)->type == PAGE_FREE && page_of(ppn)->binds == 0 && ppn != sh->w[8]);
            TRUE(i == 0 || ppn > sh->w[32 + i - 1]); // in order
        }
        sh->w[10] = 1;
        WAIT(!sh->w[10]);
        CHECK(sh->w[9], sh->w[11] - 20); // what is left works as before
    }
    end(&c);
}

// Never below the reserve, however much is asked; fixed and kept pages stay.
static void not_below(void) {
    struct child c;
    if (begin(&c, 0)) {
        const volatile struct exo_acct *a = &EXO_ACCTS[c.acct];
        u32 fixed = a->fixed;
        CHECK(exo_revoke(c.acct, ~0ul, exo_time()), 0);
        NAP(a->held == CHILD_PAGES);
        NAP(EXO_WORDS->doomed == 0);
        nap(20 * kt_ms);
        CHECK(a->held, CHILD_PAGES);
        CHECK(a->fixed, fixed);
        CHECK(a->repossessed, MORE);
        CHECK(page_of((ppn_t)sh->w[8])->account, c.acct);
        WAIT(sh->w[6] == MORE); // more than the 32 that are named
        CHECK(env_of(c.eid)->state & ENV_STOPPED, 0);
    }
    end(&c);
}

// While it is overdue, an account gets nothing beyond its reserve, and can make nothing fixed to save it.
static void overdue_child(u64 unused) {
    ppn_t p[CHILD_PAGES + MORE];
    u32 n = 0;
    struct exo_ret r;
    (void)unused;
    keep_self();
    while (n < CHILD_PAGES + MORE - 16 && !(r = exo_page_alloc(0, 0)).err) p[n++] = (ppn_t)r.val;
    sh->w[0] = 1;
    while (!sh->w[1]) rt_yield(0);
    r = exo_page_alloc(0, 0);
    i64 keep = exo_page_set(p[0], 0, 0, 0, 1);
    if (EXO_ACCTS[self_account()].revoke_deadline) { // else it was through with us before
        CHECK(r.err, E_RESERVE);
        CHECK(keep, E_FIXED);
    } else if (!r.err) {
        CHECK(exo_page_free(r.val), 0);
    }
    sh->w[2] = 1;
    for (;;) rt_yield(0);
}

static void overdue(void) {
    struct child c;
    pool_open(2 * MORE);
    if (child_new(&c, CHILD_PAGES, 1, 0, 0, 0, overdue_child, 0) && child_run(&c) && WAIT(sh->w[0])) {
        CHECK(exo_revoke(c.acct, 1000, 1), 0);
        sh->w[1] = 1;
        WAIT(sh->w[2]);
        NAP(EXO_ACCTS[c.acct].held == CHILD_PAGES);
        CHECK(EXO_ACCTS[c.acct].held, CHILD_PAGES);
    }
    end(&c);
}

// A later request takes the place of an earlier one; one without end never comes due.
static void replaced(void) {
    struct child c;
    if (begin(&c, 0)) {
        const volatile struct exo_acct *a = &EXO_ACCTS[c.acct];
        u32 had = a->held;
        CHECK(exo_revoke(c.acct, 40, exo_time() + 60 * kt_ms), 0);
        CHECK(exo_revoke(c.acct, 5, ~0ul), 0);
        CHECK(a->revoke_target, had - 5);
        CHECK(a->revoke_deadline, ~0ul);
        nap(100 * kt_ms);
        CHECK(a->held, had);
        CHECK(exo_revoke(c.acct, 5, exo_time()), 0);
        NAP(a->held == had - 5);
        WAIT(sh->w[2] >= 1);
    }
    end(&c);
}

// No pager, or one that has ended: it is taken all the same.
static void quiet(u64 unused) {
    (void)unused;
    keep_self();
    while (!exo_page_alloc(0, 0).err)
        ;
    sh->w[0] = 1;
    for (;;) rt_yield(0);
}

static void no_pager(void) {
    struct child c;
    pool_open(MORE);
    if (child_new(&c, CHILD_PAGES, 1, 0, 0, 0, quiet, 0) && child_run(&c) && WAIT(sh->w[0])) {
        CHECK(exo_revoke(c.acct, 10, 0), 0);
        NAP(EXO_ACCTS[c.acct].held == CHILD_PAGES + MORE - 10);
    }
    end(&c);
}

static const struct test revoke_tests[] = {
    T(errors), T(answered), T(ignored), T(not_below), T(overdue), T(replaced), T(no_pager),
};
AREA(revoke);
