// Physical pages: page_alloc, page_free, page_set, page_give, and what their records show.
#include "kt.h"

static void alloc_any(void) {
    u64 head = EXO_WORDS->free_head, free = EXO_WORDS->free, held = EXO_ACCTS[1].held;
    struct exo_ret r = exo_page_alloc(0, 0);
    CHECK(r.err, 0);
    CHECK(r.val, head);
    CHECK(EXO_WORDS->free, free - 1);
    CHECK(EXO_ACCTS[1].held, held + 1);
    const volatile struct exo_page *p = page_of((ppn_t)r.val);
    CHECK(p->type, PAGE_DATA);
    CHECK(p->account, 1);
    CHECK(p->binds, 0);
    CHECK(p->pins, 0);
    CHECK(p->flags, 0);
    CHECK(p->tag, 0);
    CHECK(exo_page_free(r.val), 0);
    CHECK(p->type, PAGE_FREE);
    CHECK(EXO_WORDS->free, free);
    CHECK(EXO_WORDS->free_head, head);
}

// A page asked for by its number, from the middle of the list.
static void alloc_named(void) {
    ppn_t head = (ppn_t)EXO_WORDS->free_head, second = page_of(head)->next, third = page_of(second)->next;
    CHECK(exo_page_alloc(second, 0).val, second);
    CHECK(EXO_WORDS->free_head, head);
    CHECK(page_of(head)->next, third);
    CHECK(page_of(third)->prev, head);
    CHECK(exo_page_alloc(second, 0).err, E_TYPE);
    CHECK(exo_page_free(second), 0);
}

static void alloc_errors(void) {
    ppn_t p = page_new();
    u64 bad;
    CHECK(exo_page_alloc(0, 2).err, E_ARG);
    CHECK(exo_page_alloc(0, ~0ul).err, E_ARG);
    CHECK(exo_page_alloc(1, 2).err, E_ARG);
    for (EACH_BAD(bad, ppn, p)) CHECK(exo_page_alloc(bad, 0).err, E_PPN);
    CHECK(exo_page_alloc(p, 0).err, E_TYPE);
    CHECK(exo_page_alloc(p, 1).err, E_TYPE);
    CHECK(exo_page_alloc(kt_root, 0).err, E_TYPE);
    CHECK(exo_page_alloc(env_of(self())->uarea, 0).err, E_TYPE);
    page_end(p);
}

static bool all_words(const u64 *p, u64 v) {
    for (u32 i = 0; i < EXO_PAGE / 8; i++)
        if (p[i] != v) return false;
    return true;
}

static void fill(u64 *p, u64 v) {
    for (u32 i = 0; i < EXO_PAGE / 8; i++) p[i] = v;
}

static void alloc_zeroed(void) {
    ppn_t p = page_new();
    u64 *w = map(p, RW);
    TRUE(all_words(w, 0));
    fill(w, 0x1234567812345678);
    win_end(w);
    page_end(p);
    CHECK(exo_page_alloc(p, 0).val, p);
    w = map(p, RW);
    TRUE(all_words(w, 0));
    win_end(w);
    page_end(p);
}

// The last owner may have it back as it was; its tag and capabilities are gone all the same.
static void alloc_unzeroed(void) {
    ppn_t p = page_new();
    u64 *w = map(p, RW);
    fill(w, 0x1234567812345678);
    win_end(w);
    CHECK(exo_page_set(p, 1, 2, 77, 1), 0);
    CHECK(page_of(p)->tag, 77);
    page_end(p);
    CHECK(exo_page_alloc(p, 1).val, p);
    CHECK(page_of(p)->tag, 0);
    CHECK(page_of(p)->flags, 0);
    w = map(p, RW);
    TRUE(all_words(w, 0x1234567812345678));
    win_end(w);
    page_end(p);
}

static void reserve_child(u64 unused) {
    (void)unused;
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    ppn_t got[CHILD_PAGES];
    u32 n = 0;
    while (a->held < a->reserve) {
        got[n] = page_new();
        if (!got[n++]) return;
    }
    CHECK(exo_page_alloc(0, 0).err, E_RESERVE);
    CHECK(exo_page_alloc(EXO_WORDS->free_head, 0).err, E_RESERVE);
    CHECK(exo_page_free(got[0]), 0);
    CHECK(exo_page_alloc(0, 0).err, 0);
    CHECK(exo_page_alloc(0, 0).err, E_RESERVE);
}

// With all memory promised, nobody gets more than the reserve.
static void alloc_reserve(void) { child_does(reserve_child, 0); }

static void alloc_all(void) {
    ppn_t last = 0, p;
    u64 n = 0;
    struct exo_ret r;
    for (; !(r = exo_page_alloc(0, 1)).err; n++) {
        p = (ppn_t)r.val;
        CHECK(exo_page_set(p, 0, 0, last, 0), 0);
        last = p;
    }
    CHECK(r.err, E_RESERVE);
    CHECK(EXO_WORDS->free, 0);
    CHECK(EXO_WORDS->free_head, 0);
    CHECK(exo_page_alloc(last, 0).err, E_TYPE);
    for (; last; last = p, n--) {
        p = (ppn_t)page_of(last)->tag;
        page_end(last);
    }
    CHECK(n, 0);
}

static void free_errors(void) {
    struct peer idle;
    ppn_t p = page_new();
    u64 bad;
    for (EACH_BAD(bad, ppn, p)) CHECK(exo_page_free(bad), E_PPN);
    CHECK(exo_page_free(0), E_PPN);
    CHECK(exo_page_free(kt_root), E_TYPE);
    CHECK(exo_page_free(kt_timer), E_TYPE);
    if (peer_new(&idle, 0, 0, NULL, 0)) {
        CHECK(exo_page_free(idle.ua_ppn), E_TYPE);
        peer_end(&idle);
    }
    ppn_t code = pin(p);
    CHECK(page_of(p)->pins, 1);
    CHECK(exo_page_free(p), E_PINNED);
    unpin(code);
    CHECK(page_of(p)->pins, 0);
    page_end(p);
    CHECK(exo_page_free(p), E_TYPE); // twice
}

static void owner_child(u64 ppn) {
    CHECK(exo_page_free(ppn), E_OWNER);
    CHECK(exo_page_free(kt_root), E_OWNER);
    CHECK(exo_page_set(ppn, 1, 1, 1, 0), E_OWNER);
    CHECK(exo_page_set(ppn, 1, 1, 1, 2), E_ARG);
    CHECK(exo_page_set(kt_root, 1, 1, 1, 0), E_OWNER);
    CHECK(exo_page_give(ppn, 1), E_OWNER);
    CHECK(exo_page_give(ppn, self_account()), E_OWNER);
    CHECK(exo_page_give(ppn, 0), E_ACCT);
    CHECK(exo_page_alloc(ppn, 0).err, E_TYPE);
}

static void owner(void) {
    ppn_t p = page_new();
    child_does(owner_child, p);
    CHECK(page_of(p)->account, 1);
    page_end(p);
}

// Freeing a page that is bound breaks the bindings, in whoever's space they are.
static void free_bound(void) {
    ppn_t p = page_new();
    u64 *a = map(p, RW), *b = map(p, PTE_R), v;
    *a = 1;
    CHECK(page_of(p)->binds, 2);
    CHECK(exo_page_free(p), 0);
    CHECK(exo_page_free(p), E_TYPE);
    NAP(page_of(p)->type == PAGE_FREE);
    CHECK(rt_try_load((va_t)a, &v), 13);
    CHECK(rt_try_load((va_t)b, &v), 13);
    CHECK(page_of(p)->binds, 0);
    win_end(a);
    win_end(b);
}

// The doomed page cannot be used in any way before it is free.
static void doomed(void) {
    ppn_t p = page_new();
    void *a = map(p, RW), *free_va = win_new();
    CHECK(exo_page_free(p), 0);
    if (page_of(p)->type == PAGE_DOOMED) {
        CHECK(exo_page_set(p, 0, 0, 0, 0), E_TYPE);
        CHECK(exo_page_give(p, 1), E_KIN);
        CHECK(exo_bind(kt_root, (va_t)free_va, p, PTE_R, 0).err, E_TYPE);
        CHECK(exo_protect(kt_root, (va_t)a, 0, PTE_S0, 0).err, E_TYPE);
        CHECK(exo_page_alloc(p, 0).err, E_TYPE);
        CHECK(exo_pt_link(kt_root, 0, 1, p), E_TYPE);
        CHECK(exo_code_load(p), E_TYPE);
        CHECK(exo_env_new(0, kt_root, p, UA_TOP - 64 * EXO_PAGE).err, E_TYPE);
    }
    win_end(a); // its last binding: free at once
    CHECK(page_of(p)->type, PAGE_FREE);
    win_end(free_va);
}

static void set(void) {
    ppn_t p = page_new();
    u32 fixed = EXO_ACCTS[1].fixed;
    CHECK(exo_page_set(p, 3, 4, ~0ul, 1), 0);
    CHECK(page_of(p)->tag, ~0ul);
    CHECK(page_of(p)->flags, PAGE_KEEP);
    CHECK(EXO_ACCTS[1].fixed, fixed + 1);
    CHECK(exo_page_set(p, 3, 4, 5, 1), 0);
    CHECK(EXO_ACCTS[1].fixed, fixed + 1);
    CHECK(exo_page_set(p, 0, 0, 0, 0), 0);
    CHECK(page_of(p)->flags, 0);
    CHECK(EXO_ACCTS[1].fixed, fixed);
    page_end(p);
}

static void set_errors(void) {
    ppn_t p = page_new();
    u64 bad;
    CHECK(exo_page_set(p, 0, 0, 0, 2), E_ARG);
    CHECK(exo_page_set(p, 0, 0, 0, ~0ul), E_ARG);
    CHECK(exo_page_set(0, 0, 0, 0, 2), E_ARG);
    for (EACH_BAD(bad, ppn, p)) CHECK(exo_page_set(bad, 0, 0, 0, 0), E_PPN);
    CHECK(exo_page_set(kt_root, 0, 0, 0, 0), E_TYPE);
    CHECK(exo_page_set(kt_timer, 0, 0, 0, 0), E_TYPE);
    CHECK(exo_page_set(env_of(self())->uarea, 0, 0, 0, 0), E_TYPE);
    page_end(p);
    CHECK(exo_page_set(p, 0, 0, 0, 0), E_TYPE);
}

static void fixed_child(u64 unused) {
    (void)unused;
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    ppn_t p[CHILD_PAGES];
    u32 n = 0;
    for (; a->held < a->reserve; n++) p[n] = page_new();
    u32 i = 0;
    for (; i < n && a->fixed < a->reserve; i++) CHECK(exo_page_set(p[i], 0, 0, 0, 1), 0);
    CHECK(i, n); // the data and stack pages are neither fixed nor in p
    TRUE(a->fixed < a->reserve);
    sh->w[0] = a->fixed;
    CHECK(exo_page_set(p[0], 0, 0, 0, 0), 0);
    CHECK(a->fixed, sh->w[0] - 1);
}

static void set_keep_count(void) { child_does(fixed_child, 0); }

static void give_child(u64 ppn) {
    u64 *w = map((ppn_t)ppn, RW);
    CHECK(page_of((ppn_t)ppn)->account, self_account());
    CHECK(*w, 0x600d);
    *w = 0x900d;
    CHECK(exo_page_give(ppn, 1), E_BOUND);
    win_end(w);
    CHECK(exo_page_give(ppn, 1), 0);
    CHECK(exo_page_give(ppn, 1), E_OWNER);
}

// There and back, contents included.
static void give(void) {
    struct child c;
    ppn_t p = page_new();
    u64 *w = map(p, RW);
    *w = 0x600d;
    win_end(w);
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, give_child, p)) return;
    CHECK(exo_page_set(p, 5, 6, 7, 1), 0);
    u32 held = EXO_ACCTS[c.acct].held;
    CHECK(exo_page_give(p, c.acct), 0);
    CHECK(EXO_ACCTS[c.acct].held, held + 1);
    CHECK(page_of(p)->tag, 7);
    CHECK(page_of(p)->flags, 0);
    child_run(&c);
    WAIT(!env_lives(c.eid));
    CHECK(page_of(p)->account, 1);
    w = map(p, RW);
    CHECK(*w, 0x900d);
    win_end(w);
    page_end(p);
    child_end(&c);
}

static void give_errors(void) {
    struct child c, d;
    ppn_t p = page_new();
    u64 bad;
    if (!child_new(&c, CHILD_PAGES, 1, 1, 0, 0, NULL, 0) || !child_new(&d, CHILD_PAGES, 1, 0, 0, 0, NULL, 0))
        return;
    for (EACH_BAD(bad, ppn, p)) {
        CHECK(exo_page_give(bad, c.acct), E_PPN);
        CHECK(exo_page_give(bad, 0), E_PPN);
    }
    for (EACH_BAD(bad, acct)) CHECK(exo_page_give(p, bad), E_ACCT);
    CHECK(exo_page_give(p, 0), E_ACCT);
    CHECK(exo_page_give(p, 1), E_KIN);
    CHECK(exo_page_give(kt_root, 1), E_KIN);
    CHECK(exo_page_give(kt_root, c.acct), E_TYPE);
    CHECK(exo_page_give(kt_timer, c.acct), E_TYPE);
    // Between two children, though the parent may load both.
    CHECK(exo_page_give(c.sp.root, d.acct), E_KIN);
    void *w = map(p, RW);
    ppn_t code = pin(p);
    CHECK(exo_page_give(p, c.acct), E_BOUND);
    win_end(w);
    CHECK(exo_page_give(p, c.acct), E_PINNED);
    unpin(code);
    u32 eid = c.eid;
    // Its reserve is full, and all the rest is promised.
    u32 n = 0;
    while (EXO_ACCTS[c.acct].held < EXO_ACCTS[c.acct].reserve && n++ < CHILD_PAGES)
        CHECK(exo_page_give(page_new(), c.acct), 0);
    CHECK(exo_page_give(p, c.acct), E_RESERVE);
    u32 acct = d.acct;
    CHECK(exo_acct_end(acct), 0);
    if (EXO_ACCTS[acct].state == ACCT_ENDING) {
        CHECK(exo_page_give(p, acct), E_STATE);
        CHECK(exo_page_give(kt_root, acct), E_TYPE);
    }
    acct_gone(acct);
    CHECK(exo_page_give(p, acct), E_ACCT);
    child_end(&c);
    TRUE(!env_lives(eid));
    page_end(p);
}

static const struct test page_tests[] = {
    T(alloc_any),  T(alloc_named),    T(alloc_errors), T(alloc_zeroed), T(alloc_unzeroed), T(alloc_reserve),
    T(alloc_all),  T(free_errors),    T(owner),        T(free_bound),   T(doomed),         T(set),
    T(set_errors), T(set_keep_count), T(give),         T(give_errors),
};
AREA(page);
