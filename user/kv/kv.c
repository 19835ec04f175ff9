// kv: a library OS that is a key-value store and nothing else. It has one address space, no processes and no
// files; its records are in an extent of its own, and which of them are in memory it decides itself. It runs
// beside the Unix library OS, from a line of the manifest:
//     name=kv image=kv pages=200 envs=1 slots=4 extents=store args=SEED.OPS
// Its work is drawn from SEED: it puts, gets and deletes, compares every answer with what it must be, and
// leaves in block 0 of the extent what grade/kv.py reads: a digest of all answers, which anyone can compute
// who knows SEED.
#include "../rt/rt.h"
#include "cache.h"
#include "store.h"

#define KEYS      12000
#define MAGIC     0x3676786579656b76
#define REST_TIME (EXO_WORDS->timebase / 10)

static struct report {
    u64 magic, run, seed, ops;
    u64 done; // operations; all of them when it is `ops`
    u64 digest, wrong;
    struct cache_counts counts;
    u8 rest[EXO_PAGE - 11 * 8];
} report __attribute__((aligned(EXO_PAGE)));
_Static_assert(sizeof report == EXO_PAGE, "a block");

static u32 version[KEYS]; // of each key's value; 0: it has none
static u64 state;

void rt_fault(struct exo_uarea *ua) {
    print("kv: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    rt_exit();
}

static u64 draw(u64 n) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % n;
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
    report.wrong += !ok;
    version[key] = now;
    return ok;
}

static u64 get(u64 key) {
    struct value saw, want = value_of(key, version[key]);
    bool there = store_get(key, &saw);
    report.wrong += there != (version[key] != 0) || (there && !equal(&saw, &want));
    return there ? saw.word[0] : 0;
}

static u64 delete (u64 key) {
    bool was = store_delete(key);
    report.wrong += was != (version[key] != 0);
    version[key] = 0;
    return was;
}

// Small keys are asked for more often.
static u64 one(void) {
    u64 a = draw(KEYS), b = draw(KEYS), what = draw(10), key = a < b ? a : b;
    return what < 4 ? put(key, (u32)report.done + 1) : what < 9 ? get(key) : delete (key);
}

static u32 own_extent(void) {
    for (u32 i = 0; i < EXO_WORDS->nexts; i++)
        if (EXO_EXTS[i].count && EXO_EXTS[i].account == self_account()) return i;
    fail("it has no extent");
}

static u64 number(const char **s) {
    u64 n = 0;
    for (; **s >= '0' && **s <= '9'; ++*s) n = n * 10 + (u64)(**s - '0');
    *s += **s == '.';
    return n;
}

static void start(void) {
    const char *args = rt()->first.args;
    u32 extent = own_extent(), blocks = EXO_EXTS[extent].count;
    cache_setup(extent);
    cache_raw(DISK_READ, 0, &report);
    u64 run = report.magic == MAGIC ? report.run + 1 : 1;
    memset(&report, 0, sizeof report);
    report.magic = MAGIC;
    report.run = run;
    report.seed = state = number(&args);
    report.ops = number(&args);
    store_setup(1, (blocks < CACHE_BLOCKS ? blocks : CACHE_BLOCKS) - 1, run);
    cache_raw(DISK_WRITE, 0, &report);
}

int main(void);
int main(void) {
    first_self(&rt()->first);
    start();
    while (report.done < report.ops) {
        report.digest = (report.digest ^ one()) * 0x100000001b3;
        report.done++;
        cache_answer();
    }
    cache_sync();
    report.counts = cache_counts;
    cache_raw(DISK_WRITE, 0, &report);
    for (;; cache_answer()) cache_sleep(exo_time() + REST_TIME);
}
