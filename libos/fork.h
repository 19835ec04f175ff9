// Process creation: a child that is a copy of the caller, program pages shared until one of the two writes.
#ifndef EXV6_FORK_H
#define EXV6_FORK_H

// The child's pid, and 0 in the child; -1 if there are not enough pages, processes or slots.
int sys_fork(void);

#endif
