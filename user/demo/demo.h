// The demonstrations that need no more than bare kernel calls; each is a file here. grade/demo.py boots them,
// shows what the kernel recorded between two steps, and types a byte when the lecturer wants the next.
#ifndef USER_DEMO_H
#define USER_DEMO_H

#include "rt/rt.h"

#define ARENA  ((va_t)0x50000000) // a table is linked here, and nothing bound
#define WINDOW (ARENA + 0x100000) // where main.c has its own pages for a moment
#define SECOND 1                  // the slot of the second environment, on hart 0
#define PTE_RW (PTE_R | PTE_W)

void demo_bind(void);
void demo_abort(void);
void demo_pct(void);
void demo_pct_cost(void);
void demo_disk(void);
void demo_predicate(void);

// ---- main.c ----

// Says what has just been done, and waits until the next step is wanted. Lines that begin with '@' tell
// grade/demo.py what to show of it: `@ page PPN`, `@ env EID`.
void step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

ppn_t own_root(void);
ppn_t arena_table(void); // the one linked at ARENA
ppn_t new_page(void);    // ends the demonstration if there is none
u64 cycles(void);        // instructions, under -icount shift=0

// A predicate in a page of its own: 0 and the page, or the kernel's error. `own`: a page that it may look at,
// or 0.
i64 load_code(const struct pred_insn *insn, u32 n, ppn_t own, ppn_t *page);

// Fills the slot of hart 0 that is n behind the first environment's.
void fill_slot(u32 n, eid_t eid);

// A second environment of this address space, which begins in fn(arg); `slot`: it has the one behind the
// first's.
eid_t second_env(void (*fn)(u64), u64 arg, void (*on_call)(u64 *, eid_t), bool slot);
struct exo_uarea *second_uarea(void);

#endif
