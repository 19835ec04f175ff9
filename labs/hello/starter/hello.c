// Lab hello: a libOS of the smallest kind, on bare kernel calls. The machine boots it in place of first.c, so
// it is account 1 and owns all there is. What to write, in this order (labs/hello/README):
//
//     1. one page: take it off the free list, bind it at the address that the boot argument `at` names, write
//     the word
//        `hello HEX` into it, put it on the console out of that page, halt
//     2. yield once, between that and the end
//     3. give back all that was taken, and nothing else
//     4. tables, where the kernel has none for that address; they are given back, too
//     5. as many words as the boot argument `pages` says
//
// print(), print_to() and rt_yield() are the runtime's (user/rt/rt.h); the kernel's calls are exo_NAME() in
// <exo/call.h>; boot arguments come from boot_number() (user/bootarg.h).
#include "rt/rt.h"
#include "bootarg.h"

void rt_fault(struct exo_uarea *ua) {
    print("hello: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    exo_halt(1);
}

int main(void);
int main(void) {
    print("hello: not written yet\n");
    exo_halt(1);
    return 1;
}
