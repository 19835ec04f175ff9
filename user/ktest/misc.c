// What belongs to no object: the call numbers, the registers a call may and may not touch, what user code may
// reach, the exported words, capability values.
#include "kt.h"

static void null(void) {
    for (u32 i = 0; i < 1000; i++) CHECK(exo_null(), 0);
}

static void unknown_call(void) {
    static const u64 numbers[] = {EXO_CALLS_END,
                                  EXO_CALLS_END + 1,
                                  0x1ff,
                                  0x200,
                                  0x10000,
                                  EXO_NULL | 1ul << 32,
                                  1ul << 63 | EXO_NULL,
                                  ~0ul,
                                  0x7fffffffffffffff,
                                  EXO_PAGE_FREE | 1ul << 32};
    for (u32 i = 0; i < sizeof numbers / 8; i++) {
        kt_with = numbers[i];
        CHECK(exo_ecall(numbers[i], 0, 0, 0, 0, 0).err, E_CALL);
    }
}

static u64 seen_cause, seen_n;

static bool skip_ecall(struct exo_uarea *ua) {
    seen_cause = ua->fault.cause;
    seen_n++;
    ua->fault.epc += 4;
    return true;
}

// Ecalls below 0x100 belong to the libOS, registers and all.
static void libos_call(void) {
    rt()->on_fault = skip_ecall;
    for (u64 nr = 0; nr < 0x100; nr++) {
        u64 out[32];
        kt_with = nr;
        ecall_regs(nr, nr, nr + 1, out);
        CHECK(seen_cause, 8);
        CHECK(out[10], nr);
        CHECK(out[11], nr + 1);
        CHECK(out[17], nr);
        CHECK(out[12], REG_PATTERN + 12);
        CHECK(out[31], REG_PATTERN + 31);
    }
    rt()->on_fault = NULL;
    CHECK(seen_n, 0x100);
    seen_n = 0;
}

// t0 may also hold the program's own pc.
static bool kept(u32 x) { return x == 1 || x == 3 || x == 8 || x == 9 || (x >= 18 && x <= 27); }

// After a call that comes back, saved registers are as they were, and none of the others holds a word of the
// kernel's.
static void registers(void) {
    static const struct {
        u64 nr, a0, a1;
    } calls[] = {
        {EXO_NULL, 0, 0},       {EXO_FP, 2, 0},          {EXO_FP, 0, 0},           {EXO_PAGE_FREE, 5, 0},
        {EXO_CAP_NEW, 0, 0},    {EXO_MARK, 1, 2},        {EXO_POKE, 0, 0},         {EXO_ENV_CTL, 0, 9},
        {EXO_CONS_WRITE, 0, 1}, {EXO_BATCH, 0, 0},       {EXO_ACCT_NEW, ~0ul, 0},  {EXO_DISK_DONE, ~0ul, 0},
        {EXO_YIELD, ~0ul, 0},   {EXO_WAIT, 0, 0},        {EXO_REPLY, 0, 0},        {EXO_SLOT_SET, ~0ul, 0},
        {EXO_CALLS_END, 0, 0},  {EXO_PAGE_ALLOC, 0, 7},  {EXO_BIND, 0, 1},         {EXO_CODE_LOAD, 0, 0},
        {EXO_HALT, 256, 0},     {EXO_EXT_JOIN, ~0ul, 0}, {EXO_RESUME, 9, 0},       {EXO_REVOKE, 0, 0},
        {EXO_PT_LINK, 0, 0},    {EXO_ENV_NEW, ~0ul, 0},  {EXO_DISK_SUBMIT, 99, 0},
    };
    for (u32 i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        u64 out[32];
        ecall_regs(calls[i].nr, calls[i].a0, calls[i].a1, out);
        CHECK(out[4], (u64)uarea());
        for (u32 x = 1; x < 32; x++) {
            kt_with = calls[i].nr << 8 | x;
            if (kept(x))
                CHECK(out[x], REG_PATTERN + x);
            else if (x != 2 && x != 4 && x != 10 && x != 11 && x != 17 && out[x] != REG_PATTERN + x &&
                     (x != 5 || out[x] < (va_t)&image || out[x] >= (va_t)rodata_start))
                CHECK(out[x], 0);
        }
    }
}

// Wherever user code has no business it gets a fault and not a word.
static void reach(void) {
    static const va_t closed[] = {0,
                                  8,
                                  0x1000,
                                  0x80000000,
                                  0x80200000,
                                  0x3fffffe000 - EXO_PAGE,
                                  0x4000000000,
                                  0x8000000000,
                                  0xffffffbffffff000,
                                  0xffffffc000000000,
                                  0xffffffc080200000,
                                  0xffffffc080000000,
                                  0xffffffc010000000,
                                  0xffffffc00c000000,
                                  0xffffffc000100000,
                                  0xffffffdffffff000,
                                  0xfffffffffffff000,
                                  0xfffffffffffffff8};
    u64 v;
    for (u32 i = 0; i < sizeof closed / 8; i++) {
        kt_with = closed[i];
        CHECK(rt_try_load(closed[i], &v), 13);
        CHECK(rt_try_store(closed[i], 1), 15);
        CHECK(rt_try_jump(closed[i]), 12);
    }
}

static void window(void) {
    static const u64 offsets[] = {0, 0x200000, 0x400000, 0x600000, 0x800000, 0xa00000, 0x40000000};
    u64 v;
    for (u32 i = 0; i < sizeof offsets / 8; i++) {
        kt_with = EXO_WINDOW + offsets[i];
        CHECK(rt_try_load(EXO_WINDOW + offsets[i], &v), -1);
        CHECK(rt_try_store(EXO_WINDOW + offsets[i], 0), 15);
        CHECK(rt_try_jump(EXO_WINDOW + offsets[i]), 12);
    }
}

static void words(void) {
    const volatile struct exo_words *w = EXO_WORDS;
    TRUE(w->nharts >= 1 && w->nharts <= EXO_NHART);
    TRUE(w->timebase > 0 && w->slice > 0 && w->budget > 0);
    TRUE(w->free <= w->npages && w->promised <= w->free);
    TRUE(w->boot_time <= exo_time());
    CHECK(w->console, 1);
    CHECK(self_account(), 1);
    CHECK(env_of(self())->eid, self());
    CHECK(env_of(self())->state & (ENV_STOPPED | ENV_FREE | ENV_WAITING), 0);
    CHECK(env_of(self())->uva, (va_t)uarea());
    CHECK(EXO_SLOTS[0].eid, self());
    CHECK(EXO_ACCTS[1].state, ACCT_RUN);
    CHECK(EXO_ACCTS[1].parent, 0);
}

// The list, as a libOS would walk it, has exactly the free pages.
static void free_list(void) {
    u64 n = 0;
    ppn_t prev = 0;
    for (ppn_t p = (ppn_t)EXO_WORDS->free_head; p && n <= EXO_WORDS->npages; p = page_of(p)->next, n++) {
        if (page_of(p)->type != PAGE_FREE || page_of(p)->prev != prev || page_of(p)->binds ||
            page_of(p)->pins)
            CHECK(p, 0);
        prev = p;
    }
    CHECK(n, EXO_WORDS->free);
}

static void counters(void) {
    u64 c0, c1, i0, i1;
    __asm__ volatile("rdcycle %0; rdinstret %1" : "=r"(c0), "=r"(i0));
    __asm__ volatile("rdcycle %0; rdinstret %1" : "=r"(c1), "=r"(i1));
    TRUE(c1 >= c0 && i1 >= i0);
}

static void cap_new(void) {
    cap_t caps[64];
    for (u32 i = 0; i < 64; i++) {
        caps[i] = exo_cap_new().val;
        TRUE(caps[i]);
        for (u32 j = 0; j < i; j++) TRUE(caps[i] != caps[j]);
        if (i) TRUE(caps[i] - caps[i - 1] > 0x10000 && caps[i - 1] - caps[i] > 0x10000);
    }
}

static void mark(void) {
    CHECK(exo_mark(0, 0), 0);
    CHECK(exo_mark(~0ul, 1ul << 63), 0);
}

static void halt_child(u64 unused) {
    (void)unused;
    CHECK(exo_halt(0), E_OWNER);
    CHECK(exo_halt(255), E_OWNER);
    CHECK(exo_halt(256), E_ARG);
}

static void halt(void) {
    CHECK(exo_halt(256), E_ARG);
    CHECK(exo_halt(1ul << 32), E_ARG);
    CHECK(exo_halt(~0ul), E_ARG);
    child_does(halt_child, 0);
}

static const struct test misc_tests[] = {
    T(null),  T(unknown_call), T(libos_call), T(registers), T(reach), T(window),
    T(words), T(free_list),    T(counters),   T(cap_new),   T(mark),  T(halt),
};
AREA(misc);
