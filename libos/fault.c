// What to do about an exception, once its registers are on the stack (fault.S); see upcall.h.
#include "upcall.h"

#include "crash.h"
#include "ecall.h"
#include "kernel/syscall.h"
#include "vm.h"

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
