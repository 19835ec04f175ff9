// The console as programs see it, as two devices. CONSOLE makes lines of what is typed: ^H or DEL erases a
// character, ^U the line, ^D ends the input (after what stands before it on the line), a carriage return
// counts as a newline. Everything is echoed when it is taken from the kernel, which is when a program reads;
// until then it waits in the kernel's buffer. A line that fills the ring is handed over as it is. KEYS hands
// over what is typed as it is, and echoes nothing: for programs that edit on the screen. There is no mode
// that one could leave behind. Called by file.c, and by proc.c for who watches.
//
// One process may watch the console for the processes in front of it: while it waits for its children, what
// is typed is taken and echoed at once, and ^C kills the group that is in front. It also does when one of
// them reads.
// But a group in front that has read KEYS, be it 0 bytes, gets all keys, ^C too, and nothing is echoed.
//
// The lock guards the ring and what is taken from the kernel, so that a line goes to one reader; it is let go
// while a reader sleeps. Writing takes no lock: the kernel keeps up to EXO_CONS_MAX bytes together.
#ifndef EXV6_TTY_H
#define EXV6_TTY_H

#include <stdbool.h>
#include "lock.h"
#include "proc.h"

#define TTY_RING 1024 // a power of 2

struct tty {
    struct lock lock;
    // Positions that only grow; byte i is at i % TTY_RING. [head, ready) can be read, [ready, edit) is the
    // line that is still being typed.
    u32 head, ready, edit;
    struct proc *watcher; // who called front() last, until it ends
    int raw;              // the group that read KEYS last
    int front;            // the group that ^C kills; 0: none, and ^C is a character like others
    bool interrupted;     // there was a ^C since the last call of front()
    u8 ring[TTY_RING];
};

// At most one line, its newline included, waiting until there is one. 0: end of input, or n is 0. -1: the
// process was killed, its memory is not there, or the console is not this libOS's.
int tty_read(void *to, int n);

// What was typed, up to n bytes, waiting until there is something. Errors as above.
int tty_keys(void *to, int n);

// The caller watches the console, and `group` is in front. 1 if ^C killed the one before; -1: group is
// negative.
int sys_front(int group);
// Joins that group; 0: a new one, whose number is the own pid; -1 if it is negative. A ^C that came since it
// is in front is for who joins late, too: which child of a shell began first is chance.
int sys_setgroup(int group);
bool tty_watch(void); // takes what was typed, if this process watches; does it?
void tty_exit(void);  // this process ends

// Bytes written; -1: the process was killed, or none could be.
int tty_write(const void *from, int n);

#endif
