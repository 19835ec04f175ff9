// Signals' numbers, and what stands for a handler; user/signals.h has the calls.
#ifndef USER_KERNEL_SIGNAL_H
#define USER_KERNEL_SIGNAL_H

#define SIGINT  2  // ^C
#define SIGKILL 9  // always ends the process
#define SIGUSR1 10 // all numbers from 1 to 30 can be sent; those without a name, too
#define SIGUSR2 12
#define SIGALRM 14
#define SIGTERM 15
#define SIGCHLD 17 // a child ended

#define SIG_DFL ((void (*)(int))0) // the process ends; SIGCHLD: nothing
#define SIG_IGN ((void (*)(int))1)

#endif
