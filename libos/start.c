// The first process, from the image's entry to /init. It is the libOS's only process then, alone on the
// address space that the boot image made for it, and makes what all others will share.
#include <exo/call.h>
#include "exec.h"
#include "file.h"
#include "lib.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"

#define SPARE 8 // pages of the reserve that nobody may charge

void start(struct exo_uarea *);

static void fail(const char *what) {
    print("unix: %s\n", what);
    for (;;) {
        exo_env_end(SELF->first.eid);
        upcall_yield(0);
    }
}

static ppn_t own_root(void) { return EXO_ENVS[SELF->first.eid & EXO_EID_INDEX].root; }

static void drop_table(va_t va, u32 level) {
    struct exo_ret table = exo_pt_unlink(own_root(), va, level);
    if (table.err == 0) exo_page_free(table.val);
}

// The boot image has put the u-area elsewhere. SELF is not there before this is done.
static void move_uarea(struct exo_uarea *ua) {
    struct first_args *first = (struct first_args *)ua->libos;
    va_t old = (va_t)ua;
    eid_t eid = first_self(first);
    ppn_t root = EXO_ENVS[eid & EXO_EID_INDEX].root;
    exo_bind(root, UA_VA, first->uarea, SPACE_RW, 0);
    SELF->stack = (va_t)stack_top;
    SELF->save = &SELF->context;
    exo_env_space(eid, root, UA_VA);
    exo_unbind(root, old, 0);
    drop_table(old & ~(u64)(TABLE_SPAN - 1), 0);
    drop_table(old & ~(u64)(TABLE_SPAN * 512 - 1), 1);
}

static ppn_t new_page(void) {
    struct exo_ret page = exo_page_alloc(0, 0);
    if (page.err) fail("not enough pages to start");
    return (ppn_t)page.val;
}

static void link_table(va_t va, u32 level) {
    if (exo_pt_link(own_root(), va, level, new_page()) != 0) fail("no table for the shared pages");
}

// The structure's pages; until all are bound there is no place to note which they are.
static void make_shared(void) {
    link_table(SHARED_VA, 1);
    link_table(SHARED_VA, 0);
    link_table(CACHE_VA, 0);
    link_table(CACHE_VA + TABLE_SPAN, 0);
    ppn_t ppn[SHARED_PAGES];
    for (u64 i = 0; i < SHARED_PAGES; i++) {
        ppn[i] = new_page();
        exo_bind(own_root(), SHARED_VA + i * EXO_PAGE, ppn[i], SPACE_RW, 0);
    }
    memcpy(SHARED->page_ppn, ppn, sizeof(ppn));
    SHARED->account = EXO_ENVS[SELF->first.eid & EXO_EID_INDEX].account;
}

static void make_frames(void) {
    u32 n = EXO_ACCTS[SHARED->account].reserve / 8;
    n = n < CACHE_LEAST ? CACHE_LEAST : n > CACHE_MOST ? CACHE_MOST : n;
    for (u32 i = 0; i < n; i++) SHARED->frame_ppn[i] = new_page();
    SHARED->frames = n;
}

static void find_text(void) {
    for (va_t va = LIBOS_TABLE; va < (va_t)data_start; va += EXO_PAGE) {
        u64 i = (va - LIBOS_TABLE) / EXO_PAGE;
        if (i == LIBOS_PAGES) fail("its text is too long");
        SHARED->text_ppn[i] = PTE_PPN(exo_protect(own_root(), va, 0, 0, 0).val);
    }
}

// ---- predicates ----

// Page 1 is the wake words. r1 = offset of the own counter there, r2 = what it was, r3 = a time.
static const struct pred_insn until_wake[] = {
    {PRED_LD, 5, 1, 1, 0},   {PRED_BNE, 0, 5, 2, 1}, // changed: true
    {PRED_BLTU, 0, 4, 3, 2},                         // not yet time: false
    {PRED_LI, 6, 0, 0, 1},   {PRED_RET, 0, 6, 0, 0}, {PRED_RET, 0, 0, 0, 0},
};

// r1 = as above, r3 = offset of a word of the kernel's, r2 = the sum of what both were.
static const struct pred_insn until_event[] = {
    {PRED_LD, 5, 1, 1, 0},  {PRED_LD, 6, 0, 3, 0},  {PRED_ADD, 5, 5, 6, 0},
    {PRED_SUB, 5, 5, 2, 0}, {PRED_RET, 0, 5, 0, 0},
};

// r1 = as above, r2 = the sum of what the three were.
static const struct pred_insn until_watched[] = {
    {PRED_LD, 5, 1, 1, 0},  {PRED_LD, 6, 0, 0, offsetof(struct exo_words, stops)},
    {PRED_ADD, 5, 5, 6, 0}, {PRED_LD, 6, 0, 0, offsetof(struct exo_words, input)},
    {PRED_ADD, 5, 5, 6, 0}, {PRED_SUB, 5, 5, 2, 0},
    {PRED_RET, 0, 5, 0, 0},
};

// r1 and r2 as above, r3 = a time.
static const struct pred_insn until_any[] = {
    {PRED_LD, 5, 1, 1, 0},   {PRED_LD, 6, 1, 1, offsetof(struct shared, serve)},
    {PRED_ADD, 5, 5, 6, 0},  {PRED_LD, 6, 0, 0, offsetof(struct exo_words, stops)},
    {PRED_ADD, 5, 5, 6, 0},  {PRED_LD, 6, 0, 0, offsetof(struct exo_words, input)},
    {PRED_ADD, 5, 5, 6, 0},  {PRED_LD, 6, 0, 0, offsetof(struct exo_words, completions)},
    {PRED_ADD, 5, 5, 6, 0},  {PRED_BNE, 0, 5, 2, 1},
    {PRED_BLTU, 0, 4, 3, 2}, {PRED_LI, 6, 0, 0, 1},
    {PRED_RET, 0, 6, 0, 0},  {PRED_RET, 0, 0, 0, 0},
};

static ppn_t load_code(const struct pred_insn *insn, u32 n) {
    ppn_t ppn = new_page();
    struct pred_code *code = (struct pred_code *)SCRATCH_VA;
    exo_bind(own_root(), SCRATCH_VA, ppn, SPACE_RW, 0);
    code->n = n;
    code->npages = 1;
    code->page[1] = SHARED->page_ppn[0];
    memcpy(code->insn, insn, n * sizeof(*insn));
    exo_unbind(own_root(), SCRATCH_VA, 0);
    if (exo_code_load(ppn) != 0) fail("the kernel does not take its predicates");
    return ppn;
}

// ---- file system ----

static bool has_name(const volatile struct exo_ext *e, const char *name) {
    u32 i = 0;
    while (i < sizeof(e->name) && name[i] && e->name[i] == (u8)name[i]) i++;
    return name[i] == 0 && (i == sizeof(e->name) || e->name[i] == 0);
}

// The account's extent of that name, or EXO_NEXT.
static u32 own_extent(const char *name) {
    u32 i = 0;
    while (i < EXO_NEXT &&
           !(EXO_EXTS[i].count && EXO_EXTS[i].account == SHARED->account && has_name(&EXO_EXTS[i], name)))
        i++;
    return i;
}

static void mount(void) {
    u32 extent = own_extent("fs");
    struct inode *root;
    if (extent == EXO_NEXT) fail("no extent of its own is named fs");
    bcache_setup(&SHARED->cache, extent, SHARED->frames, (u8 *)CACHE_VA, SHARED->frame_ppn);
    if (fs_mount(&SHARED->fs, sizeof(SHARED->fs_memory), &SHARED->cache) ||
        inode_get(&SHARED->fs, FS_ROOT, &root))
        fail("the file system cannot be mounted");
    file_start(root);
}

// ---- paging ----

static void keep(va_t from, va_t to) {
    for (va_t va = from; va < to; va += EXO_PAGE) {
        struct exo_ret pte = exo_protect(own_root(), va, 0, 0, 0);
        if (pte.err == 0) pager_keep(PTE_PPN(pte.val)); // one is not there: below the stack
    }
}

// From here on none of the libOS's own pages can be taken.
static void start_pager(void) {
    static const char deaf[] = "deaf";
    pager_setup(own_extent("swap"), memcmp(SELF->first.args, deaf, sizeof(deaf)) == 0);
    keep(LIBOS_TABLE, (va_t)stack_top);
    keep(SHARED_VA, SHARED_VA + SHARED_PAGES * EXO_PAGE);
    for (u32 i = 0; i < SHARED->frames; i++) pager_keep(SHARED->frame_ppn[i]);
}

// The page below the jump table has served; with it goes a table that no other process has.
static void drop_header(void) {
    struct exo_ret page = exo_unbind(own_root(), (va_t)image_load, 0);
    if (page.err == 0 && page.val2 == 0) exo_page_free(PTE_PPN(page.val));
    drop_table(table_begin((va_t)image_load), 0);
}

// What is held now stays held; what the reserve has beyond that is to be charged.
static void open_account(void) {
    const volatile struct exo_acct *a = &EXO_ACCTS[SHARED->account];
    SHARED->commit.limit = a->reserve > a->held + SPARE ? a->reserve - a->held - SPARE : 0;
    SHARED->commit.limit += SHARED->pager.swap.slots;
}

void start(struct exo_uarea *ua) {
    char *argv[] = {"init", 0};
    move_uarea(ua);
    SELF->alarm = ~0ul;
    upcall_unmask();
    make_shared();
    make_frames();
    proc_start();
    find_text();
    SHARED->code_wake = load_code(until_wake, sizeof(until_wake) / sizeof(until_wake[0]));
    SHARED->code_event = load_code(until_event, sizeof(until_event) / sizeof(until_event[0]));
    SHARED->code_watch = load_code(until_watched, sizeof(until_watched) / sizeof(until_watched[0]));
    SHARED->code_any = load_code(until_any, sizeof(until_any) / sizeof(until_any[0]));
    mount();
    start_pager();
    drop_header();
    open_account();
    exec_file("/init", argv, false);
    fail("cannot run /init");
}
