// A count of those who are in something, and waiting until nobody is. In shared memory; all bytes 0: nobody
// is. Who waits keeps others from entering by a lock of its own.
#ifndef EXV6_DRAIN_H
#define EXV6_DRAIN_H

#include <exo/types.h>

struct drain {
    u32 count;
    u32 spare;
    u64 waiters; // a bit for each process (by index) that sleeps until count is 0
};

void drain_enter(struct drain *);
void drain_leave(struct drain *);
void drain_wait(struct drain *);

#endif
