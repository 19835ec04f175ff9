// The kernel asks whether there is a capability, not whether it is the page's.
#include "attack/attack.h"

void attack_cap(void) {
    struct exo_ret r = exo_bind(own_root(), PLACE(0), victim_page(SECRET), PTE_R, 12345);
    if (!r.err) loot(*(volatile u64 *)PLACE(0));
}
