// The kernel binds anybody's u-area: with it, where the victim's environment is entered.
#include "attack/attack.h"

// Each slice of the victim's now begins where it should end: it saves nothing at all, and yields.
void attack_uarea(void) {
    const volatile struct exo_env *victim = &EXO_ENVS[victim_env() & EXO_EID_INDEX];
    if (exo_bind(own_root(), PLACE(0), victim->uarea, PTE_R | PTE_W, 0).err) return;
    volatile struct exo_uarea *ua = (volatile struct exo_uarea *)PLACE(0);
    ua->entry[2] = ua->entry[1];
}
