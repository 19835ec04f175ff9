// See store.h.
#include "store.h"
#include "../rt/rt.h"
#include "cache.h"

#define RECORDS 63

struct record {
    u64 key;
    struct value value;
};

struct bucket {
    u64 run; // which run filled it
    u32 n;
    u32 spilled; // a record that belongs here was put into one of those behind
    u64 spare[6];
    struct record record[RECORDS];
};
_Static_assert(sizeof(struct bucket) == EXO_PAGE, "a bucket is a block");

static u32 first, buckets;
static u64 this_run;

void store_setup(u32 from, u32 n, u64 run) {
    first = from;
    buckets = n;
    this_run = run;
}

static u32 hash(u64 key) { return (u32)((key * 0x9e3779b97f4a7c15 >> 32) % buckets); }

static struct bucket *bucket(u32 i, bool change) {
    struct bucket *b = cache_block(first + i % buckets, change);
    if (b->run != this_run) {
        b = cache_block(first + i % buckets, true);
        *b = (struct bucket){.run = this_run};
    }
    return b;
}

// The bucket that has the key, in *at its place there; or 0.
static struct bucket *find(u64 key, bool change, u32 *at) {
    for (u32 i = hash(key), tries = 0; tries < buckets; i++, tries++) {
        struct bucket *b = bucket(i, false);
        for (*at = 0; *at < b->n; ++*at)
            if (b->record[*at].key == key) return change ? bucket(i, true) : b;
        if (!b->spilled) return 0;
    }
    return 0;
}

bool store_put(u64 key, const struct value *value) {
    u32 at;
    struct bucket *b = find(key, true, &at);
    for (u32 i = hash(key), tries = 0; !b && tries < buckets; i++, tries++) {
        b = bucket(i, true);
        at = b->n;
        if (b->n < RECORDS) {
            b->n++;
        } else {
            b->spilled = 1;
            b = 0;
        }
    }
    if (b) b->record[at] = (struct record){key, *value};
    return b != 0;
}

bool store_get(u64 key, struct value *value) {
    u32 at;
    const struct bucket *b = find(key, false, &at);
    if (b) *value = b->record[at].value;
    return b != 0;
}

bool store_delete(u64 key) {
    u32 at;
    struct bucket *b = find(key, true, &at);
    if (b) b->record[at] = b->record[--b->n];
    return b != 0;
}
