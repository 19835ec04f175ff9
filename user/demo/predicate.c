// Code downloaded into the kernel (SOSP95, Downloading Code): when shall I run again? The kernel asks without
// running me.
#include "demo.h"

static ppn_t shared, code;
static volatile u64 woken;

static void sleeper(u64 arg) {
    for (;;) {
        rt_wait(code, arg, 0, 0, 0);
        woken++;
        arg += 10;
    }
}

void demo_predicate(void) {
    // r5 = the first word of the shared page; true once it is at least r1
    static const struct pred_insn good[] = {{PRED_LD, 5, 1, 0, 0},
                                            {PRED_BLTU, 0, 5, 1, 2},
                                            {PRED_LI, 6, 0, 0, 1},
                                            {PRED_RET, 0, 6, 0, 0},
                                            {PRED_RET, 0, 0, 0, 0}};
    static const struct pred_insn loop[] = {
        {PRED_LI, 5, 0, 0, 1}, {PRED_BEQ, 0, 0, 0, -2}, {PRED_RET, 0, 5, 0, 0}};
    static const struct pred_insn open[] = {{PRED_LI, 5, 0, 0, 1}};
    volatile u64 *counter = (volatile u64 *)ARENA;
    ppn_t bad;
    shared = new_page();
    rt_map(own_root(), ARENA, shared, PTE_RW);

    load_code(good, sizeof good / sizeof *good, shared, &code);
    print("@ code %x\n", code);
    step("Five instructions: is the first word of page %x at least 10? The kernel has read them once, and "
         "keeps the page.",
         shared);

    eid_t eid = second_env(sleeper, 10, NULL, true);
    print("@ env %x\n", eid);
    for (u32 i = 0; i < 20; i++) rt_yield(0);
    step("A second environment waits on them. When its slot comes round the kernel runs the five, and passes "
         "on.");

    for (u32 i = 0; i < 9; i++) ++*counter;
    for (u32 i = 0; i < 20; i++) rt_yield(0);
    step("I count: the word is %lu. Woken so far: %lu times.", (u64)*counter, woken);

    ++*counter;
    while (!woken) rt_yield(0);
    step("One more store, and it has run. I made no call: waking somebody is a store.");

    i64 err = load_code(loop, sizeof loop / sizeof *loop, 0, &bad);
    step("Code that jumps back: refused (error %ld). So every predicate ends.", err);

    err = load_code(open, sizeof open / sizeof *open, 0, &bad);
    step("Code that runs off its end: refused (%ld).", err);

    ppn_t others = 0;
    for (ppn_t i = 0; i < EXO_WORDS->npages && !others; i++)
        if (EXO_PAGES[i].account == 1 && EXO_PAGES[i].type == PAGE_DATA) others = EXO_PPN_BASE + i;
    err = load_code(good, sizeof good / sizeof *good, others, &bad);
    step("Code that would look into account 1's page %x: refused (%ld). It sees what I could see.", others,
         err);
}
