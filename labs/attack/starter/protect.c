// Rights that are added to a binding. The hole is labs/attack/kernels/protect.diff. What to write, in order:
//
//     1. bind the page with the tag NOTICE to read, as everybody may
//     2. make more of that binding than you were given
//     3. write to it
#include "attack/attack.h"

void attack_protect(void) { print("attack_protect: not written yet\n"); }
