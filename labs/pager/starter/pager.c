// Which pages go and how, how they come back, and what is done when the kernel asks for pages or has taken
// some. See pager.h for what the functions below promise, and for what paging.c does for them; swap.h has the
// disk's side. Everything shared by the processes is in SHARED->pager (struct pager).
//
// TO WRITE. In order, each step to be tried before the next (README has more):
//
//   1. One victim. pager_make_room(): any page that may go, of any process (PAGER_EACH_TABLE, pager_table).
//      Not those that are kept, pinned, not PAGE_DATA, that more than one entry binds, or in [io, io_end).
//      PAGER_VA shows one table at a time. exo_page_set() keeps the victim meanwhile (the kernel could take
//      it); then its entry is emptied, a slot taken and the page written; then the entry gets
//      slot << PAGER_SLOT and the bits that pager_in() will need; then the page is freed, and `resident`
//      counted down. The entry goes before the page is written: somebody may be storing to it.
//   2. pager_in(): the way back. Until somebody stores to the page, the slot stays its own: it is in the tag.
//   3. pager_forget(), pager_share(), pager_changed(): the references of slots.
//   4. A page whose tag names a slot, and whose entry has no D, is not written again.
//   5. Several at once, in `victim`: one batch (pager_add, pager_run), slots in a row, one swap_write().
//   6. The clock: `proc` and `va` are its hand. It takes A away where it comes by, and lets go what has none
//      when it comes again; clean pages before others. What a fork left shared goes when there is nothing
//      else (pager_sharers); then all entries change together.
//   7. pager_owes(): what the kernel has asked for, by the account's record. pager_enter() gives it, as does
//      pager_look(). (`deaf`, for tests, owes nothing.)
//   8. By force: the account's `repossessed` is not `seen`. Whose tables have fewer pages left than
//      `resident` has lost some: pager_lost(). No page on its way out (PAGE_DOOMED) counts; and whoever is
//      left has no slot any more in a page's tag, as pager_recount() goes by entries alone.
#include "pager.h"

#include <exo/call.h>
#include "lib.h"
#include "proc.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"

#define PAGER (&SHARED->pager)
#define SWAP  (&PAGER->swap)

static void not_written(void) { print("pager: libos/pager.c is not written yet\n"); }

// ---- putting pages out ----

u32 pager_make_room(u32 want) {
    not_written();
    return 0;
}

// ---- bringing pages in, and their slots ----

bool pager_in(va_t va, u64 word) {
    not_written();
    return false;
}

void pager_forget(u64 old, u64 binds) {}

void pager_share(u64 word) {}

void pager_changed(ppn_t ppn) {}

// ---- revocation ----

u32 pager_owes(u32 more) { return 0; }

void pager_enter(void) {
    if (!pager_on()) return;
    lock_acquire(&PAGER->lock);
}

void pager_look(void) {
    if (pager_is_first() && pager_on() && EXO_ACCTS[SHARED->account].revoke_deadline) not_written();
}
