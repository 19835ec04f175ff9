// Floating point: off at the start of a slice and after a transfer; whose values the hart has; who sees them.
#include "kt.h"

static bool on(void) // does an instruction that uses it fault?
{
    return rt_try_jump((va_t)fp_touch) == -1;
}

static void errors(void) {
    CHECK(exo_fp(2), E_ARG);
    CHECK(exo_fp(~0ul), E_ARG);
    CHECK(exo_fp(1ul << 32), E_ARG);
    CHECK(exo_fp(0), 0);
}

static void off_and_on(void) {
    TRUE(!on());
    CHECK(rt_fp(1), 0);
    CHECK(rt_fp(1), 0);
    TRUE(on());
    CHECK(rt_fp(0), 0);
    TRUE(!on());
    CHECK(rt_fp(1), 0);
    rt_yield(0);
    TRUE(!on());
    nap(kt_ms);
    TRUE(!on());
}

static void user(u64 i) {
    CHECK(rt_fp(1), 0);
    CHECK(fp_any(), 0);
    sh->w[i] = 1 + fp_hold(&sh->w[10]);
    for (;;) rt_yield(0);
}

// Two that use it and never yield: each keeps its own, fcsr included, over the ends of slices.
static void two(void) {
    struct peer a, b;
    if (!peer_go(&a, 0, user, 0) || !peer_go(&b, 0, user, 1)) return;
    for (u32 i = 0; i < 20; i++) rt_yield(0);
    sh->w[10] = 1;
    WAIT(sh->w[0] && sh->w[1]);
    CHECK(sh->w[0], 1);
    CHECK(sh->w[1], 1);
    peer_end(&a);
    peer_end(&b);
}

static void leaver(u64 unused) // leaves its values behind, and finds them again if it was the last user
{
    static u64 now = 1;
    (void)unused;
    CHECK(rt_fp(1), 0);
    CHECK(fp_hold(&now), 0);
    sh->w[0] = fp_any();
    rt_yield(kt_main);
    CHECK(rt_fp(1), 0);
    sh->w[1] = fp_any();
    CHECK(rt_fp(0), 0);
    for (;;) rt_yield(0);
}

static void last_user(void) {
    struct peer p;
    if (!peer_go(&p, 0, leaver, 0)) return;
    WAIT(sh->w[0]);
    WAIT(sh->w[1]);
    CHECK(sh->w[1], sh->w[0]); // nobody used it in between
    peer_end(&p);
    sh->w[0] = sh->w[1] = 0;
    if (!peer_go(&p, 0, leaver, 0)) return;
    WAIT(sh->w[0]);
    CHECK(rt_fp(1), 0);
    CHECK(fp_any(), 0); // zeroed for us
    CHECK(rt_fp(0), 0);
    rt_yield(p.eid);
    WAIT(env_of(p.eid)->slices > 1);
    WAIT(!(env_of(p.eid)->state & ENV_STOPPED));
    rt_yield(0);
    CHECK(sh->w[1], 0); // and for it, after us
    peer_end(&p);
}

static void serve(u64 *msg, eid_t client) {
    (void)client;
    msg[0] = on();
    CHECK(rt_fp(1), 0);
    msg[1] = fp_any();
    CHECK(rt_fp(0), 0);
}

static void park(u64 unused) {
    (void)unused;
    for (;;) rt_yield(0);
}

// Off after a transfer, in both directions.
static void transfer(void) {
    struct peer p;
    u64 m[MSG_WORDS] = {9, 9}, now = 1;
    if (!peer_new(&p, 0, 0, park, 0)) return;
    rt_of(p.ua)->on_call = serve;
    rt_of(p.ua)->call_stack = (va_t)p.stack + EXO_PAGE;
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    CHECK(rt_fp(1), 0);
    CHECK(fp_hold(&now), 0);
    CHECK(call_ready(p.eid, 0, m), 0);
    CHECK(m[0], 0);
    CHECK(m[1], 0);
    TRUE(!on());
    peer_end(&p);
}

static void child(u64 unused) {
    (void)unused;
    CHECK(rt_fp(1), 0);
    sh->w[0] = 1 + fp_any();
    rt_exit();
}

// Another account finds zeros.
static void accounts(void) {
    u64 now = 1;
    CHECK(rt_fp(1), 0);
    CHECK(fp_hold(&now), 0);
    child_does(child, 0);
    CHECK(sh->w[0], 1);
    CHECK(rt_fp(0), 0);
}

static const struct test fp_tests[] = {
    T(errors), T(off_and_on), T(two), T(last_user), T(transfer), T(accounts),
};
AREA(fp);
