// Tests of what is asked of environments from other harts, or while they are in calls: moves that wait,
// posted changes in every order of two and of three, and what a hart has not heard of yet when someone is
// left there.
#define AREA "posted"
#include "grade/host/envcheck.h"

#define env_ctl(eid, op)         do_env_ctl(eid, op, 0, 0, 0)
#define env_end(eid)             do_env_end(eid, 0, 0, 0, 0)
#define env_space(eid, root, va) do_env_space(eid, root, va, 0, 0)
#define env_home(eid, hart)      do_env_home(eid, hart, 0, 0, 0)
#define IN_A_CALL                (ENV_CALLING | ENV_SERVING)

static i64 entered_at(const struct exo_env *e, u32 which) {
    return cur() == e && this_hart->regs.pc == entry_pc(e, which) && this_hart->regs.x[5] == e->uva;
}

static u32 stale(u32 hart, ppn_t root) {
    u32 n = 0;
    for (u32 i = 0; i < TLB; i++) n += tlb[hart][i].pte && tlb[hart][i].asid == pg(root)->asid;
    return n;
}

// ---- env_home ----

static void test_home(void) {
    boot();
    ppn_t root = SPACE(0), shared = page();
    struct exo_env *e = env_on(1, root, 0);
    REFUSE(E_EID, env_home(e->eid + 128, HARTS));
    REFUSE(E_HART, env_home(e2->eid, HARTS));
    REFUSE(E_HART, env_home(e->eid, ~0ul));
    REFUSE(E_HART, env_home(e->eid, 1ul << 32));
    REFUSE(E_OWNER, env_home(e2->eid, 0));
    fill(0, 1, e);
    fill(2, 1, e);
    (void)yield(0);
    GRANTED(do_bind(root, 0, shared, R | W, 0));
    tlb_use(0, root, 0, PTE_D);
    check("to where it is: nothing", 0, ecall(EXO_ENV_HOME, e->eid, 0, 0, 0, 0));
    check("a move of one's own", 0, ecall(EXO_ENV_HOME, e->eid, 2, 0, 0, 0));
    check("waits", true, cur() == e && e->home == 0);
    check("until it is left", 0, (i64)(yield(0), e->home != 2));
    check("then its hart hears", SIE_SSIE, (i64)csrs_of(2).sip);
    poked(2);
    check("and runs it", true, entered_at(e, 2));
    check("who is asleep there no more", 0, harts[2].idle);
    GRANTED(do_unbind(root, 0, 0, 0, 0));
    GRANTED(do_bind(root, 0x1000, shared, R, 0));
    check("back, from elsewhere", 0, (on(0), IN_NAME_OF(1, env_home(e->eid, 0)).err));
    check("not yet", 2, e->home);
    poked(2);
    check("not while it runs", 2, e->home);
    (void)yield(0);
    check("but then", 0, e->home);
    check("its old hart sleeps", 1, (i64)harts[2].idle);
    poked(0);
    as(e1);
    (void)yield(0);
    check("who comes back", true, entered_at(e, 2));
    check("finds no old translation", 0, stale(0, root));

    struct exo_env *server = env_on(1, root, 0), *ready = env_on(1, root, 1);
    (void)call(server->eid);
    REFUSE(E_STATE, env_home(e->eid, 1));
    REFUSE(E_STATE, env_home(server->eid, 1));
    u32 interrupts = ipis[1];
    GRANTED(env_home(ready->eid, 3));
    GRANTED(env_home(ready->eid, 2));
    check("one interrupt is enough", interrupts + 1, ipis[1]);
    all_poked();
    check("asked twice: the last counts", 2, ready->home);
    GRANTED(env_ctl(ready->eid, ENV_STOP));
    GRANTED(env_home(ready->eid, 0));
    all_poked();
    check("a stopped one moves, too", true, ready->home == 0 && ready->state & ENV_STOPPED);
}

// A move asked for as it entered a call waits for the call's end, whatever ends it.
static void test_home_late(void) {
    for (u32 who = 0; who < 2; who++)
        for (u32 end = 0; end < 3; end++) {
            boot();
            struct exo_env *client = env_on(1, r1, 0), *server = env_on(1, r1, 0);
            struct exo_env *mover = who ? server : client, *other = who ? client : server;
            fill(0, 1, client);
            fill(0, 2, server);
            as(client);
            (void)call(server->eid);
            on(1);
            mover->post_hart = 3;
            env_post(mover, POST_HOME);
            poked(0);
            check("a move in a call waits", 0, mover->home);
            REFUSE(E_STATE, IN_NAME_OF(1, env_home(mover->eid, 2)));
            if (end == 1) (void)IN_NAME_OF(1, env_ctl(client->eid, ENV_RECALL));
            if (end == 2) (void)ecall(EXO_ENV_END, other->eid, 0, 0, 0, 0);
            for (u32 i = 0; i < 6 && mover->home == 0; i++)
                (void)(cur() == server && server->state & ENV_SERVING ? reply() : yield(0));
            check("until its end", 3, mover->home);
            check("no call is left", 0, (client->state | server->state) & (ENV_CALLING | ENV_SERVING));
        }
}

// ---- every order of two and of three posts ----

enum op { RUN, STOP, RECALL, END_IT, SPACE_A, SPACE_B, HOME_0, HOME_1, HOME_2, OPS };
enum start { NEW, READY, RUNS, WAITS, CALLS, SERVES, MIDDLE, BROKEN, STARTS };

static ppn_t root_x, root_a, root_b, code;

static struct parts { struct exo_env *target, *client, *server; } parts;

// All of them on hart 1, with slots wherever they may go; account 1's.
static void build(enum start start) {
    struct parts *p = &parts;
    struct exo_env **all[] = {&p->target, &p->client, &p->server};
    for (u32 i = 0; i < 3; i++) {
        *all[i] = env_on(1, root_x, 1);
        for (u32 h = 0; h < 3; h++) fill(h, 5 + i, *all[i]);
    }
    if (start == NEW) p->target->state |= ENV_STOPPED;
    if (start == SERVES || start == MIDDLE) {
        as(p->client);
        (void)call(p->target->eid);
    } else if (start > READY) {
        as(p->target);
    }
    if (start == WAITS) (void)ecall(EXO_WAIT, code, 7, ~0ul, 0, e2->eid);
    if (start == CALLS || start == MIDDLE || start == BROKEN) (void)call(p->server->eid);
    if (start == BROKEN) (void)IN_NAME_OF(1, env_ctl(p->target->eid, ENV_RECALL));
}

// In the name of account 1, from the hart that acts.
static i64 post(eid_t eid, enum op op) {
    struct ret r;
    switch (op) {
    case END_IT: r = IN_NAME_OF(1, env_end(eid)); break;
    case SPACE_A: r = IN_NAME_OF(1, env_space(eid, root_a, 0xa000)); break;
    case SPACE_B: r = IN_NAME_OF(1, env_space(eid, root_b, 0xb000)); break;
    case HOME_0:
    case HOME_1:
    case HOME_2: r = IN_NAME_OF(1, env_home(eid, op - HOME_0)); break;
    default: r = IN_NAME_OF(1, env_ctl(eid, op == RUN ? ENV_RUN : op == STOP ? ENV_STOP : ENV_RECALL));
    }
    return r.err;
}

// All harts run on, ending the calls they serve, until nothing is left to change.
static void settle(void) {
    for (u32 round = 0; round < 12; round++)
        for (u32 h = 0; h < 3; h++) {
            all_poked();
            on(h);
            if (cur()) (void)(cur()->state & ENV_SERVING ? reply() : yield(0));
        }
    all_poked();
}

// What can be seen of an environment at the end; 0 if there is none. That it waits, only if it is not
// stopped.
static u64 outcome(const struct exo_env *e, eid_t eid) {
    u64 state = e->state & (e->state & ENV_STOPPED ? IN_A_CALL | ENV_STOPPED : IN_A_CALL | ENV_WAITING);
    u64 at = e->uva == 0xa000 ? 1 : e->uva == 0xb000 ? 2 : 0;
    return e->eid != eid ? 0 : state | (u64)e->home << 8 | at << 12 | (u64)e->root << 16;
}

// `at_once`: no hart hears of anything until all is asked; else of each before the next.
static u64 run_posts(enum start start, const enum op *ops, u32 n, bool at_once, const char **bad) {
    build(start);
    struct parts p = parts;
    const eid_t t = p.target->eid, c = p.client->eid, s = p.server->eid;
    for (u32 i = 0; i < n; i++) {
        u32 from = i % 2 ? 2 : 0;
        on(p.target->home == from ? 3 : from);
        (void)post(t, ops[i]);
        if (!*bad) *bad = check_envs();
        if (!at_once) all_poked();
    }
    settle();
    if (!*bad) *bad = check_envs();
    if (!*bad) *bad = check_memory();
    u64 all =
        outcome(p.target, t) ^ (outcome(p.client, c) & 0xff) << 48 ^ (outcome(p.server, s) & 0xff) << 56;
    end_all((struct exo_env *[]){p.target, p.client, p.server}, (eid_t[]){t, c, s}, 3);
    settle();
    return all;
}

static void posts_of(const char *name, u32 n, u32 sequences) {
    static const char *const starts[] = {"new",   "ready",  "runs",   "waits",
                                         "calls", "serves", "middle", "broken"};
    static const char *const names[] = {"run",     "stop",   "recall", "end",   "space a",
                                        "space b", "home 0", "home 1", "home 2"};
    char what[200] = "";
    u64 e = 0, saw = 0;
    for (u32 start = 0; start < STARTS && !*what; start++) {
        boot();
        u64 *word;
        root_x = SPACE(0);
        root_a = SPACE(0);
        root_b = SPACE(0);
        code = predicate(&word);
        for (u32 h = 0; h < 3; h++) fill(h, 0, h ? NULL : e1);
        for (u32 i = 0; i < sequences && !*what; i++) {
            enum op ops[] = {i % OPS, i / OPS % OPS, i / (OPS * OPS)};
            const char *bad = NULL;
            e = run_posts(start, ops, n, false, &bad);
            saw = run_posts(start, ops, n, true, &bad);
            if (bad || e != saw)
                snprintf(what, sizeof(what), "%s: %s, %s%s%s: %s", starts[start], names[ops[0]],
                         names[ops[1]], n > 2 ? ", " : "", n > 2 ? names[ops[2]] : "",
                         bad ? bad : "another outcome");
        }
    }
    say(name, !*what, "the outcome of one after the other", what);
    if (e != saw) printf("# %llx, not %llx\n", (unsigned long long)saw, (unsigned long long)e);
}

// A stop asked from elsewhere, and the environment makes a call about itself before its hart hears of it.
static void test_stop_and_call(void) {
    for (u32 i = 0; i < 2; i++) {
        boot();
        ppn_t other = SPACE(0);
        on(1);
        (void)IN_NAME_OF(1, env_ctl(e1->eid, ENV_STOP));
        on(0);
        regs_mark(0x5000);
        (void)(i ? ecall(EXO_ENV_SPACE, e1->eid, other, 0, 0, 0) : ecall(EXO_ENV_HOME, e1->eid, 2, 0, 0, 0));
        poked(0);
        check("it is stopped", ENV_STOPPED, e1->state & ~(u32)ENV_ARRIVING);
        check("and did what it asked itself", true, i ? e1->root == other : e1->home == 2);
        check("what it was running is in its forced frame", PENDING_FORCED, (i64)env_ua(e1)->pending);
        check("where it was", 0x5004, (i64)env_ua(e1)->forced.pc);
    }
}

// Who is left has a move to make; whom it names, yields to, calls or replies to, has something posted to it
// that its hart did not hear of yet. That must not happen on the way from one to the other.
static void left_for(u64 nr, enum op op) {
    boot();
    u64 *word;
    code = predicate(&word);
    struct exo_env *to = env_on(1, r1, 0), *from = e1;
    const eid_t eid = to->eid;
    if (nr == EXO_REPLY) {
        as(to);
        (void)call(e1->eid);
    }
    from->post_hart = 3;
    env_post(from, POST_HOME);
    on(1);
    if (op != OPS) (void)post(eid, op);
    on(0);
    this_hart->regs.x[16] = eid;
    this_hart->regs.x[15] = 0;
    (void)ecall(nr, nr == EXO_WAIT ? code : eid, 7, ~0ul, 0, eid);
    check("it is entered", true, cur() == to && to->eid == eid && !(to->state & ENV_STOPPED));
    if (op == OPS) check("as any other", 0, (i64)this_hart->special);
    poked(0);
    check("and then what was asked is done", op == OPS, cur() == to);
    check("its way is over", op == END_IT, to->eid != eid);
    if (op == STOP) (void)post(eid, RUN);
    for (u32 i = 0; i < 3 && from->home == 0; i++) {
        fill(0, 9, from);
        all_poked();
        on(0);
        if (cur() == to)
            (void)(to->state & ENV_SERVING ? reply() : yield(0));
        else if (cur())
            (void)yield(0);
        else
            wake(0, SIE_SSIE);
    }
    check("who was left moves", 3, from->home);
}

// The other way round: who is left is to end.
static void left_to_end(u64 nr) {
    boot();
    struct exo_env *to = env_on(1, r1, 0);
    const eid_t eid = e1->eid;
    e1->post_hart = 3;
    env_post(e1, POST_HOME);
    on(1);
    (void)post(eid, END_IT);
    on(0);
    this_hart->regs.x[16] = to->eid;
    (void)ecall(nr, to->eid, 0, 0, 0, 0);
    check("the other is entered", true, cur() == to);
    check("and it ends", 0, e1->eid);
    if (nr != EXO_YIELD) check("t6 says who it was", eid, (i64)this_hart->regs.x[31]);
    check("a callee has no client any more", nr == EXO_CALL ? E_DEAD : E_STATE, reply());
}

static void test_left(void) {
    static const u64 ways[] = {EXO_YIELD, EXO_WAIT, EXO_CALL, EXO_SEND, EXO_REPLY};
    static const enum op ops[] = {STOP, END_IT, OPS};
    for (u32 i = 0; i < 15; i++) left_for(ways[i / 3], ops[i % 3]);
    left_to_end(EXO_YIELD);
    left_to_end(EXO_CALL);
    left_to_end(EXO_SEND);
}

int main(void) {
    test_home();
    test_home_late();
    posts_of("any two posts", 2, OPS * OPS);
    posts_of("any three posts", 3, OPS * OPS * OPS);
    test_stop_and_call();
    test_left();
    return failures != 0;
}
