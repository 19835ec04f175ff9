// Tests of the memory calls one by one: that each does what <exo/abi.h> says, and each of its refusals, at the edges
// of every argument, with nothing changed by it. Account 1 has environment e1 on hart 0 with root r1; its child,
// account 2, has e2 on hart 1 with root r2. After each line everything is counted anew (recount.h).
#include "grade/host/recount.h"

static bool zeroed(ppn_t ppn)
{
    const u8 *p = ppn_to_va(ppn);
    return !*p && !memcmp(p, p + 1, EXO_PAGE - 1);
}

static void dirty(ppn_t ppn)
{
    memset(ppn_to_va(ppn), 0xa5, EXO_PAGE);
}

// ---- pages ----

static void test_alloc(void)
{
    start(100);
    ppn_t head = (ppn_t)words->free_head, a = (ppn_t)alloc(0, 0).val, mid = pg(words->free_head)->next;
    expect("page_alloc(0) takes the head of the free list", head, a);
    expect("a new page is zeroed", true, zeroed(a));
    expect("page_alloc takes the page that is named", mid, (i64)alloc(mid, 0).val);
    expect("page_alloc of the last page", END - 1, (i64)alloc(END - 1, 0).val);
    DONE(set(a, 1, 2, 3, 1));
    dirty(a);
    DONE(release(a));
    expect("unzeroed, of the last owner's", a, (i64)alloc(a, 1).val);
    expect("its contents are there", false, zeroed(a));
    expect("capabilities, tag and flags are 0", 0, (i64)(page_caps[a - EXO_PPN_BASE].r | page_caps[a - EXO_PPN_BASE].w |
                                                       pg(a)->tag | pg(a)->flags));
    DONE(release(a));
    as(e2);
    expect("unzeroed, of another's", a, (i64)alloc(a, 1).val);
    expect("it is zeroed all the same", true, zeroed(a));
    REFUSED(E_ARG, alloc(0, 2));
    REFUSED(E_ARG, alloc(1, ~0ul));
    REFUSED(E_PPN, alloc(1, 0));
    REFUSED(E_PPN, alloc(END, 0));
    REFUSED(E_PPN, alloc(EXO_PPN_BASE - 1, 0));
    REFUSED(E_PPN, alloc(EXO_PPN_BASE, 0));
    REFUSED(E_PPN, alloc(END - 2 + (1ul << 32), 0));
    REFUSED(E_PPN, alloc(~0ul, 1));
    REFUSED(E_TYPE, alloc(a, 0));
    REFUSED(E_TYPE, alloc(r1, 0));
    while (!alloc(0, 0).err)
        ;
    expect("account 2 took its reserve and what nobody is promised", 100 + COMMON, accts[2].held);
    REFUSED(E_RESERVE, alloc(0, 0));
    REFUSED(E_RESERVE, alloc(words->free_head, 0));
    as(e1);
    while (!alloc(0, 0).err)
        ;
    expect("account 1 took the rest", 0, (i64)words->free);
    REFUSED(E_RESERVE, alloc(0, 0));
    REFUSED(E_TYPE, alloc(END - 1, 0));
}

static void test_free(void)
{
    start(100);
    ppn_t a = page(), u = e1->uarea;
    u32 held = accts[1].held;
    DONE(bind(r1, 0, a, R | W, 0));
    tlb_use(0, r1, 0, PTE_D);
    DONE(release(a));
    expect("a bound page is doomed, and still held", true, pg(a)->type == PAGE_DOOMED && accts[1].held == held);
    REFUSED(E_TYPE, release(a));
    REFUSED(E_TYPE, bind(r1, 0x1000, a, R, 0));
    REFUSED(E_TYPE, protect(r1, 0, 0, PTE_S0, 0));
    tick_work();
    expect("the sweeper frees it", true, pg(a)->type == PAGE_FREE && host_walk(r1, 0, 0) == 0);
    a = page();
    DONE(bind(r1, 0, a, R | W, 0));
    DONE(release(a));
    expect("the last unbind of a doomed page", 0, unbind(r1, 0, 0).err);
    expect("frees it", PAGE_FREE, pg(a)->type);
    a = page();
    DONE(set(a, 0, 0, 0, 1));
    DONE(release(a));
    expect("a kept page, once free, is not fixed", 0, pg(a)->flags);
    REFUSED(E_PPN, release(0));
    REFUSED(E_PPN, release(END));
    REFUSED(E_PPN, release(EXO_PPN_BASE));
    REFUSED(E_OWNER, release(r2));
    REFUSED(E_OWNER, release(e2->uarea));
    REFUSED(E_TYPE, release(a));
    REFUSED(E_TYPE, release(r1));
    REFUSED(E_TYPE, release(PTE_PPN(*table_entry(r1, 0, 2))));
    REFUSED(E_TYPE, release(u));
    a = page();
    submit(1, pg(a));
    REFUSED(E_PINNED, release(a));
    complete(0);
    DONE(release(a));
    env_gone(e1);
    this_hart->cur = &(struct exo_env){.account = 1, .root = r1};
    DONE(release(u));
}

static void test_set(void)
{
    start(100);
    ppn_t a = page();
    DONE(set(a, 11, 22, 33, 1));
    expect("page_set", true,
           page_caps[a - EXO_PPN_BASE].r == 11 && page_caps[a - EXO_PPN_BASE].w == 22 && pg(a)->tag == 33);
    REFUSED(E_ARG, set(a, 0, 0, 0, 2));
    REFUSED(E_ARG, set(0, 0, 0, 0, ~0ul));
    REFUSED(E_PPN, set(EXO_PPN_BASE + KERNEL_PAGES - 1, 0, 0, 0, 0));
    REFUSED(E_OWNER, set(r2, 0, 0, 0, 0));
    REFUSED(E_TYPE, set(r1, 0, 0, 0, 0));
    ppn_t free_one = page();
    DONE(release(free_one));
    REFUSED(E_TYPE, set(free_one, 0, 0, 0, 0));
    as(e2);
    while (accts[2].fixed < accts[2].reserve)
        set(a = page(), 0, 0, 0, 1);
    DONE(set(a, 0, 0, 0, 1));
    ppn_t b = page();
    DONE(set(b, 0, 0, 0, 0));
    REFUSED(E_FIXED, set(b, 1, 1, 1, 1));
    DONE(set(a, 0, 0, 0, 0));
    DONE(set(b, 1, 1, 1, 1));
}

static void test_give(void)
{
    start(100);
    ppn_t a = page(), b = page();
    u32 grandchild = 3;
    dirty(a);
    DONE(set(a, 1, 1, 7, 1));
    DONE(give(a, 2));
    expect("given with contents and tag, without capabilities and keep", true,
           pg(a)->account == 2 && !zeroed(a) && pg(a)->tag == 7 && !pg(a)->flags && !page_caps[a - EXO_PPN_BASE].r);
    REFUSED(E_PPN, give(END, 2));
    REFUSED(E_ACCT, give(b, 0));
    REFUSED(E_ACCT, give(b, EXO_NACCT + 1));
    REFUSED(E_ACCT, give(b, 9));
    REFUSED(E_ACCT, give(b, (1ul << 32) + 2));
    REFUSED(E_OWNER, give(a, 2));
    REFUSED(E_KIN, give(b, 1));
    as(e2);
    DONE(do_acct_new(10, 1, 0, 0, 0));
    DONE(give(a, 1));
    as(e1);
    REFUSED(E_KIN, give(b, grandchild));
    REFUSED(E_TYPE, give(r1, 2));
    REFUSED(E_TYPE, give(e1->uarea, 2));
    DONE(bind(r1, 0, b, R, 0));
    REFUSED(E_BOUND, give(b, 2));
    DONE(unbind(r1, 0, 0));
    submit(1, pg(b));
    REFUSED(E_PINNED, give(b, 2));
    complete(0);
    ppn_t last = 0;
    as(e2);
    for (struct ret r; !(r = alloc(0, 0)).err;)
        last = (ppn_t)r.val;
    expect("all that is free is promised", (i64)words->free, (i64)words->promised);
    as(e1);
    REFUSED(E_RESERVE, give(b, 2));
    as(e2);
    DONE(give(last, 1));
    a = (ppn_t)alloc(last, 0).err;
    as(e1);
    DONE(give(last, 2));
    a = last;
    as(e2);
    DONE(do_acct_end(3, 0, 0, 0, 0));
    REFUSED(E_STATE, give(a, 3));
}

// ---- tables ----

static void test_link(void)
{
    start(100);
    ppn_t root = page(), a = page(), b = page(), c = page(), table = PTE_PPN(*table_entry(r1, 0, 2));
    u64 gib = 1ul << 30;
    dirty(root);
    DONE(link(root, 0, 2, root));
    expect("a root: type, ASID, both halves", true,
           pg(root)->type == PAGE_ROOT && pg(root)->asid && roots[pg(root)->asid].ppn == root &&
               !memcmp((u8 *)ppn_to_va(root) + 2048, kernel_root + 256, 2048) && !*(u64 *)ppn_to_va(root));
    dirty(a);
    DONE(link(root, 255 * gib, 1, a));
    expect("a level-1 table: zeroed, linked, counted", true, zeroed(a) && pg(a)->type == PAGE_PT1 && pg(root)->users == 1);
    dirty(b);
    DONE(link(root, EXO_USER_END - 0x200000, 0, b));
    expect("a level-0 table: zeroed, linked, counted", true, zeroed(b) && pg(b)->type == PAGE_PT0 && pg(a)->users == 1);
    expect("three pages fixed", 3 + 7, accts[1].fixed);
    REFUSED(E_LEVEL, link(root, 0, 3, c));
    REFUSED(E_LEVEL, link(root, 0, ~0ul, c));
    REFUSED(E_LEVEL, link(root, 0, 2, c));
    REFUSED(E_VA, link(c, gib, 2, c));
    REFUSED(E_VA, link(root, EXO_USER_END, 1, c));
    REFUSED(E_VA, link(root, gib / 2, 1, c));
    REFUSED(E_VA, link(root, EXO_PAGE, 0, c));
    REFUSED(E_VA, link(root, EXO_USER_END, 0, c));
    REFUSED(E_VA, link(root, 0xffffffc000000000, 1, c));
    REFUSED(E_VA, link(root, -gib, 0, END));
    REFUSED(E_PPN, link(END, 0, 1, c));
    REFUSED(E_PPN, link(root, 0, 1, END));
    REFUSED(E_PPN, link(0, 0, 2, 0));
    REFUSED(E_OWNER, link(r2, gib, 1, c));
    REFUSED(E_OWNER, link(root, 0, 1, r2));
    REFUSED(E_OWNER, link(r2, 0, 2, r2));
    REFUSED(E_TYPE, link(c, 0, 1, a));
    REFUSED(E_TYPE, link(table, 0, 0, c));
    REFUSED(E_TYPE, link(root, 0, 1, b));
    REFUSED(E_TYPE, link(root, 0, 1, root));
    REFUSED(E_TYPE, link(root, 0, 2, root));
    REFUSED(E_TYPE, link(root, 0, 1, e1->uarea));
    DONE(bind(r1, 0, c, R, 0));
    REFUSED(E_BOUND, link(root, 0, 1, c));
    REFUSED(E_BOUND, link(c, 0, 2, c));
    DONE(unbind(r1, 0, 0));
    submit(1, pg(c));
    REFUSED(E_PINNED, link(root, 0, 1, c));
    complete(0);
    REFUSED(E_TABLE, link(root, 0, 0, c));
    REFUSED(E_LINKED, link(root, 255 * gib, 1, c));
    REFUSED(E_LINKED, link(root, EXO_USER_END - 0x200000, 0, c));
    as(e2);
    while (accts[2].fixed < accts[2].reserve)
        set(a = page(), 0, 0, 0, 1);
    b = page();
    REFUSED(E_FIXED, link(r2, gib, 1, b));
    REFUSED(E_FIXED, link(b, 0, 2, b));
    DONE(link(a, 0, 2, a));
    expect("a kept page was fixed already", accts[2].reserve, accts[2].fixed);
    for (u32 i = 0; i < 95 && accts[2].roots_used < 8; i++)
        if (pg(EXO_PPN_BASE + i + 50)->account == 2)
            link(EXO_PPN_BASE + i + 50, 0, 2, EXO_PPN_BASE + i + 50);
    expect("two roots an environment", 8, accts[2].roots_used);
    for (u32 i = 0; i < npages; i++)
        if (pages[i].account == 2 && pages[i].flags && pages[i].type == PAGE_DATA)
            a = EXO_PPN_BASE + i;
    REFUSED(E_QUOTA, link(a, 0, 2, a));
}

static void test_unlink(void)
{
    start(100);
    u64 gib = 1ul << 30;
    ppn_t table = PTE_PPN(*table_entry(r1, 0, 2)), low = PTE_PPN(*table_entry(table, 0, 1)), root = SPACE(gib);
    u32 asid = pg(root)->asid, fixed = accts[1].fixed;
    REFUSED(E_LEVEL, unlink(r1, 0, 3));
    REFUSED(E_VA, unlink(r1, gib, 2));
    REFUSED(E_VA, unlink(r1, EXO_USER_END, 1));
    REFUSED(E_VA, unlink(r1, EXO_PAGE, 0));
    REFUSED(E_PPN, unlink(END, 0, 0));
    REFUSED(E_OWNER, unlink(r2, 0, 0));
    REFUSED(E_TYPE, unlink(table, 0, 0));
    REFUSED(E_TYPE, unlink(low, 0, 2));
    REFUSED(E_TABLE, unlink(root, 0, 0));
    REFUSED(E_UNBOUND, unlink(root, gib + 0x200000, 0));
    REFUSED(E_UNBOUND, unlink(root, 0, 1));
    REFUSED(E_BOUND, unlink(root, gib, 1));
    REFUSED(E_BOUND, unlink(root, 0, 2));
    ppn_t a = page();
    DONE(bind(root, gib, a, R, 0));
    REFUSED(E_BOUND, unlink(root, gib, 0));
    DONE(unbind(root, gib, 0xabc0));
    ppn_t inner = (ppn_t)unlink(root, gib, 0).val;
    expect("unlinked with its words", 0xabc0, (i64)*(u64 *)ppn_to_va(inner));
    DONE(bind(r1, 0, inner, R, 0));
    DONE(unbind(r1, 0, 0));
    DONE(link(root, gib, 0, inner));
    DONE(bind(r1, 0, inner, R, 0));
    REFUSED(E_BOUND, unlink(root, gib, 0));
    DONE(unbind(r1, 0, 0));
    DONE(bind(root, gib, root, R, 0));
    DONE(unbind(root, gib, 0));
    tlb[3][0] = (struct tlb){PTE_V, 0, asid};
    DONE(unlink(root, gib, 0));
    REFUSED(E_TABLE, bind(root, gib, a, R, 0));
    DONE(unlink(root, gib, 1));
    struct exo_env *e = env_make(1, root, page(), 2);
    REFUSED(E_BUSY, unlink(root, 0, 2));
    REFUSED(E_BOUND, unlink(r1, 0, 2));
    env_gone(e);
    DONE(bind(r1, 0, root, R, 0));
    REFUSED(E_BOUND, unlink(root, 0, 2));
    DONE(unbind(r1, 0, 0));
    expect("a root's last unlink", root, (i64)unlink(root, 0, 2).val);
    expect("a data page, not fixed, without the kernel's half", true,
           pg(root)->type == PAGE_DATA && accts[1].fixed == fixed - 2 && zeroed(root) && !roots[asid].ppn);
    expect("the ASID's translations are gone from every hart", 0, (i64)tlb[3][0].pte);
}

static void test_object(void)
{
    start(100);
    ppn_t a = page();
    DONE(bind(r1, 0, a, R | W, 0));
    DONE(bind(r1, 0x1000, a, R, 0));
    DONE(bind(r1, 0x2000, a, X, 0));
    DONE(bind(r1, TOP, a, R, 0));
    u8 *p = ppn_to_va(a);
    expect("user_object, a page", true, user_object(0, EXO_PAGE, 8, true) == p);
    expect("A and D", PTE_A | PTE_D, host_walk(r1, 0, 0) & (PTE_A | PTE_D));
    expect("user_object, its last word", true, user_object(0x1ff8, 8, 8, false) == p + 0xff8);
    expect("user_object, its last byte", true, user_object(0x1fff, 1, 1, false) == p + 0xfff);
    expect("user_object, the last page", true, user_object(TOP, 8, 8, false) == p);
    expect("past the page's end", true, !user_object(0x1ff8, 16, 8, false));
    expect("a size that wraps", true, !user_object(0x1ff8, ~0ul, 8, false));
    expect("unaligned", true, !user_object(4, 8, 8, false));
    expect("not writable", true, !user_object(0x1000, 8, 8, true));
    expect("execute only", true, !user_object(0x2000, 8, 8, false));
    expect("not bound", true, !user_object(0x3000, 8, 8, false));
    expect("no table", true, !user_object(0x40000000, 8, 8, false));
    expect("past the end of user addresses", true, !user_object(EXO_USER_END, 8, 8, false));
    expect("a kernel address", true, !user_object(0xffffffc080000000, 8, 8, false));
}

// ---- bindings ----

static void test_bind(void)
{
    start(100);
    ppn_t a = page(), b = page(), table = PTE_PPN(*table_entry(PTE_PPN(*table_entry(r1, 0, 2)), 0, 1)), code = page();
    as(e2);
    ppn_t c = page();
    DONE(set(c, 71, 72, 0, 0));
    as(e1);
    code_make(pg(code), pg(b));
    struct ret r = bind(r1, 0x5000, a, R | W | PTE_A | PTE_S1, 0);
    expect("bind", 0, r.err | (i64)r.val);
    expect("a2 where nothing was bound", -1, (i64)this_hart->a2);
    expect("the entry", (i64)pte_of(a, R | W | PTE_A | PTE_S1 | PTE_U | PTE_V), (i64)host_walk(r1, 0x5000, 0));
    DONE(bind(r1, TOP, a, R | X, 0));
    expect("bind again, of the same page", 0, bind(r1, TOP, a, X, 0).err);
    expect("its own binding counts", 2, (i64)this_hart->a2);
    DONE(unbind(r1, TOP, 0x123456789abcde));
    r = bind(r1, TOP, b, R, 0);
    expect("bind returns the word it finds", 0x123456789abcde, (i64)r.val);
    tlb_use(0, r1, 0x5000, PTE_D);
    r = bind(r1, 0x5000, b, R, 0);
    expect("bind returns the old entry with A and D", (i64)pte_of(a, R | W | PTE_A | PTE_D | PTE_S1 | PTE_U | PTE_V),
           (i64)r.val);
    expect("what the old page has left", 0, (i64)this_hart->a2);
    REFUSED(E_VA, bind(r1, 1, a, R, 0));
    REFUSED(E_VA, bind(r1, EXO_PAGE + 8, END, 0, 0));
    REFUSED(E_VA, bind(r1, EXO_USER_END, a, R, 0));
    REFUSED(E_VA, bind(r1, 0xffffffc080000000, a, R, 0));
    REFUSED(E_VA, bind(r1, 1ul << 63, a, R, 0));
    static const u64 bad[] = {0,     W,         R | W | X, W | X, PTE_A | PTE_D, R | PTE_V, R | PTE_U,
                              R | PTE_G, R | 1 << 10, R | 1ul << 63, R | 1ul << 32, ~0ul};
    for (u32 i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        REFUSED(E_BITS, bind(r1, 0, a, bad[i], 0));
    REFUSED(E_PPN, bind(END, 0, a, R, 0));
    REFUSED(E_PPN, bind(r1, 0, END, R, 0));
    REFUSED(E_PPN, bind(r1, 0, EXO_PPN_BASE, R, 0));
    REFUSED(E_PPN, bind(r1, 0, (1ul << 32) + a, R, 0));
    REFUSED(E_PPN, bind((1ul << 32) + r1, 0, a, R, 0));
    REFUSED(E_OWNER, bind(r2, 0, a, R, 0));
    REFUSED(E_TYPE, bind(a, 0, b, R, 0));
    REFUSED(E_TYPE, bind(table, 0, b, R, 0));
    REFUSED(E_TYPE, bind(r1, 0, (ppn_t)words->free_head, R, 0));
    REFUSED(E_CAP, bind(r1, 0x5000, c, R, 0));
    REFUSED(E_CAP, bind(r1, 0x5000, c, R | W, 71));
    REFUSED(E_CAP, bind(r1, 0x5000, c, R | X, 72));
    REFUSED(E_CAP, bind(r1, 0x5000, r2, R, 0));
    REFUSED(E_CAP, bind(r1, 0x5000, e2->uarea, R, 71));
    expect("the old binding stayed", (i64)b, (i64)PTE_PPN(host_walk(r1, 0x5000, 0)));
    DONE(bind(r1, 0, c, R, 71));
    DONE(bind(r1, 0x1000, c, X, 71));
    DONE(bind(r1, 0x2000, c, R | W, 72));
    as(e2);
    DONE(set(c, 0, 0, 0, 0));
    as(e1);
    REFUSED(E_CAP, bind(r1, 0x3000, c, R, 71));
    REFUSED(E_CAP, bind(r1, 0x3000, c, R, 0));
    DONE(bind(r1, 0x6000, table, R, 0));
    DONE(bind(r1, 0x7000, r1, R | PTE_A | PTE_D, 0));
    DONE(bind(r1, 0x8000, code, R, 0));
    DONE(bind(r1, 0x9000, e1->uarea, R | W, 0));
    REFUSED(E_BITS, bind(r1, 0x6000, table, R | W, 0));
    REFUSED(E_BITS, bind(r1, 0x6000, r1, R | X, 0));
    REFUSED(E_BITS, bind(r1, 0x6000, code, X, 0));
    REFUSED(E_BITS, bind(r1, 0x6000, e1->uarea, R | X, 0));
    REFUSED(E_TABLE, bind(r1, 0x400000, a, R, 0));
    REFUSED(E_TABLE, bind(r1, 1ul << 30, a, R, 0));
}

static void test_new_child(void)
{
    start(100);
    u32 child = (u32)do_acct_new(20, 1, 0, 0, 0).val;
    ppn_t a = page(), b = page(), root = page(), mid = page(), low = page();
    ppn_t all[] = {a, root, mid, low};
    for (u32 i = 0; i < 4; i++)
        DONE(give(all[i], child));
    REFUSED(E_OWNER, link(r1, 1ul << 30, 1, mid));
    DONE(link(root, 0, 2, root));
    REFUSED(E_OWNER, link(root, 0, 1, b));
    DONE(link(root, 0, 1, mid));
    DONE(link(root, 0, 0, low));
    DONE(bind(r1, 0, a, R | W, 0));
    DONE(bind(root, 0, a, R | W, 0));
    DONE(bind(root, 0x1000, b, R, 0));
    REFUSED(E_CAP, bind(r1, 0x1000, low, R, 0));
    DONE(bind(root, 0x2000, low, R, 0));
    DONE(unbind(root, 0x2000, 0));
    accts[child].state = ACCT_RUN;
    REFUSED(E_OWNER, bind(root, 0x2000, a, R, 0));
    REFUSED(E_OWNER, unbind(root, 0, 0));
    REFUSED(E_OWNER, release(a));
    REFUSED(E_CAP, bind(r1, 0x1000, a, R, 0));
}

static void test_protect(void)
{
    start(100);
    ppn_t a = page();
    as(e2);
    ppn_t c = page();
    DONE(set(c, 71, 72, 0, 0));
    as(e1);
    DONE(bind(r1, 0, a, R | W | PTE_S0, 0));
    DONE(bind(r1, 0x1000, a, R, 0));
    tlb_use(0, r1, 0, PTE_D);
    struct ret r = protect(r1, 0, W | PTE_S0, PTE_S1, 0);
    expect("protect returns the old entry", (i64)pte_of(a, R | W | PTE_A | PTE_D | PTE_S0 | PTE_U | PTE_V), (i64)r.val);
    expect("and the page's bindings", 2, (i64)this_hart->a2);
    expect("A and D stay", (i64)pte_of(a, R | PTE_A | PTE_D | PTE_S1 | PTE_U | PTE_V), (i64)host_walk(r1, 0, 0));
    DONE(protect(r1, 0, PTE_A | PTE_D, 0, 0));
    expect("A and D cleared", (i64)pte_of(a, R | PTE_S1 | PTE_U | PTE_V), (i64)host_walk(r1, 0, 0));
    DONE(protect(r1, 0, R, R | W, 0));
    DONE(protect(r1, 0, R | W, X, 0));
    REFUSED(E_VA, protect(r1, 0x800, 0, R, 0));
    REFUSED(E_VA, protect(r1, EXO_USER_END, 0, R, 0));
    REFUSED(E_BITS, protect(r1, 0, PTE_V, 0, 0));
    REFUSED(E_BITS, protect(r1, 0, 0, PTE_U, 0));
    REFUSED(E_BITS, protect(r1, 0, ~0ul, R, 0));
    REFUSED(E_BITS, protect(r1, 0, 0, 1 << 10, 0));
    REFUSED(E_PPN, protect(END, 0, 0, R, 0));
    REFUSED(E_OWNER, protect(r2, 0, 0, R, 0));
    REFUSED(E_TYPE, protect(a, 0, 0, R, 0));
    REFUSED(E_TABLE, protect(r1, 0x400000, 0, R, 0));
    REFUSED(E_UNBOUND, protect(r1, 0x2000, 0, R, 0));
    DONE(bind(r1, 0x2000, c, R, 71));
    REFUSED(E_CAP, protect(r1, 0x2000, 0, W, 71));
    REFUSED(E_CAP, protect(r1, 0x2000, 0, X, 0));
    DONE(protect(r1, 0x2000, 0, PTE_S0, 0));
    DONE(protect(r1, 0x2000, 0, W, 72));
    DONE(bind(r1, 0x3000, r1, R, 0));
    REFUSED(E_BITS, protect(r1, 0x3000, 0, W, 0));
    REFUSED(E_BITS, protect(r1, 0x3000, R, X, 0));
    REFUSED(E_BITS, protect(r1, 0x1000, R, 0, 0));
    REFUSED(E_BITS, protect(r1, 0x1000, R, W, 0));
    REFUSED(E_BITS, protect(r1, 0x1000, 0, W | X, 0));
    as(e2);
    DONE(release(c));
    as(e1);
    REFUSED(E_TYPE, protect(r1, 0x2000, W, 0, 0));
}

static void test_unbind(void)
{
    start(100);
    ppn_t a = page();
    DONE(bind(r1, 0, a, R | W, 0));
    DONE(bind(r1, TOP, a, R, 0));
    tlb_use(0, r1, 0, PTE_D);
    REFUSED(E_BITS, unbind(r1, 0, 1));
    REFUSED(E_BITS, unbind(END, 1, ~0ul));
    REFUSED(E_VA, unbind(r1, 4, 0));
    REFUSED(E_VA, unbind(r1, EXO_USER_END, 0));
    REFUSED(E_PPN, unbind(END, 0, 0));
    REFUSED(E_PPN, unbind(0, 0, 0));
    REFUSED(E_OWNER, unbind(r2, 0, 0));
    REFUSED(E_TYPE, unbind(a, 0, 0));
    REFUSED(E_TABLE, unbind(r1, 0x400000, 0));
    struct ret r = unbind(r1, 0, ~1ul);
    expect("unbind returns the old entry", (i64)pte_of(a, R | W | PTE_A | PTE_D | PTE_U | PTE_V), (i64)r.val);
    expect("and what the page has left: 1", 1, (i64)this_hart->a2);
    r = unbind(r1, 0, 0x10);
    expect("unbind returns the word it finds", ~1l, (i64)r.val);
    expect("all ones: nothing was bound", -1, (i64)this_hart->a2);
    DONE(unbind(r1, TOP, 0));
    expect("exactly one sees 0", 0, (i64)this_hart->a2);
    expect("unlinking and linking anew", 0, unlink(r1, 0, 0).err | link(r1, 0, 0, page()).err);
    r = bind(r1, 0, a, R, 0);
    expect("what the last table held is not seen", 0, (i64)r.val);
}

// ---- batches and fences ----

static struct exo_op *ops;
static void op(u32 i, u32 what, va_t va, ppn_t ppn, u32 bits, u64 word)
{
    ops[i] = (struct exo_op){what, r1, va, ppn, bits, word, 99};
}

static void test_batch(void)
{
    start(100);
    ppn_t array = page(), a = page(), b = page();
    DONE(bind(r1, 0x3000, array, R | W, 0));
    ops = ppn_to_va(array);
    op(0, EXO_PAGE_ALLOC, 0, 0, 0, 0);
    op(1, EXO_BIND, 0, a, R | W, 0);
    op(2, EXO_BIND, 0x1000, a, R, 0);
    op(3, EXO_PROTECT, 0, 0, W << 16 | PTE_S0, 0);
    op(4, EXO_UNBIND, 0x1000, 0, 0, 0xf0);
    op(5, EXO_PAGE_FREE, 0, b, 0, 0);
    op(6, EXO_UNBIND, 0, 0, 0, 0);
    op(7, EXO_PAGE_FREE, 0, a, 0, 0);
    ppn_t head = (ppn_t)words->free_head;
    remote_fences = 0;
    struct ret r = batch(0x3000, 8);
    expect("a batch", 8, r.err ? r.err : (i64)r.val);
    expect("page_alloc's page", head, ops[0].ppn);
    expect("bind's and protect's old entries", (i64)pte_of(a, R | W | PTE_U | PTE_V), (i64)(ops[1].word | ops[3].word));
    expect("bind's binds", -1, (i64)ops[2].binds);
    expect("protect's binds", 2, (i64)ops[3].binds);
    expect("unbind's binds", 1 << 8, (i64)(ops[4].binds << 8 | ops[6].binds));
    expect("both pages are free", true, pg(a)->type == PAGE_FREE && pg(b)->type == PAGE_FREE);
    op(0, EXO_BIND, 0, head, R, 0);
    op(1, EXO_BIND, 0x1000, head, R | W | X, 5);
    r = batch(0x3000, 2);
    expect("a batch stops at a refusal", E_BITS, r.err);
    expect("and says how far it came", 1, (i64)r.val);
    expect("what was not done is not written to", 5, (i64)ops[1].word);
    op(1, EXO_PT_LINK, 0, 0, 0, 0);
    expect("an operation that cannot be batched", E_ARG, batch(0x3000, 2).err);
    op(0, EXO_UNBIND, 0x3000, 0, 0, 0);
    op(1, EXO_PAGE_FREE, 0, array, 0, 0);
    op(2, EXO_PAGE_ALLOC, 0, array, 0, 0);
    r = batch(0x3000, 3);
    expect("a batch may free its own page and take it again", 3, r.err ? r.err : (i64)r.val);
    DONE(bind(r1, 0x3000, head, R | W, 0));
    DONE(bind(r1, 0x4000, head, R, 0));
    REFUSED(E_ARG, batch(0x3000, 0));
    REFUSED(E_ARG, batch(0x3000, EXO_BATCH_MAX + 1));
    REFUSED(E_ARG, batch(1, ~0ul));
    REFUSED(E_ADDR, batch(0x4000, 1));
    REFUSED(E_ADDR, batch(0x3004, 1));
    REFUSED(E_ADDR, batch(0x3000 + 24, EXO_BATCH_MAX));
    REFUSED(E_ADDR, batch(EXO_USER_END, 1));
    REFUSED(E_ADDR, batch(0x9000, 1));
}

static void test_fences(void)
{
    start(100);
    ppn_t array = page(), a = page();
    struct exo_env *far = env_make(1, r1, page(), 2);
    DONE(bind(r1, 0x3000, array, R | W, 0));
    ops = ppn_to_va(array);
    for (u32 i = 0; i < 100; i++)
        op(i, EXO_BIND, i == 3 ? 0x200000 : i * EXO_PAGE, a, R | W, 0);
    remote_fences = remote_fence_is = fence_is = 0;
    DONE(batch(0x3000, 100));
    expect("no remote fence for what is new", 0, remote_fences);
    for (u32 i = 0; i < 100; i++) {
        op(i, EXO_UNBIND, i == 3 ? 0x200000 : i * EXO_PAGE, 0, 0, 0);
        tlb_use(2, r1, i * EXO_PAGE, PTE_D);
        tlb_use(0, r1, i * EXO_PAGE, PTE_D);
    }
    ops[50].op = EXO_PAGE_FREE;
    expect("a batch of unbinds that stops", E_PPN, batch(0x3000, 100).err);
    expect("one remote fence", 1, remote_fences);
    DONE(bind(r1, 0, a, R | X, 0));
    expect("fence.i here and there", 2, fence_is + remote_fence_is);
    tlb_use(2, r1, 0, 0);
    DONE(protect(r1, 0, R, 0, 0));
    tlb_use(2, r1, 0, 0);
    harts[2].id = 64;
    DONE(unbind(r1, 0, 0));
    expect("a hart with an id past the mask's width hears of it, too", 3, remote_fences);
    harts[2].online = 0;
    DONE(bind(r1, 0, a, R, 0));
    DONE(unbind(r1, 0, 0));
    expect("a hart that is off is left alone", 3, remote_fences);
    harts[2].online = 1;
    env_gone(far);
    DONE(bind(r1, 0, a, R, 0));
    DONE(unbind(r1, 0, 0));
    expect("so is one that no environment is on", 3, remote_fences);
}

int main(void)
{
    test_alloc();
    test_free();
    test_set();
    test_give();
    test_link();
    test_unlink();
    test_object();
    test_bind();
    test_new_child();
    test_protect();
    test_unbind();
    test_batch();
    test_fences();
    return failures != 0;
}
