// What takes long, in bounded steps on ticks and idle harts: breaking the bindings of doomed pages, which are found
// by looking through all level-0 tables (there is no map from pages to their bindings); taking what an account did
// not give back by a deadline; ending accounts. The kernel lock is held during a step, and each step ends with the
// fences it owes; between steps everything is consistent and anyone may make calls.
#include "disk.h"
#include <exo/trace.h>

u32 work;

// A step looks at this many page records. What costs more than a look counts for more.
#define STEP 1024
#define COST 256 // a table to look through, or an address space to flush

// ---- doomed pages ----------------------------------------------------------------------------------------------

// Breaks the bindings in a level-0 table, all or those of doomed pages. Were there any?
static bool table_clear(struct exo_page *table, bool all)
{
    u64 *pte = ppn_to_va(page_ppn(table));
    bool any = false;
    for (u32 i = 0; i < 512; i++) {
        u64 v = __atomic_load_n(&pte[i], __ATOMIC_RELAXED);
        if (!(v & PTE_V))
            continue;
        struct exo_page *p = page_get(PTE_PPN(v));
        if (!all && p->type != PAGE_DOOMED)
            continue;
        __atomic_store_n(&pte[i], 0, __ATOMIC_RELAXED);
        table->users--;
        p->binds--;
        page_drop(p);
        any = true;
    }
    return any;
}

static void sweep_step(void)
{
    static u32 next;
    bool any = false;
    for (i32 left = STEP; left > 0 && words->doomed; left--) {
        next = next + 1 < npages ? next + 1 : 0;
        if (pages[next].type != PAGE_PT0)
            continue;
        any |= table_clear(&pages[next], false);
        left -= COST;
    }
    if (any)
        shoot_all();
}

// ---- revocation past its deadline --------------------------------------------------------------------------------

static u32 take_next[EXO_NACCT + 1];

void take_from_start(u32 account)
{
    take_next[account] = 0;
    work = 1;
}

// Pages whose bindings are being broken are on their way already.
static bool above_target(const struct exo_acct *a)
{
    u32 limit = a->revoke_target > a->reserve ? a->revoke_target : a->reserve;
    return a->held - a->doomed > limit;
}

static void take(struct exo_page *p, struct exo_env *pager)
{
    accts[p->account].repossessed++;
    if (trace_on)
        trace(TRACE_REPO, p->account, page_ppn(p), 0, 0, 0);
    if (pager) { // the count may be anything: it only tells where there is room
        u64 n = __atomic_fetch_add(&env_ua(pager)->repo_count, 1, __ATOMIC_RELAXED);
        if (n < sizeof(env_ua(pager)->repo) / sizeof(ppn_t))
            env_ua(pager)->repo[n] = page_ppn(p);
    }
    page_doom(p);
}

// Fixed pages are never more than the reserve, so while there is too much, some of it can be taken.
static void take_step(u32 account)
{
    struct exo_acct *a = &accts[account];
    struct exo_env *pager = env_get(a->pager);
    u64 before = a->repossessed;
    for (u32 left = STEP; left && above_target(a); left--) {
        struct exo_page *p = &pages[take_next[account]++ % npages];
        if (p->account == account && p->type == PAGE_DATA && !page_fixed(p))
            take(p, pager);
    }
    if (!above_target(a))
        a->revoke_deadline = 0;
    if (pager && a->repossessed != before)
        env_pending(pager, PENDING_REPO);
}

// ---- ended accounts ----------------------------------------------------------------------------------------------

// Nobody acts for an account that ends once its environments are gone, so what a pass has dealt with stays so.
static struct end {
    u32 phase, next;
} ends[EXO_NACCT + 1];

static bool end_envs(u32 account)
{
    for (u32 i = 0; i < EXO_NENV; i++)
        if (envs[i].eid && envs[i].account == account && !(envs[i].posted & POST_END))
            env_post(&envs[i], POST_END);
    return accts[account].envs_used == 0;
}

void acct_ending(u32 account)
{
    accts[account].state = ACCT_ENDING;
    ends[account] = (struct end){0, 0};
    (void)end_envs(account);
    work = 1;
}

// Its own, and those of others on its extents, which get no new ones.
static bool end_requests(u32 account)
{
    bool none = true;
    disk_orphans(account);
    for (u32 i = 0; i < EXO_NEXT; i++)
        if (exts[i].count && exts[i].account == account) {
            ext_caps[i] = (struct caps){0, 0};
            none &= exts[i].requests == 0;
        }
    return none && accts[account].requests == 0;
}

// What holds pages lets go of them: 1 for a look, more for more.
static u32 end_bindings(struct exo_page *p)
{
    if (p->type == PAGE_CODE) {
        code_release(p);
        page_settype(p, PAGE_DATA);
    } else if (p->type == PAGE_ROOT) {
        root_release(p);
        return COST;
    } else if (p->type == PAGE_PT0) {
        if (table_clear(p, true))
            shoot_all();
        return COST;
    }
    return 1;
}

static u32 end_page(struct exo_page *p)
{
    if (p->type == PAGE_FREE)
        p->account = 0;
    else if (p->type != PAGE_DOOMED)
        page_doom(p);
    return 1;
}

// One step of a pass over the account's pages. Is it through?
static bool end_pass(u32 account, u32 each(struct exo_page *p))
{
    struct end *end = &ends[account];
    for (i32 left = STEP; left > 0 && end->next < npages; end->next++)
        left -= pages[end->next].account == account ? (i32)each(&pages[end->next]) : 1;
    if (end->next < npages)
        return false;
    end->next = 0;
    return true;
}

static bool end_all_bindings(u32 account)
{
    return end_pass(account, end_bindings);
}

static bool end_all_pages(u32 account)
{
    return end_pass(account, end_page);
}

static void slots_inherit(u32 from, u32 to)
{
    for (u32 hart = 0; hart < nharts; hart++) {
        struct exo_slot *s = &slots[hart * EXO_NSLOT];
        for (u32 i = 0; i < EXO_NSLOT; i++)
            if (s[i].account == from)
                s[i] = (struct exo_slot){.account = (u8)to};
        slot_relink(hart);
    }
}

static bool end_rest(u32 account)
{
    struct exo_acct *a = &accts[account];
    u32 parent = a->parent;
    if (a->held)
        return false;
    slots_inherit(account, parent);
    ext_inherit(account, parent);
    if (words->console == account)
        words->console = parent;
    acct_move(account, parent, a->reserve, a->envs, a->accts, a->exts);
    accts[parent].accts_used--;
    *a = (struct exo_acct){0};
    if (trace_on)
        trace(TRACE_ACCT_GONE, account, parent, 0, 0, 0);
    return true;
}

static bool has_child(u32 account)
{
    for (u32 n = 1; n <= EXO_NACCT; n++)
        if (accts[n].state != ACCT_FREE && accts[n].parent == account)
            return true;
    return false;
}

// In this order, each until it says that it is through.
static bool (*const phases[])(u32 account) = {end_envs, end_requests, end_all_bindings, end_all_pages, end_rest};

// ---- one step of each ------------------------------------------------------------------------------------------

static bool wants_ending(u32 account)
{
    return accts[account].state == ACCT_ENDING && !has_child(account);
}

// The next account, after the last one served, that wants something; 0: none does.
static u32 next_account(u32 last, bool wants(u32 account))
{
    for (u32 i = 1; i <= EXO_NACCT; i++) {
        u32 n = (last + i - 1) % EXO_NACCT + 1;
        if (wants(n))
            return n;
    }
    return 0;
}

void tick_work(void)
{
    static u32 taken, ended;
    u32 n = next_account(taken, acct_overdue);
    if (n)
        take_step(taken = n);
    n = next_account(ended, wants_ending);
    if (n)
        ends[n].phase += phases[ends[n].phase](ended = n);
    sweep_step();
    u32 left = words->doomed ? WORK_NOW : disk_due() != ~0ul;
    for (n = 1; n <= EXO_NACCT; n++) {
        if (accts[n].state == ACCT_ENDING || acct_overdue(n))
            left = WORK_NOW;
        left |= accts[n].revoke_deadline != 0;
    }
    work = left;
}
