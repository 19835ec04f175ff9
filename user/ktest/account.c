// Accounts: acct_new, acct_set, acct_end, acct_pager; quotas that are split off and come back, down the tree.
#include "kt.h"

#define MAX (1ul << 31)

static const volatile struct exo_acct *acct(u64 n) { return &EXO_ACCTS[n]; }

static void new (void) {
    const volatile struct exo_acct *me = acct(1);
    u32 reserve = me->reserve, envs = me->envs, accts = me->accts, exts = me->exts, used = me->accts_used;
    struct exo_ret r = exo_acct_new(100, 5, 3, 2);
    CHECK(r.err, 0);
    const volatile struct exo_acct *a = acct(r.val);
    TRUE(r.val > 1 && r.val <= EXO_NACCT);
    CHECK(a->state, ACCT_NEW);
    CHECK(a->parent, 1);
    CHECK(a->pager, 0);
    CHECK(a->reserve, 100);
    CHECK(a->envs, 5);
    CHECK(a->accts, 3);
    CHECK(a->exts, 2);
    CHECK(a->held | a->fixed | a->envs_used | a->accts_used | a->exts_used | a->roots_used | a->requests, 0);
    CHECK(me->reserve, reserve - 100);
    CHECK(me->envs, envs - 5);
    CHECK(me->accts, accts - 3);
    CHECK(me->exts, exts - 2);
    CHECK(me->accts_used, used + 1);
    CHECK(exo_acct_end(r.val), 0);
    acct_gone((u32)r.val);
    CHECK(me->reserve, reserve);
    CHECK(me->envs, envs);
    CHECK(me->accts, accts);
    CHECK(me->exts, exts);
    CHECK(me->accts_used, used);
}

static void new_errors(void) {
    const volatile struct exo_acct *me = acct(1);
    CHECK(exo_acct_new(MAX + 1, 0, 0, 0).err, E_ARG);
    CHECK(exo_acct_new(~0ul, 0, 0, 0).err, E_ARG);
    CHECK(exo_acct_new(0, MAX + 1, 0, 0).err, E_ARG);
    CHECK(exo_acct_new(0, 0, MAX + 1, 0).err, E_ARG);
    CHECK(exo_acct_new(0, 0, 0, ~0ul).err, E_ARG);
    CHECK(exo_acct_new(MAX, 0, 0, 0).err, E_QUOTA);
    CHECK(exo_acct_new(0, MAX, 0, 0).err, E_QUOTA);
    CHECK(exo_acct_new(0, 0, MAX, 0).err, E_QUOTA);
    CHECK(exo_acct_new(0, 0, 0, MAX).err, E_QUOTA);
    CHECK(exo_acct_new(me->reserve + 1, 0, 0, 0).err, E_QUOTA);
    CHECK(exo_acct_new(0, me->envs - me->envs_used + 1, 0, 0).err, E_QUOTA);
    CHECK(exo_acct_new(0, 0, me->accts - me->accts_used, 0).err, E_QUOTA); // it counts itself
    CHECK(exo_acct_new(0, 0, 0, me->exts - me->exts_used + 1).err, E_QUOTA);
    CHECK(exo_acct_new(me->reserve, 0, 0, 0).err, E_FIXED);
    CHECK(exo_acct_new(me->reserve - me->fixed + 1, 0, 0, 0).err, E_FIXED);
    CHECK(exo_acct_new(me->reserve - me->fixed, 0, 0, 0).err, E_RESERVE); // it holds more than is fixed
    struct exo_ret r =
        exo_acct_new(me->reserve - me->held, me->envs - me->envs_used, me->accts - me->accts_used - 1,
                     me->exts - me->exts_used); // all there is
    CHECK(r.err, 0);
    CHECK(exo_acct_new(0, 0, 0, 0).err, E_QUOTA);
    CHECK(exo_page_alloc(0, 0).err, E_RESERVE); // all promised to the child
    CHECK(exo_acct_end(r.val), 0);
    acct_gone((u32)r.val);
}

static void all(void) {
    u32 n = 0, accts[EXO_NACCT];
    struct exo_ret r;
    while (!(r = exo_acct_new(1, 0, 0, 0)).err) accts[n++] = (u32)r.val;
    CHECK(r.err, E_QUOTA);
    CHECK(n, EXO_NACCT - 1);
    for (u32 i = 0; i < n; i++) CHECK(exo_acct_end(accts[i]), 0);
    for (u32 i = 0; i < n; i++) acct_gone(accts[i]);
}

static void set(void) {
    const volatile struct exo_acct *me = acct(1);
    u32 reserve = me->reserve, envs = me->envs, n = (u32)exo_acct_new(50, 4, 2, 2).val;
    const volatile struct exo_acct *a = acct(n);
    CHECK(exo_acct_set(n, 80, 6, 3, 1), 0);
    CHECK(a->reserve, 80);
    CHECK(a->envs, 6);
    CHECK(a->accts, 3);
    CHECK(a->exts, 1);
    CHECK(me->reserve, reserve - 80);
    CHECK(me->envs, envs - 6);
    CHECK(exo_acct_set(n, 0, 0, 0, 0), 0);
    CHECK(me->reserve, reserve);
    CHECK(exo_acct_set(n, 10, 1, 0, 0), 0);
    // what is in use stays
    ppn_t root = page_new();
    CHECK(exo_page_give(root, n), 0);
    CHECK(exo_pt_link(root, 0, 2, root), 0);
    CHECK(exo_acct_set(n, 10, 0, 0, 0), E_QUOTA); // a root needs half an environment's quota
    CHECK(exo_acct_set(n, 0, 1, 0, 0), E_FIXED);
    CHECK(exo_acct_set(n, 1, 1, 0, 0), 0);
    CHECK(exo_acct_end(n), 0);
    acct_gone(n);
}

static void set_errors(void) {
    const volatile struct exo_acct *me = acct(1);
    u32 n = (u32)exo_acct_new(50, 4, 2, 2).val;
    u64 bad;
    CHECK(exo_acct_set(n, MAX + 1, 0, 0, 0), E_ARG);
    CHECK(exo_acct_set(n, 0, ~0ul, 0, 0), E_ARG);
    CHECK(exo_acct_set(n, 0, 0, MAX + 1, 0), E_ARG);
    CHECK(exo_acct_set(99, 0, 0, 0, MAX + 1), E_ARG);
    for (EACH_BAD(bad, acct)) CHECK(exo_acct_set(bad, 1, 1, 1, 1), E_ACCT);
    CHECK(exo_acct_set(0, 1, 1, 1, 1), E_ACCT);
    CHECK(exo_acct_set(1, 1, 1, 1, 1), E_KIN);
    CHECK(exo_acct_set(n, 50 + me->reserve + 1, 4, 2, 2), E_QUOTA);
    CHECK(exo_acct_set(n, MAX, 4, 2, 2), E_QUOTA);
    CHECK(exo_acct_set(n, 50, 4 + me->envs - me->envs_used + 1, 2, 2), E_QUOTA);
    CHECK(exo_acct_set(n, 50, 4, 2 + me->accts - me->accts_used + 1, 2), E_QUOTA);
    CHECK(exo_acct_set(n, 50, 4, 2, 2 + me->exts - me->exts_used + 1), E_QUOTA);
    CHECK(exo_acct_set(n, 50 + me->reserve - me->fixed + 1, 4, 2, 2), E_FIXED);
    CHECK(exo_acct_set(n, 50 + me->reserve - me->fixed, 4, 2, 2), E_RESERVE);
    CHECK(exo_acct_end(n), 0);
    if (acct(n)->state == ACCT_ENDING) {
        CHECK(exo_acct_set(n, 1, 1, 1, 1), E_STATE);
        CHECK(exo_acct_end(n), E_STATE);
    }
    acct_gone(n);
    CHECK(exo_acct_end(n), E_ACCT);
}

// Account 1's own: reserve given up is anyone's.
static void pool(void) {
    const volatile struct exo_acct *me = acct(1);
    u32 reserve = me->reserve;
    CHECK(exo_acct_set(1, reserve, me->envs - 1, me->accts, me->exts), E_KIN);
    CHECK(exo_acct_set(1, reserve + 1, me->envs, me->accts, me->exts), E_RESERVE);
    CHECK(exo_acct_set(1, me->fixed - 1, me->envs, me->accts, me->exts), E_FIXED);
    TRUE(EXO_WORDS->promised == EXO_WORDS->free);
    CHECK(exo_acct_set(1, reserve - 10, me->envs, me->accts, me->exts), 0);
    CHECK(EXO_WORDS->promised, EXO_WORDS->free - 10);
    CHECK(exo_acct_set(1, reserve - 9, me->envs, me->accts, me->exts), 0);
    CHECK(exo_acct_set(1, reserve, me->envs, me->accts, me->exts), 0);
}

static void pool_child(u64 unused) {
    const volatile struct exo_acct *a = acct(self_account());
    u32 n = 0;
    (void)unused;
    while (!exo_page_alloc(0, 0).err) n++;
    CHECK(a->held, a->reserve + 10);
    CHECK(n, CHILD_PAGES + 10 - sh->w[0]);
}

static void pool_use(void) {
    struct child c;
    pool_open(10);
    if (child_new(&c, CHILD_PAGES, 1, 0, 0, 0, pool_child, 0)) {
        sh->w[0] = acct(c.acct)->held;
        child_run(&c);
        WAIT(!env_lives(c.eid));
        CHECK(EXO_WORDS->promised, EXO_WORDS->free);
    }
    child_end(&c);
    pool_close();
}

static void relations_child(u64 unused) {
    u32 me = self_account(), sibling = (u32)sh->w[0];
    const volatile struct exo_acct *a = acct(me);
    (void)unused;
    CHECK(exo_acct_set(1, 1, 1, 1, 1), E_KIN);
    CHECK(exo_acct_set(sibling, 1, 1, 1, 1), E_KIN);
    CHECK(exo_acct_end(1), E_KIN);
    CHECK(exo_acct_end(me), E_KIN);
    CHECK(exo_acct_end(sibling), E_KIN);
    CHECK(exo_revoke(1, 1, 0), E_KIN);
    CHECK(exo_revoke(me, 1, 0), E_KIN);
    CHECK(exo_revoke(sibling, 1, 0), E_KIN);
    CHECK(exo_acct_pager(sibling, 0), E_OWNER);
    CHECK(exo_acct_pager(1, self()), E_OWNER);
    CHECK(exo_acct_pager(me, self()), 0);
    CHECK(a->pager, self());
    CHECK(exo_acct_pager(me, 0), 0);
    CHECK(exo_slot_give(0, 63, 1, sibling), E_OWNER);
    // its own: down only, in favour of its parent
    CHECK(exo_acct_set(me, a->reserve + 1, a->envs, a->accts, a->exts), E_QUOTA);
    CHECK(exo_acct_set(me, a->reserve, a->envs + 1, a->accts, a->exts), E_QUOTA);
    CHECK(exo_acct_set(me, a->reserve, a->envs, a->accts + 1, a->exts), E_QUOTA);
    CHECK(exo_acct_set(me, a->reserve, a->envs, a->accts, a->exts + 1), E_QUOTA);
    CHECK(exo_acct_set(me, a->reserve, a->envs - 1, a->accts - 1, a->exts - 1), 0);
    CHECK(exo_acct_set(me, a->reserve, 0, a->accts, a->exts), E_QUOTA); // one is running
    // a child of its own
    struct exo_ret r = exo_acct_new(2, 0, 0, 0);
    CHECK(r.err, 0);
    CHECK(acct(r.val)->parent, me);
    CHECK(exo_acct_new(0, 0, 0, 0).err, E_QUOTA);
    sh->w[1] = r.val;
    sh->w[2] = 1;
    for (;;) rt_yield(0);
}

static void relations(void) {
    struct child c;
    u32 sibling = (u32)exo_acct_new(1, 0, 0, 0).val;
    sh->w[0] = sibling;
    if (child_new(&c, CHILD_PAGES, 3, 2, 2, 0, relations_child, 0) && child_run(&c) && WAIT(sh->w[2])) {
        u64 below = sh->w[1];
        CHECK(exo_acct_end(below), E_KIN); // a grandchild
        CHECK(exo_acct_set(below, 1, 0, 0, 0), E_KIN);
        CHECK(exo_revoke(below, 1, 0), E_KIN);
        ppn_t p = page_new();
        CHECK(exo_page_give(p, below), E_KIN);
        page_end(p);
    }
    u64 below = sh->w[1];
    child_end(&c);
    CHECK(acct(below)->state, ACCT_FREE); // it went with its parent
    CHECK(exo_acct_end(sibling), 0);
    acct_gone(sibling);
}

static void pager_errors(void) {
    u64 bad;
    for (EACH_BAD(bad, acct)) CHECK(exo_acct_pager(bad, self()), E_ACCT);
    CHECK(exo_acct_pager(0, 12345), E_ACCT);
    for (EACH_BAD(bad, eid, self())) CHECK(exo_acct_pager(1, bad), E_EID);
    CHECK(exo_acct_pager(1, self()), 0);
    CHECK(acct(1)->pager, self());
    CHECK(exo_acct_pager(1, 0), 0);
    CHECK(acct(1)->pager, 0);
}

// Three levels, each running environments of its own: the end of the first takes all of it.
static void nest(u64 depth) {
    struct child c;
    sh->w[depth] = self_account();
    sh->w[10] = depth;
    if (depth < 3 && child_new(&c, (3 - (u32)depth) * (CHILD_PAGES + 16), 6 - 2 * (u32)depth, 3 - (u32)depth,
                               0, 0, nest, depth + 1)) {
        if (depth == 1) CHECK(exo_slot_give(0, free_slot(0), 1, c.acct), 0); // for its own child
        child_run(&c);
    }
    for (;;) rt_yield(0);
}

static void tree(void) {
    struct child c;
    if (!child_new(&c, 4 * (CHILD_PAGES + 16), 12, 3, 0, 0, nest, 1)) return;
    u32 slot = EXO_NSLOT - 8;
    CHECK(exo_slot_give(0, slot, 4, c.acct), 0);
    child_run(&c);
    WAIT(sh->w[10] == 3);
    for (u32 i = 1; i <= 3; i++) CHECK(acct(sh->w[i])->parent, i == 1 ? 1 : sh->w[i - 1]);
    child_end(&c);
    for (u32 i = 1; i <= 3; i++) CHECK(acct(sh->w[i])->state, ACCT_FREE);
    for (u32 i = 0; i < 4; i++) {
        CHECK(EXO_SLOTS[slot + i].account, 1);
        CHECK(EXO_SLOTS[slot + i].eid, 0);
    }
}

static void end_errors(void) {
    u64 bad;
    for (EACH_BAD(bad, acct)) CHECK(exo_acct_end(bad), E_ACCT);
    CHECK(exo_acct_end(0), E_ACCT);
    CHECK(exo_acct_end(1), E_KIN);
}

// One never set running ends as well, half made as it may be.
static void end_new(void) {
    struct child c;
    u32 n = (u32)exo_acct_new(5, 1, 0, 0).val;
    ppn_t p = page_new();
    CHECK(exo_page_give(p, n), 0);
    CHECK(exo_acct_end(n), 0);
    acct_gone(n);
    CHECK(page_of(p)->type, PAGE_FREE);
    if (child_new(&c, CHILD_PAGES, 1, 0, 0, 0, NULL, 0)) child_end(&c);
}

static void storm(u64 unused) {
    (void)unused;
    for (;;)
        for (u32 i = 0; i < 12; i++) {
            struct exo_ret r = exo_page_alloc(0, 0);
            void *w = r.err ? NULL : win_new();
            if (w) exo_bind(my_root(), (va_t)w, r.val, RW, 0);
            sh->w[0]++;
        }
}

// Ended again and again in the middle of its work.
static void end_busy(void) {
    for (u32 i = 0; i < 6; i++) {
        struct child c;
        u64 seen = sh->w[0];
        if (!child_new(&c, CHILD_PAGES + 32, 2, 0, 0, i % EXO_WORDS->nharts, storm, 0)) return;
        child_run(&c);
        WAIT(sh->w[0] > seen + i * 50);
        child_end(&c);
    }
}

static const struct test account_tests[] = {
    T(new),       T(new_errors),   T(all),  T(set),        T(set_errors), T(pool),     T(pool_use),
    T(relations), T(pager_errors), T(tree), T(end_errors), T(end_new),    T(end_busy),
};
AREA(account);
