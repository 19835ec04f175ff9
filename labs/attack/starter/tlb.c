// A hart that remembers a binding that is gone. The hole is labs/attack/kernels/tlb.diff. What to write, in
// order:
//
//     1. bind a page, and have an environment on hart 1 use it (run_on)
//     2. unbind and free the page: the victim takes pages that others gave up, and reads its secret into them
//     3. what does hart 1 see there? loot() it
#include "attack/attack.h"

void attack_tlb(void) { print("attack_tlb: not written yet\n"); }
