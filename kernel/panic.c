// The end, when the kernel finds itself wrong: what is known goes to the console, every hart stops, and QEMU
// ends if nobody is there to read it. Nothing here follows a pointer it has not checked; were it to fault all
// the same, entry.S comes straight back to panic_end().
#include "kernel.h"

enum { MAX_FRAMES = 32 };

volatile u64 panic_owner; // the mark of the hart that panicked: its tp + 1

_Noreturn void panic_end(void);
_Noreturn void panic_trap(u64 fp, va_t ra);

// The build puts this table behind the constants, in ascending order (kernel/symbols.awk).
struct symbol {
    u32 at;   // from kernel_start
    u32 name; // in the text after the table
};
extern const struct symbol symbols[], symbols_end[];
extern const char symbol_names[];

const char *symbol_at(va_t pc, u64 *offset) {
    if (pc < (va_t)kernel_start || pc >= (va_t)rodata_start) return NULL;
    u64 at = pc - (va_t)kernel_start, n = ((u64)symbols_end - (u64)symbols) / sizeof(*symbols);
    while (n && symbols[n - 1].at > at) n--;
    if (!n) return NULL;
    *offset = at - symbols[n - 1].at;
    return symbol_names + symbols[n - 1].name;
}

// A return address may be the first after its function's end: `back` = 1 looks for the call instead.
static void print_place(va_t pc, u32 back) {
    u64 offset;
    const char *name = symbol_at(pc - back, &offset);
    if (name)
        kprintf("  %016lx %s+0x%lx\n", pc, name, offset + back);
    else
        kprintf("  %016lx\n", pc);
}

// fp and what it points to, as the compiler lays frames out: the caller's fp at fp - 16, the return address
// at fp - 8. All frames must lie on one hart's stack, each above the one before.
static void print_calls(u64 fp) {
    u64 i = (fp - 1 - (u64)stacks) / (STACK_GUARD + STACK_SIZE);
    u64 low = (u64)stacks + i * (STACK_GUARD + STACK_SIZE) + STACK_GUARD, high = low + STACK_SIZE;
    for (u32 n = 0; n < MAX_FRAMES && i < EXO_NHART && fp % 16 == 0 && fp >= low + 16 && fp <= high; n++) {
        const u64 *frame = (const u64 *)fp;
        print_place(frame[-1], 1);
        low = fp;
        fp = frame[-2];
    }
}

// clang-format off
static const char *const causes[] = {
    "fetch misaligned", "fetch access fault", "illegal instruction", "breakpoint",
    "load misaligned", "load access fault", "store misaligned", "store access fault",
    "ecall", "ecall", "", "",
    "fetch page fault", "load page fault", "", "store page fault",
};
// clang-format on

static void print_trap(void) {
    u64 cause = csr_read(scause), hart = ((u64)this_hart - (u64)harts) / sizeof(*this_hart);
    kprintf("  hart %d, last trap: scause 0x%lx (%s), sepc %016lx, stval %016lx\n",
            hart < EXO_NHART ? (int)hart : -1, cause,
            cause < sizeof(causes) / sizeof(*causes) ? causes[cause] : "", csr_read(sepc), csr_read(stval));
}

static void stop_others(void) {
    u64 mask = 0;
    for (u32 i = 0; i < nharts; i++)
        if (&harts[i] != this_hart && harts[i].online) mask |= 1UL << harts[i].id;
    if (mask) (void)sbi_send_ipi(mask);
}

// Without a device tree nobody can have asked to be waited for.
_Noreturn void panic_end(void) {
    if (boot_arg("unattended") || !machine.nharts) halt(PANIC_STATUS);
    kprintf("Ctrl-a x leaves\n");
    hart_stop();
}

// ra is that of the function that trapped if it calls no others; else it stands once more in its frame.
_Noreturn void panic_trap(u64 fp, va_t ra) {
    stop_others();
    kprintf("\npanic: trap in the kernel\n");
    print_trap();
    print_place(csr_read(sepc), 0);
    kprintf("ra");
    print_place(ra, 1);
    print_calls(fp);
    panic_end();
}

_Noreturn void panic(const char *format, ...) {
    u64 mark = (u64)this_hart + 1, none = 0;
    if (!__atomic_compare_exchange_n(&panic_owner, &none, mark, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        if (none == mark) panic_end();
        hart_stop();
    }
    stop_others();
    kprintf("\npanic: ");
    __builtin_va_list args;
    __builtin_va_start(args, format);
    kvprintf(format, args);
    kprintf("\n");
    print_trap();
    print_calls((u64)__builtin_frame_address(0));
    panic_end();
}

_Noreturn void halt(u32 status) {
    volatile u32 *finisher = (volatile u32 *)(FINISHER_PA + KERNEL_BASE);
    *finisher = status ? status << 16 | 0x3333 : 0x5555;
    (void)sbi_shutdown();
    hart_stop();
}
