// loop [f] : never ends and never calls the library OS, so that only its slices' ends take the hart away from
// it. With f it keeps values in floating-point registers meanwhile, and says so if one changes.
#include "kernel/types.h"
#include "user/user.h"

static void count(void) {
    for (volatile uint64 n = 0;; n++)
        ;
}

static void count_floating(void) {
    double a = 1, b = getpid();
    for (uint64 n = 0;; n++) {
        __asm__ volatile("" : "+f"(a), "+f"(b)); // in registers, and unknown to the compiler
        if (a != 1 || b != getpid()) break;
    }
    fprintf(2, "loop: a floating-point register changed\n");
}

int main(int argc, char **argv) {
    if (argc > 1)
        count_floating();
    else
        count();
    return 1;
}
