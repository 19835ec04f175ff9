// From one thread to another; see thread.h. All of it lies in the libOS, where no thread is switched away from:
// an end of the slice in here goes on in here.
#include "thread.h"

    .macro  each_kept op base
    .set    i, 0
    .irp    r, ra, sp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    \op     \r, THREAD_KEPT + 8 * i(\base)
    .set    i, i + 1
    .endr
    .endm

    .text
    .globl  thread_switch, thread_go
thread_switch:
    each_kept sd, a0
    mv      a0, a1
thread_go:
    li      tp, 0 // no worker (worker.h): the kernel leaves in it what was there
    each_kept ld, a0
    ret
