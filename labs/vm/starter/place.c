// Where a process's mappings are, which tables they have, and which addresses are of one; see map.h, which
// has the contract.
//
// TO WRITE, for part C. EACH_MAP(p, m) goes through p's mappings, in no order; m->pages is 0 where none is.
//
//   1. map_has() and map_shares(), of this process; none lies below me()->map.
//   2. map_place(): from PROGRAM_END down, below each mapping that is in the way. The heap's last table is
//      the heap's alone.
//   3. map_tables(): a mapping's tables, from the one of va up to those that are there (p->map on), charged
//      (vm_charge) and made (space_grow). p->map is then va.
//   4. map_tables_drop(): the reverse, with the lowest mapping that is left; between pager_enter() and
//      pager_leave(), as space_shrink() goes by p->map.
//   5. map_cut(): nothing, a lower part, an upper part or both are left of m; `at` of an upper part says
//      which page of the object it begins with.
#include "map.h"

#include "lib.h"
#include "pager.h"
#include "proc.h"
#include "space.h"
#include "vm.h"

struct mapping *map_find(const struct proc *p, va_t va, va_t end) {
    EACH_MAP(p, m)
    if (m->pages && m->va < end && va < map_end(m)) return m;
    return 0;
}

struct mapping *map_unused(const struct proc *p) {
    EACH_MAP(p, m)
    if (!m->pages) return m;
    return 0;
}

u32 map_pages(const struct proc *p) {
    u32 n = 0;
    EACH_MAP(p, m) n += m->pages;
    return n;
}

bool map_has(va_t va) { return false; }

bool map_shares(va_t va) { return false; }

va_t map_place(const struct proc *p, u64 pages) {
    print("place: libos/place.c is not written yet\n");
    return 0;
}

int map_cut(struct proc *p, struct mapping *m, va_t va, va_t end) { return -1; }

bool map_tables(struct proc *p, va_t va) { return false; }

void map_tables_drop(struct proc *p) {}
