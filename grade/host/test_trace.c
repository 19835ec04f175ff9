// Tests on the host of the kernel's evidence (rings that wrap or fill, records that are never half read, no
// capability in any), of capability values, and of the calls on the console and the machine.
#include <pthread.h>
#include <setjmp.h>
#include "fake_kernel.h"
#include "kernel/trace.c"
#include "kernel/misc.c"
#include "kernel/conscall.c"

struct exo_slot slots[EXO_NHART * EXO_NSLOT];
struct exo_ext exts[EXO_NEXT];
struct exo_req reqs[EXO_NACCT * EXO_NREQ];

// ---- what the tested code calls ----

static jmp_buf ended;
static i64 end_status;
static _Alignas(64) u8 boot_memory[1 << 20];
static u64 boot_used;
static char typed[16], shown[1024];
static u32 ntyped, nshown;

void halt(u32 status) {
    end_status = status;
    longjmp(ended, 1);
}

void panic(const char *format, ...) {
    snprintf(said, sizeof(said), "%s", format);
    halt(PANIC_STATUS);
}

void *boot_room(u64 bytes, u64 align) { // not zeroed, and nobody must mind
    u64 at = (boot_used + align - 1) & -align;
    CHECK(at + bytes <= sizeof(boot_memory));
    boot_used = at + bytes;
    return memset(boot_memory + at, 0xa5, bytes);
}

u32 console_interrupt(void) { return ntyped; }

int console_getc(void) {
    if (!ntyped) return -1;
    int c = typed[0];
    memmove(typed, typed + 1, --ntyped);
    return c;
}

void console_putc(int c) {
    CHECK(nshown < sizeof(shown));
    shown[nshown++] = (char)c;
}

// ---- the trace ----

static void start(const char *args, u32 harts_now) {
    memset(&evidence, 0, sizeof(evidence));
    boot_used = 0;
    bootargs = args;
    nharts = harts_now;
    host_time = 0, time_step = 1;
    this_hart = harts;
    machine.ram.end = (u64)ppn_at(NPAGES) * EXO_PAGE;
    for (u32 i = 0; i < harts_now; i++) harts[i].index = (u8)i;
    call_as(1);
    trace_init();
}

static struct trace_rec *record(u32 hart, u64 i) {
    return (struct trace_rec *)pa_to_va(evidence.ring[hart].pa) + i % evidence.ring[hart].n;
}

static const struct trace_rec *last(void) { return record(0, evidence.ring[0].head - 1); }

static void test_ring(void) {
    start("", 1);
    check("trace: off", 0, trace_on);
    check("trace: tables can be found all the same", (i64)EVIDENCE_MAGIC, (i64)evidence.magic);
    check("trace: the pages", (i64)va_to_pa((void *)pages), (i64)evidence.pages.pa);
    check("trace: how many", NPAGES, evidence.pages.n);
    check("trace: accounts, record 0 too", EXO_NACCT + 1, evidence.accts.n);
    check("trace: no memory taken", 0, (i64)boot_used);
    start("trace=ring trace_kb=4", 2);
    check("trace: on", 1, trace_on);
    check("trace: a ring a hart", 64, (i64)evidence.ring[1].n);
    check("trace: none more", 0, (i64)evidence.ring[2].pa);
    check("trace: the first record", TRACE_BOOT, record(0, 0)->event);
    check("trace: its words", NPAGES, (i64)record(0, 0)->w[0]);
    trace(TRACE_SWEEP, 1, 2, 3, 4, 5);
    const struct trace_rec *r = record(0, 1);
    CHECK(r->event == TRACE_SWEEP && r->w[0] == 1 && r->w[1] == 2 && r->w[2] == 3 && r->w[3] == 4 &&
          r->w[4] == 5);
    check("trace: who ran", 0x80, r->eid);
    check("trace: of which account", 1, r->account);
    check("trace: the time", 1, r->time > record(0, 0)->time);
    this_hart = &harts[1];
    this_hart->cur = NULL;
    trace(TRACE_DOOM, 9, 0, 0, 0, 0);
    check("trace: another hart's ring", 1, record(1, 0)->hart);
    check("trace: numbers go over all harts", 3, (i64)record(1, 0)->seq);
    check("trace: nobody ran", 0, record(1, 0)->eid + record(1, 0)->account);
    this_hart = harts;
    for (u64 i = 0; i < 1000; i++) trace(TRACE_SWEEP, i, 0, 0, 0, 0);
    check("trace: a ring wraps", 1002, (i64)evidence.ring[0].head);
    check("trace: the latest is there", 999, (i64)record(0, 1001)->w[0]);
    u32 wrong = 0;
    for (u64 i = 1002 - 64; i < 1002; i++) wrong += record(0, i)->w[0] != i - 2 || record(0, i)->seq != i + 2;
    check("trace: and the 63 before", 0, wrong);

    start("trace=fill trace_kb=4", 1);
    u64 n = 0;
    if (!setjmp(ended))
        for (;; n++) trace(TRACE_SWEEP, n, 0, 0, 0, 0);
    check("trace: a full ring ends the run", TRACE_FULL_STATUS, end_status);
    check("trace: not before it is full", 64, (i64)evidence.ring[0].head);
    check("trace: the first is still there", TRACE_BOOT, record(0, 0)->event);
    check("trace: the last too", 62, (i64)record(0, 63)->w[0]);
    end_status = 0;
    if (!setjmp(ended)) start("trace=off", 1);
    check("trace: another mode is refused", PANIC_STATUS, end_status);
    start("trace=fill trace_kb=0", 1);
    check("trace: no ring, no trace", 0, trace_on);
}

// A reader beside the writer: whatever it accepts is one record, as it was written.
static volatile bool stop_reading;
static u64 accepted, torn;

static void *reader(void *unused) {
    while (!stop_reading) {
        u64 head = __atomic_load_n(&evidence.ring[0].head, __ATOMIC_ACQUIRE);
        for (u64 i = head > 64 ? head - 64 : 0; i < head; i++) {
            const struct trace_rec *r = record(0, i);
            u64 w[5], seq = __atomic_load_n(&r->seq, __ATOMIC_ACQUIRE);
            for (u32 j = 0; j < 5; j++) w[j] = __atomic_load_n(&r->w[j], __ATOMIC_RELAXED);
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (!seq || __atomic_load_n(&r->seq, __ATOMIC_RELAXED) != seq) continue;
            accepted++;
            for (u32 j = 0; j < 5; j++) torn += seq > 1 && w[j] != seq * 8 + j;
        }
    }
    return unused;
}

// In the middle of writing, the record that is overwritten has no number.
static u32 numbered;
static void look(void) { numbered += record(0, evidence.ring[0].head)->seq != 0; }

static void test_reader(void) {
    start("trace=ring trace_kb=4", 1);
    for (u64 i = 0; i < 100; i++) trace(TRACE_SWEEP, i, 0, 0, 0, 0);
    on_time = look;
    for (u64 i = 0; i < 100; i++) trace(TRACE_SWEEP, i, 0, 0, 0, 0);
    on_time = NULL;
    check("trace: a record being written has no number", 0, numbered);
    start("trace=ring trace_kb=4", 1);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, reader, NULL) == 0);
    for (u64 seq = 2; seq < 2000000; seq++)
        trace(TRACE_SWEEP, seq * 8, seq * 8 + 1, seq * 8 + 2, seq * 8 + 3, seq * 8 + 4);
    stop_reading = true;
    pthread_join(thread, NULL);
    check("trace: a live reader accepts records", 1, accepted > 1000);
    check("trace: and none that is torn", 0, (i64)torn);
}

static void test_calls(void) {
    enum { SECRET = 0x5ec2e7 };
    // Where each call takes capabilities, from abi.h.
    static const struct {
        u32 call, args, caps;
    } table[] = {{EXO_PAGE_SET, 5, 1 << 1 | 1 << 2}, {EXO_BIND, 5, 1 << 4},
                 {EXO_PROTECT, 5, 1 << 4},           {EXO_ENV_ACCEPT, 2, 1 << 1},
                 {EXO_DISK_SUBMIT, 5, 1 << 4},       {EXO_EXT_SET, 3, 1 << 1 | 1 << 2}};
    start("trace=ring trace_kb=4", 1);
    u32 leaks = 0, lost = 0;
    for (u32 nr = EXO_CALLS; nr < EXO_CALLS_END; nr++) {
        u64 args[5] = {10, 11, 12, 13, 14};
        for (u32 t = 0; t < sizeof(table) / sizeof(*table); t++)
            for (u32 i = 0; i < 5; i++)
                if (table[t].call == nr && table[t].caps >> i & 1) args[i] = SECRET;
        trace_call(nr, args, done(nr == EXO_CAP_NEW ? SECRET : 77));
        const struct trace_rec *r = last();
        for (u32 i = 0; i < 5; i++) leaks += r->w[i] == SECRET || r->w[i] >> 32 == SECRET;
        lost += r->event != nr || r->w[4] != (nr == EXO_CAP_NEW ? 1 : 77);
    }
    check("trace: no call's record has a capability", 0, leaks);
    check("trace: each has its number and result", 0, lost);
    const u64 args[5] = {1, 2, 3, 4, 5};
    trace_call(EXO_ACCT_SET, args, fail(E_QUOTA));
    check("trace: a refusal", EXO_ACCT_SET | TRACE_REFUSED, last()->event);
    check("trace: by which check", E_QUOTA, (i64)last()->w[4]);
    check("trace: five arguments", (i64)(5UL << 32 | 1), (i64)last()->w[0]);
    check("trace: the fourth", 4, (i64)last()->w[3]);
    trace_call(EXO_BIND, args, done(0));
    check("trace: a capability was shown", (i64)(1UL << 32 | 1), (i64)last()->w[0]);
    trace_call(EXO_MARK, args, done(0));
    check("trace: what is no argument is 0", 0, (i64)(last()->w[2] | last()->w[3]));
    check("trace: a mark's words", 2, (i64)last()->w[1]);
    trace_call(EXO_CALLS_END, args, fail(E_CALL));
    check("trace: no such call", TRACE_NO_CALL, last()->event);
    check("trace: its number", EXO_CALLS_END, (i64)last()->w[0]);
    trace_call(~0UL, args, fail(E_CALL));
    check("trace: a wild number", TRACE_NO_CALL, last()->event);
    trace_call(0, args, fail(E_CALL));
    check("trace: a number below the first", TRACE_NO_CALL, last()->event);
}

// ---- misc.c, conscall.c ----

static int by_value(const void *a, const void *b) {
    u64 x = *(const u64 *)a, y = *(const u64 *)b;
    return x < y ? -1 : x > y;
}

static void test_caps(void) {
    // The vectors of the SipHash paper's authors: key 00..0f, input 00 01 02 ...
    u8 key[16], input[24];
    for (u32 i = 0; i < sizeof(input); i++) input[i] = (u8)i;
    for (u32 i = 0; i < sizeof(key); i++) key[i] = (u8)i;
    misc_init(key, sizeof(key));
    u64 in[3];
    memcpy(in, input, sizeof(in));
    check("siphash: 0 bytes", 0x726fdb47dd0e0e31, (i64)siphash(boot_key, in, 0));
    check("siphash: 8 bytes", (i64)0x93f5f5799a932462, (i64)siphash(boot_key, in, 1));
    check("siphash: 16 bytes", 0x3f2acc7f57c29bdb, (i64)siphash(boot_key, in, 2));
    static u64 caps[100000];
    for (u32 i = 0; i < 100000; i++) caps[i] = do_cap_new(0, 0, 0, 0, 0).val;
    check("cap_new: the hash of a counter", (i64)siphash(boot_key, &(u64){99999}, 1), (i64)caps[99999]);
    qsort(caps, 100000, 8, by_value);
    u32 same = caps[0] == 0;
    for (u32 i = 1; i < 100000; i++) same += caps[i] == caps[i - 1];
    check("cap_new: never 0, never the same", 0, same);
    memset(boot_key, 0, sizeof(boot_key));
    misc_init(key, 3);
    check("seed: shorter than a key", 0x020100, (i64)boot_key[0]);
    check("seed: and said so", 1, strstr(said, "can be guessed") != NULL);
}

static i64 halt_as(u32 account, u64 code) {
    call_as(account);
    end_status = -1000;
    if (!setjmp(ended)) return do_halt(code, 0, 0, 0, 0).err;
    return end_status;
}

static i64 moved(struct ret r) { return r.err ? r.err : (i64)r.val; }

static void test_console(void) {
    enum { LAST = (NPAGES - 1) * EXO_PAGE };
    memset(accts, 0, sizeof(accts));
    accts[1] = (struct exo_acct){.state = ACCT_RUN};
    accts[2] = (struct exo_acct){.state = ACCT_RUN, .parent = 1};
    accts[3] = (struct exo_acct){.state = ACCT_ENDING, .parent = 1};
    accts[4] = (struct exo_acct){.state = ACCT_RUN, .parent = 2};
    words->console = 1;
    call_as(1);
    memset(ram, 'x', sizeof(ram));
    check("cons_write: some", 5, moved(do_cons_write(EXO_PAGE + 3, 5, 0, 0, 0)));
    check("cons_write: they are shown", 5, nshown);
    check("cons_write: to the page's end", 2, moved(do_cons_write(2 * EXO_PAGE - 2, 5, 0, 0, 0)));
    check("cons_write: as much as one call moves", EXO_CONS_MAX,
          moved(do_cons_write(EXO_PAGE, ~0UL, 0, 0, 0)));
    check("cons_write: nothing", 0, moved(do_cons_write(EXO_PAGE, 0, 0, 0, 0)));
    check("cons_write: not mapped", E_ADDR, moved(do_cons_write(0, 5, 0, 0, 0)));
    check("cons_write: wild address", E_ADDR, moved(do_cons_write(~0UL, 5, 0, 0, 0)));
    check("cons_write: from a page that is only read", 1, moved(do_cons_write(LAST, 1, 0, 0, 0)));
    u32 before = nshown;
    call_as(2);
    check("cons_write: not the owner", E_OWNER, moved(do_cons_write(EXO_PAGE, 5, 0, 0, 0)));
    check("cons_write: address before owner", E_ADDR, moved(do_cons_write(0, 5, 0, 0, 0)));
    check("cons_write: refused, nothing is shown", before, nshown);
    check("cons_read: not the owner", E_OWNER, moved(do_cons_read(EXO_PAGE, 5, 0, 0, 0)));
    call_as(1);
    check("cons_read: nothing typed", 0, moved(do_cons_read(EXO_PAGE, 5, 0, 0, 0)));
    memcpy(typed, "hello", ntyped = 5);
    words->input = pokes = 0;
    console_input();
    check("input: counted", 5, (i64)words->input);
    check("input: wakes", 1, pokes);
    check("cons_read: into a page that is only read", E_ADDR, moved(do_cons_read(LAST, 5, 0, 0, 0)));
    check("cons_read: less than there is", 3, moved(do_cons_read(EXO_PAGE, 3, 0, 0, 0)));
    check("cons_read: in order", 0, memcmp(ram + EXO_PAGE, "helx", 4));
    check("cons_read: the rest", 2, moved(do_cons_read(2 * EXO_PAGE - 2, 9, 0, 0, 0)));
    console_input();
    check("input: none, nobody is woken", 1, pokes);

#define GIVE(a) do_cons_give(a, 0, 0, 0, 0).err
    check("cons_give: no such account", E_ACCT, GIVE(5));
    check("cons_give: account 0", E_ACCT, GIVE(0));
    call_as(2);
    check("cons_give: not the owner", E_OWNER, GIVE(1));
    call_as(1);
    check("cons_give: to a grandchild", E_KIN, GIVE(4));
    check("cons_give: to oneself", E_KIN, GIVE(1));
    check("cons_give: to an account that ends", E_STATE, GIVE(3));
    check("cons_give: to a child", 0, GIVE(2));
    check("cons_give: it is theirs", E_OWNER, GIVE(2));
    call_as(2);
    check("cons_give: and back", 0, GIVE(1));

    check("halt: by another account", E_OWNER, halt_as(2, 0));
    check("halt: code 256", E_ARG, halt_as(1, 256));
    check("halt: argument before owner", E_ARG, halt_as(2, ~0UL));
    check("halt: code 255", 255, halt_as(1, 255));
    check("halt: code 0", 0, halt_as(1, 0));
    check("mark: anyone may", 0, do_mark(1, 2, 0, 0, 0).err);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_ring();
    test_reader();
    test_calls();
    test_caps();
    test_console();
    return failures != 0;
}
