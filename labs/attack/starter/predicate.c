// A predicate that reads a page that has changed hands. The hole is labs/attack/kernels/predicate.diff. What
// to write, in order:
//
//     1. load a predicate that may read a page of yours
//     2. part with the page: the victim takes pages that others gave up, and reads its secret into them
//     3. ask the predicate for the secret, and loot() it. All that it tells is whether you wake
#include "attack/attack.h"

void attack_predicate(void) { print("attack_predicate: not written yet\n"); }
