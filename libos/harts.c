// Threads of a process with workers (worker.h): whose turn it is there, and how a thread goes from one
// environment to another. thread_take() and thread_give() run on workers.
#include <exo/call.h>
#include "lib.h"
#include "proc.h"
#include "shared.h"
#include "signal.h"
#include "thread.h"
#include "upcall.h"
#include "worker.h"

static u32 wanted; // the process's own environment has no thread, but needs one, for a signal

// Who goes on with a thread that another left reads this in change_state() or before harts_choose()'s fence.
static u32 state_of(const struct thread *t) { return __atomic_load_n(&t->state, __ATOMIC_RELAXED); }

static void set_state(struct thread *t, u32 state) { __atomic_store_n(&t->state, state, __ATOMIC_RELEASE); }

static bool change_state(struct thread *t, u32 from, u32 to) {
    return __atomic_compare_exchange_n(&t->state, &from, to, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static struct thread *any_in(u32 state, const struct thread *but) {
    struct thread *t;
    EACH_THREAD(t)
    if (t != but && state_of(t) == state) return t;
    return 0;
}

// ---- on a worker ----

struct thread *thread_take(void) {
    struct thread *t;
    struct thread *best = 0;
    EACH_THREAD(t)
    if (state_of(t) == THREAD_LOOSE && (!best || t->pass < best->pass)) best = t;
    return !best || change_state(best, THREAD_LOOSE, THREAD_ELSEWHERE) ? best : thread_take();
}

void thread_give(struct thread *t, u64 ran, bool serve) {
    u64 clock = thread_clock();
    thread_charge(t, ran);
    if (serve && t->pass > clock) t->pass = clock; // where no worker's threads count
    t->interrupted = true;
    serve |= __atomic_load_n(&wanted, __ATOMIC_RELAXED);
    set_state(t, serve ? THREAD_READY : THREAD_LOOSE);
    if (!serve) return;
    __atomic_fetch_add(&SHARED->serve[SELF->index], 1, __ATOMIC_SEQ_CST);
    exo_poke(me()->hart);
}

// ---- not on a worker ----

// A thread that sleeps is ready now if what it sleeps for has come.
static u32 look(struct thread *t) {
    u32 state = state_of(t);
    if (state < THREAD_ASLEEP || !thread_due(t)) return state;
    thread_ready(t);
    return THREAD_READY;
}

// The thread with the lowest pass of those that only this environment can run; or else of those that any
// can, which is READY from now on; `last` only if there is no other.
static struct thread *pick(const struct thread *last) {
    struct thread *t;
    struct thread *best = 0;
    bool loose = false;
    EACH_THREAD(t) {
        u32 state = look(t);
        if (state != THREAD_READY && state != THREAD_LOOSE) continue;
        if (best && best != last) {
            if (t == last || (state == THREAD_LOOSE && !loose)) continue;
            if (t->pass >= best->pass && !(loose && state == THREAD_READY)) continue;
        }
        best = t;
        loose = state == THREAD_LOOSE;
    }
    return !loose || change_state(best, THREAD_LOOSE, THREAD_READY) ? best : pick(last);
}

// A worker is gone, with all that its thread had done: the process ends, by any thread.
static void look_for_lost(void) {
    struct thread *t;
    if (!worker_lost()) return;
    print("pid %d (%s) lost an environment\n", me()->pid, me()->name);
    __atomic_fetch_or(&me()->signals, PROC_END, __ATOMIC_SEQ_CST);
    worker_end(me());
    EACH_THREAD(t)
    if (state_of(t) == THREAD_ELSEWHERE) set_state(t, THREAD_READY);
}

// The others are for the workers.
static void chosen(void) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    __atomic_store_n(&wanted, false, __ATOMIC_RELAXED);
    if (any_in(THREAD_LOOSE, 0)) worker_wake();
}

struct thread *harts_choose(const struct thread *last) {
    for (;;) {
        u64 seen = event_all();
        look_for_lost();
        struct thread *next = pick(last);
        if (next) {
            chosen();
            return next;
        }
        __atomic_store_n(&wanted, interrupted(), __ATOMIC_RELAXED);
        thread_idle(seen);
    }
}

// What this thread was doing is in its context: it is for any environment now, and this one goes on with
// whichever thread is next.
static void let_loose(struct thread *self) __attribute__((noreturn));
static void let_loose(struct thread *self) {
    self->interrupted = true;
    set_state(self, THREAD_LOOSE);
    thread_go_on(harts_choose(0));
}

void thread_pass(struct context *c) {
    struct thread *self = thread_now();
    if (!worker_any() || !any_in(THREAD_READY, self)) return;
    if (SELF->fp_on) upcall_fp_save();
    memcpy(self->context.x, c->x, sizeof(c->x));
    thread_turn_over();
    let_loose(self);
}

void harts_interrupted(void) {
    struct thread *self = thread_now();
    thread_turn_over();
    upcall_take_frame(&self->context);
    let_loose(self);
}

void harts_offer(struct thread *t) {
    if (!worker_any()) return;
    set_state(t, THREAD_LOOSE);
    worker_wake();
}

void harts_woken(void) {
    if (worker_any()) __atomic_fetch_or(&me()->signals, PROC_LOOK, __ATOMIC_SEQ_CST); // thread_pass()
}
