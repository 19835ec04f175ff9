// What holds of environments, harts and calls whenever no hart is in the kernel, looked at from scratch:
// every record fits the others, and all that is counted is right (recount.h). Each line that a test prints
// stands for its own promise and for all of this.
#ifndef ENVCHECK_H
#define ENVCHECK_H

#include "grade/host/envs.h"

static void check_hart(const struct hart *h) {
    const struct exo_env *e = h->cur;
    struct csrs c = csrs_of(h->index);
    differ("a hart sleeps if it runs nobody", !e, h->idle);
    if (!e) {
        differ("satp of a hart that sleeps", satp_of(va_to_pa(kernel_root) / EXO_PAGE, 0), c.satp);
        return;
    }
    differ("who runs is an environment", true, env_get(e->eid) == e);
    differ("home of who runs", h->index, e->home);
    differ("state of who runs", ENV_RUNNING, e->state & ~(u32)(ENV_SERVING | ENV_OWES));
    differ("satp", e->satp, c.satp);
    differ("u-area in the direct map", e->ua, (u64)h->ua);
    differ("u-area's va", e->uva, h->uva);
    differ("base", h->index << 8 | (u32)e->account << 16, h->base);
    bool plain = !(c.sstatus & SSTATUS_FS) && !h->special && e->state == ENV_RUNNING;
    differ("ready", plain && h->ready != READY_NONE ? h->base : READY_NONE, h->ready);
    if (e->posted & POST_HOME && !(c.sip & SIE_SSIE))
        differ("a move waits for the end of the slice", SPECIAL_POSTED, h->special & SPECIAL_POSTED);
    differ("the call has ended", 0, h->resched);
}

static void check_calls(const struct exo_env *e) {
    const struct exo_env *callee = e->state & ENV_CALLING && e->callee ? env_get(e->callee) : NULL;
    const struct exo_env *client = e->state & ENV_SERVING && e->client ? env_get(e->client) : NULL;
    if (e->state & ENV_CALLING && e->callee)
        differ("a callee serves its client", e->eid,
               callee && callee->state & ENV_SERVING ? callee->client : 0);
    if (e->state & ENV_SERVING && e->client)
        differ("a client waits for its server", e->eid,
               client && client->state & ENV_CALLING ? client->callee : 0);
    if (callee) differ("a callee's home", e->home, callee->home);
    u32 depth = 0;
    for (const struct exo_env *at = e; at && at->state & ENV_CALLING && at->callee && depth < 9; depth++)
        at = env_get(at->callee);
    differ("calls are nested no deeper", true, depth <= EXO_DEPTH);
}

static u32 seen_at[ROOTS + 1][EXO_NHART];

static void check_env(const struct exo_env *e) {
    const struct exo_page *r = pg(e->root), *u = pg(e->uarea);
    const struct hart *h = &harts[e->home];
    u32 busy = ENV_CALLING | ENV_SERVING;
    differ("an eid names its record", (u64)(e - envs), e->eid & EXO_EID_INDEX);
    differ("who runs is its hart's", h->cur == e, !!(e->state & ENV_RUNNING));
    differ("it owes or it does not", e->excess != 0, !!(e->state & ENV_OWES));
    differ("it is no free record", 0, e->state & ENV_FREE);
    differ("a root of its account", true, r->type == PAGE_ROOT && r->account == e->account);
    differ("satp of its root", root_satp(e->root), e->satp);
    differ("a u-area of its account", true, u->type == PAGE_UAREA && u->account == e->account);
    differ("its u-area", (u64)ppn_to_va(e->uarea), e->ua);
    bool later = e->posted == POST_HOME && (h->cur == e || e->state & busy);
    if (e->posted && !later)
        differ("a hart hears of what was posted", true, h->posted && csrs_of(e->home).sip & SIE_SSIE);
    check_calls(e);
    seen_at[r->asid][e->home]++;
    if (e->posted & POST_SPACE) seen_at[page_get(e->post_root)->asid][e->home]++;
}

static void check_counts(void) {
    u32 used[EXO_NACCT + 1] = {0}, of_uarea[RAM_PAGES] = {0};
    for (u32 i = 0; i < EXO_NENV; i++)
        if (envs[i].eid) {
            used[envs[i].account]++;
            of_uarea[envs[i].uarea - EXO_PPN_BASE]++;
        }
    for (u32 n = 1; n <= EXO_NACCT; n++) {
        differ("environments used", used[n], accts[n].envs_used);
        differ("environments within quota", true, accts[n].envs_used <= accts[n].envs);
    }
    for (u32 i = 0; i < npages; i++)
        if (pages[i].type == PAGE_UAREA) differ("users of a u-area", of_uarea[i], pages[i].users);
    for (u32 asid = 1; asid <= ROOTS; asid++)
        for (u32 h = 0; h < EXO_NHART; h++) {
            differ("environments of a root on a hart", seen_at[asid][h], roots[asid].at[h]);
            differ("harts of a root", seen_at[asid][h] != 0, roots[asid].harts >> h & 1);
        }
}

static const char *check_envs(void) {
    *wrong = 0;
    memset(seen_at, 0, sizeof(seen_at));
    for (u32 i = 0; i < HARTS; i++) check_hart(&harts[i]);
    for (u32 i = 0; i < EXO_NENV && !*wrong; i++)
        if (envs[i].eid)
            check_env(&envs[i]);
        else
            differ("a free record", ENV_FREE, envs[i].state);
    if (!*wrong) check_counts();
    return *wrong ? wrong : NULL;
}

// Translations of address spaces that a hart is to enter yet are flushed then.
static const char *check_memory(void) {
    struct tlb all[HARTS][TLB];
    memcpy(all, tlb, sizeof(tlb));
    for (u32 h = 0; h < HARTS; h++)
        for (u32 i = 0; i < TLB; i++)
            if (!harts[h].cur || pg(harts[h].cur->root)->asid != tlb[h][i].asid) tlb[h][i].pte = 0;
    const char *bad = check_all();
    memcpy(tlb, all, sizeof(tlb));
    return bad;
}

// ---- lines ----

static void say(const char *name, bool ok, const char *expected, const char *saw) {
    if (ok)
        printf("ok %s: %s\n", AREA, name);
    else
        printf("not ok %s: %s: expected %s, saw %s\n", AREA, name, expected, saw);
    failures += !ok;
}

static void check(const char *name, i64 expected, i64 saw) {
    char e[32], s[32];
    const char *bad = check_envs();
    if (!bad) bad = check_memory();
    snprintf(e, sizeof(e), "%lld", (long long)expected);
    snprintf(s, sizeof(s), "%lld", (long long)saw);
    if (expected == saw && bad)
        say(name, false, "records that fit", bad);
    else
        say(name, expected == saw, e, s);
}
#define GRANTED(call) check(#call, 0, (call).err)

static struct {
    struct exo_slot slots[EXO_NHART * EXO_NSLOT];
    struct hart harts[EXO_NHART];
    cap_t caps[EXO_NENV];
    u32 ipis[HARTS];
} before;

static inline void keep_all(void) {
    keep_in(&kept);
    memcpy(before.slots, slots, sizeof(slots));
    memcpy(before.harts, harts, sizeof(harts));
    memcpy(before.caps, env_caps, sizeof(before.caps));
    memcpy(before.ipis, ipis, sizeof(ipis));
}

static inline bool nothing_changed(void) {
    return same_as(&kept) && !memcmp(before.slots, slots, sizeof(slots)) &&
           !memcmp(before.harts, harts, sizeof(harts)) &&
           !memcmp(before.caps, env_caps, sizeof(before.caps)) && !memcmp(before.ipis, ipis, sizeof(ipis));
}

static inline void refused_all(const char *name, i64 error, struct ret r) {
    bool kept_all = nothing_changed();
    if (kept_all)
        check(name, error, r.err);
    else
        say(name, false, "nothing changed", "a change");
}
#define REFUSE(error, call) (keep_all(), refused_all(#call ": " #error, error, call))

#endif
