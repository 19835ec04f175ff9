// fill : takes all memory there is, then what every refusal promises: that the call returned -1, nothing was
// lost, and the program goes on with what it has.
#include "kernel/types.h"
#include "kernel/riscv.h"
#include "user/user.h"

#define NONE ((char *)-1)

static void fail(const char *what) {
    fprintf(2, "fill: %s\n", what);
    exit(1);
}

// Grows by `step` until that is refused; the bytes won.
static uint64 grow(int step) {
    uint64 n = 0;
    while (sbrk(step) != NONE) n += step;
    return n;
}

int main(void) {
    char *from = sbrk(0), *first = (char *)PGROUNDUP((uint64)from);
    uint64 bytes = grow(64 * PGSIZE);
    bytes += grow(PGSIZE);
    char *end = from + bytes;
    if (sbrk(0) != end) fail("a refused sbrk moved the end");
    for (char *p = first; p + PGSIZE <= end; p += PGSIZE) *(char **)p = p;
    for (char *p = first; p + PGSIZE <= end; p += PGSIZE)
        if (*(char **)p != p) fail("a page holds what is another's");
    if (fork() != -1) fail("a fork found memory");
    uint64 back = bytes / 4 * 3; // what is left is promised to the child once more
    if (sbrk(-(int)back) != end || sbrk(0) != end - back) fail("memory cannot be given back");
    int pid = fork(), status;
    if (pid == 0) exit(7);
    if (pid < 0 || wait(&status) != pid || status != 7) fail("no fork after memory was given back");
    printf("fill: %lu pages\n", bytes / PGSIZE);
    return 0;
}
