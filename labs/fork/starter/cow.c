// The write to a page that a fork left shared: see fork.h.
//
// TO WRITE, for part B. The kernel's record of the page (EXO_PAGES) says how many bindings it has. The last
// one who has it takes it as it is: exo_protect, PTE_COW away and PTE_W | PTE_D there. Anybody else gets a
// copy: pager_page(true), filled at COPY_VA, bound in place of the old one; exo_bind says what that was, and
// how many bindings it has left: who sees 0 frees it, after pager_forget(). Two rules of the pager's: after
// pager_page() look whether the entry is still as it was; and pager_hold() both pages for as long as you
// copy, so that none is taken meanwhile.
#include "fork.h"

#include <exo/call.h>
#include "lib.h"
#include "pager.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"

bool cow_write(va_t va, u64 pte) {
    print("cow: libos/cow.c is not written yet\n");
    return false;
}
