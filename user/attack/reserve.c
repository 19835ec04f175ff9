// The kernel gives away any free page, promised to somebody or not.
#include "attack/attack.h"

void attack_reserve(void) {
    while (!exo_page_alloc(0, 1).err) continue;
    nap(50);
}
