// Extents and the disk: what boot and the two drivers have to do with them. The kernel lock is held in all of
// these, or it is boot.
#ifndef EXV6_DISK_H
#define EXV6_DISK_H

#include "kernel.h"
#include <exo/image.h>

// A device, as its driver's open function fills it in. A driver is that and the three others; it calls
// disk_complete() for each request it was given, once, from start or poll.
struct disk {
    u64 blocks;                         // of 4 KiB
    u32 irq;                            // 0: it never interrupts
    u32 depth;                          // requests it takes at a time
    void (*start)(struct exo_req *req); // its pages are pinned, its blocks are on the device
    void (*poll)(u64 now);              // completes what is done
    u64 (*due)(void); // `time` at which poll has something to do, ~0: never. NULL: it interrupts. No lock
};

bool virtio_open(struct disk *d);  // false: there is none of use
bool ramdisk_open(struct disk *d); // with the boot argument disk=SEED it takes its time; false: there is none
void disk_complete(struct exo_req *req, i32 status);

// Boot: finds the disk (an image in RAM if there is one, else virtio) and returns its blocks; 0: none.
u64 disk_open(void);
bool disk_read(u64 block, void *page); // waits, for seconds at most; page is a whole page of RAM

// Boot: the extents of a checked label, all account 1's.
void ext_init(const struct label *l);

static inline struct exo_ext *ext_get(u64 n) { return n < EXO_NEXT && exts[n].count ? &exts[n] : NULL; }
bool ext_open(const struct exo_ext *e, cap_t cap, bool write); // may the caller read (write) it?
void ext_inherit(u32 from, u32 to); // extents, with their quota; capabilities become 0

#endif
