// The part of an address space that a program has grows and shrinks: a level-0 table for each 2 MiB of it,
// shown in the window, and pages; see space.h.
#include "space.h"

#include <exo/call.h>
#include "pager.h"

static u64 table_end(u64 sz) { return table_begin(sz + TABLE_SPAN - 1); }

static va_t window(va_t va) { return WINDOW_VA + va / TABLE_SPAN * EXO_PAGE; }

// ---- tables ----

static void unlink_table(ppn_t root, va_t va) {
    struct exo_ret table = exo_pt_unlink(root, va, 0);
    if (table.err == 0) exo_page_free(table.val);
}

// In the window, tables are bound but not freed by the last unbinding: page_free refuses tables.
static void drop_table(ppn_t root, va_t va) {
    exo_unbind(root, window(va), 0);
    unlink_table(root, va);
}

static bool make_table(ppn_t root, va_t va) {
    ppn_t page;
    if (!space_alloc(&page, 1)) return false;
    if (exo_pt_link(root, va, 0, page) != 0) {
        exo_page_free(page);
        return false;
    }
    if (exo_bind(root, window(va), page, PTE_R | PTE_A, 0).err == 0) return true;
    unlink_table(root, va);
    return false;
}

bool space_grow(ppn_t root, u64 sz, u64 new_sz) {
    for (va_t va = table_end(sz); va < new_sz; va += TABLE_SPAN) {
        if (!make_table(root, va)) {
            while (va > table_end(sz)) drop_table(root, va -= TABLE_SPAN);
            return false;
        }
    }
    return true;
}

// ---- pages ----

// What n operations were has become unbound. Frees each page that nobody else binds; how many were bound.
static u32 free_unbound(const struct exo_op *op, u32 n) {
    ppn_t ppn[EXO_BATCH_MAX];
    u32 bound = 0, nfree = 0;
    for (u32 i = 0; i < n; i++) {
        bound += op[i].word & PTE_V;
        pager_forget(op[i].word, op[i].binds);
        if (op[i].binds == 0) ppn[nfree++] = PTE_PPN(op[i].word);
    }
    space_free_pages(ppn, nfree);
    return bound;
}

// Unbinds [from, to), which one table covers. Stops where there is no table, as there is nothing to unbind
// then. How many were bound.
static u32 unbind(ppn_t root, va_t from, va_t to) {
    struct exo_op *op = batch_ops();
    u32 bound = 0;
    while (from < to) {
        u32 n = 0;
        for (; from < to && n < EXO_BATCH_MAX; from += EXO_PAGE)
            op[n++] = (struct exo_op){.op = EXO_UNBIND, .root = root, .va = from};
        u32 done = (u32)exo_batch(op, n).val;
        bound += free_unbound(op, done);
        if (done < n) break;
    }
    return bound;
}

void space_drop(ppn_t root, va_t from, va_t to, u32 *resident) {
    u32 bound = 0;
    while (from < to) {
        va_t end = (from | (TABLE_SPAN - 1)) + 1;
        bound += unbind(root, from, end < to ? end : to);
        from = end;
    }
    if (resident) *resident -= bound;
}

void space_shrink(ppn_t root, u64 sz, u64 new_sz, u32 *resident) {
    space_drop(root, (new_sz + EXO_PAGE - 1) & ~(u64)(EXO_PAGE - 1), sz, resident);
    for (va_t va = table_end(new_sz); va < sz; va += TABLE_SPAN) drop_table(root, va);
}
