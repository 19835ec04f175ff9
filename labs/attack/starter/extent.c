// A request that goes past the end of its extent. The hole is labs/attack/kernels/extent.diff. What to write,
// in order:
//
//     1. see whose blocks come after those of the extent `mine`
//     2. change one of the victim's
#include "attack/attack.h"

void attack_extent(void) { print("attack_extent: not written yet\n"); }
