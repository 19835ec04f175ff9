// Locks in memory that all processes of the libOS share.
//
// A lock whose bytes are all 0 is free. It may be held while its holder sleeps (waits for the disk, say), so
// whoever waits for it sleeps too. It cannot be taken twice. Whoever comes first takes one that is free; but
// who found it taken again after several waits is given it by the next release. A holder may be preempted,
// but does not end: a killed process leaves the libOS first. If one dies all the same, see robust.h.
#ifndef EXV6_LOCK_H
#define EXV6_LOCK_H

#include <exo/types.h>

struct lock {
    u32 holder;  // eid; 0: free
    u32 heir;    // process by index, + 1, that the next release gives it to
    u32 granted; // the same, which has been given it and does not know yet
    u64 waiters; // a bit for each process (by index) that sleeps until it is released
};

void lock_acquire(struct lock *);
void lock_release(struct lock *);
void lock_pause(void); // lets others run for a moment; for the rare wait that has no lock to wait for

#endif
