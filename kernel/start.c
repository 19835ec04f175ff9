// The last part of boot: the exported tables, the resources that account 1 begins with (all of them), and the
// first environment. Account 1's image is loaded by the kernel's own calls, made in its name, so that nothing
// is bound here that a libOS could not have bound.
#include "disk.h"
#include "kernel.h"

struct exo_words *words;

#define FIRST_UVA (EXO_USER_END - EXO_PAGE)
#define UP(n)     (((n) + EXO_PAGE - 1) & -(u64)EXO_PAGE)

static struct label *label;

static void show(const volatile void *window, const void *table, u64 size) {
    window_map((u64)window - EXO_WINDOW, va_to_pa(table), UP(size));
}

static void words_init(void) {
    words->nharts = nharts;
    words->timebase = machine.timebase;
    u64 slice = boot_number("slice", 10000); // in microseconds
    if (slice < 100 || slice > 1000000)
        panic("boot argument slice: 100 to 1000000 microseconds, not %lu", slice);
    words->slice = slice * machine.timebase / 1000000;
    words->budget = boot_number("budget", 2000) * machine.timebase / 1000000;
    words->console = 1;
    for (u32 i = 0; i < sizeof(words->bootargs) - 1 && machine.bootargs[i]; i++)
        words->bootargs[i] = machine.bootargs[i];
}

// No two extents share a block, and all lie on the disk. The rest of the label is the boot image's business,
// and mkfs's.
static const char *label_wrong(u64 blocks) {
    if (label->magic != LABEL_MAGIC || label->version != LABEL_VERSION) return "not a label of this version";
    if (label->sum != label_sum(0, label, offsetof(struct label, sum))) return "its checksum is wrong";
    if (label->nblocks > blocks) return "it is for a larger disk";
    if (label->nextents > LABEL_EXTENTS) return "too many extents";
    u64 end = 0;
    for (const struct label_extent *e = label->extent; e < label->extent + label->nextents; e++) {
        if (!e->count || e->start < end)
            return "an extent is empty, or begins before the one ahead of it ends";
        end = (u64)e->start + e->count;
    }
    return end > label->nblocks ? "an extent ends outside the disk" : NULL;
}

void tables_init(void) {
    u32 n = (u32)(machine.ram.end / EXO_PAGE) - EXO_PPN_BASE;
    words = boot_alloc(UP(sizeof(*words)), EXO_PAGE);
    pages = boot_alloc(UP(n * sizeof(*pages)), EXO_PAGE);
    page_caps = boot_alloc(n * sizeof(*page_caps), 16);
    label = boot_alloc(EXO_PAGE, EXO_PAGE);
    words_init();
    show(EXO_WORDS, words, sizeof(*words));
    show(EXO_ENVS, envs, EXO_NENV * sizeof(*envs));
    show(EXO_ACCTS, accts, (EXO_NACCT + 1) * sizeof(*accts));
    show(EXO_SLOTS, slots, EXO_NHART * EXO_NSLOT * sizeof(*slots));
    show(EXO_EXTS, exts, EXO_NEXT * sizeof(*exts));
    show(EXO_REQS, reqs, EXO_NACCT * EXO_NREQ * sizeof(*reqs));
    show(EXO_PAGES, pages, n * sizeof(*pages));
    kprintf("exv6: %u hart%s, %lu MiB, of which the kernel takes %lu KiB\n", nharts, nharts > 1 ? "s" : "",
            (machine.ram.end >> 20) - (EXO_PPN_BASE >> 8), (boot_end() - KERNEL_PA) >> 10);
    trace_init();
    page_init((ppn_t)(boot_end() / EXO_PAGE), (ppn_t)(machine.ram.end / EXO_PAGE),
              (ppn_t)(machine.initrd.start / EXO_PAGE), (ppn_t)(UP(machine.initrd.end) / EXO_PAGE));

    env_init();
    misc_init(machine.seed, machine.seed_size);
    accts[1] = (struct exo_acct){
        .state = ACCT_RUN, .envs = EXO_NENV, .accts = EXO_NACCT - 1, .accts_used = 0, .exts = EXO_NEXT};
    acct_count(1, (i64)words->free, 0);
    for (u32 i = 0; i < EXO_NHART * EXO_NSLOT; i++) slots[i].account = 1;
    for (u32 i = 0; i < nharts; i++) slot_init(i);

    u64 blocks = disk_open();
    if (!blocks) panic("no disk: neither an image in RAM (-initrd) nor a virtio block device");
    if (!disk_read(0, label)) panic("the disk's label cannot be read");
    const char *wrong = label_wrong(blocks);
    if (wrong) panic("the disk's label: %s", wrong);
    ext_init(label);
}

// ---- the first environment ----

static u64 must(const char *what, struct ret r) {
    if (r.err) panic("the boot image cannot be loaded: %s: error %ld", what, r.err);
    return r.val;
}

static u64 take(void) { return must("page", do_page_alloc(0, 0, 0, 0, 0)); }

static void map_page(u64 root, va_t va, u64 ppn, u64 bits) {
    for (u64 level = 1; level < 2; level--) {
        struct ret r = do_bind(root, va, ppn, bits, 0);
        if (r.err != E_TABLE) return (void)must("binding", r);
        u64 table = take(), covers = (u64)EXO_PAGE << 9 * (level + 1);
        r = do_pt_link(root, va & -covers, level, table, 0);
        if (r.err == E_LINKED)
            (void)must("free", do_page_free(table, 0, 0, 0, 0));
        else
            (void)must("table", r);
    }
    (void)must("binding", do_bind(root, va, ppn, bits, 0));
}

// n bytes of pages from va on, from the disk's blocks, or zeroed if block is 0.
static va_t map_segment(u64 root, va_t va, u64 n, u64 block, u64 bits) {
    for (u64 at = 0; at < n; at += EXO_PAGE, va += EXO_PAGE) {
        u64 ppn = take();
        if (block && !disk_read(block + at / EXO_PAGE, ppn_to_va((ppn_t)ppn)))
            panic("the boot image cannot be read: block %lu", block + at / EXO_PAGE);
        map_page(root, va, ppn, bits);
    }
    return va;
}

static const struct label_extent *boot_extent(void) {
    for (const struct label_extent *e = label->extent; e < label->extent + label->nextents; e++) {
        u32 same = 0;
        while (same < sizeof(BOOT_EXTENT) && e->name[same] == BOOT_EXTENT[same]) same++;
        if (same == sizeof(BOOT_EXTENT)) return e;
    }
    panic("the disk has no extent `" BOOT_EXTENT "`");
}

// What is wrong with the image's sizes shows as the calls are refused.
static u64 load(const struct label_extent *from, struct image_header *h) {
    u64 page = take();
    if (!disk_read(from->start, ppn_to_va((ppn_t)page))) panic("the boot image cannot be read");
    *h = *(struct image_header *)ppn_to_va((ppn_t)page);
    (void)must("free", do_page_free(page, 0, 0, 0, 0));
    if (h->magic != IMAGE_MAGIC || h->version != IMAGE_VERSION) panic("extent `boot` holds no boot image");

    u64 root = take(), block = from->start;
    (void)must("root", do_pt_link(root, 0, 2, root, 0));
    va_t va = map_segment(root, h->load, h->text, block, PTE_R | PTE_X);
    va = map_segment(root, va, h->rodata, block += h->text / EXO_PAGE, PTE_R);
    va = map_segment(root, va, h->data, block += h->rodata / EXO_PAGE, PTE_R | PTE_W);
    va = map_segment(root, va, h->bss, 0, PTE_R | PTE_W);
    (void)map_segment(root, va + EXO_PAGE, h->stack, 0, PTE_R | PTE_W);
    return root;
}

void first_start(void) {
    static struct exo_env loader = {.account = 1};
    struct image_header h;
    this_hart->cur = &loader;
    u64 root = load(boot_extent(), &h), ua = take();
    struct exo_uarea *u = ppn_to_va((ppn_t)ua);
    u64 eid = must("environment", do_env_new(0, root, ua, FIRST_UVA, 0));
    map_page(root, FIRST_UVA, ua, PTE_R | PTE_W);
    u->mask = MASK_LIBOS; // until its entries are in place: the first slice may be short
    u->entry[2] = h.entry;
    *(eid_t *)u->libos = (eid_t)eid;
    slots[0].eid = (eid_t)eid;
    slot_relink(0);
    (void)must("run", do_env_ctl(eid, ENV_RUN, 0, 0, 0));
    this_hart->cur = NULL;
}

_Noreturn void hart_run(void) {
    trap_start();
    dispatch();
    trap_return();
}
