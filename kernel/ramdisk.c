// A disk that lies in RAM, where the host has put the image: for runs that must repeat. It completes a request at
// once or, with a seed, after 50 us to 5 ms drawn from it, so that requests overtake one another as on a device.
#include "disk.h"

enum { DEPTH = 8 };

static u8 *image;
static u64 rng; // 0: no delays
static struct exo_req *flight[DEPTH];
static u64 next_due = ~0UL; // of them

static u64 draw(void) // xorshift64
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng;
}

static void copy_page(u64 *restrict to, const u64 *restrict from)
{
    for (u32 i = 0; i < EXO_PAGE / 8; i += 8) {
        u64 a = from[i], b = from[i + 1], c = from[i + 2], d = from[i + 3];
        to[i] = a, to[i + 1] = b, to[i + 2] = c, to[i + 3] = d;
        a = from[i + 4], b = from[i + 5], c = from[i + 6], d = from[i + 7];
        to[i + 4] = a, to[i + 5] = b, to[i + 6] = c, to[i + 7] = d;
    }
}

static void finish(struct exo_req *r)
{
    for (u32 i = 0; i < r->count; i++) {
        u64 *block = (u64 *)(image + (r->block + i) * EXO_PAGE), *page = ppn_to_va(r->ppns[i]);
        if (r->op == DISK_READ)
            copy_page(page, block);
        else
            copy_page(block, page);
    }
    disk_complete(r, 0);
}

static void ramdisk_start(struct exo_req *r)
{
    if (!rng) {
        finish(r);
        return;
    }
    u64 shortest = words->timebase / 20000, longest = words->timebase / 200;
    r->due = csr_read(time) + shortest + draw() % (longest - shortest + 1);
    u32 i = 0;
    while (flight[i])
        i++;
    flight[i] = r;
    if (r->due < next_due)
        __atomic_store_n(&next_due, r->due, __ATOMIC_RELAXED);
}

static struct exo_req **first_due(void)
{
    struct exo_req **first = NULL;
    for (u32 i = 0; i < DEPTH; i++)
        if (flight[i] && (!first || flight[i]->due < (*first)->due))
            first = &flight[i];
    return first;
}

static void ramdisk_poll(u64 now)
{
    struct exo_req **f;
    while ((f = first_due()) && (*f)->due <= now) {
        struct exo_req *r = *f;
        *f = NULL;
        finish(r);
    }
    __atomic_store_n(&next_due, f ? (*f)->due : ~0UL, __ATOMIC_RELAXED);
}

static u64 ramdisk_due(void)
{
    return __atomic_load_n(&next_due, __ATOMIC_RELAXED);
}

bool ramdisk_open(struct disk *d, pa_t start, pa_t end, u64 seed)
{
    if (start % 8) {
        kprintf("disk: the image in RAM is not aligned\n");
        return false;
    }
    image = pa_to_va(start);
    rng = seed;
    next_due = ~0UL;
    *d = (struct disk){.name = "RAM disk",
                       .blocks = (end - start) / EXO_PAGE,
                       .depth = DEPTH,
                       .start = ramdisk_start,
                       .poll = ramdisk_poll,
                       .due = ramdisk_due};
    return true;
}
