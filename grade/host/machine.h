// Stands in for kernel/riscv.h's instructions and the firmware in host tests: an access does nothing and
// reads 0, a call succeeds. A test may define any of these first.
#ifndef GRADE_HOST_MACHINE_H
#define GRADE_HOST_MACHINE_H

#ifndef csr_read
#define csr_read(csr) ((u64)0)
#endif
#ifndef csr_write
#define csr_write(csr, v) ((void)(v))
#endif
#ifndef csr_set
#define csr_set(csr, v) ((void)(v))
#endif
#ifndef csr_clear
#define csr_clear(csr, v) ((void)(v))
#endif
#ifndef sfence_all
#define sfence_all() ((void)0)
#endif
#ifndef sfence_asid
#define sfence_asid(asid) ((void)(asid))
#endif
#ifndef sfence_page
#define sfence_page(va, asid) ((void)(va), (void)(asid))
#endif
#ifndef fence_i
#define fence_i() ((void)0)
#endif
#ifndef fence_io
#define fence_io() ((void)0)
#endif
#ifndef wfi
#define wfi() ((void)0)
#endif
#ifndef nops
#define nops() ((void)0)
#endif
#ifndef cpu_relax
#define cpu_relax() ((void)0)
#endif
#ifndef lock_wait
#define lock_wait(ticket, lock) ((void)(ticket), (void)(lock))
#endif
#ifndef sbi_call
#define sbi_call(ext, fn, x0, x1, x2, x3, x4) \
    ((void)(ext), (void)(fn), (void)(x0), (void)(x1), (void)(x2), (void)(x3), (void)(x4), 0L)
#endif

#endif
