// Bindings: the entries of level-0 tables, each of which lets an address space use a page (SOSP95, Secure Bindings). A binding is
// authorised here, once; its use needs no kernel. The entry that bind, protect and unbind find comes back to the
// caller with the number of bindings its page has left, both as of one moment: exactly one of those who drop a page
// sees 0. Called with the kernel lock held.
//
// A libOS makes these calls more often than all others under the lock, so their usual case runs straight through: it
// is a special case of what bind_slow and unbind_slow do, recognised by what the last of them found out and left in
// `span`. Every check is made, if only by comparing with one that was.
#include "kernel.h"

#define unlikely(x) __builtin_expect(!!(x), 0)
#define leaf        __attribute__((optimize("omit-frame-pointer")))

#define NO_PAGE    (~0ul)                // third result, if the old entry bound none
#define SPAN_INDEX ((u64)511 * EXO_PAGE) // the bits of va that select an entry of a level-0 table
#define RIGHTS     (PTE_R | PTE_W | PTE_X)

// A level-0 table and the 2 MiB of an address space that it holds: the last one used. It stays true until a table
// is unlinked; a root's owner does not change while it is a root.
static struct span {
    u64 root; // 0: none
    va_t base;
    u64 outside; // ~SPAN_INDEX: cheaper to load than to make
    u64 *table;
    struct exo_page *page; // the table's record
    struct root *space;
    u32 asid;
    u16 own;     // page_kind() of a data page of the root's owner
    u16 account; // that owner
    u32 bits;    // that the last bind was found to be allowed to give such a page
    u32 npages;  // and `pages`: kept here too, within reach
    struct exo_page *pages;
} span;

void span_forget(void)
{
    span.root = 0;
}

// With this, va is page-aligned and a user's, root is a root of the caller's, and the table is there.
static inline bool span_covers(const struct span *s, u64 root, va_t va)
{
    return root == s->root && !((va ^ s->base) & s->outside) && s->account == caller();
}

static inline u64 *span_entry(const struct span *s, va_t va)
{
    return (u64 *)((u8 *)s->table + (va - s->base) / (EXO_PAGE / 8));
}

static inline u16 page_kind(const struct exo_page *p)
{
    return (u16)(p->type | p->account << 8);
}

static bool span_load(const struct exo_page *root, va_t va)
{
    u64 *pte = pte_find(page_ppn(root), va);
    if (!pte)
        return false;
    u64 *table = pte - va / EXO_PAGE % 512;
    span = (struct span){.root = page_ppn(root),
                         .base = va & ~(SPAN_INDEX | (EXO_PAGE - 1)),
                         .outside = ~SPAN_INDEX,
                         .table = table,
                         .page = page_get(va_to_pa(table) / EXO_PAGE),
                         .space = &roots[root->asid],
                         .asid = root->asid,
                         .own = (u16)(PAGE_DATA | root->account << 8),
                         .account = root->account,
                         .npages = npages,
                         .pages = pages};
    return true;
}

// What a page was filled with comes before the entry that shows it. (The compiler's own exchange has a fence more.)
static inline u64 entry_swap(u64 *pte, u64 v)
{
#ifdef __riscv
    u64 old;
    __asm__ volatile("amoswap.d.rl %0, %2, %1" : "=r"(old), "+A"(*pte) : "r"(v) : "memory");
    return old;
#else
    return __atomic_exchange_n(pte, v, __ATOMIC_RELEASE);
#endif
}

static inline struct exo_page *page_of(u64 pte)
{
    return &pages[PTE_PPN(pte) - EXO_PPN_BASE];
}

// ---- checks ----------------------------------------------------------------------------------------------------

static bool va_ok(va_t va)
{
    return va < EXO_USER_END && va % EXO_PAGE == 0;
}

// Known bits only, and of R, W, X one of R, RW, X, RX: bits 1, 3, 4, 5 of 0x3a.
static inline bool bits_ok(u64 bits)
{
    return !(bits & ~(u64)PTE_BITS) && 0x3a >> (bits >> 1 & 7) & 1;
}

// May these rights to p go into a root of `account`?
static enum exo_error rights_check(const struct exo_page *p, u32 account, u64 rights, cap_t cap)
{
    if (p->type != PAGE_DATA) {
        if (p->account != account)
            return E_CAP;
        return rights & (p->type == PAGE_UAREA ? PTE_X : PTE_W | PTE_X) ? E_BITS : E_OK;
    }
    const struct caps *c = &page_caps[p - pages];
    cap_t opens = rights & PTE_W ? c->w : c->r;
    return !rights || owns(caller(), p->account) || (opens && opens == cap) ? E_OK : E_CAP;
}

static enum exo_error bind_check(u64 root, va_t va, u64 ppn, u64 bits, cap_t cap)
{
    if (!va_ok(va))
        return E_VA;
    if (!bits_ok(bits))
        return E_BITS;
    const struct exo_page *r = page_get(root), *p = page_get(ppn);
    if (!r || !p)
        return E_PPN;
    if (!owns(caller(), r->account))
        return E_OWNER;
    if (r->type != PAGE_ROOT || p->type == PAGE_FREE || p->type == PAGE_DOOMED)
        return E_TYPE;
    enum exo_error e = rights_check(p, r->account, bits & RIGHTS, cap);
    if (e)
        return e;
    return span_load(r, va) ? E_OK : E_TABLE;
}

// Of protect and unbind, after their checks of bits: fills span.
static enum exo_error entry_check(u64 root, va_t va)
{
    const struct exo_page *r = page_get(root);
    if (!r)
        return E_PPN;
    if (!owns(caller(), r->account))
        return E_OWNER;
    if (r->type != PAGE_ROOT)
        return E_TYPE;
    return span_load(r, va) ? E_OK : E_TABLE;
}

// Of protect, whose new rights are authorised as in bind.
static enum exo_error protect_check(u64 root, va_t va, u64 clear, u64 set, cap_t cap)
{
    if (!va_ok(va))
        return E_VA;
    if ((clear | set) & ~(u64)PTE_BITS)
        return E_BITS;
    enum exo_error e = entry_check(root, va);
    if (e)
        return e;
    u64 old = __atomic_load_n(span_entry(&span, va), __ATOMIC_RELAXED), new = (old & ~clear) | set;
    if (!(old & PTE_V))
        return E_UNBOUND;
    if (page_of(old)->type == PAGE_DOOMED)
        return E_TYPE;
    e = rights_check(page_of(old), span.account, new & ~old & RIGHTS, cap);
    if (e)
        return e;
    return bits_ok(new & PTE_BITS) ? E_OK : E_BITS;
}

static enum exo_error unbind_check(u64 root, va_t va, u64 word)
{
    if (word & PTE_V)
        return E_BITS;
    return va_ok(va) ? entry_check(root, va) : E_VA;
}

// ---- changes: what must be checked is checked, and the caller sees to the fences -----------------------------------

// The binding `old` is gone, if it was one: what remains of its page's.
static inline u64 binding_gone(u64 old)
{
    if (!(old & PTE_V))
        return NO_PAGE;
    struct exo_page *p = page_of(old);
    u32 n = --p->binds;
    if (unlikely(p->type == PAGE_DOOMED))
        page_drop(p);
    return n;
}

// Returns the old entry. The new one's page is not yet counted out of it.
static inline u64 bind_put(const struct span *s, va_t va, u64 ppn, u64 bits)
{
    pages[ppn - EXO_PPN_BASE].binds++;
    u64 old = entry_swap(span_entry(s, va), pte_of(ppn, bits | PTE_U | PTE_V));
    s->page->users += !(old & PTE_V);
    return old;
}

// Rights do not change under us, but the hardware may set A, and then D: so the swap fails twice at most.
static inline u64 protect_put(const struct span *s, va_t va, u64 clear, u64 set)
{
    u64 *pte = span_entry(s, va), old = __atomic_load_n(pte, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(pte, &old, (old & ~clear) | set, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        ;
    return old;
}

static inline u64 unbind_put(const struct span *s, va_t va, u64 word)
{
    u64 old = entry_swap(span_entry(s, va), word);
    s->page->users -= old & PTE_V;
    return old;
}

// ---- one at a time ---------------------------------------------------------------------------------------------

// The fences after a change, here and where the address space runs, and the results.
static struct ret changed(va_t va, u64 old, u64 left, u64 bits)
{
    if (old & PTE_V)
        shoot(span.asid, va);
    else
        sfence_page(va, span.asid);
    if (bits & PTE_X)
        code_shoot(span.space->harts);
    this_hart->a2 = left;
    return done(old);
}

static __attribute__((noinline)) struct ret bind_slow(u64 root, va_t va, u64 ppn, u64 bits, cap_t cap)
{
    enum exo_error e = bind_check(root, va, ppn, bits, cap);
    if (e)
        return fail(e);
    u64 old = bind_put(&span, va, ppn, bits);
    span.bits = bits & PTE_X ? 0 : (u32)bits;
    return changed(va, old, binding_gone(old), bits);
}

static __attribute__((noinline)) struct ret replaced(va_t va, u64 old)
{
    return changed(va, old, binding_gone(old), 0);
}

// Usual: a data page of the caller's, not executable, where nothing was bound.
leaf struct ret do_bind(u64 root, u64 va, u64 ppn, u64 bits, u64 cap)
{
    const struct span *s = &span;
    u64 i = ppn - EXO_PPN_BASE;
    if (unlikely(!span_covers(s, root, va) || bits != s->bits || i >= s->npages || page_kind(&s->pages[i]) != s->own))
        return bind_slow(root, va, ppn, bits, cap);
    u64 old = entry_swap(span_entry(s, va), pte_of(ppn, bits | PTE_U | PTE_V));
    s->pages[i].binds++;
    if (unlikely(old & PTE_V))
        return replaced(va, old);
    s->page->users++;
    sfence_page(va, s->asid);
    this_hart->a2 = NO_PAGE;
    return done(old);
}

struct ret do_protect(u64 root, u64 va, u64 clear, u64 set, u64 cap)
{
    enum exo_error e = protect_check(root, va, clear, set, cap);
    if (e)
        return fail(e);
    u64 old = protect_put(&span, va, clear, set);
    return changed(va, old, page_of(old)->binds, set);
}

static __attribute__((noinline)) struct ret unbind_slow(u64 root, va_t va, u64 word)
{
    enum exo_error e = unbind_check(root, va, word);
    if (e)
        return fail(e);
    u64 old = unbind_put(&span, va, word);
    return changed(va, old, binding_gone(old), 0);
}

static __attribute__((noinline)) struct ret unbound(va_t va, u64 old)
{
    span.page->users -= old & PTE_V;
    return changed(va, old, binding_gone(old), 0);
}

// Usual: a binding that no other hart can be using, of a page that is not doomed.
leaf struct ret do_unbind(u64 root, u64 va, u64 word, u64 a3, u64 a4)
{
    (void)a3, (void)a4;
    const struct span *s = &span;
    if (unlikely(!span_covers(s, root, va) || word & PTE_V || s->space->harts & ~(1u << this_hart->index)))
        return unbind_slow(root, va, word);
    u64 old = entry_swap(span_entry(s, va), word);
    if (unlikely(!(old & PTE_V)))
        return unbound(va, old);
    struct exo_page *p = &s->pages[(old >> 10) - EXO_PPN_BASE];
    if (unlikely(p->type == PAGE_DOOMED))
        return unbound(va, old);
    s->page->users--;
    sfence_page(va, s->asid);
    this_hart->a2 = --p->binds;
    return done(old);
}

// ---- many at a time --------------------------------------------------------------------------------------------

// The fences that a batch owes: none of them is needed before the lock is released.
struct owed {
    u32 asid;  // of the one address space changed; 0: none yet
    bool many; // several
    bool remote, code;
    u32 harts, code_harts;
};

static void owe(struct owed *d, u64 old, u64 bits)
{
    d->many |= d->asid && d->asid != span.asid;
    d->asid = span.asid;
    if (old & PTE_V)
        d->harts |= span.space->harts;
    if (bits & PTE_X) {
        d->code = true;
        d->code_harts |= span.space->harts;
    }
}

static void pay(const struct owed *d)
{
    if (!d->asid)
        return;
    if (d->many)
        sfence_all();
    else
        sfence_asid(d->asid);
    if (d->harts)
        shoot_remote(d->harts, d->many ? 0 : d->asid, 0, ~0ul);
    if (d->code)
        code_shoot(d->code_harts);
}

// What the caller wrote; it may change while we look, so each field is read once.
static enum exo_error batch_op(volatile struct exo_op *o, struct owed *d)
{
    u32 op = o->op, bits = o->bits;
    u64 root = o->root, ppn = o->ppn, word = o->word, old, left;
    va_t va = o->va;
    struct ret r;
    enum exo_error e;
    switch (op) {
    case EXO_BIND:
        e = bind_check(root, va, ppn, bits, word);
        if (e)
            return e;
        old = bind_put(&span, va, ppn, bits);
        left = binding_gone(old);
        owe(d, old, bits);
        break;
    case EXO_PROTECT:
        e = protect_check(root, va, bits >> 16, bits & 0xffff, word);
        if (e)
            return e;
        old = protect_put(&span, va, bits >> 16, bits & 0xffff);
        left = page_of(old)->binds;
        owe(d, old, bits & 0xffff);
        break;
    case EXO_UNBIND:
        e = unbind_check(root, va, word);
        if (e)
            return e;
        old = unbind_put(&span, va, word);
        left = binding_gone(old);
        owe(d, old, 0);
        break;
    case EXO_PAGE_ALLOC:
        r = do_page_alloc(ppn, bits != 0, 0, 0, 0);
        if (!r.err)
            o->ppn = (ppn_t)r.val;
        return r.err;
    case EXO_PAGE_FREE:
        return do_page_free(ppn, 0, 0, 0, 0).err;
    default:
        return E_ARG;
    }
    o->word = old;
    o->binds = left;
    return E_OK;
}

struct ret do_batch(u64 array, u64 n, u64 a2, u64 a3, u64 a4)
{
    (void)a2, (void)a3, (void)a4;
    if (n == 0 || n > EXO_BATCH_MAX)
        return fail(E_ARG);
    volatile struct exo_op *ops = user_object(array, n * sizeof(*ops), 8, true);
    if (!ops)
        return fail(E_ADDR);
    struct owed owed = {0};
    enum exo_error e = E_OK;
    u64 i = 0;
    while (i < n && !(e = batch_op(&ops[i], &owed)))
        i++;
    pay(&owed);
    return (struct ret){e, i};
}
