// Protected control transfer: call, send, reply; who may call whom and when; what passes and what does not;
// calls that no reply ends.
#include "kt.h"

static void park(u64 unused) {
    (void)unused;
    for (;;) rt_yield(0);
}

// ---- servers ----

static void twice(u64 *msg, eid_t client) {
    for (u32 i = 0; i < MSG_WORDS; i++) msg[i] = msg[i] * 2 + 1;
    sh->w[100]++;
    sh->w[101] = client;
}

// Ready to be called, without a slot; on the space `root` (0: this one).
static bool server_new(struct peer *p, ppn_t root, u32 hart, void (*on_call)(u64 *, eid_t)) {
    if (!peer_new(p, root, hart, park, 0)) return false;
    rt_of(p->ua)->on_call = on_call;
    rt_of(p->ua)->call_stack = (va_t)p->stack + EXO_PAGE;
    return CHECK(exo_env_ctl(p->eid, ENV_RUN), 0);
}

static void call_and_check(eid_t eid, cap_t cap) {
    u64 m[MSG_WORDS];
    for (u32 i = 0; i < MSG_WORDS; i++) m[i] = 1000 + i;
    CHECK(call_ready(eid, cap, m), 0);
    for (u32 i = 0; i < MSG_WORDS; i++) CHECK(m[i], (1000 + i) * 2 + 1);
    CHECK(sh->w[101], self());
}

static void call(void) {
    struct peer p;
    if (!server_new(&p, 0, 0, twice)) return;
    for (u32 i = 0; i < 100; i++) call_and_check(p.eid, 0);
    CHECK(sh->w[100], 100);
    CHECK(env_of(p.eid)->state & (ENV_SERVING | ENV_RUNNING), 0);
    CHECK(env_of(self())->state & ENV_CALLING, 0);
    peer_end(&p);
}

static void call_space(void) {
    struct space s;
    struct peer p;
    if (space_new(&s) && server_new(&p, s.root, 0, twice)) {
        for (u32 i = 0; i < 100; i++) call_and_check(p.eid, 0);
        peer_end(&p);
    }
    space_end(&s);
}

// ---- refusals ----

static bool kept; // of the message of a refused call

static i64 refused(eid_t eid, cap_t cap) {
    u64 m[MSG_WORDS], sent;
    for (u32 i = 0; i < MSG_WORDS; i++) m[i] = i + 7;
    i64 call = rt_call(eid, cap, m);
    kept = true;
    for (u32 i = 0; i < MSG_WORDS; i++) kept &= m[i] == i + 7;
    TRUE(kept);
    sent = (u64)rt_send(eid, cap, m);
    CHECK(sent, call);
    return call;
}

static void refusals(void) {
    struct peer p;
    CHECK(refused(0, 0), E_EID);
    CHECK(refused(self() + 128, 0), E_EID);
    CHECK(refused(self(), 0), E_STATE);
    if (!peer_new(&p, 0, 0, park, 0)) return;
    CHECK(refused(p.eid, 0), E_STATE); // stopped
    p.ua->mask = 1;
    CHECK(refused(p.eid, 0), E_STATE);
    CHECK(exo_env_ctl(p.eid, ENV_RUN), 0);
    static const u64 masks[] = {1, 0x80, MASK_FAULT, 0x100, MASK_EPILOGUE, MASK_LIBOS, 1ul << 63, ~0ul};
    for (u32 i = 0; i < sizeof masks / 8; i++) {
        kt_with = masks[i];
        p.ua->mask = masks[i];
        CHECK(refused(p.eid, 0), E_MASKED);
    }
    p.ua->mask = 0;
    kt_with = 0;
    peer_end(&p);
}

static void refused_home(void) {
    struct peer p;
    if (!server_new(&p, 0, 1, twice)) return;
    WAIT(!(env_of(p.eid)->state & ENV_STOPPED));
    CHECK(refused(p.eid, 0), E_HOME);
    peer_end(&p);
}

static void reply_alone(void) {
    u64 m[MSG_WORDS] = {0};
    CHECK(rt_reply(m), E_STATE);
}

// A chain: each server calls the next, given in the shared words.
static void chain(u64 *msg, eid_t client) {
    u64 next = msg[0] + 1;
    (void)client;
    if (!sh->w[next]) return;
    msg[0] = next;
    i64 err = rt_call((eid_t)sh->w[next], 0, msg);
    if (err)
        msg[1] = (u64)err;
    else
        msg[2]++;
}

static void depth(void) {
    struct peer p[EXO_DEPTH + 1];
    u64 m[MSG_WORDS] = {0};
    for (u32 i = 0; i <= EXO_DEPTH; i++)
        if (!server_new(&p[i], 0, 0, chain)) return;
    for (u32 n = 1; n <= EXO_DEPTH + 1; n++) { // servers in the chain
        memset(m, 0, sizeof m);
        for (u32 i = 0; i <= EXO_DEPTH + 1; i++) sh->w[i] = i < n ? p[i].eid : 0;
        kt_with = n;
        CHECK(call_ready(p[0].eid, 0, m), 0);
        CHECK(m[1], n <= EXO_DEPTH ? E_OK : E_DEPTH);
        CHECK(m[2], n <= EXO_DEPTH ? n - 1 : EXO_DEPTH - 1);
    }
    // back to one that waits for a reply
    memset(m, 0, sizeof m);
    sh->w[1] = self();
    sh->w[2] = 0;
    CHECK(call_ready(p[0].eid, 0, m), 0);
    CHECK(m[1], E_STATE);
    for (u32 i = 0; i <= EXO_DEPTH; i++) peer_end(&p[i]);
}

// ---- send ----

static void sent(u64 *msg, eid_t client) {
    sh->w[100] += msg[0];
    sh->w[101] = client;
    sh->w[102] = env_of(self())->state;
}

static void send(void) {
    struct peer p;
    u64 m[MSG_WORDS] = {5};
    if (!server_new(&p, 0, 0, sent) || !peer_slot(&p)) // where it goes on if this slice was too short
        return;
    for (u32 i = 1; i <= 20; i++) {
        i64 err;
        while ((err = rt_send(p.eid, 0, m)) == E_MASKED) rt_yield(0);
        CHECK(err, 0);
        WAIT(sh->w[100] == 5 * i);
    }
    CHECK(sh->w[101], self());
    CHECK(sh->w[102] & ENV_SERVING, 0); // nobody waits for a reply
    peer_end(&p);
}

// ---- slices ----

static void slow(u64 *msg, eid_t client) {
    (void)client;
    u64 slices = env_of(self())->slices;
    while (env_of(self())->slices < slices + msg[0])
        ;
    msg[1] = env_of(self())->slices - slices;
}

// The client's slots run the server until it replies; the end of a slice in between is the server's to see.
static void long_call(void) {
    struct peer p, other;
    u64 m[MSG_WORDS] = {3};
    if (!server_new(&p, 0, 0, slow) || !peer_go(&other, 0, park, 0)) return;
    u64 mine = env_of(self())->slices, others = env_of(other.eid)->slices;
    CHECK(call_ready(p.eid, 0, m), 0);
    TRUE(m[1] >= 3);
    CHECK(env_of(self())->slices, mine);
    TRUE(env_of(other.eid)->slices > others);
    INNOCENT(env_of(p.eid)->aborts);
    peer_end(&p);
    peer_end(&other);
}

static void sleeper(u64 unused) {
    (void)unused;
    CHECK(rt_wait(kt_timer, sh->w[1], 0, 0, 0), 0);
    sh->w[0] = exo_time();
    park(0);
}

// One that waits may be called all the same, and goes on waiting or not, as it likes, afterwards.
static void call_waiting(void) {
    struct peer p;
    if (!peer_new(&p, 0, 0, sleeper, 0)) return;
    rt_of(p.ua)->on_call = twice;
    rt_of(p.ua)->call_stack = (va_t)p.stack + EXO_PAGE;
    sh->w[1] = exo_time() + 20 * kt_ms;
    peer_start(&p);
    WAIT(env_of(p.eid)->state & ENV_WAITING);
    call_and_check(p.eid, 0);
    WAIT(sh->w[0]);
    peer_end(&p);
}

// ---- calls that no reply ends ----

static void never(u64 *msg, eid_t client) {
    (void)msg;
    sh->w[100] = client;
    sh->w[103] = 0;
    while (!sh->w[102]) rt_yield(0);
    sh->w[103] = (u64)rt_reply(msg);
    sh->w[104] = (u64)rt_reply(msg);
    park(0);
}

static void client(u64 eid) {
    u64 m[MSG_WORDS];
    for (u32 i = 0; i < MSG_WORDS; i++) m[i] = 50 + i;
    sh->w[0] = 1;
    sh->w[1] = (u64)call_ready((eid_t)eid, sh->w[2], m);
    sh->w[0] = 2;
    park(0);
}

// A client that calls a server that does not reply; both are this account's.
static bool hanging(struct peer *s, struct peer *c) {
    memset((void *)sh->w, 0, sizeof sh->w);
    return server_new(s, 0, 0, never) && peer_slot(s) && peer_go(c, 0, client, s->eid) && WAIT(sh->w[100]) &&
           CHECK(env_of(c->eid)->state & ENV_CALLING, ENV_CALLING) &&
           CHECK(env_of(s->eid)->state & ENV_SERVING, ENV_SERVING) && CHECK(env_of(s->eid)->client, c->eid) &&
           CHECK(env_of(c->eid)->callee, s->eid);
}

static void busy(void) {
    struct peer s, c;
    if (!hanging(&s, &c)) return;
    CHECK(refused(s.eid, 0), E_STATE); // serving
    CHECK(refused(c.eid, 0), E_STATE); // calling
    CHECK(rt_yield(c.eid), E_STATE);
    CHECK(exo_env_home(c.eid, 0), E_STATE);
    CHECK(exo_env_home(s.eid, 0), E_STATE);
    sh->w[102] = 1;
    WAIT(sh->w[0] == 2);
    CHECK(sh->w[1], 0);
    peer_end(&c);
    peer_end(&s);
}

// In the middle of its service the server tries to enter its own client by the other ways there are.
static void try_client(u64 *msg, eid_t client) {
    u64 m[MSG_WORDS] = {0};
    sh->w[105] = (u64)rt_yield(client);
    sh->w[106] = (u64)rt_call(client, 0, m);
    sh->w[107] = (u64)rt_send(client, 0, m);
    msg[0] = 77;
}

static void back_to_client(void) {
    struct peer p;
    u64 m[MSG_WORDS] = {1}, n = 0;
    if (!server_new(&p, 0, 0, try_client)) return;
    do { // in one slice, or all of it past its end
        CHECK(call_ready(p.eid, 0, m), 0);
        CHECK(m[0], 77);
    } while ((sh->w[105] == (u64)E_TIME || sh->w[106] == (u64)E_TIME || sh->w[107] == (u64)E_TIME) &&
             n++ < 100);
    for (u32 i = 105; i < 108; i++) CHECK(sh->w[i], E_STATE);
    peer_end(&p);
}

static void server_dies(void) {
    struct peer s, c;
    if (!hanging(&s, &c)) return;
    CHECK(exo_env_end(s.eid), 0);
    WAIT(sh->w[0] == 2);
    CHECK(sh->w[1], E_DEAD);
    CHECK(env_of(c.eid)->state & ENV_CALLING, 0);
    peer_end(&c);
    peer_end(&s);
}

static void client_dies(void) {
    struct peer s, c;
    if (!hanging(&s, &c)) return;
    CHECK(exo_env_end(c.eid), 0);
    CHECK(env_of(s.eid)->client, 0);
    sh->w[102] = 1;
    WAIT(sh->w[103]);
    CHECK(sh->w[103], E_DEAD);
    WAIT(sh->w[104]);
    CHECK(sh->w[104], E_STATE); // it serves nobody now
    CHECK(env_of(s.eid)->state & ENV_SERVING, 0);
    peer_end(&c);
    peer_end(&s);
}

static void recall(void) {
    struct peer s, c;
    if (!hanging(&s, &c)) return;
    CHECK(exo_env_ctl(s.eid, ENV_RECALL), E_STATE);
    CHECK(exo_env_ctl(c.eid, ENV_RECALL), 0);
    WAIT(sh->w[0] == 2);
    CHECK(sh->w[1], E_TIME);
    sh->w[102] = 1;
    WAIT(sh->w[104]);
    CHECK(sh->w[103], E_TIME);
    CHECK(sh->w[104], E_STATE);
    CHECK(exo_env_ctl(c.eid, ENV_RECALL), E_STATE);
    peer_end(&c);
    peer_end(&s);
}

static void stop_client(void) {
    struct peer s, c;
    if (!hanging(&s, &c)) return;
    CHECK(exo_env_ctl(c.eid, ENV_STOP), 0);
    sh->w[102] = 1;
    WAIT(sh->w[104]);
    CHECK(sh->w[103], E_TIME);
    CHECK(sh->w[0], 1);
    CHECK(exo_env_ctl(c.eid, ENV_RUN), 0);
    WAIT(sh->w[0] == 2);
    CHECK(sh->w[1], E_TIME);
    peer_end(&c);
    peer_end(&s);
}

static void stop_server(void) {
    struct peer s, c;
    if (!hanging(&s, &c)) return;
    CHECK(exo_env_ctl(s.eid, ENV_STOP), 0);
    rt_yield(0);
    CHECK(sh->w[0], 1); // the client still waits: it is its own account's to recall it
    CHECK(exo_env_ctl(c.eid, ENV_RECALL), 0);
    WAIT(sh->w[0] == 2);
    CHECK(sh->w[1], E_TIME);
    peer_end(&c);
    peer_end(&s);
}

// ---- between accounts ----

static void serve_child(u64 unused) {
    (void)unused;
    rt()->on_call = twice;
    rt()->call_stack = rt()->stack - EXO_PAGE;
    CHECK(exo_env_accept(self(), sh->w[2]), 0);
    sh->w[0] = 1;
    while (!sh->w[3]) rt_yield(0);
    CHECK(exo_env_accept(self(), 0), 0);
    sh->w[0] = 2;
    park(0);
}

static void accounts(void) {
    struct child c;
    struct exo_uarea *ua = uarea();
    cap_t cap = exo_cap_new().val;
    sh->w[2] = cap;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, serve_child, 0)) return;
    CHECK(refused(c.eid, cap), E_CAP);
    child_run(&c);
    WAIT(sh->w[0] == 1);
    CHECK(refused(c.eid, 0), E_CAP);
    CHECK(refused(c.eid, cap + 1), E_CAP);
    CHECK(refused(c.eid, ~0ul), E_CAP);
    for (u32 i = 0; i < 50; i++) call_and_check(c.eid, cap);
    CHECK(ua->mask, 0);
    sh->w[3] = 1;
    WAIT(sh->w[0] == 2);
    CHECK(refused(c.eid, cap), E_CAP);
    CHECK(refused(c.eid, 0), E_CAP);
    child_end(&c);
}

static void calls_main(u64 unused) {
    (void)unused;
    u64 m[MSG_WORDS];
    for (u32 i = 0; i < MSG_WORDS; i++) m[i] = REG_PATTERN + i;
    CHECK(rt_fp(1), 0);
    sh->w[1] = (u64)call_ready((eid_t)sh->w[3], sh->w[2], m);
    sh->w[0] = 1;
    park(0);
}

// What is no message does not pass between accounts, in either direction.
static void clean(void) {
    struct child c;
    struct peer p;
    sh->w[2] = exo_cap_new().val;
    if (!server_new(&p, 0, 0, twice) || !CHECK(exo_env_accept(p.eid, sh->w[2]), 0)) return;
    sh->w[3] = p.eid;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, calls_main, 0)) return;
    p.ua->entry[ENTRY_CALL] = (va_t)seen_call;
    memset(rt_of(p.ua)->fregs, 0xff, sizeof rt()->fregs);
    child_run(&c);
    WAIT(sh->w[0]);
    CHECK(sh->w[1], 0);
    const u64 *seen = rt_of(p.ua)->fregs;
    for (u32 x = 1; x < 32; x++) {
        bool message = x == 8 || x == 9 || (x >= 10 && x <= 14) || (x >= 18 && x <= 27);
        kt_with = x;
        CHECK(seen[x], x == 5 ? (va_t)p.ua : x == 31 ? c.eid : message ? seen[x] : 0);
    }
    CHECK(seen[10], REG_PATTERN);
    CHECK(seen[27], REG_PATTERN + 16);
    child_end(&c);
    peer_end(&p);
}

static void hang_child(u64 unused) {
    (void)unused;
    rt()->on_call = never;
    rt()->call_stack = rt()->stack - EXO_PAGE;
    CHECK(exo_env_accept(self(), sh->w[2]), 0);
    sh->w[3] = 1;
    park(0);
}

// The end of an account breaks the calls it serves.
static void account_ends(void) {
    struct child c;
    struct peer p;
    sh->w[2] = exo_cap_new().val;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, hang_child, 0)) return;
    child_run(&c);
    WAIT(sh->w[3]);
    if (!peer_go(&p, 0, client, c.eid)) return;
    WAIT(sh->w[100] == p.eid);
    child_end(&c);
    WAIT(sh->w[0] == 2);
    CHECK(sh->w[1], E_DEAD);
    peer_end(&p);
}

// A client of another account stopped by its parent... the server is told, and serves the next.
static void client_child(u64 unused) {
    (void)unused;
    client(sh->w[3]);
}

static void client_account_ends(void) {
    struct child c;
    struct peer s;
    sh->w[2] = exo_cap_new().val;
    if (!server_new(&s, 0, 0, never) || !peer_slot(&s) || !CHECK(exo_env_accept(s.eid, sh->w[2]), 0)) return;
    sh->w[3] = s.eid;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, client_child, 0)) return;
    eid_t eid = c.eid;
    child_run(&c);
    WAIT(sh->w[100] == eid);
    child_end(&c);
    sh->w[102] = 1;
    WAIT(sh->w[104]);
    CHECK(sh->w[103], E_DEAD);
    peer_end(&s);
}

static const struct test transfer_tests[] = {
    T(call),           T(call_space),  T(refusals),  T_HARTS(refused_home, 2), T(reply_alone),
    T(depth),          T(send),        T(long_call), T(call_waiting),          T(busy),
    T(server_dies),    T(client_dies), T(recall),    T(stop_client),           T(stop_server),
    T(back_to_client), T(accounts),    T(clean),     T(account_ends),          T(client_account_ends),
};
AREA(transfer);
