// Inodes: the table of those in use, and the bytes of each. Called by dir.c and path.c, and by file.c and
// exec for reading and writing.
//
// A slot of the table belongs to one inode while refs > 0; fs->table protects who has it, ip->lock what is in
// it. An inode whose nlink is 0 is freed by whoever drops the last reference: nobody can find it any more.
#include "fs.h"

#define INDIRECT FS_DIRECT // indices into addr
#define DOUBLE   (FS_DIRECT + 1)

static u64 blocks_of(u64 size) { return (size + FS_BLOCK_SIZE - 1) / FS_BLOCK_SIZE; }

// ---- the table ----

int inode_get(struct fs *fs, u32 inum, struct inode **out) {
    struct inode *slot = 0;
    if (inum == 0 || inum >= fs->super.ninodes) return FS_E_CORRUPT;
    lock_acquire(&fs->table);
    for (struct inode *ip = fs->inode; ip < &fs->inode[fs->ninodes]; ip++) {
        if (ip->refs && ip->inum == inum) {
            slot = ip;
            break;
        }
        if (!slot && !ip->refs) slot = ip;
    }
    if (slot) {
        if (slot->refs++ == 0) {
            slot->inum = inum;
            slot->valid = 0;
        }
    }
    lock_release(&fs->table);
    *out = slot;
    return slot ? 0 : FS_E_TABLE;
}

struct inode *inode_dup(struct fs *fs, struct inode *const *from) {
    lock_acquire(&fs->table);
    struct inode *ip = *from;
    ip->refs++;
    lock_release(&fs->table);
    return ip;
}

static int inode_empty(struct fs *fs, struct inode *ip, enum fs_type type);

// What cannot be freed because the disk fails stays as it is, for the next mount to try again.
void inode_put(struct fs *fs, struct inode *ip) {
    lock_acquire(&fs->table);
    if (ip->refs == 1 && ip->valid && ip->d.nlink == 0) {
        lock_release(&fs->table);
        lock_acquire(&ip->lock); // nobody else has a reference, so this does not wait
        inode_empty(fs, ip, FS_FREE);
        ip->valid = 0;
        lock_release(&ip->lock);
        lock_acquire(&fs->alloc);
        if (ip->inum < fs->next_inode) fs->next_inode = ip->inum;
        lock_release(&fs->alloc);
        lock_acquire(&fs->table);
    }
    ip->refs--;
    lock_release(&fs->table);
}

// ---- between memory and the inode's block ----

static int inode_bread(struct fs *fs, u32 inum, struct buf **b) {
    return bread(fs->cache, fs->super.inode_start + inum / FS_INODES, b) ? FS_E_IO : 0;
}

static int inode_bedit(struct fs *fs, u32 inum, struct buf **b) {
    return bedit(fs, fs->super.inode_start + inum / FS_INODES, b);
}

static struct fs_dinode *dinode(struct buf *b, u32 inum) {
    return (struct fs_dinode *)b->data + inum % FS_INODES;
}

static int inode_load(struct fs *fs, struct inode *ip) {
    struct buf *b;
    int err = inode_bread(fs, ip->inum, &b);
    if (err) return err;
    ip->d = *dinode(b, ip->inum);
    brelse(fs->cache, b);
    if (ip->d.type == FS_FREE) return FS_E_NONE;
    if (ip->d.type > FS_DEVICE || ip->d.size > FS_MAX_SIZE || ip->d.nlink > FS_MAX_LINKS ||
        (ip->d.type == FS_DIR && ip->d.size % sizeof(struct fs_dirent)) ||
        (ip->d.type == FS_DEVICE && ip->d.size))
        return FS_E_CORRUPT;
    ip->valid = 1;
    return 0;
}

int inode_lock(struct fs *fs, struct inode *ip) {
    lock_acquire(&ip->lock);
    int err = ip->valid ? 0 : inode_load(fs, ip);
    if (err) lock_release(&ip->lock);
    return err;
}

void inode_unlock(struct fs *fs, struct inode *ip) {
    (void)fs;
    lock_release(&ip->lock);
}

void inode_drop(struct fs *fs, struct inode *ip) {
    inode_unlock(fs, ip);
    inode_put(fs, ip);
}

int inode_store(struct fs *fs, struct inode *ip) {
    struct buf *b;
    int err = inode_bedit(fs, ip->inum, &b);
    if (err) return err;
    *dinode(b, ip->inum) = ip->d;
    log_write(&fs->log, fs->cache, b);
    brelse(fs->cache, b);
    return 0;
}

// The first inode from *inum on that is free; or, if `nameless`, that is not but has no links. FS_E_INODES:
// none.
static int inode_scan(struct fs *fs, u32 *inum, int nameless) {
    for (u32 i = *inum; i < fs->super.ninodes;) {
        struct buf *b;
        int err = inode_bread(fs, i, &b);
        if (err) return err;
        u32 end = i - i % FS_INODES + FS_INODES;
        while (i < end && (nameless ? dinode(b, i)->type == FS_FREE || dinode(b, i)->nlink
                                    : dinode(b, i)->type != FS_FREE))
            i++;
        brelse(fs->cache, b);
        *inum = i;
        if (i < end) return 0;
    }
    return FS_E_INODES;
}

// Under fs->alloc no inode that the scan found free is taken by another.
int inode_alloc(struct fs *fs, enum fs_type type, struct inode **out) {
    struct buf *b;
    lock_acquire(&fs->alloc);
    u32 inum = fs->next_inode;
    int err = inode_scan(fs, &inum, 0);
    if (err == 0) err = inode_get(fs, inum, out);
    if (err == 0 && (err = inode_bedit(fs, inum, &b))) inode_put(fs, *out);
    if (err == 0) {
        *dinode(b, inum) = (struct fs_dinode){.type = type};
        log_write(&fs->log, fs->cache, b);
        brelse(fs->cache, b);
        fs->next_inode = inum + 1;
    }
    lock_release(&fs->alloc);
    return err;
}

int inode_reclaim(struct fs *fs) {
    int err;
    for (u32 inum = FS_ROOT; (err = inode_scan(fs, &inum, 1)) == 0; inum++) {
        struct inode *ip;
        if ((err = inode_get(fs, inum, &ip))) return err;
        op_begin(&fs->log);
        if (inode_lock(fs, ip) == 0) inode_unlock(fs, ip);
        inode_put(fs, ip);
        op_end(&fs->log);
    }
    return err == FS_E_INODES ? 0 : err;
}

// ---- blocks of an inode ----

// A new block for entry `i` of the indirect block `holder`, or of addr if holder is 0.
static int add_block(struct fs *fs, struct inode *ip, u32 holder, u32 i, int bare, u32 *block) {
    struct buf *b;
    int err = block_alloc(fs, bare, block);
    if (err) return err;
    if (holder == 0) {
        ip->d.addr[i] = *block;
        return 0;
    }
    if (bedit(fs, holder, &b)) {
        block_free(fs, *block);
        return FS_E_IO;
    }
    ((u32 *)b->data)[i] = *block;
    log_write(&fs->log, fs->cache, b);
    brelse(fs->cache, b);
    return 0;
}

// With MAP_FIND, what is missing on the way is damage. No buffer is held from one step to the next: a damaged
// bitmap could name it as free.
int inode_map(struct fs *fs, struct inode *ip, u32 bn, enum map how, u32 *block) {
    u32 level = 0, i = bn, holder = 0;
    if (bn >= FS_DIRECT + FS_POINTERS) {
        bn -= FS_DIRECT + FS_POINTERS;
        level = 2;
        i = DOUBLE;
    } else if (bn >= FS_DIRECT) {
        bn -= FS_DIRECT;
        level = 1;
        i = INDIRECT;
    }
    for (*block = ip->d.addr[i];; level--) {
        struct buf *b;
        int err = 0;
        if (*block == 0 && how != MAP_FIND)
            err = add_block(fs, ip, holder, i, level == 0 && how == MAP_BARE, block);
        else if (!block_ok(fs, *block))
            err = FS_E_CORRUPT;
        if (err || level == 0) return err;
        holder = *block;
        i = level == 2 ? bn / FS_POINTERS : bn % FS_POINTERS;
        if (bread(fs->cache, holder, &b)) return FS_E_IO;
        *block = ((u32 *)b->data)[i];
        brelse(fs->cache, b);
    }
}

int inode_block(struct fs *fs, struct inode *ip, u32 bn, u32 *block) {
    return inode_map(fs, ip, bn, MAP_FIND, block);
}

// Frees the leaves from number `first` on below a block, and the block itself if first is 0. Goes on after an
// error, so that as little as possible is lost, and returns the first one.
static int cut_tree(struct fs *fs, u32 block, u32 level, u32 first) {
    int err = 0;
    struct buf *b;
    if (level && block_ok(fs, block)) {
        if (bread(fs->cache, block, &b)) return FS_E_IO;
        u32 span = level == 2 ? FS_POINTERS : 1, *entry = (u32 *)b->data;
        for (u32 i = first / span; i < FS_POINTERS; i++) {
            u32 sub = i == first / span ? first % span : 0;
            if (entry[i] == 0) continue;
            int e = entry[i] == block ? FS_E_CORRUPT : cut_tree(fs, entry[i], level - 1, sub);
            err = err ? err : e;
            if (first && sub == 0) // in a block that is freed itself it does not matter
                entry[i] = 0;
        }
        if (first) log_write(&fs->log, fs->cache, b);
        brelse(fs->cache, b);
    }
    int e = first ? 0 : block_free(fs, block);
    return err ? err : e;
}

// Frees all blocks of d from number `keep` on.
static int cut(struct fs *fs, struct fs_dinode *d, u64 keep) {
    u64 base = 0;
    int err = 0;
    for (u32 i = 0; i < FS_DIRECT + 2; i++) {
        u32 level = i < FS_DIRECT ? 0 : i - FS_DIRECT + 1;
        u64 span = level == 0 ? 1 : level == 1 ? FS_POINTERS : FS_POINTERS * FS_POINTERS;
        u32 first = keep > base ? keep - base : 0;
        if (first < span && d->addr[i]) {
            int e = cut_tree(fs, d->addr[i], level, first);
            err = err ? err : e;
            if (first == 0) d->addr[i] = 0;
        }
        base += span;
    }
    return err;
}

int inode_cut(struct fs *fs, struct inode *ip, u64 keep) { return cut(fs, &ip->d, keep); }

// Makes ip an empty inode of the given type. The inode lets go of its blocks before they are freed: when the
// disk fails in between they are lost, but never two files'.
static int inode_empty(struct fs *fs, struct inode *ip, enum fs_type type) {
    struct fs_dinode old = ip->d;
    ip->d.type = type;
    ip->d.size = 0;
    __builtin_memset(ip->d.addr, 0, sizeof ip->d.addr);
    int err = inode_store(fs, ip);
    if (err) {
        ip->d = old;
        return err;
    }
    return cut(fs, &old, 0);
}

int inode_trunc(struct fs *fs, struct inode *ip) { return inode_empty(fs, ip, ip->d.type); }

// ---- bytes ----

struct fs_stat inode_stat(const struct inode *ip) {
    return (struct fs_stat){ip->inum, ip->d.type, ip->d.nlink, ip->d.size};
}

static int copy_bytes(fs_copy *copy, void *to, const void *from, u64 n) {
    if (copy) return copy(to, from, n) ? FS_E_COPY : 0;
    __builtin_memcpy(to, from, n);
    return 0;
}

// How many blocks from block bn on, before block `end`, follow one another on the disk, and the first of
// them.
static u32 run_of(struct fs *fs, struct inode *ip, u64 bn, u64 end, u32 *first) {
    u32 next, n = 1;
    if (inode_block(fs, ip, bn, first)) return 0;
    while (n < 16 && bn + n < end && inode_block(fs, ip, bn + n, &next) == 0 && next == *first + n) n++;
    return n;
}

static u64 min(u64 a, u64 b) { return a < b ? a : b; }

i64 inode_read(struct fs *fs, struct inode *ip, u64 off, void *to, u64 n, fs_copy *copy) {
    if (off >= ip->d.size) return 0;
    n = min(n, ip->d.size - off);
    u64 done = 0, seen = 0;
    int err = 0;
    while (done < n) {
        u64 at = off + done, in = at % FS_BLOCK_SIZE, m = min(n - done, FS_BLOCK_SIZE - in);
        u32 block;
        struct buf *b;
        if (at / FS_BLOCK_SIZE >= seen) {
            u32 run = run_of(fs, ip, at / FS_BLOCK_SIZE, blocks_of(off + n), &block);
            u32 moved = copy ? direct_read(fs, block, run, at, (u8 *)to + done, n - done) : 0;
            done += (u64)moved * FS_BLOCK_SIZE;
            if (moved) continue;
            if (run > 1) bahead(fs->cache, block, run);
            seen = at / FS_BLOCK_SIZE + (run ? run : 1);
        }
        if ((err = inode_block(fs, ip, at / FS_BLOCK_SIZE, &block))) break;
        if (bread(fs->cache, block, &b)) {
            err = FS_E_IO;
            break;
        }
        err = copy_bytes(copy, (u8 *)to + done, b->data + in, m);
        brelse(fs->cache, b);
        if (err) break;
        done += m;
    }
    return done ? (i64)done : err;
}

// One block's share of a write. A block that was allocated for it and could not be filled is freed again.
static int write_block(struct fs *fs, struct inode *ip, u64 at, const void *from, u64 m, fs_copy *copy) {
    u64 have = blocks_of(ip->d.size);
    int grow = at / FS_BLOCK_SIZE == have;
    u32 block;
    struct buf *b;
    int err = inode_map(fs, ip, at / FS_BLOCK_SIZE, grow ? MAP_GROW : MAP_FIND, &block);
    if (err == 0) err = bedit(fs, block, &b);
    if (err == 0) {
        err = copy_bytes(copy, b->data + at % FS_BLOCK_SIZE, from, m);
        log_write(&fs->log, fs->cache, b);
        brelse(fs->cache, b);
    }
    if (err && grow) cut(fs, &ip->d, have);
    return err;
}

i64 inode_write(struct fs *fs, struct inode *ip, u64 off, const void *from, u64 n, fs_copy *copy) {
    if (ip->d.type == FS_DEVICE) return FS_E_TYPE;
    if (off > ip->d.size || n > FS_WRITE_MAX || n > FS_MAX_SIZE - off) return FS_E_RANGE;
    u64 done = 0, size = ip->d.size;
    int err = 0;
    while (done < n) {
        u64 at = off + done, m = 0;
        if (copy && at == ip->d.size) m = direct_append(fs, ip, (const u8 *)from + done, n - done, copy);
        done += m;
        ip->d.size += m;
        if (m) continue;
        m = min(n - done, FS_BLOCK_SIZE - at % FS_BLOCK_SIZE);
        if ((err = write_block(fs, ip, at, (const u8 *)from + done, m, copy))) break;
        done += m;
        if (at + m > ip->d.size) ip->d.size = at + m;
    }
    int stored = ip->d.size != size ? inode_store(fs, ip) : 0;
    if (stored) { // the disk does not know of the blocks that were added: neither may memory
        ip->d.size = size;
        cut(fs, &ip->d, blocks_of(size));
        return stored;
    }
    return done ? (i64)done : err;
}
