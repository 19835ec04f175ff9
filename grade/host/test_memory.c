// Tests of the calls on pages and tables: that each does what <exo/abi.h> says, and each of its refusals, at
// the edges of every argument.
#include "grade/host/recount.h"

// ---- pages ----

static void test_alloc(void) {
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
    expect("capabilities, tag and flags are 0", 0,
           (i64)(page_caps[a - EXO_PPN_BASE].r | page_caps[a - EXO_PPN_BASE].w | pg(a)->tag | pg(a)->flags));
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

static void test_free(void) {
    start(100);
    ppn_t a = page(), u = e1->uarea;
    u32 held = accts[1].held;
    DONE(bind(r1, 0, a, R | W, 0));
    tlb_use(0, r1, 0, PTE_D);
    DONE(release(a));
    expect("a bound page is doomed, and still held", true,
           pg(a)->type == PAGE_DOOMED && accts[1].held == held);
    REFUSED(E_TYPE, release(a));
    REFUSED(E_TYPE, bind(r1, 0x1000, a, R, 0));
    REFUSED(E_TYPE, protect(r1, 0, 0, PTE_S0, 0));
    tick_work();
    expect("the sweeper frees it", true, pg(a)->type == PAGE_FREE && host_walk(r1, 0, 0) == 0);
    a = page();
    DONE(bind(r1, 0, a, R | W, 0));
    DONE(release(a));
    expect("the last unbind of a doomed page", 0, unbind(r1, 0, 0).err);
    expect("leaves nothing to free", -1, (i64)this_hart->a2);
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

static void test_set(void) {
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
    while (accts[2].fixed < accts[2].reserve) set(a = page(), 0, 0, 0, 1);
    DONE(set(a, 0, 0, 0, 1));
    ppn_t b = page();
    DONE(set(b, 0, 0, 0, 0));
    REFUSED(E_FIXED, set(b, 1, 1, 1, 1));
    DONE(set(a, 0, 0, 0, 0));
    DONE(set(b, 1, 1, 1, 1));
}

static void test_give(void) {
    start(100);
    ppn_t a = page(), b = page();
    u32 grandchild = 3;
    dirty(a);
    DONE(set(a, 1, 1, 7, 1));
    DONE(give(a, 2));
    expect("given with contents and tag, without capabilities and keep", true,
           pg(a)->account == 2 && !zeroed(a) && pg(a)->tag == 7 && !pg(a)->flags &&
               !page_caps[a - EXO_PPN_BASE].r);
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
    for (struct ret r; !(r = alloc(0, 0)).err;) last = (ppn_t)r.val;
    expect("all that is free is promised", (i64)words->free, (i64)words->promised);
    as(e1);
    REFUSED(E_RESERVE, give(b, 2));
    as(e2);
    u32 r1_was = accts[1].reserve, r2_was = accts[2].reserve;
    DONE(give(last, 1));
    expect("the parent's reserve", r1_was + 1, accts[1].reserve);
    expect("the child's reserve", r2_was - 1, accts[2].reserve);
    a = (ppn_t)alloc(last, 0).err;
    as(e1);
    REFUSED(E_RESERVE, give(last, 2)); // its place did not go back
    DONE(do_acct_set(2, r2_was, accts[2].envs, accts[2].accts, accts[2].exts));
    DONE(give(last, 2));
    a = last;
    as(e2);
    DONE(do_acct_end(3, 0, 0, 0, 0));
    REFUSED(E_STATE, give(a, 3));
}

// ---- tables ----

static void test_link(void) {
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
    expect("a level-1 table: zeroed, linked, counted", true,
           zeroed(a) && pg(a)->type == PAGE_PT1 && pg(root)->users == 1);
    dirty(b);
    DONE(link(root, EXO_USER_END - 0x200000, 0, b));
    expect("a level-0 table: zeroed, linked, counted", true,
           zeroed(b) && pg(b)->type == PAGE_PT0 && pg(a)->users == 1);
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
    while (accts[2].fixed < accts[2].reserve) set(a = page(), 0, 0, 0, 1);
    b = page();
    REFUSED(E_FIXED, link(r2, gib, 1, b));
    REFUSED(E_FIXED, link(b, 0, 2, b));
    DONE(link(a, 0, 2, a));
    expect("a kept page was fixed already", accts[2].reserve, accts[2].fixed);
    for (u32 i = 0; i < 95 && accts[2].roots_used < 8; i++)
        if (pg(EXO_PPN_BASE + i + 50)->account == 2) link(EXO_PPN_BASE + i + 50, 0, 2, EXO_PPN_BASE + i + 50);
    expect("two roots an environment", 8, accts[2].roots_used);
    for (u32 i = 0; i < npages; i++)
        if (pages[i].account == 2 && pages[i].flags && pages[i].type == PAGE_DATA) a = EXO_PPN_BASE + i;
    REFUSED(E_QUOTA, link(a, 0, 2, a));
}

static void test_unlink(void) {
    start(100);
    u64 gib = 1ul << 30;
    ppn_t table = PTE_PPN(*table_entry(r1, 0, 2)), low = PTE_PPN(*table_entry(table, 0, 1)),
          root = SPACE(gib);
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
    expect("unlinked with its words", 0xabc0, (i64) * (u64 *)ppn_to_va(inner));
    DONE(bind(r1, 0, inner, R, 0));
    DONE(unbind(r1, 0, 0));
    DONE(link(root, gib, 0, inner));
    DONE(bind(r1, 0, inner, R, 0));
    REFUSED(E_BOUND, unlink(root, gib, 0));
    DONE(unbind(r1, 0, 0));
    DONE(bind(root, gib, root, R, 0));
    DONE(unbind(root, gib, 0));
    tlb[3][0] = tlb[0][0] = (struct tlb){PTE_V, 0, asid};
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
    expect("the ASID's translations are gone from every hart", 0, (i64)(tlb[3][0].pte | tlb[0][0].pte));
}

static void test_object(void) {
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
    u64 *kernel_entry = table_entry(r1, EXO_USER_END, 2), was = *kernel_entry;
    *kernel_entry = *table_entry(r1, 0, 2); // as if the kernel's half led to something
    bool refused_there = !user_object(EXO_USER_END, 8, 8, false);
    *kernel_entry = was;
    expect("past the end of user addresses", true, refused_there);
    expect("a kernel address", true, !user_object(0xffffffc080000000, 8, 8, false));
}

int main(void) {
    test_alloc();
    test_free();
    test_set();
    test_give();
    test_link();
    test_unlink();
    test_object();
    return failures != 0;
}
