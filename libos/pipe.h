// Pipes: a bounded ring of bytes in memory that all processes share, with any number of readers and writers
// on any hart. Called by file.c, which keeps one reference to each end, however many descriptors lead to it.
//
// Locks: a pipe's lock guards all of it but `used`, and is held while bytes move, even if that brings in a
// page of the program; nothing of the file system is called under it. Who finds the ring empty (or full)
// sleeps in `readers` (or `writers`) with the lock let go, and looks again after; who changes what they wait
// for, bytes or an end that closes, takes all of them off the list under the lock, and wakes them; so none is
// missed. `used` is under the table's lock, which is never held together with a pipe's.
#ifndef EXV6_PIPE_H
#define EXV6_PIPE_H

#include "proc.h"

#define PIPE_BYTES 4096 // a power of 2; the more, the fewer sleeps for many bytes
#define NPIPE      (NFILE / 2)

struct pipe {
    struct lock lock;
    u32 head, tail; // bytes ever read and written
    u8 can_read;    // the end is open
    u8 can_write;
    u8 used;
    struct waitq readers, writers;
    u8 ring[PIPE_BYTES]; // byte i is at i % PIPE_BYTES
};

struct pipes {
    struct lock lock;
    struct pipe pipe[NPIPE];
};

// A pipe with both ends open, or 0 if all are in use.
struct pipe *pipe_new(void);

// Closes one end; with the second the pipe goes.
void pipe_close(struct pipe *, bool write_end);

// Bytes moved to or from the program's memory. A read waits for the first byte, and returns 0 once the other
// end is closed and all is read; a write waits until all n are in. -1: the process was interrupted (but a
// write that put some in tells how many), or its memory is not there before the first byte; a write also when
// nobody can read any more.
int pipe_read(struct pipe *, void *to, int n);
int pipe_write(struct pipe *, const void *from, int n);

#endif
