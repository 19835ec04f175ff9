// Extents: ext_split, ext_join, ext_give, ext_set.
#include "kt.h"

static const volatile struct exo_ext *ext(u64 n) { return &EXO_EXTS[n]; }

static void split_join(void) {
    u64 e = test_extent();
    u32 count = ext(e)->count, used = EXO_ACCTS[1].exts_used;
    u64 start = ext(e)->start;
    for (u32 n = 1; n < count; n += n < 3 ? 1 : count / 3) {
        kt_with = n;
        struct exo_ret r = exo_ext_split(e, n);
        CHECK(r.err, 0);
        CHECK(ext(e)->count, n);
        CHECK(ext(r.val)->count, count - n);
        CHECK(ext(r.val)->start, start + n);
        CHECK(ext(r.val)->account, 1);
        CHECK(ext(r.val)->name[0], 't');
        CHECK(EXO_ACCTS[1].exts_used, used + 1);
        CHECK(exo_ext_join(r.val, e), E_ARG); // the wrong way round
        CHECK(exo_ext_join(e, e), E_ARG);
        CHECK(exo_ext_join(e, r.val), 0);
        CHECK(ext(e)->count, count);
        CHECK(ext(r.val)->count, 0);
        CHECK(EXO_ACCTS[1].exts_used, used);
        CHECK(exo_ext_join(e, r.val), E_EXT);
    }
    CHECK(ext(e)->start, start);
}

static void errors(void) {
    u64 e = test_extent(), bad;
    u32 count = ext(e)->count;
    for (EACH_BAD(bad, ext)) {
        CHECK(exo_ext_split(bad, 0).err, E_EXT);
        CHECK(exo_ext_join(bad, e), E_EXT);
        CHECK(exo_ext_join(e, bad), E_EXT);
        CHECK(exo_ext_give(bad, 0), E_EXT);
        CHECK(exo_ext_set(bad, 0, 0), E_EXT);
    }
    CHECK(exo_ext_split(e, 0).err, E_ARG);
    CHECK(exo_ext_split(e, count).err, E_ARG);
    CHECK(exo_ext_split(e, count + 1).err, E_ARG);
    CHECK(exo_ext_split(e, 1ul << 32).err, E_ARG);
    CHECK(exo_ext_split(e, 1ul << 32 | 1).err, E_ARG);
    CHECK(exo_ext_split(e, ~0ul).err, E_ARG);
    for (EACH_BAD(bad, acct)) CHECK(exo_ext_give(e, bad), E_ACCT);
    CHECK(exo_ext_give(e, 0), E_ACCT);
    CHECK(exo_ext_give(e, 1), E_KIN);
    // Extents with different capabilities do not become one.
    u64 f = exo_ext_split(e, 4).val;
    CHECK(exo_ext_set(f, 1, 0), 0);
    CHECK(exo_ext_join(e, f), E_CAP);
    CHECK(exo_ext_set(f, 0, 1), 0);
    CHECK(exo_ext_join(e, f), E_CAP);
    CHECK(exo_ext_set(f, 0, 0), 0);
    u64 g = exo_ext_split(f, 4).val;
    CHECK(exo_ext_join(e, g), E_ARG); // f lies between
    CHECK(exo_ext_join(f, g), 0);
    CHECK(exo_ext_join(e, f), 0);
}

static void child(u64 unused) {
    u64 e = sh->w[0], mine = sh->w[1];
    u32 count = ext(mine)->count;
    (void)unused;
    CHECK(exo_ext_split(e, 1).err, E_OWNER);
    CHECK(exo_ext_split(e, 0).err, E_OWNER);
    CHECK(exo_ext_join(e, mine), E_OWNER);
    CHECK(exo_ext_join(mine, e), E_OWNER);
    CHECK(exo_ext_give(e, 1), E_OWNER);
    CHECK(exo_ext_give(e, self_account()), E_OWNER);
    CHECK(exo_ext_set(e, 1, 1), E_OWNER);
    CHECK(exo_ext_give(mine, self_account()), E_KIN);
    struct exo_ret r = exo_ext_split(mine, 1); // its quota is two
    CHECK(r.err, 0);
    CHECK(exo_ext_split(r.val, 1).err, E_QUOTA);
    CHECK(exo_ext_join(mine, r.val), 0);
    CHECK(ext(mine)->count, count);
    CHECK(exo_ext_give(mine, 1), 0);
    CHECK(exo_ext_set(mine, 1, 1), E_OWNER);
    CHECK(exo_acct_set(self_account(), CHILD_PAGES, 1, 0, 1), 0);
}

// To a child and back; what it does not give back comes back with its end.
static void give(void) {
    struct child c;
    u64 e = test_extent(), f = exo_ext_split(e, 8).val, g = exo_ext_split(f, 8).val;
    if (!child_new(&c, CHILD_PAGES, 1, 0, 2, 0, child, 0)) return;
    sh->w[0] = e;
    sh->w[1] = f;
    CHECK(exo_ext_set(f, 7, 7), 0);
    CHECK(exo_ext_give(f, c.acct), 0);
    CHECK(ext(f)->account, c.acct);
    CHECK(EXO_ACCTS[c.acct].exts_used, 1);
    child_run(&c);
    WAIT(!env_lives(c.eid));
    CHECK(ext(f)->account, 1);
    CHECK(exo_ext_give(f, c.acct), 0); // it is one now
    CHECK(exo_ext_give(g, c.acct), E_QUOTA);
    CHECK(exo_ext_give(f, c.acct), E_OWNER);
    u32 acct = c.acct;
    CHECK(exo_acct_end(acct), 0);
    if (EXO_ACCTS[acct].state == ACCT_ENDING) CHECK(exo_ext_give(g, acct), E_STATE);
    acct_gone(acct);
    CHECK(ext(f)->account, 1);
    CHECK(exo_ext_join(f, g), 0);
    CHECK(exo_ext_join(e, f), 0);
}

// As many as the quota allows; the records are not the limit before it.
static void many(void) {
    u64 e = test_extent();
    u64 parts[EXO_NEXT], n = 0;
    u32 count = ext(e)->count;
    struct exo_ret r;
    while (ext(e)->count > 1 && n < EXO_NEXT && !(r = exo_ext_split(e, ext(e)->count - 1)).err)
        parts[n++] = r.val;
    if (ext(e)->count > 1) {
        CHECK(r.err, E_QUOTA);
        CHECK(EXO_ACCTS[1].exts_used, EXO_ACCTS[1].exts);
    }
    while (n--) CHECK(exo_ext_join(e, parts[n]), 0);
    CHECK(ext(e)->count, count);
}

static const struct test extent_tests[] = {
    T_DISK(split_join),
    T_DISK(errors),
    T_DISK(give),
    T_DISK(many),
};
AREA(extent);
