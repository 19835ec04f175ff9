// Threads: user/thread.h, and what the calls of user.h do with several of them.
#include <exo/abi.h>

#include "ut.h"

#include "kernel/fcntl.h"
#include "user/thread.h"

#define MOST 27 // beside the first

static struct thread *start(void (*fn)(void *), void *arg, int tickets) {
    struct thread *t = thread_start(fn, arg, tickets);
    if (!t) fail("thread_start", 1, 0);
    return t;
}

static void spin_until(volatile uint64 *word) {
    while (!*word) {
    }
}

// ---- life ----

static void square(void *arg) {
    long *n = arg;
    *n = *n * *n;
}

// As many as there may be, twice over.
static void life(void) {
    struct thread *t[MOST];
    long n[MOST];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MOST; i++) {
            n[i] = i + 2;
            t[i] = start(square, &n[i], 1);
        }
        if (round == 0) expect("one more", 1, thread_start(square, &n[0], 1) == 0);
        for (int i = 0; i < MOST; i++) thread_join(t[i]);
        for (int i = 0; i < MOST; i++) expect("result", (i + 2) * (i + 2), n[i]);
    }
    expect("self", 0, thread_self());
}

static void nothing(void *unused) { (void)unused; }

static void refusals(void) {
    static uint word = 1;
    char *top = sbrk(0);
    expect("no tickets", -1, thread_new(nothing, 0, top, 0));
    expect("too many tickets", -1, thread_new(nothing, 0, top, 1001));
    expect("tickets 0", -1, thread_tickets(0));
    expect("tickets 1001", -1, thread_tickets(1001));
    expect("wait: no memory", -1, thread_wait((uint *)(top + 8192), 0, 0));
    expect("wait: the kernel's", -1, thread_wait((uint *)0xffffffc080200000, 0, 0));
    expect("wait: unaligned", -1, thread_wait((uint *)((char *)&word + 1), 0, 0));
    expect("wait: another value", 1, thread_wait(&word, 2, -1));
    expect("wait: time", 1, thread_wait(&word, 1, 1000));
    expect("wake: nobody", 0, thread_wake(&word, 10));
    expect("yield", 0, thread_yield());
}

// ---- registers ----

#define LINES 6

struct line {
    uint64 seed, sum;
    double x, want;
};

static uint64 mixed(uint64 v, int rounds) {
    uint64 a = v, b = v ^ 0x9e3779b97f4a7c15, c = v << 7, d = ~v, e = v * 3, f = v >> 3;
    for (int i = 0; i < rounds; i++) {
        a += b ^ c;
        b = (b << 13 | b >> 51) + d;
        c ^= e + a;
        d += f;
        e = (e << 7 | e >> 57) ^ b;
        f += a;
    }
    return a ^ b ^ c ^ d ^ e ^ f;
}

static double series(double x, int n) {
    double sum = 0, term = 1;
    for (int i = 1; i < n; i++) {
        sum += term;
        term = term * x / i + 1e-9 * i;
    }
    return sum;
}

static void compute(void *arg) {
    struct line *l = arg;
    l->sum = mixed(l->seed, 3000000);
    l->x = series(l->x, 1000000);
}

// What they compute when their turns end anywhere is what one computes alone.
static void registers(void) {
    struct line line[LINES], alone[LINES];
    struct thread *t[LINES];
    for (int i = 0; i < LINES; i++) {
        line[i] = alone[i] = (struct line){.seed = 77 + i, .x = 0.5 + i * 0.125};
        t[i] = start(compute, &line[i], 1);
    }
    for (int i = 0; i < LINES; i++) thread_join(t[i]);
    for (int i = 0; i < LINES; i++) {
        compute(&alone[i]);
        expect("integers", alone[i].sum, line[i].sum);
        expect("floating point", 1, alone[i].x == line[i].x);
    }
}

// ---- mutexes, conditions ----

static struct mutex lock;
static volatile long shared_count;

static void count_up(void *arg) {
    for (int i = 0; i < 60000; i++) {
        mutex_lock(&lock);
        long seen = shared_count;
        for (int j = i % 16; j; j--) __asm__ volatile("");
        shared_count = seen + 1;
        mutex_unlock(&lock);
    }
    (void)arg;
}

static void mutex(void) {
    struct thread *t[5];
    for (int i = 0; i < 5; i++) t[i] = start(count_up, 0, 1 + i);
    for (int i = 0; i < 5; i++) thread_join(t[i]);
    expect("count", 5 * 60000, shared_count);
    expect("free", 1, mutex_try(&lock));
    expect("held", 0, mutex_try(&lock));
}

#define ITEMS 20000
#define ROOM  7

static struct {
    struct mutex lock;
    struct cond not_full, not_empty;
    int item[ROOM], n, head, closed;
    uchar seen[ITEMS];
} belt;

static void producer(void *arg) {
    for (int i = (int)(long)arg; i < ITEMS; i += 3) {
        mutex_lock(&belt.lock);
        while (belt.n == ROOM) cond_wait(&belt.not_full, &belt.lock);
        belt.item[(belt.head + belt.n++) % ROOM] = i;
        cond_signal(&belt.not_empty);
        mutex_unlock(&belt.lock);
    }
}

static void consumer(void *arg) {
    (void)arg;
    for (;;) {
        mutex_lock(&belt.lock);
        while (belt.n == 0 && !belt.closed) cond_wait(&belt.not_empty, &belt.lock);
        if (belt.n == 0) break;
        belt.seen[belt.item[belt.head]]++;
        belt.head = (belt.head + 1) % ROOM;
        belt.n--;
        cond_signal(&belt.not_full);
        mutex_unlock(&belt.lock);
    }
    mutex_unlock(&belt.lock);
}

// Each item goes through once: no update and no waking is lost.
static void condition(void) {
    struct thread *in[3], *out[4];
    for (long i = 0; i < 3; i++) in[i] = start(producer, (void *)i, 1);
    for (int i = 0; i < 4; i++) out[i] = start(consumer, 0, 1);
    for (int i = 0; i < 3; i++) thread_join(in[i]);
    mutex_lock(&belt.lock);
    belt.closed = 1;
    cond_broadcast(&belt.not_empty);
    mutex_unlock(&belt.lock);
    for (int i = 0; i < 4; i++) thread_join(out[i]);
    for (int i = 0; i < ITEMS; i++) expect("item", 1, belt.seen[i]);
}

// ---- turns ----

static volatile uint64 stop;
static volatile uint64 had[3];

static void spin(void *arg) {
    volatile uint64 *n = arg;
    while (!stop) ++*n;
}

static uint64 ticks(uint64 ms) { return EXO_WORDS->timebase * ms / 1000; }

static uint64 now(void) {
    uint64 t;
    __asm__ volatile("rdtime %0" : "=r"(t));
    return t;
}

// Thirds, or what tickets say; the first thread sleeps meanwhile. Where guest time is not the host's, which a
// small budget tells, it must be exact.
static void share(const int tickets[3], const char *what) {
    struct thread *t[3];
    uint64 all = 0, exact = EXO_WORDS->budget < EXO_WORDS->timebase / 1000, percent = exact ? 1 : 25;
    int sum = 0;
    stop = 0;
    for (int i = 0; i < 3; i++) {
        had[i] = 0;
        sum += tickets[i];
        t[i] = start(spin, (void *)&had[i], tickets[i]);
    }
    sleep(20);
    stop = 1;
    for (int i = 0; i < 3; i++) thread_join(t[i]);
    for (int i = 0; i < 3; i++) all += had[i];
    for (int i = 0; i < 3; i++) {
        uint64 want = all * tickets[i] / sum, off = had[i] > want ? had[i] - want : want - had[i];
        if (off * 100 > all * percent) fail(what, want, had[i]);
    }
}

static void stride(void) {
    share((const int[]){1, 1, 1}, "1:1:1");
    share((const int[]){3, 2, 1}, "3:2:1");
}

static int fds[2];
static volatile uint64 got;

static void reader(void *arg) {
    char c = 0;
    got = read(fds[0], &c, 1) == 1 && c == *(char *)arg;
}

static void sleeper(void *arg) {
    sleep(3);
    *(volatile uint64 *)arg = 1;
}

static void parent(void *arg) {
    int status = 0, pid = fork();
    if (pid == 0) {
        sleep(3);
        exit(9);
    }
    *(volatile uint64 *)arg = wait(&status) == pid && status == 9;
}

// Three that wait, each for something else, and one that goes on.
static void siblings(void) {
    static volatile uint64 slept, waited;
    char c = 'x';
    expect("pipe", 0, pipe(fds));
    struct thread *r = start(reader, &c, 1);
    struct thread *s = start(sleeper, (void *)&slept, 1);
    struct thread *p = start(parent, (void *)&waited, 1);
    uint64 begun = now();
    spin_until(&waited);
    spin_until(&slept);
    expect("the pipe's reader waits", 0, got);
    expect("in time", 1, now() - begun < ticks(20000));
    expect("write", 1, write(fds[1], &c, 1));
    spin_until(&got);
    thread_join(r);
    thread_join(s);
    thread_join(p);
}

// All asleep: the process has no slices.
static void quiet(void) {
    static volatile uint64 slept;
    char c = 'x';
    expect("pipe", 0, pipe(fds));
    struct thread *r = start(reader, &c, 1);
    struct thread *s = start(sleeper, (void *)&slept, 1);
    sleep(1);
    uint64 before = 0, after = 0;
    for (int i = 0; i < EXO_NENV; i++) before += EXO_ENVS[i].eid ? EXO_ENVS[i].slices : 0;
    sleep(10);
    for (int i = 0; i < EXO_NENV; i++) after += EXO_ENVS[i].eid ? EXO_ENVS[i].slices : 0;
    if (after - before > 60) fail("slices", 60, after - before);
    expect("write", 1, write(fds[1], &c, 1));
    thread_join(r);
    thread_join(s);
}

static uint gate;

static void waiter(void *arg) { *(volatile uint64 *)arg = 1 + thread_wait(&gate, 0, 30000000); }

static void wake_order(void) {
    static volatile uint64 out[3];
    struct thread *t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = start(waiter, (void *)&out[i], 1);
        thread_yield();
    }
    sleep(1);
    expect("first", 1, thread_wake(&gate, 1));
    thread_join(t[0]);
    expect("was woken", 1, out[0]);
    expect("second waits", 0, out[1]);
    expect("others", 2, thread_wake(&gate, 10));
    thread_join(t[1]);
    thread_join(t[2]);
    expect("and they", 2, out[1] + out[2]);
}

// ---- processes of several threads ----

#define LONG 100000 // ticks: to be ended before

static void busy(void *arg) {
    (void)arg;
    for (;;) {
    }
}

static void file_user(void *arg) {
    char *name = arg, buf[600];
    for (int i = 0; i < 600; i++) buf[i] = name[i % 3];
    for (;;) {
        int fd = open(name, O_CREATE | O_RDWR | O_TRUNC);
        if (fd < 0) fail("open", 0, fd);
        for (int i = 0; i < 10; i++) expect("write", 600, write(fd, buf, 600));
        expect("close", 0, close(fd));
        fd = open(name, O_RDONLY);
        for (int i = 0; i < 10; i++) {
            expect("read", 600, read(fd, buf, 600));
            expect("byte", name[599 % 3], buf[599]);
        }
        expect("close", 0, close(fd));
        shared_count++;
    }
}

static void crowd(void) {
    if (pipe(fds)) fail("pipe", 0, -1);
    start(busy, 0, 1);
    start(reader, "x", 1);
    start(file_user, "ta0", 1);
    start(file_user, "tb0", 1);
    start(sleeper, (void *)&got, 1);
    start(parent, (void *)&had[0], 1);
}

static void exits(void *arg) {
    sleep(1);
    exit((int)(long)arg);
}

static void crowd_exit(void *arg) {
    crowd();
    start(exits, arg, 1);
    sleep(LONG);
}

static void crowd_exec(void *unused) {
    char *args[] = {"sleep", "0", 0};
    (void)unused;
    crowd();
    sleep(1);
    exec("sleep", args);
    exit(2);
}

static void execs(void *unused) { crowd_exec(unused); }

static void crowd_exec_other(void *unused) {
    (void)unused;
    start(execs, 0, 1);
    sleep(LONG);
    exit(3);
}

static void last_thread(void *unused) {
    (void)unused;
    start(sleeper, (void *)&got, 1);
    thread_exit(0);
}

static void killed_crowd(void *unused) {
    (void)unused;
    crowd();
    sleep(LONG);
}

static void exec_large(void *unused) {
    static char *args[] = {"usertests", "none of them", 0};
    (void)unused;
    exec("usertests", args);
}

static void exec_and_exit(void *yields) {
    close(2);
    start(exec_large, 0, 1);
    for (uint64 i = 0; i < (uint64)yields; i++) thread_yield();
    exit(0);
}

static void read_it(void *unused) {
    static char buf[4096];
    (void)unused;
    for (;;) {
        int fd = open("usertests", O_RDONLY);
        while (read(fd, buf, sizeof buf) > 0) {
        }
        close(fd);
    }
}

// exec by one thread while another ends the process: what was made for the new program goes, too.
static void exec_ends(void) {
    int status, other[2];
    for (int i = 0; i < 2; i++) other[i] = spawn(read_it, 0);
    for (uint64 i = 0; i < 24; i++) {
        status = status_of(exec_and_exit, (void *)(1 + i % 6));
        if (status != 0 && status != 1) fail("status", 0, status); // of either program
    }
    for (int i = 0; i < 2; i++) expect("kill", 0, kill(other[i]));
    for (int i = 0; i < 2; i++) expect("killed", BAD, (wait(&status), status));
}

// A process ends with all its threads, whichever it is that ends it.
static void ends(void) {
    expect("exit of another thread", 5, status_of(crowd_exit, (void *)5));
    expect("exec", 0, status_of(crowd_exec, 0));
    expect("exec by another", 0, status_of(crowd_exec_other, 0));
    expect("the last thread", 0, status_of(last_thread, 0));
    for (int i = 0; i < 5; i++) {
        int status = 0, pid = spawn(killed_crowd, 0);
        sleep(1 + i % 2);
        expect("kill", 0, kill(pid));
        expect("wait", pid, wait(&status));
        expect("killed", -1, status);
    }
    unlink("ta0");
    unlink("tb0");
}

static void forks(void *arg) {
    double x = series(0.25, 50);
    int status = 0, pid = fork();
    if (pid == 0) { // has one thread, and may have others of its own
        long n = 12;
        expect("floating point", 1, x == series(0.25, 50));
        expect("self", 0, thread_self());
        struct thread *t = start(square, &n, 1), *u = start(sleeper, (void *)&got, 1);
        thread_join(t);
        thread_join(u);
        expect("square", 144, n);
        expect("grandchild", 7, status_of(exits, (void *)7));
        exit(4);
    }
    expect("wait", pid, wait(&status));
    *(volatile uint64 *)arg = status == 4;
}

static void fork_thread(void) {
    static volatile uint64 ok[2];
    struct thread *t = start(forks, (void *)&ok[0], 1);
    thread_join(t);
    t = start(forks, (void *)&ok[1], 1);
    struct thread *b = start(count_up, 0, 1);
    thread_join(t);
    thread_join(b);
    expect("children", 1, ok[0] && ok[1]);
}

static void allocate(void *arg) {
    uint64 seed = (uint64)arg;
    for (int i = 0; i < 400; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        uint n = 1 + (seed >> 40) % 9000;
        uchar *p = malloc(n);
        if (!p) fail("malloc", 1, 0);
        p[0] = p[n - 1] = (uchar)seed;
        if (i % 8 == 0) thread_yield();
        expect("own memory", (uchar)seed, p[n - 1]);
        free(p);
    }
}

// Files, memory and pipes used by all at once.
static void together(void) {
    struct thread *t[5];
    for (long i = 0; i < 5; i++) t[i] = start(allocate, (void *)(i * 7919 + 1), 1);
    start(file_user, "tc0", 1);
    start(file_user, "td0", 1);
    start(file_user, "te0", 1);
    for (int i = 0; i < 5; i++) thread_join(t[i]);
    for (long seen = shared_count; shared_count < seen + 30;) sleep(1);
    expect("unlink", 0, unlink("tc0"));
    expect("unlink", 0, unlink("td0"));
    expect("unlink", 0, unlink("te0"));
}

const struct test thread_tests[] = {
    {"threads", life, 0},           {"threadrefuse", refusals, 0},
    {"threadregs", registers, 1},   {"threadmutex", mutex, 0},
    {"threadcond", condition, 0},   {"threadstride", stride, 1},
    {"threadwait", siblings, 0},    {"threadquiet", quiet, 0},
    {"threadwake", wake_order, 0},  {"threadends", ends, 0},
    {"threadfork", fork_thread, 0}, {"threadall", together, 0},
    {"threadexec", exec_ends, 0},   {0, 0, 0},
};
