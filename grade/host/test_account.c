// Tests of accounts and of what is done in steps: reserve and quotas going down and up the tree, revocation
// and what is taken past its deadline, the sweeper, the end of accounts with all that is below and about
// them.
#include "grade/host/recount.h"

#define acct_new(pages, envs, accts, exts)          do_acct_new(pages, envs, accts, exts, 0)
#define acct_set(account, pages, envs, accts, exts) do_acct_set(account, pages, envs, accts, exts)
#define acct_end(account)                           do_acct_end(account, 0, 0, 0, 0)
#define acct_pager(account, eid)                    do_acct_pager(account, eid, 0, 0, 0)
#define revoke(account, n, deadline)                do_revoke(account, n, deadline, 0, 0)
#define MANY                                        ((1ul << 31) + 1)

static u32 take_all(void) {
    u32 n = 0;
    while (!alloc(0, 0).err) n++;
    return n;
}

// Until there is nothing left to do. The number of steps, 1000 if that is not enough.
static u32 ticks(void) {
    u32 n = 0;
    for (; work && n < 1000; n++) tick_work();
    return n;
}

static void test_new(void) {
    start(100);
    struct exo_acct was = accts[1];
    u32 n = (u32)acct_new(30, 3, 2, 1).val;
    const struct exo_acct *a = &accts[n];
    expect("a child", true, n == 3 && a->state == ACCT_NEW && a->parent == 1);
    expect("what it has", true,
           a->reserve == 30 && a->envs == 3 && a->accts == 2 && a->exts == 1 && !a->held);
    expect("is its parent's no more", true,
           was.reserve - 30 == accts[1].reserve && was.envs - 3 == accts[1].envs &&
               was.accts - 2 == accts[1].accts && was.accts_used + 1 == accts[1].accts_used &&
               was.exts - 1 == accts[1].exts);
    REFUSED(E_ARG, acct_new(MANY, 0, 0, 0));
    REFUSED(E_ARG, acct_new(0, MANY, 0, 0));
    REFUSED(E_ARG, acct_new(0, 0, MANY, 0));
    REFUSED(E_ARG, acct_new(0, 0, 0, ~0ul));
    as(e2);
    accts[2].exts_used = 2;
    REFUSED(E_QUOTA, acct_new(101, 0, 0, 0));
    REFUSED(E_QUOTA, acct_new(MANY - 1, 0, 0, 0));
    REFUSED(E_QUOTA, acct_new(0, 4, 0, 0));
    REFUSED(E_QUOTA, acct_new(0, MANY - 1, 0, 0));
    REFUSED(E_QUOTA, acct_new(0, 0, 4, 0));
    REFUSED(E_QUOTA, acct_new(0, 0, 0, 3));
    for (u32 i = 0; i < 4; i++) {
        ppn_t root = page();
        DONE(do_pt_link(root, 0, 2, root, 0));
    }
    REFUSED(E_QUOTA, acct_new(0, 2, 0, 0));
    REFUSED(E_FIXED, acct_new(92, 0, 0, 0));
    DONE(acct_new(91, 1, 2, 2));
    REFUSED(E_QUOTA, acct_new(0, 0, 1, 0));
    DONE(acct_new(0, 0, 0, 0));
    REFUSED(E_QUOTA, acct_new(0, 0, 0, 0));
    start(100);
    as(e2);
    expect("a child takes what nobody is promised", 95 + COMMON, take_all());
    REFUSED(E_RESERVE, acct_new(50, 0, 0, 0));
    DONE(acct_new(0, 0, 0, 0));
    as(e1);
    while (!acct_new(0, 0, 0, 0).err)
        ;
    expect("the quota is what ends it", accts[1].accts, accts[1].accts_used);
    REFUSED(E_QUOTA, acct_new(0, 0, 0, 0));
    accts[1].state = ACCT_ENDING;
    REFUSED(E_STATE, acct_new(0, 0, 0, 0));
}

static void test_set(void) {
    start(100);
    DONE(acct_set(2, 110, 5, 3, 2));
    expect("up and down", true,
           accts[2].reserve == 110 && accts[2].envs == 5 && accts[2].accts == 3 && accts[2].exts == 2);
    DONE(acct_set(2, 100, 4, 4, 4));
    REFUSED(E_ARG, acct_set(2, MANY, 4, 4, 4));
    REFUSED(E_ARG, acct_set(2, 100, MANY, 4, 4));
    REFUSED(E_ARG, acct_set(2, 100, 4, MANY, 4));
    REFUSED(E_ARG, acct_set(99, 100, 4, 4, ~0ul));
    REFUSED(E_ACCT, acct_set(0, 0, 0, 0, 0));
    REFUSED(E_ACCT, acct_set(3, 0, 0, 0, 0));
    REFUSED(E_ACCT, acct_set(EXO_NACCT + 1, 0, 0, 0, 0));
    REFUSED(E_KIN, acct_set(1, 100, 4, 4, 4));
    struct exo_acct first = accts[1];
    REFUSED(E_KIN, acct_set(1, first.reserve, first.envs - 1, first.accts, first.exts));
    REFUSED(E_FIXED, acct_set(1, first.fixed - 1, first.envs, first.accts, first.exts));
    REFUSED(E_RESERVE, acct_set(1, first.reserve + COMMON + 1, first.envs, first.accts, first.exts));
    unpromised -= COMMON;
    DONE(acct_set(1, first.reserve + COMMON, first.envs, first.accts, first.exts));
    unpromised += COMMON;
    DONE(acct_set(1, first.reserve, first.envs, first.accts, first.exts));
    as(e2);
    REFUSED(E_KIN, acct_set(1, 100, 4, 4, 4));
    REFUSED(E_QUOTA, acct_set(2, 101, 4, 4, 4));
    REFUSED(E_QUOTA, acct_set(2, 100, 5, 4, 4));
    REFUSED(E_QUOTA, acct_set(2, 100, 4, 5, 4));
    REFUSED(E_QUOTA, acct_set(2, 100, 4, 4, 5));
    DONE(acct_set(2, 90, 3, 3, 3));
    DONE(acct_new(10, 1, 1, 1));
    as(e1);
    REFUSED(E_KIN, acct_set(3, 10, 1, 1, 1));
    accts[2].exts_used = 2;
    as(e2);
    struct exo_env *second = env_make(2, r2, page(), 1);
    as(e1);
    REFUSED(E_QUOTA, acct_set(2, 80, 1, 2, 2));
    env_gone(second);
    REFUSED(E_QUOTA, acct_set(2, 80, 0, 2, 2));
    REFUSED(E_QUOTA, acct_set(2, 80, 2, 0, 2));
    REFUSED(E_QUOTA, acct_set(2, 80, 2, 2, 1));
    REFUSED(E_QUOTA, acct_set(2, MANY - 1, 2, 2, 2));
    REFUSED(E_QUOTA, acct_set(2, 80, EXO_NENV, 2, 2));
    REFUSED(E_QUOTA, acct_set(2, 80, 2, EXO_NACCT, 2));
    REFUSED(E_QUOTA, acct_set(2, 80, 2, 2, EXO_NEXT));
    accts[2].exts_used = 0;
    REFUSED(E_FIXED, acct_set(2, accts[2].fixed - 1, 2, 2, 2));
    REFUSED(E_FIXED, acct_set(2, 80 + accts[1].reserve - accts[1].fixed + 1, 2, 2, 2));
    DONE(acct_set(2, accts[2].fixed, 2, 2, 2));
    DONE(acct_set(2, 80, 2, 2, 2));
    as(e2);
    (void)take_all();
    as(e1);
    REFUSED(E_RESERVE, acct_set(2, 50, 2, 2, 2));
    DONE(acct_set(2, 100, 2, 2, 2));
    as(e2);
    DONE(acct_end(3));
    REFUSED(E_STATE, acct_set(3, 0, 0, 0, 0));
    REFUSED(E_STATE, acct_end(3));
    REFUSED(E_STATE, revoke(3, 1, 0));
}

static void test_pager(void) {
    start(100);
    DONE(acct_pager(1, e1->eid));
    DONE(acct_pager(1, 0));
    REFUSED(E_ACCT, acct_pager(0, e1->eid));
    REFUSED(E_ACCT, acct_pager(9, e1->eid));
    REFUSED(E_EID, acct_pager(1, e1->eid + 128));
    REFUSED(E_EID, acct_pager(1, 127));
    REFUSED(E_EID, acct_pager(1, (1ul << 32) + e1->eid));
    REFUSED(E_OWNER, acct_pager(2, e2->eid));
    REFUSED(E_OWNER, acct_pager(1, e2->eid));
}

// e2 takes pages until it holds n.
static void hold(u32 n) {
    as(e2);
    while (accts[2].held < n) page();
    as(e1);
}

static void test_revoke(void) {
    start(100);
    (void)page(); // below the child's
    as(e2);
    DONE(acct_pager(2, e2->eid));
    hold(200);
    struct exo_uarea *ua = env_ua(e2);
    memset(ua, 0, sizeof(*ua));
    REFUSED(E_ARG, revoke(2, 0, 5000));
    REFUSED(E_ACCT, revoke(3, 1, 5000));
    REFUSED(E_KIN, revoke(1, 1, 5000));
    as(e2);
    REFUSED(E_KIN, revoke(1, 1, 5000));
    REFUSED(E_KIN, revoke(2, 1, 5000));
    as(e1);
    DONE(revoke(2, 50, 5000));
    expect("the pager hears of it", true,
           ua->pending == PENDING_REVOKE && ua->revoke_n == 50 && ua->revoke_deadline == 5000);
    expect("the target", 150, accts[2].revoke_target);
    as(e2);
    ppn_t kept_page = page(), low = 0, shared = page();
    host_time = 4999;
    for (u32 i = 0; i < 5; i++) tick_work();
    expect("nothing is taken before the deadline", 202, accts[2].held);
    for (u32 i = npages; i-- > 0;)
        if (pages[i].account == 2 && pages[i].type == PAGE_DATA) low = EXO_PPN_BASE + i;
    DONE(set(low, 0, 0, 0, 1));
    DONE(set(shared, 5, 5, 0, 0));
    host_time = 5000;
    REFUSED(E_FIXED, set(kept_page, 0, 0, 0, 1));
    REFUSED(E_FIXED, do_pt_link(r2, 0x400000, 0, kept_page, 0));
    DONE(set(low, 0, 0, 0, 1));
    DONE(do_pt_link(r2, 0x400000, 0, low, 0));
    DONE(unlink(r2, 0x400000, 0));
    expect("what becomes fixed by code or requests is refused, too", false, fix_room(2, 1));
    expect("what is fixed already is not", true, fix_room(2, 0));
    REFUSED(E_RESERVE, alloc(0, 0));
    as(e1);
    ppn_t gift = page();
    REFUSED(E_RESERVE, give(gift, 2));
    u32 parents = accts[1].held;
    expect("steps", true, ticks() < 10);
    expect("nobody else's pages are taken", parents, accts[1].held);
    expect("what is above the target is taken", 150, accts[2].held);
    expect("and counted", 52, (i64)accts[2].repossessed);
    expect("the pager is told", true, ua->pending & PENDING_REPO && ua->repo_count == 52);
    expect("in ppn order, fixed pages spared", true, ua->repo[0] > low && ua->repo[31] > ua->repo[0]);
    expect("the kept page stays", 2, pg(low)->account);
    DONE(give(gift, 2));
    as(e1);
    ua->repo_count = ~0ul;
    DONE(revoke(2, 1000, 0));
    ticks();
    expect("never below the reserve", 100, accts[2].held);
    expect("a wild count harms nobody", true, ua->repo_count == 50);

    hold(150);
    as(e2);
    for (u32 i = 0, at = 0; i < npages; i++)
        if (pages[i].account == 2 && pages[i].type == PAGE_DATA && at < 120)
            (void)do_bind(r2, at++ * EXO_PAGE, EXO_PPN_BASE + i, R | W, 0);
    for (u32 i = 0; i < 60; i++) tlb_use(1, r2, i * EXO_PAGE, PTE_D);
    env_gone(e2);
    as(e1);
    DONE(revoke(2, 50, 5000));
    expect("no pager: only the deadline counts", true, ticks() < 10);
    expect("bound pages are taken, too, and not one too many", 100, accts[2].held);
}

static void test_sweep(void) {
    start_with(RAM_PAGES, 100);
    ppn_t a = page();
    ppn_t far = space((va_t[]){0, 0x200000, 0x400000, 0x600000, 0x800000, 0xa00000}, 6);
    for (u32 i = 0; i < 512; i++) (void)do_bind(far, 0xa00000 + i * EXO_PAGE, a, R, 0);
    for (va_t va = 0; va < 0xa00000; va += 0x200000) (void)do_bind(far, va, a, R, 0);
    DONE(bind(r1, 0x1000, a, R, 0));
    tlb_use(0, r1, 0x1000, 0);
    ppn_t other = page();
    DONE(bind(r1, 0x2000, other, R, 0));
    DONE(release(a));
    u32 n = 0, most = 0;
    for (u32 were = 6, are = 0; work && n < 1000; n++, were = are) {
        tick_work();
        are = 0;
        for (va_t va = 0; va <= 0xa00000; va += 0x200000) are += PTE_PPN(host_walk(far, va, 0)) == a;
        most = were - are > most ? were - are : most;
    }
    expect("a sweep takes several steps", true, n > 1 && n < 20);
    expect("of a few tables each", true, most > 0 && most <= 4);
    expect("and frees the page", PAGE_FREE, pg(a)->type);
    expect("what is not doomed stays", (i64)other, (i64)PTE_PPN(host_walk(r1, 0x2000, 0)));
    expect("with nothing to do there is no work", 0, work);
}

static void test_end(void) {
    start(200);
    struct exo_acct was = accts[1];
    REFUSED(E_ACCT, acct_end(0));
    REFUSED(E_ACCT, acct_end(5));
    REFUSED(E_KIN, acct_end(1));
    as(e2);
    REFUSED(E_KIN, acct_end(1));
    REFUSED(E_KIN, acct_end(2));
    // A grandchild with an environment elsewhere; requests in flight, code, an extent, slots, the console; a
    // page that account 1 binds, and one of account 1's that account 2 binds.
    DONE(acct_new(40, 1, 1, 1));
    accts[3].state = ACCT_RUN;
    this_hart->cur = &(struct exo_env){.account = 3};
    ppn_t r3 = SPACE(0), u3 = page();
    struct exo_env *e3 = env_make(3, r3, u3, 3);
    DONE(acct_new(5, 0, 0, 0));
    as(e1);
    REFUSED(E_KIN, acct_end(3));
    ppn_t mine = page();
    DONE(set(mine, 8, 8, 0, 0));
    as(e2);
    ppn_t shared = page(), code = page(), named = page(), dma = page(), gone = page();
    DONE(set(shared, 7, 7, 0, 0));
    DONE(bind(r2, 0, mine, R | W, 8));
    DONE(bind(r2, 0x1000, shared, R | W, 0));
    DONE(bind(r2, 0x2000, r2, R, 0));
    DONE(bind(r2, 0x3000, e2->uarea, R | W, 0));
    dirty(gone);
    DONE(release(gone));
    expect("code", true, code_make(pg(code), pg(named)));
    expect("a request", true, submit(2, pg(dma)));
    exts[7] = (struct exo_ext){.start = 10, .count = 5, .account = 2};
    ext_caps[7].w = 5;
    accts[2].exts_used = 1;
    slots[130] = (struct exo_slot){e2->eid, 2, {0}};
    words->console = 3;
    as(e1);
    DONE(bind(r1, 0, shared, R | W, 7));
    tlb_use(0, r1, 0, PTE_D);
    eid_t far = e2->eid;
    posts = 0;
    DONE(acct_end(2));
    expect("all below ends, too", true, accts[3].state == ACCT_ENDING && accts[4].state == ACCT_ENDING);
    for (u32 i = 0; i < 20; i++) tick_work();
    expect("each environment is asked once to end", 2, posts);
    REFUSED(E_OWNER, release(shared));
    expect("it waits for environments", true,
           work && accts[3].state == ACCT_ENDING && env_get(far) && pg(r3)->type == PAGE_ROOT);
    this_hart = &harts[1];
    env_gone(e2);
    this_hart = &harts[3];
    env_gone(e3);
    as(e1);
    for (u32 i = 0; i < 20; i++) tick_work();
    expect("the grandchildren are gone", true, accts[3].state == ACCT_FREE && accts[4].state == ACCT_FREE);
    expect("the console went up", 2, (i64)words->console);
    expect("it waits for requests", true, accts[2].state == ACCT_ENDING && pg(r2)->type == PAGE_ROOT);
    expect("and lets no new ones on its extents", 0, (i64)ext_caps[7].w);
    exts[7].requests = 1;
    complete(0);
    for (u32 i = 0; i < 20; i++) tick_work();
    expect("and for those of others on its extents", true, pg(r2)->type == PAGE_ROOT);
    exts[7].requests = 0;
    u32 n = 0;
    while (work && n < 100) {
        tick_work();
        if (check_all()) break;
        n++;
    }
    expect("then it ends", true, n < 20 && accts[2].state == ACCT_FREE);
    expect("all its pages are free", true, pg(shared)->type == PAGE_FREE && pg(r2)->type == PAGE_FREE);
    expect("others' bindings of them are broken", 0, (i64)host_walk(r1, 0, 0));
    expect("what it bound is free of it", 0, pg(mine)->binds);
    expect("everything came back", true,
           accts[1].reserve == was.reserve + 200 && accts[1].envs == was.envs + 4 &&
               accts[1].accts == was.accts + 4 && accts[1].accts_used == 0 && accts[1].exts == was.exts + 4);
    expect("slots, extent and console", true,
           slots[130].account == 1 && !slots[130].eid && exts[7].account == 1 && words->console == 1);
    DONE(acct_new(50, 1, 0, 0));
    accts[2].state = ACCT_RUN;
    this_hart->cur = &(struct exo_env){.account = 2};
    expect("who has its number now", gone, (i64)alloc(gone, 1).val);
    expect("does not see its pages", true, zeroed(gone));
}

// A child that never ran: its page is in a request of its parent's, and its own child holds another.
static void test_end_pinned(void) {
    start(100);
    ppn_t a = page(), b = page();
    as(e2);
    DONE(acct_new(10, 0, 2, 0));
    DONE(do_page_give(page(), 3, 0, 0, 0));
    accts[3].state = ACCT_RUN;
    this_hart->cur = &(struct exo_env){.account = 3};
    DONE(acct_new(2, 0, 0, 0));
    a = page();
    DONE(do_page_give(a, 4, 0, 0, 0));
    DONE(set(a, 9, 9, 0, 0));
    b = page();
    expect("requests", true, submit(4, pg(a)) && submit(3, pg(b)));
    for (u32 i = 0; i < 2; i++) {
        accts[flying[i].account].requests--;
        accts[1].requests++;
        flying[i].account = 1;
    }
    as(e1);
    DONE(bind(r1, 0, a, R, 9));
    as(e2);
    DONE(acct_end(3));
    for (u32 i = 0; i < 40; i++) tick_work();
    expect("the sweeper was there", 0, pg(a)->binds);
    expect("doomed while a request is on it", true,
           pg(a)->type == PAGE_DOOMED && accts[4].state == ACCT_ENDING);
    expect("a parent waits for its children", true, accts[3].state == ACCT_ENDING);
    complete(0);
    expect("the page is free when the request is over", PAGE_FREE, pg(a)->type);
    for (u32 i = 0; i < 40; i++) tick_work();
    expect("then the child is gone", true, accts[4].state == ACCT_FREE && pg(b)->type == PAGE_DOOMED);
    complete(0);
    expect("both are gone", true, ticks() < 20 && accts[3].state == ACCT_FREE && accts[2].accts_used == 0);
}

int main(void) {
    test_new();
    test_set();
    test_pager();
    test_revoke();
    test_sweep();
    test_end();
    test_end_pinned();
    return failures != 0;
}
