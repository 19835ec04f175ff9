/*
 * Evidence: what the kernel records of itself in memory that no environment can reach, for host programs that
 * read the guest's RAM. `struct evidence` says where everything is; a 16-byte header at EVIDENCE_HEADER finds
 * it. The kernel writes, nobody else; user code can put in a mark, which says who made it.
 *
 * A reader of a running machine takes a record so: read seq, then all of it, then seq again; it is whole if
 * both are the same, are not 0, and head shows that the writer has not come round to it meanwhile. Numbers go
 * up by one in the order in which records were begun, over all harts: what is missing among them was
 * overwritten.
 */
#ifndef EXO_TRACE_H
#define EXO_TRACE_H

#define EVIDENCE_HEADER   0x80200010         /* pa: u64 EVIDENCE_MAGIC, u64 pa of struct evidence */
#define EVIDENCE_MAGIC    0x454349564f583645 /* "E6XOVICE" */
#define EVIDENCE_VERSION  1
#define TRACE_FULL_STATUS 4 /* QEMU's exit status when a ring of trace=fill is full */

#ifndef __ASSEMBLER__
#include <exo/abi.h>

struct trace_rec {
    u64 seq; /* from 1; 0 while the record is being written */
    u64 time;
    u32 eid;   /* the environment that ran on the hart, 0: none */
    u16 event; /* enum trace_event, or a call's number with or without TRACE_REFUSED */
    u8 hart;
    u8 account; /* of eid */
    u64 w[5];
};

/*
 * A call that was granted: event = its number, w[0..3] = its first arguments, w[4] = its result (a1). A call
 * that was refused: event = its number | TRACE_REFUSED, w[4] = the error, which says which check refused it.
 * A fifth argument lies in the upper half of w[0], whose lower half has the first. A capability counts as 1,
 * 0 if none was shown. call and send: w[0] is the callee's eid alone. Operations of a batch are recorded one
 * by one, then the batch. Calls below EXO_PAGE_ALLOC are recorded before they are made, and once more if they
 * are refused; null is not.
 */
#define TRACE_REFUSED 0x8000

/* Words not named are 0. The names before a colon are also what host programs print (grade/calls.py). */
enum trace_event {
    TRACE_BOOT = 1,   /* npages, harts, timebase */
    TRACE_NO_CALL,    /* number: an ecall at EXO_CALLS or above that is none */
    TRACE_UPCALL,     /* index in entry[], pc entered, epc, cause, tval */
    TRACE_SLICE,      /* slot, slices: of this environment, so far */
    TRACE_SLICE_END,  /* slot, by: 0 the environment left it, 1 the timer ended it */
    TRACE_SKIP,       /* slot, eid, excess: what it still owes; one was paid by this slot */
    TRACE_ABORT,      /* pc, excess, mask: past the epilogue's budget */
    TRACE_STOP,       /* eid, enum stop_reason, cause, tval, pc */
    TRACE_RUN,        /* eid: set running, or its wait ended by env_ctl */
    TRACE_END,        /* eid: its record is free again */
    TRACE_BROKEN,     /* client, server, error: a call that no reply will end */
    TRACE_PENDING,    /* eid, bits: set in its pending */
    TRACE_DISK_START, /* request, op | count << 8 | account << 16, extent, first block, first ppn */
    TRACE_DISK_END,   /* request, op | count << 8 | account << 16, extent, first block, status */
    TRACE_DOOM,       /* ppn, account: bindings of it are being broken */
    TRACE_SWEEP,      /* ppn, account: a doomed page is free */
    TRACE_REVOKE,     /* account, pages to be held, deadline: the pager hears of it */
    TRACE_REPO,       /* account, ppn: taken by force */
    TRACE_ACCT_GONE,  /* account, parent: all it had is the parent's */
    TRACE_EVENTS
};

enum trace_mode { TRACE_OFF, TRACE_RING, TRACE_FILL }; /* FILL: a full ring ends the run */

struct trace_ring {
    pa_t pa; /* of records[n]; 0: none */
    u64 n;
    u64 head; /* records ever written; the next goes to records[head % n] */
    u64 spare;
};

/* An exported table: `n` records of `size` bytes, as <exo/abi.h> declares them. */
struct evidence_table {
    pa_t pa;
    u32 n, size;
};

struct evidence {
    u64 magic; /* written last */
    u32 version, size;
    u32 nharts, mode;
    u64 seq; /* of the last record begun */
    struct evidence_table words, envs, accts, slots, exts, reqs, pages;
    struct trace_ring ring[EXO_NHART];
};

/*
 * What was written to a disk in RAM, at its image's end (boot argument tape=N: the last N blocks, which are zero
 * at first). An entry is a block of the disk, or TAPE_FLUSH; in the order in which they completed. The data of those
 * blocks lie after it, in the same order.
 */
#define TAPE_FLUSH   (~(u64)0)
#define TAPE_BLOCKS  4
#define TAPE_ENTRIES (TAPE_BLOCKS * EXO_PAGE / 8 - 4)

struct disk_tape {
    u64 n;     /* entries there should be */
    u64 lost;  /* of them, for want of room */
    u64 ndata; /* blocks of data */
    u64 room;  /* for them */
    u64 entry[TAPE_ENTRIES];
};

_Static_assert(sizeof(struct trace_rec) == 64, "trace record");
_Static_assert(sizeof(struct disk_tape) == TAPE_BLOCKS * EXO_PAGE, "struct disk_tape");
#endif

#endif
