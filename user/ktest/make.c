// Pages, windows, environments, spaces and accounts for tests. See kt.h.
#include "kt.h"

// ---- pages, windows ----

static u8 win_used[NWIN] = {1}; // 0 is the shared page's
static u32 win_hint;

ppn_t page_new(void) {
    struct exo_ret r = exo_page_alloc(0, 0);
    return CHECK(r.err, 0) ? (ppn_t)r.val : 0;
}

void page_end(ppn_t ppn) {
    if (ppn) CHECK(exo_page_free(ppn), 0);
}

void *win_new(void) {
    for (u32 n = 0; n < NWIN; n++) {
        win_hint = (win_hint + 1) % NWIN;
        if (!win_used[win_hint]) {
            win_used[win_hint] = 1;
            return (void *)(u64)(WIN + win_hint * EXO_PAGE);
        }
    }
    TRUE(!"a window is free");
    return NULL;
}

void win_end(void *va) {
    if (!va) return;
    exo_unbind(my_root(), (va_t)va, 0);
    win_used[((va_t)va - WIN) / EXO_PAGE] = 0;
}

void *map_cap(ppn_t ppn, u64 bits, cap_t cap) {
    void *va = win_new();
    if (!va || CHECK(exo_bind(my_root(), (va_t)va, ppn, bits, cap).err, 0)) return va;
    win_end(va);
    return NULL;
}

void *map(ppn_t ppn, u64 bits) { return map_cap(ppn, bits, 0); }

u64 pte_at(ppn_t root, va_t va) {
    ppn_t table = root;
    for (u32 shift = 30;; shift -= 9) {
        u64 *t = map(table, PTE_R);
        if (!t) return 0;
        u64 pte = t[va >> shift & 511];
        win_end(t);
        if (shift == 12 || !(pte & PTE_V)) return shift == 12 ? pte : 0;
        table = PTE_PPN(pte);
    }
}

u64 test_extent(void) {
    for (u64 i = 0; i < EXO_WORDS->nexts && i < EXO_NEXT; i++) {
        char ext[15];
        for (u32 j = 0; j < sizeof ext; j++) ext[j] = (char)EXO_EXTS[i].name[j];
        if (EXO_EXTS[i].count && EXO_EXTS[i].account == self_account() && str_eq(ext, "test")) return i;
    }
    return ~0ul;
}

// ---- names that are not there ----

static bool bad(u32 i, const u64 *values, u32 n, u64 *out) {
    kt_with = i < n ? values[i] : 0;
    *out = kt_with;
    return i < n;
}
#define BAD(...) bad(i, (const u64[]){__VA_ARGS__}, sizeof((const u64[]){__VA_ARGS__}) / 8, out)

bool bad_ppn(u32 i, ppn_t good, u64 *out) {
    u64 end = EXO_PPN_BASE + EXO_WORDS->npages, kernel = EXO_PPN_BASE + 0x200;
    return BAD(1, EXO_PPN_BASE - 1, kernel, end, end + 1, good | 1ul << 32, good | 1ul << 63, 0xffffffff,
               1ul << 44, ~0ul);
}

bool bad_eid(u32 i, eid_t good, u64 *out) {
    return BAD(good + 128, good + 0x8000, (good & ~(u64)EXO_EID_INDEX) | EXO_NENV, good | EXO_EID_INDEX,
               good | 1ul << 32, good | 1ul << 63, EXO_EID_INDEX, EXO_NENV, 0xffffffff, 1ul << 32, ~0ul);
}

bool bad_hart(u32 i, u64 *out) {
    return BAD(EXO_WORDS->nharts, EXO_WORDS->nharts + 1, EXO_NHART, 256, 1ul << 32, 1ul << 63, ~0ul);
}

bool bad_slot(u32 i, u64 *out) { return BAD(EXO_NSLOT, EXO_NSLOT + 1, 256, 1ul << 32, 1ul << 63, ~0ul); }

bool bad_acct(u32 i, u64 *out) {
    return BAD(EXO_NACCT, EXO_NACCT + 1, 256, 257, 1ul << 32, 1ul << 32 | 1, 1ul << 63 | 1, ~0ul);
}

bool bad_ext(u32 i, u64 *out) {
    return BAD(EXO_NEXT, EXO_NEXT - 1, EXO_NEXT + 1, 1ul << 32, 1ul << 63, ~0ul);
}

bool bad_va(u32 i, u64 *out) {
    return BAD(WIN + 1, WIN + 8, WIN + EXO_PAGE - 1, EXO_USER_END, EXO_USER_END - 1, EXO_USER_END + WIN,
               EXO_WINDOW, 1ul << 63 | WIN, ~0ul, -(u64)EXO_PAGE);
}

// ---- predicates ----

ppn_t code_new(const struct pred_insn *insn, u32 n, const ppn_t *own, u32 nown) {
    ppn_t ppn = page_new();
    struct pred_code *c = map(ppn, RW);
    if (!c) return 0;
    c->n = n;
    c->npages = nown;
    memcpy(c->insn, insn, n * sizeof insn[0]);
    for (u32 i = 0; i < nown; i++) c->page[i + 1] = own[i];
    win_end(c);
    if (CHECK(exo_code_load(ppn), 0)) return ppn;
    page_end(ppn);
    return 0;
}

void code_end(ppn_t code) {
    if (code && CHECK(exo_code_drop(code), 0)) page_end(code);
}

ppn_t pin(ppn_t ppn) {
    static const struct pred_insn never[] = {{PRED_RET, 0, 0, 0, 0}};
    return code_new(never, 1, &ppn, 1);
}

void unpin(ppn_t code) { code_end(code); }

// ---- environments ----

u32 free_slot(u32 hart) {
    for (u32 s = 0; s < EXO_NSLOT; s++) {
        const volatile struct exo_slot *slot = &EXO_SLOTS[hart * EXO_NSLOT + s];
        if (!slot->eid && slot->account == self_account()) return s;
    }
    return EXO_NSLOT;
}

bool peer_new(struct peer *p, ppn_t root, u32 hart, void (*fn)(u64), u64 arg) {
    *p = (struct peer){.hart = hart, .slot = EXO_NSLOT, .root = root ? root : my_root()};
    p->ua_ppn = page_new();
    p->stack_ppn[0] = page_new();
    p->stack_ppn[1] = page_new();
    p->ua = map(p->ua_ppn, RW);
    // Two windows beside one another for the stack; those tried before are given back.
    char *odd[NWIN];
    u32 n = 0;
    for (char *a = win_new(), *b; a; a = b) {
        b = win_new();
        if (b == a + EXO_PAGE) {
            p->stack = a;
            break;
        }
        odd[n++] = a;
    }
    while (n) win_end(odd[--n]);
    if (!p->ua || !TRUE(p->stack)) return false;
    for (u32 i = 0; i < 2; i++)
        for (u32 other = 0; other <= (p->root != my_root()); other++)
            CHECK(rt_map(other ? p->root : my_root(), (va_t)p->stack + i * EXO_PAGE, p->stack_ppn[i], RW), 0);
    rt_env_init(p->ua, fn, arg, (va_t)p->stack + 2 * EXO_PAGE);
    // As a u-area it is bound anew: data that is bound cannot change its type.
    exo_unbind(my_root(), (va_t)p->ua, 0);
    struct exo_ret r = exo_env_new(hart, p->root, p->ua_ppn, (va_t)p->ua);
    if (!CHECK(r.err, 0)) return false;
    p->eid = (eid_t)r.val;
    for (u32 other = 0; other <= (p->root != my_root()); other++)
        CHECK(rt_map(other ? p->root : my_root(), (va_t)p->ua, p->ua_ppn, RW), 0);
    rt_of(p->ua)->first.eid = p->eid;
    return true;
}

bool peer_slot(struct peer *p) {
    p->slot = free_slot(p->hart);
    return CHECK(exo_slot_set(p->hart, p->slot, p->eid), 0);
}

bool peer_start(struct peer *p) { return peer_slot(p) && CHECK(exo_env_ctl(p->eid, ENV_RUN), 0); }

bool peer_go(struct peer *p, u32 hart, void (*fn)(u64), u64 arg) {
    return peer_new(p, 0, hart, fn, arg) && peer_start(p);
}

void peer_end(struct peer *p) {
    if (p->eid && env_lives(p->eid)) CHECK(exo_env_end(p->eid), 0);
    if (p->eid) WAIT(!env_lives(p->eid));
    if (p->slot < EXO_NSLOT && EXO_SLOTS[p->hart * EXO_NSLOT + p->slot].eid == p->eid)
        CHECK(exo_slot_set(p->hart, p->slot, 0), 0);
    if (p->root != my_root()) {
        exo_unbind(p->root, (va_t)p->ua, 0);
        for (u32 i = 0; i < 2; i++) exo_unbind(p->root, (va_t)p->stack + i * EXO_PAGE, 0);
    }
    win_end(p->ua);
    win_end(p->stack);
    win_end(p->stack + EXO_PAGE);
    page_end(p->ua_ppn);
    page_end(p->stack_ppn[0]);
    page_end(p->stack_ppn[1]);
    *p = (struct peer){0};
}

// ---- address spaces ----

static ppn_t page_for(u32 acct) {
    ppn_t ppn = page_new();
    if (ppn && acct != self_account() && !CHECK(exo_page_give(ppn, acct), 0)) {
        page_end(ppn);
        return 0;
    }
    return ppn;
}

static bool link(ppn_t root, va_t va, u32 level, u32 acct, ppn_t *out) {
    *out = page_for(acct);
    return *out && CHECK(exo_pt_link(root ? root : *out, va, level, *out), 0);
}

#define LEVEL1_SIZE ((va_t)1 << 30)
#define LEVEL0_SIZE ((va_t)1 << 21)
#define UA_LEVEL0   (UA_TOP & -LEVEL0_SIZE)
#define UA_LEVEL1   (UA_TOP & -LEVEL1_SIZE)

static bool tables_new(struct space *s, u32 acct) {
    va_t base = (va_t)&image;
    return link(0, 0, 2, acct, &s->root) && link(s->root, base & -LEVEL1_SIZE, 1, acct, &s->low) &&
           link(s->root, UA_LEVEL1, 1, acct, &s->upper) &&
           link(s->root, base & -LEVEL0_SIZE, 0, acct, &s->image) && link(s->root, WIN, 0, acct, &s->win) &&
           link(s->root, UA_LEVEL0, 0, acct, &s->uareas);
}

// Binds the image and `sh` there. Data is shared, or, in another account, copied.
static bool image_bind(struct space *s, u32 acct) {
    bool ok = true, copy = acct != self_account();
    for (va_t va = (va_t)&image; ok && va < (va_t)bss_end; va += EXO_PAGE) {
        u64 pte = pte_at(my_root(), va);
        ppn_t ppn = PTE_PPN(pte);
        cap_t cap = 0;
        u64 bits = pte & (PTE_R | PTE_W | PTE_X);
        if (copy && bits & PTE_W) {
            ppn = page_new();
            void *to = map(ppn, RW);
            memcpy(to, (void *)va, EXO_PAGE);
            win_end(to);
            ok = CHECK(exo_page_give(ppn, acct), 0);
        } else if (copy) {
            cap = sh->cap;
            ok = page_of(ppn)->account != self_account() || CHECK(exo_page_set(ppn, cap, 0, 0, 0), 0);
        }
        ok = ok && CHECK(exo_bind(s->root, va, ppn, bits, cap).err, 0);
    }
    return ok && CHECK(exo_bind(s->root, WIN, PTE_PPN(pte_at(my_root(), WIN)), RW, sh->cap).err, 0);
}

bool space_new(struct space *s) {
    *s = (struct space){0};
    return tables_new(s, self_account()) && image_bind(s, self_account());
}

static void empty(struct space *s, ppn_t table, va_t base) {
    u64 *t = map(table, PTE_R);
    for (u32 i = 0; t && i < 512; i++)
        if (t[i] & PTE_V) exo_unbind(s->root, base + i * EXO_PAGE, 0);
    win_end(t);
}

void space_end(struct space *s) {
    va_t base = (va_t)&image;
    if (!s->uareas) return;
    empty(s, s->image, base & -LEVEL0_SIZE);
    empty(s, s->win, WIN);
    empty(s, s->uareas, UA_LEVEL0);
    CHECK(exo_pt_unlink(s->root, base & -LEVEL0_SIZE, 0).val, s->image);
    CHECK(exo_pt_unlink(s->root, WIN, 0).val, s->win);
    CHECK(exo_pt_unlink(s->root, UA_LEVEL0, 0).val, s->uareas);
    CHECK(exo_pt_unlink(s->root, base & -LEVEL1_SIZE, 1).val, s->low);
    CHECK(exo_pt_unlink(s->root, UA_LEVEL1, 1).val, s->upper);
    CHECK(exo_pt_unlink(s->root, 0, 2).val, s->root);
    page_end(s->image);
    page_end(s->win);
    page_end(s->uareas);
    page_end(s->low);
    page_end(s->upper);
    page_end(s->root);
    *s = (struct space){0};
}

// ---- accounts ----

#define CHILD_STACK ((va_t)stack_bottom) // in the child; where main's own is here

// A child's environment learns its eid from the exported records: its u-area is another account's page, which
// the parent cannot write once it is one.
static void child_main(u64 arg) {
    first_self(&rt()->first);
    ((void (*)(u64))rt()->user[0])(arg);
}

// Environment n of the child: its u-area at UA_TOP - n pages; its stack the n-th pair of pages from
// CHILD_STACK.
static eid_t child_env(struct child *c, u32 n, void (*fn)(u64), u64 arg, u32 hart, ppn_t *ua_ppn) {
    va_t stack = CHILD_STACK + n * 3 * EXO_PAGE, uva = UA_TOP - n * EXO_PAGE;
    for (u32 i = 0; i < 2; i++)
        if (!CHECK(rt_map(c->sp.root, stack + i * EXO_PAGE, page_for(c->acct), RW), 0)) return 0;
    *ua_ppn = page_new();
    struct exo_uarea *ua = map(*ua_ppn, RW);
    if (!ua) return 0;
    rt_env_init(ua, child_main, arg, stack + 2 * EXO_PAGE);
    rt_of(ua)->first.uarea = *ua_ppn;
    rt_of(ua)->user[0] = (u64)fn;
    win_end(ua);
    CHECK(exo_page_give(*ua_ppn, c->acct), 0);
    struct exo_ret r = exo_env_new(hart, c->sp.root, *ua_ppn, uva);
    if (!CHECK(r.err, 0) || !CHECK(rt_map(c->sp.root, uva, *ua_ppn, RW), 0)) return 0;
    u32 slot = free_slot(hart);
    CHECK(exo_slot_give(hart, slot, 1, c->acct), 0);
    CHECK(exo_slot_set(hart, slot, r.val), 0);
    c->slot = n ? c->slot : slot;
    return (eid_t)r.val;
}

bool child_new(struct child *c, u32 pages, u32 envs, u32 accts, u32 exts, u32 hart, void (*fn)(u64),
               u64 arg) {
    *c = (struct child){.hart = hart};
    struct exo_ret r = exo_acct_new(pages, envs, accts, exts);
    if (!CHECK(r.err, 0)) return false;
    c->acct = (u32)r.val;
    if (!tables_new(&c->sp, c->acct) || !image_bind(&c->sp, c->acct)) return false;
    c->eid = child_env(c, 0, fn, arg, hart, &c->ua_ppn);
    return c->eid != 0;
}

eid_t child_more(struct child *c, void (*fn)(u64), u64 arg, u32 hart) {
    ppn_t ua_ppn;
    u32 n = EXO_ACCTS[c->acct].envs_used;
    eid_t eid = child_env(c, n, fn, arg, hart, &ua_ppn);
    return eid;
}

static void keep(va_t from, va_t to) {
    for (va_t va = from; va < to; va += EXO_PAGE)
        CHECK(exo_page_set(PTE_PPN(pte_at(my_root(), va)), 0, 0, 0, 1), 0);
}

void keep_self(void) {
    keep((va_t)data_start, (va_t)bss_end);
    keep(CHILD_STACK, CHILD_STACK + 2 * EXO_PAGE);
}

bool child_run(struct child *c) { return CHECK(exo_env_ctl(c->eid, ENV_RUN), 0); }

bool acct_gone(u32 acct) { return NAP(EXO_ACCTS[acct].state == ACCT_FREE); }

void child_end(struct child *c) {
    if (!c->acct) return;
    CHECK(exo_acct_end(c->acct), 0);
    acct_gone(c->acct);
    *c = (struct child){0};
}

static u32 pool;

static bool pool_change(i64 by) {
    const volatile struct exo_acct *a = &EXO_ACCTS[1];
    return CHECK(exo_acct_set(1, a->reserve + (u64)by, a->envs, a->accts, a->exts), 0);
}

bool pool_open(u32 pages) {
    bool ok = pool_change(-(i64)pages);
    pool += ok ? pages : 0;
    return ok;
}

void pool_close(void) {
    pool_change(pool);
    pool = 0;
}

bool child_does(void (*fn)(u64), u64 arg) {
    struct child c;
    bool ok = child_new(&c, CHILD_PAGES, 4, 4, 4, 0, fn, arg) && child_run(&c) && WAIT(!env_lives(c.eid));
    child_end(&c);
    return ok;
}

i64 call_ready(eid_t eid, cap_t cap, u64 msg[MSG_WORDS]) {
    i64 err;
    while ((err = rt_call(eid, cap, msg)) == E_MASKED) rt_yield(0);
    return err;
}
