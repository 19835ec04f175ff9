// The buffer cache: blocks of one extent in memory, one copy for all processes. This is all that a file
// system knows of the disk.
//
// The cache owns a fixed number of 4 KiB page frames, bound at the same address in every process of the
// libOS. Each has a struct buf that says which block it holds. bread() hands a buffer to one caller at a
// time; its data may be read, and changed before bdirty(), until brelse(). A changed block goes to the disk
// with bflush() at the latest; before, only while nobody holds it: when its frame is wanted for another
// block, or when more than half of all are dirty. One that belongs to a transaction is kept back from that
// until the log lets it go.
//
// What is under it: exo_disk_submit() takes up to 16 consecutive blocks and the pages they go to or come
// from, and returns at once. The cache starts what it can, and sleeps until the kernel's count of completions
// moves; whoever is awake then collects for all. It keeps no list of its requests: the kernel's records,
// which every libOS can read, say what is under way. So a process that ends meanwhile leaves nothing undone.
// Requests that are not between a block and its own frame, and flushes, belong to who began them; if that
// process has ended, whoever collects next does it.
//
// Locks: a buffer's, from bread() to brelse(), whose holder may sleep; then the cache's, which guards all
// else here and is let go before sleeping. A buffer that the disk reads or writes is one that its lock's
// holder waits for, or that nobody holds. So nobody sees its data change.
#ifndef EXV6_BCACHE_H
#define EXV6_BCACHE_H

#include <exo/abi.h>
#include "kernel/cache.h"
#include "lock.h"

#define BUF_NONE (~0u) // the block of a frame that was never used

enum buf_state {
    BUF_EMPTY,   // data is not the block's, yet or because reading it failed
    BUF_READING, // the disk fills it
    BUF_VALID,
    BUF_WRITING, // valid, and the disk takes it
};

enum buf_trouble {
    BUF_WELL,
    BUF_ALONE,  // a request with other blocks failed: the next one is for this block only
    BUF_FAILED, // such a one failed
};

struct buf {
    u8 *data;         // 4 KiB, for whoever holds the buffer; page-aligned
    u32 block;        // of the extent
    u32 held;         // by bread() or bnew(), or by those who wait to
    struct lock lock; // from bread() to brelse()

    // The cache's own, under its lock. A link is the index of a buf, plus 1; 0: none.
    u8 state;         // enum buf_state
    u8 dirty;         // BUF_VALID and not as on the disk, to which it may go; not while it is kept
    u8 kept;          // from bkeep() to bunkeep()
    u8 trouble;       // enum buf_trouble
    u16 hash_next;    // in the chain of its block
    ppn_t ppn;        // of data
    u64 dirtied;      // the cache's clock when dirty was last set
    u16 newer, older; // the policies': in the list by last use
    u8 used;          // since the clock's hand passed
    u8 mru;           // by one who has chosen CACHE_MRU
};

struct bcache;

// Which frame to give up. Every policy is told of every use of every frame, whoever it is by; and the one
// that a process has chosen is asked when this process needs a frame. So processes that choose differently
// still share one cache and find all that is in it: a choice decides only what goes when its chooser brings
// something in.
//
// CACHE_LRU     what nobody has used for longest
// CACHE_CLOCK   the first, going round them by number, that nobody has used since the hand last passed it
// CACHE_MRU     while there is something that nobody has used for longer than all that processes of this
//               choice have used last: that, as with CACHE_LRU. Else, of the latter, what was used last. So
//               whoever goes over more than fits, again and again, finds the first part each time, and others
//               keep what they use. All that it reads goes through the cache.
//
// add and touch may be 0. All are called with the cache's lock held.
struct bpolicy {
    void (*add)(struct bcache *, struct buf *);   // once for each, at the start
    void (*touch)(struct bcache *, struct buf *); // it was used, or read ahead
    struct buf *(*victim)(struct bcache *);       // one of those that bspare() admits, or 0
};

// A sequence of misses: who reads block `next` now has read those before it, and gets twice the window.
struct bstream {
    u32 next;
    u32 window; // blocks
};

#define BCACHE_CHAINS  1024
#define BCACHE_STREAMS 8

struct bcache {
    struct lock lock;
    u32 extent;  // the kernel's number for it
    u32 nblocks; // of the extent
    u32 nbufs;
    u32 ndirty;
    u64 clock;          // one more at each bflush()
    u16 newest, oldest; // the policies': links, as those of the chains
    u32 hand;           // of the clock: index of a buf
    u16 chain[BCACHE_CHAINS];
    u32 next_stream;
    struct bstream stream[BCACHE_STREAMS];
    eid_t starter[EXO_NREQ]; // of each request record: who began what was in it last, if it is his to collect
    struct buf buf[];        // nbufs
};

#define BCACHE_MEMORY(nbufs) (sizeof(struct bcache) + (nbufs) * sizeof(struct buf))

// An op of the file system, a commit or a mount holds at most this many buffers at once, and whoever only
// reads holds one. Nobody waits for one with a lower claim: file system code takes an indirect block before
// what it points to, and the bitmap last. A cache needs a frame for each that may be held at a time.
#define BUF_HELD 3

// All that can go wrong: the disk's error, or a block outside the extent. 0 if all went well.
#define BUF_E_IO (-1)

// Makes a cache of all of an extent in BCACHE_MEMORY(nbufs) bytes. Frame i is the caller's page ppn[i], bound
// for reading and writing at data + i * 4096. nbufs is at most 65534, and at least BUF_HELD.
void bcache_setup(struct bcache *, u32 extent, u32 nbufs, u8 *data, const ppn_t *ppn);

// The block, read unless it is cached. May wait, for the disk, for its holder or for a free frame.
int bread(struct bcache *, u32 block, struct buf **);

// The block, all zero and dirty, without reading it: for a block just allocated.
int bnew(struct bcache *, u32 block, struct buf **);

// Its data was changed: it must reach the disk before its frame is used for another block. The caller holds
// it.
void bdirty(struct bcache *, struct buf *);

// Gives it back.
void brelse(struct bcache *, struct buf *);

// Hint: n consecutive blocks (16 at most) will be read soon. Starts what is not cached, waits for nothing,
// and does less, or nothing, when frames or requests are short. The caller holds no buffer.
void bahead(struct bcache *, u32 block, u32 n);

// Writes every buffer that was dirty when it was called, then has the device make all of it durable. Waits
// for holders: the caller holds none. A buffer that could not be written stays dirty. What is kept is left
// out.
int bflush(struct bcache *);

// ---- for the log (log.c, recover.c) ----

// b, which the caller holds, is kept: its changes stay in memory, and the block on the disk as it is. Returns
// whether it was not kept before. No more than bkeep_max() may be kept at a time: the others are for those
// who wait for a frame meanwhile.
int bkeep(struct bcache *, struct buf *b);
u32 bkeep_max(const struct bcache *, u32 op); // if there is one op at a time for each `op` of them

// Writes what the kept blocks block[0..n) contain to the n blocks from `to` on, whose own buffers, if any,
// are no longer right then. Nobody changes a kept block meanwhile; the caller holds no buffer, or one that is
// not kept. 0 or BUF_E_IO.
int bwrite_kept(struct bcache *, u32 to, const u32 *block, u32 n);

// They are kept no longer, but dirty.
void bunkeep(struct bcache *, const u32 *block, u32 n);

// Writes b, which the caller holds, at once.
int bwrite(struct bcache *, struct buf *b);

// Has the device make durable all that has been written.
int bbarrier(struct bcache *);

// ---- blocks that go straight to or from other pages ----

// Read or write n consecutive blocks (16 at most), from or to the caller's pages, which stay its own until
// they return. How many of the first were moved: it ends where a block is in the cache, if that is not to be
// lost (a clean copy of what is written is forgotten). Nothing is read for who wants to find it in the cache
// later (CACHE_MRU). 0 also when the disk fails, or the kernel does not take these pages; the blocks that
// were to be written may be spoilt then. Nobody else uses the blocks meanwhile. The caller holds no buffer.
u32 bread_pages(struct bcache *, u32 block, const ppn_t *ppn, u32 n);
u32 bwrite_pages(struct bcache *, u32 block, const ppn_t *ppn, u32 n);

// Moves n pages, each to or from a block of an extent of this account, past the cache, and waits for all: 0
// or BUF_E_IO, and then nobody knows which were moved. Blocks in a row go together.
int bmove(struct bcache *, u32 extent, enum disk_op op, const u32 *block, const ppn_t *ppn, u32 n);

// ---- between bcache.c, bdisk.c and braw.c, with the cache's lock held ----

// In bcache.c. The buffer that has the block, or 0. A frame for a block that has none, one that bspare()
// admits: its buffer is the block's from now on, and BUF_EMPTY; or 0.
struct buf *blookup(struct bcache *, u32 block);
struct buf *bclaim(struct bcache *, u32 block);

// In bdisk.c; the lock is let go while they wait, and anything may have changed then.
// bfill: makes b, which the caller holds, valid: 0 or BUF_E_IO. bclean: for want of a frame; has what is
// dirty written, and returns once there may be one; BUF_E_IO if what is in them cannot be written. bbehind:
// starts writing if more than half is dirty, and waits for nothing. bawait: returns after something may have
// changed.
int bfill(struct bcache *, struct buf *b);
int bclean(struct bcache *);
void bbehind(struct bcache *);
void bawait(struct bcache *);

// ---- replacement (bpolicy.c) ----

// The calling process, and children that it makes from now on, choose a policy (kernel/cache.h). The one
// before, or -1 if there is none of that number.
int bcache_policy(int policy);

// For policies: whether b's frame may be used for another block at once. In bcache.c.
int bspare(const struct buf *b);

// For bcache.c and bdisk.c: what all policies are told, and what the chosen one is asked.
void bpolicy_add(struct bcache *, struct buf *);
void bpolicy_touch(struct bcache *, struct buf *);
struct buf *bpolicy_victim(struct bcache *);
int bpolicy_rereads(void); // whether the caller has chosen a policy for what is read again

#endif
