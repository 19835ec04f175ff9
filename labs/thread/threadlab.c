// The programs of the thread lab's tests (tests.py): what each mode does, and in tests.py what the kernel
// must have seen. Which thread runs the kernel tells by addresses: so each has a function of its own, in
// which a slice ends, or that passes a beacon.
#include "labs/lab.h"

#include <exo/call.h>
#include "user/thread.h"

#define NOINLINE __attribute__((noipa))

// A call made by ecall, which the kernel records with its address; getpid, so that nothing comes of it.
#define beacon()                                                       \
    do {                                                               \
        register uint64 a0_ __asm__("a0") = 0, a7_ __asm__("a7") = 11; \
        __asm__ volatile("ecall" : "+r"(a0_) : "r"(a7_) : "memory");   \
    } while (0)

static uint64 cycle(void) {
    uint64 c;
    __asm__ volatile("rdcycle %0" : "=r"(c));
    return c;
}

static void spin(uint64 instructions) {
    for (uint64 i = 0; i < instructions / 2; i++) __asm__ volatile("");
}

// Until a slice has begun: then none ends soon.
static void new_slice(void) {
    uint64 last = cycle(), now;
    while ((now = cycle()) - last < 200) last = now;
}

static struct thread *must_start(void (*fn)(void *), void *arg, int tickets) {
    struct thread *t = thread_start(fn, arg, tickets);
    if (t) return t;
    printf("threadlab: thread_start failed\n");
    exit(1);
}

static int must_fork(void) {
    int pid = fork();
    if (pid >= 0) return pid;
    printf("threadlab: fork failed\n");
    exit(1);
}

static volatile int stop;
static uint stop_gate;

// Each with a function of its own.
#define EACH_OF_4(X) X(0) X(1) X(2) X(3)
#define EACH_OF_6(X) EACH_OF_4(X) X(4) X(5)

// ---- turns: two that do nothing but take turns ----

static struct {
    uint64 value;
    int steps;
    volatile int go;
} turns;

static void turns_set(uint64 seed) {
    turns.value = fresh(seed, 0);
    turns.steps = 20 + (int)(fresh(seed, 1) % 20);
}

static NOINLINE void turns_other(void *arg) {
    uint64 seed = (uint64)arg, a = fresh(seed, 2) | 1;
    while (!turns.go) thread_yield();
    for (int i = 0; i < turns.steps; i++) {
        turns.value = turns.value * a + 1;
        beacon();
        thread_yield();
    }
}

static NOINLINE void turns_first(uint64 seed) {
    uint64 a = fresh(seed, 3) | 1;
    new_slice();
    turns.go = 1;
    for (int i = 0; i < turns.steps; i++) {
        turns.value = turns.value * a + 3;
        beacon();
        thread_yield();
    }
}

static int turn(uint64 seed) {
    turns_set(seed);
    must_start(turns_other, (void *)seed, 1);
    turns_first(seed);
    answer("value", turns.value);
    return 0;
}

// ---- kept: what a function may expect to find again after a call ----

// s0 to s11 come from v, each round adds each one's neighbour to it, and v has them in the end.
#define KEPT(n)                                                                           \
    void kept##n(uint64 *v);                                                              \
    __asm__(".text\n.balign 4\n.globl kept" #n "\nkept" #n ":\n"                          \
            "addi sp, sp, -128\nsd ra, (sp)\nsd a0, 8(sp)\n"                              \
            ".set .Li, 0\n.irp r, 0,1,2,3,4,5,6,7,8,9,10,11\n"                            \
            "sd s\\r, 16 + 8 * .Li(sp)\nld s\\r, 8 * .Li(a0)\n.set .Li, .Li + 1\n.endr\n" \
            "li t0, 12\nsd t0, 112(sp)\n"                                                 \
            "1: li a7, 11\necall\ncall thread_yield\n"                                    \
            "add s0, s0, s1\nadd s1, s1, s2\nadd s2, s2, s3\nadd s3, s3, s4\n"            \
            "add s4, s4, s5\nadd s5, s5, s6\nadd s6, s6, s7\nadd s7, s7, s8\n"            \
            "add s8, s8, s9\nadd s9, s9, s10\nadd s10, s10, s11\nadd s11, s11, s0\n"      \
            "ld t0, 112(sp)\naddi t0, t0, -1\nsd t0, 112(sp)\nbnez t0, 1b\n"              \
            "ld a0, 8(sp)\n.set .Li, 0\n.irp r, 0,1,2,3,4,5,6,7,8,9,10,11\n"              \
            "sd s\\r, 8 * .Li(a0)\nld s\\r, 16 + 8 * .Li(sp)\n.set .Li, .Li + 1\n.endr\n" \
            "ld ra, (sp)\naddi sp, sp, 128\nret\n.size kept" #n ", . - kept" #n "\n");    \
    static void kept_begin##n(void *v) { kept##n(v); }
EACH_OF_4(KEPT)

static int kept(uint64 seed) {
#define BEGIN(n) kept_begin##n,
    static void (*const begin[])(void *) = {EACH_OF_4(BEGIN)};
    struct thread *t[4];
    uint64 v[4][12];
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 12; j++) v[i][j] = fresh(seed, (uint64)(12 * i + j));
        t[i] = must_start(begin[i], v[i], 1);
    }
    for (int i = 0; i < 4; i++) {
        uint64 sum = 0;
        thread_join(t[i]);
        for (int j = 0; j < 12; j++) sum = sum * 31 + v[i][j];
        printf("answer kept%d %lx\n", i, sum);
    }
    return 0;
}

// ---- waits: whoever has waited longest is woken first, and only on that word ----

static struct {
    uint word, other;
    volatile int arrived, woken;
    volatile int result[6];
} waits;

#define WAITER(n)                                          \
    static NOINLINE void waiter##n(void *arg) {            \
        waits.arrived++;                                   \
        waits.result[n] = thread_wait(&waits.word, 0, -1); \
        beacon();                                          \
        waits.woken++;                                     \
        (void)arg;                                         \
    }
EACH_OF_6(WAITER)

static NOINLINE void wait_other(void *arg) {
    *(int *)arg = thread_wait(&waits.other, 0, -1);
    beacon();
}

static NOINLINE void wait_time(void *arg) {
    static uint never;
    beacon();
    *(int *)arg = thread_wait(&never, 0, 3000);
    beacon();
}

// Waiter number order[i] comes in place i.
static void draw_order(uint64 seed, int *order, int n) {
    for (int i = 0; i < n; i++) order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(fresh(seed, (uint64)i) % (uint64)(i + 1)), o = order[i];
        order[i] = order[j];
        order[j] = o;
    }
}

static int waiting(uint64 seed) {
#define WAIT(n) waiter##n,
    static void (*const begin[])(void *) = {EACH_OF_6(WAIT)};
    static volatile int other = 9, timed = 9;
    struct thread *t[6], *o, *late;
    int order[6], first = 1 + (int)(fresh(seed, 50) % 4), results = 0;
    draw_order(seed, order, 6);
    o = must_start(wait_other, (void *)&other, 1);
    for (int i = 0; i < 6; i++) {
        t[i] = must_start(begin[order[i]], 0, 1);
        while (waits.arrived == i) thread_yield();
    }
    answer("none", (uint64)thread_wake(&stop_gate, 5));
    for (int i = 0; i < first; i++) {
        thread_wake(&waits.word, 1);
        while (waits.woken == i) thread_yield();
    }
    answer("rest", (uint64)thread_wake(&waits.word, 100));
    for (int i = 0; i < 6; i++) thread_join(t[i]);
    for (int i = 0; i < 6; i++) results += waits.result[i];
    answer("results", (uint64)results);
    answer("unchanged", (uint64)other);
    answer("woken", (uint64)thread_wake(&waits.other, 5));
    thread_join(o);
    answer("other", (uint64)other);
    answer("differs", (uint64)thread_wait(&waits.word, 1, -1));
    late = must_start(wait_time, (void *)&timed, 1);
    thread_join(late);
    answer("timed", (uint64)timed);
    return 0;
}

// ---- sleeps: threads in calls that take time, and one that goes on ----

static int sleep_pipe[2], child_pipe[2];

static NOINLINE void sleep_reader(void *arg) {
    uint64 got = 0;
    beacon();
    if (read(sleep_pipe[0], &got, sizeof got) == sizeof got) *(volatile uint64 *)arg = got;
    beacon();
}

static NOINLINE void sleep_parent(void *arg) {
    int status = -1;
    beacon();
    wait(&status);
    *(volatile uint64 *)arg = (uint64)status;
    beacon();
}

static NOINLINE void sleep_timed(void *arg) {
    static uint never;
    beacon();
    *(volatile uint64 *)arg = (uint64)thread_wait(&never, 0, 4000);
    beacon();
}

#define SLEEP_STEPS 30

static NOINLINE void sleep_busy(volatile uint64 *timed) {
    for (int i = 0; i < SLEEP_STEPS; i++) {
        thread_yield();
        beacon();
    }
    while (*timed == 9) thread_yield();
}

static int sleeps(uint64 seed) {
    static volatile uint64 read_value, status, timed = 9;
    uint64 value = fresh(seed, 0);
    char c = 0;
    if (pipe(sleep_pipe) < 0 || pipe(child_pipe) < 0) return 1;
    if (must_fork() == 0) {
        read(child_pipe[0], &c, 1);
        exit((int)(fresh(seed, 1) & 127));
    }
    struct thread *r = must_start(sleep_reader, (void *)&read_value, 1);
    struct thread *p = must_start(sleep_parent, (void *)&status, 1);
    struct thread *t = must_start(sleep_timed, (void *)&timed, 1);
    sleep_busy(&timed);
    thread_join(t);
    write(child_pipe[1], &c, 1);
    thread_join(p);
    write(sleep_pipe[1], &value, sizeof value);
    thread_join(r);
    answer("read", read_value);
    answer("status", status);
    answer("timed", timed);
    return 0;
}

static NOINLINE void quiet_sleeper(void *arg) {
    beacon();
    sleep(1);
    beacon();
    *(int *)arg += 1;
}

static NOINLINE void quiet_timed(void *arg) {
    static uint never;
    beacon();
    thread_wait(&never, 0, 60000);
    beacon();
    *(int *)arg += 1;
}

static int quiet(uint64 seed) {
    static int n;
    struct thread *a = must_start(quiet_sleeper, &n, 1), *b = must_start(quiet_timed, &n, 1);
    thread_join(a);
    thread_join(b);
    answer("ended", (uint64)n + fresh(seed, 0));
    return 0;
}

// ---- spinning: no calls at all ----

#define SPINNER(n)                               \
    static NOINLINE void spinner##n(void *arg) { \
        (void)arg;                               \
        while (!stop) {                          \
        }                                        \
    }
EACH_OF_4(SPINNER)
#define SPIN(n) spinner##n,
static void (*const spinner[])(void *) = {EACH_OF_4(SPIN)};

// n of them, with these tickets; the first thread sleeps meanwhile.
static void spin_all(int n, const int *tickets, int usec) {
    struct thread *t[4];
    for (int i = 0; i < n; i++) t[i] = must_start(spinner[i], 0, tickets[i]);
    thread_wait(&stop_gate, 0, usec);
    stop = 1;
    for (int i = 0; i < n; i++) thread_join(t[i]);
}

static int preempt(uint64 seed) {
    spin_all(3, (const int[]){1, 1, 1}, 30000);
    answer("end", fresh(seed, 0));
    return 0;
}

static int stride(uint64 seed) {
    spin_all(3, (const int[]){3, 2, 1}, 120000);
    answer("end", fresh(seed, 0));
    return 0;
}

static int drawn(uint64 seed) {
    int tickets[4];
    for (int i = 0; i < 4; i++) tickets[i] = 1 + (int)(fresh(seed, (uint64)i) % 90);
    spin_all(4, tickets, 120000);
    answer("end", fresh(seed, 0));
    return 0;
}

// The first one's tickets change on the way: from few to many.
static NOINLINE void changing(void *arg) {
    const int *tickets = arg;
    uint64 until = cycle() + 100000000;
    thread_tickets(tickets[0]);
    while (cycle() < until) {
    }
    beacon();
    thread_tickets(tickets[1]);
    while (!stop) {
    }
}

static int change(uint64 seed) {
    static int tickets[2];
    tickets[0] = 1 + (int)(fresh(seed, 0) % 3);
    tickets[1] = 30 + (int)(fresh(seed, 1) % 30);
    struct thread *c = must_start(changing, tickets, 20), *s = must_start(spinner[0], 0, 10);
    thread_wait(&stop_gate, 0, 200000);
    stop = 1;
    thread_join(c);
    thread_join(s);
    answer("end", fresh(seed, 2));
    return 0;
}

// One sleeps first, and is then one of three.
static NOINLINE void late(void *arg) {
    (void)arg;
    thread_wait(&stop_gate, 0, 30000);
    beacon();
    while (!stop) {
    }
}

static int sleeper(uint64 seed) {
    struct thread *l = must_start(late, 0, 1);
    spin_all(2, (const int[]){1, 1}, 70000);
    thread_join(l);
    answer("end", fresh(seed, 0));
    return 0;
}

// One gives up its turns long before they end; and another process takes every second slice.
static NOINLINE void early_yields(void *arg) {
    while (!stop) {
        spin((uint64)arg);
        beacon();
        thread_yield();
    }
}

static int early(uint64 seed) {
    int pid = must_fork();
    if (pid == 0)
        for (;;) {
        }
    struct thread *e = must_start(early_yields, (void *)(550000 + fresh(seed, 0) % 100000), 1);
    spin_all(1, (const int[]){1}, 160000);
    thread_join(e);
    kill(pid);
    wait(0);
    answer("end", fresh(seed, 1));
    return 0;
}

// ---- registers, at the end of a slice anywhere ----

#define REGS_ROUNDS "60000"

// All registers but sp, gp, tp come from v; each round adds x30 to x1, and x1 to all others; x31 counts the
// rounds.
#define REGS(n)                                                                                           \
    void regs##n(uint64 *v);                                                                              \
    __asm__(".text\n.balign 4\n.globl regs" #n "\nregs" #n ":\n"                                          \
            "addi sp, sp, -112\nsd ra, (sp)\nsd a0, 8(sp)\n"                                              \
            ".set .Li, 0\n.irp r, 0,1,2,3,4,5,6,7,8,9,10,11\nsd s\\r, 16 + 8 * .Li(sp)\n.set .Li, .Li + " \
            "1\n.endr\n"                                                                                  \
            "mv x31, a0\n"                                                                                \
            ".irp r, 1,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"        \
            "ld x\\r, 8 * \\r(x31)\n.endr\n"                                                              \
            "li x31, " REGS_ROUNDS "\n"                                                                   \
            "1: add x1, x1, x30\n"                                                                        \
            ".irp r, 5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"          \
            "add x\\r, x\\r, x1\n.endr\n"                                                                 \
            "addi x31, x31, -1\nbnez x31, 1b\n"                                                           \
            "ld x31, 8(sp)\n"                                                                             \
            ".irp r, 1,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"        \
            "sd x\\r, 8 * \\r(x31)\n.endr\n"                                                              \
            ".set .Li, 0\n.irp r, 0,1,2,3,4,5,6,7,8,9,10,11\nld s\\r, 16 + 8 * .Li(sp)\n.set .Li, .Li + " \
            "1\n.endr\n"                                                                                  \
            "ld ra, (sp)\naddi sp, sp, 112\nret\n.size regs" #n ", . - regs" #n "\n");                    \
    static void regs_begin##n(void *v) { regs##n(v); }
REGS(0)
REGS(1)
REGS(2)

static int registers(uint64 seed) {
    static void (*const begin[])(void *) = {regs_begin0, regs_begin1, regs_begin2};
    static uint64 v[3][32];
    struct thread *t[3];
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 32; j++) v[i][j] = fresh(seed, (uint64)(32 * i + j));
        t[i] = must_start(begin[i], v[i], 1);
    }
    for (int i = 0; i < 3; i++) {
        uint64 sum = 0;
        thread_join(t[i]);
        for (int j = 0; j < 31; j++) sum = sum * 31 + v[i][j];
        printf("answer regs%d %lx\n", i, sum);
    }
    return 0;
}

// f0 to f31 come from v, and the rounding mode; each round adds f31 to all others. Between rounds: what
// `more` says.
#define FLOATS(name, rounds, more)                                                                           \
    void name(uint64 *v);                                                                                    \
    __asm__(                                                                                                 \
        ".text\n.balign 4\n.globl " #name "\n" #name ":\n"                                                   \
        "addi sp, sp, -32\nsd ra, (sp)\nsd s0, 8(sp)\nsd s1, 16(sp)\nmv s1, a0\nli s0, " rounds "\n"         \
        ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"    \
        "fld f\\r, 8 * \\r(s1)\n.endr\n"                                                                     \
        "ld t0, 256(s1)\nfsrm t0\n"                                                                          \
        "1:\n"                                                                                               \
        ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"       \
        "fadd.d f\\r, f\\r, f31\n.endr\n" more "addi s0, s0, -1\nbnez s0, 1b\n"                              \
        ".irp r, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"    \
        "fcvt.lu.d t0, f\\r\nsd t0, 8 * \\r(s1)\n.endr\n"                                                    \
        "frrm t0\nsd t0, 256(s1)\nfsrm zero\n"                                                               \
        "ld ra, (sp)\nld s0, 8(sp)\nld s1, 16(sp)\naddi sp, sp, 32\nret\n.size " #name ", . - " #name "\n"); \
    static void name##_begin(void *v) { name(v); }
FLOATS(floats0, "30000", "")
FLOATS(floats1, "30000", "")
FLOATS(floats2, "25", "li a7, 11\necall\ncall thread_yield\n")
FLOATS(floats3, "25", "li a7, 11\necall\ncall thread_yield\n")

// Whole numbers below 2^20: what is added up is exact, however it is rounded.
static void draw_floats(uint64 seed, int i, uint64 *v) {
    for (int j = 0; j < 32; j++) {
        double d = (double)(fresh(seed, (uint64)(40 * i + j)) & 0xfffff);
        __builtin_memcpy(&v[j], &d, sizeof d);
    }
    v[32] = fresh(seed, (uint64)(40 * i + 32)) % 5;
}

// Two that compute with floating point and are interrupted, and one that does not; then two that give up
// their turns.
static int floats(uint64 seed) {
    static void (*const begin[])(void *) = {floats0_begin, floats1_begin, floats2_begin, floats3_begin};
    static uint64 v[4][33];
    struct thread *t[4], *s = must_start(spinner[0], 0, 1);
    for (int i = 0; i < 4; i++) draw_floats(seed, i, v[i]);
    for (int i = 0; i < 4; i += 2) {
        for (int j = i; j < i + 2; j++) t[j] = must_start(begin[j], v[j], 1);
        for (int j = i; j < i + 2; j++) thread_join(t[j]);
        if (i) continue;
        stop = 1;
        thread_join(s);
    }
    for (int i = 0; i < 4; i++) {
        uint64 sum = 0;
        for (int j = 0; j < 33; j++) sum = sum * 31 + v[i][j];
        printf("answer floats%d %lx\n", i, sum);
    }
    return 0;
}

// ---- mutexes and conditions ----

static struct mutex lock;
static volatile uint64 count;

static NOINLINE void count_inside(uint64 n) {
    uint64 seen = count;
    spin(150);
    count = seen + n;
}

#define COUNTER(n)                               \
    static NOINLINE void counter##n(void *arg) { \
        beacon();                                \
        for (int i = 0; i < 2000; i++) {         \
            mutex_lock(&lock);                   \
            count_inside((uint64)arg);           \
            mutex_unlock(&lock);                 \
        }                                        \
        beacon();                                \
    }
EACH_OF_4(COUNTER)

static int mutex(uint64 seed) {
#define COUNT(n) counter##n,
    static void (*const begin[])(void *) = {EACH_OF_4(COUNT)};
    struct thread *t[4];
    for (uint64 i = 0; i < 4; i++) t[i] = must_start(begin[i], (void *)fresh(seed, i), 1 + (int)i);
    for (int i = 0; i < 4; i++) thread_join(t[i]);
    answer("count", count);
    answer("free", (uint64)mutex_try(&lock));
    return 0;
}

#define ROOM  3
#define ITEMS 1200 // of each producer

static struct {
    struct mutex lock;
    struct cond not_full, not_empty;
    uint64 item[ROOM], sum;
    int n, head, taken, closed;
} belt;

static void put(uint64 item) {
    mutex_lock(&belt.lock);
    while (belt.n == ROOM) cond_wait(&belt.not_full, &belt.lock);
    spin(400);
    belt.item[(belt.head + belt.n++) % ROOM] = item;
    cond_signal(&belt.not_empty);
    mutex_unlock(&belt.lock);
}

static int take(void) {
    mutex_lock(&belt.lock);
    while (belt.n == 0 && !belt.closed) cond_wait(&belt.not_empty, &belt.lock);
    int any = belt.n != 0;
    if (any) {
        spin(400);
        belt.sum += belt.item[belt.head] * 0x9e3779b97f4a7c15;
        belt.head = (belt.head + 1) % ROOM;
        belt.n--;
        belt.taken++;
        cond_signal(&belt.not_full);
    }
    mutex_unlock(&belt.lock);
    return any;
}

#define PRODUCER(n)                                                            \
    static NOINLINE void producer##n(void *arg) {                              \
        for (uint64 i = 0; i < ITEMS; i++) put(fresh((uint64)arg, 2 * i + n)); \
        beacon();                                                              \
    }                                                                          \
    static NOINLINE void consumer##n(void *arg) {                              \
        (void)arg;                                                             \
        while (take()) {                                                       \
        }                                                                      \
        beacon();                                                              \
    }
PRODUCER(0)
PRODUCER(1)

static int condition(uint64 seed) {
    struct thread *c0 = must_start(consumer0, 0, 1), *c1 = must_start(consumer1, 0, 2);
    struct thread *p0 = must_start(producer0, (void *)seed, 1), *p1 = must_start(producer1, (void *)seed, 3);
    thread_join(p0);
    thread_join(p1);
    mutex_lock(&belt.lock);
    belt.closed = 1;
    cond_broadcast(&belt.not_empty);
    mutex_unlock(&belt.lock);
    thread_join(c0);
    thread_join(c1);
    answer("sum", belt.sum);
    answer("taken", (uint64)belt.taken);
    return 0;
}

// ---- beginning and end ----

#define MOST 27 // beside the first

static NOINLINE void life_square(void *arg) {
    uint64 *n = arg;
    *n = *n * *n;
}

static NOINLINE void life_round(void) { beacon(); }

static int life(uint64 seed) {
    struct thread *t[MOST];
    uint64 n[MOST], sum = 0;
    for (uint64 round = 0; round < 4; round++) {
        for (uint64 i = 0; i < MOST; i++) {
            n[i] = fresh(seed, round * MOST + i);
            t[i] = must_start(life_square, &n[i], 1);
        }
        sum += thread_start(life_square, &n[0], 1) == 0;
        for (int i = 0; i < MOST; i++) thread_join(t[i]);
        for (int i = 0; i < MOST; i++) sum = sum * 31 + n[i];
        life_round();
    }
    answer("sum", sum);
    return 0;
}

static int ends_pipe[2];
static uint64 readers_gone;

static void ends_reader(void *arg) { read(ends_pipe[0], arg, 1); }

static void ends_waiter(void *arg) { thread_wait(&stop_gate, 0, (int)(long)arg); }

// Others: one that spins, one that reads, two that wait, with and without end.
static void crowd(void) {
    static char c;
    must_start(spinner[0], 0, 1);
    must_start(ends_reader, &c, 1);
    must_start(ends_waiter, (void *)-1, 1);
    must_start(ends_waiter, (void *)2000, 1);
}

static void ends_exit(void *arg) {
    thread_wait(&stop_gate, 0, 1000);
    exit((int)(long)arg);
}

static void ends_exec(void *arg) {
    static char *args[] = {"cat", "empty", 0};
    thread_wait(&stop_gate, 0, (int)(long)arg);
    exec("cat", args);
    exit(98);
}

// A child made by one of several threads has that one alone, and can have others.
static void ends_fork(void *arg) {
    int status = -1, pid = must_fork();
    if (pid == 0) {
        uint64 n = 12;
        if (thread_self()) exit(97);
        thread_join(must_start(life_square, &n, 1));
        exit((int)(n - 144 + (uint64)arg));
    }
    wait(&status);
    exit(status);
}

// What a thread of its held inside a call is given back: nobody reads that pipe any more.
static int child_of(void (*fn)(void *), uint64 arg, int killed) {
    int status = -2, pid;
    if (pipe(ends_pipe) < 0) exit(99);
    pid = must_fork();
    if (pid == 0) {
        crowd();
        must_start(fn, (void *)arg, 1);
        for (;;) thread_wait(&stop_gate, 0, -1);
    }
    close(ends_pipe[0]);
    if (killed) {
        static uint never;
        thread_wait(&never, 0, 3000);
        kill(pid);
    }
    wait(&status);
    readers_gone += write(ends_pipe[1], "x", 1) < 0;
    close(ends_pipe[1]);
    return status;
}

// The last of several ends.
static int child_last(void) {
    int status = -2;
    if (must_fork() == 0) {
        must_start(ends_waiter, (void *)2000, 1);
        thread_exit(0);
    }
    wait(&status);
    return status;
}

static NOINLINE void ends_round(void) { beacon(); }

static int ends(uint64 seed) {
    uint64 sum = 0;
    close(open("empty", 0x200)); // O_CREATE
    for (uint64 i = 0; i < 3; i++) {
        sum = sum * 31 + (uint64)child_of(ends_exit, fresh(seed, i) & 63, 0);
        sum = sum * 31 + (uint64)child_of(ends_exec, 1000, 0);
        sum = sum * 31 + (uint64)child_of(ends_fork, fresh(seed, 10 + i) & 63, 0);
        sum = sum * 31 + (uint64)child_of(ends_waiter, 1000, 1);
        sum = sum * 31 + (uint64)child_last();
        ends_round();
    }
    answer("sum", sum);
    answer("gone", readers_gone);
    return 0;
}

// ---- what it costs ----

#define SWITCHES 100

static NOINLINE void cost_other(void *arg) {
    uint64 seed = (uint64)arg, a = fresh(seed, 2) | 1;
    while (!turns.go) thread_yield();
    for (int i = 0; i < SWITCHES; i++) {
        turns.value = turns.value * a + 1;
        thread_yield();
    }
}

static int voluntary(uint64 seed) {
    uint64 a = fresh(seed, 3) | 1;
    turns.value = fresh(seed, 0);
    must_start(cost_other, (void *)seed, 1);
    new_slice();
    turns.go = 1;
    thread_yield(); // the other is at its first step after that
    turns.value = turns.value * a + 3;
    thread_yield();
    exo_mark(seed, 1);
    for (int i = 2; i < SWITCHES; i++) {
        turns.value = turns.value * a + 3;
        thread_yield();
    }
    exo_mark(seed, 2);
    answer("value", turns.value);
    return 0;
}

// Says when it goes on.
#define WATCHER(n)                               \
    static NOINLINE void watcher##n(void *arg) { \
        uint64 last = cycle(), now;              \
        while (!stop) {                          \
            now = cycle();                       \
            if (now - last > 200) {              \
                exo_mark((uint64)arg, n);        \
                now = cycle();                   \
            }                                    \
            last = now;                          \
        }                                        \
    }
EACH_OF_4(WATCHER)

static int involuntary(uint64 seed) {
#define WATCH(n) watcher##n,
    static void (*const begin[])(void *) = {EACH_OF_4(WATCH)};
    struct thread *t[3];
    for (int i = 0; i < 3; i++) t[i] = must_start(begin[i], (void *)seed, 1);
    thread_wait(&stop_gate, 0, 30000);
    stop = 1;
    for (int i = 0; i < 3; i++) thread_join(t[i]);
    answer("end", fresh(seed, 0));
    return 0;
}

// ---- on several harts ----

static int harts(uint64 seed) {
    static void (*const begin[])(void *) = {EACH_OF_4(COUNT)};
    struct thread *t[4];
    answer("harts", (uint64)thread_harts(4));
    for (uint64 i = 0; i < 4; i++) t[i] = must_start(begin[i], (void *)fresh(seed, i), 1);
    for (int i = 0; i < 4; i++) thread_join(t[i]);
    answer("count", count);
    belt.sum = 0;
    return condition(seed);
}

static const struct mode modes[] = {
    {"turn", turn},
    {"kept", kept},
    {"waiting", waiting},
    {"sleeps", sleeps},
    {"quiet", quiet},
    {"preempt", preempt},
    {"registers", registers},
    {"floats", floats},
    {"mutex", mutex},
    {"condition", condition},
    {"life", life},
    {"ends", ends},
    {"stride", stride},
    {"drawn", drawn},
    {"change", change},
    {"sleeper", sleeper},
    {"early", early},
    {"voluntary", voluntary},
    {"involuntary", involuntary},
    {"harts", harts},
    {0, 0},
};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
