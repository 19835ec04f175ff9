// Where things lie in a program's address space, and the addresses at which programs written for xv6 look for
// a kernel: none of the latter is ever mapped for a program, so that touching one is a fault, as it is there.
#ifndef USER_KERNEL_MEMLAYOUT_H
#define USER_KERNEL_MEMLAYOUT_H

#include "riscv.h"

#define LIBOS    0x40000000L // the library OS; programs and their heaps end below
#define KERNBASE 0x80000000L // first byte of RAM, by its physical address
#define PHYSTOP  (KERNBASE + 128 * 1024 * 1024)

#define TRAMPOLINE (MAXVA - PGSIZE) // nothing is there, nor below it
#define TRAPFRAME  (TRAMPOLINE - PGSIZE)

#define EXPORTS 0xffffffe000000000UL // the kernel's records, read-only

#endif
