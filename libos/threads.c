// See thread.h: the threads' table, their beginning and end, and the calls.
#include "thread.h"

#include <exo/call.h>
#include "lib.h"
#include "pager.h"
#include "proc.h"
#include "signal.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"
#include "worker.h"

static struct {
    bool any;
    bool busy;             // one is changing the address space
    struct thread *ending; // the one that ends the others
    va_t first_stack;      // of number 0
    u32 slots;             // a bit for each that has its pages, be a thread there or not
    u32 alive;
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

va_t thread_stack(const struct thread *t) { return t->number ? (va_t)t : all.first_stack; }

struct thread *thread_next(u32 *n) {
    u32 left = all.slots >> *n;
    if (left == 0) return 0;
    for (; !(left & 1); left >>= 1) ++*n;
    return at((*n)++);
}

// A wait that the program asked for ends for a signal, too; those in here (space, and the last thread's) do
// not.
static bool called_away(const struct thread *t) {
    u32 signals = me()->signals;
    if (signals == 0) return false;
    if (signals & PROC_END) return t != all.ending;
    return t->word && t->word != (const u32 *)&all && signal_due();
}

bool thread_due(const struct thread *t) {
    if (t->state == THREAD_ASLEEP) return event_happened(&t->event);
    return exo_time() >= t->event.until || called_away(t);
}

void thread_resumed(void) {
    struct thread *t = thread_now();
    t->interrupted = false;
    if (killed()) proc_exit(KILLED);
    if (signal_due()) {
        struct context c = t->context;
        signal_take(&c);
        thread_resume(&c);
    }
    thread_resume(&t->context);
}

static bool wake_one(const u32 *word) {
    if (!thread_wake_one(word)) return false;
    harts_woken();
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
    thread_ready(t);
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
    thread_first(t);
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
        thread_wait_on((const u32 *)&all, ~0ul);
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
    struct thread *self = thread_now();
    self->state = THREAD_NONE;
    self->inside = false;
    all.alive--;
    for (;;) thread_give_turn();
}

static bool others_inside(void) {
    struct thread *t;
    EACH_THREAD(t)
    if (t != thread_now() && t->inside) return true;
    return false;
}

void thread_leave(void) {
    thread_ready(all.ending);
    leave();
}

bool thread_alone(void) {
    struct thread *t;
    if (!all.any) return true;
    if (all.ending && all.ending != thread_now()) return false;
    all.ending = thread_now();
    SELF->ends = &yes;
    worker_end(me());
    EACH_THREAD(t) {
        if (t == thread_now()) continue;
        if (t->inside)
            thread_ready(t);
        else
            t->state = THREAD_NONE;
    }
    while (others_inside()) thread_wait_on(0, ~0ul);
    thread_forget();
    return true;
}

void thread_forget(void) {
    if (all.any) memcpy(SELF->context.f, SELF->save->f, sizeof(SELF->context.f));
    SELF->save = &SELF->context;
    SELF->ends = &me()->signals;
    memset(&all, 0, sizeof(all));
    thread_first(0);
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
    harts_offer(t);
    return (int)t->number;
}

int sys_thread_harts(int harts) {
    struct thread *t;
    if (harts < 1 || !thread_space_enter()) return -1;
    while (me()->workers + 1 < (u32)harts && begin() && worker_add()) {
    }
    EACH_THREAD(t)
    if (t->state == THREAD_READY && t->interrupted) harts_offer(t);
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

int sys_thread_self(void) { return all.any ? (int)thread_now()->number : 0; }

int sys_thread_yield(void) {
    if (all.any) thread_give_turn();
    return 0;
}

int sys_thread_tickets(int tickets) {
    if (tickets < 1 || tickets > THREAD_TICKETS || !begin()) return -1;
    thread_share((u32)tickets);
    return 0;
}

int sys_thread_wait(const u32 *word, u32 value, int usec) {
    if ((va_t)word % sizeof(*word) || !user_ok(word, sizeof(*word), false) || !begin()) return -1;
    if (*word != value) return 1;
    thread_wait_on(word, usec < 0 ? ~0ul : exo_time() + (u64)usec * EXO_WORDS->timebase / 1000000);
    return thread_now()->woken ? 0 : 1;
}

int sys_thread_wake(const u32 *word, int n) {
    int woken = 0;
    while (all.any && woken < n && wake_one(word)) woken++;
    return woken;
}
