// See ecall.h. Numbers are those of kernel/syscall.h up to SYS_close, as they are xv6's.
#include "ecall.h"

#include "exec.h"
#include "file.h"
#include "fork.h"
#include "kernel/syscall.h"
#include "proc.h"
#include "vm.h"

static u64 call(u64 number, const u64 a[6]) {
    int n = (int)a[0];
    const char *path = (const char *)a[0];
    switch (number) {
    case SYS_fork: return (u64)sys_fork();
    case SYS_exit: return (u64)sys_exit(n);
    case SYS_wait: return (u64)sys_wait((int *)a[0]);
    case SYS_pipe: return (u64)sys_pipe((int *)a[0]);
    case SYS_read: return (u64)sys_read(n, (void *)a[1], (int)a[2]);
    case SYS_kill: return (u64)sys_kill(n);
    case SYS_exec: return (u64)sys_exec(path, (char **)a[1]);
    case SYS_fstat: return (u64)sys_fstat(n, (struct stat *)a[1]);
    case SYS_chdir: return (u64)sys_chdir(path);
    case SYS_dup: return (u64)sys_dup(n);
    case SYS_getpid: return (u64)sys_getpid();
    case SYS_sbrk: return (u64)sys_sbrk(n);
    case SYS_sleep: return (u64)sys_sleep(n);
    case SYS_uptime: return (u64)sys_uptime();
    case SYS_open: return (u64)sys_open(path, (int)a[1]);
    case SYS_write: return (u64)sys_write(n, (const void *)a[1], (int)a[2]);
    case SYS_mknod: return (u64)sys_mknod(path, (short)a[1], (short)a[2]);
    case SYS_unlink: return (u64)sys_unlink(path);
    case SYS_link: return (u64)sys_link(path, (const char *)a[1]);
    case SYS_mkdir: return (u64)sys_mkdir(path);
    default: return (u64)sys_close(n); // SYS_close
    }
}

// A child made by fork comes back here, too, on its copy of the stack.
bool ecall_serve(struct trap *t) {
    u64 number = t->a[7];
    if (number < SYS_fork || number > SYS_close) return false;
    t->frame.epc += 4;
    t->a[0] = call(number, t->a);
    return true;
}
