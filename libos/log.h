// Transactions of the file system, and the write-ahead log that makes them whole: everything that changes
// blocks of the file system does so between op_begin() and op_end(), and hands each changed buffer to
// log_write() before releasing it. After a power cut a transaction is on the disk as a whole or not at all,
// and those that are there are the first so many.
//
// Group commit: all ops between two commits are one transaction. A commit comes when somebody wants what was
// done to be durable (log_sync), or when the transaction could outgrow the log or the cache. It waits until
// no op is under way, writes the changed blocks to the log (struct log_record in fsformat.h), and flushes the
// device. From then on the cache may write those blocks to their places whenever it likes. When the log gets
// full, a checkpoint writes all that is left, flushes, and lets the log begin anew by writing its anchor.
//
// What the order of writes must be, on a disk that reorders and loses whatever no flush has confirmed: blocks
// that are written past the log are durable before the record that leads to them is written; a block goes to
// its place after its record is durable (it is kept in the cache before); the anchor moves after all blocks
// are in place, durably; a record is written over after the anchor has moved, durably. A record needs no
// order within itself: its sum covers all of it.
//
// A block freed by an op may be used again by the next, before either is committed: both are in one
// transaction, or in two that are replayed in their order; but see log_fresh().
#ifndef EXV6_LOG_H
#define EXV6_LOG_H

#include "bcache.h"
#include "drain.h"
#include "fsformat.h"

#define LOG_MARKS 8192

struct log {
    struct lock gate; // no op begins while it is held
    struct drain ops; // under way
    u32 n;            // blocks in the running transaction; changed by atomic adds

    // These change under the gate with no op under way.
    u32 refuses; // there is no room for an op, as the disk cannot be written: nothing may be changed
    struct bcache *cache;
    const struct fs_super *super;
    u64 sequence; // of the running transaction
    u32 head;     // where in the ring its record will begin
    u32 used;     // blocks of the ring, before head, with records of what may not be in place
    u32 most;     // blocks that the running transaction may grow to

    u32 block[FS_MAX_LOG]; // of the running transaction, n of them

    // Sets of blocks that may have more in them than was put there: a bit for many.
    u64 freed[LOG_MARKS / 64]; // by the running transaction
    u64 named[LOG_MARKS / 64]; // by records that would be replayed
    u32 bare;                  // blocks were written that only the running transaction leads to
};

enum log_error { LOG_E_IO = BUF_E_IO, LOG_E_CORRUPT = -2, LOG_E_MEMORY = -15 }; // those of enum fs_error

// Puts in place what the log of this file system holds, and makes an empty transaction. Repeating it after a
// power cut at any moment does no harm. LOG_E_CORRUPT: it is no log of this file system, or it names blocks
// that it should not; LOG_E_MEMORY: the cache is too small to keep what one op may change.
int log_open(struct log *, struct bcache *, const struct fs_super *);

// op_begin() may wait, so it comes before any other lock. Ops do not nest.
void op_begin(struct log *);
void op_end(struct log *);

// Whether this op must not change anything: asked before the first log_write().
int log_refuses(const struct log *);

// b, held by the caller, was changed. An op may do this to FS_OP_BLOCKS different blocks at most.
void log_write(struct log *, struct bcache *, struct buf *b);

// Blocks may be written past the log, at once, by the op that has just allocated them, if log_fresh() holds:
// then they are free in the state that a power cut would leave now, and nothing that would be replayed writes
// over them. log_bare() says that it was done, so that they become durable before the transaction.
// log_freed(): the running op has freed the block.
void log_freed(struct log *, u32 block);
int log_fresh(const struct log *, u32 block);
void log_bare(struct log *);

// All ops that have ended are durable when this returns 0. Callers at the same time share a commit. Outside
// any op.
int log_sync(struct log *, struct bcache *);

// Lets no op begin, waits for those under way, and puts all that they changed in place, durably: what is on
// the disk is a whole file system with an empty log until log_thaw, which lets ops begin again. 0 or
// LOG_E_IO; to be undone in either case. Outside any op.
int log_freeze(struct log *, struct bcache *);
void log_thaw(struct log *);

// ---- between log.c, recover.c and logmark.c ----

// In logmark.c.
u32 log_ring(const struct log *);         // blocks of the ring
u32 log_slot(const struct log *, u32 at); // the block of the file system that is number `at` of the ring
void log_committed(struct log *); // the running transaction is durable: to be told while n says what it has
void log_emptied(struct log *);   // no record would be replayed any more

int log_recover(struct log *); // in recover.c: sets sequence and head; the log is empty then
int log_anchor(struct log *);  // in log.c: writes, durably, that the log begins at head with `sequence`

#endif
