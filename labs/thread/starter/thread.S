// From one thread to another; see thread.h. All of it lies in the libOS, where no thread is switched away from:
// an end of the slice in here goes on in here.
//
// TO WRITE. struct thread has `kept`, at THREAD_KEPT, with room for what a C function may expect to find again
// after a call: ra, sp, s0 to s11. (Not gp, which nobody uses, nor tp.)
//
//   thread_go(to)             to->kept into the registers, and return: to where ra says.
//   thread_switch(from, to)   the registers into from->kept first.
//
// tp is to be 0 then, as the kernel leaves in it what was there: see worker.h.
#include "thread.h"

    .text
    .globl  thread_switch, thread_go
thread_switch:
thread_go:
    ret
