// A table of records on the disk: a bucket a block, where a record is found by its key's hash.
#ifndef KV_STORE_H
#define KV_STORE_H

#include <exo/types.h>
#include <stdbool.h>

#define VALUE_WORDS 7

struct value {
    u64 word[VALUE_WORDS];
};

// Blocks from..from+n-1 of the cache's extent are buckets; what an earlier run left there counts as empty.
void store_setup(u32 from, u32 n, u64 run);

bool store_put(u64 key, const struct value *); // false: there is no room
bool store_get(u64 key, struct value *);       // false: there is no such key
bool store_delete(u64 key);                    // false: there was none

#endif
