// Numbers of the Unix library OS's calls. None is a trap: entry n of a jump table that starts the library OS,
// at LIBOS_TABLE + 8 * n, is called like any function. The build makes a linker script of this file, which
// gives each entry its name: it reads the lines that define LIBOS_TABLE and SYS_name, numbers in plain
// decimal.
#ifndef USER_KERNEL_SYSCALL_H
#define USER_KERNEL_SYSCALL_H

#define LIBOS_TABLE 0x40000000

#define SYS_fork   1
#define SYS_exit   2
#define SYS_wait   3
#define SYS_pipe   4
#define SYS_read   5
#define SYS_kill   6
#define SYS_exec   7
#define SYS_fstat  8
#define SYS_chdir  9
#define SYS_dup    10
#define SYS_getpid 11
#define SYS_sbrk   12
#define SYS_sleep  13
#define SYS_uptime 14
#define SYS_open   15
#define SYS_write  16
#define SYS_mknod  17
#define SYS_unlink 18
#define SYS_link   19
#define SYS_mkdir  20
#define SYS_close  21

// Not in xv6.
#define SYS_fsync       22
#define SYS_poweroff    23
#define SYS_cachepolicy 24
#define SYS_setgroup    25
#define SYS_front       26
#define SYS_procinfo    27
#define SYS_thread_new  28
#define SYS_thread_exit 29
#define SYS_thread_self 30

#define SYS_thread_yield   31
#define SYS_thread_tickets 32
#define SYS_thread_wait    33
#define SYS_thread_wake    34
#define SYS_pagerinfo      35

#define SYS_signal    36
#define SYS_sigsend   37
#define SYS_sigblock  38
#define SYS_sigpause  39
#define SYS_alarm     40
#define SYS_sigreturn 41
#define SYS_rpc_call  42
#define SYS_rpc_next  43

#define SYS_rpc_answer 44
#define SYS_mmap       45
#define SYS_munmap     46
#define SYS_msync      47

#define SYS_thread_harts 48

#endif
