// Upcalls: what FAULT, EPILOGUE and PROLOGUE hand over and keep, resume, and faults where there should be
// none.
#include "kt.h"

static bool is_pattern(u32 x, u64 v) { return v == REG_PATTERN + x; }

// The frame and nothing else is touched: on the way in, by resume, and back without the kernel.
static void frame_regs(void) {
    struct exo_uarea *ua = uarea();
    u64 after[32], *during = rt()->fregs, entry = ua->entry[ENTRY_FAULT];
    for (u32 quick = 0; quick < 2; quick++) {
        memset(after, 0, sizeof after);
        ua->entry[ENTRY_FAULT] = (va_t)(quick ? quick_fault : seen_fault);
        regs_at_fault(after);
        ua->entry[ENTRY_FAULT] = entry;
        CHECK(ua->mask, 0);
        CHECK(ua->fault.cause, 15);
        CHECK(ua->fault.tval, 0);
        TRUE(is_pattern(5, ua->fault.t0) && is_pattern(6, ua->fault.t1) && is_pattern(7, ua->fault.t2));
        for (u32 x = 3; x < 32; x++) {
            kt_with = x;
            if (x != 4 && !(quick && x == 3)) TRUE(is_pattern(x, after[x]));
            if (!quick && x != 4 && x > 7) TRUE(is_pattern(x, during[x]));
        }
        if (!quick) {
            CHECK(during[5], (va_t)ua);
            CHECK(during[6], 15);
        }
    }
}

static u64 seen_cause, seen_tval, seen_mask;

static bool note(struct exo_uarea *ua) {
    seen_cause = ua->fault.cause;
    seen_tval = ua->fault.tval;
    seen_mask = ua->mask;
    return false;
}

// Instructions user code may not use, and those that ask for an exception.
static void causes(void) {
    static const struct {
        u32 insn, cause;
        bool tval; // is the instruction, for those
    } list[] = {
        {0x100022f3, 2, true},  // csrr t0, sstatus
        {0x14302573, 2, true},  // csrr a0, stval
        {0x18051073, 2, true},  // csrw satp, a0
        {0x30002573, 2, true},  // csrr a0, mstatus
        {0x10200073, 2, true},  // sret
        {0x30200073, 2, true},  // mret
        {0x12000073, 2, true},  // sfence.vma
        {0x10500073, 2, true},  // wfi
        {0x14d51073, 2, true},  // csrw stimecmp, a0
        {0xc0001073, 2, true},  // csrw cycle, zero
        {0xf2000053, 2, true},  // fmv.d.x ft0, zero: FS is off
        {0x00000000, 2, false}, // no instruction
        {0x00100073, 3, false}, // ebreak
    };
    ppn_t p = page_new();
    u32 *w = map(p, RW);
    va_t x = (va_t)map(p, PTE_R | PTE_X);
    rt()->on_fault = note;
    for (u32 i = 0; i < sizeof list / sizeof list[0]; i++) {
        kt_with = list[i].insn;
        w[0] = list[i].insn;
        w[1] = 0x8082;
        __asm__ volatile("fence.i");
        CHECK(rt_try_jump(x), list[i].cause);
        CHECK(seen_mask & MASK_FAULT ? 1 : 0, 1);
        if (list[i].tval) CHECK(seen_tval, list[i].insn);
    }
    kt_with = 0;
    u64 v;
    CHECK(rt_try_load(0x80000123, &v), 13);
    CHECK(seen_tval, 0x80000123);
    CHECK(rt_try_store(~0ul, 0), 15);
    CHECK(seen_tval, ~0ul);
    CHECK(rt_try_jump(0x80000000), 12);
    CHECK(seen_tval, 0x80000000);
    CHECK(rt_try_jump(~0ul & ~1ul), 12);
    rt()->on_fault = NULL;
    win_end(w);
    win_end((void *)x);
    page_end(p);
}

// A handler that has copied its frame may fault again.
static u32 depth;

static bool nest(struct exo_uarea *ua) {
    struct exo_frame f = ua->fault;
    u64 v;
    if (depth++ == 3) return false;
    __atomic_fetch_and(&ua->mask, ~(u64)MASK_FAULT, __ATOMIC_SEQ_CST);
    CHECK(rt_try_load(8 * depth, &v), 13);
    CHECK(ua->mask, 0);
    __atomic_fetch_or(&ua->mask, 1, __ATOMIC_SEQ_CST);
    ua->fault = f;
    return false;
}

static void nested(void) {
    u64 v;
    depth = 0;
    rt()->on_fault = nest;
    CHECK(rt_try_load(0, &v), 13);
    CHECK(depth, 4);
    rt()->on_fault = NULL;
    CHECK(uarea()->mask, 0);
}

static void fault_once(u64 unused) {
    u64 v;
    (void)unused;
    sh->w[0] = 1;
    rt_try_load(0x123, &v);
    sh->w[0] = 2;
    for (;;) rt_yield(0);
}

// A fault inside the fault handler stops the environment, alone, and its record says where.
static void double_fault(void) {
    static const va_t entries[] = {0, 2, 0x80000000, ~0ul, 0xffffffc080200000, EXO_WINDOW, 0x4000000000, 1};
    for (u32 i = 0; i < sizeof entries / 8; i++) {
        struct peer p;
        sh->w[0] = 0;
        kt_with = entries[i];
        if (!peer_new(&p, 0, 0, fault_once, 0)) return;
        u64 stops = EXO_WORDS->stops;
        p.ua->entry[ENTRY_FAULT] = entries[i];
        peer_start(&p);
        WAIT(env_of(p.eid)->state & ENV_STOPPED);
        const volatile struct exo_env *e = env_of(p.eid);
        CHECK(sh->w[0], 1);
        CHECK(e->stop, STOP_DOUBLE);
        CHECK(e->stop_cause, 12);
        CHECK(e->stop_pc & ~1ul, entries[i] & ~1ul);
        CHECK(p.ua->fault.cause, 13);
        CHECK(p.ua->fault.tval, 0x123);
        CHECK(EXO_WORDS->stops, stops + 1);
        peer_end(&p);
    }
}

// One whose u-area is nowhere in its space stops too.
static void no_uarea(void) {
    struct peer p;
    if (!peer_new(&p, 0, 0, fault_once, 0)) return;
    exo_unbind(kt_root, (va_t)p.ua, 0);
    peer_start(&p);
    WAIT(env_of(p.eid)->state & ENV_STOPPED);
    CHECK(env_of(p.eid)->stop, STOP_DOUBLE);
    CHECK(sh->w[0], 0);
    CHECK(rt_map(kt_root, (va_t)p.ua, p.ua_ppn, RW), 0);
    peer_end(&p);
}

// A prologue that leads nowhere is a FAULT of its environment.
static bool prologue_fault(struct exo_uarea *ua) {
    sh->w[1] = ua->fault.epc;
    sh->w[2] = ua->fault.cause;
    rt_exit();
}

static void bad_prologue(void) {
    static const va_t entries[] = {0, 0x80000000, 0xffffffc080200000, EXO_WINDOW, ~1ul};
    for (u32 i = 0; i < sizeof entries / 8; i++) {
        struct peer p;
        kt_with = entries[i];
        if (!peer_new(&p, 0, 0, fault_once, 0)) return;
        p.ua->entry[ENTRY_PROLOGUE] = entries[i];
        p.ua->entry[ENTRY_FAULT] = (va_t)prologue_fault; // it has no stack: it only writes what it sees
        peer_start(&p);
        WAIT(env_of(p.eid)->state & ENV_STOPPED || !env_lives(p.eid));
        CHECK(p.ua->fault.cause, 12);
        CHECK(p.ua->fault.epc, entries[i]);
        peer_end(&p);
    }
}

static void resume_errors(void) {
    CHECK(rt_resume(3), E_ARG);
    CHECK(rt_resume(~0ul), E_ARG);
    CHECK(rt_resume(1ul << 32), E_ARG);
    CHECK(rt_resume(FRAME_FORCED), E_STATE);
}

// A forged frame leads user code where user code may go, and no further.
static va_t forged;

static bool forge(struct exo_uarea *ua) {
    if (ua->fault.epc == forged) {
        sh->w[0]++;
        return false; // rt_try_jump's way out
    }
    ua->fault.epc = forged;
    ua->fault.t0 = ua->fault.t1 = ua->fault.t2 = ~0ul;
    return true;
}

static void forged_frame(void) {
    static const va_t to[] = {0xffffffc080200000, 0xffffffc000000000, EXO_WINDOW, 0,
                              0x80200000,         0x4000000000};
    rt()->on_fault = forge;
    for (u32 i = 0; i < sizeof to / 8; i++) {
        forged = to[i];
        kt_with = to[i];
        sh->w[0] = 0;
        CHECK(rt_try_jump(0x1230), 12);
        CHECK(sh->w[0], 1);
    }
    rt()->on_fault = NULL;
}

// ---- the end of a slice ----

static void holder(u64 i) {
    sh->w[i] = 1 + hold_regs(&sh->w[10]);
    for (;;) rt_yield(0);
}

// Two that never yield share a hart, and no register loses its value.
static void epilogue_regs(void) {
    struct peer a, b;
    if (!peer_go(&a, 0, holder, 0) || !peer_go(&b, 0, holder, 1)) return;
    for (u32 i = 0; i < 15; i++) rt_yield(0);
    TRUE(env_of(a.eid)->slices > 10 && env_of(b.eid)->slices > 10);
    INNOCENT(env_of(a.eid)->aborts);
    sh->w[10] = 1;
    WAIT(sh->w[0] && sh->w[1]);
    CHECK(sh->w[0], 1);
    CHECK(sh->w[1], 1);
    peer_end(&a);
    peer_end(&b);
}

static void masked(u64 unused) {
    struct exo_uarea *ua = uarea();
    (void)unused;
    for (u32 i = 0; i < 3; i++) {
        __atomic_fetch_or(&ua->mask, (u64)MASK_LIBOS << (8 * i), __ATOMIC_SEQ_CST);
        u64 start = exo_time();
        while (!(*(volatile u64 *)&ua->pending & PENDING_EPILOGUE))
            ;
        u64 took = exo_time() - start;
        sh->w[1] = took > sh->w[1] ? took : sh->w[1];
        sh->w[2] += !(ua->mask & MASK_EPILOGUE);
        __atomic_fetch_and(&ua->mask, ~((u64)MASK_LIBOS << (8 * i)), __ATOMIC_SEQ_CST);
        rt_yield(0);
        sh->w[3] += !(ua->pending & PENDING_EPILOGUE);
    }
    sh->w[0] = 1;
    for (;;) rt_yield(0);
}

// A mask holds the upcall back; the libOS is told, and yields in time: that is no abort.
static void mask(void) {
    struct peer p;
    if (!peer_go(&p, 0, masked, 0)) return;
    WAIT(sh->w[0]);
    CHECK(sh->w[2], 3);
    CHECK(sh->w[3], 3);
    IN_TIME(sh->w[1] < 21 * kt_ms);
    INNOCENT(env_of(p.eid)->aborts);
    INNOCENT(env_of(p.eid)->excess);
    peer_end(&p);
}

// ---- between accounts ----

static void secrets(u64 unused) {
    (void)unused;
    uarea()->mask |= MASK_LIBOS; // an epilogue would not save the f registers
    secrets_yield(kt_main);
}

// At a prologue nothing of the last account's is left, in any register.
static void prologue_clean(void) {
    struct child c;
    struct exo_uarea *ua = uarea();
    u64 *seen = rt()->fregs, entry = ua->entry[ENTRY_PROLOGUE];
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, secrets, 0)) return;
    child_run(&c);
    memset(seen, 0xff, sizeof rt()->fregs);
    ua->entry[ENTRY_PROLOGUE] = (va_t)seen_prologue;
    i64 err = rt_yield(c.eid);
    ua->entry[ENTRY_PROLOGUE] = entry;
    CHECK(err, 0);
    CHECK(seen[5], (va_t)ua);
    for (u32 x = 1; x < 32; x++) {
        kt_with = x;
        if (x != 5) CHECK(seen[x], 0);
    }
    kt_with = 0;
    CHECK(rt_fp(1), 0);
    CHECK(fp_any(), 0);
    CHECK(rt_fp(0), 0);
    child_end(&c);
}

static void secrets_end(u64 unused) {
    (void)unused;
    uarea()->entry[ENTRY_EPILOGUE] = (va_t)yield_entry; // saves nothing, gives up the slice
    hold_regs(&sh->w[10]);
}

// The same after a slice that ended by itself, in the middle of the other's work.
static void prologue_clean_slice(void) {
    struct child c;
    struct exo_uarea *ua = uarea();
    u64 *seen = rt()->fregs, entry = ua->entry[ENTRY_PROLOGUE];
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, secrets_end, 0)) return;
    child_run(&c);
    memset(seen, 0xff, sizeof rt()->fregs);
    ua->entry[ENTRY_PROLOGUE] = (va_t)seen_prologue;
    rt_yield(0);
    ua->entry[ENTRY_PROLOGUE] = entry;
    CHECK(seen[5], (va_t)ua);
    for (u32 x = 1; x < 32; x++) {
        kt_with = x;
        if (x != 5) CHECK(seen[x], 0);
    }
    child_end(&c);
}

static const struct test upcall_tests[] = {
    T(frame_regs),    T(causes),       T(nested),         T(double_fault),
    T(no_uarea),      T(bad_prologue), T(resume_errors),  T(forged_frame),
    T(epilogue_regs), T(mask),         T(prologue_clean), T(prologue_clean_slice),
};
AREA(upcall);
