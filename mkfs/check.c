// Checks a file system against what fsformat.h promises. It reads the blocks by itself and shares no code
// with libos/, so that neither hides the other's mistakes. Trusts nothing: every number is tested before it
// is used.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "fsimage.h"
#include "host.h"

struct check {
    const u8 *mem;
    const struct fs_super *s;
    FILE *out;
    const char *who;
    u32 violations;
    struct fs_found *found;
    u32 *owner;  // of each block: the inode that reaches it
    u32 *links;  // of each inode: entries that name it, "." and ".." left out
    u32 *subs;   // of each directory: entries that name directories
    u32 *parent; // of each directory: where its entry is
    u32 *up;     // of each directory: where its ".." points
};

static void __attribute__((format(printf, 2, 3))) bad(struct check *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(c->out, "%s: ", c->who);
    vfprintf(c->out, format, args);
    fputc('\n', c->out);
    va_end(args);
    c->violations++;
}

static const void *block_at(const struct check *c, u32 b) { return c->mem + (u64)b * FS_BLOCK_SIZE; }

static const struct fs_dinode *inode_at(const struct check *c, u32 inum) {
    return (const struct fs_dinode *)block_at(c, c->s->inode_start) + inum;
}

// ---- log ----

// What the file system will be once it is mounted: c->mem as it is, or a copy in which the log was replayed,
// which is returned for free().
static u8 *check_log(struct check *c, u32 nblocks) {
    if (!fs_log(c->mem, &c->found->records, &c->found->blocks)) {
        bad(c, "log: no anchor of this file system, or a transaction of blocks it may not have");
        return 0;
    }
    if (c->found->records == 0) return 0;
    u8 *copy = grab(nblocks, FS_BLOCK_SIZE);
    memcpy(copy, c->mem, (u64)c->s->nblocks * FS_BLOCK_SIZE);
    fs_replay(copy);
    c->mem = copy;
    c->s = (const struct fs_super *)copy;
    return copy;
}

// ---- blocks of inodes ----

static int claim(struct check *c, u32 inum, u32 b, const char *what) {
    if (b < c->s->data_start || b >= c->s->nblocks) {
        bad(c, "inode %u: %s %u is no data block", inum, what, b);
        return 0;
    }
    if (c->owner[b]) {
        bad(c, "inode %u: %s %u is also inode %u's", inum, what, b, c->owner[b]);
        return 0;
    }
    c->owner[b] = inum;
    return 1;
}

// Follows what begins at file block `base`. leaf[0..n) gets the blocks below the size; 0 where there is none.
static void claim_tree(struct check *c, u32 inum, u32 b, u32 level, u64 base, u32 *leaf, u64 n) {
    if (b == 0) {
        if (base < n)
            bad(c, "inode %u: nothing from its block %llu on, of %llu", inum, (unsigned long long)base,
                (unsigned long long)n);
        return;
    }
    if (base >= n) bad(c, "inode %u: block %u lies past its size", inum, b);
    if (!claim(c, inum, b, level ? "indirect block" : "block")) return;
    if (level == 0) {
        if (base < n) leaf[base] = b;
        return;
    }
    const u32 *entry = block_at(c, b);
    u64 span = level == 2 ? FS_POINTERS : 1;
    for (u32 i = 0; i < FS_POINTERS; i++) claim_tree(c, inum, entry[i], level - 1, base + i * span, leaf, n);
}

static void claim_blocks(struct check *c, u32 inum, u32 *leaf, u64 n) {
    const struct fs_dinode *d = inode_at(c, inum);
    for (u32 i = 0; i < FS_DIRECT; i++) claim_tree(c, inum, d->addr[i], 0, i, leaf, n);
    claim_tree(c, inum, d->addr[FS_DIRECT], 1, FS_DIRECT, leaf, n);
    claim_tree(c, inum, d->addr[FS_DIRECT + 1], 2, FS_DIRECT + FS_POINTERS, leaf, n);
}

// ---- directories ----

static int by_name(const void *a, const void *b) {
    return memcmp(*(const char *const *)a, *(const char *const *)b, FS_NAME);
}

static const char here[FS_NAME] = ".", above[FS_NAME] = "..";

static int is(const char *name, const char *want) { return memcmp(name, want, FS_NAME) == 0; }

static int good_name(const char *name) {
    u32 n = strnlen(name, FS_NAME);
    if (n == 0 || memchr(name, '/', n)) return 0;
    for (u32 i = n; i < FS_NAME; i++)
        if (name[i]) return 0;
    return !is(name, here) && !is(name, above);
}

static void check_entry(struct check *c, u32 dir, const struct fs_dirent *e) {
    if (!good_name(e->name)) bad(c, "directory %u: bad name \"%.14s\"", dir, e->name);
    if (e->inum >= c->s->ninodes || inode_at(c, e->inum)->type == FS_FREE) {
        bad(c, "directory %u: \"%.14s\" names inode %u, which is free", dir, e->name, e->inum);
        return;
    }
    c->links[e->inum]++;
    if (inode_at(c, e->inum)->type == FS_DIR) {
        c->subs[dir]++;
        c->parent[e->inum] = dir;
    }
}

// Entry i of a directory. Returns whether it is in use and not one of the first two.
static int check_slot(struct check *c, u32 dir, u64 i, const struct fs_dirent *e) {
    if (i == 0 && (e->inum != dir || !is(e->name, here)))
        bad(c, "directory %u: its first entry is not \".\"", dir);
    if (i == 1 && !is(e->name, above)) bad(c, "directory %u: its second entry is not \"..\"", dir);
    if (i == 1) c->up[dir] = e->inum;
    if (i < 2 || e->inum == 0) return 0;
    check_entry(c, dir, e);
    return 1;
}

static void check_dir(struct check *c, u32 inum, const u32 *leaf, u64 nblocks) {
    u64 n = inode_at(c, inum)->size / sizeof(struct fs_dirent), there = 0, nnames = 0;
    for (u64 b = 0; b < nblocks; b++) there += leaf[b] != 0;
    const char **names = grab(there * FS_ENTRIES, sizeof *names);
    for (u64 b = 0; b < nblocks; b++) {
        const struct fs_dirent *e = leaf[b] ? block_at(c, leaf[b]) : 0;
        for (u64 i = b * FS_ENTRIES; e && i < (b + 1) * FS_ENTRIES && i < n; i++, e++)
            if (check_slot(c, inum, i, e)) names[nnames++] = e->name;
    }
    if (n < 2) bad(c, "directory %u: no \".\" and \"..\"", inum);
    if (nnames && inode_at(c, inum)->nlink == 0) bad(c, "directory %u: removed, but not empty", inum);
    qsort(names, nnames, sizeof *names, by_name);
    for (u64 i = 1; i < nnames; i++)
        if (by_name(&names[i - 1], &names[i]) == 0) bad(c, "directory %u: \"%.14s\" twice", inum, names[i]);
    free(names);
}

static void check_inode(struct check *c, u32 inum) {
    const struct fs_dinode *d = inode_at(c, inum);
    u64 size = d->size;
    if (d->type > FS_DEVICE) {
        bad(c, "inode %u: no such type: %u", inum, d->type);
        return;
    }
    if (d->type == FS_FREE && d->nlink) bad(c, "inode %u: free, but with %u links", inum, d->nlink);
    if ((d->type == FS_FREE || d->type == FS_DEVICE) && size) {
        bad(c, "inode %u: free or a device, but of %llu bytes", inum, (unsigned long long)size);
        size = 0;
    }
    if (size > FS_MAX_SIZE) {
        bad(c, "inode %u: impossible size %llu", inum, (unsigned long long)size);
        return;
    }
    if (d->type == FS_DIR && size % sizeof(struct fs_dirent))
        bad(c, "directory %u: size %llu is not whole entries", inum, (unsigned long long)size);
    u64 n = (size + FS_BLOCK_SIZE - 1) / FS_BLOCK_SIZE;
    u32 *leaf = grab(n, sizeof *leaf);
    claim_blocks(c, inum, leaf, n);
    if (d->type == FS_DIR) check_dir(c, inum, leaf, n);
    free(leaf);
}

static void check_links(struct check *c, u32 inum) {
    const struct fs_dinode *d = inode_at(c, inum);
    if (d->type == FS_FREE || d->type > FS_DEVICE) return;
    u32 named = c->links[inum], want = named;
    if (named == 0 && d->nlink == 0) { // mounting will free it
        c->found->nameless++;
        return;
    }
    if (d->type == FS_DIR) {
        u32 parent = inum == FS_ROOT ? FS_ROOT : c->parent[inum], top = inum;
        if (named != (inum != FS_ROOT)) bad(c, "directory %u: named %u times", inum, named);
        if (parent && c->up[inum] != parent)
            bad(c, "directory %u: \"..\" is %u, it lies in %u", inum, c->up[inum], parent);
        for (u32 i = 0; i < c->s->ninodes && top && top != FS_ROOT; i++) top = c->parent[top];
        if (top != FS_ROOT) bad(c, "directory %u: no path leads from the root to it", inum);
        want = 1 + c->subs[inum];
    } else if (named == 0) {
        bad(c, "inode %u: nothing names it", inum);
    }
    if (d->nlink != want) bad(c, "inode %u: nlink is %u, not %u", inum, d->nlink, want);
}

// ---- all of it ----

static void check_bitmap(struct check *c) {
    const u8 *map = block_at(c, c->s->bitmap_start);
    for (u32 b = 0; b < c->s->bitmap_blocks * FS_BITS; b++) {
        int set = map[b / 8] >> b % 8 & 1;
        int used = b < c->s->data_start || b >= c->s->nblocks || c->owner[b];
        if (used && !set) bad(c, "bitmap: block %u is in use, but marked as free", b);
        if (!used && set) bad(c, "bitmap: block %u is lost: marked, but not in use", b);
    }
}

static int zeros(const u8 *p, u64 n) {
    while (n && p[n - 1] == 0) n--;
    return n == 0;
}

u32 fs_examine(const u8 *mem, u32 nblocks, FILE *out, const char *who, struct fs_found *found) {
    struct check c = {.mem = mem, .s = (const struct fs_super *)mem, .out = out, .who = who, .found = found};
    *found = (struct fs_found){0};
    if (nblocks == 0 || !fs_super_ok(c.s, nblocks)) {
        bad(&c, "no superblock of a file system that fits its %u blocks", nblocks);
        return c.violations;
    }
    u32 ninodes = c.s->ninodes;
    c.owner = grab(c.s->nblocks, sizeof(u32));
    c.links = grab(ninodes, sizeof(u32));
    c.subs = grab(ninodes, sizeof(u32));
    c.parent = grab(ninodes, sizeof(u32));
    c.up = grab(ninodes, sizeof(u32));

    u8 *replayed = check_log(&c, nblocks);
    if (!zeros(mem + sizeof *c.s, FS_BLOCK_SIZE - sizeof *c.s))
        bad(&c, "superblock: bytes after it are not 0");
    if (!zeros((const u8 *)inode_at(&c, 0), sizeof(struct fs_dinode))) bad(&c, "inode 0 is not 0");
    if (inode_at(&c, FS_ROOT)->type != FS_DIR) bad(&c, "the root is not a directory");
    for (u32 i = 1; i < ninodes; i++) check_inode(&c, i);
    for (u32 i = 1; i < ninodes; i++) check_links(&c, i);
    check_bitmap(&c);

    free(c.owner);
    free(c.links);
    free(c.subs);
    free(c.parent);
    free(c.up);
    free(replayed);
    return c.violations;
}

u32 fs_check(const u8 *mem, u32 nblocks, FILE *out, const char *who) {
    struct fs_found found;
    return fs_examine(mem, nblocks, out, who, &found);
}
