// What a store is asked, drawn from a seed, and whether each answer is right. Made for two: the key-value
// library OS, and a program that does the same on files (user/storebench.c). grade/kv.py computes the digest
// for itself.
#ifndef KV_WORK_H
#define KV_WORK_H

#include "store.h"

#define KEYS 12000

static struct work {
    u64 state;  // of the draws; the seed to begin with
    u64 done;   // operations
    u64 digest; // of all answers
    u64 wrong;
    u32 version[KEYS]; // of each key's value; 0: it has none
} work;

static u64 draw(u64 n) {
    work.state = work.state * 6364136223846793005 + 1442695040888963407;
    return (work.state >> 33) % n;
}

static u64 word_of(u64 key, u64 version, u64 i) {
    u64 x = (key << 32 ^ version) + i * 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    return x ^ x >> 27;
}

static struct value value_of(u64 key, u64 version) {
    struct value v;
    for (u64 i = 0; i < VALUE_WORDS; i++) v.word[i] = word_of(key, version, i);
    return v;
}

static bool equal(const struct value *a, const struct value *b) {
    u64 differ = 0;
    for (u32 i = 0; i < VALUE_WORDS; i++) differ |= a->word[i] ^ b->word[i];
    return differ == 0;
}

static u64 put(u64 key, u32 now) {
    struct value v = value_of(key, now);
    bool ok = store_put(key, &v);
    work.wrong += !ok;
    work.version[key] = now;
    return ok;
}

static u64 get(u64 key) {
    u32 version = work.version[key];
    struct value saw, want = value_of(key, version);
    bool there = store_get(key, &saw);
    work.wrong += there != (version != 0) || (there && !equal(&saw, &want));
    return there ? saw.word[0] : 0;
}

static u64 delete (u64 key) {
    bool was = store_delete(key);
    work.wrong += was != (work.version[key] != 0);
    work.version[key] = 0;
    return was;
}

// The next operation. Small keys are asked for more often.
static void work_on(void) {
    u64 a = draw(KEYS), b = draw(KEYS), what = draw(10), key = a < b ? a : b;
    u64 answer = what < 4 ? put(key, (u32)work.done + 1) : what < 9 ? get(key) : delete (key);
    work.digest = (work.digest ^ answer) * 0x100000001b3;
    work.done++;
}

#endif
