/*
 * The kernel interface of exv6: everything user-level code may rely on, in one place.
 *
 * An ecall names its call in a7 (EXO_*, 0x100 and up) and passes a0-a4; call and send also
 * take a5 (capability) and a6 (eid). Results come back in a0-a2: a0 is 0 or a negative
 * error (enum exo_error), a1 and a2 are results where the call lists any, else 0. t0-t6 and
 * a2-a7 die; ra, sp, gp, tp and s0-s11 are kept, except by calls that end the slice, after
 * which the environment is entered again at its PROLOGUE. An ecall below 0x100 is a FAULT
 * upcall (cause 8), so that a libOS can carry the ecall numbers of another system.
 *
 * Every argument is checked before anything changes; a call that returns an error changed
 * nothing. Checks go in this order, and so do the errors listed at each call: argument,
 * name, owner or capability, type, state, resource. Pointers are 8-byte aligned and their
 * object lies within one page (console bytes excepted).
 *
 * "SOSP95" is Engler, Kaashoek, O'Toole, "Exokernel", with the title of its section; "Priv" the RISC-V
 * privileged manual.
 */
#ifndef EXO_ABI_H
#define EXO_ABI_H

#include <exo/types.h>

/* ---- calls ---- */

/* clang-format off */
#define EXO_CALLS    0x100 /* the first call number */
/* On the fast paths: no lock. */
#define EXO_NULL     0x100
#define EXO_YIELD    0x101
#define EXO_WAIT     0x102
#define EXO_CALL     0x103
#define EXO_SEND     0x104
#define EXO_REPLY    0x105
#define EXO_RESUME   0x106
#define EXO_FP       0x107
/* Under the lock. */
#define EXO_PAGE_ALLOC   0x108
#define EXO_PAGE_FREE    0x109
#define EXO_PAGE_SET     0x10a
#define EXO_PAGE_GIVE    0x10b
#define EXO_PT_LINK      0x10c
#define EXO_PT_UNLINK    0x10d
#define EXO_BIND         0x10e
#define EXO_PROTECT      0x10f
#define EXO_UNBIND       0x110
#define EXO_BATCH        0x111
#define EXO_ENV_NEW      0x112
#define EXO_ENV_CTL      0x113
#define EXO_ENV_END      0x114
#define EXO_ENV_SPACE    0x115
#define EXO_ENV_HOME     0x116
#define EXO_ENV_ACCEPT   0x117
#define EXO_SLOT_SET     0x118
#define EXO_SLOT_GIVE    0x119
#define EXO_POKE         0x11a
#define EXO_ACCT_NEW     0x11b
#define EXO_ACCT_SET     0x11c
#define EXO_ACCT_END     0x11d
#define EXO_ACCT_PAGER   0x11e
#define EXO_REVOKE       0x11f
#define EXO_EXT_SPLIT    0x120
#define EXO_EXT_JOIN     0x121
#define EXO_EXT_GIVE     0x122
#define EXO_EXT_SET      0x123
#define EXO_DISK_SUBMIT  0x124
#define EXO_DISK_DONE    0x125
#define EXO_CONS_WRITE   0x126
#define EXO_CONS_READ    0x127
#define EXO_CONS_GIVE    0x128
#define EXO_CODE_LOAD    0x129
#define EXO_CODE_DROP    0x12a
#define EXO_CAP_NEW      0x12b
#define EXO_MARK         0x12c
#define EXO_HALT         0x12d
#define EXO_CALLS_END    0x12e
/* clang-format on */

/*
 * All calls: number's name, name, how many arguments, and which of them are capabilities (bit i: argument i).
 */
/* clang-format off */
#define EXO_FAST_CALLS(X) \
    X(NULL, null, 0, 0)                   X(YIELD, yield, 1, 0) \
    X(WAIT, wait, 5, 0)                   X(CALL, call, 1, 0) \
    X(SEND, send, 1, 0)                   X(REPLY, reply, 0, 0) \
    X(RESUME, resume, 1, 0)               X(FP, fp, 1, 0)
#define EXO_LOCKED_CALLS(X) \
    X(PAGE_ALLOC, page_alloc, 2, 0)       X(PAGE_FREE, page_free, 1, 0) \
    X(PAGE_SET, page_set, 5, 6)           X(PAGE_GIVE, page_give, 2, 0) \
    X(PT_LINK, pt_link, 4, 0)             X(PT_UNLINK, pt_unlink, 3, 0) \
    X(BIND, bind, 5, 16)                  X(PROTECT, protect, 5, 16) \
    X(UNBIND, unbind, 3, 0)               X(BATCH, batch, 2, 0) \
    X(ENV_NEW, env_new, 4, 0)             X(ENV_CTL, env_ctl, 2, 0) \
    X(ENV_END, env_end, 1, 0)             X(ENV_SPACE, env_space, 3, 0) \
    X(ENV_HOME, env_home, 2, 0)           X(ENV_ACCEPT, env_accept, 2, 2) \
    X(SLOT_SET, slot_set, 3, 0)           X(SLOT_GIVE, slot_give, 4, 0) \
    X(POKE, poke, 1, 0)                   X(ACCT_NEW, acct_new, 4, 0) \
    X(ACCT_SET, acct_set, 5, 0)           X(ACCT_END, acct_end, 1, 0) \
    X(ACCT_PAGER, acct_pager, 2, 0)       X(REVOKE, revoke, 3, 0) \
    X(EXT_SPLIT, ext_split, 2, 0)         X(EXT_JOIN, ext_join, 2, 0) \
    X(EXT_GIVE, ext_give, 2, 0)           X(EXT_SET, ext_set, 3, 6) \
    X(DISK_SUBMIT, disk_submit, 5, 16)    X(DISK_DONE, disk_done, 1, 0) \
    X(CONS_WRITE, cons_write, 2, 0)       X(CONS_READ, cons_read, 2, 0) \
    X(CONS_GIVE, cons_give, 1, 0)         X(CODE_LOAD, code_load, 1, 0) \
    X(CODE_DROP, code_drop, 1, 0)         X(CAP_NEW, cap_new, 0, 0) \
    X(MARK, mark, 2, 0)                   X(HALT, halt, 1, 0)
/* clang-format on */

/* ---- limits ---- */

#define EXO_PAGE       4096
#define EXO_PPN_BASE   0x80000 /* ppn of the first byte of RAM, and of page record 0 */
#define EXO_NHART      8
#define EXO_NENV       120          /* environments */
#define EXO_EID_INDEX  127          /* eid & EXO_EID_INDEX is the index of its record */
#define EXO_NACCT      64           /* accounts are 1..64 */
#define EXO_NSLOT      64           /* slots a hart */
#define EXO_NEXT       256          /* extents are 0..255 */
#define EXO_NREQ       16           /* disk requests an account */
#define EXO_REQ_BLOCKS 16           /* blocks a request */
#define EXO_NPRED      32           /* instructions of a wakeup predicate */
#define EXO_DEPTH      4            /* calls nested in one another */
#define EXO_OWE        8            /* excess an environment may owe before it is stopped */
#define EXO_BATCH_MAX  102          /* operations a batch: one page of them */
#define EXO_CONS_MAX   256          /* bytes a console call moves at most */
#define EXO_USER_END   0x4000000000 /* user addresses lie below; PTEs of the lower half */

/* Bits of a PTE (Priv, Sv39) that a caller may give or find; U is implied. */
#define PTE_V        0x001
#define PTE_R        0x002
#define PTE_W        0x004
#define PTE_X        0x008
#define PTE_U        0x010
#define PTE_G        0x020
#define PTE_A        0x040
#define PTE_D        0x080
#define PTE_S0       0x100 /* the two software bits: the libOS's */
#define PTE_S1       0x200
#define PTE_BITS     (PTE_R | PTE_W | PTE_X | PTE_A | PTE_D | PTE_S0 | PTE_S1)
#define PTE_PPN(pte) ((ppn_t)(((pte) >> 10) & 0xffffffff))

/* u-area: offsets that assembly uses, asserted against struct exo_uarea below. */
#define UA_MASK           0x000
#define UA_PENDING        0x008
#define UA_ENTRY_FAULT    0x010
#define UA_ENTRY_EPILOGUE 0x018
#define UA_ENTRY_PROLOGUE 0x020
#define UA_ENTRY_CALL     0x028
#define UA_FAULT          0x030
#define UA_EPILOGUE       0x060
#define UA_FORCED         0x140
#define UA_LIBOS          0x400
#define FRAME_T0          0x00
#define FRAME_T1          0x08
#define FRAME_T2          0x10
#define FRAME_EPC         0x18
#define FRAME_CAUSE       0x20
#define FRAME_TVAL        0x28

/* u-area `mask`: any bit set holds the EPILOGUE upcall back. */
#define MASK_FAULT    0x0000ff  /* byte 0, nonzero: the fault frame is in use (kernel sets) */
#define MASK_EPILOGUE 0x00ff00  /* byte 1, nonzero: the epilogue frame is in use (kernel sets) */
#define MASK_FORCED   0xff0000  /* byte 2, nonzero: the forced frame is in use (kernel sets) */
#define MASK_LIBOS    0x1000000 /* this bit and those above are the libOS's own */

/* u-area `pending`: set by the kernel with an atomic or, cleared by the libOS with an and. */
#define PENDING_EPILOGUE 1 /* the slice is over, but `mask` holds the upcall back. Cleared as it is left */
#define PENDING_FORCED   2 /* the forced frame holds what ran; go on with resume(FORCED) */
#define PENDING_REVOKE   4 /* `revoke_n` pages are wanted back by `revoke_deadline` */
#define PENDING_REPO     8 /* pages were taken: see `repo` */

/* exo_env.state: 0 is ready to be entered at its PROLOGUE or CALL. Written by the home hart alone. */
#define ENV_RUNNING  0x01
#define ENV_WAITING  0x02 /* on a predicate */
#define ENV_CALLING  0x04 /* for a reply; its slots run the callee */
#define ENV_STOPPED  0x08
#define ENV_SERVING  0x10 /* has a client to reply to */
#define ENV_ARRIVING 0x20 /* its first entry on this hart flushes its ASID */
#define ENV_OWES     0x40 /* excess > 0: a slot of its own will be skipped */
#define ENV_FREE     0x80 /* no environment: eid is 0 */

/* resume's frames */
#define FRAME_FAULT    0
#define FRAME_EPILOGUE 1
#define FRAME_FORCED   2

#ifndef __ASSEMBLER__

/* ---- errors: one meaning each ---- */

enum exo_error {
    E_OK = 0,
    E_CALL = -1,     /* no such call */
    E_ARG = -2,      /* an argument is outside its range */
    E_ADDR = -3,     /* a pointer is unaligned, crosses a page, or is not mapped as needed */
    E_VA = -4,       /* va is not page-aligned or not below EXO_USER_END */
    E_BITS = -5,     /* binding bits: unknown, W without R, W with X, or none of R, W, X */
    E_LEVEL = -6,    /* table level is not 0, 1 or 2, or it is 2 and ppn is not root */
    E_PPN = -7,      /* no such page, or one of the kernel's own */
    E_EID = -8,      /* no such environment, or one of an older generation */
    E_HART = -9,     /* no such hart */
    E_SLOT = -10,    /* no such slot */
    E_ACCT = -11,    /* no such account */
    E_EXT = -12,     /* no such extent */
    E_REQ = -13,     /* no such request */
    E_OWNER = -14,   /* belongs to another account */
    E_CAP = -15,     /* the capability does not open it */
    E_KIN = -16,     /* that account is neither child nor parent of the caller's */
    E_TYPE = -17,    /* the page is of another type than the call needs */
    E_TABLE = -18,   /* no table is linked that would hold this entry */
    E_LINKED = -19,  /* something is linked there already */
    E_UNBOUND = -20, /* no binding (or table) there */
    E_BOUND = -21,   /* the page is still bound, or the table still has valid entries */
    E_PINNED = -22,  /* a disk request or a predicate holds the page */
    E_BUSY = -23,    /* in use: requests in flight, a waiter, an environment on the root */
    E_STATE = -24,   /* the environment (or account) is not in a state that allows it */
    E_MASKED = -25,  /* the callee's mask is set, or it has a forced frame to resume */
    E_HOME = -26,    /* the environment is not at home on this hart */
    E_TIME = -27,    /* the slice is over; or the call was recalled */
    E_DEAD = -28,    /* the other side of a call ended */
    E_DEPTH = -29,   /* calls would nest deeper than EXO_DEPTH */
    E_CODE = -30,    /* the predicate is not a program the kernel accepts */
    E_FIXED = -31,   /* fixed pages would exceed the account's reserve, or what exceeds it is overdue */
    E_RESERVE = -32, /* the free pages are promised to others, or none is free */
    E_QUOTA = -33,   /* the account's quota of this kind is used up */
    E_FULL = -34,    /* all request records of the account are in use */
    E_IO = -35,      /* the device reported an error (status of a request) */
    E_LAST = -35
};

/* ---- pages ---- */

enum page_type {
    PAGE_FREE,
    PAGE_DATA,
    PAGE_PT0,  /* level-0 table: its entries bind 4 KiB pages */
    PAGE_PT1,  /* level-1 table: its entries link PT0 */
    PAGE_ROOT, /* root: an address space; its entries below 256 link PT1 */
    PAGE_UAREA,
    PAGE_CODE,   /* a wakeup predicate, checked and unchangeable */
    PAGE_DOOMED, /* being taken from whoever binds it; free once binds and pins are 0 */
    PAGE_KERNEL
};

#define PAGE_KEEP 1 /* flags: the owner asked that it never be repossessed */

/* One a page, at EXO_PAGES[ppn - EXO_PPN_BASE]. `account` of a free page is its last owner. */
struct exo_page {
    u8 type;
    u8 account;
    u8 flags;
    u8 pad;
    u16 asid;   /* of a root */
    u16 users;  /* of a table: valid entries; a root also counts its environments; of a u-area: 1 */
    u32 pins;   /* disk requests and predicates that hold it */
    u32 binds;  /* valid PTEs, in any account, that name it */
    ppn_t next; /* of a free page: the next in the list, 0 at the end */
    ppn_t prev;
    u64 tag; /* the owner's own word */
};

/* ---- environments ---- */

enum stop_reason {
    STOP_NEW,    /* never run yet */
    STOP_CTL,    /* env_ctl(stop) */
    STOP_DOUBLE, /* a fault while the fault frame was in use */
    STOP_OWES    /* owed more than EXO_OWE */
};

/* One an environment, at EXO_ENVS[eid & EXO_EID_INDEX]. 256 bytes. */
struct exo_env {
    eid_t eid; /* 0: free */
    u8 state;  /* these four are compared as one word on the fast paths */
    u8 home;   /* hart */
    u8 account;
    u8 zero;
    u32 excess; /* slots it owes */
    ppn_t root;
    ppn_t uarea;
    eid_t client; /* whom it serves, when ENV_SERVING; 0: the call was broken */
    eid_t callee; /* whom it waits for, when ENV_CALLING; 0: the call was broken */
    u32 broken;   /* when callee is 0, why: E_DEAD or E_TIME */
    va_t uva;     /* its u-area, as it sees it */
    u64 satp;
    u64 ua;         /* its u-area in the kernel's direct map */
    va_t pc;        /* where a reply continues it, when ENV_CALLING */
    u32 stop;       /* enum stop_reason, when ENV_STOPPED */
    u32 posted;     /* changes other harts asked for, not yet made */
    u64 stop_cause; /* scause, stval and sepc of the fault that stopped it */
    va_t stop_tval;
    va_t stop_pc;
    ppn_t code; /* predicate and its three words, when ENV_WAITING */
    u32 lost;   /* when client is 0, why */
    u64 words[3];
    u64 slices; /* prologues entered */
    u64 aborts;
    ppn_t post_root; /* arguments of posted env_space and env_home */
    u32 post_hart;
    va_t post_uva;
    u64 reserved[12];
};

/* ---- accounts, slots, extents, requests ---- */

enum acct_state { ACCT_FREE, ACCT_NEW, ACCT_RUN, ACCT_ENDING };

/* One an account, at EXO_ACCTS[account]; record 0 is not used. 128 bytes. */
struct exo_acct {
    u8 state;  /* NEW until its first environment is set running: the parent may load it */
    u8 parent; /* 0 for account 1 */
    u8 pad[2];
    eid_t pager; /* hears of revocation */
    u32 reserve; /* pages it is always granted */
    u32 held;    /* pages it owns, of any type, doomed ones included */
    u32 fixed;   /* tables, u-areas, code, pinned and kept pages: never more than reserve */
    u32 envs, envs_used;
    u32 accts, accts_used;
    u32 exts, exts_used;
    u32 roots_used;    /* quota: twice envs */
    u32 requests;      /* disk requests not yet collected by disk_done */
    u32 revoke_target; /* pages to be held at the deadline; valid if revoke_deadline */
    u64 revoke_deadline;
    u64 repossessed; /* pages taken by force so far */
    u32 doomed;      /* of the pages held: those on their way out */
    u32 pad2;
    u64 reserved[6];
};

/* One a slot, at EXO_SLOTS[hart * EXO_NSLOT + slot]. */
struct exo_slot {
    eid_t eid; /* 0: empty */
    u8 account;
    u8 pad[3];
};

/* One an extent, at EXO_EXTS[extent]. count 0: free record. 32 bytes. */
struct exo_ext {
    u64 start; /* blocks of 4 KiB */
    u32 count;
    u32 requests; /* in flight */
    u8 account;
    u8 name[15]; /* from the label; a split keeps it */
};

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH };
enum req_state { REQ_FREE, REQ_QUEUED, REQ_ACTIVE, REQ_DONE, REQ_ORPHAN /* active, its account ended */ };

/* One a request, at EXO_REQS[(account - 1) * EXO_NREQ + n]. 128 bytes. */
struct exo_req {
    u32 id;   /* generation << 16 | (account - 1) * EXO_NREQ + n */
    u8 state; /* enum req_state */
    u8 op;    /* enum disk_op */
    u8 count; /* blocks */
    u8 account;
    i32 status; /* when REQ_DONE: 0 or E_IO */
    u32 ext;
    u64 block; /* first block on the device */
    u64 due;   /* RAM disk with a delay: time of completion */
    u64 reserved[4];
    ppn_t ppns[EXO_REQ_BLOCKS];
};

/* ---- the exported window ---------------------------------------------------------------
 * Read-only in every address space, at the same place. The first page holds the words that
 * predicates may test as page 0.
 */
#define EXO_WINDOW 0xffffffe000000000
#define EXO_WORDS  ((const volatile struct exo_words *)EXO_WINDOW)
#define EXO_ENVS   ((const volatile struct exo_env *)(EXO_WINDOW + 0x200000))
#define EXO_ACCTS  ((const volatile struct exo_acct *)(EXO_WINDOW + 0x400000))
#define EXO_SLOTS  ((const volatile struct exo_slot *)(EXO_WINDOW + 0x600000))
#define EXO_EXTS   ((const volatile struct exo_ext *)(EXO_WINDOW + 0x800000))
#define EXO_REQS   ((const volatile struct exo_req *)(EXO_WINDOW + 0xa00000))
#define EXO_PAGES  ((const volatile struct exo_page *)(EXO_WINDOW + 0x40000000))

struct exo_words {
    u64 free;        /* free pages */
    u64 promised;    /* sum over accounts of max(0, reserve - held); never above free */
    u64 completions; /* disk requests completed */
    u64 input;       /* console bytes received */
    u64 ticks;       /* ends of slice and idle ticks of the boot hart */
    u64 stops;       /* environments stopped or ended so far */
    u64 free_head;   /* ppn of the head of the free list: what page_alloc(any) takes */
    u64 npages;      /* page records */
    u64 nharts;
    u64 timebase;  /* `time` per second */
    u64 doomed;    /* pages the sweeper has yet to free */
    u64 slice;     /* usual slice, in `time` */
    u64 budget;    /* epilogue budget, in `time` */
    u64 console;   /* account that owns the console */
    u64 boot_time; /* `time` at the kernel's first instruction */
    u64 nexts;     /* extents ever named: records below this may be in use */
    char bootargs[1024];
};

/* ---- the u-area -------------------------------------------------------------------------
 * One page an environment, written by the libOS and by the kernel, which trusts nothing in
 * it (SOSP95, Processor Environments). Every upcall enters with t0 = u-area as the
 * environment sees it.
 *
 * FAULT     t0-t2, epc, cause, tval are in `fault`; t1 = cause; all else is as it was. Byte 0
 *           of mask was set. The libOS clears it, or resume(FAULT) does.
 * EPILOGUE  end of slice: t0-t2, epc are in `epilogue`; all else is as it was. Byte 1 of mask
 *           was set; resume(EPILOGUE) clears it, or the libOS. The environment has the budget
 *           to save what is live and yield.
 * PROLOGUE  start of slice: registers hold nothing (zero where the account changed). The
 *           libOS looks at pending, then picks what to run. With a forced frame to resume it
 *           does that first: an abort before then saves nothing, and PROLOGUE begins again.
 * CALL      a0-a4 and s0-s11 from the caller, t6 = the caller's eid.
 */
struct exo_frame {
    u64 t0, t1, t2, epc, cause, tval;
};

struct exo_forced {
    u64 pc;
    u64 x[31]; /* x1-x31 */
    u64 f[32];
    u64 fcsr;
    u64 fp; /* nonzero: f and fcsr were live and are given back by resume(FORCED) */
};

struct exo_uarea {
    u64 mask;
    u64 pending;
    u64 entry[4]; /* FAULT, EPILOGUE, PROLOGUE, CALL */
    struct exo_frame fault;
    struct exo_frame epilogue;
    u64 revoke_n;        /* pages wanted back ... */
    u64 revoke_deadline; /* ... before this `time` */
    u64 repo_count;      /* pages taken so far; the first 32 since the libOS set it to 0 are named */
    ppn_t repo[32];
    u64 pad[3];
    struct exo_forced forced;
    u64 pad2[22];
    u8 libos[EXO_PAGE - UA_LIBOS];
};

/* ---- batches ----------------------------------------------------------------------------
 * op is EXO_BIND, EXO_PROTECT, EXO_UNBIND, EXO_PAGE_ALLOC or EXO_PAGE_FREE, arguments as
 * in the call of that name. Results are written back for each operation that was done.
 */
struct exo_op {
    u32 op;
    ppn_t root;
    va_t va;
    ppn_t ppn; /* page_alloc: ppn or 0; the page allocated comes back here */
    u32 bits;  /* bind: bits; protect: clear << 16 | set; page_alloc: nonzero = unzeroed */
    u64 word;  /* bind, protect: capability; unbind: the word to leave. Out: the old PTE */
    u64 binds; /* out: what the call returns in a2 */
};

/* ---- wakeup predicates (SOSP95, Downloading Code) -------------------------------------
 * A page that holds one. Registers r0-r7; r0 = 0 at entry, r1-r3 = the words given to wait,
 * r4 = time. Branches go forward only; the last instruction is PRED_RET. Page 0 is the
 * exported word page; pages 1 to 3 are the account's own, pinned while the code is loaded.
 */
enum pred_op {
    PRED_LI,  /* d = imm, sign-extended */
    PRED_LD,  /* d = the word of page a at offset (r[b] + imm) & 0xff8 */
    PRED_ADD, /* d = r[a] + r[b] */
    PRED_SUB,
    PRED_AND,
    PRED_OR,
    PRED_BEQ, /* if r[a] == r[b], skip imm instructions (1..) */
    PRED_BNE,
    PRED_BLTU,
    PRED_BGEU,
    PRED_RET, /* true if r[a] != 0 */
    PRED_OPS
};

struct pred_insn {
    u8 op, d, a, b;
    i32 imm;
};

struct pred_code {
    u32 n;         /* instructions, 1..EXO_NPRED */
    u32 npages;    /* own pages, 0..3 */
    ppn_t page[4]; /* page[0] is not used; page[1..npages] */
    u64 pad;
    struct pred_insn insn[EXO_NPRED];
};

/* env_ctl */
enum env_op { ENV_RUN, ENV_STOP, ENV_RECALL };

_Static_assert(sizeof(struct exo_page) == 32, "page record");
_Static_assert(sizeof(struct exo_env) == 256, "environment record");
_Static_assert(sizeof(struct exo_acct) == 128, "account record");
_Static_assert(sizeof(struct exo_slot) == 8, "slot record");
_Static_assert(sizeof(struct exo_ext) == 32, "extent record");
_Static_assert(sizeof(struct exo_req) == 128, "request record");
_Static_assert(sizeof(struct exo_uarea) == EXO_PAGE, "u-area");
_Static_assert(offsetof(struct exo_uarea, entry) == UA_ENTRY_FAULT, "u-area");
_Static_assert(offsetof(struct exo_uarea, fault) == UA_FAULT, "u-area");
_Static_assert(offsetof(struct exo_uarea, epilogue) == UA_EPILOGUE, "u-area");
_Static_assert(offsetof(struct exo_uarea, forced) == UA_FORCED, "u-area");
_Static_assert(offsetof(struct exo_uarea, libos) == UA_LIBOS, "u-area");
_Static_assert(sizeof(struct exo_op) * EXO_BATCH_MAX <= EXO_PAGE, "a batch fits a page");

/* ---- the calls, one by one ---------------------------------------------------------------
 *
 * null()
 *     Nothing; a1 and a2 stay. The floor of a protected call.
 *
 * CPU (SOSP95, Processor Time Slices)
 *
 * yield(eid or 0)                                              ends the slice if it succeeds
 *     0: this slice is over; the next slot runs. eid: the rest of this slice goes to eid,
 *     which is entered at its PROLOGUE.
 *     E_EID; E_TIME (this slice is over); E_HOME; E_STATE (running, stopped, calling, or
 *     waiting and not woken).
 * wait(code, w0, w1, w2, eid or 0)                             ends the slice if it succeeds
 *     As yield, and the environment's slots are skipped until predicate `code` is true of
 *     (w0, w1, w2, time), `pending` is nonzero, or env_ctl(run). A sleep errs by a tick.
 *     E_PPN; E_OWNER; E_TYPE (not code); then as yield.
 * poke(hart)
 *     An idle hart looks at its slots again. Anyone may.
 *     E_HART.
 * slot_set(hart, slot, eid or 0)
 *     Fills one slot. The environment must be of the caller's account (or a child's that has
 *     not run yet); it runs there while it is at home on that hart.
 *     E_HART; E_SLOT; E_EID; E_OWNER (slot, then environment).
 * slot_give(hart, slot, n, account)
 *     Hands n slots from `slot` on to a child or the parent, emptied.
 *     E_ARG (n is 0); E_HART; E_SLOT (any of them); E_ACCT; E_OWNER; E_KIN; E_STATE (account
 *     ending).
 * fp(on)
 *     1: floating point on for the rest of this slice; registers are zero unless this
 *     environment was the hart's last user. 0: off.
 *     E_ARG.
 *
 * Protected control transfer (SOSP95, Protected Control Transfers)
 *
 * call: a0-a4, s0-s11 message, a5 cap, a6 eid                  t6 = 0 or error after
 *     Enters eid at CALL; this slice and the caller's later ones are the callee's until
 *     reply. When it returns, at the instruction after the ecall, t0 = u-area, t6 = 0 or an
 *     error, a0-a4 and s0-s11 are the reply's; nothing else survives, sp and ra included.
 *     On a refusal a0-a4 and s0-s11 are the caller's own.
 *     E_EID; E_TIME; E_HOME; E_CAP; E_STATE (running, stopped, serving, calling); E_MASKED;
 *     E_DEPTH. Later: E_DEAD (the callee ended), E_TIME (recalled).
 * send: a0-a4, s0-s11 message, a5 cap, a6 eid                  ends the slice if it succeeds
 *     As call, but the sender is only left: the rest of the slice is the callee's, no reply
 *     is expected (t6 = sender's eid), and the sender comes back at its PROLOGUE. Refusals
 *     as call's, in t6.
 * reply: a0-a4, s0-s11
 *     Continues the client. The server comes back at CALL or PROLOGUE, with nothing kept.
 *     Refusals in a0: E_STATE (not serving); E_TIME (slice over: try in the next one).
 *     E_DEAD (the client ended) and E_TIME (it was recalled or stopped) also come from a
 *     broken call; `client` in its record is 0 then, and the server serves nobody after it.
 * env_accept(eid, cap)
 *     Sets the capability that callers from other accounts must show. 0: own account only.
 *     E_EID; E_OWNER.
 *
 * Exceptions (SOSP95, Exceptions)
 *
 * resume(frame): t1, t2 = the values a0 and a7 shall have
 *     FAULT, EPILOGUE: t0-t2 and pc come from the frame, a0 and a7 from t1 and t2, all else
 *     stays; the frame's byte of mask is cleared. FORCED: all registers and pc come from the
 *     forced frame, floating point if it was live; PENDING_FORCED and byte 2
 *     of mask are cleared. If the slice has ended and only that byte of mask held EPILOGUE
 *     back, it comes at once, as if the slice ended after the resume.
 *     E_ARG; E_STATE (FORCED without PENDING_FORCED).
 *
 * Pages (SOSP95, Design Principles: expose allocation and names)
 *
 * page_alloc(ppn or 0, unzeroed) -> a1 ppn
 *     0 takes the head of the exported free list. Zeroed, unless unzeroed = 1 and the caller
 *     was its last owner. Capabilities, tag and flags are 0.
 *     E_ARG; E_PPN; E_TYPE (not free); E_RESERVE (none is free; or the account holds its
 *     reserve, and the rest is promised, or a revocation of it is overdue).
 * page_free(ppn)
 *     A data page, or a u-area whose environment is gone. One that is still bound becomes
 *     doomed and is freed when its bindings are broken.
 *     E_PPN; E_OWNER; E_TYPE (or u-area in use); E_PINNED.
 * page_set(ppn, rcap, wcap, tag, keep)
 *     Sets what opens it for others (0: nothing), the owner's word, and whether it is kept.
 *     Existing bindings stay: only future ones are refused.
 *     E_ARG (keep > 1); E_PPN; E_OWNER; E_TYPE (not data); E_FIXED (also for a page not yet
 *     kept while a revocation of the account is overdue).
 * page_give(ppn, account)
 *     Hands an unbound, unpinned data page, contents and tag included, to a child or the
 *     parent of its owner. Its capabilities and `keep` become 0. A gift to the parent, if it
 *     is not the caller's own, brings one page of reserve along: nobody's room is used up by
 *     another's will.
 *     E_PPN; E_ACCT; E_OWNER; E_KIN; E_TYPE; E_BOUND; E_PINNED; E_STATE (account ending);
 *     E_RESERVE (no room; of a gift: no reserve beyond fixed pages to bring along, or a
 *     revocation of the parent is not over).
 * cap_new() -> a1 a capability value no other has. Unguessable; never 0.
 *
 * Tables and bindings (SOSP95, Secure Bindings; Address Translations)
 *
 * pt_link(root, va, level, ppn)
 *     level 2: ppn = root, va = 0: the page becomes a root (an address space) with an ASID
 *     of its own. Level 1, 0: ppn becomes the table that holds va's entry of that level.
 *     E_LEVEL; E_VA (va not aligned to what the table covers is E_VA too); E_PPN (root, ppn);
 *     E_OWNER (root, ppn); E_TYPE (root, ppn); E_BOUND; E_PINNED; E_TABLE; E_LINKED; E_FIXED;
 *     E_QUOTA (roots).
 * pt_unlink(root, va, level) -> a1 ppn of the page, a data page again
 *     E_LEVEL; E_VA; E_PPN; E_OWNER; E_TYPE (root); E_TABLE; E_UNBOUND; E_BOUND (valid entries
 *     or bindings of the table page); E_BUSY (level 2: environments on it).
 * bind(root, va, ppn, bits, cap) -> a1 old PTE or word, a2 old page's binds
 *     Maps ppn at va. R or X of another account's page needs its rcap, RW its wcap. Tables
 *     and code: the root's account, read-only; u-areas: the root's account, not X.
 *     a2: what remains of the old page's binds; all ones if there was no valid entry, or its
 *     page is doomed (nobody has to free it). Exactly one of those who drop a page sees 0.
 *     E_VA; E_BITS; E_PPN (root, ppn); E_OWNER (root); E_TYPE (root; ppn free or doomed);
 *     E_CAP; E_BITS (type forbids W or X); E_TABLE.
 * protect(root, va, clear, set, cap) -> a1 old PTE, a2 the page's binds
 *     Changes bits of a valid PTE: (old & ~clear) | set. New rights are authorised as in bind.
 *     E_VA; E_BITS (unknown); E_PPN; E_OWNER; E_TYPE; E_TABLE; E_UNBOUND; E_TYPE (doomed);
 *     E_CAP; E_BITS (what results is none that bind takes, or the type forbids it).
 * unbind(root, va, word) -> a1 old PTE or word, a2 old page's binds, as for bind
 *     Leaves `word` (bit 0 clear; the rest is the libOS's) in the entry.
 *     E_BITS (bit 0 set); E_VA; E_PPN; E_OWNER; E_TYPE; E_TABLE.
 * batch(array of struct exo_op, n) -> a1 operations done
 *     n calls under one lock and one fence. Stops at the first that fails; a1 counts on errors
 *     too.
 *     E_ARG (n is 0 or over EXO_BATCH_MAX); E_ADDR (not writable memory); then that
 *     operation's error, E_ARG if it cannot be batched.
 *
 * Environments
 *
 * env_new(hart, root, ppn, va) -> a1 eid
 *     A stopped environment on root, at home on hart, whose u-area is ppn (a data page, or a
 *     u-area that no environment uses) and will be seen at va (bind it there).
 *     E_HART; E_VA; E_PPN (root, ppn); E_OWNER (root, ppn); E_TYPE (root, ppn); E_BOUND (data);
 *     E_PINNED; E_BUSY (u-area in use); E_STATE (account ending); E_FIXED; E_QUOTA.
 * env_ctl(eid, op)
 *     ENV_RUN: a stopped one runs, a waiting one wakes, at PROLOGUE. ENV_STOP: no longer
 *     entered; what it was running is in its forced frame, and a call it made is recalled.
 *     ENV_RECALL: its call is broken (t6 = E_TIME there, E_TIME to the server's reply).
 *     E_ARG; E_EID; E_OWNER; E_STATE (run: neither; recall: not calling).
 * env_end(eid)
 *     The record is freed; pages, bindings and slots stay, the root and u-area as they are.
 *     If it was running, and did not end itself, what ran is in its forced frame: a new
 *     environment on that root and u-area goes on with it at PROLOGUE, as after an abort.
 *     E_EID; E_OWNER.
 * env_space(eid, root, va)
 *     Moves the environment to another root of its account, its u-area seen at va.
 *     E_VA; E_EID; E_PPN; E_OWNER (environment, root); E_TYPE.
 * env_home(eid, hart)
 *     Moves it to another hart, once it is off this one.
 *     E_EID; E_HART; E_OWNER; E_STATE (calling or serving).
 *
 * Accounts and memory revocation (SOSP95, Visible Resource Revocation; The Abort Protocol)
 *
 * acct_new(pages, envs, accts, exts) -> a1 account
 *     A child, with a reserve and quotas split off the caller's own.
 *     E_ARG (any over 2^31); E_STATE (the caller's is ending); E_QUOTA (accounts, envs,
 *     extents: more than the caller's own unused; roots in use need half as many envs; pages:
 *     more than its reserve); E_FIXED; E_RESERVE.
 * acct_set(account, pages, envs, accts, exts)
 *     A child's reserve and quotas, up or down, against the caller's own; or the caller's
 *     own, down only, in favour of its parent. An account that is ending has none to set.
 *     Account 1 sets its own reserve alone (quotas as they are, else E_KIN): what it gives
 *     up nobody is promised, and anyone may use.
 *     E_ARG; E_ACCT; E_KIN; E_STATE (ending); E_QUOTA (less than what is in use, more than
 *     the giver's unused, or the caller's own up); E_FIXED; E_RESERVE.
 * acct_end(account)
 *     Ends a child and all below it, in steps: environments, requests, bindings, pages. All
 *     it had passes to the caller's account when the last page is swept (the record is
 *     ACCT_FREE then).
 *     E_ACCT; E_KIN (not a child); E_STATE (ending already).
 * acct_pager(account, eid or 0)
 *     Who of the account hears of revocation.
 *     E_ACCT; E_EID; E_OWNER (account, then environment of another account).
 * revoke(account, n, deadline)
 *     Asks a child for n pages back by `deadline` (absolute `time`). Past it, what the child
 *     holds above the larger of (held at the request - n) and its reserve is taken, in ppn
 *     order, sparing fixed pages. Until then no more of its pages can become fixed (E_FIXED),
 *     by any call, if it holds more than its reserve.
 *     E_ARG (n is 0); E_ACCT; E_KIN (not a child); E_STATE (ending).
 *
 * Disk (SOSP95, Secure Bindings; physical names as in Kaashoek and others, SOSP 1997)
 *
 * ext_split(ext, n) -> a1 new extent: all but the first n blocks, with the same capabilities
 *     E_EXT; E_OWNER; E_ARG (n not in 1..count-1); E_BUSY; E_QUOTA.
 * ext_join(a, b)
 *     b, which begins where a ends, becomes part of a.
 *     E_EXT; E_OWNER (either, or two accounts); E_ARG (not adjacent, or over 2^32 - 1 blocks);
 *     E_CAP (capabilities differ); E_BUSY.
 * ext_give(ext, account)
 *     To a child or the parent; capabilities become 0. A gift to the parent brings its place
 *     in the giver's quota along.
 *     E_EXT; E_ACCT; E_OWNER; E_KIN; E_STATE (ending); E_BUSY; E_QUOTA (theirs).
 * ext_set(ext, rcap, wcap)
 *     E_EXT; E_OWNER.
 * disk_submit(op | count << 8, ext, offset, array of ppn, cap) -> a1 request
 *     READ, WRITE: count (1..16) consecutive blocks from `offset` in ext, to or from as many
 *     data pages of one account, the caller's, pinned until it completes. FLUSH: count 0, no array; all
 *     completed writes are durable when it completes. Another account's extent needs its rcap
 *     to read, its wcap to write or flush. Completion counts in EXO_WORDS->completions. Requests
 *     are not ordered among each other.
 *     E_ARG (op, count); E_ADDR; E_EXT; E_ARG (past the extent's end); E_CAP (not owner, and
 *     cap differs); E_PPN; E_OWNER; E_TYPE; E_FIXED; E_FULL.
 * disk_done(request) -> a1 status: 0 or E_IO
 *     Collects a completed request; its record is free again.
 *     E_REQ; E_OWNER; E_BUSY (still in flight).
 *
 * Console, code, the rest
 *
 * cons_write(ptr, n), cons_read(ptr, n) -> a1 bytes moved
 *     At most EXO_CONS_MAX bytes a call, and never past the end of ptr's page; read returns
 *     0 when nothing is typed.
 *     E_ADDR; E_OWNER (console).
 * cons_give(account)
 *     E_ACCT; E_OWNER; E_KIN; E_STATE (ending).
 * code_load(ppn)
 *     Checks the predicate in the page (struct pred_code); the page becomes CODE.
 *     E_PPN; E_OWNER; E_TYPE; E_BOUND; E_PINNED; E_CODE; then for its pages E_PPN, E_OWNER
 *     (not the account of ppn), E_TYPE (not data); E_FIXED.
 * code_drop(ppn)
 *     A data page again.
 *     E_PPN; E_OWNER; E_TYPE; E_BOUND; E_BUSY (someone waits on it).
 * mark(a, b)
 *     A record in the trace: the program's own word, and no evidence.
 * halt(code)
 *     Ends the machine with exit status `code` (0..255). Account 1 only.
 *     E_ARG; E_OWNER.
 */

#endif
#endif
