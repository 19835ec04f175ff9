// Sleeping, for images made with user/rt: the hart is left to others, and idles if there are none. One page
// of code, which is loaded by the first nap.
#ifndef USER_NAP_H
#define USER_NAP_H

#include "rt/rt.h"

// Until `time` is w0.
static inline ppn_t nap_code(ppn_t root, va_t window) {
    static const struct pred_insn insn[] = {
        {PRED_BGEU, 0, 4, 1, 1}, {PRED_RET, 0, 0, 0, 0}, {PRED_LI, 5, 0, 0, 1}, {PRED_RET, 0, 5, 0, 0}};
    struct exo_ret page = exo_page_alloc(0, 0);
    if (page.err || rt_map(root, window, (ppn_t)page.val, PTE_R | PTE_W)) return 0;
    struct pred_code *code = (struct pred_code *)window;
    code->n = sizeof insn / sizeof *insn;
    memcpy(code->insn, insn, sizeof insn);
    exo_unbind(root, window, 0);
    return exo_code_load(page.val) ? 0 : (ppn_t)page.val;
}

// `window` is a place in the address space where nothing is bound, but a table is linked.
static inline void nap_at(va_t window, u64 ms) {
    static ppn_t code;
    if (!code) code = nap_code(EXO_ENVS[self() & EXO_EID_INDEX].root, window);
    if (!code || rt_wait(code, exo_time() + ms * (EXO_WORDS->timebase / 1000), 0, 0, 0)) rt_yield(0);
}

#endif
