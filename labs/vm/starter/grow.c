// The part of an address space that a program has grows and shrinks: a level-0 table for each 2 MiB of it,
// shown in the window, and pages; see space.h, which has the contract.
//
// TO WRITE. In order:
//
//   1. space_grow(), so that anything runs at all. A program of size sz has tables for [0, sz): all 2 MiB
//      (TABLE_SPAN) of which it has a byte. For each more that new_sz needs: space_alloc() gives a page,
//      exo_pt_link(root, va, 0, page) makes it the table, and it is bound, read-only, where the window shows
//      it: at WINDOW_VA, a page for each table. If one cannot be had, those made before go again. A page
//      that cannot be linked is free again.
//   2. space_drop(), for part B. exo_unbind() says what the entry was (val) and how many bindings the page
//      has left (val2): who sees 0 frees the page, as nobody else will. pager_forget() hears of each entry
//      that was, before its page is freed. A batch (batch_ops(), exo_batch) does the same for 102 pages at a
//      time: `word` and `binds` of an operation say then what it found. Where no table is, a batch ends
//      early.
//   3. space_shrink(): pages first, from the first whole page beyond new_sz on, then tables. The window's
//      binding of a table goes before exo_pt_unlink(), which gives an ordinary page back.
#include "space.h"

#include <exo/call.h>
#include "lib.h"
#include "pager.h"

bool space_grow(ppn_t root, u64 sz, u64 new_sz) {
    print("grow: libos/grow.c is not written yet\n");
    return false;
}

void space_drop(ppn_t root, va_t from, va_t to, u32 *resident) {}

void space_shrink(ppn_t root, u64 sz, u64 new_sz, u32 *resident) {}
