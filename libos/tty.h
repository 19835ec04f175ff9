// The console as programs see it: device CONSOLE. What is typed becomes lines: ^H or DEL erases a character,
// ^U the line, ^D ends the input (after what stands before it on the line), a carriage return counts as a
// newline. Everything is echoed when it is taken from the kernel, which is when a program reads; until then
// it waits in the kernel's buffer. A line that fills the ring is handed over as it is. Called by file.c.
//
// The lock guards the ring and what is taken from the kernel, so that a line goes to one reader; it is let go
// while a reader sleeps. Writing takes no lock: the kernel keeps up to EXO_CONS_MAX bytes together.
#ifndef EXV6_TTY_H
#define EXV6_TTY_H

#include "lock.h"

#define TTY_RING 1024 // a power of 2

struct tty {
    struct lock lock;
    // Positions that only grow; byte i is at i % TTY_RING. [head, ready) can be read, [ready, edit) is the
    // line that is still being typed.
    u32 head, ready, edit;
    u8 ring[TTY_RING];
};

// At most one line, its newline included, waiting until there is one. 0: end of input, or n is 0. -1: the
// process was killed, its memory is not there, or the console is not this libOS's.
int tty_read(void *to, int n);

// Bytes written; -1: the process was killed, or none could be.
int tty_write(const void *from, int n);

#endif
