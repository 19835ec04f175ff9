// Not linked: compiled to assembly, from which the build takes the offsets that trap.S uses (lines with ->).
#include "kernel.h"

#define SET(name, value) __asm__ volatile("\n->" name " %0" ::"i"(value));
#define H(f)             SET("H_" #f, offsetof(struct hart, f))
#define REGS(f)          SET("H_" #f, offsetof(struct hart, regs.f))
#define SPAN(f)          SET("SPAN_" #f, offsetof(struct hart, span.f))
#define TURN(f)          SET("TURN_" #f, offsetof(struct turn, f))
#define E(f)             SET("E_" #f, offsetof(struct exo_env, f))
#define P(f)             SET("P_" #f, offsetof(struct exo_page, f))
#define FORCED(f)        SET("FORCED_" #f, offsetof(struct exo_forced, f))

void offsets(void);

// clang-format off
void offsets(void) {
    H(ua) H(uva) H(cur) H(t0) H(tp) H(ra) H(sp) H(a2) H(kstack) H(envs) H(turn)
    H(tick_word) H(slice) H(budget) H(ready) H(base) H(special) H(resched) REGS(pc) REGS(x)
    SPAN(root) SPAN(base) SPAN(outside) SPAN(table) SPAN(page) SPAN(space) SPAN(records)
    SPAN(npages) SPAN(others) SPAN(asid) SPAN(bits) SPAN(own) SPAN(account)
    TURN(env) TURN(next) TURN(eid)
    E(state) E(client) E(callee) E(uva) E(satp) E(ua) E(pc) E(slices)
    P(type) P(users) P(binds) SET("P_DOOMED", PAGE_DOOMED)
    SET("ROOT_harts", offsetof(struct root, harts))
    FORCED(f) FORCED(fcsr)
}
// clang-format on

_Static_assert(sizeof(struct exo_env) == 256, "trap.S shifts by 8");
_Static_assert(sizeof(struct exo_page) == 32, "bind.S shifts by 5");
_Static_assert(offsetof(struct exo_page, account) == offsetof(struct exo_page, type) + 1,
               "bind.S loads both");
_Static_assert(offsetof(struct exo_env, account) == offsetof(struct exo_env, state) + 2,
               "bind.S: byte 2 of base");
_Static_assert(sizeof(struct exo_slot) == 8, "trap.S shifts by 3");
_Static_assert(offsetof(struct exo_env, eid) == 0 && offsetof(struct exo_slot, eid) == 0, "trap.S: first");
