// The kernel authorises a binding, but not what protect adds to it.
#include "attack/attack.h"

void attack_protect(void) {
    struct exo_ret r = exo_bind(own_root(), PLACE(0), victim_page(NOTICE), PTE_R, PUBLIC);
    if (r.err || exo_protect(own_root(), PLACE(0), 0, PTE_W, 0).err) return;
    volatile u64 *notice = (volatile u64 *)PLACE(0);
    *notice = ~*notice;
}
