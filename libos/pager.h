// Paging: what the libOS does when pages are short. It chooses pages of programs that were not used lately,
// keeps their contents in the extent `swap`, and gives the pages back; a fault brings the contents in again.
// So programs may have more memory than the machine gives the libOS, and the kernel's request for pages
// (SOSP95, Visible Resource Revocation) is answered in time. Without an extent of that name there is no
// paging.
//
// Which pages: a clock goes round over the entries of all programs' tables. Pages whose contents the disk has
// already go first, then such as were not used since the last look (the hardware's A and D bits tell),
// private ones before those that a fork left shared.
//
// What the entry of a page that is not there says:
//     0                            nothing yet: a page of zeros comes on demand
//     slot << PAGER_SLOT | bits    the contents are in that slot (swap.h); bits as they were in the entry
// What the record of a page that is there says: its tag is a slot with the same contents, as long as no entry
// that binds it has D set; 0: none. So a slot's references are the entries that name it, and such a tag.
//
// Only with the pager's lock are valid entries of programs taken away and empty ones filled, of whatever
// process; and what is counted in `resident` (proc.h). It is the last lock to take. Who has it may wait for
// the disk.
#ifndef EXV6_PAGER_H
#define EXV6_PAGER_H

#include <exo/abi.h>
#include <stdbool.h>
#include "kernel/pagerinfo.h"
#include "lock.h"
#include "swap.h"
#include "vm.h"

#define PAGER_SLOT 12 // shift

// A page that is being put out.
struct victim {
    va_t va;
    ppn_t ppn;
    u64 procs; // a bit for each process, by index, that has it at va
    bool dirty;
    u32 slot; // 0: it has no place
};
#define PAGER_VICTIMS 64

struct pager {
    struct lock lock;
    bool deaf;   // it answers no request: what the kernel then takes by force is lost
    u32 proc;    // the clock's hand: a process by index, ...
    va_t va;     // ... and the page that is next
    u64 seen;    // of the account's `repossessed`: what of it was dealt with
    u64 out, in; // pages so far
    u32 away;    // entries with a slot
    u64 dropped; // of `out`: those that the disk had already
    u64 given;   // of `out`: those that the kernel had asked for
    struct swap swap;
    u32 chosen; // of victim[], to be put out together
    struct victim victim[PAGER_VICTIMS];
    struct exo_op op[EXO_BATCH_MAX] __attribute__((aligned(EXO_PAGE)));
};

// ======== what pager.c does ========

// ---- within enter and leave ----

// Gives back `want` pages of programs, or as many as can be, perhaps a few more: how many.
u32 pager_make_room(u32 want);

// Brings in the page at va of this process, whose entry is `word`. False if it cannot be, and all is as it
// was.
bool pager_in(va_t va, u64 word);

// What an entry was is forgotten: its page, of which nobody has `binds` left, is about to be freed; or its
// slot loses a reference. Also called where there is no paging.
void pager_forget(u64 old, u64 binds);

// A child gets an entry with a slot.
void pager_share(u64 word);

// The page is no longer as its slot has it, and that will not be seen in D.
void pager_changed(ppn_t ppn);

// ---- outside ----

// Pages that the account has to give back, as the kernel has asked, if it is to have so many more.
u32 pager_owes(u32 more);

// Takes the lock, if there is paging; finds out what the kernel has taken by force, and gives it what it asks
// for.
void pager_enter(void);

// For who is about to sleep: the process that hears of revocations (its environment is woken for it) answers
// them here, but not where it holds something or waits for a lock: it could be given that meanwhile, and
// others would wait for it.
void pager_look(void);

// ======== what paging.c does ========

// ---- for start.c and robust.c ----

// The extent, EXO_NEXT if there is none, and whether to be deaf. This process's environment hears of
// revocations from now on; later another.
void pager_setup(u32 extent, bool deaf);
void pager_heard_by(eid_t);

// ---- around changes of programs' entries: pager_enter() and ----

bool pager_on(void);
void pager_leave(void);

// ---- pages, when there may be none ----

// As exo_page_alloc(0, unzeroed), but makes room if need be; within enter and leave, and outside.
struct exo_ret pager_page(bool unzeroed);
struct exo_ret page_new(bool unzeroed);

// Makes room for n pages. Outside. False if nothing can go.
bool pager_room(u32 n);

// Never to be taken from this account: a page of the libOS itself. False if the kernel refuses.
bool pager_keep(ppn_t ppn);

// Not to be taken, if the kernel wants pages back, until let go: false if it cannot be prevented.
bool pager_hold(ppn_t ppn);
void pager_let_go(ppn_t ppn);

// Pages that the kernel has taken by force so far.
u64 pager_taken(void);

// Past a deadline the kernel grants no page and pins none (E_FIXED) until it has taken what was not given
// back, which takes it a moment: true if so, after a pause.
bool pager_overdue(void);

// ---- for pager.c ----

// Is this the first process? It hears of revocations, and is not to lose any page: without it there is
// nobody. So all of its pages are kept.
bool pager_is_first(void);

// Operations of the kernel's, done as one call: the next of op[] is filled in; then the first n are done, and
// what each was stays in its `word` (abi.h: batch). One that the kernel refuses, as a page may have been
// doomed meanwhile, is passed over; its word is 0.
void pager_add(u32 *n, u32 op, ppn_t root, va_t va, ppn_t ppn, u32 bits, u64 word);
void pager_run(u32 n);

// Does the process have pages of a program?
bool pager_has_program(const struct proc *);

// The 512 entries of the process's level-0 table for va, to be read until another's are or
// pager_table_done(); 0 if there is none. And a loop over all tables that a process has.
const volatile u64 *pager_table(const struct proc *, va_t va);
void pager_table_done(void);
#define PAGER_EACH_TABLE(p, va) \
    for (va_t va = vm_table(p, 0); va < PROGRAM_END; va = vm_table(p, va + TABLE_SPAN))

// Finds out for v, with va and ppn, which processes have it: it is at the same place in all, as only fork
// shares. False if these are not `binds`, or one of them needs it where it is.
bool pager_sharers(struct victim *v, u32 binds);

// After some were taken by force. Of p's program so many pages are left, which is less than it had: p cannot
// go on, and ends. And: the references of slots are counted anew, by the entries of all processes.
void pager_lost(struct proc *p, u32 left);
void pager_recount(void);

// ---- call ----

int sys_pagerinfo(struct pagerinfo *to);

#endif
