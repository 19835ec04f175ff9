// Races: several harts at the same thing for many rounds. What is checked holds whoever comes first, and
// however long the host lets a hart wait.
#include "kt.h"

#define FAR ((va_t)5 << 30) // nothing is linked there, nor up to EXO_NHART GiB above

static void park(u64 unused) {
    (void)unused;
    for (;;) rt_yield(0);
}

static u64 draw(u64 *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

static u64 seed_of(u64 who) { return (who + 1) * 0x9e3779b97f4a7c15; }

// ---- teams ----

// An environment on each hart, main among them as number 0, that do rounds together.
static struct peer team[EXO_NHART];
static struct space spaces[EXO_NHART]; // each in one of its own, if there are any
static u32 team_size;
static ppn_t changed; // predicate: the word of `sh` at w1 is not w0
static void (*team_fn)(u64 i, u64 round);

#define MET   sh->w[200] // how many have come to the meeting
#define TURN  sh->w[201] // meetings so far
#define ALONE sh->w[202] // one did not come: nobody waits any more

// Waits until the word is no longer `was`: a moment awake, then asleep.
static bool wait_change(volatile u64 *word, u64 was) {
    u64 late = exo_time() + 20000 * kt_ms;
    for (u32 i = 0; i < 500; i++)
        if (*word != was) return true;
    while (*word == was && exo_time() < late) rt_wait(changed, was, (u64)word & (EXO_PAGE - 1), 0, 0);
    return TRUE(*word != was);
}

static bool meet(void) {
    u64 turn = TURN;
    if (__atomic_add_fetch(&MET, 1, __ATOMIC_SEQ_CST) == team_size) {
        MET = 0;
        __atomic_store_n(&TURN, turn + 1, __ATOMIC_SEQ_CST);
        for (u32 h = 0; h < EXO_WORDS->nharts; h++) exo_poke(h);
    } else if (!ALONE && !wait_change(&TURN, turn)) {
        ALONE = 1;
    }
    return !ALONE;
}

static void member(u64 i) {
    for (u64 round = 0; meet(); round++) {
        team_fn(i, round);
        meet();
    }
    park(0);
}

static bool changed_new(void) {
    static const struct pred_insn insn[] = {
        {PRED_LD, 5, 1, 2, 0}, {PRED_SUB, 5, 5, 1, 0}, {PRED_RET, 0, 5, 0, 0}};
    ppn_t own = PTE_PPN(pte_at(kt_root, WIN));
    changed = code_new(insn, 3, &own, 1);
    return changed != 0;
}

// Each round: before(round), then fn(i, round) on every hart at once, then after(round). Up to so many
// rounds, fewer where the host makes them long.
static void race(u64 rounds, bool (*before)(u64), void (*fn)(u64, u64), void (*after)(u64)) {
    u32 harts = (u32)EXO_WORDS->nharts;
    u64 enough = exo_time() + 1500 * kt_ms;
    team_fn = fn;
    team_size = harts;
    bool ok = changed_new();
    for (u32 h = 1; ok && h < harts; h++)
        ok = peer_new(&team[h], spaces[h].root, h, member, h) && peer_start(&team[h]);
    for (u64 round = 0; ok && round < rounds; round++) {
        kt_with = round;
        if (!before(round) || !meet()) break;
        fn(0, round);
        if (!meet()) break;
        after(round);
        if (round >= 5 && exo_time() > enough) break;
    }
    kt_with = 0;
    ALONE = 1;
    for (u32 h = 1; h < harts; h++)
        if (team[h].eid) peer_end(&team[h]);
    code_end(changed);
}

// ---- one of several ----

static ppn_t page, shared; // shared: that of `sh`
static va_t place[EXO_NHART];
static u64 result[EXO_NHART];

static bool bind_all(u64 round) {
    page = page_new();
    for (u32 h = 0; h < team_size; h++)
        if (!CHECK(rt_map(kt_root, place[round % 3 == 2 ? 0 : h], page, RW), 0)) return false;
    return true;
}

static void drop_one(u64 i, u64 round) {
    struct exo_ret r;
    if (round % 3 == 1) // a binding over it
        r = exo_bind(kt_root, place[i], shared, PTE_R, 0);
    else
        r = exo_unbind(kt_root, place[round % 3 ? 0 : i], 0);
    result[i] = r.err ? 99 : r.val2;
}

// The values seen are each of n-1..0 once; of those who dropped the same binding one sees it.
static void dropped(u64 round) {
    u64 seen = 0, none = 0;
    for (u32 h = 0; h < team_size; h++) {
        if (result[h] < team_size) seen |= 1 << result[h];
        none += result[h] == ~0ul;
    }
    if (round % 3 == 2) {
        CHECK(seen, 1);
        CHECK(none, team_size - 1);
    } else {
        CHECK(seen, (1 << team_size) - 1);
    }
    CHECK(page_of(page)->binds, 0);
    page_end(page);
    for (u32 h = 0; round % 3 == 1 && h < team_size; h++) exo_unbind(kt_root, place[h], 0);
}

// Siblings drop bindings of one page, each its own, or all the same one: exactly one sees 0.
static void one_sees_zero(void) {
    shared = PTE_PPN(pte_at(kt_root, WIN));
    u32 binds = page_of(shared)->binds;
    for (u32 h = 0; h < EXO_NHART; h++) place[h] = (va_t)win_new();
    race(300, bind_all, drop_one, dropped);
    for (u32 h = 0; h < EXO_NHART; h++) win_end((void *)place[h]);
    CHECK(page_of(shared)->binds, binds);
}

static u64 users_before;

static bool storm_page(u64 round) {
    (void)round;
    page = page_new();
    users_before = page_of(spaces[1].win)->users;
    return page;
}

static void bind_unbind(u64 i, u64 round) {
    ppn_t root = my_root();
    (void)round;
    for (u32 n = 0; n < 100; n++) {
        struct exo_ret b = exo_bind(root, place[i], page, RW, 0), u = exo_unbind(root, place[i], 0);
        if (b.err || u.err || b.val2 != ~0ul || PTE_PPN(u.val) != page || u.val2 >= team_size)
            CHECK(u.val2, 0);
    }
    CHECK(rt_map(root, place[i], page, PTE_R), 0);
}

static void all_bound(u64 round) {
    (void)round;
    CHECK(page_of(page)->binds, team_size);
    CHECK(page_of(spaces[1].win)->users, users_before + 1);
    for (u32 h = 0; h < team_size; h++)
        CHECK(exo_unbind(h ? spaces[h].root : kt_root, place[h], 0).val2, team_size - 1 - h);
    page_end(page);
}

// Each in a space of its own, where the kernel's quickest ways are open: bindings of one page, counted over
// all of them.
static void bind_storm(void) {
    bool ok = true;
    for (u32 h = 0; h < EXO_NHART; h++) place[h] = (va_t)win_new();
    for (u32 h = 1; ok && h < EXO_WORDS->nharts; h++) ok = space_new(&spaces[h]);
    if (ok) race(50, storm_page, bind_unbind, all_bound);
    for (u32 h = 0; h < EXO_NHART; h++) {
        win_end((void *)place[h]);
        space_end(&spaces[h]);
    }
}

enum { FREE, ALLOC, TABLE, ROOT, CODE, ENV, GIVE, THINGS };
static u32 heir;

static bool thing_new(u64 round) {
    page = page_new();
    if (round % THINGS == ALLOC) page_end(page);
    if (round % THINGS == CODE) {
        struct pred_code *c = map(page, RW);
        *c = (struct pred_code){.n = 1, .insn = {{PRED_RET, 0, 0, 0, 0}}};
        win_end(c);
    }
    return page;
}

static void take_it(u64 i, u64 round) {
    struct exo_ret r = {0};
    switch (round % THINGS) {
    case FREE: r.err = exo_page_free(page); break;
    case ALLOC: r = exo_page_alloc(page, 0); break;
    case TABLE: r.err = exo_pt_link(kt_root, FAR + (i << 30), 1, page); break;
    case ROOT: r.err = exo_pt_link(page, 0, 2, page); break;
    case CODE: r.err = exo_code_load(page); break;
    case ENV: r = exo_env_new(i, kt_root, page, UA_TOP - 64 * EXO_PAGE); break;
    default: r.err = exo_page_give(page, heir);
    }
    result[i] = r.err ? (u64)r.err : r.val;
}

static void taken(u64 round) {
    static const i64 errors[] = {E_TYPE, E_TYPE, E_TYPE, E_TYPE, E_TYPE, E_BUSY, E_KIN};
    u32 winner = EXO_NHART, winners = 0, thing = round % THINGS;
    for (u32 h = 0; h < team_size; h++)
        if ((i64)result[h] >= 0)
            winner = h, winners++;
        else
            CHECK(result[h], errors[thing]);
    if (!CHECK(winners, 1)) return;
    if (thing == TABLE) CHECK(exo_pt_unlink(kt_root, FAR + ((va_t)winner << 30), 1).val, page);
    if (thing == ROOT) CHECK(exo_pt_unlink(page, 0, 2).err, 0);
    if (thing == CODE) CHECK(exo_code_drop(page), 0);
    if (thing == ENV && CHECK(exo_env_end(result[winner]), 0)) WAIT(!env_lives((eid_t)result[winner]));
    if (thing == GIVE)
        CHECK(exo_page_free(page), 0); // the heir has not run yet
    else if (thing != FREE)
        page_end(page);
}

// All want the same thing: one gets it, the others hear that it is gone.
static void one_gets_it(void) {
    struct exo_ret r = exo_acct_new(4, 0, 0, 0);
    heir = (u32)r.val;
    if (!CHECK(r.err, 0)) return;
    race(20 * THINGS, thing_new, take_it, taken);
    CHECK(exo_acct_end(heir), 0);
    acct_gone(heir);
}

// ---- pages ----

#define HOLD 24

static void storm(u64 i, u64 round) {
    ppn_t have[HOLD];
    u32 n = 0;
    u64 seed = seed_of(i * 1000 + round);
    for (u32 step = 0; step < 400; step++) {
        u64 r = draw(&seed), tag = i << 32 | step << 8 | round;
        if (n < HOLD && (r & 1)) {
            struct exo_ret a = exo_page_alloc(r & 2 ? EXO_WORDS->free_head : 0, r >> 2 & 1);
            if (a.err && CHECK(a.err, E_TYPE)) // the head was another's by then
                continue;
            have[n] = (ppn_t)a.val;
            CHECK(exo_page_set(have[n], 0, 0, tag, r >> 3 & 1), 0);
            CHECK(page_of(have[n++])->tag, tag);
        } else if (n) {
            u32 at = (u32)(r >> 8) % n;
            CHECK(page_of(have[at])->tag >> 32, i);
            CHECK(exo_page_free(have[at]), 0);
            have[at] = have[--n];
        }
    }
    while (n) CHECK(exo_page_free(have[--n]), 0);
}

static u64 free_before;
static u32 held_before, fixed_before;

static bool note_counts(u64 round) {
    (void)round;
    free_before = EXO_WORDS->free;
    held_before = EXO_ACCTS[1].held;
    fixed_before = EXO_ACCTS[1].fixed;
    return true;
}

static void same_counts(u64 round) {
    (void)round;
    CHECK(EXO_WORDS->free, free_before);
    CHECK(EXO_ACCTS[1].held, held_before);
    CHECK(EXO_ACCTS[1].fixed, fixed_before);
}

// Allocated, kept and freed on all harts at once: no page has two owners, and the counts and the list are
// right.
static void page_storm(void) {
    race(5, note_counts, storm, same_counts);
    u64 n = 0;
    ppn_t prev = 0;
    for (ppn_t p = (ppn_t)EXO_WORDS->free_head; p && n <= EXO_WORDS->npages;
         prev = p, p = page_of(p)->next, n++)
        if (page_of(p)->type != PAGE_FREE || page_of(p)->prev != prev) CHECK(p, 0);
    CHECK(n, EXO_WORDS->free);
}

// ---- code ----

static bool new_code(u64 round) {
    if (!round) {
        page = page_new();
        place[0] = (va_t)map(page, RW);
        place[1] = (va_t)win_new();
    }
    u32 *w = (u32 *)place[0];
    w[0] = 0x00000513 | (u32)(round + 1) << 20; // li a0, round + 1
    w[1] = 0x8067;                              // ret
    return CHECK(rt_map(kt_root, place[1], page, PTE_R | PTE_X), 0);
}

static void run_code(u64 i, u64 round) {
    (void)round;
    result[i] = ((u64(*)(void))place[1])();
}

static void ran_code(u64 round) {
    for (u32 h = 0; h < team_size; h++) CHECK(result[h], round + 1);
    exo_unbind(kt_root, place[1], 0);
}

// Changed by one hart, bound anew, run by all.
static void fence_i(void) {
    race(200, new_code, run_code, ran_code);
    win_end((void *)place[0]);
    win_end((void *)place[1]);
    page_end(page);
}

// ---- environments ----

// A slot on every hart, or none anywhere.
static void slots_everywhere(eid_t eid, bool on) {
    for (u32 h = 0; h < EXO_WORDS->nharts; h++) {
        if (on) CHECK(exo_slot_set(h, free_slot(h), eid), 0);
        for (u32 s = 0; !on && s < EXO_NSLOT; s++)
            if (EXO_SLOTS[h * EXO_NSLOT + s].eid == eid) CHECK(exo_slot_set(h, s, 0), 0);
    }
}

#define NPAGES 8

// Goes from hart to hart. What it reads at `place` is never older than what was bound there before it looked.
static void traveller(u64 i) {
    u64 seed = seed_of(i);
    for (;;) {
        u64 r = draw(&seed);
        if (r % 16 == 0) CHECK(exo_env_home(self(), (r >> 8) % EXO_WORDS->nharts), 0);
        if (r % 64 < 5) rt_yield(0);
        u64 least = sh->w[0], v = *(volatile u64 *)place[0];
        if (v < least) CHECK(v, least);
        sh->w[10 + i]++;
    }
}

static void travel(void) {
    struct peer p[3];
    ppn_t ppn[NPAGES];
    volatile u64 *w[NPAGES];
    u64 enough = exo_time() + 1500 * kt_ms, seed = 5;
    for (u32 i = 0; i < NPAGES; i++) {
        ppn[i] = page_new();
        w[i] = map(ppn[i], RW);
    }
    place[0] = (va_t)map(ppn[0], PTE_R);
    for (u32 i = 0; i < 3; i++) {
        if (!peer_new(&p[i], 0, i % EXO_WORDS->nharts, traveller, i)) return;
        slots_everywhere(p[i].eid, true);
        CHECK(exo_env_ctl(p[i].eid, ENV_RUN), 0);
    }
    for (u64 n = 1; n < 2000 && (n < 50 || exo_time() < enough); n++) {
        *w[n % NPAGES] = n;
        CHECK(rt_map(kt_root, place[0], ppn[n % NPAGES], PTE_R), 0);
        sh->w[0] = n;
        u64 r = draw(&seed);
        if (r % 8 == 0) CHECK(exo_env_home(p[r >> 8 & 1].eid, (r >> 16) % EXO_WORDS->nharts), 0);
        if (r % 32 == 1) rt_yield(0);
    }
    for (u32 i = 0; i < 3; i++) {
        u64 before = sh->w[10 + i];
        WAIT(sh->w[10 + i] > before + 100);
        slots_everywhere(p[i].eid, false);
        peer_end(&p[i]);
    }
    win_end((void *)place[0]);
    for (u32 i = 0; i < NPAGES; i++) {
        win_end((void *)w[i]);
        page_end(ppn[i]);
    }
}

static struct peer victim[3];

static void holder(u64 i) {
    sh->w[20 + i] = 1 + hold_regs(&sh->w[10]);
    park(0);
}

static bool nothing(u64 round) {
    (void)round;
    return true;
}

static void control(u64 i, u64 round) {
    u64 seed = seed_of(i * 100 + round);
    for (u32 step = 0; step < 60; step++) {
        u64 r = draw(&seed);
        eid_t eid = victim[r % 3].eid;
        i64 err = 0;
        switch (r >> 8 & 7) {
        case 0:
        case 1:
        case 2: err = exo_env_ctl(eid, ENV_STOP); break;
        case 3:
        case 4:
        case 5:
            err = exo_env_ctl(eid, ENV_RUN);
            err = err == E_STATE ? 0 : err;
            break;
        case 6: err = exo_env_home(eid, (r >> 16) % EXO_WORDS->nharts); break;
        default: spin(kt_ms / 50);
        }
        CHECK(err, 0);
    }
}

static void all_run(u64 round) {
    (void)round;
    for (u32 i = 0; i < 3; i++) {
        const volatile struct exo_env *e = env_of(victim[i].eid);
        u64 slices = e->slices;
        exo_env_ctl(victim[i].eid, ENV_RUN);
        WAIT_MS(e->slices > slices + 1, 20000);
    }
}

// Stopped, set running and moved from all harts at any moment, they keep every register.
static void control_storm(void) {
    for (u32 i = 0; i < 3; i++) {
        if (!peer_new(&victim[i], 0, i % EXO_WORDS->nharts, holder, i)) return;
        slots_everywhere(victim[i].eid, true);
        CHECK(exo_env_ctl(victim[i].eid, ENV_RUN), 0);
    }
    race(20, nothing, control, all_run);
    sh->w[10] = 1;
    for (u32 i = 0; i < 3; i++) {
        WAIT(sh->w[20 + i]);
        CHECK(sh->w[20 + i], 1);
        slots_everywhere(victim[i].eid, false);
        peer_end(&victim[i]);
    }
}

static void busy(u64 unused) {
    (void)unused;
    for (;;)
        for (u32 i = 0; i < 1000; i++)
            if (i % 100 == 0) exo_null();
}

static bool victim_new(u64 round) { return peer_go(&victim[0], round % EXO_WORDS->nharts, busy, 0); }

static void kill(u64 i, u64 round) {
    u64 seed = seed_of(i * 1000 + round), n = draw(&seed) % 6;
    eid_t eid = victim[0].eid;
    spin(draw(&seed) % (kt_ms / 10));
    for (u32 step = 0; step <= n; step++) {
        u64 r = draw(&seed) % 8;
        i64 err = step == n ? exo_env_end(eid)
                  : r < 2   ? exo_env_ctl(eid, ENV_STOP)
                  : r < 4   ? exo_env_ctl(eid, ENV_RUN)
                  : r < 5   ? exo_env_home(eid, draw(&seed) % EXO_WORDS->nharts)
                  : r < 6   ? exo_env_space(eid, kt_root, (va_t)victim[0].ua)
                  : r < 7   ? exo_env_accept(eid, r)
                            : rt_yield(eid);
        TRUE(err == 0 || err == E_EID || (r < 4 && err == E_STATE) || r >= 7);
    }
}

static void victim_gone(u64 round) {
    (void)round;
    WAIT(!env_lives(victim[0].eid));
    peer_end(&victim[0]);
}

// Ended from all harts, amid all else that one can ask of it.
static void end_storm(void) {
    u32 users = page_of(kt_root)->users;
    race(100, victim_new, kill, victim_gone);
    CHECK(page_of(kt_root)->users, users);
}

// ---- calls ----

static struct peer server[EXO_NHART], client[EXO_NHART];

static void serve(u64 *msg, eid_t from) {
    u64 seed = msg[0] | 1;
    (void)from;
    for (volatile u64 n = draw(&seed) % 2000; n; n--)
        ;
    msg[0] = msg[0] * 2 + 1;
}

static bool server_new(u32 hart) {
    struct peer *s = &server[hart];
    if (!peer_new(s, 0, hart, park, 0)) return false;
    rt_of(s->ua)->on_call = serve;
    rt_of(s->ua)->call_stack = (va_t)s->stack + EXO_PAGE;
    return peer_start(s);
}

// w: [10 + i] its calls, [20 + i] those that were answered, [30 + i] it has seen that it shall end
static void caller(u64 i) {
    while (!sh->w[0]) {
        u64 m[MSG_WORDS] = {++sh->w[10 + i]};
        i64 err = rt_call(*(volatile eid_t *)&server[i].eid, 0, m);
        if (err == 0 && CHECK(m[0], 2 * sh->w[10 + i] + 1))
            sh->w[20 + i]++;
        else
            TRUE(err == E_DEAD || err == E_EID || err == E_STATE || err == E_MASKED || err == E_TIME);
    }
    sh->w[30 + i] = 1;
    park(0);
}

// Servers end, and calls are recalled, from another hart, while they are called all the time: no client is
// left behind.
static void calls_and_ends(void) {
    u32 harts = (u32)EXO_WORDS->nharts;
    u64 enough = exo_time() + 1500 * kt_ms, seed = 9;
    for (u32 h = 1; h < harts; h++)
        if (!server_new(h) || !peer_go(&client[h], h, caller, h)) return;
    for (u32 round = 0; round < 150 && (round < 8 || exo_time() < enough); round++) {
        u32 h = 1 + draw(&seed) % (harts - 1);
        kt_with = round;
        if (round % 3) {
            u64 calls = sh->w[10 + h];
            i64 err = exo_env_ctl(client[h].eid, ENV_RECALL);
            TRUE(err == 0 || err == E_STATE);
            WAIT_MS(sh->w[10 + h] > calls, 20000);
            continue;
        }
        u64 answers = sh->w[20 + h];
        peer_end(&server[h]);
        if (!server_new(h)) break;
        WAIT_MS(sh->w[20 + h] > answers, 20000);
    }
    sh->w[0] = 1;
    for (u32 h = 1; h < harts; h++) {
        WAIT_MS(sh->w[30 + h], 20000);
        peer_end(&client[h]);
        peer_end(&server[h]);
    }
}

// ---- slots ----

#define FIRST_SLOT 40
#define SLOTS      8 // those of every hart from FIRST_SLOT on

static void slots_clear(void) {
    for (u32 i = 0; i < EXO_WORDS->nharts * SLOTS; i++)
        CHECK(exo_slot_set(i / SLOTS, FIRST_SLOT + i % SLOTS, 0), 0);
}

static u64 slices_then[3];

// Of three rounds one is the storm; through the next everyone passes with all those slots empty; in the third
// those who had nothing else do not run.
static void slots_storm(u64 i, u64 round) {
    u64 seed = seed_of(i * 1000 + round);
    for (u32 step = 0; round % 3 == 0 && step < 60; step++) {
        u64 r = draw(&seed), pick = r >> 20 & 3;
        CHECK(exo_slot_set(r % EXO_WORDS->nharts, FIRST_SLOT + (r >> 8) % SLOTS,
                           pick < 3 ? victim[pick].eid : 0),
              0);
        if ((r >> 30 & 15) == 0) rt_yield(0);
    }
}

static void slots_empty(u64 round) {
    if (round % 3 == 0) slots_clear();
    for (u32 i = 0; i < 3; i++) {
        const volatile struct exo_env *e = env_of(victim[i].eid);
        if (round % 3 == 1) slices_then[i] = e->slices;
        if (round % 3 < 2) continue;
        CHECK(e->slices, slices_then[i]);
        CHECK(exo_slot_set(e->home, FIRST_SLOT, victim[i].eid), 0);
        WAIT_MS(e->slices > slices_then[i], 20000);
    }
}

static void slots(void) {
    for (u32 i = 0; i < 3; i++)
        if (!peer_new(&victim[i], 0, i % EXO_WORDS->nharts, busy, 0) ||
            !CHECK(exo_env_ctl(victim[i].eid, ENV_RUN), 0))
            return;
    race(60, nothing, slots_storm, slots_empty);
    slots_clear();
    for (u32 i = 0; i < 3; i++) peer_end(&victim[i]);
}

// ---- wakeups ----

static void echo(u64 unused) {
    (void)unused;
    for (u64 n = 0;; n++) {
        while (sh->w[0] == n) rt_wait(changed, n, 0, 0, 0);
        sh->w[1] = n + 1;
        exo_poke(0);
    }
}

// Each sleeps until the other has stored a word and poked it. A wakeup that is lost costs a tick, and never
// more. If all were, hardly one round would be over at once, by chance; on a busy host some still are.
static void lost_wakeup(void) {
    struct peer p;
    u64 seed = 3, rounds = 0, quick = 0, enough = exo_time() + 4000 * kt_ms;
    if (!changed_new() || !peer_go(&p, 1, echo, 0)) return;
    for (; rounds < 1000 && (rounds < 50 || exo_time() < enough); rounds++) {
        for (volatile u64 n = draw(&seed) % 1000; n; n--) // so that it is now asleep, now on the way
            ;
        u64 start = exo_time();
        sh->w[0] = rounds + 1;
        CHECK(exo_poke(1), 0);
        while (sh->w[1] != rounds + 1 && exo_time() < start + 5000 * kt_ms) rt_wait(changed, rounds, 8, 0, 0);
        if (!CHECK(sh->w[1], rounds + 1)) break;
        quick += exo_time() - start < kt_ms;
    }
    TRUE(quick > rounds / 20);
    peer_end(&p);
    code_end(changed);
}

static void dozer(u64 i) {
    for (u64 n = 0;; n++) {
        i64 err = rt_wait(page, sh->w[0], 0, 0, 0);
        TRUE(err == 0 || err == E_TYPE);
        sh->w[10 + i]++;
        sh->w[20 + i] += err == 0;
        if (err) rt_yield(0);
    }
}

// A predicate is dropped and its page filled with what is no program, as soon as nobody waits on it.
static void code_drop(void) {
    struct peer p[2];
    ppn_t own = PTE_PPN(pte_at(kt_root, WIN));
    u64 drops = 0, busy = 0, enough = exo_time() + 1500 * kt_ms;
    if (!changed_new()) return;
    page = changed;
    struct pred_code good;
    struct pred_code *c = map(page, PTE_R);
    good = *c;
    win_end(c);
    for (u32 i = 0; i < 2; i++)
        if (!peer_go(&p[i], 1 + i % (EXO_WORDS->nharts - 1), dozer, i)) return;
    while (drops < 200 && (drops < 5 || exo_time() < enough)) {
        sh->w[0]++;
        exo_poke(1);
        i64 err = exo_code_drop(page);
        if (err) {
            CHECK(err, E_BUSY);
            busy++;
            continue;
        }
        drops++;
        if (!(c = map(page, RW))) break;
        memset(c, 0xff, sizeof *c);
        spin(kt_ms / 20);
        *c = good;
        win_end(c);
        CHECK(page_of(own)->pins, 0);
        CHECK(exo_code_load(page), 0);
        WAIT((sh->w[0]++, sh->w[20] && sh->w[21])); // either may have begun its first wait only now
    }
    TRUE(busy);
    peer_end(&p[0]);
    peer_end(&p[1]);
    code_end(page);
}

// ---- accounts ----

#define WORKERS 4

static void worker(u64 i) {
    u64 seed = seed_of(i), m[MSG_WORDS] = {0};
    ppn_t mine = 0;
    va_t va = WIN + (100 + i) * EXO_PAGE;
    for (;;) {
        u64 r = draw(&seed);
        eid_t other = (eid_t)sh->w[10 + (r >> 8) % WORKERS];
        switch (r % 8) {
        case 0:
            mine = mine ? mine : (ppn_t)exo_page_alloc(0, 0).val;
            exo_bind(my_root(), va, mine, RW, 0);
            break;
        case 1:
            if (mine && !exo_page_free(mine)) mine = 0;
            break;
        case 2: exo_unbind(my_root(), va, 0); break;
        case 3:
            if (other) exo_env_ctl(other, r >> 20 & 1 ? ENV_RUN : ENV_STOP);
            break;
        case 4: rt_call(other, 0, m); break;
        case 5: rt_fp(r >> 20 & 1); break;
        case 6: rt_yield(other); break;
        default: sh->w[i]++;
        }
    }
}

static void first_worker(u64 unused) {
    (void)unused;
    for (u32 i = 1; i < WORKERS; i++) exo_env_ctl(sh->w[10 + i], ENV_RUN);
    worker(0);
}

// An account ends while its environments work on all harts; nothing of it is left, at whatever moment.
static void account_ends(void) {
    u64 enough = exo_time() + 3000 * kt_ms, seed = 11;
    for (u32 round = 0; round < 10 && (round < 2 || exo_time() < enough); round++) {
        struct child c;
        kt_with = round;
        memset((void *)sh->w, 0, sizeof sh->w);
        if (!child_new(&c, 2 * CHILD_PAGES, WORKERS, 0, 0, 1, first_worker, 0)) return;
        sh->w[10] = c.eid;
        for (u32 i = 1; i < WORKERS; i++)
            sh->w[10 + i] = child_more(&c, worker, i, (i + 1) % EXO_WORDS->nharts);
        child_run(&c);
        WAIT_MS(sh->w[0] + sh->w[1] + sh->w[2] + sh->w[3] > 10, 20000);
        spin(draw(&seed) % (3 * kt_ms));
        u32 acct = c.acct;
        child_end(&c);
        for (u32 i = 0; i < EXO_NENV; i++) TRUE(!EXO_ENVS[i].eid || EXO_ENVS[i].account != acct);
        for (u32 i = 0; i < EXO_WORDS->nharts * EXO_NSLOT; i++) TRUE(EXO_SLOTS[i].account == 1);
    }
}

// ---- fences of many ----

#define MANY 32
static va_t many[MANY];

static void writer(u64 i) // stores everywhere, always
{
    u64 seed = seed_of(i);
    for (;;) {
        rt_try_store(many[draw(&seed) % MANY], draw(&seed));
        sh->w[i]++;
    }
}

// One batch unbinds many pages, in two spaces: nothing is written to any of them once it is done.
static void batch_fence(void) {
    static struct exo_op ops[MANY * 2] __attribute__((aligned(EXO_PAGE)));
    struct space s;
    struct peer p[2];
    ppn_t ppn[MANY];
    u64 then[MANY], enough = exo_time() + 1500 * kt_ms;
    volatile u64 *look[MANY];
    for (u32 i = 0; i < MANY; i++) {
        ppn[i] = page_new();
        look[i] = map(ppn[i], PTE_R);
        many[i] = (va_t)win_new();
    }
    if (!space_new(&s) || !peer_go(&p[0], 1, writer, 0) ||
        !peer_new(&p[1], s.root, EXO_WORDS->nharts - 1, writer, 1) || !peer_start(&p[1]))
        return;
    for (u32 round = 0; round < 100 && (round < 5 || exo_time() < enough); round++) {
        kt_with = round;
        u32 n = round % 2 ? MANY * 2 : MANY; // both spaces, or one
        for (u32 i = 0; i < n; i++)
            ops[i] = (struct exo_op){.op = EXO_BIND,
                                     .root = i < MANY ? kt_root : s.root,
                                     .va = many[i % MANY],
                                     .ppn = ppn[i % MANY],
                                     .bits = RW};
        if (!CHECK(exo_batch(ops, n).val, n)) break;
        u64 n0 = sh->w[0], n1 = sh->w[1];
        WAIT_MS(sh->w[0] > n0 + 50 && sh->w[1] > n1 + 50, 20000);
        for (u32 i = 0; i < n; i++) {
            ops[i].op = EXO_UNBIND;
            ops[i].word = 0;
        }
        if (!CHECK(exo_batch(ops, n).val, n)) break;
        for (u32 i = 0; i < MANY; i++) then[i] = *look[i];
        n0 = sh->w[0], n1 = sh->w[1];
        WAIT_MS(sh->w[0] > n0 + 50 && sh->w[1] > n1 + 50, 20000);
        for (u32 i = 0; i < MANY; i++) CHECK(*look[i], then[i]);
    }
    kt_with = 0;
    peer_end(&p[0]);
    peer_end(&p[1]);
    space_end(&s);
    for (u32 i = 0; i < MANY; i++) {
        win_end((void *)look[i]);
        win_end((void *)many[i]);
        page_end(ppn[i]);
    }
}

// ---- devices ----

static struct buffer {
    ppn_t ppn __attribute__((aligned(8)));
    u64 *w;
} buffer[EXO_NHART];

static i64 disk_do(u32 op, u64 block, const ppn_t *ppn) {
    struct exo_ret r;
    while ((r = exo_disk_submit(op, 1, sh->w[0], block, ppn, 0)).err == E_FULL) rt_yield(0);
    if (r.err) return r.err;
    u64 request = r.val;
    while ((r = exo_disk_done(request)).err == E_BUSY) rt_yield(0);
    return r.err ? r.err : (i64)r.val;
}

static void use_devices(u64 i, u64 round) {
    static const char blank[] = "\r\r\r\r\r\r\r\r";
    struct buffer *b = &buffer[i];
    for (u32 step = 0; step < 8; step++) {
        for (u32 j = 0; j < EXO_PAGE / 8; j++) b->w[j] = i << 32 | round << 16 | step;
        CHECK(disk_do(DISK_WRITE, i * 8 + step, &b->ppn), 0);
        memset(b->w, 0, EXO_PAGE);
        CHECK(disk_do(DISK_READ, i * 8 + step, &b->ppn), 0);
        for (u32 j = 0; j < EXO_PAGE / 8; j++)
            if (b->w[j] != (i << 32 | round << 16 | step)) {
                CHECK(b->w[j], i << 32 | round << 16 | step);
                break;
            }
        CHECK(exo_cons_write(blank, 8).val, 8);
    }
}

static void devices_idle(u64 round) {
    (void)round;
    for (u32 h = 0; h < team_size; h++) CHECK(page_of(buffer[h].ppn)->pins, 0);
    CHECK(EXO_ACCTS[1].requests, 0);
    CHECK(EXO_EXTS[sh->w[0]].requests, 0);
}

static void devices(void) {
    sh->w[0] = test_extent();
    for (u32 h = 0; h < EXO_NHART; h++) {
        buffer[h].ppn = page_new();
        buffer[h].w = map(buffer[h].ppn, RW);
    }
    race(20, nothing, use_devices, devices_idle);
    for (u32 h = 0; h < EXO_NHART; h++) {
        win_end(buffer[h].w);
        page_end(buffer[h].ppn);
    }
}

static const struct test smp_tests[] = {
    T_HARTS(one_sees_zero, 2),  T_HARTS(bind_storm, 2),  T_HARTS(one_gets_it, 2),    T_HARTS(page_storm, 2),
    T_HARTS(fence_i, 2),        T_HARTS(travel, 2),      T_HARTS(control_storm, 2),  T_HARTS(end_storm, 2),
    T_HARTS(calls_and_ends, 2), T_HARTS(slots, 2),       T_HARTS(lost_wakeup, 2),    T_HARTS(code_drop, 2),
    T_HARTS(account_ends, 2),   T_HARTS(batch_fence, 2), {"devices", devices, 2, 1},
};
AREA(smp);
