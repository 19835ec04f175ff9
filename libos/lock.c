// Locks in shared memory; see lock.h. The word is the holder's eid, so that whoever finds it taken can give
// the processor to the holder, if that is at home on the same hart and can run, or else sleep until the
// release.
#include "lock.h"

#include <exo/call.h>
#include "proc.h"
#include "robust.h"
#include "upcall.h"

#define SPINS 50 // looks at a lock whose holder is at home elsewhere, and so probably running

static u32 home(eid_t eid) { return EXO_ENVS[eid & EXO_EID_INDEX].home; }

static bool take(struct lock *l) {
    u32 none = 0;
    return __atomic_compare_exchange_n(&l->holder, &none, SELF->first.eid, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

// The holder clears the word before it looks for waiters, a waiter makes itself known before it looks at the
// word: so one of them sees the other.
static void sleep_on(struct lock *l) {
    u64 seen = wake_read(), stops = EXO_WORDS->stops;
    robust_look();
    __atomic_fetch_or(&l->waiters, 1UL << SELF->index, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&l->holder, __ATOMIC_SEQ_CST)) wake_sleep(seen, stops);
}

void lock_acquire(struct lock *l) {
    robust_enter();
    for (u32 tries = 0; !take(l); tries++) {
        eid_t holder = __atomic_load_n(&l->holder, __ATOMIC_RELAXED);
        if (holder == 0) continue;
        if (holder == SELF->first.eid) { // another thread of this process
            sleep_on(l);
        } else if (home(holder) == home(SELF->first.eid)) {
            if (upcall_yield(holder) != 0) sleep_on(l);
        } else if (tries >= SPINS) {
            sleep_on(l);
        }
    }
}

void lock_release(struct lock *l) {
    __atomic_store_n(&l->holder, 0, __ATOMIC_SEQ_CST);
    robust_leave();
    if (__atomic_load_n(&l->waiters, __ATOMIC_SEQ_CST) == 0) return;
    wake_all(__atomic_exchange_n(&l->waiters, 0, __ATOMIC_SEQ_CST));
}

void lock_pause(void) { upcall_yield(0); }
