// Sv39 tables: pt_link, pt_unlink, what they count, and that a table is in one place only.
#include "kt.h"

#define SIZE0 ((va_t)1 << 21)
#define SIZE1 ((va_t)1 << 30)
#define FREE1 (SIZE1 * 5) // nothing is linked there

struct tree {
    ppn_t root, level1, level0;
};

// A space of three tables, the lowest at `va`.
static bool tree_new(struct tree *t, va_t va) {
    *t = (struct tree){page_new(), page_new(), page_new()};
    return CHECK(exo_pt_link(t->root, 0, 2, t->root), 0) &&
           CHECK(exo_pt_link(t->root, va & -SIZE1, 1, t->level1), 0) &&
           CHECK(exo_pt_link(t->root, va & -SIZE0, 0, t->level0), 0);
}

static void tree_end(struct tree *t, va_t va) {
    CHECK(exo_pt_unlink(t->root, va & -SIZE0, 0).val, t->level0);
    CHECK(exo_pt_unlink(t->root, va & -SIZE1, 1).val, t->level1);
    CHECK(exo_pt_unlink(t->root, 0, 2).val, t->root);
    page_end(t->level0);
    page_end(t->level1);
    page_end(t->root);
}

static void link_all(void) {
    static const va_t places[] = {0, SIZE0, SIZE1 - SIZE0, SIZE1, SIZE1 * 255, EXO_USER_END - SIZE0};
    for (u32 i = 0; i < sizeof places / 8; i++) {
        struct tree t;
        va_t va = places[i];
        kt_with = va;
        u32 fixed = EXO_ACCTS[1].fixed, roots = EXO_ACCTS[1].roots_used;
        if (!tree_new(&t, va)) return;
        CHECK(page_of(t.root)->type, PAGE_ROOT);
        CHECK(page_of(t.level1)->type, PAGE_PT1);
        CHECK(page_of(t.level0)->type, PAGE_PT0);
        CHECK(page_of(t.root)->users, 1);
        CHECK(page_of(t.level1)->users, 1);
        CHECK(page_of(t.level0)->users, 0);
        TRUE(page_of(t.root)->asid);
        CHECK(EXO_ACCTS[1].fixed, fixed + 3);
        CHECK(EXO_ACCTS[1].roots_used, roots + 1);
        ppn_t p = page_new();
        CHECK(rt_map(t.root, va, p, RW), 0);
        CHECK(page_of(t.level0)->users, 1);
        CHECK(PTE_PPN(pte_at(t.root, va)), p);
        CHECK(exo_pt_unlink(t.root, va, 0).err, E_BOUND);
        CHECK(exo_pt_unlink(t.root, va & -SIZE1, 1).err, E_BOUND);
        CHECK(exo_pt_unlink(t.root, 0, 2).err, E_BOUND);
        exo_unbind(t.root, va, 0);
        tree_end(&t, va);
        page_end(p);
        CHECK(EXO_ACCTS[1].fixed, fixed);
    }
}

// What was in the page is no entry.
static void link_zeroes(void) {
    struct tree t = {page_new(), page_new(), page_new()};
    for (u32 i = 0; i < 3; i++) {
        u64 *w = map(((ppn_t *)&t)[i], RW);
        for (u32 j = 0; j < 512; j++) w[j] = 0x200000cf; // a leaf at the start of RAM
        win_end(w);
    }
    CHECK(exo_pt_link(t.root, 0, 2, t.root), 0);
    CHECK(exo_pt_link(t.root, 0, 1, t.level1), 0);
    CHECK(exo_pt_link(t.root, 0, 0, t.level0), 0);
    for (u32 i = 0; i < 3; i++) {
        u64 *w = map(((ppn_t *)&t)[i], PTE_R);
        for (u32 j = i < 2; w && j < (i ? 512 : 256); j++)
            if (w[j]) CHECK(w[j], 0);
        win_end(w);
    }
    tree_end(&t, 0);
}

static void link_errors(void) {
    struct tree t;
    ppn_t p = page_new();
    u64 bad;
    if (!tree_new(&t, 0)) return;
    // argument
    CHECK(exo_pt_link(t.root, 0, 3, p), E_LEVEL);
    CHECK(exo_pt_link(t.root, 0, ~0ul, p), E_LEVEL);
    CHECK(exo_pt_link(t.root, 0, 1ul << 32, p), E_LEVEL);
    CHECK(exo_pt_link(0, 1, 3, 0), E_LEVEL);
    CHECK(exo_pt_link(t.root, 0, 2, p), E_LEVEL);
    CHECK(exo_pt_link(p, SIZE1, 2, p), E_VA);
    CHECK(exo_pt_link(p, EXO_PAGE, 2, p), E_VA);
    CHECK(exo_pt_link(t.root, EXO_PAGE, 0, p), E_VA);
    CHECK(exo_pt_link(t.root, SIZE0 - 1, 0, p), E_VA);
    CHECK(exo_pt_link(t.root, SIZE0, 1, p), E_VA);
    CHECK(exo_pt_link(t.root, EXO_USER_END, 0, p), E_VA);
    CHECK(exo_pt_link(t.root, EXO_USER_END, 1, p), E_VA);
    CHECK(exo_pt_link(t.root, -SIZE1, 1, p), E_VA);
    CHECK(exo_pt_link(t.root, EXO_WINDOW, 0, p), E_VA);
    CHECK(exo_pt_link(0, 1, 0, 0), E_VA);
    // names
    for (EACH_BAD(bad, ppn, p)) {
        CHECK(exo_pt_link(t.root, SIZE0, 0, bad), E_PPN);
        CHECK(exo_pt_link(bad, SIZE0, 0, p), E_PPN);
        CHECK(exo_pt_link(bad, 0, 2, bad), E_PPN);
    }
    CHECK(exo_pt_link(t.root, SIZE0, 0, 0), E_PPN);
    // type
    CHECK(exo_pt_link(p, 0, 1, p), E_TYPE);
    CHECK(exo_pt_link(t.level1, 0, 0, p), E_TYPE);
    CHECK(exo_pt_link(t.level0, 0, 0, p), E_TYPE);
    CHECK(exo_pt_link(t.root, SIZE0, 0, t.root), E_TYPE);
    CHECK(exo_pt_link(t.root, SIZE0, 0, t.level1), E_TYPE);
    CHECK(exo_pt_link(t.root, SIZE0, 0, t.level0), E_TYPE);
    CHECK(exo_pt_link(t.root, SIZE0, 0, kt_timer), E_TYPE);
    CHECK(exo_pt_link(t.root, SIZE0, 0, env_of(self())->uarea), E_TYPE);
    CHECK(exo_pt_link(t.root, 0, 2, t.root), E_TYPE);
    // state
    void *w = map(p, RW);
    ppn_t code = pin(p);
    CHECK(exo_pt_link(t.root, SIZE0, 0, p), E_BOUND);
    CHECK(exo_pt_link(p, 0, 2, p), E_BOUND);
    win_end(w);
    CHECK(exo_pt_link(t.root, SIZE0, 0, p), E_PINNED);
    unpin(code);
    CHECK(exo_pt_link(t.root, FREE1, 0, p), E_TABLE);
    CHECK(exo_pt_link(t.root, 0, 0, p), E_LINKED);
    CHECK(exo_pt_link(t.root, 0, 1, p), E_LINKED);
    CHECK(page_of(p)->type, PAGE_DATA);
    tree_end(&t, 0);
    page_end(p);
    CHECK(exo_pt_link(p, 0, 2, p), E_TYPE);
}

static void unlink_errors(void) {
    struct tree t;
    u64 bad;
    if (!tree_new(&t, 0)) return;
    CHECK(exo_pt_unlink(t.root, 0, 3).err, E_LEVEL);
    CHECK(exo_pt_unlink(t.root, 1, ~0ul).err, E_LEVEL);
    CHECK(exo_pt_unlink(t.root, EXO_PAGE, 0).err, E_VA);
    CHECK(exo_pt_unlink(t.root, SIZE0, 1).err, E_VA);
    CHECK(exo_pt_unlink(t.root, SIZE1, 2).err, E_VA);
    CHECK(exo_pt_unlink(t.root, EXO_USER_END, 0).err, E_VA);
    CHECK(exo_pt_unlink(t.root, EXO_WINDOW, 1).err, E_VA);
    CHECK(exo_pt_unlink(0, 1, 0).err, E_VA);
    for (EACH_BAD(bad, ppn, t.root)) CHECK(exo_pt_unlink(bad, 0, 0).err, E_PPN);
    CHECK(exo_pt_unlink(t.level1, 0, 0).err, E_TYPE);
    CHECK(exo_pt_unlink(t.level0, 0, 2).err, E_TYPE);
    CHECK(exo_pt_unlink(t.root, FREE1, 0).err, E_TABLE);
    CHECK(exo_pt_unlink(t.root, FREE1, 1).err, E_UNBOUND);
    CHECK(exo_pt_unlink(t.root, SIZE0, 0).err, E_UNBOUND);
    // a binding of the table page itself holds it
    void *w = map(t.level0, PTE_R);
    CHECK(exo_pt_unlink(t.root, 0, 0).err, E_BOUND);
    win_end(w);
    CHECK(exo_pt_unlink(t.root, 0, 1).err, E_BOUND);
    tree_end(&t, 0);
    // a root with an environment
    struct space s;
    struct peer p;
    if (!space_new(&s) || !peer_new(&p, s.root, 0, NULL, 0)) return;
    CHECK(exo_pt_unlink(s.root, 0, 2).err, E_BOUND);
    peer_end(&p);
    space_end(&s);
    ppn_t root = page_new(), ua = page_new();
    CHECK(exo_pt_link(root, 0, 2, root), 0);
    struct exo_ret e = exo_env_new(0, root, ua, UA_TOP);
    CHECK(e.err, 0);
    CHECK(page_of(root)->users, 1);
    CHECK(exo_pt_unlink(root, 0, 2).err, E_BUSY);
    w = map(root, PTE_R);
    CHECK(exo_pt_unlink(root, 0, 2).err, E_BOUND);
    win_end(w);
    CHECK(exo_env_end(e.val), 0);
    CHECK(exo_pt_unlink(root, 0, 2).val, root);
    CHECK(page_of(root)->type, PAGE_DATA);
    page_end(root);
    page_end(ua);
}

static void owner_child(u64 mine) {
    ppn_t p = page_new(), root = page_new();
    CHECK(exo_pt_link(kt_root, FREE1, 1, p), E_OWNER);
    CHECK(exo_pt_link(kt_root, FREE1, 1, mine), E_OWNER);
    CHECK(exo_pt_link(my_root(), FREE1, 1, mine), E_OWNER);
    CHECK(exo_pt_link(mine, 0, 2, mine), E_OWNER);
    CHECK(exo_pt_link(mine, FREE1, 1, kt_root), E_OWNER);
    CHECK(exo_pt_unlink(kt_root, WIN, 0).err, E_OWNER);
    CHECK(exo_pt_unlink(kt_root, 0, 2).err, E_OWNER);
    CHECK(exo_pt_unlink(mine, 0, 2).err, E_OWNER);
    CHECK(exo_pt_link(root, 0, 2, root), 0);
    CHECK(exo_pt_link(root, 0, 1, p), 0);
}

static void owner(void) {
    ppn_t p = page_new();
    child_does(owner_child, p);
    page_end(p);
}

static void limits_child(u64 unused) {
    (void)unused;
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    ppn_t p[CHILD_PAGES];
    u32 n = 0, i = 0;
    for (; a->held < a->reserve; n++) p[n] = page_new();
    for (; a->roots_used < 2 * a->envs; i++) CHECK(exo_pt_link(p[i], 0, 2, p[i]), 0);
    CHECK(a->roots_used, 2 * a->envs);
    CHECK(exo_pt_link(p[i], 0, 2, p[i]), E_QUOTA);
    CHECK(exo_pt_link(p[0], FREE1, 1, p[i]), 0);
    CHECK(exo_pt_unlink(p[1], 0, 2).err, 0);
    CHECK(exo_pt_link(p[1], 0, 2, p[1]), 0);
}

static void roots_quota(void) { child_does(limits_child, 0); }

static void fixed_child(u64 unused) {
    (void)unused;
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    ppn_t p = page_new(), q = page_new();
    // less reserve than it holds: there are pages that nobody is promised
    CHECK(exo_acct_set(self_account(), a->fixed + 1, a->envs, a->accts, a->exts), 0);
    CHECK(exo_pt_link(p, 0, 2, p), 0);
    CHECK(exo_pt_link(p, 0, 1, q), E_FIXED);
    CHECK(exo_pt_link(q, 0, 2, q), E_FIXED);
    CHECK(exo_page_set(q, 0, 0, 0, 1), E_FIXED);
    CHECK(exo_env_new(0, p, q, 0).err, E_FIXED);
    CHECK(exo_pt_unlink(p, 0, 2).err, 0);
    CHECK(exo_page_set(p, 0, 0, 0, 1), 0); // fixed already, it may become a table
    CHECK(exo_pt_link(p, 0, 2, p), 0);
}

static void fixed(void) {
    pool_open(CHILD_PAGES);
    child_does(fixed_child, 0);
    pool_close();
}

// Two spaces of one account see their own memory at the same address, though one runs right after the other.
static volatile u64 *const probe = (volatile u64 *)(FREE1 + EXO_PAGE);

static void other_space(u64 unused) {
    (void)unused;
    for (u32 i = 0; i < 100; i++) {
        if (*probe != 0x222) CHECK(*probe, 0x222);
        rt_yield(kt_main);
    }
    sh->w[0] = 1;
    for (;;) rt_yield(0);
}

static void spaces(void) {
    struct space s;
    struct peer p;
    ppn_t mine = page_new(), other = page_new(), t[4];
    for (u32 i = 0; i < 4; i++) t[i] = page_new();
    if (!space_new(&s) || !peer_new(&p, s.root, 0, other_space, 0)) return;
    for (u32 i = 0; i < 2; i++) {
        ppn_t root = i ? s.root : kt_root, page = i ? other : mine;
        CHECK(exo_pt_link(root, FREE1, 1, t[2 * i]), 0);
        CHECK(exo_pt_link(root, FREE1, 0, t[2 * i + 1]), 0);
        CHECK(rt_map(root, (va_t)probe, page, RW), 0);
    }
    *probe = 0x111;
    u64 *w = map(other, RW);
    *w = 0x222;
    win_end(w);
    peer_start(&p);
    while (!sh->w[0]) {
        rt_yield(p.eid);
        if (*probe != 0x111) CHECK(*probe, 0x111);
    }
    peer_end(&p);
    for (u32 i = 0; i < 2; i++) {
        ppn_t root = i ? s.root : kt_root;
        exo_unbind(root, (va_t)probe, 0);
        CHECK(exo_pt_unlink(root, FREE1, 0).err, 0);
        CHECK(exo_pt_unlink(root, FREE1, 1).err, 0);
        page_end(t[2 * i]);
        page_end(t[2 * i + 1]);
    }
    space_end(&s);
    page_end(mine);
    page_end(other);
}

static const struct test table_tests[] = {
    T(link_all), T(link_zeroes), T(link_errors), T(unlink_errors),
    T(owner),    T(roots_quota), T(fixed),       T(spaces),
};
AREA(table);
