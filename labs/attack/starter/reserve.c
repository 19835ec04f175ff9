// Pages that are promised to somebody else. The hole is labs/attack/kernels/reserve.diff. What to write, in
// order:
//
//     1. take more than there is for you
//     2. wait until the victim wants what it was promised (it looks every 5 ms whether you take more)
#include "attack/attack.h"

void attack_reserve(void) { print("attack_reserve: not written yet\n"); }
