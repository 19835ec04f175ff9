// The serial line and the interrupt controller.
#ifndef EXV6_CONSOLE_H
#define EXV6_CONSOLE_H

#include "riscv.h"

#define PLIC_PA   0x0c000000
#define PLIC_SIZE 0x00600000
#define UART_PA   0x10000000
#define UART_IRQ  10

// Output only: works as soon as the device can be reached. Input: after plic_init(boot hart),
// console_listen().
void console_init(void);
void console_listen(void);

// Waits for the line, but not for ever: a character is dropped rather than the kernel hung.
void console_putc(int c);

// From the line into the ring of 256; what does not fit waits on the line. Returns the bytes received.
u32 console_interrupt(void);

// The oldest character typed, or -1. Called, like console_interrupt, by one hart at a time.
int console_getc(void);

// All devices interrupt one hart's S-mode.
void plic_init(u64 hart);
void plic_enable(u32 irq);
u32 plic_claim(void); // 0: none pending
void plic_complete(u32 irq);

#endif
