// What mounting would do with the log of a file system in memory; see fsimage.h. Like check.c it shares no
// code with libos/, and trusts nothing.
#include <string.h>
#include "fsimage.h"

struct scan {
    const u8 *mem;
    const struct fs_super *s;
    u32 ring;
    u32 at, room; // where the next record would be, and what it may take
    u64 sequence;
};

static const void *ring_block(const struct scan *c, u32 at) {
    return c->mem + (u64)(c->s->log_start + 1 + at % c->ring) * FS_BLOCK_SIZE;
}

static const struct log_anchor *anchor_of(const u8 *mem, const struct fs_super *s) {
    return (const struct log_anchor *)(mem + (u64)s->log_start * FS_BLOCK_SIZE);
}

static int scan_begin(struct scan *c, const u8 *mem) {
    const struct fs_super *s = (const struct fs_super *)mem;
    const struct log_anchor *a = anchor_of(mem, s);
    *c = (struct scan){mem, s, s->log_blocks - 1, a->tail, s->log_blocks - 1, a->sequence};
    return a->magic == LOG_ANCHOR_MAGIC && a->id == s->id && a->generation == s->generation &&
           a->spare == 0 && a->tail < c->ring && a->sum == label_sum(0, a, offsetof(struct log_anchor, sum));
}

// The record there, or 0 if none is whole. scan_next() goes past it.
static const struct log_record *scan_record(const struct scan *c) {
    const struct log_record *r = ring_block(c, c->at);
    if (c->room == 0 || r->magic != LOG_RECORD_MAGIC || r->id != c->s->id ||
        r->generation != c->s->generation || r->sequence != c->sequence || r->count > LOG_RECORD_MAX ||
        r->count >= c->room)
        return 0;
    u64 sum = label_sum(0, r, offsetof(struct log_record, sum));
    for (u32 i = 0; i < r->count; i++) sum = label_sum(sum, ring_block(c, c->at + 1 + i), FS_BLOCK_SIZE);
    return sum == r->sum ? r : 0;
}

static void scan_next(struct scan *c, u32 count) {
    c->at = (c->at + 1 + count) % c->ring;
    c->room -= 1 + count;
    c->sequence++;
}

int fs_log(const u8 *mem, u32 *records, u32 *blocks) {
    struct scan c;
    const struct log_record *r;
    *records = *blocks = 0;
    if (!scan_begin(&c, mem)) return 0;
    while ((r = scan_record(&c))) {
        for (u32 i = 0; i < r->count; i++)
            if (r->block[i] < c.s->inode_start || r->block[i] >= c.s->nblocks) return 0;
        ++*records;
        *blocks += r->count;
        scan_next(&c, r->count);
    }
    return 1;
}

void fs_replay(u8 *mem) {
    struct scan c;
    const struct log_record *r;
    u32 records, blocks;
    if (!fs_log(mem, &records, &blocks) || records == 0) return;
    scan_begin(&c, mem);
    while ((r = scan_record(&c))) {
        for (u32 i = 0; i < r->count; i++)
            memcpy(mem + (u64)r->block[i] * FS_BLOCK_SIZE, ring_block(&c, c.at + 1 + i), FS_BLOCK_SIZE);
        scan_next(&c, r->count);
    }
    // A record that was cut off here keeps its number for itself.
    struct log_anchor a = *anchor_of(mem, c.s);
    a.tail = c.at;
    a.sequence = c.sequence + 1;
    a.sum = label_sum(0, &a, offsetof(struct log_anchor, sum));
    memcpy(mem + (u64)c.s->log_start * FS_BLOCK_SIZE, &a, sizeof a);
}
