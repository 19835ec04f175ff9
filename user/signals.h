// Signals between processes: a handler runs between two instructions of the program, or at the end of a call,
// on its stack, and then the program goes on. Its own signal is blocked meanwhile. What is sent once more
// before it is handled, is handled once. In a process with threads any of them may be the one that is
// interrupted.
#ifndef USER_SIGNALS_H
#define USER_SIGNALS_H

#include "kernel/signal.h"

int signal(int sig, void (*handler)(int)); // 0, or -1: no such signal, or SIGKILL
int sigsend(int pid, int sig);             // 0, or -1: no such process or signal; init gets none
// Handlers of these, a bit 1u << sig for each, wait until they are not blocked any more. The set before.
unsigned sigblock(unsigned set);
// Sleeps, with this set blocked instead, until a handler has run. -1.
int sigpause(unsigned set);
// SIGALRM after so many ticks; 0: not any more. Ticks that were left of the one before, or 0.
unsigned alarm(unsigned ticks);

#endif
