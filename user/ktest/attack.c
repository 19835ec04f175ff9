// Attacks, one test for each: what a program would do that wants what is not its own. The attacker is another
// account, a child, unless the attack is one among siblings. Much of it is tried elsewhere as one error among
// many; here it stands under the name of what it would gain.
#include "kt.h"

#define FAR 0x140000000ul // nothing is linked there

// ---- calls that must be refused ----

struct try {
    u64 nr, a[5];
    i64 err;
};

static void refused(u32 line, const struct try *t, u32 n) {
    for (u32 i = 0; i < n; i++) {
        kt_with = t[i].nr << 8 | i; // the call, and which of the list
        i64 err = exo_ecall(t[i].nr, t[i].a[0], t[i].a[1], t[i].a[2], t[i].a[3], t[i].a[4]).err;
        kt_check(__FILE_NAME__, line, "this call's error", err, t[i].err);
    }
    kt_with = 0;
}
#define TRIES(...) \
    (const struct try[]){__VA_ARGS__}, sizeof((const struct try[]){__VA_ARGS__}) / sizeof(struct try)
#define REFUSED(...) refused(__LINE__, TRIES(__VA_ARGS__))

static void park(u64 unused) {
    (void)unused;
    for (;;) rt_yield(0);
}

static void wait_for(volatile u64 *word) // in an environment that shall not fail for being slow
{
    while (!*word) rt_yield(0);
}

static bool child_go(struct child *c, void (*fn)(u64), u64 arg) {
    return child_new(c, CHILD_PAGES, 4, 4, 4, 0, fn, arg) && child_run(c);
}

static u64 disk_wait(u64 request) // until it is done: its status
{
    struct exo_ret r;
    while ((r = exo_disk_done(request)).err == E_BUSY) rt_yield(0);
    CHECK(r.err, 0);
    return r.val;
}

static void fill(ppn_t ppn, u64 v) {
    u64 *w = map(ppn, RW);
    for (u32 i = 0; w && i < EXO_PAGE / 8; i++) w[i] = v;
    win_end(w);
}

static bool holds(ppn_t ppn, u64 v) {
    u64 *w = map(ppn, PTE_R);
    bool ok = w;
    for (u32 i = 0; ok && i < EXO_PAGE / 8; i++) ok = w[i] == v;
    win_end(w);
    return ok;
}

// ---- memory ----

static void fresh_child(u64 ppn) {
    if (page_of((ppn_t)ppn)->type !=
        PAGE_FREE) // this child was made of it: then another that the last one left
        ppn = EXO_WORDS->free_head;
    for (u64 unzeroed = 0; unzeroed < 2; unzeroed++) {
        if (!CHECK(exo_page_alloc(ppn, unzeroed).val, ppn)) return;
        TRUE(holds((ppn_t)ppn, 0));
        CHECK(exo_page_free(ppn), 0);
    }
    CHECK(exo_page_alloc(ppn, 0).val, ppn);
    fill((ppn_t)ppn, 0x5ec2e7); // for the next account of this number
}

// Reading a fresh page's old contents: another account's; those of an ended account whose number is ours now.
static void fresh_page(void) {
    ppn_t p = page_new();
    fill(p, 0x5ec2e7);
    struct child c;
    for (u32 i = 0; i < 3; i++) {
        bool made = child_new(&c, CHILD_PAGES, 1, 0, 0, 0, fresh_child, p);
        if (!i) page_end(p);
        if (made && child_run(&c)) WAIT(!env_lives(c.eid));
        child_end(&c);
    }
}

static void grab_child(u64 unused) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    u64 more = a->reserve + 1;
    (void)unused;
    while (!exo_page_alloc(0, 1).err)
        ;
    REFUSED({EXO_PAGE_ALLOC, {0}, E_RESERVE}, {EXO_PAGE_ALLOC, {EXO_WORDS->free_head}, E_RESERVE},
            {EXO_ACCT_NEW, {more, 0, 0, 0}, E_QUOTA},
            {EXO_ACCT_SET, {self_account(), more, a->envs, a->accts, a->exts}, E_QUOTA},
            {EXO_ACCT_SET, {1, 0, EXO_ACCTS[1].envs, EXO_ACCTS[1].accts, EXO_ACCTS[1].exts}, E_KIN});
    sh->w[0] = 1;
    park(0);
}

static void reserve_child(u64 unused) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    (void)unused;
    while (a->held < a->reserve)
        if (!page_new()) return;
    sh->w[1] = 1;
}

// Taking pages from under another account's reserve: a child takes what it can, then its parent, and there is
// still for the third what it was promised.
static void reserve_pages(void) {
    struct child thief, victim;
    ppn_t last = 0, p;
    struct exo_ret r;
    pool_open(40);
    if (child_new(&victim, CHILD_PAGES + 30, 1, 0, 0, 0, reserve_child, 0) &&
        child_go(&thief, grab_child, 0) && WAIT(sh->w[0])) {
        TRUE(EXO_ACCTS[thief.acct].held > EXO_ACCTS[thief.acct].reserve);
        for (; !(r = exo_page_alloc(0, 1)).err; last = p) {
            p = (ppn_t)r.val;
            CHECK(exo_page_set(p, 0, 0, last, 0), 0);
        }
        CHECK(r.err, E_RESERVE);
        CHECK(exo_page_give(last, thief.acct), E_RESERVE); // nor past it by another's hand
        child_run(&victim);
        WAIT(!env_lives(victim.eid));
        CHECK(sh->w[1], 1);
        for (; last; last = p) {
            p = (ppn_t)page_of(last)->tag;
            page_end(last);
        }
    }
    child_end(&thief);
    child_end(&victim);
    pool_close();
}

// Takes environments until refused; how many.
static u32 envs_take(eid_t eid[EXO_NENV], ppn_t ua[EXO_NENV]) {
    u32 n = 0;
    i64 err = 0;
    for (; n < EXO_NENV; n++) {
        ua[n] = page_new();
        struct exo_ret r = exo_env_new(0, my_root(), ua[n], UA_TOP - (128 + n) * EXO_PAGE);
        err = r.err;
        if (err) break;
        eid[n] = (eid_t)r.val;
    }
    CHECK(err, E_QUOTA);
    page_end(ua[n]);
    return n;
}

static void envs_end(u32 n, const eid_t *eid, const ppn_t *ua) {
    while (n--) {
        CHECK(exo_env_end(eid[n]), 0);
        page_end(ua[n]);
    }
}

static void envs_child(u64 i) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    eid_t eid[EXO_NENV];
    ppn_t ua[EXO_NENV];
    CHECK(envs_take(eid, ua), a->envs - 1);
    REFUSED({EXO_ACCT_NEW, {0, 1, 0, 0}, E_QUOTA},
            {EXO_ACCT_SET, {self_account(), a->reserve, a->envs + 1, a->accts, a->exts}, E_QUOTA},
            {EXO_ENV_NEW, {0, my_root(), ua[0], UA_TOP}, E_BUSY});
    sh->w[i] = 1;
    park(0);
}

// One takes all its environments and would have more, its parent then all its own; the third gets every one
// of its.
static void envs_used_up(void) {
    struct child thief, victim;
    eid_t eid[EXO_NENV];
    ppn_t ua[EXO_NENV];
    if (child_new(&victim, CHILD_PAGES, 6, 0, 0, 0, envs_child, 1) && child_go(&thief, envs_child, 0) &&
        WAIT(sh->w[0])) {
        u32 n = envs_take(eid, ua);
        CHECK(EXO_ACCTS[1].envs_used, EXO_ACCTS[1].envs);
        child_run(&victim);
        WAIT(sh->w[1]);
        CHECK(EXO_ACCTS[victim.acct].envs_used, 6);
        envs_end(n, eid, ua);
    }
    child_end(&thief);
    child_end(&victim);
}

// ---- bindings ----

static void stale_child(u64 ppn) {
    cap_t r = sh->w[0], w = sh->w[1];
    va_t va = (va_t)map_cap((ppn_t)ppn, RW, w), vb = (va_t)map_cap((ppn_t)ppn, PTE_R, r), root = my_root();
    for (u64 stage = 1; stage <= 3; stage++) {
        sh->w[2] = stage;
        while (sh->w[3] != stage) rt_yield(0);
        REFUSED({EXO_BIND, {root, va, ppn, RW, w}, E_CAP}, {EXO_BIND, {root, va, ppn, PTE_R, r}, E_CAP},
                {EXO_BIND, {root, va, ppn, PTE_R, 0}, E_CAP}, {EXO_BIND, {root, va, ppn, PTE_X, r}, E_CAP},
                {EXO_PROTECT, {root, vb, 0, PTE_W, w}, stage == 3 ? E_UNBOUND : E_CAP},
                {EXO_PROTECT, {root, vb, 0, PTE_X, r}, stage == 3 ? E_UNBOUND : E_CAP});
    }
}

// Binding with a stale capability value: it was changed; taken away; the page went and came back.
static void stale_cap(void) {
    struct child c;
    ppn_t p = page_new();
    sh->w[0] = exo_cap_new().val;
    sh->w[1] = exo_cap_new().val;
    CHECK(exo_page_set(p, sh->w[0], sh->w[1], 0, 0), 0);
    if (child_go(&c, stale_child, p) && WAIT(sh->w[2] == 1)) {
        CHECK(exo_page_set(p, exo_cap_new().val, exo_cap_new().val, 0, 0), 0);
        sh->w[3] = 1;
        WAIT(sh->w[2] == 2);
        CHECK(exo_page_set(p, 0, 0, 0, 0), 0);
        sh->w[3] = 2;
        WAIT(sh->w[2] == 3);
        CHECK(exo_page_set(p, sh->w[0], sh->w[1], 0, 0), 0);
        page_end(p);
        NAP(page_of(p)->type == PAGE_FREE);
        CHECK(exo_page_alloc(p, 1).val, p);
        sh->w[3] = 3;
        WAIT(!env_lives(c.eid));
    }
    child_end(&c);
    page_end(p);
}

static void keeps_child(u64 foreign) {
    ppn_t p = page_new(), root = my_root();
    volatile u64 *w = map(p, RW);
    va_t va = (va_t)w;
    *w = 0x01d;
    u64 pte = pte_at(root, va), head = EXO_WORDS->free_head;
    REFUSED({EXO_BIND, {root, va, 1, PTE_R}, E_PPN}, {EXO_BIND, {root, va, head, PTE_R}, E_TYPE},
            {EXO_BIND, {root, va, foreign, PTE_R}, E_CAP}, {EXO_BIND, {root, va, foreign, RW, 1}, E_CAP},
            {EXO_BIND, {root, va, kt_root, PTE_R}, E_CAP}, {EXO_BIND, {root, va, root, RW}, E_BITS},
            {EXO_BIND, {root, va, p, PTE_W}, E_BITS}, {EXO_BIND, {root, va, p, RW | PTE_X}, E_BITS},
            {EXO_PROTECT, {root, va, RW, 0}, E_BITS}, {EXO_PROTECT, {root, va, 0, PTE_X}, E_BITS});
    struct exo_op o __attribute__((aligned(64))) = {
        .op = EXO_BIND, .root = root, .va = va, .ppn = (ppn_t)foreign, .bits = PTE_R};
    CHECK(exo_batch(&o, 1).err, E_CAP);
    CHECK(*w, 0x01d);
    CHECK(pte_at(root, va), pte);
    CHECK(page_of(p)->binds, 1);
    CHECK(page_of((ppn_t)foreign)->binds, 0);
    win_end((void *)w);
}

// Losing the old binding when the new one is refused.
static void bind_keeps_old(void) {
    ppn_t p = page_new();
    child_does(keeps_child, p);
    page_end(p);
}

// A page of the kernel's trust can be bound to read, and by no way to write: nor does the kernel write there
// for us.
static void guarded(ppn_t ppn) {
    va_t va = (va_t)map(ppn, PTE_R), root = my_root(), other = (va_t)win_new();
    u64 first = *(volatile u64 *)va;
    REFUSED({EXO_BIND, {root, va, ppn, RW}, E_BITS}, {EXO_BIND, {root, other, ppn, RW}, E_BITS},
            {EXO_BIND, {root, other, ppn, PTE_R | PTE_X}, E_BITS},
            {EXO_PROTECT, {root, va, 0, PTE_W}, E_BITS}, {EXO_PROTECT, {root, va, PTE_R, RW}, E_BITS},
            {EXO_PROTECT, {root, va, PTE_R, PTE_X}, E_BITS}, {EXO_CONS_READ, {va, 8}, E_ADDR},
            {EXO_BATCH, {va, 1}, E_ADDR}, {EXO_PAGE_SET, {ppn, 1, 1}, E_TYPE},
            {EXO_PAGE_GIVE, {ppn, 1}, E_KIN}, {EXO_PAGE_FREE, {ppn}, E_TYPE});
    struct exo_op o
        __attribute__((aligned(64))) = {.op = EXO_PROTECT, .root = (ppn_t)root, .va = va, .bits = PTE_W};
    CHECK(exo_batch(&o, 1).err, E_BITS);
    o = (struct exo_op){.op = EXO_BIND, .root = (ppn_t)root, .va = other, .ppn = ppn, .bits = RW};
    CHECK(exo_batch(&o, 1).err, E_BITS);
    CHECK(rt_try_store(va, ~first), 15);
    CHECK(*(volatile u64 *)va, first);
    win_end((void *)va);
    win_end((void *)other);
}

// Bound to write as data, it becomes nothing else, whoever's the binding is.
static void writer_child(u64 ppn) {
    TRUE(map_cap((ppn_t)ppn, RW, sh->w[0]));
    sh->w[1] = 1;
    park(0);
}

static void becomes_nothing(void) {
    struct child c;
    ppn_t p = page_new(), root = my_root();
    const struct try tries[] = {{EXO_PT_LINK, {p, 0, 2, p}, E_BOUND},
                                {EXO_PT_LINK, {root, FAR, 1, p}, E_BOUND},
                                {EXO_PT_LINK, {root, FAR, 0, p}, E_BOUND},
                                {EXO_CODE_LOAD, {p}, E_BOUND},
                                {EXO_ENV_NEW, {0, root, p, UA_TOP - 64 * EXO_PAGE}, E_BOUND}};
    void *w = map(p, RW);
    refused(__LINE__, tries, 5);
    win_end(w);
    w = map(p, PTE_R);
    refused(__LINE__, tries, 5);
    CHECK(exo_protect(root, (va_t)w, 0, PTE_W, 0).err, 0);
    refused(__LINE__, tries, 5);
    win_end(w);
    sh->w[0] = exo_cap_new().val;
    CHECK(exo_page_set(p, 0, sh->w[0], 0, 0), 0);
    if (child_go(&c, writer_child, p) && WAIT(sh->w[1])) refused(__LINE__, tries, 5);
    child_end(&c);
    page_end(p);
}

static void writable_table(void) {
    u64 *root = map(kt_root, PTE_R);
    ppn_t upper = PTE_PPN(root[WIN >> 30]);
    win_end(root);
    u64 *t = map(upper, PTE_R);
    ppn_t lower = PTE_PPN(t[WIN >> 21 & 511]);
    win_end(t);
    guarded(kt_root);
    guarded(upper);
    guarded(lower);
    becomes_nothing();
}

static void writable_code(void) {
    guarded(kt_timer);
    becomes_nothing();
}

static void uarea_child(u64 ppn) {
    ppn_t root = my_root();
    va_t va = (va_t)win_new();
    for (u32 i = 0; i < 2; i++, ppn = env_of(kt_main)->uarea)
        REFUSED({EXO_BIND, {root, va, ppn, PTE_R, sh->w[0]}, E_CAP},
                {EXO_BIND, {root, va, ppn, RW, sh->w[0]}, E_CAP}, {EXO_BIND, {root, va, ppn, RW, 0}, E_CAP},
                {EXO_PAGE_FREE, {ppn}, E_OWNER}, {EXO_PAGE_SET, {ppn, 1, 1}, E_OWNER},
                {EXO_ENV_NEW, {0, root, ppn, UA_TOP}, E_OWNER},
                {EXO_ENV_NEW, {0, kt_root, ppn, UA_TOP}, E_OWNER});
}

// A binding of another account's u-area: though it was given capabilities as a data page.
static void foreign_uarea(void) {
    ppn_t ua = page_new();
    sh->w[0] = exo_cap_new().val;
    CHECK(exo_page_set(ua, sh->w[0], sh->w[0], 0, 0), 0);
    struct exo_ret e = exo_env_new(0, kt_root, ua, UA_TOP - 64 * EXO_PAGE);
    CHECK(e.err, 0);
    child_does(uarea_child, ua);
    CHECK(exo_env_end(e.val), 0);
    page_end(ua);
}

// A table linked twice: at another place, another level, in another space, as a root.
static void table_twice(void) {
    ppn_t t[4];
    for (u32 i = 0; i < 4; i++) t[i] = page_new();
    CHECK(exo_pt_link(t[0], 0, 2, t[0]), 0);
    CHECK(exo_pt_link(t[3], 0, 2, t[3]), 0);
    CHECK(exo_pt_link(t[0], 0, 1, t[1]), 0);
    CHECK(exo_pt_link(t[0], 0, 0, t[2]), 0);
    for (u32 i = 1; i < 3; i++)
        REFUSED({EXO_PT_LINK, {t[0], 1 << 30, 1, t[i]}, E_TYPE},
                {EXO_PT_LINK, {t[0], 1 << 21, 0, t[i]}, E_TYPE}, {EXO_PT_LINK, {t[3], 0, 1, t[i]}, E_TYPE},
                {EXO_PT_LINK, {t[i], 0, 2, t[i]}, E_TYPE}, {EXO_PT_LINK, {kt_root, FAR, 1, t[i]}, E_TYPE},
                {EXO_ENV_NEW, {0, t[0], t[i], 0}, E_TYPE}, {EXO_CODE_LOAD, {t[i]}, E_TYPE},
                {EXO_PAGE_ALLOC, {t[i]}, E_TYPE});
    CHECK(exo_pt_unlink(t[0], 0, 0).val, t[2]);
    CHECK(exo_pt_unlink(t[0], 0, 1).val, t[1]);
    CHECK(exo_pt_unlink(t[0], 0, 2).err, 0);
    CHECK(exo_pt_unlink(t[3], 0, 2).err, 0);
    for (u32 i = 0; i < 4; i++) page_end(t[i]);
}

// Or into itself, or one above it: user code would write its own entries.
static void table_into_itself(void) {
    ppn_t root = page_new(), upper = page_new(), lower = page_new();
    CHECK(exo_pt_link(root, 0, 2, root), 0);
    CHECK(exo_pt_link(root, 0, 1, upper), 0);
    CHECK(exo_pt_link(root, 0, 0, lower), 0);
    REFUSED({EXO_PT_LINK, {root, 1 << 30, 1, root}, E_TYPE}, {EXO_PT_LINK, {root, 1 << 21, 0, root}, E_TYPE},
            {EXO_PT_LINK, {root, 1 << 21, 0, upper}, E_TYPE},
            {EXO_PT_LINK, {root, 1 << 21, 0, lower}, E_TYPE}, {EXO_PT_LINK, {upper, 0, 1, lower}, E_TYPE},
            {EXO_PT_LINK, {lower, 0, 0, lower}, E_TYPE}, {EXO_BIND, {root, 0, lower, RW}, E_BITS},
            {EXO_BIND, {root, 0, upper, RW}, E_BITS}, {EXO_BIND, {root, 0, root, RW}, E_BITS});
    CHECK(exo_bind(root, 0, lower, PTE_R, 0).err, 0); // to read its own entries it may
    REFUSED({EXO_PROTECT, {root, 0, 0, PTE_W}, E_BITS}, {EXO_PT_UNLINK, {root, 0, 0}, E_BOUND});
    CHECK(exo_unbind(root, 0, 0).err, 0);
    CHECK(exo_pt_unlink(root, 0, 0).val, lower);
    CHECK(exo_pt_unlink(root, 0, 1).val, upper);
    CHECK(exo_pt_unlink(root, 0, 2).val, root);
    page_end(root);
    page_end(upper);
    page_end(lower);
}

// ---- what is another's ----

// A child tries it against its parent, then against a sibling that runs; and the parent against that child,
// whose owner checks it no longer passes.
static struct target {
    ppn_t root, ua;
    eid_t eid;
    u32 acct, slot;
} target;

static void foreign(void (*tries)(u64)) {
    struct child c;
    target = (struct target){kt_root, env_of(kt_main)->uarea, kt_main, 1, 0};
    child_does(tries, 0);
    if (child_go(&c, park, 0)) {
        target = (struct target){c.sp.root, c.ua_ppn, c.eid, c.acct, c.slot};
        child_does(tries, 0);
        tries(1);
        CHECK(env_of(c.eid)->state & ENV_STOPPED, 0);
        CHECK(env_of(c.eid)->root, c.sp.root);
        CHECK(EXO_SLOTS[c.slot].eid, c.eid);
    }
    child_end(&c);
    CHECK(env_of(kt_main)->root, kt_root);
    CHECK(EXO_SLOTS[0].eid, kt_main);
}

static void root_tries(u64 unused) {
    ppn_t p = page_new(), root = target.root, mine = my_root();
    va_t image_at = (va_t)&image & -((va_t)1 << 21);
    (void)unused;
    REFUSED({EXO_BIND, {root, WIN, p, PTE_R}, E_OWNER}, {EXO_BIND, {root, FAR, p, RW}, E_OWNER},
            {EXO_UNBIND, {root, WIN}, E_OWNER}, {EXO_PROTECT, {root, WIN, PTE_W}, E_OWNER},
            {EXO_PT_LINK, {root, FAR, 1, p}, E_OWNER}, {EXO_PT_LINK, {mine, FAR, 1, root}, E_OWNER},
            {EXO_PT_UNLINK, {root, WIN, 0}, E_OWNER}, {EXO_PT_UNLINK, {root, image_at, 0}, E_OWNER},
            {EXO_PT_UNLINK, {root, 0, 2}, E_OWNER}, {EXO_ENV_NEW, {0, root, p, UA_TOP}, E_OWNER},
            {EXO_ENV_NEW, {0, root, target.ua, UA_TOP}, E_OWNER},
            {EXO_ENV_SPACE, {self(), root, UA_TOP}, E_OWNER},
            {EXO_BIND, {mine, WIN + 9 * EXO_PAGE, root, PTE_R}, E_CAP}, {EXO_PAGE_FREE, {root}, E_OWNER},
            {EXO_PAGE_SET, {root, 1, 1}, E_OWNER}, {EXO_PAGE_GIVE, {root, 1}, E_OWNER});
    struct exo_op o __attribute__((aligned(64))) = {.op = EXO_UNBIND, .root = root, .va = WIN};
    CHECK(exo_batch(&o, 1).err, E_OWNER);
    page_end(p);
}

static void foreign_root(void) { foreign(root_tries); }

static void env_tries(u64 unused) {
    u64 eid = target.eid, m[MSG_WORDS] = {0}, mine = EXO_NSLOT - 1;
    (void)unused;
    while (EXO_SLOTS[mine].account != self_account()) mine--;
    REFUSED({EXO_ENV_CTL, {eid, ENV_STOP}, E_OWNER}, {EXO_ENV_CTL, {eid, ENV_RUN}, E_OWNER},
            {EXO_ENV_CTL, {eid, ENV_RECALL}, E_OWNER}, {EXO_ENV_END, {eid}, E_OWNER},
            {EXO_ENV_SPACE, {eid, my_root(), UA_TOP}, E_OWNER},
            {EXO_ENV_SPACE, {eid, target.root, UA_TOP}, E_OWNER}, {EXO_ENV_HOME, {eid, 0}, E_OWNER},
            {EXO_ENV_ACCEPT, {eid, 1}, E_OWNER}, {EXO_SLOT_SET, {0, mine, eid}, E_OWNER},
            {EXO_ACCT_PAGER, {self_account(), eid}, E_OWNER});
    for (cap_t cap = 0; cap < 3; cap++) {
        CHECK(rt_call((eid_t)eid, cap, m), E_CAP);
        CHECK(rt_send((eid_t)eid, cap, m), E_CAP);
    }
}

static void foreign_env(void) { foreign(env_tries); }

static void slot_tries(u64 unused) {
    (void)unused;
    for (u32 i = 0; i < EXO_WORDS->nharts * EXO_NSLOT; i++) {
        u32 hart = i / EXO_NSLOT, slot = i % EXO_NSLOT;
        if (EXO_SLOTS[i].account == self_account()) continue;
        REFUSED({EXO_SLOT_SET, {hart, slot, self()}, E_OWNER}, {EXO_SLOT_SET, {hart, slot, 0}, E_OWNER},
                {EXO_SLOT_GIVE, {hart, slot, 1, self_account()}, E_OWNER},
                {EXO_SLOT_GIVE, {hart, slot, 1, 1}, E_OWNER});
    }
    u32 mine = target.slot - 1; // one of ours and one of theirs
    if (target.slot && EXO_SLOTS[mine].account == self_account())
        REFUSED({EXO_SLOT_GIVE, {0, mine, 2, 1}, E_OWNER});
}

static void foreign_slot(void) { foreign(slot_tries); }

static void acct_tries(u64 parent) {
    u32 a = target.acct, me = self_account();
    REFUSED({EXO_ACCT_PAGER, {a, 0}, E_OWNER}, {EXO_ACCT_PAGER, {a, self()}, E_OWNER});
    if (parent) // the rest is its right
        return;
    REFUSED({EXO_REVOKE, {a, 1, 0}, E_KIN}, {EXO_REVOKE, {a, ~0ul, 0}, E_KIN},
            {EXO_REVOKE, {me, 1, 0}, E_KIN}, {EXO_ACCT_END, {a}, E_KIN}, {EXO_ACCT_END, {me}, E_KIN},
            {EXO_ACCT_SET, {a, 0, 0, 0, 0}, E_KIN}, {EXO_ACCT_SET, {a, 1 << 20, 9, 9, 9}, E_KIN},
            {EXO_CONS_GIVE, {me}, E_OWNER}, {EXO_CONS_GIVE, {1}, E_OWNER},
            {EXO_CONS_WRITE, {(u64)&image, 1}, E_OWNER}, {EXO_HALT, {0}, E_OWNER});
}

static void foreign_account(void) { foreign(acct_tries); }

#define EXT sh->w[40]
#define REQ sh->w[41]

static void ext_child(u64 page) {
    u64 e = EXT, me = self_account();
    ppn_t p[1] __attribute__((aligned(8))) = {page_new()};
    u64 pa = (u64)p;
    REFUSED({EXO_EXT_SPLIT, {e, 1}, E_OWNER}, {EXO_EXT_JOIN, {e, e}, E_OWNER},
            {EXO_EXT_GIVE, {e, me}, E_OWNER}, {EXO_EXT_GIVE, {e, 1}, E_OWNER},
            {EXO_EXT_SET, {e, 1, 1}, E_OWNER}, {EXO_DISK_SUBMIT, {DISK_READ | 1 << 8, e, 0, pa, 0}, E_CAP},
            {EXO_DISK_SUBMIT, {DISK_READ | 1 << 8, e, 0, pa, 1}, E_CAP},
            {EXO_DISK_SUBMIT, {DISK_WRITE | 1 << 8, e, 0, pa, 0}, E_CAP},
            {EXO_DISK_SUBMIT, {DISK_WRITE | 1 << 8, e, 0, pa, sh->w[0]}, E_CAP}, // to read is not to write
            {EXO_DISK_SUBMIT, {DISK_FLUSH, e, 0, 0, sh->w[0]}, E_CAP},
            {EXO_DISK_SUBMIT,
             {DISK_READ | 1 << 8, e, EXO_EXTS[e].count, pa, sh->w[0]},
             E_ARG}); // into what follows
    for (u64 i = 0; i < EXO_WORDS->nexts; i++)
        if (i != e && EXO_EXTS[i].count)
            REFUSED({EXO_DISK_SUBMIT, {DISK_READ | 1 << 8, i, 0, pa, sh->w[0]}, E_CAP},
                    {EXO_DISK_SUBMIT, {DISK_READ | 1 << 8, i, 0, pa, 0}, E_CAP});
    (void)page;
}

static void foreign_extent(void) {
    EXT = test_extent();
    sh->w[0] = exo_cap_new().val;
    CHECK(exo_ext_set(EXT, sh->w[0], 0), 0);
    child_does(ext_child, 0);
    CHECK(exo_ext_set(EXT, 0, 0), 0);
}

static void read_child(u64 foreign) {
    ppn_t p[4] __attribute__((aligned(16))) = {page_new(), page_new(), page_new(), (ppn_t)foreign};
    ppn_t theirs[] = {(ppn_t)foreign, kt_root, kt_timer, env_of(kt_main)->uarea,
                      PTE_PPN(pte_at(my_root(), (va_t)&image))};
    volatile u64 *w = map_cap((ppn_t)foreign, RW, sh->w[1]); // that it may write there is not enough
    *w = 0x600d;
    for (u32 i = 0; i < 5; i++) {
        p[3] = theirs[i];
        REFUSED({EXO_DISK_SUBMIT, {DISK_READ | 4 << 8, EXT, 0, (u64)p, sh->w[0]}, E_OWNER},
                {EXO_DISK_SUBMIT, {DISK_WRITE | 4 << 8, EXT, 0, (u64)p, sh->w[0]}, E_OWNER});
    }
    p[3] = my_root();
    REFUSED({EXO_DISK_SUBMIT, {DISK_READ | 4 << 8, EXT, 0, (u64)p, sh->w[0]}, E_TYPE});
    p[3] = env_of(self())->uarea;
    REFUSED({EXO_DISK_SUBMIT, {DISK_READ | 4 << 8, EXT, 0, (u64)p, sh->w[0]}, E_TYPE});
    p[3] = page_new();
    page_end(p[3]); // free
    REFUSED({EXO_DISK_SUBMIT, {DISK_READ | 4 << 8, EXT, 0, (u64)p, sh->w[0]}, E_TYPE});
    CHECK(page_of(p[0])->pins, 0);
}

// A disk read into a page the caller does not own.
static void disk_read_foreign(void) {
    ppn_t p = page_new();
    EXT = test_extent();
    sh->w[0] = exo_cap_new().val;
    sh->w[1] = exo_cap_new().val;
    CHECK(exo_ext_set(EXT, sh->w[0], sh->w[0]), 0);
    CHECK(exo_page_set(p, sh->w[1], sh->w[1], 0, 0), 0);
    child_does(read_child, p);
    volatile u64 *w = map(p, PTE_R);
    CHECK(*w, 0x600d);
    win_end((void *)w);
    CHECK(exo_ext_set(EXT, 0, 0), 0);
    page_end(p);
}

static void request_child(u64 mine) {
    for (u32 i = 0; i < EXO_NACCT * EXO_NREQ; i++)
        if (EXO_REQS[i].state != REQ_FREE && EXO_REQS[i].account != self_account()) {
            CHECK(exo_disk_done(EXO_REQS[i].id).err, E_OWNER);
            sh->w[0]++;
        }
    CHECK(exo_disk_done(mine).err, E_OWNER);
}

static void foreign_request(void) {
    ppn_t p[1] __attribute__((aligned(8))) = {page_new()};
    struct exo_ret r = exo_disk_submit(DISK_READ, 1, test_extent(), 0, p, 0);
    CHECK(r.err, 0);
    child_does(request_child, r.val);
    CHECK(sh->w[0], 1);
    CHECK(disk_wait(r.val), 0);
    page_end(p[0]);
}

// ---- registers ----

// Every register but the message's own set to a pattern, sp and tp too, then call, send or reply. What is
// found when it comes back goes to fregs[1..31], all else is as it was. Of reply, it comes back only when it
// is refused; then it is tried again in the next slice.
i64 secrets_transfer(u64 nr, eid_t eid, cap_t cap);
void secrets_reply(u64 *msg, eid_t client);
__asm__(".macro secrets\n"
        " .irp r, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, "
        "29, 30, 31\n"
        " addi x\\r, ra, \\r\n .endr\n .endm\n"
        ".macro kept op\n .set i, 0\n"
        " .irp r, ra, sp, gp, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11\n"
        " \\op \\r, 0x508 + 8 * i(t0)\n .set i, i + 1\n .endr\n .endm\n"
        ".text\n"
        "secrets_transfer:\n mv t0, tp\n kept sd\n mv a7, a0\n mv a6, a1\n mv a5, a2\n"
        " li ra, 0x5a5a5a5a5a5a0000\n secrets\n ecall\n"
        " .irp r, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, "
        "26, 27, 28, 29, 30, 31\n"
        " sd x\\r, 0x6e0 + 8 * \\r(t0)\n .endr\n"
        " kept ld\n mv a0, t6\n ret\n"
        "secrets_reply:\n li ra, 0x5a5a5a5a5a5a0000\n secrets\n"
        "1: li a7, 0x105\n addi a5, ra, 15\n addi a6, ra, 16\n ecall\n j 1b\n");
_Static_assert(RT_SAVE == 0x508 && RT_FREGS == 0x6e0 && EXO_REPLY == 0x105, "in the assembly above");

static bool message(u32 x) { return x == 8 || x == 9 || (x >= 10 && x <= 14) || (x >= 18 && x <= 27); }

// All zero but t0, and with `transfer` the message and t6.
static void clean(const u64 *seen, va_t ua, bool transfer, u64 t6) {
    for (u32 x = 1; x < 32; x++) {
        kt_with = x;
        if (transfer && message(x))
            CHECK(seen[x], REG_PATTERN + x);
        else
            CHECK(seen[x], x == 5 ? ua : x == 31 && transfer ? t6 : 0);
    }
    kt_with = 0;
}

enum { TO_MAIN, TO_NEXT, BY_END, BY_STOP, BY_FAULT, BY_ABORT, BY_SLICE, WAYS };

static void leaver(u64 way) {
    u64 out[32];
    switch (way) {
    case TO_MAIN:
    case TO_NEXT: // an end of the slice in there would turn floating point off
        __atomic_fetch_or(&uarea()->mask, MASK_LIBOS, __ATOMIC_SEQ_CST);
        secrets_yield(way == TO_MAIN ? kt_main : 0);
    case BY_END: ecall_regs(EXO_ENV_END, self(), 0, out); break;
    case BY_STOP: ecall_regs(EXO_ENV_CTL, self(), ENV_STOP, out); break;
    case BY_FAULT:
        __atomic_fetch_or(&uarea()->mask, MASK_FAULT, __ATOMIC_SEQ_CST);
        regs_at_fault(out);
        break;
    case BY_ABORT:
        __atomic_fetch_or(&uarea()->mask, MASK_LIBOS, __ATOMIC_SEQ_CST);
        hold_regs(&sh->w[10]);
        break;
    default:
        uarea()->entry[ENTRY_PROLOGUE] = (va_t)yield_entry; // does not go on with what was not saved
        uarea()->entry[ENTRY_EPILOGUE] = (va_t)yield_entry; // saves nothing
        hold_regs(&sh->w[10]);
    }
}

// Reading the last account's integer registers at a prologue, whichever way it left.
static void registers_prologue(void) {
    struct exo_uarea *ua = uarea();
    u64 *seen = rt()->fregs, entry = ua->entry[ENTRY_PROLOGUE], slices;
    for (u64 way = 0; way < WAYS; way++)
        for (u32 tries = 0; tries < 5; tries++) {
            struct child c;
            if (!child_go(&c, leaver, way)) return;
            memset(seen, 0xff, sizeof rt()->fregs);
            slices = env_of(self())->slices;
            ua->entry[ENTRY_PROLOGUE] = (va_t)seen_prologue;
            rt_yield(c.eid);
            ua->entry[ENTRY_PROLOGUE] = entry;
            bool once = env_of(self())->slices == slices + 1; // else it may have come back from nobody
            child_end(&c);
            if (once) {
                sh->w[0] |= 1 << way;
                clean(seen, (va_t)ua, false, 0);
                break;
            }
        }
    CHECK(sh->w[0], (1 << WAYS) - 1);
}

static void transfers_child(u64 server) {
    struct exo_uarea *ua = uarea();
    CHECK(secrets_transfer(EXO_CALL, (eid_t)server, sh->w[0]), 0);
    clean(rt()->fregs, (va_t)ua, true, 0); // of what the server had when it replied
    sh->w[1] = 1;
    wait_for(&sh->w[2]);
    rt()->saved = 0;
    rt()->main = park;
    secrets_transfer(EXO_SEND, (eid_t)server, sh->w[0]);
}

// In a transfer, either way: only the message passes.
static void registers_transfer(void) {
    struct peer s;
    struct child c;
    if (!peer_new(&s, 0, 0, park, 0)) return;
    const u64 *seen = rt_of(s.ua)->fregs;
    rt_of(s.ua)->on_call = secrets_reply;
    rt_of(s.ua)->call_stack = (va_t)s.stack + EXO_PAGE;
    s.ua->entry[ENTRY_CALL] = (va_t)seen_call;
    sh->w[0] = exo_cap_new().val;
    CHECK(exo_env_accept(s.eid, sh->w[0]), 0);
    CHECK(exo_env_ctl(s.eid, ENV_RUN), 0);
    if (child_go(&c, transfers_child, s.eid)) {
        WAIT(sh->w[1]);
        clean(seen, (va_t)s.ua, true, c.eid);
        memset(rt_of(s.ua)->fregs, 0xff, sizeof rt()->fregs);
        rt_of(s.ua)->on_call = NULL;
        sh->w[2] = 1;
        WAIT(*(volatile u64 *)&seen[31] != ~0ul);
        clean(seen, (va_t)s.ua, true, c.eid);
    }
    child_end(&c);
    peer_end(&s);
}

static bool fp_usable(void) { return rt_try_jump((va_t)fp_touch) == -1; }

static void fp_look(u64 *msg, eid_t client) {
    (void)client;
    msg[0] = fp_usable();
    CHECK(exo_fp(1), 0);
    msg[1] = fp_any();
}

static void fp_child(u64 way) {
    u64 now = 1, m[MSG_WORDS];
    CHECK(rt_fp(1), 0);
    CHECK(fp_hold(&now), 0);
    if (way == WAYS) {
        CHECK(call_ready((eid_t)sh->w[1], sh->w[2], m), 0);
        CHECK(m[0], 0);
        CHECK(m[1], 0);
        CHECK(rt_fp(1), 0);
        CHECK(fp_any(), 0);
        sh->w[3] = 1;
        park(0);
    }
    leaver(way);
}

// Reading the last account's floating-point registers: they are off at a prologue and after a transfer, and
// zero when they are asked for.
static void fp_registers(void) {
    struct child c;
    struct peer s;
    for (u64 way = 0; way < WAYS; way++) {
        if (!child_go(&c, fp_child, way)) return;
        for (u32 i = 0; i < 3; i++) {
            rt_yield(c.eid);
            TRUE(!fp_usable());
            CHECK(rt_fp(1), 0);
            CHECK(fp_any(), 0);
            CHECK(rt_fp(0), 0);
        }
        child_end(&c);
    }
    if (!peer_new(&s, 0, 0, park, 0)) return;
    rt_of(s.ua)->on_call = fp_look;
    rt_of(s.ua)->call_stack = (va_t)s.stack + EXO_PAGE;
    CHECK(exo_env_ctl(s.eid, ENV_RUN), 0);
    sh->w[1] = s.eid;
    sh->w[2] = exo_cap_new().val;
    CHECK(exo_env_accept(s.eid, sh->w[2]), 0);
    if (child_go(&c, fp_child, WAYS)) WAIT(sh->w[3]);
    child_end(&c);
    peer_end(&s);
}

// ---- the CPU ----

static void hold_loop(u64 unused) // its epilogue never yields
{
    (void)unused;
    uarea()->entry[ENTRY_EPILOGUE] = (va_t)stuck;
    sh->w[0] = 1;
    hold_regs(&sh->w[10]);
}

static void hold_prologue(u64 unused) // nor does it come so far
{
    (void)unused;
    uarea()->entry[ENTRY_PROLOGUE] = (va_t)stuck;
    hold_loop(0);
}

static void hold_critical(u64 unused) {
    (void)unused;
    __atomic_fetch_or(&uarea()->mask, MASK_LIBOS, __ATOMIC_SEQ_CST);
    sh->w[0] = 1;
    sh->w[1] = 1 + hold_regs(&sh->w[10]);
    __atomic_fetch_and(&uarea()->mask, ~(u64)MASK_LIBOS, __ATOMIC_SEQ_CST);
    park(0);
}

// Each of its slices ends by force, is paid by the next slot of its own, and by nobody else.
static void hold_cpu(struct child *c) {
    const volatile struct exo_env *e = env_of(c->eid), *me = env_of(self());
    if (!WAIT(sh->w[0])) return;
    rt_yield(0);
    u64 slices = e->slices, aborts = e->aborts, mine = me->aborts, turns = me->slices;
    for (u32 i = 0; i < 20; i++) {
        rt_yield(0);
        TRUE(e->excess <= 1);
    }
    slices = e->slices - slices;
    turns = me->slices - turns;
    CHECK(e->aborts - aborts, slices);
    TRUE(slices >= 8 && slices <= turns / 2 + 1);
    INNOCENT(me->aborts - mine);
    CHECK(e->state & ENV_STOPPED, 0);
}

static void hold_cpu_loop(void) {
    for (u32 i = 0; i < 2; i++) {
        struct child c;
        sh->w[0] = 0;
        if (child_go(&c, i ? hold_prologue : hold_loop, 0)) hold_cpu(&c);
        child_end(&c);
    }
}

static void hold_cpu_critical(void) {
    struct child c;
    if (child_go(&c, hold_critical, 0)) {
        hold_cpu(&c);
        sh->w[10] = 1;
        WAIT(sh->w[1]);
        CHECK(sh->w[1], 1); // and it lost nothing
    }
    child_end(&c);
}

static void spinner(u64 unused) {
    (void)unused;
    for (;;) ++*(volatile u64 *)&sh->w[20];
}

// Its slice over, it would enter the victim, so that this one is found on the hart when the budget ends.
static void pusher(u64 victim) {
    const volatile struct exo_env *me = env_of(self());
    struct exo_uarea *ua = uarea();
    u64 m[MSG_WORDS] = {0};
    for (u32 n = 0; n < 5;) {
        __atomic_fetch_or(&ua->mask, MASK_LIBOS, __ATOMIC_SEQ_CST);
        u64 aborts = me->aborts;
        while (!(*(volatile u64 *)&ua->pending & PENDING_EPILOGUE))
            ;
        i64 tried[] = {rt_yield((eid_t)victim), rt_wait(sh->w[1], 0, 0, 0, (eid_t)victim),
                       rt_send((eid_t)victim, sh->w[2], m), rt_call((eid_t)victim, sh->w[2], m)};
        if (me->aborts == aborts) { // else another slice may have begun in between
            for (u32 i = 0; i < 4; i++) {
                kt_with = i;
                CHECK(tried[i], E_TIME);
            }
            kt_with = 0;
            n++;
        } else {
            sh->w[5] = 1;
        }
        while (me->aborts == aborts) // out of spite
            ;
        __atomic_fetch_and(&ua->mask, ~(u64)MASK_LIBOS, __ATOMIC_SEQ_CST);
        rt_yield(0);
    }
    sh->w[3] = me->aborts;
    // Right before the end it may: the victim then has a budget of its own.
    for (u32 n = 0; n < 15; n++) {
        rt_yield(0);
        for (u64 until = exo_time() + EXO_WORDS->slice - n * kt_ms / 15; exo_time() < until;)
            ;
        rt_yield((eid_t)victim);
    }
    sh->w[4] = 1;
    park(0);
}

static void code_then_push(u64 victim) {
    // True: if another slice has begun after all, the wait must not be for ever.
    static const struct pred_insn yes[] = {{PRED_LI, 5, 0, 0, 1}, {PRED_RET, 0, 5, 0, 0}};
    sh->w[1] = code_new(yes, 2, NULL, 0);
    pusher(victim);
}

// Getting another to pay for it.
static void others_pay(void) {
    struct peer victim;
    struct child c;
    if (!peer_new(&victim, 0, 0, spinner, 0)) return;
    const volatile struct exo_env *e = env_of(victim.eid), *me = env_of(self());
    u64 mine = me->aborts;
    sh->w[2] = exo_cap_new().val;
    CHECK(exo_env_accept(victim.eid, sh->w[2]), 0);
    CHECK(exo_env_ctl(victim.eid, ENV_RUN), 0);
    // On a slow host it may come to owe too much before it is through, and is stopped: it paid, and that is
    // that.
    if (child_go(&c, code_then_push, victim.eid) &&
        WAIT_MS(sh->w[3] || env_of(c.eid)->state & ENV_STOPPED, 60000) && sh->w[3]) {
        if (!sh->w[5]) {
            CHECK(sh->w[20], 0); // it never ran
            CHECK(e->aborts, 0);
        }
        TRUE(sh->w[3] >= 5);
        WAIT_MS(sh->w[4] || env_of(c.eid)->state & ENV_STOPPED, 60000);
        TRUE(e->slices);
        INNOCENT(e->aborts);
        INNOCENT(e->excess);
        INNOCENT(me->aborts - mine);
    }
    child_end(&c);
    peer_end(&victim);
}

// ---- revocation ----

#define EXTRA 16 // pages above the reserve

static void keep_all(void) // of ours so far: what this program itself needs
{
    for (ppn_t p = EXO_PPN_BASE; p < EXO_PPN_BASE + EXO_WORDS->npages; p++)
        if (page_of(p)->account == self_account() && page_of(p)->type == PAGE_DATA)
            CHECK(exo_page_set(p, 0, 0, 0, 1), 0);
}

static void all_fixed_child(u64 unused) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    ppn_t p[CHILD_PAGES + EXTRA], left[EXTRA];
    u32 n = 0, nleft = 0;
    (void)unused;
    keep_all();
    while (a->held < a->reserve + EXTRA) p[n++] = page_new();
    struct pred_code *code = map(p[n - 1], RW);
    *code = (struct pred_code){.n = 1, .insn = {{PRED_RET, 0, 0, 0, 0}}};
    win_end(code);
    for (u32 i = 0; i < n; i++) {
        i64 err = exo_page_set(p[i], 0, 0, 0, 1);
        CHECK(err, nleft ? E_FIXED : err ? E_FIXED : E_OK);
        if (err) left[nleft++] = p[i];
    }
    CHECK(nleft, EXTRA);
    CHECK(a->fixed, a->reserve);
    ppn_t q = left[nleft - 1], root = my_root();
    REFUSED({EXO_CODE_LOAD, {q}, E_FIXED}, {EXO_PT_LINK, {q, 0, 2, q}, E_FIXED},
            {EXO_PT_LINK, {root, FAR, 1, q}, E_FIXED},
            {EXO_ENV_NEW, {0, root, q, UA_TOP - 9 * EXO_PAGE}, E_FIXED},
            {EXO_ACCT_NEW, {1, 0, 0, 0}, E_FIXED},
            {EXO_ACCT_SET, {self_account(), a->fixed - 1, a->envs, a->accts, a->exts}, E_FIXED});
    if (EXT != ~0ul) {
        ppn_t one[1] __attribute__((aligned(8))) = {q};
        REFUSED({EXO_DISK_SUBMIT, {DISK_READ | 1 << 8, EXT, 0, (u64)one, sh->w[2]}, E_FIXED});
    }
    sh->w[0] = 1;
    wait_for(&sh->w[1]);
    for (u32 i = 0; i < n - EXTRA; i++)
        TRUE(page_of(p[i])->account == self_account() && page_of(p[i])->flags & PAGE_KEEP);
}

// Making every page fixed, so that none can be revoked: what exceeds the reserve always can.
static void all_fixed(void) {
    struct child c;
    pool_open(2 * EXTRA);
    EXT = test_extent();
    sh->w[2] = exo_cap_new().val;
    if (EXT != ~0ul) CHECK(exo_ext_set(EXT, sh->w[2], 0), 0);
    if (child_go(&c, all_fixed_child, 0) && WAIT(sh->w[0])) {
        const volatile struct exo_acct *a = &EXO_ACCTS[c.acct];
        CHECK(exo_revoke(c.acct, ~0ul, 0), 0);
        NAP(a->held == a->reserve);
        CHECK(a->repossessed, EXTRA);
        sh->w[1] = 1;
        WAIT(!env_lives(c.eid));
    }
    child_end(&c);
    if (EXT != ~0ul) CHECK(exo_ext_set(EXT, 0, 0), 0);
    pool_close();
}

static void ignore_child(u64 unused) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    volatile struct exo_uarea *ua = uarea();
    ppn_t p[CHILD_PAGES + EXTRA];
    volatile u64 *w[CHILD_PAGES + EXTRA];
    u32 n = 0, gone = 0;
    u64 v;
    (void)unused;
    CHECK(exo_acct_pager(self_account(), self()), 0);
    keep_all();
    for (; a->held < a->reserve + EXTRA; n++) {
        p[n] = page_new();
        w[n] = map(p[n], RW);
        *w[n] = n + 1;
    }
    sh->w[0] = 1;
    wait_for(&sh->w[1]);
    for (u32 i = 0; i < n; i++) {
        kt_with = i;
        if (page_of(p[i])->account == self_account() && page_of(p[i])->type == PAGE_DATA) {
            CHECK(*w[i], i + 1);
            continue;
        }
        CHECK(rt_try_load((va_t)w[i], &v), 13);
        CHECK(rt_try_store((va_t)w[i], 0), 15);
        u32 j = 0;
        while (j < 32 && ua->repo[j] != p[i]) j++;
        TRUE(j < ua->repo_count);
        gone++;
    }
    kt_with = 0;
    CHECK(gone, 10);
    CHECK(ua->repo_count, 10);
    CHECK(ua->pending & (PENDING_REVOKE | PENDING_REPO), PENDING_REVOKE | PENDING_REPO);
}

// Ignoring a revocation: the pages go all the same, nothing else does, and it can be read which.
static void ignore_revocation(void) {
    struct child c;
    pool_open(2 * EXTRA);
    if (child_go(&c, ignore_child, 0) && WAIT(sh->w[0])) {
        const volatile struct exo_acct *a = &EXO_ACCTS[c.acct];
        u64 held = a->held, deadline = exo_time() + 5 * kt_ms;
        CHECK(exo_revoke(c.acct, 10, deadline), 0);
        u64 taken = a->repossessed; // read before the time is
        TRUE(!taken || exo_time() >= deadline);
        NAP(a->held == held - 10 && !a->revoke_deadline);
        CHECK(a->repossessed, 10);
        sh->w[1] = 1;
        WAIT(!env_lives(c.eid));
    }
    child_end(&c);
    pool_close();
}

// ---- predicates ----

#define LD_OWN \
    { PRED_LD, 5, 1, 0, 0 }
#define RET \
    { PRED_RET, 0, 0, 0, 0 }

// May this program, with these pages of its own, be loaded? If so it is dropped again.
static i64 loads(const struct pred_insn *insn, u32 n, const ppn_t *own, u32 nown) {
    ppn_t p = page_new();
    struct pred_code *c = map(p, RW);
    c->n = n;
    c->npages = nown;
    memcpy(c->insn, insn, n * sizeof *insn);
    for (u32 i = 0; i < nown; i++) c->page[1 + i] = own[i];
    win_end(c);
    i64 err = exo_code_load(p);
    if (!err) CHECK(exo_code_drop(p), 0);
    page_end(p);
    return err;
}
#define LOADS(own, nown, ...)                                                                                \
    loads((const struct pred_insn[]){__VA_ARGS__}, sizeof((const struct pred_insn[]){__VA_ARGS__}) / 8, own, \
          nown)

// A backward jump: the kernel would look for ever.
static void predicate_backward(void) {
    for (u8 op = PRED_BEQ; op <= PRED_BGEU; op++) {
        kt_with = op;
        CHECK(LOADS(NULL, 0, {op, 0, 0, 0, 1}, RET, RET), 0);
        CHECK(LOADS(NULL, 0, {op, 0, 0, 0, 0}, RET, RET), E_CODE);
        CHECK(LOADS(NULL, 0, {op, 0, 0, 0, -1}, RET, RET), E_CODE);
        CHECK(LOADS(NULL, 0, RET, {op, 0, 0, 0, -2}, RET, RET), E_CODE);
        CHECK(LOADS(NULL, 0, RET, {op, 0, 0, 0, -0x7fffffff - 1}, RET, RET), E_CODE);
        CHECK(LOADS(NULL, 0, RET, {op, 0, 0, 0, 0x7fffffff}, RET, RET), E_CODE);
        CHECK(LOADS(NULL, 0, {op, 0, 0, 0, 2}, RET, RET), E_CODE); // past the end, into what follows
    }
    kt_with = 0;
}

// A wild register index: the kernel's stack beside the registers.
static void predicate_register(void) {
    for (u32 r = 8; r < 256; r = r < 16 ? r + 1 : 2 * r + 1) {
        kt_with = r;
        for (u8 op = 0; op < PRED_OPS; op++) {
            bool jumps = op >= PRED_BEQ && op <= PRED_BGEU;
            CHECK(LOADS(NULL, 0, {op, (u8)r, 0, 0, jumps}, RET, RET), E_CODE);
            CHECK(LOADS(NULL, 0, {op, 0, (u8)r, 0, jumps}, RET, RET), E_CODE);
            CHECK(LOADS(NULL, 0, {op, 0, 0, (u8)r, jumps}, RET, RET), E_CODE);
        }
    }
    kt_with = 0;
}

static void predicate_child(u64 foreign) {
    ppn_t own[3] = {page_new(), (ppn_t)foreign, kt_root};
    CHECK(LOADS(own, 1, LD_OWN, RET), 0);
    CHECK(LOADS(own, 2, LD_OWN, RET), E_OWNER);
    CHECK(LOADS(own + 1, 1, LD_OWN, RET), E_OWNER);
    CHECK(LOADS(own + 2, 1, LD_OWN, RET), E_OWNER);
    CHECK(LOADS(own, 0, LD_OWN, RET), E_CODE); // page 1 of none
    TRUE(map_cap((ppn_t)foreign, RW, sh->w[0]));
    CHECK(LOADS(own + 1, 1, LD_OWN, RET), E_OWNER); // to have it bound is not enough
}

// A page of another account.
static void predicate_foreign_page(void) {
    ppn_t p = page_new();
    sh->w[0] = exo_cap_new().val;
    CHECK(exo_page_set(p, sh->w[0], sh->w[0], 0, 0), 0);
    child_does(predicate_child, p);
    page_end(p);
}

static void waiter(u64 code) {
    for (;;) {
        sh->w[0]++;
        rt_wait(code, 7, 0, 0, 0);
    }
}

// A page freed after load, or given away, or made something else, while someone waits on it and when nobody
// does.
static void predicate_freed_page(void) {
    static const struct pred_insn insn[] = {
        LD_OWN, {PRED_BNE, 0, 5, 1, 2}, {PRED_LI, 6, 0, 0, 1}, {PRED_RET, 0, 6, 0, 0}, RET};
    struct child c;
    struct peer w;
    ppn_t p = page_new(), code = code_new(insn, 5, &p, 1);
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, NULL, 0) || !peer_go(&w, 0, waiter, code)) return;
    WAIT(sh->w[0]);
    for (u32 waits = 2; waits-- > 0;) {
        REFUSED({EXO_PAGE_FREE, {p}, E_PINNED}, {EXO_PAGE_GIVE, {p, c.acct}, E_PINNED},
                {EXO_CODE_LOAD, {p}, E_PINNED}, {EXO_PT_LINK, {p, 0, 2, p}, E_PINNED},
                {EXO_PT_LINK, {kt_root, FAR, 1, p}, E_PINNED},
                {EXO_ENV_NEW, {0, kt_root, p, UA_TOP - 64 * EXO_PAGE}, E_PINNED},
                {EXO_PAGE_ALLOC, {p}, E_TYPE}, {EXO_PAGE_FREE, {code}, E_TYPE},
                {EXO_CODE_DROP, {code}, waits ? E_BUSY : E_OK});
        if (waits) {
            CHECK(sh->w[0], 1);
            peer_end(&w);
        }
    }
    CHECK(page_of(p)->pins, 0);
    page_end(p);
    page_end(code);
    child_end(&c);
}

// ---- protected control transfer ----

// sh->w: [0] capability of the server, [1] whom it serves, [2] it may go on, [3] the client's error or its
// sibling's word
static void never(u64 *msg, eid_t client) {
    (void)msg;
    sh->w[1] = client;
    while (!sh->w[2])
        ;
}

static void server_child(u64 unused) {
    (void)unused;
    rt()->on_call = never;
    rt()->call_stack = rt()->stack - EXO_PAGE;
    CHECK(exo_env_accept(self(), sh->w[0]), 0);
    sh->w[4] = 1;
    park(0);
}

static void client(u64 eid) {
    u64 m[MSG_WORDS] = {0};
    sh->w[3] = (u64)call_ready((eid_t)eid, sh->w[0], m);
    if (!sh->w[3]) sh->w[3] = 1;
    park(0);
}

// A client whose server never replies: it can be called back, and loses the call alone.
static void server_never_replies(void) {
    struct child c;
    struct peer p;
    sh->w[0] = exo_cap_new().val;
    if (!child_go(&c, server_child, 0) || !WAIT(sh->w[4]) || !peer_go(&p, 0, client, c.eid)) return;
    for (u32 i = 0; i < 3; i++) { // and again while that server is at it
        WAIT(sh->w[1] == p.eid);
        CHECK(env_of(c.eid)->state & ENV_SERVING, ENV_SERVING);
        CHECK(exo_env_ctl(p.eid, ENV_RECALL), 0);
        WAIT(sh->w[3]);
        CHECK(sh->w[3], E_TIME);
        INNOCENT(env_of(p.eid)->aborts);
        CHECK(env_of(p.eid)->state & (ENV_CALLING | ENV_STOPPED), 0);
        peer_end(&p);
        u64 m[MSG_WORDS] = {0};
        CHECK(rt_call(c.eid, sh->w[0], m), E_STATE); // it has the last one's call still
        sh->w[2] = 1;
        WAIT(!(env_of(c.eid)->state & ENV_SERVING));
        sh->w[1] = sh->w[2] = sh->w[3] = 0;
        if (!peer_go(&p, 0, client, c.eid)) return;
    }
    WAIT(sh->w[1] == p.eid);
    child_end(&c); // nor does its end leave anyone behind
    WAIT(sh->w[3]);
    CHECK(sh->w[3], E_DEAD);
    peer_end(&p);
}

static void client_child(u64 server) {
    CHECK(exo_env_ctl(sh->w[5], ENV_RUN), 0);
    client(server);
}

static void stopper(u64 unused) {
    (void)unused;
    wait_for(&sh->w[1]);
    CHECK(exo_env_ctl(sh->w[1], ENV_STOP), 0);
    sh->w[6] = 1;
    park(0);
}

// A server whose client is stopped: it has nothing to wait for, and serves the next.
static void client_stopped(void) {
    struct child c;
    struct peer s;
    u64 m[MSG_WORDS] = {0};
    sh->w[0] = exo_cap_new().val;
    if (!peer_new(&s, 0, 0, park, 0) || !child_new(&c, CHILD_PAGES, 4, 0, 0, 0, client_child, s.eid)) return;
    rt_of(s.ua)->on_call = never;
    rt_of(s.ua)->call_stack = (va_t)s.stack + EXO_PAGE;
    CHECK(exo_env_accept(s.eid, sh->w[0]), 0);
    peer_start(&s);
    sh->w[5] = child_more(&c, stopper, 0, 0);
    if (child_run(&c) && WAIT(sh->w[6])) {
        CHECK(env_of(s.eid)->state & ENV_SERVING, ENV_SERVING);
        CHECK(env_of(s.eid)->client, 0);
        CHECK(env_of(c.eid)->state & ENV_STOPPED, ENV_STOPPED);
        sh->w[2] = 1;
        WAIT(!(env_of(s.eid)->state & ENV_SERVING));
        CHECK(call_ready(s.eid, 0, m), 0);
        CHECK(sh->w[1], self());
        CHECK(sh->w[3], 0);
    }
    child_end(&c);
    peer_end(&s);
}

// ---- the TLB ----

// In a space of its own, at home where sh->w[0] says, it keeps reading sh->w[1]'s address: the value goes to
// sh->w[2].
static void reader(u64 unused) {
    volatile u64 *at = (volatile u64 *)sh->w[1];
    (void)unused;
    for (;;) {
        if (env_of(self())->home != sh->w[0]) {
            CHECK(exo_env_home(self(), sh->w[0]), 0);
            while (env_of(self())->home != sh->w[0]) rt_yield(0);
        }
        sh->w[2] = *at;
        sh->w[3]++;
    }
}

static bool reads(u64 want) {
    u64 n = sh->w[3];
    return WAIT(sh->w[3] >= n + 2) && CHECK(sh->w[2], want);
}

// A stale TLB entry after an environment moved away and back: while it was away, and once it is back.
static void stale_tlb_moved(void) {
    struct space s;
    struct peer p;
    ppn_t page[2] = {page_new(), page_new()};
    va_t va = (va_t)win_new();
    fill(page[0], 10);
    fill(page[1], 11);
    sh->w[0] = sh->w[2] = 1;
    sh->w[1] = va;
    if (space_new(&s) && CHECK(rt_map(s.root, va, page[0], PTE_R), 0) && peer_new(&p, s.root, 1, reader, 0)) {
        u32 slot = free_slot(0), at = 0;
        CHECK(exo_slot_set(0, slot, p.eid), 0);
        peer_start(&p);
        for (u32 i = 0; i < 20 && reads(10 + at); i++) {
            sh->w[0] = !sh->w[0];
            WAIT(env_of(p.eid)->home == sh->w[0]);
            reads(10 + at);
            CHECK(rt_map(s.root, va, page[at ^= 1], PTE_R), 0);
            if (i % 4 < 2) // sometimes it is away twice before it looks
                reads(10 + at);
        }
        CHECK(exo_slot_set(0, slot, 0), 0);
        peer_end(&p);
    }
    space_end(&s);
    win_end((void *)va);
    page_end(page[0]);
    page_end(page[1]);
}

// And after an ASID was used again, for another space.
static void stale_tlb_asid(void) {
    ppn_t page[2] = {page_new(), page_new()};
    va_t va = (va_t)win_new();
    u32 hart = EXO_WORDS->nharts > 1, reused = 0;
    u16 asid = 0;
    sh->w[0] = hart;
    sh->w[1] = va;
    fill(page[0], 10);
    fill(page[1], 11);
    for (u32 i = 0; i < 10; i++) {
        struct space s, other;
        struct peer p;
        if (!space_new(&s) || !space_new(&other) || !CHECK(rt_map(s.root, va, page[i % 2], PTE_R), 0) ||
            !CHECK(rt_map(other.root, va, page[!(i % 2)], PTE_R), 0))
            return;
        TRUE(page_of(s.root)->asid != page_of(other.root)->asid);
        TRUE(page_of(s.root)->asid != page_of(kt_root)->asid &&
             page_of(other.root)->asid != page_of(kt_root)->asid);
        reused += page_of(s.root)->asid == asid;
        asid = page_of(s.root)->asid;
        for (u32 j = 0; j < 2; j++) {
            if (!peer_new(&p, j ? other.root : s.root, hart, reader, 0)) return;
            sh->w[3] = 0;
            peer_start(&p);
            reads(10 + (i + j) % 2);
            peer_end(&p);
        }
        space_end(&s);
        space_end(&other);
    }
    TRUE(reused >= 5);
    win_end((void *)va);
    page_end(page[0]);
    page_end(page[1]);
}

// Keeps storing to sh->w[1]'s address; sh->w[2] is what the last try ended with, sh->w[3] how many there
// were.
static void storer(u64 unused) {
    (void)unused;
    for (u64 n = 1;; n++) {
        sh->w[2] = (u64)rt_try_store(sh->w[1], n);
        sh->w[3]++;
    }
}

// A stale TLB entry used on another hart after unbind: when the call that takes the right away has come back,
// not one store arrives any more.
static void stale_tlb_other_hart(void) {
    struct peer p;
    ppn_t page = page_new(), other = page_new();
    volatile u64 *w = map(page, PTE_R), *x = map(other, PTE_R);
    va_t va = (va_t)win_new();
    struct exo_op o __attribute__((aligned(64)));
    sh->w[1] = va;
    if (!peer_go(&p, 1, storer, 0)) return;
    for (u32 i = 0; i < 200; i++) {
        kt_with = i;
        CHECK(rt_map(kt_root, va, page, RW), 0);
        if (!WAIT(sh->w[2] == ~0ul)) break;
        switch (i % 4) {
        case 0: CHECK(exo_unbind(kt_root, va, 0).err, 0); break;
        case 1: CHECK(exo_protect(kt_root, va, PTE_W, 0, 0).err, 0); break;
        case 2: CHECK(rt_map(kt_root, va, other, RW), 0); break;
        default:
            o = (struct exo_op){.op = EXO_UNBIND, .root = kt_root, .va = va};
            CHECK(exo_batch(&o, 1).err, 0);
        }
        u64 then = *w, n = sh->w[3];
        WAIT(sh->w[3] >= n + 3);
        if (!CHECK(*w, then)) break;
        if (i % 4 == 2)
            TRUE(*x);
        else
            CHECK(sh->w[2], 15);
    }
    kt_with = 0;
    // The page itself goes: once it is another's, nothing is written there.
    for (u32 i = 0; i < 10; i++) {
        ppn_t gone = page_new();
        CHECK(rt_map(kt_root, va, gone, RW), 0);
        WAIT(sh->w[2] == ~0ul);
        page_end(gone);
        NAP(page_of(gone)->type == PAGE_FREE);
        CHECK(exo_page_alloc(gone, 0).val, gone);
        u64 n = sh->w[3];
        WAIT(sh->w[3] >= n + 3);
        TRUE(holds(gone, 0));
        page_end(gone);
    }
    peer_end(&p);
    win_end((void *)va);
    win_end((void *)w);
    win_end((void *)x);
    page_end(page);
    page_end(other);
}

// ---- one account takes all there is ----

// Account 1 puts most of what it has left of accounts and extents aside: what is left can be used up soon.
static u32 put_aside(u32 accts, u32 exts) {
    const volatile struct exo_acct *a = &EXO_ACCTS[1];
    struct exo_ret r =
        exo_acct_new(0, 0, a->accts - a->accts_used - 1 - accts, a->exts - a->exts_used - exts);
    CHECK(r.err, 0);
    return (u32)r.val;
}

static void give_up(u32 acct) {
    CHECK(exo_acct_end(acct), 0);
    acct_gone(acct);
}

static u32 accts_take(u32 *acct) // takes accounts until refused
{
    struct exo_ret r;
    u32 n = 0;
    while (!(r = exo_acct_new(0, 0, 0, 0)).err) acct[n++] = (u32)r.val;
    CHECK(r.err, E_QUOTA);
    return n;
}

static void accts_child(u64 unused) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    u32 acct[EXO_NACCT];
    (void)unused;
    CHECK(accts_take(acct), a->accts);
    REFUSED({EXO_ACCT_SET, {self_account(), a->reserve, a->envs, a->accts + 1, a->exts}, E_QUOTA},
            {EXO_ACCT_SET, {acct[0], 0, 0, 1, 0}, E_QUOTA});
    sh->w[0] = 1;
    park(0);
}

static void use_up_accounts(void) {
    struct child c;
    u32 acct[EXO_NACCT], n = 0, aside = put_aside(7, 4);
    if (child_go(&c, accts_child, 0) && WAIT(sh->w[0])) {
        n = accts_take(acct);
        CHECK(n, 2); // the child and its four are the others
    }
    child_end(&c);
    while (n) give_up(acct[--n]);
    give_up(aside);
}

static u32 exts_take(u64 e, u64 *ext) // splits until refused
{
    struct exo_ret r;
    u32 n = 0;
    while (!(r = exo_ext_split(e, EXO_EXTS[e].count - 1)).err) ext[n++] = r.val;
    CHECK(r.err, E_QUOTA);
    return n;
}

static void exts_child(u64 e) {
    u64 ext[EXO_NEXT];
    CHECK(exts_take(e, ext), 3);
    CHECK(exo_ext_give(ext[0], 1), 0); // which does not cost account 1 one of its own
    REFUSED({EXO_ACCT_NEW, {0, 0, 0, 1}, E_QUOTA},
            {EXO_ACCT_SET, {self_account(), EXO_ACCTS[self_account()].reserve, 4, 4, 4}, E_QUOTA});
    sh->w[0] = 1;
    park(0);
}

static void use_up_extents(void) {
    struct child c;
    u64 e = test_extent(), f = exo_ext_split(e, 16).val, ext[EXO_NEXT];
    u32 count = EXO_EXTS[f].count, n = 0, aside = put_aside(6, 4 + 3);
    if (child_new(&c, CHILD_PAGES, 4, 4, 4, 0, exts_child, f) && CHECK(exo_ext_give(f, c.acct), 0) &&
        child_run(&c) && WAIT(sh->w[0])) {
        n = exts_take(e, ext);
        CHECK(n, 3 + 1); // one record came back with what was given
        CHECK(exo_ext_give(e, c.acct), E_QUOTA);
    }
    child_end(&c);
    while (n) CHECK(exo_ext_join(e, ext[--n]), 0);
    while (EXO_EXTS[f].count < count) { // the child's parts, in whatever records
        u64 i = 0;
        while (i < EXO_WORDS->nexts && EXO_EXTS[i].start != EXO_EXTS[f].start + EXO_EXTS[f].count) i++;
        if (!CHECK(exo_ext_join(f, i), 0)) break;
    }
    CHECK(exo_ext_join(e, f), 0);
    give_up(aside);
}

static void giver(u64 to) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    u64 n = 0;
    i64 err = 0;
    ppn_t p = page_new();
    CHECK(exo_page_give(p, to), E_RESERVE); // it is to give back pages itself
    sh->w[2] = 1;
    WAIT(sh->w[3]);
    for (; p && !(err = exo_page_give(p, to)); p = page_new()) n++;
    CHECK(err, E_RESERVE);
    CHECK(a->reserve, a->fixed);
    sh->w[4] = n;
    park(0);
}

static void givers_parent(u64 unused) {
    struct child c;
    (void)unused;
    keep_self();
    if (!child_new(&c, CHILD_PAGES + 8, 2, 0, 0, 0, giver, self_account()) || !page_new()) return;
    sh->w[0] = 1;
    WAIT(sh->w[1]);
    child_run(&c);
    park(0);
}

// A child's gifts take nothing of what its parent may still have, nor of what a revocation leaves it.
static void use_up_parent(void) {
    struct child c;
    pool_open(2 * CHILD_PAGES);
    if (!child_new(&c, 2 * CHILD_PAGES + 24, 4, 1, 0, 0, givers_parent, 0)) return;
    const volatile struct exo_acct *a = &EXO_ACCTS[c.acct];
    if (CHECK(exo_slot_give(0, free_slot(0), 1, c.acct), 0) && child_run(&c) && WAIT(sh->w[0])) {
        CHECK(exo_revoke(c.acct, 1, exo_time() + 3600000 * kt_ms), 0);
        sh->w[1] = 1;
        WAIT(sh->w[2]);
        CHECK(exo_acct_set(c.acct, a->held - 1, a->envs, a->accts, a->exts), 0); // so that one can be taken
        CHECK(exo_revoke(c.acct, 1, 0), 0);
        WAIT(!a->revoke_deadline);
        u32 held = a->held, reserve = a->reserve;
        sh->w[3] = 1;
        WAIT(sh->w[4]);
        u32 n = (u32)sh->w[4];
        TRUE(n > 8);
        CHECK(a->held, held + n);
        CHECK(a->reserve, reserve + n);
    }
    child_end(&c);
    pool_close();
}

static void roots_child(u64 unused) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    i64 err;
    ppn_t p;
    (void)unused;
    do {
        p = page_new();
        err = exo_pt_link(p, 0, 2, p);
    } while (!err);
    CHECK(err, E_QUOTA);
    CHECK(a->roots_used, 2 * a->envs);
    REFUSED({EXO_ACCT_NEW, {0, 1, 0, 0}, E_QUOTA}, // half of whose roots are in use
            {EXO_ACCT_SET, {self_account(), a->reserve, a->envs - 1, a->accts, a->exts}, E_QUOTA});
    sh->w[0]++;
    park(0);
}

// Two use up all the roots they may; there is an address space for the third.
static void use_up_roots(void) {
    struct child c, d;
    if (child_go(&c, roots_child, 0) && child_go(&d, roots_child, 0) && WAIT(sh->w[0] == 2)) {
        struct space s[3];
        for (u32 i = 0; i < 3; i++) space_new(&s[i]);
        for (u32 i = 0; i < 3; i++) space_end(&s[i]);
    }
    child_end(&c);
    child_end(&d);
}

static void requests_child(u64 unused) {
    ppn_t p[1] __attribute__((aligned(8))) = {page_new()};
    struct exo_ret r;
    (void)unused;
    while (!(r = exo_disk_submit(DISK_READ, 1, EXT, 0, p, sh->w[1])).err) sh->w[2]++;
    CHECK(r.err, E_FULL);
    sh->w[0] = 1;
    park(0);
}

static void use_up_requests(void) {
    struct child c;
    ppn_t p[1] __attribute__((aligned(8))) = {page_new()};
    EXT = test_extent();
    sh->w[1] = exo_cap_new().val;
    CHECK(exo_ext_set(EXT, sh->w[1], 0), 0);
    if (child_go(&c, requests_child, 0) && WAIT(sh->w[0])) {
        CHECK(sh->w[2], EXO_NREQ);
        for (u32 i = 0; i < 3; i++) {
            struct exo_ret r = exo_disk_submit(DISK_READ, 1, EXT, i, p, 0);
            CHECK(r.err, 0);
            CHECK(disk_wait(r.val), 0);
        }
        CHECK(EXO_ACCTS[c.acct].requests, EXO_NREQ); // nobody collected them
    }
    child_end(&c);
    CHECK(exo_ext_set(EXT, 0, 0), 0);
    page_end(p[0]);
}

// ---- names ----

static void freer(u64 unused) {
    (void)unused;
    for (u64 round = 1;; round++) {
        while (sh->w[0] != round)
            if (EXO_WORDS->nharts == 1) rt_yield(0);
        sh->w[2] = (u64)exo_page_free(sh->w[1]);
        sh->w[3] = round;
    }
}

// A double free by two siblings, at once if there are two harts: one of them frees it.
static void double_free(void) {
    struct peer p;
    u64 free = EXO_WORDS->free;
    if (!peer_go(&p, EXO_WORDS->nharts > 1, freer, 0)) return;
    free = EXO_WORDS->free;
    for (u64 round = 1; round <= 200; round++) {
        ppn_t page = page_new();
        void *w = round % 2 ? map(page, RW) : NULL;
        kt_with = round;
        sh->w[1] = page;
        sh->w[0] = round;
        i64 mine = exo_page_free(page);
        if (!WAIT(sh->w[3] == round)) break;
        i64 its = (i64)sh->w[2];
        TRUE((mine == 0 && its == E_TYPE) || (mine == E_TYPE && its == 0));
        if (w) win_end(w);
        CHECK(page_of(page)->type, PAGE_FREE);
        CHECK(exo_page_free(page), E_TYPE);
    }
    kt_with = 0;
    CHECK(EXO_WORDS->free, free);
    struct exo_op o[2] __attribute__((aligned(128)));
    ppn_t page = page_new();
    o[0] = o[1] = (struct exo_op){.op = EXO_PAGE_FREE, .ppn = page};
    struct exo_ret r = exo_batch(o, 2);
    CHECK(r.err, E_TYPE);
    CHECK(r.val, 1);
    peer_end(&p);
}

static bool bad_req(u32 i, u64 *out) {
    static const u64 ids[] = {0,
                              1,
                              EXO_NACCT * EXO_NREQ,
                              1 << 16 | (EXO_NACCT * EXO_NREQ - 1),
                              1 << 16 | EXO_NACCT * EXO_NREQ,
                              0xffff,
                              0xffffffff,
                              1ul << 32,
                              1ul << 63,
                              ~0ul};
    *out = i < sizeof ids / 8 ? ids[i] : 0;
    return i < sizeof ids / 8;
}

// The i-th name of that kind that names nothing; *err: what must come of it.
static bool bad_name(char kind, u32 i, ppn_t ppn, eid_t eid, u64 *out, i64 *err) {
    switch (kind) {
    case 'p': return *err = E_PPN, bad_ppn(i, ppn, out);
    case 'e': return *err = E_EID, bad_eid(i, eid, out);
    case 'h': return *err = E_HART, bad_hart(i, out);
    case 's': return *err = E_SLOT, bad_slot(i, out);
    case 'a': return *err = E_ACCT, bad_acct(i, out);
    case 'x': return *err = E_EXT, bad_ext(i, out);
    case 'r': return *err = E_REQ, bad_req(i, out);
    default: return false;
    }
}

// Forged and stale names, at and past each limit, for every call that takes one.
static void forged_names(void) {
    struct peer p;
    ppn_t page = page_new();
    u64 e = test_extent() == ~0ul ? 0 : test_extent();
    ppn_t one[1] __attribute__((aligned(8))) = {page};
    if (!peer_new(&p, 0, 0, NULL, 0)) return;
    const struct {
        u64 nr, a[5];
        const char *kinds; // of the arguments; '.': none
    } list[] = {
        {EXO_PAGE_ALLOC, {0, 0}, "p"},
        {EXO_PAGE_FREE, {0}, "p"},
        {EXO_PAGE_SET, {page}, "p"},
        {EXO_PAGE_GIVE, {page, 1}, "pa"},
        {EXO_PT_LINK, {kt_root, FAR, 1, page}, "p..p"},
        {EXO_PT_UNLINK, {kt_root, WIN, 0}, "p"},
        {EXO_BIND, {kt_root, FAR, page, PTE_R}, "p.p"},
        {EXO_PROTECT, {kt_root, FAR}, "p"},
        {EXO_UNBIND, {kt_root, FAR}, "p"},
        {EXO_ENV_NEW, {0, kt_root, page, UA_TOP - 64 * EXO_PAGE}, "hpp"},
        {EXO_ENV_CTL, {p.eid, ENV_STOP}, "e"},
        {EXO_ENV_END, {0}, "e"},
        {EXO_ENV_SPACE, {p.eid, kt_root, UA_TOP}, "ep"},
        {EXO_ENV_HOME, {p.eid, 0}, "eh"},
        {EXO_ENV_ACCEPT, {p.eid, 0}, "e"},
        {EXO_SLOT_SET, {0, EXO_NSLOT - 1, p.eid}, "hse"},
        {EXO_SLOT_GIVE, {0, EXO_NSLOT - 1, 1, 1}, "hs.a"},
        {EXO_POKE, {0}, "h"},
        {EXO_ACCT_SET, {0, 0, 0, 0, 0}, "a"},
        {EXO_ACCT_END, {0}, "a"},
        {EXO_ACCT_PAGER, {1, 0}, "ae"},
        {EXO_REVOKE, {0, 1, 0}, "a"},
        {EXO_EXT_SPLIT, {e, 0}, "x"},
        {EXO_EXT_JOIN, {e, e}, "xx"},
        {EXO_EXT_GIVE, {e, 1}, "xa"},
        {EXO_EXT_SET, {e}, "x"},
        {EXO_DISK_SUBMIT, {DISK_READ | 1 << 8, e, 0, (u64)one}, ".x"},
        {EXO_DISK_DONE, {0}, "r"},
        {EXO_CONS_GIVE, {0}, "a"},
        {EXO_CODE_LOAD, {0}, "p"},
        {EXO_CODE_DROP, {0}, "p"},
        {EXO_YIELD, {0}, "e"},
        {EXO_WAIT, {kt_timer, 0, 0, 0, 0}, "p...e"},
    };
    u64 bad;
    i64 err;
    for (u32 i = 0; i < sizeof list / sizeof list[0]; i++)
        for (u32 arg = 0; list[i].kinds[arg]; arg++)
            for (u32 n = 0; bad_name(list[i].kinds[arg], n, page, p.eid, &bad, &err); n++) {
                struct try t = {list[i].nr, {0}, err};
                memcpy(t.a, list[i].a, sizeof t.a);
                t.a[arg] = bad;
                refused(__LINE__, &t, 1);
            }
    // One that was: the environment ended, another has its record.
    eid_t old = p.eid;
    peer_end(&p);
    REFUSED({EXO_ENV_CTL, {old, ENV_RUN}, E_EID}, {EXO_ENV_END, {old}, E_EID},
            {EXO_SLOT_SET, {0, EXO_NSLOT - 1, old}, E_EID});
    if (peer_new(&p, 0, 0, NULL, 0)) {
        CHECK(p.eid & EXO_EID_INDEX, old & EXO_EID_INDEX);
        REFUSED({EXO_ENV_CTL, {old, ENV_RUN}, E_EID}, {EXO_ENV_END, {old}, E_EID}, {EXO_YIELD, {old}, E_EID},
                {EXO_ENV_ACCEPT, {old, 1}, E_EID});
        peer_end(&p);
    }
    page_end(page);
}

// ---- DMA ----

// While a request is in flight its page cannot become anything else; once it can, nothing is written to it
// any more.
static void free_during_dma(void) {
    struct child c;
    u64 e = test_extent();
    ppn_t p[1] __attribute__((aligned(8)));
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, NULL, 0)) return;
    for (u32 i = 0; i < 40; i++) {
        p[0] = page_new();
        fill(p[0], i % 2 ? 0x1111 : 0x2222);
        struct exo_ret r = exo_disk_submit(DISK_WRITE, 1, e, 1, p, 0);
        CHECK(r.err, 0);
        CHECK(disk_wait(r.val), 0);
        fill(p[0], 0x3333);
        r = exo_disk_submit(DISK_READ, 1, e, 1, p, 0);
        const volatile struct exo_req *q = &EXO_REQS[r.val & 0xffff];
        const struct try tries[] = {{EXO_PAGE_FREE, {p[0]}, E_OK},
                                    {EXO_PAGE_GIVE, {p[0], c.acct}, E_OK},
                                    {EXO_PT_LINK, {p[0], 0, 2, p[0]}, E_OK},
                                    {EXO_PT_LINK, {kt_root, FAR, 1, p[0]}, E_OK},
                                    {EXO_CODE_LOAD, {p[0]}, E_CODE},
                                    {EXO_ENV_NEW, {0, kt_root, p[0], UA_TOP - 64 * EXO_PAGE}, E_OK}};
        u32 which = i % 6;
        const struct try *t = &tries[which];
        bool flew = q->state != REQ_DONE;
        struct exo_ret did = exo_ecall(t->nr, t->a[0], t->a[1], t->a[2], t->a[3], t->a[4]);
        bool flies = q->state != REQ_DONE;
        kt_with = i;
        TRUE(did.err == E_PINNED || did.err == t->err);
        if (flies) CHECK(did.err, E_PINNED);
        if (!flew) CHECK(did.err, t->err);
        CHECK(disk_wait(r.val), 0);
        if (did.err == E_PINNED || which == 4) {
            TRUE(holds(p[0], i % 2 ? 0x1111 : 0x2222));
        } else if (which == 0) {
            CHECK(exo_page_alloc(p[0], 0).val, p[0]);
            nap(kt_ms);
            TRUE(holds(p[0], 0));
        } else if (which == 1) {
            continue; // the child has it now
        } else if (which == 2) {
            CHECK(exo_pt_unlink(p[0], 0, 2).err, 0);
        } else if (which == 3) {
            CHECK(exo_pt_unlink(kt_root, FAR, 1).err, 0);
        } else {
            CHECK(exo_env_end(did.val), 0);
        }
        page_end(p[0]);
    }
    kt_with = 0;
    child_end(&c);
}

#define NFLY 15 // at w[20]: pages that the disk writes to

static void flyer(u64 unused) {
    (void)unused;
    for (u32 i = 0; i < NFLY; i++) sh->w[20 + i] = page_new();
    for (u32 i = 0; i < NFLY; i++) {
        ppn_t p[1] __attribute__((aligned(8))) = {(ppn_t)sh->w[20 + i]};
        CHECK(exo_disk_submit(DISK_READ, 1, EXT, i, p, sh->w[1]).err, 0);
    }
    sh->w[0] = 1;
    park(0);
}

// Ending an account during its DMA: its pages are nobody's until the disk has let go of them.
static void end_during_dma(void) {
    EXT = test_extent();
    sh->w[1] = exo_cap_new().val;
    CHECK(exo_ext_set(EXT, sh->w[1], 0), 0);
    for (u32 round = 0; round < 5; round++) {
        struct child c;
        ppn_t mine[NFLY];
        sh->w[0] = 0;
        if (!child_go(&c, flyer, 0) || !WAIT(sh->w[0])) return;
        CHECK(exo_acct_end(c.acct), 0);
        for (u32 i = 0; i < NFLY; i++) {
            mine[i] = (ppn_t)sh->w[20 + i];
            WAIT(page_of(mine[i])->account == 1 || !exo_page_alloc(mine[i], 0).err);
            CHECK(page_of(mine[i])->pins, 0);
            fill(mine[i], 0x313e);
        }
        acct_gone(c.acct);
        CHECK(EXO_EXTS[EXT].requests, 0);
        nap(kt_ms);
        for (u32 i = 0; i < NFLY; i++) {
            TRUE(holds(mine[i], 0x313e));
            page_end(mine[i]);
        }
    }
    CHECK(exo_ext_set(EXT, 0, 0), 0);
}

// ---- upcalls ----

static bool fault_again(struct exo_uarea *ua) {
    u64 v;
    (void)ua;
    rt_try_load(0x123, &v); // byte 0 of mask is set
    return true;
}

static bool fault_for_ever(struct exo_uarea *ua) {
    __atomic_fetch_and(&ua->mask, ~(u64)MASK_FAULT, __ATOMIC_SEQ_CST);
    sh->w[1]++;
    return true; // at the same instruction
}

enum { HANDLER_FAULTS, HANDLER_NOWHERE, HANDLER_KERNEL, NO_STACK, NO_UAREA, FOR_EVER, FAULTS };

static void faulter(u64 how) {
    u64 v;
    sh->w[0] = 1;
    if (how == HANDLER_FAULTS) rt()->on_fault = fault_again;
    if (how == FOR_EVER) rt()->on_fault = fault_for_ever;
    if (how == HANDLER_NOWHERE || how == HANDLER_KERNEL)
        uarea()->entry[ENTRY_FAULT] = how == HANDLER_KERNEL ? 0xffffffc080200000 : 0x7000;
    if (how == NO_UAREA) CHECK(exo_unbind(my_root(), (va_t)uarea(), 0).err, 0);
    if (how == NO_STACK) __asm__ volatile("li sp, 0; sd zero, 0(zero)");
    rt_try_load(0x456, &v);
    sh->w[0] = 2;
    park(0);
}

// A fault inside the fault handler stops its environment alone; one that goes on for ever takes its own
// slices.
static void fault_in_handler(void) {
    for (u64 how = 0; how < FAULTS; how++) {
        struct child c;
        kt_with = how;
        sh->w[0] = 0;
        if (!child_go(&c, faulter, how)) return;
        const volatile struct exo_env *e = env_of(c.eid);
        if (how == FOR_EVER) {
            WAIT(sh->w[1] > 1000);
            CHECK(e->state & ENV_STOPPED, 0);
            INNOCENT(env_of(self())->excess);
        } else if (WAIT(e->state & ENV_STOPPED)) {
            CHECK(e->stop, STOP_DOUBLE);
            TRUE(e->stop_cause >= 12 && e->stop_cause <= 15);
        }
        CHECK(sh->w[0], 1);
        child_end(&c);
    }
}

static u64 draw(u64 *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

// Its sibling writes all over the kernel's part of its u-area. Wherever that leads, it comes back here, or to
// one of the few places in scribbler().
static bool shrug(struct exo_uarea *ua) {
    (void)ua;
    return true;
}

static void scribbled(u64 unused) {
    (void)unused;
    rt()->on_fault = shrug;
    sh->w[4] = 1;
    park(0);
}

static void scribbler(u64 unused) {
    const u64 pc[] = {(va_t)stuck,
                      (va_t)yield_entry,
                      (va_t)quick_fault,
                      rt_entries[0],
                      rt_entries[1],
                      rt_entries[2],
                      0,
                      0x7000,
                      1,
                      ~0ul,
                      0xffffffc080200000,
                      EXO_WINDOW,
                      EXO_USER_END,
                      UA_TOP};
    eid_t eid = (eid_t)sh->w[5];
    volatile u64 *ua = map(env_of(eid)->uarea, RW);
    u64 seed = exo_time() | 1;
    (void)unused;
    CHECK(exo_acct_pager(self_account(), eid), 0);
    CHECK(exo_env_ctl(eid, ENV_RUN), 0);
    wait_for(&sh->w[4]);
    keep_all();
    for (;;) {
        for (u32 i = 0; i < 1000; i++) {
            u64 r = draw(&seed), at = r % (UA_LIBOS / 8), kind = r >> 32 & 7;
            bool goes = (at >= UA_ENTRY_FAULT / 8 && at <= UA_ENTRY_CALL / 8) ||
                        at == (UA_FAULT + FRAME_EPC) / 8 || at == (UA_EPILOGUE + FRAME_EPC) / 8 ||
                        at == UA_FORCED / 8;
            ua[at] = goes       ? pc[(r >> 40) % (sizeof pc / 8)]
                     : kind < 3 ? 0
                     : kind < 6 ? r >> 20 & 0xff
                                : draw(&seed);
        }
        if (env_of(eid)->state & ENV_STOPPED) sh->w[1] += exo_env_ctl(eid, ENV_RUN) == 0;
        sh->w[0]++;
        rt_yield(0);
    }
}

static void bystander(u64 unused) {
    (void)unused;
    sh->w[3] = 1 + hold_regs(&sh->w[10]);
    park(0);
}

// A u-area changed by another hart while the kernel uses it, for upcalls, frames, aborts, revocation:
// whatever becomes of that environment, it is not the kernel's trouble, nor another account's.
static void uarea_changed(void) {
    struct child c;
    struct peer p;
    pool_open(2 * EXTRA);
    if (child_new(&c, CHILD_PAGES, 4, 0, 0, 1, scribbler, 0) && peer_go(&p, 0, bystander, 0)) {
        const volatile struct exo_acct *a = &EXO_ACCTS[c.acct];
        sh->w[5] = child_more(&c, scribbled, 0, 0);
        const volatile struct exo_env *e = env_of((eid_t)sh->w[5]);
        child_run(&c);
        WAIT(sh->w[0]);
        for (u32 round = 0; round < 5; round++) {
            while (a->held < a->reserve + 4)
                if (!CHECK(exo_page_give(page_new(), c.acct), 0)) break;
            CHECK(exo_revoke(c.acct, 4, 0), 0);
            WAIT_MS(a->held <= a->reserve, 20000);
        }
        WAIT_MS(sh->w[0] >= 100 && sh->w[1] >= 20 && e->slices >= 20, 20000);
        sh->w[10] = 1;
        WAIT(sh->w[3]);
        CHECK(sh->w[3], 1);
        INNOCENT(env_of(p.eid)->aborts);
        child_end(&c);
        peer_end(&p);
    }
    pool_close();
}

static const struct test attack_tests[] = {
    T(fresh_page),
    T(reserve_pages),
    {"quota_envs", envs_used_up, 1, 0},
    T(stale_cap),
    T(bind_keeps_old),
    T(writable_table),
    T(writable_code),
    T(foreign_uarea),
    T(table_twice),
    T(table_into_itself),
    T_DISK(disk_read_foreign),
    T(foreign_root),
    T(foreign_env),
    T(foreign_slot),
    T(foreign_account),
    T_DISK(foreign_extent),
    T_DISK(foreign_request),
    T(registers_prologue),
    T(registers_transfer),
    T(fp_registers),
    T(hold_cpu_loop),
    T(hold_cpu_critical),
    T(others_pay),
    T(all_fixed),
    T(ignore_revocation),
    T(predicate_backward),
    T(predicate_register),
    T(predicate_foreign_page),
    T(predicate_freed_page),
    T(server_never_replies),
    T(client_stopped),
    T_HARTS(stale_tlb_moved, 2),
    T(stale_tlb_asid),
    {"use_up_envs", envs_used_up, 1, 0},
    T(use_up_accounts),
    T_DISK(use_up_extents),
    T(use_up_parent),
    T(use_up_roots),
    T_DISK(use_up_requests),
    T(double_free),
    T(forged_names),
    T_DISK(free_during_dma),
    T_DISK(end_during_dma),
    T(fault_in_handler),
    T_HARTS(uarea_changed, 2),
    T_HARTS(stale_tlb_other_hart, 2),
};
AREA(attack);
