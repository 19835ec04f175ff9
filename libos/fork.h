// Process creation: a child that is a copy of the caller, program pages shared until one of the two writes.
#ifndef EXV6_FORK_H
#define EXV6_FORK_H

#include <exo/abi.h>
#include <stdbool.h>

// The child's pid, and 0 in the child; -1 if there are not enough pages, processes or slots.
int sys_fork(void);

// The program has written to the page at va, whose entry `pte` is marked PTE_COW: after this it may, to a
// page that nobody else sees. Called by a page fault, within pager_enter and leave (vm.c). False: there is no
// page for a copy. True is also the answer if the entry changed meanwhile; the program then faults once more.
bool cow_write(va_t va, u64 pte);

#endif
