// Attacks, one test for each: what a program would do that wants what is not its own. The attacker is another account (a
// child) unless the attack is one among siblings.
#include "kt.h"

static bool all_zero(const u64 *w)
{
    for (u32 i = 0; i < EXO_PAGE / 8; i++)
        if (w[i])
            return false;
    return true;
}

static void fresh_page_child(u64 ppn)
{
    ppn_t got = (ppn_t)exo_page_alloc(ppn, sh->w[0]).val;
    if (!CHECK(got, ppn))
        return;
    u64 *w = map(got, PTE_R);
    TRUE(all_zero(w));
    win_end(w);
}

// Reading a fresh page's old contents: named, and with the claim that it was ours before.
static void fresh_page(void)
{
    for (u64 unzeroed = 0; unzeroed < 2; unzeroed++) {
        ppn_t p = page_new();
        u64 *w = map(p, RW);
        for (u32 i = 0; i < EXO_PAGE / 8; i++)
            w[i] = 0x5ec2e75ec2e7;
        win_end(w);
        sh->w[0] = unzeroed;
        struct child c;
        bool made = child_new(&c, CHILD_PAGES, 1, 0, 0, 0, fresh_page_child, p);
        page_end(p);
        if (made && child_run(&c))
            WAIT(!env_lives(c.eid));
        child_end(&c);
    }
}

static const struct test attack_tests[] = {
    T(fresh_page),
};
AREA(attack);
