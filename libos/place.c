// Where a process's mappings are, which tables they have, and which addresses are of one; see map.h.
#include "map.h"

#include "pager.h"
#include "proc.h"
#include "space.h"
#include "vm.h"

// ---- looking ----

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

static const struct mapping *of(va_t va) { return va < me()->map ? 0 : map_find(me(), va, va + 1); }

bool map_has(va_t va) {
    const struct mapping *m = of(va);
    return m && !m->object;
}

bool map_shares(va_t va) {
    const struct mapping *m = of(va);
    return m && m->object;
}

// ---- places ----

va_t map_place(const struct proc *p, u64 pages) {
    va_t end = PROGRAM_END, least = table_begin(p->sz + TABLE_SPAN - 1);
    while (end >= least + pages * EXO_PAGE) {
        const struct mapping *m = map_find(p, end - pages * EXO_PAGE, end);
        if (!m) return end - pages * EXO_PAGE;
        end = m->va;
    }
    return 0;
}

int map_cut(struct proc *p, struct mapping *m, va_t va, va_t end) {
    struct mapping upper = *m, *place = m;
    bool below = va > m->va, above = end < map_end(m);
    if (below && above && (place = map_unused(p)) == 0) return -1;
    upper.va = end;
    upper.at += (u32)((end - m->va) / EXO_PAGE);
    upper.pages = (u32)((map_end(m) - end) / EXO_PAGE);
    m->pages = (u32)((va - m->va) / EXO_PAGE);
    if (above) *place = upper;
    if (m->pages == 0) *m = (struct mapping){0};
    return below + above;
}

// ---- tables ----

static u64 tables(va_t from, va_t to) { return (table_begin(to) - table_begin(from)) / TABLE_SPAN; }

bool map_tables(struct proc *p, va_t va) {
    if (va >= p->map) return true;
    u64 n = tables(va, p->map);
    if (!vm_charge(&p->charged, p->charged + n)) return false;
    if (!space_grow(p->root, table_begin(va), table_begin(p->map))) {
        vm_charge(&p->charged, p->charged - n);
        return false;
    }
    p->map = va;
    return true;
}

static va_t lowest(const struct proc *p) {
    va_t low = PROGRAM_END;
    EACH_MAP(p, m)
    if (m->pages && m->va < low) low = m->va;
    return low;
}

void map_tables_drop(struct proc *p) {
    va_t was = p->map, now = lowest(p);
    pager_enter();
    p->map = now;
    space_shrink(p->root, table_begin(now), table_begin(was), 0);
    pager_leave();
    vm_charge(&p->charged, p->charged - tables(was, now));
}
