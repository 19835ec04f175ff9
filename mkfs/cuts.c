// What would be on a disk had the power been cut, at each moment of a run, and what that is worth.
//
//   cuts BASE TAPE SEED OUT
//
// BASE is the disk's image at the start, TAPE the struct disk_tape that the kernel made of the run's writes
// (<exo/trace.h>). For each moment it is tried that all is there that was written; and, of what no flush has
// confirmed: all but one block, one block only, some drawn from SEED, some sectors only of the last. Each
// such disk is examined as fsck does, its log replayed, and the directory /w listed. Prints
//
//   cut WRITES KIND VIOLATIONS STATE HASH NEXT BEGUN ENTRY...     the cut comes after so many writes; KIND
//   says
//                                                              what is missing, HASH is of all blocks
//                                                              behind the log after the replay; NEXT is
//                                                              the record that would come, BEGUN whether
//                                                              one is there in part
//   state STATE / path type nlink size sum, a line each / end
//   broken WRITES KIND first violation
//
// and writes OUT, the same cuts for a program that recovers each disk itself (cuts.h).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <exo/trace.h>
#include "cuts.h"
#include "fsimage.h"
#include "host.h"

typedef unsigned long long ull;

static const u8 *base; // of the file system
static u32 nblocks, start;
static u32 nwrites;
static u32 where[CUTS_WRITES]; // block of each write
static const u8 *data;         // of all writes
static u32 solid[CUTS_WRITES]; // of each write: those before it that were confirmed when it was done
static struct cut *cuts;
static char (*kinds)[32];
static u32 ncuts, room;

// ---- input ----

static void find_fs(const u8 *disk, u64 blocks) {
    const struct label *l = (const struct label *)disk;
    if (label_check(l, blocks)) die("%s", label_error_name(label_check(l, blocks)));
    const struct label_extent *e = label_find(l, "fs");
    if (!e || !fs_super_ok((const struct fs_super *)(disk + (u64)e->start * DISK_BLOCK_SIZE), e->count))
        die("there is no file system");
    start = e->start;
    base = disk + (u64)start * DISK_BLOCK_SIZE;
    nblocks = ((const struct fs_super *)base)->nblocks;
}

static void read_tape(const char *path) {
    u64 size;
    const struct disk_tape *t = (const struct disk_tape *)read_file(path, &size);
    if (size < sizeof *t || t->lost || t->n > TAPE_ENTRIES || t->ndata > size / DISK_BLOCK_SIZE - TAPE_BLOCKS)
        die("%s: more was written than there is room for", path);
    if (t->ndata > 1000) die("%s: more than 1000 blocks were written", path);
    data = (const u8 *)(t + 1);
    u32 sure = 0;
    for (u64 i = 0; i < t->n; i++) {
        if (t->entry[i] == TAPE_FLUSH) {
            sure = nwrites;
            continue;
        }
        if (t->entry[i] < start || t->entry[i] >= start + nblocks)
            die("a block outside the file system was written");
        where[nwrites] = (u32)t->entry[i] - start;
        solid[nwrites++] = sure;
    }
    // A flush confirms what was there when it began: at the moment after a write, that is what came before
    // it.
}

// ---- the cuts ----

static void add(struct cut c, const char *kind, u32 which) {
    if (ncuts == room) {
        room = room ? 2 * room : 1024;
        cuts = realloc(cuts, room * sizeof *cuts);
        kinds = realloc(kinds, room * sizeof *kinds);
        if (!cuts || !kinds) die("out of memory");
    }
    snprintf(kinds[ncuts], sizeof *kinds, "%s%u", kind, which);
    cuts[ncuts++] = c;
}

static void set(struct cut *c, u32 i, int there) {
    u64 bit = 1ull << i % 64;
    c->there[i / 64] = there ? c->there[i / 64] | bit : c->there[i / 64] & ~bit;
}

static u64 draw(u64 *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

// After n writes, of which the last flush has confirmed `sure`.
static void add_moment(u32 n, u32 sure, int last, u64 *seed) {
    if (n - sure > CUTS_PENDING) die("%u blocks were written without a flush", n - sure);
    struct cut all = {.solid = sure, .pending = n - sure}, c;
    for (u32 i = 0; i < all.pending; i++) set(&all, i, 1);
    add(all, "all", 0);
    if (n == sure) return;
    c = all;
    set(&c, all.pending - 1, 0);
    c.torn = n;
    c.sectors = 1 + (u32)draw(seed) % 254;
    add(c, "torn", n);
    if (!last) return;
    for (u32 i = 0; i < all.pending; i++) { // each is lost once, and each is alone there once
        c = all;
        set(&c, i, 0);
        add(c, "without", sure + i + 1);
        c = (struct cut){.solid = sure, .pending = n - sure};
        set(&c, i, 1);
        add(c, "only", sure + i + 1);
    }
    for (u32 k = 0; k < all.pending && k < 8; k++) {
        c = all;
        for (u32 i = 0; i < all.pending; i++) set(&c, i, draw(seed) >> 20 & 1);
        add(c, "some", k);
    }
}

static void make_cuts(u64 seed) {
    add_moment(0, 0, 0, &seed);
    for (u32 n = 1; n <= nwrites; n++) {
        u32 sure = solid[n - 1], next = n < nwrites ? solid[n] : 0;
        add_moment(n, sure, n == nwrites || next != sure, &seed);
    }
}

static void apply(u8 *mem, const struct cut *c) {
    for (u32 i = 0; i < c->solid + c->pending; i++) {
        u32 p = i - c->solid;
        u8 *to = mem + (u64)where[i] * FS_BLOCK_SIZE;
        const u8 *from = data + (u64)i * FS_BLOCK_SIZE;
        if (i < c->solid || c->there[p / 64] >> p % 64 & 1)
            memcpy(to, from, FS_BLOCK_SIZE);
        else if (i + 1 == c->torn)
            for (u32 s = 0; s < 8; s++)
                if (c->sectors >> s & 1) memcpy(to + 512 * s, from + 512 * s, 512);
    }
}

// ---- what is there ----

static const u8 *mem; // the file system after the replay
static const struct fs_super *super;

static const struct fs_dinode *inode_at(u32 inum) {
    return (const struct fs_dinode *)(mem + (u64)super->inode_start * FS_BLOCK_SIZE) + inum;
}

static u32 block_of(const struct fs_dinode *d, u32 bn) {
    if (bn < FS_DIRECT) return d->addr[bn];
    const u32 *indirect = (const u32 *)(mem + (u64)d->addr[FS_DIRECT] * FS_BLOCK_SIZE);
    return bn - FS_DIRECT < FS_POINTERS ? indirect[bn - FS_DIRECT] : 0;
}

static u64 sum_file(const struct fs_dinode *d) {
    u64 sum = 0;
    for (u64 at = 0; at < d->size; at += 8) {
        u64 word = 0;
        const u8 *p = mem + (u64)block_of(d, (u32)(at / FS_BLOCK_SIZE)) * FS_BLOCK_SIZE + at % FS_BLOCK_SIZE;
        memcpy(&word, p, d->size - at < 8 ? d->size - at : 8);
        sum = sum * 31 + word;
    }
    return sum;
}

struct text {
    char *at;
    u64 n, size;
};

static void say(struct text *t, const char *line) {
    u64 n = strlen(line);
    if (t->n + n + 1 > t->size) {
        t->size = 2 * (t->n + n) + 256;
        t->at = realloc(t->at, t->size);
        if (!t->at) die("out of memory");
    }
    memcpy(t->at + t->n, line, n + 1);
    t->n += n;
}

// In a file system that the check found sound.
static void list(struct text *out, const struct fs_dinode *dir, const char *path, int depth) {
    for (u64 at = 0; at < dir->size; at += sizeof(struct fs_dirent)) {
        const struct fs_dirent *e =
            (const struct fs_dirent *)(mem + (u64)block_of(dir, (u32)(at / FS_BLOCK_SIZE)) * FS_BLOCK_SIZE +
                                       at % FS_BLOCK_SIZE);
        char name[FS_NAME + 1] = "", full[200], line[300];
        memcpy(name, e->name, FS_NAME);
        if (e->inum == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
        if (depth == 0 && strcmp(name, "w")) continue;
        const struct fs_dinode *d = inode_at(e->inum);
        snprintf(full, sizeof full, "%s/%s", path, name);
        snprintf(line, sizeof line, "%s %u %u %llu %llx\n", full, d->type, d->nlink,
                 d->type == FS_FILE ? (ull)d->size : 0, d->type == FS_FILE ? (ull)sum_file(d) : 0);
        say(out, line);
        if (d->type == FS_DIR && depth < 8) list(out, d, full, depth + 1);
    }
}

static char **states;
static u32 nstates;

// The number of a state, which is printed when it is new.
static u32 state_of(const struct text *t) {
    u32 i = 0;
    while (i < nstates && strcmp(states[i], t->at)) i++;
    if (i < nstates) return i;
    states = realloc(states, (nstates + 1) * sizeof *states);
    if (!states || !(states[nstates] = strdup(t->at))) die("out of memory");
    printf("state %u\n%send\n", nstates, t->at);
    return nstates++;
}

static u64 hash(void) {
    u64 sum = 0;
    for (u32 b = super->inode_start; b < nblocks; b++)
        sum += label_sum(b, mem + (u64)b * FS_BLOCK_SIZE, FS_BLOCK_SIZE);
    return sum;
}

static const struct log_anchor *anchor(void) {
    return (const struct log_anchor *)(mem + (u64)super->log_start * FS_BLOCK_SIZE);
}

// What the next record's number is, and whether it was begun.
static void begun(u32 records, u32 ring, u32 tail, u64 sequence, u64 *next, int *is_begun) {
    for (; records; records--) {
        const struct log_record *r =
            (const struct log_record *)(mem + (u64)(super->log_start + 1 + tail) * FS_BLOCK_SIZE);
        tail = (tail + 1 + r->count) % ring;
        sequence++;
    }
    const struct log_record *r =
        (const struct log_record *)(mem + (u64)(super->log_start + 1 + tail) * FS_BLOCK_SIZE);
    *next = sequence;
    *is_begun = r->magic == LOG_RECORD_MAGIC && r->id == super->id && r->generation == super->generation &&
                r->sequence == sequence;
}

static void examine(u32 i, u8 *image, u8 *after) {
    struct fs_found found = {0};
    char *said = 0;
    size_t bytes = 0;
    FILE *out = open_memstream(&said, &bytes);
    if (!out) die("out of memory");
    u32 bad = fs_examine(image, nblocks, out, "fsck", &found), state = 0, n = cuts[i].solid + cuts[i].pending;
    fclose(out);
    u64 sum = 0, next = 0;
    int is_begun = 0;
    memcpy(after, image, (u64)nblocks * FS_BLOCK_SIZE);
    mem = after;
    super = (const struct fs_super *)after;
    if (bad) {
        said[strcspn(said, "\n")] = 0;
        printf("broken %u %s %s\n", n, kinds[i], said + strlen("fsck: "));
    } else {
        struct text t = {0};
        begun(found.records, super->log_blocks - 1, anchor()->tail, anchor()->sequence, &next, &is_begun);
        fs_replay(after);
        say(&t, "");
        list(&t, inode_at(FS_ROOT), "", 0);
        state = state_of(&t);
        free(t.at);
        sum = hash();
    }
    free(said);
    printf("cut %u %s %u %u %llx %llu %d\n", n, kinds[i], bad, state, (ull)sum, (ull)next, is_begun);
}

// ---- output ----

static void put(FILE *f, const void *p, u64 n) {
    static const u8 zero[FS_BLOCK_SIZE];
    u64 pad = (FS_BLOCK_SIZE - n % FS_BLOCK_SIZE) % FS_BLOCK_SIZE;
    if (fwrite(p, 1, n, f) != n || fwrite(zero, 1, pad, f) != pad) die("OUT cannot be written");
}

static void write_out(const char *path) {
    struct cuts_head *head = grab(1, FS_BLOCK_SIZE);
    FILE *f = fopen(path, "wb");
    if (!f) die("%s cannot be written", path);
    *head = (struct cuts_head){.magic = CUTS_MAGIC, .nblocks = nblocks, .nwrites = nwrites, .ncuts = ncuts};
    memcpy(head->block, where, nwrites * sizeof *where);
    put(f, head, sizeof *head);
    put(f, base, (u64)nblocks * FS_BLOCK_SIZE);
    if (nwrites) put(f, data, (u64)nwrites * FS_BLOCK_SIZE);
    for (u32 i = 0; i < ncuts; i += CUTS_A_BLOCK)
        put(f, cuts + i, (ncuts - i < CUTS_A_BLOCK ? ncuts - i : CUTS_A_BLOCK) * sizeof *cuts);
    if (fclose(f)) die("%s cannot be written", path);
}

int main(int argc, char **argv) {
    u64 size;
    program = "cuts";
    if (argc != 5) die("see the head of mkfs/cuts.c for the arguments");
    const u8 *disk = read_file(argv[1], &size);
    find_fs(disk, size / DISK_BLOCK_SIZE);
    read_tape(argv[2]);
    make_cuts(strtoull(argv[3], 0, 0) | 1);
    u8 *image = grab(nblocks, FS_BLOCK_SIZE), *after = grab(nblocks, FS_BLOCK_SIZE);
    for (u32 i = 0; i < ncuts; i++) {
        memcpy(image, base, (u64)nblocks * FS_BLOCK_SIZE);
        apply(image, &cuts[i]);
        examine(i, image, after);
    }
    write_out(argv[4]);
    return 0;
}
