// Pages on the disk: the raw extent `swap`, a slot for each of its blocks. Slots are numbered from 1; 0 is
// none. Called by pager.c alone, with the pager's lock held: slots are counted here, and who names them is
// its affair.
#ifndef EXV6_SWAP_H
#define EXV6_SWAP_H

#include <exo/abi.h>
#include <stdbool.h>

#define SWAP_MOST 16384 // slots

struct swap {
    u32 extent;
    u32 slots;              // 0: there is no such extent
    u32 next;               // where to look for a free one
    u32 free;               // slots without references
    u8 refs[SWAP_MOST + 1]; // of each slot
};

void swap_setup(struct swap *, u32 extent);

// Free slots in a row, n at most, each with one reference from now on: how many, and *first. 0: none is free.
u32 swap_take(struct swap *, u32 n, u32 *first);

// One reference more; one less. A slot has at most one for each process and one more.
void swap_ref(struct swap *, u32 slot);
void swap_drop(struct swap *, u32 slot);

// Move n pages, EXO_BATCH_MAX at most, to slots, or one back, and wait for it: 0 or BUF_E_IO, and then nobody
// knows which were moved.
int swap_write(const struct swap *, const u32 *slot, const ppn_t *ppn, u32 n);
int swap_read(const struct swap *, u32 slot, ppn_t ppn);

#endif
