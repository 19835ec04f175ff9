// Physical pages: their records, the free list, and the two rules that make memory a promise. (1) Free pages
// >= the sum over accounts of max(0, reserve - held), so an account below its reserve is never refused. (2)
// No account has more fixed pages than its reserve, so what exceeds the reserve can always be taken. Every
// change of a record's type, hold or owner goes through here, so that the counts stay in step; the kernel
// lock is held.
//
// Idle harts are not told of a change in free pages, which would cost far more than the change: they look at
// each tick. A page may go to the free list before the fence that covers its last binding: nobody takes it
// from there without the lock, and whoever broke the binding fences before the lock is released.
#include "kernel.h"

struct exo_page *pages;
struct caps *page_caps;
u32 npages;

// ---- the rules ----

static i64 promise(i64 reserve, i64 held) { return reserve > held ? reserve - held : 0; }

i64 acct_promise(u32 account, i64 reserve, i64 held) {
    const struct exo_acct *a = &accts[account];
    return promise(a->reserve + reserve, a->held + held) - promise(a->reserve, a->held);
}

void acct_count(u32 account, i64 reserve, i64 held) {
    struct exo_acct *a = &accts[account];
    words->promised += (u64)acct_promise(account, reserve, held);
    a->reserve += (u32)reserve;
    a->held += (u32)held;
}

bool acct_overdue(u32 account) {
    const struct exo_acct *a = &accts[account];
    return a->revoke_deadline && csr_read(time) >= a->revoke_deadline;
}

// May it hold one page more, by what it is promised or by what nobody is? `cost`: how much nearer the same
// act brings free and promised pages otherwise.
static bool hold_room(u32 account, i64 cost) {
    const struct exo_acct *a = &accts[account];
    i64 after = (i64)words->promised + acct_promise(account, 0, 1) + cost;
    return after <= (i64)words->free && (a->held < a->reserve || !acct_overdue(account));
}

// While what exceeds the reserve is overdue, nothing more becomes fixed: else pages could be fixed in turns,
// each before the search for what to take comes to it.
bool fix_room(u32 account, u32 n) {
    const struct exo_acct *a = &accts[account];
    bool overdue = a->held - a->doomed > a->reserve && acct_overdue(account);
    return n == 0 || ((u64)a->fixed + n <= a->reserve && !overdue);
}

// ---- the free list ----

static void list_add(struct exo_page *p) {
    ppn_t head = (ppn_t)words->free_head, ppn = page_ppn(p);
    p->next = head;
    p->prev = 0;
    if (head) page_get(head)->prev = ppn;
    words->free_head = ppn;
    words->free++;
}

static void list_remove(struct exo_page *p) {
    if (p->next) page_get(p->next)->prev = p->prev;
    if (p->prev)
        page_get(p->prev)->next = p->next;
    else
        words->free_head = p->next;
    p->next = p->prev = 0;
    words->free--;
}

// `pages` and `page_caps` have room for all of them, zeroed. From the end down, so that the lowest page
// becomes the head of the list.
void page_init(ppn_t first_free, ppn_t end, ppn_t disk, ppn_t disk_end) {
    npages = end - EXO_PPN_BASE;
    struct exo_page none, *above = &none, *p = &pages[npages];
    u64 head = 0, n = 0; // kept out of memory: no loop of boot runs longer
    for (u64 ppn = end; ppn-- > EXO_PPN_BASE;) {
        p--;
        if (ppn < first_free || (ppn >= disk && ppn < disk_end)) {
            p->type = PAGE_KERNEL;
            continue;
        }
        p->type = PAGE_FREE;
        p->next = (ppn_t)head;
        above->prev = (ppn_t)ppn;
        above = p;
        head = ppn;
        n++;
    }
    words->npages = npages;
    words->free_head = head;
    words->free = n;
}

// Sixteen stores a round: every page is zeroed here before another account can see it.
void page_zero(void *page) {
    for (u64 *p = page, *end = p + EXO_PAGE / 8; p < end; p += 16) {
        p[0] = p[1] = p[2] = p[3] = p[4] = p[5] = p[6] = p[7] = 0;
        __asm__ volatile("" ::: "memory");
        p[8] = p[9] = p[10] = p[11] = p[12] = p[13] = p[14] = p[15] = 0;
        __asm__ volatile("" ::: "memory");
    }
}

// ---- types and holds ----

void page_settype(struct exo_page *p, u32 type) {
    bool was = page_fixed(p);
    p->type = (u8)type;
    accts[p->account].fixed += (u32)page_fixed(p) - was;
}

void page_pin(struct exo_page *p) {
    accts[p->account].fixed += !page_fixed(p);
    p->pins++;
}

void page_unpin(struct exo_page *p) {
    bool was = page_fixed(p);
    p->pins--;
    accts[p->account].fixed -= (u32)was - page_fixed(p);
    page_drop(p);
}

// An ended account's number will be used again, so no page may remember it as its last owner.
static void release(struct exo_page *p) {
    page_settype(p, PAGE_FREE);
    acct_count(p->account, 0, -1);
    page_caps[p - pages] = (struct caps){0, 0};
    p->flags = 0;
    p->users = 0; // an ended account's tables are given up with what they hold
    if (accts[p->account].state == ACCT_ENDING) p->account = 0;
    list_add(p);
}

void page_drop(struct exo_page *p) {
    if (p->type != PAGE_DOOMED || p->binds || p->pins) return;
    words->doomed--;
    accts[p->account].doomed--;
    if (trace_on) trace(TRACE_SWEEP, page_ppn(p), p->account, 0, 0, 0);
    release(p);
}

void page_doom(struct exo_page *p) {
    if (!p->binds && !p->pins) return release(p);
    if (trace_on) trace(TRACE_DOOM, page_ppn(p), p->account, 0, 0, 0);
    page_settype(p, PAGE_DOOMED);
    words->doomed++;
    accts[p->account].doomed++;
    work = 1;
}

// ---- calls ----

struct ret do_page_alloc(u64 ppn, u64 unzeroed, u64 a2, u64 a3, u64 a4) {
    u32 account = caller();
    struct exo_page *p = page_get(ppn ? ppn : words->free_head);
    if (unzeroed > 1) return fail(E_ARG);
    if (!p && ppn) return fail(E_PPN);
    if (p && p->type != PAGE_FREE) return fail(E_TYPE);
    if (!p || !hold_room(account, 1)) return fail(E_RESERVE); // 1: the page leaves the list

    list_remove(p);
    acct_count(account, 0, 1);
    if (!unzeroed || p->account != account) page_zero(ppn_to_va(page_ppn(p)));
    p->type = PAGE_DATA;
    p->account = (u8)account;
    p->tag = 0;
    return done(page_ppn(p));
}

struct ret do_page_free(u64 ppn, u64 a1, u64 a2, u64 a3, u64 a4) {
    struct exo_page *p = page_get(ppn);
    if (!p) return fail(E_PPN);
    if (!owns(caller(), p->account)) return fail(E_OWNER);
    if (p->type != PAGE_DATA && (p->type != PAGE_UAREA || p->users)) return fail(E_TYPE);
    if (p->pins) return fail(E_PINNED);

    page_doom(p);
    return done(0);
}

// While a revocation is overdue, what is to be taken cannot be kept all at once.
static bool keep_room(const struct exo_page *p) {
    return p->flags & PAGE_KEEP || (!acct_overdue(p->account) && (page_fixed(p) || fix_room(p->account, 1)));
}

struct ret do_page_set(u64 ppn, u64 rcap, u64 wcap, u64 tag, u64 keep) {
    struct exo_page *p = page_get(ppn);
    if (keep > 1) return fail(E_ARG);
    if (!p) return fail(E_PPN);
    if (!owns(caller(), p->account)) return fail(E_OWNER);
    if (p->type != PAGE_DATA) return fail(E_TYPE);
    if (keep && !keep_room(p)) return fail(E_FIXED);

    bool was = page_fixed(p);
    p->flags = keep ? PAGE_KEEP : 0;
    accts[p->account].fixed += (u32)page_fixed(p) - was;
    page_caps[p - pages] = (struct caps){rcap, wcap};
    p->tag = tag;
    return done(0);
}

// A child's gift must not use up what its parent has kept for itself: it brings a page of reserve along. Nor
// what a revocation leaves the parent: until that is over there are no gifts.
struct ret do_page_give(u64 ppn, u64 account, u64 a2, u64 a3, u64 a4) {
    struct exo_page *p = page_get(ppn);
    const struct exo_acct *to = acct_get(account);
    if (!p) return fail(E_PPN);
    if (!to) return fail(E_ACCT);
    if (!owns(caller(), p->account)) return fail(E_OWNER);
    if (!kin(p->account, (u32)account)) return fail(E_KIN);
    if (p->type != PAGE_DATA) return fail(E_TYPE);
    if (p->binds) return fail(E_BOUND);
    if (p->pins) return fail(E_PINNED);
    if (to->state == ACCT_ENDING) return fail(E_STATE);
    struct exo_acct *from = &accts[p->account];
    bool gift = account == from->parent && account != caller();
    if (gift ? to->revoke_deadline || from->fixed - page_fixed(p) >= from->reserve
             : !hold_room((u32)account, acct_promise(p->account, 0, -1)))
        return fail(E_RESERVE);

    from->fixed -= page_fixed(p);
    p->flags = 0;
    page_caps[p - pages] = (struct caps){0, 0};
    acct_count(p->account, -gift, -1);
    acct_count((u32)account, gift, 1);
    p->account = (u8)account;
    return done(0);
}
