// Sleeping and waking: see proc.h. The predicates that a sleep waits on are made in start.c.
#include <exo/call.h>
#include "pager.h"
#include "proc.h"
#include "shared.h"
#include "signal.h"
#include "upcall.h"

#define WORD(name) ((u32)offsetof(struct exo_words, name))

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

// A revocation ends the sleep, and whoever sleeps comes back here if what it waits for has not come.
static void wait(ppn_t code, u64 w1, u64 w2) {
    pager_look();
    upcall_wait(code, (va_t)counter(SELF->index) % EXO_PAGE, w1, w2, 0);
}

static void sleep_until(u64 seen, u64 until) {
    if (thread_any())
        thread_sleep(&(struct event){.sum = seen, .until = until, .word = {NO_WORD, NO_WORD}});
    else
        wait(SHARED->code_wake, seen, until);
}

// Both counters only grow, so their sum tells whether one did.
static void sleep_event(u64 seen, u32 word, u64 word_seen) {
    if (thread_any())
        thread_sleep(&(struct event){.sum = seen + word_seen, .until = ~0ul, .word = {word, NO_WORD}});
    else
        wait(SHARED->code_event, seen + word_seen, word);
}

// No predicate for those has a limit of time; the one for anything has, and is woken by more.
static void sleep_until_alarm(u64 sum, u32 word, u32 other) {
    struct event e = {.sum = sum, .until = signal_alarm(), .word = {word, other}};
    u64 all = event_all();
    if (thread_any())
        thread_sleep(&e);
    else if (!event_happened(&e))
        event_wait(all, e.until);
}

bool killed(void) { return __atomic_load_n(SELF->ends, __ATOMIC_SEQ_CST) & PROC_END; }

i64 wake_receive(u64 *words, u64 seen) {
    pager_look();
    return upcall_receive(words, SHARED->code_wake, (va_t)counter(SELF->index) % EXO_PAGE, seen,
                          signal_alarm());
}

void wake_sleep(u64 seen, u64 stops) { sleep_event(seen, WORD(stops), stops); }

void stop_or_alarm(u64 seen, u64 stops) {
    if (signal_alarm() != ~0ul)
        sleep_until_alarm(seen + stops, WORD(stops), NO_WORD);
    else
        wake_sleep(seen, stops);
}

// Whoever sends a signal sets the flag first, then counts up: so either the flag is seen here, or the sleep
// ends.
bool wake_wait(u64 seen, u64 until) {
    u64 alarm = signal_alarm();
    if (!interrupted()) sleep_until(seen, until < alarm ? until : alarm);
    return !interrupted();
}

static bool word_wait(u64 seen, u32 word, u64 word_seen) {
    if (interrupted()) return false;
    if (signal_alarm() != ~0ul)
        sleep_until_alarm(seen + word_seen, word, NO_WORD);
    else
        sleep_event(seen, word, word_seen);
    return !interrupted();
}

bool input_wait(u64 seen, u64 input) { return word_wait(seen, WORD(input), input); }

bool stop_wait(u64 seen, u64 stops) { return word_wait(seen, WORD(stops), stops); }

bool stop_or_input_wait(u64 seen, u64 stops, u64 input) {
    u64 sum = seen + stops + input;
    if (interrupted()) return false;
    if (thread_any() || signal_alarm() != ~0ul)
        sleep_until_alarm(sum, WORD(stops), WORD(input));
    else
        wait(SHARED->code_watch, sum, 0);
    return !interrupted();
}

// ---- what threads sleep for ----

static u64 word_at(u32 offset) {
    return offset == NO_WORD ? 0 : *(const volatile u64 *)((const volatile u8 *)EXO_WORDS + offset);
}

bool event_happened(const struct event *e) {
    return wake_read() + word_at(e->word[0]) + word_at(e->word[1]) != e->sum || exo_time() >= e->until;
}

u64 event_all(void) {
    u64 served = __atomic_load_n(&SHARED->serve[SELF->index], __ATOMIC_SEQ_CST);
    return wake_read() + served + EXO_WORDS->stops + EXO_WORDS->input + EXO_WORDS->completions;
}

void event_wait(u64 seen, u64 until) { wait(SHARED->code_any, seen, until); }

void disk_wait(u64 completions) { sleep_event(wake_read(), WORD(completions), completions); }

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
