// Tests of the calls on environments: what each does to the record, the account, root and u-area, at home
// here and elsewhere; each refusal, in order; and that an eid of the past opens nothing.
#define AREA "env"
#include "grade/host/envcheck.h"

#define env_new(hart, root, ppn, va) do_env_new(hart, root, ppn, va, 0)
#define env_ctl(eid, op)             do_env_ctl(eid, op, 0, 0, 0)
#define env_end(eid)                 do_env_end(eid, 0, 0, 0, 0)
#define env_space(eid, root, va)     do_env_space(eid, root, va, 0, 0)
#define env_home(eid, hart)          do_env_home(eid, hart, 0, 0, 0)
#define env_accept(eid, cap)         do_env_accept(eid, cap, 0, 0, 0)

static i64 entered_at(const struct exo_env *e, u32 which) {
    return cur() == e && this_hart->regs.pc == entry_pc(e, which) && this_hart->regs.x[5] == e->uva;
}

static ppn_t keep_page(ppn_t ppn) {
    (void)IN_NAME_OF(pg(ppn)->account, do_page_set(ppn, 0, 0, 0, 1));
    return ppn;
}

// ---- env_new ----

static void test_new(void) {
    boot();
    ppn_t u = page();
    u32 used = accts[1].envs_used, users = pg(r1)->users, fixed = accts[1].fixed;
    u32 i = 0;
    while (envs[i].eid) i++;
    env_caps[i] = 99;
    struct ret r = env_new(3, r1, u, TOP);
    check("env_new", 0, r.err);
    const struct exo_env *e = env_get(r.val);
    check("the first free record", i, e - envs);
    check("is stopped, never run", STOP_NEW, e->state == (ENV_STOPPED | ENV_ARRIVING) ? (i64)e->stop : -1);
    check("where it was asked to be", true,
          e->home == 3 && e->root == r1 && e->uarea == u && e->uva == TOP && e->account == 1);
    check("accepts nobody from elsewhere", 0, (i64)env_caps[i]);
    check("counts in account, root and u-area", true,
          accts[1].envs_used == used + 1 && pg(r1)->users == users + 1 && pg(u)->type == PAGE_UAREA &&
              pg(u)->users == 1 && accts[1].fixed == fixed + 1);
    check("nobody was interrupted", 0, (i64)(ipis[3] + ipis[1]));
    REFUSE(E_BUSY, env_new(0, r1, u, 0));
    REFUSE(E_BUSY, env_new(0, r1, e1->uarea, 0));
    GRANTED(env_end(r.val));
    all_poked();
    check("env_end", 0, (i64)e->eid);
    check("leaves the u-area as it is", true, pg(u)->type == PAGE_UAREA && !pg(u)->users);
    GRANTED(do_bind(r1, 0, u, R | W, 0));
    GRANTED(env_new(0, r1, u, 0));
    check("a u-area is used again, bound or not", 1, pg(u)->users);
}

static void test_new_refused(void) {
    boot();
    ppn_t u = page(), bound = page(), pinned = page(), both = page(), freed = page();
    ppn_t theirs = IN_NAME_OF(2, page()), table = PTE_PPN(*table_entry(r1, 0, 2));
    GRANTED(do_bind(r1, 0, bound, R, 0));
    GRANTED(do_bind(r1, 0x1000, both, R, 0));
    (void)submit(1, pg(pinned));
    (void)submit(1, pg(both));
    GRANTED(do_page_free(freed, 0, 0, 0, 0));
    REFUSE(E_HART, env_new(HARTS, 0, 0, 1));
    REFUSE(E_HART, env_new(~0ul, r1, u, 0));
    REFUSE(E_HART, env_new(1ul << 32, r1, u, 0));
    REFUSE(E_VA, env_new(0, 0, 0, 1));
    REFUSE(E_VA, env_new(0, r1, u, EXO_USER_END));
    REFUSE(E_VA, env_new(0, r1, u, 4095));
    REFUSE(E_VA, env_new(0, r1, u, ~4095ul));
    REFUSE(E_PPN, env_new(0, 0, theirs, 0));
    REFUSE(E_PPN, env_new(0, EXO_PPN_BASE, u, 0));
    REFUSE(E_PPN, env_new(0, (1ul << 32) + r1, u, 0));
    REFUSE(E_PPN, env_new(0, r2, ~0ul, 0));
    REFUSE(E_PPN, env_new(0, r1, EXO_PPN_BASE + npages, 0));
    REFUSE(E_PPN, env_new(0, r1, (1ul << 32) + u, 0));
    REFUSE(E_OWNER, env_new(0, r2, u, 0));
    REFUSE(E_OWNER, env_new(0, r2, theirs, 0));
    REFUSE(E_OWNER, env_new(0, r1, theirs, 0));
    REFUSE(E_OWNER, env_new(0, u, theirs, 0));
    REFUSE(E_TYPE, env_new(0, u, bound, 0));
    REFUSE(E_TYPE, env_new(0, table, u, 0));
    REFUSE(E_TYPE, env_new(0, r1, r1, 0));
    REFUSE(E_TYPE, env_new(0, r1, table, 0));
    REFUSE(E_TYPE, env_new(0, r1, freed, 0));
    REFUSE(E_BOUND, env_new(0, r1, bound, 0));
    REFUSE(E_BOUND, env_new(0, r1, both, 0));
    REFUSE(E_PINNED, env_new(0, r1, pinned, 0));
    accts[1].state = ACCT_ENDING;
    REFUSE(E_BUSY, env_new(0, r1, e1->uarea, 0));
    REFUSE(E_STATE, env_new(0, r1, u, 0));
    accts[1].state = ACCT_RUN;
    complete(0);
    complete(0);
    GRANTED(do_acct_set(2, accts[2].fixed, 1, 0, 0));
    REFUSE(E_FIXED, IN_NAME_OF(2, env_new(0, r2, theirs, 0)));
    GRANTED(do_acct_set(2, accts[2].fixed + 1, 1, 0, 0));
    REFUSE(E_QUOTA, IN_NAME_OF(2, env_new(0, r2, theirs, 0)));
    (void)keep_page(theirs);
    check("a kept page is fixed already", accts[2].reserve, accts[2].fixed);
    REFUSE(E_QUOTA, IN_NAME_OF(2, env_new(0, r2, theirs, 0)));
    GRANTED(do_acct_set(2, accts[2].fixed, 2, 0, 0));
    GRANTED(IN_NAME_OF(2, env_new(0, r2, theirs, 0)));
}

// Every record in use; every one free again; eids that never come twice.
static void test_all(void) {
    boot();
    u32 n = 0;
    for (u32 account = 1; account <= 2; account++) {
        struct ret r;
        while (!(r = IN_NAME_OF(account, env_new(n % HARTS, account == 1 ? r1 : r2, page(), 0))).err) n++;
        check("the quota ends it", E_QUOTA, r.err);
        (void)IN_NAME_OF(account, do_page_free(r.val, 0, 0, 0, 0));
    }
    check("all records", EXO_NENV - 2, n);
    static eid_t seen[EXO_NENV];
    for (u32 i = 0; i < EXO_NENV; i++) seen[i] = envs[i].eid;
    for (u32 i = 0; i < EXO_NENV; i++)
        if (&envs[i] != e1 && &envs[i] != e2) (void)IN_NAME_OF(envs[i].account, env_end(envs[i].eid));
    all_poked();
    check("all ended", 2, accts[1].envs_used + accts[2].envs_used);
    u32 again = 0, index = 0;
    for (u32 i = 0; i < EXO_NENV - 40; i++) {
        struct exo_env *e = env_on(1, r1, 0);
        index += (e->eid & EXO_EID_INDEX) != (u32)(e - envs);
        again += seen[e - envs] == e->eid;
    }
    check("the same records", 0, index);
    check("other eids", 0, again);

    struct exo_env *e = env_on(1, r1, 0);
    GRANTED(env_end(e->eid));
    generations[e - envs] = EID_GENERATIONS - 2;
    e = env_on(1, r1, 0);
    check("the last generation", EID_GENERATIONS - 1, e->eid >> 7);
    GRANTED(env_end(e->eid));
    e = env_on(1, r1, 0);
    check("and round, never 0", 1, e->eid >> 7);
}

// ---- what no longer exists ----

static ppn_t a_code;

static u32 opens(u64 eid) {
    u32 n = 0;
    n += env_ctl(eid, ENV_RUN).err != E_EID;
    n += env_ctl(eid, ENV_STOP).err != E_EID;
    n += env_ctl(eid, ENV_RECALL).err != E_EID;
    n += env_end(eid).err != E_EID;
    n += env_space(eid, r1, 0).err != E_EID;
    n += env_home(eid, 0).err != E_EID;
    n += env_accept(eid, 5).err != E_EID;
    n += call(eid) != E_EID;
    n += sends(eid) != E_EID;
    if (!eid) return n; // nobody, for those below
    n += do_slot_set(0, 0, eid, 0, 0).err != E_EID;
    n += do_acct_pager(1, eid, 0, 0, 0).err != E_EID;
    n += yield(eid) != E_EID;
    n += ecall(EXO_WAIT, a_code, 0, 0, 0, eid) != E_EID;
    return n;
}

static void nobody_at(const char *name, u64 eid) {
    keep_all();
    struct regs regs = this_hart->regs;
    u32 n = opens(eid);
    this_hart->regs = regs;
    check(name, 0, nothing_changed() ? n : 100);
}

static void test_stale(void) {
    boot();
    a_code = page();
    (void)code_make(pg(a_code), pg(page()));
    struct exo_env *e = env_on(1, r1, 0);
    eid_t old = e->eid;
    GRANTED(env_end(old));
    nobody_at("an eid that ended", old);
    check("the record is used again", e - envs, env_on(1, r1, 0) - envs);
    nobody_at("its successor is not opened by it", old);
    nobody_at("nor by the next generation", (u64)old + 256);
    nobody_at("0", 0);
    nobody_at("a bare index", e->eid & EXO_EID_INDEX);
    nobody_at("a record past the last", EXO_NENV);
    nobody_at("a record past the last, with a generation", 1 << 7 | EXO_NENV);
    nobody_at("the last index", 1 << 7 | EXO_EID_INDEX);
    nobody_at("more than 32 bits", (1ul << 32) + e->eid);
    nobody_at("all ones", ~0ul);
}

// ---- env_ctl ----

static void test_run_stop(void) {
    boot();
    struct exo_env *e = env_get(env_new(0, r1, page(), 0x5000).val), *far = env_on(1, r1, 3);
    entries_init(e);
    REFUSE(E_ARG, env_ctl(0, 3));
    REFUSE(E_ARG, env_ctl(e->eid, ~0ul));
    REFUSE(E_ARG, env_ctl(e->eid, (1ul << 32) + ENV_RUN));
    REFUSE(E_OWNER, env_ctl(e2->eid, ENV_RECALL));
    REFUSE(E_STATE, env_ctl(e1->eid, ENV_RUN));
    REFUSE(E_STATE, env_ctl(far->eid, ENV_RUN));
    REFUSE(E_STATE, env_ctl(e->eid, ENV_RECALL));
    GRANTED(env_ctl(e->eid, ENV_RUN));
    check("run", ENV_ARRIVING, e->state);
    (void)yield(e->eid);
    check("at its PROLOGUE", true, entered_at(e, 2));
    u64 stops = words->stops;
    GRANTED(env_ctl(e1->eid, ENV_STOP));
    check("stop", STOP_CTL, e1->state == ENV_STOPPED ? (i64)e1->stop : -1);
    check("is counted", (i64)stops + 1, (i64)words->stops);
    GRANTED(env_ctl(e1->eid, ENV_STOP));
    check("once", (i64)stops + 1, (i64)words->stops);
    check("not entered", E_STATE, yield(e1->eid));
    GRANTED(env_ctl(e1->eid, ENV_RUN));
    check("until run", 0, (i64)(yield(e1->eid), !entered_at(e1, 2)));

    fill(0, 9, e);
    regs_mark(0x7000);
    (void)ecall(EXO_ENV_CTL, e1->eid, ENV_STOP, 0, 0, 0);
    check("who stops itself is left", true, entered_at(e, 2) && e1->state == ENV_STOPPED);
    check("with no frame", 0, (i64)(env_ua(e1)->pending | env_ua(e1)->mask));
    GRANTED(env_ctl(e1->eid, ENV_RUN));

    as(e2);
    check("another account's", E_OWNER, ecall(EXO_ENV_CTL, e->eid, ENV_STOP, 0, 0, 0));
    check("account 1 elsewhere", 0, IN_NAME_OF(1, env_ctl(e->eid, ENV_STOP)).err);
    check("it runs until its hart hears", ENV_RUNNING, e->state);
    on(0);
    regs_mark(0x9000);
    csr_set(sstatus, SSTATUS_FS);
    f_regs[0][7] = 77;
    poked(0);
    check("and then no more", ENV_STOPPED, e->state);
    check("the forced frame is in use", 0x10000, (i64)env_ua(e)->mask);
    check("and pending", PENDING_FORCED, (i64)env_ua(e)->pending);
    f_regs[0][7] = 0;
    GRANTED(env_ctl(e->eid, ENV_RUN));
    as(e1);
    (void)yield(e->eid);
    check("it comes back at its PROLOGUE", true, entered_at(e, 2));
    (void)ecall(EXO_RESUME, FRAME_FORCED, 0, 0, 0, 0);
    check("resume(FORCED) gives all registers back", 0, regs_differ(0x9000));
    check("those of floating point, too", 77, (i64)f_regs[0][7]);
    check("the frame is free", 0, (i64)(env_ua(e)->mask | env_ua(e)->pending));

    env_ua(e)->pending = PENDING_FORCED;
    env_ua(e)->forced.pc = 0x1234;
    on(1);
    (void)IN_NAME_OF(1, env_ctl(e->eid, ENV_STOP));
    poked(0);
    check("a forced frame in use is not written", 0x1234,
          e->state == ENV_STOPPED ? (i64)env_ua(e)->forced.pc : -1);
}

static void test_double_fault(void) {
    boot();
    struct exo_env *other = env_on(1, r1, 0);
    fill(0, 3, other);
    u64 stops = words->stops;
    regs_mark(0x7000);
    trap(13);
    check("a fault is an upcall", true, entered_at(e1, 0));
    regs_mark(0x8000);
    host_stval = 0xbad;
    trap(15);
    check("a second one stops it", STOP_DOUBLE, e1->state == ENV_STOPPED ? (i64)e1->stop : -1);
    check("its record says where", true,
          e1->stop_cause == 15 && e1->stop_tval == 0xbad && e1->stop_pc == 0x8000);
    check("the first one's frame stays", 0x7000, (i64)env_ua(e1)->fault.epc);
    check("waiters for stops hear of it", (i64)stops + 1, (i64)words->stops);
    check("the next slot runs", true, entered_at(other, 2));
}

// ---- env_end ----

static void test_end(void) {
    boot();
    struct exo_env *e = env_on(1, r1, 0), *f = env_on(1, r1, 0);
    eid_t eid = e->eid;
    fill(0, 4, e);
    fill(0, 5, f);
    REFUSE(E_OWNER, env_end(e2->eid));
    REFUSE(E_OWNER, IN_NAME_OF(2, env_end(eid)));
    GRANTED(do_acct_pager(1, eid, 0, 0, 0));
    (void)yield(0);
    (void)ecall(EXO_FP, 1, 0, 0, 0, 0);
    check("f registers are its", eid, this_hart->fp_owner);
    u64 stops = words->stops;
    (void)ecall(EXO_ENV_END, eid, 0, 0, 0, 0);
    check("who ends itself is left", true, entered_at(f, 2));
    check("the record is free", ENV_FREE, e->eid ? -1 : e->state);
    check("it is pager no more", 0, accts[1].pager);
    check("waiters for stops hear of it", (i64)stops + 1, (i64)words->stops);
    check("f registers are nobody's", 0, this_hart->fp_owner);
    check("its slot stays", eid, slots[4].eid);
    GRANTED(do_page_free(e->uarea, 0, 0, 0, 0));
    as(e2);
    (void)IN_NAME_OF(1, env_end(f->eid));
    check("elsewhere: as soon as its hart hears", true, f->eid && harts[0].cur == f);
    poked(0);
    check("the next slot runs", true, entered_at(e1, 2));
    (void)ecall(EXO_ENV_END, e1->eid, 0, 0, 0, 0);
    check("the last of a hart: it sleeps", true, !cur() && harts[0].idle);
    check("its root is in no use", 2, pg(r1)->users);
}

// ---- env_space ----

static i64 unlink_root_of(ppn_t root) { return IN_NAME_OF(1, do_pt_unlink(root, 0, 2, 0, 0)).err; }

static ppn_t bare_root(void) {
    ppn_t root = page();
    (void)do_pt_link(root, 0, 2, root, 0);
    return root;
}

static u32 stale(u32 hart, ppn_t root) {
    u32 n = 0;
    for (u32 i = 0; i < TLB; i++) n += tlb[hart][i].pte && tlb[hart][i].asid == pg(root)->asid;
    return n;
}

// As if this hart had used the address space when it was last here.
static void stain(u32 hart, ppn_t root) {
    tlb[hart][3] = (struct tlb){.pte = PTE_V, .va = 0x3000, .asid = pg(root)->asid};
}

static void test_space(void) {
    boot();
    ppn_t a = bare_root(), b = bare_root(), c = bare_root(), u = page();
    struct exo_env *e = env_on(1, a, 0), *far = env_on(1, a, 3);
    REFUSE(E_VA, env_space(0, 0, 1));
    REFUSE(E_VA, env_space(e->eid, b, EXO_USER_END));
    REFUSE(E_EID, env_space(e->eid + 128, 0, 0));
    REFUSE(E_PPN, env_space(e2->eid, 0, 0));
    REFUSE(E_PPN, env_space(e->eid, (1ul << 32) + b, 0));
    REFUSE(E_OWNER, env_space(e2->eid, u, 0));
    REFUSE(E_OWNER, env_space(e2->eid, r2, 0));
    REFUSE(E_OWNER, env_space(e->eid, r2, 0));
    REFUSE(E_TYPE, env_space(e->eid, u, 0));
    REFUSE(E_TYPE, env_space(e->eid, e->uarea, 0));
    (void)yield(e->eid);
    (void)yield(e1->eid);
    GRANTED(env_space(e->eid, b, TOP));
    check("moved", true, e->root == b && e->uva == TOP && pg(b)->users == 1 && pg(a)->users == 1);
    stain(0, b);
    (void)yield(e->eid);
    check("its first entry there flushes", 0, stale(0, b));
    check("t0 is the new u-area", true, entered_at(e, 2));

    stain(0, c);
    check("exec: its own", 0, ecall(EXO_ENV_SPACE, e->eid, c, 0x8000, 0, 0));
    check("is in force at once", (i64)root_satp(c), (i64)host_satp);
    check("flushed", 0, stale(0, c));
    check("the u-area, too", 0x8000, (i64)this_hart->uva);
    check("the old one is free", 0, unlink_root_of(b));
    check("itself again: nothing but the va", 0, ecall(EXO_ENV_SPACE, e->eid, c, 0x9000, 0, 0));
    check("still used once", 1, pg(c)->users);

    b = bare_root();
    GRANTED(env_space(far->eid, b, 0));
    check("elsewhere: not yet", a, far->root);
    check("the new root is in use from now on", E_BUSY, unlink_root_of(b));
    check("and the old one until then", E_BUSY, unlink_root_of(a));
    GRANTED(env_space(far->eid, c, 0x4000));
    check("asked again, the first is let go", 0, unlink_root_of(b));
    all_poked();
    check("moved when its hart heard", true, far->root == c && far->uva == 0x4000);
    check("the old root is free", 0, unlink_root_of(a));

    a = bare_root();
    GRANTED(env_space(far->eid, a, 0));
    GRANTED(env_end(far->eid));
    all_poked();
    check("asked and ended: neither root is in use", 0, unlink_root_of(a) + 10 * (pg(c)->users != 1));
}

// ---- env_accept, and whose environment it is ----

static void test_owner(void) {
    boot();
    struct exo_env *e = env_on(1, r1, 3);
    REFUSE(E_EID, env_accept(e->eid + 128, 5));
    REFUSE(E_OWNER, env_accept(e2->eid, 5));
    GRANTED(env_accept(e->eid, ~0ul));
    check("accept", -1, (i64)env_caps[e - envs]);
    GRANTED(env_accept(e->eid, 0));
    check("nobody again", 0, (i64)env_caps[e - envs]);

    u32 n = (u32)do_acct_new(60, 3, 0, 0, 0).val;
    ppn_t root = IN_NAME_OF(n, SPACE(0)), u = IN_NAME_OF(n, page()), second = IN_NAME_OF(n, SPACE(0));
    REFUSE(E_OWNER, IN_NAME_OF(2, env_new(0, root, u, 0)));
    struct ret r = env_new(0, root, u, 0);
    check("a parent makes its child's first environment", 0, r.err);
    eid_t child = env_get(r.val)->eid;
    check("which is the child's", n, env_get(child)->account);
    REFUSE(E_OWNER, env_space(child, r1, 0));
    REFUSE(E_OWNER, env_space(e1->eid, root, 0));
    GRANTED(env_space(child, second, 0));
    GRANTED(env_home(child, 3));
    all_poked();
    GRANTED(env_accept(child, 9));
    GRANTED(env_ctl(child, ENV_STOP));
    check("not run yet", ACCT_NEW, accts[n].state);
    GRANTED(env_ctl(child, ENV_RUN));
    check("run", ACCT_RUN, accts[n].state);
    REFUSE(E_OWNER, env_ctl(child, ENV_STOP));
    REFUSE(E_OWNER, env_end(child));
    REFUSE(E_OWNER, env_home(child, 0));
    REFUSE(E_OWNER, env_space(child, root, 0));
    REFUSE(E_OWNER, env_accept(child, 0));
    GRANTED(do_acct_end(n, 0, 0, 0, 0));
    all_poked();
    check("it ends with its account", true, !env_get(child) && accts[n].envs_used == 0);
    for (u32 i = 0; i < 50 && work; i++) tick_work();
    check("which is gone then", ACCT_FREE, accts[n].state);
}

int main(void) {
    test_new();
    test_new_refused();
    test_all();
    test_stale();
    test_run_stop();
    test_double_fault();
    test_end();
    test_space();
    test_owner();
    return failures != 0;
}
