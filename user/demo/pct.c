// A protected control transfer (SOSP95, Protected Control Transfers): the processor goes to another
// environment, at a place that it has chosen, with the caller's registers. Nothing is saved, nothing is
// queued.
#include "demo.h"

static u64 entered;

static void answer(u64 msg[MSG_WORDS], eid_t client) {
    entered = cycles();
    (void)client;
    msg[0] = msg[0] * msg[1];
}

static void idle(u64 arg) {
    (void)arg;
    for (;;) rt_yield(0);
}

void demo_pct(void) {
    u64 msg[MSG_WORDS] = {6, 7};
    eid_t server = second_env(idle, 0, answer, false);
    print("@ env %x\n", server);
    step("A second environment, with an entry for calls. It has no slot: by itself it never runs.");

    rt_call(server, 0, msg);
    step("6 and 7 went over in registers, %lu came back in one. It ran in the caller's slice: no scheduler "
         "was asked.",
         msg[0]);

    for (u32 i = 0; i < 1000; i++) rt_call(server, 0, msg);
    step("A thousand more. No buffer, no queue, no copy: nothing of it is in the kernel afterwards.");

    exo_env_end(server);
    i64 err = rt_call(server, 0, msg);
    step("The server has ended. A call is refused at once (%ld): nobody waits for what cannot come.", err);
}

// What it costs, on a machine that keeps no trace.
void demo_pct_cost(void) {
    u64 msg[MSG_WORDS] = {6, 7}, before, after, null;
    eid_t server = second_env(idle, 0, answer, false);
    rt_call(server, 0, msg);
    before = cycles();
    for (u32 i = 0; i < 1000; i++) exo_null();
    null = (cycles() - before) / 1000;
    msg[0] = 6;
    before = cycles();
    rt_call(server, 0, msg);
    after = cycles();
    print("@ bar an empty kernel call: %lu\n", null);
    print("@ bar a call, to the server's first line: %lu\n", entered - before);
    print("@ bar there and back, all registers saved: %lu\n", after - before);
    step("In instructions, on a machine that keeps no trace. Of these the transfer itself takes 45 there and "
         "47 back (make bench); the rest is this library's choice.");
}
