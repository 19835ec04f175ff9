// Tests of locks (libos/lock.c): processes, some of several threads, that take turns at every step by which
// one of them may see another's; on one to four harts. Whose turn it is is drawn, so a seed's run is always
// the same, and many are tried. Never are two inside, nobody waits for ever or for all too many others, and
// in the end nothing is left in the lock.
#include <exo/abi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

static void turn(void);

// Sequentially consistent all of them, whatever they ask for.
// clang-format off
#define __atomic_load_n(p, order)        (turn(), *(p))
#define __atomic_store_n(p, v, order)    (turn(), (void)(*(p) = (v)))
#define __atomic_fetch_or(p, v, order)   (turn(), (void)(*(p) |= (v)))
#define __atomic_exchange_n(p, v, order) \
    (turn(), __extension__({ __typeof__(*(p)) old_ = *(p); *(p) = (v); old_; }))
#define __atomic_compare_exchange_n(p, e, v, weak, order, other) \
    (turn(), *(p) == *(e) ? (*(p) = (v), true) : (*(e) = *(p), false))
// clang-format on

#define EXO_CALL_H
#define EXV6_UPCALL_H
#define EXV6_ROBUST_H
#include "libos/proc.h"

#define PROCS   4
#define THREADS 3       // of each, at most
#define TIMES   6       // that each takes the lock
#define OTHERS  48      // that may have it while one waits; without heirs some 58 do
#define RUNS    600     // on each number of harts
#define TURNS   1000000 // of a run: far more than any needs

static u64 chance, now; // now: turns so far
static u32 running, harts, on_hart[PROCS], inside, most;
static struct lock lock;
static const char *wrong;
static int checks, failures;

static struct exo_env envs[EXO_EID_INDEX + 1]; // of processes, by index + 1
static struct exo_words words;

static struct process {
    struct {
        struct {
            eid_t eid;
        } first;
        u32 index;
    } self;
    struct proc proc;
    u64 counter;
    u32 threads, current;
} process[PROCS];

static struct thread {
    ucontext_t context;
    char stack[32768];
    u32 proc;
    bool waits, asleep, done;
    u32 others;      // that had the lock since it began to wait
    u64 seen, until; // it sleeps while the process's counter is `seen`, at most until then
} thread[PROCS][THREADS];

static ucontext_t scheduler;

static void check(const char *name, long expected, long saw) {
    checks++;
    failures += expected != saw;
    if (expected == saw)
        printf("ok lock: %s on %u harts\n", name, harts);
    else
        printf("not ok lock: %s on %u harts: expected %ld, saw %ld\n", name, harts, expected, saw);
}

static void breach(const char *what) {
    if (!wrong) wrong = what;
}

static u32 draw(u32 below) {
    chance = chance * 6364136223846793005 + 1442695040888963407;
    return (u32)(chance >> 33) % below;
}

// ---- what lock.c stands on ----

#undef EXO_ENVS
#undef EXO_WORDS
#define EXO_ENVS  envs
#define EXO_WORDS (&words)
#define SELF      (&process[running].self)

static struct thread *this_thread(void) { return &thread[running][process[running].current]; }

static bool can_go_on(const struct thread *t) {
    return !t->done && (!t->asleep || process[t->proc].counter != t->seen || now >= t->until);
}

static bool can_run(u32 p) {
    for (u32 i = 0; i < process[p].threads; i++)
        if (can_go_on(&thread[p][i])) return true;
    return false;
}

// Another thread of a process that can run, or the same.
static void choose_thread(u32 p) {
    do process[p].current = draw(process[p].threads);
    while (!can_go_on(&thread[p][process[p].current]));
}

static void turn(void) { swapcontext(&this_thread()->context, &scheduler); }

static void sleep_until(u64 seen, u64 until) {
    struct thread *t = this_thread();
    t->seen = seen;
    t->until = until;
    t->asleep = true;
    turn();
    t->asleep = false;
}

u64 wake_read(void) {
    turn();
    return process[running].counter;
}

void wake_sleep(u64 seen, u64 stops) {
    (void)stops;
    sleep_until(seen, ~0ul);
}

void wake(struct proc *p) {
    for (u32 i = 0; i < PROCS; i++) process[i].counter += p == &process[i].proc;
}

void wake_all(u64 set) {
    turn();
    for (u32 i = 0; i < PROCS; i++) process[i].counter += set >> i & 1;
}

struct proc *proc_at(u32 index) {
    return &process[index].proc;
}

static i64 upcall_yield(eid_t to) {
    u32 p = (to & EXO_EID_INDEX) - 1;
    if (to && !can_run(p)) return -1;
    if (to) on_hart[envs[p + 1].home] = p;
    turn();
    return 0;
}

static void robust_look(void) {}
static void robust_enter(void) { process[running].proc.inside++; }
static void robust_leave(void) { process[running].proc.inside--; }

#include "libos/lock.c"

// ---- a run ----

static void use(struct thread *t) {
    t->waits = true;
    t->others = 0;
    lock_acquire(&lock);
    t->waits = false;
    if (inside++) breach("two are inside");
    for (u32 i = 0; i < PROCS * THREADS; i++) {
        struct thread *o = &thread[i / THREADS][i % THREADS];
        if (o->waits && ++o->others > most) most = o->others;
    }
    for (u32 n = draw(4); n--;) draw(4) ? turn() : sleep_until(process[running].counter, now + draw(50));
    inside--;
    lock_release(&lock);
}

static void body(void) {
    struct thread *t = this_thread();
    for (u32 i = 0; i < TIMES; i++) {
        for (u32 n = draw(3); n--;) { // in the program, where its turn may end
            choose_thread(running);
            swapcontext(&t->context, &scheduler);
        }
        use(t);
    }
    t->done = true;
    turn();
}

static void new_thread(struct thread *t, u32 p) {
    t->proc = p;
    t->waits = t->asleep = t->done = false;
    getcontext(&t->context);
    t->context.uc_stack.ss_sp = t->stack;
    t->context.uc_stack.ss_size = sizeof t->stack;
    makecontext(&t->context, body, 0);
}

static void set_up(void) {
    u32 most_threads = 1 + draw(THREADS);
    memset(&lock, 0, sizeof lock);
    memset(thread, 0, sizeof thread);
    now = inside = 0;
    for (u32 p = 0; p < PROCS; p++) {
        eid_t eid = (draw(100) + 1) * (EXO_EID_INDEX + 1) + p + 1;
        process[p] = (struct process){.self = {{eid}, p}, .threads = 1 + draw(most_threads)};
        process[p].proc.eid = envs[p + 1].eid = eid;
        envs[p + 1].home = p % harts;
        on_hart[p % harts] = p;
        for (u32 n = 0; n < process[p].threads; n++) new_thread(&thread[p][n], p);
    }
}

static bool all_done(void) {
    for (u32 i = 0; i < PROCS * THREADS; i++)
        if (i % THREADS < process[i / THREADS].threads && !thread[i / THREADS][i % THREADS].done)
            return false;
    return true;
}

// One hart's process goes on, or loses it to another.
static void step(void) {
    u32 h = draw(harts);
    now++;
    if (draw(20) == 0 || !can_run(on_hart[h])) on_hart[h] = h + draw((PROCS - h + harts - 1) / harts) * harts;
    running = on_hart[h];
    if (!can_run(running)) return;
    if (!can_go_on(this_thread())) choose_thread(running);
    swapcontext(&scheduler, &this_thread()->context);
}

static bool run(u64 seed) {
    chance = seed;
    wrong = 0;
    set_up();
    while (!wrong && !all_done()) {
        step();
        if (now > TURNS) breach("it does not end");
    }
    if (lock.holder || lock.heir || lock.granted) breach("the lock is not as it was");
    for (u32 p = 0; p < PROCS; p++)
        if (process[p].proc.inside) breach("a process holds something");
    if (wrong) printf("# seed %lu, %u harts: %s\n", seed, harts, wrong);
    return !wrong;
}

int main(void) {
    for (harts = 1; harts <= PROCS; harts++) {
        most = 0;
        u64 seed = 0;
        while (seed < RUNS && run(seed)) seed++;
        check("each gets it, one at a time,", RUNS, (long)seed);
        check("nobody waits for too many others", true, most <= OTHERS);
    }
    return failures > 0 || checks == 0;
}
