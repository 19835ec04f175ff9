// From user code into the kernel and back. Two ways in: trap_fast tries the fast paths first; trap_full takes
// everything to C (tracing, and the tests that run the fast paths' C twins). A fast path lists what must hold; a
// miss goes to save_all with every register that is still the user's as it was, and C does it all again, in
// full. On the fast paths nothing can trap: they touch the hart's record, environments and u-areas, all in the
// direct map.
//
// In the kernel tp is the hart's record. sscratch holds it while user code runs, the user's tp on the fast
// paths, and 0 while C runs: so a trap from C finds 0 and goes to trap_panic.
//
// The .cfi lines lead a debugger's backtrace from here, and from the C that is called here, to the user code that
// trapped. They say where its registers are; of a fast path that has gone over to another environment they do not.
#include "kernel_asm.h"

// They are in the hart's record, as save_all has put them there.
.macro all_saved
    .cfi_offset DWARF_SEPC, H_pc
    .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    .cfi_offset x\n, H_x+8*\n
    .endr
.endm

.macro clear regs:vararg
    .irp    reg, \regs
    li      \reg, 0
    .endr
.endm

.macro to_user
    csrrw   tp, sscratch, tp
    sret
.endm

// An upcall's frame in the u-area t0: what its handler may use, and where it comes from. t1 = that.
.macro save_frame frame
    sd      t1, \frame+FRAME_T1(t0)
    sd      t2, \frame+FRAME_T2(t0)
    ld      t1, H_t0(tp)
    sd      t1, \frame+FRAME_T0(t0)
    csrr    t1, sepc
    sd      t1, \frame+FRAME_EPC(t0)
.endm

// Enters the u-area t0's `entry`.
.macro upcall_to entry
    ld      t2, \entry(t0)
    csrw    sepc, t2
    ld      t0, H_uva(tp)
    to_user
.endm

    .section .text
    .balign 64
    .globl trap_fast
// t0-t6 and a2-a7 of an ecall are dead; its dispatch uses t0 alone, since resume takes t1 and t2.
trap_fast:
    trapped
    csrrw   tp, sscratch, tp
    .cfi_register tp, DWARF_SSCRATCH
    beqz    tp, from_kernel
    sd      t0, H_t0(tp)
    .cfi_offset t0, H_t0
    csrr    t0, scause
    addi    t0, t0, -CAUSE_ECALL
    bnez    t0, not_ecall
    addi    t0, a7, -EXO_CALL
    beqz    t0, fast_call
    addi    t0, t0, EXO_CALL - EXO_REPLY
    beqz    t0, fast_reply
    addi    t0, t0, EXO_REPLY - EXO_NULL
    beqz    t0, fast_null
    addi    t0, t0, EXO_NULL - EXO_YIELD
    beqz    t0, fast_yield
    addi    t0, t0, EXO_YIELD - EXO_PAGE_ALLOC
    bgez    t0, under_lock
    addi    t0, t0, EXO_PAGE_ALLOC - EXO_RESUME
    beqz    t0, fast_resume
    j       save_all

fast_null:
    csrr    t0, sepc
    addi    t0, t0, 4
    csrw    sepc, t0
    li      a0, 0
    to_user

// ---- exceptions and the end of a slice ----

not_ecall:
    srai    t0, t0, 3           // 0: causes 8-15; > 0: interrupts 0-7; < 0: the rest
    bnez    t0, not_fault

// FAULT, unless its frame is in use (byte 0 of mask). The cause, never 0, marks it used.
    ld      t0, H_ua(tp)
    lbu     t0, UA_MASK(t0)
    bnez    t0, save_all
    ld      t0, H_ua(tp)
    save_frame UA_FAULT
    csrr    t2, stval
    sd      t2, UA_FAULT+FRAME_TVAL(t0)
    csrr    t1, scause
    sd      t1, UA_FAULT+FRAME_CAUSE(t0)
    sb      t1, UA_MASK(t0)
    upcall_to UA_ENTRY_FAULT

not_fault:
    blez    t0, save_all
    csrr    t0, scause
    andi    t0, t0, 4           // of 1 and 5
    beqz    t0, save_all

// EPILOGUE, unless mask holds it back, the slice is over already, or a tick has work for C. Byte 1 of mask marks
// its frame used.
    lw      t0, H_special(tp)
    bnez    t0, save_all
    lw      t0, work
    bnez    t0, save_all
    ld      t0, H_ua(tp)
    ld      t0, UA_MASK(t0)
    bnez    t0, save_all
    ld      t0, H_ua(tp)
    save_frame UA_EPILOGUE
    li      t1, SPECIAL_PHASE   // 1: also READY_NONE, and not 0
    sb      t1, UA_MASK+1(t0)
    sw      t1, H_special(tp)
    sw      t1, H_ready(tp)
    ld      t2, H_tick_word(tp)
    amoadd.d zero, t1, (t2)
    csrr    t1, time
    ld      t2, H_budget(tp)
    add     t1, t1, t2
    csrw    CSR_STIMECMP, t1
    upcall_to UA_ENTRY_EPILOGUE

// Back to what was interrupted: FAULT or EPILOGUE frame, a0 and a7 from t1 and t2. Past the end of the slice C sees
// whether the frame's byte of mask held an EPILOGUE back.
.macro resume_from frame, mask
    ld      t0, H_ua(tp)
    mv      a0, t1
    mv      a7, t2
    ld      t1, \frame+FRAME_EPC(t0)
    csrw    sepc, t1
    sb      zero, \mask(t0)
    ld      t1, \frame+FRAME_T1(t0)
    ld      t2, \frame+FRAME_T2(t0)
    ld      t0, \frame+FRAME_T0(t0)
    to_user
.endm

fast_resume:
    lw      t0, H_special(tp)
    bnez    t0, save_all
    bnez    a0, 1f
    resume_from UA_FAULT, UA_MASK
1:  addi    t0, a0, -FRAME_EPILOGUE
    bnez    t0, save_all
    resume_from UA_EPILOGUE, UA_MASK+1

// ---- protected control transfer and directed yield ----

// t0 = the record named by \eid, which is of this generation and in reach of the index.
.macro named eid
    andi    t0, \eid, EXO_EID_INDEX
    ld      t1, H_envs(tp)
    slli    t0, t0, 8
    add     t0, t0, t1
    lwu     t1, 0(t0)
    bne     t1, \eid, save_all
.endm

// This hart runs the environment t0, whose u-area is t3: addresses and satp. t0 = u-area as it sees it; t3 dies.
.macro switch_to
    sd      t0, H_cur(tp)
    sd      t3, H_ua(tp)
    ld      t3, E_satp(t0)
    csrw    satp, t3
    ld      t0, E_uva(t0)
    sd      t0, H_uva(tp)
    li      t3, 0
.endm

// Between accounts nothing but messages and results may pass. tp goes the way of the rest, so this is the end.
.macro scrub_sret
    clear   ra, sp, gp, t1, t2, t4, t5, a5, a6, a7
    csrw    sscratch, tp
    li      tp, 0
    sret
.endm

// The next slice of the environment t0 begins, unless it is a call's. t3 = u-area.
.macro begin_slice
    ld      t4, E_slices(t0)
    addi    t4, t4, 1
    sd      t4, E_slices(t0)
    ld      t3, E_ua(t0)
    ld      t4, UA_ENTRY_PROLOGUE(t3)
    csrw    sepc, t4
    switch_to
.endm

// The client t0 goes on after its call.
.macro return_to_client
    ld      t4, E_pc(t0)
    csrw    sepc, t4
    ld      t3, E_ua(t0)
    switch_to
.endm

// Nothing in the callee's u-area t3 holds a call back, nor might: pending may name a forced frame. t4 = 0.
.macro unmasked
    ld      t4, UA_MASK(t3)
    ld      t5, UA_PENDING(t3)
    or      t4, t4, t5
    bnez    t4, save_all
.endm

// The current environment waits with its word t2 + CALLING, to go on after its ecall; the callee t0, with word t1 and
// u-area t3, runs as after switch_to, but t3 holds its entry. The order leaves no word of the kernel's in t3-t6.
.macro transfer
    addi    t2, t2, ENV_CALLING
    ld      t5, E_satp(t0)
    csrw    satp, t5
    csrr    t5, sepc
    addi    t5, t5, 4
    ld      t6, H_cur(tp)
    sd      t5, E_pc(t6)
    sw      t2, E_state(t6)
    sw      a6, E_callee(t6)
    lwu     t6, 0(t6)
    sw      t6, E_client(t0)
    addi    t1, t1, ENV_RUNNING | ENV_SERVING
    sw      t1, E_state(t0)
    sd      t0, H_cur(tp)
    sd      t3, H_ua(tp)
    ld      t3, UA_ENTRY_CALL(t3)
    csrw    sepc, t3
    ld      t0, E_uva(t0)
    sd      t0, H_uva(tp)
.endm

// call: the callee is ready, at home here, of this account, and unmasked; the caller serves nobody (one that does
// goes to C, where the depth is counted).
fast_call:
    named   a6
    lw      t2, H_ready(tp)
    lw      t1, E_state(t0)
    bne     t1, t2, 1f
    ld      t3, E_ua(t0)
    unmasked
    sw      t4, H_ready(tp)     // READY_SAME
    transfer
    to_user
1:  lw      t4, H_base(tp)      // another account's: with the capability it accepts
    bne     t4, t2, save_all
    xor     t5, t1, t2
    slli    t5, t5, 48
    bnez    t5, save_all
    andi    t3, a6, EXO_EID_INDEX
    slli    t3, t3, 3
    la      t4, env_caps
    add     t3, t3, t4
    ld      t3, 0(t3)
    beqz    t3, save_all
    bne     t3, a5, save_all
    ld      t3, E_ua(t0)
    unmasked
    sw      t1, H_base(tp)
    transfer
    lui     t4, READY_CROSS >> 12
    or      t4, t4, t2
    sw      t4, H_ready(tp)
    li      t3, 0
    scrub_sret

// reply: to the client that called in this very slice, nothing having come between.
fast_reply:
    ld      t5, H_cur(tp)
    lwu     t1, E_client(t5)
    andi    t0, t1, EXO_EID_INDEX
    ld      t1, H_envs(tp)
    slli    t0, t0, 8
    add     t0, t0, t1
    lw      t2, H_ready(tp)
    lw      t4, E_state(t0)
    bnez    t2, 1f
    lw      t2, H_base(tp)
    addi    t1, t2, ENV_CALLING
    bne     t4, t1, save_all
    sw      t2, E_state(t5)
    sw      t2, H_ready(tp)
    addi    t2, t2, ENV_RUNNING
    sw      t2, E_state(t0)
    return_to_client
    clear   t5, t6
    to_user
1:  lui     t1, READY_CROSS >> 12
    or      t4, t4, t1
    bne     t4, t2, save_all
    xor     t2, t2, t1
    lw      t1, E_state(t5)
    addi    t1, t1, -(ENV_RUNNING | ENV_SERVING)
    sw      t1, E_state(t5)
    addi    t2, t2, -ENV_CALLING
    sw      t2, H_ready(tp)
    sw      t2, H_base(tp)
    addi    t2, t2, ENV_RUNNING
    sw      t2, E_state(t0)
    return_to_client
    li      t6, 0
    scrub_sret

fast_yield:
    beqz    a0, yield_any
    named   a0
    lw      t2, H_ready(tp)
    lw      t1, E_state(t0)
    ld      t4, H_cur(tp)
    bne     t1, t2, 1f
    sw      t2, E_state(t4)
    addi    t2, t2, ENV_RUNNING
    sw      t2, E_state(t0)
    begin_slice
    to_user
1:  lw      t5, H_base(tp)      // another account's
    bne     t5, t2, save_all
    xor     t5, t1, t2
    slli    t5, t5, 48
    bnez    t5, save_all
    sw      t2, E_state(t4)
    sw      t1, H_base(tp)
    sw      t1, H_ready(tp)
    addi    t1, t1, ENV_RUNNING
    sw      t1, E_state(t0)
    begin_slice
    clear   a0, a1, a2, a3, a4, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, t6
    scrub_sret

// The slice is over: the next filled slot, if its environment is ready, at home here, and of this account.
yield_any:
    lw      t1, H_special(tp)
    andi    t1, t1, ~SPECIAL_PHASE
    bnez    t1, save_all
    lw      t1, work
    bnez    t1, save_all
    ld      t4, H_cur(tp)
    lw      t2, H_base(tp)
    lw      t3, E_state(t4)
    addi    t5, t2, ENV_RUNNING
    bne     t3, t5, save_all
    ld      t6, H_turn(tp)
    ld      t6, TURN_next(t6)
    ld      t0, TURN_env(t6)
    lw      t1, TURN_eid(t6)
    lw      t3, 0(t0)
    bne     t1, t3, save_all
    lw      t1, E_state(t0)
    bne     t1, t2, save_all
    sw      t2, E_state(t4)
    sw      t2, H_ready(tp)
    sw      t5, E_state(t0)
    sw      zero, H_special(tp)
    sd      t6, H_turn(tp)
    li      t6, 0
    csrr    t4, time
    ld      t3, H_slice(tp)
    add     t4, t4, t3
    csrw    CSR_STIMECMP, t4
    li      t4, SSTATUS_FS
    csrc    sstatus, t4
    begin_slice
    to_user

// ---- calls under the lock ----

// t0 = number past EXO_PAGE_ALLOC. C keeps s0-s11, gp and tp; the rest is dead, and zeroed, so that no value of
// the kernel's is left in it.
under_lock:
    addi    t1, t0, EXO_PAGE_ALLOC - EXO_BIND
    beqz    t1, fast_bind
    addi    t1, t1, EXO_BIND - EXO_UNBIND
    beqz    t1, fast_unbind
    .globl  locked_call
locked_call:
    addi    t1, t0, EXO_PAGE_ALLOC - EXO_CALLS_END
    bgez    t1, save_all
    la      t1, call_table
    slli    t0, t0, 3
    add     t1, t1, t0
    ld      t1, 0(t1)
    csrr    t2, sscratch
    csrw    sscratch, zero
    sd      t2, H_tp(tp)
    sd      ra, H_ra(tp)
    sd      sp, H_sp(tp)
    .cfi_offset tp, H_tp
    .cfi_offset ra, H_ra
    .cfi_offset sp, H_sp
    ld      sp, H_kstack(tp)
    sd      zero, H_a2(tp)
    la      t2, kernel_lock
    li      t3, 1
    amoadd.w.aq t3, t3, (t2)
    lw      t4, 4(t2)
    bne     t3, t4, 2f
1:  fence   r, rw
    jalr    t1
    la      t2, kernel_lock
    lw      t3, 4(t2)
    addi    t3, t3, 1
    fence   rw, w
    sw      t3, 4(t2)
    lw      t0, H_resched(tp)
    bnez    t0, 3f
    csrr    t0, sepc
    addi    t0, t0, 4
    csrw    sepc, t0
    ld      a2, H_a2(tp)
    ld      ra, H_ra(tp)
    ld      sp, H_sp(tp)
    csrw    sscratch, tp
    ld      tp, H_tp(tp)
    clear   t1, t2, t3, t4, t5, t6, a3, a4, a5, a6, a7
    sret
2:  mv      t6, t1
    jal     t1, lock_wait
    mv      t1, t6
    j       1b
3:  call    dispatch
    j       restore_all
    .cfi_endproc

// Until it is ticket t3's turn, t2 = the lock; t1 = return address, t0, t4 and t5 are lost. A hart that waits long
// sleeps in short steps: there may be more harts than CPUs under them, and the lock's holder wants one. Without
// stimecmp it can only spin.
    .globl lock_wait
lock_wait:
    .cfi_startproc
    .cfi_return_column t1
    li      t5, LOCK_SPINS
1:  ld      t0, panic_owner
    bnez    t0, hart_stop
    lw      t4, 4(t2)
    beq     t3, t4, 3f
    addi    t5, t5, -1
    bgtz    t5, 1b
    lw      t0, H_special(tp)
    andi    t0, t0, SPECIAL_SBI
    bnez    t0, 1b
    csrr    t0, CSR_STIMECMP
    csrr    t4, time
    addi    t4, t4, LOCK_NAP
    csrw    CSR_STIMECMP, t4
    csrr    t5, sie
    li      t4, SIE_STIE
    csrw    sie, t4
    wfi
    csrw    sie, t5
    csrw    CSR_STIMECMP, t0
    li      t5, 1
    j       1b
3:  fence   r, rw
    jr      t1
    .cfi_endproc

// ---- everything else ----

    .balign 4
    .globl trap_full
trap_full:
    trapped
    csrrw   tp, sscratch, tp
    .cfi_register tp, DWARF_SSCRATCH
    beqz    tp, from_kernel
    sd      t0, H_t0(tp)
    .cfi_offset t0, H_t0

save_all:
    .irp    n, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd      x\n, H_x+8*\n(tp)
    .endr
    ld      t0, H_t0(tp)
    sd      t0, H_x+8*5(tp)
    csrr    t0, sscratch
    sd      t0, H_x+8*4(tp)
    csrw    sscratch, zero
    csrr    t0, sepc
    sd      t0, H_pc(tp)
    all_saved
    ld      sp, H_kstack(tp)
    call    trap_c

    .globl restore_all
restore_all:
    ld      t0, H_pc(tp)
    csrw    sepc, t0
    csrw    sscratch, tp
    .irp    n, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ld      x\n, H_x+8*\n(tp)
    .endr
    ld      tp, H_x+8*4(tp)
    sret

// To user code for the first time, from boot and from harts that idled.
    .globl trap_return
trap_return:
    ld      sp, H_kstack(tp)
    j       restore_all
    .cfi_endproc

// A trap from C: sscratch was 0. tp and sscratch as they were.
from_kernel:
    csrrw   tp, sscratch, tp
    j       trap_panic
