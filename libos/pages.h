// Which physical pages are behind a program's memory: for requests to the disk that go straight there.
#ifndef EXV6_PAGES_H
#define EXV6_PAGES_H

#include <exo/types.h>

// An fs_pages (fs.h): of n whole pages from `at`, which is page-aligned, the first that are this process's
// and can be read, or written if `write`; brought in if need be. They stay where they are until this process
// calls user_pages_done().
u32 user_pages(const void *at, u32 n, int write, ppn_t *ppn);
void user_pages_done(void);

#endif
