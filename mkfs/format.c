// An empty file system. See fsimage.h.
#include <string.h>
#include "fsimage.h"

void fs_format(u8 *mem, const struct fs_super *s) {
    memcpy(mem, s, sizeof *s);

    struct log_anchor *a = (struct log_anchor *)(mem + (u64)s->log_start * FS_BLOCK_SIZE);
    *a = (struct log_anchor){LOG_ANCHOR_MAGIC, s->id, s->generation, .sequence = 1};
    a->sum = label_sum(0, a, offsetof(struct log_anchor, sum));

    u8 *bitmap = mem + (u64)s->bitmap_start * FS_BLOCK_SIZE;
    for (u32 b = 0; b < s->bitmap_blocks * FS_BITS; b++)
        if (b <= s->data_start || b >= s->nblocks) bitmap[b / 8] |= 1 << b % 8;

    struct fs_dinode *root = (struct fs_dinode *)(mem + (u64)s->inode_start * FS_BLOCK_SIZE) + FS_ROOT;
    *root = (struct fs_dinode){.type = FS_DIR, .nlink = 1, .size = 2 * sizeof(struct fs_dirent)};
    root->addr[0] = s->data_start;
    struct fs_dirent *e = (struct fs_dirent *)(mem + (u64)s->data_start * FS_BLOCK_SIZE);
    e[0] = (struct fs_dirent){FS_ROOT, "."};
    e[1] = (struct fs_dirent){FS_ROOT, ".."};
}
