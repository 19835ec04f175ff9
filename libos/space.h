// Address spaces: the tables and bindings that every process has, made for fork and exec and taken apart
// again.
//
//     0             program: pages [0, sz) and its mappings, which end at PROGRAM_END (vm.h); a level-0 table
//                   for each 2 MiB of either
//     LIBOS_TABLE   the libOS's image and its stack (unix.ld)
//     THREADS_VA    stacks of the process's threads (thread.h)
//     WORKERS_VA    u-areas of its environments on other harts (worker.h)
//     PAGER_VA      four scratch pages and before the last two the u-area (UA_VA)
//     WINDOW_VA     the program's level-0 tables, read-only: the entry for va is PTE_OF(va)
//     SHARED_VA     shared.h
//     CACHE_VA      frames of the buffer cache, bound when they are first used
//
// The image's text, its constants and the shared pages are the same pages in every process. Whoever takes
// away the last binding of a page frees it; so it makes no difference here who ends first. But the cache's
// frames are never freed.
#ifndef EXV6_SPACE_H
#define EXV6_SPACE_H

#include <exo/abi.h>
#include <stdbool.h>
#include "kernel/syscall.h"

#define WINDOW_VA  0x40200000
#define PAGER_VA   0x401fb000 // a table of another process (pager.c)
#define REVIVE_VA  0x401fc000 // another process's u-area (robust.h)
#define SCRATCH_VA 0x401ff000 // fork and exec: a page that is being filled for another address space
#define COPY_VA    0x401fe000 // a page that is being copied on write; not the same, as it may come between
#define TABLE_SPAN 0x200000   // bytes that a level-0 table covers

static inline va_t table_begin(va_t va) { return va & ~(va_t)(TABLE_SPAN - 1); }

#define PTE_OF(va) (((const volatile u64 *)WINDOW_VA)[(va) >> 12])

// Bits of private pages: A and D set, as nobody looks at them.
#define SPACE_RW (PTE_R | PTE_W | PTE_A | PTE_D)

// The image's parts (unix.ld).
extern char image_load[], rodata_start[], data_start[], bss_end[], stack_bottom[], stack_top[];

// Pages that a process has for itself beside its program: the root, 8 tables, the u-area, data and bss,
// stack.
u64 space_pages(void);

// A new address space of this libOS without a program. The libOS's private pages are copies, or the caller's
// own ones if `own`, along with its u-area; of threads' slots that of the calling thread is taken along.
// False if something ran out; then nothing is left behind.
bool space_new(ppn_t *root, bool own);

// Takes it apart, the cache's frames (struct proc; 0: none) and the threads' slots up to `threads` included.
// No environment runs on it any more, and it has no program.
void space_free(ppn_t root, const u64 *frames, va_t threads);

// ---- grow.c ----

// Makes the tables for a program that grows from sz to new_sz; drops what a program that shrinks no longer
// needs, pages included. Growing fails with nothing done. And the same for tables alone, or pages alone, of
// any part of it: space_grow(root, from, to) and space_shrink(root, to, from, resident) with multiples of
// TABLE_SPAN; space_drop, which also serves for the libOS's own pages. How many pages were dropped is
// subtracted from *resident (struct proc), unless that is 0. Dropping needs the pager's lock, which goes by
// what struct proc says of the program's size: that must change in the same session.
bool space_grow(ppn_t root, u64 sz, u64 new_sz);
void space_shrink(ppn_t root, u64 sz, u64 new_sz, u32 *resident);
void space_drop(ppn_t root, va_t from, va_t to, u32 *resident);

// ---- space.c, for both ----

// n new pages, not zeroed, to be tables: all or none. Outside pager_enter and leave.
bool space_alloc(ppn_t *ppn, u32 n);

// Frees n pages that nobody binds, at most EXO_BATCH_MAX. If one is the disk's still, once the request is
// over.
void space_free_pages(const ppn_t *ppn, u32 n);

// A new page, zeroed, bound at SCRATCH_VA until another is; 0: there is none.
ppn_t space_scratch(void);

// Several bindings as one call. batch_add sends what has gathered when there is no room for another; once one
// operation was refused, the rest of that call is not done and false is returned.
bool batch_add(u32 op, ppn_t root, va_t va, ppn_t ppn, u32 bits);
bool batch_flush(void);

// Room for EXO_BATCH_MAX operations that the kernel can write to: for a batch of one's own, while none
// gathers. space_free_pages() uses it, too.
struct exo_op *batch_ops(void);

#endif
