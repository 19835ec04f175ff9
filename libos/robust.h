// A process can lose its environment at any moment: every process of the account may end that of any other,
// and the kernel stops one whose upcalls go wrong. It may hold a lock then, or be in the middle of an op.
//
// But the end of an environment is the loss of a record. The address space is still there, and what ran on it
// is in the u-area, as after the end of a slice or an abort. So nothing is undone: another environment takes
// the place of the lost one, on the same root and u-area, goes on where that one was, and ends, as any killed
// process does, when it leaves the libOS. What it had begun is finished then, what it held is released, and
// its parent is told.
//
// This is done by whoever waits for something that it holds, by its parent in wait(), or by init, which looks
// at all processes whenever an environment has ended. (init itself goes on as if nothing had happened.)
//
// Not to be helped is one that has no place to go on from: after a fault within a fault, which only a broken
// libOS has, or when it ended its own environment; and who loses its environment over and over. If it holds
// something, the libOS ends, whole, rather than hang or go on with half a change; the boot image starts it
// again, and mounting replays the log. To know that, each process counts what it holds in its entry of the
// process table.
#ifndef EXV6_ROBUST_H
#define EXV6_ROBUST_H

#include "proc.h"

// Around whatever others may come to wait for.
static inline void robust_enter(void) { me()->inside++; }
static inline void robust_leave(void) { me()->inside--; }

// Has p lost its environment, without having ended? Or has it one that the kernel stopped?
bool robust_died(const struct proc *p);

// p died, or did a moment ago: false if it cannot go on, now or later.
bool robust_revive(struct proc *p);

// The same for all that hold something: if one cannot go on, this does not return. Before a sleep that
// another must end; what dies later counts in EXO_WORDS->stops, so that sleep must end with a change of that,
// too.
void robust_look(void);

// For init: the same for all processes, but those that cannot go on are left to their parents.
void robust_look_all(void);

#endif
