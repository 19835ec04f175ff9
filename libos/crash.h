// Reports of programs that cannot go on, on the console: what happened and where, with the names of functions
// from the program's own file.
#ifndef EXV6_CRASH_H
#define EXV6_CRASH_H

struct proc;
struct trap;

// An exception that nothing serves ends this process.
void crash(const struct trap *) __attribute__((noreturn));

// The kernel stopped p, since its libOS failed.
void crash_stopped(const struct proc *p);

#endif
