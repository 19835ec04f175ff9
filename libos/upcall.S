// Upcall entries, and the calls that give up the processor. Every entry has t0 = u-area. An exception's is in
// fault.S.
//
// A process that is off the hart is in one of three states, which PROLOGUE tells apart by `pending` and
// `mask`: taken by force (FORCED), interrupted (the epilogue frame is in use), or in a call of its own
// (`kept`). The call sets a bit of mask first, so that no epilogue comes between: only one of the last two is
// ever in use.
#include <exo/abi.h>
#include "kernel/syscall.h"
#include "proc.h"
#include "regs.h"
#include "upcall.h"

    // t1 = the context for what the epilogue frame interrupted
    .macro  context
    ld      t2, UA_EPILOGUE + FRAME_EPC(t0)
    li      t1, LIBOS_TABLE
    bltu    t2, t1, 1f
    addi    t1, t0, SELF_REGS
    j       2f
1:  ld      t1, SELF_SAVE(t0)
2:
    .endm

    // what a C function keeps
    .macro  each_kept op base, offset=0
    .set    i, 0
    .irp    r, ra, sp, gp, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    \op     \r, \offset + 8 * i(\base)
    .set    i, i + 1
    .endr
    .endm

    // The time until now was not had. If the alarm's has come, the way out of the libOS is to find it.
    .macro  begin_slice
    rdtime  t1
    ld      t2, SELF_LEFT(t0)
    sub     t1, t1, t2
    ld      t2, SELF_OFF(t0)
    add     t1, t1, t2
    sd      t1, SELF_OFF(t0)
    rdtime  t1
    ld      t2, SELF_ALARM(t0)
    bltu    t1, t2, 1f
    ld      t2, SELF_PROC(t0)
    addi    t2, t2, PROC_SIGNALS
    li      t1, PROC_LOOK
    amoor.w zero, t1, (t2)
1:
    .endm

    .option arch, +d

    .section .rodata
    .balign 8
    .globl  upcall_entries
upcall_entries:
    .dword  upcall_exception, epilogue, prologue, called

    .text
// Start of a slice.
prologue:
    li      t2, PENDING_FORCED | PENDING_EPILOGUE // of this slice; of the others there is nothing to give back
    addi    t1, t0, UA_PENDING
    amoand.d t1, t2, (t1)
    andi    t1, t1, PENDING_FORCED
    bnez    t1, upcall_forced
    begin_slice
    lbu     t1, UA_MASK + 1(t0)
    bnez    t1, interrupted
    each_kept ld, t0, SELF_KEPT
    ld      a0, SELF_RESULT(t0)

// The end of a call that gave up the hart, or could not: a0 is its result. If the slice ended while mask held
// the epilogue back, this is the place to end it.
    .globl  upcall_unmask, upcall_forced
upcall_unmask:
    li      t0, UA_VA
    li      t1, ~MASK_LIBOS
    amoand.d zero, t1, (t0)
    ld      t1, UA_PENDING(t0)
    andi    t1, t1, PENDING_EPILOGUE
    bnez    t1, 1f
    ret
1:  addi    sp, sp, -16
    sd      ra, 8(sp)
    sd      a0, (sp)
    li      a0, 0
    call    upcall_yield
    ld      a0, (sp)
    ld      ra, 8(sp)
    addi    sp, sp, 16
    ret

// If it was the program that was interrupted, the libOS's stack is free, and this is the place to look
// whether the process was killed.
    .macro  check_program pc, how
    ld      t1, \pc(t0)
    li      t2, LIBOS_TABLE
    bgeu    t1, t2, 1f
    ld      sp, SELF_STACK(t0)
    call    \how
    li      t0, UA_VA
1:
    .endm

// Taken by force once more before this is over, it begins again.
upcall_forced:
    check_program UA_FORCED, upcall_forced_on
    li      a0, FRAME_FORCED
    li      a7, EXO_RESUME
    ecall
    ebreak

interrupted:
    check_program (UA_EPILOGUE + FRAME_EPC), upcall_resumed
    context
    each_reg ld
    mv      t1, a0
    mv      t2, a7
    li      a0, FRAME_EPILOGUE
    li      a7, EXO_RESUME
    ecall
    ebreak

// End of a slice.
epilogue:
    from_upcall UA_EPILOGUE
    context
    each_reg sd
    rdtime  t1
    sd      t1, SELF_LEFT(t0)
    jal     t1, fp_leave
1:  li      a0, 0
    li      a7, EXO_YIELD
    ecall
    j       1b
    .cfi_endproc

// The f registers go where the next floating-point instruction will find them. Return address in t1; t2 dies.
fp_leave:
    ld      t2, SELF_FP_ON(t0)
    beqz    t2, 1f
    ld      t0, SELF_SAVE(t0)
    each_f  fsd
    frcsr   t2
    sd      t2, CONTEXT_F + 8 * 32(t0)
    li      t0, UA_VA
    sd      zero, SELF_FP_ON(t0)
1:  jr      t1

    .globl  upcall_yield, upcall_wait
upcall_wait:
    li      a7, EXO_WAIT
    j       leave
upcall_yield:
    li      a7, EXO_YIELD
leave:
    li      t0, UA_VA
    li      t1, MASK_LIBOS
    amoor.d zero, t1, (t0)
    each_kept sd, t0, SELF_KEPT
    sd      zero, SELF_RESULT(t0)
    ld      t1, SELF_FP_ON(t0)
    sd      t1, SELF_FP_WAS(t0)
    rdtime  t1
    sd      t1, SELF_LEFT(t0)
    jal     t1, fp_leave
    ecall
    li      t0, UA_VA // refused: floating point is still on
    ld      t1, SELF_FP_WAS(t0)
    sd      t1, SELF_FP_ON(t0)
    j       upcall_unmask

// Transfers: where a message's words are.
    .macro  each_word op
    .set    i, 0
    .irp    r, a0, a1, a2, a3, a4, s0, s1, s2
    \op     \r, 8 * i(t1)
    .set    i, i + 1
    .endr
    .endm

// a0: where the next message goes. It and the time lie in SELF with all that is kept; t0, t1 change.
    .macro  leave_words
    li      t0, UA_VA
    sd      a0, SELF_WORDS(t0)
    each_kept sd, t0, SELF_KEPT
    sd      zero, SELF_RESULT(t0)
    rdtime  t1
    sd      t1, SELF_LEFT(t0)
    .endm

// Nothing but t0, t6 and the message comes back from a call.
    .globl  upcall_call, upcall_receive, upcall_reply
upcall_call:
    li      t0, UA_VA
    sd      a2, SELF_WORDS(t0)
    each_kept sd, t0, SELF_KEPT
    mv      a6, a0
    mv      a5, a1
    mv      t1, a2
    each_word ld
    li      a7, EXO_CALL
    ecall
    li      t0, UA_VA
    ld      t1, SELF_WORDS(t0)
    each_word sd
    mv      a0, t6
    j       kept

// Whoever waits like this has nothing that an upcall would spoil: mask lets calls in. They come at `called`,
// else it goes on at `prologue`.
upcall_receive:
    leave_words
    mv      a0, a1
    mv      a1, a2
    mv      a2, a3
    mv      a3, a4
    li      a4, 0
    li      a7, EXO_WAIT
    ecall
    li      t0, UA_VA
    j       kept
upcall_reply:
    leave_words
    amoor.d zero, a1, (t0)
    mv      t1, a0
    each_word ld
    li      a7, EXO_REPLY
    ecall
    li      t0, UA_VA
    each_kept ld, t0, SELF_KEPT
    j       upcall_unmask
kept: // a0 is the result
    each_kept ld, t0, SELF_KEPT
    ret

called:
    ld      t1, SELF_WORDS(t0)
    each_word sd
    begin_slice
    mv      a0, t6
    j       kept

    .globl  upcall_fork
upcall_fork:
    each_kept sd, a0
    li      a0, 0
    ret

    .globl  upcall_fp_save
upcall_fp_save:
    li      t0, UA_VA
    jal     t1, fp_leave
    li      a0, 0
    li      a7, EXO_FP
    ecall
    ret

// Floating point on, with what the program's registers held. No epilogue comes between: it would save what is
// not there yet.
    .globl  upcall_fp_load
upcall_fp_load:
    li      t0, UA_VA
    li      t1, MASK_LIBOS
    amoor.d zero, t1, (t0)
    li      a0, 1
    li      a7, EXO_FP
    ecall
    li      t0, UA_VA
    ld      t0, SELF_SAVE(t0)
    each_f  fld
    ld      t1, CONTEXT_F + 8 * 32(t0)
    fscsr   t1
    li      t0, UA_VA
    li      t1, 1
    sd      t1, SELF_FP_ON(t0)
    j       upcall_unmask

    .globl  thread_resume
thread_resume:
    li      tp, 0 // no worker (worker.h): the kernel leaves in it what was there
    resume_context

    .globl  upcall_enter
upcall_enter:
    mv      t0, a0
    mv      sp, a1
    mv      a0, a2
    mv      a1, a3
    .irp    r, 1, 3, 4, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
    li      x\r, 0
    .endr
    .irp    r, 29, 30, 31
    li      x\r, 0
    .endr
    jr      t0
