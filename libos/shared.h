// What all processes of the libOS share, and where: one structure, bound writable at the same address in every
// process. Each abstraction declares its part in its own header; this file only places them. All bytes are 0
// when the first process starts.
//
// The first page is the wake words, alone because wakeup predicates pin it. The frames of the buffer cache
// follow the structure.
#ifndef EXV6_SHARED_H
#define EXV6_SHARED_H

#include <exo/abi.h>
#include "bcache.h"
#include "file.h"
#include "fs.h"
#include "kernel/param.h"
#include "pipe.h"
#include "proc.h"
#include "tty.h"
#include "vm.h"

#define SHARED_VA 0x1800000000
#define SHARED ((struct shared *)SHARED_VA)

#define CACHE_FRAMES (NPROC * BUF_HELD + 64)
#define LIBOS_PAGES 64 // pages of text and constants, at most

struct shared {
    union {
        u64 wake[NPROC]; // a counter for each process, by index
        u8 wake_page[EXO_PAGE];
    };
    ppn_t code_wake;  // predicates: own counter or time,
    ppn_t code_event; // own counter or one of the kernel's words
    u32 account;
    ppn_t text_ppn[LIBOS_PAGES]; // of the libOS's text and constants, from LIBOS_TABLE
    ppn_t page_ppn[512];         // of the pages bound from SHARED_VA

    struct commit commit;
    struct proc_table procs;
    struct files files;
    struct pipes pipes;
    struct tty tty;

    struct bcache cache;
    struct buf cache_buf[CACHE_FRAMES]; // cache.buf
    union {
        struct fs fs;
        u8 fs_memory[FS_MEMORY(NINODE)];
    };
};

#define SHARED_SIZE ((sizeof(struct shared) + EXO_PAGE - 1) & -(u64)EXO_PAGE)
#define CACHE_VA (SHARED_VA + SHARED_SIZE)

_Static_assert(offsetof(struct shared, cache_buf) == offsetof(struct shared, cache) + offsetof(struct bcache, buf),
               "cache.buf");
_Static_assert(SHARED_SIZE / EXO_PAGE + CACHE_FRAMES <= 512, "one level-0 table");

#endif
