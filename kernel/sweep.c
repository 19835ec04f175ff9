// What takes long, in bounded steps on ticks and idle harts: breaking the bindings of doomed pages, which are
// found by looking through all level-0 tables (there is no map from pages to their bindings); taking what an
// account did not give back by a deadline; ending accounts. The kernel lock is held during a step, and each
// step ends with the fences it owes; between steps everything is consistent and anyone may make calls.
#include "disk.h"

u32 work;

// A step looks at this many page records. What costs more than a look, a dozen instructions, counts for more.
#define STEP 2048
#define COST 512 // a table to look through, or an address space to flush
#define GONE 16  // a binding broken, a page taken or let go

// ---- revocation past its deadline ----

static u32 take_next[EXO_NACCT + 1];

void take_from_start(u32 account) {
    take_next[account] = 0;
    work = 1;
}

// Pages whose bindings are being broken are on their way already.
static bool above_target(const struct exo_acct *a) {
    u32 limit = a->revoke_target > a->reserve ? a->revoke_target : a->reserve;
    return a->held - a->doomed > limit;
}

static void take(struct exo_page *p, struct exo_env *pager) {
    accts[p->account].repossessed++;
    if (trace_on) trace(TRACE_REPO, p->account, page_ppn(p), 0, 0, 0);
    if (pager) { // the count may be anything: it only tells where there is room
        u64 n = __atomic_fetch_add(&env_ua(pager)->repo_count, 1, __ATOMIC_RELAXED);
        if (n < sizeof(env_ua(pager)->repo) / sizeof(ppn_t)) env_ua(pager)->repo[n] = page_ppn(p);
    }
    page_doom(p);
}

// Fixed pages are never more than the reserve, so while there is too much, some of it can be taken.
static void take_step(u32 account) {
    struct exo_acct *a = &accts[account];
    struct exo_env *pager = env_get(a->pager);
    u64 before = a->repossessed;
    for (i32 left = STEP; left > 0 && above_target(a); left--) {
        struct exo_page *p = &pages[take_next[account]++ % npages];
        if (p->account != account || p->type != PAGE_DATA || page_fixed(p)) continue;
        take(p, pager);
        left -= GONE;
    }
    if (!above_target(a)) a->revoke_deadline = 0;
    if (pager && a->repossessed != before) env_pending(pager, PENDING_REPO);
}

// ---- ended accounts ----

// Each phase is over when it says so. Nobody acts for an account that ends once its environments are gone, so
// what was done in a phase stays done.
static struct end {
    enum { END_ENVS, END_REQUESTS, END_BINDINGS, END_PAGES, END_REST } phase;
    u32 looked; // at so many records in this phase
} ends[EXO_NACCT + 1];
static u32 nending; // accounts

void acct_ending(u32 account) {
    accts[account].state = ACCT_ENDING;
    ends[account] = (struct end){END_ENVS, 0};
    nending++;
    work = 1;
}

// Its own, and those of others on its extents, which get no new ones. Are there none left?
static bool end_requests(u32 account) {
    bool none = true;
    disk_orphans(account);
    for (u32 i = 0; i < EXO_NEXT; i++) {
        if (!exts[i].count || exts[i].account != account) continue;
        ext_caps[i] = (struct caps){0, 0};
        none &= exts[i].requests == 0;
    }
    return none && accts[account].requests == 0;
}

static void end_rest(u32 account) {
    u32 parent = accts[account].parent;
    for (u32 i = 0; i < nharts * EXO_NSLOT; i++)
        if (slots[i].account == account) slots[i] = (struct exo_slot){.account = (u8)parent};
    for (u32 hart = 0; hart < nharts; hart++) slot_relink(hart);
    ext_inherit(account, parent);
    if (words->console == account) words->console = parent;
    acct_inherit(account, parent);
    accts[parent].accts_used--;
    accts[account] = (struct exo_acct){0};
    nending--;
    if (trace_on) trace(TRACE_ACCT_GONE, account, parent, 0, 0, 0);
}

// All accounts have part in a look at page records; of what else takes long a step does one. Did it do that?
static bool end_step(u32 account, u32 looked, bool may) {
    struct end *end = &ends[account];
    const struct exo_acct *a = &accts[account];
    bool over = false, did = false;
    switch (end->phase) {
    case END_ENVS: over = a->envs_used == 0; break;
    case END_REQUESTS:
        did = may;
        over = may && end_requests(account);
        break;
    case END_BINDINGS:
    case END_PAGES:
        end->looked += looked;
        over = end->looked >= npages;
        break;
    case END_REST:
        did = may && !a->held && !a->accts_used;
        if (did) end_rest(account);
    }
    if (over) *end = (struct end){end->phase + 1, 0};
    return did;
}

// ---- page records, round and round: bindings of doomed pages, and what ended accounts have ----

// Breaks bindings in a level-0 table, all or those of doomed pages, but `most` at most. How many?
static u32 table_clear(struct exo_page *table, bool all, u32 most) {
    u64 *pte = ppn_to_va(page_ppn(table));
    u32 n = 0;
    for (u32 i = 0; i < 512 && n < most; i++) {
        u64 v = __atomic_load_n(&pte[i], __ATOMIC_RELAXED);
        struct exo_page *p = v & PTE_V ? page_get(PTE_PPN(v)) : NULL;
        if (!p || (!all && p->type != PAGE_DOOMED)) continue;
        __atomic_store_n(&pte[i], 0, __ATOMIC_RELAXED);
        table->users--;
        p->binds--;
        page_drop(p);
        n++;
    }
    return n;
}

// In an account's first round what holds pages lets go of them, in the second they go. What it costs beyond a
// look; if that is more than `left`, there may be more to do.
static i32 look_at(struct exo_page *p, i32 left, bool *owe_fence) {
    const struct end *end = accts[p->account].state == ACCT_ENDING ? &ends[p->account] : &ends[0];
    bool first = end->phase == END_BINDINGS, second = end->phase == END_PAGES;
    if (p->type == PAGE_PT0 && (first || (words->doomed && !second))) {
        i32 n = (i32)table_clear(p, first, (u32)left / GONE + 1);
        *owe_fence |= n != 0;
        return COST + n * GONE;
    }
    if (first && p->type == PAGE_ROOT) {
        root_release(p);
        return COST;
    }
    if (first && p->type == PAGE_CODE) {
        code_release(p);
        page_settype(p, PAGE_DATA);
    } else if (second && p->type == PAGE_FREE) {
        p->account = 0;
    } else if (second && p->type != PAGE_DOOMED) {
        page_doom(p);
        return GONE;
    }
    return 0;
}

// The number of records looked at. The next step begins with the one that this ends with.
static u32 look(void) {
    static u32 next;
    bool owe_fence = false;
    struct exo_page *p = &pages[next < npages ? next : 0], *end = &pages[npages];
    u32 n = 0, most = npages;
    for (i32 left = STEP; n < most; n++) {
        if (p->type == PAGE_PT0 || accts[p->account].state == ACCT_ENDING)
            left -= look_at(p, left, &owe_fence);
        if (--left <= 0) break;
        p = p + 1 < end ? p + 1 : pages;
    }
    next = (u32)(p - pages);
    if (owe_fence) shoot_all();
    return n;
}

// ---- one step of each ----

void tick_work(void) {
    static u32 taken, ended;
    u32 looked = words->doomed || nending ? look() : 0, n, last = ended;
    for (u32 i = 0; nending && i < EXO_NACCT; i++) {
        n = (last + i) % EXO_NACCT + 1;
        if (accts[n].state == ACCT_ENDING && end_step(n, looked, ended == last)) ended = n;
    }
    for (u32 i = 0; i < EXO_NACCT && !acct_overdue(n = (taken + i) % EXO_NACCT + 1); i++) continue;
    if (acct_overdue(n)) take_step(taken = n);
    work = words->doomed || nending ? WORK_NOW : disk_due() != ~0ul;
    for (n = 1; n <= EXO_NACCT; n++) work |= acct_overdue(n) ? WORK_NOW : accts[n].revoke_deadline != 0;
}
