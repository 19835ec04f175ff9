// malloc and free: first fit over one list of free blocks in order of address, fed by sbrk(). A block is a
// 16-byte header and the bytes handed out; neighbours that are free are always one block. A program may call
// sbrk() itself in between: blocks that do not touch are simply not joined.
#include "kernel/types.h"
#include "user/thread.h"
#include "user/user.h"

struct block {
    uint64 size;        // of the whole block, header included; a multiple of 16
    struct block *next; // while it is free
};

#define UNIT  sizeof(struct block)
#define GROW  65536UL      // least to ask of sbrk() at a time
#define LIMIT 0x7fffffffUL // sbrk() takes an int

static struct block *free_list;
static struct mutex lock; // of the list

static char *end_of(struct block *b) { return (char *)b + b->size; }

static void join_next(struct block *b) {
    struct block *next = b->next;
    if (next && end_of(b) == (char *)next) {
        b->size += next->size;
        b->next = next->next;
    }
}

// Puts b back in its place. False if it overlaps what is free already: it was freed before, or never given.
static int insert(struct block *b) {
    struct block *prev = 0, *next = free_list;
    while (next && next < b) {
        prev = next;
        next = next->next;
    }
    if ((prev && end_of(prev) > (char *)b) || (next && end_of(b) > (char *)next)) return 0;
    b->next = next;
    if (prev)
        prev->next = b;
    else
        free_list = b;
    join_next(b);
    if (prev) join_next(prev);
    return 1;
}

// Adds at least `need` bytes to the list. Under pressure it takes just what is needed.
static int grow(uint64 need) {
    uint64 size = need > GROW ? need : GROW;
    char *p = (char *)-1;
    if (size <= LIMIT) p = sbrk(size);
    if (p == (char *)-1 && need < size) {
        size = need;
        p = sbrk(size);
    }
    if (p == (char *)-1) return 0;
    uint64 skip = -(uint64)p % UNIT; // the program may have moved the break to an odd place
    if (skip > 0 && sbrk(UNIT) == (char *)-1) return 0;
    struct block *b = (struct block *)(p + skip);
    b->size = size;
    return insert(b);
}

// Takes `need` bytes off the first block that has them.
static struct block *take(uint64 need) {
    for (struct block **at = &free_list; *at; at = &(*at)->next) {
        struct block *b = *at;
        if (b->size < need) continue;
        if (b->size - need >= 2 * UNIT) {
            struct block *rest = (struct block *)((char *)b + need);
            rest->size = b->size - need;
            rest->next = b->next;
            b->size = need;
            *at = rest;
        } else {
            *at = b->next;
        }
        return b;
    }
    return 0;
}

void *malloc(uint bytes) {
    uint64 need = (bytes + UNIT + UNIT - 1) / UNIT * UNIT;
    if (need < 2 * UNIT) need = 2 * UNIT;
    mutex_lock(&lock);
    struct block *b = take(need);
    if (!b && grow(need)) b = take(need);
    mutex_unlock(&lock);
    return b ? b + 1 : 0;
}

void free(void *p) {
    if (!p) return;
    mutex_lock(&lock);
    int ok = insert((struct block *)p - 1);
    mutex_unlock(&lock);
    if (!ok) {
        fprintf(2, "free: %p is not an allocated block\n", p);
        exit(1);
    }
}
