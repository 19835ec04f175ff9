// The kernel's own contract: its objects, who may change each, and what each file offers the others.
//
// Two rules carry everything. (1) An environment's run state (state, client, callee, satp and what hangs on them)
// is changed only by its home hart, with no lock. (2) All else (page records, tables, accounts, slots, extents,
// requests, code, env records coming and going) is changed only under the one lock, which the trap entry takes
// for every call at or above EXO_PAGE_ALLOC, so that no return path can leave it held. Interrupts are off in the
// kernel, and nothing in it waits but for the lock.
#ifndef EXV6_KERNEL_H
#define EXV6_KERNEL_H

#include "boot.h"
#include "riscv.h"
#include <exo/abi.h>

// ---- results of calls: a0 is err, a1 val; a third result goes to this_hart->a2 ----------------------------------

struct ret {
    i64 err;
    u64 val;
};

static inline struct ret fail(enum exo_error e) { return (struct ret){e, 0}; }
static inline struct ret done(u64 val) { return (struct ret){0, val}; }

typedef struct ret call_fn(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4);
extern call_fn *const call_table[EXO_CALLS_END - EXO_CALLS]; // call.c; fast calls' C twins are not in it

// ---- harts ----------------------------------------------------------------------------------------------------

struct regs {
    u64 pc;
    u64 x[32]; // x[0] is not used
};

// One a hart, found through tp in the kernel and sscratch while user code runs. Assembly uses the first fields
// (offsets.c). `phase`: 0 in a slice, 1 past its end, within the epilogue's budget.
struct hart {
    u64 ua;              // this u-area in the direct map; of idle_uarea when nothing runs
    va_t uva;            // the same as the environment sees it
    struct exo_env *cur; // who runs; NULL: idle
    u64 t0, t1, tp;      // scratch of the trap entry
    u64 ra, sp;
    u64 a2;              // third result of the call being made
    u64 kstack;
    u64 *tick_word;      // words->ticks on the boot hart, elsewhere one that nobody reads
    u64 slice;           // `time` of a usual slice; 0: drawn by seed, in C
    u64 slice_end;       // `time` at which this slice ends
    u32 phase;
    u32 slow;            // nonzero: fast paths that begin a slice go to C (seed, trace, no Sstc)
    u32 resched;         // set by a call after which the environment does not go on: dispatch
    u32 account;         // whose values the registers hold: they are scrubbed when it changes
    u32 slot;            // the slot that runs
    u32 index;           // of this hart
    u32 fp_owner;        // eid whose values the f registers hold; 0: zeroed
    u32 posted;          // some environment at home here has `posted` set, or work waits
    u8 next[EXO_NSLOT];  // the next filled slot after each, cyclic; itself if there is none other
    struct regs regs;    // of user code, on the paths that save all
    u64 id;              // the firmware's name for it
    u32 idle;            // in wfi, or about to be: a poke makes sense
    u32 online;
    u64 rng;             // state of the slice draw
};

extern struct hart harts[EXO_NHART];
extern u32 nharts;

#ifdef __riscv
register struct hart *this_hart __asm__("tp");
#else
extern struct hart *this_hart;
#endif

void lock_kernel(void);
void unlock_kernel(void);

// ---- the direct map -------------------------------------------------------------------------------------------

#ifdef __riscv
static inline void *pa_to_va(pa_t pa) { return (void *)(pa + KERNEL_BASE); }
static inline pa_t va_to_pa(const void *va) { return (u64)va - KERNEL_BASE; }
#else
extern u8 *host_ram; // stands for the RAM that begins at EXO_PPN_BASE
static inline void *pa_to_va(pa_t pa) { return host_ram + (pa - (pa_t)EXO_PPN_BASE * EXO_PAGE); }
static inline pa_t va_to_pa(const void *va) { return (u64)((const u8 *)va - host_ram) + (pa_t)EXO_PPN_BASE * EXO_PAGE; }
#endif
static inline void *ppn_to_va(ppn_t ppn) { return pa_to_va((pa_t)ppn * EXO_PAGE); }

// ---- exported records, and what is kept beside them, out of the window ------------------------------------------

extern struct exo_words *words;
extern struct exo_page *pages; // [npages]
extern struct exo_env envs[];  // [EXO_NENV], padded to whole pages; likewise below
extern struct exo_acct accts[];
extern struct exo_slot slots[];
extern struct exo_ext exts[];
extern struct exo_req reqs[];
extern u32 npages;

struct caps {
    cap_t r, w;
};
extern struct caps *page_caps; // [npages]
extern struct caps ext_caps[EXO_NEXT];
extern cap_t env_caps[EXO_NENV];

// ---- page.c: records, the free list, the reserve rule ------------------------------------------------------------

void page_init(ppn_t first_free, ppn_t end); // boot: [first_free, end) become free, all below PAGE_KERNEL

// The record, or NULL if ppn names none or is the kernel's. Takes any 64-bit argument.
static inline struct exo_page *page_get(u64 ppn)
{
    u64 i = ppn - EXO_PPN_BASE;
    return i < npages && pages[i].type != PAGE_KERNEL ? &pages[i] : NULL;
}
static inline ppn_t page_ppn(const struct exo_page *p) { return (ppn_t)(p - pages) + EXO_PPN_BASE; }

// Fixed: cannot be repossessed. Whoever changes what this reads keeps acct.fixed in step, and has checked
// fix_room() first when it may rise.
static inline bool page_fixed(const struct exo_page *p)
{
    return (p->type >= PAGE_PT0 && p->type <= PAGE_CODE) || (p->type == PAGE_DATA && (p->pins || p->flags & PAGE_KEEP));
}
bool fix_room(u32 account, u32 n);               // may n more of its pages become fixed?
void page_settype(struct exo_page *p, u32 type); // keeps acct.fixed in step
void page_pin(struct exo_page *p);               // likewise
void page_unpin(struct exo_page *p);             // frees a doomed page whose last hold this was
void page_drop(struct exo_page *p);              // binds just fell: the same test; called by whoever lowers binds
void page_doom(struct exo_page *p);              // DATA (or table, u-area, code of an ended account) -> DOOMED or free
void page_zero(void *page);
bool page_reserve_ok(u32 account, i64 reserve, u32 held); // would the promise hold if the account had these?
void acct_count(u32 account, i64 reserve, i64 held);      // adds to them and keeps words->promised in step

// ---- table.c, bind.c: Sv39 tables, bindings, and the fences they need --------------------------------------------

struct root {
    ppn_t ppn;          // 0: this ASID is free
    u32 harts;          // bit i: an environment of this root is at home on hart i
    u8 at[EXO_NHART];   // how many
};
extern struct root roots[]; // by ASID, 1..ROOTS
#define ROOTS (2 * EXO_NENV)

void root_arrive(ppn_t root, u32 hart);   // an environment of it gets this home: counts users too
void root_leave(ppn_t root, u32 hart);
u64 root_satp(ppn_t root);
u64 *pte_find(ppn_t root, va_t va);       // the leaf entry of a user va, or NULL if no table holds one
// The caller's object at va, n bytes, 8-aligned (or bytes if align is 1), within one page; NULL if it is not
// mapped so that the caller itself could read (write) it.
void *user_object(va_t va, u64 n, u64 align, bool write);
void shoot(u32 asid, va_t va);            // this va of this address space, here and where it may run
void shoot_asid(u32 asid);                // all of it, on every hart
void shoot_all(void);                     // everything, on every hart
bool code_shoot(u32 harts);               // fence.i here and on those harts

// ---- sweep.c: doomed pages and ended accounts, in steps -------------------------------------------------------------

extern u32 work; // nonzero: sweep, ending accounts or revocation deadlines want tick_work()
void tick_work(void); // one bounded step of each; lock held. Called on ticks and by idle harts.

// ---- account.c --------------------------------------------------------------------------------------------------

static inline u32 caller(void) { return this_hart->cur->account; }
// Does an owner check by account `by` pass for something of account `of`? Yes for itself, and for the parent of
// an account none of whose environments was set running yet.
static inline bool owns(u32 by, u32 of)
{
    return by == of || (accts[of].state == ACCT_NEW && accts[of].parent == by);
}
static inline struct exo_acct *acct_get(u64 n)
{
    return n >= 1 && n <= EXO_NACCT && accts[n].state != ACCT_FREE ? &accts[n] : NULL;
}
static inline bool kin(u32 a, u32 b) { return accts[a].parent == b || accts[b].parent == a; }

// ---- env.c, slot.c, upcall.c, transfer.c ---------------------------------------------------------------------------

static inline struct exo_env *env_get(u64 eid)
{
    u64 i = eid & EXO_EID_INDEX;
    return i < EXO_NENV && eid && envs[i].eid == eid ? &envs[i] : NULL;
}
static inline struct exo_uarea *env_ua(const struct exo_env *e) { return (struct exo_uarea *)e->ua; }

#define POST_STOP 1
#define POST_RUN 2
#define POST_END 4
#define POST_SPACE 8
#define POST_HOME 16
#define POST_RECALL 32

void env_post(struct exo_env *e, u32 what); // lock held: done at once if e is at home here, else asked for
void env_pending(struct exo_env *e, u64 bits); // sets bits of its u-area's pending; ends a wait
void slot_relink(u32 hart);                 // lock held: after slots of that hart changed
void poke(u32 hart);                        // interrupts it if it idles
void poke_idle(void);                       // every idle hart: after a change to the word page

void dispatch(void);                        // picks what runs next into this_hart, idling until there is something
void timer_set(u64 when);

// ---- predicate.c, disk.c, extent.c, console.c, trace.c ---------------------------------------------------------------

bool predicate_true(ppn_t code, const u64 w[3], u64 now); // of a CODE page
void disk_interrupt(u32 irq);
void disk_tick(void);      // RAM disk: completes what is due; lock held
void disk_orphans(u32 account); // its requests: those done are freed, those in flight will be as they complete
void console_input(void);  // after console_interrupt() took bytes: words->input, wakes idle harts

extern u32 trace_on;
void trace(u32 event, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4); // call only if trace_on

void halt(u32 code) __attribute__((noreturn)); // ends QEMU with this status
void panic(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
int kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
