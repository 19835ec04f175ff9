// See drain.h. Called by the log, whose commits wait until no op is under way.
#include "drain.h"

#include <exo/abi.h>
#include "lock.h"
#include "proc.h"
#include "robust.h"

#define PAUSES \
    20 // before sleeping: most of those who are in will leave soon, some as soon as they get this hart

void drain_enter(struct drain *d) {
    robust_enter();
    __atomic_fetch_add(&d->count, 1, __ATOMIC_SEQ_CST);
}

// Whoever leaves last counts down before it looks for waiters, a waiter makes itself known before it looks at
// the count: so one of them sees the other.
void drain_leave(struct drain *d) {
    u32 others = __atomic_sub_fetch(&d->count, 1, __ATOMIC_SEQ_CST);
    robust_leave();
    if (others) return;
    if (__atomic_load_n(&d->waiters, __ATOMIC_SEQ_CST) == 0) return;
    wake_all(__atomic_exchange_n(&d->waiters, 0, __ATOMIC_SEQ_CST));
}

void drain_wait(struct drain *d) {
    for (u32 tries = 0; __atomic_load_n(&d->count, __ATOMIC_SEQ_CST); tries++) {
        if (tries < PAUSES) {
            lock_pause();
            continue;
        }
        u64 seen = wake_read(), stops = EXO_WORDS->stops;
        robust_look();
        __atomic_fetch_or(&d->waiters, 1UL << proc_index(me()), __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&d->count, __ATOMIC_SEQ_CST)) wake_sleep(seen, stops);
    }
}
