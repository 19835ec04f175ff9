// Traps that trap.S does not finish: interrupts, upcalls whose fast path missed, calls while tracing. All of
// the user's registers are in this_hart->regs; whoever ends the slice puts another environment's there.
#include "kernel.h"

void trap_c(void);
extern char trap_fast[], trap_full[];

// Two words, as trap.S has them: a ticket to take, and the ticket whose turn it is.
struct {
    u32 next, turn;
} kernel_lock;

void lock_kernel(void) {
    u32 mine = __atomic_fetch_add(&kernel_lock.next, 1, __ATOMIC_RELAXED);
    lock_wait(mine, &kernel_lock);
}

void unlock_kernel(void) { __atomic_store_n(&kernel_lock.turn, kernel_lock.turn + 1, __ATOMIC_RELEASE); }

void trap_start(void) {
    bool full = trace_on || boot_arg("twin");
    csr_write(stvec, full ? trap_full : trap_fast);
    csr_write(sie, SIE_SSIE | SIE_STIE | (this_hart->index == 0 ? SIE_SEIE : 0));
    csr_clear(sstatus, SSTATUS_SPP | SSTATUS_SIE);
}

// ---- upcalls ----

// The current environment goes on at entry[which], t1 = cause, and its frame says where it was; t2 holds the
// entry, as after the fast path.
static void upcall(struct regs *r, u32 which, u64 cause, u64 tval) {
    volatile struct exo_uarea *ua = this_hart->ua;
    volatile struct exo_frame *f = which == FRAME_FAULT ? &ua->fault : &ua->epilogue;
    u64 pc = ua->entry[which];
    *f = (struct exo_frame){r->x[5], r->x[6], r->x[7], r->pc, cause, tval};
    *mask_byte(ua, which) = which == FRAME_EPILOGUE ? 1 : cause ? (u8)cause : 0xff;
    if (trace_on) trace(TRACE_UPCALL, which, pc, r->pc, cause, tval);
    r->pc = r->x[7] = pc;
    r->x[5] = this_hart->uva;
    r->x[6] = cause;
}

static void fault(struct regs *r, u64 cause, u64 tval) {
    if (!*mask_byte(this_hart->ua, FRAME_FAULT)) return upcall(r, FRAME_FAULT, cause, tval);
    env_stop(this_hart->cur, STOP_DOUBLE, cause, tval, r->pc);
    dispatch();
}

void epilogue_unhold(void) {
    this_hart->special &= ~SPECIAL_HELD;
    __atomic_fetch_and(&this_hart->ua->pending, ~(u64)PENDING_EPILOGUE, __ATOMIC_RELAXED);
}

void epilogue_held(struct regs *r) {
    if (!(this_hart->special & SPECIAL_HELD) || *(volatile u64 *)&this_hart->ua->mask) return;
    epilogue_unhold();
    upcall(r, FRAME_EPILOGUE, 0, 0);
}

// A forced frame in use stays: what runs is on its way to resume it, and begins that again at its next
// PROLOGUE.
bool force_save(struct exo_env *e) {
    struct exo_uarea *ua = env_ua(e);
    volatile struct exo_forced *f = &ua->forced;
    const struct regs *r = &this_hart->regs;
    if (*(volatile u64 *)&ua->pending & PENDING_FORCED) return false;
    f->pc = r->pc;
    for (u32 i = 1; i < 32; i++) f->x[i - 1] = r->x[i];
    f->fp = csr_read(sstatus) & SSTATUS_FS ? 1 : 0;
    if (f->fp) fp_save(&ua->forced);
    *mask_byte(ua, FRAME_FORCED) = 1;
    __atomic_fetch_or(&ua->pending, PENDING_FORCED, __ATOMIC_RELAXED);
    return true;
}

// The abort protocol for the CPU (SOSP95, The Abort Protocol): it did not let go within its budget.
static void abort_slice(struct regs *r) {
    struct exo_env *e = this_hart->cur;
    e->aborts++;
    e->excess += e->excess <=
                 EXO_OWE; // set running again and again it owes no more, so that next_slot's rounds are few
    e->state |= ENV_OWES;
    if (trace_on) trace(TRACE_ABORT, r->pc, e->excess, this_hart->ua->mask, 0, 0);
    (void)force_save(e);
    if (e->excess > EXO_OWE) env_stop(e, STOP_OWES, 0, 0, r->pc);
    dispatch();
}

// An interrupt that was on its way when the timer was set anew: no slice or budget is over. Setting it again
// ends it.
static bool timer_early(void) {
    u64 when = machine.sstc ? csr_read(0x14d) : 0; // stimecmp
    bool early = csr_read(time) < when;
    if (early) timer_set(when);
    return early;
}

// The slice is over: the environment has its budget to save what is live.
static void timer(struct regs *r) {
    struct hart *h = this_hart;
    if (timer_early()) return;
    if (h->special & SPECIAL_PHASE) return abort_slice(r);
    ++*h->tick_word;
    lock_kernel();
    disk_tick();
    if (work) tick_work();
    unlock_kernel();
    if (h->resched) return dispatch();
    if (trace_on) trace(TRACE_SLICE_END, hart_slot(h), 1, 0, 0, 0);
    h->special |= SPECIAL_PHASE;
    h->ready = READY_NONE;
    timer_set(csr_read(time) + h->budget);
    if (!*(volatile u64 *)&h->ua->mask) return upcall(r, FRAME_EPILOGUE, 0, 0);
    h->special |= SPECIAL_HELD;
    __atomic_fetch_or(&h->ua->pending, PENDING_EPILOGUE, __ATOMIC_RELAXED);
}

// ---- interrupts ----

enum { DEVICES = 9 }; // as many as can interrupt: so many claims end

void external_interrupt(void) {
    for (u32 i = 0; i < DEVICES; i++) {
        u32 irq = plic_claim();
        if (!irq) return;
        if (irq == UART_IRQ)
            console_input();
        else
            disk_interrupt(irq);
        plic_complete(irq);
    }
}

static void interrupt(struct regs *r, u64 which) {
    if (which == 5) return timer(r);
    if (which == 1) {
        csr_clear(sip, SIE_SSIE);
        panic_check();
    }
    lock_kernel();
    if (which == 9) external_interrupt();
    env_posted();
    unlock_kernel();
    if (this_hart->resched) dispatch();
}

// ---- calls ----

static enum exo_error twin_null(struct regs *r) {
    r->x[10] = 0;
    return E_OK;
}

static twin_fn *const twins[] = {twin_null, twin_yield, twin_wait,   twin_call,
                                 twin_send, twin_reply, twin_resume, twin_fp};
_Static_assert(sizeof(twins) / sizeof(*twins) == EXO_PAGE_ALLOC - EXO_CALLS, "a twin for each fast call");

#define ENTRY(nr, name, number, caps) [EXO_##nr - EXO_PAGE_ALLOC] = do_##name,
call_fn *const call_table[] = {EXO_LOCKED_CALLS(ENTRY)};

static void locked_call(struct regs *r, u64 nr) {
    static const u8 dead[] = {5, 6, 7, 13, 14, 15, 16, 17, 28, 29, 30, 31};
    const u64 args[5] = {r->x[10], r->x[11], r->x[12], r->x[13], r->x[14]};
    struct ret ret = fail(E_CALL);
    this_hart->a2 = 0;
    if (nr < EXO_CALLS_END) {
        lock_kernel();
        ret = call_table[nr - EXO_PAGE_ALLOC](args[0], args[1], args[2], args[3], args[4]);
        unlock_kernel();
    }
    if (trace_on) trace_call(nr, args, ret);
    if (this_hart->resched) return dispatch();
    for (u32 i = 0; i < sizeof(dead); i++) r->x[dead[i]] = 0;
    r->x[10] = (u64)ret.err;
    r->x[11] = ret.val;
    r->x[12] = this_hart->a2;
}

// A refusal is told in a0, by call and send in t6, with t0 = u-area.
static void fast_call(struct regs *r, u64 nr) {
    bool transfer = nr == EXO_CALL || nr == EXO_SEND;
    const u64 args[5] = {transfer ? r->x[16] : r->x[10], r->x[11], r->x[12], r->x[13], r->x[14]};
    if (trace_on && nr != EXO_NULL) trace_call(nr, args, done(0));
    if (nr != EXO_RESUME) // t0-t6 are dead: a fast path that missed left words of the kernel's there
        r->x[5] = r->x[6] = r->x[7] = r->x[28] = r->x[29] = r->x[30] = r->x[31] = 0;
    enum exo_error error = twins[nr - EXO_CALLS](r);
    if (!error) return;
    if (transfer) r->x[5] = this_hart->uva;
    r->x[transfer ? 31 : 10] = (u64)error;
    if (trace_on) trace_call(nr, args, fail(error));
}

void trap_c(void) {
    struct regs *r = &this_hart->regs;
    u64 cause = csr_read(scause), tval = csr_read(stval), nr = r->x[17];
    if (cause & CAUSE_INTERRUPT) return interrupt(r, cause & 0xff);
    if (cause != CAUSE_ECALL || nr < EXO_CALLS) return fault(r, cause, tval);
    r->pc += 4;
    if (nr < EXO_PAGE_ALLOC) return fast_call(r, nr);
    locked_call(r, nr);
}
