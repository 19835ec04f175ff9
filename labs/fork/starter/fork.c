// fork: a new address space, with copies of the libOS's private pages and the program's pages in both, and an
// environment on it that goes on where the parent called upcall_fork().
//
// TO WRITE. In order, each step to be tried before the next (README has more):
//
//   1. sys_fork(): one thread at a time (thread_space_enter, thread_space_leave). proc_new() gives an entry
//      in state PROC_NEW with a hart and a slot; proc_run() brings it to life, which cannot fail, so it comes
//      last; until then proc_cancel() takes it back.
//   2. The address space: vm_charge() as much as the parent has; space_new(); space_grow() to the parent's
//      size, then the child's `sz`; map_fork() for its mappings.
//   3. The program's pages, between pager_enter() and pager_leave(). Begin with copies: for each valid
//      PTE_OF(va) a page_new(), filled through a binding of your own (space_scratch, or COPY_VA).
//   4. The child's u-area: space_scratch() gives a page, bound at SCRATCH_VA. It needs the entries, a mask of
//      MASK_LIBOS, and a struct self (upcall.h): yours, but for what says which process it is.
//      upcall_fork(kept) returns twice: 0 now, and in the child `result` with the registers in `kept`.
//      upcall_fp_save() goes before it; in the child first_self(&SELF->first) and thread_forget() come after.
//   5. file_fork(); exo_env_new() on the child's root; the u-area bound at UA_VA there; exo_slot_set().
//   6. Each step may fail. Then all before it is taken back, in reverse, and the answer is -1.
//   7. Now copy nothing: bind the parent's page in the child (batch_add, batch_flush), and take PTE_W from
//      both, with PTE_COW in its place; cow.c makes the copy when one of the two writes. A page that could
//      not be written to stays as it is.
#include "fork.h"

#include <exo/call.h>
#include "file.h"
#include "lib.h"
#include "map.h"
#include "pager.h"
#include "proc.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"
#include "worker.h"

int sys_fork(void) {
    print("fork: libos/fork.c is not written yet\n");
    return -1;
}
