// Where the log's ring lies, and which blocks need not go through it; see log.h. Called by log.c, recover.c
// and, for log_fresh(), by direct.c.
#include "log.h"

u32 log_ring(const struct log *log) { return log->super->log_blocks - 1; }

u32 log_slot(const struct log *log, u32 at) { return log->super->log_start + 1 + at % log_ring(log); }

// ---- blocks that need not go through the log ----

static void mark(u64 *set, u32 block) {
    __atomic_fetch_or(&set[block % LOG_MARKS / 64], 1UL << block % 64, __ATOMIC_RELAXED);
}

static int marked(const u64 *set, u32 block) {
    return __atomic_load_n(&set[block % LOG_MARKS / 64], __ATOMIC_RELAXED) >> block % 64 & 1;
}

void log_freed(struct log *log, u32 block) { mark(log->freed, block); }

int log_fresh(const struct log *log, u32 block) {
    return !marked(log->freed, block) && !marked(log->named, block);
}

void log_bare(struct log *log) { __atomic_store_n(&log->bare, 1, __ATOMIC_RELAXED); }

void log_committed(struct log *log) {
    for (u32 i = 0; i < log->n; i++) mark(log->named, log->block[i]);
    __builtin_memset(log->freed, 0, sizeof log->freed);
    log->bare = 0;
}

void log_emptied(struct log *log) { __builtin_memset(log->named, 0, sizeof log->named); }
