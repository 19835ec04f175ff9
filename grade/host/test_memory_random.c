// Long runs of memory calls drawn by fixed seeds: accounts make children, load them, run on four harts, share
// pages by capability, revoke, free what others bind, end with all of that in flight; and most arguments are
// a little wrong. After every call everything is counted anew; results are compared with what the tables held
// and with the checks made in full; a page's old contents must never reach another account. At the end all
// comes back to account 1.
#include "grade/host/recount.h"

enum { PAGES = 320, UNPROMISED = 100, CALLS = 6000, SEEDS = 10 };

static u64 state;
static u32 rnd(u32 n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (u32)(state >> 20) % n;
}

static const char *last; // the call just made
static char fault[300];
static u32 done_calls, refused_calls, births, born[EXO_NACCT + 1], born_of[RAM_PAGES];

static void fail_with(const char *what, u64 expected, u64 saw) {
    if (expected != saw && !*fault)
        snprintf(fault, sizeof(fault), "%s after %s: expected %llx, saw %llx", what, last,
                 (unsigned long long)expected, (unsigned long long)saw);
}

// ---- arguments ----

static u32 me(void) { return this_hart->cur->account; }

static u64 any_ppn(void) { return EXO_PPN_BASE + KERNEL_PAGES - 2 + rnd(PAGES - KERNEL_PAGES + 4); }

// A page of this type and account, if a few tries find one; else any.
static u64 some(u32 type, u32 account) {
    u64 ppn = any_ppn();
    for (u32 i = 0; i < 200 && rnd(50); i++) {
        ppn = any_ppn();
        if (page_get(ppn) && pg(ppn)->type == type && pg(ppn)->account == account) return ppn;
    }
    return ppn;
}

static u64 some_root(void) { return rnd(4) ? this_hart->cur->root : some(PAGE_ROOT, me()); }

static va_t any_va(void) {
    if (!rnd(40)) return state;
    return (va_t)!rnd(30) << 30 | (va_t)rnd(rnd(9) ? 2 : 3) << 21 | rnd(rnd(60) ? 5 : 6) * EXO_PAGE;
}

static va_t table_va(void) { return rnd(3) ? any_va() >> 21 << 21 : any_va() >> 30 << 30; }

static u64 any_bits(void) {
    static const u64 bits[] = {R, R | W, R | X, R | W | PTE_A | PTE_D, X, R | PTE_S0};
    return rnd(20) ? bits[rnd(6)] : state & 0xfff;
}

static u32 any_account(void) { return rnd(20) ? 1 + rnd(8) : rnd(EXO_NACCT + 3); }

static struct exo_env *any_env(void) {
    struct exo_env *e = e1;
    for (u32 i = 0, n = 0; i < EXO_NENV; i++)
        if (envs[i].eid && rnd(++n) == 0) e = &envs[i];
    return e;
}

// ---- bindings, against the tables and the full checks ----

static u64 raw(u64 root, va_t va) {
    struct exo_page *p = page_get(root);
    u64 *pte = p && p->type == PAGE_ROOT && va % EXO_PAGE == 0 ? pte_find((ppn_t)root, va) : NULL;
    return pte ? *pte : 0;
}

static i64 changed_from(u64 old, struct ret r, enum exo_error e) {
    u64 left = this_hart->a2;
    fail_with("error", (u64)(i64)e, (u64)r.err);
    if (!r.err) {
        fail_with("old entry", old, r.val);
        check_all();
        u32 type = old & PTE_V ? pg(PTE_PPN(old))->type : PAGE_FREE; // a doomed page may be free by now
        bool none = type == PAGE_FREE || type == PAGE_DOOMED;
        fail_with("binds left", none ? NO_PAGE : binds_of[PTE_PPN(old) - EXO_PPN_BASE], left);
    }
    return r.err;
}

// The checks of protect and unbind by themselves, as <exo/abi.h> has their errors.
static enum exo_error protect_check(u64 root, va_t va, u64 clear, u64 set, cap_t cap) {
    enum exo_error e = !va_ok(va) ? E_VA : (clear | set) & ~(u64)PTE_BITS ? E_BITS : entry_check(root, va);
    if (e) return e;
    u64 old = *span_entry(&this_hart->span, va), new = (old & ~clear) | set;
    if (!(old & PTE_V)) return E_UNBOUND;
    e = page_of(old)->type == PAGE_DOOMED
            ? E_TYPE
            : rights_check(page_of(old), this_hart->span.account, new & ~old &RIGHTS, cap);
    return e ? e : bits_ok(new &PTE_BITS) ? E_OK : E_BITS;
}

static enum exo_error unbind_check(u64 root, va_t va, u64 word) {
    return word & PTE_V ? E_BITS : !va_ok(va) ? E_VA : entry_check(root, va);
}

#define PREDICT(e, check)                    \
    struct span kept_span = this_hart->span; \
    enum exo_error e = check;                \
    if (rnd(4)) this_hart->span = kept_span

static i64 binding(u32 what) {
    u64 root = some_root(), ppn = rnd(4) ? some(PAGE_DATA, me()) : any_ppn(), cap = rnd(3);
    u64 bits = any_bits(), set = rnd(4) ? bits : 0, word = rnd(20) ? state & ~1ul : state;
    va_t va = any_va();
    u64 old = raw(root, va);
    if (what == 0) {
        PREDICT(e, bind_check(root, va, ppn, bits, cap));
        return changed_from(old, do_bind(root, va, ppn, bits, cap), e);
    }
    if (what == 1) {
        u64 clear = rnd(2) ? W | PTE_A | PTE_D : R | W | X;
        PREDICT(e, protect_check(root, va, clear, set, cap));
        return changed_from(old & PTE_V ? old : 0, do_protect(root, va, clear, set, cap), e);
    }
    PREDICT(e, unbind_check(root, va, word));
    return changed_from(old, do_unbind(root, va, word, 0, 0), e);
}

static i64 one(struct exo_op *o) {
    struct ret r = {E_ARG, 0};
    u32 op = o->op;
    if (op == EXO_BIND) r = do_bind(o->root, o->va, o->ppn, o->bits, o->word);
    if (op == EXO_PROTECT) r = do_protect(o->root, o->va, o->bits >> 16, o->bits & 0xffff, o->word);
    if (op == EXO_UNBIND) r = do_unbind(o->root, o->va, o->word, 0, 0);
    if (op == EXO_PAGE_ALLOC) r = do_page_alloc(o->ppn, o->bits != 0, 0, 0, 0);
    if (op == EXO_PAGE_FREE) r = do_page_free(o->ppn, 0, 0, 0, 0);
    if (!r.err && op == EXO_PAGE_ALLOC) {
        o->ppn = (ppn_t)r.val;
    } else if (!r.err && op != EXO_PAGE_FREE) {
        o->word = r.val;
        o->binds = this_hart->a2;
    }
    return r.err;
}

static i64 many(void) {
    va_t at = 5 * EXO_PAGE;
    if (!raw(this_hart->cur->root, at))
        (void)do_bind(this_hart->cur->root, at, some(PAGE_DATA, me()), R | W, 0);
    u64 pte = raw(this_hart->cur->root, at);
    struct exo_op *ops = ppn_to_va(PTE_PPN(pte));
    u32 n = rnd(12), wrong_one = rnd(5);
    static const u32 what[] = {EXO_BIND,       EXO_BIND,      EXO_UNBIND, EXO_PROTECT,
                               EXO_PAGE_ALLOC, EXO_PAGE_FREE, EXO_PT_LINK};
    if ((pte & (PTE_V | W)) != (PTE_V | W) || pg(PTE_PPN(pte))->type != PAGE_DATA)
        return do_batch(at, n, 0, 0, 0).err;
    for (u32 i = 0; i < n; i++)
        ops[i] = (struct exo_op){what[rnd(90) ? rnd(6) : 6],
                                 wrong_one ? this_hart->cur->root : (ppn_t)some_root(),
                                 rnd(30) ? any_va() : at,
                                 (ppn_t)some(PAGE_DATA, me()),
                                 (u32)any_bits(),
                                 rnd(2) * (rnd(4) ? 0 : 2),
                                 0};
    // First one by one, for comparison; but A and D of their page are as the batch sets them.
    (void)user_object(at, 8, 8, true);
    static struct kept after;
    struct span span_was = this_hart->span;
    u32 k = 0;
    keep_in(&kept);
    while (k < n && !one(&ops[k])) k++;
    keep_in(&after);
    back_to(&kept);
    this_hart->span = span_was;
    struct ret r = do_batch(at, n, 0, 0, 0);
    fail_with("operations done", n ? k : 0, r.val);
    fail_with("a batch and its operations one by one", true, !n || same_as(&after));
    return r.err;
}

// ---- pages ----

static i64 take_page(void) {
    u64 ppn = rnd(3) ? 0 : any_ppn(), unzeroed = rnd(20) ? rnd(2) : rnd(3);
    struct ret r = do_page_alloc(ppn, unzeroed, 0, 0, 0);
    if (r.err) return r.err;
    u32 i = (u32)(r.val - EXO_PPN_BASE);
    if (!zeroed((ppn_t)r.val)) fail_with("whose old contents", born[me()], unzeroed ? born_of[i] : 0);
    dirty((ppn_t)r.val);
    return 0;
}

// Who owned each page last: accounts by birth, not by number.
static void remember_owners(void) {
    for (u32 i = 0; i < npages; i++)
        if (pages[i].type != PAGE_FREE && pages[i].type != PAGE_KERNEL) born_of[i] = born[pages[i].account];
}

// ---- environments and accounts ----

static i64 new_env(void) {
    u64 root = some_root(), u = some(PAGE_DATA, me());
    struct exo_page *r = page_get(root), *p = page_get(u);
    if (!r || !p || r->type != PAGE_ROOT || p->type != PAGE_DATA || p->binds || p->pins ||
        p->account != r->account || !owns(me(), r->account) || (!page_fixed(p) && !fix_room(p->account, 1)))
        return E_ARG;
    if (!env_make(r->account, (ppn_t)root, (ppn_t)u, rnd(HARTS))) return E_QUOTA;
    if (accts[r->account].state == ACCT_NEW) accts[r->account].state = ACCT_RUN;
    return 0;
}

// A child with a root, two tables, a page for batches, an environment: as a libOS would load it.
static i64 new_child(void) {
    u64 pages_ = rnd(60), n, error = 0;
    struct ret r = do_acct_new(pages_, rnd(5), rnd(3), rnd(5), 0);
    if (r.err) return r.err;
    n = r.val;
    born[n] = ++births;
    if (rnd(4) == 0) return 0;
    ppn_t p[7];
    for (u32 i = 0; i < 7; i++) {
        r = do_page_alloc(0, 0, 0, 0, 0);
        if (r.err || do_page_give(p[i] = (ppn_t)r.val, n, 0, 0, 0).err) return r.err;
    }
    error |= (u64)do_pt_link(p[0], 0, 2, p[0], 0).err;
    error |= (u64)do_pt_link(p[0], 0, 1, p[1], 0).err;
    error |= (u64)do_pt_link(p[0], 0, 0, p[2], 0).err;
    error |= (u64)do_pt_link(p[0], 0x200000, 0, p[3], 0).err;
    error |= (u64)do_bind(p[0], 5 * EXO_PAGE, p[4], R | W, 0).err;
    if (error || !fix_room((u32)n, 1) || !env_make((u32)n, p[0], p[5], rnd(HARTS))) return 0;
    accts[n].state = ACCT_RUN;
    do_acct_pager(n, 0, 0, 0, 0);
    return 0;
}

static i64 end_env(void) {
    struct exo_env *e = any_env();
    if (e == e1 || !owns(me(), e->account)) return E_OWNER;
    env_post(e, POST_END);
    return 0;
}

static i64 set_account(void) {
    u32 n = any_account();
    const struct exo_acct *a = &accts[n];
    if (n > EXO_NACCT || (n == 1 && rnd(5))) return do_acct_set(n, 1, 1, 1, 1).err;
    u32 same = rnd(2), before = a->reserve;
    i64 error = do_acct_set(n, a->reserve + rnd(21) - 10, a->envs + (same ? 0 : rnd(3) - 1),
                            a->accts + (same ? 0 : rnd(3) - 1), a->exts + (same ? 0 : rnd(3) - 1))
                    .err;
    if (n == 1) unpromised += before - a->reserve;
    return error;
}

static i64 drop_code(void) {
    struct exo_page *p = page_get(some(PAGE_CODE, me()));
    if (!p || p->type != PAGE_CODE || !owns(me(), p->account) || p->binds) return E_TYPE;
    page_settype(p, PAGE_DATA);
    code_release(p);
    return 0;
}

static i64 make_code(void) {
    struct exo_page *p = page_get(some(PAGE_DATA, me())), *named = page_get(some(PAGE_DATA, me()));
    return p && named && owns(me(), p->account) && code_make(p, named) ? 0 : E_TYPE;
}

// ---- one call ----

#define CALL(name, call) (last = name, call)

static i64 call(void) {
    u64 mine = some(PAGE_DATA, me()), root = some_root();
    struct exo_env *e = any_env();
    last = "nothing";
    switch (rnd(40)) {
    case 0 ... 5: return CALL("page_alloc", take_page());
    case 6: return CALL("page_free", do_page_free(mine, 0, 0, 0, 0).err);
    case 7 ... 8: return CALL("page_set", do_page_set(mine, rnd(3), rnd(3), state, rnd(8) ? 0 : rnd(3)).err);
    case 9: return CALL("page_give", do_page_give(mine, any_account(), 0, 0, 0).err);
    case 10 ... 11: return CALL("pt_link", do_pt_link(root, table_va(), rnd(2), mine, 0).err);
    case 12: return CALL("pt_link 2", do_pt_link(mine, 0, 2, mine, 0).err);
    case 13: return CALL("pt_unlink", do_pt_unlink(root, table_va(), rnd(2), 0, 0).err);
    case 14: return CALL("pt_unlink 2", do_pt_unlink(root, 0, 2, 0, 0).err);
    case 15 ... 20: return CALL("bind", binding(0));
    case 21 ... 22: return CALL("protect", binding(1));
    case 23 ... 25: return CALL("unbind", binding(2));
    case 26 ... 28: return CALL("batch", many());
    case 29: return CALL("env_new", new_env());
    case 30: return rnd(3) ? 0 : CALL("env_end", end_env());
    case 31: return CALL("acct_new", new_child());
    case 32: return CALL("acct_set", set_account());
    case 33: return rnd(4) ? 0 : CALL("acct_end", do_acct_end(any_account(), 0, 0, 0, 0).err);
    case 34:
        return CALL("acct_pager",
                    do_acct_pager(rnd(2) ? me() : any_account(), rnd(2) ? e->eid : rnd(200), 0, 0, 0).err);
    case 35: return CALL("revoke", do_revoke(any_account(), rnd(20), host_time + rnd(30), 0, 0).err);
    case 36: return CALL("code", rnd(2) ? make_code() : drop_code());
    case 37: return CALL("submit", mine > any_ppn() && page_get(mine) && submit(me(), pg(mine)) ? 0 : E_TYPE);
    default: return CALL("a tick", (host_time += rnd(8), tick_work(), 0));
    }
}

// What goes on beside: harts use their translations, environments end where they are at home, requests
// complete.
static void meanwhile(void) {
    for (u32 i = 0; i < EXO_NENV; i++) {
        struct exo_env *e = &envs[i];
        if (e->eid && e->posted && !rnd(6)) {
            last = "an environment's end";
            this_hart = &harts[e->home];
            env_gone(e);
        } else if (e->eid) {
            for (u32 j = 0; j < 3; j++)
                tlb_use(e->home, e->root, any_va() & 0x7fffffffff, rnd(2) ? PTE_D : 0);
        }
    }
    if (nflying && !rnd(4)) complete(rnd(nflying));
}

static bool run(u64 seed) {
    machine_start(PAGES, UNPROMISED);
    state = seed * 0x9e3779b97f4a7c15;
    *fault = 0;
    memset(born, 0, sizeof(born));
    memset(born_of, 0, sizeof(born_of));
    born[1] = births = 1;
    ppn_t at = page();
    (void)do_bind(r1, 5 * EXO_PAGE, at, R | W, 0);
    for (u32 i = 0; i < CALLS && !*fault; i++) {
        meanwhile();
        struct exo_env *e = any_env();
        as(e->posted ? e1 : e);
        if (this_hart->cur->root != e1->root && !rnd(3)) as(e1);
        remember_owners();
        static struct exo_page pages_were[PAGES];
        struct exo_acct accts_were[EXO_NACCT + 1];
        memcpy(pages_were, pages, sizeof(pages_were));
        memcpy(accts_were, accts, sizeof(accts_were));
        i64 error = call();
        bool same =
            !memcmp(pages_were, pages, sizeof(pages_were)) && !memcmp(accts_were, accts, sizeof(accts_were));
        bool partial = !strcmp(last, "batch") || !strcmp(last, "acct_new");
        done_calls += !error;
        refused_calls += error != 0;
        if (error && !partial) fail_with("a refusal changes nothing", true, same);
        if (check_all() && !*fault) snprintf(fault, sizeof(fault), "%s after call %u, %s", wrong, i, last);
    }
    last = "the end of all children";
    as(e1);
    for (u32 n = 2; n <= EXO_NACCT; n++) (void)do_acct_end(n, 0, 0, 0, 0);
    for (u32 i = 0; i < 2000 && work && !*fault; i++) {
        tick_work();
        meanwhile();
        as(e1);
        host_time += 10;
        if (check_all() && !*fault) snprintf(fault, sizeof(fault), "%s after a tick of the end", wrong);
    }
    fail_with("work left", 0, work);
    fail_with("accounts left", 0, accts[1].accts_used);
    fail_with("accounts come back", EXO_NACCT - 1, accts[1].accts);
    fail_with("environments come back", EXO_NENV, accts[1].envs);
    fail_with("extents come back", EXO_NEXT, accts[1].exts);
    fail_with("pages come back", npages - KERNEL_PAGES - words->free, accts[1].held);
    return !*fault;
}

int main(void) {
    for (u64 seed = 1; seed <= SEEDS; seed++) {
        char name[80];
        snprintf(name, sizeof(name), "%u calls, seed %llu", CALLS, (unsigned long long)seed);
        bool ok = run(seed);
        line(name, ok, "all as it must be", fault);
    }
    line("more than a third of the calls did something", done_calls * 2 > refused_calls, "many", "few");
    return failures != 0;
}
