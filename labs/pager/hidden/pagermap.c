// Private mappings without a file: more of them than there is memory.
#include "labs/lab.h"
#include "user/exv6.h"
#include "user/kernel/mman.h"

struct page {
    uint64 word[512];
};

static struct page *map(uint64 pages) {
    void *at =
        mmap(0, pages * sizeof(struct page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != (void *)-1) return at;
    printf("pagermap: no memory\n");
    exit(1);
}

static void fill(struct page *at, uint64 n, uint64 seed) {
    for (uint64 i = 0; i < n; i++) at[i].word[i * 37 % 512] = fresh(seed, i);
}

static uint64 sum(const struct page *at, uint64 n) {
    uint64 sum = 0;
    for (uint64 i = 0; i < n; i++) sum = sum * 31 + at[i].word[i * 37 % 512];
    return sum;
}

static int mapped(uint64 seed) {
    struct page *at = map(500), *heap = (struct page *)(((uint64)sbrk(101 * 4096) + 4095) & ~4095ul);
    fill(at, 500, seed);
    fill(heap, 100, seed + 1);
    answer("mapped", sum(at, 500));
    answer("heap", sum(heap, 100));
    munmap(at + 250, 250 * sizeof(struct page));
    for (uint64 i = 0; i < 3; i++) {
        struct page *more = map(450);
        fill(more, 450, seed + 2 + i);
        printf("answer round%d %lx\n", (int)i, sum(more, 450));
        printf("answer left%d %lx\n", (int)i, sum(at, 250)); // much of the other is on the disk then
        munmap(more, 450 * sizeof(struct page));
    }
    return 0;
}

static const struct mode modes[] = {{"mapped", mapped}, {0, 0}};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
