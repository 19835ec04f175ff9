// Environments: their records, and what one may ask for another. Records come and go under the lock; run
// state is changed on the home hart alone, so a call on an environment at home elsewhere leaves its wish in
// `posted` and interrupts that hart (SOSP95, Processor Environments).
#include "kernel.h"

struct exo_env envs[EXO_EID_INDEX + 1] __attribute__((aligned(EXO_PAGE)));
cap_t env_caps[EXO_EID_INDEX + 1];
static u32 generations[EXO_NENV];

#define EID_GENERATIONS (1u << 25)

void env_init(void) {
    for (u32 i = 0; i <= EXO_EID_INDEX; i++) envs[i].state = ENV_FREE;
}

struct ret do_env_new(u64 hart, u64 root, u64 ppn, u64 va, u64 a4) {
    struct exo_page *r = page_get(root), *u = page_get(ppn);
    struct exo_env *e = envs;
    if (hart >= nharts) return fail(E_HART);
    if (va % EXO_PAGE || va >= EXO_USER_END) return fail(E_VA);
    if (!r || !u) return fail(E_PPN);
    if (!owns(caller(), r->account) || u->account != r->account) return fail(E_OWNER);
    if (r->type != PAGE_ROOT || (u->type != PAGE_DATA && u->type != PAGE_UAREA)) return fail(E_TYPE);
    if (u->type == PAGE_DATA && u->binds) return fail(E_BOUND);
    if (u->pins) return fail(E_PINNED);
    if (u->users) return fail(E_BUSY);
    if (accts[r->account].state == ACCT_ENDING) return fail(E_STATE);
    if (!page_fixed(u) && !fix_room(r->account, 1)) return fail(E_FIXED);
    struct exo_acct *a = &accts[r->account];
    if (a->envs_used >= a->envs) return fail(E_QUOTA);
    while (e < envs + EXO_NENV && e->eid) e++;
    if (e == envs + EXO_NENV) return fail(E_QUOTA);

    u32 i = (u32)(e - envs);
    generations[i] = generations[i] % (EID_GENERATIONS - 1) + 1;
    page_settype(u, PAGE_UAREA);
    u->users = 1;
    a->envs_used++;
    root_arrive((ppn_t)root, (u32)hart);
    env_caps[i] = 0;
    *e = (struct exo_env){
        .state = ENV_STOPPED | ENV_ARRIVING,
        .home = (u8)hart,
        .account = r->account,
        .root = (ppn_t)root,
        .uarea = (ppn_t)ppn,
        .uva = va,
        .ua = (u64)ppn_to_va((ppn_t)ppn),
        .satp = root_satp((ppn_t)root),
        .stop = STOP_NEW,
    };
    __atomic_store_n(&e->eid, generations[i] << 7 | i, __ATOMIC_RELEASE);
    return done(e->eid);
}

// ---- changes of run state: on the home hart, lock held ----

void call_break(struct exo_env *e, enum exo_error why) {
    struct exo_env *other;
    if (e->state & ENV_CALLING && (other = env_get(e->callee))) {
        if (trace_on) trace(TRACE_BROKEN, e->eid, other->eid, (u64)(i64)why, 0, 0);
        other->client = 0;
        other->lost = (u32)why;
        e->callee = 0;
        e->broken = (u32)why;
    }
    if (this_hart->ready != this_hart->base) this_hart->ready = READY_NONE;
}

static void stopped(struct exo_env *e) {
    if (trace_on) trace(TRACE_STOP, e->eid, e->stop, e->stop_cause, e->stop_tval, e->stop_pc);
    __atomic_fetch_add(&words->stops, 1, __ATOMIC_RELAXED);
    poke_idle();
}

void env_stop(struct exo_env *e, u32 why, u64 cause, va_t tval, va_t pc) {
    e->stop = why;
    e->stop_cause = cause;
    e->stop_tval = tval;
    e->stop_pc = pc;
    e->state |= ENV_STOPPED;
    stopped(e);
}

// The hart's last user of floating point is always at home here: so a later environment of the same eid, once
// generations have come round, does not find its registers.
static void fp_forget(const struct exo_env *e) {
    if (this_hart->fp_owner == e->eid) this_hart->fp_owner = 0;
}

// What ran is kept, as after an abort: all but the record stays its account's, and another environment on the
// same u-area may go on with it.
static void release(struct exo_env *e, bool saved) {
    struct exo_env *client = e->state & ENV_SERVING ? env_get(e->client) : NULL;
    call_break(e, E_DEAD);
    if (client) call_break(client, E_DEAD);
    if (this_hart->cur == e) {
        if (saved) (void)force_save(e);
        if (this_hart->special & SPECIAL_HELD) epilogue_unhold();
        this_hart->cur = NULL;
        this_hart->resched = 1;
    }
    if (trace_on) trace(TRACE_END, e->eid, 0, 0, 0, 0);
    struct exo_acct *a = &accts[e->account];
    if (a->pager == e->eid) a->pager = 0;
    a->envs_used--;
    page_get(e->uarea)->users = 0;
    fp_forget(e);
    root_leave(e->root, e->home);
    if (e->posted & POST_SPACE) root_leave(e->post_root, e->home);
    e->posted = 0;
    e->eid = 0;
    e->state = ENV_FREE;
    __atomic_fetch_add(&words->stops, 1, __ATOMIC_RELAXED);
    poke_idle();
}

static void move_space(struct exo_env *e) {
    root_leave(e->root, e->home);
    e->root = e->post_root;
    e->uva = e->post_uva;
    e->satp = root_satp(e->root);
    if (this_hart->cur != e) {
        e->state |= ENV_ARRIVING;
        return;
    }
    this_hart->uva = e->uva;
    csr_write(satp, e->satp);
    sfence_asid(e->satp >> SATP_ASID_SHIFT & 0xffff);
    fence_i();
}

static void move_home(struct exo_env *e) {
    if (e->post_hart == e->home) return;
    fp_forget(e);
    root_leave(e->root, e->home);
    root_arrive(e->root, e->post_hart);
    e->state |= ENV_ARRIVING;
    __atomic_store_n(&e->home, (u8)e->post_hart, __ATOMIC_RELEASE);
}

static void hand_over(struct exo_env *e) // to the hart that is its home by now
{
    struct hart *h = &harts[e->home];
    if (h->posted) return; // it is on its way to look
    h->posted = 1;
    (void)sbi_send_ipi(1ul << h->id);
}

// What ran is not saved when it stops itself: it comes back at PROLOGUE.
static void stop_by_call(struct exo_env *e, bool saved) {
    call_break(e, E_TIME);
    if (this_hart->cur == e) {
        this_hart->resched = 1;
        if (saved) (void)force_save(e);
    }
    if (!(e->state & ENV_STOPPED)) {
        e->stop = STOP_CTL;
        e->state |= ENV_STOPPED;
        stopped(e);
    }
}

// `saved`: this_hart->regs are those of what runs.
static void apply(struct exo_env *e, bool saved) {
    u32 what = e->posted;
    if (what & POST_END) {
        release(e, saved);
        return;
    }
    if (what & POST_SPACE) move_space(e);
    if (what & POST_RECALL && e->state & ENV_CALLING) call_break(e, E_TIME);
    if (what & POST_STOP) stop_by_call(e, saved);
    if (what & POST_RUN) {
        if (trace_on) trace(TRACE_RUN, e->eid, 0, 0, 0, 0);
        e->state &= ~(ENV_STOPPED | ENV_WAITING);
    }
    e->posted = what & POST_HOME;
    if (!(what & POST_HOME)) return;
    if (this_hart->cur == e ||
        e->state & (ENV_CALLING | ENV_SERVING)) { // it moves when it is left, its call over
        if (this_hart->cur == e) this_hart->special |= SPECIAL_POSTED;
        this_hart->ready = READY_NONE; // so that no fast path enters or leaves it
        return;
    }
    e->posted = 0;
    move_home(e);
    if (e->home != this_hart->index) hand_over(e);
}

void env_left(struct exo_env *e) {
    if (e->posted) apply(e, false);
}

void env_post(struct exo_env *e, u32 what) {
    if (what & POST_STOP) e->posted &= ~POST_RUN;
    if (what & POST_RUN) e->posted &= ~POST_STOP;
    e->posted |= what;
    // A stop or end of the caller that came from elsewhere is left to its interrupt, when there are registers
    // to save.
    bool later = this_hart->cur == e && e->posted & ~what & (POST_STOP | POST_END) && !(what & POST_END);
    if (e->home == this_hart->index && !later)
        apply(e, false);
    else
        hand_over(e);
}

// From an interrupt of user code, or from an idle hart.
void env_posted(void) {
    if (!__atomic_exchange_n(&this_hart->posted, 0, __ATOMIC_ACQ_REL)) return;
    for (u32 i = 0; i < EXO_NENV; i++)
        if (envs[i].eid && envs[i].home == this_hart->index && envs[i].posted) apply(&envs[i], true);
}

void env_pending(struct exo_env *e, u64 bits) {
    __atomic_fetch_or(&env_ua(e)->pending, bits, __ATOMIC_RELEASE);
    if (trace_on) trace(TRACE_PENDING, e->eid, bits, 0, 0, 0);
    poke(e->home);
}

// ---- calls ----

struct ret do_env_ctl(u64 eid, u64 op, u64 a2, u64 a3, u64 a4) {
    struct exo_env *e = env_get(eid);
    if (op > ENV_RECALL) return fail(E_ARG);
    if (!e) return fail(E_EID);
    if (!owns(caller(), e->account)) return fail(E_OWNER);
    u32 state = e->state; // of one at home elsewhere: as it was a moment ago
    if (op == ENV_RUN && !(state & (ENV_STOPPED | ENV_WAITING)) && !(e->posted & POST_STOP))
        return fail(E_STATE);
    if (op == ENV_RECALL && !(state & ENV_CALLING && e->callee)) return fail(E_STATE);

    if (op == ENV_RUN && accts[e->account].state == ACCT_NEW) accts[e->account].state = ACCT_RUN;
    env_post(e, op == ENV_RUN ? POST_RUN : op == ENV_STOP ? POST_STOP : POST_RECALL);
    return done(0);
}

struct ret do_env_end(u64 eid, u64 a1, u64 a2, u64 a3, u64 a4) {
    struct exo_env *e = env_get(eid);
    if (!e) return fail(E_EID);
    if (!owns(caller(), e->account)) return fail(E_OWNER);
    env_post(e, POST_END);
    return done(0);
}

struct ret do_env_space(u64 eid, u64 root, u64 va, u64 a3, u64 a4) {
    struct exo_env *e = env_get(eid);
    struct exo_page *r = page_get(root);
    if (va % EXO_PAGE || va >= EXO_USER_END) return fail(E_VA);
    if (!e) return fail(E_EID);
    if (!r) return fail(E_PPN);
    if (!owns(caller(), e->account) || r->account != e->account) return fail(E_OWNER);
    if (r->type != PAGE_ROOT) return fail(E_TYPE);

    if (e->posted & POST_SPACE) root_leave(e->post_root, e->home);
    root_arrive((ppn_t)root, e->home);
    e->post_root = (ppn_t)root;
    e->post_uva = va;
    env_post(e, POST_SPACE);
    return done(0);
}

struct ret do_env_home(u64 eid, u64 hart, u64 a2, u64 a3, u64 a4) {
    struct exo_env *e = env_get(eid);
    if (!e) return fail(E_EID);
    if (hart >= nharts) return fail(E_HART);
    if (!owns(caller(), e->account)) return fail(E_OWNER);
    if (e->state & (ENV_CALLING | ENV_SERVING)) return fail(E_STATE);
    e->post_hart = (u32)hart;
    env_post(e, POST_HOME);
    return done(0);
}

struct ret do_env_accept(u64 eid, u64 cap, u64 a2, u64 a3, u64 a4) {
    struct exo_env *e = env_get(eid);
    if (!e) return fail(E_EID);
    if (!owns(caller(), e->account)) return fail(E_OWNER);
    env_caps[e - envs] = cap;
    return done(0);
}
