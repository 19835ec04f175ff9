// Tests of wakeup predicates on the host: what code_load accepts and refuses, one field at a time and at
// random; that what it accepts runs as a second interpreter runs it, within its bounds; what holds its pages
// and when they are let go. AddressSanitizer guards the RAM that predicates may read.
#include "fake_kernel.h"
#include "kernel/extent.c"
#include "kernel/ramdisk.c"
#include "kernel/disk.c"
#include "kernel/predicate.c"

u32 trace_on;

void trace(u32 event, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4) {
    (void)event, (void)w0, (void)w1, (void)w2, (void)w3, (void)w4;
}

bool virtio_open(struct disk *d) {
    (void)d;
    return false;
}

void plic_enable(u32 irq) { (void)irq; }

void panic(const char *format, ...) {
    puts(format);
    abort();
}

enum { CODE = 10, DATA = 20 }; // pages: where a predicate is put, where the pages it names begin

static void world(void) {
    memset(accts, 0, sizeof(accts));
    memset(page_records, 0, sizeof(page_records));
    memset(envs, 0, sizeof(envs));
    accts[1] = (struct exo_acct){.state = ACCT_RUN, .reserve = 100};
    accts[2] = (struct exo_acct){.state = ACCT_RUN, .parent = 1, .reserve = 100};
    accts[3] = (struct exo_acct){.state = ACCT_NEW, .parent = 1, .reserve = 100};
    for (u32 i = 0; i < NPAGES; i++)
        pages[i] = (struct exo_page){.type = i < NPAGES - 4 ? PAGE_DATA : PAGE_KERNEL, .account = 1};
    call_as(1);
}

static struct pred_code *code_at(u32 page) { return ppn_to_va(ppn_at(page)); }

static struct pred_insn insn(u32 op, u32 d, u32 a, u32 b, i32 imm) {
    return (struct pred_insn){(u8)op, (u8)d, (u8)a, (u8)b, imm};
}

#define RET(r) insn(PRED_RET, 0, r, 0, 0)

// "word 8 of page 1 != w0, or time >= w1": what a libOS waits with.
static struct pred_code *usual(void) {
    struct pred_code *c = code_at(CODE);
    *c = (struct pred_code){.n = 8, .npages = 1, .page = {0, ppn_at(DATA)}};
    c->insn[0] = insn(PRED_LD, 5, 1, 0, 8);
    c->insn[1] = insn(PRED_BNE, 0, 5, 1, 2);
    c->insn[2] = insn(PRED_BGEU, 0, 4, 2, 1);
    c->insn[3] = insn(PRED_RET, 0, 0, 0, 0);
    c->insn[4] = insn(PRED_LI, 6, 0, 0, 1);
    c->insn[5] = insn(PRED_OR, 0, 0, 6, 0);
    c->insn[6] = insn(PRED_ADD, 0, 0, 0, 0);
    c->insn[7] = RET(0);
    return c;
}

static i64 load_at(u64 ppn) { return do_code_load(ppn, 0, 0, 0, 0).err; }

static i64 load_it(void) { return load_at(ppn_at(CODE)); }

static i64 drop_it(void) { return do_code_drop(ppn_at(CODE), 0, 0, 0, 0).err; }

static bool run_it(u64 w0, u64 w1, u64 w2, u64 now) {
    const u64 w[3] = {w0, w1, w2};
    return predicate_true(ppn_at(CODE), w, now);
}

static void test_usual(void) {
    world();
    usual();
    u64 *word = ppn_to_va(ppn_at(DATA));
    word[1] = 7;
    check("load", 0, load_it());
    check("load: the type", PAGE_CODE, pages[CODE].type);
    check("load: its page is pinned", 1, pages[DATA].pins);
    check("load: both are fixed", 2, accts[1].fixed);
    check("run: as waited for, too early", 0, run_it(7, 100, 0, 99));
    check("run: in time", 1, run_it(7, 100, 0, 100));
    check("run: the word changed", 1, run_it(6, 100, 0, 0));
    word[1] = 6;
    check("run: it looks again", 0, run_it(6, 100, 0, 0));
    check("load: twice", E_TYPE, load_it());
    check("drop", 0, drop_it());
    check("drop: data again", PAGE_DATA, pages[CODE].type);
    check("drop: nothing is pinned or fixed", 0, pages[DATA].pins + accts[1].fixed);
    check("drop: twice", E_TYPE, drop_it());
}

static void test_load_errors(void) {
    world();
    struct pred_code *c = usual();
    check("load: page 0", E_PPN, load_at(0));
    check("load: past RAM", E_PPN, load_at(ppn_at(NPAGES)));
    check("load: wild name", E_PPN, load_at(1UL << 32 | ppn_at(CODE)));
    check("load: the kernel's page", E_PPN, load_at(ppn_at(NPAGES - 1)));
    call_as(2);
    check("load: another's", E_OWNER, load_it());
    call_as(1);
    for (u32 t = PAGE_FREE; t <= PAGE_DOOMED; t++) {
        pages[CODE].type = (u8)t;
        if (t != PAGE_DATA) CHECK(load_it() == E_TYPE);
    }
    check("load: not data", E_TYPE, load_it());
    pages[CODE].type = PAGE_DATA;
    pages[CODE].binds = 1;
    check("load: bound", E_BOUND, load_it());
    pages[CODE].binds = 0, pages[CODE].pins = 1;
    check("load: pinned", E_PINNED, load_it());
    pages[CODE].pins = 0;
    c->page[1] = 0;
    c->n = 0;
    check("load: the program is checked before its pages", E_CODE, load_it());
    c->n = 8;
    check("load: names no page", E_PPN, load_it());
    c->page[1] = ppn_at(NPAGES - 2);
    check("load: names the kernel's page", E_PPN, load_it());
    c->page[1] = ppn_at(DATA), pages[DATA].account = 2;
    check("load: names another account's page", E_OWNER, load_it());
    pages[DATA].account = 3;
    check("load: names a page of a child, even a new one", E_OWNER, load_it());
    pages[DATA].account = 1, pages[DATA].type = PAGE_UAREA;
    check("load: names a page that is not data", E_TYPE, load_it());
    pages[DATA].type = PAGE_DATA;
    c->page[1] = ppn_at(CODE);
    check("load: names itself", 0, load_it());
    check("load: fixed once, for all that", 1, accts[1].fixed);
    check("drop: itself too", 0, drop_it());
    check("drop: and nothing is left", 0, pages[CODE].pins + accts[1].fixed);
    c->npages = 2, c->page[1] = ppn_at(CODE), c->page[2] = 1;
    check("load: errors in the order of the checks", E_PPN, load_it());
    c->npages = 1, c->page[1] = ppn_at(DATA);
    accts[1].reserve = 1;
    check("load: two more fixed pages where one may be", E_FIXED, load_it());
    pages[DATA].flags = PAGE_KEEP, accts[1].fixed = 1, accts[1].reserve = 2;
    check("load: a kept page needs no room", 0, load_it());
    CHECK(drop_it() == 0);
    pages[CODE].flags = PAGE_KEEP, accts[1].fixed = 2;
    check("load: nor does a kept page become code", 0, load_it());
    CHECK(drop_it() == 0 && accts[1].fixed == 2);
    pages[CODE].flags = pages[DATA].flags = 0, accts[1].fixed = 0;
    c->npages = 3, c->page[2] = c->page[3] = ppn_at(DATA);
    check("load: one page under three names is fixed once", 0, load_it());
    check("load: and pinned thrice", 3, pages[DATA].pins);
    check("drop: page 0", E_PPN, do_code_drop(0, 0, 0, 0, 0).err);
    call_as(2);
    check("drop: another's", E_OWNER, drop_it());
    call_as(1);
    check("drop: data", E_TYPE, do_code_drop(ppn_at(DATA), 0, 0, 0, 0).err);
    pages[CODE].binds = 1;
    check("drop: bound", E_BOUND, drop_it());
    pages[CODE].binds = 0;
    envs[7] = (struct exo_env){.eid = 0x87, .account = 1, .state = ENV_WAITING, .code = ppn_at(CODE)};
    check("drop: waited for", E_BUSY, drop_it());
    envs[7].state = ENV_WAITING | ENV_STOPPED;
    check("drop: waited for by one that is stopped", E_BUSY, drop_it());
    envs[7].code++;
    check("drop: waiting on something else", 0, drop_it());
    check("drop: all three pins are gone", 0, pages[DATA].pins + accts[1].fixed);
    CHECK(load_it() == 0);
    envs[7] = (struct exo_env){.eid = 0x87, .account = 1, .state = ENV_STOPPED, .code = ppn_at(CODE)};
    check("drop: no longer waiting", 0, drop_it());
    CHECK(load_it() == 0);
    envs[7] = (struct exo_env){.eid = 0, .state = ENV_WAITING, .code = ppn_at(CODE)};
    check("drop: a free record waits for nothing", 0, drop_it());
    pages[CODE].account = pages[DATA].account = 3; // what a libOS does before it starts another
    check("load: for a new child, with its page", 0, load_it());
    check("load: fixed there", 2, accts[3].fixed);
}

// The disk and a predicate hold one page, and each lets go of its own.
static void test_disk_too(void) {
    world();
    struct label l = {.nextents = 1, .extent = {{"label", 0, 1}}};
    ext_init(&l);
    bootargs = "disk=3";
    words->timebase = 10000000;
    machine.initrd = (struct range){(u64)ppn_at(NPAGES - 4) * EXO_PAGE, (u64)ppn_at(NPAGES) * EXO_PAGE};
    CHECK(disk_open() == 4);
    usual();
    *(ppn_t *)(ram + EXO_PAGE) = ppn_at(DATA);
    struct ret r = do_disk_submit(DISK_READ | 1 << 8, 0, 0, EXO_PAGE, 0);
    CHECK(!r.err);
    accts[1].reserve = 2;
    check("load: a page that a request holds needs no room", 0, load_it());
    check("load: pinned by both", 2, pages[DATA].pins);
    check("submit: into code", E_TYPE,
          (*(ppn_t *)(ram + EXO_PAGE) = ppn_at(CODE),
           do_disk_submit(DISK_READ | 1 << 8, 0, 0, EXO_PAGE, 0).err));
    host_time = disk_due();
    disk_tick();
    check("load: still pinned when the request is done", 1, pages[DATA].pins);
    check("load: and fixed", 2, accts[1].fixed);
    CHECK(drop_it() == 0);
    check("load: nothing remains", 0, pages[DATA].pins + accts[1].fixed);
}

// ---- programs ----

static i64 load_program(u32 n, const struct pred_insn *insns, u32 npages) {
    struct pred_code *c = code_at(CODE);
    *c = (struct pred_code){.n = n, .npages = npages};
    for (u32 i = 1; i < 4; i++) c->page[i] = ppn_at(DATA + i);
    for (u32 i = 0; i < n && i < EXO_NPRED; i++) c->insn[i] = insns[i];
    return load_it();
}

static i64 load_one(struct pred_insn first, u32 n) {
    struct pred_insn p[EXO_NPRED];
    for (u32 i = 0; i < EXO_NPRED; i++) p[i] = RET(0);
    p[0] = first;
    i64 err = load_program(n, p, 1);
    if (!err) CHECK(drop_it() == 0);
    return err;
}

static void test_limits(void) {
    world();
    check("program: one instruction", 0, load_one(RET(0), 1));
    check("program: none", E_CODE, load_one(RET(0), 0));
    check("program: 32", 0, load_one(RET(0), 32));
    code_at(CODE)->insn[EXO_NPRED - 1] = RET(0);
    ((struct pred_insn *)(code_at(CODE) + 1))[0] = RET(0);
    check("program: 33", E_CODE, load_one(RET(0), 33));
    check("program: wild length", E_CODE, load_one(RET(0), ~0u));
    check("program: does not end in RET", E_CODE, load_one(insn(PRED_LI, 0, 0, 0, 0), 1));
    check("program: unknown operation", E_CODE, load_one(insn(PRED_OPS, 0, 0, 0, 0), 2));
    check("program: operation 255", E_CODE, load_one(insn(255, 0, 0, 0, 0), 2));
    for (u32 op = 0; op < PRED_OPS; op++) {
        i32 imm = op >= PRED_BEQ && op <= PRED_BGEU;
        CHECK(load_one(insn(op, 8, 0, 0, imm), 3) == E_CODE && load_one(insn(op, 0, 8, 0, imm), 3) == E_CODE);
        CHECK(load_one(insn(op, 0, 0, 8, imm), 3) == E_CODE &&
              load_one(insn(op, 255, 1, 0, imm), 3) == E_CODE);
        CHECK(load_one(insn(op, 7, op == PRED_LD ? 1 : 7, 7, imm), 3) == 0);
    }
    check("program: registers past r7", E_CODE, load_one(insn(PRED_ADD, 8, 0, 0, 0), 2));
    check("program: page 1 of 1", 0, load_one(insn(PRED_LD, 0, 1, 0, 0), 2));
    check("program: page 2 of 1", E_CODE, load_one(insn(PRED_LD, 0, 2, 0, 0), 2));
    check("program: 3 pages", 0, load_program(1, (struct pred_insn[]){RET(0)}, 3));
    CHECK(drop_it() == 0);
    check("program: 4 pages", E_CODE, load_program(1, (struct pred_insn[]){RET(0)}, 4));
    check("program: branch to itself", E_CODE, load_one(insn(PRED_BEQ, 0, 0, 0, -1), 3));
    check("program: branch that skips nothing", E_CODE, load_one(insn(PRED_BEQ, 0, 0, 0, 0), 3));
    check("program: branch to the last instruction", 0, load_one(insn(PRED_BEQ, 0, 0, 0, 1), 3));
    check("program: branch past it", E_CODE, load_one(insn(PRED_BEQ, 0, 0, 0, 2), 3));
    check("program: branch as far as it goes", E_CODE, load_one(insn(PRED_BLTU, 0, 0, 0, 0x7fffffff), 32));
    check("program: branch as far back as it goes", E_CODE,
          load_one(insn(PRED_BGEU, 0, 0, 0, -0x7fffffff - 1), 32));

    u64 *page = ppn_to_va(ppn_at(DATA + 1));
    memset(page, 0, EXO_PAGE);
    page[511] = 1;
    struct pred_insn p[] = {insn(PRED_LD, 5, 1, 1, 0), RET(5)};
    CHECK(load_program(2, p, 1) == 0);
    check("load word: last of the page", 1, run_it(0xff8, 0, 0, 0));
    check("load word: offset is cut to 8 bytes", 1, run_it(0xfff, 0, 0, 0));
    check("load word: offset wraps in the page", 0, run_it(0x1000, 0, 0, 0));
    check("load word: wild offset", 1, run_it(~0UL, 0, 0, 0));
    CHECK(drop_it() == 0);
    p[0] = insn(PRED_LD, 5, 0, 1, -8);
    CHECK(load_program(2, p, 1) == 0);
    word_page.whole_page[511] = 9;
    check("load word: page 0, its last word, by negative offset", 1, run_it(0, 0, 0, 0));
    words->completions = 1;
    check("load word: the exported words", 1, run_it(offsetof(struct exo_words, completions) + 8, 0, 0, 0));
    words->completions = 0;
    check("load word: and what they say", 0, run_it(offsetof(struct exo_words, completions) + 8, 0, 0, 0));
    CHECK(drop_it() == 0);
}

// A second reading of abi.h, with all steps counted and every index checked.
static bool second(const struct pred_code *c, const u64 w[3], u64 now) {
    u64 r[8] = {0, w[0], w[1], w[2], now, 0, 0, 0};
    u32 pc = 0, steps = 0;
    while (1) {
        CHECK(pc < c->n && ++steps <= EXO_NPRED);
        struct pred_insn i = c->insn[pc++];
        CHECK(i.d < 8 && i.b < 8 && i.a < 8);
        i64 imm = i.imm;
        bool taken = (i.op == PRED_BEQ && r[i.a] == r[i.b]) || (i.op == PRED_BNE && r[i.a] != r[i.b]) ||
                     (i.op == PRED_BLTU && r[i.a] < r[i.b]) || (i.op == PRED_BGEU && !(r[i.a] < r[i.b]));
        if (taken) pc += (u32)imm;
        if (i.op == PRED_RET) return r[i.a];
        u64 v = i.op == PRED_LI    ? (u64)imm
                : i.op == PRED_ADD ? r[i.b] + r[i.a]
                : i.op == PRED_SUB ? r[i.a] + ~r[i.b] + 1
                : i.op == PRED_AND ? ~(~r[i.a] | ~r[i.b])
                : i.op == PRED_OR  ? ~(~r[i.a] & ~r[i.b])
                                   : r[i.d];
        if (i.op == PRED_LD) {
            CHECK(i.a <= c->npages && c->npages <= 3);
            const u8 *page = i.a ? ram + (c->page[i.a] - EXO_PPN_BASE) * EXO_PAGE : (u8 *)&word_page;
            memcpy(&v, page + (((r[i.b] + (u64)imm) >> 3) & 511) * 8, 8);
        }
        r[i.d] = v;
    }
}

static struct pred_code random_program(void) {
    struct pred_code c = {.n = 1 + (u32)draw_below(EXO_NPRED), .npages = (u32)draw_below(4)};
    for (u32 i = 1; i < 4; i++) c.page[i] = ppn_at(DATA + (u32)draw_below(6));
    for (u32 i = 0; i < c.n; i++) {
        u32 op = (u32)draw_below(PRED_OPS - 1); // RET: rarely before the end
        if (i == c.n - 1 || draw_below(40) == 0) op = PRED_RET;
        bool branch = op >= PRED_BEQ && op <= PRED_BGEU;
        if (branch && i + 2 >= c.n) op = PRED_ADD, branch = false;
        i32 imm = branch          ? 1 + (i32)draw_below(c.n - 2 - i)
                  : draw_below(3) ? (i32)draw_below(16) - 8
                                  : (i32)draw64();
        c.insn[i] = insn(op, (u32)draw_below(8), (u32)draw_below(op == PRED_LD ? c.npages + 1 : 8),
                         (u32)draw_below(8), imm);
    }
    return c;
}

static u64 random_word(void) { return draw_below(3) ? draw_below(4) : draw64(); }

// Whatever is accepted runs as the second interpreter does; pins and fixed pages are as before, when it is
// gone.
static bool accepted_runs_alike(u32 *trues) {
    const struct pred_code *c = code_at(CODE);
    if (load_it()) return false;
    for (u32 i = 0; i < 20; i++) {
        u64 w[3] = {random_word(), random_word(), random_word()}, now = random_word();
        bool t = predicate_true(ppn_at(CODE), w, now);
        CHECK(t == second(c, w, now));
        *trues += t;
    }
    CHECK(drop_it() == 0 && accts[1].fixed == 0);
    return true;
}

static void test_random(void) {
    world();
    for (u32 p = DATA; p < DATA + 6; p++)
        for (u32 i = 0; i < EXO_PAGE / 8; i++) ((u64 *)ppn_to_va(ppn_at(p)))[i] = random_word();
    for (u32 i = 0; i < EXO_PAGE / 8; i++) word_page.whole_page[i] = random_word();
    u32 accepted = 0, trues = 0, refused = 0, still = 0;
    for (u32 i = 0; i < 30000; i++) {
        *code_at(CODE) = random_program();
        accepted += accepted_runs_alike(&trues);
    }
    check("random programs: all accepted", 30000, accepted);
    check("random programs: true and false", 1, trues > 100000 && trues < 500000);
    for (u32 i = 0; i < 60000; i++) { // a few bytes changed: refused, or it still runs within its bounds
        *code_at(CODE) = random_program();
        u32 size = offsetof(struct pred_code, insn) + code_at(CODE)->n * sizeof(struct pred_insn);
        for (u64 n = 1 + draw_below(3); n; n--) ((u8 *)code_at(CODE))[draw_below(size)] = (u8)draw64();
        bool ok = accepted_runs_alike(&trues);
        refused += !ok;
        still += ok;
    }
    check("changed programs: some refused, some not", 1, refused > 10000 && still > 10000);
    u32 noise = 0;
    for (u32 i = 0; i < 60000; i++) { // little more than noise
        struct pred_code *c = code_at(CODE);
        for (u32 j = 0; j < sizeof(*c) / 8; j++) ((u64 *)c)[j] = draw64() & 0x0707070707070707;
        c->n = (u32)draw_below(6);
        c->npages = (u32)draw_below(5);
        for (u32 j = 1; j < 4; j++) c->page[j] = ppn_at(DATA + j);
        c->insn[c->n ? c->n - 1 : 0].op = PRED_RET;
        noise += accepted_runs_alike(&trues);
    }
    check("noise: some of it is a program", 1, noise > 5000 && noise < 50000);
    for (u32 i = 0; i < NPAGES; i++) CHECK(pages[i].pins == 0);
    check("noise: nothing stays pinned", 0, accts[1].fixed);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_usual();
    test_load_errors();
    test_disk_too();
    test_limits();
    test_random();
    return failures != 0;
}
