// From the firmware to C: translation on, a stack, and boot() or hart_main(). Both ways in arrive with
// translation off, a0 = hart id; the boot hart with a1 = device tree, the others with a1 = their number.
//
// The lower half of every table is empty, so the write to satp makes the next fetch fault, and the fault goes to
// stvec, which holds the upper half's address of the place to go on.
#include "riscv.h"
#include "boot.h"

    .section .text.entry, "ax"
    .globl _entry
_entry:
    csrw    sie, zero
    la      t0, bss_start
    la      t1, bss_end
1:  sd      zero, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b
    la      t0, early_root
    la      t1, boot_high
    j       go_high

    .globl hart_entry
hart_entry:
    csrw    sie, zero
    la      t0, kernel_root
    la      t1, hart_high

go_high: // t0 = pa of the root table, t1 = pa of the code to go on with
    srli    t0, t0, 12
    li      t2, SATP_SV39
    or      t0, t0, t2
    li      t2, KERNEL_BASE
    add     t1, t1, t2
    csrw    stvec, t1
    sfence.vma
    csrw    satp, t0
    unimp

    .balign 4
boot_high:
    la      t0, trap_panic
    csrw    stvec, t0
    la      sp, stacks + GUARD_SIZE + STACK_SIZE
    li      s0, 0
    mv      tp, zero
    call    boot

    .balign 4
hart_high:
    la      t0, trap_panic
    csrw    stvec, t0
    la      sp, stacks
    addi    t0, a1, 1
    li      t1, GUARD_SIZE + STACK_SIZE
    mul     t0, t0, t1
    add     sp, sp, t0
    li      s0, 0
    mv      tp, zero
    mv      a0, a1
    call    hart_main

// A trap from the kernel itself, which takes none on purpose, so it ends in a panic. Nothing is assumed of the
// stack: the first hart to come uses panic_stack, any other one stops here.
    .balign 4
    .globl trap_panic
trap_panic:
1:  wfi
    j       1b

// Until boot() has made kernel_root: all of the upper half's lower 128 GiB, with every right.
    .section .data
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
    .zero   MAX_HARTS * (GUARD_SIZE + STACK_SIZE)
