// fork: a new address space, with copies of the libOS's private pages and the program's pages bound in both,
// and an environment on it that goes on where the parent called upcall_fork(). Nothing is visible to others
// before the last step, which cannot fail; all that was done before it can be taken back.
#include "fork.h"

#include <exo/call.h>
#include "file.h"
#include "lib.h"
#include "map.h"
#include "pager.h"
#include "proc.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"
#include "worker.h"

// Binds what this process has in [va, end) in the child, too. A writable page becomes read-only in both and
// is marked; either may then be first to write. But `one` is for all who share it.
static bool share_pages(struct proc *p, va_t va, va_t end, bool one) {
    ppn_t child = p->root;
    for (; va < end; va += EXO_PAGE) {
        u64 pte = PTE_OF(va);
        if (!(pte & PTE_V)) {
            if (pte == 0) continue;
            if (exo_unbind(child, va, pte).err) return false;
            pager_share(pte);
            continue;
        }
        u32 bits = pte & (PTE_R | PTE_X | PTE_COW | PTE_A);
        if (one) {
            bits |= pte & PTE_W;
        } else if (pte & PTE_W) {
            bits |= PTE_COW;
            if (pte & PTE_D || worker_any()) pager_changed(PTE_PPN(pte)); // a worker may set D meanwhile
            if (!batch_add(EXO_PROTECT, SELF->root, va, 0, (PTE_W | PTE_D) << 16 | PTE_COW)) return false;
        }
        if (!batch_add(EXO_BIND, child, va, PTE_PPN(pte), bits)) return false;
        p->resident++;
    }
    return batch_flush();
}

static bool share_program(struct proc *child) {
    pager_enter();
    bool ok = share_pages(child, 0, me()->sz, false);
    for (u32 i = 0; i < NMAP && ok; i++) {
        const struct mapping *m = map_at(child, i);
        ok = share_pages(child, m->va, m->va + m->pages * EXO_PAGE, m->object);
    }
    pager_leave();
    return ok;
}

// Back to before.
static void unshare_program(struct proc *child) {
    map_drop(child, false);
    vm_shrink(child, 0);
    space_free(child->root, 0, child->threads);
}

// The child's u-area: it will come back from upcall_fork() with 1. Its page is still one of data, filled
// through a binding of our own.
static ppn_t make_uarea(struct proc *child, const u64 kept[16]) {
    ppn_t page = space_scratch();
    if (!page) return 0;
    struct exo_uarea *ua = (struct exo_uarea *)SCRATCH_VA;
    struct self *self = (struct self *)ua->libos;
    memcpy(ua->entry, upcall_entries, sizeof(ua->entry));
    ua->mask = MASK_LIBOS; // as in a call that gave up the hart
    memcpy(self, SELF, sizeof(*self));
    memcpy(self->kept, kept, sizeof(self->kept));
    self->first.eid = 0; // not known yet
    self->first.uarea = page;
    self->proc = child;
    self->index = proc_index(child);
    self->root = child->root;
    self->ends = &child->signals;
    memcpy(self->context.f, SELF->save->f,
           sizeof(self->context.f)); // it has one thread, and no slot but for its stack
    self->save = &SELF->context;
    self->result = 1;
    self->alarm = ~0ul;
    exo_unbind(SELF->root, SCRATCH_VA, 0);
    return page;
}

static bool make_env(struct proc *child, ppn_t uarea) {
    struct exo_ret env = exo_env_new(child->hart, child->root, uarea, UA_VA);
    if (env.err) return false;
    child->eid = (eid_t)env.val;
    exo_bind(child->root, UA_VA, uarea, SPACE_RW, 0);
    exo_slot_set(child->hart, child->slot, child->eid);
    return true;
}

static bool make_child(struct proc *child, const u64 kept[16]) {
    if (!vm_charge(&child->charged, me()->charged)) return false;
    child->threads = me()->threads;
    if (!space_new(&child->root, false)) return false;
    bool ok = space_grow(child->root, 0, me()->sz);
    if (ok) child->sz = me()->sz;
    ppn_t uarea = ok && map_fork(child) && share_program(child) ? make_uarea(child, kept) : 0;
    if (uarea) {
        file_fork(child);
        if (make_env(child, uarea)) return true;
        file_cancel(child);
        exo_page_free(uarea);
    }
    unshare_program(child);
    return false;
}

static int fork(void) {
    u64 kept[16];
    upcall_fp_save(); // both go on with what floating point was; neither has it on
    if (upcall_fork(kept)) {
        first_self(&SELF->first);
        thread_forget();
        return 0;
    }
    struct proc *child = proc_new();
    if (child == 0) return -1;
    if (!make_child(child, kept)) {
        proc_cancel(child);
        return -1;
    }
    return proc_run(child);
}

int sys_fork(void) {
    if (!thread_space_enter()) return -1;
    int pid = fork();
    thread_space_leave();
    return pid;
}
