// From the firmware to C: translation on, a stack, and boot() or hart_main(). Every hart comes in at _entry, with
// translation off; the first one has a0 = hart id, a1 = device tree. The others are started one at a time, so that
// they come in the order of their numbers. (They have no entry of their own because OpenSBI 1.1 may still send a
// hart that it starts where it sent the first.) And the way out: a trap from the kernel itself.
#include <exo/abi.h>
#include "boot.h"
#include "kernel_asm.h"
#include <exo/trace.h>

#define STACK_STEP (STACK_GUARD + STACK_SIZE)

    .cfi_sections .debug_frame
    .section .text.entry, "ax"
    .globl _entry
_entry:
    j       begin
    .balign 16              // EVIDENCE_HEADER: a host program looks here
    .dword  EVIDENCE_MAGIC
    .dword  evidence - KERNEL_BASE
begin:
    rdtime  a2
    csrw    sie, zero
    la      t0, entered
    li      t1, 1
    amoadd.w s1, t1, (t0)
    bnez    s1, next_hart
    la      t0, bss_start
    la      t1, bss_end
1:  sd      zero, 0(t0)
    sd      zero, 8(t0)
    sd      zero, 16(t0)
    sd      zero, 24(t0)
    addi    t0, t0, 32
    bltu    t0, t1, 1b
    la      t0, early_root
    la      t1, boot_high
    j       go_high

next_hart:
    la      t0, kernel_root
    la      t1, hart_high

// t0 = pa of the root table, t1 = pa of the code to go on with, s1 = this hart's number. The lower half of
// the table is empty, so the write to satp makes the next fetch fault, and the fault goes to stvec: up there.
go_high:
    srli    t0, t0, 12
    li      t2, SATP_SV39
    or      t0, t0, t2
    li      t2, KERNEL_BASE
    add     t1, t1, t2
    csrw    stvec, t1
    csrw    sscratch, zero
    sfence.vma
    csrw    satp, t0
    unimp

    .balign 4
boot_high:
    .cfi_startproc
    .cfi_undefined ra       // a debugger's backtrace ends here
    jal     set_up
    call    boot

    .balign 4
hart_high:
    jal     set_up
    mv      a0, s1
    call    hart_main
    .cfi_endproc

set_up:
    la      t0, trap_panic
    csrw    stvec, t0
    li      t0, STACK_STEP
    addi    t1, s1, 1
    mul     t0, t0, t1
    la      sp, stacks
    add     sp, sp, t0
    mv      tp, s1          // until C knows better
    li      s0, 0
    ret

// The kernel takes no trap on purpose, so one ends in a panic. Nothing is assumed of the stack: the first
// hart to come takes panic_stack, another one stops, and the same one again (a fault in the panic) ends it. Its sp
// and ra lie there for a debugger, which finds all else as it was.
    .balign 4
    .globl trap_panic
trap_panic:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_return_column DWARF_SEPC
    .cfi_def_cfa sp, 0
    la      t0, panic_owner
    addi    t1, tp, 1       // this hart's mark, never 0
1:  lr.d.aq t2, (t0)
    bnez    t2, 2f
    sc.d    t2, t1, (t0)
    bnez    t2, 1b
    mv      a0, s0
    mv      a1, ra
    mv      a2, sp
    la      sp, panic_stack_end
    addi    sp, sp, -16
    sd      ra, 0(sp)
    sd      a2, 8(sp)
    .cfi_offset ra, 0
    .cfi_offset sp, 8
    call    panic_trap
2:  bne     t2, t1, hart_stop
    la      sp, panic_stack_end
    call    panic_end
    .cfi_endproc

    .globl hart_stop
hart_stop:
    csrw    sie, zero
1:  wfi
    j       1b

    .data
    .balign 4
entered:                    // harts so far
    .word   0

// Until boot() has made kernel_root: the 128 GiB of the direct map, with every right.
    .section .root, "aw"
    .balign 4096
early_root:
    .zero   256 * 8
    .set    gib, 0
    .rept   128
    .dword  gib << 28 | PTE_V | PTE_R | PTE_W | PTE_X | PTE_A | PTE_D
    .set    gib, gib + 1
    .endr
    .zero   128 * 8

    .section .stacks, "aw", @nobits
    .balign 4096
    .globl stacks
stacks:
    .zero   EXO_NHART * STACK_STEP
    .zero   PANIC_STACK
panic_stack_end:
