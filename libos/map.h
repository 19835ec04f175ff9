// Mappings: memory that a program asks for by itself, beside its heap, with a file's contents or zeroed.
//
// They lie below PROGRAM_END, the first at the top, and never in a table (2 MiB) that the heap has: the heap
// ends where they begin. A page of a private mapping is like one of the heap: put out by the pager, shared on
// write by fork. It is read when the mapping is made, so that no page fault needs the file system.
//
// A shared mapping shows pages of an object, which all who map the same file share, or all who had an
// anonymous one from their parents. Its pages stay in memory as long as anybody maps any of them; the D bit
// of each process's entries tells what it has stored since it wrote that to the file. The frames of the
// buffer cache are not shown, as they become others' and what is in them must not change while a commit
// writes it.
//
// A process's mappings are its own to change, by one thread at a time (thread_space_enter); or its parent's,
// before it runs or once it has broken down: what it stored and did not write is then lost to the file, not
// to others. The lock guards objects and their pages; but an object with a file grows with its inode locked.
#ifndef EXV6_MAP_H
#define EXV6_MAP_H

#include <exo/abi.h>
#include <stdbool.h>
#include "kernel/mman.h"
#include "kernel/param.h"
#include "lock.h"

struct inode;
struct proc;

#define MAP_OBJECTS 32
#define MAP_LINKS   1024 // pages of all objects, at most; and no more than the buffer cache has

struct mapping {
    va_t va;
    u32 pages; // 0: not in use
    u32 at;    // shared: the first page, of ...
    struct object *object;
    u64 writable;
};

// The pages in order are a list of links, numbered from 1.
struct object {
    u32 refs, pages, first, last;
    struct inode *ip; // 0: anonymous
    u64 size;         // of the file, in bytes, as far as it was read
    u64 charged;      // to the commit count
};

struct maps {
    struct lock lock;
    u32 free;  // links that were used before, a list; 0: none
    u32 fresh; // links that were used at all
    struct object object[MAP_OBJECTS];
    struct {
        ppn_t ppn;
        u32 next;
    } link[MAP_LINKS + 1];
    struct mapping map[NPROC][NMAP]; // by process index
};

static inline va_t map_end(const struct mapping *m) { return m->va + (va_t)m->pages * EXO_PAGE; }

#define EACH_MAP(p, m) for (struct mapping *m = map_at(p, 0); m < map_at(p, NMAP); m++)

struct mapping *map_at(const struct proc *, u32 i); // one of p's NMAP

// ---- place.c: of this process, for vm.c and pages.c ----

bool map_has(va_t va);    // is va of a private mapping, whose pages may not be there?
bool map_shares(va_t va); // is it of a shared mapping?

// ---- place.c: for map.c ----

u32 map_pages(const struct proc *); // of all mappings

// One that has a page in [va, end); one that is not in use. 0: none.
struct mapping *map_find(const struct proc *, va_t va, va_t end);
struct mapping *map_unused(const struct proc *);

// The highest place for so many pages below PROGRAM_END, of which no mapping has any and the heap's last
// table none; 0: there is none.
va_t map_place(const struct proc *, u64 pages);

// Sees to it that there are tables from va on, which is where a mapping is to begin, charged for; p->map is
// never higher than that afterwards. False, and nothing done, if it cannot.
bool map_tables(struct proc *, va_t va);

// Takes the pages [va, end), which are m's, out of the table: what m has above them becomes a mapping of its
// own, if there is something below, too. How many mappings are left of m; -1, and nothing done, if that needs
// one more and all are in use.
int map_cut(struct proc *, struct mapping *m, va_t va, va_t end);

// Drops the tables that none needs any more, below the lowest mapping, and what was charged for them.
void map_tables_drop(struct proc *);

// ---- for fork, exec and exit ----

// A child gets tables for its mappings, and a part in their objects; the pages are not bound yet. False, and
// nothing done, if it cannot.
bool map_fork(struct proc *child);

// Drops all that p maps, tables included. What it has stored goes to the files if `write`; that is for p
// itself, with no other thread.
void map_drop(struct proc *p, bool write);

// ---- calls (user/exv6.h) ----

char *sys_mmap(u64 at, u64 bytes, int prot, int flags, int fd, u64 offset);
int sys_munmap(va_t va, u64 bytes);
int sys_msync(va_t va, u64 bytes);

#endif
