// poweroff [code] : ends the machine; where the host asks for an exit status, it gets this one.
#include "kernel/types.h"
#include "user/user.h"
#include "user/exv6.h"

int main(int argc, char **argv) {
    poweroff(argc > 1 ? atoi(argv[1]) : 0);
    fprintf(2, "poweroff: refused\n");
    return 1;
}
