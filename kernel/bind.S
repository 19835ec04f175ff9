// bind and unbind in the case that libOSes make of them all day, under the lock: the twins of do_bind and do_unbind
// (bind.c), which make all checks in full and leave what they found in this hart's span. Here each check is made by
// comparing with one of those, or by a load. Whatever is unusual goes to the twin, nothing having changed.
//
//   bind      a data page of the root's owner, not executable, with bits as in the bind before, to an entry that
//             binds nothing
//   unbind    an entry that binds a page, which is not doomed; no other hart can be using it
//
// On entry a0-a4 are the arguments and t0-t6 free; tp is the hart's record, sscratch the user's tp. Nothing traps.
// t6 is not touched, t0 ends as the user's pc, and a0 and a2 also serve between arguments and results: so there is
// less to scrub.
#include "kernel_asm.h"

// t2 = the lock, t3 = our ticket.
.macro take_lock
    la      t2, kernel_lock
    li      t3, 1
    amoadd.w.aq t3, t3, (t2)
    lw      t4, 4(t2)
    beq     t3, t4, 1f
    jal     t1, lock_wait
1:  fence   r, rw
.endm

.macro leave_lock
    addiw   t3, t3, 1
    fence   rw, w
    sw      t3, 4(t2)
.endm

// The root in a0 is the caller's, va in a1 a page's, and the span holds its table. t1 = va - base.
.macro in_span
    ld      t1, SPAN_root(tp)
    bne     t1, a0, unusual
    ld      t1, SPAN_base(tp)
    xor     t1, t1, a1
    ld      t4, SPAN_outside(tp)
    and     t4, t4, t1
    bnez    t4, unusual
    lbu     t4, SPAN_account(tp)
    lbu     t5, H_base+2(tp)
    bne     t4, t5, unusual
.endm

// t1 = the entry's address, \to = what it holds.
.macro find_entry to
    srli    t1, t1, 9
    ld      t5, SPAN_table(tp)
    add     t1, t1, t5
    ld      \to, 0(t1)
.endm

// The table's count of valid entries goes up or down, and this hart's TLB forgets va. Uses a0.
.macro count_and_fence by
    ld      t5, SPAN_page(tp)
    lhu     a0, P_users(t5)
    addi    a0, a0, \by
    sh      a0, P_users(t5)
    lwu     a0, SPAN_asid(tp)
    sfence.vma a1, a0
.endm

.macro return_done
    csrr    t0, sepc
    addi    t0, t0, 4
    csrw    sepc, t0
    li      a0, 0
    .irp    reg, t1, t2, t3, t4, t5
    li      \reg, 0
    .endr
    csrrw   tp, sscratch, tp
    sret
.endm

    .section .text
    .globl  fast_bind
fast_bind:
    trapped
    .cfi_register tp, DWARF_SSCRATCH
    take_lock
    in_span
    lwu     t4, SPAN_bits(tp)
    bne     t4, a3, unusual
    li      t4, EXO_PPN_BASE
    sub     t4, a2, t4
    lwu     t5, SPAN_npages(tp)
    bgeu    t4, t5, unusual
    slli    t4, a2, 5
    ld      t5, SPAN_records(tp)
    add     t4, t4, t5
    lhu     t5, P_type(t4)          // and account
    lhu     t0, SPAN_own(tp)
    bne     t5, t0, unusual
    find_entry t0
    andi    t5, t0, PTE_V
    bnez    t5, unusual
    slli    a2, a2, 10
    or      a2, a2, a3
    ori     a2, a2, PTE_U | PTE_V
    amoswap.d.rl a2, a2, (t1)       // the page's contents come first
    lw      a0, P_binds(t4)
    addi    a0, a0, 1
    sw      a0, P_binds(t4)
    count_and_fence 1
    mv      a1, a2
    li      a2, -1
    leave_lock
    return_done

    .globl  fast_unbind
fast_unbind:
    take_lock
    in_span
    andi    t4, a2, PTE_V
    bnez    t4, unusual
    ld      t4, SPAN_space(tp)
    lw      t4, ROOT_harts(t4)
    lw      t5, SPAN_others(tp)
    and     t4, t4, t5
    bnez    t4, unusual
    find_entry t0
    andi    t4, t0, PTE_V
    beqz    t4, unusual
    srli    t0, t0, 10
    slli    t0, t0, 5
    ld      t4, SPAN_records(tp)
    add     t4, t4, t0
    lbu     t5, P_type(t4)
    addi    t5, t5, -P_DOOMED
    beqz    t5, unusual
    amoswap.d.rl a2, a2, (t1)
    count_and_fence -1
    mv      a1, a2
    lw      a2, P_binds(t4)
    addi    a2, a2, -1
    sw      a2, P_binds(t4)
    leave_lock
    return_done

unusual:
    leave_lock
    addi    t0, a7, -EXO_PAGE_ALLOC
    j       locked_call
    .cfi_endproc
