// See robust.h. Called where a process waits for a lock or for ops to end, and by a parent whose child broke
// down.
#include "robust.h"

#include <exo/call.h>
#include "lib.h"
#include "shared.h"
#include "upcall.h"

static bool dead(eid_t eid) {
    const volatile struct exo_env *e = &EXO_ENVS[eid & EXO_EID_INDEX];
    return e->eid != eid || (e->state & ENV_STOPPED && e->stop != STOP_NEW && e->stop != STOP_CTL);
}

// Ends all environments of the account, this one last.
static void end_all(void) __attribute__((noreturn));
static void end_all(void) {
    for (u32 i = 0; i < EXO_NENV; i++) {
        eid_t eid = EXO_ENVS[i].eid;
        if (eid && EXO_ENVS[i].account == SHARED->account && eid != SELF->first.eid) exo_env_end(eid);
    }
    for (;;) {
        exo_env_end(SELF->first.eid);
        upcall_yield(0);
    }
}

void robust_look(void) {
    for (u32 i = 0; i < NPROC; i++) {
        const struct proc *p = proc_at(i);
        if (p->state != PROC_LIVE && p->state != PROC_REAPED) continue;
        if (__atomic_load_n(&p->inside, __ATOMIC_RELAXED) == 0 || !dead(p->eid)) continue;
        print("pid %d (%s) died inside the library OS, which starts again\n", p->pid, p->name);
        end_all();
    }
}
