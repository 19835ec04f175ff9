// Not linked: compiled to assembly, from which the build takes the offsets that trap.S uses (lines with ->).
#include "kernel.h"

#define SET(name, value)  __asm__ volatile("\n->" #name " %0" ::"i"(value))
#define HART(name, field) SET(name, offsetof(struct hart, field))
#define ENV(name, field)  SET(name, offsetof(struct exo_env, field))

void offsets(void);

void offsets(void) {
    HART(H_UA, ua);
    HART(H_UVA, uva);
    HART(H_CUR, cur);
    HART(H_T0, t0);
    HART(H_TP, tp);
    HART(H_RA, ra);
    HART(H_SP, sp);
    HART(H_A2, a2);
    HART(H_KSTACK, kstack);
    HART(H_ENVS, envs);
    HART(H_TICK_WORD, tick_word);
    HART(H_SLICE, slice);
    HART(H_BUDGET, budget);
    HART(H_READY, ready);
    HART(H_BASE, base);
    HART(H_SPECIAL, special);
    HART(H_RESCHED, resched);
    HART(H_TURN, turn);
    SET(TURN_ENV, offsetof(struct turn, env));
    SET(TURN_NEXT, offsetof(struct turn, next));
    SET(TURN_EID, offsetof(struct turn, eid));
    HART(H_SPAN_ROOT, span.root);
    HART(H_SPAN_BASE, span.base);
    HART(H_SPAN_OUTSIDE, span.outside);
    HART(H_SPAN_TABLE, span.table);
    HART(H_SPAN_PAGE, span.page);
    HART(H_SPAN_SPACE, span.space);
    HART(H_SPAN_RECORDS, span.records);
    HART(H_SPAN_NPAGES, span.npages);
    HART(H_SPAN_OTHERS, span.others);
    HART(H_SPAN_ASID, span.asid);
    HART(H_SPAN_BITS, span.bits);
    HART(H_SPAN_OWN, span.own);
    HART(H_SPAN_ACCOUNT, span.account);
    HART(H_PC, regs.pc);
    HART(H_X, regs.x);
    ENV(E_WORD, state);
    ENV(E_CLIENT, client);
    ENV(E_CALLEE, callee);
    ENV(E_UVA, uva);
    ENV(E_SATP, satp);
    ENV(E_UA, ua);
    ENV(E_PC, pc);
    ENV(E_SLICES, slices);
    SET(P_TYPE, offsetof(struct exo_page, type));
    SET(P_USERS, offsetof(struct exo_page, users));
    SET(P_BINDS, offsetof(struct exo_page, binds));
    SET(P_DOOMED, PAGE_DOOMED);
    SET(ROOT_HARTS, offsetof(struct root, harts));
    SET(FORCED_F, offsetof(struct exo_forced, f));
    SET(FORCED_FCSR, offsetof(struct exo_forced, fcsr));
}

_Static_assert(sizeof(struct exo_env) == 256, "trap.S shifts by 8");
_Static_assert(sizeof(struct exo_page) == 32, "bind.S shifts by 5");
_Static_assert(offsetof(struct exo_page, account) == offsetof(struct exo_page, type) + 1,
               "bind.S loads both");
_Static_assert(offsetof(struct exo_env, account) == offsetof(struct exo_env, state) + 2,
               "bind.S: byte 2 of base");
_Static_assert(sizeof(struct exo_slot) == 8, "trap.S shifts by 3");
_Static_assert(offsetof(struct exo_env, eid) == 0 && offsetof(struct exo_slot, eid) == 0, "trap.S: first");
