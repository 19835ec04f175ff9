// What workers run; see worker.h. Every upcall has t0 = u-area; while mask has MASK_LIBOS, none but a fault
// comes, and what runs is worker.c, on the stack at the end of the u-area.
#include <exo/abi.h>
#include "kernel/syscall.h"
#include "regs.h"
#include "worker.h"

    // On to C code: tp and a0 = the u-area, which is t0.
    .macro  begin
    li      t1, MASK_LIBOS
    sd      t1, UA_MASK(t0)
    li      t1, EXO_PAGE
    add     sp, t0, t1
    mv      tp, t0
    mv      a0, t0
    .endm

    .option arch, +d

    .section .rodata
    .balign 8
    .globl  worker_entries
worker_entries:
    .dword  fault, epilogue, prologue, called

    .text
prologue:
    li      t2, PENDING_FORCED | PENDING_EPILOGUE
    addi    t1, t0, UA_PENDING
    amoand.d t1, t2, (t1)
    andi    t1, t1, PENDING_FORCED
    bnez    t1, forced
    begin
    call    worker_next

// a0 = the context to go on with. From go_begin to go_end that is the thread's still, if the
// slice ends here.
go:
    sd      zero, UA_MASK(tp)
go_begin:
    ld      t1, UA_PENDING(tp)
    andi    t1, t1, PENDING_EPILOGUE
    bnez    t1, late
    resume_context
late:
    mv      t0, tp
    li      t1, MASK_LIBOS
    sd      t1, UA_MASK(t0)
go_end:
    j       give

forced:
    li      a0, FRAME_FORCED
    li      a7, EXO_RESUME
    ecall
called: // nobody has a reason to; the kernel stops it
    ebreak

// t2 = the pc of a thread that was interrupted, whose registers become its context, t1. In the gate, where t0
// is free and a7 the call's number, it begins again: perhaps elsewhere.
    .macro  keep frame
    ld      t1, WORKER_NOW(t0)
    each_reg sd
    sd      zero, 8 * 4(t1)
    sd      t2, (t1)
    .set    i, 5
    .irp    at, FRAME_T0, FRAME_T1, FRAME_T2
    ld      t2, \frame + \at(t0)
    sd      t2, 8 * i(t1)
    .set    i, i + 1
    .endr
    .endm

epilogue:
    ld      t2, UA_EPILOGUE + FRAME_EPC(t0)
    lla     t1, go_end
    bgeu    t2, t1, 1f
    lla     t1, go_begin
    bgeu    t2, t1, give
1:  lla     t1, worker_masked
    bgeu    t2, t1, 2f
    lla     t1, worker_gate
    bgeu    t2, t1, 3f
2:  lla     t1, gate
    bne     t2, t1, 4f
3:  slli    t2, a7, 3
    li      t1, LIBOS_TABLE
    add     t2, t2, t1
4:  keep    UA_EPILOGUE
give:
    begin
    call    worker_leave
    .globl  worker_yield
worker_yield:
    li      a0, 0
    li      a7, EXO_YIELD
    ecall
    j       worker_yield

fault:
    ld      t1, UA_MASK(t0)
    li      t2, MASK_LIBOS
    and     t1, t1, t2
    bnez    t1, called // in here
    ld      t2, UA_FAULT + FRAME_EPC(t0)
    keep    UA_FAULT
    ld      a1, UA_FAULT + FRAME_CAUSE(t0)
    begin
    call    worker_fault
    j       go

// From the gate (entry.S), with tp not 0: that may be the program's own doing, and no u-area of a worker. Only
// what a function keeps and the arguments are to be saved.
    .globl  worker_gate
worker_gate:
    li      t0, WORKERS_VA
    sub     t0, tp, t0
    srli    t0, t0, WORKERS_SHIFT
    bnez    t0, not_worker
    slli    t0, tp, 52
    bnez    t0, not_worker
    li      t0, MASK_LIBOS
    amoor.d zero, t0, (tp)
worker_masked:
    ld      t1, WORKER_NOW(tp)
    each_reg sd
    sd      zero, 8 * 4(t1)
    slli    t2, a7, 3
    li      t0, LIBOS_TABLE
    add     t2, t2, t0
    sd      t2, (t1)
    mv      t0, tp
    begin
    call    worker_call
    j       go
not_worker:
    li      tp, 0
    j       gate

// Floating point, of the thread of the worker a0.
    .globl  worker_fp_save, worker_fp_load
worker_fp_save:
    sd      zero, WORKER_FP_ON(a0)
    ld      t0, WORKER_NOW(a0)
    each_f  fsd
    frcsr   t1
    sd      t1, CONTEXT_F + 8 * 32(t0)
    li      a0, 0
    li      a7, EXO_FP
    ecall
    ret
worker_fp_load:
    li      t0, 1
    sd      t0, WORKER_FP_ON(a0)
    li      a0, 1
    li      a7, EXO_FP
    ecall
    ld      t0, WORKER_NOW(tp)
    each_f  fld
    ld      t1, CONTEXT_F + 8 * 32(t0)
    fscsr   t1
    ret

    .globl  worker_wait
worker_wait:
    li      a4, 0
    li      a7, EXO_WAIT
    ecall
    ret
