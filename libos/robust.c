// See robust.h. Called where a process waits for a lock, for ops to end or for its children.
//
// One process at a time does this, whose eid is in `reviver`. Were it to die meanwhile, the libOS ends.
#include "robust.h"

#include <exo/call.h>
#include "crash.h"
#include "lib.h"
#include "pager.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"

#define MOST 8 // times that a process may go on

static const volatile struct exo_env *env(eid_t eid) { return &EXO_ENVS[eid & EXO_EID_INDEX]; }

static bool gone(eid_t eid) { return env(eid)->eid != eid; }

static bool stopped(eid_t eid) {
    u32 stop = env(eid)->stop;
    return env(eid)->state & ENV_STOPPED && stop != STOP_NEW && stop != STOP_CTL;
}

static u32 inside(const struct proc *p) { return __atomic_load_n(&p->inside, __ATOMIC_ACQUIRE); }

// What is read after its eid was found dead is final, until its parent has reaped it: PROC_LIVE if it did not
// end as it should.
bool robust_died(const struct proc *p) {
    eid_t eid = __atomic_load_n(&p->eid, __ATOMIC_ACQUIRE);
    if (eid == 0 || !(gone(eid) || stopped(eid))) return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    u32 state = __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
    bool last = state == PROC_LIVE || ((state == PROC_ZOMBIE || state == PROC_REAPED) && inside(p));
    return last && __atomic_load_n(&p->eid, __ATOMIC_ACQUIRE) == eid;
}

// Ends all environments of the account, this one last.
static void end_all(void) __attribute__((noreturn));
static void end_all(void) {
    print("the library OS starts again\n");
    for (u32 i = 0; i < EXO_NENV; i++) {
        eid_t eid = EXO_ENVS[i].eid;
        if (eid && EXO_ENVS[i].account == SHARED->account && eid != SELF->first.eid) exo_env_end(eid);
    }
    for (;;) {
        exo_env_end(SELF->first.eid);
        upcall_yield(0);
    }
}

static void take_turn(void) {
    eid_t *word = &SHARED->procs.reviver, who = 0;
    while (!__atomic_compare_exchange_n(word, &who, SELF->first.eid, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
        if (who && gone(who)) {
            print("eid %d died while it helped a process that had died\n", who);
            end_all();
        }
        who = 0;
        lock_pause();
    }
}

static void leave_turn(void) { __atomic_store_n(&SHARED->procs.reviver, 0, __ATOMIC_RELEASE); }

// The kernel stopped it for keeping the hart too long: what it was doing then is in its forced frame.
static bool run_again(struct proc *p) {
    if (env(p->eid)->stop != STOP_OWES || p->signals & PROC_END) return false;
    crash_stopped(p);
    __atomic_fetch_or(&p->signals, PROC_END, __ATOMIC_SEQ_CST);
    return exo_env_ctl(p->eid, ENV_RUN) == 0;
}

// One that was interrupted, taken by force or in a call of its own left a place to go on from (upcall.S).
static bool has_place(const volatile struct exo_uarea *ua) {
    return ua->mask & (MASK_LIBOS | MASK_EPILOGUE) || ua->pending & PENDING_FORCED;
}

// A new environment for p, stopped; 0: it cannot have one. `ua` is its u-area as it is bound here.
static eid_t replace(const struct proc *p, struct exo_uarea *ua, ppn_t uarea) {
    if (p->revived == MOST || !has_place(ua)) return 0;
    struct exo_ret r = exo_env_new(p->hart, p->root, uarea, UA_VA);
    if (r.err) return 0;
    ((struct self *)ua->libos)->first.eid = (eid_t)r.val;
    return (eid_t)r.val;
}

// Once p runs it may end, and whoever takes its address space apart frees the u-area if nobody else binds it.
static bool give_environment(struct proc *p) {
    struct exo_ret pte = exo_protect(p->root, UA_VA, 0, 0, 0);
    if (pte.err || exo_bind(SELF->root, REVIVE_VA, PTE_PPN(pte.val), SPACE_RW, 0).err) return false;
    eid_t eid = replace(p, (struct exo_uarea *)REVIVE_VA, PTE_PPN(pte.val));
    exo_unbind(SELF->root, REVIVE_VA, 0);
    if (eid == 0) return false;
    if (inside(p)) print("pid %d (%s) lost its environment inside the library OS\n", p->pid, p->name);
    if (p->parent) __atomic_fetch_or(&p->signals, PROC_END, __ATOMIC_SEQ_CST);
    p->revived++;
    __atomic_store_n(&p->eid, eid, __ATOMIC_SEQ_CST);
    exo_slot_set(p->hart, p->slot, eid);
    if (!p->parent) pager_heard_by(eid);
    exo_env_ctl(eid, ENV_RUN);
    return true;
}

bool robust_revive(struct proc *p) {
    take_turn();
    bool ok = !robust_died(p) || (gone(p->eid) ? give_environment(p) : run_again(p));
    if (!ok) p->revived = MOST; // so nobody finds it otherwise later
    leave_turn();
    return ok;
}

void robust_look(void) {
    for (u32 i = 0; i < NPROC; i++) {
        struct proc *p = proc_at(i);
        if (!robust_died(p) || !inside(p) || robust_revive(p)) continue;
        print("pid %d (%s) died inside the library OS and cannot go on\n", p->pid, p->name);
        end_all();
    }
}

void robust_look_all(void) {
    for (u32 i = 0; i < NPROC; i++)
        if (robust_died(proc_at(i))) robust_revive(proc_at(i));
}
