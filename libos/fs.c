// Mounting, and which blocks are free. Called by the libOS when it starts, and by inode.c for blocks.
//
// The bitmap and what is known of it (nfree, next_block) change together, under fs->alloc.
#include "fs.h"

_Static_assert(LOG_E_IO == (int)FS_E_IO && LOG_E_CORRUPT == (int)FS_E_CORRUPT &&
                   LOG_E_MEMORY == (int)FS_E_MEMORY,
               "log_open's errors are fs_mount's");

// Counts free blocks: nothing is kept on the disk that could disagree with the bitmap.
static int count_free(struct fs *fs) {
    for (u32 i = 0; i < fs->super.bitmap_blocks; i++) {
        struct buf *b;
        if (bread(fs->cache, fs->super.bitmap_start + i, &b)) return FS_E_IO;
        const u64 *word = (const u64 *)b->data;
        for (u32 w = 0; w < FS_BLOCK_SIZE / sizeof *word; w++)
            for (u64 clear = ~word[w]; clear; clear &= clear - 1) fs->nfree++;
        brelse(fs->cache, b);
    }
    return 0;
}

int fs_mount(struct fs *fs, u64 bytes, struct bcache *cache) {
    if (bytes < FS_MEMORY(1)) return FS_E_MEMORY;
    __builtin_memset(fs, 0, bytes);
    fs->cache = cache;
    fs->ninodes = (bytes - sizeof *fs) / sizeof fs->inode[0];

    struct buf *b;
    if (bread(cache, 0, &b)) return FS_E_IO;
    __builtin_memcpy(&fs->super, b->data, sizeof fs->super);
    brelse(cache, b);
    if (!fs_super_ok(&fs->super, cache->nblocks)) return FS_E_FORMAT;
    fs->next_block = fs->super.data_start;
    fs->next_inode = FS_ROOT + 1;
    int err = log_open(&fs->log, cache, &fs->super);
    if (err == 0) err = count_free(fs);
    return err ? err : inode_reclaim(fs);
}

int fs_freeze(struct fs *fs) { return log_freeze(&fs->log, fs->cache) ? FS_E_IO : 0; }

void fs_thaw(struct fs *fs) { log_thaw(&fs->log); }

int fs_sync(struct fs *fs) { return log_sync(&fs->log, fs->cache) ? FS_E_IO : 0; }

int bedit(struct fs *fs, u32 block, struct buf **b) {
    return log_refuses(&fs->log) || bread(fs->cache, block, b) ? FS_E_IO : 0;
}

int block_ok(const struct fs *fs, u32 block) {
    return block >= fs->super.data_start && block < fs->super.nblocks;
}

static int bedit_bitmap(struct fs *fs, u32 block, struct buf **b) {
    return bedit(fs, fs->super.bitmap_start + block / FS_BITS, b);
}

// The first clear bit of a bitmap block, from bit `from` on; FS_BITS if there is none.
static u32 clear_bit(const u8 *map, u32 from) {
    for (u32 i = from; i < FS_BITS; i++) {
        if (i % 8 == 0 && map[i / 8] == 0xff)
            i += 7;
        else if (!(map[i / 8] >> i % 8 & 1))
            return i;
    }
    return FS_BITS;
}

static int zero(struct fs *fs, u32 block) {
    struct buf *b;
    if (bnew(fs->cache, block, &b)) return FS_E_IO;
    log_write(&fs->log, fs->cache, b);
    brelse(fs->cache, b);
    return 0;
}

// Sets the block's bit; b is its block of the bitmap.
static int take(struct fs *fs, struct buf *b, int bare, u32 block) {
    if (!bare && zero(fs, block)) return FS_E_IO;
    b->data[block % FS_BITS / 8] |= 1 << block % 8;
    log_write(&fs->log, fs->cache, b);
    fs->nfree--;
    fs->next_block = block + 1;
    return 0;
}

// First fit: no block below next_block is free.
int block_alloc(struct fs *fs, int bare, u32 *block) {
    int err = FS_E_SPACE;
    lock_acquire(&fs->alloc);
    u32 at = fs->nfree ? fs->next_block : fs->super.nblocks;
    while (err == FS_E_SPACE && at < fs->super.nblocks) {
        struct buf *b;
        if (bedit_bitmap(fs, at, &b)) {
            err = FS_E_IO;
            break;
        }
        u32 bit = clear_bit(b->data, at % FS_BITS);
        at += bit - at % FS_BITS;
        if (bit < FS_BITS && at < fs->super.nblocks) {
            err = take(fs, b, bare, at);
            if (err == 0) *block = at;
        }
        brelse(fs->cache, b);
    }
    lock_release(&fs->alloc);
    return err;
}

int block_free(struct fs *fs, u32 block) {
    struct buf *b;
    if (!block_ok(fs, block)) return FS_E_CORRUPT;
    lock_acquire(&fs->alloc);
    int err = bedit_bitmap(fs, block, &b);
    if (err == 0) {
        u8 bit = 1 << block % 8, *byte = &b->data[block % FS_BITS / 8];
        if (*byte & bit) {
            *byte &= ~bit;
            log_write(&fs->log, fs->cache, b);
            log_freed(&fs->log, block);
            fs->nfree++;
            if (block < fs->next_block) fs->next_block = block;
        } else {
            err = FS_E_CORRUPT;
        }
        brelse(fs->cache, b);
    }
    lock_release(&fs->alloc);
    return err;
}
