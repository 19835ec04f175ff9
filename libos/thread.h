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

struct thread {
    struct context context; // of one that was interrupted
    u64 kept[14];           // ra, sp, s0-s11 of one that gave up its turn
    u32 state;              // enum thread_state
    u32 number;             // of its slot; 0 is the process's first
    u32 tickets;
    bool interrupted; // as `context` says; else it gave up its turn, as `kept` says
    bool inside;      // asleep in a call, with whatever it holds there
    bool woken;       // by sys_thread_wake
    u64 pass, came;   // stride scheduling: time had, by ticket; time when this turn began
    const u32 *word;  // in sys_thread_wait: which, and who came when
    u64 order;
    struct event event; // what it sleeps for; in sys_thread_wait the time alone
};

// Has this process more than one thread, or had?
bool thread_any(void);

// The slot with the calling thread's stack; 0: it has that of every process.
va_t thread_slot(void);

// Sleeps, as one of several threads, for an event; may come back early.
void thread_sleep(const struct event *);

// The thread that runs was interrupted, as the u-area's epilogue frame tells, in the program. Returns if it
// is to go on.
void thread_interrupted(void);

// The thread that runs is about to leave the libOS and go on with c. If others are ready, as when it has
// woken one, it is left to other harts, and this does not return.
void thread_pass(struct context *c);

// For a worker: an interrupted thread, which is its own now; 0: there is none. And back, after it has run for
// so much `time`: for any environment, or for the one that serves.
struct thread *thread_take(void);
void thread_give(struct thread *, u64 ran, bool serve);

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

// thread.S: keeps in *from what a function keeps, and goes on with *to; goes on with *to alone, or with what
// was interrupted.
void thread_switch(struct thread *from, struct thread *to);
void thread_go(struct thread *to) __attribute__((noreturn));
void thread_resume(const struct context *) __attribute__((noreturn));

#endif
#endif
