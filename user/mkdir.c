// mkdir directory... : makes each directory.
#include "kernel/types.h"
#include "user/user.h"

int main(int argc, char **argv) {
    int failed = 0;
    if (argc < 2) {
        fprintf(2, "usage: mkdir directory...\n");
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        if (mkdir(argv[i]) < 0) {
            fprintf(2, "mkdir: cannot make %s\n", argv[i]);
            failed = 1;
        }
    }
    return failed;
}
