// The program's part of the address space: [0, sz), and what it maps (map.h), below 1 GiB. Code and data are
// there from exec on; bss, stack and heap pages come, zeroed, when they are first touched; after a fork,
// pages are shared until one side writes. This file serves page faults, grows and shrinks the heap, and tells
// the rest of the libOS which of the program's pointers can be followed.
//
// The commit count: pages that processes may come to use, all told, never exceed what the account's reserve
// grants. Whoever makes that possible (sbrk, mmap, fork, exec) charges first and fails if it cannot; so a
// page fault finds its page.
#ifndef EXV6_VM_H
#define EXV6_VM_H

#include <exo/abi.h>
#include <stdbool.h>
#include "lock.h"

#define PROGRAM_END 0x3fe00000 // a program ends below: the image header of the first process is above

#define PTE_COW \
    PTE_S0 // shared since a fork: to be copied, or made writable if nobody shares it now, by a write

// Causes of exceptions (RISC-V privileged architecture, scause).
#define CAUSE_ILLEGAL    2
#define CAUSE_ECALL      8
#define CAUSE_FETCH_PAGE 12
#define CAUSE_LOAD_PAGE  13
#define CAUSE_STORE_PAGE 15

struct proc;

struct commit {
    struct lock lock;
    u64 limit; // pages
    u64 used;
};

// Whether [p, p + n) lies within the program and can be read, or read and written. Brings it in if need be,
// so that following the pointer raises no fault. n may be 0.
bool user_ok(const void *p, u64 n, bool write);

// Copies a NUL-terminated string of at most max bytes, the NUL included. Its length, or -1 if it is too long
// or not there.
int user_str(const char *p, char *out, int max);

// The same as copies (fs.h: fs_copy): 0, or -1 if the program's memory, to or from, is not there.
static inline int copy_out(void *to, const void *from, u64 n) {
    if (!user_ok(to, n, true)) return -1;
    __builtin_memcpy(to, from, n);
    return 0;
}

static inline int copy_in(void *to, const void *from, u64 n) {
    if (!user_ok(from, n, false)) return -1;
    __builtin_memcpy(to, from, n);
    return 0;
}

// p's program ends at sz now, which is less: what is beyond it goes, tables too.
void vm_shrink(struct proc *p, u64 sz);

// Serves a page fault of this process at va; false if it is one that the program must answer for.
bool vm_fault(u64 cause, va_t va);

// Where the next 2 MiB of p's program begin that have a table, from va on; PROGRAM_END if there are none.
va_t vm_table(const struct proc *p, va_t va);

// Pages that a process with a program of this size may use, all told.
u64 vm_cost(u64 sz);

// *charged becomes `pages`, the difference coming from or going to the commit count; false, and nothing done,
// if there are not enough.
bool vm_charge(u64 *charged, u64 pages);

char *sys_sbrk(int n);

#endif
