// The write to a page that a fork left shared: see fork.h.
#include "fork.h"

#include <exo/call.h>
#include "lib.h"
#include "pager.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"

static bool kept(ppn_t ppn) { return EXO_PAGES[ppn - EXO_PPN_BASE].flags & PAGE_KEEP; }

// A write to a page that was shared by a fork. The kernel's count of bindings tells whether it still is; if
// it is not, nobody else can come to share it meanwhile. Two sharers that both copy it find that out when
// each binds its copy instead: the one that saw the last binding go frees the page.
bool cow_write(va_t va, u64 pte) {
    ppn_t root = SELF->root;
    if (EXO_PAGES[PTE_PPN(pte) - EXO_PPN_BASE].binds == 1)
        return exo_protect(root, va, PTE_COW, PTE_W | PTE_D, 0).err == 0;

    struct exo_ret copy = pager_page(true);
    if (copy.err) return false;
    if (PTE_OF(va) != pte) { // it had to make room for its copy: the next fault finds it as it is now
        exo_page_free(copy.val);
        return true;
    }
    // A fault in here would wait for this process's own lock.
    bool old_kept = kept(PTE_PPN(pte)), copy_kept = kept((ppn_t)copy.val);
    if (!pager_hold((ppn_t)copy.val) || !pager_hold(PTE_PPN(pte))) {
        exo_page_free(copy.val);
        pager_overdue();
        return true;
    }
    exo_bind(root, COPY_VA, copy.val, SPACE_RW, 0);
    memcpy((void *)COPY_VA, (const void *)va, EXO_PAGE);
    struct exo_ret old = exo_bind(root, va, copy.val, SPACE_RW, 0);
    exo_unbind(root, COPY_VA, 0);
    pager_forget(old.val, old.val2);
    if (!copy_kept) pager_let_go((ppn_t)copy.val);
    if (old.val2 == 0)
        exo_page_free(PTE_PPN(old.val));
    else if (!old_kept)
        pager_let_go(PTE_PPN(old.val));
    return true;
}
