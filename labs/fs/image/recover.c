// A libOS that does nothing but recover: for each disk after a power cut that mkfs/cuts.c has made of a run's
// writes, it calls log_recover(), over a cache that is memory, and prints what came of it:
//
//     cut N result hash writes again sequence
//
// result: 0, or the error; hash: of all blocks behind the log, as they are on the disk then; writes: how many
// blocks were written; again: what was wrong when it was done once more (enum again); sequence: of the
// anchor. The grader knows what each must be. N ends with a letter if that cut was itself cut: the power went
// once more, at a moment drawn from its number.
#include "mkfs/cuts.h"
#include "libos/log.h"
#include "user/rt/rt.h"

#define MEMORY_VA 0x60000000UL // the extent; then pages of the cache, and of what recovery wrote
#define BUFFERS   300
#define WRITES    600 // by one recovery

enum again { AGAIN_FINE, AGAIN_ERROR, AGAIN_WRITES, AGAIN_HELD };

static ppn_t root;
static u32 extent, next_page;
static struct cuts_head *head;
static const u8 *base, *writes;
static const u8 *cuts;

void rt_fault(struct exo_uarea *ua) {
    print("recover: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    rt_exit();
}

static _Noreturn void die(const char *what) {
    print("recover: %s\n", what);
    rt_exit();
}

static _Noreturn void power_off(void) {
    for (;;) {
        u64 msg[MSG_WORDS] = {FIRST_POWEROFF, 0};
        u32 hart = EXO_ENVS[self() & EXO_EID_INDEX].home;
        rt_call(rt()->first.door[hart], rt()->first.door_cap, msg);
        rt_yield(0);
    }
}

// ---- memory and the extent ----

static u8 *new_page(ppn_t *ppn) {
    va_t va = MEMORY_VA + (u64)next_page++ * EXO_PAGE;
    struct exo_ret page = exo_page_alloc(0, 0);
    if (page.err) die("no page is left");
    if (va % 0x200000 == 0) {
        struct exo_ret table = exo_page_alloc(0, 0);
        if (va % 0x40000000 == 0 && table.err == 0) {
            exo_pt_link(root, va, 1, table.val);
            table = exo_page_alloc(0, 0);
        }
        if (table.err) die("no table");
        exo_pt_link(root, va, 0, table.val);
    }
    if (rt_map(root, va, (ppn_t)page.val, PTE_R | PTE_W)) die("a page cannot be bound");
    if (ppn) *ppn = (ppn_t)page.val;
    return (u8 *)va;
}

static const struct cut *cut_at(u32 n) {
    return (const struct cut *)(cuts + (u64)(n / CUTS_A_BLOCK) * EXO_PAGE) + n % CUTS_A_BLOCK;
}

static void read_extent(void) {
    for (extent = 0; extent < EXO_WORDS->nexts; extent++)
        if (EXO_EXTS[extent].count && EXO_EXTS[extent].account == self_account()) break;
    if (extent == EXO_WORDS->nexts) die("it has no extent");
    u32 n = EXO_EXTS[extent].count;
    for (u32 at = 0; at < n; at += EXO_REQ_BLOCKS) {
        ppn_t ppn[EXO_REQ_BLOCKS] __attribute__((aligned(64)));
        u32 m = n - at < EXO_REQ_BLOCKS ? n - at : EXO_REQ_BLOCKS;
        for (u32 i = 0; i < m; i++) new_page(&ppn[i]);
        struct exo_ret r = exo_disk_submit(DISK_READ, m, extent, at, ppn, 0);
        if (r.err) die("the extent cannot be read");
        while (exo_disk_done(r.val).err == E_BUSY) rt_yield(0);
    }
    head = (struct cuts_head *)MEMORY_VA;
    if (head->magic != CUTS_MAGIC) die("these are no cuts");
    base = (u8 *)MEMORY_VA + EXO_PAGE;
    writes = base + (u64)head->nblocks * EXO_PAGE;
    cuts = writes + (u64)head->nwrites * EXO_PAGE;
}

// ---- the disk, and the cache over it ----

static const u8 *disk[1024]; // where each block's contents are
static u8 *torn;
static struct slot {
    struct buf buf;
    bool used;
} slot[BUFFERS];
static u32 nslots, held, nwritten, confirmed; // confirmed: writes that a flush came after
static struct written {
    u32 block, sure; // sure: writes that a flush had confirmed before this one
    u8 *data;
} written[WRITES], before[WRITES];
static struct bcache the_cache; // of which only nblocks counts
static bool failed;

static void write_block(u32 block, const u8 *data) {
    if (nwritten == WRITES) {
        failed = true;
        return;
    }
    struct written *w = &written[nwritten++];
    if (!w->data) w->data = new_page(0);
    w->block = block;
    w->sure = confirmed;
    memcpy(w->data, data, EXO_PAGE);
    disk[block] = w->data;
}

static struct buf *find(u32 block) {
    for (u32 i = 0; i < nslots; i++)
        if (slot[i].buf.block == block) return &slot[i].buf;
    return 0;
}

static int hold(u32 block, struct buf **out, bool fill) {
    struct buf *b = find(block);
    if (block >= the_cache.nblocks || failed) return BUF_E_IO;
    if (!b && nslots == BUFFERS) {
        print("recover: more blocks than the cache has\n");
        failed = true;
        return BUF_E_IO;
    }
    if (!b) {
        b = &slot[nslots++].buf;
        if (!b->data) b->data = new_page(0);
        b->block = block;
        b->dirty = b->held = 0;
        if (fill) memcpy(b->data, disk[block], EXO_PAGE);
    }
    if (b->held++) { // its holder would wait for itself
        failed = true;
        return BUF_E_IO;
    }
    held++;
    *out = b;
    return 0;
}

int bread(struct bcache *c, u32 block, struct buf **out) { return hold(block, out, true); }

int bnew(struct bcache *c, u32 block, struct buf **out) {
    int err = hold(block, out, false);
    if (err) return err;
    memset((*out)->data, 0, EXO_PAGE);
    (*out)->dirty = 1;
    return 0;
}

void bdirty(struct bcache *c, struct buf *b) { b->dirty = 1; }

void brelse(struct bcache *c, struct buf *b) {
    b->held--;
    held--;
}

int bwrite(struct bcache *c, struct buf *b) {
    write_block(b->block, b->data);
    b->dirty = 0;
    return failed ? BUF_E_IO : 0;
}

int bbarrier(struct bcache *c) {
    confirmed = nwritten;
    return 0;
}

int bflush(struct bcache *c) {
    for (u32 i = 0; i < nslots; i++)
        if (slot[i].buf.dirty) bwrite(c, &slot[i].buf);
    return bbarrier(c);
}

// What only a log uses that is written to.
int bkeep(struct bcache *c, struct buf *b) { return 1; }

u32 bkeep_max(const struct bcache *c, u32 op) { return BUFFERS; }

int bwrite_kept(struct bcache *c, u32 to, const u32 *block, u32 n) { return BUF_E_IO; }

void bunkeep(struct bcache *c, const u32 *block, u32 n) {}

void lock_acquire(struct lock *l) {}

void lock_release(struct lock *l) {}

void lock_pause(void) {}

void drain_enter(struct drain *d) {}

void drain_leave(struct drain *d) {}

void drain_wait(struct drain *d) {}

// ---- recovering ----

static struct log the_log;
static u64 base_sum[1024], base_hash;

static void make_disk(const struct cut *c) {
    for (u32 b = 0; b < head->nblocks; b++) disk[b] = base + (u64)b * EXO_PAGE;
    for (u32 i = 0; i < c->solid + c->pending; i++) {
        const u8 *data = writes + (u64)i * EXO_PAGE;
        u32 p = i - c->solid, b = head->block[i];
        if (i < c->solid || c->there[p / 64] >> p % 64 & 1) {
            disk[b] = data;
        } else if (i + 1 == c->torn) {
            memcpy(torn, disk[b], EXO_PAGE);
            for (u32 s = 0; s < 8; s++)
                if (c->sectors >> s & 1) memcpy(torn + 512 * s, data + 512 * s, 512);
            disk[b] = torn;
        }
    }
}

static int recover(void) {
    nslots = held = nwritten = confirmed = 0;
    failed = false;
    memset(&the_log, 0, sizeof the_log);
    the_cache.nblocks = head->nblocks;
    the_log.cache = &the_cache;
    the_log.super = (const struct fs_super *)disk[0];
    int err = log_recover(&the_log);
    return failed ? BUF_E_IO : err;
}

static u64 hash(void) {
    const struct fs_super *s = (const struct fs_super *)base;
    u64 sum = base_hash;
    for (u32 b = s->inode_start; b < head->nblocks; b++)
        if (disk[b] != base + (u64)b * EXO_PAGE) sum += label_sum(b, disk[b], EXO_PAGE) - base_sum[b];
    return sum;
}

static void hash_base(void) {
    const struct fs_super *s = (const struct fs_super *)base;
    for (u32 b = s->inode_start; b < head->nblocks; b++)
        base_hash += base_sum[b] = label_sum(b, base + (u64)b * EXO_PAGE, EXO_PAGE);
}

static u64 anchor_sequence(void) {
    const struct fs_super *s = (const struct fs_super *)base;
    return ((const struct log_anchor *)disk[s->log_start])->sequence;
}

static void report(u32 n, const char *letter, int err, u32 wrote, enum again again) {
    print("cut %u%s %x %lx %u %u %lu\n", n, letter, (u32)-err, hash(), wrote, again, anchor_sequence());
}

// What is on the disk already was written by a recovery before, into pages that this one will not use.
static enum again once_more(void) {
    if (held) return AGAIN_HELD;
    if (recover()) return AGAIN_ERROR;
    return nwritten ? AGAIN_WRITES : AGAIN_FINE;
}

// Puts what the last recovery wrote aside, with its pages.
static void set_aside(u32 n) {
    for (u32 i = 0; i < n; i++) {
        struct written w = before[i];
        before[i] = written[i];
        written[i].data = w.data;
    }
}

static void try_cut(u32 n) {
    make_disk(cut_at(n));
    int err = recover();
    u32 wrote = nwritten;
    set_aside(wrote);
    report(n, "", err, wrote, err ? AGAIN_ERROR : once_more());
    if (err || wrote == 0 || n % 3) return;
    // The power goes once more, after so many of its writes; what no flush has confirmed may be lost.
    u64 draw = label_sum(n, cut_at(n), sizeof(struct cut));
    u32 done = 1 + (u32)(draw >> 8) % wrote;
    make_disk(cut_at(n));
    for (u32 i = 0; i < done; i++)
        if (i < before[done - 1].sure || draw >> (16 + i % 40) & 1) disk[before[i].block] = before[i].data;
    err = recover();
    report(n, "x", err, nwritten, AGAIN_FINE);
}

int main(void);

int main(void) {
    root = EXO_ENVS[first_self(&rt()->first) & EXO_EID_INDEX].root;
    read_extent();
    torn = new_page(0);
    hash_base();
    for (u32 n = 0; n < head->ncuts; n++) try_cut(n);
    print("recovered all\n");
    power_off();
}
