// What takes long, in bounded steps on ticks and idle harts: breaking the bindings of doomed pages, which are
// found by looking through all level-0 tables (there is no map from pages to their bindings); taking what an
// account did not give back by a deadline; ending accounts. The kernel lock is held during a step, and each
// step ends with the fences it owes; between steps everything is consistent and anyone may make calls.
#include "disk.h"
#include <exo/trace.h>

u32 work;

// A step looks at this many page records. What costs more than a look counts for more.
#define STEP 4096
#define COST 1024 // a table to look through, or an address space to flush

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
    for (u32 left = STEP; left && above_target(a); left--) {
        struct exo_page *p = &pages[take_next[account]++ % npages];
        if (p->account == account && p->type == PAGE_DATA && !page_fixed(p)) take(p, pager);
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

static bool end_envs(u32 account) {
    for (u32 i = 0; i < EXO_NENV; i++)
        if (envs[i].eid && envs[i].account == account && !(envs[i].posted & POST_END))
            env_post(&envs[i], POST_END);
    return accts[account].envs_used == 0;
}

void acct_ending(u32 account) {
    accts[account].state = ACCT_ENDING;
    ends[account] = (struct end){END_ENVS, 0};
    nending++;
    (void)end_envs(account);
    work = 1;
}

// Its own, and those of others on its extents, which get no new ones.
static bool end_requests(u32 account) {
    bool none = true;
    disk_orphans(account);
    for (u32 i = 0; i < EXO_NEXT; i++)
        if (exts[i].count && exts[i].account == account) {
            ext_caps[i] = (struct caps){0, 0};
            none &= exts[i].requests == 0;
        }
    return none && accts[account].requests == 0;
}

static void slots_inherit(u32 from, u32 to) {
    for (u32 hart = 0; hart < nharts; hart++) {
        struct exo_slot *s = &slots[hart * EXO_NSLOT];
        for (u32 i = 0; i < EXO_NSLOT; i++)
            if (s[i].account == from) s[i] = (struct exo_slot){.account = (u8)to};
        slot_relink(hart);
    }
}

static bool has_child(u32 account) {
    for (u32 n = 1; n <= EXO_NACCT; n++)
        if (accts[n].state != ACCT_FREE && accts[n].parent == account) return true;
    return false;
}

static void end_rest(u32 account) {
    struct exo_acct *a = &accts[account];
    u32 parent = a->parent;
    if (a->held || has_child(account)) return;
    slots_inherit(account, parent);
    ext_inherit(account, parent);
    if (words->console == account) words->console = parent;
    acct_inherit(account, parent);
    accts[parent].accts_used--;
    *a = (struct exo_acct){0};
    nending--;
    if (trace_on) trace(TRACE_ACCT_GONE, account, parent, 0, 0, 0);
}

static void end_step(u32 account, u32 looked) {
    struct end *end = &ends[account];
    bool over = false;
    switch (end->phase) {
    case END_ENVS: over = end_envs(account); break;
    case END_REQUESTS: over = end_requests(account); break;
    case END_BINDINGS:
    case END_PAGES:
        end->looked += looked;
        over = end->looked >= npages;
        break;
    case END_REST: end_rest(account);
    }
    if (over) *end = (struct end){end->phase + 1, 0};
}

// ---- page records, round and round: bindings of doomed pages, and what ended accounts have ----

// Breaks the bindings in a level-0 table, all or those of doomed pages. Were there any?
static bool table_clear(struct exo_page *table, bool all) {
    u64 *pte = ppn_to_va(page_ppn(table));
    bool any = false;
    for (u32 i = 0; i < 512; i++) {
        u64 v = __atomic_load_n(&pte[i], __ATOMIC_RELAXED);
        if (!(v & PTE_V)) continue;
        struct exo_page *p = page_get(PTE_PPN(v));
        if (!all && p->type != PAGE_DOOMED) continue;
        __atomic_store_n(&pte[i], 0, __ATOMIC_RELAXED);
        table->users--;
        p->binds--;
        page_drop(p);
        any = true;
    }
    return any;
}

// In an account's first round what holds pages lets go of them, in the second they go. The cost.
static u32 look_at(struct exo_page *p, bool *owe_fence) {
    const struct end *end = accts[p->account].state == ACCT_ENDING ? &ends[p->account] : &ends[0];
    bool first = end->phase == END_BINDINGS, second = end->phase == END_PAGES;
    if (p->type == PAGE_PT0 && (first || (words->doomed && !second))) {
        *owe_fence |= table_clear(p, first);
        return COST;
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
    }
    return 1;
}

// The number of records looked at.
static u32 look(void) {
    static u32 next;
    bool owe_fence = false;
    u32 n = 0;
    for (i32 left = STEP; left > 0 && n < npages; n++) {
        next = next + 1 < npages ? next + 1 : 0;
        left -= (i32)look_at(&pages[next], &owe_fence);
    }
    if (owe_fence) shoot_all();
    return n;
}

// ---- one step of each ----

void tick_work(void) {
    static u32 taken;
    u32 looked = words->doomed || nending ? look() : 0, n;
    for (n = 1; n <= EXO_NACCT; n++)
        if (accts[n].state == ACCT_ENDING) end_step(n, looked);
    for (u32 i = 0; i < EXO_NACCT && !acct_overdue(n = (taken + i) % EXO_NACCT + 1); i++)
        ;
    if (acct_overdue(n)) take_step(taken = n);
    work = words->doomed || nending ? WORK_NOW : disk_due() != ~0ul;
    for (n = 1; n <= EXO_NACCT; n++) work |= acct_overdue(n) ? WORK_NOW : accts[n].revoke_deadline != 0;
}
