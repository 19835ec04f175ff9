// The buffer cache over a disk whose blocks have known contents, each version of each block its own. Included
// by tests of the cache as source.
#include "grade/host/fake_exo.h"
#include "libos/bcache.c"
#include "libos/bdisk.c"
#include "libos/bpolicy.c"
#include "libos/braw.c"

#define cache (&shared.cache)

// ---- blocks of known contents ----

// Word i of a block in its n'th version.
static u64 word_of(u32 block, u32 version, u32 i) {
    return ((u64)block << 32 | version) * 0x9e3779b97f4a7c15 + i;
}

static void put_version(u8 *data, u32 block, u32 version) {
    u64 *w = (u64 *)data;
    w[0] = version;
    for (u32 i = 1; i < EXO_PAGE / 8; i++) w[i] = version ? word_of(block, version, i) : 0;
}

// The version, or -1 if it is not all of one.
static i64 get_version(const u8 *data, u32 block) {
    const u64 *w = (const u64 *)data;
    for (u32 i = 1; i < EXO_PAGE / 8; i++)
        if (w[i] != (w[0] ? word_of(block, w[0], i) : 0)) return -1;
    return w[0];
}

static u8 *media_block(u32 block) { return media + (u64)block * EXO_PAGE; }

static i64 read_version(u32 block) {
    struct buf *b;
    if (bread(cache, block, &b)) return -2;
    i64 version = get_version(b->data, block);
    brelse(cache, b);
    return version;
}

static int write_version(u32 block, u32 version) {
    struct buf *b;
    int err = bread(cache, block, &b);
    if (err) return err;
    put_version(b->data, block, version);
    bdirty(cache, b);
    brelse(cache, b);
    return 0;
}

// A disk whose blocks are of version 1.
static void disk_filled(u32 nblocks, u32 nbufs) {
    disk_new(nblocks, nbufs);
    for (u32 i = 0; i < nblocks; i++) put_version(media_block(i), i, 1);
}

static void as_process(void (*body)(void *)) {
    spawn(body, 0);
    run();
}
