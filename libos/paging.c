// What paging needs beside its policy, which is pager.c's: setup, pages for whoever wants some, what the
// kernel is told of them, and for pager.c many calls at once, other processes' tables and who shares a page.
// See pager.h.
#include <exo/call.h>
#include "lib.h"
#include "pager.h"
#include "proc.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"

#define PAGER (&SHARED->pager)
#define SWAP  (&PAGER->swap)

// How often: pages may be taken by force while they are being put out.
#define TRIES 3

static const volatile struct exo_page *record(ppn_t ppn) { return &EXO_PAGES[ppn - EXO_PPN_BASE]; }

static const volatile struct exo_acct *account(void) { return &EXO_ACCTS[SHARED->account]; }

// ---- setup, and what is told of it ----

bool pager_on(void) { return SWAP->slots != 0; }

void pager_setup(u32 extent, bool deaf) {
    PAGER->deaf = deaf;
    PAGER->seen = account()->repossessed;
    if (extent == EXO_NEXT) return;
    swap_setup(SWAP, extent);
    pager_heard_by(SELF->first.eid);
}

void pager_heard_by(eid_t eid) { exo_acct_pager(SHARED->account, eid); }

void pager_leave(void) {
    if (pager_on()) lock_release(&PAGER->lock);
}

u64 pager_taken(void) { return account()->repossessed; }

int sys_pagerinfo(struct pagerinfo *to) {
    struct pagerinfo info = {.slots = SWAP->slots,
                             .used = SWAP->slots - SWAP->free,
                             .away = PAGER->away,
                             .out = PAGER->out,
                             .in = PAGER->in,
                             .dropped = PAGER->dropped,
                             .given = PAGER->given,
                             .taken = account()->repossessed};
    if (!user_ok(to, sizeof(info), true)) return -1;
    memcpy(to, &info, sizeof(info));
    return 0;
}

// ---- what the kernel may not take ----

bool pager_keep(ppn_t ppn) { return !pager_on() || exo_page_set(ppn, 0, 0, record(ppn)->tag, 1) == 0; }

bool pager_hold(ppn_t ppn) { return account()->revoke_deadline == 0 || pager_keep(ppn); }

void pager_let_go(ppn_t ppn) {
    if (record(ppn)->flags & PAGE_KEEP) exo_page_set(ppn, 0, 0, record(ppn)->tag, 0);
}

bool pager_overdue(void) {
    u64 deadline = account()->revoke_deadline;
    bool late = deadline && exo_time() >= deadline;
    if (late) lock_pause();
    return late;
}

// ---- pages ----

bool pager_is_first(void) { return SELF->index == 0; }

static struct exo_ret alloc(bool unzeroed) {
    struct exo_ret page = exo_page_alloc(0, unzeroed);
    if (!page.err && pager_is_first()) pager_keep((ppn_t)page.val);
    return page;
}

// None could be had, and none be put out. Should we try again?
static bool again(u32 *tries) { return pager_overdue() || (pager_on() && ++*tries < TRIES); }

static u32 make_room(u32 n) { return pager_on() ? pager_make_room(n) : 0; }

bool pager_room(u32 n) {
    pager_enter();
    bool ok = make_room(n) > 0;
    pager_leave();
    return ok;
}

struct exo_ret pager_page(bool unzeroed) {
    for (u32 tries = 0;;) {
        if (pager_owes(1)) make_room(1);
        struct exo_ret page = alloc(unzeroed);
        if (!page.err || !(make_room(EXO_REQ_BLOCKS) || again(&tries))) return page;
    }
}

struct exo_ret page_new(bool unzeroed) {
    for (u32 tries = 0;;) {
        if (pager_owes(1)) pager_room(1);
        struct exo_ret page = alloc(unzeroed);
        if (!page.err || !(pager_room(EXO_REQ_BLOCKS) || again(&tries))) return page;
    }
}

// ---- the kernel's calls, many at once ----

void pager_add(u32 *n, u32 op, ppn_t root, va_t va, ppn_t ppn, u32 bits, u64 word) {
    PAGER->op[(*n)++] =
        (struct exo_op){.op = op, .root = root, .va = va, .ppn = ppn, .bits = bits, .word = word};
}

void pager_run(u32 n) {
    for (u32 i = 0; i < n;) {
        struct exo_ret r = exo_batch(PAGER->op + i, n - i);
        i += (u32)r.val;
        if (!r.err) return;
        PAGER->op[i++].word = 0;
    }
}

// ---- processes and their tables ----

bool pager_has_program(const struct proc *p) { return p->state != PROC_FREE && p->sz; }

const volatile u64 *pager_table(const struct proc *p, va_t va) {
    struct exo_ret window = exo_protect(p->root, WINDOW_VA + va / TABLE_SPAN * EXO_PAGE, 0, 0, 0);
    if (window.err || exo_bind(SELF->root, PAGER_VA, PTE_PPN(window.val), PTE_R | PTE_A, 0).err) return 0;
    return (const volatile u64 *)PAGER_VA;
}

void pager_table_done(void) { exo_unbind(SELF->root, PAGER_VA, 0); }

bool pager_sharers(struct victim *v, u32 binds) {
    u32 n = 0;
    v->procs = 0;
    for (u32 i = 0; i < NPROC; i++) {
        const struct proc *p = proc_at(i);
        if (!pager_has_program(p)) continue;
        struct exo_ret pte = exo_protect(p->root, v->va, 0, 0, 0);
        if (pte.err || !(pte.val & PTE_V) || PTE_PPN(pte.val) != v->ppn) continue;
        if (v->va >= p->io && v->va < p->io_end) return false;
        v->procs |= 1UL << i;
        n++;
    }
    return n == binds;
}

static void count_slots(const struct proc *p) {
    PAGER_EACH_TABLE(p, from) {
        const volatile u64 *pte = pager_table(p, from);
        for (u32 i = 0; pte && i < 512; i++) {
            if (pte[i] == 0 || pte[i] & PTE_V) continue;
            PAGER->away++;
            if (SWAP->refs[pte[i] >> PAGER_SLOT]++ == 0) SWAP->free--;
        }
        pager_table_done();
    }
}

void pager_lost(struct proc *p, u32 left) {
    print("pid %d (%s): %d pages of its memory were taken back\n", p->pid, p->name,
          (int)(p->resident - left));
    p->resident = left;
    p->lost = 1;
    if (p != proc_at(0)) __atomic_fetch_or(&p->signals, PROC_END, __ATOMIC_SEQ_CST);
    wake(p);
}

void pager_recount(void) {
    memset(SWAP->refs, 0, sizeof(SWAP->refs));
    SWAP->free = SWAP->slots;
    PAGER->away = 0;
    for (u32 i = 0; i < NPROC; i++)
        if (pager_has_program(proc_at(i))) count_slots(proc_at(i));
}
