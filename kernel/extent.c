// Extents: runs of disk blocks, the unit in which the disk is owned. They come from the label, belong to
// account 1 then, and are only split, joined and given, so every block has one owner at any time. All of it
// is called with the kernel lock held.
#include "disk.h"

struct exo_ext exts[EXO_NEXT] __attribute__((aligned(EXO_PAGE)));
struct caps ext_caps[EXO_NEXT];

void ext_init(const struct label *l) {
    for (u32 i = 0; i < l->nextents; i++) {
        const struct label_extent *from = &l->extent[i];
        exts[i] = (struct exo_ext){.start = from->start, .count = from->count, .account = 1};
        for (u32 j = 0; j < sizeof(exts[i].name); j++) exts[i].name[j] = (u8)from->name[j];
    }
    accts[1].exts_used = l->nextents;
    words->nexts = l->nextents;
}

bool ext_open(const struct exo_ext *e, cap_t cap, bool write) {
    const struct caps *c = &ext_caps[e - exts];
    cap_t opens = write ? c->w : c->r;
    return owns(caller(), e->account) || (opens && cap == opens);
}

// There is one while any account has quota left: the quotas of all add up to EXO_NEXT.
static u32 free_record(void) {
    u32 i = 0;
    while (exts[i].count) i++;
    return i;
}

struct ret do_ext_split(u64 ext, u64 n, u64 a2, u64 a3, u64 a4) {
    struct exo_ext *e = ext_get(ext);
    if (!e) return fail(E_EXT);
    if (!owns(caller(), e->account)) return fail(E_OWNER);
    if (n < 1 || n >= e->count) return fail(E_ARG);
    if (e->requests) return fail(E_BUSY);
    struct exo_acct *a = &accts[e->account];
    if (a->exts_used >= a->exts) return fail(E_QUOTA);

    u32 i = free_record();
    exts[i] = *e;
    exts[i].start += n;
    exts[i].count -= (u32)n;
    ext_caps[i] = ext_caps[ext];
    e->count = (u32)n;
    a->exts_used++;
    if (words->nexts <= i) words->nexts = i + 1;
    return done(i);
}

struct ret do_ext_join(u64 ext_a, u64 ext_b, u64 a2, u64 a3, u64 a4) {
    struct exo_ext *a = ext_get(ext_a), *b = ext_get(ext_b);
    if (!a || !b) return fail(E_EXT);
    if (!owns(caller(), a->account) || a->account != b->account) return fail(E_OWNER);
    if (a->start + a->count != b->start || a->count + b->count < a->count) return fail(E_ARG);
    if (ext_caps[ext_a].r != ext_caps[ext_b].r || ext_caps[ext_a].w != ext_caps[ext_b].w) return fail(E_CAP);
    if (a->requests || b->requests) return fail(E_BUSY);

    a->count += b->count;
    *b = (struct exo_ext){0};
    ext_caps[ext_b] = (struct caps){0};
    accts[a->account].exts_used--;
    return done(0);
}

// A gift to the caller's parent brings its place in the quota along.
struct ret do_ext_give(u64 ext, u64 account, u64 a2, u64 a3, u64 a4) {
    struct exo_ext *e = ext_get(ext);
    struct exo_acct *to = acct_get(account);
    if (!e) return fail(E_EXT);
    if (!to) return fail(E_ACCT);
    if (!owns(caller(), e->account)) return fail(E_OWNER);
    if (!kin(caller(), (u32)account)) return fail(E_KIN);
    if (to->state == ACCT_ENDING) return fail(E_STATE);
    if (e->requests) return fail(E_BUSY);
    struct exo_acct *from = &accts[e->account];
    bool gift = account == accts[caller()].parent;
    if (!gift && to->exts_used >= to->exts) return fail(E_QUOTA);

    from->exts -= gift;
    to->exts += gift;
    from->exts_used--;
    to->exts_used++;
    e->account = (u8)account;
    ext_caps[ext] = (struct caps){0};
    return done(0);
}

struct ret do_ext_set(u64 ext, u64 rcap, u64 wcap, u64 a3, u64 a4) {
    struct exo_ext *e = ext_get(ext);
    if (!e) return fail(E_EXT);
    if (!owns(caller(), e->account)) return fail(E_OWNER);
    ext_caps[ext] = (struct caps){rcap, wcap};
    return done(0);
}

void ext_inherit(u32 from, u32 to) {
    for (u32 i = 0; i < EXO_NEXT; i++) {
        if (!exts[i].count || exts[i].account != from) continue;
        exts[i].account = (u8)to;
        ext_caps[i] = (struct caps){0};
    }
    accts[to].exts += accts[from].exts;
    accts[to].exts_used += accts[from].exts_used;
    accts[from].exts = accts[from].exts_used = 0;
}
