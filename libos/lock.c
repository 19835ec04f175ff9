// Locks in shared memory; see lock.h. The word is the holder's eid, so that whoever finds it taken can give
// the processor to the holder, if that is at home on the same hart and can run, or else sleep until the
// release.
#include "lock.h"

#include <exo/call.h>
#include "proc.h"
#include "robust.h"
#include "upcall.h"

#define PATIENCE 3  // times that it was found taken again
#define SPINS    50 // looks at a lock whose holder is at home elsewhere, and so probably running

static u32 home(eid_t eid) { return EXO_ENVS[eid & EXO_EID_INDEX].home; }

static bool take(struct lock *l) {
    u32 none = 0;
    return __atomic_compare_exchange_n(&l->holder, &none, SELF->first.eid, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

// It was given to this process: one of its threads that have waited long takes it.
static bool inherit(struct lock *l) {
    u32 self = SELF->index + 1;
    if (__atomic_load_n(&l->granted, __ATOMIC_SEQ_CST) != self ||
        !__atomic_compare_exchange_n(&l->granted, &self, 0, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    __atomic_store_n(&l->holder, SELF->first.eid, __ATOMIC_SEQ_CST);
    return true;
}

static void become_heir(struct lock *l) {
    u32 none = 0;
    __atomic_compare_exchange_n(&l->heir, &none, SELF->index + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

// Who has it is no heir: it may have become that again just as it was given the lock, and would be given it
// once more while it does not wait. If another of its threads was to be, that will be again.
static void disclaim(struct lock *l) {
    u32 self = SELF->index + 1;
    if (__atomic_load_n(&l->heir, __ATOMIC_RELAXED) == self)
        __atomic_compare_exchange_n(&l->heir, &self, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

// The holder clears the word before it looks for waiters, a waiter makes itself known before it looks at the
// word: so one of them sees the other.
static void sleep_on(struct lock *l, bool may_inherit) {
    u64 seen = wake_read(), stops = EXO_WORDS->stops;
    robust_look();
    __atomic_fetch_or(&l->waiters, 1UL << SELF->index, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&l->holder, __ATOMIC_SEQ_CST) &&
        !(may_inherit && __atomic_load_n(&l->granted, __ATOMIC_SEQ_CST) == SELF->index + 1))
        wake_sleep(seen, stops);
}

static __attribute__((noinline)) void wait_for(struct lock *l) {
    u32 waits = 0;
    for (u32 tries = 0; !take(l); tries++) {
        if (waits > PATIENCE && inherit(l)) break;
        eid_t holder = __atomic_load_n(&l->holder, __ATOMIC_RELAXED);
        bool ours = holder == SELF->first.eid; // another thread's of this process
        bool near = home(holder) == home(SELF->first.eid);
        if (holder == 0 || (!ours && !near && tries < SPINS)) continue;
        if (waits++ >= PATIENCE) become_heir(l);
        if (ours || !near || upcall_yield(holder) != 0) sleep_on(l, waits > PATIENCE);
    }
    if (waits > PATIENCE) disclaim(l);
}

void lock_acquire(struct lock *l) {
    robust_enter();
    if (!take(l)) wait_for(l);
}

// Nobody takes it from an heir meanwhile: the word goes from one eid to the other.
static __attribute__((noinline)) bool bequeath(struct lock *l) {
    u32 heir = __atomic_exchange_n(&l->heir, 0, __ATOMIC_SEQ_CST);
    if (heir == 0) return false;
    struct proc *p = proc_at(heir - 1u);
    __atomic_store_n(&l->holder, p->eid, __ATOMIC_SEQ_CST);
    __atomic_store_n(&l->granted, heir, __ATOMIC_SEQ_CST);
    wake(p);
    return true;
}

void lock_release(struct lock *l) {
    if (__atomic_load_n(&l->heir, __ATOMIC_RELAXED) == 0 || !bequeath(l))
        __atomic_store_n(&l->holder, 0, __ATOMIC_SEQ_CST);
    robust_leave();
    if (__atomic_load_n(&l->waiters, __ATOMIC_SEQ_CST) == 0) return;
    wake_all(__atomic_exchange_n(&l->waiters, 0, __ATOMIC_SEQ_CST));
}

void lock_pause(void) { upcall_yield(0); }
