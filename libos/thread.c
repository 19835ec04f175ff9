// See thread.h: the threads' table, whose turn it is, and the calls.
#include "thread.h"

#include <exo/call.h>
#include "lib.h"
#include "pager.h"
#include "proc.h"
#include "shared.h"
#include "signal.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"
#include "worker.h"

enum thread_state {
    THREAD_NONE,
    THREAD_READY,     // for this environment, whose is also the one that runs
    THREAD_LOOSE,     // interrupted in its program, and for any environment of the process
    THREAD_ELSEWHERE, // a worker runs it
    THREAD_ASLEEP,    // in a call, until its event
    THREAD_WAITING,   // in sys_thread_wait
};

#define STRIDE (1u << 16) // what a tick of `time` adds to the pass of one that has one ticket

static struct {
    bool any;
    bool busy;             // one is changing the address space
    struct thread *now;    // the one that runs
    struct thread *ending; // the one that ends the others
    va_t first_stack;      // of number 0
    u32 slots;             // a bit for each that has its pages, be a thread there or not
    u32 alive;
    u64 pass;    // of the one that runs, when its turn began
    u64 waits;   // calls of sys_thread_wait
    bool wanted; // this environment has no thread, but needs one, for a signal
} all;

static const u32 yes = 1;

_Static_assert(offsetof(struct thread, kept) == THREAD_KEPT, "struct thread");
_Static_assert(sizeof(struct thread) % 16 == 0, "the stack's alignment");
_Static_assert(THREAD_SLOT == (THREAD_STACK + 1) * EXO_PAGE, "a guard page");
_Static_assert(THREADS_VA + THREAD_MAX * THREAD_SLOT <= WORKERS_VA && THREAD_MAX <= 32,
               "one table, one word");
_Static_assert(THREAD_STACK == STACK_PAGES, "as upcall.S takes it");

bool thread_any(void) { return all.any; }

static va_t slot_va(u32 n) { return THREADS_VA + (va_t)n * THREAD_SLOT; }

static struct thread *at(u32 n) { return (struct thread *)slot_va(n + 1) - 1; }

static va_t stack_of(const struct thread *t) { return t->number ? (va_t)t : all.first_stack; }

// The one in the next slot from *n on that has pages; 0 after the last.
static struct thread *next_of(u32 *n) {
    u32 left = all.slots >> *n;
    if (left == 0) return 0;
    for (; !(left & 1); left >>= 1) ++*n;
    return at((*n)++);
}

#define EACH_THREAD(t) for (u32 n_ = 0; (t = next_of(&n_));)

// ---- states that workers change, too ----

// Who goes on with a thread that another left reads this in change_state() or before choose()'s fence.
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

void thread_give(struct thread *t, u64 ran, bool serve) {
    t->pass += ran * STRIDE / t->tickets;
    if (serve && t->pass > all.pass) t->pass = all.pass; // where no worker's threads count
    t->interrupted = true;
    serve |= __atomic_load_n(&all.wanted, __ATOMIC_RELAXED);
    set_state(t, serve ? THREAD_READY : THREAD_LOOSE);
    if (!serve) return;
    __atomic_fetch_add(&SHARED->serve[SELF->index], 1, __ATOMIC_SEQ_CST);
    exo_poke(me()->hart);
}

// ---- whose turn it is ----

// Time that this process has had a hart, up to some constant.
static u64 time_had(void) { return exo_time() - SELF->off; }

// Who has had less than its share, because it slept, does not catch up.
static void ready(struct thread *t) {
    if (t->pass < all.pass) t->pass = all.pass;
    set_state(t, THREAD_READY);
}

// A wait that the program asked for ends for a signal, too; those in here (space, and the last thread's) do
// not.
static bool called_away(const struct thread *t) {
    u32 signals = me()->signals;
    if (signals == 0) return false;
    if (signals & PROC_END) return t != all.ending;
    return t->word && t->word != (const u32 *)&all && signal_due();
}

// A thread that sleeps is ready now if what it sleeps for has come.
static u32 look(struct thread *t) {
    u32 state = state_of(t);
    if (state == THREAD_ASLEEP
            ? event_happened(&t->event)
            : state == THREAD_WAITING && (exo_time() >= t->event.until || called_away(t))) {
        ready(t);
        return THREAD_READY;
    }
    return state;
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

struct thread *thread_take(void) {
    struct thread *t;
    struct thread *best = 0;
    EACH_THREAD(t)
    if (state_of(t) == THREAD_LOOSE && (!best || t->pass < best->pass)) best = t;
    return !best || change_state(best, THREAD_LOOSE, THREAD_ELSEWHERE) ? best : thread_take();
}

static void turn_over(struct thread *t) { t->pass += (time_had() - t->came) * STRIDE / t->tickets; }

static void turn_begins(struct thread *t) {
    all.now = t;
    all.pass = t->pass;
    t->came = time_had();
    SELF->save = &t->context;
    SELF->stack = stack_of(t);
}

// None is ready. `seen` is from before that was found.
static void idle(u64 seen) {
    struct thread *t;
    u64 until = signal_alarm();
    EACH_THREAD(t)
    if (state_of(t) >= THREAD_ASLEEP && t->event.until < until) until = t->event.until;
    event_wait(seen, until);
    signal_due(); // an alarm's time may have come
}

static void resume_now(void) {
    all.now->interrupted = false;
    if (killed()) proc_exit(KILLED);
    if (signal_due()) {
        struct context c = all.now->context;
        signal_take(&c);
        thread_resume(&c);
    }
    thread_resume(&all.now->context);
}

// It has to go on by way of its own stack, which is free.
static void make_resume(struct thread *t) {
    t->kept[0] = (u64)resume_now;
    t->kept[1] = stack_of(t);
}

// Goes on with it, and leaves what runs here as it is in its context.
static void go_on(struct thread *next) __attribute__((noreturn));
static void go_on(struct thread *next) {
    turn_begins(next);
    if (next->interrupted) make_resume(next);
    thread_go(next);
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
    __atomic_store_n(&all.wanted, false, __ATOMIC_RELAXED);
    if (any_in(THREAD_LOOSE, 0)) worker_wake();
}

// Who is next here, once there is any.
static struct thread *choose(const struct thread *last) {
    bool workers = worker_any();
    for (;;) {
        u64 seen = event_all();
        if (workers) look_for_lost();
        struct thread *next = pick(last);
        if (next) {
            if (workers) chosen();
            return next;
        }
        __atomic_store_n(&all.wanted, workers && interrupted(), __ATOMIC_RELAXED);
        idle(seen);
    }
}

// The calling thread, whose state says why, goes on when its turn comes again.
static void give_turn(void) {
    struct thread *self = all.now, *next;
    turn_over(self);
    next = choose(self);
    if (next != self && SELF->fp_on) upcall_fp_save();
    turn_begins(next);
    if (next == self) return;
    if (next->interrupted) make_resume(next);
    thread_switch(self, next);
}

// What this thread was doing is in its context: it is for any environment now, and this one goes on with
// whichever thread is next.
static void let_loose(void) __attribute__((noreturn));
static void let_loose(void) {
    struct thread *self = all.now;
    self->interrupted = true;
    set_state(self, THREAD_LOOSE);
    go_on(choose(0));
}

void thread_pass(struct context *c) {
    struct thread *self = all.now;
    if (!worker_any() || !any_in(THREAD_READY, self)) return;
    if (SELF->fp_on) upcall_fp_save();
    memcpy(self->context.x, c->x, sizeof(c->x));
    turn_over(self);
    let_loose();
}

void thread_interrupted(void) {
    struct thread *self = all.now;
    turn_over(self);
    if (worker_any()) {
        upcall_take_frame(&self->context);
        let_loose();
    }
    struct thread *next = pick(0);
    if (next == self) {
        turn_begins(self);
        return;
    }
    self->interrupted = true;
    upcall_take_frame(&self->context);
    go_on(next);
}

void thread_sleep(const struct event *e) {
    struct thread *self = all.now;
    self->event = *e;
    set_state(self, THREAD_ASLEEP);
    self->inside = true;
    give_turn();
    self->inside = false;
}

static void wait_on(const u32 *word, u64 until) {
    struct thread *self = all.now;
    self->word = word;
    self->order = ++all.waits;
    self->event.until = until;
    self->woken = false;
    set_state(self, THREAD_WAITING);
    give_turn();
}

static bool wake_one(const u32 *word) {
    struct thread *t;
    struct thread *first = 0;
    EACH_THREAD(t)
    if (t->state == THREAD_WAITING && t->word == word && (!first || t->order < first->order)) first = t;
    if (!first) return false;
    first->woken = true;
    ready(first);
    if (worker_any()) __atomic_fetch_or(&me()->signals, PROC_LOOK, __ATOMIC_SEQ_CST); // thread_pass()
    return true;
}

// ---- slots ----

static void drop_page(va_t va) {
    struct exo_ret page = exo_unbind(SELF->root, va, 0);
    if (page.err == 0 && page.val2 == 0) exo_page_free(PTE_PPN(page.val));
}

static bool add_page(va_t va) {
    struct exo_ret page = page_new(false);
    if (page.err) return false;
    if (pager_keep((ppn_t)page.val) && exo_bind(SELF->root, va, page.val, SPACE_RW, 0).err == 0) return true;
    exo_page_free(page.val);
    return false;
}

// The upper pages of slot n, if it has none yet.
static bool add_slot(u32 n, u32 pages) {
    struct proc *p = me();
    if (all.slots >> n & 1) return true;
    if (!vm_charge(&p->charged, p->charged + pages)) return false;
    if (p->threads < slot_va(n + 1)) p->threads = slot_va(n + 1);
    for (u32 i = 1; i <= pages; i++) {
        if (add_page(slot_va(n + 1) - i * EXO_PAGE)) continue;
        while (--i) drop_page(slot_va(n + 1) - i * EXO_PAGE);
        vm_charge(&p->charged, p->charged - pages);
        return false;
    }
    all.slots |= 1u << n;
    return true;
}

// An interrupted one.
static void let_others(struct thread *t) {
    if (!worker_any()) return;
    set_state(t, THREAD_LOOSE);
    worker_wake();
}

static struct thread *make(u32 n, int tickets) {
    struct thread *t = at(n);
    *t = (struct thread){.number = n, .tickets = (u32)tickets};
    ready(t);
    all.alive++;
    return t;
}

// What runs is the process's first thread, on whatever stack that is: in a slot, if fork() was called there.
static bool begin(void) {
    if (all.any) return true;
    all.first_stack = SELF->stack;
    if (!add_slot(0, 1)) return false;
    struct thread *t = make(0, 1);
    memcpy(t->context.f, SELF->save->f, sizeof(t->context.f));
    turn_begins(t);
    return all.any = true;
}

va_t thread_slot(void) { return SELF->stack == (va_t)stack_top ? 0 : SELF->stack & ~(va_t)(THREAD_SLOT - 1); }

static struct thread *new (int tickets) {
    if (!begin()) return 0;
    for (u32 n = 1; n < THREAD_MAX; n++) {
        bool used = all.slots >> n & 1 && at(n)->state != THREAD_NONE;
        if (used || all.first_stack - slot_va(n) < THREAD_SLOT) continue;
        return add_slot(n, THREAD_STACK) ? make(n, tickets) : 0;
    }
    return 0;
}

bool thread_space_enter(void) {
    while (all.busy) {
        wait_on((const u32 *)&all, ~0ul);
        if (killed()) return false;
    }
    all.busy = true;
    return true;
}

void thread_space_leave(void) {
    all.busy = false;
    if (all.any) wake_one((const u32 *)&all);
}

// ---- the end ----

static void leave(void) __attribute__((noreturn));
static void leave(void) {
    set_state(all.now, THREAD_NONE);
    all.now->inside = false;
    all.alive--;
    for (;;) give_turn();
}

static bool others_inside(void) {
    struct thread *t;
    EACH_THREAD(t)
    if (t != all.now && t->inside) return true;
    return false;
}

void thread_leave(void) {
    ready(all.ending);
    leave();
}

bool thread_alone(void) {
    struct thread *t;
    if (!all.any) return true;
    if (all.ending && all.ending != all.now) return false;
    all.ending = all.now;
    SELF->ends = &yes;
    worker_end(me());
    EACH_THREAD(t) {
        if (t == all.now) continue;
        if (t->inside)
            ready(t);
        else
            set_state(t, THREAD_NONE);
    }
    while (others_inside()) wait_on(0, ~0ul);
    thread_forget();
    return true;
}

void thread_forget(void) {
    if (all.any) memcpy(SELF->context.f, SELF->save->f, sizeof(SELF->context.f));
    SELF->save = &SELF->context;
    SELF->ends = &me()->signals;
    memset(&all, 0, sizeof(all));
}

// ---- calls ----

int sys_thread_new(u64 fn, u64 arg, u64 sp, int tickets) {
    if (tickets < 1 || tickets > THREAD_TICKETS || !thread_space_enter()) return -1;
    struct thread *t = new (tickets);
    thread_space_leave();
    if (!t) return -1;
    t->interrupted = true;
    t->context.x[0] = fn;
    t->context.x[2] = sp;
    t->context.x[10] = arg;
    let_others(t);
    return (int)t->number;
}

int sys_thread_harts(int harts) {
    struct thread *t;
    if (harts < 1 || !thread_space_enter()) return -1;
    while (me()->workers + 1 < (u32)harts && begin() && worker_add()) {
    }
    EACH_THREAD(t)
    if (t->state == THREAD_READY && t->interrupted) let_others(t);
    thread_space_leave();
    return (int)me()->workers + 1;
}

int sys_thread_exit(u32 *word) {
    if (word && user_ok(word, sizeof(*word), true)) {
        *word = 0;
        if (all.any)
            while (wake_one(word)) {
            }
    }
    if (!all.any || all.alive == 1) proc_exit(0);
    leave();
}

int sys_thread_self(void) { return all.any ? (int)all.now->number : 0; }

int sys_thread_yield(void) {
    if (all.any) give_turn();
    return 0;
}

int sys_thread_tickets(int tickets) {
    if (tickets < 1 || tickets > THREAD_TICKETS || !begin()) return -1;
    turn_over(all.now);
    turn_begins(all.now);
    all.now->tickets = (u32)tickets;
    return 0;
}

int sys_thread_wait(const u32 *word, u32 value, int usec) {
    if ((va_t)word % sizeof(*word) || !user_ok(word, sizeof(*word), false) || !begin()) return -1;
    if (*word != value) return 1;
    wait_on(word, usec < 0 ? ~0ul : exo_time() + (u64)usec * EXO_WORDS->timebase / 1000000);
    return all.now->woken ? 0 : 1;
}

int sys_thread_wake(const u32 *word, int n) {
    int woken = 0;
    while (all.any && woken < n && wake_one(word)) woken++;
    return woken;
}
