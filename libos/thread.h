// Threads: several flows of control in one process, on its one environment. The end of a slice is a thread's
// end of a turn: the epilogue saves what was live where the thread keeps it, and the prologue picks who is
// next, by stride scheduling (Waldspurger and Weihl 1995). A thread that waits, for another or in a call of
// the libOS, gives its turn to the rest; the process leaves its hart only when none of them can run.
//
// Each thread has a libOS stack of its own, in a slot of the libOS's table (space.h), so that one may sleep
// inside a call while another makes one. No thread is switched away from at any other place inside the
// libOS: what belongs to the process alone needs no lock there. That is so on several harts, too, as only
// one of them runs the libOS (worker.h).
//
//     slot        guard page | stack, THREAD_STACK pages, with struct thread at its end
//     first slot  the first thread's has no stack: it keeps the one every process has
//
// A process has no such pages until its first sys_thread_new. fork() leaves the child the calling thread
// alone, exec() and exit() end the others: those inside the libOS first finish what they do there.
//
// Programs use it through user/thread.h, which makes mutexes and conditions of sys_thread_wait and
// sys_thread_wake.
#ifndef EXV6_THREAD_H
#define EXV6_THREAD_H

#define THREAD_MAX     28 // threads of a process
#define THREADS_VA     0x40180000
#define THREAD_STACK   3      // pages
#define THREAD_SLOT    0x4000 // bytes
#define THREAD_TICKETS 1000   // most that one may have

// Offsets in struct thread.
#define THREAD_KEPT 520

#ifndef __ASSEMBLER__
#include <exo/types.h>
#include <stdbool.h>

// What runs when the end of a slice interrupts it: x1-x31 and in place of x0 the pc; f0-f31 and fcsr, if it
// has used them. upcall.S fills it; without threads it is in the u-area.
struct context {
    u64 x[32];
    u64 f[33];
};

// What a thread inside the libOS sleeps for (proc.h): that `sum` of its process's counter and up to two of
// the kernel's words changes, offsets in struct exo_words or NO_WORD; or that it is `until`.
struct event {
    u64 sum, until;
    u32 word[2];
};
#define NO_WORD (~0u)

enum thread_state {
    THREAD_NONE,
    THREAD_READY,     // for this environment, whose is also the one that runs
    THREAD_LOOSE,     // interrupted in its program, and for any environment of the process
    THREAD_ELSEWHERE, // a worker runs it
    THREAD_ASLEEP,    // in a call, until its event
    THREAD_WAITING,   // in sys_thread_wait
};

struct thread {
    struct context context; // of one that was interrupted
    u64 kept[14];           // ra, sp, s0-s11 of one that gave up its turn
    u32 state;              // enum thread_state
    u32 number;             // of its slot; 0 is the process's first
    u32 tickets;            // 1 or more
    bool interrupted;       // as `context` says; else it gave up its turn, as `kept` says
    bool inside;            // asleep in a call, with whatever it holds there
    bool woken;             // by thread_wake_one()
    u64 pass, came;         // stride scheduling: time had, by ticket; time when this turn began
    const u32 *word;        // in thread_wait_on(): which, and who came when
    u64 order;
    struct event event; // what it sleeps for; in thread_wait_on() `until` alone
};

// ---- thread.c: whose turn it is ----

// The thread that runs here, and its pass when its turn began.
struct thread *thread_now(void);
u64 thread_clock(void);

// What runs is t, the process's first thread, from now on; its turn begins. 0: there are no threads any more,
// and of those that there were nothing is remembered (the child of a fork() begins so).
void thread_first(struct thread *t);

// t, which is new, slept or waited, takes turns from now on.
void thread_ready(struct thread *t);

// t ran for so much `time`. The turn of the one that runs is over: it is charged for that. It has so many
// tickets from now on.
void thread_charge(struct thread *t, u64 ran);
void thread_turn_over(void);
void thread_share(u32 tickets);

// The calling thread, whose state says why, goes on when its turn comes again: after others, if any is ready,
// even if its state says that it is ready itself.
void thread_give_turn(void);

// The thread that runs was interrupted, as the u-area's epilogue frame tells, in the program. Returns if it
// is to go on.
void thread_interrupted(void);

// Goes on with t, whatever runs here, of which nothing is kept.
void thread_go_on(struct thread *t) __attribute__((noreturn));

// Sleeps, as one of several threads, in a call, for an event; may come back early.
void thread_sleep(const struct event *);

// Waits until it is woken, or time is `until`. Wakes the one that has waited on that word longest; false:
// there is none.
void thread_wait_on(const u32 *word, u64 until);
bool thread_wake_one(const u32 *word);

// None is ready: sleeps, as a process, until event_all() is not `seen`, or the time has come for one of them
// or for an alarm (signal_alarm()), which signal_due() then sees to.
void thread_idle(u64 seen);

// ---- thread.S ----

// Keeps in *from what a function keeps, and goes on with *to; goes on with *to alone, as its `kept` says.
void thread_switch(struct thread *from, struct thread *to);
void thread_go(struct thread *to) __attribute__((noreturn));

// ---- threads.c: which threads there are, their beginning and end; the calls ----

// All of them, in the order of their slots: those that have ended, too (THREAD_NONE).
#define EACH_THREAD(t) for (u32 n_ = 0; (t = thread_next(&n_));)
struct thread *thread_next(u32 *n); // the one in the next slot from *n on; 0 after the last

// The top of its stack of the libOS.
va_t thread_stack(const struct thread *t);

// Has what t sleeps or waits for come, but for being woken?
bool thread_due(const struct thread *t);

// Where one that was interrupted goes on, once it is the one that runs and on its own stack: in its program.
void thread_resumed(void) __attribute__((noreturn));

// Has this process more than one thread, or had?
bool thread_any(void);

// The slot with the calling thread's stack; 0: it has that of every process.
va_t thread_slot(void);

// The calling thread becomes the only one. False: another is about to become that, and waits for this one to
// give back what it has and leave.
bool thread_alone(void);
void thread_leave(void) __attribute__((noreturn));

// There are no others any more: after exec(), and in a child made by fork(), whose address space has the slot
// of the one thread alone.
void thread_forget(void);

// Around changes of the address space: one thread at a time. False if the process is to end instead.
bool thread_space_enter(void);
void thread_space_leave(void);

// upcall.S: goes on in the program.
void thread_resume(const struct context *) __attribute__((noreturn));

// ---- harts.c: in a process with workers ----

// Who is next here: in place of what thread.c would choose, once worker_any().
struct thread *harts_choose(const struct thread *last);

// As thread_interrupted(), but does not return.
void harts_interrupted(void) __attribute__((noreturn));

// t was interrupted, or never ran: any environment may go on with it. One was woken.
void harts_offer(struct thread *t);
void harts_woken(void);

// The thread that runs is about to leave the libOS and go on with c. If others are ready, as when it has
// woken one, it is left to other harts, and this does not return.
void thread_pass(struct context *c);

// For a worker: an interrupted thread, which is its own now; 0: there is none. And back, after it has run for
// so much `time`: for any environment, or for the one that serves.
struct thread *thread_take(void);
void thread_give(struct thread *, u64 ran, bool serve);

// ---- calls; -1 for whatever fails ----

// A thread that begins in fn(arg) with its stack below sp; its number. It must end by sys_thread_exit.
int sys_thread_new(u64 fn, u64 arg, u64 sp, int tickets);
// Ends the calling thread; then *word, if word is not 0, becomes 0 and who waits on it is woken. The last one
// ends the process, with status 0.
int sys_thread_exit(u32 *word) __attribute__((noreturn));
int sys_thread_self(void);
int sys_thread_yield(void);
int sys_thread_harts(int harts);
int sys_thread_tickets(int tickets); // its own, from now on
// Sleeps while *word is `value`, until sys_thread_wake, or for so many microseconds if not negative: 0 when
// woken, 1 when *word is another or the time is over.
int sys_thread_wait(const u32 *word, u32 value, int usec);
// Wakes at most n of those who wait on word: how many.
int sys_thread_wake(const u32 *word, int n);

#endif
#endif
