// A buffer cache and locks that hold the file system to its contracts (libos/bcache.h, lock.h, log.h). A
// buffer is a copy of its block in memory of its own, so that AddressSanitizer sees any use after brelse; a
// change that was not logged, or was logged outside an op, more blocks logged by one op or by a transaction
// than agreed, a lock taken twice, and more buffers held than agreed are counted. Blocks that are not kept
// for the log go to the disk at once. Works with several threads. Included by tests as source.
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "libos/fs.h"
#include "mkfs/fsimage.h"

static int checks, failures;

__attribute__((unused)) static void check(const char *name, long long expected, long long saw) {
    checks++;
    if (expected == saw) {
        printf("ok fs: %s\n", name);
        return;
    }
    failures++;
    printf("not ok fs: %s: expected %lld, saw %lld\n", name, expected, saw);
}

static struct {
    u8 *disk;
    u8 *memory; // what bread() gives of the blocks that are kept
    u8 *kept;   // 1 for each of those
    u32 nkept;
    u32 nblocks;
    u32 *holder; // of each block: a thread, or 0
    struct bcache cache;
} dev;

static const struct log *the_log; // of the mounted file system
static u64 fail_in;               // the fail_in'th read from now fails; 0: none
static int breaches;              // of a contract
static u32 held_locks;            // by all threads
static pthread_mutex_t big = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static u32 threads;
static __thread u32 self, held_bufs, locks, in_op;
static int mounting;
static __thread u32 op_block[64], nop_blocks; // what this thread's op has logged

#define KEEP_MAX 64

static void breach(const char *what) {
    __atomic_fetch_add(&breaches, 1, __ATOMIC_RELAXED);
    printf("# breach: %s\n", what);
}

static void know_self(void) {
    if (!self) self = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
}

void lock_acquire(struct lock *l) {
    know_self();
    pthread_mutex_lock(&big);
    if (l->holder == self) {
        breach("lock taken twice");
        abort();
    }
    if (l == &the_log->gate && (locks || held_bufs)) breach("op begun under a lock");
    if (l == &the_log->gate) nop_blocks = 0;
    while (l->holder) pthread_cond_wait(&changed, &big);
    l->holder = self;
    locks++;
    held_locks++;
    pthread_mutex_unlock(&big);
}

void lock_release(struct lock *l) {
    pthread_mutex_lock(&big);
    if (l->holder != self) breach("lock released that was not held");
    l->holder = 0;
    locks--;
    held_locks--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&big);
}

void lock_pause(void) { sched_yield(); }

void drain_enter(struct drain *d) {
    __atomic_fetch_add(&d->count, 1, __ATOMIC_SEQ_CST);
    in_op = 1;
}

void drain_leave(struct drain *d) {
    in_op = 0;
    __atomic_fetch_sub(&d->count, 1, __ATOMIC_SEQ_CST);
}

void drain_wait(struct drain *d) {
    while (__atomic_load_n(&d->count, __ATOMIC_SEQ_CST)) lock_pause();
}

// Where a block's contents are.
static u8 *block_now(u32 block) {
    return (dev.kept[block] ? dev.memory : dev.disk) + (u64)block * FS_BLOCK_SIZE;
}

static int get(u32 block, struct buf **out, int fresh) {
    know_self();
    if (block >= dev.nblocks) return BUF_E_IO;
    pthread_mutex_lock(&big);
    int several = in_op || mounting || the_log->gate.holder == self;
    if (held_bufs >= (several ? BUF_HELD : 1)) breach("too many buffers");
    if (dev.holder[block] == self) {
        breach("buffer taken twice");
        abort();
    }
    int fail = fail_in && --fail_in == 0;
    if (!fail) {
        while (dev.holder[block]) pthread_cond_wait(&changed, &big);
        dev.holder[block] = self;
    }
    pthread_mutex_unlock(&big);
    if (fail) return BUF_E_IO;
    struct buf *b = calloc(1, sizeof *b);
    b->block = block;
    b->data = calloc(1, FS_BLOCK_SIZE);
    if (!fresh) memcpy(b->data, block_now(block), FS_BLOCK_SIZE);
    b->dirty = fresh;
    b->kept = dev.kept[block];
    held_bufs++;
    *out = b;
    return 0;
}

int bread(struct bcache *c, u32 block, struct buf **out) {
    (void)c;
    return get(block, out, 0);
}

int bnew(struct bcache *c, u32 block, struct buf **out) {
    (void)c;
    return get(block, out, 1);
}

void bdirty(struct bcache *c, struct buf *b) {
    (void)c;
    b->dirty = 1;
}

void brelse(struct bcache *c, struct buf *b) {
    (void)c;
    if (!b->dirty && memcmp(block_now(b->block), b->data, FS_BLOCK_SIZE)) breach("change not logged");
    pthread_mutex_lock(&big);
    if (b->dirty) memcpy(block_now(b->block), b->data, FS_BLOCK_SIZE);
    dev.holder[b->block] = 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&big);
    free(b->data);
    free(b);
    held_bufs--;
}

// ---- for the log ----

static void note_logged(u32 block) {
    for (u32 i = 0; i < nop_blocks; i++)
        if (op_block[i] == block) return;
    op_block[nop_blocks++] = block;
    if (nop_blocks > FS_OP_BLOCKS(the_log->super)) breach("too many blocks in an op");
}

int bkeep(struct bcache *c, struct buf *b) {
    (void)c;
    if (__atomic_load_n(&the_log->ops.count, __ATOMIC_RELAXED) == 0) breach("change outside an op");
    if (the_log->refuses) breach("change that the log refuses");
    note_logged(b->block);
    b->dirty = 1;
    if (b->kept) return 0;
    b->kept = 1;
    pthread_mutex_lock(&big);
    dev.kept[b->block] = 1;
    if (++dev.nkept > KEEP_MAX) breach("too many blocks in a transaction");
    pthread_mutex_unlock(&big);
    return 1;
}

u32 bkeep_max(const struct bcache *c, u32 op) {
    (void)c, (void)op;
    return KEEP_MAX;
}

static u32 fail_log; // writes to the log fail

int bwrite_kept(struct bcache *c, u32 to, const u32 *block, u32 n) {
    (void)c;
    if (to <= the_log->super->log_start || to + n > the_log->super->inode_start)
        breach("the log is written outside the log");
    for (u32 i = 0; i < n && !fail_log; i++)
        memcpy(dev.disk + (u64)(to + i) * FS_BLOCK_SIZE, block_now(block[i]), FS_BLOCK_SIZE);
    return fail_log ? BUF_E_IO : 0;
}

void bunkeep(struct bcache *c, const u32 *block, u32 n) {
    (void)c;
    for (u32 i = 0; i < n; i++) {
        memcpy(dev.disk + (u64)block[i] * FS_BLOCK_SIZE, block_now(block[i]), FS_BLOCK_SIZE);
        dev.kept[block[i]] = 0;
    }
    dev.nkept -= n;
}

int bwrite(struct bcache *c, struct buf *b) {
    (void)c;
    memcpy(dev.disk + (u64)b->block * FS_BLOCK_SIZE, b->data, FS_BLOCK_SIZE);
    b->dirty = 1;
    return fail_log ? BUF_E_IO : 0;
}

int bbarrier(struct bcache *c) {
    (void)c;
    return fail_log ? BUF_E_IO : 0;
}

u32 bread_pages(struct bcache *c, u32 block, const ppn_t *ppn, u32 n) {
    (void)c, (void)block, (void)ppn, (void)n;
    return 0;
}

u32 bwrite_pages(struct bcache *c, u32 block, const ppn_t *ppn, u32 n) {
    (void)c, (void)block, (void)ppn, (void)n;
    return 0;
}

void bahead(struct bcache *c, u32 block, u32 n) {
    (void)c;
    if (held_bufs) breach("bahead with a buffer held");
    if (n == 0 || n > 16 || block >= dev.nblocks || n > dev.nblocks - block)
        breach("bahead of blocks that are not there");
}

int bflush(struct bcache *c) {
    (void)c;
    if (held_bufs) breach("bflush with a buffer held");
    return 0;
}

// ---- a disk with an empty file system, mounted ----

static void forget(void) { // what only memory has
    memset(dev.kept, 0, dev.nblocks);
    dev.nkept = 0;
}

static struct fs *fs;
static struct inode *root;

// What was not made durable is lost.
static int mount(u32 inodes) {
    free(fs);
    fs = calloc(1, FS_MEMORY(inodes));
    the_log = &fs->log;
    forget();
    mounting = 1;
    int err = fs_mount(fs, FS_MEMORY(inodes), &dev.cache);
    mounting = 0;
    return err ? err : inode_get(fs, FS_ROOT, &root);
}

static void disk_new(u32 nblocks, u32 ninodes) {
    struct fs_super s;
    free(dev.disk);
    free(dev.memory);
    free(dev.kept);
    free(dev.holder);
    dev.disk = calloc(nblocks, FS_BLOCK_SIZE);
    dev.memory = calloc(nblocks, FS_BLOCK_SIZE);
    dev.kept = calloc(nblocks, 1);
    dev.holder = calloc(nblocks, sizeof(u32));
    dev.nblocks = dev.cache.nblocks = nblocks;
    if (fs_layout(&s, nblocks, ninodes, 1) > nblocks) abort();
    fs_format(dev.disk, &s);
    if (mount(50)) abort();
}

// Of what is on the disk once all is in place.
__attribute__((unused)) static u32 violations(void) {
    u32 n = fs_freeze(fs) != 0;
    n += fs_check(dev.disk, dev.nblocks, stdout, "# fsck");
    fs_thaw(fs);
    return n;
}

// Contracts kept, and nothing left held.
__attribute__((unused)) static int at_rest(void) {
    return breaches == 0 && held_locks == 0 && held_bufs == 0 && fs->log.ops.count == 0;
}

static int finish(void) {
    check("contracts of cache, locks and ops kept", 0, breaches);
    check("nothing left locked", 0, held_locks + held_bufs);
    free(fs);
    free(dev.disk);
    free(dev.memory);
    free(dev.kept);
    free(dev.holder);
    return failures > 0;
}

__attribute__((unused)) static u64 random_u64(u64 *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1d;
}
