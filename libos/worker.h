// A process on several harts: beside its own environment it has one, a worker, on each other hart that it was
// given, on the same address space. Workers run what threads do in their program and nothing else: of the
// libOS only this file, worker.S and thread_take() and thread_give() run there. A thread that calls the
// libOS, or faults, goes to the process's own environment, as if it had been interrupted just before; so the
// rest of the libOS need not know. It is served when that one comes to it: at once if it has no thread to
// run; else at the end of its slice, before others that a worker could run as well; or when its thread has
// woken another.
//
// A thread passes from one environment to the other through its state (harts.c) and its context. A worker
// keeps nothing else: it gives its thread away at the end of each slice and takes one when the next begins.
//
// While a worker runs a thread, tp is the worker's u-area: so the jump table's gate knows where it is called.
// Elsewhere tp is 0. Compilers keep it for the libOS (RISC-V psABI, thread pointer); a program of several
// harts that changes it there breaks its own process.
//
// The other environments of a process that lost a worker cannot know what its thread had done. It ends.
#ifndef EXV6_WORKER_H
#define EXV6_WORKER_H

#define WORKERS_VA    0x401f0000 // their u-areas: a page for each, at most 8
#define WORKERS_SHIFT 15

// Offsets from the u-area.
#define WORKER_NOW   0x400
#define WORKER_FP_ON 0x408

#ifndef __ASSEMBLER__
#include <exo/abi.h>
#include <stdbool.h>

struct context;
struct proc;
struct thread;

// Of a worker's u-area, which also has its stack.
struct worker {
    struct thread *now; // which it runs
    u64 fp_on;          // that one's f registers are in the hart
    u64 came;           // time when its turn began
    u32 idle;           // none was to be had
};

// Has this process workers?
bool worker_any(void);

// One more; false: there is no other hart, or something ran out.
bool worker_add(void);

// The idle ones look for a thread again.
void worker_wake(void);

// Has one lost its environment, or has the kernel stopped it?
bool worker_lost(void);

// Ends those of p: this process, or one that runs no more. What they were charged stays charged.
void worker_end(struct proc *p);

// ---- between worker.c and worker.S, on a worker ----

// A thread to go on with. Does not return while there is none.
const struct context *worker_next(struct exo_uarea *ua);
// The slice is over.
void worker_leave(struct exo_uarea *ua);
// The thread's context is complete: it has made a call, or an exception with this cause.
const struct context *worker_call(struct exo_uarea *ua);
const struct context *worker_fault(struct exo_uarea *ua, u64 cause);

void worker_fp_save(struct exo_uarea *ua); // and floating point off
void worker_fp_load(struct exo_uarea *ua); // on

// As wait of <exo/abi.h>: goes on in worker_next(), or returns why not. Ends the slice.
i64 worker_wait(ppn_t code, u64 w0, u64 w1, u64 w2);
void worker_yield(void) __attribute__((noreturn));

extern const u64 worker_entries[4];

_Static_assert(UA_LIBOS + offsetof(struct worker, now) == WORKER_NOW, "struct worker");
_Static_assert(UA_LIBOS + offsetof(struct worker, fp_on) == WORKER_FP_ON, "struct worker");
_Static_assert(EXO_NHART << 12 <= 1 << WORKERS_SHIFT, "a page for each");
#endif

#endif
