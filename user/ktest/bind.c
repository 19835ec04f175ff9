// Bindings: bind, protect, unbind; which rights need which authority, and what comes back.
#include "kt.h"

#define NONE ~0ul // a2 when there was no valid entry
#define PT   (PTE_V | PTE_U)

static void bind(void) {
    ppn_t p = page_new(), q = page_new();
    va_t va = (va_t)win_new();
    struct exo_ret r = exo_bind(kt_root, va, p, RW, 0);
    CHECK(r.err, 0);
    CHECK(r.val, 0);
    CHECK(r.val2, NONE);
    CHECK(page_of(p)->binds, 1);
    *(volatile u64 *)va = 7;
    r = exo_bind(kt_root, va, q, PTE_R | PTE_S0, 0);
    CHECK(r.err, 0);
    CHECK(PTE_PPN(r.val), p);
    CHECK(r.val & 0x3ff, PT | RW | PTE_A | PTE_D);
    CHECK(r.val2, 0);
    CHECK(page_of(p)->binds, 0);
    CHECK(page_of(q)->binds, 1);
    CHECK(*(volatile u64 *)va, 0);
    CHECK(rt_try_store(va, 1), 15);
    CHECK(pte_at(kt_root, va) & ~(u64)PTE_A, (u64)q << 10 | PT | PTE_R | PTE_S0);
    // the same page once more at another place, then at the same
    va_t vb = (va_t)win_new();
    r = exo_bind(kt_root, vb, q, PTE_R, 0);
    CHECK(r.val2, NONE);
    CHECK(page_of(q)->binds, 2);
    r = exo_bind(kt_root, va, q, RW, 0);
    CHECK(r.val2, 2);
    CHECK(page_of(q)->binds, 2);
    r = exo_unbind(kt_root, va, 0x123456789abcdef0);
    CHECK(r.err, 0);
    CHECK(PTE_PPN(r.val), q);
    CHECK(r.val2, 1);
    CHECK(rt_try_store(va, 1), 15);
    r = exo_bind(kt_root, va, q, RW, 0);
    CHECK(r.val, 0x123456789abcdef0);
    CHECK(r.val2, NONE);
    r = exo_unbind(kt_root, va, ~1ul);
    CHECK(r.val2, 1);
    r = exo_unbind(kt_root, va, 0);
    CHECK(r.val, ~1ul);
    CHECK(r.val2, NONE);
    CHECK(pte_at(kt_root, va), 0);
    CHECK(exo_unbind(kt_root, vb, 0).val2, 0);
    win_end((void *)va);
    win_end((void *)vb);
    page_end(p);
    page_end(q);
}

// Every combination of the low bits, and some above.
static void bits(void) {
    ppn_t p = page_new();
    void *va = win_new();
    for (u64 b = 0; b < 0x1000; b++) {
        u64 rights = b & (PTE_R | PTE_W | PTE_X);
        bool ok = !(b & ~(u64)PTE_BITS) &&
                  (rights == PTE_R || rights == RW || rights == PTE_X || rights == (PTE_R | PTE_X));
        i64 err = exo_bind(kt_root, (va_t)va, p, b, 0).err;
        kt_with = b;
        if (err != (ok ? E_OK : E_BITS)) CHECK(err, ok ? E_OK : E_BITS);
    }
    for (u32 i = 12; i < 64; i++) {
        kt_with = 1ul << i;
        CHECK(exo_bind(kt_root, (va_t)va, p, PTE_R | 1ul << i, 0).err, E_BITS);
    }
    win_end(va);
    page_end(p);
}

static void use(void) {
    ppn_t p = page_new();
    u32 *w = map(p, RW);
    u64 v;
    w[0] = 0x8082; // ret
    va_t va = (va_t)w;
    CHECK(rt_try_jump(va), 12);
    CHECK(exo_bind(kt_root, va, p, PTE_X, 0).err, 0);
    CHECK(rt_try_jump(va), -1);
    CHECK(rt_try_load(va, &v), 13);
    CHECK(rt_try_store(va, 0), 15);
    CHECK(exo_bind(kt_root, va, p, PTE_R | PTE_X, 0).err, 0);
    CHECK(rt_try_jump(va), -1);
    CHECK(rt_try_load(va, &v), -1);
    CHECK(rt_try_store(va, 0), 15);
    CHECK(exo_bind(kt_root, va, p, PTE_R, 0).err, 0);
    CHECK(rt_try_jump(va), 12);
    CHECK(rt_try_load(va, &v), -1);
    CHECK(rt_try_store(va, 0), 15);
    win_end(w);
    CHECK(rt_try_load(va, &v), 13);
    page_end(p);
}

// New code in a page that was executed before: the old instructions are not run.
static void new_code(void) {
    ppn_t p = page_new();
    u32 *w = map(p, RW);
    void *x = win_new();
    for (u32 i = 1; i < 50; i++) {
        w[0] = 0x00000513 | i << 20; // li a0, i
        w[1] = 0x8067;               // ret
        CHECK(exo_bind(kt_root, (va_t)x, p, PTE_R | PTE_X, 0).err, 0);
        CHECK(((u64(*)(void))x)(), i);
        exo_unbind(kt_root, (va_t)x, 0);
    }
    win_end(x);
    win_end(w);
    page_end(p);
}

static void accessed_dirty(void) {
    ppn_t p = page_new();
    volatile u64 *w = map(p, RW);
    CHECK(pte_at(kt_root, (va_t)w) & (PTE_A | PTE_D), 0);
    (void)*w;
    CHECK(pte_at(kt_root, (va_t)w) & (PTE_A | PTE_D), PTE_A);
    *w = 1;
    CHECK(pte_at(kt_root, (va_t)w) & (PTE_A | PTE_D), PTE_A | PTE_D);
    CHECK(exo_protect(kt_root, (va_t)w, PTE_A | PTE_D, 0, 0).err, 0);
    CHECK(pte_at(kt_root, (va_t)w) & (PTE_A | PTE_D), 0);
    *w = 2;
    CHECK(pte_at(kt_root, (va_t)w) & (PTE_A | PTE_D), PTE_A | PTE_D);
    win_end((void *)w);
    page_end(p);
}

static void protect(void) {
    ppn_t p = page_new();
    volatile u64 *w = map(p, RW);
    va_t va = (va_t)w;
    struct exo_ret r = exo_protect(kt_root, va, PTE_W, PTE_S1, 0);
    CHECK(r.err, 0);
    CHECK(r.val & ~(u64)(PTE_A | PTE_D), (u64)p << 10 | PT | RW);
    CHECK(r.val2, 1);
    CHECK(rt_try_store(va, 1), 15);
    r = exo_protect(kt_root, va, 0, PTE_W, 0);
    CHECK(r.val & ~(u64)(PTE_A | PTE_D), (u64)p << 10 | PT | PTE_R | PTE_S1);
    *w = 1;
    r = exo_protect(kt_root, va, PTE_W, PTE_W, 0); // set wins
    CHECK(r.err, 0);
    *w = 2;
    r = exo_protect(kt_root, va, 0, 0, 0); // changes nothing, tells all
    CHECK(r.val & RW, RW);
    CHECK(exo_protect(kt_root, va, PTE_R, 0, 0).err, E_BITS); // W alone
    CHECK(exo_protect(kt_root, va, RW, 0, 0).err, E_BITS);    // none
    CHECK(exo_protect(kt_root, va, 0, PTE_X, 0).err, E_BITS); // W and X
    CHECK(exo_protect(kt_root, va, PTE_W, PTE_X, 0).err, 0);
    CHECK(exo_protect(kt_root, va, PTE_R, 0, 0).err, 0);
    CHECK(exo_protect(kt_root, va, PTE_X, RW, 0).err, 0);
    CHECK(*w, 2);
    win_end((void *)w);
    page_end(p);
}

static void bind_errors(void) {
    ppn_t p = page_new(), q = page_new();
    va_t va = (va_t)win_new();
    u64 bad;
    for (EACH_BAD(bad, va)) {
        CHECK(exo_bind(kt_root, bad, p, PTE_R, 0).err, E_VA);
        CHECK(exo_bind(0, bad, 0, 0, 0).err, E_VA);
    }
    CHECK(exo_bind(0, va, 0, 0, 0).err, E_BITS);
    for (EACH_BAD(bad, ppn, p)) {
        CHECK(exo_bind(kt_root, va, bad, PTE_R, 0).err, E_PPN);
        CHECK(exo_bind(bad, va, p, PTE_R, 0).err, E_PPN);
    }
    CHECK(exo_bind(kt_root, va, 0, PTE_R, 0).err, E_PPN);
    CHECK(exo_bind(p, va, q, PTE_R, 0).err, E_TYPE);
    CHECK(exo_bind(kt_timer, va, q, PTE_R, 0).err, E_TYPE);
    CHECK(exo_bind(kt_root, va, (ppn_t)EXO_WORDS->free_head, PTE_R, 0).err, E_TYPE);
    CHECK(exo_bind(kt_root, 0x500000000, p, PTE_R, 0).err, E_TABLE);
    CHECK(exo_bind(kt_root, 0x500000000, kt_root, RW, 0).err, E_BITS); // before the table is looked for
    CHECK(page_of(p)->binds, 0);
    CHECK(pte_at(kt_root, va), 0);
    win_end((void *)va);
    page_end(p);
    page_end(q);
}

static void protect_errors(void) {
    ppn_t p = page_new();
    va_t va = (va_t)map(p, PTE_R);
    u64 bad;
    for (EACH_BAD(bad, va)) {
        CHECK(exo_protect(kt_root, bad, 0, 0, 0).err, E_VA);
        CHECK(exo_protect(0, bad, ~0ul, 0, 0).err, E_VA);
    }
    CHECK(exo_protect(0, va, ~0ul, 0, 0).err, E_BITS);
    CHECK(exo_protect(kt_root, va, PTE_V, 0, 0).err, E_BITS);
    CHECK(exo_protect(kt_root, va, 0, PTE_V, 0).err, E_BITS);
    CHECK(exo_protect(kt_root, va, PTE_U, 0, 0).err, E_BITS);
    CHECK(exo_protect(kt_root, va, 0, PTE_G, 0).err, E_BITS);
    CHECK(exo_protect(kt_root, va, 0x400, 0, 0).err, E_BITS);
    CHECK(exo_protect(kt_root, va, 0, 1ul << 63, 0).err, E_BITS);
    for (EACH_BAD(bad, ppn, p)) CHECK(exo_protect(bad, va, 0, 0, 0).err, E_PPN);
    CHECK(exo_protect(p, va, 0, 0, 0).err, E_TYPE);
    CHECK(exo_protect(kt_root, 0x500000000, 0, 0, 0).err, E_TABLE);
    win_end((void *)va);
    CHECK(exo_protect(kt_root, va, 0, 0, 0).err, E_UNBOUND);
    exo_unbind(kt_root, va, PTE_R | PTE_W); // bits in an entry that is not valid are no rights
    CHECK(exo_protect(kt_root, va, 0, PTE_R, 0).err, E_UNBOUND);
    exo_unbind(kt_root, va, 0);
    page_end(p);
}

static void unbind_errors(void) {
    ppn_t p = page_new();
    va_t va = (va_t)map(p, PTE_R);
    u64 bad;
    CHECK(exo_unbind(0, 1, 1).err, E_BITS);
    CHECK(exo_unbind(kt_root, va, ~0ul).err, E_BITS);
    for (EACH_BAD(bad, va)) CHECK(exo_unbind(kt_root, bad, 0).err, E_VA);
    for (EACH_BAD(bad, ppn, p)) CHECK(exo_unbind(bad, va, 0).err, E_PPN);
    CHECK(exo_unbind(p, va, 0).err, E_TYPE);
    CHECK(exo_unbind(kt_root, 0x500000000, 0).err, E_TABLE);
    CHECK(page_of(p)->binds, 1);
    win_end((void *)va);
    page_end(p);
}

// Pages of a type other than data: read-only for tables and code, not executable for u-areas.
static void types(void) {
    static const u64 rights[] = {PTE_R, RW, PTE_X, PTE_R | PTE_X};
    ppn_t special[] = {kt_root, kt_timer, PTE_PPN(pte_at(kt_root, WIN)), env_of(self())->uarea};
    u64 *root = map(kt_root, PTE_R);
    ppn_t level1 = PTE_PPN(root[WIN >> 30]);
    win_end(root);
    special[2] = level1;
    void *va = win_new();
    for (u32 i = 0; i < 4; i++)
        for (u32 j = 0; j < 4; j++) {
            bool ok = i == 3 ? !(rights[j] & PTE_X) : rights[j] == PTE_R;
            kt_with = (u64)i << 8 | rights[j];
            CHECK(exo_bind(kt_root, (va_t)va, special[i], rights[j], 0).err, ok ? E_OK : E_BITS);
            if (!ok || rights[j] != PTE_R) continue;
            CHECK(exo_protect(kt_root, (va_t)va, 0, PTE_W, 0).err, i == 3 ? E_OK : E_BITS);
            CHECK(exo_protect(kt_root, (va_t)va, PTE_W, PTE_X, 0).err, E_BITS);
        }
    win_end(va);
}

// ---- between accounts ----

// w: [0] page open for reading with w[1], for writing with w[2]; [3] one that is not open.
static void caps_child(u64 unused) {
    (void)unused;
    ppn_t p = (ppn_t)sh->w[0], closed = (ppn_t)sh->w[3], root = my_root();
    cap_t r = sh->w[1], w = sh->w[2];
    va_t va = (va_t)win_new();
    u64 v;
    CHECK(exo_bind(root, va, p, PTE_R, 0).err, E_CAP);
    CHECK(exo_bind(root, va, p, PTE_R, r + 1).err, E_CAP);
    CHECK(exo_bind(root, va, p, PTE_R, w).err, E_CAP);
    CHECK(exo_bind(root, va, p, PTE_R, ~0ul).err, E_CAP);
    CHECK(exo_bind(root, va, p, RW, r).err, E_CAP);
    CHECK(exo_bind(root, va, p, PTE_X, w).err, E_CAP);
    CHECK(exo_bind(root, va, closed, PTE_R, 0).err, E_CAP);
    CHECK(exo_bind(root, va, closed, RW, r).err, E_CAP);
    CHECK(exo_bind(root, va, closed, PTE_X, w).err, E_CAP);
    CHECK(exo_bind(root, va, p, PTE_R, r).err, 0);
    CHECK(rt_try_load(va, &v), -1);
    CHECK(v, 0x4444);
    CHECK(exo_protect(root, va, 0, PTE_W, r).err, E_CAP);
    CHECK(exo_protect(root, va, 0, PTE_W, 0).err, E_CAP);
    CHECK(exo_protect(root, va, 0, PTE_X, w).err, E_CAP);
    CHECK(exo_protect(root, va, 0, PTE_S0, 0).err, 0); // no new right
    CHECK(exo_protect(root, va, 0, PTE_R | PTE_X, r).err, 0);
    CHECK(exo_protect(root, va, PTE_X, PTE_W, w).err, 0);
    CHECK(rt_try_store(va, 0x5555), -1);
    CHECK(exo_protect(root, va, PTE_W, 0, 0).err, 0);
    CHECK(exo_protect(root, va, 0, PTE_W, 0).err, E_CAP); // given up, it is asked for again
    CHECK(exo_bind(root, va, p, RW, w).err, 0);
    sh->w[8] = 1;
    while (!sh->w[9]) rt_yield(0);
    // The owner has changed the values: what is bound stays, and nothing new comes.
    CHECK(rt_try_store(va, 0x6666), -1);
    CHECK(exo_bind(root, va + 0, p, RW, w).err, E_CAP);
    CHECK(rt_try_store(va, 0x7777), -1);
    CHECK(exo_bind(root, va, p, PTE_R, r).err, E_CAP);
    CHECK(exo_protect(root, va, PTE_W, 0, 0).err, 0);
    CHECK(exo_protect(root, va, 0, PTE_W, w).err, E_CAP);
    // not ours to change
    CHECK(exo_bind(kt_root, va, p, PTE_R, 0).err, E_OWNER);
    CHECK(exo_unbind(kt_root, WIN, 0).err, E_OWNER);
    CHECK(exo_protect(kt_root, WIN, PTE_W, 0, 0).err, E_OWNER);
    // tables, code and u-areas of another account
    CHECK(exo_bind(root, va, kt_root, PTE_R, 0).err, E_CAP);
    CHECK(exo_bind(root, va, kt_root, RW, 0).err, E_CAP);
    CHECK(exo_bind(root, va, kt_timer, PTE_R, 0).err, E_CAP);
    CHECK(exo_bind(root, va, env_of(kt_main)->uarea, PTE_R, 0).err, E_CAP);
    CHECK(exo_bind(root, va, env_of(kt_main)->uarea, RW, r).err, E_CAP);
    CHECK(rt_try_load(va, &v), -1);
    CHECK(v, 0x7777);
}

static void caps(void) {
    struct child c;
    ppn_t p = page_new(), closed = page_new();
    volatile u64 *w = map(p, RW);
    *w = 0x4444;
    sh->w[0] = p;
    sh->w[1] = exo_cap_new().val;
    sh->w[2] = exo_cap_new().val;
    sh->w[3] = closed;
    CHECK(exo_page_set(p, sh->w[1], sh->w[2], 0, 0), 0);
    if (child_new(&c, CHILD_PAGES, 1, 0, 0, 0, caps_child, 0) && child_run(&c) && WAIT(sh->w[8])) {
        CHECK(*w, 0x5555);
        CHECK(exo_page_set(p, exo_cap_new().val, exo_cap_new().val, 0, 0), 0);
        sh->w[9] = 1;
        WAIT(!env_lives(c.eid));
        CHECK(*w, 0x7777);
    }
    child_end(&c);
    CHECK(page_of(p)->binds, 1);
    win_end((void *)w);
    page_end(p);
    page_end(closed);
}

// The owner frees a page that another account has bound: its binding goes.
static void binder_child(u64 unused) {
    (void)unused;
    volatile u64 *w = map_cap((ppn_t)sh->w[0], RW, sh->w[1]);
    u64 v;
    *w = 1;
    sh->w[8] = 1;
    while (!sh->w[9]) rt_yield(0);
    CHECK(rt_try_load((va_t)w, &v), 13);
    CHECK(rt_try_store((va_t)w, 2), 15);
    sh->w[10] = 1;
    for (;;) rt_yield(0);
}

static void binder(void) {
    struct child c;
    ppn_t p = page_new();
    sh->w[0] = p;
    sh->w[1] = exo_cap_new().val;
    CHECK(exo_page_set(p, sh->w[1], sh->w[1], 0, 0), 0);
    if (child_new(&c, CHILD_PAGES, 1, 0, 0, 0, binder_child, 0) && child_run(&c) && WAIT(sh->w[8])) {
        CHECK(page_of(p)->binds, 1);
        CHECK(exo_page_free(p), 0);
        NAP(page_of(p)->type == PAGE_FREE);
        CHECK(exo_page_alloc(p, 0).val, p);
        sh->w[9] = 1;
        WAIT(sh->w[10]);
        CHECK(page_of(p)->binds, 0);
    }
    child_end(&c);
    page_end(p);
}

// A table was the last one used and is unlinked: no name of a root leads to it, 0 included.
static void unlinked(void) {
    static const u64 names[] = {0, 1, ~0ul};
    va_t va = 0x60000000;
    ppn_t table = page_new(), p = page_new();
    CHECK(exo_pt_link(kt_root, va, 0, table), 0);
    CHECK(exo_bind(kt_root, va, p, RW, 0).err, 0);
    CHECK(exo_unbind(kt_root, va, 0).err, 0);
    CHECK(exo_pt_unlink(kt_root, va, 0).val, table);
    for (u32 i = 0; i < sizeof names / 8; i++) {
        kt_with = names[i];
        CHECK(exo_bind(names[i], va, p, RW, 0).err, E_PPN);
        CHECK(exo_unbind(names[i], va, 0).err, E_PPN);
    }
    kt_with = 0;
    CHECK(page_of(p)->binds, 0);
    page_end(table);
    page_end(p);
}

static const struct test bind_tests[] = {
    T(bind),        T(bits),           T(use),           T(new_code), T(accessed_dirty), T(protect),
    T(bind_errors), T(protect_errors), T(unbind_errors), T(types),    T(caps),           T(binder),
    T(unlinked),
};
AREA(bind);
