// Tests of the fast calls' C twins: yield, wait, call, send, reply, resume, fp. Every refusal in the order of
// the checks; what is in each register after; that nothing but message and result passes from one environment
// to another.
#define AREA "transfer"
#include "grade/host/envcheck.h"

enum { MARK = 0x40000 };

static struct exo_env *b, *far; // another of account 1, here; one at home on hart 2
static const u8 messages[] = {10, 11, 12, 13, 14, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27};

static bool in_message(u32 i) { return memchr(messages, (int)i, sizeof(messages)) != NULL; }

static void start_pair(void) {
    boot();
    b = env_on(1, SPACE(0), 0);
    far = env_on(1, r1, 2);
}

// A call with all registers marked but for its arguments.
static i64 marked(u64 nr, u64 a0, u64 a4) {
    regs_mark(MARK);
    u64 *x = this_hart->regs.x;
    return ecall(nr, a0, x[11], x[12], x[13], a4);
}

static i64 marked_transfer(u64 nr, u64 eid, cap_t cap) {
    const struct exo_env *e = cur();
    regs_mark(MARK);
    u64 *x = this_hart->regs.x;
    x[17] = nr;
    x[16] = eid;
    x[15] = cap;
    trap(CAUSE_ECALL);
    return cur() == e ? (i64)x[31] : 0;
}

// The registers that hold anything but what they should: pc, t0 = u-area, t6, and messages if they passed.
static u32 wrong_after(va_t pc, u64 t6, bool passed) {
    const struct regs *r = &this_hart->regs;
    u32 n = r->pc != pc;
    for (u32 i = 1; i < 32; i++)
        n += r->x[i] != (i == 5 ? cur()->uva : i == 31 ? t6 : passed && in_message(i) ? MARK + i : 0);
    return n;
}

// After a refusal: what is kept is as it was, the rest the caller's own or 0. The error is in `where`.
static u32 wrong_refused(u32 where) {
    const struct regs *r = &this_hart->regs;
    u32 n = r->pc != MARK + 4;
    for (u32 i = 1; i < 32; i++) {
        bool temporary = (i >= 5 && i <= 7) || i >= 28, argument = i >= 10 && i <= 17;
        if (i == where || (i == 5 && where == 31) || (argument && r->x[i] != MARK + i)) continue;
        n += r->x[i] != (temporary ? 0 : MARK + i);
    }
    return n;
}

static void no_yield(const char *name, i64 error, u64 eid) {
    struct exo_env was = *cur();
    check(name, error, marked(EXO_YIELD, eid, 0));
    check("  its registers stay", 0, (i64)wrong_refused(10) + memcmp(&was, cur(), sizeof(was)));
}

static void no_wait(const char *name, i64 error, u64 code, u64 eid) {
    struct exo_env was = *cur();
    check(name, error, marked(EXO_WAIT, code, eid));
    check("  it does not wait", 0, (i64)wrong_refused(10) + memcmp(&was, cur(), sizeof(was)));
}

// By call and by send: no change but the error in t6.
static void refuse_one(u64 nr, const char *name, i64 error, u64 eid, cap_t cap) {
    static struct exo_env was[EXO_NENV];
    memcpy(was, envs, sizeof(was));
    check(name, error, marked_transfer(nr, eid, cap));
    u32 changes = wrong_refused(31);
    for (u32 i = 10; i < 15; i++) changes += this_hart->regs.x[i] != MARK + i;
    changes += this_hart->regs.x[5] != cur()->uva;
    check("  registers and records stay", 0, (i64)changes + memcmp(was, envs, sizeof(was)));
}

static void no_transfer(const char *name, i64 error, u64 eid, cap_t cap) {
    refuse_one(EXO_CALL, name, error, eid, cap);
    refuse_one(EXO_SEND, name, error, eid, cap);
}

// ---- yield, wait ----

static void test_yield(void) {
    start_pair();
    u64 slices = b->slices;
    (void)marked(EXO_YIELD, b->eid, 0);
    check("yield: registers are zero but t0, pc PROLOGUE", 0, wrong_after(entry_pc(b, 2), 0, false));
    check("in its address space", (i64)b->satp, (i64)host_satp);
    check("a slice more", (i64)slices + 1, (i64)b->slices);
    check("the rest of this one", 0, (i64)(e1->state | hart_slot(this_hart)));
    (void)marked(EXO_YIELD, e1->eid, 0);
    check("and back", true, cur() == e1 && b->state == 0);
    struct exo_env *alien = env_on(2, r2, 0);
    (void)marked(EXO_YIELD, alien->eid, 0);
    check("another account's", 0, cur() == alien ? wrong_after(entry_pc(alien, 2), 0, false) : 99);

    start_pair();
    u64 *word;
    ppn_t code = predicate(&word);
    far->state |= ENV_STOPPED;
    no_yield("E_EID", E_EID, b->eid + 128);
    no_yield("E_HOME: of a stopped one elsewhere", E_HOME, far->eid);
    no_yield("E_STATE: running", E_STATE, e1->eid);
    b->state = ENV_STOPPED;
    no_yield("E_STATE: stopped", E_STATE, b->eid);
    b->state = 0;
    (void)call(b->eid);
    no_yield("E_STATE: calling", E_STATE, e1->eid);
    (void)reply();
    struct exo_env *waiter = env_on(1, r1, 0);
    (void)yield(waiter->eid);
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, e1->eid);
    no_yield("E_STATE: waiting", E_STATE, waiter->eid);
    check("who waits still does", ENV_WAITING, waiter->state);
    *word = 8;
    (void)yield(waiter->eid);
    check("one whose predicate is true", true, cur() == waiter);
    (void)yield(e1->eid);
    timer_fires();
    no_yield("past the end: E_EID", E_EID, b->eid + 128);
    no_yield("past the end: E_TIME before E_HOME", E_TIME, far->eid);
    no_yield("past the end: E_TIME", E_TIME, b->eid);
    (void)yield(0);
    check("but any", 0, (i64)(this_hart->special & SPECIAL_PHASE));
}

static void test_wait(void) {
    start_pair();
    u64 *word;
    ppn_t code = predicate(&word), data = page(), free_page = page(), theirs = IN_NAME_OF(2, page());
    (void)do_page_free(free_page, 0, 0, 0, 0);
    eid_t none = b->eid + 128;
    far->state |= ENV_STOPPED;
    no_wait("wait: E_PPN", E_PPN, 0, none);
    no_wait("wait: E_PPN, past the last", E_PPN, EXO_PPN_BASE + npages, none);
    no_wait("wait: E_PPN, over 32 bits", E_PPN, (1ul << 32) + code, none);
    no_wait("wait: E_OWNER", E_OWNER, theirs, none);
    no_wait("wait: E_TYPE", E_TYPE, data, none);
    no_wait("wait: E_TYPE, free", E_TYPE, free_page, none);
    no_wait("wait: E_TYPE, a table", E_TYPE, r1, none);
    no_wait("wait: E_EID", E_EID, code, none);
    no_wait("wait: E_HOME", E_HOME, code, far->eid);
    no_wait("wait: E_STATE", E_STATE, code, e1->eid);
    (void)marked(EXO_WAIT, code, b->eid);
    check("wait: registers are zero but t0", 0, cur() == b ? wrong_after(entry_pc(b, 2), 0, false) : 99);
    check("its words are a1 to a3", true,
          e1->state == ENV_WAITING && e1->code == code && e1->words[0] == MARK + 11 &&
              e1->words[1] == MARK + 12 && e1->words[2] == MARK + 13);
    check("code_drop: busy while it waits", E_BUSY, ecall(EXO_CODE_DROP, code, 0, 0, 0, 0));
    (void)ecall(EXO_ENV_CTL, e1->eid, ENV_RUN, 0, 0, 0);
    (void)yield(e1->eid);
    timer_fires();
    no_wait("wait past the end: E_TIME", E_TIME, code, far->eid);
    fill(0, 9, b);
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, 0);
    check("but for any", true, cur() == b && e1->state == ENV_WAITING);
}

// ---- call, send, reply ----

static void test_pass(void) {
    start_pair();
    struct exo_env *alien = env_on(2, r2, 0), *to[] = {b, alien};
    for (u32 i = 0; i < 2; i++) {
        env_caps[to[i] - envs] = 55;
        u64 slices = to[i]->slices, timer = host_0x14d;
        (void)marked_transfer(EXO_CALL, to[i]->eid, 55);
        check("call: messages pass, t6 = caller", 0,
              cur() == to[i] ? wrong_after(entry_pc(to[i], 3), e1->eid, true) : 99);
        check("who called", true, e1->state == ENV_CALLING && e1->callee == to[i]->eid && e1->pc == MARK + 4);
        check("whom it serves", true,
              to[i]->state == (ENV_SERVING | ENV_RUNNING) && to[i]->client == e1->eid);
        check("is no new slice", (i64)(slices + timer), (i64)(to[i]->slices + host_0x14d));
        (void)marked(EXO_REPLY, MARK + 10, MARK + 14);
        check("reply: messages pass, t6 = 0", 0, cur() == e1 ? wrong_after(MARK + 4, 0, true) : 99);
        check("both are as before", ENV_RUNNING, (e1->state << 8 | to[i]->state) >> 8 | to[i]->state << 8);
        (void)marked_transfer(EXO_SEND, to[i]->eid, 55);
        check("send: messages pass, t6 = sender", 0,
              cur() == to[i] ? wrong_after(entry_pc(to[i], 3), e1->eid, true) : 99);
        check("nobody waits", ENV_RUNNING, e1->state << 8 | to[i]->state);
        check("nothing to reply to", E_STATE, marked(EXO_REPLY, MARK + 10, MARK + 14));
        check("its registers stay", 0, wrong_refused(10));
        (void)yield(e1->eid);
        check("the sender comes back at its PROLOGUE", 0, wrong_after(entry_pc(e1, 2), 0, false));
    }
    // A callee's wait is over.
    u64 *word;
    ppn_t code = predicate(&word);
    (void)yield(b->eid);
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, e1->eid);
    (void)call(b->eid);
    check("a call ends a wait", ENV_SERVING | ENV_RUNNING, b->state);
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, 0);
    check("which it may take up again", true, b->state == (ENV_SERVING | ENV_WAITING) && !cur());
}

static void test_transfer_refused(void) {
    start_pair();
    struct exo_env *alien = env_on(2, r2, 0);
    cap_t *cap = &env_caps[alien - envs];
    far->state |= ENV_STOPPED;
    no_transfer("E_EID", E_EID, b->eid + 128, 0);
    no_transfer("E_HOME", E_HOME, far->eid, 0);
    no_transfer("E_HOME before E_CAP", E_HOME, e2->eid, 0);
    *cap = 0;
    alien->state = ENV_STOPPED;
    no_transfer("E_CAP: 0 opens nothing", E_CAP, alien->eid, 0);
    no_transfer("E_CAP: it accepts nobody", E_CAP, alien->eid, 55);
    *cap = 55;
    no_transfer("E_CAP: another value", E_CAP, alien->eid, 54);
    no_transfer("E_CAP: none", E_CAP, alien->eid, 0);
    no_transfer("E_STATE: stopped", E_STATE, alien->eid, 55);
    alien->state = 0;
    no_transfer("E_STATE: running", E_STATE, e1->eid, 0);
    static const u64 masks[] = {1, 0x100, 0x10000, MASK_LIBOS, 1ul << 63};
    for (u32 i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
        env_ua(b)->mask = masks[i];
        no_transfer("E_MASKED", E_MASKED, b->eid, 0);
    }
    env_ua(b)->mask = 0;
    env_ua(b)->pending = PENDING_FORCED;
    no_transfer("E_MASKED: a forced frame", E_MASKED, b->eid, 0);
    b->state = ENV_STOPPED;
    no_transfer("E_STATE before E_MASKED", E_STATE, b->eid, 0);
    b->state = 0;
    env_ua(b)->pending = ~(u64)PENDING_FORCED;
    check("whatever else is pending", 0, call(b->eid));
    no_transfer("E_STATE: calling", E_STATE, e1->eid, 0);
    (void)reply();
    struct exo_env *chain[EXO_DEPTH + 1] = {e1};
    for (u32 i = 1; i <= EXO_DEPTH; i++) {
        chain[i] = env_on(1, r1, 0);
        (void)call(chain[i]->eid);
    }
    no_transfer("E_STATE: serving, and calling", E_STATE, chain[1]->eid, 0);
    refuse_one(EXO_CALL, "E_DEPTH", E_DEPTH, b->eid, 0);
    env_ua(b)->mask = 1;
    no_transfer("E_MASKED before E_DEPTH", E_MASKED, b->eid, 0);
    env_ua(b)->mask = 0;
    check("send does not nest", 0, sends(b->eid));
    no_transfer("E_STATE: serving", E_STATE, chain[EXO_DEPTH]->eid, 0);
    timer_fires();
    env_ua(b)->mask = 0;
    no_transfer("past the end: E_EID", E_EID, b->eid + 256, 0);
    no_transfer("past the end: E_TIME before E_HOME", E_TIME, far->eid, 0);
    no_transfer("past the end: E_TIME", E_TIME, alien->eid, 55);
}

// A reply that finds no client; a reply in the wrong slice; the client of a call that is over.
static void test_broken(void) {
    for (u32 how = 0; how < 4; how++) {
        start_pair();
        struct exo_env *client = how < 2 ? e1 : b, *server = how < 2 ? b : e1;
        fill(0, 9, b);
        as(client);
        regs_mark(MARK);
        (void)call(server->eid);
        i64 why = how == 1 ? E_DEAD : E_TIME;
        if (how == 1)
            (void)ecall(EXO_ENV_END, client->eid, 0, 0, 0, 0);
        else
            (void)ecall(EXO_ENV_CTL, client->eid, how == 3 ? ENV_STOP : ENV_RECALL, 0, 0, 0);
        check("the server runs on", true, cur() == server && server->state == (ENV_SERVING | ENV_RUNNING));
        check("its client is 0", 0, server->client);
        check("reply says why", why, marked(EXO_REPLY, MARK + 10, MARK + 14));
        check("and nothing else", 0, wrong_refused(10));
        check("its fast paths are open again", this_hart->base, this_hart->ready);
        check("it serves nobody then", E_STATE, reply());
        if (how == 1) continue;
        if (how == 3) {
            check("a stopped client is not entered", E_STATE, yield(client->eid));
            (void)ecall(EXO_ENV_CTL, client->eid, ENV_RUN, 0, 0, 0);
        }
        (void)yield(client->eid);
        check("the client goes on after its ecall, t6 = E_TIME", 0,
              wrong_after(MARK + 4, (u64)E_TIME, false));
    }
    start_pair();
    (void)call(b->eid);
    timer_fires();
    regs_mark(MARK);
    check("reply past the end", E_TIME, marked(EXO_REPLY, MARK + 10, MARK + 14));
    check("its registers stay", 0, wrong_refused(10));
    (void)yield(0);
    check("in the next slice", true, cur() == b);
    (void)reply();
    check("it goes through", true, cur() == e1);
    env_ua(b)->mask = 0;
    fill(0, 9, b);
    regs_mark(MARK);
    check("called again", 0, call(b->eid));
    (void)ecall(EXO_ENV_END, b->eid, 0, 0, 0, 0);
    check("the server ends: E_DEAD", 0, cur() == e1 ? wrong_after(MARK + 4, (u64)E_DEAD, false) : 99);
}

// ---- resume ----

static void test_resume(void) {
    start_pair();
    struct exo_uarea *ua = env_ua(e1);
    for (u32 frame = FRAME_FAULT; frame <= FRAME_EPILOGUE; frame++) {
        regs_mark(MARK);
        if (frame == FRAME_FAULT)
            host_stval = 0xbad, trap(13);
        else
            timer_fires();
        const struct exo_frame *f = frame == FRAME_FAULT ? &ua->fault : &ua->epilogue;
        check("the frame", true,
              f->t0 == MARK + 5 && f->t1 == MARK + 6 && f->t2 == MARK + 7 && f->epc == MARK);
        check("its byte of mask", true,
              ua->mask & 0xfful << 8 * frame && !(ua->mask & ~(0xfful << 8 * frame)));
        check("the upcall", true,
              this_hart->regs.pc == entry_pc(e1, frame) && this_hart->regs.x[5] == e1->uva);
        ua->mask |= MASK_LIBOS | MASK_FORCED;
        this_hart->regs.x[6] = this_hart->regs.x[10];
        this_hart->regs.x[7] = this_hart->regs.x[17];
        (void)ecall(EXO_RESUME, frame, MARK + 11, MARK + 12, MARK + 13, MARK + 14);
        check("resume: all registers", 0, regs_differ(MARK));
        check("its byte of mask is clear, no other", MASK_LIBOS | MASK_FORCED, (i64)ua->mask);
        ua->mask = 0;
    }
    (void)yield(0);
    check("E_ARG", E_ARG, marked(EXO_RESUME, 3, 0));
    check("E_ARG, all ones", E_ARG, marked(EXO_RESUME, ~0ul, 0));
    check("E_ARG, over 32 bits", E_ARG, marked(EXO_RESUME, 1ul << 32, 0));
    ua->mask = MASK_FORCED;
    check("E_STATE: no forced frame", E_STATE, marked(EXO_RESUME, FRAME_FORCED, 0));
    check("changes nothing", MASK_FORCED, (i64)ua->mask);
    ua->mask = 0;

    regs_mark(MARK);
    timer_fires();
    regs_mark(MARK); // it runs on until the budget is over
    timer_fires();
    check("abort: the forced frame", true,
          ua->pending == PENDING_FORCED && ua->forced.pc == MARK && !ua->forced.fp);
    check("entered at PROLOGUE", 0, cur() == e1 ? wrong_after(entry_pc(e1, 2), 0, false) : 99);
    ua->pending |= PENDING_REVOKE;
    (void)ecall(EXO_RESUME, FRAME_FORCED, 0, 0, 0, 0);
    check("resume(FORCED): all registers", 0, regs_differ(MARK));
    check("others stay pending", PENDING_REVOKE, (i64)ua->pending);
    check("its mask is clear", 0, (i64)(ua->mask & MASK_FORCED));
    check("floating point stays off", 0, (i64)(host_sstatus & SSTATUS_FS));
}

// ---- fp ----

static u32 f_nonzero(void) {
    u32 n = 0;
    for (u32 i = 0; i < 33; i++) n += f_regs[0][i] != 0;
    return n;
}

static void f_fill(void) {
    for (u32 i = 0; i < 33; i++) f_regs[0][i] = MARK + i;
    host_sstatus |= SSTATUS_FS;
}

static void test_fp(void) {
    start_pair();
    memset(f_regs, 0xff, sizeof(f_regs));
    check("fp(2): E_ARG", E_ARG, marked(EXO_FP, 2, 0));
    check("its registers stay", 0, wrong_refused(10));
    check("fp(all ones): E_ARG", E_ARG, marked(EXO_FP, ~0ul, 0));
    check("off, and off again", 0, marked(EXO_FP, 0, 0));
    check("fp(1)", 0, marked(EXO_FP, 1, 0));
    check("other registers stay", 0, wrong_refused(10));
    check("is on", true, (host_sstatus & SSTATUS_FS) != 0);
    check("f registers are zero", 0, f_nonzero());
    f_fill();
    check("on again changes none", 33, (marked(EXO_FP, 1, 0), f_nonzero()));
    check("off", 0, (marked(EXO_FP, 0, 0), (i64)(host_sstatus & SSTATUS_FS)));
    check("on: its own are there", 33, (marked(EXO_FP, 1, 0), f_nonzero()));
    (void)call(b->eid);
    check("off after a transfer", 0, (i64)(host_sstatus & SSTATUS_FS));
    (void)reply();
    check("and after the reply", 0, (i64)(host_sstatus & SSTATUS_FS));
    check("nobody used them since", 33, (marked(EXO_FP, 1, 0), f_nonzero()));
    (void)yield(b->eid);
    check("off in another's slice", 0, (i64)(host_sstatus & SSTATUS_FS));
    check("who finds no value of the last user's", 0, (marked(EXO_FP, 1, 0), f_nonzero()));
    f_fill();
    (void)yield(e1->eid);
    check("nor does the first user then", 0, (marked(EXO_FP, 1, 0), f_nonzero()));

    f_fill();
    regs_mark(MARK);
    timer_fires();
    timer_fires();
    check("an abort saves them", true, env_ua(e1)->forced.fp && env_ua(e1)->forced.f[31] == MARK + 31);
    (void)yield(b->eid);
    (void)marked(EXO_FP, 1, 0);
    (void)yield(e1->eid);
    (void)ecall(EXO_RESUME, FRAME_FORCED, 0, 0, 0, 0);
    check("resume(FORCED) brings them back", 33, host_sstatus & SSTATUS_FS ? (i64)f_nonzero() : -1);
    check("the very ones", true, f_regs[0][0] == MARK && f_regs[0][32] == MARK + 32);
    (void)yield(b->eid);
    check("b was not the last user", 0, (marked(EXO_FP, 1, 0), f_nonzero()));
    f_fill();
    eid_t eid = b->eid;
    (void)ecall(EXO_ENV_HOME, eid, 3, 0, 0, 0);
    (void)yield(e1->eid);
    all_poked();
    check("who moved away leaves them to nobody", 0, this_hart->fp_owner);
}

int main(void) {
    test_yield();
    test_wait();
    test_pass();
    test_transfer_refused();
    test_broken();
    test_resume();
    test_fp();
    return failures != 0;
}
