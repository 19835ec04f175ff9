// Where the parts of a file system lie. Called by mkfs to lay one out, by mount and fsck to trust a
// superblock.
#include "fsformat.h"

static void place(struct fs_super *s) {
    s->log_start = 1;
    s->inode_start = s->log_start + s->log_blocks;
    s->inode_blocks = s->ninodes / FS_INODES;
    s->bitmap_start = s->inode_start + s->inode_blocks;
    s->bitmap_blocks = (s->nblocks + FS_BITS - 1) / FS_BITS;
    s->data_start = s->bitmap_start + s->bitmap_blocks;
}

// Anchor, head, and the blocks of one transaction.
static u32 log_least(const struct fs_super *s) { return 2 + FS_OP_BLOCKS(s); }

u32 fs_layout(struct fs_super *s, u64 nblocks, u32 ninodes, u64 id) {
    *s = (struct fs_super){.magic = FS_MAGIC, .version = FS_VERSION, .id = id, .generation = 1};
    s->nblocks = nblocks < FS_MAX_BLOCKS ? nblocks : FS_MAX_BLOCKS;
    s->bitmap_blocks = (s->nblocks + FS_BITS - 1) / FS_BITS;
    if (ninodes == 0) ninodes = s->nblocks / 4 + 1;
    if (ninodes > FS_MAX_INODES) ninodes = FS_MAX_INODES;
    s->ninodes = (ninodes + FS_INODES - 1) / FS_INODES * FS_INODES;
    s->log_blocks = s->nblocks / 16 < FS_MAX_LOG ? s->nblocks / 16 : FS_MAX_LOG;
    if (s->log_blocks < log_least(s)) s->log_blocks = log_least(s);
    place(s);
    s->sum = label_sum(0, s, offsetof(struct fs_super, sum));
    return s->data_start + FS_MIN_DATA;
}

int fs_super_ok(const struct fs_super *s, u64 nblocks) {
    if (s->magic != FS_MAGIC || s->version != FS_VERSION ||
        s->sum != label_sum(0, s, offsetof(struct fs_super, sum)))
        return 0;
    for (int i = 0; i < 6; i++)
        if (s->spare[i]) return 0;
    if (s->nblocks > nblocks || s->nblocks > FS_MAX_BLOCKS || s->log_blocks > s->nblocks) return 0;
    if (s->ninodes == 0 || s->ninodes > FS_MAX_INODES || s->ninodes % FS_INODES) return 0;
    struct fs_super want = *s;
    place(&want);
    return s->log_start == want.log_start && s->inode_start == want.inode_start &&
           s->inode_blocks == want.inode_blocks && s->bitmap_start == want.bitmap_start &&
           s->bitmap_blocks == want.bitmap_blocks && s->data_start == want.data_start &&
           s->log_blocks >= log_least(s) && s->data_start + FS_MIN_DATA <= s->nblocks;
}
