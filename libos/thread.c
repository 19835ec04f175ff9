// See thread.h: whose turn it is, and how the hart goes from one thread to another.
#include "thread.h"

#include <exo/call.h>
#include "proc.h"
#include "signal.h"
#include "upcall.h"
#include "worker.h"

#define STRIDE (1u << 16) // what a tick of `time` adds to the pass of one that has one ticket

static struct {
    struct thread *now; // the one that runs
    u64 pass;           // its pass when its turn began
    u64 waits;          // calls of thread_wait_on()
} turn;

struct thread *thread_now(void) {
    return turn.now;
}

u64 thread_clock(void) { return turn.pass; }

// ---- stride scheduling ----

// Time that this process has had a hart, up to some constant.
static u64 time_had(void) { return exo_time() - SELF->off; }

// Who has had less than its share, because it slept, does not catch up.
void thread_ready(struct thread *t) {
    if (t->pass < turn.pass) t->pass = turn.pass;
    t->state = THREAD_READY;
}

void thread_charge(struct thread *t, u64 ran) { t->pass += ran * STRIDE / t->tickets; }

void thread_turn_over(void) { thread_charge(turn.now, time_had() - turn.now->came); }

static void turn_begins(struct thread *t) {
    turn.now = t;
    turn.pass = t->pass;
    t->came = time_had();
    SELF->save = &t->context;
    SELF->stack = thread_stack(t);
}

void thread_first(struct thread *t) {
    turn.now = 0;
    turn.pass = turn.waits = 0;
    if (t) turn_begins(t);
}

void thread_share(u32 tickets) {
    thread_turn_over();
    turn_begins(turn.now);
    turn.now->tickets = tickets;
}

// The thread with the lowest pass of those that can run; `last` only if there is no other; 0 if there is
// none. One that sleeps can run if what it sleeps for has come.
static struct thread *pick(const struct thread *last) {
    struct thread *t;
    struct thread *best = 0;
    EACH_THREAD(t) {
        if (t->state >= THREAD_ASLEEP && thread_due(t)) thread_ready(t);
        if (t->state != THREAD_READY) continue;
        if (!best || best == last || (t != last && t->pass < best->pass)) best = t;
    }
    return best;
}

void thread_idle(u64 seen) {
    struct thread *t;
    u64 until = signal_alarm();
    EACH_THREAD(t)
    if (t->state >= THREAD_ASLEEP && t->event.until < until) until = t->event.until;
    event_wait(seen, until);
    signal_due(); // an alarm's time may have come
}

// Who is next, once there is any. What can make one ready is looked at before they are: what comes in
// between ends the sleep.
static struct thread *choose(const struct thread *last) {
    if (worker_any()) return harts_choose(last);
    for (;;) {
        u64 seen = event_all();
        struct thread *next = pick(last);
        if (next) return next;
        thread_idle(seen);
    }
}

// ---- from one thread to another ----

// One that was interrupted has nothing on its stack of the libOS: it begins there, to leave the libOS.
static void make_kept(struct thread *t) {
    if (!t->interrupted) return;
    t->kept[0] = (u64)thread_resumed;
    t->kept[1] = thread_stack(t);
}

void thread_go_on(struct thread *next) {
    turn_begins(next);
    make_kept(next);
    thread_go(next);
}

void thread_give_turn(void) {
    struct thread *self = turn.now, *next;
    thread_turn_over();
    next = choose(self);
    if (next != self && SELF->fp_on) upcall_fp_save();
    turn_begins(next);
    if (next == self) return;
    make_kept(next);
    thread_switch(self, next);
}

void thread_interrupted(void) {
    struct thread *self = turn.now, *next;
    thread_turn_over();
    next = pick(0);
    if (next == self) {
        turn_begins(self);
        return;
    }
    self->interrupted = true;
    upcall_take_frame(&self->context);
    thread_go_on(next);
}

// ---- waiting ----

void thread_sleep(const struct event *e) {
    struct thread *self = turn.now;
    self->event = *e;
    self->state = THREAD_ASLEEP;
    self->inside = true;
    thread_give_turn();
    self->inside = false;
}

void thread_wait_on(const u32 *word, u64 until) {
    struct thread *self = turn.now;
    self->word = word;
    self->order = ++turn.waits;
    self->event.until = until;
    self->woken = false;
    self->state = THREAD_WAITING;
    thread_give_turn();
}

bool thread_wake_one(const u32 *word) {
    struct thread *t;
    struct thread *first = 0;
    EACH_THREAD(t)
    if (t->state == THREAD_WAITING && t->word == word && (!first || t->order < first->order)) first = t;
    if (!first) return false;
    first->woken = true;
    thread_ready(first);
    return true;
}
