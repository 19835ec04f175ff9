// The abort protocol for the CPU: past the epilogue's budget the slice is taken, the environment loses
// nothing but a turn, and nobody else pays.
#include "kt.h"

static void masked_holder(u64 i) // holds the upcall back for good
{
    __atomic_fetch_or(&uarea()->mask, MASK_LIBOS, __ATOMIC_SEQ_CST);
    sh->w[i] = 1 + hold_regs(&sh->w[10]);
    __atomic_fetch_and(&uarea()->mask, ~(u64)MASK_LIBOS, __ATOMIC_SEQ_CST);
    for (;;) rt_yield(0);
}

// Aborted again and again inside a critical section, it goes on with every register as it was.
static void survives(void) {
    struct peer p;
    if (!peer_go(&p, 0, masked_holder, 0)) return;
    const volatile struct exo_env *e = env_of(p.eid);
    WAIT(e->aborts >= 10 || e->state & ENV_STOPPED);
    CHECK(e->state & ENV_STOPPED, 0);
    TRUE(e->excess <= 1); // each is paid by its next slot
    sh->w[10] = 1;
    WAIT(sh->w[0]);
    CHECK(sh->w[0], 1);
    peer_end(&p);
}

static void fp_holder(u64 i) {
    __atomic_fetch_or(&uarea()->mask, MASK_LIBOS, __ATOMIC_SEQ_CST);
    exo_fp(1);
    sh->w[i] = 1 + fp_hold(&sh->w[10]);
    __atomic_fetch_and(&uarea()->mask, ~(u64)MASK_LIBOS, __ATOMIC_SEQ_CST);
    for (;;) rt_yield(0);
}

static void fp_user(u64 i) {
    sh->w[i] = 1;
    for (;;) {
        rt_fp(1);
        if (fp_any()) sh->w[i]++;
        rt_fp(0);
        rt_yield(0);
    }
}

static void survives_fp(void) {
    struct peer p, q;
    if (!peer_go(&p, 0, fp_holder, 0) || !peer_go(&q, 0, fp_user, 1)) return;
    WAIT(env_of(p.eid)->aborts >= 5);
    sh->w[10] = 1;
    WAIT(sh->w[0]);
    CHECK(sh->w[0], 1);
    CHECK(sh->w[1], 1); // the other saw nothing of it
    peer_end(&p);
    peer_end(&q);
}

// A loop where the slice should begin, or in its epilogue: others keep their turns.
static void hog(struct peer *p) {
    u64 longest = 0, limit = 2 * EXO_WORDS->slice + EXO_WORDS->budget; // drawn, a slice may be twice as long
    for (u32 i = 0; i < 20; i++) {
        u64 start = exo_time();
        rt_yield(0);
        u64 took = exo_time() - start;
        longest = took > longest ? took : longest;
    }
    TRUE(env_of(p->eid)->aborts >= 1);
    IN_TIME(longest < limit + kt_ms);
    INNOCENT(env_of(self())->aborts);
    INNOCENT(env_of(self())->excess);
    peer_end(p);
}

static void epilogue_loop(u64 unused) {
    (void)unused;
    uarea()->entry[ENTRY_EPILOGUE] = (va_t)stuck;
    hold_regs(&sh->w[10]);
}

static void hog_epilogue(void) {
    struct peer p;
    if (peer_go(&p, 0, epilogue_loop, 0)) hog(&p);
}

static void hog_prologue(void) {
    struct peer p;
    if (!peer_new(&p, 0, 0, NULL, 0)) return;
    p.ua->entry[ENTRY_PROLOGUE] = (va_t)stuck;
    p.ua->mask = MASK_LIBOS;
    if (peer_start(&p)) hog(&p);
}

// While its forced frame is in use, another abort saves nothing: the frame stays, and PROLOGUE begins again.
static void forced_twice(void) {
    struct peer p;
    if (!peer_new(&p, 0, 0, masked_holder, 0)) return;
    peer_start(&p);
    WAIT(env_of(p.eid)->aborts);
    u64 pc = p.ua->forced.pc, aborts = env_of(p.eid)->aborts;
    p.ua->entry[ENTRY_PROLOGUE] = (va_t)stuck; // it does not resume
    WAIT(env_of(p.eid)->aborts >= aborts + 2);
    CHECK(env_of(p.eid)->state & ENV_STOPPED, 0);
    CHECK(p.ua->pending & PENDING_FORCED, PENDING_FORCED);
    CHECK(p.ua->forced.pc, pc);
    sh->w[10] = 1; // what it holds on for
    p.ua->entry[ENTRY_PROLOGUE] = rt_entries[ENTRY_PROLOGUE];
    WAIT(!(p.ua->pending & PENDING_FORCED));
    peer_end(&p);
}

// One without a slot of its own, that lives on what others yield to it and never lets go, is stopped in the
// end.
static void lives_on_others(void) {
    struct peer p;
    if (!peer_new(&p, 0, 0, masked_holder, 0)) return;
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    u32 n = 0;
    while (rt_yield(p.eid) == 0 && n < 50) n++;
    CHECK(env_of(p.eid)->state & ENV_STOPPED, ENV_STOPPED);
    CHECK(env_of(p.eid)->stop, STOP_OWES);
    CHECK(env_of(p.eid)->aborts, EXO_OWE + 1);
    INNOCENT(env_of(self())->excess);
    peer_end(&p);
}

static void serve_forever(u64 *msg, eid_t client) {
    (void)msg, (void)client;
    __atomic_fetch_or(&uarea()->mask, MASK_LIBOS, __ATOMIC_SEQ_CST);
    while (!sh->w[10])
        ;
    __atomic_fetch_and(&uarea()->mask, ~(u64)MASK_LIBOS, __ATOMIC_SEQ_CST);
}

static void park(u64 unused) {
    (void)unused;
    for (;;) rt_yield(0);
}

static void calls(u64 eid) {
    u64 m[MSG_WORDS] = {0};
    sh->w[0] = 1;
    CHECK(call_ready((eid_t)eid, 0, m), 0);
    sh->w[0] = 2;
    park(0);
}

// Who hogs inside a call pays, and not the client whose slots it uses.
static void server_pays(void) {
    struct peer client, server;
    if (!peer_new(&server, 0, 0, park, 0) || !peer_new(&client, 0, 0, calls, server.eid)) return;
    rt_of(server.ua)->on_call = serve_forever;
    rt_of(server.ua)->call_stack = (va_t)server.stack + EXO_PAGE;
    CHECK(exo_env_ctl(server.eid, ENV_RUN), 0);
    peer_start(&client);
    WAIT(env_of(server.eid)->aborts >= 3);
    INNOCENT(env_of(client.eid)->aborts);
    INNOCENT(env_of(client.eid)->excess);
    TRUE(env_of(server.eid)->excess >= 1);
    u64 m[MSG_WORDS] = {0};
    CHECK(rt_call(server.eid, 0, m), E_STATE);
    sh->w[10] = 1;
    WAIT(sh->w[0] == 2 || env_of(server.eid)->state & ENV_STOPPED);
    peer_end(&client);
    peer_end(&server);
}

// With a forced frame to resume it takes no calls.
static void forced_masks(void) {
    struct peer p;
    u64 m[MSG_WORDS] = {0};
    if (!peer_go(&p, 0, masked_holder, 0)) return;
    WAIT(p.ua->pending & PENDING_FORCED);
    CHECK(rt_call(p.eid, 0, m), E_MASKED);
    CHECK(rt_send(p.eid, 0, m), E_MASKED);
    __atomic_fetch_and(&p.ua->mask, ~(u64)MASK_LIBOS, __ATOMIC_SEQ_CST);
    CHECK(rt_call(p.eid, 0, m), E_MASKED); // byte 2
    sh->w[10] = 1;
    peer_end(&p);
}

static const struct test abort_tests[] = {
    T(survives),     T(survives_fp),     T(hog_epilogue), T(hog_prologue),
    T(forced_twice), T(lives_on_others), T(server_pays),  T(forced_masks),
};
AREA(abort);
