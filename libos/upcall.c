// The C half of the epilogue and the prologue: what to do about a program that goes on. That of exceptions is
// fault.c.
#include "upcall.h"

#include "proc.h"
#include "signal.h"
#include "worker.h"

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
