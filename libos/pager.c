// Which pages go and how, how they come back, and what is done when the kernel asks for pages or has taken
// some. See pager.h; what this works with is in paging.c.
#include "pager.h"

#include <exo/call.h>
#include "proc.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"

#define PAGER (&SHARED->pager)
#define SWAP  (&PAGER->swap)

#define PERM (PTE_R | PTE_W | PTE_X | PTE_COW)

// How hard to look for pages that can go.
enum pass { CLEAN, UNUSED, UNUSED_NOW, ANY };

static const volatile struct exo_page *record(ppn_t ppn) { return &EXO_PAGES[ppn - EXO_PPN_BASE]; }

static void set_tag(ppn_t ppn, u64 slot) { exo_page_set(ppn, 0, 0, slot, record(ppn)->flags & PAGE_KEEP); }

static u32 slot_of(u64 word) { return (u32)(word >> PAGER_SLOT); }

static const volatile struct exo_acct *account(void) { return &EXO_ACCTS[SHARED->account]; }

static u32 lowest(u64 set) {
    u32 i = 0;
    while (!(set >> i & 1)) i++;
    return i;
}

// ---- putting pages out ----

// Takes their entries, and finds out which have changed since the disk got them. In op[] stays what the
// entries were, in order. Nobody can use the pages from here on, and who tries waits for the lock.
static u32 take_entries(struct victim *v, u32 n) {
    u32 ops = 0, i = 0;
    for (u32 k = 0; k < n; k++)
        for (u64 left = v[k].procs; left; left &= left - 1)
            pager_add(&ops, EXO_UNBIND, proc_at(lowest(left))->root, v[k].va, 0, 0, 0);
    pager_run(ops);
    for (u32 k = 0; k < n; k++) {
        v[k].dirty = record(v[k].ppn)->tag == 0;
        for (u64 left = v[k].procs; left; left &= left - 1) v[k].dirty |= (PAGER->op[i++].word & PTE_D) != 0;
        u32 slot = (u32)record(v[k].ppn)->tag;
        if (!v[k].dirty)
            v[k].slot = slot;
        else if (slot)
            swap_drop(SWAP, slot);
    }
    return ops;
}

// Writes those that have changed.
static void write_out(struct victim *v, u32 n) {
    u32 slot[PAGER_VICTIMS], m = 0, left = 0, next = 0;
    ppn_t ppn[PAGER_VICTIMS];
    for (u32 k = 0; k < n; k++) {
        if (!v[k].dirty) continue;
        if (left == 0 && (left = swap_take(SWAP, n - k, &next)) == 0) break;
        left--;
        v[k].slot = slot[m] = next++;
        ppn[m++] = v[k].ppn;
    }
    while (left--) swap_drop(SWAP, next++);
    if (m == 0 || swap_write(SWAP, slot, ppn, m) == 0) return;
    for (u32 k = 0; k < n; k++) {
        if (!v[k].dirty || !v[k].slot) continue;
        swap_drop(SWAP, v[k].slot);
        v[k].slot = 0;
    }
}

// Fills the entries that take_entries() left empty: with the slots, or as they were where there is none.
static u32 fill_entries(struct victim *v, u32 n, u32 ops) {
    u32 out = 0, i = 0;
    for (u32 k = 0; k < n; k++) {
        u32 refs = 0;
        for (u64 left = v[k].procs; left; left &= left - 1, i++) {
            struct exo_op *o = &PAGER->op[i];
            struct proc *p = proc_at(lowest(left));
            u64 old = o->word;
            if (v[k].slot) {
                *o = (struct exo_op){.op = EXO_UNBIND, .root = p->root, .va = v[k].va};
                o->word = (u64)v[k].slot << PAGER_SLOT | (old & PERM);
                p->resident--;
                PAGER->away++;
                if (refs++) swap_ref(SWAP, v[k].slot);
            } else {
                u32 bits = old & (PTE_BITS & ~(u32)PTE_A);
                *o = (struct exo_op){
                    .op = EXO_BIND, .root = p->root, .va = v[k].va, .ppn = v[k].ppn, .bits = bits};
                if (v[k].dirty && record(v[k].ppn)->tag) set_tag(v[k].ppn, 0);
            }
        }
        out += v[k].slot != 0;
    }
    pager_run(ops);
    return out;
}

// From here on the kernel does not take them: what is no more bound would be others' at once. How many it
// leaves us; they come first.
static u32 hold(struct victim *v, u32 n) {
    u32 held = 0;
    for (u32 k = 0; k < n; k++)
        if (exo_page_set(v[k].ppn, 0, 0, record(v[k].ppn)->tag, 1) == 0) v[held++] = v[k];
    return held;
}

static u32 put_out(struct victim *v, u32 n) {
    u32 nfree = 0, ops;
    n = hold(v, n);
    ops = take_entries(v, n);
    write_out(v, n);
    u32 out = fill_entries(v, n, ops);
    for (u32 k = 0; k < n; k++) {
        PAGER->dropped += v[k].slot && !v[k].dirty;
        if (v[k].slot)
            pager_add(&nfree, EXO_PAGE_FREE, 0, 0, v[k].ppn, 0, 0);
        else
            exo_page_set(v[k].ppn, 0, 0, record(v[k].ppn)->tag, 0);
    }
    pager_run(nfree);
    PAGER->out += out;
    return out;
}

// ---- looking for pages ----

// Would the disk have a place for it? If swap is full, for what it has already, or has in a slot that nobody
// else needs. What has none is not chosen: a few such, wherever the hand is, would hide all others.
static bool has_place(const volatile struct exo_page *page, u64 pte) {
    if (SWAP->free) return true;
    return page->tag && (!(pte & PTE_D) || SWAP->refs[page->tag] == 1);
}

static bool may_go(const struct proc *p, va_t va, u64 pte, enum pass pass) {
    const volatile struct exo_page *page = record(PTE_PPN(pte));
    if (page->type != PAGE_DATA || page->flags & PAGE_KEEP || page->pins || (va >= p->io && va < p->io_end))
        return false;
    if (!has_place(page, pte)) return false;
    if (page->binds != 1) return pass == ANY;
    if (pass == CLEAN) return !(pte & (PTE_A | PTE_D)) && page->tag;
    return pass == ANY || !(pte & PTE_A);
}

static u32 put_out_chosen(void) {
    u32 n = PAGER->chosen;
    PAGER->chosen = 0;
    return n ? put_out(PAGER->victim, n) : 0;
}

// Chooses what may go of the table at `from`, from the hand on, until `want` pages are, with those chosen
// before; and has the rest show whether they are used from now on. How many had to be put out at once.
static u32 look_at_table(struct proc *p, va_t from, enum pass pass, u32 want) {
    u32 out = 0, ops = 0;
    va_t va = PAGER->va, end = from + TABLE_SPAN;
    const volatile u64 *pte = pager_table(p, from);
    for (; pte && va < end && out + PAGER->chosen < want; va += EXO_PAGE) {
        u32 i = (u32)((va - from) / EXO_PAGE);
        if (!(pte[i] & PTE_V)) continue;
        if (may_go(p, va, pte[i], pass)) {
            u32 binds = record(PTE_PPN(pte[i]))->binds;
            bool alone = binds != 1; // a shared one, as it has many entries
            if (alone || PAGER->chosen == PAGER_VICTIMS) {
                pager_run(ops);
                ops = 0;
                out += put_out_chosen();
            }
            struct victim *v = &PAGER->victim[PAGER->chosen];
            *v = (struct victim){.va = va, .ppn = PTE_PPN(pte[i]), .procs = 1UL << proc_index(p)};
            if (!alone)
                PAGER->chosen++;
            else if (pager_sharers(v, binds))
                out += put_out(v, 1);
        } else if (pass == UNUSED && pte[i] & PTE_A) {
            if (ops == EXO_BATCH_MAX) {
                pager_run(ops);
                ops = 0;
            }
            pager_add(&ops, EXO_PROTECT, p->root, va, 0, (u32)PTE_A << 16, 0);
        }
    }
    pager_run(ops);
    if (pte) pager_table_done();
    PAGER->va = pte ? va : end;
    return out;
}

// Once round: in vain, the hand is where it was. A process's pages go together, as the disk is waited for
// each time.
static u32 go_round(enum pass pass, u32 want) {
    u32 out = 0, proc = PAGER->proc;
    va_t va = PAGER->va;
    PAGER->chosen = 0;
    for (u32 seen = 0; seen <= NPROC && out < want; seen++) {
        struct proc *p = proc_at(PAGER->proc);
        while (pager_has_program(p) && out + PAGER->chosen < want) {
            va_t table = vm_table(p, PAGER->va);
            if (table >= PROGRAM_END) break;
            if (PAGER->va < table) PAGER->va = table;
            out += look_at_table(p, table, pass, want - out);
        }
        out += put_out_chosen();
        if (out >= want) return out;
        PAGER->proc = (PAGER->proc + 1) % NPROC;
        PAGER->va = 0;
    }
    PAGER->proc = proc;
    PAGER->va = va;
    return out;
}

u32 pager_make_room(u32 want) {
    u32 out = 0;
    for (enum pass pass = CLEAN; pass <= ANY && out < want; pass++) out += go_round(pass, want - out);
    return out;
}

// ---- bringing pages in, and their slots ----

bool pager_in(va_t va, u64 word) {
    struct exo_ret page = pager_page(true);
    if (page.err) return false;
    if (swap_read(SWAP, slot_of(word), (ppn_t)page.val)) {
        exo_page_free(page.val);
        return false;
    }
    u64 bits = (word & (PTE_R | PTE_W | PTE_X)) | (word & PTE_COW ? PTE_W : 0) | PTE_A;
    set_tag((ppn_t)page.val, slot_of(word));
    if (exo_bind(SELF->root, va, page.val, bits, 0).err) return true; // taken already: to be tried again
    me()->resident++;
    PAGER->away--;
    PAGER->in++;
    return true;
}

void pager_forget(u64 old, u64 binds) {
    if (!pager_on()) return;
    if (!(old & PTE_V)) {
        if (old) {
            swap_drop(SWAP, slot_of(old));
            PAGER->away--;
        }
    } else if (binds == 0 && record(PTE_PPN(old))->tag) {
        swap_drop(SWAP, (u32)record(PTE_PPN(old))->tag);
    }
}

void pager_share(u64 word) {
    swap_ref(SWAP, slot_of(word));
    PAGER->away++;
}

void pager_changed(ppn_t ppn) {
    if (record(ppn)->tag == 0) return;
    swap_drop(SWAP, (u32)record(ppn)->tag);
    set_tag(ppn, 0);
}

// ---- pages that were taken by force ----

// What of p is there still. Pages on their way out whose contents the disk has go there; of others that are
// there no slot is known any more.
static u32 count_resident(struct proc *p) {
    u32 there = 0;
    PAGER_EACH_TABLE(p, from) {
        const volatile u64 *pte = pager_table(p, from);
        for (u32 i = 0; pte && i < 512; i++) {
            if (!(pte[i] & PTE_V)) continue;
            ppn_t ppn = PTE_PPN(pte[i]);
            bool doomed = record(ppn)->type == PAGE_DOOMED;
            u64 slot = record(ppn)->tag;
            if (doomed && slot && !(pte[i] & PTE_D)) {
                va_t va = from + i * EXO_PAGE;
                u64 old = exo_unbind(p->root, va, slot << PAGER_SLOT | (pte[i] & PERM)).val;
                if (old & PTE_D)
                    exo_unbind(p->root, va, 0); // stored to at the last moment: lost
                else
                    p->resident--;
            } else if (!doomed) {
                there++;
                if (slot) set_tag(ppn, 0);
            }
        }
        pager_table_done();
    }
    return there;
}

// A process of whose program something is gone cannot go on. The others can.
static void look_for_lost(void) {
    PAGER->seen = account()->repossessed;
    for (u32 i = 0; i < NPROC; i++) {
        struct proc *p = proc_at(i);
        if (!pager_has_program(p)) continue;
        u32 there = count_resident(p);
        if (there < p->resident) pager_lost(p, there);
    }
    pager_recount();
}

// ---- revocation ----

u32 pager_owes(u32 more) {
    const volatile struct exo_acct *a = account();
    u32 most = a->revoke_target > a->reserve ? a->revoke_target : a->reserve,
        held = a->held - a->doomed + more;
    return a->revoke_deadline && !PAGER->deaf && held > most ? held - most : 0;
}

void pager_enter(void) {
    if (!pager_on()) return;
    lock_acquire(&PAGER->lock);
    if (account()->repossessed != PAGER->seen) look_for_lost();
    for (u32 n, out = 1; out && (n = pager_owes(0)); PAGER->given += out) out = pager_make_room(n);
}

void pager_look(void) {
    if (!pager_is_first() || me()->inside || !pager_on()) return;
    if (!pager_owes(0) && account()->repossessed == PAGER->seen) return;
    pager_enter();
    pager_leave();
}
