// The calls of xv6-riscv by xv6-riscv's own way: ecall, with the number in a7. The kernel hands every ecall
// below 0x100 on as a FAULT upcall, so that a library OS can carry another system's interface; this one is
// xv6's, and a program that was linked for xv6 runs as it is. It pays a fault for each call, where a program
// of ours jumps.
#ifndef EXV6_ECALL_H
#define EXV6_ECALL_H

#include <stdbool.h>
#include "upcall.h"

// Makes the call that the program's ecall asks for: its result is in the frame's a0, and the program goes on
// behind the ecall. False if xv6 has no call of that number.
bool ecall_serve(struct trap *);

#endif
