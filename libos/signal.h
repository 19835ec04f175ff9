// Signals: what a process is told between two of its instructions. The kernel has no part in them. The sender
// sets a bit in the receiver's record and wakes it; the receiver looks there when it goes on with its program
// anyway, at the end of a call or with a new slice. Then it lays what the program was about to do on the
// program's own stack and calls the handler there, which returns to SYS_sigreturn, and that takes it up
// again.
//
// A signal without a handler ends its process, as kill() does; SIGCHLD then does nothing. A call that sleeps
// for what may never come (sleep, wait, a pipe, the console) ends with -1 when a handler is to run. A child
// has its parent's handlers, and no alarm; exec() leaves no handler and nothing blocked.
//
// In the record (proc.h), where senders find them: `signals`, a bit for each that came and has a handler, and
// PROC_END for one that is to end; `caught` and `ignored`, which only the process itself changes.
#ifndef EXV6_SIGNAL_H
#define EXV6_SIGNAL_H

#include <exo/types.h>
#include <stdbool.h>
#include "thread.h"
#include "kernel/signal.h"

// Those of this process's that are to be handled now: a bit for each.
u32 signal_due(void);

// Is a call that sleeps to end, because the process does or a handler is to run?
bool interrupted(void);

// When to look again although nothing happens: the alarm's time, ~0 if none is set.
u64 signal_alarm(void);

// Calls the handlers that are due in what c says, which must not be where upcall.S may save something: so c
// goes on with them. Floating point is off then. Does not return if the process is to end.
void signal_take(struct context *c);

// For entry.S and upcall.S: at the end of a call or a fault, as c says; for upcall.c with what the u-area's
// epilogue frame says.
void signal_leave(struct context *c);
void signal_resume(void) __attribute__((noreturn));

void signal_exec(void);

// ---- calls; -1 for a number that is none ----

int sys_signal(int sig, u64 handler);
int sys_sigsend(int pid, int sig);
u32 sys_sigblock(u32 set);
int sys_sigpause(u32 set);
u32 sys_alarm(u32 ticks);
int sys_sigreturn(void); // from a handler: the program's sp is where it was when the handler was called

#endif
