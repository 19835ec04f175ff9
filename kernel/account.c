// Accounts: who owns what, and the tree in which reserve and quotas are split off and come back (SOSP95,
// Visible Resource Revocation).
// A quota is what an account uses and may still use or hand on: a child's part is taken out of its parent's,
// and comes back when the child ends (sweep.c). Called with the kernel lock held.
#include "kernel.h"
#include <exo/trace.h>

#define RECORDS_A_PAGE (EXO_PAGE / sizeof(struct exo_acct))
struct exo_acct accts[(EXO_NACCT / RECORDS_A_PAGE + 1) * RECORDS_A_PAGE] __attribute__((aligned(EXO_PAGE)));

#define AMOUNT_MAX (1ul << 31)

static u64 amount_max(u64 a, u64 b, u64 c, u64 d) {
    a = a > b ? a : b;
    c = c > d ? c : d;
    return a > c ? a : c;
}

// Would what the account has in use still fit its quotas if these were added? Each environment brings two
// roots.
static bool quota_holds(const struct exo_acct *a, i64 pages, i64 envs, i64 accounts, i64 extents) {
    envs += a->envs;
    return a->reserve + pages >= 0 && envs >= a->envs_used && 2 * envs >= a->roots_used &&
           a->accts + accounts >= a->accts_used && a->exts + extents >= a->exts_used;
}

// Would the free pages cover all promises, if so much reserve went over?
static bool promise_holds(u32 from, u32 to, i64 pages) {
    return (i64)words->promised + acct_promise(from, -pages, 0) + acct_promise(to, pages, 0) <=
           (i64)words->free;
}

void acct_move(u32 from, u32 to, i64 pages, i64 envs, i64 accounts, i64 extents) {
    struct exo_acct *f = &accts[from], *t = &accts[to];
    acct_count(from, -pages, 0);
    acct_count(to, pages, 0);
    f->envs -= (u32)envs;
    t->envs += (u32)envs;
    f->accts -= (u32)accounts;
    t->accts += (u32)accounts;
    f->exts -= (u32)extents;
    t->exts += (u32)extents;
}

struct ret do_acct_new(u64 pages, u64 envs, u64 accounts, u64 extents, u64 a4) {
    u32 parent = caller(), n = 1;
    struct exo_acct *a = &accts[parent];
    while (n <= EXO_NACCT && accts[n].state != ACCT_FREE) n++;
    enum exo_error e =
        amount_max(pages, envs, accounts, extents) > AMOUNT_MAX ? E_ARG
        : a->state == ACCT_ENDING                               ? E_STATE
        : n > EXO_NACCT || !quota_holds(a, -(i64)pages, -(i64)envs, -(i64)accounts - 1, -(i64)extents)
            ? E_QUOTA
        : a->fixed > a->reserve - pages         ? E_FIXED
        : !promise_holds(parent, n, (i64)pages) ? E_RESERVE
                                                : E_OK;
    if (e) return fail(e);

    accts[n] = (struct exo_acct){.state = ACCT_NEW, .parent = (u8)parent};
    a->accts_used++;
    acct_move(parent, n, (i64)pages, (i64)envs, (i64)accounts, (i64)extents);
    return done(n);
}

// Account 1 has no parent: reserve that it gives up is anyone's to use while nobody is promised the pages,
// and what it takes comes from there.
static struct ret set_first(i64 up) {
    if (accts[1].fixed > accts[1].reserve + up) return fail(E_FIXED);
    if ((i64)words->promised + acct_promise(1, up, 0) > (i64)words->free) return fail(E_RESERVE);
    acct_count(1, up, 0);
    return done(0);
}

struct ret do_acct_set(u64 account, u64 pages, u64 envs, u64 accounts, u64 extents) {
    if (amount_max(pages, envs, accounts, extents) > AMOUNT_MAX) return fail(E_ARG);
    struct exo_acct *a = acct_get(account);
    if (!a) return fail(E_ACCT);
    bool own = account == caller();
    if (own && !a->parent && envs == a->envs && accounts == a->accts && extents == a->exts)
        return set_first((i64)pages - a->reserve);
    if (!a->parent || (a->parent != caller() && !own)) return fail(E_KIN);
    if (a->state == ACCT_ENDING) return fail(E_STATE);
    struct exo_acct *parent = &accts[a->parent];
    i64 up = (i64)pages - a->reserve, up_envs = (i64)envs - a->envs;
    i64 up_accounts = (i64)accounts - a->accts, up_extents = (i64)extents - a->exts;
    enum exo_error e = (own && (up > 0 || up_envs > 0 || up_accounts > 0 || up_extents > 0)) ||
                               !quota_holds(a, up, up_envs, up_accounts, up_extents) ||
                               !quota_holds(parent, -up, -up_envs, -up_accounts, -up_extents)
                           ? E_QUOTA
                       : a->fixed > pages || parent->fixed > parent->reserve - up ? E_FIXED
                       : !promise_holds(a->parent, (u32)account, up)              ? E_RESERVE
                                                                                  : E_OK;
    if (e) return fail(e);

    acct_move(a->parent, (u32)account, up, up_envs, up_accounts, up_extents);
    return done(0);
}

static enum exo_error child_error(const struct exo_acct *a) {
    return !a ? E_ACCT : a->parent != caller() ? E_KIN : a->state == ACCT_ENDING ? E_STATE : E_OK;
}

// Everything below the account ends with it. A parent may have a larger number than its child, so one look at
// the records may not be enough; as many as there are levels are.
struct ret do_acct_end(u64 account, u64 a1, u64 a2, u64 a3, u64 a4) {
    enum exo_error e = child_error(acct_get(account));
    if (e) return fail(e);

    acct_ending((u32)account);
    for (u32 found = 1, level = 0; found && level < EXO_NACCT; level++) {
        found = 0;
        for (u32 n = 1; n <= EXO_NACCT; n++)
            if (accts[n].state != ACCT_FREE && accts[n].state != ACCT_ENDING &&
                accts[accts[n].parent].state == ACCT_ENDING) {
                acct_ending(n);
                found = 1;
            }
    }
    return done(0);
}

struct ret do_acct_pager(u64 account, u64 eid, u64 a2, u64 a3, u64 a4) {
    struct exo_acct *a = acct_get(account);
    const struct exo_env *env = env_get(eid);
    enum exo_error e = !a                                                                  ? E_ACCT
                       : eid && !env                                                       ? E_EID
                       : !owns(caller(), (u32)account) || (env && env->account != account) ? E_OWNER
                                                                                           : E_OK;
    if (e) return fail(e);

    a->pager = (eid_t)eid;
    return done(0);
}

// A later request takes the place of an earlier one.
struct ret do_revoke(u64 account, u64 n, u64 deadline, u64 a3, u64 a4) {
    struct exo_acct *a = acct_get(account);
    enum exo_error e = n == 0 ? E_ARG : child_error(a);
    if (e) return fail(e);

    a->revoke_target = n < a->held ? a->held - (u32)n : 0;
    a->revoke_deadline = deadline ? deadline : 1; // 0 would be none
    take_from_start((u32)account);
    struct exo_env *pager = env_get(a->pager);
    if (pager) {
        env_ua(pager)->revoke_n = n;
        env_ua(pager)->revoke_deadline = deadline;
        env_pending(pager, PENDING_REVOKE);
    }
    if (trace_on) trace(TRACE_REVOKE, account, a->revoke_target, deadline, 0, 0);
    return done(0);
}
