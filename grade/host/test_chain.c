// Tests of calls that are broken: chains of every length up to EXO_DEPTH, where each client and server at
// each point is stopped, recalled or ended, one or two of them, from its own hart, from another and by the
// end of the chain. Each of the others must be told what is true of its own call, and all go on.
#define AREA "chain"
#include "grade/host/envcheck.h"

enum op { STOP, RECALL, END_IT };

static i64 post(eid_t eid, enum op op) {
    if (op == END_IT) return IN_NAME_OF(1, do_env_end(eid, 0, 0, 0, 0)).err;
    return IN_NAME_OF(1, do_env_ctl(eid, op == STOP ? ENV_STOP : ENV_RECALL, 0, 0, 0)).err;
}

static struct exo_env *chain[EXO_DEPTH + 1], *controller;
static u32 length; // calls nested

static struct told {
    bool dead, stopped, called; // called: its call goes on
    i64 as_client, as_server;   // what its call came back with, what its reply said
} expected[EXO_DEPTH + 1], saw[EXO_DEPTH + 1];

// By hand: what breaking tells whom.
static i64 expect_break(u32 at, enum op op) {
    struct told *t = &expected[at];
    if (t->dead) return E_EID;
    if (op == RECALL && !t->called) return E_STATE;
    i64 why = op == END_IT ? E_DEAD : E_TIME;
    if (t->called) {
        t->called = false;
        t->as_client = why;
        t[1].as_server = why;
    }
    if (op == END_IT && at && t[-1].called) {
        t[-1].called = false;
        t[-1].as_client = E_DEAD;
    }
    t->dead |= op == END_IT;
    t->stopped |= op == STOP;
    return 0;
}

static void chain_build(u32 n) {
    length = n;
    memset(expected, 0, sizeof(expected));
    memset(saw, 0, sizeof(saw));
    for (u32 i = 0; i <= n; i++) {
        chain[i] = env_on(1, r1, 0);
        fill(0, 10 + i, chain[i]);
    }
    as(chain[0]);
    for (u32 i = 0; i < n; i++) {
        expected[i].called = true;
        if (call(chain[i + 1]->eid)) panic("no call");
    }
}

static u32 place(const struct exo_env *e) {
    u32 i = 0;
    while (i <= length && chain[i] != e) i++;
    return i;
}

static u32 callers(const eid_t *eids) {
    u32 set = 0;
    for (u32 i = 0; i <= length; i++)
        set |= (u32)(chain[i]->eid == eids[i] && chain[i]->state & ENV_CALLING) << i;
    return set;
}

// Hart 0 may have gone on with one of those that were callers: it finds in t6 what came of its call.
static void call_over(u32 were_callers) {
    on(0);
    u32 now = place(cur());
    if (now <= length && were_callers >> now & 1 && !(cur()->state & ENV_CALLING))
        saw[now].as_client = (i64)this_hart->regs.x[31];
}

// Hart 0 runs on, every server replying, until no call is left; writes down what each is told.
static void chain_finish(const eid_t *eids) {
    for (u32 i = 0; i <= length; i++) {
        saw[i].dead = chain[i]->eid != eids[i];
        saw[i].stopped = !saw[i].dead && chain[i]->state & ENV_STOPPED;
        if (saw[i].stopped) (void)IN_NAME_OF(1, do_env_ctl(eids[i], ENV_RUN, 0, 0, 0));
    }
    for (u32 step = 0; step < 60; step++) {
        u32 were = callers(eids), at = place(cur());
        if (at <= length && chain[at]->state & ENV_SERVING) {
            i64 r = reply();
            if (cur() == chain[at]) saw[at].as_server = r;
        } else {
            (void)yield(0);
        }
        call_over(were);
    }
}

static u32 told_wrong(void) {
    u32 n = 0;
    for (u32 i = 0; i <= length; i++) {
        const struct told *e = &expected[i], *s = &saw[i];
        n += e->dead != s->dead || chain[i]->state & (ENV_CALLING | ENV_SERVING);
        if (!e->dead)
            n += e->stopped != s->stopped || e->as_client != s->as_client || e->as_server != s->as_server;
    }
    return n;
}

// Who breaks: the controller on the same hart, one on another hart, or the end of the chain itself.
static u32 break_one(u32 n, u32 by, u32 breaks, const u32 *at, const enum op *ops) {
    eid_t eids[EXO_DEPTH + 1];
    chain_build(n);
    for (u32 i = 0; i <= n; i++) eids[i] = chain[i]->eid;
    if (by == 0) (void)yield(controller->eid);
    u32 bad = 0;
    for (u32 i = 0; i < breaks; i++) {
        on(by == 1 ? 3 : 0);
        eid_t eid = eids[at[i]];
        i64 e = expect_break(at[i], ops[i]), r = 0;
        u32 were = callers(eids);
        if (by == 1)
            r = post(eid, ops[i]);
        else if (ops[i] == END_IT)
            r = ecall(EXO_ENV_END, eid, 0, 0, 0, 0);
        else
            r = ecall(EXO_ENV_CTL, eid, ops[i] == STOP ? ENV_STOP : ENV_RECALL, 0, 0, 0);
        all_poked();
        call_over(were);
        bad += by < 2 && r != e;
        bad += check_envs() != NULL;
    }
    chain_finish(eids);
    bad += told_wrong();
    bad += check_envs() != NULL;
    end_all(chain, eids, n + 1);
    return bad + (check_envs() != NULL);
}

static void test_breaks(void) {
    static const char *const names[] = {"from its hart", "from elsewhere", "by its end"};
    static const enum op ops[] = {STOP, RECALL, END_IT};
    for (u32 by = 0; by < 3; by++) {
        u32 one = 0, two = 0;
        char name[100];
        boot();
        controller = env_on(1, r1, 0);
        fill(0, 9, controller);
        for (u32 n = 1; n <= EXO_DEPTH; n++)
            for (u32 i = 0; i < (n + 1) * 3; i++) {
                one += break_one(n, by, 1, &(u32){i / 3}, &ops[i % 3]);
                for (u32 j = 0; j < (n + 1) * 3 && by < 2; j++)
                    two += break_one(n, by, 2, (u32[]){i / 3, j / 3}, (enum op[]){ops[i % 3], ops[j % 3]});
            }
        snprintf(name, sizeof(name), "a chain broken at each point, %s", names[by]);
        check(name, 0, one);
        snprintf(name, sizeof(name), "and at each two, %s", names[by]);
        if (by < 2) check(name, 0, two);
    }
}

int main(void) {
    test_breaks();
    return failures != 0;
}
