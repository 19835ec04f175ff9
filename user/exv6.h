// Calls of the library OS that xv6 does not have; see user.h for the rest.
#ifndef USER_EXV6_H
#define USER_EXV6_H

int cachepolicy(int policy); // kernel/cache.h; the one before, or -1. Children have it, too
int setgroup(int group);     // joins a group of processes; 0: a new one, whose number is the own pid
// Watches the console for a group of children: while this process waits, ^C kills them; 0: none, ^C can be
// read. 1 if the group before was killed so.
int front(int group);
// Entry `index` of the process table (kernel/procinfo.h): 1 if in use, 0 if not, -1 past its end.
struct procinfo;
int procinfo(int index, struct procinfo *to);
struct pagerinfo; // kernel/pagerinfo.h; -1 if there is no memory at `to`
int pagerinfo(struct pagerinfo *to);
int poweroff(int code); // ends the machine, with this exit status where there is one to give; -1 if refused

#endif
