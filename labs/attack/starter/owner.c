// An extent whose capabilities anyone sets. The hole is labs/attack/kernels/owner.diff. What to write, in
// order:
//
//     1. find the victim's extent (extent_named)
//     2. set capabilities of your own choice
//     3. read its first block with them into a page of yours; loot() its first word
#include "attack/attack.h"

void attack_owner(void) { print("attack_owner: not written yet\n"); }
