// Sleeping and waking: see proc.h. The predicates that a sleep waits on are made in start.c.
#include <exo/call.h>
#include "proc.h"
#include "shared.h"
#include "upcall.h"

static u64 *counter(u32 index) { return &SHARED->wake[index]; }

u64 wake_read(void) { return __atomic_load_n(counter(SELF->index), __ATOMIC_SEQ_CST); }

// A hart that is idle must be told to look again; this one looks when this process leaves it.
void wake(struct proc *p) {
    __atomic_fetch_add(counter(proc_index(p)), 1, __ATOMIC_SEQ_CST);
    if (p->hart != me()->hart) exo_poke(p->hart);
}

void wake_all(u64 set) {
    for (u32 i = 0; set; i++, set >>= 1)
        if (set & 1) wake(proc_at(i));
}

static void sleep_until(u64 seen, u64 until) {
    upcall_wait(SHARED->code_wake, (va_t)counter(SELF->index) % EXO_PAGE, seen, until, 0);
}

// Both counters only grow, so their sum tells whether one did.
static void sleep_event(u64 seen, u64 word, u64 word_seen) {
    upcall_wait(SHARED->code_event, (va_t)counter(SELF->index) % EXO_PAGE, seen + word_seen, word, 0);
}

bool killed(void) { return __atomic_load_n(&me()->killed, __ATOMIC_SEQ_CST); }

void wake_sleep(u64 seen, u64 stops) { sleep_event(seen, offsetof(struct exo_words, stops), stops); }

// Whoever kills sets the flag first, then counts up: so either the flag is seen here, or the sleep ends.
bool wake_wait(u64 seen, u64 until) {
    if (!killed()) sleep_until(seen, until);
    return !killed();
}

bool input_wait(u64 seen, u64 input) {
    if (!killed()) sleep_event(seen, offsetof(struct exo_words, input), input);
    return !killed();
}

bool stop_wait(u64 seen, u64 stops) {
    if (!killed()) sleep_event(seen, offsetof(struct exo_words, stops), stops);
    return !killed();
}

bool stop_or_input_wait(u64 seen, u64 stops, u64 input) {
    if (!killed())
        upcall_wait(SHARED->code_watch, (va_t)counter(SELF->index) % EXO_PAGE, seen + stops + input, 0, 0);
    return !killed();
}

void disk_wait(u64 completions) {
    sleep_event(wake_read(), offsetof(struct exo_words, completions), completions);
}

void waitq_sleep(struct waitq *q, struct lock *l) {
    u64 seen = wake_read();
    q->bits |= 1UL << SELF->index;
    lock_release(l);
    wake_wait(seen, ~0ul);
    lock_acquire(l);
}

void waitq_wake(struct waitq *q) {
    u64 bits = q->bits;
    q->bits = 0;
    wake_all(bits);
}
