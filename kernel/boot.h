// What boot leaves for the rest of the kernel: the machine's description, memory that is never given back, the
// kernel's half of every address space, and one stack a hart.
#ifndef EXV6_BOOT_H
#define EXV6_BOOT_H

#include "riscv.h"

#ifndef MAX_HARTS
#define MAX_HARTS 8
#endif
#define GUARD_SIZE 4096
#define STACK_SIZE 8192

#define RAM_BASE   0x80000000
#define KERNEL_PA  0x80200000 // below lies the firmware
#define FINISHER   0x00100000 // a store here ends QEMU
#define PLIC       0x0c000000
#define UART       0x10000000
#define VIRTIO     0x10001000 // 8 of them, 4 KiB each

#endif
