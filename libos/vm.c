// Page faults, the heap, the commit count, and checks of the program's pointers; see vm.h. All of it acts on
// the calling process alone, but for the commit count.
#include "vm.h"

#include <exo/call.h>
#include "exec.h"
#include "fork.h"
#include "lib.h"
#include "map.h"
#include "pager.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"

static u64 page_up(u64 n) { return (n + EXO_PAGE - 1) & ~(u64)(EXO_PAGE - 1); }

// ---- faults ----

static bool demand_zero(va_t va) {
    struct exo_ret page = pager_page(false);
    if (page.err) return false;
    if (exo_bind(SELF->root, va, page.val, SPACE_RW, 0).err == 0) me()->resident++;
    return true; // else it was taken already: to be tried again
}

// A process binds each frame of the buffer cache that it comes to use, once.
static bool bind_frame(u64 i) {
    me()->frames[i / 64] |= 1UL << i % 64;
    return exo_bind(SELF->root, CACHE_VA + i * EXO_PAGE, SHARED->frame_ppn[i], SPACE_RW, 0).err == 0;
}

// What is there and may be used so has been brought in since, for another thread.
static bool serve(u64 cause, va_t va, u64 pte) {
    u64 need = cause == CAUSE_FETCH_PAGE ? PTE_X : cause == CAUSE_STORE_PAGE ? PTE_W : PTE_R;
    if (pte & PTE_V) return pte & need || (need == PTE_W && pte & PTE_COW && cow_write(va, pte));
    return pte ? pager_in(va, pte) : need != PTE_X && demand_zero(va);
}

// Of memory whose pages may not be there; of memory at all.
static bool may_come(va_t va) { return va < me()->sz ? va != program()->guard : map_has(va); }

static bool is_mine(va_t va) { return may_come(va) || map_shares(va); }

bool vm_fault(u64 cause, va_t va) {
    va &= ~(u64)(EXO_PAGE - 1);
    u64 frame = (va - CACHE_VA) / EXO_PAGE;
    if (frame < SHARED->frames && cause != CAUSE_FETCH_PAGE) return bind_frame(frame);
    if (va >= PROGRAM_END) return false;
    pager_enter(); // which may take a while, and another thread may give up memory meanwhile
    bool ok = !me()->lost && may_come(va) && serve(cause, va, PTE_OF(va));
    pager_leave();
    return ok;
}

// ---- the program's pointers ----

static bool page_ok(va_t va, bool write, bool *waited) {
    for (;; *waited = true) {
        u64 pte = PTE_OF(va);
        if (pte & PTE_V && pte & (write ? PTE_W : PTE_R)) return true;
        if (!vm_fault(write ? CAUSE_STORE_PAGE : CAUSE_LOAD_PAGE, va)) return false;
    }
}

bool user_ok(const void *p, u64 n, bool write) {
    va_t va = (va_t)p, end = page_up(me()->sz);
    if (n == 0) return true;
    if (va >= me()->map) end = PROGRAM_END;
    if (va >= end || n > end - va) return false;
    bool waited = false;
    va_t first = va & ~(u64)(EXO_PAGE - 1);
    for (va_t page = first; page < va + n; page += EXO_PAGE)
        if (!page_ok(page, write, &waited)) return false;
    for (va_t page = first; waited && page < va + n; page += EXO_PAGE)
        if (!is_mine(page)) return false; // any more: another thread has given it up
    return true;
}

int user_str(const char *p, char *out, int max) {
    for (int n = 0; n < max; n++) {
        if ((n == 0 || (va_t)(p + n) % EXO_PAGE == 0) && !user_ok(p + n, 1, false)) return -1;
        out[n] = p[n];
        if (out[n] == 0) return n;
    }
    return -1;
}

va_t vm_table(const struct proc *p, va_t va) {
    va_t map = table_begin(p->map);
    va = table_begin(va);
    return va < p->sz || va > map ? va : map;
}

// ---- the commit count and the heap ----

u64 vm_cost(u64 sz) { return space_pages() + page_up(sz) / EXO_PAGE + (sz + TABLE_SPAN - 1) / TABLE_SPAN; }

bool vm_charge(u64 *charged, u64 pages) {
    struct commit *c = &SHARED->commit;
    lock_acquire(&c->lock);
    u64 used = c->used - *charged + pages;
    bool ok = pages <= *charged || used <= c->limit;
    if (ok) {
        c->used = used;
        *charged = pages;
    }
    lock_release(&c->lock);
    return ok;
}

void vm_shrink(struct proc *p, u64 sz) {
    u64 old = p->sz;
    pager_enter();
    p->sz = sz;
    space_shrink(p->root, old, sz, &p->resident);
    pager_leave();
}

static bool grow(struct proc *p, u64 sz) {
    u64 more = vm_cost(sz) - vm_cost(p->sz);
    if (!vm_charge(&p->charged, p->charged + more)) return false;
    if (space_grow(p->root, p->sz, sz)) return true;
    vm_charge(&p->charged, p->charged - more);
    return false;
}

static char *change_size(int n) {
    struct proc *p = me();
    u64 old = p->sz, sz = old + (u64)(i64)n;
    if (n >= 0 ? sz > table_begin(p->map) : sz > old) return (char *)-1;
    if (sz > old && !grow(p, sz)) return (char *)-1;
    if (sz < old) {
        vm_shrink(p, sz);
        vm_charge(&p->charged, p->charged - (vm_cost(old) - vm_cost(sz)));
    }
    p->sz = sz;
    return (char *)old;
}

char *sys_sbrk(int n) {
    if (!thread_space_enter()) return (char *)-1;
    char *old = change_size(n);
    thread_space_leave();
    return old;
}
