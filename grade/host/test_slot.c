// Tests of slots and slices: the calls on slots with each of their errors, which environment runs next and
// when one is skipped, a hart with nothing to run, and the draw of slices from a seed.
#define AREA "slot"
#include "grade/host/envcheck.h"

#define slot_set(hart, slot, eid)         do_slot_set(hart, slot, eid, 0, 0)
#define slot_give(hart, slot, n, account) do_slot_give(hart, slot, n, account, 0)

// Who runs and from which slot, in one number.
static i64 runs(void) { return cur() ? cur() - envs + 1000 * (i64)hart_slot(this_hart) : -1; }

static i64 is(const struct exo_env *e, u32 slot) { return e - envs + 1000 * (i64)slot; }

// The current environment yields: who runs then?
static void turn(const char *name, const struct exo_env *e, u32 slot) {
    (void)yield(0);
    check(name, is(e, slot), runs());
}

static struct exo_env *another(u32 slot) // of account 1, on hart 0
{
    struct exo_env *e = env_on(1, r1, 0);
    if (slot < EXO_NSLOT) fill(0, slot, e);
    return e;
}
#define NO_SLOT EXO_NSLOT

// ---- the order of slots ----

// The first filled slot after i, coming round to i itself; i if none is filled.
static u32 next_by_hand(const struct exo_slot *s, u32 i) {
    for (u32 d = 1; d <= EXO_NSLOT; d++)
        if (s[(i + d) % EXO_NSLOT].eid) return (i + d) % EXO_NSLOT;
    return i;
}

static void test_relink(void) {
    boot();
    u32 bad = 0;
    for (u32 round = 0; round < 4000; round++) {
        u32 hart = round % EXO_NHART, parts = round % 70; // from none filled to all
        struct exo_slot *s = &slots[hart * EXO_NSLOT];
        static struct hart others[EXO_NHART];
        for (u32 i = 0; i < EXO_NSLOT; i++)
            s[i].eid = draw(70) >= parts ? 0 : draw(2) ? draw(~0u) | 1 : envs[draw(2)].eid;
        memcpy(others, harts, sizeof(others));
        slot_relink(hart);
        struct turn *turns = harts[hart].turns;
        for (u32 i = 0; i < EXO_NSLOT; i++) {
            const struct exo_env *e = env_get(s[i].eid), *none = &envs[EXO_EID_INDEX];
            bad += turns[i].next != &turns[next_by_hand(s, i)];
            bad += turns[i].eid != s[i].eid || turns[i].env != (e ? e : none);
        }
        memcpy(others[hart].turns, turns, sizeof(others[hart].turns));
        bad += memcmp(others, harts, sizeof(others)) != 0;
    }
    boot();
    check("slot_relink as by hand, and of that hart alone", 0, bad);
}

static void test_order(void) {
    boot();
    struct exo_env *a = another(3), *b = another(10), *c = another(63);
    fill(0, 20, a);
    turn("the next filled slot", a, 3);
    check("is entered at its PROLOGUE", (i64)entry_pc(a, 2), (i64)this_hart->regs.pc);
    check("with its u-area in t0", (i64)a->uva, (i64)this_hart->regs.x[5]);
    check("for the usual slice", (i64)(host_time + words->slice), (i64)host_0x14d);
    turn("and the next", b, 10);
    turn("two slots, two turns", a, 20);
    turn("the last slot", c, 63);
    turn("and round", e1, 0);
    fill(0, 0, NULL);
    turn("on from a slot emptied while it ran", a, 3);
    fill(0, 3, b);
    turn("on from a slot that is another's now", b, 10);
    fill(0, 20, NULL);
    fill(0, 63, NULL);
    fill(0, 3, NULL);
    u64 slices = b->slices;
    turn("the only slot comes again", b, 10);
    check("as a new slice", (i64)slices + 1, (i64)b->slices);
    fill(0, 50, e1);
    timer_fires();
    check("the end of a slice is its EPILOGUE", (i64)entry_pc(b, 1), (i64)this_hart->regs.pc);
    turn("yield past the end of the slice", e1, 50);
    check("gives a whole slice", 0, (i64)(this_hart->special & SPECIAL_PHASE));
}

static void test_skipped(void) {
    boot();
    struct exo_env *a = another(3), *b = another(4), *far = env_on(1, r1, 1);
    fill(0, 5, far);
    (void)yield(0);
    (void)yield(0);
    turn("one at home elsewhere is skipped", e1, 0);
    GRANTED(do_env_ctl(a->eid, ENV_STOP, 0, 0, 0));
    turn("a stopped one is skipped", b, 4);
    GRANTED(do_env_ctl(a->eid, ENV_RUN, 0, 0, 0));
    eid_t stale = a->eid;
    turn("until it runs again", e1, 0);
    turn("so", a, 3);
    (void)yield(0);
    GRANTED(do_env_end(stale, 0, 0, 0, 0));
    check("the slot of one that ended keeps the eid", stale, slots[3].eid);
    turn("it is skipped", e1, 0);
    struct exo_env *new = another(NO_SLOT);
    check("the record is used again", a - envs, new - envs);
    turn("the stale eid does not run the new one", b, 4);
    REFUSE(E_EID, slot_set(0, 3, stale));
    fill(0, 3, new);
    (void)yield(0);
    turn("its own does", new, 3);
    on(1);
    GRANTED(IN_NAME_OF(1, do_env_home(far->eid, 0, 0, 0, 0)));
    poked(0);
    turn("who came home", b, 4);
    turn("has the slot that waited for it", far, 5);
}

// ---- slot_set, slot_give ----

static void test_set(void) {
    boot();
    eid_t own = e1->eid, stale = own + 128, theirs = e2->eid;
    GRANTED(slot_set(0, 0, 0));
    check("emptied", 0, slots[0].eid);
    GRANTED(slot_set(0, 0, own));
    GRANTED(slot_set(HARTS - 1, 31, own));
    check("filled", own, slots[(HARTS - 1) * EXO_NSLOT + 31].eid);
    check("the order of that hart is new", 31, harts[HARTS - 1].turns[0].next - harts[HARTS - 1].turns);
    check("a sleeping hart hears of it", 1, (i64)ipis[HARTS - 1]);
    check("a running one need not", 0, (i64)(ipis[1] + ipis[0]));
    REFUSE(E_HART, slot_set(HARTS, 64, stale));
    REFUSE(E_HART, slot_set(EXO_NHART, 0, 0));
    REFUSE(E_HART, slot_set(~0ul, 0, own));
    REFUSE(E_HART, slot_set(1ul << 32, 0, own));
    REFUSE(E_SLOT, slot_set(0, EXO_NSLOT, stale));
    REFUSE(E_SLOT, slot_set(HARTS - 1, ~0ul, own));
    REFUSE(E_SLOT, slot_set(0, 1ul << 32, own));
    REFUSE(E_EID, slot_set(0, 32, stale));
    REFUSE(E_EID, slot_set(0, 0, (1ul << 32) + own));
    REFUSE(E_EID, slot_set(0, 0, 1ul << 32));
    REFUSE(E_OWNER, slot_set(0, 32, own));
    REFUSE(E_OWNER, slot_set(0, 32, 0));
    REFUSE(E_OWNER, slot_set(0, 0, theirs));
    REFUSE(E_OWNER, slot_set(1, 32, theirs));
    as(e2);
    REFUSE(E_OWNER, slot_set(0, 31, theirs));
    REFUSE(E_OWNER, slot_set(0, 32, own));
    GRANTED(slot_set(0, 47, theirs));
}

// Until an environment of it runs, an account's slots are its parent's to fill; no longer, and nobody else's.
static void test_child(void) {
    boot();
    u32 n = (u32)do_acct_new(40, 3, 1, 1, 0).val;
    GRANTED(slot_give(2, 0, 2, n));
    struct exo_env *e = env_on(n, IN_NAME_OF(n, SPACE(0)), 2);
    e->state |= ENV_STOPPED;
    REFUSE(E_OWNER, IN_NAME_OF(2, slot_set(2, 0, 0)));
    REFUSE(E_OWNER, IN_NAME_OF(2, slot_set(2, 32, e->eid)));
    GRANTED(slot_set(2, 0, e->eid));
    GRANTED(slot_set(2, 5, e->eid));
    check("a child that has not run", ACCT_NEW, accts[n].state);
    GRANTED(do_env_ctl(e->eid, ENV_RUN, 0, 0, 0));
    REFUSE(E_OWNER, slot_set(2, 0, 0));
    REFUSE(E_OWNER, slot_set(2, 5, e->eid));
    all_poked();
    check("it runs", e - envs, harts[2].cur - envs);
    REFUSE(E_OWNER, slot_give(2, 0, 1, 2));
    GRANTED(IN_NAME_OF(n, slot_give(2, 0, 1, 1)));
    check("a slot goes back empty", true, slots[2 * EXO_NSLOT].account == 1 && !slots[2 * EXO_NSLOT].eid);
}

static void test_give(void) {
    boot();
    fill(3, 5, e1);
    GRANTED(slot_give(3, 0, 32, 2));
    u32 theirs = 0, filled = 0;
    for (u32 i = 0; i < EXO_NSLOT; i++) {
        theirs += slots[3 * EXO_NSLOT + i].account == 2;
        filled += slots[3 * EXO_NSLOT + i].eid != 0;
    }
    check("to a child", 48, theirs);
    check("emptied", 0, filled);
    check("and out of the order", 7, harts[3].turns[7].next - harts[3].turns);
    u32 other = (u32)do_acct_new(0, 0, 0, 0, 0).val, gone = (u32)do_acct_new(0, 0, 0, 0, 0).val;
    GRANTED(do_acct_end(gone, 0, 0, 0, 0));
    REFUSE(E_ARG, slot_give(HARTS, 64, 0, 0));
    REFUSE(E_HART, slot_give(HARTS, 64, 1, 0));
    REFUSE(E_HART, slot_give(~0ul, 0, 1, 2));
    REFUSE(E_SLOT, slot_give(0, 64, 1, 0));
    REFUSE(E_SLOT, slot_give(0, 63, 2, 0));
    REFUSE(E_SLOT, slot_give(0, 0, 65, 2));
    REFUSE(E_SLOT, slot_give(0, 1, ~0ul, 2));
    REFUSE(E_SLOT, slot_give(0, ~0ul, 2, 2));
    REFUSE(E_SLOT, slot_give(0, 1ul << 32, 1, 2));
    REFUSE(E_ACCT, slot_give(3, 0, 1, 0));
    REFUSE(E_ACCT, slot_give(0, 0, 1, EXO_NACCT));
    REFUSE(E_ACCT, slot_give(0, 0, 1, EXO_NACCT + 1));
    REFUSE(E_ACCT, slot_give(0, 0, 1, (1ul << 32) + 2));
    REFUSE(E_OWNER, slot_give(3, 0, 1, 1));
    REFUSE(E_OWNER, slot_give(0, 0, 33, 2));
    REFUSE(E_KIN, slot_give(0, 0, 1, 1));
    REFUSE(E_STATE, slot_give(0, 0, 1, gone));
    REFUSE(E_OWNER, IN_NAME_OF(2, slot_give(0, 31, 2, 1)));
    REFUSE(E_KIN, IN_NAME_OF(2, slot_give(0, 32, 1, other)));
    GRANTED(IN_NAME_OF(2, slot_give(1, 32, 16, 1)));
    check("to the parent", true, slots[EXO_NSLOT + 47].account == 1 && !slots[EXO_NSLOT + 32].eid);
    GRANTED(slot_give(0, 0, 1, other));
    check("its own slot given away: the slice goes on", e1 - envs, cur() - envs);
    (void)yield(0);
    check("and is the last", -1, runs());
}

// ---- excess ----

// The current environment does not yield within its budget, and goes on where it was when it runs next.
static void overrun(void) {
    struct exo_env *e = cur();
    env_ua(e)->mask = 0;
    env_ua(e)->pending = 0;
    timer_fires();
    timer_fires();
}

static void test_excess(void) {
    boot();
    struct exo_env *b = another(3), *hog = another(NO_SLOT);
    overrun();
    check("the abort is counted", 1, (i64)(e1->aborts * e1->excess));
    check("and the next slot runs", is(b, 3), runs());
    turn("its next slot pays", b, 3);
    check("once", 0, e1->excess);
    turn("the one after is its own again", e1, 0);
    fill(0, 7, e1);
    overrun();
    e1->excess = 3;
    turn("of three slots owed two are paid in one round", b, 3);
    check("one is left", 1, e1->excess);
    turn("the next pays it, and the one after is its own", e1, 0);
    check("nothing is owed", 0, e1->state & ENV_OWES);
    fill(0, 3, NULL);
    fill(0, 0, NULL);
    e1->excess = EXO_OWE;
    e1->state |= ENV_OWES;
    turn("who is alone pays at once", e1, 7);
    check("all", 0, (i64)e1->excess);
    fill(0, 3, b);
    for (u32 i = 0; i < EXO_OWE; i++) {
        (void)yield(hog->eid);
        overrun();
        check("a hog owes more each time", i + 1, hog->excess);
        if (cur() != e1) (void)yield(0);
    }
    (void)yield(hog->eid);
    overrun();
    check("who owes too much is stopped", STOP_OWES, hog->state & ENV_STOPPED ? (i64)hog->stop : -1);
    fill(0, 9, hog);
    u32 owed = hog->excess;
    for (u32 i = 0; i < 3; i++) (void)yield(0);
    check("while stopped it pays nothing", owed, hog->excess);
    GRANTED(do_env_ctl(hog->eid, ENV_RUN, 0, 0, 0));
    for (u32 i = 0; i < 3 * owed && cur() != hog; i++) (void)yield(0);
    check("run again, it pays before it runs", true, cur() == hog && !hog->excess);
}

// ---- slots of callers, of those that wait ----

static void test_callers(void) {
    boot();
    struct exo_env *chain[EXO_DEPTH + 1] = {e1}, *other = another(9);
    for (u32 i = 1; i <= EXO_DEPTH; i++) {
        chain[i] = another(i == 2 ? 5 : NO_SLOT);
        check("calls nest", 0, call(chain[i]->eid));
    }
    struct exo_env *tail = chain[EXO_DEPTH];
    struct exo_env *deeper = another(NO_SLOT);
    check("but not deeper", E_DEPTH, call(deeper->eid));
    check("a call goes on in the same slot", is(tail, 0), runs());
    turn("a caller's slot is its callee's", tail, 5);
    turn("others have theirs", other, 9);
    turn("the first caller's, four calls deep", tail, 0);
    fill(0, 12, tail);
    (void)yield(0);
    (void)yield(0);
    turn("and its own", tail, 12);
    fill(0, 12, NULL);
    (void)yield(0);
    (void)yield(0);
    (void)yield(0);
    check("other's turn", is(other, 9), runs());
    GRANTED(do_env_ctl(tail->eid, ENV_STOP, 0, 0, 0));
    turn("a stopped callee's callers are skipped", other, 9);
    GRANTED(do_env_ctl(tail->eid, ENV_RUN, 0, 0, 0));
    turn("not longer", tail, 0);
    e1->excess = 1;
    e1->state |= ENV_OWES;
    turn("there", tail, 5);
    turn("and there", other, 9);
    turn("a caller's debt is paid by its slot", tail, 5);
    for (u32 i = EXO_DEPTH; i-- > 0;) {
        (void)reply();
        check("a reply goes on in the same slot", is(chain[i], 5), runs());
    }
    turn("the slots are their owners' again", other, 9);
    turn("all", e1, 0);
}

static void test_waiters(void) {
    boot();
    u64 *word;
    ppn_t code = predicate(&word);
    struct exo_env *b = another(3);
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, 0);
    check("b instead", is(b, 3), runs());
    turn("a waiter is skipped while its predicate is false", b, 3);
    check("it waits", ENV_WAITING, e1->state);
    *word = 8;
    turn("it runs once it is true", e1, 0);
    check("and waits no more", ENV_RUNNING, e1->state);
    *word = 7;
    (void)ecall(EXO_WAIT, code, 7, host_time + 50, 0, 0);
    turn("before its time", b, 3);
    host_time += 50;
    turn("at its time", e1, 0);
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, 0);
    env_pending(e1, PENDING_REVOKE);
    turn("whatever is pending ends a wait", e1, 0);
    env_ua(e1)->pending = 0;
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, 0);
    turn("false again", b, 3);
    GRANTED(do_env_ctl(e1->eid, ENV_RUN, 0, 0, 0));
    turn("env_ctl(run) ends a wait", e1, 0);
    (void)ecall(EXO_WAIT, code, 8, ~0ul, 0, 0);
    turn("a wait for what is true already", e1, 0);
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, b->eid);
    check("wait gives the rest of the slice to whom it names", is(b, 0), runs());
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, 0);
    check("all wait: the hart sleeps", -1, runs());
    host_time += 10;
    wake(0, SIE_STIE);
    check("and sleeps on", -1, runs());
    *word = 9;
    wake(0, SIE_SSIE);
    check("until a predicate is true", is(b, 3), runs());
    turn("or both", e1, 0);

    // A server that waits in the middle of a call.
    *word = 7;
    struct exo_env *server = another(NO_SLOT);
    (void)call(server->eid);
    (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, 0);
    check("who serves waits: its client's slot is skipped", is(b, 3), runs());
    turn("again", b, 3);
    *word = 8;
    turn("it goes on in the client's slot", server, 0);
    check("still serving", ENV_SERVING | ENV_RUNNING, server->state);
}

// ---- nothing to run ----

static void test_idle(void) {
    boot();
    u64 ticks = words->ticks;
    check("a hart with empty slots sleeps", -1, (on(2), runs()));
    check("a tick at most", true, host_0x14d <= host_time + words->timebase / 100 && host_0x14d > host_time);
    host_time = host_0x14d;
    wake(2, SIE_STIE);
    check("and again", true, harts[2].idle && host_0x14d == host_time + words->timebase / 100);
    check("ticks are the boot hart's", (i64)ticks, (i64)words->ticks);
    on(0);
    for (u32 i = 0; i < EXO_NSLOT; i++) slots[i].eid = 0;
    slot_relink(0);
    (void)yield(0);
    check("all slots empty", -1, runs());
    host_time = host_0x14d;
    wake(0, SIE_STIE);
    check("its idle ticks count", (i64)ticks + 1, (i64)words->ticks);
    on(1);
    u32 before_poke = ipis[0];
    (void)ecall(EXO_POKE, 0, 0, 0, 0, 0);
    check("poke interrupts a sleeping hart", (i64)before_poke + 1, ipis[0]);
    (void)ecall(EXO_POKE, 1, 0, 0, 0, 0);
    check("not oneself", 0, ipis[1]);
    poked(0);
    check("which sleeps on with nothing to run", -1, runs());
    on(1);
    REFUSE(E_HART, do_poke(HARTS, 0, 0, 0, 0));
    REFUSE(E_HART, do_poke(~0ul, 0, 0, 0, 0));
    fill(0, 31, e1);
    check("a slot filled from elsewhere", SIE_SSIE, (i64)csrs_of(0).sip);
    poked(0);
    check("runs", is(e1, 31), runs());
    on(1);
    before_poke = ipis[0];
    (void)ecall(EXO_POKE, 0, 0, 0, 0, 0);
    check("who runs is not interrupted by poke", before_poke, ipis[0]);
    memset(ipis, 0, sizeof(ipis));
    poke_idle();
    check("poke_idle: those that sleep, no other", true,
          !ipis[0] && !ipis[1] && ipis[2] == 1 && ipis[3] == 1);
}

// ---- slices drawn from a seed ----

enum { DRAWS = 20000 };

static u64 slice(void) {
    (void)yield(0);
    return host_0x14d - host_time;
}

static void seeded(u64 value, u32 hart) {
    boot();
    seed = value;
    slot_init(hart);
    as(hart ? e2 : e1);
}

static void test_seed(void) {
    static const u64 seeds[] = {1, 2, 77, 1ul << 63, ~0ul};
    static u64 first[DRAWS];
    u64 ms = 10000;
    for (u32 s = 0; s < sizeof(seeds) / sizeof(*seeds); s++) {
        u64 least = ~0ul, most = 0, sum = 0, same_as_first = 0;
        seeded(seeds[s], 0);
        for (u32 i = 0; i < DRAWS; i++) {
            u64 n = slice();
            least = n < least ? n : least;
            most = n > most ? n : most;
            sum += n;
            same_as_first += s && n == first[i];
            first[i] = s ? first[i] : n;
        }
        check("drawn slices are from 1 ms", true, least >= ms && least < ms + ms / 10);
        check("to 20 ms", true, most <= 20 * ms && most > 20 * ms - ms / 10);
        check("evenly", true, sum / DRAWS > 103 * ms / 10 && sum / DRAWS < 107 * ms / 10);
        check("each seed its own", true, same_as_first < DRAWS / 100);
    }
    u32 bad = 0, equal = 0;
    seeded(1, 0);
    for (u32 i = 0; i < DRAWS; i++) bad += slice() != first[i];
    check("the same seed, the same slices", 0, bad);
    seeded(1, 1);
    for (u32 i = 0; i < DRAWS; i++) equal += slice() == first[i];
    check("another hart, other slices", true, equal < DRAWS / 100);
    seeded(0, 0);
    bad = 0;
    for (u32 i = 0; i < 100; i++) bad += slice() != words->slice;
    check("without a seed they are alike", 0, bad);
    machine.sstc = false;
    slot_init(0);
    as(e1);
    timers = 0;
    check("a machine without stimecmp", (i64)words->slice, (i64)slice());
    check("asks the firmware", 1, timers);
}

int main(void) {
    static void (*const tests[])(void) = {test_relink,  test_order, test_skipped, test_set,
                                          test_child,   test_give,  test_excess,  test_callers,
                                          test_waiters, test_idle,  test_seed};
    for (u32 i = 0; i < sizeof(tests) / sizeof(*tests); i++) tests[i]();
    return failures != 0;
}
