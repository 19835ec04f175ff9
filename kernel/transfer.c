// Fast calls in C: yield, wait, call, send, reply, resume, fp. For yield, call, reply and resume trap.S has a
// fast path; what it leaves, and all of it while tracing, comes here. No lock: all these touch only
// environments at home here (SOSP95, Protected Control Transfers). Refusals change nothing.
#include "kernel.h"
#include <exo/trace.h>

static bool past_end(void) { return this_hart->special & SPECIAL_PHASE; }

// The check that yield and wait share; *e = whom to run, NULL for the next slot.
static enum exo_error yield_check(u64 eid, struct exo_env **e) {
    *e = NULL;
    if (!eid) return E_OK;
    *e = env_get(eid);
    if (!*e) return E_EID;
    if (past_end()) return E_TIME;
    if (!env_here(*e)) return E_HOME;
    return wakes(*e) ? E_OK : E_STATE;
}

static void yield_to(struct exo_env *e) {
    if (trace_on) trace(TRACE_SLICE_END, hart_slot(this_hart), 0, 0, 0, 0);
    if (!e) {
        dispatch();
        return;
    }
    leave();
    enter_prologue(e);
}

void twin_yield(struct regs *r) {
    struct exo_env *e;
    enum exo_error error = yield_check(r->x[10], &e);
    if (error) {
        r->x[10] = (u64)error;
        return;
    }
    yield_to(e);
}

// Under the lock, so that code_drop sees who waits.
static enum exo_error wait_check(const struct regs *r, struct exo_env **e) {
    struct exo_page *code = page_get(r->x[10]);
    if (!code) return E_PPN;
    if (code->account != caller()) return E_OWNER;
    if (code->type != PAGE_CODE) return E_TYPE;
    enum exo_error error = yield_check(r->x[14], e);
    if (error) return error;
    struct exo_env *cur = this_hart->cur;
    cur->code = page_ppn(code);
    for (u32 i = 0; i < 3; i++) cur->words[i] = r->x[11 + i];
    cur->state |= ENV_WAITING;
    return E_OK;
}

void twin_wait(struct regs *r) {
    struct exo_env *e;
    lock_kernel();
    enum exo_error error = wait_check(r, &e);
    unlock_kernel();
    if (error) {
        r->x[10] = (u64)error;
        return;
    }
    yield_to(e);
}

// ---- transfer ----

static u32 depth_of(const struct exo_env *e) {
    u32 depth = 0;
    while (e && e->state & ENV_SERVING && depth <= EXO_DEPTH) {
        e = env_get(e->client);
        depth++;
    }
    return depth;
}

static enum exo_error transfer_check(u64 eid, cap_t cap, struct exo_env **to, bool call) {
    struct exo_env *e = env_get(eid), *cur = this_hart->cur;
    if (!e) return E_EID;
    if (past_end()) return E_TIME;
    if (!env_here(e)) return E_HOME;
    if (e->account != cur->account && (!cap || env_caps[e - envs] != cap)) return E_CAP;
    if (e->state & (ENV_RUNNING | ENV_STOPPED | ENV_SERVING | ENV_CALLING)) return E_STATE;
    const volatile struct exo_uarea *ua = env_ua(e);
    if (ua->mask || ua->pending & PENDING_FORCED) return E_MASKED;
    if (call && depth_of(cur) >= EXO_DEPTH) return E_DEPTH;
    *to = e;
    return E_OK;
}

static void refuse(struct regs *r, enum exo_error error) {
    r->x[5] = this_hart->uva;
    r->x[31] = (u64)error;
}

// The message registers: a0-a4, s0-s11. `enter` leaves all the others 0.
static const u8 message[] = {10, 11, 12, 13, 14, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27};

static void pass(struct exo_env *to, va_t pc, u64 t6) {
    struct regs *r = &this_hart->regs;
    u64 m[sizeof(message)];
    for (u32 i = 0; i < sizeof(message); i++) m[i] = r->x[message[i]];
    enter(to, pc);
    for (u32 i = 0; i < sizeof(message); i++) r->x[message[i]] = m[i];
    r->x[31] = t6;
}

static va_t call_entry(const struct exo_env *e) { return *(volatile u64 *)&env_ua(e)->entry[3]; }

void twin_call(struct regs *r) {
    struct exo_env *to, *cur = this_hart->cur;
    enum exo_error error = transfer_check(r->x[16], r->x[15], &to, true);
    if (error) {
        refuse(r, error);
        return;
    }
    eid_t me = cur->eid; // it may have to end as it is left
    cur->pc = r->pc;
    cur->callee = to->eid;
    cur->state |= ENV_CALLING;
    to->client = me;
    to->state = (to->state & ~ENV_WAITING) | ENV_SERVING;
    leave();
    pass(to, call_entry(to), me);
}

void twin_send(struct regs *r) {
    struct exo_env *to, *cur = this_hart->cur;
    enum exo_error error = transfer_check(r->x[16], r->x[15], &to, false);
    if (error) {
        refuse(r, error);
        return;
    }
    eid_t me = cur->eid;
    to->state &= ~ENV_WAITING;
    leave();
    pass(to, call_entry(to), me);
}

void twin_reply(struct regs *r) {
    struct exo_env *cur = this_hart->cur, *client;
    if (!(cur->state & ENV_SERVING)) {
        r->x[10] = (u64)E_STATE;
        return;
    }
    if (past_end()) {
        r->x[10] = (u64)E_TIME;
        return;
    }
    client = env_get(cur->client);
    cur->state &= ~ENV_SERVING;
    if (!client) {
        r->x[10] = (u64)(i64)(i32)cur->lost;
        ready_update();
        return;
    }
    cur->client = 0;
    client->callee = 0;
    client->state &= ~ENV_CALLING;
    leave();
    pass(client, client->pc, 0);
}

// ---- resume, fp ----

static void fp_set(bool on) {
    csr_clear(sstatus, SSTATUS_FS);
    if (on) csr_set(sstatus, SSTATUS_FS & -SSTATUS_FS); // Initial
    ready_update();
}

// What is in the u-area is the libOS's word: it goes to the user's own registers and nowhere else.
static void resume_frame(struct regs *r, volatile struct exo_uarea *ua, u32 frame) {
    volatile struct exo_frame *f = frame == FRAME_FAULT ? &ua->fault : &ua->epilogue;
    r->x[10] = r->x[6];
    r->x[17] = r->x[7];
    r->pc = f->epc;
    r->x[5] = f->t0;
    r->x[6] = f->t1;
    r->x[7] = f->t2;
    ((volatile u8 *)&ua->mask)[frame] = 0;
}

static void resume_forced(struct regs *r, struct exo_uarea *ua) {
    volatile struct exo_forced *f = &ua->forced;
    r->pc = f->pc;
    for (u32 i = 1; i < 32; i++) r->x[i] = f->x[i - 1];
    if (f->fp) {
        fp_set(true);
        fp_load(&ua->forced);
        this_hart->fp_owner = this_hart->cur->eid;
    }
    __atomic_fetch_and(&ua->pending, ~(u64)PENDING_FORCED, __ATOMIC_RELAXED);
    ((volatile u8 *)&ua->mask)[2] = 0;
}

void twin_resume(struct regs *r) {
    struct exo_uarea *ua = this_hart->ua;
    u64 frame = r->x[10];
    enum exo_error error = frame > FRAME_FORCED ? E_ARG : E_OK;
    if (frame == FRAME_FORCED && !(*(volatile u64 *)&ua->pending & PENDING_FORCED)) error = E_STATE;
    if (error) {
        r->x[10] = (u64)error;
        return;
    }
    if (frame == FRAME_FORCED)
        resume_forced(r, ua);
    else
        resume_frame(r, ua, (u32)frame);
    epilogue_held(r);
}

void twin_fp(struct regs *r) {
    u64 on = r->x[10];
    if (on > 1) {
        r->x[10] = (u64)E_ARG;
        return;
    }
    r->x[10] = 0;
    bool was = csr_read(sstatus) & SSTATUS_FS;
    if (was == on) return;
    fp_set(on);
    if (on && this_hart->fp_owner != this_hart->cur->eid) {
        fp_zero();
        this_hart->fp_owner = this_hart->cur->eid;
    }
}
