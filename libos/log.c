// See log.h. Called by everything that changes the file system; by fsync and shutdown for the rest.
#include "log.h"

void op_begin(struct log *log) {
    lock_acquire(&log->gate);
    __atomic_fetch_add(&log->ops, 1, __ATOMIC_ACQUIRE);
    lock_release(&log->gate);
}

void op_end(struct log *log) { __atomic_fetch_sub(&log->ops, 1, __ATOMIC_RELEASE); }

void log_write(struct log *log, struct bcache *cache, struct buf *b) {
    (void)log;
    bdirty(cache, b);
}

int log_freeze(struct log *log, struct bcache *cache) {
    lock_acquire(&log->gate);
    while (__atomic_load_n(&log->ops, __ATOMIC_ACQUIRE)) lock_pause();
    return bflush(cache);
}

void log_thaw(struct log *log) { lock_release(&log->gate); }
