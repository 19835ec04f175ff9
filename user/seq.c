// seq [first] last : the numbers from first, or 1, to last, a line each.
#include "kernel/types.h"
#include "user/user.h"

static int number(const char *s, int *n) {
    const char *digits = s[0] == '-' ? s + 1 : s;
    *n = atoi(digits);
    if (s[0] == '-') *n = -*n;
    for (s = digits; *s; s++)
        if (*s < '0' || *s > '9') return 0;
    return s > digits;
}

int main(int argc, char **argv) {
    int first = 1, last;
    if (argc < 2 || argc > 3 || !number(argv[argc - 1], &last) || (argc == 3 && !number(argv[1], &first))) {
        fprintf(2, "usage: seq [first] last\n");
        return 1;
    }
    for (; first <= last; first++) printf("%d\n", first);
    return 0;
}
