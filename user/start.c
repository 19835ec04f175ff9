// Where every program starts. exec() leaves argc and argv in the first two argument registers; a program
// whose main() returns has ended with that status.
#include "kernel/types.h"
#include "user/user.h"

int main(int argc, char **argv);

__attribute__((section(".text.start"))) void _start(int argc, char **argv) {
    __asm__(".cfi_undefined ra"); // nobody called it: here a debugger's backtrace ends
    exit(main(argc, argv));
}
