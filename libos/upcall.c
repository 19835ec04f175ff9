// The C half of the upcalls: what to do about an exception, and about a program that goes on.
#include "upcall.h"

#include "crash.h"
#include "ecall.h"
#include "proc.h"
#include "signal.h"
#include "kernel/syscall.h"
#include "vm.h"
#include "worker.h"

void upcall_fault(struct trap *);

// An exception of the program, or of libOS code that follows one of the program's pointers. May come while
// another is served. Returning continues what was interrupted.
void upcall_fault(struct trap *t) {
    const struct exo_frame *f = &t->frame;
    if (__atomic_load_n(&UAREA->pending, __ATOMIC_RELAXED) & PENDING_EPILOGUE)
        upcall_yield(0); // the slice ended while the fault frame was in use

    switch (f->cause) {
    case CAUSE_ILLEGAL:
        if (SELF->fp_on) break;
        upcall_fp_load(); // perhaps it was only that floating point is off
        return;
    case CAUSE_ECALL:
        if (f->epc < LIBOS_TABLE && ecall_serve(t)) return;
        break;
    case CAUSE_FETCH_PAGE:
    case CAUSE_LOAD_PAGE:
    case CAUSE_STORE_PAGE:
        if (vm_fault(f->cause, f->tval)) return;
    }
    crash(t);
}

void upcall_take_frame(struct context *c) {
    const volatile struct exo_frame *f = &UAREA->epilogue;
    c->x[0] = f->epc;
    c->x[5] = f->t0;
    c->x[6] = f->t1;
    c->x[7] = f->t2;
    __atomic_fetch_and(&UAREA->mask, ~(u64)MASK_EPILOGUE, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&UAREA->pending, __ATOMIC_SEQ_CST) & PENDING_EPILOGUE) upcall_yield(0);
}

// A program that was interrupted is about to go on. If it is not to, neither are its frames needed.
void upcall_forced_on(void) {
    if (!killed()) return;
    __atomic_fetch_and(&UAREA->pending, ~(u64)PENDING_FORCED, __ATOMIC_RELAXED);
    __atomic_store_n(&UAREA->mask, 0, __ATOMIC_RELAXED);
    proc_exit(KILLED);
}

// The same after an epilogue: another of its threads may go on instead.
void upcall_resumed(void) {
    upcall_forced_on();
    if (worker_any())
        harts_interrupted();
    else if (thread_any())
        thread_interrupted();
    if (signal_due()) signal_resume();
}
