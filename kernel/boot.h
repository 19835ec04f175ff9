// What boot leaves to the rest of the kernel: the machine's description, memory that is never given back, the
// kernel's half of every address space, a stack a hart; and how a panic finds its way.
#ifndef EXV6_BOOT_H
#define EXV6_BOOT_H

#define STACK_SIZE  8192 // a hart's; below each lies a page that is not mapped
#define STACK_GUARD 4096
#define PANIC_STACK 4096

#define FINISHER_PA  0x00100000 // a store here ends QEMU
#define VIRTIO_PA    0x10001000 // irq 1; the next seven follow, a page each
#define VIRTIO_SLOTS 8

#ifndef __ASSEMBLER__
#include "riscv.h"
#include "fdt.h"

extern struct machine machine;
extern u64 kernel_root[512]; // its entries 256 to 511 are those of every root, and do not change after boot

// Memory for as long as the kernel runs, boot_alloc()'s zeroed; boot only. What was not handed out is
// boot_end() and up.
void *boot_alloc(u64 bytes, u64 align);
void *boot_room(u64 bytes, u64 align);
pa_t boot_end(void);

// Shows [pa, pa + size) to user code, read-only, at EXO_WINDOW + offset. Whole pages; boot only.
void window_map(u64 offset, pa_t pa, u64 size);

// A word of the boot arguments: what follows it, "" or a value after "=", up to the next space; NULL if
// absent.
const char *boot_arg(const char *name);
u64 boot_number(const char *name, u64 otherwise); // decimal

// Nonzero once a hart has panicked. Who may wait long with interrupts off calls panic_check() in the loop;
// the handler of interrupts from other harts does too.
extern volatile u64 panic_owner;
_Noreturn void hart_stop(void);
static inline void panic_check(void) {
    if (panic_owner) hart_stop();
}
#define PANIC_STATUS 3 // QEMU's, after a panic with the boot argument `unattended`

void kvprintf(const char *format, __builtin_va_list args);

// The function that holds this address, and how far in; NULL if none does.
const char *symbol_at(va_t pc, u64 *offset);

// entry.S
extern char kernel_start[], rodata_start[], data_start[], stacks[], kernel_end[]; // kernel.ld
void trap_panic(void); // a trap from the kernel: with tp, s0 and ra as they were; the rest may be lost
#endif

#endif
