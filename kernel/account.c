// Accounts: who owns what, and the tree in which reserve and quotas are split off and come back (SOSP95,
// Visible Resource Revocation).
// A quota is what an account uses and may still use or hand on: a child's part is taken out of its parent's,
// and comes back when the child ends (sweep.c). Called with the kernel lock held.
#include "kernel.h"

#define RECORDS_A_PAGE (EXO_PAGE / sizeof(struct exo_acct))
struct exo_acct accts[(EXO_NACCT / RECORDS_A_PAGE + 1) * RECORDS_A_PAGE] __attribute__((aligned(EXO_PAGE)));

// Reserve and quotas, in the order in which calls name them: pages, environments, accounts, extents.
struct amounts {
    i64 of[4];
};
#define AMOUNT_MAX (1ul << 31)

static struct amounts amounts_of(const struct exo_acct *a) {
    return (struct amounts){{a->reserve, a->envs, a->accts, a->exts}};
}

// What `to` has more than `from`.
static struct amounts difference(struct amounts to, struct amounts from) {
    for (u32 i = 0; i < 4; i++) to.of[i] -= from.of[i];
    return to;
}

static bool too_large(u64 a, u64 b, u64 c, u64 d) {
    return a > AMOUNT_MAX || b > AMOUNT_MAX || c > AMOUNT_MAX || d > AMOUNT_MAX;
}

// Would what the account has in use still fit its quotas, were they these? Each environment brings two roots.
static bool quota_holds(const struct exo_acct *a, struct amounts q) {
    return q.of[0] >= 0 && q.of[1] >= a->envs_used && 2 * q.of[1] >= a->roots_used &&
           q.of[2] >= a->accts_used && q.of[3] >= a->exts_used;
}

// Would the free pages cover all promises, if so much reserve went over?
static bool promise_holds(u32 from, u32 to, i64 pages) {
    return (i64)words->promised + acct_promise(from, -pages, 0) + acct_promise(to, pages, 0) <=
           (i64)words->free;
}

static void move(u32 from, u32 to, struct amounts up) {
    struct exo_acct *f = &accts[from], *t = &accts[to];
    acct_count(from, -up.of[0], 0);
    acct_count(to, up.of[0], 0);
    f->envs -= (u32)up.of[1];
    t->envs += (u32)up.of[1];
    f->accts -= (u32)up.of[2];
    t->accts += (u32)up.of[2];
    f->exts -= (u32)up.of[3];
    t->exts += (u32)up.of[3];
}

void acct_inherit(u32 from, u32 to) { move(from, to, amounts_of(&accts[from])); }

struct ret do_acct_new(u64 pages, u64 envs, u64 accounts, u64 extents, u64 a4) {
    u32 parent = caller(), n = 1;
    struct exo_acct *a = &accts[parent];
    while (n <= EXO_NACCT && accts[n].state != ACCT_FREE) n++;
    if (too_large(pages, envs, accounts, extents)) return fail(E_ARG);
    if (a->state == ACCT_ENDING) return fail(E_STATE);
    struct amounts up = {{(i64)pages, (i64)envs, (i64)accounts, (i64)extents}};
    struct amounts left = difference(amounts_of(a), up);
    left.of[2]--; // the account itself
    if (n > EXO_NACCT || !quota_holds(a, left)) return fail(E_QUOTA);
    if (a->fixed > left.of[0]) return fail(E_FIXED);
    if (!promise_holds(parent, n, up.of[0])) return fail(E_RESERVE);

    accts[n] = (struct exo_acct){.state = ACCT_NEW, .parent = (u8)parent};
    a->accts_used++;
    move(parent, n, up);
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
    struct exo_acct *a = acct_get(account);
    if (too_large(pages, envs, accounts, extents)) return fail(E_ARG);
    if (!a) return fail(E_ACCT);
    bool own = account == caller();
    struct amounts want = {{(i64)pages, (i64)envs, (i64)accounts, (i64)extents}};
    struct amounts up = difference(want, amounts_of(a));
    if (own && !a->parent && !up.of[1] && !up.of[2] && !up.of[3]) return set_first(up.of[0]);
    if (!a->parent || (a->parent != caller() && !own)) return fail(E_KIN);
    if (a->state == ACCT_ENDING) return fail(E_STATE);
    struct exo_acct *parent = &accts[a->parent];
    struct amounts left = difference(amounts_of(parent), up);
    for (u32 i = 0; own && i < 4; i++)
        if (up.of[i] > 0) return fail(E_QUOTA);
    if (!quota_holds(a, want) || !quota_holds(parent, left)) return fail(E_QUOTA);
    if (a->fixed > want.of[0] || parent->fixed > left.of[0]) return fail(E_FIXED);
    if (!promise_holds(a->parent, (u32)account, up.of[0])) return fail(E_RESERVE);

    move(a->parent, (u32)account, up);
    return done(0);
}

static enum exo_error child_error(const struct exo_acct *a) {
    return !a ? E_ACCT : a->parent != caller() ? E_KIN : a->state == ACCT_ENDING ? E_STATE : E_OK;
}

// Is the account, or one above it, ending?
static bool below_ending(u32 n) {
    while (n && accts[n].state != ACCT_ENDING) n = accts[n].parent;
    return n;
}

// Everything below the account ends with it; environments are asked to at once, wherever they are.
struct ret do_acct_end(u64 account, u64 a1, u64 a2, u64 a3, u64 a4) {
    enum exo_error e = child_error(acct_get(account));
    if (e) return fail(e);

    acct_ending((u32)account);
    for (u32 n = 1; n <= EXO_NACCT; n++)
        if (accts[n].state != ACCT_ENDING && below_ending(n)) acct_ending(n);
    for (u32 i = 0; i < EXO_NENV; i++)
        if (envs[i].eid && accts[envs[i].account].state == ACCT_ENDING && !(envs[i].posted & POST_END))
            env_post(&envs[i], POST_END);
    return done(0);
}

struct ret do_acct_pager(u64 account, u64 eid, u64 a2, u64 a3, u64 a4) {
    struct exo_acct *a = acct_get(account);
    const struct exo_env *env = env_get(eid);
    if (!a) return fail(E_ACCT);
    if (eid && !env) return fail(E_EID);
    if (!owns(caller(), (u32)account) || (env && env->account != account)) return fail(E_OWNER);

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
