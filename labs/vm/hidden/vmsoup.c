// The hidden test of the vm lab (hidden.py): anything, in any order, on a heap and some mappings.
#include <exo/call.h>
#include "kernel/mman.h"
#include "labs/lab.h"
#include "user/exv6.h"

#define PAGE 4096

extern char end[]; // so that it is among the symbols

struct page {
    uint64 word[512];
};

static int soup(uint64 seed) {
    uint64 start = (uint64)sbrk(0), top = start, sum = fresh(seed, 0), pages[4] = {0};
    struct page *at[4] = {0};
    exo_mark(100, (uint64)end);
    for (uint64 i = 1; i <= 60; i++) {
        uint64 what = fresh(seed, 10 * i) % 5, x = fresh(seed, 10 * i + 1), m = fresh(seed, 10 * i + 2) % 4;
        if (what == 0) {
            if (sbrk((int)(x % 300 * PAGE)) == (char *)-1) return 1;
            top += x % 300 * PAGE;
        } else if (what == 1) {
            uint64 less = x % ((top - start) / PAGE + 1) * PAGE;
            sbrk(-(int)less);
            top -= less;
        } else if (what == 2 && !pages[m]) {
            pages[m] = 1 + x % 200;
            at[m] = mmap(0, pages[m] * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (at[m] == (struct page *)-1) return 1;
        } else if (what == 3 && pages[m]) {
            munmap(at[m], pages[m] * PAGE);
            pages[m] = 0;
        } else {
            for (uint64 k = 0; k < 6; k++) {
                uint64 y = fresh(seed, 10 * i + 3 + k);
                struct page *p = 0;
                if (k % 2 && pages[m])
                    p = &at[m][y % pages[m]];
                else if (top > start)
                    p = &((struct page *)start)[y % ((top - start) / PAGE)];
                if (p) sum = sum * 31 + p->word[y % 512]++;
            }
        }
        exo_mark(100 + i, 0);
    }
    answer("sum", sum);
    return 0;
}

static const struct mode modes[] = {{"soup", soup}, {0, 0}};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
