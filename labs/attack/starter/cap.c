// A capability that is asked for, and not compared. The hole is labs/attack/kernels/cap.diff. What to write,
// in order:
//
//     1. find the page with the tag SECRET (victim_page)
//     2. bind it to read, with a capability that it cannot have
//     3. loot() its first word
#include "attack/attack.h"

void attack_cap(void) { print("attack_cap: not written yet\n"); }
