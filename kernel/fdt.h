// What the firmware's device tree says of the machine.
#ifndef EXV6_FDT_H
#define EXV6_FDT_H

#include <exo/abi.h>

#define KERNEL_PA    0x80200000   // load address; RAM below it is the firmware's
#define RAM_LIMIT    0x2000000000 // the direct map ends here, where the exported window begins
#define MAX_HART_ID  64           // ids fit a word's bits; harts past it are not used
#define FDT_ALIGN    8
#define FDT_MAX_SIZE 0x200000

struct range {
    pa_t start, end;
};

struct machine {
    struct range ram;    // whole pages, from KERNEL_PA to the end of its bank or to `reserved`
    pa_t reserved;       // the first byte above KERNEL_PA that the firmware keeps
    struct range initrd; // empty: none; within ram
    u32 nharts;
    u64 hart[EXO_NHART]; // ids; the first is the boot hart's
    bool sstc;           // all of them have stimecmp
    u32 timebase;        // `time` per second
    u32 seed_size;
    u8 seed[64]; // random bytes from the host, seed_size of them
    char bootargs[1024];
};

// The size of a tree whose first 40 bytes are readable; 0: it is none.
u64 fdt_size(const u8 *blob);

// Reads `size` bytes at blob, aligned to FDT_ALIGN, and trusts none of them. Returns 0, or what is wrong with
// it; *m is valid only after 0.
const char *fdt_parse(const u8 *blob, u64 size, u64 boot_hart, struct machine *m);

#endif
