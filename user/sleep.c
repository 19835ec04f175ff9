// sleep ticks : does nothing for so long.
#include "kernel/types.h"
#include "user/user.h"

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(2, "usage: sleep ticks\n");
        return 1;
    }
    return sleep(atoi(argv[1])) < 0;
}
