// Runs the tests one after another, prints `ok`, `not ok` or `skip` for each, and `done` at the end.
//
// Boot arguments: only=AREA or only=AREA.NAME picks tests; skip=AREA leaves one out; ramdisk and others are
// the kernel's. A test that hangs is ended by the watchdog, an environment of its own, after 60 s of the
// machine's time.
#include "kt.h"

extern const struct area __attribute__((weak)) page_area, table_area, bind_area, batch_area, env_area,
    slot_area, upcall_area, abort_area, transfer_area, predicate_area, fp_area, disk_area, extent_area,
    account_area, revoke_area, console_area, misc_area, attack_area, smp_area, bench_area;

static const struct area *const areas[] = {
    &misc_area,    &page_area,   &table_area,    &bind_area,      &batch_area, &env_area,    &slot_area,
    &upcall_area,  &abort_area,  &transfer_area, &predicate_area, &fp_area,    &extent_area, &disk_area,
    &account_area, &revoke_area, &console_area,  &attack_area,    &smp_area,   &bench_area,
};

u64 kt_ms, kt_beat, kt_with;
ppn_t kt_root, kt_timer;
eid_t kt_main;
const char *kt_name = "start";
static char name[64];

// ---- boot arguments ----

// Copies the word after `key=` to out; false if there is none.
static bool boot_word(const char *key, char *out, u32 size) {
    for (const volatile char *p = EXO_WORDS->bootargs; *p;) {
        const char *k = key;
        for (; *k && *p == *k; p++) k++;
        if (!*k && *p == '=') {
            u32 n = 0;
            for (p++; *p && *p != ' ' && n < size - 1; p++) out[n++] = *p;
            out[n] = 0;
            return true;
        }
        while (*p && *p != ' ') p++;
        while (*p == ' ') p++;
    }
    return false;
}

// Is `what` the area's name, or AREA.NAME?
static bool matches(const char *what, const char *area, const char *test) {
    for (; *area && *what == *area; what++) area++;
    return !*area && (!*what || (*what == '.' && str_eq(what + 1, test)));
}

// ---- results ----

static const char *const error_names[] = {
    "E_OK",    "E_CALL",   "E_ARG",     "E_ADDR",  "E_VA",     "E_BITS",    "E_LEVEL", "E_PPN",    "E_EID",
    "E_HART",  "E_SLOT",   "E_ACCT",    "E_EXT",   "E_REQ",    "E_OWNER",   "E_CAP",   "E_KIN",    "E_TYPE",
    "E_TABLE", "E_LINKED", "E_UNBOUND", "E_BOUND", "E_PINNED", "E_BUSY",    "E_STATE", "E_MASKED", "E_HOME",
    "E_TIME",  "E_DEAD",   "E_DEPTH",   "E_CODE",  "E_FIXED",  "E_RESERVE", "E_QUOTA", "E_FULL",   "E_IO",
};
_Static_assert(sizeof error_names / sizeof error_names[0] == -E_LAST + 1, "a name for each error");

static void value(char *out, u64 size, i64 v) {
    if (v <= 0 && v >= E_LAST)
        print_to(out, size, "%s (%ld)", error_names[-v], v);
    else
        print_to(out, size, v < 0 || v > 0xffff ? "0x%lx" : "%ld", v);
}

static void fail_text(char *out, u64 size, const volatile struct fail *f) {
    char want[40], saw[40];
    value(want, sizeof want, f->want);
    value(saw, sizeof saw, f->saw);
    if (f->is_true)
        print_to(out, size, "%s:%d: does not hold: %s", f->file, f->line, f->what);
    else
        print_to(out, size, "%s:%d: %s: expected %s, saw %s", f->file, f->line, f->what, want, saw);
    u64 n = 0;
    while (out[n]) n++;
    if (f->with) print_to(out + n, size - n, " with 0x%lx", f->with);
}

static bool report(void) {
    char text[400];
    u32 n = sh->nfail;
    for (u32 i = 1; i < n && i < KT_FAILS; i++) {
        fail_text(text, sizeof text, &sh->fail[i]);
        print("# %s: %s\n", name, text);
    }
    if (n) {
        fail_text(text, sizeof text, &sh->fail[0]);
        print("not ok %s: %s%s\n", name, text, n > 1 ? ", and more" : "");
    } else {
        print("ok %s\n", name);
    }
    return !n;
}

static bool record(const char *file, u32 line, const char *what, bool is_true, i64 saw, i64 want) {
    u32 i = __atomic_fetch_add(&sh->nfail, 1, __ATOMIC_SEQ_CST);
    if (i < KT_FAILS) sh->fail[i] = (struct fail){file, what, line, is_true, want, saw, kt_with};
    return false;
}

bool kt_check(const char *file, u32 line, const char *what, i64 saw, i64 want) {
    return saw == want ? true : record(file, line, what, false, saw, want);
}

bool kt_true(const char *file, u32 line, const char *what, bool ok) {
    return ok ? true : record(file, line, what, true, 0, 0);
}

// Of the main environment the end of all; another one's ends with it and fails the test.
void rt_fault(struct exo_uarea *ua) {
    char text[160];
    print_to(text, sizeof text, "unexpected fault: cause %ld, address 0x%lx, pc 0x%lx, ra 0x%lx",
             ua->fault.cause, ua->fault.tval, ua->fault.epc, *(u64 *)((u64)__builtin_frame_address(0) - 8));
    record("env", (u32)ua->fault.epc, "unexpected fault (line: pc)", false, (i64)ua->fault.cause, -1);
    if (self() != kt_main) rt_exit();
    report();
    print("not ok %s: %s\ndone\n", name, text);
    exo_halt(1);
}

// ---- the run ----

struct count {
    u64 free, held, fixed, reserve, envs, accts, exts, roots, requests;
};

static void count(struct count *c) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    *c = (struct count){EXO_WORDS->free, a->held,      a->fixed,      a->reserve, a->envs_used,
                        a->accts_used,   a->exts_used, a->roots_used, a->requests};
}

// Ended accounts and doomed pages come back in steps; everything else must be as it was at once.
static void check_leaks(const struct count *before) {
    struct count after;
    u64 late = exo_time() + 3000 * kt_ms;
    for (count(&after); after.free != before->free && exo_time() < late; count(&after)) nap(kt_ms);
    CHECK(after.free, before->free);
    CHECK(after.held, before->held);
    CHECK(after.fixed, before->fixed);
    CHECK(after.reserve, before->reserve);
    CHECK(after.envs, before->envs);
    CHECK(after.accts, before->accts);
    CHECK(after.exts, before->exts);
    CHECK(after.roots, before->roots);
    CHECK(after.requests, before->requests);
}

static void clear_shared(void) {
    cap_t cap = sh->cap;
    memset((void *)sh, 0, sizeof *sh);
    sh->cap = cap;
    kt_with = 0;
}

static bool run(const struct area *a, const struct test *t) {
    struct count before;
    print_to(name, sizeof name, "%s.%s", a->name, t->name);
    kt_name = name;
    if (EXO_WORDS->nharts < t->harts || (t->disk && test_extent() == ~0ul)) {
        print("skip %s (%s)\n", name,
              EXO_WORDS->nharts < t->harts ? "it needs more harts" : "it needs a disk");
        return true;
    }
    clear_shared();
    kt_beat++;
    count(&before);
    t->run();
    check_leaks(&before);
    return report();
}

void nap(u64 time) { CHECK(rt_wait(kt_timer, exo_time() + time, 0, 0, 0), 0); }

static void watchdog(u64 unused) {
    (void)unused;
    for (;;) {
        u64 beat = kt_beat, late = exo_time() + 60000 * kt_ms;
        while (kt_beat == beat && exo_time() < late) nap(1000 * kt_ms);
        if (kt_beat != beat) continue;
        if (sh->nfail) report();
        print("not ok %s: no end after 60 s of the machine's time\ndone\n", kt_name);
        exo_halt(1);
    }
}

// Tables for the windows, the shared page, the timer predicate. What fails here fails all.
static void must(bool ok, const char *what) {
    if (ok) return;
    print("not ok start: %s\ndone\n", what);
    exo_halt(1);
}

static void start(void) {
    static struct peer dog;
    kt_ms = EXO_WORDS->timebase / 1000;
    kt_main = self();
    kt_root = my_root();
    ppn_t table = (ppn_t)exo_page_alloc(0, 0).val, shared = (ppn_t)exo_page_alloc(0, 0).val;
    must(!exo_pt_link(kt_root, WIN, 0, table), "a table for the windows");
    must(!rt_map(kt_root, WIN, shared, RW), "the shared page");
    sh->cap = exo_cap_new().val;
    must(!exo_page_set(shared, sh->cap, sh->cap, 0, 0), "the shared page's capability");
    ppn_t code = (ppn_t)exo_page_alloc(0, 0).val;
    struct pred_code *c = map(code, RW);
    *c = (struct pred_code){.n = 4,
                            .insn = {{PRED_BLTU, 0, 4, 1, 2}, // time < w0
                                     {PRED_LI, 5, 0, 0, 1},
                                     {PRED_RET, 0, 5, 0, 0},
                                     {PRED_RET, 0, 0, 0, 0}}};
    win_end(c);
    must(!exo_code_load(code), "the timer predicate");
    kt_timer = code;
    must(peer_new(&dog, 0, 0, watchdog, 0) && peer_start(&dog), "the watchdog");
}

int main(void);
int main(void) {
    char only[64] = "", skip[64] = "-";
    u32 passed = 0, failed = 0;
    start();
    boot_word("only", only, sizeof only);
    boot_word("skip", skip, sizeof skip);
    for (u32 i = 0; i < sizeof areas / sizeof areas[0]; i++)
        for (u32 j = 0; areas[i] && j < areas[i]->n; j++) {
            const struct test *t = &areas[i]->tests[j];
            if ((*only && !matches(only, areas[i]->name, t->name)) ||
                matches(skip, areas[i]->name, t->name) ||
                (!*only && areas[i] == &bench_area)) // figures are for a run of their own
                continue;
            if (run(areas[i], t))
                passed++;
            else
                failed++;
        }
    print("# %d passed, %d failed\ndone\n", passed, failed);
    exo_halt(failed ? 1 : 0);
    return 0;
}
