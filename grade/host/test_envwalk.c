// Long runs of environments drawn by fixed seeds, on four harts: they call, wait, overrun, fault, stop, move
// and end each other, accounts come and go, interrupts between harts come late. After every step every record
// fits the others; what is refused changed nothing; now and then all that is ready must get its turn.
#define AREA "walk"
#include "grade/host/envcheck.h"

enum { SEEDS = 12, STEPS = 5000, REST_EVERY = 1000, ACCOUNTS = 4 };

static struct account {
    u32 n;
    ppn_t roots[2], code;
    u64 *word; // of its predicate
} held[ACCOUNTS];

static char fault_text[300], last[100];
static u32 counts[EXO_CALLS_END - EXO_CALLS], refusals[-E_LAST + 1], entered, aborted, ended_accounts;

static bool wrong_if(bool bad, const char *what) {
    if (bad && !*fault_text) snprintf(fault_text, sizeof(fault_text), "%s, after %s", what, last);
    return bad;
}

// ---- accounts ----

static struct account *account_of(u32 n) {
    for (u32 i = 0; i < ACCOUNTS; i++)
        if (held[i].n == n) return &held[i];
    panic("no such account");
    abort();
}

static u32 rooms(u32 n) // environments it could still have
{
    return accts[n].envs - accts[n].envs_used;
}

static void newcomer(struct account *a) {
    if (!a->n || !rooms(a->n) || accts[a->n].state == ACCT_ENDING || accts[a->n].fixed >= accts[a->n].reserve)
        return;
    u32 h = draw(HARTS);
    struct exo_env *e = env_on(a->n, a->roots[draw(2)], h);
    if (accts[a->n].state == ACCT_NEW) accts[a->n].state = ACCT_RUN;
    for (u32 i = 0; i < EXO_NSLOT; i++)
        if (slots[h * EXO_NSLOT + i].account == a->n && !draw(3)) {
            fill(h, i, e);
            break;
        }
}

static void furnish(struct account *a, u32 n) {
    a->n = n;
    for (u32 i = 0; i < 2; i++) a->roots[i] = IN_NAME_OF(n, SPACE(0));
    a->code = IN_NAME_OF(n, predicate(&a->word));
}

static void account_begins(struct account *a) {
    struct ret r = IN_NAME_OF(1, do_acct_new(60, 12, 0, 0, 0));
    if (r.err) return;
    for (u32 h = 0; h < HARTS; h++) (void)IN_NAME_OF(1, do_slot_give(h, draw(20), 1 + draw(10), r.val, 0));
    furnish(a, (u32)r.val);
    for (u32 i = 0; i < 4; i++) newcomer(a);
}

static void account_dies(const struct account *a) {
    if (!cur() || cur()->account != 1 || ecall(EXO_ACCT_END, a->n, 0, 0, 0, 0)) return;
    ended_accounts++;
    snprintf(last, sizeof(last), "the end of account %u", a->n);
}

// Those that are gone make room; slots go back to account 1 with them.
static void accounts_look(void) {
    for (u32 i = 1; i < ACCOUNTS; i++) {
        struct account *a = &held[i];
        if (a->n && accts[a->n].state == ACCT_FREE) a->n = 0;
        if (!a->n && !draw(300) && words->free > 250)
            account_begins(a);
        else if (a->n && accts[a->n].state == ACCT_RUN && !draw(600))
            account_dies(a);
        else if (a->n && !draw(40))
            newcomer(a);
    }
    if (accts[1].envs_used < 20) newcomer(&held[0]);
}

// ---- steps ----

static bool likely(const struct exo_env *e) {
    return e->eid && e->account == cur()->account && (e->home == this_hart->index || !draw(6));
}

static u64 some_eid(void) {
    static u64 old[16];
    const struct exo_env *e = &envs[draw(60)];
    for (u32 i = 0; i < 400 && (!e->eid || (draw(12) && !likely(e))); i++) e = &envs[draw(EXO_NENV)];
    u32 way = draw(40);
    if (way == 0) return old[draw(16)];
    if (way == 1) return draw(3) ? draw(1 << 12) : ~0ul << draw(64);
    return old[draw(16)] = e->eid;
}

// Mostly one that can be called.
static u64 some_callee(void) {
    u64 eid = some_eid();
    for (u32 i = 0; i < 20 && draw(8); i++, eid = some_eid()) {
        const struct exo_env *e = env_get(eid);
        if (e && !(e->state & ~(u32)ENV_WAITING)) break;
    }
    return eid;
}

static i64 yield_error(u64 eid) // by <exo/abi.h>, for those that do not wait
{
    const struct exo_env *e = env_get(eid);
    if (!eid) return 0;
    if (!e) return E_EID;
    if (this_hart->special & SPECIAL_PHASE) return E_TIME;
    if (e->home != this_hart->index) return E_HOME;
    return e->state & (ENV_RUNNING | ENV_STOPPED) || (e->state & ENV_CALLING && e->callee) ? E_STATE : 0;
}

static i64 transfer_error(u64 eid, cap_t cap, bool calls) {
    const struct exo_env *e = env_get(eid), *at = cur();
    u32 depth = 0;
    if (!e) return E_EID;
    if (this_hart->special & SPECIAL_PHASE) return E_TIME;
    if (e->home != this_hart->index) return E_HOME;
    if (e->account != cur()->account && (!cap || cap != env_caps[e - envs])) return E_CAP;
    if (e->state & (ENV_RUNNING | ENV_STOPPED | ENV_SERVING | ENV_CALLING)) return E_STATE;
    if (env_ua(e)->mask || env_ua(e)->pending & PENDING_FORCED) return E_MASKED;
    while (at && at->state & ENV_SERVING) {
        depth++;
        at = env_get(at->client);
    }
    return calls && depth >= EXO_DEPTH ? E_DEPTH : 0;
}

static struct {
    struct exo_env envs[EXO_NENV];
    struct exo_slot slots[EXO_NHART * EXO_NSLOT];
    struct exo_acct accts[EXO_NACCT + 1];
} was;

// Registers in which another environment than the one that trapped finds anything but its u-area, t6, and a
// message.
static u32 leaks(u64 nr) {
    static const u8 message[32] = {
        [8] = 1,  [9] = 1,  [10] = 1, [11] = 1, [12] = 1, [13] = 1, [14] = 1, [18] = 1, [19] = 1,
        [20] = 1, [21] = 1, [22] = 1, [23] = 1, [24] = 1, [25] = 1, [26] = 1, [27] = 1};
    bool passes = nr == EXO_CALL || nr == EXO_SEND || nr == EXO_REPLY;
    const u64 *x = this_hart->regs.x;
    u32 n = x[5] != cur()->uva || host_sstatus & SSTATUS_FS;
    for (u32 i = 1; i < 31; i++) n += i != 5 && x[i] && !(passes && message[i]);
    return n;
}

// The call, its error counted; one that is refused must have left every record as it was.
static i64 make(u64 nr, u64 x0, u64 x1, u64 x2, u64 x3, u64 x4) {
    const struct exo_env *e = cur();
    u64 slices = e->slices;
    memcpy(was.envs, envs, sizeof(was.envs));
    memcpy(was.slots, slots, sizeof(was.slots));
    memcpy(was.accts, accts, sizeof(was.accts));
    snprintf(last, sizeof(last), "hart %u env %d: call 0x%llx(0x%llx, 0x%llx, 0x%llx)", this_hart->index,
             (int)(e - envs), (unsigned long long)nr, (unsigned long long)x0, (unsigned long long)x1,
             (unsigned long long)x2);
    counts[nr - EXO_CALLS]++;
    u64 *x = this_hart->regs.x;
    bool transfers = nr == EXO_CALL || nr == EXO_SEND;
    regs_mark(0x5ec0000);
    if (transfers) x[16] = x0, x[15] = x1;
    i64 r = ecall(nr, x0, x1, x2, x3, x4);
    if (transfers) r = (i64)x[31];
    wrong_if(cur() && cur() != e && leaks(nr), "a register passed");
    if (cur() != e || e->slices != slices || nr == EXO_RESUME || r >= 0 || r < E_LAST) return 0;
    refusals[-r]++;
    bool broken = nr == EXO_REPLY && r != E_STATE; // this one ends what it says
    wrong_if(!broken &&
                 (memcmp(was.envs, envs, sizeof(was.envs)) || memcmp(was.slots, slots, sizeof(was.slots)) ||
                  memcmp(was.accts, accts, sizeof(was.accts))),
             "a refusal changed something");
    return r;
}

static void fast_step(void) {
    struct exo_env *e = cur();
    const struct account *a = account_of(e->account);
    u32 what = e->state & ENV_SERVING && draw(2) ? 3 : draw(13);
    u64 eid = what >= 3 && what <= 7 ? some_callee() : some_eid();
    const struct exo_env *to = env_get(eid);
    cap_t cap = to && draw(8) ? env_caps[to - envs] : draw(3);
    bool may_wait = to && to->state & ENV_WAITING;
    i64 error;
    u64 nr;
    switch (what) {
    case 0: (void)make(EXO_YIELD, 0, 0, 0, 0, 0); break;
    case 1:
        error = yield_error(eid);
        wrong_if(make(EXO_YIELD, eid, 0, 0, 0, 0) != error && !may_wait, "another error of yield");
        break;
    case 2:
        (void)make(EXO_WAIT, draw(9) ? a->code : a->roots[0], *a->word + draw(2), host_time + draw(1 << 18),
                   0, draw(2) ? eid : 0);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        nr = draw(6) ? EXO_CALL : EXO_SEND;
        error = transfer_error(eid, cap, nr == EXO_CALL);
        wrong_if(make(nr, eid, cap, 0, 0, 0) != error, "another error of a transfer");
        break;
    case 8:
    case 9:
        error = !(e->state & ENV_SERVING)            ? E_STATE
                : this_hart->special & SPECIAL_PHASE ? E_TIME
                : e->client                          ? 0
                                                     : (i64)(i32)e->lost;
        wrong_if(make(EXO_REPLY, 0, 0, 0, 0, 0) != error, "another error of reply");
        break;
    case 10: (void)make(EXO_FP, draw(2), 0, 0, 0, 0); break;
    case 11: (void)make(EXO_RESUME, draw(4), 0, 0, 0, 0); break;
    default: env_ua(e)->mask = draw(2) << 24 | draw(2); *a->word += draw(2);
    }
}

static void slow_step(void) {
    struct exo_env *e = cur();
    const struct account *a = account_of(e->account);
    u64 eid = some_eid(), home = draw(HARTS);
    switch (draw(11)) {
    case 0: (void)make(EXO_ENV_CTL, eid, ENV_STOP, 0, 0, 0); break;
    case 1:
    case 2:
    case 3: (void)make(EXO_ENV_CTL, eid, draw(4) ? ENV_RUN : ENV_RECALL, 0, 0, 0); break;
    case 4:
        if (accts[e->account].envs_used > 3) (void)make(EXO_ENV_END, draw(4) ? eid : e->eid, 0, 0, 0, 0);
        break;
    case 5:
        (void)make(EXO_ENV_SPACE, draw(2) ? eid : e->eid, a->roots[draw(2)], draw(1 << 10) * EXO_PAGE, 0, 0);
        break;
    case 6: (void)make(EXO_ENV_HOME, draw(2) ? eid : e->eid, home + !draw(20), 0, 0, 0); break;
    case 7: (void)make(EXO_ENV_ACCEPT, eid, draw(3), 0, 0, 0); break;
    case 8: (void)make(EXO_SLOT_SET, home, draw(EXO_NSLOT + 1), draw(5) ? eid : 0, 0, 0); break;
    case 9: (void)make(EXO_POKE, home, 0, 0, 0, 0); break;
    default:
        (void)make(draw(2) ? EXO_BIND : EXO_UNBIND, a->roots[draw(2)], 0, draw(2) ? e->uarea : 0, R | W, 0);
    }
}

static void step(void) {
    u32 h = draw(HARTS);
    on(h);
    host_time += draw(2000);
    trace_on = !draw(8);
    if (draw(3) && host_sip & SIE_SSIE) {
        snprintf(last, sizeof(last), "hart %u: interrupted by another", h);
        poked(h);
    } else if (!cur()) {
        snprintf(last, sizeof(last), "hart %u: woken", h);
        wake(h, draw(2) ? SIE_STIE : SIE_SSIE);
    } else if (!draw(this_hart->special & SPECIAL_PHASE ? 6 : 12)) {
        snprintf(last, sizeof(last), "hart %u: its timer", h);
        aborted += this_hart->special & SPECIAL_PHASE;
        timer_fires();
    } else if (!draw(40)) {
        snprintf(last, sizeof(last), "hart %u: a fault", h);
        trap(13);
    } else if (draw(3)) {
        fast_step();
    } else {
        slow_step();
    }
    struct exo_env *e = &envs[draw(EXO_NENV)];
    if (e->eid) { // the libOS at work in a u-area
        env_ua(e)->mask = 0;
        env_ua(e)->pending &= ~(u64)draw(16);
    }
    for (u32 i = 0; i < HARTS; i++)
        if (harts[i].cur) tlb_use(i, harts[i].cur->root, 0, PTE_D);
}

// ---- nobody is lost ----

static bool has_slot(const struct exo_env *e) {
    for (u32 i = 0; i < EXO_NSLOT; i++)
        if (slots[e->home * EXO_NSLOT + i].eid == e->eid) return true;
    return false;
}

// All stops and waits are ended, all that is posted arrives, servers reply: whoever has a slot at home is
// entered.
static void rest(void) {
    static u64 slices[EXO_NENV];
    static eid_t eids[EXO_NENV];
    static u8 homes[EXO_NENV];
    snprintf(last, sizeof(last), "a rest");
    on(3);
    all_poked();
    for (u32 i = 0; i < EXO_NENV; i++) {
        struct exo_env *e = &envs[i];
        eids[i] = e->eid && has_slot(e) ? e->eid : 0;
        slices[i] = e->slices;
        homes[i] = e->home;
        if (e->eid && e->state & (ENV_STOPPED | ENV_WAITING))
            (void)IN_NAME_OF(e->account, do_env_ctl(e->eid, ENV_RUN, 0, 0, 0));
    }
    for (u32 round = 0; round < 700 * HARTS; round++) {
        on(round % HARTS);
        poked(round % HARTS);
        if (!cur())
            wake(round % HARTS, SIE_STIE);
        else if (cur()->state & ENV_SERVING && !(this_hart->special & SPECIAL_PHASE))
            (void)reply();
        else
            (void)yield(0);
        for (u32 h = 0; h < HARTS; h++) entered += harts[h].cur != NULL;
    }
    for (u32 i = 0; i < EXO_NENV; i++)
        if (eids[i] && envs[i].eid == eids[i] && envs[i].home == homes[i] && has_slot(&envs[i]))
            wrong_if(envs[i].slices == slices[i], "an environment with a slot had no turn");
}

static void one_walk(u64 with_seed) {
    boot();
    draw_state = with_seed * 0x9e3779b97f4a7c15;
    memset(held, 0, sizeof(held));
    furnish(&held[0], 1);
    furnish(&held[1], 2);
    for (u32 i = 0; i < 10; i++) newcomer(&held[i % 2]);
    for (u32 i = 1; i <= STEPS && !*fault_text; i++) {
        step();
        const char *bad = check_envs();
        if (!bad && i % 16 == 0) bad = check_memory();
        if (bad) wrong_if(true, bad);
        accounts_look();
        if (i % REST_EVERY == 0) rest();
    }
}

// What the walks must have met to be worth anything.
static void test_reach(void) {
    static const i64 errors[] = {E_EID,   E_TIME, E_HOME,  E_CAP,  E_STATE, E_MASKED,
                                 E_DEPTH, E_DEAD, E_OWNER, E_HART, E_SLOT,  E_TYPE};
    u32 never = 0;
    for (u32 i = 0; i < sizeof(errors) / sizeof(*errors); i++) never += !refusals[-errors[i]];
    for (u64 nr = EXO_YIELD; nr <= EXO_FP; nr++) never += counts[nr - EXO_CALLS] < 100;
    for (u64 nr = EXO_ENV_CTL; nr <= EXO_SLOT_SET; nr++) never += counts[nr - EXO_CALLS] < 100;
    check("every call and error of interest came", 0, never);
    check("aborts and ended accounts, too", true, aborted > 100 && ended_accounts > 5);
}

int main(void) {
    for (u64 i = 1; i <= SEEDS && !*fault_text; i++) {
        char name[100];
        snprintf(name, sizeof(name), "%u steps, seed %llu", STEPS, (unsigned long long)i);
        one_walk(i);
        say(name, !*fault_text, "records that fit", fault_text);
    }
    if (!*fault_text) test_reach();
    return failures != 0;
}
