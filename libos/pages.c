// See pages.h.
#include "pages.h"
#include "map.h"
#include "pager.h"
#include "proc.h"
#include "space.h"
#include "thread.h"
#include "vm.h"

// With threads none: another's sbrk, munmap, exec or fork could take a page away, or share it, during the
// request.
u32 user_pages(const void *at, u32 n, int write, ppn_t *ppn) {
    va_t va = (va_t)at;
    u32 i = 0;
    if (thread_any()) return 0;
    pager_enter();
    me()->io = va;
    me()->io_end = va + (u64)n * EXO_PAGE;
    pager_leave();
    for (; i < n && !(write && map_shares(va)) && user_ok((const void *)va, EXO_PAGE, write);
         i++, va += EXO_PAGE)
        ppn[i] = PTE_PPN(PTE_OF(va)); // it stays where it is: io
    pager_enter();
    for (u32 k = 0; write && k < i; k++) pager_changed(ppn[k]); // the disk sets no D
    pager_leave();
    return i;
}

void user_pages_done(void) { me()->io_end = 0; }
