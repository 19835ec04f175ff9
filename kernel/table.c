// Sv39 tables: an address space is its root page, and every table in it is a page its owner named. A root's
// upper half is the kernel's; below, a root entry links a level-1 table, whose entries link level-0 tables,
// whose entries bind pages (bind.c). A table is linked in one place only, since only a data page can become
// one. Also here: who has to hear of a change (the harts where environments of the root are at home), and
// telling them. All of it runs with the kernel lock held.
#include "kernel.h"

struct root roots[ROOTS + 1];

static u64 *entry(ppn_t table, va_t va, u32 level) {
    return (u64 *)ppn_to_va(table) + (va >> (12 + 9 * level) & 511);
}

static struct exo_page *table_of(const u64 *e) { return page_get(va_to_pa(e) / EXO_PAGE); }

// ---- fences ----

// Those of `set` that are online, but not this one, by the ids the firmware knows them by. What was written
// before is seen by a hart that fences after.
static u64 others(u32 set) {
    u64 ids = 0;
    for (u32 i = 0; i < nharts; i++)
        if (set >> i & 1 && i != this_hart->index && harts[i].online) ids |= 1ul << harts[i].id;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return ids;
}

void shoot_remote(u32 set, u32 asid, va_t va, u64 size) {
    u64 ids = others(set);
    if (ids && sbi_remote_sfence(ids, va, size, asid)) panic("the firmware refuses a remote fence");
}

// Harts remember ways through tables, too: so this comes before an unlinked table is anything else.
static void shoot_space(u32 asid, u32 set) {
    span_forget();
    sfence_asid(asid);
    shoot_remote(set, asid, 0, ~0ul);
}

void shoot_all(void) {
    sfence_all();
    shoot_remote(~0u, 0, 0, ~0ul);
}

void code_shoot(u32 set) {
    u64 ids = others(set);
    fence_i();
    if (ids && sbi_remote_fence_i(ids)) panic("the firmware refuses a remote fence.i");
}

// ---- roots ----

static struct root *root_of(ppn_t root) { return &roots[page_get(root)->asid]; }

void root_arrive(ppn_t root, u32 hart) {
    struct root *r = root_of(root);
    r->harts |= 1u << hart;
    r->at[hart]++;
    page_get(root)->users++;
}

// The root may be unlinked as soon as the lock is released: from here on this hart does not stand on it,
// unless it is to run another environment there.
void root_leave(ppn_t root, u32 hart) {
    struct root *r = root_of(root);
    const struct exo_env *cur = this_hart->cur;
    if (hart == this_hart->index && (ppn_t)csr_read(satp) == root && !(cur && cur->root == root))
        csr_write(satp, satp_of(va_to_pa(kernel_root) / EXO_PAGE, 0));
    if (--r->at[hart] == 0) r->harts &= ~(1u << hart);
    page_get(root)->users--;
}

u64 root_satp(ppn_t root) { return satp_of(root, page_get(root)->asid); }

// ---- walks ----

// The entry of va at `level`, or NULL if a table above it is missing.
static u64 *walk(ppn_t root, va_t va, u32 level) {
    u64 *e = entry(root, va, 2);
    for (u32 l = 2; l > level; l--) {
        if (!(*e & PTE_V)) return NULL;
        e = entry(PTE_PPN(*e), va, l - 1);
    }
    return e;
}

u64 *pte_find(ppn_t root, va_t va) { return va < EXO_USER_END ? walk(root, va, 0) : NULL; }

void *user_object(va_t va, u64 n, u64 align, bool write) {
    u64 need = PTE_V | PTE_U | PTE_R | (write ? PTE_W : 0);
    if (va % align || n > EXO_PAGE - va % EXO_PAGE) return NULL;
    u64 *pte = pte_find(this_hart->cur->root, va);
    u64 v = pte ? __atomic_load_n(pte, __ATOMIC_RELAXED) : 0;
    if ((v & need) != need) return NULL;
    if (write) __atomic_fetch_or(pte, PTE_A | PTE_D, __ATOMIC_RELAXED);
    return (u8 *)ppn_to_va(PTE_PPN(v)) + va % EXO_PAGE;
}

// ---- calls ----

static bool va_fits(va_t va, u64 level) {
    return level == 2 ? va == 0 : va < EXO_USER_END && va % ((u64)EXO_PAGE << 9 * (level + 1)) == 0;
}

struct ret do_pt_link(u64 root, u64 va, u64 level, u64 ppn, u64 a4) {
    static const u8 types[] = {PAGE_PT0, PAGE_PT1, PAGE_ROOT};
    struct exo_page *r = page_get(root), *p = page_get(ppn);
    u64 *e = NULL;
    u32 asid = ROOTS;
    if (level > 2 || (level == 2 && root != ppn)) return fail(E_LEVEL);
    if (!va_fits(va, level)) return fail(E_VA);
    if (!r || !p) return fail(E_PPN);
    if (!owns(caller(), r->account) || p->account != r->account) return fail(E_OWNER);
    if ((level < 2 && r->type != PAGE_ROOT) || p->type != PAGE_DATA) return fail(E_TYPE);
    if (p->binds) return fail(E_BOUND);
    if (p->pins) return fail(E_PINNED);
    if (level < 2 && !(e = walk((ppn_t)root, va, (u32)level + 1))) return fail(E_TABLE);
    if (e && *e & PTE_V) return fail(E_LINKED);
    if (!page_fixed(p) && !fix_room(p->account, 1)) return fail(E_FIXED);
    struct exo_acct *a = &accts[p->account];
    if (level == 2 && a->roots_used >= 2 * a->envs) return fail(E_QUOTA);

    page_settype(p, types[level]);
    u64 *table = ppn_to_va((ppn_t)ppn);
    page_zero(table);
    if (e) {
        __atomic_store_n(e, pte_of(ppn, PTE_V), __ATOMIC_RELEASE);
        table_of(e)->users++;
        sfence_asid(r->asid);
        return done(0);
    }
    for (u32 i = 256; i < 512; i++) table[i] = kernel_root[i];
    while (roots[asid].ppn) asid--; // one is free: there are as many as all accounts' quotas allow
    roots[asid] = (struct root){.ppn = (ppn_t)ppn};
    p->asid = (u16)asid;
    a->roots_used++;
    return done(0);
}

void root_release(struct exo_page *p) {
    shoot_space(p->asid, ~0u);
    roots[p->asid].ppn = 0;
    p->asid = 0;
    accts[p->account].roots_used--;
    page_zero(ppn_to_va(page_ppn(p)));
    page_settype(p, PAGE_DATA);
}

struct ret do_pt_unlink(u64 root, u64 va, u64 level, u64 a3, u64 a4) {
    struct exo_page *r = page_get(root);
    if (level > 2) return fail(E_LEVEL);
    if (!va_fits(va, level)) return fail(E_VA);
    if (!r) return fail(E_PPN);
    if (!owns(caller(), r->account)) return fail(E_OWNER);
    if (r->type != PAGE_ROOT) return fail(E_TYPE);
    if (level == 2) {
        u32 n = 0; // environments
        for (u32 i = 0; i < EXO_NHART; i++) n += roots[r->asid].at[i];
        if (r->users > n || r->binds) return fail(E_BOUND);
        if (n) return fail(E_BUSY);
        root_release(r);
        return done(root);
    }
    u64 *e = walk((ppn_t)root, va, (u32)level + 1);
    if (!e) return fail(E_TABLE);
    if (!(*e & PTE_V)) return fail(E_UNBOUND);
    struct exo_page *p = page_get(PTE_PPN(*e));
    if (p->users || p->binds) return fail(E_BOUND);

    __atomic_store_n(e, 0, __ATOMIC_RELEASE);
    table_of(e)->users--;
    shoot_space(r->asid, roots[r->asid].harts);
    page_settype(p, PAGE_DATA);
    return done(page_ppn(p));
}
