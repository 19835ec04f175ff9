// The file system as it lies on its extent: blocks of 4 KiB, counted from the extent's first, in this order:
//     superblock | log: anchor, ring | inodes | bitmap | data
// Shared by the libOS, mkfs, fsck and the tests. Fields are little-endian, spare bytes 0.
//
// What holds in a sound file system: the bitmap's bits are set for exactly the blocks below data_start and
// those that an inode reaches, each of which is reached once. An inode has the blocks below its size, without
// holes, and the indirect blocks that lead to them. A file's nlink is the number of entries that name it, a
// directory's is 1 plus its subdirectories. A directory's first entries are "." and ".."; the root's ".." is
// itself. No two entries of a directory have the same name. An inode with nlink 0 and a type was still open
// when the machine stopped; mounting frees it.
#ifndef EXV6_FSFORMAT_H
#define EXV6_FSFORMAT_H

#include <exo/image.h>

#define FS_BLOCK_SIZE DISK_BLOCK_SIZE
#define FS_MAGIC      0x3130534636565845 // "EXV6FS01"
#define FS_VERSION    1
#define FS_MAX_BLOCKS \
    (1u << 20)        // 4 GiB: so the bitmap is small enough for any transaction to touch all of it
#define FS_MIN_DATA 8 // data blocks
#define FS_MAX_LOG  256

#define FS_ROOT   1  // inode of "/"; there is no inode 0
#define FS_NAME   14 // bytes of a name; shorter ones are padded with NULs
#define FS_DIRECT 10

// So many of them in a block.
#define FS_INODES   ((u32)(FS_BLOCK_SIZE / sizeof(struct fs_dinode)))
#define FS_ENTRIES  ((u32)(FS_BLOCK_SIZE / sizeof(struct fs_dirent)))
#define FS_POINTERS ((u32)(FS_BLOCK_SIZE / sizeof(u32)))
#define FS_BITS     (FS_BLOCK_SIZE * 8u)

#define FS_MAX_INODES (65536 - FS_INODES) // an entry has 16 bits for the number
#define FS_MAX_LINKS  32767               // st_nlink is a short
#define FS_MAX_SIZE   ((u64)(FS_DIRECT + FS_POINTERS + FS_POINTERS * FS_POINTERS) * FS_BLOCK_SIZE)

// What one transaction may change, in blocks: the bitmap, 9 of data, what leads to them, a few inodes.
#define FS_OP_BLOCKS(super) (16 + (super)->bitmap_blocks)

struct fs_super {
    u64 magic;
    u32 version;
    u32 nblocks;
    u32 ninodes; // 0 to ninodes - 1, whole blocks of them
    u32 log_start;
    u32 log_blocks;
    u32 inode_start;
    u32 inode_blocks;
    u32 bitmap_start; // bit b % 8 of byte b / 8: block b is in use; bits from nblocks on are set
    u32 bitmap_blocks;
    u32 data_start;
    u64 id;         // with generation: what the log of another file system left here is not replayed
    u64 generation; // grows when the log starts again without a replay
    u64 spare[6];
    u64 sum; // label_sum(everything before it)
};

enum fs_type { FS_FREE, FS_DIR, FS_FILE, FS_DEVICE }; // as T_DIR and so on in user/kernel/stat.h

struct fs_dinode {
    u16 type;
    u16 major;
    u16 minor;
    u16 nlink;
    u64 size;                // bytes
    u32 addr[FS_DIRECT + 2]; // direct blocks; the indirect and the double indirect block; 0: none
};

struct fs_dirent { // what programs know as struct dirent
    u16 inum;      // 0: the entry is not in use
    char name[FS_NAME];
};

// The log's first block holds the anchor, the others are a ring of records with rising `sequence`. A record
// is a head and `count` blocks after it, the new contents of block[0..count). It is committed once all of it
// is on the disk, which its sum tells. Replay begins at the anchor's record and ends at the first that is not
// the one expected or whose sum is wrong; then the anchor moves to where that one is. If it was begun but
// never committed, its number is left out, so that no later record makes it whole.
#define LOG_ANCHOR_MAGIC 0x41474f4c36565845 // "EXV6LOGA"
#define LOG_RECORD_MAGIC 0x52474f4c36565845 // "EXV6LOGR"
#define LOG_RECORD_MAX   1012               // blocks

struct log_anchor {
    u64 magic;
    u64 id, generation; // of the superblock
    u64 sequence;       // of the oldest record that may not be in its place yet
    u32 tail;           // where in the ring that record begins; 0 is the block after the anchor
    u32 spare;
    u64 sum; // of everything before it
};

struct log_record {
    u64 magic;
    u64 id, generation;
    u64 sequence;
    u32 count;
    u32 spare;
    u32 block[LOG_RECORD_MAX];
    u64 sum; // of everything before it, then of the blocks
};

_Static_assert(offsetof(struct fs_super, id) == 48, "fs_super.id");
_Static_assert(offsetof(struct fs_super, sum) == 112, "fs_super.sum");
_Static_assert(sizeof(struct fs_super) == 120, "fs_super");
_Static_assert(offsetof(struct fs_dinode, addr) == 16, "fs_dinode.addr");
_Static_assert(sizeof(struct fs_dinode) == 64, "fs_dinode");
_Static_assert(sizeof(struct fs_dirent) == 16, "fs_dirent");
_Static_assert(sizeof(struct log_anchor) == 48, "log_anchor");
_Static_assert(sizeof(struct log_record) == FS_BLOCK_SIZE, "log_record");

// Both are in libos/super.c.

// Lays a file system out on nblocks blocks and fills in its superblock. ninodes is rounded up to whole
// blocks; 0 means one inode for four blocks. Returns the least number of blocks that this layout needs: s can
// be used if that is not more than nblocks. Of more than FS_MAX_BLOCKS the rest is left unused.
u32 fs_layout(struct fs_super *s, u64 nblocks, u32 ninodes, u64 id);

// Whether s is the superblock of a file system that fits an extent of nblocks.
int fs_super_ok(const struct fs_super *s, u64 nblocks);

#endif
