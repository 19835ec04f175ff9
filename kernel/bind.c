// Bindings: the entries of level-0 tables, each of which lets an address space use a page (SOSP95, Secure
// Bindings). A binding is authorised here, once; its use needs no kernel. The entry that bind, protect and
// unbind find comes back to the caller with the number of bindings its page has left, both as of one moment:
// exactly one of those who drop a page sees 0. Called with the kernel lock held.
//
// A libOS makes these calls more often than all others under the lock: bind.S has the usual case of the
// single ones, do_batch that of many. Both go by what the checks in full have left in the hart's span.
#include "kernel.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

#define NO_PAGE    (~0ul) // third result, if the old entry bound none that its caller might free
#define SPAN_INDEX ((u64)511 * EXO_PAGE) // the bits of va that select an entry of a level-0 table
#define RIGHTS     (PTE_R | PTE_W | PTE_X)

// 0 is no root, but anyone may ask for it; nobody is of account 0.
void span_forget(void) {
    for (u32 i = 0; i < EXO_NHART; i++) harts[i].span.root = harts[i].span.account = 0;
}

static inline u64 *span_entry(const struct span *s, va_t va) { return &s->table[(va ^ s->base) / EXO_PAGE]; }

// The first two bytes of a record.
static inline u16 page_kind(const struct exo_page *p) { return (u16)(p->type | p->account << 8); }

static bool span_load(const struct exo_page *root, va_t va) {
    u64 *pte = pte_find(page_ppn(root), va);
    if (!pte) return false;
    u64 *table = pte - va / EXO_PAGE % 512;
    this_hart->span = (struct span){
        .root = page_ppn(root),
        .base = va & ~(SPAN_INDEX | (EXO_PAGE - 1)),
        .outside = ~SPAN_INDEX,
        .table = table,
        .page = page_get(va_to_pa(table) / EXO_PAGE),
        .space = &roots[root->asid],
        .records = (u64)pages - EXO_PPN_BASE * sizeof(*pages),
        .npages = npages,
        .others = ~(1u << this_hart->index),
        .asid = root->asid,
        .bits = PTE_R,
        .own = (u16)(PAGE_DATA | root->account << 8),
        .account = root->account,
    };
    return true;
}

// What a page was filled with comes before the entry that shows it. (The compiler's own exchange has a fence
// more.)
static inline u64 entry_swap(u64 *pte, u64 v) {
#ifdef __riscv
    u64 old;
    __asm__ volatile("amoswap.d.rl %0, %2, %1" : "=r"(old), "+A"(*pte) : "r"(v));
    return old;
#else
    return __atomic_exchange_n(pte, v, __ATOMIC_RELEASE);
#endif
}

static inline struct exo_page *page_of(u64 pte) { return &pages[PTE_PPN(pte) - EXO_PPN_BASE]; }

// ---- checks ----

static bool va_ok(va_t va) { return va < EXO_USER_END && va % EXO_PAGE == 0; }

// Known bits only, and of R, W, X one of R, RW, X, RX: bits 1, 3, 4, 5 of 0x3a.
static inline bool bits_ok(u64 bits) { return !(bits & ~(u64)PTE_BITS) && 0x3a >> (bits >> 1 & 7) & 1; }

// May these rights to p go into a root of `account`?
static enum exo_error rights_check(const struct exo_page *p, u32 account, u64 rights, cap_t cap) {
    if (p->type != PAGE_DATA) {
        if (p->account != account) return E_CAP;
        return rights & (p->type == PAGE_UAREA ? PTE_X : PTE_W | PTE_X) ? E_BITS : E_OK;
    }
    const struct caps *c = &page_caps[p - pages];
    cap_t opens = rights & PTE_W ? c->w : c->r;
    return !rights || owns(caller(), p->account) || (opens && opens == cap) ? E_OK : E_CAP;
}

static enum exo_error bind_check(u64 root, va_t va, u64 ppn, u64 bits, cap_t cap) {
    const struct exo_page *r = page_get(root), *p = page_get(ppn);
    if (!va_ok(va)) return E_VA;
    if (!bits_ok(bits)) return E_BITS;
    if (!r || !p) return E_PPN;
    if (!owns(caller(), r->account)) return E_OWNER;
    if (r->type != PAGE_ROOT || p->type == PAGE_FREE || p->type == PAGE_DOOMED) return E_TYPE;
    enum exo_error e = rights_check(p, r->account, bits & RIGHTS, cap);
    return e ? e : span_load(r, va) ? E_OK : E_TABLE;
}

// Of protect and unbind, after their checks of bits.
static enum exo_error entry_check(u64 root, va_t va) {
    const struct exo_page *r = page_get(root);
    if (!r) return E_PPN;
    if (!owns(caller(), r->account)) return E_OWNER;
    if (r->type != PAGE_ROOT) return E_TYPE;
    return span_load(r, va) ? E_OK : E_TABLE;
}

// ---- changes, each with the fences it owes ----

// What must be done before the lock is released: the first is here, since it is the only one as a rule.
struct owed {
    u32 n;     // changes
    u32 asid;  // of the address space changed ...
    bool many; // ... or there are several
    bool code;
    u32 harts, code_harts; // that have to hear of it
    va_t va;
};

static void owe(struct owed *d, va_t va, u64 old, u64 bits) {
    const struct span *s = &this_hart->span;
    d->many |= d->n++ && d->asid != s->asid;
    d->asid = s->asid;
    d->va = va;
    if (old & PTE_V) d->harts |= s->space->harts;
    d->code |= (bits & PTE_X) != 0;
    if (bits & PTE_X) d->code_harts |= s->space->harts;
}

static void pay(const struct owed *d) {
    va_t va = d->n == 1 ? d->va : 0;
    u64 size = d->n == 1 ? EXO_PAGE : ~0ul;
    if (!d->n) return;
    if (d->many)
        sfence_all();
    else if (d->n == 1)
        sfence_page(va, d->asid);
    else
        sfence_asid(d->asid);
    if (d->harts) shoot_remote(d->harts, d->many ? 0 : d->asid, va, size);
    if (d->code) code_shoot(d->code_harts);
}

// The binding `old` is gone, if it was one: what remains of its page's. A doomed page frees itself: told 0,
// the caller would free it a second time, when it may be somebody's again.
static inline u64 binding_gone(u64 old) {
    if (!(old & PTE_V)) return NO_PAGE;
    struct exo_page *p = page_of(old);
    u32 n = --p->binds;
    if (unlikely(p->type == PAGE_DOOMED)) {
        page_drop(p);
        return NO_PAGE;
    }
    return n;
}

static struct ret bind_owing(struct owed *d, u64 root, va_t va, u64 ppn, u64 bits, cap_t cap) {
    enum exo_error e = bind_check(root, va, ppn, bits, cap);
    if (e) return fail(e);
    struct span *s = &this_hart->span;
    if (!(bits & PTE_X)) s->bits = (u32)bits;
    page_get(ppn)->binds++;
    u64 old = entry_swap(span_entry(s, va), pte_of(ppn, bits | PTE_U | PTE_V));
    s->page->users += !(old & PTE_V);
    this_hart->a2 = binding_gone(old);
    owe(d, va, old, bits);
    return done(old);
}

// The new rights are authorised as in bind. They do not change under us, but the hardware may set A, and then
// D: so the swap fails twice at most.
static struct ret protect_owing(struct owed *d, u64 root, va_t va, u64 clear, u64 set, cap_t cap) {
    if (!va_ok(va)) return fail(E_VA);
    if ((clear | set) & ~(u64)PTE_BITS) return fail(E_BITS);
    enum exo_error e = entry_check(root, va);
    if (e) return fail(e);
    u64 *pte = span_entry(&this_hart->span, va), old = __atomic_load_n(pte, __ATOMIC_RELAXED);
    if (!(old & PTE_V)) return fail(E_UNBOUND);
    u64 new = (old & ~clear) | set;
    struct exo_page *p = page_of(old);
    e = p->type == PAGE_DOOMED ? E_TYPE : rights_check(p, this_hart->span.account, new & ~old &RIGHTS, cap);
    if (e) return fail(e);
    if (!bits_ok(new &PTE_BITS)) return fail(E_BITS);
    while (!__atomic_compare_exchange_n(pte, &old, new, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        new = (old & ~clear) | set;
    this_hart->a2 = p->binds;
    owe(d, va, old, set);
    return done(old);
}

static struct ret unbind_owing(struct owed *d, u64 root, va_t va, u64 word) {
    if (word & PTE_V) return fail(E_BITS);
    if (!va_ok(va)) return fail(E_VA);
    enum exo_error e = entry_check(root, va);
    if (e) return fail(e);
    u64 old = entry_swap(span_entry(&this_hart->span, va), word);
    this_hart->span.page->users -= old & PTE_V;
    this_hart->a2 = binding_gone(old);
    owe(d, va, old, 0);
    return done(old);
}

// ---- calls ----

struct ret do_bind(u64 root, u64 va, u64 ppn, u64 bits, u64 cap) {
    struct owed owed = {0};
    struct ret r = bind_owing(&owed, root, va, ppn, bits, cap);
    pay(&owed);
    return r;
}

struct ret do_protect(u64 root, u64 va, u64 clear, u64 set, u64 cap) {
    struct owed owed = {0};
    struct ret r = protect_owing(&owed, root, va, clear, set, cap);
    pay(&owed);
    return r;
}

struct ret do_unbind(u64 root, u64 va, u64 word, u64 a3, u64 a4) {
    struct owed owed = {0};
    struct ret r = unbind_owing(&owed, root, va, word);
    pay(&owed);
    return r;
}

// ---- batches ----

// The caller may be changing what we look at, so each word is read once.
#define READ(word) (*(const volatile u64 *)&(word))

static struct ret op_in_full(struct exo_op *o, struct owed *d) {
    u64 what = READ(o->op), page = READ(o->ppn), word = READ(o->word), set = page >> 32 & 0xffff;
    u64 a[5] = {what >> 32, READ(o->va), (u32)page, page >> 32, word};
    u32 op = (u32)what;
    struct ret r = fail(E_ARG);
    if (op == EXO_BIND) {
        r = bind_owing(d, a[0], a[1], a[2], a[3], a[4]);
    } else if (op == EXO_PROTECT) {
        r = protect_owing(d, a[0], a[1], a[2] = page >> 48, a[3] = set, a[4]);
    } else if (op == EXO_UNBIND) {
        r = unbind_owing(d, a[0], a[1], a[2] = word);
    } else if (op == EXO_PAGE_ALLOC) {
        r = do_page_alloc(a[0] = a[2], a[1] = a[3] != 0, 0, 0, 0);
        if (!r.err) o->ppn = (ppn_t)r.val;
    } else if (op == EXO_PAGE_FREE) {
        r = do_page_free(a[0] = a[2], 0, 0, 0, 0);
    }
    if (trace_on) trace_call(op, a, r);
    if (!r.err && op <= EXO_UNBIND && op >= EXO_BIND) {
        o->word = r.val;
        o->binds = this_hart->a2;
    }
    return r;
}

_Static_assert(offsetof(struct exo_op, root) == 4 &&
                   offsetof(struct exo_op, bits) == offsetof(struct exo_op, ppn) + 4,
               "halves of words");

// Does operations as long as they are usual ones, as in bind.S, in the span of the last one made in full. How
// many?
static __attribute__((noinline)) u64 ops_usual(struct exo_op *o, u64 n, struct owed *d) {
    const struct span *s = &this_hart->span;
    const u64 bind = s->root << 32 | EXO_BIND, unbind = s->root << 32 | EXO_UNBIND;
    const u64 base = s->base, outside = s->outside, bits = s->bits, flags = bits | PTE_U | PTE_V;
    const u64 records = s->records, own = s->own, count = s->npages;
    u64 first = EXO_PPN_BASE, cut = 0;
    u8 *table = (u8 *)s->table;
    struct exo_op *start = o, *end = o + n;
    u32 users = 0;
    __asm__("" : "+r"(first)); // keeps it in a register
    for (; o < end; o++) {
        u64 what = READ(o->op), at = READ(o->va) ^ base, old;
        u64 *pte = (u64 *)(table + at / (EXO_PAGE / sizeof(*pte)));
        if (unlikely(at & outside)) break;
        if (what == bind) {
            u64 page = READ(o->ppn), ppn = (u32)page;
            struct exo_page *p = (struct exo_page *)(records + ppn * sizeof(*p));
            if (unlikely(page >> 32 != bits || ppn - first >= count || page_kind(p) != own)) break;
            p->binds++;
            users++;
            old = entry_swap(pte, pte_of(ppn, flags));
        } else {
            u64 word = READ(o->word);
            if (unlikely(what != unbind || word & PTE_V)) break;
            old = entry_swap(pte, word);
        }
        o->word = old;
        o->binds = NO_PAGE;
        if (!(old & PTE_V)) continue;
        struct exo_page *was = (struct exo_page *)(records + (old >> 10) * sizeof(*was));
        o->binds = (u64)(i32)--was->binds;
        users--;
        cut = old;
        if (unlikely(was->type == PAGE_DOOMED)) {
            page_drop(was);
            o->binds = NO_PAGE;
        }
    }
    s->page->users += (u16)users;
    if (cut) d->harts |= s->space->harts;
    return (u64)(o - start);
}

struct ret do_batch(u64 array, u64 n, u64 a2, u64 a3, u64 a4) {
    if (n == 0 || n > EXO_BATCH_MAX) return fail(E_ARG);
    struct exo_op *ops = user_object(array, n * sizeof(*ops), 8, true);
    if (!ops) return fail(E_ADDR);
    struct owed owed = {0};
    struct ret r = done(0);
    u64 i = 0;
    while (i < n && !(r = op_in_full(&ops[i], &owed)).err) {
        i++;
        if (owed.n && !trace_on) // the span is then one of this batch
            i += ops_usual(&ops[i], n - i, &owed);
    }
    owed.n = owed.n ? (u32)i : 0;
    pay(&owed);
    return (struct ret){r.err, i};
}
