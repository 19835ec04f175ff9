// See thread.h: whose turn it is, and how the hart goes from one thread to another.
//
// TO WRITE. In order, each step to be tried before the next (README has more). At first a process may be sure
// that no slice ends in the middle: thread_interrupted() as it is here just goes on with the thread that ran.
//
//   1. The one that runs: thread_first(), thread_now(). When a thread's turn begins, SELF->save becomes its
//      context, where an epilogue saves what it was doing, and SELF->stack its thread_stack(), where its
//      calls of the libOS begin.
//   2. thread_give_turn(), with thread_ready() and a first pick(): any thread that is THREAD_READY, but the
//      one that gives up its turn only if there is no other. thread_switch() (thread.S) leaves a thread
//      inside this function, and comes back to it here. One that never ran is `interrupted`: it has a
//      context but no place in here; so its `kept` must say that it goes on in thread_resumed(), on its own
//      stack.
//   3. thread_wait_on(), thread_wake_one(): a word, and who waits on it, longest first.
//   4. thread_sleep(), thread_idle(): when no thread can run, the process sleeps. pick() looks whether what a
//      sleeping thread sleeps for has come (thread_due()). What may come between that look and the sleep must
//      end the sleep: so ask event_all() before.
//   5. thread_interrupted(): upcall_take_frame() moves what the kernel's frame holds to the thread's context;
//      thread_go_on() goes on with another.
//   6. Floating point: if SELF->fp_on, the f registers are those of the thread whose turn ends; upcall.S
//      saves them when a slice ends, upcall_fp_save() does so here. It comes before SELF->save changes.
//   7. Shares: thread_turn_over() charges what a thread had of the hart, by thread_charge(); pick() takes the
//      lowest pass. Of `time`, SELF->off is what the process did not have. Who becomes ready does not catch
//      up. Who changes its tickets is charged first.
//   8. On several harts, harts_choose() is asked instead of what is here (worker_any()).
#include "thread.h"

#include <exo/call.h>
#include "lib.h"
#include "proc.h"
#include "signal.h"
#include "upcall.h"
#include "worker.h"

static void unwritten(void) __attribute__((noreturn));
static void unwritten(void) {
    print("thread: libos/thread.c is not written yet\n");
    proc_exit(1);
}

struct thread *thread_now(void) {
    return 0;
}

u64 thread_clock(void) { return 0; }

// Called for every process, with 0: when it begins.
void thread_first(struct thread *t) {
    if (t) unwritten();
}

void thread_ready(struct thread *t) {}

void thread_charge(struct thread *t, u64 ran) {}

void thread_turn_over(void) {}

void thread_share(u32 tickets) { unwritten(); }

void thread_give_turn(void) { unwritten(); }

void thread_interrupted(void) {}

void thread_go_on(struct thread *t) { unwritten(); }

void thread_sleep(const struct event *e) { unwritten(); }

void thread_wait_on(const u32 *word, u64 until) { unwritten(); }

bool thread_wake_one(const u32 *word) { return false; }

void thread_idle(u64 seen) { unwritten(); }
