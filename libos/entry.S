// What programs and the boot image see of the libOS: the image header, the jump table, the gate behind it,
// and the entry of the first process. See upcall.h for the stack.
#include <exo/abi.h>
#include <exo/image.h>
#include "kernel/syscall.h"
#include "regs.h"
#include "upcall.h"

    .section .header, "a"
    .dword  IMAGE_MAGIC
    .word   IMAGE_VERSION, 0
    .dword  image_entry, image_load
    .word   text_size, rodata_size, data_size, bss_size, stack_size
    .word   0, 0, 0

// Entry i is 8 bytes, at LIBOS_TABLE + 8 * i.
    .section .table, "ax"
    .option push
    .option norvc
    .set    i, 0
    .rept   SYS_thread_harts + 1
    addi    a7, zero, i
    j       gate
    .set    i, i + 1
    .endr
    .option pop

    .section .rodata
    .balign 8
calls:
    .macro  entry number, function
    .org    calls + 8 * \number
    .dword  \function
    .endm
    .dword  sys_none
    entry   SYS_fork, sys_fork
    entry   SYS_exit, sys_exit
    entry   SYS_wait, sys_wait
    entry   SYS_pipe, sys_pipe
    entry   SYS_read, sys_read
    entry   SYS_kill, sys_kill
    entry   SYS_exec, sys_exec
    entry   SYS_fstat, sys_fstat
    entry   SYS_chdir, sys_chdir
    entry   SYS_dup, sys_dup
    entry   SYS_getpid, sys_getpid
    entry   SYS_sbrk, sys_sbrk
    entry   SYS_sleep, sys_sleep
    entry   SYS_uptime, sys_uptime
    entry   SYS_open, sys_open
    entry   SYS_write, sys_write
    entry   SYS_mknod, sys_mknod
    entry   SYS_unlink, sys_unlink
    entry   SYS_link, sys_link
    entry   SYS_mkdir, sys_mkdir
    entry   SYS_close, sys_close
    entry   SYS_fsync, sys_fsync
    entry   SYS_poweroff, sys_poweroff
    entry   SYS_cachepolicy, bcache_policy
    entry   SYS_setgroup, sys_setgroup
    entry   SYS_front, sys_front
    entry   SYS_procinfo, sys_procinfo
    entry   SYS_thread_new, sys_thread_new
    entry   SYS_thread_exit, sys_thread_exit
    entry   SYS_thread_self, sys_thread_self
    entry   SYS_thread_yield, sys_thread_yield
    entry   SYS_thread_tickets, sys_thread_tickets
    entry   SYS_thread_wait, sys_thread_wait
    entry   SYS_thread_wake, sys_thread_wake
    entry   SYS_pagerinfo, sys_pagerinfo
    entry   SYS_signal, sys_signal
    entry   SYS_sigsend, sys_sigsend
    entry   SYS_sigblock, sys_sigblock
    entry   SYS_sigpause, sys_sigpause
    entry   SYS_alarm, sys_alarm
    entry   SYS_sigreturn, sys_sigreturn
    entry   SYS_rpc_call, sys_rpc_call
    entry   SYS_rpc_next, sys_rpc_next
    entry   SYS_rpc_answer, sys_rpc_answer
    entry   SYS_mmap, sys_mmap
    entry   SYS_munmap, sys_munmap
    entry   SYS_msync, sys_msync
    entry   SYS_thread_harts, sys_thread_harts

    .text
sys_none:
    li      a0, -1
    ret

// a7 = number, a0-a5 = arguments. The program's sp may be anything: it is not followed, only given back.
    .globl  gate
gate:
    from_elsewhere
    .cfi_def_cfa sp, 0
    .cfi_register DWARF_PC, ra
    .cfi_same_value sp
    bnez    tp, worker_gate
    li      t0, UA_VA
    ld      t0, SELF_STACK(t0)
    sd      sp, -16(t0)
    sd      ra, -8(t0)
    addi    sp, t0, -16
    .cfi_offset sp, 0
    .cfi_offset ra, 8
    .cfi_offset DWARF_PC, 8
    slli    a7, a7, 3
    lla     t1, calls
    add     t1, t1, a7
    ld      t1, (t1)
    jalr    t1
    li      t0, UA_VA
    ld      t1, SELF_ENDS(t0)
    lw      t1, (t1)
    bnez    t1, 1f
    ld      ra, 8(sp)
    ld      sp, (sp)
    ret

// The process is to end, or to be interrupted: what its program is about to do becomes a context, on the
// libOS's stack. It holds what a function keeps, and the result.
1:  addi    sp, sp, -CONTEXT_ROOM
    ld      t1, CONTEXT_ROOM + 8(sp)
    ld      t2, CONTEXT_ROOM(sp)
    sd      t1, 0(sp)
    sd      t1, 8(sp)
    sd      t2, 16(sp)
    .irp    r, 4, 8, 9, 10, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    sd      x\r, 8 * \r(sp)
    .endr
    mv      a0, sp
    call    signal_leave
    mv      a0, sp
    j       thread_resume
    .cfi_endproc

// The other entries come first, and mask holds the end of the slice back until they and the u-area are where
// they belong.
    .globl  image_entry
image_entry:
    ld      t1, UA_PENDING(t0)
    andi    t1, t1, PENDING_FORCED
    bnez    t1, upcall_forced
    .irp    i, 0, 8, 16, 24
    lla     t1, upcall_entries
    ld      t1, \i(t1)
    sd      t1, UA_ENTRY_FAULT + \i(t0)
    .endr
    lla     sp, stack_top
    mv      a0, t0
    call    start
