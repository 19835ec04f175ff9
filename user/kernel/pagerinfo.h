// What pagerinfo() tells of paging, all processes together. All 0 if there is no extent for it.
#ifndef USER_KERNEL_PAGERINFO_H
#define USER_KERNEL_PAGERINFO_H

#include "types.h"

struct pagerinfo {
    uint slots;     // pages that the extent has room for
    uint used;      // slots in use
    uint away;      // pages of processes that are not in memory
    uint64 out, in; // pages put out and brought in so far
    uint64 dropped; // of `out`: those that needed no writing
    uint64 given;   // of `out`: those that the kernel had asked for
    uint64 taken;   // pages that it took by force
};

#endif
