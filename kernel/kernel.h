// The kernel's own contract: its objects, who may change each, and what each part offers the others.
//
// Two rules carry everything. (1) An environment's run state (state, client, callee, satp and what hangs on
// them) is changed only by its home hart, with no lock. (2) All else (page records, tables, accounts, slots,
// extents, requests, code, env records coming and going) is changed only under the one lock, which the trap
// entry takes for every call at or above EXO_PAGE_ALLOC, so that no return path can leave it held. Interrupts
// are off in the kernel, and nothing in it waits but for the lock.
#ifndef EXV6_KERNEL_H
#define EXV6_KERNEL_H

#include "boot.h"
#include "console.h"
#include "kernel_asm.h"
#include "sbi.h"
#include <exo/trace.h>

// ---- results of calls: a0 is err, a1 val; a third result goes to this_hart->a2 ----

struct ret {
    i64 err;
    u64 val;
};

static inline struct ret fail(enum exo_error e) { return (struct ret){e, 0}; }
static inline struct ret done(u64 val) { return (struct ret){0, val}; }

typedef struct ret call_fn(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4);
#define DO(nr, name, number, caps) call_fn do_##name;
EXO_LOCKED_CALLS(DO)
extern call_fn *const call_table[EXO_CALLS_END - EXO_PAGE_ALLOC]; // trap.c

// ---- harts ----

struct regs {
    u64 pc;
    u64 x[32]; // x[0] is not used
};

// The level-0 table that bind, protect and unbind used last on a hart, and the 2 MiB of an address space that
// it holds; what was checked on the way there, so that it need not be checked again. It stays true until a
// table is unlinked: a root's owner does not change while it is a root. Assembly uses it.
struct span {
    u64 root; // 0: none
    va_t base;
    u64 outside; // the bits in which no va of the span differs from base
    u64 *table;
    struct exo_page *page; // the table's record
    struct root *space;
    u64 records; // where the record of ppn 0 would be; this and npages do not change
    u32 npages;
    u32 others; // all harts but this one
    u32 asid;
    u32 bits;    // that the last bind gave; 0 if it was one that wants more than the usual
    u16 own;     // the first two bytes of the record of a data page of the root's owner
    u16 account; // the root's owner
};

// A slot, as its hart goes round them: `next` is the next filled one, cyclic, itself if there is none other;
// env the record that eid names, or one that never runs.
struct turn {
    struct exo_env *env;
    struct turn *next;
    u64 eid;
};

// One a hart, found through tp in the kernel and through sscratch exactly while user code runs. Assembly uses
// the fields down to `regs` (offsets.c).
//
// The fast paths compare whole state words (exo_env: state, home, account, 0). `base` is the word of a ready
// environment of the current account at home here. `ready` is the same while the current environment may be
// left by a fast path, and no environment's word otherwise: past the end of a slice, with floating point on,
// while serving. After a fast call it is none either, but tells the fast reply what the client's word is if
// nothing came between: READY_SAME, or that word with READY_CROSS if the client's account is another.
struct hart {
    struct exo_uarea *ua; // of the environment that runs, in the direct map
    va_t uva;             // the same as the environment sees it
    struct exo_env *cur;  // who runs; NULL: nobody
    u64 t0, tp, ra, sp;   // scratch of the trap entry
    u64 a2;               // third result of the call being made
    u64 kstack;
    struct exo_env *envs; // a load is shorter than an address
    struct turn *turn;    // the slot that runs
    u64 *tick_word;       // words->ticks on the boot hart, elsewhere one that nobody reads
    u64 slice, budget;    // in `time`
    u32 ready, base;
    u32 special;      // SPECIAL_*: nonzero sends the timer and the start of a slice to C
    u32 resched;      // set by a call after which its environment does not go on
    u32 index;        // of this hart
    struct span span; // written by this hart; all forget theirs (root = 0) when a table is unlinked
    struct regs regs; // of user code, on the paths that save all

    u64 id;         // the firmware's name for it
    eid_t fp_owner; // whose values the f registers hold; 0: nobody's
    u32 online;
    u32 idle;   // looking at its slots with nothing to run: a poke makes sense
    u32 posted; // an environment at home here has `posted` set
    u64 rng;    // state of the slice draw; 0: slices are all alike
    struct turn turns[EXO_NSLOT];
};

extern struct hart harts[EXO_NHART];
extern u32 nharts;

static inline u32 hart_slot(const struct hart *h) { return (u32)(h->turn - h->turns); }

#ifdef __riscv
register struct hart *this_hart __asm__("tp");
#else
extern struct hart *this_hart;
#endif

void lock_kernel(void);
void unlock_kernel(void);

// ---- the direct map ----

#ifdef __riscv
static inline void *pa_to_va(pa_t pa) { return (void *)(pa + KERNEL_BASE); }
static inline pa_t va_to_pa(const void *va) { return (u64)va - KERNEL_BASE; }
#else
extern u8 *host_ram; // stands for the RAM that begins at EXO_PPN_BASE
static inline void *pa_to_va(pa_t pa) { return host_ram + (pa - (pa_t)EXO_PPN_BASE * EXO_PAGE); }
static inline pa_t va_to_pa(const void *va) {
    return (u64)((const u8 *)va - host_ram) + (pa_t)EXO_PPN_BASE * EXO_PAGE;
}
#endif
static inline void *ppn_to_va(ppn_t ppn) { return pa_to_va((pa_t)ppn * EXO_PAGE); }

// ---- exported records, and what is kept beside them, out of the window ----

extern struct exo_words *words;
extern struct exo_page *pages; // [npages]
extern struct exo_env envs[];  // [EXO_NENV], and up to EXO_EID_INDEX always free
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
extern cap_t env_caps[]; // [EXO_EID_INDEX + 1]

// ---- page.c: records, the free list, the reserve rule ----

// Boot: [first_free, end) become free, all else the kernel's: [disk, disk_end), too, the RAM disk's image.
void page_init(ppn_t first_free, ppn_t end, ppn_t disk, ppn_t disk_end);

// The record, or NULL if ppn names none or is the kernel's. Takes any 64-bit argument.
static inline struct exo_page *page_get(u64 ppn) {
    u64 i = ppn - EXO_PPN_BASE;
    return i < npages && pages[i].type != PAGE_KERNEL ? &pages[i] : NULL;
}
static inline ppn_t page_ppn(const struct exo_page *p) { return (ppn_t)(p - pages) + EXO_PPN_BASE; }

// Fixed: cannot be repossessed. Whoever changes what this reads keeps acct.fixed in step, and has checked
// fix_room() first when it may rise.
static inline bool page_fixed(const struct exo_page *p) {
    return (p->type >= PAGE_PT0 && p->type <= PAGE_CODE) ||
           (p->type == PAGE_DATA && (p->pins || p->flags & PAGE_KEEP));
}
bool fix_room(u32 account, u32 n);               // may n more of its pages become fixed?
void page_settype(struct exo_page *p, u32 type); // keeps acct.fixed in step
void page_pin(struct exo_page *p);               // likewise
void page_unpin(struct exo_page *p);             // frees a doomed page whose last hold this was
void page_drop(struct exo_page *p); // binds just fell: the same test; called by whoever lowers binds
void page_doom(struct exo_page *p); // DATA (or table, u-area, code of an ended account) -> DOOMED or free
void page_zero(void *page);
i64 acct_promise(u32 account, i64 reserve,
                 i64 held);                          // what words->promised would grow by if these were added
void acct_count(u32 account, i64 reserve, i64 held); // adds them, words->promised in step
bool acct_overdue(u32 account); // a revocation's deadline is past, its pages not yet taken

// ---- table.c, bind.c: Sv39 tables, bindings, and the fences they need ----

struct root {
    ppn_t ppn;        // 0: this ASID is free
    u32 harts;        // bit i: an environment of this root is at home on hart i
    u8 at[EXO_NHART]; // how many
};
#define ROOTS (2 * EXO_NENV)
extern struct root roots[ROOTS + 1]; // by ASID, from 1

void root_arrive(ppn_t root, u32 hart); // an environment of it gets this home: counts users too
void root_leave(ppn_t root, u32 hart);  // called on that hart, with cur another or about to leave the root
u64 root_satp(ppn_t root);
u64 *pte_find(ppn_t root, va_t va); // the leaf entry of a user va, or NULL if no table holds one
// The caller's object at va, n bytes, 8-aligned (or bytes if align is 1), within one page; NULL if it is not
// mapped so that the caller itself could read (write) it.
void *user_object(va_t va, u64 n, u64 align, bool write);
void shoot_remote(u32 harts, u32 asid, va_t va, u64 size); // not here; asid 0: every one; size ~0: every va
void root_release(struct exo_page *p); // a root that nobody uses is a data page again, its ASID free
void shoot_all(void);                  // everything, on every hart
void code_shoot(u32 harts);            // fence.i here and on those harts
void span_forget(void);                // a table is unlinked: what any hart remembers of the last one is void

// ---- sweep.c: doomed pages and ended accounts, in steps ----

extern u32 work;      // nonzero: sweep, ending accounts or revocation deadlines want tick_work()
#define WORK_NOW 3    // there is more to do at once; else: something is due later, or was only just asked for
void tick_work(void); // one bounded step of each; lock held. Called on ticks and by idle harts.
void acct_ending(u32 account);     // begins to end it: it has no children, or they are ending, too
void take_from_start(u32 account); // a new revocation: what is taken will be taken in ppn order

// ---- account.c ----

void acct_inherit(u32 from, u32 to); // all its reserve and quotas
static inline u32 caller(void) { return this_hart->cur->account; }
// Does an owner check by account `by` pass for something of account `of`? Yes for itself, and for the parent
// of an account none of whose environments was set running yet.
static inline bool owns(u32 by, u32 of) {
    return by == of || (accts[of].state == ACCT_NEW && accts[of].parent == by);
}
static inline struct exo_acct *acct_get(u64 n) {
    return n >= 1 && n <= EXO_NACCT && accts[n].state != ACCT_FREE ? &accts[n] : NULL;
}
static inline bool kin(u32 a, u32 b) { return accts[a].parent == b || accts[b].parent == a; }

// ---- env.c, slot.c, upcall.c, transfer.c ----

// Without the lock, too: who finds the eid finds the rest of the record as env_new left it, or later.
static inline struct exo_env *env_get(u64 eid) {
    u64 i = eid & EXO_EID_INDEX;
    return i < EXO_NENV && eid && __atomic_load_n(&envs[i].eid, __ATOMIC_ACQUIRE) == eid ? &envs[i] : NULL;
}
// Then all that its last home hart wrote of it is seen here.
static inline bool env_here(const struct exo_env *e) {
    return __atomic_load_n(&e->home, __ATOMIC_ACQUIRE) == this_hart->index;
}
static inline volatile u8 *mask_byte(volatile struct exo_uarea *ua, u32 frame) {
    return (volatile u8 *)&ua->mask + frame;
}
static inline struct exo_uarea *env_ua(const struct exo_env *e) { return (struct exo_uarea *)e->ua; }

#define POST_STOP   1
#define POST_RUN    2
#define POST_END    4
#define POST_SPACE  8
#define POST_HOME   16
#define POST_RECALL 32

void env_post(struct exo_env *e, u32 what);    // lock held: done at once if e is at home here, else asked for
void env_pending(struct exo_env *e, u64 bits); // sets bits of its u-area's pending; ends a wait
void env_stop(struct exo_env *e, u32 why, u64 cause, va_t tval, va_t pc); // e runs here: it does so no longer
void env_posted(void);            // lock held: what other harts asked for environments at home here
void env_left(struct exo_env *e); // lock held: what had to wait until this one, which ran here, was left
void slot_init(u32 hart);
void slot_relink(u32 hart); // lock held: after slots of that hart changed
void poke(u32 hart);        // interrupts it if it idles
void poke_idle(void);       // every idle hart: after a change to the word page

void leave(void);                       // the current environment does not run any more
void enter(struct exo_env *e, va_t pc); // e runs here, at pc, all registers 0 but t0 = its u-area
void enter_prologue(struct exo_env *e);
void dispatch(void);           // begins the next slice, idling until there is one to begin
bool wakes(struct exo_env *e); // may it be entered at its PROLOGUE now? Ends a wait that is over
void ready_update(void);       // after a change to what `base` and `ready` stand for
void timer_set(u64 when);
void env_init(void);
// After a resume: an end of slice that nothing but the frame's byte of mask held back comes now. The libOS
// could look at pending only before the resume, and would miss one that comes in between.
void epilogue_held(struct regs *r);
void epilogue_unhold(void);         // with the slice that is left
bool force_save(struct exo_env *e); // this_hart->regs into its forced frame; false if that is in use already
void external_interrupt(void);      // lock held
void trap_start(void);              // this hart takes traps from user code
void trap_return(void) __attribute__((noreturn)); // trap.S: to what this_hart->regs and cur say
void tables_init(void);        // start.c, boot: the exported records, all memory and the disk
void first_start(void);        // boot: environment 1 of account 1, from extent `boot`
_Noreturn void hart_run(void); // this hart takes traps, and runs what its slots hold

void fp_zero(void); // fp.S; FS is not Off
void fp_save(struct exo_forced *f);
void fp_load(const struct exo_forced *f);

// Fast calls in C: what the assembly does, and what it leaves to C. Each returns the error that it is refused
// with; E_OK if what became of it is in this_hart->regs.
typedef enum exo_error twin_fn(struct regs *r);
twin_fn twin_yield, twin_wait, twin_call, twin_send, twin_reply, twin_resume, twin_fp; // transfer.c
void call_break(struct exo_env *e, enum exo_error why); // ends the calls e has part in

// ---- predicate.c, disk.c, extent.c, console.c, trace.c ----

// All with the lock held, but for predicate_true and trace. disk.h has what boot needs of the disk.

bool predicate_true(ppn_t code, const u64 w[3], u64 now); // of a CODE page
void code_release(struct exo_page *p); // unpins the pages a CODE page names: before it becomes anything else
// May these pages, and `more` others of the account, become fixed? E_PPN, E_OWNER, E_TYPE (not data),
// E_FIXED.
enum exo_error pins_error(const ppn_t *ppns, u32 n, u32 account, u32 more);
void disk_interrupt(u32 irq);
void disk_tick(void); // on ticks and idle harts: completes what is due on a RAM disk with delays
u64 disk_due(void);   // when that is; ~0: it has nothing to do. Needs no lock
// An account's requests: those not yet begun end, those done are freed, those in flight will be as they
// complete. Its number must not be used again before accts[account].requests is 0.
void disk_orphans(u32 account);
void console_input(
    void); // the UART's interrupt: takes the bytes, counts them in words->input, wakes idle harts

void trace_init(void); // boot: after all tables have their place, and before boot_end() is asked
extern u32 trace_on;
void trace(u32 event, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4); // call only if trace_on; <exo/trace.h>
void trace_call(u64 nr, const u64 args[5], struct ret ret);    // likewise: every call, granted or refused

void misc_init(const u8 *seed, u32 size); // boot: 16 bytes that nobody can guess

void halt(u32 code) __attribute__((noreturn)); // ends QEMU with this status
void panic(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
int kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
