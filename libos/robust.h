// A process can die inside the libOS: the kernel stops one whose upcalls go wrong, and every process of the
// account may end the environment of any other. If it held a lock that others share, or was in the middle of
// an op, nobody can finish what it began. Then the libOS ends, whole, rather than hang or go on with half a
// change; the boot image starts it again, and mounting replays the log: what was synced is there, and
// everything is consistent.
//
// So each process counts, in its entry of the process table, what it holds; and whoever waits for another
// looks whether one that counts something is dead. (Undoing the half change, so that the others live on,
// would be better.)
#ifndef EXV6_ROBUST_H
#define EXV6_ROBUST_H

#include "proc.h"

// Around whatever others may come to wait for.
static inline void robust_enter(void) { me()->inside++; }
static inline void robust_leave(void) { me()->inside--; }

// Is any process dead that holds something? Then this does not return. Before a sleep that another must end;
// what dies later counts in EXO_WORDS->stops, so that sleep must end with a change of that, too.
void robust_look(void);

#endif
