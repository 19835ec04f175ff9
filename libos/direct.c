// Whole blocks between the disk and a program's pages, without a copy through the cache. Called by inode.c,
// with the inode locked: nobody else reads or changes these blocks of it meanwhile.
//
// What is in the cache is newer than what the disk has, so only blocks that are not there are read. Written
// are only blocks that were just allocated and that no state of the file system knows which a power cut could
// bring back (log_fresh): so they need not go through the log, but be durable before the transaction that
// leads to them. Others, and what the disk or the kernel does not take, go the usual way.
#include "fs.h"

#define LEAST 4  // blocks: for fewer, the cache's reading ahead and writing behind do more than a copy costs
#define MOST  16 // of one request

static int suits(const struct fs *fs, u64 off, const void *at, u64 blocks) {
    return fs->pages && off % FS_BLOCK_SIZE == 0 && (u64)at % FS_BLOCK_SIZE == 0 && blocks >= LEAST;
}

u32 direct_read(struct fs *fs, u32 block, u32 run, u64 off, void *to, u64 n) {
    ppn_t ppn[MOST];
    u64 blocks = n / FS_BLOCK_SIZE < run ? n / FS_BLOCK_SIZE : run;
    if (!suits(fs, off, to, blocks)) return 0;
    u32 there = fs->pages(to, blocks < MOST ? blocks : MOST, 1, ppn);
    return there ? bread_pages(fs->cache, block, ppn, there) : 0;
}

// Writes the first of n new blocks that lie one after another and are fresh. How many.
static u32 append_run(struct fs *fs, const u32 *block, const ppn_t *ppn, u32 n) {
    u32 run = 0;
    while (run < n && block[run] == block[0] + run && log_fresh(&fs->log, block[run])) run++;
    if (run == 0 || !(run = bwrite_pages(fs->cache, block[0], ppn, run))) return 0;
    log_bare(&fs->log);
    return run;
}

static int write_cached(struct fs *fs, u32 block, const void *from, fs_copy *copy) {
    struct buf *b;
    if (bnew(fs->cache, block, &b)) return FS_E_IO;
    int err = copy(b->data, from, FS_BLOCK_SIZE);
    log_write(&fs->log, fs->cache, b);
    brelse(fs->cache, b);
    return err ? FS_E_COPY : 0;
}

u64 direct_append(struct fs *fs, struct inode *ip, const void *from, u64 n, fs_copy *copy) {
    ppn_t ppn[MOST];
    u32 block[MOST], bn = ip->d.size / FS_BLOCK_SIZE, have = 0, done = 0;
    if (!suits(fs, ip->d.size, from, n / FS_BLOCK_SIZE)) return 0;
    u32 want = n / FS_BLOCK_SIZE < MOST ? n / FS_BLOCK_SIZE : MOST;
    want = fs->pages(from, want, 0, ppn);
    while (have < want && inode_map(fs, ip, bn + have, MAP_BARE, &block[have]) == 0) have++;
    if (have < want) inode_cut(fs, ip, bn + have); // what was to lead to the next
    while (done < have) {
        u32 run = append_run(fs, block + done, ppn + done, have - done);
        if (run == 0 && write_cached(fs, block[done], (const u8 *)from + done * FS_BLOCK_SIZE, copy)) break;
        done += run ? run : 1;
    }
    if (done < have) inode_cut(fs, ip, bn + done);
    return (u64)done * FS_BLOCK_SIZE;
}
