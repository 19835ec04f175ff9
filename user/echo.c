// echo word... : the words, separated by blanks.
#include "kernel/types.h"
#include "user/user.h"

int main(int argc, char **argv) {
    if (argc < 2) printf("\n");
    for (int i = 1; i < argc; i++) printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\n');
    return 0;
}
