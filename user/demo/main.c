// Which demonstration is shown, and what all of them need. See demo.h.
#include "demo.h"

#define UA2 0x3fffffe000

static char stack2[2 * EXO_PAGE] __attribute__((aligned(16)));

static void fail(const char *what) {
    print("demo: %s\n", what);
    rt_power_off(1);
}

void rt_fault(struct exo_uarea *ua) {
    print("demo: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    rt_power_off(1);
}

u64 cycles(void) {
    u64 c;
    __asm__ volatile("rdcycle %0" : "=r"(c));
    return c;
}

static ppn_t table;

ppn_t arena_table(void) { return table; }

ppn_t own_root(void) { return EXO_ENVS[self() & EXO_EID_INDEX].root; }

ppn_t new_page(void) {
    struct exo_ret page = exo_page_alloc(0, 0);
    if (page.err) fail("no page");
    return (ppn_t)page.val;
}

// ---- the next step ----

i64 load_code(const struct pred_insn *insn, u32 n, ppn_t own, ppn_t *page) {
    struct pred_code *code = (struct pred_code *)WINDOW;
    *page = new_page();
    if (rt_map(own_root(), WINDOW, *page, PTE_RW)) fail("no window");
    code->n = n;
    code->npages = own != 0;
    code->page[1] = own;
    memcpy(code->insn, insn, n * sizeof *insn);
    exo_unbind(own_root(), WINDOW, 0);
    return exo_code_load(*page);
}

static ppn_t input_code;

static void load_input_code(void) {
    static const struct pred_insn insn[] = {{PRED_LD, 5, 0, 0, offsetof(struct exo_words, input)},
                                            {PRED_SUB, 6, 5, 1, 0},
                                            {PRED_RET, 0, 6, 0, 0}};
    if (load_code(insn, sizeof insn / sizeof *insn, 0, &input_code)) fail("its predicate is refused");
}

static void wait_for_key(void) {
    char c;
    for (;;) {
        u64 seen = EXO_WORDS->input;
        struct exo_ret r = exo_cons_read(&c, 1);
        if (r.err) fail("the console is not its own");
        if (r.val) return;
        rt_wait(input_code, seen, 0, 0, 0); // until more has been typed
    }
}

void step(const char *fmt, ...) {
    char line[400];
    va_list args;
    va_start(args, fmt);
    vprint_to(line, sizeof line, fmt, args);
    va_end(args);
    print("# %s\n", line);
    wait_for_key();
}

// ---- a second environment ----

struct exo_uarea *second_uarea(void) {
    return (struct exo_uarea *)UA2;
}

void fill_slot(u32 n, eid_t eid) {
    u32 own = 0;
    while (EXO_SLOTS[own].eid != self()) own++;
    if (exo_slot_set(0, own + n, eid)) fail("no slot");
}

eid_t second_env(void (*fn)(u64), u64 arg, void (*on_call)(u64 *, eid_t), bool slot) {
    struct exo_uarea *ua = second_uarea();
    ppn_t page = new_page();
    if (rt_map(own_root(), UA2, page, PTE_RW)) fail("no place for a u-area");
    rt_env_init(ua, fn, arg, (va_t)stack2 + sizeof stack2);
    rt_of(ua)->on_call = on_call;
    rt_of(ua)->call_stack = (va_t)stack2 + EXO_PAGE;
    exo_unbind(own_root(), UA2, 0);
    struct exo_ret env = exo_env_new(0, own_root(), page, UA2);
    if (env.err || rt_map(own_root(), UA2, page, PTE_RW)) fail("no second environment");
    rt_of(ua)->first.eid = (eid_t)env.val;
    if (slot) fill_slot(1, (eid_t)env.val);
    exo_env_ctl(env.val, ENV_RUN);
    return (eid_t)env.val;
}

// ---- which ----

static const struct {
    const char *name;
    void (*fn)(void);
} demos[] = {{"bind", demo_bind},         {"abort", demo_abort}, {"pct", demo_pct},
             {"pct-cost", demo_pct_cost}, {"disk", demo_disk},   {"predicate", demo_predicate}};

int main(void);
int main(void) {
    first_self(&rt()->first);
    table = new_page();
    if (exo_pt_link(own_root(), ARENA, 0, table)) fail("no table");
    load_input_code();
    print("@ begin\n");
    wait_for_key();
    for (u32 i = 0; i < sizeof demos / sizeof *demos; i++)
        if (str_eq(rt()->first.args, demos[i].name)) {
            demos[i].fn();
            rt_power_off(0);
        }
    fail("no demonstration of that name");
    return 1;
}
