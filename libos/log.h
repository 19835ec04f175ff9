// Transactions of the file system: everything that changes its blocks does so between op_begin() and
// op_end(), and hands each changed buffer to log_write() before releasing it.
//
// Now: an op writes nothing by itself, and log_freeze() waits until no op is under way, so that a clean
// shutdown leaves a whole file system. The write-ahead log takes the place of log.c behind the same
// functions; the area on the disk and its format (struct log_anchor, struct log_record) are there already. It
// must keep in mind that a block freed by an op may be used again by the next, before either is committed.
#ifndef EXV6_LOG_H
#define EXV6_LOG_H

#include "bcache.h"

struct log {
    struct lock gate; // held from log_freeze to log_thaw: no op begins
    u32 ops;          // under way; changed by atomic adds
};

// op_begin() may wait, so it comes before any other lock. Ops do not nest.
void op_begin(struct log *);
void op_end(struct log *);

// b, held by the caller, was changed. An op may do this to FS_OP_BLOCKS different blocks at most.
void log_write(struct log *, struct bcache *, struct buf *b);

// Lets no op begin, waits for those under way, and makes all that they changed durable: what is on the disk
// is a whole file system until log_thaw, which lets ops begin again. 0 or BUF_E_IO; to be undone in either
// case. Outside any op.
int log_freeze(struct log *, struct bcache *);
void log_thaw(struct log *);

#endif
