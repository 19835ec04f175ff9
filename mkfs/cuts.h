// What mkfs/cuts.c hands to an image that recovers each disk after a power cut (labs/fs/image/): an extent
// that has, block by block, a struct cuts_head; the file system as it was; the data of all writes; and a
// struct cut for each cut, CUTS_A_BLOCK to a block.
#ifndef EXV6_CUTS_H
#define EXV6_CUTS_H

#include <exo/types.h>

#define CUTS_MAGIC   0x5354554336565845 // "EXV6CUTS"
#define CUTS_WRITES  2000               // at most
#define CUTS_PENDING 256                // writes since a flush that may be there or not

struct cuts_head {
    u64 magic;
    u32 nblocks; // of the file system
    u32 nwrites;
    u32 ncuts;
    u32 spare;
    u32 block[1000]; // of the file system, of each write
};

struct cut {
    u32 solid;   // writes that are there
    u32 pending; // writes after those which are there if their bit is set
    u32 torn;    // a write, 1 and up, of which only some sectors are there; 0: none
    u32 sectors; // bits of the eight: those that are
    u64 there[CUTS_PENDING / 64];
};

#define CUTS_A_BLOCK (4096 / sizeof(struct cut))

_Static_assert(sizeof(struct cut) == 48, "struct cut");
_Static_assert(sizeof(struct cuts_head) <= 4096, "struct cuts_head");

#endif
