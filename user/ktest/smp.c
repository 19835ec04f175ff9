// Races: several harts at the same thing for many rounds. What is checked holds whoever comes first.
#include "kt.h"

struct team {
    struct peer p[EXO_NHART];
    u32 n;
};

// fn(i) runs on hart i, for all harts but this one.
static bool team_new(struct team *t, void (*fn)(u64))
{
    t->n = 0;
    for (u32 h = 1; h < EXO_WORDS->nharts; h++)
        if (!peer_go(&t->p[t->n++], h, fn, h))
            return false;
    return true;
}

static void team_end(struct team *t)
{
    while (t->n)
        peer_end(&t->p[--t->n]);
}

static void alloc_free(u64 hart)
{
    for (u32 i = 0; i < 500; i++) {
        struct exo_ret r = exo_page_alloc(0, 1);
        if (!CHECK(r.err, 0))
            break;
        if (!CHECK(exo_page_free(r.val), 0))
            break;
    }
    sh->w[hart] = 1;
    for (;;)
        rt_yield(0);
}

static void page_storm(void)
{
    struct team t;
    u64 free = EXO_WORDS->free;
    if (team_new(&t, alloc_free))
        for (u32 h = 1; h <= t.n; h++)
            WAIT_MS(sh->w[h], 30000);
    CHECK(EXO_WORDS->free, free - 3 * t.n);
    team_end(&t);
}

static const struct test smp_tests[] = {
    T_HARTS(page_storm, 2),
};
AREA(smp);
