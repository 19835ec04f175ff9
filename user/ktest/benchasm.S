// What bench.c times. Each bench_* reads the cycle counter on both sides of what is measured and returns the
// difference; rdcycle counts itself, which bench.c takes off. Under -icount a cycle is an instruction. tp is the
// u-area; `save` in it (rt.h) keeps what a C function must, and KEEP, where the runtime would keep floating point, is
// these benchmarks' own.
#include "../rt/rt.h"

#define WIN     0x50000000 // the shared page, as in kt.h: word 0 start, word 1 end, word 2 who to go back to
#define KEEP(i) RT_FREGS + 8 * (i)

    .macro  each_kept op
    .set    i, 0
    .irp    r, ra, sp, gp, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    \op     \r, RT_SAVE + 8 * i(tp)
    .set    i, i + 1
    .endr
    .endm

    .text

// i64 bench_empty(void)
    .globl  bench_empty
bench_empty:
    rdcycle t1
    rdcycle t2
    sub     a0, t2, t1
    ret

// i64 bench_NAME(args...): one call, its stub included
    .macro  timed name nr
    .globl  bench_\name
bench_\name:
    mv      t2, ra
    addi    sp, sp, -16
    sd      t2, 0(sp)
    sd      s1, 8(sp)
    rdcycle s1
    jal     stub_\name
    rdcycle t1
    sub     a0, t1, s1
    ld      ra, 0(sp)
    ld      s1, 8(sp)
    addi    sp, sp, 16
    ret
stub_\name:
    li      a7, \nr
    ecall
    ret
    .endm
    timed   null EXO_NULL
    timed   bind EXO_BIND
    timed   unbind EXO_UNBIND
    timed   batch EXO_BATCH
    timed   alloc EXO_PAGE_ALLOC
    timed   free EXO_PAGE_FREE

// ---- faults. The handlers are entry[FAULT] while these run. ----

// i64 bench_fault(va): to the handler's first instruction
    .globl  bench_fault, bench_fault_entry
bench_fault:
    .option push
    .option norvc
    rdcycle t4
    ld      t3, 0(a0)
    .option pop
    ret
bench_fault_entry:
    rdcycle t5
    ld      t1, UA_FAULT + FRAME_EPC(t0)
    addi    t1, t1, 4
    sd      t1, UA_FAULT + FRAME_EPC(t0)
    sub     t1, t5, t4      // a0
    li      t2, 0           // a7
    li      a0, FRAME_FAULT
    li      a7, EXO_RESUME
    ecall

// i64 bench_fault_return(va): there and back, without the kernel; the load is left out, since nothing was mapped
    .globl  bench_fault_return, bench_return_entry
bench_fault_return:
    .option push
    .option norvc
    rdcycle t4
    ld      t3, 0(a0)
    rdcycle t5
    .option pop
    sub     a0, t5, t4
    ret
bench_return_entry:
    ld      gp, UA_FAULT + FRAME_EPC(t0)
    addi    gp, gp, 4
    ld      t1, UA_FAULT + FRAME_T1(t0)
    ld      t2, UA_FAULT + FRAME_T2(t0)
    sb      zero, UA_MASK(t0)
    ld      t0, UA_FAULT + FRAME_T0(t0)
    jr      gp

// i64 bench_fault_bind(va): a handler that saves what the call clobbers, binds page KEEP(0) at the faulting address in
// root KEEP(1), and goes back to the load, which completes
    .globl  bench_fault_bind, bench_bind_entry
bench_fault_bind:
    rdcycle t4
    ld      t3, 0(a0)
    rdcycle t5
    sub     a0, t5, t4
    ret
bench_bind_entry:
    .set    i, 0
    .irp    r, a0, a1, a2, a3, a4, a5, a6, a7, t3, t4, t5, t6
    sd      \r, KEEP(2 + i)(t0)
    .set    i, i + 1
    .endr
    ld      a1, UA_FAULT + FRAME_TVAL(t0)
    ld      a0, KEEP(1)(t0)
    srli    a1, a1, 12
    ld      a2, KEEP(0)(t0)
    slli    a1, a1, 12
    li      a3, PTE_R | PTE_W
    li      a4, 0
    mv      gp, t0
    li      a7, EXO_BIND
    ecall
    mv      t0, gp
    .set    i, 0
    .irp    r, a0, a1, a2, a3, a4, a5, a6, a7, t3, t4, t5, t6
    ld      \r, KEEP(2 + i)(t0)
    .set    i, i + 1
    .endr
    ld      gp, UA_FAULT + FRAME_EPC(t0)
    ld      t1, UA_FAULT + FRAME_T1(t0)
    ld      t2, UA_FAULT + FRAME_T2(t0)
    sb      zero, UA_MASK(t0)
    ld      t0, UA_FAULT + FRAME_T0(t0)
    jr      gp

// ---- transfer. The callee's CALL entry is bench_serve or bench_serve_time. ----

    .globl  bench_serve, bench_serve_time
bench_serve_time:
    rdcycle a0
bench_serve:
    li      a7, EXO_REPLY
    ecall
    j       .

// i64 bench_call_there(eid, cap): from the ecall to the server's first instruction
    .globl  bench_call_there
bench_call_there:
    each_kept sd
    mv      a6, a0
    mv      a5, a1
    li      a7, EXO_CALL
    rdcycle s1
    ecall
    sub     a0, a0, s1
    mv      tp, t0
    each_kept ld
    ret

// i64 bench_call(eid, cap): there and back; the stub saves sp and ra
    .globl  bench_call
bench_call:
    each_kept sd
    mv      a6, a0
    mv      a5, a1
    rdcycle s1
    sd      sp, KEEP(0)(tp)
    sd      ra, KEEP(1)(tp)
    li      a7, EXO_CALL
    ecall
    ld      sp, KEEP(0)(t0)
    ld      ra, KEEP(1)(t0)
    rdcycle t1
    sub     a0, t1, s1
    mv      tp, t0
    each_kept ld
    mv      a1, t6
    ret

// i64 bench_call_all(eid, cap): the same, and s0-s11 are saved
    .globl  bench_call_all
bench_call_all:
    each_kept sd
    mv      a6, a0
    mv      a5, a1
    rdcycle s1
    .set    i, 0
    .irp    r, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, sp, ra
    sd      \r, KEEP(i)(tp)
    .set    i, i + 1
    .endr
    li      a7, EXO_CALL
    ecall
    .set    i, 0
    .irp    r, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, sp, ra
    ld      \r, KEEP(i)(t0)
    .set    i, i + 1
    .endr
    rdcycle t1
    sub     a0, t1, s1
    mv      tp, t0
    each_kept ld
    mv      a1, t6
    ret

// ---- yield, quantum. The other environment's PROLOGUE entry is bench_turn. ----

// Notes when it was entered, then goes back to the environment that word 2 names, or to the next slot.
    .globl  bench_turn
bench_turn:
    rdcycle t1
    li      t2, WIN
    sd      t1, 8(t2)
    lwu     a0, 16(t2)
    li      a7, EXO_YIELD
    ecall
    j       bench_turn

// void bench_yield(eid): what is measured ends in bench_turn; the runtime's prologue comes back from here
    .globl  bench_yield
bench_yield:
    each_kept sd
    li      t1, 1
    sd      t1, RT_SAVED(tp)
    li      t2, WIN
    li      a7, EXO_YIELD
    rdcycle t1
    sd      t1, 0(t2)
    ecall
    sd      zero, RT_SAVED(tp)
    ret

// void bench_quantum(u64 turns): runs until its slice ends, first without looking at the counter, `turns` times two
// instructions. EPILOGUE and PROLOGUE are the two below: what is live is s1, the last moment it ran.
    .globl  bench_quantum, bench_epilogue, bench_prologue
bench_quantum:
    each_kept sd
    li      s2, WIN
1:  addi    a0, a0, -1
    bnez    a0, 1b
1:  rdcycle s1
    j       1b
bench_epilogue:
    sd      s1, 0(s2)
    li      a0, 0
    li      a7, EXO_YIELD
    ecall
    j       bench_epilogue
bench_prologue:
    mv      tp, t0
    sb      zero, UA_MASK + 1(tp)
    each_kept ld
    ret
