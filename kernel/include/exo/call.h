// The kernel's calls as C functions, for user-level code: each is one ecall, inline. What the calls do, and
// their errors, stands in <exo/abi.h>. Those that end the slice or enter the caller elsewhere (yield, wait,
// call, send, reply, resume) are not here: the caller's registers do not survive them, so they belong into a
// libOS's assembly.
#ifndef EXO_CALL_H
#define EXO_CALL_H

#include <exo/abi.h>

struct exo_ret {
    i64 err;
    u64 val, val2;
};

static inline __attribute__((always_inline)) struct exo_ret exo_ecall(u64 nr, u64 x0, u64 x1, u64 x2, u64 x3,
                                                                      u64 x4) {
    register u64 a0 __asm__("a0") = x0;
    register u64 a1 __asm__("a1") = x1;
    register u64 a2 __asm__("a2") = x2;
    register u64 a3 __asm__("a3") = x3;
    register u64 a4 __asm__("a4") = x4;
    register u64 a7 __asm__("a7") = nr;
    __asm__ volatile("ecall"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a7)
                     :
                     : "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a5", "a6", "memory");
    return (struct exo_ret){(i64)a0, a1, a2};
}

// A call whose only result is its error; one whose result is a value (checked through .err).
#define EXO_DO(name, NR, params, x0, x1, x2, x3, x4) \
    static inline i64 name params { return exo_ecall(NR, x0, x1, x2, x3, x4).err; }
#define EXO_GET(name, NR, params, x0, x1, x2, x3, x4) \
    static inline struct exo_ret name params { return exo_ecall(NR, x0, x1, x2, x3, x4); }

// clang-format off
EXO_DO(exo_null, EXO_NULL, (void), 0, 0, 0, 0, 0)
EXO_DO(exo_fp, EXO_FP, (u64 on), on, 0, 0, 0, 0)
EXO_DO(exo_poke, EXO_POKE, (u64 hart), hart, 0, 0, 0, 0)
EXO_DO(exo_slot_set, EXO_SLOT_SET, (u64 hart, u64 slot, u64 eid), hart, slot, eid, 0, 0)
EXO_DO(exo_slot_give, EXO_SLOT_GIVE, (u64 hart, u64 slot, u64 n, u64 acct), hart, slot, n, acct, 0)

EXO_GET(exo_page_alloc, EXO_PAGE_ALLOC, (u64 ppn, u64 unzeroed), ppn, unzeroed, 0, 0, 0)
EXO_DO(exo_page_free, EXO_PAGE_FREE, (u64 ppn), ppn, 0, 0, 0, 0)
EXO_DO(exo_page_set, EXO_PAGE_SET, (u64 ppn, cap_t rcap, cap_t wcap, u64 tag, u64 keep), ppn, rcap, wcap, tag, keep)
EXO_DO(exo_page_give, EXO_PAGE_GIVE, (u64 ppn, u64 acct), ppn, acct, 0, 0, 0)
EXO_GET(exo_cap_new, EXO_CAP_NEW, (void), 0, 0, 0, 0, 0)

EXO_DO(exo_pt_link, EXO_PT_LINK, (u64 root, va_t va, u64 level, u64 ppn), root, va, level, ppn, 0)
EXO_GET(exo_pt_unlink, EXO_PT_UNLINK, (u64 root, va_t va, u64 level), root, va, level, 0, 0)
EXO_GET(exo_bind, EXO_BIND, (u64 root, va_t va, u64 ppn, u64 bits, cap_t cap), root, va, ppn, bits, cap)
EXO_GET(exo_protect, EXO_PROTECT, (u64 root, va_t va, u64 clear, u64 set, cap_t cap), root, va, clear, set, cap)
EXO_GET(exo_unbind, EXO_UNBIND, (u64 root, va_t va, u64 word), root, va, word, 0, 0)
EXO_GET(exo_batch, EXO_BATCH, (struct exo_op *ops, u64 n), (u64)ops, n, 0, 0, 0)

EXO_GET(exo_env_new, EXO_ENV_NEW, (u64 hart, u64 root, u64 ua_ppn, va_t ua_va), hart, root, ua_ppn, ua_va, 0)
EXO_DO(exo_env_ctl, EXO_ENV_CTL, (u64 eid, u64 op), eid, op, 0, 0, 0)
EXO_DO(exo_env_end, EXO_ENV_END, (u64 eid), eid, 0, 0, 0, 0)
EXO_DO(exo_env_space, EXO_ENV_SPACE, (u64 eid, u64 root, va_t ua_va), eid, root, ua_va, 0, 0)
EXO_DO(exo_env_home, EXO_ENV_HOME, (u64 eid, u64 hart), eid, hart, 0, 0, 0)
EXO_DO(exo_env_accept, EXO_ENV_ACCEPT, (u64 eid, cap_t cap), eid, cap, 0, 0, 0)

EXO_GET(exo_acct_new, EXO_ACCT_NEW, (u64 pages, u64 envs, u64 accts, u64 exts), pages, envs, accts, exts, 0)
EXO_DO(exo_acct_set, EXO_ACCT_SET, (u64 acct, u64 pages, u64 envs, u64 accts, u64 exts), acct, pages, envs, accts, exts)
EXO_DO(exo_acct_end, EXO_ACCT_END, (u64 acct), acct, 0, 0, 0, 0)
EXO_DO(exo_acct_pager, EXO_ACCT_PAGER, (u64 acct, u64 eid), acct, eid, 0, 0, 0)
EXO_DO(exo_revoke, EXO_REVOKE, (u64 acct, u64 n, u64 deadline), acct, n, deadline, 0, 0)

EXO_GET(exo_ext_split, EXO_EXT_SPLIT, (u64 ext, u64 n), ext, n, 0, 0, 0)
EXO_DO(exo_ext_join, EXO_EXT_JOIN, (u64 a, u64 b), a, b, 0, 0, 0)
EXO_DO(exo_ext_give, EXO_EXT_GIVE, (u64 ext, u64 acct), ext, acct, 0, 0, 0)
EXO_DO(exo_ext_set, EXO_EXT_SET, (u64 ext, cap_t rcap, cap_t wcap), ext, rcap, wcap, 0, 0)
EXO_GET(exo_disk_submit, EXO_DISK_SUBMIT, (u64 op, u64 count, u64 ext, u64 offset, const ppn_t *ppns, cap_t cap),
        op | count << 8, ext, offset, (u64)ppns, cap)
EXO_GET(exo_disk_done, EXO_DISK_DONE, (u64 request), request, 0, 0, 0, 0)

EXO_GET(exo_cons_write, EXO_CONS_WRITE, (const void *p, u64 n), (u64)p, n, 0, 0, 0)
EXO_GET(exo_cons_read, EXO_CONS_READ, (void *p, u64 n), (u64)p, n, 0, 0, 0)
EXO_DO(exo_cons_give, EXO_CONS_GIVE, (u64 acct), acct, 0, 0, 0, 0)
EXO_DO(exo_code_load, EXO_CODE_LOAD, (u64 ppn), ppn, 0, 0, 0, 0)
EXO_DO(exo_code_drop, EXO_CODE_DROP, (u64 ppn), ppn, 0, 0, 0, 0)
EXO_DO(exo_mark, EXO_MARK, (u64 a, u64 b), a, b, 0, 0, 0)
EXO_DO(exo_halt, EXO_HALT, (u64 code), code, 0, 0, 0, 0)
// clang-format on

static inline u64 exo_time(void) {
    u64 t;
    __asm__ volatile("rdtime %0" : "=r"(t));
    return t;
}

#endif
