// Floating-point registers that keep what the last user left. The hole is labs/attack/kernels/fp.diff. What
// to write, in order:
//
//     1. let the victim have a slice: here it computes with its secret in f0
//     2. turn floating point on (exo_fp)
//     3. loot() what is in the registers; that wants a line of inline assembly
#include "attack/attack.h"

void attack_fp(void) { print("attack_fp: not written yet\n"); }
