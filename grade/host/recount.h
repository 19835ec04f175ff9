// All that the kernel counts about memory, counted again from the tables themselves, and a look into the TLBs
// for a translation that gives more than the tables do. Tests of the memory calls do this after every call.
#ifndef RECOUNT_H
#define RECOUNT_H

#include "grade/host/memory.h"

static char wrong[200];

static bool differ(const char *what, u64 expected, u64 saw) {
    if (expected != saw && !*wrong)
        snprintf(wrong, sizeof(wrong), "%s: expected %llu, saw %llu", what, (unsigned long long)expected,
                 (unsigned long long)saw);
    return expected != saw;
}

static u32 binds_of[RAM_PAGES], users_of[RAM_PAGES], links_of[RAM_PAGES], pins_of[RAM_PAGES];

// Counts what an entry of a table names, and looks whether the table may name it.
static void check_entry(const struct exo_page *table, u64 e) {
    struct exo_page *p = page_get(PTE_PPN(e));
    users_of[table - pages]++;
    if (differ("a table names a page that there is", 1, p != NULL)) return;
    if (table->type != PAGE_PT0 && accts[table->account].state == ACCT_ENDING)
        return; // its root is gone, and its tables go in any order
    if (table->type != PAGE_PT0) {
        links_of[p - pages]++;
        differ("bits of a link", PTE_V, e & 0x3ff);
        differ("a link's page type", table->type == PAGE_ROOT ? PAGE_PT1 : PAGE_PT0, p->type);
        differ("a table's owner", table->account, p->account);
        return;
    }
    binds_of[p - pages]++;
    differ("a bound page is free", false, p->type == PAGE_FREE);
    differ("U in a binding", PTE_U, e & PTE_U);
    differ("W and X at once", false, (e & PTE_W) && (e & PTE_X));
    differ("other bits in a binding", 0, e >> 42 | (e & PTE_G));
    if (p->type != PAGE_DATA && p->type != PAGE_DOOMED) {
        differ("whose table, code or u-area is bound", table->account, p->account);
        differ("rights to a table, code or u-area", 0, e & (p->type == PAGE_UAREA ? PTE_X : PTE_W | PTE_X));
    }
}

static void check_page(const struct exo_page *p) {
    const u64 *e = ppn_to_va(page_ppn(p));
    const struct pred_code *code = (const void *)e;
    bool root = p->type == PAGE_ROOT;
    for (u32 i = 0; p->type >= PAGE_PT0 && p->type <= PAGE_ROOT && i < (root ? 256 : 512); i++)
        if (e[i] & PTE_V) check_entry(p, e[i]);
    if (root) differ("the kernel's half", 0, (u64)memcmp(e + 256, kernel_root + 256, 2048) != 0);
    for (u32 h = 0; root && h < EXO_NHART; h++) users_of[p - pages] += roots[p->asid].at[h];
    if (p->type == PAGE_CODE) pins_of[code->page[1] - EXO_PPN_BASE]++;
}

static void check_list(void) {
    u64 n = 0;
    ppn_t before = 0;
    for (ppn_t at = (ppn_t)words->free_head; at && n <= npages; before = at, at = page_get(at)->next, n++) {
        differ("type in the free list", PAGE_FREE, page_get(at)->type);
        differ("prev in the free list", before, page_get(at)->prev);
    }
    differ("length of the free list", words->free, n);
}

static void check_records(void) {
    struct exo_acct seen[EXO_NACCT + 1] = {0};
    u64 free_pages = 0, doomed = 0, promised = 0, envs_all = 0, accts_all = 0, exts_all = 0, reserves = 0;
    for (u32 i = 0; i < npages; i++) {
        struct exo_page *p = &pages[i];
        if (p->type == PAGE_KERNEL) continue;
        struct exo_acct *a = &seen[p->account];
        differ("binds", binds_of[i], p->binds);
        differ("pins", pins_of[i], p->pins);
        if ((p->type == PAGE_PT0 || p->type == PAGE_PT1) && accts[p->account].state != ACCT_ENDING)
            differ("links to a table", 1, links_of[i]);
        if (p->type >= PAGE_PT0 && p->type <= PAGE_ROOT) differ("users", users_of[i], p->users);
        if (p->type == PAGE_ROOT) differ("a root's ASID", EXO_PPN_BASE + i, roots[p->asid].ppn);
        differ("links of a page in no list", 0, p->type == PAGE_FREE ? 0 : p->next | p->prev);
        free_pages += p->type == PAGE_FREE;
        doomed += p->type == PAGE_DOOMED;
        if (p->type == PAGE_FREE) {
            differ("capabilities of a free page", 0, page_caps[i].r | page_caps[i].w);
            differ("last owner of a free page", true, !p->account || accts[p->account].state != ACCT_FREE);
            continue;
        }
        differ("a page's account", true, accts[p->account].state != ACCT_FREE);
        a->held++;
        a->fixed += page_fixed(p);
        a->doomed += p->type == PAGE_DOOMED;
        a->roots_used += p->type == PAGE_ROOT;
    }
    u32 children[EXO_NACCT + 1] = {0};
    for (u32 n = 1; n <= EXO_NACCT; n++) {
        struct exo_acct *a = &accts[n];
        differ("held", seen[n].held, a->held);
        differ("fixed", seen[n].fixed, a->fixed);
        differ("doomed of an account", seen[n].doomed, a->doomed);
        differ("roots in use", seen[n].roots_used, a->roots_used);
        differ("fixed within reserve", true, a->fixed <= a->reserve);
        differ("roots within quota", true, a->roots_used <= 2 * a->envs);
        promised += a->reserve > a->held ? a->reserve - a->held : 0;
        envs_all += a->envs;
        accts_all += a->accts;
        children[a->parent] += a->state != ACCT_FREE;
        exts_all += a->exts;
        reserves += a->reserve;
    }
    for (u32 n = 1; n <= EXO_NACCT; n++) differ("accounts used", children[n], accts[n].accts_used);
    differ("free", free_pages, words->free);
    differ("doomed", doomed, words->doomed);
    differ("promised", promised, words->promised);
    differ("free covers promised", true, words->free >= words->promised);
    differ("all environments", EXO_NENV, envs_all);
    differ("all accounts", EXO_NACCT - 1, accts_all);
    differ("all extents", EXO_NEXT, exts_all);
    differ("all reserves", npages - KERNEL_PAGES - unpromised, reserves);
    differ("work", true, work || !words->doomed);
}

// What a hart remembers of the last table must be what a walk finds, and bits that any data page may be bound
// with.
static void check_spans(void) {
    for (u32 h = 0; h < HARTS; h++) {
        const struct span *s = &harts[h].span;
        const struct exo_page *r = page_get(s->root);
        if (!s->root) {
            differ("whose a forgotten span is", 0, s->account);
            continue;
        }
        differ("type of a span's root", PAGE_ROOT, r->type);
        differ("a span's table", (u64)pte_find((ppn_t)s->root, s->base), (u64)s->table);
        differ("a span's table's record", (u64)page_get(va_to_pa(s->table) / EXO_PAGE), (u64)s->page);
        differ("a span's owner", r->account, s->account);
        differ("a span's data pages", PAGE_DATA | r->account << 8, s->own);
        differ("a span's space", true, s->asid == r->asid && s->space == &roots[r->asid]);
        differ("a span's bits", true, bits_ok(s->bits) && !(s->bits & PTE_X));
        differ("a span's hart", ~(1u << h), s->others);
    }
}

static void check_tlbs(void) {
    for (u32 h = 0; h < HARTS; h++)
        for (u32 i = 0; i < TLB; i++) {
            struct tlb *t = &tlb[h][i];
            if (!t->pte || !(roots[t->asid].harts >> h & 1)) continue;
            u64 now = host_walk(roots[t->asid].ppn, t->va, 0), bits = PTE_R | PTE_W | PTE_X | PTE_A | PTE_D;
            differ("page of a stale translation", PTE_PPN(now), PTE_PPN(t->pte));
            differ("rights of a stale translation", 0, t->pte & bits & ~now);
        }
}

// NULL, or what is wrong.
static const char *check_all(void) {
    *wrong = 0;
    memset(binds_of, 0, sizeof(binds_of));
    memset(users_of, 0, sizeof(users_of));
    memset(links_of, 0, sizeof(links_of));
    memset(pins_of, 0, sizeof(pins_of));
    check_list();
    for (u32 i = 0; i < npages; i++) check_page(&pages[i]);
    for (u32 i = 0; i < nflying; i++) pins_of[flying[i].ppn - EXO_PPN_BASE]++;
    if (!*wrong) check_records();
    if (!*wrong) check_tlbs();
    if (!*wrong) check_spans();
    return *wrong ? wrong : NULL;
}

// ---- lines ----

static int failures;

static void line(const char *name, bool ok, const char *expected, const char *saw) {
    if (ok)
        printf("ok memory: %s\n", name);
    else
        printf("not ok memory: %s: expected %s, saw %s\n", name, expected, saw);
    failures += !ok;
}

static void expect(const char *name, i64 expected, i64 saw) {
    char e[32], s[32];
    const char *bad = check_all();
    snprintf(e, sizeof(e), "%lld", (long long)expected);
    snprintf(s, sizeof(s), "%lld", (long long)saw);
    if (expected == saw && bad)
        line(name, false, "all counts right", bad);
    else
        line(name, expected == saw, e, s);
}

// ---- refusals change nothing ----

static struct kept {
    struct exo_page pages[RAM_PAGES];
    struct caps caps[RAM_PAGES];
    struct exo_acct accts[EXO_NACCT + 1];
    struct root roots[ROOTS + 1];
    struct exo_words words;
    struct exo_env envs[EXO_NENV];
    struct tlb tlb[HARTS][TLB];
    u8 ram[RAM_PAGES * EXO_PAGE];
} kept;

#define EACH(k, with)                                                                                      \
    with(k->pages, pages, npages * sizeof(*pages)), with(k->caps, page_caps, npages * sizeof(*page_caps)), \
        with(k->accts, accts, sizeof(k->accts)), with(k->roots, roots, sizeof(roots)),                     \
        with(k->words, words, sizeof(*words)), with(k->envs, envs, sizeof(k->envs)),                       \
        with(k->ram, host_ram, npages *EXO_PAGE)

static inline void keep_in(struct kept *k) {
#define KEEP(to, from, size) memcpy(&to, from, size)
    EACH(k, KEEP);
    KEEP(k->tlb, tlb, sizeof(tlb));
}

static inline void back_to(const struct kept *k) {
#define BACK(from, to, size) memcpy(to, &from, size)
    EACH(k, BACK);
    BACK(k->tlb, tlb, sizeof(tlb));
}

static inline bool same_as(const struct kept *k) {
    bool all = true;
#define SAME(a, b, size) all &= !memcmp(&a, b, size)
    EACH(k, SAME);
    return all;
}

static inline void refused(const char *name, i64 error, struct ret r) {
    if (same_as(&kept))
        expect(name, error, r.err);
    else
        line(name, false, "nothing changed", "a change");
}
#define REFUSED(error, call) (keep_in(&kept), refused(#call ": " #error, error, call))
#define DONE(call)           expect(#call, 0, (call).err)

static struct exo_env *e2;
static ppn_t r2;
static struct exo_page *pg(u64 ppn) { return &pages[ppn - EXO_PPN_BASE]; }

#define TOP                                (EXO_USER_END - EXO_PAGE)
#define END                                (EXO_PPN_BASE + npages)
#define alloc(ppn, unzeroed)               do_page_alloc(ppn, unzeroed, 0, 0, 0)
#define release(ppn)                       do_page_free(ppn, 0, 0, 0, 0)
#define set(ppn, rcap, wcap, tag, keep)    do_page_set(ppn, rcap, wcap, tag, keep)
#define give(ppn, account)                 do_page_give(ppn, account, 0, 0, 0)
#define link(root, va, level, ppn)         do_pt_link(root, va, level, ppn, 0)
#define unlink(root, va, level)            do_pt_unlink(root, va, level, 0, 0)
#define bind(root, va, ppn, bits, cap)     do_bind(root, va, ppn, bits, cap)
#define protect(root, va, clear, set, cap) do_protect(root, va, clear, set, cap)
#define unbind(root, va, word)             do_unbind(root, va, word, 0, 0)
#define batch(va, n)                       do_batch(va, n, 0, 0, 0)
#define R                                  PTE_R
#define W                                  PTE_W
#define X                                  PTE_X

enum { COMMON = 200 };

// A fresh machine of n pages, COMMON of them nobody's. Account 1 has environment e1 on hart 0 with root r1;
// its child, account 2, `reserve` pages and e2 on hart 1 with root r2.
static inline void start_with(u32 size, u64 reserve) {
    machine_start(size, COMMON);
    u32 n = (u32)do_acct_new(reserve, 4, 4, 4, 0).val;
    struct exo_env loader = {.account = (u8)n};
    accts[n].state = ACCT_RUN;
    this_hart->cur = &loader;
    r2 = SPACE(0, 0x200000);
    e2 = env_make(n, r2, page(), 1);
    as(e2);
    as(e1);
}

static inline void start(u64 reserve) { start_with(1024, reserve); }

static inline bool zeroed(ppn_t ppn) {
    const u8 *p = ppn_to_va(ppn);
    return !*p && !memcmp(p, p + 1, EXO_PAGE - 1);
}

static inline void dirty(ppn_t ppn) { memset(ppn_to_va(ppn), 0xa5, EXO_PAGE); }

#endif
