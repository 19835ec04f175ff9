// The hidden test of the fork lab (hidden.py): a tree of processes that is drawn, all of which write to pages that
// are drawn, on the heap and off it, while others have them, too.
#include "labs/lab.h"

#define PAGES 40

struct page {
    uint64 word[512];
};

static struct page data[PAGES / 2], *heap;

static uint64 *word(uint64 p) { return p < PAGES / 2 ? &data[p].word[p] : &heap[p - PAGES / 2].word[511 - p]; }

static void change(uint64 seed, uint64 id, uint64 step) {
    for (uint64 i = 0; i < 5; i++) {
        uint64 *w = word(fresh(seed, id * 1000 + step * 10 + i) % PAGES);
        *w = *w * 31 + id;
    }
}

static uint64 sum(void) {
    uint64 sum = 0;
    for (uint64 p = 0; p < PAGES; p++) sum = sum * 31 + *word(p);
    return sum;
}

// Child k of process id is process 4 * id + k.
static void grow(uint64 seed, uint64 id, int depth) {
    uint64 children = depth == 0 ? 3 : depth < 3 ? fresh(seed, id * 1000 + 999) % 3 : 0;
    for (uint64 k = 0; k < children; k++) {
        change(seed, id, k);
        int pid = fork();
        if (pid < 0) exit(1);
        if (pid == 0) {
            grow(seed, 4 * id + k, depth + 1);
            exit(0);
        }
        if (fresh(seed, id * 1000 + 900 + k) & 1) wait(0);
    }
    change(seed, id, children);
    while (wait(0) > 0)
        ;
    printf("answer sum%d %lx\n", (int)id, sum());
}

static int forest(uint64 seed) {
    heap = (struct page *)(((uint64)sbrk((PAGES / 2 + 1) * 4096) + 4095) & ~4095ul);
    for (uint64 p = 0; p < PAGES; p++) *word(p) = fresh(seed, p);
    for (int round = 0; round < 3; round++) grow(seed, 1, 0);
    return 0;
}

static const struct mode modes[] = {{"forest", forest}, {0, 0}};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
