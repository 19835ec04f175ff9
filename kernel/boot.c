// From entry.S to a machine the rest of the kernel can use: the device tree's words, the kernel's half of
// every address space, memory for its tables, the other harts. Runs once, on the boot hart, which is
// harts[0].
#include "kernel.h"

struct machine machine;
u64 kernel_root[512] __attribute__((aligned(EXO_PAGE)));
struct hart harts[EXO_NHART];
u32 nharts;

static pa_t next_free;

_Noreturn void boot(u64 hart, pa_t dtb, u64 time);
_Noreturn void hart_main(u32 i);

// ---- memory ----

void *boot_room(u64 bytes, u64 align) {
    pa_t pa = (next_free + align - 1) & -align;
    bool ok = bytes <= machine.ram.end && pa <= machine.ram.end - bytes;
    if (!ok || (pa + bytes > machine.initrd.start && pa < machine.initrd.end))
        panic("no room for %lu bytes of the kernel's tables at %lx", bytes, pa);
    next_free = pa + bytes;
    return pa_to_va(pa);
}

void *boot_alloc(u64 bytes, u64 align) { return __builtin_memset(boot_room(bytes, align), 0, bytes); }

pa_t boot_end(void) { return (next_free + EXO_PAGE - 1) & -(u64)EXO_PAGE; }

// ---- the kernel's half ----

#define SPAN(level)      ((u64)EXO_PAGE << 9 * (level))
#define INDEX(va, level) ((va) / SPAN(level) % 512)

// Whole pages, in leaves as large as alignment and size allow, but none above level `biggest`. Tables are
// made as needed, so none is missing when user roots copy kernel_root.
static void map(va_t va, pa_t pa, u64 size, u64 bits, u32 biggest) {
    while (size) {
        u32 level = biggest;
        while ((va | pa) % SPAN(level) || size < SPAN(level)) level--;
        u64 *table = kernel_root;
        for (u32 l = 2; l > level; l--) {
            u64 *entry = &table[INDEX(va, l)];
            if (!*entry) *entry = pte_of(va_to_pa(boot_alloc(EXO_PAGE, EXO_PAGE)) / EXO_PAGE, PTE_V | PTE_G);
            table = ppn_to_va(PTE_PPN(*entry));
        }
        table[INDEX(va, level)] = pte_of(pa / EXO_PAGE, bits | PTE_V | PTE_G | PTE_A | PTE_D);
        va += SPAN(level);
        pa += SPAN(level);
        size -= SPAN(level);
    }
}

void window_map(u64 offset, pa_t pa, u64 size) { map(EXO_WINDOW + offset, pa, size, PTE_R | PTE_U, 1); }

static void map_direct(pa_t from, pa_t to, u64 bits) { map(from + KERNEL_BASE, from, to - from, bits, 2); }

static void map_kernel(void) {
    pa_t stack = va_to_pa(stacks), step = STACK_GUARD + STACK_SIZE;
    map_direct(va_to_pa(kernel_start), va_to_pa(rodata_start), PTE_R | PTE_X);
    map_direct(va_to_pa(rodata_start), va_to_pa(data_start), PTE_R);
    map_direct(va_to_pa(data_start), stack, PTE_R | PTE_W);
    for (u32 i = 0; i < EXO_NHART; i++, stack += step)
        map_direct(stack + STACK_GUARD, stack + step, PTE_R | PTE_W);
    map_direct(stack, machine.ram.end, PTE_R | PTE_W);
    map_direct(FINISHER_PA, FINISHER_PA + EXO_PAGE, PTE_R | PTE_W);
    map_direct(PLIC_PA, PLIC_PA + PLIC_SIZE, PTE_R | PTE_W);
    map_direct(UART_PA, UART_PA + EXO_PAGE, PTE_R | PTE_W);
    map_direct(VIRTIO_PA, VIRTIO_PA + VIRTIO_SLOTS * EXO_PAGE, PTE_R | PTE_W);
    csr_write(satp, satp_of(va_to_pa(kernel_root) / EXO_PAGE, 0));
    sfence_all();
}

// ---- boot arguments ----

const char *boot_arg(const char *name) {
    const char *p = machine.bootargs;
    while (*p) {
        const char *n = name;
        while (*n && *p == *n) p++, n++;
        if (!*n && (!*p || *p == ' ')) return "";
        if (!*n && *p == '=') return p + 1;
        while (*p && *p != ' ') p++;
        while (*p == ' ') p++;
    }
    return NULL;
}

u64 boot_number(const char *name, u64 otherwise) {
    const char *p = boot_arg(name);
    u64 v = 0;
    if (!p) return otherwise;
    do {
        if (*p < '0' || *p > '9') panic("boot argument %s: a number is wanted", name);
        v = v * 10 + (u64)(*p++ - '0');
    } while (*p && *p != ' ');
    return v;
}

// ---- harts ----

// What every hart needs before it can run anything: its record, and user code's right to read the counters.
static void hart_init(u32 i) {
    struct hart *h = &harts[i];
    this_hart = h;
    h->index = i;
    h->id = machine.hart[i];
    if (h->id >= 64) panic("hart %lu: the masks for the firmware have 64 bits", h->id);
    h->kstack = (u64)stacks + (i + 1) * (STACK_GUARD + STACK_SIZE);
    csr_clear(sstatus, SSTATUS_SUM | SSTATUS_FS | SSTATUS_SIE);
    csr_write(scounteren, 7);
}

_Noreturn void hart_main(u32 i) {
    hart_init(i);
    __atomic_store_n(&this_hart->online, 1, __ATOMIC_RELEASE);
    hart_run();
}

// One at a time: see entry.S.
static void start_harts(void) {
    for (u32 i = 1; i < nharts; i++) {
        long error = sbi_hart_start(machine.hart[i], KERNEL_PA);
        if (error) panic("hart %lu does not start: %ld", machine.hart[i], error);
        u64 late = csr_read(time) + 5ul * machine.timebase;
        while (!__atomic_load_n(&harts[i].online, __ATOMIC_ACQUIRE))
            if (csr_read(time) > late) panic("hart %lu does not come", machine.hart[i]);
    }
}

_Noreturn void boot(u64 hart, pa_t dtb, u64 time) {
    this_hart = harts;
    console_init();
    const u8 *tree = pa_to_va(dtb);
    bool readable = dtb >= KERNEL_PA && dtb < RAM_LIMIT - FDT_MAX_SIZE && dtb % FDT_ALIGN == 0;
    const char *error = readable ? fdt_parse(tree, fdt_size(tree), hart, &machine) : "no device tree";
    if (error) {
        machine.nharts = 0;
        panic("%s", error);
    }
    if (machine.ram.end < va_to_pa(kernel_end)) panic("no room for the kernel");
    nharts = machine.nharts;
    next_free = va_to_pa(kernel_end);
    map_kernel();
    hart_init(0);
    plic_init(machine.hart[0]);
    console_listen();
    this_hart->online = 1;
    tables_init();
    words->boot_time = time;
    first_start();
    start_harts();
    hart_run();
}
