// What tests need of assembly: see kt.h.
#include "../rt/rt.h"


// ecall_regs(nr, a0, a1, out)
    .globl  ecall_regs
ecall_regs:
    addi    sp, sp, -128
    .set    i, 0
    .irp    r, ra, gp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, a3
    sd      \r, 8 * i(sp)
    .set    i, i + 1
    .endr
    mv      a7, a0
    mv      a0, a1
    mv      a1, a2
    ld      ra, pattern
    .irp    r, 3, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    addi    x\r, ra, \r
    .endr
    addi    ra, ra, 1
    ecall
    sd      ra, 120(sp)
    ld      ra, 112(sp)         // out
    .irp    r, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    sd      x\r, 8 * \r(ra)
    .endr
    ld      t0, 120(sp)
    sd      t0, 8(ra)
    sd      sp, 16(ra)
    .set    i, 0
    .irp    r, ra, gp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    ld      \r, 8 * i(sp)
    .set    i, i + 1
    .endr
    addi    sp, sp, 128
    ret

    .balign 8
pattern:
    .dword  0x5a5a5a5a5a5a0000

    // x3 to x31 but tp
    .macro  each_num op
    .irp    r, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op     \r
    .endr
    .endm

    .macro  set_pattern r
    addi    x\r, ra, \r
    .endm

    .macro  keep op
    .set    i, 0
    .irp    r, ra, gp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    \op     \r, 8 * i(sp)
    .set    i, i + 1
    .endr
    .endm

    .macro  check_pattern r
    addi    ra, ra, \r
    bne     x\r, ra, 9f
    addi    ra, ra, -\r
    .endm

// u64 hold_regs(volatile u64 *until): keeps a pattern in all registers until *until is not 0. Returns 0, or 1 if one
// lost its value.
    .globl  hold_regs
hold_regs:
    addi    sp, sp, -128
    keep    sd
    sd      a0, 112(sp)
    ld      ra, pattern
    each_num set_pattern
1:  ld      ra, pattern
    each_num check_pattern
    ld      ra, 112(sp)
    ld      ra, (ra)
    beqz    ra, 1b
    li      a0, 0
    j       2f
9:  li      a0, 1
2:  keep    ld
    addi    sp, sp, 128
    ret

    .macro  store_reg r
    sd      x\r, 8 * \r(ra)
    .endm

// void regs_at_fault(u64 *after): a store to address 0 with a pattern in all registers; what they hold when it is over goes
// to after[3..31]. The fault enters at one of the entries below.
    .globl  regs_at_fault
regs_at_fault:
    addi    sp, sp, -128
    keep    sd
    sd      a0, 112(sp)
    ld      ra, pattern
    each_num set_pattern
    .option push
    .option norvc
    sd      zero, (zero)
    .option pop
    ld      ra, 112(sp)
    each_num store_reg
    keep    ld
    addi    sp, sp, 128
    ret

    .macro  store_ua r
    sd      x\r, RT_FREGS + 8 * \r(t0)
    .endm

// Entries that first keep the registers they find in fregs[1..31] of struct rt.
    .globl  seen_fault, seen_prologue, seen_call, quick_fault
seen_fault:
    each_num store_ua
    ld      t1, UA_FAULT + FRAME_EPC(t0)
    addi    t1, t1, 4
    sd      t1, UA_FAULT + FRAME_EPC(t0)
    mv      t1, a0
    mv      t2, a7
    li      a0, FRAME_FAULT
    li      a7, EXO_RESUME
    ecall
    ebreak
seen_prologue:
    each_num store_ua
    sd      ra, RT_FREGS + 8(t0)
    sd      sp, RT_FREGS + 16(t0)
    sd      tp, RT_FREGS + 32(t0)
    j       prologue_entry
seen_call:
    each_num store_ua
    sd      ra, RT_FREGS + 8(t0)
    sd      sp, RT_FREGS + 16(t0)
    sd      tp, RT_FREGS + 32(t0)
    j       call_entry
// Back without the kernel.
quick_fault:
    ld      gp, UA_FAULT + FRAME_EPC(t0)
    addi    gp, gp, 4
    ld      t1, UA_FAULT + FRAME_T1(t0)
    ld      t2, UA_FAULT + FRAME_T2(t0)
    sb      zero, UA_MASK(t0)
    ld      t0, UA_FAULT + FRAME_T0(t0)
    jr      gp

// Entries that never come back, and one that gives the slice up at once.
    .globl  stuck, yield_entry, secrets_yield
stuck:
    j       stuck
yield_entry:
    li      a0, 0
    li      a7, EXO_YIELD
    ecall
    j       yield_entry

// secrets_yield(eid): a pattern in every register, f registers too, then a directed yield; never comes back here.
    .option push
    .option arch, +d
secrets_yield:
    mv      a6, a0
    li      a0, 1
    mv      s1, a6
    li      a7, EXO_FP
    ecall
    mv      a6, s1
    ld      ra, pattern
    .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fmv.d.x f\i, ra
    .endr
    fscsr   ra
    .irp    r, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    addi    x\r, ra, \r
    .endr
    mv      a0, a6
    li      a7, EXO_YIELD
1:  ecall
    li      a0, 0               // too late in the slice: to the next slot, then
    j       1b

// u64 fp_hold(volatile u64 *until): hold_regs for the f registers and fcsr, which must be on.
    .globl  fp_hold, fp_any, fp_touch
fp_touch:
    frcsr   t0
    ret
fp_hold:
    li      t0, 0x40000000
    .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    addi    t1, t0, \i
    fmv.d.x f\i, t1
    .endr
    li      t1, 0x41
    fscsr   t1
1:  .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fmv.x.d t2, f\i
    addi    t1, t0, \i
    bne     t1, t2, 9f
    .endr
    frcsr   t2
    li      t1, 0x41
    bne     t1, t2, 9f
    ld      t1, (a0)
    beqz    t1, 1b
    li      a0, 0
    ret
9:  li      a0, 1
    ret

// u64 fp_any(void): all f registers and fcsr, or-ed.
fp_any:
    frcsr   a0
    .irp    i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fmv.x.d t0, f\i
    or      a0, a0, t0
    .endr
    ret
    .option pop
