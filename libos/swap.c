// See swap.h.
#include "swap.h"

#include "shared.h"

void swap_setup(struct swap *s, u32 extent) {
    s->extent = extent;
    s->slots = s->free = EXO_EXTS[extent].count < SWAP_MOST ? EXO_EXTS[extent].count : SWAP_MOST;
    s->next = 1;
}

u32 swap_take(struct swap *s, u32 n, u32 *first) {
    u32 slot = s->next, taken = 0;
    if (s->free == 0) return 0;
    for (u32 looked = 0; s->refs[slot]; slot = slot == s->slots ? 1 : slot + 1)
        if (looked++ == s->slots) return 0;
    *first = slot;
    for (; taken < n && slot <= s->slots && s->refs[slot] == 0; taken++) s->refs[slot++] = 1;
    s->free -= taken;
    s->next = slot <= s->slots ? slot : 1;
    return taken;
}

void swap_ref(struct swap *s, u32 slot) { s->refs[slot]++; }

void swap_drop(struct swap *s, u32 slot) { s->free += --s->refs[slot] == 0; }

// Slot 1 is block 0.
int swap_write(const struct swap *s, const u32 *slot, const ppn_t *ppn, u32 n) {
    u32 block[EXO_BATCH_MAX];
    for (u32 i = 0; i < n; i++) block[i] = slot[i] - 1;
    return bmove(&SHARED->cache, s->extent, DISK_WRITE, block, ppn, n);
}

int swap_read(const struct swap *s, u32 slot, ppn_t ppn) {
    u32 block = slot - 1;
    return bmove(&SHARED->cache, s->extent, DISK_READ, &block, &ppn, 1);
}
