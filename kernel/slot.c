// Slots and slices: which environment runs next on a hart, and what a hart does with none. A hart's slots
// come round in order; a filled one begins a slice of its environment, or of whom that environment calls.
// There is no policy here beyond "the next slot": who fills slots decides (SOSP95, Processor Time Slices).
#include "kernel.h"

struct exo_slot slots[EXO_NHART * EXO_NSLOT] __attribute__((aligned(EXO_PAGE)));

#define TICK (words->timebase / 100)

void timer_set(u64 when) {
    if (machine.sstc)
        csr_write(0x14d, when); // stimecmp
    else
        (void)sbi_set_timer(when);
}

// ---- what a hart runs ----

void ready_update(void) {
    struct hart *h = this_hart;
    struct exo_env *e = h->cur;
    h->ready = READY_NONE;
    if (!e) return;
    h->base = (u32)h->index << 8 | (u32)e->account << 16;
    bool fp = csr_read(sstatus) & SSTATUS_FS;
    if (!fp && !h->special && e->state == ENV_RUNNING) h->ready = h->base;
}

// What was asked of it and had to wait for this is done now; but nothing that was asked of others, since
// whoever leaves may have chosen already whom to enter.
void leave(void) {
    struct exo_env *e = this_hart->cur;
    if (!e) return;
    e->state &= ~ENV_RUNNING;
    this_hart->cur = NULL;
    if (this_hart->special & SPECIAL_HELD) epilogue_unhold();
    if (this_hart->special & SPECIAL_POSTED) {
        this_hart->special &= ~SPECIAL_POSTED;
        lock_kernel();
        env_left(e);
        unlock_kernel();
    }
}

void enter(struct exo_env *e, va_t pc) {
    struct hart *h = this_hart;
    e->state |= ENV_RUNNING;
    h->cur = e;
    h->ua = env_ua(e);
    h->uva = e->uva;
    csr_write(satp, e->satp);
    if (e->state & ENV_ARRIVING) {
        e->state &= ~ENV_ARRIVING;
        sfence_asid(e->satp >> SATP_ASID_SHIFT & 0xffff);
        fence_i();
    }
    csr_clear(sstatus, SSTATUS_FS);
    for (u32 i = 1; i < 32; i++) h->regs.x[i] = 0;
    h->regs.x[5] = e->uva;
    h->regs.pc = pc;
    if (e->posted) h->special |= SPECIAL_POSTED;
    ready_update();
}

void enter_prologue(struct exo_env *e) {
    e->slices++;
    if (e->state & ENV_CALLING) { // a call that was broken while it waited
        u32 why = e->broken;
        e->state &= ~ENV_CALLING;
        enter(e, e->pc);
        this_hart->regs.x[31] = (u64)(i64)(i32)why;
    } else {
        enter(e, *(volatile u64 *)&env_ua(e)->entry[2]);
    }
    if (trace_on) trace(TRACE_SLICE, hart_slot(this_hart), e->slices, 0, 0, 0);
}

bool wakes(struct exo_env *e) {
    if (e->state & (ENV_STOPPED | ENV_RUNNING)) return false;
    if (e->state & ENV_CALLING) return !e->callee;
    if (!(e->state & ENV_WAITING)) return true;
    if (!*(volatile u64 *)&env_ua(e)->pending && !predicate_true(e->code, e->words, csr_read(time)))
        return false;
    e->state &= ~ENV_WAITING;
    return true;
}

// Apart, so that looking at all the other slots takes no more instructions for it.
static __attribute__((noinline)) void pay_slot(const struct turn *t, struct exo_env *e) {
    if (--e->excess == 0) e->state &= ~ENV_OWES;
    if (trace_on) trace(TRACE_SKIP, (u64)(t - this_hart->turns), e->eid, e->excess, 0, 0);
}

// Whom the slot s of this hart runs now, or NULL. *owes: it was skipped to pay for an excess.
static struct exo_env *slot_runs(const struct turn *t, bool *owes) {
    struct exo_env *e = env_get(t->eid);
    if (!e || !env_here(e)) return NULL;
    if (e->state & ENV_OWES && !(e->state & ENV_STOPPED)) {
        *owes = true;
        pay_slot(t, e);
        return NULL;
    }
    for (u32 depth = 0; e && e->state & ENV_CALLING && e->callee && depth < EXO_DEPTH; depth++)
        e = e->state & ENV_STOPPED ? NULL : env_get(e->callee);
    return e && wakes(e) ? e : NULL;
}

static struct exo_env *next_slot(struct turn **turn) {
    bool owes;
    do {
        owes = false;
        struct turn *t = this_hart->turn->next, *first = t;
        for (u32 i = 0; i < EXO_NSLOT; i++) {
            struct exo_env *e = slot_runs(t, &owes);
            if (e) {
                *turn = t;
                return e;
            }
            t = t->next;
            if (t == first) break;
        }
    } while (owes);
    return NULL;
}

static u64 slice_length(struct hart *h) {
    if (!h->rng) return h->slice;
    h->rng ^= h->rng << 13;
    h->rng ^= h->rng >> 7;
    h->rng ^= h->rng << 17;
    return h->slice / 10 + h->rng % (h->slice * 19 / 10);
}

// Until an interrupt is pending. When a hart sleeps, a QEMU that counts instructions sets its clock forward
// from another thread, and rarely by a few instructions too much. So what must repeat is run with `nowfi`,
// where only instructions make time pass: those that QEMU does the most of in a second.
static bool nowfi;

static void doze(void) {
    if (!nowfi) {
        wfi();
        return;
    }
    while (!(csr_read(sip) & csr_read(sie)))
        for (u32 i = 0; i < 16; i++) nops();
}

// Nothing to run: sleeps until an interrupt, a tick at the latest.
static void idle(void) {
    struct hart *h = this_hart;
    bool soon = work == WORK_NOW && !h->index; // one hart is enough, more would only wait for the lock
    u64 now = csr_read(time), until = now + (soon ? TICK / 100 : TICK);
    u64 due = disk_due();
    timer_set(due < until ? due : until);
    doze();
    u64 why = csr_read(sip);
    if (why & SIE_SSIE) {
        csr_clear(sip, SIE_SSIE);
        panic_check();
    }
    fence_io(); // what was written before an interrupt was sent is seen by what follows
    if (!(why & (SIE_SEIE | SIE_STIE)) && !__atomic_load_n(&h->posted, __ATOMIC_RELAXED))
        return; // poked: to look at the slots, no more
    if (!(why & SIE_SEIE) && !__atomic_load_n(&h->posted, __ATOMIC_RELAXED) && !work &&
        due > csr_read(time)) {
        ++*h->tick_word;
        return;
    }
    lock_kernel();
    if (why & SIE_SEIE) external_interrupt();
    if (why & SIE_STIE) {
        ++*h->tick_word;
        disk_tick();
        tick_work();
    }
    env_posted();
    unlock_kernel();
}

// Where everyone yields early no slice ends by itself, and what ticks do would never be done.
static void work_on_yield(void) {
    static u64 due;
    u64 now = csr_read(time);
    if (!work || now < __atomic_load_n(&due, __ATOMIC_RELAXED)) return;
    lock_kernel();
    disk_tick();
    tick_work();
    unlock_kernel();
    __atomic_store_n(&due, now + TICK / 10, __ATOMIC_RELAXED);
}

void dispatch(void) {
    struct hart *h = this_hart;
    struct turn *turn;
    struct exo_env *e;
    leave();
    h->resched = 0;
    h->special &= ~(SPECIAL_PHASE | SPECIAL_POSTED | SPECIAL_HELD);
    work_on_yield();
    e = next_slot(&turn);
    if (!e) {
        csr_write(satp, satp_of(va_to_pa(kernel_root) / EXO_PAGE, 0));
        __atomic_store_n(&h->idle, 1, __ATOMIC_SEQ_CST);
        while (!(e = next_slot(&turn))) idle();
        h->idle = 0;
    }
    h->turn = turn;
    timer_set(csr_read(time) + slice_length(h));
    enter_prologue(e);
}

// ---- slots ----

void slot_init(u32 hart) {
    struct hart *h = &harts[hart];
    static u64 nobody;
    u64 seed = boot_number("seed", 0);
    h->envs = envs;
    h->turn = h->turns;
    h->tick_word = hart ? &nobody : &words->ticks;
    h->slice = words->slice;
    h->budget = words->budget;
    h->rng = seed ? seed * 0x9e3779b97f4a7c15 + hart : 0;
    h->special = !machine.sstc ? SPECIAL_SLOW | SPECIAL_SBI : seed ? SPECIAL_SLOW : 0;
    h->ready = READY_NONE;
    nowfi = boot_arg("nowfi") != NULL;
    slot_relink(hart);
}

void slot_relink(u32 hart) {
    struct turn *t = harts[hart].turns, *next = NULL;
    const struct exo_slot *s = &slots[hart * EXO_NSLOT];
    for (u32 i = 0; i < EXO_NSLOT && !next; i++)
        if (s[i].eid) next = &t[i];
    for (u32 i = EXO_NSLOT; i-- > 0;) {
        struct exo_env *e = env_get(s[i].eid);
        t[i] = (struct turn){e ? e : &envs[EXO_EID_INDEX], next ? next : &t[i], s[i].eid};
        if (s[i].eid) next = &t[i];
    }
}

struct ret do_slot_set(u64 hart, u64 slot, u64 eid, u64 a3, u64 a4) {
    struct exo_env *e = env_get(eid);
    if (hart >= nharts) return fail(E_HART);
    if (slot >= EXO_NSLOT) return fail(E_SLOT);
    if (eid && !e) return fail(E_EID);
    struct exo_slot *s = &slots[hart * EXO_NSLOT + slot];
    if (!owns(caller(), s->account) || (e && !owns(caller(), e->account))) return fail(E_OWNER);
    s->eid = (eid_t)eid;
    slot_relink((u32)hart);
    poke((u32)hart);
    return done(0);
}

struct ret do_slot_give(u64 hart, u64 slot, u64 n, u64 account, u64 a4) {
    if (n == 0) return fail(E_ARG);
    if (hart >= nharts) return fail(E_HART);
    if (slot >= EXO_NSLOT || n > EXO_NSLOT - slot) return fail(E_SLOT);
    if (!acct_get(account)) return fail(E_ACCT);
    struct exo_slot *s = &slots[hart * EXO_NSLOT + slot];
    for (u64 i = 0; i < n; i++)
        if (s[i].account != caller()) return fail(E_OWNER);
    if (!kin(caller(), (u32)account)) return fail(E_KIN);
    if (accts[account].state == ACCT_ENDING) return fail(E_STATE);
    for (u64 i = 0; i < n; i++) {
        s[i].eid = 0;
        s[i].account = (u8)account;
    }
    slot_relink((u32)hart);
    return done(0);
}

void poke(u32 hart) {
    if (hart != this_hart->index && __atomic_load_n(&harts[hart].idle, __ATOMIC_SEQ_CST))
        (void)sbi_send_ipi(1ul << harts[hart].id);
}

void poke_idle(void) {
    u64 mask = 0;
    for (u32 i = 0; i < nharts; i++)
        if (i != this_hart->index && __atomic_load_n(&harts[i].idle, __ATOMIC_SEQ_CST))
            mask |= 1ul << harts[i].id;
    if (mask) (void)sbi_send_ipi(mask);
}

struct ret do_poke(u64 hart, u64 a1, u64 a2, u64 a3, u64 a4) {
    if (hart >= nharts) return fail(E_HART);
    poke((u32)hart);
    return done(0);
}
