// Environments: env_new, env_ctl, env_end, env_space, env_home, env_accept.
#include "kt.h"

static void count_up(u64 i) // never yields by itself
{
    for (;;) sh->w[i]++;
}

static void count_yield(u64 i) {
    for (;;) {
        sh->w[i]++;
        rt_yield(0);
    }
}

// Does the word grow while others run?
static bool grows(u32 i, u32 turns) {
    u64 before = sh->w[i];
    for (u32 n = 0; n < turns && sh->w[i] == before; n++) rt_yield(0);
    return sh->w[i] != before;
}

static void new (void) {
    ppn_t ua = page_new();
    u32 used = EXO_ACCTS[1].envs_used, users = page_of(kt_root)->users, fixed = EXO_ACCTS[1].fixed;
    va_t va = UA_TOP - 64 * EXO_PAGE;
    struct exo_ret r = exo_env_new(0, kt_root, ua, va);
    CHECK(r.err, 0);
    const volatile struct exo_env *e = env_of((eid_t)r.val);
    CHECK(e->eid, r.val);
    TRUE((r.val & EXO_EID_INDEX) < EXO_NENV);
    CHECK(e->state & ENV_STOPPED, ENV_STOPPED);
    CHECK(e->stop, STOP_NEW);
    CHECK(e->account, 1);
    CHECK(e->home, 0);
    CHECK(e->root, kt_root);
    CHECK(e->uarea, ua);
    CHECK(e->uva, va);
    CHECK(e->slices, 0);
    CHECK(page_of(ua)->type, PAGE_UAREA);
    CHECK(page_of(ua)->users, 1);
    CHECK(EXO_ACCTS[1].envs_used, used + 1);
    CHECK(EXO_ACCTS[1].fixed, fixed + 1);
    CHECK(page_of(kt_root)->users, users + 1);
    CHECK(exo_env_end(r.val), 0);
    CHECK(e->eid, 0);
    CHECK(page_of(ua)->users, 0);
    CHECK(page_of(ua)->type, PAGE_UAREA);
    CHECK(page_of(kt_root)->users, users);
    // the same u-area again: another eid
    struct exo_ret again = exo_env_new(0, kt_root, ua, va);
    CHECK(again.err, 0);
    TRUE(again.val != r.val);
    CHECK(exo_env_end(r.val), E_EID);
    CHECK(exo_env_end(again.val), 0);
    page_end(ua);
}

static void new_errors(void) {
    ppn_t ua = page_new(), p = page_new();
    va_t va = UA_TOP - 64 * EXO_PAGE;
    u64 bad;
    for (EACH_BAD(bad, hart)) {
        CHECK(exo_env_new(bad, kt_root, ua, va).err, E_HART);
        CHECK(exo_env_new(bad, 0, 0, 1).err, E_HART);
    }
    for (EACH_BAD(bad, va)) {
        CHECK(exo_env_new(0, kt_root, ua, bad).err, E_VA);
        CHECK(exo_env_new(0, 0, 0, bad).err, E_VA);
    }
    for (EACH_BAD(bad, ppn, ua)) {
        CHECK(exo_env_new(0, bad, ua, va).err, E_PPN);
        CHECK(exo_env_new(0, kt_root, bad, va).err, E_PPN);
    }
    CHECK(exo_env_new(0, p, ua, va).err, E_TYPE);
    CHECK(exo_env_new(0, kt_root, kt_root, va).err, E_TYPE);
    CHECK(exo_env_new(0, kt_root, kt_timer, va).err, E_TYPE);
    CHECK(exo_env_new(0, kt_root, PTE_PPN(pte_at(kt_root, WIN)), va).err, E_BOUND);
    void *w = map(ua, RW);
    ppn_t code = pin(ua);
    CHECK(exo_env_new(0, kt_root, ua, va).err, E_BOUND);
    win_end(w);
    CHECK(exo_env_new(0, kt_root, ua, va).err, E_PINNED);
    unpin(code);
    CHECK(exo_env_new(0, kt_root, env_of(self())->uarea, va).err, E_BUSY);
    page_end(ua);
    CHECK(exo_env_new(0, kt_root, ua, va).err, E_TYPE);
    page_end(p);
}

static void quota(void) {
    const volatile struct exo_acct *a = &EXO_ACCTS[1];
    eid_t eids[EXO_NENV];
    ppn_t uas[EXO_NENV], one_more = page_new();
    u32 n = 0;
    while (a->envs_used < a->envs) {
        uas[n] = page_new();
        struct exo_ret r = exo_env_new(0, kt_root, uas[n], UA_TOP - (64 + n) * EXO_PAGE);
        if (!CHECK(r.err, 0)) break;
        eids[n++] = (eid_t)r.val;
    }
    CHECK(a->envs_used, a->envs);
    CHECK(exo_env_new(0, kt_root, one_more, UA_TOP - 300 * EXO_PAGE).err, E_QUOTA);
    CHECK(page_of(one_more)->type, PAGE_DATA);
    while (n--) {
        CHECK(exo_env_end(eids[n]), 0);
        page_end(uas[n]);
    }
    page_end(one_more);
}

// Every call that takes one, with eids that name none.
static void stale(void) {
    struct peer p;
    u64 bad;
    if (!peer_new(&p, 0, 0, NULL, 0)) return;
    for (EACH_BAD(bad, eid, p.eid)) {
        u64 m[MSG_WORDS] = {0};
        CHECK(exo_env_ctl(bad, ENV_RUN), E_EID);
        CHECK(exo_env_end(bad), E_EID);
        CHECK(exo_env_space(bad, kt_root, UA_TOP), E_EID);
        CHECK(exo_env_home(bad, 0), E_EID);
        CHECK(exo_env_accept(bad, 0), E_EID);
        CHECK(exo_slot_set(0, 1, bad), E_EID);
        CHECK(exo_acct_pager(1, bad), E_EID);
        CHECK(exo_ecall(EXO_YIELD, bad, 0, 0, 0, 0).err, E_EID);
        CHECK(exo_ecall(EXO_WAIT, kt_timer, 0, 0, 0, bad).err, E_EID);
        if (bad >> 32) continue; // below, an eid_t
        CHECK(rt_call((eid_t)bad, 0, m), E_EID);
        CHECK(rt_send((eid_t)bad, 0, m), E_EID);
    }
    CHECK(exo_env_ctl(0, ENV_RUN), E_EID);
    CHECK(exo_env_end(0), E_EID);
    eid_t old = p.eid;
    peer_end(&p);
    CHECK(exo_env_ctl(old, ENV_RUN), E_EID);
    CHECK(exo_slot_set(0, 1, old), E_EID);
    CHECK(rt_yield(old), E_EID);
}

static void ctl(void) {
    struct peer p;
    if (!peer_new(&p, 0, 0, count_yield, 0)) return;
    CHECK(exo_env_ctl(p.eid, 3), E_ARG);
    CHECK(exo_env_ctl(p.eid, ~0ul), E_ARG);
    CHECK(exo_env_ctl(0, 3), E_ARG);
    CHECK(exo_env_ctl(p.eid, ENV_RECALL), E_STATE);
    CHECK(exo_env_ctl(self(), ENV_RUN), E_STATE);
    CHECK(exo_env_ctl(self(), ENV_RECALL), E_STATE);
    peer_slot(&p);
    TRUE(!grows(0, 3));
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), E_STATE);
    TRUE(grows(0, 3));
    u64 stops = EXO_WORDS->stops;
    CHECK(exo_env_ctl(p.eid, ENV_STOP), 0);
    CHECK(env_of(p.eid)->state & ENV_STOPPED, ENV_STOPPED);
    CHECK(env_of(p.eid)->stop, STOP_CTL);
    CHECK(EXO_WORDS->stops, stops + 1);
    TRUE(!grows(0, 3));
    CHECK(rt_yield(p.eid), E_STATE);
    CHECK(exo_env_ctl(p.eid, ENV_STOP), 0);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    TRUE(grows(0, 3));
    peer_end(&p);
}

// One that the end of its slice stopped in the middle of things goes on there.
static void stop_and_go(void) {
    struct peer p;
    if (!peer_go(&p, 0, count_up, 0)) return;
    for (u32 i = 0; i < 3; i++) {
        TRUE(grows(0, 3));
        u64 n = sh->w[0];
        CHECK(exo_env_ctl(p.eid, ENV_STOP), 0);
        TRUE(!grows(0, 3));
        CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
        WAIT(sh->w[0] > n);
    }
    peer_end(&p);
}

static void stop_itself(u64 unused) {
    (void)unused;
    sh->w[0] = 1;
    sh->w[1] = (u64)rt_stop();
    sh->w[0] = 2;
    for (;;) rt_yield(0);
}

// Set running again, it comes back at its PROLOGUE, as after a yield.
static void stop_self(void) {
    struct peer p;
    sh->w[1] = 77;
    if (!peer_go(&p, 0, stop_itself, 0)) return;
    WAIT(env_of(p.eid)->state & ENV_STOPPED);
    CHECK(sh->w[0], 1);
    CHECK(p.ua->pending, 0);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    WAIT(sh->w[0] == 2);
    CHECK(sh->w[1], 0);
    peer_end(&p);
}

static void end_itself(u64 unused) {
    (void)unused;
    sh->w[0] = 1;
    exo_env_end(self());
    sh->w[0] = 2;
}

static void end_self(void) {
    struct peer p;
    if (!peer_go(&p, 0, end_itself, 0)) return;
    WAIT(!env_lives(p.eid));
    rt_yield(0);
    CHECK(sh->w[0], 1);
    CHECK(EXO_SLOTS[p.slot].eid, p.eid); // the slot stays as it is, and runs nothing
    peer_end(&p);
}

static void holder(u64 unused) {
    (void)unused;
    sh->w[0] = 1;
    sh->w[1] = 1 + hold_regs(&sh->w[10]);
    for (;;) rt_yield(0);
}

// One that is ended while it runs leaves what it was in its forced frame; another environment on the same
// root and u-area goes on with it, with all its registers.
static void ended_running(void) {
    struct peer p;
    if (!peer_go(&p, 1, holder, 0)) return;
    WAIT(sh->w[0]);
    eid_t first = p.eid;
    CHECK(exo_env_end(first), 0);
    WAIT(!env_lives(first));
    CHECK(p.ua->pending & PENDING_FORCED, PENDING_FORCED);
    CHECK(p.ua->mask & MASK_FORCED ? 1 : 0, 1);
    CHECK(sh->w[1], 0);
    struct exo_ret r = exo_env_new(1, p.root, p.ua_ppn, (va_t)p.ua);
    if (!CHECK(r.err, 0)) return;
    p.eid = (eid_t)r.val;
    rt_of(p.ua)->first.eid = p.eid;
    CHECK(exo_slot_set(1, p.slot, p.eid), 0);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    sh->w[10] = 1;
    WAIT(sh->w[1]);
    CHECK(sh->w[1], 1);
    peer_end(&p);
}

static void keeper(u64 unused) {
    struct exo_uarea *ua = uarea();
    (void)unused;
    __atomic_fetch_or(&ua->mask, (u64)MASK_LIBOS, __ATOMIC_SEQ_CST);
    while (!(*(volatile u64 *)&ua->pending & PENDING_EPILOGUE)) continue;
    sh->w[0] = 1;
    for (;;) continue;
}

// One that is ended when its slice is over and `mask` holds the upcall back: whoever goes on with it begins a
// slice, and finds none that is over.
static void ended_late(void) {
    for (u32 i = 0; i < 3; i++) {
        struct peer p;
        sh->w[0] = 0;
        if (!peer_go(&p, 1, keeper, 0)) return;
        WAIT(*(volatile u64 *)&sh->w[0]);
        CHECK(exo_env_end(p.eid), 0);
        WAIT(!env_lives(p.eid));
        CHECK(p.ua->pending & (PENDING_FORCED | PENDING_EPILOGUE), PENDING_FORCED);
        peer_end(&p);
    }
}

static void waker(u64 unused) {
    (void)unused;
    CHECK(rt_wait(kt_timer, ~0ul, 0, 0, 0), 0);
    sh->w[0] = 1;
    for (;;) rt_yield(0);
}

// A wait without end ends by env_ctl(run).
static void wake(void) {
    struct peer p;
    if (!peer_go(&p, 0, waker, 0)) return;
    WAIT(env_of(p.eid)->state & ENV_WAITING);
    rt_yield(0);
    CHECK(sh->w[0], 0);
    CHECK(rt_yield(p.eid), E_STATE);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    WAIT(sh->w[0]);
    peer_end(&p);
}

static void owner_child(u64 unused) {
    (void)unused;
    ppn_t p = page_new();
    u64 m[MSG_WORDS] = {0};
    CHECK(exo_env_ctl(kt_main, ENV_STOP), E_OWNER);
    CHECK(exo_env_ctl(kt_main, ENV_RUN), E_OWNER);
    CHECK(exo_env_ctl(kt_main, 9), E_ARG);
    CHECK(exo_env_end(kt_main), E_OWNER);
    CHECK(exo_env_space(kt_main, my_root(), UA_TOP), E_OWNER);
    CHECK(exo_env_space(self(), kt_root, UA_TOP), E_OWNER);
    CHECK(exo_env_home(kt_main, 0), E_OWNER);
    CHECK(exo_env_accept(kt_main, 1), E_OWNER);
    CHECK(exo_env_new(0, kt_root, p, UA_TOP).err, E_OWNER);
    CHECK(exo_env_new(0, my_root(), kt_root, UA_TOP).err, E_OWNER);
    CHECK(exo_env_new(0, my_root(), env_of(kt_main)->uarea, UA_TOP).err, E_OWNER);
    CHECK(rt_call(kt_main, 0, m), E_CAP);
    CHECK(rt_call(kt_main, 12345, m), E_CAP);
    CHECK(exo_acct_pager(1, self()), E_OWNER);
    CHECK(exo_acct_pager(self_account(), kt_main), E_OWNER);
}

static void owner(void) {
    child_does(owner_child, 0);
    CHECK(env_of(kt_main)->root, kt_root);
}

// Moves itself to a space where another page lies at the same address.
static void mover(u64 root) {
    volatile u64 *at = (volatile u64 *)sh->w[1];
    CHECK(*at, 1);
    CHECK(exo_env_space(self(), root, (va_t)uarea()), 0);
    CHECK(*at, 2);
    CHECK(env_of(self())->root, root);
    CHECK(exo_env_space(self(), kt_root, (va_t)uarea()), 0);
    CHECK(*at, 1);
    sh->w[0] = 1;
    for (;;) rt_yield(0);
}

static void space(void) {
    struct space s;
    struct peer p;
    ppn_t a = page_new(), b = page_new();
    volatile u64 *at = map(a, RW), *w = map(b, RW);
    *at = 1;
    *w = 2;
    sh->w[1] = (u64)at;
    if (space_new(&s) && CHECK(rt_map(s.root, (va_t)at, b, RW), 0) &&
        peer_new(&p, s.root, 0, mover, s.root)) {
        CHECK(exo_env_space(p.eid, kt_root, (va_t)p.ua), 0); // it begins here
        CHECK(page_of(s.root)->users, 2 + 1 - 1);
        peer_start(&p);
        WAIT(sh->w[0]);
        peer_end(&p);
    }
    space_end(&s);
    win_end((void *)at);
    win_end((void *)w);
    page_end(a);
    page_end(b);
}

static void space_errors(void) {
    struct peer p;
    ppn_t data = page_new();
    u64 bad;
    if (!peer_new(&p, 0, 0, NULL, 0)) return;
    for (EACH_BAD(bad, va)) {
        CHECK(exo_env_space(p.eid, kt_root, bad), E_VA);
        CHECK(exo_env_space(0, 0, bad), E_VA);
    }
    CHECK(exo_env_space(0, 0, UA_TOP), E_EID);
    for (EACH_BAD(bad, ppn, kt_root)) CHECK(exo_env_space(p.eid, bad, UA_TOP), E_PPN);
    CHECK(exo_env_space(p.eid, data, UA_TOP), E_TYPE);
    CHECK(exo_env_space(p.eid, kt_timer, UA_TOP), E_TYPE);
    CHECK(env_of(p.eid)->root, kt_root);
    CHECK(env_of(p.eid)->uva, (va_t)p.ua);
    peer_end(&p);
    page_end(data);
}

static void home_errors(void) {
    u64 bad;
    CHECK(exo_env_home(0, ~0ul), E_EID);
    for (EACH_BAD(bad, hart)) CHECK(exo_env_home(self(), bad), E_HART);
    CHECK(exo_env_home(self(), 0), 0); // at home already
    CHECK(env_of(self())->home, 0);
}

static void traveller(u64 unused) {
    (void)unused;
    u32 harts = (u32)EXO_WORDS->nharts;
    for (u32 i = 1; i <= 40; i++) {
        u32 to = i % harts;
        CHECK(exo_env_home(self(), to), 0);
        while (env_of(self())->home != to) rt_yield(0);
        sh->w[1 + to]++;
    }
    sh->w[0] = 1;
    for (;;) rt_yield(0);
}

static void home(void) {
    struct peer p;
    u32 slots[EXO_NHART], harts = (u32)EXO_WORDS->nharts;
    if (!peer_go(&p, 0, traveller, 0)) return;
    for (u32 h = 1; h < harts; h++) {
        slots[h] = free_slot(h);
        CHECK(exo_slot_set(h, slots[h], p.eid), 0);
    }
    WAIT(sh->w[0]);
    for (u32 h = 0; h < harts; h++) TRUE(sh->w[1 + h] >= 40 / harts);
    peer_end(&p);
    for (u32 h = 1; h < harts; h++) CHECK(exo_slot_set(h, slots[h], 0), 0);
}

// A stopped one, and one that waits, move as well.
static void home_asleep(void) {
    struct peer p;
    if (!peer_new(&p, 0, 1, waker, 0)) return;
    CHECK(exo_env_home(p.eid, 0), 0);
    WAIT(env_of(p.eid)->home == 0);
    p.hart = 0;
    peer_start(&p);
    WAIT(env_of(p.eid)->state & ENV_WAITING);
    CHECK(exo_env_home(p.eid, 1), 0);
    WAIT(env_of(p.eid)->home == 1);
    CHECK(exo_slot_set(0, p.slot, 0), 0);
    p.hart = 1;
    peer_slot(&p);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    WAIT(sh->w[0]);
    peer_end(&p);
}

// Calls on an environment at home elsewhere take effect there.
static void remote(void) {
    struct peer p;
    if (!peer_go(&p, 1, count_up, 0)) return;
    for (u32 i = 0; i < 20; i++) {
        u64 n = sh->w[0];
        WAIT(sh->w[0] != n);
        CHECK(exo_env_ctl(p.eid, ENV_STOP), 0);
        WAIT(env_of(p.eid)->state & ENV_STOPPED);
        n = sh->w[0];
        spin(kt_ms / 5);
        CHECK(sh->w[0], n);
        CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    }
    u64 n = sh->w[0];
    WAIT(sh->w[0] != n);
    // stop and run at once, in either order: the last one counts
    CHECK(exo_env_ctl(p.eid, ENV_STOP), 0);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    n = sh->w[0];
    WAIT(sh->w[0] != n);
    peer_end(&p);
}

static const struct test env_tests[] = {
    T(new),
    T(new_errors),
    T(quota),
    T(stale),
    T(ctl),
    T(stop_and_go),
    T(stop_self),
    T(end_self),
    T_HARTS(ended_running, 2),
    T_HARTS(ended_late, 2),
    T(wake),
    T(owner),
    T(space),
    T(space_errors),
    T(home_errors),
    T_HARTS(home, 2),
    T_HARTS(home_asleep, 2),
    T_HARTS(remote, 2),
};
AREA(env);
