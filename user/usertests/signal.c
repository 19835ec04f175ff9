// Signals: handlers, what they interrupt, and what they must leave as it was.
#include "ut.h"

#include "user/signals.h"
#include "user/thread.h"

static volatile int came[32], order[64], norder;

static void count(int sig) {
    came[sig]++;
    order[norder++ % 64] = sig;
}

static void on(int sig) { expect("signal", 0, signal(sig, count)); }

static void self(int sig) { expect("sigsend", 0, sigsend(getpid(), sig)); }

static void handler(void) {
    on(SIGUSR1);
    for (int i = 1; i <= 100; i++) {
        self(SIGUSR1);
        expect("handled when the call returns", i, came[SIGUSR1]);
    }
    expect("none other", 0, came[SIGUSR2]);
    for (int sig = 1; sig < 31; sig++) {
        if (sig == SIGKILL) continue;
        on(sig);
        int before = came[sig];
        self(sig);
        expect("any number", before + 1, came[sig]);
    }
}

static void refused(void) {
    expect("signal 0", BAD, signal(0, count));
    expect("signal 31", BAD, signal(31, count));
    expect("signal -1", BAD, signal(-1, count));
    expect("SIGKILL", BAD, signal(SIGKILL, count));
    expect("SIGKILL ignored", BAD, signal(SIGKILL, SIG_IGN));
    expect("a handler in the library OS", BAD, signal(SIGUSR1, (void (*)(int))0x40000000));
    expect("no such process", BAD, sigsend(30000, SIGUSR1));
    expect("sigsend 0", BAD, sigsend(getpid(), 0));
    expect("sigsend 31", BAD, sigsend(getpid(), 31));
    expect("init", BAD, sigsend(1, SIGUSR1));
}

// ---- what a signal does without a handler ----

static void waits(void *unused) {
    (void)unused;
    for (;;) sleep(1000);
}

static void spins(void *unused) {
    for (volatile uint64 i = 0;; i++) (void)unused;
}

static void ends_with(void (*what)(void *), int sig) {
    int status, pid = spawn(what, 0);
    sleep(1);
    expect("sigsend", 0, sigsend(pid, sig));
    expect("wait", pid, wait(&status));
    expect("status", BAD, status);
}

static void no_handler(void) {
    ends_with(waits, SIGUSR1);
    ends_with(spins, SIGTERM);
    ends_with(waits, SIGKILL);
    signal(SIGUSR1, SIG_IGN);
    self(SIGUSR1);
    self(SIGCHLD);
    on(SIGUSR1);
    self(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    ends_with(spins, SIGUSR1);
    expect("one was handled", 1, came[SIGUSR1]);
}

// ---- a program that is interrupted anywhere goes on as if nothing had been ----

static uint64 mix(uint64 a, uint64 b) {
    for (int i = 0; i < 10; i++) {
        a = a * 6364136223846793005 + b;
        b = b * 3935559000370003845 + (a >> 32);
    }
    return a ^ b;
}

// Uses the registers for something else.
static void busy_handler(int sig) {
    volatile uint64 x = (uint64)came[sig];
    came[sig]++;
    for (int i = 0; i < 50; i++) x = mix(x, (uint64)i);
    getpid();
}

static int times;

static void sender(void *pid) {
    for (int i = 0; i < times; i++) {
        if (sigsend((int)(uint64)pid, i % 2 ? SIGUSR1 : SIGUSR2)) exit(1);
        if (i % 16 == 0) sleep(1);
    }
}

static uint64 compute(uint n) {
    static volatile uint64 seed = 1; // so that it is computed each time
    uint64 a = seed, b = 2;
    for (uint i = 0; i < n; i++) a = mix(a, b += i);
    return a;
}

static void unharmed(void) {
    uint64 right = compute(20000);
    signal(SIGUSR1, busy_handler);
    signal(SIGUSR2, busy_handler);
    times = 400;
    int status, pid = spawn(sender, (void *)(uint64)getpid()), rounds = 0;
    while (came[SIGUSR1] + came[SIGUSR2] < 20 || rounds < 20) {
        uint64 saw = compute(20000);
        if (saw != right) fail("a computation", (long)right, (long)saw);
        if (rounds++ > 5000) fail("handled", 20, came[SIGUSR1] + came[SIGUSR2]);
    }
    while (wait(&status) != pid) {
    }
    expect("the sender", 0, status);
}

// The tests are built without floating point: these few instructions, and a context that is lazily on.
static uint64 fp_bits(void) {
    uint64 x;
    __asm__ volatile(".option push\n.option arch, +d\nfmv.x.d %0, fs3\n.option pop" : "=r"(x));
    return x;
}

static void fp_set(uint64 x) {
    __asm__ volatile(".option push\n.option arch, +d\nfmv.d.x fs3, %0\n.option pop" : : "r"(x));
}

static void fp_handler(int sig) {
    fp_set(~0ul - (uint64)came[sig]);
    came[sig]++;
}

static void floating(void) {
    signal(SIGUSR1, fp_handler);
    signal(SIGALRM, fp_handler);
    fp_set(0x3ff123456789abcd);
    self(SIGUSR1);
    if (fp_bits() != 0x3ff123456789abcd) fail("fs3 after a call", 0x3ff123456789abcd, (long)fp_bits());
    alarm(1);
    while (!came[SIGALRM])
        if (fp_bits() != 0x3ff123456789abcd && !came[SIGALRM])
            fail("fs3", 0x3ff123456789abcd, (long)fp_bits());
    if (fp_bits() != 0x3ff123456789abcd) fail("fs3 at any time", 0x3ff123456789abcd, (long)fp_bits());
}

// ---- calls that sleep ----

static int fds[2];

static void poke_parent(void *pid) {
    sleep(2);
    if (sigsend((int)(uint64)pid, SIGUSR1)) exit(1);
    sleep(3);
}

static void asleep(void) { expect("sleep", BAD, sleep(1000)); }

static void reading(void) {
    char c;
    expect("read", BAD, read(fds[0], &c, 1));
}

static void writing(void) {
    static char much[100000];
    int n = write(fds[1], much, sizeof(much)); // what went in is told
    if (n <= 0 || n >= (int)sizeof(much)) fail("written", 1000, n);
}

static void waiting(void) { expect("wait", BAD, wait(0)); }

static void called_away(void (*from)(void)) {
    int status, before = came[SIGUSR1];
    expect("pipe", 0, pipe(fds));
    int pid = spawn(poke_parent, (void *)(uint64)getpid());
    from();
    expect("handled", before + 1, came[SIGUSR1]);
    while (wait(&status) != pid) {
    }
    expect("the sender", 0, status);
    close(fds[0]);
    close(fds[1]);
}

static void interrupts(void) {
    on(SIGUSR1);
    called_away(asleep);
    called_away(reading);
    called_away(writing);
    called_away(waiting);
}

// ---- alarm ----

static void alarms(void) {
    on(SIGALRM);
    expect("none before", 0, alarm(1));
    int from = uptime();
    while (!came[SIGALRM])
        if (uptime() > from + 50) fail("an alarm while it computes", 1, 0);
    alarm(2);
    expect("sleep", BAD, sleep(1000));
    expect("alarms", 2, came[SIGALRM]);
    alarm(1000);
    uint left = alarm(0);
    if (left < 998 || left > 1000) fail("ticks left", 1000, (long)left);
    alarm(2);
    char c;
    expect("pipe", 0, pipe(fds));
    expect("read", BAD, read(fds[0], &c, 1));
    expect("alarms", 3, came[SIGALRM]);
    alarm(2);
    int pid = spawn(waits, 0); // has none
    expect("wait", BAD, wait(0));
    expect("alarms", 4, came[SIGALRM]);
    sleep(3);
    kill(pid);
    expect("wait", pid, wait(0));
    expect("no more", 4, came[SIGALRM]);
}

static void no_alarm_handler(void *unused) {
    (void)unused;
    alarm(1);
    sleep(1000);
}

static void alarm_ends(void) { expect("status", BAD, status_of(no_alarm_handler, 0)); }

// ---- blocked ----

static void blocked(void) {
    on(SIGUSR1);
    on(SIGUSR2);
    expect("none before", 0, sigblock(1u << SIGUSR1));
    self(SIGUSR1);
    self(SIGUSR1);
    self(SIGUSR2);
    expect("blocked", 0, came[SIGUSR1]);
    expect("not blocked", 1, came[SIGUSR2]);
    expect("the set before", 1 << SIGUSR1, sigblock(0));
    expect("once", 1, came[SIGUSR1]);
    sleep(0);
    expect("only once", 1, came[SIGUSR1]);
    sigblock(~0u);
    self(SIGUSR1);
    self(SIGUSR2);
    expect("sigpause", BAD, sigpause(0));
    expect("one", 2, came[SIGUSR1]);
    expect("the other", 2, came[SIGUSR2]);
    self(SIGUSR1);
    expect("blocked again", 2, came[SIGUSR1]);
}

// Sends itself one that is blocked while its handler runs, and the other, which is not, at once.
static void nest(int sig) {
    int other = sig == SIGUSR1 ? SIGUSR2 : SIGUSR1, before = came[sig]++;
    if (before == 0) {
        self(sig);
        expect("blocked in its handler", 1, came[sig]);
        self(other);
        if (came[other] == 0) fail("the other's handler", 1, 0);
    }
    order[norder++ % 64] = sig;
}

static void nested(void) {
    signal(SIGUSR1, nest);
    signal(SIGUSR2, nest);
    self(SIGUSR1);
    expect("twice", 2, came[SIGUSR1]);
    expect("the other, too", 2, came[SIGUSR2]);
    expect("handlers", 4, norder);
    expect("the outermost ends last but for what it sent itself", SIGUSR1, order[norder - 1]);
}

// Each is answered before the next is sent, so that none may be lost: in the receiver it is blocked but in
// sigpause().
static void answers(void *parent) {
    on(SIGUSR1);
    sigblock(1u << SIGUSR1);
    for (int i = 0; i < times; i++) {
        while (came[SIGUSR1] == i) sigpause(0);
        if (sigsend((int)(uint64)parent, SIGUSR2)) exit(1);
    }
}

static void ping(void) {
    times = 300;
    int status;
    on(SIGUSR2);
    sigblock(1u << SIGUSR2);
    // the child must have its handler before the first
    on(SIGUSR1);
    sigblock(1u << SIGUSR2 | 1u << SIGUSR1);
    int pid = spawn(answers, (void *)(uint64)getpid());
    for (int i = 0; i < times; i++) {
        expect("sigsend", 0, sigsend(pid, SIGUSR1));
        while (came[SIGUSR2] == i) sigpause(1u << SIGUSR1);
    }
    expect("wait", pid, wait(&status));
    expect("status", 0, status);
    expect("answers", times, came[SIGUSR2]);
}

// ---- stacks, children, programs ----

static void without_stack(void *unused) {
    (void)unused;
    on(SIGUSR1);
    __asm__ volatile("mv a0, %0\n li a1, 10\n li sp, 64\n li t0, %1\n jalr t0\n"
                     :
                     : "r"((uint64)getpid()), "i"(0x40000000 + 8 * 37)
                     : "a0", "a1", "t0", "ra");
    exit(0);
}

static void returns_from_nowhere(void *unused) {
    (void)unused;
    __asm__ volatile("li sp, 4096 * 7 + 8\n li t0, %0\n jalr t0\n" : : "i"(0x40000000 + 8 * 41) : "t0", "ra");
    exit(0);
}

static void bad_stack(void) {
    expect("no room for a frame", BAD, status_of(without_stack, 0));
    expect("no frame", BAD, status_of(returns_from_nowhere, 0));
}

static void child_has_it(void *unused) {
    (void)unused;
    self(SIGUSR1);
    expect("a child's handler", 1, came[SIGUSR1]);
}

static void child_has_none(void *unused) { (void)unused; }

static void runs_kill_test(void *unused) {
    (void)unused;
    on(SIGUSR2);
    signal(SIGUSR1, SIG_IGN);
    sigblock(1u << SIGUSR2);
    char *args[] = {"sleep", "30", 0};
    exec("sleep", args);
    exit(9);
}

static void inherited(void) {
    int status;
    on(SIGUSR1);
    expect("status", 0, status_of(child_has_it, 0));
    expect("not in the parent", 0, came[SIGUSR1]);
    int pid = spawn(runs_kill_test, 0);
    sleep(5);
    expect("ignored still", 0, sigsend(pid, SIGUSR1));
    sleep(2);
    expect("it lives", 0, sigsend(pid, SIGUSR1));
    expect("no handler any more", 0, sigsend(pid, SIGUSR2));
    expect("wait", pid, wait(&status));
    expect("status", BAD, status);
}

static void children(void) {
    int status;
    on(SIGCHLD);
    for (int i = 0; i < 5; i++) spawn(child_has_none, 0);
    for (int ended = 0; ended < 5;)
        if (wait(&status) > 0) ended++;
    if (came[SIGCHLD] == 0) fail("SIGCHLD", 1, 0);
}

// ---- threads ----

static volatile uint stop;
static uint64 right;

static void computes(void *unused) {
    (void)unused;
    while (!stop)
        if (compute(2000) != right) fail("a thread's computation", 0, 1);
}

static void waits_long(void *word) {
    while (!stop) thread_wait(word, 0, -1);
}

static void threads(void) {
    static uint word;
    struct thread *t[4];
    int status;
    right = compute(2000);
    signal(SIGUSR1, busy_handler);
    signal(SIGUSR2, busy_handler);
    for (int i = 0; i < 4; i++)
        if (!(t[i] = thread_start(i ? computes : waits_long, &word, 1))) fail("thread_start", 1, 0);
    times = 200;
    int pid = spawn(sender, (void *)(uint64)getpid());
    while (wait(&status) != pid) {
    }
    expect("the sender", 0, status);
    stop = 1;
    thread_wake(&word, 1);
    for (int i = 0; i < 4; i++) thread_join(t[i]);
    if (came[SIGUSR1] < 5 || came[SIGUSR2] < 5) fail("handled", 5, came[SIGUSR1]);
}

// All threads wait for one another: one of them takes the signal.
static void threads_asleep(void) {
    static uint word;
    on(SIGALRM);
    struct thread *t = thread_start(waits_long, &word, 1);
    if (!t) fail("thread_start", 1, 0);
    alarm(2);
    while (!came[SIGALRM]) thread_wait(&word, 0, -1);
    stop = 1;
    thread_wake(&word, 1);
    thread_join(t);
}

// ---- what is blocked, with handlers in two threads ----

static volatile int stage;

static void first_handler(int sig) {
    came[sig]++;
    if (stage) return;
    stage = 1;
    while (stage < 2) thread_yield();
}

static void second_handler(int sig) {
    came[sig]++;
    stage = 2;
    while (stage < 3) thread_yield();
}

static void first_thread(void *unused) {
    (void)unused;
    self(SIGUSR1);
    stage = 3;
}

static void second_thread(void *unused) {
    (void)unused;
    while (stage < 1) thread_yield();
    self(SIGUSR2);
}

// The handler that began first ends first.
static void crossed(void) {
    signal(SIGUSR1, first_handler);
    signal(SIGUSR2, second_handler);
    struct thread *a = thread_start(first_thread, 0, 1), *b = thread_start(second_thread, 0, 1);
    thread_join(a);
    thread_join(b);
    expect("blocked", 0, (long)sigblock(0));
    int before = came[SIGUSR1];
    self(SIGUSR1);
    expect("handled", before + 1, came[SIGUSR1]);
}

static void pauses(void *unused) {
    (void)unused;
    expect("sigpause", BAD, sigpause(1u << SIGTERM));
}

static void paused(void) {
    on(SIGUSR1);
    struct thread *a = thread_start(pauses, 0, 1), *b = thread_start(pauses, 0, 1);
    sleep(1);
    self(SIGUSR1);
    sleep(1);
    self(SIGUSR1);
    thread_join(a);
    thread_join(b);
    expect("blocked", 0, (long)sigblock(0));
}

// What waits for a handler that exec() drops does what it would have done without.
static void blocked_exec(void *sig) {
    static char *argv[] = {"echo", "-n", 0};
    on((int)(uint64)sig);
    sigblock(1u << (uint64)sig);
    self((int)(uint64)sig);
    exec("echo", argv);
}

static void execs(void) {
    expect("SIGTERM", BAD, status_of(blocked_exec, (void *)SIGTERM));
    expect("SIGCHLD", 0, status_of(blocked_exec, (void *)SIGCHLD));
}

const struct test signal_tests[] = {{"sighandler", handler, 0},     {"sigrefused", refused, 0},
                                    {"signone", no_handler, 0},     {"sigunharmed", unharmed, 0},
                                    {"sigfloat", floating, 0},      {"siginterrupts", interrupts, 0},
                                    {"sigalarm", alarms, 0},        {"sigalarmends", alarm_ends, 0},
                                    {"sigblocked", blocked, 0},     {"signested", nested, 0},
                                    {"sigping", ping, 0},           {"sigstack", bad_stack, 0},
                                    {"siginherited", inherited, 0}, {"sigchildren", children, 0},
                                    {"sigthreads", threads, 0},     {"sigthreadwait", threads_asleep, 0},
                                    {"sigcrossed", crossed, 0},     {"sigpauses", paused, 0},
                                    {"sigexec", execs, 0},          {0, 0, 0}};
