// What all processes of the libOS share, and where: one structure, bound writable at the same address in
// every process. Each abstraction declares its part in its own header; this file only places them. All bytes
// are 0 when the first process starts.
//
// The first page is the wake words, alone because wakeup predicates pin it. The frames of the buffer cache
// have tables of their own, in which a process binds those that it comes to use (vm.c): few of many.
#ifndef EXV6_SHARED_H
#define EXV6_SHARED_H

#include <exo/abi.h>
#include "bcache.h"
#include "file.h"
#include "fs.h"
#include "kernel/param.h"
#include "map.h"
#include "pager.h"
#include "pipe.h"
#include "proc.h"
#include "rpc.h"
#include "tty.h"
#include "vm.h"

#define SHARED_VA 0x1800000000
#define SHARED    ((struct shared *)SHARED_VA)

#define CACHE_LEAST (NPROC * BUF_HELD + 64) // frames of the buffer cache
#define CACHE_MOST  1024
#define LIBOS_PAGES 64 // pages of text and constants, at most

struct shared {
    union {
        struct { // counters for each process, by index, of which all grow
            u64 wake[NPROC];
            u64 serve[NPROC]; // threads that workers left to the process's own environment (worker.h), ...
            u64 loose[NPROC]; // ... and those that are there for idle workers
        };
        u8 wake_page[EXO_PAGE];
    };

    // What start.c finds out, for all processes to come.
    ppn_t code_wake;  // predicate: own counter or time
    ppn_t code_event; // predicate: own counter or one of the kernel's words
    ppn_t code_watch; // predicate: own counter, or the kernel's words `stops` or `input`
    ppn_t code_any;   // predicate: the sum of all of these, or time
    u32 account;
    ppn_t page_ppn[512];         // of this structure, SHARED_PAGES
    u32 frames;                  // of the buffer cache: an eighth of the reserve, CACHE_LEAST to CACHE_MOST
    ppn_t frame_ppn[CACHE_MOST]; // which those are
    ppn_t text_ppn[LIBOS_PAGES]; // the libOS's text and constants, from LIBOS_TABLE

    struct commit commit;
    struct proc_table procs;
    struct files files;
    struct pipes pipes;
    struct tty tty;
    struct rpcs rpcs;
    struct pager pager;
    struct maps maps;
    union {
        struct bcache cache;
        u8 cache_memory[BCACHE_MEMORY(CACHE_MOST)];
    };
    union {
        struct fs fs;
        u8 fs_memory[FS_MEMORY(NINODE)];
    };
};

#define SHARED_PAGES ((sizeof(struct shared) + EXO_PAGE - 1) / EXO_PAGE)
#define CACHE_VA     (SHARED_VA + 512 * EXO_PAGE)

_Static_assert(SHARED_PAGES <= 512, "one level-0 table");
_Static_assert(CACHE_MOST == 64 * sizeof(((struct proc *)0)->frames) / 8, "a bit for each frame");

#endif
