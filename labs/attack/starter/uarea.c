// A u-area that others may bind. The hole is labs/attack/kernels/uarea.diff. What to write, in order:
//
//     1. find the victim's u-area (EXO_ENVS)
//     2. bind it
//     3. see to it that the victim is entered somewhere else than where it said
#include "attack/attack.h"

void attack_uarea(void) { print("attack_uarea: not written yet\n"); }
