// A page that its last owner had left something in. The hole is labs/attack/kernels/zero.diff. What to write,
// in order:
//
//     1. find a free page that was the victim's (EXO_PAGES; here the victim has read its secret and freed
//     that page)
//     2. take that one, by its number, and ask to have it as it is
//     3. bind it, and loot() its first word
#include "attack/attack.h"

void attack_zero(void) { print("attack_zero: not written yet\n"); }
