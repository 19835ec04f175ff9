// Page faults, the heap, the commit count, and checks of the program's pointers; see vm.h, which has the
// contract. All of it acts on the calling process alone, but for the commit count.
//
// TO WRITE. In order; grow.c comes first:
//
//   1. vm_fault(), without which no program comes far: its bss and its stack come on demand. What PTE_OF(va)
//      says decides:
//      - 0, nothing yet: if it is of the heap, the bss, the stack or a private mapping (map_has), a page from
//        pager_page(false), bound with SPACE_RW; me()->resident counts it. But not for a fetch, and not at
//        program()->guard.
//      - PTE_V, and what is asked for is allowed: true. It has come meanwhile, for another thread.
//      - PTE_V, PTE_COW, and a store: cow_write().
//      - PTE_V otherwise: false, the program must answer for it.
//      - anything else: pager_in().
//      All that between pager_enter() and pager_leave(); and a process that is `lost` is not helped.
//   2. user_ok() and user_str(), without which no call does anything: every page of [p, p + n) is in the
//      program (or among its mappings, from me()->map on), is there, and can be used so; vm_fault() brings
//      it in. p and n may be anything: p + n may be beyond the last address. If a page had to be waited for,
//      look once more at the end whether all are still the program's.
//   3. sys_sbrk() that grows: between thread_space_enter() and thread_space_leave(). Charge first
//      (vm_charge), then make tables (space_grow); take back what was charged if there are none. The heap
//      ends where the table of the lowest mapping begins.
//   4. vm_charge(), exactly as vm.h says.
//   5. sys_sbrk() that shrinks, and vm_shrink(), for part B.
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

// A process binds each frame of the buffer cache that it comes to use, once.
static bool bind_frame(u64 i) {
    me()->frames[i / 64] |= 1UL << i % 64;
    return exo_bind(SELF->root, CACHE_VA + i * EXO_PAGE, SHARED->frame_ppn[i], SPACE_RW, 0).err == 0;
}

bool vm_fault(u64 cause, va_t va) {
    va &= ~(u64)(EXO_PAGE - 1);
    u64 frame = (va - CACHE_VA) / EXO_PAGE;
    if (frame < SHARED->frames && cause != CAUSE_FETCH_PAGE) return bind_frame(frame);
    if (va >= PROGRAM_END) return false;
    print("vm: vm_fault() of libos/vm.c is not written yet\n");
    return false;
}

bool user_ok(const void *p, u64 n, bool write) {
    print("vm: user_ok() of libos/vm.c is not written yet\n");
    return n == 0;
}

int user_str(const char *p, char *out, int max) {
    print("vm: user_str() of libos/vm.c is not written yet\n");
    return -1;
}

va_t vm_table(const struct proc *p, va_t va) {
    va_t map = table_begin(p->map);
    va = table_begin(va);
    return va < p->sz || va > map ? va : map;
}

u64 vm_cost(u64 sz) { return space_pages() + page_up(sz) / EXO_PAGE + (sz + TABLE_SPAN - 1) / TABLE_SPAN; }

bool vm_charge(u64 *charged, u64 pages) { return true; }

void vm_shrink(struct proc *p, u64 sz) {}

char *sys_sbrk(int n) {
    print("vm: sys_sbrk() of libos/vm.c is not written yet\n");
    return (char *)-1;
}
