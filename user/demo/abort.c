// A library OS that will not let go of the processor (SOSP95, The Abort Protocol): a request, a limit, then
// by force.
#include "demo.h"

static volatile u64 turns;

static void polite(u64 arg) {
    (void)arg;
    for (;;) turns++;
}

static void stubborn(u64 arg) {
    (void)arg;
    __atomic_store_n(&uarea()->mask, MASK_LIBOS, __ATOMIC_SEQ_CST); // holds the epilogue back
    for (;;) turns++;
}

void demo_abort(void) {
    eid_t eid = second_env(polite, 0, NULL, true);
    const volatile struct exo_env *e = &EXO_ENVS[eid & EXO_EID_INDEX];
    print("@ env %x\n", eid);
    while (e->slices < 5) rt_yield(0);
    step(
        "A second environment computes. At each slice's end it is called, saves what is live, and yields: no "
        "aborts.");

    exo_env_end(eid);
    eid = second_env(stubborn, 0, NULL, true);
    print("@ env %x\n", eid);
    while (e->aborts < 1) rt_yield(0);
    step("This one holds the call back. The kernel waits as long as the budget allows, then takes the "
         "processor by force.");

    while (e->aborts < 4) rt_yield(0);
    step("It pays for what it took: after each abort a slot of its own is skipped.");

    fill_slot(2, self());
    fill_slot(3, self());
    while (!(e->state & ENV_STOPPED))
        if (rt_yield(eid)) rt_yield(0);
    step("The first one has three slots, and gives them all to it. It keeps too much of each: who owes more "
         "than %d is stopped.",
         EXO_OWE);

    exo_env_end(eid);
    step("It is gone; its registers lie in its u-area. A debugger may look at them, or a library go on with "
         "them.");
}
