// See thread.h: the threads' table, whose turn it is, and the calls.
#include "thread.h"

#include <exo/call.h>
#include "lib.h"
#include "pager.h"
#include "proc.h"
#include "signal.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"

enum thread_state {
    THREAD_NONE,
    THREAD_READY,   // also the one that runs
    THREAD_ASLEEP,  // in a call, until its event
    THREAD_WAITING, // in sys_thread_wait
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
    u64 pass;  // of the one that runs, when its turn began
    u64 waits; // calls of sys_thread_wait
} all;

static const u32 yes = 1;

_Static_assert(offsetof(struct thread, kept) == THREAD_KEPT, "struct thread");
_Static_assert(sizeof(struct thread) % 16 == 0, "the stack's alignment");
_Static_assert(THREAD_SLOT == (THREAD_STACK + 1) * EXO_PAGE, "a guard page");
_Static_assert(THREADS_VA + THREAD_MAX * THREAD_SLOT <= REVIVE_VA && THREAD_MAX <= 32, "one table, one word");
_Static_assert(THREAD_STACK == STACK_PAGES, "as upcall.S takes it");

bool thread_any(void) { return all.any; }

static va_t slot_va(u32 n) { return THREADS_VA + (va_t)n * THREAD_SLOT; }

static struct thread *at(u32 n) { return (struct thread *)slot_va(n + 1) - 1; }

static va_t stack_of(const struct thread *t) { return t->number ? (va_t)t : all.first_stack; }

// The one in the next slot from *n on that has pages; 0 after the last.
static struct thread *next_of(u32 *n) {
    while (*n < THREAD_MAX && !(all.slots >> *n & 1)) ++*n;
    return *n < THREAD_MAX ? at((*n)++) : 0;
}

#define EACH_THREAD(t) for (u32 n_ = 0; (t = next_of(&n_));)

// ---- whose turn it is ----

// Time that this process has had a hart, up to some constant.
static u64 time_had(void) { return exo_time() - SELF->off; }

// Who has had less than its share, because it slept, does not catch up.
static void ready(struct thread *t) {
    t->state = THREAD_READY;
    if (t->pass < all.pass) t->pass = all.pass;
}

// A wait that the program asked for ends for a signal, too; those in here (space, and the last thread's) do
// not.
static bool called_away(const struct thread *t) {
    u32 signals = me()->signals;
    if (signals == 0) return false;
    if (signals & PROC_END) return t != all.ending;
    return t->word && t->word != (const u32 *)&all && signal_due();
}

static void look(struct thread *t) {
    if (t->state == THREAD_ASLEEP) {
        if (event_happened(&t->event)) ready(t);
    } else if (t->state == THREAD_WAITING) {
        if (exo_time() >= t->event.until || called_away(t)) ready(t);
    }
}

// The ready thread with the lowest pass; `last` only if there is no other.
static struct thread *pick(const struct thread *last) {
    struct thread *t;
    struct thread *best = 0;
    EACH_THREAD(t) {
        look(t);
        if (t->state == THREAD_READY && (!best || best == last || (t != last && t->pass < best->pass)))
            best = t;
    }
    return best;
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
    if (t->state > THREAD_READY && t->event.until < until) until = t->event.until;
    event_wait(seen, until);
    signal_due(); // an alarm's time may have come
}

static void resume_now(void) {
    all.now->interrupted = false;
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

// The calling thread, whose state says why, goes on when its turn comes again.
static void give_turn(void) {
    struct thread *self = all.now, *next;
    turn_over(self);
    for (;;) {
        u64 seen = event_all();
        if ((next = pick(self))) break;
        idle(seen);
    }
    if (next != self && SELF->fp_on) upcall_fp_save();
    turn_begins(next);
    if (next == self) return;
    if (next->interrupted) make_resume(next);
    thread_switch(self, next);
}

void thread_interrupted(void) {
    struct thread *self = all.now;
    turn_over(self);
    struct thread *next = pick(0);
    turn_begins(next);
    if (next == self) return;
    self->interrupted = true;
    upcall_take_frame(&self->context);
    if (next->interrupted) make_resume(next);
    thread_go(next);
}

void thread_sleep(const struct event *e) {
    struct thread *self = all.now;
    self->event = *e;
    self->state = THREAD_ASLEEP;
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
    self->state = THREAD_WAITING;
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
    all.now->state = THREAD_NONE;
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

void thread_alone(void) {
    struct thread *t;
    if (!all.any) return;
    if (all.ending && all.ending != all.now) {
        ready(all.ending);
        leave();
    }
    all.ending = all.now;
    SELF->ends = &yes;
    EACH_THREAD(t) {
        if (t == all.now) continue;
        if (t->inside)
            ready(t);
        else
            t->state = THREAD_NONE;
    }
    while (others_inside()) wait_on(0, ~0ul);
    thread_forget();
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
    return (int)t->number;
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
