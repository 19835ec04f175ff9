// See worker.h. At the top what runs on workers, below what the process's own environment does about them.
#include "worker.h"

#include <exo/call.h>
#include "lib.h"
#include "proc.h"
#include "shared.h"
#include "space.h"
#include "thread.h"
#include "upcall.h"
#include "vm.h"

static struct worker *worker_of(struct exo_uarea *ua) { return (struct worker *)ua->libos; }

// ---- on a worker ----

// Says that it is idle before it looks a last time: who lets a thread go looks at that afterwards.
const struct context *worker_next(struct exo_uarea *ua) {
    struct worker *w = worker_of(ua);
    __atomic_store_n(&w->idle, 1, __ATOMIC_SEQ_CST);
    u64 seen = __atomic_load_n(&SHARED->loose[SELF->index], __ATOMIC_SEQ_CST);
    w->now = thread_take();
    if (!w->now) {
        worker_wait(SHARED->code_wake, (va_t)&SHARED->loose[SELF->index] % EXO_PAGE, seen, ~0ul);
        worker_yield(); // refused
    }
    __atomic_store_n(&w->idle, 0, __ATOMIC_RELAXED);
    w->came = exo_time();
    return (const struct context *)w->now;
}

static void give(struct exo_uarea *ua, bool serve) {
    struct worker *w = worker_of(ua);
    struct thread *t = w->now;
    if (w->fp_on) worker_fp_save(ua);
    w->now = 0;
    thread_give(t, exo_time() - w->came, serve);
}

void worker_leave(struct exo_uarea *ua) { give(ua, false); }

const struct context *worker_call(struct exo_uarea *ua) {
    give(ua, true);
    return worker_next(ua);
}

const struct context *worker_fault(struct exo_uarea *ua, u64 cause) {
    struct worker *w = worker_of(ua);
    if (cause != CAUSE_ILLEGAL || w->fp_on) return worker_call(ua);
    worker_fp_load(ua);
    return (const struct context *)w->now;
}

// ---- not on a worker ----

static const volatile struct exo_env *env(eid_t eid) { return &EXO_ENVS[eid & EXO_EID_INDEX]; }

static struct exo_uarea *uarea(u32 i) { return (struct exo_uarea *)(WORKERS_VA + (va_t)i * EXO_PAGE); }

bool worker_any(void) { return me()->workers != 0; }

void worker_wake(void) {
    const struct proc *p = me();
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (u32 i = 0; i < p->workers; i++) {
        if (!p->worker[i] || !__atomic_load_n(&worker_of(uarea(i))->idle, __ATOMIC_SEQ_CST)) continue;
        __atomic_fetch_add(&SHARED->loose[SELF->index], 1, __ATOMIC_SEQ_CST);
        exo_poke(proc_worker_hart(p, i));
    }
}

// Not yet, or not now, set running is not lost.
static bool lost(const volatile struct exo_env *e, eid_t eid) {
    return e->eid != eid || (e->state & ENV_STOPPED && e->stop != STOP_NEW && e->stop != STOP_CTL);
}

bool worker_lost(void) {
    const struct proc *p = me();
    for (u32 i = 0; i < p->workers; i++)
        if (p->worker[i] && lost(env(p->worker[i]), p->worker[i])) return true;
    return false;
}

// Its u-area, filled through a binding of another page; no page: 0.
static ppn_t make_uarea(void) {
    ppn_t page = space_scratch();
    if (!page) return 0;
    struct exo_uarea *ua = (struct exo_uarea *)SCRATCH_VA;
    memcpy(ua->entry, worker_entries, sizeof(ua->entry));
    ua->mask = MASK_LIBOS;
    exo_unbind(SELF->root, SCRATCH_VA, 0);
    return page;
}

static void end_one(struct proc *p, u32 i) {
    eid_t eid = p->worker[i];
    for (; eid && env(eid)->eid == eid; lock_pause()) exo_env_end(eid);
    exo_slot_set(proc_worker_hart(p, i), p->worker_slot[i], 0);
    struct exo_ret page = exo_unbind(p->root, (va_t)uarea(i), 0);
    if (page.err == 0 && page.val & PTE_V && page.val2 == 0) exo_page_free(PTE_PPN(page.val));
}

static bool make_env(struct proc *p, u32 i) {
    ppn_t page = make_uarea();
    if (!page) return false;
    u32 hart = proc_worker_hart(p, i);
    struct exo_ret eid = exo_env_new(hart, p->root, page, (va_t)uarea(i));
    bool bound = !eid.err && exo_bind(p->root, (va_t)uarea(i), page, SPACE_RW, 0).err == 0;
    if (!eid.err) __atomic_store_n(&p->worker[i], (eid_t)eid.val, __ATOMIC_RELEASE);
    if (bound && exo_slot_set(hart, p->worker_slot[i], eid.val) == 0 && exo_env_ctl(eid.val, ENV_RUN) == 0)
        return true;
    end_one(p, i);
    if (!bound) exo_page_free(page);
    return false;
}

bool worker_add(void) {
    struct proc *p = me();
    if (!vm_charge(&p->charged, p->charged + 1)) return false;
    int i = proc_add_worker();
    if (i >= 0 && make_env(p, (u32)i)) return true;
    if (i >= 0) p->workers--;
    vm_charge(&p->charged, p->charged - 1);
    return false;
}

void worker_end(struct proc *p) {
    for (; p->workers; p->workers--) end_one(p, p->workers - 1);
}
