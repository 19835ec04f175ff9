// The console's device, a 16550 UART (one register a byte), and the PLIC, which brings its interrupts and the
// disk's to the boot hart. Who may read and write the console is decided in conscall.c.
#include "console.h"

enum { RBR = 0, THR = 0, IER = 1, FCR = 2, LCR = 3, LSR = 5 };
enum { IER_RECEIVED = 0x01, LSR_READY = 0x01, LSR_THR_EMPTY = 0x20 };
enum { RING = 256, BURST = 64, PATIENCE = 100000 };

static volatile u8 *const uart = (volatile u8 *)(UART_PA + KERNEL_BASE);

// head and tail only grow; the ring holds [head, tail).
static u8 ring[RING];
static u32 head, tail;
static u64 patience = PATIENCE; // 1 after the line has once not become ready

void console_init(void) {
    uart[IER] = 0;
    uart[LCR] = 0x03; // 8 bits, no parity
    uart[FCR] = 0x07; // both queues on and emptied; interrupt at the first byte
}

void console_listen(void) {
    plic_enable(UART_IRQ);
    uart[IER] = IER_RECEIVED;
}

void console_putc(int c) {
    u64 n = 0;
    while (!(uart[LSR] & LSR_THR_EMPTY)) {
        if (++n >= patience) {
            patience = 1;
            return;
        }
    }
    patience = PATIENCE;
    uart[THR] = (u8)c;
}

u32 console_interrupt(void) {
    u32 n = 0;
    for (; n < BURST && tail - head < RING && uart[LSR] & LSR_READY; n++) ring[tail++ % RING] = uart[RBR];
    if (tail - head == RING) uart[IER] = 0; // what is left waits on the line; else it interrupts again
    return n;
}

int console_getc(void) {
    if (head == tail) return -1;
    if (tail - head == RING) uart[IER] = IER_RECEIVED;
    return ring[head++ % RING];
}

// The PLIC's registers, in words: a priority for each interrupt, then per context enable bits, and a
// threshold with the claim register after it. Context 2h + 1 is hart h in S-mode.
static volatile u32 *const plic = (volatile u32 *)(PLIC_PA + KERNEL_BASE);
static volatile u32 *enable, *threshold;

void plic_init(u64 hart) {
    u64 context = 2 * hart + 1;
    enable = plic + 0x2000 / 4 + context * (0x80 / 4);
    threshold = plic + 0x200000 / 4 + context * (0x1000 / 4);
    threshold[0] = 0;
}

void plic_enable(u32 irq) {
    plic[irq] = 1;
    enable[irq / 32] |= 1u << irq % 32;
}

u32 plic_claim(void) { return threshold[1]; }

void plic_complete(u32 irq) { threshold[1] = irq; }
