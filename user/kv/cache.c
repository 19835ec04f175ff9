// See cache.h.
#include "cache.h"
#include "../rt/rt.h"

#define FRAMES_VA 0x50000000 // frame i is bound at FRAMES_VA + i * EXO_PAGE
#define CODE_VA   (FRAMES_VA + 511 * EXO_PAGE)
#define IN_FLIGHT 8
#define AGE_AFTER 512 // misses

struct frame {
    ppn_t ppn; // 0: none
    u32 block;
    u32 uses;
    bool dirty;
};

struct cache_counts cache_counts;

static struct frame frame[CACHE_MOST - 1];
static u16 where[CACHE_BLOCKS]; // of each block: 1 + its frame, or 0
static u32 nframes, extent;
static ppn_t root, sleep_code;

#define FRAMES (sizeof frame / sizeof *frame)

static void *data(const struct frame *f) { return (void *)(FRAMES_VA + (u64)(f - frame) * EXO_PAGE); }

void fail(const char *what) {
    print("kv: %s\n", what); // seen if it owns the console
    rt_exit();
}

static void must(i64 err, const char *what) {
    if (err) fail(what);
}

// ---- the disk ----

// word `completions` != r1, or time >= r2
static const struct pred_insn until_done[] = {
    {PRED_LD, 5, 0, 0, offsetof(struct exo_words, completions)},
    {PRED_BNE, 0, 5, 1, 2},
    {PRED_BGEU, 0, 4, 2, 1},
    {PRED_RET, 0, 0, 0, 0},
    {PRED_LI, 5, 0, 0, 1},
    {PRED_RET, 0, 5, 0, 0},
};

void cache_sleep(u64 time) { rt_wait(sleep_code, EXO_WORDS->completions, time, 0, 0); }

static u64 begin(enum disk_op op, u32 block, ppn_t ppn) {
    ppn_t ppns[2] __attribute__((aligned(8))) = {ppn};
    struct exo_ret request = exo_disk_submit(op, 1, extent, block, ppns, 0);
    must(request.err, "a disk request");
    return request.val;
}

static void finish(u64 request) {
    for (;;) {
        u64 seen = EXO_WORDS->completions;
        struct exo_ret done = exo_disk_done(request);
        if (done.err != E_BUSY) {
            must(done.err ? done.err : (i64)done.val, "the disk");
            return;
        }
        rt_wait(sleep_code, seen, ~0ul, 0, 0);
    }
}

void cache_raw(enum disk_op op, u32 block, void *page) {
    struct exo_ret pte = exo_protect(root, (va_t)page, 0, 0, 0);
    must(pte.err, "a page of its own");
    finish(begin(op, block, PTE_PPN(pte.val)));
}

// Several at once, as they do not depend on each other.
static void write_out(struct frame *f[], u32 n) {
    u64 request[IN_FLIGHT];
    for (u32 i = 0; i < n; i++) request[i] = begin(DISK_WRITE, f[i]->block, f[i]->ppn);
    for (u32 i = 0; i < n; i++) {
        finish(request[i]);
        f[i]->dirty = false;
    }
    cache_counts.written += n;
}

static void write_all(void) {
    struct frame *dirty[IN_FLIGHT];
    u32 n = 0;
    for (u32 i = 0; i < FRAMES; i++) {
        if (frame[i].ppn && frame[i].dirty) dirty[n++] = &frame[i];
        if (n == IN_FLIGHT || i == FRAMES - 1) {
            write_out(dirty, n);
            n = 0;
        }
    }
}

void cache_sync(void) {
    write_all();
    struct exo_ret flush = exo_disk_submit(DISK_FLUSH, 0, extent, 0, 0, 0);
    must(flush.err, "a flush");
    finish(flush.val);
}

// ---- frames ----

// The one to be missed least; or 0.
static struct frame *coldest(bool clean) {
    struct frame *least = 0;
    for (u32 i = 0; i < FRAMES; i++)
        if (frame[i].ppn && !(clean && frame[i].dirty) && (!least || frame[i].uses < least->uses))
            least = &frame[i];
    return least;
}

static void forget(struct frame *f) {
    if (f->dirty) write_out(&f, 1);
    where[f->block] = 0;
}

static struct frame *another(void) {
    if (nframes < FRAMES) {
        struct exo_ret page = exo_page_alloc(0, 1);
        struct frame *f = frame;
        while (!page.err && f->ppn) f++;
        if (!page.err && rt_map(root, (va_t)data(f), (ppn_t)page.val, PTE_R | PTE_W) == 0) {
            f->ppn = (ppn_t)page.val;
            nframes++;
            return f;
        }
    }
    if (nframes == 0) fail("not a single page");
    struct frame *f = coldest(false);
    forget(f);
    return f;
}

static void age(void) {
    for (u32 i = 0; i < FRAMES; i++) frame[i].uses /= 2;
}

void *cache_block(u32 block, bool change) {
    struct frame *f;
    if (where[block]) {
        f = &frame[where[block] - 1];
        cache_counts.hits++;
    } else {
        f = another();
        finish(begin(DISK_READ, block, f->ppn));
        f->block = block;
        f->uses = 0;
        f->dirty = false;
        where[block] = (u16)(f - frame + 1);
        if (++cache_counts.misses % AGE_AFTER == 0) age();
    }
    f->uses++;
    f->dirty |= change;
    return data(f);
}

// ---- revocation ----

static void give(struct frame *f) {
    where[f->block] = 0;
    exo_unbind(root, (va_t)data(f), 0);
    must(exo_page_free(f->ppn), "a page that it gives back");
    f->ppn = 0;
    nframes--;
    cache_counts.given++;
}

void cache_answer(void) {
    struct exo_uarea *ua = uarea();
    if (!(__atomic_load_n(&ua->pending, __ATOMIC_SEQ_CST) & PENDING_REVOKE)) return;
    __atomic_fetch_and(&ua->pending, ~(u64)PENDING_REVOKE, __ATOMIC_SEQ_CST);
    for (u64 n = ua->revoke_n; n && nframes > 1; n--) { // clean ones first
        struct frame *f = coldest(true);
        if (!f) write_all();
        give(f ? f : coldest(true));
    }
}

// What is taken by force is taken in the order of page numbers, unless it was said that it must stay.
static void keep_own(void) {
    for (va_t va = (va_t)&image; va < (va_t)stack_top; va += EXO_PAGE) {
        struct exo_ret pte = exo_protect(root, va, 0, 0, 0);
        if (!pte.err) exo_page_set(PTE_PPN(pte.val), 0, 0, 0, 1);
    }
}

void cache_setup(u32 ext) {
    struct exo_ret table = exo_page_alloc(0, 0), code = exo_page_alloc(0, 0);
    extent = ext;
    root = EXO_ENVS[self() & EXO_EID_INDEX].root;
    must(table.err ? table.err : code.err, "its first pages");
    i64 err = exo_pt_link(root, FRAMES_VA, 0, table.val);
    if (err == E_TABLE) {
        struct exo_ret upper = exo_page_alloc(0, 0);
        err = upper.err ? upper.err : exo_pt_link(root, FRAMES_VA & -(va_t)0x40000000, 1, upper.val);
        if (!err) err = exo_pt_link(root, FRAMES_VA, 0, table.val);
    }
    must(err, "a table");
    must(rt_map(root, CODE_VA, (ppn_t)code.val, PTE_R | PTE_W), "a predicate's page");
    struct pred_code *c = (struct pred_code *)CODE_VA;
    c->n = sizeof until_done / sizeof *until_done;
    memcpy(c->insn, until_done, sizeof until_done);
    exo_unbind(root, CODE_VA, 0);
    must(exo_code_load(code.val), "a predicate");
    sleep_code = (ppn_t)code.val;
    keep_own();
    must(exo_acct_pager(self_account(), self()), "the pager");
}
