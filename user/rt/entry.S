// Image header, upcall entries and the kernel calls that C cannot make. Every entry has t0 = u-area and keeps
// tp = u-area. An environment is one C thread: EPILOGUE saves it whole and yields, PROLOGUE goes on with it; a yield or
// wait of its own saves only what a C function must keep.
#include "rt.h"

    .section .header, "a"
    .globl  image
image:
    .dword  IMAGE_MAGIC
    .word   IMAGE_VERSION, 0
    .dword  image_entry, LOAD
    .word   text_size, rodata_size, data_size, bss_size, stack_size
    .word   0, 0, 0

    .section .rodata
    .balign 8
    .globl  rt_entries
rt_entries:
    .dword  fault_entry, epilogue_entry, prologue_entry, call_entry

    // x1 to x31 but t0-t2 (kept by the kernel's frame), a0 and a7 (given to resume in t1, t2)
    .macro  each_saved op base
    .irp    r, 1, 2, 3, 4, 8, 9, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op     x\r, RT_REGS + 8 * \r(\base)
    .endr
    .endm

    // what a C function keeps
    .macro  each_kept op base
    .set    i, 0
    .irp    r, ra, sp, gp, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    \op     \r, RT_SAVE + 8 * i(\base)
    .set    i, i + 1
    .endr
    .endm

    .macro  each_f op base
    .set    i, 0
    .rept   32
    fop_\op i, \base
    .set    i, i + 1
    .endr
    .endm

    // a0-a4, s0-s11: a transfer's message
    .macro  each_msg op base
    .set    i, 0
    .irp    r, a0, a1, a2, a3, a4, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    \op     \r, 8 * i(\base)
    .set    i, i + 1
    .endr
    .endm

    .option arch, +d

    .text
    .globl  image_entry
image_entry:                // mask holds the end of the slice back until all entries are there
    ld      t1, UA_PENDING(t0)
    andi    t1, t1, PENDING_FORCED
    bnez    t1, go_forced
    mv      tp, t0
    la      sp, stack_top
    la      t1, rt_entries
    .irp    i, 0, 8, 16, 24
    ld      t2, \i(t1)
    sd      t2, UA_ENTRY_FAULT + \i(tp)
    .endr
    li      t1, ~MASK_LIBOS
    amoand.d zero, t1, (tp)
    ld      t1, UA_PENDING(tp)
    andi    t1, t1, PENDING_EPILOGUE
    beqz    t1, 1f
    li      a0, 0
    call    rt_yield
1:  call    main
    call    rt_exit

    .globl  fault_entry, epilogue_entry, prologue_entry, call_entry
prologue_entry:
    mv      tp, t0
    ld      t1, UA_PENDING(tp)
    andi    t1, t1, PENDING_FORCED
    bnez    t1, go_forced
    ld      t1, UA_MASK(tp)
    srli    t1, t1, 8
    andi    t1, t1, 0xff
    bnez    t1, go_epilogue
    ld      t1, RT_SAVED(tp)
    bnez    t1, go_saved
    ld      t1, RT_MAIN(tp)
    bnez    t1, go_main
park:                       // nothing to do: called or replied to, and that is over
    li      a0, 0
    li      a7, EXO_YIELD
    ecall
    j       park

go_main:
    sd      zero, RT_MAIN(tp)
    ld      sp, RT_STACK(tp)
    ld      a0, RT_ARG(tp)
    jalr    t1
    call    rt_exit

go_saved:
    sd      zero, RT_SAVED(tp)
    each_kept ld, t0
    li      a0, 0
    ret

go_forced:
    li      a0, FRAME_FORCED
    li      a7, EXO_RESUME
    ecall
    ebreak

go_epilogue:
    ld      t1, RT_FP_ON(tp)
    beqz    t1, 1f
    li      a0, 1
    li      a7, EXO_FP
    ecall
    mv      t0, tp
    .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fld     f\i, RT_FREGS + 8 * \i(t0)
    .endr
    ld      t1, RT_FREGS + 8 * 32(t0)
    fscsr   t1
1:  each_saved ld, t0
    ld      t1, RT_REGS + 8 * 10(t0)
    ld      t2, RT_REGS + 8 * 17(t0)
    li      a0, FRAME_EPILOGUE
    li      a7, EXO_RESUME
    ecall
    ebreak

epilogue_entry:
    each_saved sd, t0
    sd      a0, RT_REGS + 8 * 10(t0)
    sd      a7, RT_REGS + 8 * 17(t0)
    mv      tp, t0
    ld      t1, RT_FP_ON(tp)
    beqz    t1, 1f
    .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fsd     f\i, RT_FREGS + 8 * \i(t0)
    .endr
    frcsr   t1
    sd      t1, RT_FREGS + 8 * 32(t0)
1:  li      a0, 0
    li      a7, EXO_YIELD
    ecall
    j       1b

// A fault of the C thread: rt_fault_c decides, on the thread's own stack.
fault_entry:
    addi    sp, sp, -128
    .set    i, 0
    .irp    r, ra, tp, a0, a1, a2, a3, a4, a5, a6, a7, t3, t4, t5, t6
    sd      \r, 8 * i(sp)
    .set    i, i + 1
    .endr
    mv      tp, t0
    mv      a0, t0
    mv      a1, sp
    call    rt_fault_c
    ld      t1, UA_PENDING(tp) // the slice ended meanwhile: give up the hart before the frame is used
    andi    t1, t1, PENDING_EPILOGUE
    beqz    t1, 1f
    li      a0, 0
    call    rt_yield
1:  .set    i, 0
    .irp    r, ra, tp, t1, a1, a2, a3, a4, a5, a6, t2, t3, t4, t5, t6
    ld      \r, 8 * i(sp)
    .set    i, i + 1
    .endr
    addi    sp, sp, 128
    li      a0, FRAME_FAULT
    li      a7, EXO_RESUME
    ecall
    ebreak

// A transfer came: the message goes through on_call and back. A reply that comes too late in the slice is tried
// again in the next; one whose client is gone leaves nothing to do.
call_entry:
    mv      tp, t0
    ld      sp, RT_CALLSTACK(tp)
    addi    sp, sp, -144
    each_msg sd, sp
    mv      a0, sp
    mv      a1, t6
    ld      t1, RT_ON_CALL(tp)
    beqz    t1, 1f
    jalr    t1
1:  each_msg ld, sp
    li      a7, EXO_REPLY
    ecall
    li      t1, -27 // E_TIME
    beq     a0, t1, 1b
                            // a send, or a client that is gone: what this environment did before goes on
    mv      t0, tp
    ld      t1, RT_SAVED(tp)
    bnez    t1, go_saved
    j       park

    .globl  rt_yield
rt_yield:
    li      a7, EXO_YIELD
leave:                      // no epilogue may look for f registers where a new slice has none
    sd      zero, RT_FP_ON(tp)
    each_kept sd, tp
    li      t0, 1
    sd      t0, RT_SAVED(tp)
    ecall
    sd      zero, RT_SAVED(tp)
    ret

    .globl  rt_wait
rt_wait:
    li      a7, EXO_WAIT
    j       leave

    .globl  rt_stop
rt_stop:
    lwu     a0, UA_LIBOS + FIRST_EID(tp)
    li      a1, 1 // ENV_STOP
    li      a7, EXO_ENV_CTL
    j       leave

    .globl  rt_call
rt_call:
    sd      zero, RT_FP_ON(tp)
    each_kept sd, tp
    sd      a2, RT_MSG(tp)
    mv      a6, a0
    mv      a5, a1
    mv      t1, a2
    each_msg ld, t1
    li      a7, EXO_CALL
    ecall
    ld      t1, RT_MSG(t0)
    each_msg sd, t1
    each_kept ld, t0
    mv      a0, t6
    ret

    .globl  rt_send
rt_send:
    sd      zero, RT_FP_ON(tp)
    each_kept sd, tp
    li      t0, 1
    sd      t0, RT_SAVED(tp)
    mv      a6, a0
    mv      a5, a1
    mv      t1, a2
    each_msg ld, t1
    li      a7, EXO_SEND
    ecall
    mv      t0, tp
    sd      zero, RT_SAVED(t0)
    each_kept ld, t0
    mv      a0, t6
    ret

    .globl  rt_reply
rt_reply:
    each_kept sd, tp
    mv      t1, a0
    each_msg ld, t1
    li      a7, EXO_REPLY
    ecall
    mv      t0, tp
    mv      t1, a0
    each_kept ld, t0
    mv      a0, t1
    ret

    .globl  rt_resume
rt_resume:
    li      a7, EXO_RESUME
    ecall
    ret

// A fault between try_begin and try_end goes on at try_failed; one while RT_TRY is set, at try_jump_failed: with
// a0 = its cause.
    .globl  rt_try_load, rt_try_store, rt_try_jump, try_begin, try_end, try_failed, try_jump_failed
try_begin:
rt_try_load:
    ld      a0, (a0)
    sd      a0, (a1)
    li      a0, -1
    ret
rt_try_store:
    sd      a1, (a0)
    li      a0, -1
    ret
try_end:
rt_try_jump:
    addi    sp, sp, -16
    sd      ra, (sp)
    sd      sp, RT_TRY(tp)
    jalr    a0
    li      a0, -1
try_jump_failed:
    ld      sp, RT_TRY(tp)
    sd      zero, RT_TRY(tp)
    ld      ra, (sp)
    addi    sp, sp, 16
try_failed:
    ret
