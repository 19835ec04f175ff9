// A libOS of the smallest kind, that the machine boots in place of first.c: memory that appears when it is
// touched, two environments that take turns, a message from one to the other, and the end. It uses kernel
// calls only, and no more of the runtime than its upcall entries.
#include "rt/rt.h"

#define ARENA ((va_t)0x50000000) // its pages are made by the FAULT upcall
#define PAGES 64
#define TURNS 100
#define UA2   0x3fffffe000

static ppn_t root;
static eid_t first, second;
static u64 touched, turns[2];
static char stack2[2 * EXO_PAGE] __attribute__((aligned(16)));

void rt_fault(struct exo_uarea *ua) {
    print("not ok minimal: fault %lu at %lx, pc %lx\ndone\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    exo_halt(1);
}

static void check(bool ok, const char *what) {
    print("%s minimal.%s\n", ok ? "ok" : "not ok", what);
    if (ok) return;
    print("done\n");
    exo_halt(1);
}

// A page for the address that faulted, if it is the arena's.
static bool demand(struct exo_uarea *ua) {
    va_t va = ua->fault.tval & -(va_t)EXO_PAGE;
    if (va < ARENA || va >= ARENA + PAGES * EXO_PAGE) return false;
    struct exo_ret page = exo_page_alloc(0, 0);
    touched++;
    return !page.err && !rt_map(root, va, (ppn_t)page.val, PTE_R | PTE_W);
}

static void demand_zero(void) {
    struct exo_ret table = exo_page_alloc(0, 0);
    u64 free, sum = 0;
    check(!exo_pt_link(root, ARENA, 0, table.val), "table");
    free = EXO_WORDS->free;
    rt()->on_fault = demand;
    for (u64 i = 0; i < PAGES; i += 2) *(volatile u64 *)(ARENA + i * EXO_PAGE) = i;
    for (u64 i = 0; i < PAGES; i++) sum += *(volatile u64 *)(ARENA + i * EXO_PAGE);
    rt()->on_fault = NULL;
    check(touched == PAGES && sum == PAGES / 2 * (PAGES / 2 - 1) && EXO_WORDS->free == free - PAGES,
          "demand_zero");
    for (u64 i = 0; i < PAGES; i++) {
        struct exo_ret old = exo_unbind(root, ARENA + i * EXO_PAGE, 0);
        touched -= !old.err && !old.val2 && !exo_page_free(PTE_PPN(old.val));
    }
    check(!touched, "unmap");
    struct exo_ret gone = exo_pt_unlink(root, ARENA, 0);
    check(!gone.err && gone.val == table.val && !exo_page_free(table.val) && EXO_WORDS->free == free + 1,
          "give_back");
}

static void answer(u64 msg[MSG_WORDS], eid_t client) {
    msg[0] = msg[0] * msg[1] + (client == first);
    msg[MSG_WORDS - 1] ^= ~0ul;
}

static void take_turns(u64 who) {
    eid_t other = who ? first : second;
    for (u32 i = 0; i < TURNS; i++) {
        turns[who]++;
        if (rt_yield(other)) rt_yield(0);
    }
    while (who) rt_yield(first);
}

static void two_environments(void) {
    struct exo_ret page = exo_page_alloc(0, 0);
    struct exo_uarea *ua = (struct exo_uarea *)UA2;
    check(!page.err && !rt_map(root, UA2, (ppn_t)page.val, PTE_R | PTE_W), "second_page");
    rt_env_init(ua, take_turns, 1, (va_t)stack2 + sizeof stack2);
    rt_of(ua)->on_call = answer;
    rt_of(ua)->call_stack = (va_t)stack2 + EXO_PAGE;
    exo_unbind(root, UA2, 0);
    struct exo_ret env = exo_env_new(0, root, page.val, UA2);
    second = (eid_t)env.val;
    check(!env.err && !rt_map(root, UA2, (ppn_t)page.val, PTE_R | PTE_W), "second");
    rt_of(ua)->first.eid = second;
    check(!exo_env_ctl(second, ENV_RUN), "run");
    take_turns(0);
    check(turns[0] == TURNS && turns[1] >= TURNS - 1, "turns");

    u64 msg[MSG_WORDS] = {6, 7, [MSG_WORDS - 1] = 5};
    check(!rt_call(second, 0, msg) && msg[0] == 43 && msg[MSG_WORDS - 1] == ~5ul, "call");
    check(!exo_env_end(second) && EXO_ENVS[second & EXO_EID_INDEX].eid != second, "end");
    exo_unbind(root, UA2, 0);
    check(!exo_page_free(page.val), "second_freed");
}

int main(void);
int main(void) {
    first = self();
    root = EXO_ENVS[first & EXO_EID_INDEX].root;
    u64 free = EXO_WORDS->free;
    demand_zero();
    two_environments();
    check(EXO_WORDS->free == free, "all_free");
    print("done\n");
    exo_halt(0);
    return 1;
}
