// See pages.h.
#include "pages.h"
#include "space.h"
#include "thread.h"
#include "vm.h"

// With threads none: another's sbrk, exec or fork could take a page away, or share it, during the request.
u32 user_pages(const void *at, u32 n, int write, ppn_t *ppn) {
    va_t va = (va_t)at;
    u32 i = 0;
    if (thread_any()) return 0;
    for (; i < n && user_ok((const void *)va, EXO_PAGE, write); i++, va += EXO_PAGE)
        ppn[i] = PTE_PPN(PTE_OF(va));
    return i;
}
