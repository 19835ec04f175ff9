// Wakeup predicates: what code_load accepts, what they compute, when a wait ends, and what they hold.
#include "kt.h"

typedef struct pred_insn insn;

// Loads n instructions with the first `npages` of `own`, and drops them again if that worked.
static i64 load(const insn *code, u32 n, u32 npages, const ppn_t *own) {
    ppn_t ppn = page_new();
    struct pred_code *c = map(ppn, RW);
    c->n = n;
    c->npages = npages;
    memcpy(c->insn, code, (n <= EXO_NPRED ? n : EXO_NPRED) * sizeof *code);
    for (u32 i = 0; own && i < npages && i < 3; i++) c->page[i + 1] = own[i];
    win_end(c);
    i64 err = exo_code_load(ppn);
    CHECK(page_of(ppn)->type, err ? PAGE_DATA : PAGE_CODE);
    if (!err) CHECK(exo_code_drop(ppn), 0);
    page_end(ppn);
    return err;
}

#define LOAD(...) \
    load((const insn[]){__VA_ARGS__}, sizeof((const insn[]){__VA_ARGS__}) / sizeof(insn), 0, NULL)
#define RET \
    { PRED_RET, 0, 0, 0, 0 }

static void accepts(void) {
    insn full[EXO_NPRED + 1];
    for (u32 i = 0; i <= EXO_NPRED; i++) full[i] = (insn)RET;
    CHECK(load(full, 1, 0, NULL), 0);
    CHECK(load(full, EXO_NPRED, 0, NULL), 0);
    CHECK(load(full, 0, 0, NULL), E_CODE);
    CHECK(load(full, EXO_NPRED + 1, 0, NULL), E_CODE);
    CHECK(load(full, ~0u, 0, NULL), E_CODE);
    CHECK(load(full, 1, 4, NULL), E_CODE);
    CHECK(load(full, 1, ~0u, NULL), E_CODE);
    for (u32 op = 0; op < 256; op++) {
        kt_with = op;
        bool branch = op >= PRED_BEQ && op <= PRED_BGEU;
        CHECK(LOAD({(u8)op, 1, 0, 2, branch}, RET, RET), op < PRED_OPS ? E_OK : E_CODE);
    }
}

static void registers(void) {
    for (u32 r = 0; r < 256; r++) {
        kt_with = r;
        CHECK(LOAD({PRED_LI, (u8)r, 0, 0, 0}, RET), r < 8 ? E_OK : E_CODE);
        CHECK(LOAD({PRED_ADD, 1, (u8)r, 0, 0}, RET), r < 8 ? E_OK : E_CODE);
        CHECK(LOAD({PRED_SUB, 1, 0, (u8)r, 0}, RET), r < 8 ? E_OK : E_CODE);
        CHECK(LOAD({PRED_BEQ, 0, (u8)r, 0, 1}, RET, RET), r < 8 ? E_OK : E_CODE);
        CHECK(LOAD({PRED_BGEU, 0, 0, (u8)r, 1}, RET, RET), r < 8 ? E_OK : E_CODE);
        CHECK(LOAD({PRED_RET, 0, (u8)r, 0, 0}), r < 8 ? E_OK : E_CODE);
        CHECK(LOAD({PRED_LD, 1, 0, (u8)r, 0}, RET), r < 8 ? E_OK : E_CODE);
        CHECK(LOAD({PRED_LD, 1, (u8)r, 0, 0}, RET), r == 0 ? E_OK : E_CODE); // page r is not there
    }
}

// Forward only, and never past the last instruction.
static void branches(void) {
    static const i32 skips[] = {0, -1, -2, 3, 4, 31, 32, 33, 255, 256, 0x7fffffff, -0x7fffffff - 1, 0x10001};
    for (u8 op = PRED_BEQ; op <= PRED_BGEU; op++) {
        CHECK(LOAD({op, 0, 0, 0, 1}, RET, RET, RET), 0);
        CHECK(LOAD({op, 0, 0, 0, 2}, RET, RET, RET), 0);
        for (u32 i = 0; i < sizeof skips / 4; i++) {
            kt_with = (u32)skips[i];
            CHECK(LOAD({op, 0, 0, 0, skips[i]}, RET, RET, RET), E_CODE);
        }
        CHECK(LOAD(RET, RET, {op, 0, 0, 0, -1}, RET), E_CODE);
        CHECK(LOAD(RET, {op, 0, 0, 0, 1}), E_CODE);
    }
    CHECK(LOAD({PRED_LI, 1, 0, 0, 1}), E_CODE); // does not end in ret
    CHECK(LOAD(RET, {PRED_ADD, 1, 0, 0, 0}), E_CODE);
}

static void load_errors(void) {
    static const insn ret[] = {RET};
    ppn_t p = page_new(), q = page_new();
    u64 bad;
    for (EACH_BAD(bad, ppn, p)) CHECK(exo_code_load(bad), E_PPN);
    CHECK(exo_code_load(0), E_PPN);
    CHECK(exo_code_load(kt_root), E_TYPE);
    CHECK(exo_code_load(kt_timer), E_TYPE);
    void *w = map(p, RW);
    ppn_t code = pin(p);
    CHECK(exo_code_load(p), E_BOUND);
    win_end(w);
    CHECK(exo_code_load(p), E_PINNED);
    unpin(code);
    CHECK(exo_code_load(p), E_CODE); // all zero: no instruction
    for (EACH_BAD(bad, ppn, q))
        if (!(bad >> 32)) {
            ppn_t own[3] = {q, (ppn_t)bad, q};
            CHECK(load(ret, 1, 2, own), E_PPN);
            CHECK(load(ret, 1, 1, own), 0);
        }
    kt_with = 0;
    ppn_t head = page_new(), next = page_new(); // load() takes the one freed last
    page_end(next);
    page_end(head);
    ppn_t types[] = {kt_root, kt_timer, env_of(self())->uarea, next};
    for (u32 i = 0; i < 4; i++) {
        kt_with = i;
        CHECK(load(ret, 1, 1, &types[i]), E_TYPE);
    }
    page_end(p);
    page_end(q);
}

static void drop_errors(void) {
    ppn_t p = page_new();
    u64 bad;
    for (EACH_BAD(bad, ppn, p)) CHECK(exo_code_drop(bad), E_PPN);
    CHECK(exo_code_drop(p), E_TYPE);
    CHECK(exo_code_drop(kt_root), E_TYPE);
    ppn_t code = pin(p);
    void *w = map(code, PTE_R);
    CHECK(exo_code_drop(code), E_BOUND);
    CHECK(rt_try_store((va_t)w, 0), 15);
    win_end(w);
    CHECK(exo_bind(kt_root, WIN + 300 * EXO_PAGE, code, RW, 0).err, E_BITS);
    unpin(code);
    page_end(p);
}

static void owner_child(u64 mine) {
    static const insn ret[] = {RET};
    ppn_t other = (ppn_t)mine;
    CHECK(exo_code_load(mine), E_OWNER);
    CHECK(exo_code_load(kt_timer), E_OWNER);
    CHECK(exo_code_drop(kt_timer), E_OWNER);
    CHECK(exo_code_drop(mine), E_OWNER);
    CHECK(load(ret, 1, 1, &other), E_OWNER); // a page of another account's
    CHECK(load(ret, 1, 1, &kt_root), E_OWNER);
    CHECK(exo_page_free(mine), E_OWNER);
}

static void owner(void) {
    ppn_t p = page_new();
    child_does(owner_child, p);
    page_end(p);
}

static void fixed_child(u64 unused) {
    static const insn ret[] = {RET};
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    ppn_t own[3] = {page_new(), page_new(), page_new()};
    (void)unused;
    CHECK(exo_acct_set(self_account(), a->fixed + 3, a->envs, a->accts, a->exts), 0);
    CHECK(load(ret, 1, 3, own), E_FIXED); // the code and three pages
    CHECK(load(ret, 1, 2, own), 0);
    own[2] = own[1];
    CHECK(load(ret, 1, 3, own), 0); // a page is fixed once
    CHECK(page_of(own[1])->pins, 0);
}

static void fixed(void) {
    pool_open(CHILD_PAGES);
    child_does(fixed_child, 0);
    pool_close();
}

// ---- what they compute ----

// Is `code` true of these words? A wait whose predicate is true comes back in a slice or two; else a timer in
// the same program would be needed: so it is asked by a wait that env_ctl(run) of another ends.
static struct peer prober;

static void prober_main(u64 code) {
    for (;;) {
        while (!sh->w[20]) rt_yield(0);
        sh->w[20] = 0;
        sh->w[21] = 0;
        CHECK(rt_wait(code, sh->w[22], sh->w[23], sh->w[24], 0), 0);
        sh->w[21] = 1;
    }
}

static bool truth(u64 w0, u64 w1, u64 w2) {
    sh->w[22] = w0;
    sh->w[23] = w1;
    sh->w[24] = w2;
    sh->w[21] = 2;
    sh->w[20] = 1;
    WAIT(sh->w[21] != 2);
    rt_yield(0);
    rt_yield(0);
    bool was = sh->w[21];
    if (!was) {
        CHECK(env_of(prober.eid)->state & ENV_WAITING, ENV_WAITING);
        CHECK(exo_env_ctl(prober.eid, ENV_RUN), 0);
        WAIT(sh->w[21] == 1);
    }
    return was;
}

static ppn_t begin(const insn *code, u32 n, const ppn_t *own, u32 nown) {
    ppn_t ppn = code_new(code, n, own, nown);
    return ppn && peer_go(&prober, 0, prober_main, ppn) ? ppn : 0;
}

static void end(ppn_t code) {
    peer_end(&prober);
    code_end(code);
}

// ret(w0 op w1 == w2) for each operation.
static void arithmetic(void) {
    static const struct {
        u8 op;
        u64 a, b, result;
    } list[] = {
        {PRED_ADD, 1, 2, 3},
        {PRED_ADD, ~0ul, 1, 0},
        {PRED_SUB, 1, 2, ~0ul},
        {PRED_SUB, 5, 3, 2},
        {PRED_AND, 0xff0, 0x0ff, 0xf0},
        {PRED_OR, 0xff0, 0x0ff, 0xfff},
        {PRED_AND, 1ul << 63, ~0ul, 1ul << 63},
    };
    for (u32 i = 0; i < sizeof list / sizeof list[0]; i++) {
        insn code[] = {{list[i].op, 5, 1, 2, 0},
                       {PRED_BNE, 0, 5, 3, 2},
                       {PRED_LI, 6, 0, 0, 1},
                       {PRED_RET, 0, 6, 0, 0},
                       RET};
        kt_with = i;
        ppn_t c = begin(code, 5, NULL, 0);
        if (!c) return;
        TRUE(truth(list[i].a, list[i].b, list[i].result));
        TRUE(!truth(list[i].a, list[i].b, list[i].result + 1));
        end(c);
    }
}

static void comparisons(void) {
    static const u64 values[] = {0, 1, 2, 1ul << 63, ~0ul};
    for (u8 op = PRED_BEQ; op <= PRED_BGEU; op++) {
        insn code[] = {{op, 0, 1, 2, 1}, RET, {PRED_LI, 5, 0, 0, -1}, {PRED_RET, 0, 5, 0, 0}};
        ppn_t c = begin(code, 4, NULL, 0);
        if (!c) return;
        for (u32 i = 0; i < 5; i++)
            for (u32 j = 0; j < 5; j++) {
                u64 a = values[i], b = values[j];
                bool want = op == PRED_BEQ    ? a == b
                            : op == PRED_BNE  ? a != b
                            : op == PRED_BLTU ? a < b
                                              : a >= b;
                kt_with = (u64)op << 8 | i << 4 | j;
                TRUE(truth(a, b, 0) == want);
            }
        end(c);
    }
}

// Loads: from the word page, from own pages by register and offset, which never leaves the page.
static void loads(void) {
    ppn_t own[3] = {page_new(), page_new(), page_new()};
    for (u32 i = 0; i < 3; i++) {
        u64 *w = map(own[i], RW);
        for (u32 j = 0; j < 512; j++) w[j] = (i + 1) * 1000 + j;
        win_end(w);
    }
    for (u8 page = 1; page <= 3; page++) {
        insn code[] = {{PRED_LD, 5, page, 1, 16},
                       {PRED_BNE, 0, 5, 2, 2},
                       {PRED_LI, 6, 0, 0, 1},
                       {PRED_RET, 0, 6, 0, 0},
                       RET};
        ppn_t c = begin(code, 5, own, 3);
        if (!c) return;
        kt_with = page;
        u64 base = page * 1000;
        TRUE(truth(0, base + 2, 0));
        TRUE(truth(8, base + 3, 0));
        TRUE(truth(12, base + 3, 0)); // the low bits do not count
        TRUE(truth(4096 - 24, base + 511, 0));
        TRUE(truth(4096 - 16, base, 0)); // nor those past the page
        TRUE(truth(1ul << 40, base + 2, 0));
        TRUE(truth(~0ul - 15, base, 0));
        TRUE(!truth(0, base + 3, 0));
        CHECK(exo_page_free(own[page - 1]), E_PINNED);
        end(c);
    }
    insn code[] = {{PRED_LD, 5, 0, 0, offsetof(struct exo_words, npages)},
                   {PRED_BNE, 0, 5, 1, 2},
                   {PRED_LI, 6, 0, 0, 1},
                   {PRED_RET, 0, 6, 0, 0},
                   RET};
    ppn_t c = begin(code, 5, NULL, 0);
    if (c) {
        TRUE(truth(EXO_WORDS->npages, 0, 0));
        TRUE(!truth(EXO_WORDS->npages + 1, 0, 0));
        end(c);
    }
    for (u32 i = 0; i < 3; i++) page_end(own[i]);
}

// A store of another environment's ends a wait: "word != w0".
static void wakes(void) {
    ppn_t own = page_new();
    volatile u64 *w = map(own, RW);
    insn code[] = {{PRED_LD, 5, 1, 2, 0}, {PRED_SUB, 5, 5, 1, 0}, {PRED_RET, 0, 5, 0, 0}};
    ppn_t c = begin(code, 3, &own, 1);
    if (c) {
        for (u64 i = 0; i < 10; i++) {
            sh->w[22] = *w;
            sh->w[23] = 0;
            sh->w[21] = 2;
            sh->w[20] = 1;
            WAIT(sh->w[21] == 0);
            rt_yield(0);
            CHECK(sh->w[21], 0);
            CHECK(exo_code_drop(c), E_BUSY);
            ++*w;
            WAIT(sh->w[21] == 1);
        }
        CHECK(env_of(prober.eid)->words[0], 9);
        end(c);
    }
    win_end((void *)w);
    page_end(own);
}

// A nonzero `pending` ends a wait as if it were true.
static void pending(void) {
    static const insn never[] = {RET};
    ppn_t c = begin(never, 1, NULL, 0);
    if (!c) return;
    sh->w[21] = 2;
    sh->w[20] = 1;
    WAIT(sh->w[21] == 0);
    rt_yield(0);
    CHECK(sh->w[21], 0);
    __atomic_fetch_or(&prober.ua->pending, 1ul << 40, __ATOMIC_SEQ_CST);
    WAIT(sh->w[21] == 1);
    __atomic_fetch_and(&prober.ua->pending, ~(1ul << 40), __ATOMIC_SEQ_CST);
    end(c);
}

// On another hart, which idles meanwhile: with a poke it is there at once, without at the next tick.
static void waker(u64 code) {
    for (;;) {
        sh->w[1] = sh->w[0];
        CHECK(rt_wait(code, sh->w[1], 0, 0, 0), 0);
    }
}

static void wakes_hart(void) {
    ppn_t own = PTE_PPN(pte_at(kt_root, WIN));
    insn code[] = {{PRED_LD, 5, 1, 0, 0}, {PRED_SUB, 5, 5, 1, 0}, {PRED_RET, 0, 5, 0, 0}};
    ppn_t c = code_new(code, 3, &own, 1);
    struct peer p;
    u64 poked = ~0ul, waited = ~0ul; // the quickest: a host that is busy delays the others
    if (!c || !peer_go(&p, 1, waker, c)) return;
    for (u64 i = 1; i <= 40; i++) {
        WAIT(env_of(p.eid)->state & ENV_WAITING);
        spin(kt_ms / 2);
        u64 start = exo_time();
        sh->w[0] = i;
        if (i % 2) CHECK(exo_poke(1), 0);
        while (sh->w[1] != i && exo_time() < start + 10000 * kt_ms)
            ;
        CHECK(sh->w[1], i);
        u64 took = exo_time() - start, *best = i % 2 ? &poked : &waited;
        *best = took < *best ? took : *best;
    }
    TRUE(poked < 50 * kt_ms);
    TRUE(waited < 100 * kt_ms);
    peer_end(&p);
    code_end(c);
}

static const struct test predicate_tests[] = {
    T(accepts),
    T(registers),
    T(branches),
    T(load_errors),
    T(drop_errors),
    T(owner),
    T(fixed),
    T(arithmetic),
    T(comparisons),
    T(loads),
    T(wakes),
    T(pending),
    T_HARTS(wakes_hart, 2),
};
AREA(predicate);
