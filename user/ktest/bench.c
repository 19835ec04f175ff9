// What each kernel operation costs: `only=bench` prints `bench NAME INSTRUCTIONS`, the median of 101. Meant
// for -icount shift=0,sleep=off, where the cycle counter counts instructions and runs repeat; benchasm.S has
// what is timed. grade/bench.py compares with targets and with the counts accepted before.
#include "kt.h"

#define ROUNDS 101
#define BATCH  100

i64 bench_empty(void), bench_null(void), bench_fault(va_t va), bench_fault_return(va_t va),
    bench_fault_bind(va_t va);
i64 bench_bind(u64 root, va_t va, u64 ppn, u64 bits, cap_t cap), bench_unbind(u64 root, va_t va, u64 word);
i64 bench_batch(struct exo_op *ops, u64 n), bench_alloc(u64 ppn, u64 unzeroed), bench_free(u64 ppn);
i64 bench_call_there(eid_t eid, cap_t cap), bench_call(eid_t eid, cap_t cap),
    bench_call_all(eid_t eid, cap_t cap);
void bench_yield(eid_t eid), bench_quantum(u64 turns);
extern const char bench_fault_entry[], bench_return_entry[], bench_bind_entry[], bench_serve[],
    bench_serve_time[], bench_turn[], bench_epilogue[], bench_prologue[];

static i64 sample[ROUNDS];
static struct exo_op ops[BATCH] __attribute__((aligned(EXO_PAGE)));
static i64 empty; // what two reads of the counter cost

static void report_row(const char *row, u64 each) {
    for (u32 i = 1; i < ROUNDS; i++)
        for (u32 j = i; j && sample[j] < sample[j - 1]; j--) {
            i64 t = sample[j];
            sample[j] = sample[j - 1];
            sample[j - 1] = t;
        }
    print("bench %s %ld\n", row, (sample[ROUNDS / 2] - empty + (i64)each / 2) / (i64)each);
}

// Runs `expr`, the time of one operation or of `each`, often enough, with `before` and `after` around each.
#define ROW(row, each, before, expr, after)   \
    do {                                      \
        for (u32 n_ = 0; n_ < ROUNDS; n_++) { \
            before;                           \
            sample[n_] = (expr);              \
            after;                            \
        }                                     \
        report_row(row, each);                \
    } while (0)

static void null_call(void) {
    empty = 0;
    for (u32 i = 0; i < ROUNDS; i++) sample[i] = bench_empty();
    empty = sample[ROUNDS / 2];
    ROW("empty", 1, , bench_empty(), );
    ROW("null", 1, , bench_null(), );
}

static void set_entry(u32 which, const void *to) { uarea()->entry[which] = to ? (u64)to : rt_entries[which]; }

static void faults(void) {
    va_t va = (va_t)win_new();
    ppn_t page = page_new();
    set_entry(0, bench_fault_entry);
    ROW("fault", 1, , bench_fault(va), );
    set_entry(0, bench_return_entry);
    ROW("fault-return", 1, , bench_fault_return(va), );
    set_entry(0, bench_bind_entry);
    rt()->fregs[0] = page;
    rt()->fregs[1] = my_root();
    ROW("fault-bind", 1, , bench_fault_bind(va), CHECK(exo_unbind(my_root(), va, 0).val2, 0));
    set_entry(0, NULL);
    win_end((void *)va);
    page_end(page);
}

static void bindings(void) {
    ppn_t root = my_root(), page = page_new();
    va_t va[BATCH];
    for (u32 i = 0; i < BATCH; i++) va[i] = (va_t)win_new();
    ROW("bind", 1, , bench_bind(root, va[0], page, RW, 0), exo_unbind(root, va[0], 0));
    ROW("unbind", 1, exo_bind(root, va[0], page, RW, 0), bench_unbind(root, va[0], 0), );
#define FILL(what, p, b)                                           \
    for (u32 i_ = 0; i_ < BATCH; i_++) ops[i_] = (struct exo_op) { \
            what, root, va[i_], p, b, 0, 0                         \
        }
    for (u32 i = 0; i < ROUNDS; i++) { // a round of both, so that each finds what the other left
        FILL(EXO_BIND, page, RW);
        sample[i] = bench_batch(ops, BATCH);
        FILL(EXO_UNBIND, 0, 0);
        CHECK(exo_batch(ops, BATCH).val, BATCH);
    }
    report_row("bind-batch", BATCH);
    for (u32 i = 0; i < ROUNDS; i++) {
        FILL(EXO_BIND, page, RW);
        CHECK(exo_batch(ops, BATCH).val, BATCH);
        FILL(EXO_UNBIND, 0, 0);
        sample[i] = bench_batch(ops, BATCH);
    }
    report_row("unbind-batch", BATCH);
    for (u32 i = 0; i < BATCH; i++) win_end((void *)va[i]);
    page_end(page);
}

static void pages(void) {
    ROW("page-alloc", 1, u64 head = EXO_WORDS->free_head, bench_alloc(0, 0), exo_page_free(head));
    ROW("page-alloc-unzeroed", 1, u64 head = EXO_WORDS->free_head, bench_alloc(0, 1), exo_page_free(head));
    ROW("page-free", 1, u64 ppn = exo_page_alloc(0, 1).val, bench_free(ppn), );
}

// ---- what Appel and Li asked of virtual memory (ASPLOS 1991; SOSP95, Application-level Virtual Memory) ----

static va_t guarded[BATCH];
static va_t guard_next; // 0, or a page that the handler protects in turn

static u64 cycles(void) {
    u64 v;
    __asm__ volatile("rdcycle %0" : "=r"(v)::"memory");
    return v;
}

static bool let_write(struct exo_uarea *ua) {
    exo_protect(kt_root, ua->fault.tval & -(u64)EXO_PAGE, 0, PTE_W, 0);
    if (guard_next) exo_protect(kt_root, guard_next, PTE_W, 0, 0);
    return true;
}

static bool step_over(struct exo_uarea *ua) {
    ua->fault.epc += 4;
    return true;
}

static void store(va_t va) {
    __asm__ volatile(".option push\n .option norvc\n sd zero, 0(%0)\n .option pop" ::"r"(va) : "memory");
}

static i64 timed_store(va_t va) {
    u64 t = cycles();
    store(va);
    return (i64)(cycles() - t);
}

static i64 protect_one(va_t va, u64 clear, u64 set) {
    u64 t = cycles();
    exo_protect(kt_root, va, clear, set, 0);
    return (i64)(cycles() - t);
}

static i64 protect_all(u32 clear, u32 set) {
    for (u32 i = 0; i < BATCH; i++)
        ops[i] =
            (struct exo_op){.op = EXO_PROTECT, .root = kt_root, .va = guarded[i], .bits = clear << 16 | set};
    u64 t = cycles();
    CHECK(exo_batch(ops, BATCH).val, BATCH);
    return (i64)(cycles() - t);
}

// A store to each of the pages, in an order that neither goes up nor down.
static i64 store_all(void) {
    u64 t = cycles();
    for (u32 i = 0; i < BATCH; i++) store(guarded[i * 37 % BATCH]);
    return (i64)(cycles() - t);
}

// The same, but each page is protected only as the one before is let go.
static i64 store_in_turn(void) {
    u64 t = cycles();
    for (u32 i = 0; i < BATCH; i++) {
        guard_next = guarded[(i + 1) * 37 % BATCH];
        store(guarded[i * 37 % BATCH]);
    }
    guard_next = 0;
    return (i64)(cycles() - t);
}

// The page's entry, read where the libOS has its own table bound.
static i64 dirty(const volatile u64 *table, va_t va) {
    u64 t = cycles(), pte = table[va / EXO_PAGE % 512];
    i64 n = (i64)(cycles() - t);
    return pte & PTE_D ? n : -1;
}

static void appel_li(void) {
    ppn_t page[BATCH];
    for (u32 i = 0; i < BATCH; i++) {
        guarded[i] = (va_t)map(page[i] = page_new(), RW);
        store(guarded[i]);
    }
    const volatile u64 *table[3]; // root, level 1, level 0
    for (u32 i = 0; i < 3; i++)
        table[i] = map(i ? PTE_PPN(table[i - 1][guarded[0] >> (48 - 9 * (i + 1)) & 511]) : kt_root, PTE_R);
    ROW("dirty", 1, , dirty(table[2], guarded[0]), );
    ROW("prot1", 1, , protect_one(guarded[0], PTE_W, 0), protect_one(guarded[0], 0, PTE_W));
    ROW("prot100", 1, , protect_all(PTE_W, 0), protect_all(0, PTE_W));
    ROW("unprot100", 1, protect_all(PTE_W, 0), protect_all(0, PTE_W), );
    rt()->on_fault = step_over;
    protect_one(guarded[0], PTE_W, 0);
    ROW("trap", 1, , timed_store(guarded[0]), );
    rt()->on_fault = let_write;
    protect_all(PTE_W, 0);
    ROW("appel1", BATCH, protect_one(guarded[0], PTE_W, 0), store_in_turn(), );
    ROW("appel2", BATCH, protect_all(PTE_W, 0), store_all(), );
    rt()->on_fault = NULL;
    for (u32 i = 0; i < 3; i++) win_end((void *)table[i]);
    for (u32 i = 0; i < BATCH; i++) {
        win_end((void *)guarded[i]);
        page_end(page[i]);
    }
}

static void never(u64 unused) {
    (void)unused;
    for (;;) rt_yield(0);
}

// Makes a peer in an address space of its own a server that is only called.
static void serve(struct peer *p, const void *entry) { p->ua->entry[3] = (u64)entry; }

static void transfers(void) {
    struct space s;
    struct peer p;
    if (!space_new(&s) || !peer_new(&p, s.root, 0, never, 0) || !CHECK(exo_env_ctl(p.eid, ENV_RUN), 0))
        return;
    CHECK(rt_yield(p.eid), 0); // so that its first entry, which flushes, is over
    CHECK(rt_yield(0), 0);
    serve(&p, bench_serve_time);
    ROW("call-there", 1, , bench_call_there(p.eid, 0), );
    serve(&p, bench_serve);
    ROW("call", 1, , bench_call(p.eid, 0), );
    ROW("call-all", 1, , bench_call_all(p.eid, 0), );
    peer_end(&p);
    space_end(&s);
}

// The watchdog's slot would come between: other slots of this hart are empty while a quantum is measured.
static void quantum(struct peer *p) {
    const volatile struct exo_slot *slot = EXO_SLOTS;
    eid_t eid[EXO_NSLOT];
    for (u32 i = 0; i < EXO_NSLOT; i++) {
        eid[i] = slot[i].eid;
        if (eid[i] && eid[i] != self()) exo_slot_set(0, i, 0);
    }
    if (peer_slot(p)) {
        set_entry(1, bench_epilogue);
        set_entry(2, bench_prologue);
        u64 turns = EXO_WORDS->slice * 100 / 2 * 98 / 100; // 100 instructions in a unit of time
        ROW("quantum", 1, , (bench_quantum(turns), (i64)(sh->w[1] - sh->w[0])), );
        set_entry(1, NULL);
        set_entry(2, NULL);
    }
    for (u32 i = 0; i < EXO_NSLOT; i++)
        if (eid[i] && eid[i] != self()) CHECK(exo_slot_set(0, i, eid[i]), 0);
}

static void yields(void) {
    struct space s;
    struct peer p;
    if (!space_new(&s) || !peer_new(&p, s.root, 0, never, 0) || !CHECK(exo_env_ctl(p.eid, ENV_RUN), 0))
        return;
    p.ua->entry[2] = (u64)bench_turn;
    sh->w[2] = self();
    bench_yield(p.eid);
    ROW("yield", 1, , (bench_yield(p.eid), (i64)(sh->w[1] - sh->w[0]) - 1), ); // 1: its own store
    sh->w[2] = 0;
    quantum(&p);
    peer_end(&p);
    space_end(&s);
}

// In a child account: opens itself to calls with sh's capability, tells its eid, and waits to be called.
static void stranger(u64 entry) {
    CHECK(exo_env_accept(self(), sh->cap), 0);
    set_entry(3, bench_serve);
    if (entry) set_entry(2, (const void *)entry);
    sh->w[3] = self();
    for (;;) rt_yield(0);
}

static void strangers(void) {
    struct child c;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, stranger, 0) || !child_run(&c)) return;
    if (WAIT(sh->w[3])) {
        eid_t eid = (eid_t)sh->w[3];
        cap_t cap = sh->cap;
        bench_call_all(eid, cap);
        ROW("call-account", 1, , bench_call_all(eid, cap), );
    }
    child_end(&c);
    sh->w[3] = 0;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, stranger, (u64)bench_turn) || !child_run(&c)) return;
    sh->w[2] = self();
    if (WAIT(sh->w[3])) {
        eid_t eid = (eid_t)sh->w[3];
        bench_yield(eid);
        ROW("yield-account", 1, , (bench_yield(eid), (i64)(sh->w[1] - sh->w[0]) - 1), );
    }
    child_end(&c);
}

static const struct test bench_tests[] = {
    T(null_call), T(faults), T(bindings), T(pages), T(appel_li), T(transfers), T(yields), T(strangers),
};
AREA(bench);
