// A libOS that behaves as its line of the manifest says, for tests of what user/first.c does about it:
//     die      ends at once
//     keep     takes 40 % of all pages, and gives nothing back
//     give     takes the rest, and gives back what it is asked for
//     judge    wants more when there is none, and tells how it got it
//     squeeze  takes 32 % of all pages, gives them back after a while, and so on
//     rest     takes nothing: what it is promised nobody else can have
//     want     waits until account 2 holds so many pages, and then so many ms; takes so many, and gives them
//              back after so many ms: args=want.HELD.MS.PAGES.MS
//     hostile  takes all it can get, makes calls at random, has the disk read without end, and never gives up
//              the processor
// The first three that live are started in this order, so they are accounts 2, 3 and 4.
#include "rt/rt.h"

#define KEEPER  2
#define GIVER   3
#define SECONDS 60 // of guest time, for the judge

static ppn_t held[0x10000];
static u32 nheld;

void rt_fault(struct exo_uarea *ua) {
    if (str_eq(rt()->first.args, "hostile")) rt_exit();
    print("not ok first.guest: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    rt_power_off(2);
}

static bool take(void) {
    struct exo_ret page = exo_page_alloc(0, 1);
    if (!page.err) held[nheld++] = (ppn_t)page.val;
    return !page.err;
}

static void give_back(void) {
    struct exo_uarea *ua = uarea();
    if (!(__atomic_load_n(&ua->pending, __ATOMIC_SEQ_CST) & PENDING_REVOKE)) return;
    __atomic_fetch_and(&ua->pending, ~(u64)PENDING_REVOKE, __ATOMIC_SEQ_CST);
    for (u64 n = ua->revoke_n; n && nheld; n--) exo_page_free(held[--nheld]);
}

// What is taken by force is taken in the order of page numbers, unless it was said that it must stay.
static void keep_own(void) {
    ppn_t root = EXO_ENVS[self() & EXO_EID_INDEX].root;
    for (va_t va = (va_t)&image; va < (va_t)stack_top; va += EXO_PAGE) {
        struct exo_ret pte = exo_protect(root, va, 0, 0, 0);
        if (!pte.err) exo_page_set(PTE_PPN(pte.val), 0, 0, 0, 1);
    }
}

static u64 keepers(void) { return EXO_WORDS->npages * 40 / 100; }

static void keep(void) {
    while (nheld < keepers() && take()) continue;
    for (;;) rt_yield(0);
}

static void give(void) {
    exo_acct_pager(self_account(), self());
    while (EXO_ACCTS[KEEPER].held < keepers()) rt_yield(0);
    while (take()) continue;
    for (;; rt_yield(0)) give_back();
}

// For a second.
static void rest(void) {
    for (u64 until = exo_time() + EXO_WORDS->timebase; exo_time() < until; rt_yield(0)) give_back();
}

// It answers when it is asked, so nobody may take by force what it has, and the machine ends if someone does.
static void squeeze(void) {
    exo_acct_pager(self_account(), self());
    for (;; rest()) {
        while (nheld < EXO_WORDS->npages * 32 / 100)
            if (!take()) rt_yield(0);
        rest();
        if (EXO_ACCTS[self_account()].repossessed) rt_power_off(3);
        while (nheld) exo_page_free(held[--nheld]);
    }
}

// ---- rest and want ----

// A predicate that is true from the time in r1 on.
static ppn_t time_code(void) {
    static const struct pred_insn from[] = {
        {PRED_BLTU, 0, 4, 1, 2},
        {PRED_LI, 5, 0, 0, 1},
        {PRED_RET, 0, 5, 0, 0},
        {PRED_RET, 0, 0, 0, 0},
    };
    static struct pred_code code __attribute__((aligned(EXO_PAGE)));
    ppn_t root = EXO_ENVS[self() & EXO_EID_INDEX].root, ppn = (ppn_t)exo_page_alloc(0, 0).val;
    va_t at = (va_t)&code; // its page is seen here for a moment
    ppn_t own = PTE_PPN(exo_bind(root, at, ppn, PTE_R | PTE_W, 0).val);
    code.n = sizeof from / sizeof *from;
    memcpy(code.insn, from, sizeof from);
    exo_bind(root, at, own, PTE_R | PTE_W, 0);
    exo_code_load(ppn);
    return ppn;
}

static void sleep_until(u64 time) {
    static ppn_t code;
    if (!code) code = time_code();
    rt_wait(code, time, 0, 0, 0);
}

static u64 number(const char **s) {
    u64 n = 0;
    for (; **s >= '0' && **s <= '9'; ++*s) n = n * 10 + (u64)(**s - '0');
    *s += **s == '.';
    return n;
}

static void want(const char *args) {
    u64 wanted = number(&args), pause = number(&args), n = number(&args), keep = number(&args),
        ms = EXO_WORDS->timebase / 1000;
    while (EXO_ACCTS[2].held < wanted) sleep_until(exo_time() + ms);
    sleep_until(exo_time() + pause * ms);
    while (nheld < n)
        if (!take()) sleep_until(exo_time() + ms);
    sleep_until(exo_time() + keep * ms);
    while (nheld) exo_page_free(held[--nheld]);
    sleep_until(~0ul);
}

static bool begins(const char *s, const char *with) {
    while (*with && *s == *with) s++, with++;
    return !*with;
}

// ---- hostile ----

static u64 state = 1;

static u64 draw(u64 n) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % n;
}

// What a call might be about: its own, another's, or nothing at all.
static u64 argument(void) {
    const volatile struct exo_env *e = &EXO_ENVS[draw(EXO_NENV)];
    u64 any[] = {draw(16),
                 e->eid,
                 e->root,
                 e->uarea,
                 EXO_PPN_BASE + draw(EXO_WORDS->npages),
                 nheld ? held[draw(nheld)] : 0,
                 draw(256) * EXO_PAGE,
                 (va_t)&image,
                 ~0ul,
                 1ul << draw(64)};
    return any[draw(sizeof any / sizeof *any)];
}

// Its extents are not its own to spoil, as another will come after it: so it reads from them only, and leaves
// them whole; two that are joined have one name for good. (All that it could do to them is done to nobody
// else.)
static bool left_out(u64 call, u64 first) {
    return call == EXO_EXT_SPLIT || call == EXO_EXT_JOIN || call == EXO_EXT_SET ||
           (call == EXO_DISK_SUBMIT && (first & 0xff) == DISK_WRITE);
}

static void call_at_random(void) {
    u64 call = EXO_PAGE_ALLOC + draw(EXO_CALLS_END - EXO_PAGE_ALLOC), arg[5];
    for (u32 i = 0; i < 5; i++) arg[i] = argument();
    if (left_out(call, arg[0])) return;
    register u64 a0 __asm__("a0") = arg[0];
    register u64 a1 __asm__("a1") = arg[1];
    register u64 a2 __asm__("a2") = arg[2];
    register u64 a3 __asm__("a3") = arg[3];
    register u64 a4 __asm__("a4") = arg[4];
    register u64 a7 __asm__("a7") = call;
    __asm__ volatile("ecall"
                     : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a7)
                     :
                     : "a5", "a6", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "memory");
}

// As many requests as the kernel takes, each as large as can be.
static void flood_disk(const ppn_t *ppns) {
    for (u32 i = 0; i < EXO_NREQ; i++) {
        exo_disk_done(EXO_REQS[(self_account() - 1) * EXO_NREQ + i].id);
        u32 e = (u32)draw(EXO_WORDS->nexts);
        if (EXO_EXTS[e].account == self_account() && EXO_EXTS[e].count > EXO_REQ_BLOCKS)
            exo_disk_submit(DISK_READ, EXO_REQ_BLOCKS, e, draw(EXO_EXTS[e].count - EXO_REQ_BLOCKS), ppns, 0);
    }
}

static void be_hostile(void) {
    static ppn_t ppns[EXO_REQ_BLOCKS] __attribute__((aligned(64)));
    state = exo_time();
    uarea()->mask = MASK_LIBOS; // slices end by force
    for (u32 i = 0; i < EXO_REQ_BLOCKS; i++) ppns[i] = (ppn_t)exo_page_alloc(0, 0).val;
    for (;;) {
        if (nheld < sizeof held / sizeof *held / 2) take();
        call_at_random();
        if (draw(64) == 0) flood_disk(ppns);
    }
}

static void check(const char *what, bool ok) {
    print("%s first.%s%s", ok ? "ok" : "not ok", what, ok ? "\n" : ": ");
    if (!ok)
        print("giver holds %u (taken %lu), keeper %u (%lu), free %lu\n", EXO_ACCTS[GIVER].held,
              (u64)EXO_ACCTS[GIVER].repossessed, EXO_ACCTS[KEEPER].held, (u64)EXO_ACCTS[KEEPER].repossessed,
              EXO_WORDS->free);
}

// Who has most is the giver, until it has given so much that it is the keeper.
static void judge(void) {
    u64 late = exo_time() + SECONDS * EXO_WORDS->timebase;
    u32 most = 0;
    while (!EXO_ACCTS[KEEPER].repossessed && exo_time() < late) {
        u32 now = EXO_ACCTS[GIVER].held;
        most = now > most ? now : most;
        if (most < keepers() || !take()) rt_yield(0);
    }
    check("asks_who_has_most", most > keepers() && EXO_ACCTS[GIVER].held < most);
    check("takes_nothing_from_who_gives", !EXO_ACCTS[GIVER].repossessed);
    check("takes_from_who_keeps", EXO_ACCTS[KEEPER].repossessed != 0);
    check("lets_it_live", EXO_ACCTS[KEEPER].state == ACCT_RUN && EXO_ACCTS[KEEPER].envs_used == 1);
    print("done\n");
    rt_power_off(0);
}

int main(void);
int main(void) {
    struct first_args *args = &rt()->first;
    first_self(args);
    keep_own();
    if (str_eq(args->args, "rest")) sleep_until(~0ul);
    if (begins(args->args, "want.")) want(args->args + 5);
    while (EXO_ACCTS[1].reserve > EXO_WORDS->npages / 2)
        rt_yield(0); // until all are started it keeps the rest
    if (str_eq(args->args, "give")) give();
    if (str_eq(args->args, "keep")) keep();
    if (str_eq(args->args, "judge")) judge();
    if (str_eq(args->args, "squeeze")) squeeze();
    if (str_eq(args->args, "hostile")) be_hostile();
    return 0;
}
