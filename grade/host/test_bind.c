// Tests of bind, protect, unbind and batch: that each does what <exo/abi.h> says, each of its refusals, at
// the edges of every argument, and the fences they owe.
#include "grade/host/recount.h"

// ---- bindings ----

static void test_bind(void) {
    start(100);
    ppn_t a = page(), b = page(), table = PTE_PPN(*table_entry(PTE_PPN(*table_entry(r1, 0, 2)), 0, 1)),
          code = page();
    as(e2);
    ppn_t c = page();
    DONE(set(c, 71, 72, 0, 0));
    as(e1);
    code_make(pg(code), pg(b));
    struct ret r = bind(r1, 0x5000, a, R | W | PTE_A | PTE_S1, 0);
    expect("bind", 0, r.err | (i64)r.val);
    expect("a2 where nothing was bound", -1, (i64)this_hart->a2);
    expect("the entry", (i64)pte_of(a, R | W | PTE_A | PTE_S1 | PTE_U | PTE_V),
           (i64)host_walk(r1, 0x5000, 0));
    DONE(bind(r1, TOP, a, R | X, 0));
    expect("bind again, of the same page", 0, bind(r1, TOP, a, X, 0).err);
    expect("its own binding counts", 2, (i64)this_hart->a2);
    DONE(unbind(r1, TOP, 0x123456789abcde));
    r = bind(r1, TOP, b, R, 0);
    expect("bind returns the word it finds", 0x123456789abcde, (i64)r.val);
    tlb_use(0, r1, 0x5000, PTE_D);
    r = bind(r1, 0x5000, b, R, 0);
    expect("bind returns the old entry with A and D",
           (i64)pte_of(a, R | W | PTE_A | PTE_D | PTE_S1 | PTE_U | PTE_V), (i64)r.val);
    expect("what the old page has left", 0, (i64)this_hart->a2);
    REFUSED(E_VA, bind(r1, 1, a, R, 0));
    REFUSED(E_VA, bind(r1, EXO_PAGE + 8, END, 0, 0));
    REFUSED(E_VA, bind(r1, EXO_USER_END, a, R, 0));
    REFUSED(E_VA, bind(r1, 0xffffffc080000000, a, R, 0));
    REFUSED(E_VA, bind(r1, 1ul << 63, a, R, 0));
    static const u64 bad[] = {0,         W,         R | W | X,   W | X,         PTE_A | PTE_D, R | PTE_V,
                              R | PTE_U, R | PTE_G, R | 1 << 10, R | 1ul << 63, R | 1ul << 32, ~0ul};
    for (u32 i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        REFUSED(E_BITS, bind(r1, 0, a, bad[i], 0));
        DONE(unbind(r1, 0x200000, 0));
        REFUSED(E_BITS, bind(r1, 0x200000, a, bad[i], 0));
    }
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

static void test_new_child(void) {
    start(100);
    u32 child = (u32)do_acct_new(20, 1, 0, 0, 0).val;
    ppn_t a = page(), b = page(), root = page(), mid = page(), low = page();
    ppn_t all[] = {a, root, mid, low};
    for (u32 i = 0; i < 4; i++) DONE(give(all[i], child));
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

static void test_protect(void) {
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
    expect("protect returns the old entry", (i64)pte_of(a, R | W | PTE_A | PTE_D | PTE_S0 | PTE_U | PTE_V),
           (i64)r.val);
    expect("and the page's bindings", 2, (i64)this_hart->a2);
    expect("A and D stay", (i64)pte_of(a, R | PTE_A | PTE_D | PTE_S1 | PTE_U | PTE_V),
           (i64)host_walk(r1, 0, 0));
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

static void test_unbind(void) {
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
static void op(u32 i, u32 what, va_t va, ppn_t ppn, u32 bits, u64 word) {
    ops[i] = (struct exo_op){what, r1, va, ppn, bits, word, 99};
}

static void test_batch(void) {
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
    expect("bind's and protect's old entries", (i64)pte_of(a, R | W | PTE_U | PTE_V),
           (i64)(ops[1].word | ops[3].word));
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
    static const u64 wild[] = {0, EXO_PPN_BASE, ~0u};
    for (u32 i = 0; i < 3; i++) {
        op(0, EXO_BIND, 0, head, R, 0);
        op(1, EXO_BIND, 0x1000, (ppn_t)wild[i], R, 0);
        expect("a wild ppn after a good one", E_PPN, batch(0x3000, 2).err);
    }
    op(1, EXO_BIND, 0x1000, r2, R, 0);
    expect("another's page after one's own", E_CAP, batch(0x3000, 2).err);
    op(1, EXO_BIND, 0x1000, head, 0, 0);
    expect("no rights after some", E_BITS, batch(0x3000, 2).err);
    op(1, EXO_BIND, EXO_USER_END + 0x1000, head, R, 0);
    expect("a wild va after a good one", E_VA, batch(0x3000, 2).err);
    op(0, EXO_UNBIND, 0x1000, 0, 0, 0);
    op(1, EXO_UNBIND, 0, 0, 0, 1);
    expect("a word with bit 0", E_BITS, batch(0x3000, 2).err);
    a = page();
    DONE(bind(r1, 0x1000, a, R, 0));
    DONE(release(a));
    op(0, EXO_UNBIND, 0, 0, 0, 0);
    op(1, EXO_UNBIND, 0x1000, 0, 0, 0);
    DONE(batch(0x3000, 2));
    expect("the last binding of a doomed page", PAGE_FREE, pg(a)->type);
    expect("which nobody else has to free", -1, (i64)ops[1].binds);
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

static void test_fences(void) {
    start(100);
    ppn_t array = page(), a = page();
    struct exo_env *far = env_make(1, r1, page(), 2);
    DONE(bind(r1, 0x3000, array, R | W, 0));
    ops = ppn_to_va(array);
    for (u32 i = 0; i < 100; i++) op(i, EXO_BIND, i == 3 ? 0x200000 : i * EXO_PAGE, a, R | W, 0);
    ppn_t other = SPACE(0);
    struct exo_env *there = env_make(1, other, page(), 3);
    DONE(bind(other, 0, a, R, 0));
    DONE(bind(r1, 0, a, R, 0));
    op(0, EXO_UNBIND, 0, 0, 0, 0);
    op(1, EXO_UNBIND, 0, 0, 0, 0);
    ops[1].root = other;
    for (u32 i = 0; i < HARTS; i++) {
        tlb_use(i, r1, 0, 0);
        tlb[i][1] = (struct tlb){host_walk(other, 0, 0), 0, pg(other)->asid};
    }
    DONE(batch(0x3000, 2));
    expect("two address spaces, here too", 0, (i64)tlb[0][1].pte);
    env_gone(there);
    op(0, EXO_BIND, 0, a, R | W, 0);
    op(1, EXO_BIND, EXO_PAGE, a, R | W, 0);
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
    harts[2].online = 0;
    DONE(bind(r1, 0, a, R, 0));
    DONE(unbind(r1, 0, 0));
    expect("a hart that is off is left alone", 2, remote_fences);
    harts[2].online = 1;
    env_gone(far);
    DONE(bind(r1, 0, a, R, 0));
    DONE(unbind(r1, 0, 0));
    expect("so is one that no environment is on", 2, remote_fences);
}

int main(void) {
    test_bind();
    test_new_child();
    test_protect();
    test_unbind();
    test_batch();
    test_fences();
    return failures != 0;
}
