// A machine for tests of the kernel's memory calls: RAM in an array, four harts with TLBs, environments
// without programs. The kernel's sources are included here, so tests see their statics; what they call beyond
// is faked.
//
// The TLBs are the point: between calls each hart remembers translations of the roots whose environments are
// at home there, and forgets only what a fence tells it to.
#ifndef MEMORY_H
#define MEMORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <exo/types.h>

static void host_sfence(bool one_asid, u64 asid, bool one_va, va_t va);
static long host_sbi(u64 ext, u64 fn, u64 mask, u64 base, u64 start, u64 size, u64 asid);
static u64 host_time, host_satp, fence_is;
#define csr_read(csr)                         host_##csr
#define csr_write(csr, v)                     (host_##csr = (v))
#define sfence_all()                          host_sfence(false, 0, false, 0)
#define sfence_asid(asid)                     host_sfence(true, asid, false, 0)
#define sfence_page(va, asid)                 host_sfence(true, asid, true, va)
#define fence_i()                             (fence_is++)
#define sbi_call(ext, fn, x0, x1, x2, x3, x4) host_sbi(ext, fn, x0, x1, x2, x3, x4)

#include "kernel/page.c"
#include "kernel/table.c"
#include "kernel/bind.c"
#include "kernel/account.c"
#include "kernel/sweep.c"

// ---- what the kernel's other files provide ----

enum { HARTS = 4, RAM_PAGES = 4096, KERNEL_PAGES = 16 };

u8 *host_ram;
struct hart harts[EXO_NHART], *this_hart;
u32 nharts = HARTS, trace_on;
u64 kernel_root[512];
struct exo_words *words;
struct exo_env envs[EXO_EID_INDEX + 1];
struct exo_slot slots[EXO_NHART * EXO_NSLOT];
struct exo_ext exts[EXO_NEXT];
struct caps ext_caps[EXO_NEXT];

void panic(const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("not ok memory: a panic: expected none, saw ");
    vprintf(format, args);
    printf("\n");
    exit(1);
}

void trace(u32 event, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4) {
    (void)event, (void)w0, (void)w1, (void)w2, (void)w3, (void)w4;
}

void trace_call(u64 nr, const u64 args[5], struct ret ret) { (void)nr, (void)args, (void)ret; }

#ifndef REAL_ENVS // who defines it brings kernel/env.c, slot.c and predicate.c, env_make and as
static u32 pokes, relinked;

void poke_idle(void) { pokes++; }

void slot_relink(u32 hart) { relinked |= 1u << hart; }

void env_pending(struct exo_env *e, u64 bits) { env_ua(e)->pending |= bits; }
#endif

// Requests in flight, all of one account's pages: those it pinned and those of orphans are let go by
// complete().
static struct {
    ppn_t ppn;
    u32 account;
} flying[64];
static u32 nflying, orphaned;

u64 disk_due(void) { return ~0ul; }

void disk_orphans(u32 account) {
    (void)account;
    orphaned++;
}

void ext_inherit(u32 from, u32 to) {
    for (u32 i = 0; i < EXO_NEXT; i++)
        if (exts[i].count && exts[i].account == from) exts[i].account = (u8)to;
    accts[to].exts_used += accts[from].exts_used;
    accts[to].exts += accts[from].exts;
    accts[from].exts = accts[from].exts_used = 0;
}

#ifndef REAL_ENVS
void code_release(struct exo_page *p) {
    const struct pred_code *code = ppn_to_va(page_ppn(p));
    for (u32 i = 1; i <= code->npages; i++) page_unpin(page_get(code->page[i]));
}
#endif

static inline void complete(u32 i) {
    accts[flying[i].account].requests--;
    page_unpin(page_get(flying[i].ppn));
    flying[i] = flying[--nflying];
}

static inline bool submit(u32 account, struct exo_page *p) {
    if (nflying == 64 || p->type != PAGE_DATA || p->account != account ||
        (!page_fixed(p) && !fix_room(account, 1)))
        return false;
    page_pin(p);
    flying[nflying].ppn = page_ppn(p);
    flying[nflying++].account = account;
    accts[account].requests++;
    return true;
}

static inline bool code_make(struct exo_page *p, struct exo_page *named) {
    if (p->type != PAGE_DATA || p->binds || p->pins || named->type != PAGE_DATA || named == p ||
        named->account != p->account || !fix_room(p->account, 2))
        return false;
    struct pred_code *code = ppn_to_va(page_ppn(p));
    *code = (struct pred_code){.n = 1, .npages = 1, .page[1] = page_ppn(named)};
    page_pin(named);
    page_settype(p, PAGE_CODE);
    return true;
}

// ---- TLBs ----

enum { TLB = 64 };
static struct tlb {
    u64 pte; // 0: empty
    va_t va;
    u32 asid;
} tlb[HARTS][TLB];

static void tlb_forget(u32 hart, bool one_asid, u64 asid, bool one_va, va_t va) {
    for (u32 i = 0; i < TLB; i++)
        if ((!one_asid || tlb[hart][i].asid == asid) &&
            (!one_va || tlb[hart][i].va / EXO_PAGE == va / EXO_PAGE))
            tlb[hart][i].pte = 0;
}

static void host_sfence(bool one_asid, u64 asid, bool one_va, va_t va) {
    tlb_forget(this_hart->index, one_asid, asid, one_va, va);
}

static u32 remote_fences, remote_fence_is;
static long (*other_sbi)(u64 ext, u64 x0); // what is no fence, if set

static long host_sbi(u64 ext, u64 fn, u64 mask, u64 base, u64 start, u64 size, u64 asid) {
    if (ext != SBI_EXT_RFENCE && other_sbi) return other_sbi(ext, mask);
    if (ext != SBI_EXT_RFENCE || fn > 2) panic("sbi call %lx %lu", (long)ext, (long)fn);
    remote_fences += fn != 0;
    remote_fence_is += fn == 0;
    for (u32 i = 0; i < HARTS; i++) {
        bool all = base == ~0ul, in = !all && harts[i].id >= base && mask >> (harts[i].id - base) & 1;
        if (in && (i == this_hart->index || !harts[i].online))
            panic("fence asked of hart %u by hart %u", i, this_hart->index);
        if (fn && (all || in)) tlb_forget(i, fn == 2, asid, size != ~0ul, start);
    }
    return 0;
}

static u64 *table_entry(ppn_t table, va_t va, u32 level) {
    return (u64 *)ppn_to_va(table) + (va >> (12 + 9 * level)) % 512;
}

// As the hardware walks, A and D included if it is an access.
static u64 host_walk(ppn_t root, va_t va, u64 touch) {
    ppn_t table = root;
    for (u32 level = 2; level; level--) {
        u64 e = *table_entry(table, va, level);
        if ((e & (PTE_V | PTE_R | PTE_W | PTE_X)) != PTE_V) return 0;
        table = PTE_PPN(e);
    }
    u64 *e = table_entry(table, va, 0);
    if (!(*e & PTE_V)) return 0;
    *e |= touch & (*e & PTE_W ? PTE_A | PTE_D : PTE_A);
    return *e;
}

static inline void tlb_use(u32 hart, ppn_t root, va_t va, u64 touch) {
    u64 pte = host_walk(root, va, touch | PTE_A);
    if (pte) tlb[hart][(va >> 12) % TLB] = (struct tlb){pte, va, page_get(root)->asid};
}

// ---- environments ----

static struct exo_env *env_make(u32 account, ppn_t root, ppn_t uarea, u32 hart);
static void as(struct exo_env *e);

#ifndef REAL_ENVS
static struct exo_env *env_make(u32 account, ppn_t root, ppn_t uarea, u32 hart) {
    u32 i = 0;
    while (envs[i].eid) i++;
    if (i >= EXO_NENV || accts[account].envs_used >= accts[account].envs) return NULL;
    static u32 generation;
    struct exo_page *u = page_get(uarea);
    page_settype(u, PAGE_UAREA);
    u->users = 1;
    accts[account].envs_used++;
    envs[i] = (struct exo_env){.eid = ++generation << 7 | i,
                               .account = (u8)account,
                               .home = (u8)hart,
                               .root = root,
                               .uarea = uarea,
                               .ua = (u64)ppn_to_va(uarea)};
    root_arrive(root, hart);
    tlb_forget(hart, true, page_get(root)->asid, false, 0);
    return &envs[i];
}

static void env_gone(struct exo_env *e) {
    struct hart *was = this_hart;
    this_hart = &harts[e->home];
    for (u32 i = 0; i < HARTS; i++)
        if (harts[i].cur == e) harts[i].cur = NULL;
    accts[e->account].envs_used--;
    page_get(e->uarea)->users = 0;
    root_leave(e->root, e->home);
    e->eid = 0;
    this_hart = was;
}

static u32 posts;
void env_post(struct exo_env *e, u32 what) {
    posts++;
    e->posted |= what;
    if (e->home == this_hart->index) env_gone(e);
}

static void as(struct exo_env *e) {
    this_hart = &harts[e->home];
    this_hart->cur = e;
}
#endif

// ---- a fresh machine of n pages: account 1 with all but `common` of them promised, its environment e1 on
// hart 0 ----

static struct exo_env *e1;
static u32 unpromised; // pages that no account's reserve counts
static ppn_t r1;

static ppn_t page(void) {
    struct ret r = do_page_alloc(0, 0, 0, 0, 0);
    if (r.err) panic("no page: %ld", (long)r.err);
    return (ppn_t)r.val;
}

// A root with a level-0 table at each va.
static ppn_t space(const va_t *va, u32 n) {
    ppn_t root = page();
    i64 error = do_pt_link(root, 0, 2, root, 0).err;
    for (u32 i = 0; i < n; i++) {
        if (!(*table_entry(root, va[i], 2) & PTE_V))
            error |= do_pt_link(root, va[i] >> 30 << 30, 1, page(), 0).err;
        error |= do_pt_link(root, va[i] >> 21 << 21, 0, page(), 0).err;
    }
    if (error) panic("no address space");
    return root;
}
#define SPACE(...) space((va_t[]){__VA_ARGS__}, sizeof((va_t[]){__VA_ARGS__}) / sizeof(va_t))

static void machine_start(u32 n, u32 common) {
    if (!host_ram) {
        host_ram = aligned_alloc(EXO_PAGE, RAM_PAGES * EXO_PAGE);
        pages = calloc(RAM_PAGES, sizeof(*pages));
        page_caps = calloc(RAM_PAGES, sizeof(*page_caps));
        words = calloc(1, EXO_PAGE);
    }
    memset(host_ram, 0x5a, RAM_PAGES * EXO_PAGE);
    memset(pages, 0, RAM_PAGES * sizeof(*pages));
    memset(page_caps, 0, RAM_PAGES * sizeof(*page_caps));
    memset(words, 0, EXO_PAGE);
    memset(accts, 0, sizeof(accts));
    memset(envs, 0, sizeof(envs));
    memset(slots, 0, sizeof(slots));
    memset(exts, 0, sizeof(exts));
    memset(roots, 0, sizeof(roots));
    memset(tlb, 0, sizeof(tlb));
    span_forget();
    work = nflying = nending = 0;
    host_time = 1000;
    for (u32 i = 0; i < 512; i++)
        kernel_root[i] = i < 256 ? 0 : pte_of(EXO_PPN_BASE + i % 8, PTE_V | PTE_G | PTE_R | PTE_A);
    for (u32 i = 0; i < EXO_NHART; i++)
        harts[i] = (struct hart){.index = i, .id = 5 * i + 2, .online = i < HARTS};
    for (u32 i = 0; i < HARTS * EXO_NSLOT; i++) slots[i].account = 1;
    page_init(EXO_PPN_BASE + KERNEL_PAGES, EXO_PPN_BASE + n, 0, 0);
    words->console = 1;
    accts[1] =
        (struct exo_acct){.state = ACCT_RUN, .envs = EXO_NENV, .accts = EXO_NACCT - 1, .exts = EXO_NEXT};
    acct_count(1, (i64)words->free - common, 0);
    unpromised = common;
    this_hart = &harts[0];
    struct exo_env boot = {.account = 1};
    this_hart->cur = &boot;
    r1 = SPACE(0, 0x200000, 0x4000000000 - 0x200000);
    e1 = env_make(1, r1, page(), 0);
    as(e1);
}

#endif
