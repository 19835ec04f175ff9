// The blocks of the store's extent that are in memory. The pages are the library OS's own, and so is the
// policy: it counts how often a block was used, halves the counts now and then, and lets go of what was used
// least, which suits a store where some keys are asked for far more often than others. It takes pages while
// there are any, and when the kernel wants some back (SOSP95, Visible Resource Revocation) it gives those
// that it misses least.
#ifndef KV_CACHE_H
#define KV_CACHE_H

#include <exo/abi.h>
#include <stdbool.h>

#define CACHE_MOST   512 // pages
#define CACHE_BLOCKS 4096

extern struct cache_counts { u64 hits, misses, written, given; } cache_counts;

void cache_setup(u32 extent);

// The contents of a block, good until the next call of this file. `change`: they are about to be changed.
void *cache_block(u32 block, bool change);

// Writes all that was changed; returns when it is on the disk.
void cache_sync(void);

// Gives back pages, if the kernel has asked for some. To be called now and then.
void cache_answer(void);

// Reads or writes one block past the cache, from or to the page that is bound at `page`.
void cache_raw(enum disk_op op, u32 block, void *page);

// Sleeps until a disk request completes, the kernel wants something, or `time`.
void cache_sleep(u64 time);

// Something failed that this library OS cannot do without: it ends, and is started again.
void fail(const char *what) __attribute__((noreturn));

#endif
