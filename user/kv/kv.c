// kv: a library OS that is a key-value store and nothing else. It has one address space, no processes and no
// files; its records are in an extent of its own, and which of them are in memory it decides itself. It runs
// beside the Unix library OS, from a line of the manifest:
//     name=kv image=kv pages=200 envs=1 slots=4 extents=store args=SEED.OPS
// Its work is drawn from SEED: it puts, gets and deletes, compares every answer with what it must be, and
// leaves in block 0 of the extent what grade/kv.py reads: a digest of all answers, which anyone can compute
// who knows SEED.
#include "../rt/rt.h"
#include "cache.h"
#include "work.h"

#define MAGIC     0x3676786579656b76
#define REST_TIME (EXO_WORDS->timebase / 10)

static struct report {
    u64 magic, run, seed, ops;
    u64 done; // operations; all of them when it is `ops`
    u64 digest, wrong;
    struct cache_counts counts;
    u64 cycles; // that all operations took
    u8 rest[EXO_PAGE - 12 * 8];
} report __attribute__((aligned(EXO_PAGE)));
_Static_assert(sizeof report == EXO_PAGE, "a block");

void rt_fault(struct exo_uarea *ua) {
    print("kv: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    rt_exit();
}

static u64 cycle(void) {
    u64 n;
    __asm__ volatile("rdcycle %0" : "=r"(n));
    return n;
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
    report.seed = work.state = number(&args);
    report.ops = number(&args);
    store_setup(1, (blocks < CACHE_BLOCKS ? blocks : CACHE_BLOCKS) - 1, run);
    cache_raw(DISK_WRITE, 0, &report);
}

int main(void);
int main(void) {
    first_self(&rt()->first);
    start();
    u64 begun = cycle();
    while (work.done < report.ops) {
        work_on();
        cache_answer();
    }
    cache_sync();
    report.done = work.done;
    report.digest = work.digest;
    report.wrong = work.wrong;
    report.counts = cache_counts;
    report.cycles = cycle() - begun;
    cache_raw(DISK_WRITE, 0, &report);
    print("bench store-kv %lu\ndone\n", report.cycles / report.ops); // for who has given it the console
    for (;; cache_answer()) cache_sleep(exo_time() + REST_TIME);
}
