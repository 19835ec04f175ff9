// Fast calls in C: yield, wait, call, send, reply, resume, fp. For yield, call, reply and resume trap.S has a
// fast path; what it leaves, and all of it while tracing, comes here. No lock: all these touch only
// environments at home here (SOSP95, Protected Control Transfers). Refusals change nothing.
#include "kernel.h"

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
    if (!e) return dispatch();
    leave();
    enter_prologue(e);
}

enum exo_error twin_yield(struct regs *r) {
    struct exo_env *e;
    enum exo_error error = yield_check(r->x[10], &e);
    if (!error) yield_to(e);
    return error;
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

enum exo_error twin_wait(struct regs *r) {
    struct exo_env *e;
    lock_kernel();
    enum exo_error error = wait_check(r, &e);
    unlock_kernel();
    if (!error) yield_to(e);
    return error;
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

static enum exo_error transfer_to(struct regs *r, bool call) {
    struct exo_env *to = env_get(r->x[16]), *cur = this_hart->cur;
    cap_t cap = r->x[15];
    if (!to) return E_EID;
    if (past_end()) return E_TIME;
    if (!env_here(to)) return E_HOME;
    if (to->account != cur->account && (!cap || env_caps[to - envs] != cap)) return E_CAP;
    if (to->state & (ENV_RUNNING | ENV_STOPPED | ENV_SERVING | ENV_CALLING)) return E_STATE;
    const volatile struct exo_uarea *ua = env_ua(to);
    if (ua->mask || ua->pending & PENDING_FORCED) return E_MASKED;
    if (call && depth_of(cur) >= EXO_DEPTH) return E_DEPTH;

    eid_t me = cur->eid; // it may have to end as it is left
    to->state &= ~ENV_WAITING;
    if (call) {
        cur->pc = r->pc;
        cur->callee = to->eid;
        cur->state |= ENV_CALLING;
        to->client = me;
        to->state |= ENV_SERVING;
    }
    leave();
    pass(to, ua->entry[3], me);
    return E_OK;
}

enum exo_error twin_call(struct regs *r) { return transfer_to(r, true); }
enum exo_error twin_send(struct regs *r) { return transfer_to(r, false); }

enum exo_error twin_reply(struct regs *r) {
    struct exo_env *cur = this_hart->cur, *client;
    if (!(cur->state & ENV_SERVING)) return E_STATE;
    if (past_end()) return E_TIME;
    client = env_get(cur->client);
    cur->state &= ~ENV_SERVING;
    if (!client) { // its call is over: what became of it
        ready_update();
        return (enum exo_error)(i32)cur->lost;
    }
    cur->client = 0;
    client->callee = 0;
    client->state &= ~ENV_CALLING;
    leave();
    pass(client, client->pc, 0);
    return E_OK;
}

// ---- resume, fp ----

static void fp_set(bool on) {
    csr_clear(sstatus, SSTATUS_FS);
    if (on) csr_set(sstatus, SSTATUS_FS & -SSTATUS_FS); // Initial
    ready_update();
}

// What is in the u-area is the libOS's word: it goes to the user's own registers and nowhere else.
static void resume_frame(struct regs *r, volatile struct exo_frame *f) {
    r->x[10] = r->x[6];
    r->x[17] = r->x[7];
    r->pc = f->epc;
    r->x[5] = f->t0;
    r->x[6] = f->t1;
    r->x[7] = f->t2;
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
}

enum exo_error twin_resume(struct regs *r) {
    struct exo_uarea *ua = this_hart->ua;
    u64 frame = r->x[10];
    if (frame > FRAME_FORCED) return E_ARG;
    if (frame == FRAME_FORCED && !(*(volatile u64 *)&ua->pending & PENDING_FORCED)) return E_STATE;
    if (frame == FRAME_FORCED)
        resume_forced(r, ua);
    else
        resume_frame(r, frame == FRAME_FAULT ? &ua->fault : &ua->epilogue);
    *mask_byte(ua, (u32)frame) = 0;
    epilogue_held(r);
    return E_OK;
}

enum exo_error twin_fp(struct regs *r) {
    u64 on = r->x[10];
    if (on > 1) return E_ARG;
    r->x[10] = 0;
    if (on == !!(csr_read(sstatus) & SSTATUS_FS)) return E_OK;
    fp_set(on);
    if (on && this_hart->fp_owner != this_hart->cur->eid) {
        fp_zero();
        this_hart->fp_owner = this_hart->cur->eid;
    }
    return E_OK;
}
