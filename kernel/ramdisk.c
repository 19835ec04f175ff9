// A disk that lies in RAM, where the host has put the image: for runs that must repeat. It completes a
// request at once or, with a seed, after 50 us to 5 ms drawn from it, so that requests overtake one another
// as on a device.
//
// With the boot argument tape=N the image's last N blocks are no part of the disk: a struct disk_tape begins
// there, and keeps what was written, in the order in which it was, for power cuts to be tried.
#include "disk.h"
#include <exo/trace.h>

enum { DEPTH = 8 };

static u8 *image;
static u64 rng; // 0: no delays
static struct exo_req *flight[DEPTH];
static u64 next_due = ~0UL; // of them
static struct disk_tape *tape;

static u64 draw(void) // xorshift64
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng;
}

// What finds no room is counted all the same.
static void tape_add(u64 entry, const u8 *data) {
    u64 i = tape->n++;
    if (i >= TAPE_ENTRIES || (data && tape->ndata >= tape->room)) {
        tape->lost++;
        return;
    }
    tape->entry[i] = entry;
    if (data) __builtin_memcpy((u8 *)(tape + 1) + tape->ndata++ * EXO_PAGE, data, EXO_PAGE);
}

static void finish(struct exo_req *r) {
    if (tape && r->op == DISK_FLUSH) tape_add(TAPE_FLUSH, NULL);
    for (u32 i = 0; i < r->count; i++) {
        u8 *block = image + (r->block + i) * EXO_PAGE, *page = ppn_to_va(r->ppns[i]);
        bool in = r->op == DISK_READ;
        __builtin_memcpy(in ? page : block, in ? block : page, EXO_PAGE);
        if (tape && !in) tape_add(r->block + i, page);
    }
    disk_complete(r, 0);
}

static void ramdisk_start(struct exo_req *r) {
    if (!rng) {
        finish(r);
        return;
    }
    u64 shortest = words->timebase / 20000, longest = words->timebase / 200;
    r->due = csr_read(time) + shortest + draw() % (longest - shortest + 1);
    u32 i = 0;
    while (flight[i]) i++;
    flight[i] = r;
    if (r->due < next_due) __atomic_store_n(&next_due, r->due, __ATOMIC_RELAXED);
}

static void ramdisk_poll(u64 now) {
    u64 next = ~0UL;
    for (u32 i = 0; i < DEPTH; i++) {
        struct exo_req *r = flight[i];
        if (r && r->due <= now) {
            flight[i] = NULL;
            finish(r);
        } else if (r && r->due < next) {
            next = r->due;
        }
    }
    __atomic_store_n(&next_due, next, __ATOMIC_RELAXED);
}

static u64 ramdisk_due(void) { return __atomic_load_n(&next_due, __ATOMIC_RELAXED); }

bool ramdisk_open(struct disk *d) {
    const struct range *r = &machine.initrd;
    if (r->start == r->end) return false;
    if (r->start % 8) panic("the disk's image in RAM is not aligned");
    image = pa_to_va(r->start);
    rng = boot_number("disk", 0);
    next_due = ~0UL;
    u64 blocks = (r->end - r->start) / EXO_PAGE, kept = boot_number("tape", 0);
    tape = NULL;
    if (kept > TAPE_BLOCKS && kept < blocks) {
        blocks -= kept;
        tape = (struct disk_tape *)(image + blocks * EXO_PAGE);
        tape->room = kept - TAPE_BLOCKS;
    }
    *d = (struct disk){blocks, 0, DEPTH, ramdisk_start, ramdisk_poll, ramdisk_due};
    return true;
}
