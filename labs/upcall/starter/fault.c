// What to do about an exception, once its registers are on the stack (fault.S); see upcall.h.
//
// TO WRITE, by cause:
//
//   1. The three page faults: vm_fault().
//   2. If the slice ended while the kernel's frame was in use, PENDING_EPILOGUE is set in
//      UAREA->pending, and nobody else will end it: upcall_yield(0), before all else.
//   3. CAUSE_ILLEGAL: perhaps floating point is off only (SELF->fp_on, upcall_fp_load). If it is on, it
//      is not that.
//   4. CAUSE_ECALL: ecall_serve() for the program's, which says whether it knew the number.
//   5. All else, and what the others do not serve: crash(), which does not return.
#include "upcall.h"

#include <exo/call.h>
#include "crash.h"
#include "ecall.h"
#include "kernel/syscall.h"
#include "lib.h"
#include "vm.h"

void upcall_fault(struct trap *t) {
    print("fault: libos/fault.S and libos/fault.c are not written yet\n");
    exo_env_end(SELF->first.eid);
}
