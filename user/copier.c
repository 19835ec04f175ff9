// copier: a library OS that copies one extent to another of the same size, for `make bench`; copybench.c does
// the same with files. Its pages are bound nowhere: the disk fills and empties them, and nobody looks. Its
// line in the manifest:
//     name=copier image=copier pages=200 envs=1 slots=4 console extents=from,to
#include "rt/rt.h"

#define LANES  8 // requests in flight, of EXO_REQ_BLOCKS blocks each
#define STRIDE (LANES * EXO_REQ_BLOCKS)

static u64 word[EXO_PAGE / 8] __attribute__((aligned(EXO_PAGE))); // a block, to make and to check them
static struct lane {
    u64 request;
    ppn_t ppn[EXO_REQ_BLOCKS] __attribute__((aligned(64)));
} lane[LANES];

void rt_fault(struct exo_uarea *ua) {
    print("copier: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    rt_exit();
}

static u64 must(struct exo_ret r, const char *what) {
    if (!r.err) return r.val;
    print("copier: %s: error %ld\n", what, r.err);
    rt_exit();
}

static u64 cycle(void) {
    u64 n;
    __asm__ volatile("rdcycle %0" : "=r"(n));
    return n;
}

static u32 extent(const char *name) {
    for (u32 i = 0; i < EXO_WORDS->nexts; i++) {
        const volatile struct exo_ext *e = &EXO_EXTS[i];
        if (e->count && e->account == self_account() && str_eq((const char *)e->name, name)) return i;
    }
    print("copier: it has no extent %s\n", name);
    rt_exit();
}

static void finish(u64 request) {
    struct exo_ret r;
    while ((r = exo_disk_done(request)).err == E_BUSY) rt_yield(0);
    if (must(r, "a request") == 0) return;
    print("copier: the disk reports an error\n");
    rt_exit();
}

static void move(struct lane *l, enum disk_op op, u32 ext, u32 block) {
    l->request = must(exo_disk_submit(op, EXO_REQ_BLOCKS, ext, block, l->ppn, 0), "a transfer");
}

static void copy(u32 from, u32 to, u32 blocks) {
    for (u32 at = 0; at < blocks; at += STRIDE) {
        for (u32 i = 0; i < LANES; i++) move(&lane[i], DISK_READ, from, at + i * EXO_REQ_BLOCKS);
        for (u32 i = 0; i < LANES; i++) {
            finish(lane[i].request);
            move(&lane[i], DISK_WRITE, to, at + i * EXO_REQ_BLOCKS);
        }
        for (u32 i = 0; i < LANES; i++) finish(lane[i].request);
    }
    finish(must(exo_disk_submit(DISK_FLUSH, 0, to, 0, 0, 0), "a flush"));
}

static void one_block(enum disk_op op, u32 ext, u32 block) {
    u64 pte = must(exo_protect(EXO_ENVS[self() & EXO_EID_INDEX].root, (va_t)word, 0, 0, 0), "its own page");
    ppn_t ppn[2] __attribute__((aligned(8))) = {PTE_PPN(pte)};
    finish(must(exo_disk_submit(op, 1, ext, block, ppn, 0), "a block"));
}

static void fill(u32 ext, u32 blocks) {
    for (u32 b = 0; b < blocks; b++) {
        for (u32 i = 0; i < EXO_PAGE / 8; i++) word[i] = (u64)b << 32 | i;
        one_block(DISK_WRITE, ext, b);
    }
}

static u32 wrong(u32 ext, u32 blocks) {
    u32 n = 0;
    for (u32 b = 0; b < blocks; b++) {
        one_block(DISK_READ, ext, b);
        u32 i = 0;
        while (i < EXO_PAGE / 8 && word[i] == ((u64)b << 32 | i)) i++;
        n += i < EXO_PAGE / 8;
    }
    return n;
}

int main(void);
int main(void) {
    first_self(&rt()->first);
    u32 from = extent("from"), to = extent("to"), blocks = EXO_EXTS[from].count;
    if (blocks % STRIDE || EXO_EXTS[to].count < blocks) {
        print("copier: %u blocks do not go into %u, or are not a multiple of %u\n", blocks,
              EXO_EXTS[to].count, STRIDE);
        rt_exit();
    }
    for (u32 i = 0; i < STRIDE; i++)
        lane[i / EXO_REQ_BLOCKS].ppn[i % EXO_REQ_BLOCKS] = (ppn_t)must(exo_page_alloc(0, 1), "a page");
    fill(from, blocks);
    u64 begun = cycle();
    copy(from, to, blocks);
    u64 took = cycle() - begun;
    u32 n = wrong(to, blocks);
    if (n)
        print("copier: %u blocks differ\n", n);
    else
        print("bench copy-extents %lu\n", took);
    print("done\n");
    for (;;) rt_stop();
}
