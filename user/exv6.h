// Calls of the library OS that xv6 does not have; see user.h for the rest.
#ifndef USER_EXV6_H
#define USER_EXV6_H

int cachepolicy(int policy); // kernel/cache.h; the one before, or -1. Children have it, too
// Joins a group of processes; 0: a new one, whose number is the own pid; -1 if it is negative. If ^C has
// ended that group, the caller ends, too.
int setgroup(int group);
// Watches the console for a group of children: while this process waits, ^C kills them; 0: none, ^C can be
// read. 1 if the group before was killed so.
int front(int group);
// Entry `index` of the process table (kernel/procinfo.h): 1 if in use, 0 if not, -1 past its end.
struct procinfo;
int procinfo(int index, struct procinfo *to);
struct pagerinfo; // kernel/pagerinfo.h; -1 if there is no memory at `to`
int pagerinfo(struct pagerinfo *to);

// Memory with a file's contents, from page-aligned `offset` on, or zeroed if anonymous (kernel/mman.h; fd is
// -1 then): its address, or (void *)-1. `at` must be 0. A private mapping is a copy. Of a shared one there //
// is only one, for all processes that map the file, or had it from their parents: what a process stores is in
// the file after its msync(), munmap(), exec() or end. What is written to the file meanwhile is not seen, and
// is overwritten, a page at a time, where anybody stores. A mapping begins and ends within the file, or on
// its last page.
void *mmap(void *at, uint64 bytes, int prot, int flags, int fd, uint64 offset);
// Whole pages, which need not be whole mappings; -1: none is mapped there, it would make too many mappings,
// or (then they are gone all the same) the file could not be written.
int munmap(void *at, uint64 bytes);
// What this process has stored to shared mappings of files there is on the disk; -1: nothing is mapped there,
// or the file could not be written.
int msync(void *at, uint64 bytes);

int poweroff(int code); // ends the machine, with this exit status where there is one to give; -1 if refused

#endif
