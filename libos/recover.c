// What the log does at mount: puts in place what was committed and may not be there. Called once, by
// log_open(), before any op.
//
// All writes before the last are those of records that stay where they are, so a power cut in between only
// means that it is all done again. The last is the anchor.
#include "log.h"

static int begins_record(const struct log *log, const struct log_record *r, u64 sequence) {
    return r->magic == LOG_RECORD_MAGIC && r->id == log->super->id &&
           r->generation == log->super->generation && r->sequence == sequence;
}

// Whether all of the record at `at` is there: 1 or 0, or LOG_E_IO.
static int is_whole(struct log *log, const struct log_record *r, u32 at) {
    u64 sum = label_sum(0, r, offsetof(struct log_record, sum));
    for (u32 i = 0; i < r->count; i++) {
        struct buf *b;
        if (bread(log->cache, log_slot(log, at + 1 + i), &b)) return LOG_E_IO;
        sum = label_sum(sum, b->data, FS_BLOCK_SIZE);
        brelse(log->cache, b);
    }
    return sum == r->sum;
}

// Neither the superblock nor the log is ever part of a record.
static int names_blocks(const struct log *log, const struct log_record *r) {
    for (u32 i = 0; i < r->count; i++)
        if (r->block[i] < log->super->inode_start || r->block[i] >= log->super->nblocks) return 0;
    return 1;
}

static int put_in_place(struct log *log, const struct log_record *r, u32 at) {
    for (u32 i = 0; i < r->count; i++) {
        struct buf *from, *to;
        if (bread(log->cache, log_slot(log, at + 1 + i), &from)) return LOG_E_IO;
        int err = bnew(log->cache, r->block[i], &to);
        if (err == 0) {
            __builtin_memcpy(to->data, from->data, FS_BLOCK_SIZE);
            brelse(log->cache, to);
        }
        brelse(log->cache, from);
        if (err) return LOG_E_IO;
    }
    return 0;
}

// One record: blocks of the ring that it takes, 0 if there is none at `at`, or the error. *cut: there is one
// that never became whole.
static int replay(struct log *log, u32 at, u64 sequence, u32 room, int *cut) {
    struct buf *b;
    if (room == 0) return 0;
    if (bread(log->cache, log_slot(log, at), &b)) return LOG_E_IO;
    const struct log_record *r = (const struct log_record *)b->data;
    int result = 0;
    if (begins_record(log, r, sequence)) {
        *cut = 1;
        if (r->count < room && r->count <= LOG_RECORD_MAX) result = is_whole(log, r, at);
        if (result > 0) {
            *cut = 0;
            result = names_blocks(log, r) ? put_in_place(log, r, at) : LOG_E_CORRUPT;
            if (result == 0) result = 1 + r->count;
        }
    }
    brelse(log->cache, b);
    return result;
}

static int read_anchor(struct log *log) {
    struct buf *b;
    if (bread(log->cache, log->super->log_start, &b)) return LOG_E_IO;
    const struct log_anchor *a = (const struct log_anchor *)b->data;
    int ok = a->magic == LOG_ANCHOR_MAGIC && a->id == log->super->id &&
             a->generation == log->super->generation && a->spare == 0 && a->tail < log_ring(log) &&
             a->sum == label_sum(0, a, offsetof(struct log_anchor, sum));
    log->sequence = a->sequence;
    log->head = a->tail;
    brelse(log->cache, b);
    return ok ? 0 : LOG_E_CORRUPT;
}

// The number of a record that was cut off is not given again: what is left of it and what would be written
// over it might make a whole.
int log_recover(struct log *log) {
    u32 room = log_ring(log);
    int cut = 0, err = read_anchor(log), n;
    if (err) return err;
    while ((n = replay(log, log->head, log->sequence, room, &cut)) > 0) {
        room -= n;
        log->head = (log->head + n) % log_ring(log);
        log->sequence++;
    }
    if (n < 0) return n;
    if (room == log_ring(log) && !cut) return 0;
    log->sequence += cut;
    return bflush(log->cache) || log_anchor(log) ? LOG_E_IO : 0;
}
