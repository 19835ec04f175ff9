// Slots: slot_set, slot_give, poke, yield and wait; whose turn it is.
#include "kt.h"

static void count_yield(u64 i) {
    for (;;) {
        sh->w[i]++;
        rt_yield(0);
    }
}

struct turns {
    u64 main, a, b, aborts;
};

// So many slices each has had: as of one moment, and without the turns that an abort costs.
static struct turns count_turns(eid_t a, eid_t b) {
    const volatile struct exo_env *m = env_of(self()), *ea = env_of(a), *eb = env_of(b);
    struct turns t;
    do t = (struct turns){m->slices, ea->slices, eb->slices, m->aborts + ea->aborts + eb->aborts};
    while (m->slices != t.main);
    return t;
}

// For each slice of ours there is one for each slot of theirs.
static void check_turns(eid_t a, u32 slots_a, eid_t b, u32 slots_b) {
    struct turns from, to;
    do {
        from = count_turns(a, b);
        for (u32 i = 0; i < 10; i++) rt_yield(0);
        to = count_turns(a, b);
    } while (to.aborts != from.aborts);
    CHECK(to.a - from.a, slots_a * (to.main - from.main));
    CHECK(to.b - from.b, slots_b * (to.main - from.main));
}

static void set(void) {
    struct peer a, b;
    if (!peer_go(&a, 0, count_yield, 0) || !peer_go(&b, 0, count_yield, 1)) return;
    rt_yield(0);
    check_turns(a.eid, 1, b.eid, 1);
    u32 more = free_slot(0);
    CHECK(exo_slot_set(0, more, a.eid), 0);
    CHECK(EXO_SLOTS[more].eid, a.eid);
    check_turns(a.eid, 2, b.eid, 1);
    CHECK(exo_slot_set(0, more, 0), 0);
    CHECK(exo_slot_set(0, b.slot, 0), 0);
    CHECK(EXO_SLOTS[b.slot].eid, 0);
    check_turns(a.eid, 1, b.eid, 0);
    CHECK(exo_slot_set(0, b.slot, b.eid), 0);
    TRUE(sh->w[0] && sh->w[1]);
    peer_end(&a);
    peer_end(&b);
}

static void set_errors(void) {
    struct child c;
    u64 bad;
    for (EACH_BAD(bad, hart)) {
        CHECK(exo_slot_set(bad, 1, self()), E_HART);
        CHECK(exo_slot_set(bad, 64, 0), E_HART);
    }
    for (EACH_BAD(bad, slot)) {
        CHECK(exo_slot_set(0, bad, self()), E_SLOT);
        CHECK(exo_slot_set(0, bad, 1), E_SLOT);
    }
    CHECK(exo_slot_set(0, EXO_NSLOT - 1, EXO_NENV), E_EID);
    if (!child_new(&c, CHILD_PAGES, 2, 0, 0, 0, count_yield, 5)) return;
    u32 free = free_slot(0);
    CHECK(exo_slot_set(0, free, c.eid), 0);
    CHECK(exo_slot_set(0, free, 0), 0);
    child_run(&c);
    CHECK(exo_slot_set(0, free, c.eid), E_OWNER); // it runs now: no longer the parent's to place
    CHECK(exo_slot_set(0, c.slot, self()), E_OWNER);
    CHECK(exo_slot_set(0, c.slot, 0), E_OWNER);
    CHECK(exo_slot_set(0, c.slot, 1), E_EID);
    child_end(&c);
    CHECK(EXO_SLOTS[free].account, 1);
}

static void give_child(u64 unused) {
    (void)unused;
    u32 me = self_account();
    CHECK(EXO_SLOTS[10].account, me);
    CHECK(EXO_SLOTS[11].account, me);
    CHECK(exo_slot_set(0, 10, self()), 0);
    CHECK(exo_slot_set(0, 12, self()), E_OWNER);
    CHECK(exo_slot_set(0, 0, 0), E_OWNER);
    CHECK(exo_slot_give(0, 12, 1, 1), E_OWNER);
    CHECK(exo_slot_give(0, 11, 2, 1), E_OWNER); // the second of them
    CHECK(exo_slot_give(0, 10, 1, me), E_KIN);
    CHECK(exo_slot_give(0, 10, 1, 1), 0);
    CHECK(EXO_SLOTS[10].account, 1);
    CHECK(EXO_SLOTS[10].eid, 0);
    CHECK(exo_slot_set(0, 10, self()), E_OWNER);
}

static void give(void) {
    struct child c;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, give_child, 0)) return;
    CHECK(exo_slot_set(0, 10, self()), 0);
    CHECK(exo_slot_give(0, 10, 2, c.acct), 0);
    CHECK(EXO_SLOTS[10].eid, 0); // emptied
    CHECK(exo_slot_give(0, 10, 1, c.acct), E_OWNER);
    child_run(&c);
    WAIT(!env_lives(c.eid));
    CHECK(EXO_SLOTS[10].account, 1);
    child_end(&c);
    CHECK(EXO_SLOTS[11].account, 1); // with the account its slots came back
    CHECK(EXO_SLOTS[11].eid, 0);
}

static void give_errors(void) {
    struct child c;
    u64 bad;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, NULL, 0)) return;
    CHECK(exo_slot_give(99, 99, 0, 99), E_ARG);
    for (EACH_BAD(bad, hart)) CHECK(exo_slot_give(bad, 64, 1, 0), E_HART);
    for (EACH_BAD(bad, slot)) {
        CHECK(exo_slot_give(0, bad, 1, c.acct), E_SLOT);
        CHECK(exo_slot_give(0, bad, ~0ul, 0), E_SLOT);
    }
    CHECK(exo_slot_give(0, 1, EXO_NSLOT, c.acct), E_SLOT);
    CHECK(exo_slot_give(0, EXO_NSLOT - 1, 2, c.acct), E_SLOT);
    CHECK(exo_slot_give(0, 1, ~0ul, c.acct), E_SLOT);
    CHECK(exo_slot_give(0, 1, 1ul << 32, c.acct), E_SLOT);
    for (EACH_BAD(bad, acct)) CHECK(exo_slot_give(0, EXO_NSLOT - 2, 1, bad), E_ACCT);
    CHECK(exo_slot_give(0, EXO_NSLOT - 2, 1, 0), E_ACCT);
    CHECK(exo_slot_give(0, c.slot, 1, 1), E_OWNER);
    CHECK(exo_slot_give(0, EXO_NSLOT - 2, 1, 1), E_KIN);
    child_end(&c);
}

static void poke(void) {
    u64 bad;
    for (EACH_BAD(bad, hart)) CHECK(exo_poke(bad), E_HART);
    for (u64 h = 0; h < EXO_WORDS->nharts; h++) CHECK(exo_poke(h), 0);
}

// ---- yield ----

static void yield_back(u64 i) {
    for (;;) {
        sh->w[i]++;
        if (rt_yield(kt_main)) rt_yield(0);
    }
}

// Directed, to one without a slot: it runs on what is left of this slice.
static void yield_to(void) {
    struct peer p;
    if (!peer_new(&p, 0, 0, yield_back, 0)) return;
    CHECK(rt_yield(p.eid), E_STATE);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    for (u64 i = 1; i <= 100; i++) {
        CHECK(rt_yield(p.eid), 0);
        CHECK(sh->w[0], i);
    }
    TRUE(env_of(p.eid)->slices >= 100);
    CHECK(rt_yield(self()), E_STATE);
    peer_end(&p);
}

static void yield_home(void) {
    struct peer p;
    if (!peer_new(&p, 0, 1, yield_back, 0)) return;
    CHECK(rt_yield(p.eid), E_HOME);
    peer_end(&p);
}

// Once the slice is over there is nothing left to give.
static bool epilogue_tried;
static i64 tried[4];

static void late(u64 target) // one that is stopped: nothing but the time is refused before that
{
    eid_t to = (eid_t)target;
    u64 m[MSG_WORDS] = {0}, aborts;
    struct exo_uarea *ua = uarea();
    ua->mask |= MASK_LIBOS;
    do { // once more if the host was slow, and the budget over
        aborts = env_of(self())->aborts;
        while (!(*(volatile u64 *)&ua->pending & PENDING_EPILOGUE))
            ;
        tried[0] = rt_yield(to);
        tried[1] = rt_call(to, 0, m);
        tried[2] = rt_send(to, 0, m);
        tried[3] = rt_wait(kt_timer, 0, 0, 0, to);
    } while (env_of(self())->aborts != aborts);
    epilogue_tried = true;
    rt_yield(0);
    ua->mask &= ~(u64)MASK_LIBOS;
    for (;;) rt_yield(0);
}

static void yield_late(void) {
    struct peer p, stopped;
    epilogue_tried = false;
    if (!peer_new(&stopped, 0, 0, NULL, 0) || !peer_go(&p, 0, late, stopped.eid)) return;
    WAIT(*(volatile bool *)&epilogue_tried);
    for (u32 i = 0; i < 4; i++) {
        kt_with = i;
        CHECK(tried[i], E_TIME);
    }
    peer_end(&p);
    peer_end(&stopped);
}

static void wait_child(u64 unused) {
    (void)unused;
    CHECK(rt_wait(kt_timer, 0, 0, 0, 0), E_OWNER);
    CHECK(rt_wait(kt_timer, 0, 0, 0, 1), E_OWNER);
    CHECK(rt_wait(kt_root, 0, 0, 0, 1), E_OWNER);
}

static void wait_errors(void) {
    ppn_t p = page_new();
    u64 bad;
    for (EACH_BAD(bad, ppn, kt_timer)) CHECK(rt_wait(bad, 0, 0, 0, 1), E_PPN);
    CHECK(rt_wait(0, 0, 0, 0, 0), E_PPN);
    CHECK(rt_wait(p, 0, 0, 0, 1), E_TYPE);
    CHECK(rt_wait(kt_root, 0, 0, 0, 0), E_TYPE);
    CHECK(rt_wait(kt_timer, 0, 0, 0, EXO_NENV), E_EID);
    CHECK(rt_wait(kt_timer, 0, 0, 0, self()), E_STATE);
    CHECK(env_of(self())->state & ENV_WAITING, 0);
    page_end(p);
    child_does(wait_child, 0);
}

// A wait hands the rest of the slice to whom it names.
static void wait_to(void) {
    struct peer p;
    if (!peer_new(&p, 0, 0, yield_back, 0)) return;
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    CHECK(rt_wait(kt_timer, exo_time() + kt_ms, 0, 0, p.eid), 0);
    TRUE(sh->w[0] >= 1);
    peer_end(&p);
}

static void sleeps(void) {
    for (u32 i = 1; i <= 30; i += 7) {
        u64 start = exo_time(), until = start + i * kt_ms;
        CHECK(rt_wait(kt_timer, until, 0, 0, 0), 0);
        u64 now = exo_time();
        TRUE(now >= until);
        IN_TIME(now < until + 11 * kt_ms); // a tick
    }
}

// Slices end, though one spins: the other gets its turn, and neither more than its share.
static void spinner(u64 i) {
    for (;;) sh->w[i]++;
}

static void share(void) {
    struct peer a, b;
    if (!peer_go(&a, 0, spinner, 0) || !peer_go(&b, 0, spinner, 1)) return;
    for (u32 i = 0; i < 10; i++) rt_yield(0);
    TRUE(sh->w[0] && sh->w[1]);
    u64 sa = env_of(a.eid)->slices, sb = env_of(b.eid)->slices;
    TRUE(sa + 2 >= sb && sb + 2 >= sa);
    peer_end(&a);
    peer_end(&b);
}

// An idle hart is told of a slot that was filled, and of one that a poke is for.
static void idle_hart(void) {
    struct peer p;
    u64 best = ~0ul; // of ten: a busy host delays the others
    if (!peer_go(&p, 1, spinner, 0)) return;
    WAIT(sh->w[0]);
    for (u32 i = 0; i < 10; i++) {
        CHECK(exo_slot_set(1, p.slot, 0), 0);
        u64 n;
        do {
            n = sh->w[0];
            spin(kt_ms);
        } while (sh->w[0] != n);
        u64 start = exo_time();
        CHECK(exo_slot_set(1, p.slot, p.eid), 0);
        WAIT(sh->w[0] != n);
        u64 took = exo_time() - start;
        best = took < best ? took : best;
    }
    TRUE(best < 100 * kt_ms);
    peer_end(&p);
}

static const struct test slot_tests[] = {
    T(set),
    T(set_errors),
    T(give),
    T(give_errors),
    T(poke),
    T(yield_to),
    T_HARTS(yield_home, 2),
    T(yield_late),
    T(wait_errors),
    T(wait_to),
    T(sleeps),
    T(share),
    T_HARTS(idle_hart, 2),
};
AREA(slot);
