// The frame of the kernel's tests: checks, pages and windows, other environments, other address spaces and
// accounts.
//
// The test image is a libOS of account 1 with one main environment on hart 0. A test runs there, makes what
// it needs and takes it away again; the frame compares free pages and quotas before and after. Every
// environment of a test, of whatever account, runs code of this image and finds the page `sh` at the same
// place: they talk and report failed checks through it.
#ifndef KTEST_H
#define KTEST_H

#include "../rt/rt.h"

// ---- tests ----

struct test {
    const char *name;
    void (*run)(void);
    u32 harts; // needs at least so many
    u32 disk;  // nonzero: needs a disk
};

struct area {
    const char *name;
    const struct test *tests;
    u32 n;
};

#define AREA(a) const struct area a##_area = {#a, a##_tests, sizeof a##_tests / sizeof a##_tests[0]}
#define T(fn) \
    { #fn, fn, 1, 0 }
#define T_HARTS(fn, n) \
    { #fn, fn, n, 0 }
#define T_DISK(fn) \
    { #fn, fn, 1, 1 }

// A check: true if it holds. Otherwise the test has failed, and goes on.
#define CHECK(expr, want) kt_check(__FILE_NAME__, __LINE__, #expr, (i64)(expr), (i64)(want))
#define TRUE(cond)        kt_true(__FILE_NAME__, __LINE__, #cond, (cond))
bool kt_check(const char *file, u32 line, const char *what, i64 saw, i64 want);
bool kt_true(const char *file, u32 line, const char *what, bool ok);

// Yields until cond holds; after `ms` of the machine's time that is a failed check.
#define WAIT_MS(cond, ms)                                  \
    ({                                                     \
        u64 late_ = exo_time() + (ms)*kt_ms;               \
        while (!(cond) && exo_time() < late_) rt_yield(0); \
        TRUE(cond);                                        \
    })
#define WAIT(cond) WAIT_MS(cond, 5000)
// The same for what idle harts and ticks do: sleeps between looks.
#define NAP(cond)                                             \
    ({                                                        \
        u64 late_ = exo_time() + 5000 * kt_ms;                \
        while (!(cond) && exo_time() < late_) nap(kt_ms / 2); \
        TRUE(cond);                                           \
    })

// Of an environment that lets go in time: it was not aborted. A host that is slow to run the guest makes
// anyone late, so this is checked where guest time does not depend on the host: with a budget as short as for
// icount.
#define INNOCENT(count) CHECK(EXO_WORDS->budget < kt_ms ? (count) : 0, 0)
// Likewise for what happens within a certain time.
#define IN_TIME(cond) TRUE(EXO_WORDS->budget >= kt_ms || (cond))

#define KT_FAILS 12
struct fail {
    const char *file, *what;
    u32 line, is_true;
    i64 want, saw;
    u64 with; // kt_with at that time
};
// A page of account 1, bound in every space with this capability for reading and writing.
struct shared {
    u64 w[256]; // the test's own; 0 at its start
    cap_t cap;
    u32 nfail;
    struct fail fail[KT_FAILS];
};
#define WIN    0x50000000 // 512 windows of a page
#define NWIN   512
#define sh     ((volatile struct shared *)WIN)
#define UA_TOP 0x3ffffff000 // main's u-area, and that of each child's first environment
_Static_assert(sizeof(struct shared) <= EXO_PAGE, "struct shared");

extern u64 kt_ms;           // `time` of a millisecond
extern ppn_t kt_root;       // of the main environment; others have their own in their record
extern ppn_t kt_timer;      // code page: true when time >= w0
extern eid_t kt_main;       // the main environment
extern const char *kt_name; // area.test that runs
extern u64 kt_beat;         // counts tests: the watchdog looks at it
extern u64 kt_with;         // the argument that a loop of checks tries: shown with a failure unless 0

void nap(u64 time);               // sleeps so long
static inline void spin(u64 time) // stays on the hart so long
{
    for (u64 until = exo_time() + time; exo_time() < until;)
        ;
}

// ---- records ----

static inline const volatile struct exo_page *page_of(ppn_t ppn) { return &EXO_PAGES[ppn - EXO_PPN_BASE]; }
static inline const volatile struct exo_env *env_of(eid_t eid) { return &EXO_ENVS[eid & EXO_EID_INDEX]; }
static inline bool env_lives(eid_t eid) { return env_of(eid)->eid == eid; }
static inline ppn_t my_root(void) { return env_of(self())->root; }

// ---- pages, windows ----

ppn_t page_new(void);           // zeroed; a failed check and 0 if there is none
void page_end(ppn_t ppn);       // frees it
void *win_new(void);            // a window's va, nothing bound; NULL if all are taken
void win_end(void *va);         // unbinds
void *map(ppn_t ppn, u64 bits); // an own page in a new window
void *map_cap(ppn_t ppn, u64 bits, cap_t cap);
u64 pte_at(ppn_t root, va_t va); // reads the tables; 0 also if there is none
#define RW (PTE_R | PTE_W)

// Names of things that are not there, at and past each limit: the i-th, or false if there are no more. good:
// one that is there, from which lookalikes are made.
bool bad_ppn(u32 i, ppn_t good, u64 *out);
bool bad_eid(u32 i, eid_t good, u64 *out);
bool bad_hart(u32 i, u64 *out);
bool bad_slot(u32 i, u64 *out);
bool bad_acct(u32 i, u64 *out);
bool bad_ext(u32 i, u64 *out);
bool bad_va(u32 i, u64 *out);
#define EACH_BAD(out, kind, ...)           \
    u32 i_ = 0;                            \
    bad_##kind(i_, ##__VA_ARGS__, &(out)); \
    i_++

// Pins a page by a predicate that names it; the page of that predicate comes back, unpin() takes both away.
ppn_t pin(ppn_t ppn);
void unpin(ppn_t code);
ppn_t code_new(const struct pred_insn *insn, u32 n, const ppn_t *own,
               u32 nown); // loaded; 0 and a failed check if refused
void code_end(ppn_t code);

// An own disk request's extent for tests, cut off the raw extent `test`; or ~0 if the disk has none.
u64 test_extent(void);

// ---- environments of this account ----

struct peer {
    eid_t eid;
    u32 hart, slot;
    ppn_t root, ua_ppn, stack_ppn[2];
    struct exo_uarea *ua; // at the same va here and there
    char *stack;          // two pages
};

// An environment on `root` (0: this one's), stopped, without a slot, to begin in fn(arg).
bool peer_new(struct peer *p, ppn_t root, u32 hart, void (*fn)(u64), u64 arg);
bool peer_slot(struct peer *p);  // gives it a free slot of this account on its hart
bool peer_start(struct peer *p); // a slot, and runs
void peer_end(struct peer *p);   // ends it if it has not ended, waits until its hart has let go, frees all
bool peer_go(struct peer *p, u32 hart, void (*fn)(u64), u64 arg); // new and start

// rt_call of a server with slots of its own: one that the end of a slice of those interrupted takes no calls
// before its next.
i64 call_ready(eid_t eid, cap_t cap, u64 msg[MSG_WORDS]);
u32 free_slot(u32 hart); // an empty one of this account; EXO_NSLOT if none

// ---- address spaces, accounts ----

struct space {
    ppn_t root, upper, low, image, win,
        uareas; // root; level 1 of u-areas, of image; level 0 of image, windows, u-areas
};

// A space of this account in which the image, its data, and `sh` are bound as here.
bool space_new(struct space *s);
void space_end(struct space *s); // unbinds what there is, unlinks, frees

#define CHILD_PAGES 32 // tables, copies of the data, one environment, and some to use
struct child {
    u32 acct;
    struct space sp;
    eid_t eid;
    ppn_t ua_ppn;
    u32 hart, slot;
};

// An account with a space as above, but data and bss copied as they are now, and an environment on `hart`
// with a slot there, stopped: it begins in fn(arg) when child_run() is called. pages: its reserve.
bool child_new(struct child *c, u32 pages, u32 envs, u32 accts, u32 exts, u32 hart, void (*fn)(u64), u64 arg);
bool child_run(struct child *c);
void child_end(struct child *c); // ends the account and waits until all has come back
// In short: a child with a usual share runs fn(arg) on hart 0 and ends; false if it did not.
bool child_does(void (*fn)(u64), u64 arg);
eid_t child_more(struct child *c, void (*fn)(u64), u64 arg,
                 u32 hart); // one environment more, stopped, before child_run

void keep_self(void);      // a child: its stack and data are never to be taken
bool acct_gone(u32 acct);  // waits until it is swept
bool pool_open(u32 pages); // account 1 gives up so much reserve: that many pages are nobody's promise
void pool_close(void);     // and takes all of it back

// asm.S: all registers but sp and tp are set to REG_PATTERN + number, then one ecall; what they hold after it
// goes to out[1..31].
#define REG_PATTERN 0x5a5a5a5a5a5a0000ul
void ecall_regs(u64 nr, u64 a0, u64 a1, u64 *out);
u64 hold_regs(volatile u64 *until); // keeps a pattern in all registers until then; not 0: one lost its value
u64 fp_hold(volatile u64 *until);   // the same for the f registers and fcsr, which must be on
u64 fp_any(void);                   // these, or-ed
void fp_touch(void);                // uses it, no more
void regs_at_fault(u64 after[32]);  // a store to 0, the pattern in all registers
void secrets_yield(eid_t to) __attribute__((noreturn)); // a pattern in every register, then a directed yield
// Entries for a u-area: they keep what the registers hold in fregs[1..31] of struct rt; go back without the
// kernel; or never come back.
extern const char seen_fault[], seen_prologue[], seen_call[], quick_fault[], stuck[], yield_entry[];
enum { ENTRY_FAULT, ENTRY_EPILOGUE, ENTRY_PROLOGUE, ENTRY_CALL };

#endif
