// Threads on several harts: thread_harts() of user/thread.h. With one hart all of it must work, too.
#include <exo/abi.h>
#include <exo/call.h>

#include "ut.h"

#include "kernel/mman.h"
#include "kernel/signal.h"
#include "user/exv6.h"
#include "user/signals.h"
#include "user/thread.h"

#define MOST 8
#define LONG 100000 // ticks: to be ended before

static int harts; // that this process has

static void take_harts(void) {
    int want = (int)EXO_WORDS->nharts;
    harts = thread_harts(MOST);
    expect("thread_harts", want, harts);
}

static struct thread *start(void (*fn)(void *), void *arg) {
    struct thread *t = thread_start(fn, arg, 1);
    if (!t) fail("thread_start", 1, 0);
    return t;
}

static void all_of(void (*fn)(void *), uint64 n) {
    struct thread *t[MOST];
    for (uint64 i = 0; i < n; i++) t[i] = start(fn, (void *)i);
    for (uint64 i = 0; i < n; i++) thread_join(t[i]);
}

// ---- at once ----

static volatile uint turn, exchanges;

// Each waits for the other without ever leaving the processor: a slice a time on one hart.
static void exchange(void *me) {
    for (uint i = 0; i < exchanges; i++) {
        while (turn % 2 != (uint)(uint64)me) {
        }
        turn++;
    }
}

static void at_once(void) {
    take_harts();
    exchanges = harts > 1 ? 500 : 10;
    int from = uptime();
    all_of(exchange, 2);
    expect("turns", 2 * (long)exchanges, (long)turn);
    if (harts > 1 && uptime() - from > 50) fail("ticks", 50, uptime() - from);
}

// ---- what threads share ----

#define ROUNDS 3000

static struct mutex lock;
static struct cond changed;
static uint64 counter, loose;
static double sums[MOST];

static void count(void *me) {
    double sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&lock);
        counter++;
        mutex_unlock(&lock);
        __atomic_fetch_add(&loose, 1, __ATOMIC_RELAXED);
        sum += (double)((uint64)me + 1) / 4;
        if (i % 1000 == 999) thread_yield();
    }
    sums[(uint64)me] = sum;
}

static void updates(void) {
    take_harts();
    all_of(count, MOST);
    expect("counted with a mutex", MOST * ROUNDS, (long)counter);
    expect("counted by atomic additions", MOST * ROUNDS, (long)loose);
    for (uint64 i = 0; i < MOST; i++)
        if (sums[i] != ROUNDS * (double)(i + 1) / 4)
            fail("a sum", (long)(ROUNDS * (i + 1) / 4), (long)sums[i]);
}

#define ITEMS 2000

static uint64 ring[4], put_at, got_at, total;

static void produce(void *me) {
    for (uint64 i = 0; i < ITEMS; i++) {
        mutex_lock(&lock);
        while (put_at - got_at == 4) cond_wait(&changed, &lock);
        ring[put_at++ % 4] = i + (uint64)me;
        cond_broadcast(&changed);
        mutex_unlock(&lock);
    }
}

static void consume(void *me) {
    (void)me;
    for (uint64 i = 0; i < ITEMS; i++) {
        mutex_lock(&lock);
        while (put_at == got_at) cond_wait(&changed, &lock);
        total += ring[got_at++ % 4];
        cond_broadcast(&changed);
        mutex_unlock(&lock);
    }
}

static void either(void *me) {
    if ((uint64)me % 2)
        produce(0);
    else
        consume(0);
}

static void wakeups(void) {
    take_harts();
    all_of(either, 4);
    expect("sum", ITEMS * (ITEMS - 1), (long)total);
}

// ---- calls ----

static void use_files(void *me) {
    char name[] = {'h', (char)('0' + (uint64)me), 0}, buf[700];
    for (int round = 0; round < 3; round++) {
        int fd = open(name, O_CREATE | O_RDWR | O_TRUNC);
        if (fd < 0) fail("open", 0, fd);
        memset(buf, name[1], sizeof buf);
        for (int i = 0; i < 5; i++) expect("write", sizeof buf, write(fd, buf, sizeof buf));
        expect("close", 0, close(fd));
        fd = open(name, O_RDONLY);
        for (int i = 0; i < 5; i++) {
            expect("read", sizeof buf, read(fd, buf, sizeof buf));
            for (uint k = 0; k < sizeof buf; k++) expect("a byte", name[1], buf[k]);
        }
        expect("close", 0, close(fd));
    }
    expect("unlink", 0, unlink(name));
}

static int fds[2];

static void send_bytes(void *unused) {
    (void)unused;
    for (int i = 0; i < 5000; i++) expect("write", 1, write(fds[1], "x", 1));
}

static void get_bytes(void *unused) {
    char c;
    (void)unused;
    for (int i = 0; i < 5000; i++) expect("read", 1, read(fds[0], &c, 1));
}

// Pages that nobody had before: each faults, on whichever hart.
static void touch_pages(void *me) {
    int pages = 200;
    uint64 *p = mmap(0, (uint64)pages * PGSIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == (void *)BAD) fail("mmap", 0, BAD);
    for (int i = 0; i < pages; i++) {
        expect("a new page", 0, (long)p[i * 512]);
        p[i * 512] = (uint64)me << 32 | (uint)i;
    }
    for (int i = 0; i < pages; i++) expect("a page", (long)((uint64)me << 32 | (uint)i), (long)p[i * 512]);
    expect("munmap", 0, munmap(p, (uint64)pages * PGSIZE));
}

static void fork_children(void *me) {
    for (int i = 0; i < 3; i++) {
        int status, pid = fork();
        if (pid < 0) fail("fork", 0, pid);
        if (pid == 0) exit((int)(uint64)me + i);
        // Another thread's wait() may have it.
        if (wait(&status) < 0) fail("wait", 0, BAD);
    }
}

static void spin(void *until) {
    while (!*(volatile int *)until) {
    }
}

static void call_all(void *me) {
    switch ((uint64)me) {
    case 0: send_bytes(0); break;
    case 1: get_bytes(0); break;
    case 2:
    case 3: touch_pages(me); break;
    case 4: fork_children(me); break;
    case 5: sleep(3); break;
    default: use_files(me);
    }
}

static volatile int enough;

static void calls(void) {
    expect("pipe", 0, pipe(fds));
    take_harts();
    struct thread *busy = start(spin, (void *)&enough);
    all_of(call_all, MOST);
    enough = 1;
    thread_join(busy);
}

// ---- signals and ends ----

static volatile int handled;

static void handler(int sig) { handled += sig == SIGALRM; }

// All threads but one that waits for them spin: somebody must be taken from another hart for the handler.
static void spin_handled(void *unused) {
    (void)unused;
    while (!handled) {
    }
}

static void signals(void) {
    signal(SIGALRM, handler);
    take_harts();
    for (int i = 1; i <= 3; i++) {
        handled = 0;
        alarm(1);
        all_of(spin_handled, (uint64)(i == 3 ? MOST : i));
        expect("handled", 1, handled);
    }
}

static void busy_crowd(void) {
    take_harts();
    for (int i = 0; i < 6; i++) start(spin, (void *)&enough);
    start(use_files, (void *)8);
}

static void crowd_killed(void *unused) {
    (void)unused;
    busy_crowd();
    for (;;) {
    }
}

static void crowd_left(void *unused) { // by its first thread: the others spin
    (void)unused;
    busy_crowd();
    thread_exit(0);
}

static void leave(void *status) {
    sleep(1);
    exit((int)(uint64)status);
}

static void crowd_exits(void *unused) {
    (void)unused;
    busy_crowd();
    start(leave, (void *)7);
    sleep(LONG);
}

static void crowd_execs(void *unused) {
    static char *argv[] = {"sleep", "0", 0};
    (void)unused;
    busy_crowd();
    sleep(1);
    exec("sleep", argv);
}

static void spin_bad(void *unused) {
    (void)unused;
    for (volatile int i = 0; i < 100000; i++) {
    }
    *(volatile int *)0x3f000000 = 1;
}

static void crowd_faults(void *unused) {
    (void)unused;
    busy_crowd();
    start(spin_bad, 0);
    sleep(LONG);
}

static void jump_bad(void *unused) {
    (void)unused;
    ((void (*)(void))0x7ffffff000)();
}

static void crowd_jumps(void *unused) {
    (void)unused;
    busy_crowd();
    start(jump_bad, 0);
    sleep(LONG);
}

static void kill_crowd(void (*crowd)(void *)) {
    for (int i = 0; i < 4; i++) {
        int status = 0, pid = spawn(crowd, 0);
        sleep(1 + i % 2);
        expect("kill", 0, kill(pid));
        expect("wait", pid, wait(&status));
        expect("killed", BAD, status);
    }
}

static void ends(void) {
    kill_crowd(crowd_killed);
    kill_crowd(crowd_left);
    expect("exit of another thread", 7, status_of(crowd_exits, 0));
    expect("exec", 0, status_of(crowd_execs, 0));
    expect("a fault", BAD, status_of(crowd_faults, 0));
    expect("a jump", BAD, status_of(crowd_jumps, 0));
    for (uint64 i = 0; i < 9; i++) unlink(name_of("h", (int)i));
}

// A process whose environments on other harts are ended: it is killed.
static void lose(void *ticks) {
    int lost = 0;
    take_harts();
    struct thread *t = start(spin, (void *)&enough);
    sleep((int)(uint64)ticks);
    for (int i = 0; i < EXO_NENV; i++) {
        const volatile struct exo_env *e = &EXO_ENVS[i];
        if (e->eid == 0 || e->uva < 0x401f0000 || e->uva >= 0x401f8000) continue; // libos/worker.h
        expect("env_end", 0, (long)exo_env_end(e->eid));
        lost++;
    }
    expect("environments on other harts", harts - 1, lost);
    if (harts == 1) exit(BAD);
    thread_join(t);
}

static void lost(void) {
    expect("a process that lost environments", BAD, status_of(lose, 0));
    expect("a process that lost environments", BAD, status_of(lose, (void *)2));
}

// ---- what threads find in their registers ----

struct computed {
    uint64 seed, sum;
    double x;
    int calls;
};

static void compute(void *arg) {
    struct computed *c = arg;
    uint64 a = c->seed, b = a * 3, d = a * 5, e = a * 7, f = a ^ 9;
    double x = (double)a, y = x / 3, z = y + 1, w = z * 2;
    for (uint i = 0; i < 60000; i++) {
        a = a * 6364136223846793005 + b;
        b += a >> 7 ^ d;
        d = d * 31 + e;
        e ^= f + i;
        f += a ^ b;
        x = x * 0.999 + y;
        y = y * 0.5 + z;
        z = z * 0.25 + w;
        w = (double)(a >> 40) - x * 0.125;
        if (c->calls && i % 256 == 0) getpid();
    }
    c->sum = a ^ b ^ d ^ e ^ f;
    c->x = x + y + z + w;
}

static void note(int sig) { (void)sig; }

static void registers(void) {
    struct computed c[MOST], alone;
    struct thread *t[MOST];
    take_harts();
    signal(SIGALRM, note);
    alarm(1);
    for (uint64 i = 0; i < MOST; i++) {
        c[i] = (struct computed){.seed = 77 + i, .calls = i % 3 != 0};
        t[i] = start(compute, &c[i]);
    }
    for (int i = 0; i < MOST; i++) {
        thread_join(t[i]);
        alone = (struct computed){.seed = c[i].seed};
        compute(&alone);
        expect("integers", (long)alone.sum, (long)c[i].sum);
        if (alone.x != c[i].x) fail("floating point", (long)alone.x, (long)c[i].x);
    }
}

// Processes that have threads and one hart each, beside one that has them all.
static void bystander(void *unused) {
    uint word = 0;
    (void)unused;
    for (int i = 0; i < 300; i++) {
        thread_wait(&word, 0, 3000);
        getpid();
    }
}

static void bystanders(void *unused) {
    (void)unused;
    start(spin, (void *)&enough);
    all_of(bystander, 3);
    exit(0);
}

static void others(void) {
    int status, crowd = spawn(crowd_killed, 0);
    sleep(2);
    for (int i = 0; i < 4; i++) spawn(bystanders, 0);
    for (int i = 0; i < 4; i++) {
        wait(&status);
        expect("status", 0, status);
    }
    expect("kill", 0, kill(crowd));
    expect("wait", crowd, wait(&status));
    unlink("h8");
}

static volatile int may_call, called;

static void call_late(void *unused) {
    (void)unused;
    while (!may_call) {
    }
    getpid();
    called = 1;
}

// Who had a hart for itself for a while is served soon all the same, though others are there to run.
static void served(void) {
    take_harts();
    struct thread *t = start(call_late, 0);
    sleep(20);
    may_call = 1;
    int from = uptime();
    while (!called) {
    }
    if (uptime() - from > 10) fail("ticks", 10, uptime() - from);
    thread_join(t);
}

static volatile uint *file, *said;

static void say(void *unused) {
    (void)unused;
    for (uint n = 1;; n++) {
        file[0] = n;
        said[0] = n;
    }
}

static void unmap_under_it(void *unused) {
    (void)unused;
    int fd = open("hm", O_RDWR);
    take_harts();
    file = mmap(0, 16ul * PGSIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (file == (void *)BAD) exit(2);
    start(say, 0);
    sleep(1);
    munmap((void *)file, 16ul * PGSIZE);
    sleep(LONG);
}

// What a thread has stored when the mapping goes is in the file, to the last.
static void unmapped(void) {
    static char page[PGSIZE];
    uint last;
    int fd = open("hm", O_CREATE | O_RDWR | O_TRUNC);
    for (int i = 0; i < 16; i++) expect("write", PGSIZE, write(fd, page, PGSIZE));
    close(fd);
    said = mmap(0, PGSIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4; i++) {
        expect("a store to what is not mapped any more", BAD, status_of(unmap_under_it, 0));
        fd = open("hm", O_RDONLY);
        expect("read", sizeof last, read(fd, &last, sizeof last));
        close(fd);
        if (last != said[0] && last != said[0] + 1) fail("in the file", (long)said[0], last);
    }
    unlink("hm");
}

static void take_and_sleep(void *unused) {
    (void)unused;
    thread_harts(MOST);
    sleep(LONG);
}

// However many harts are taken, there are environments for processes.
static void quota(void) {
    int pid[50], status;
    for (int i = 0; i < 50; i++) pid[i] = spawn(take_and_sleep, 0);
    sleep(2);
    for (int i = 0; i < 5; i++) expect("one more", 0, status_of(compute, &(struct computed){.seed = 1}));
    for (int i = 0; i < 50; i++) expect("kill", 0, kill(pid[i]));
    for (int i = 0; i < 50; i++) expect("killed", BAD, (wait(&status), status));
}

static void refused(void) {
    expect("no harts", BAD, thread_harts(0));
    expect("less than none", BAD, thread_harts(-1));
    expect("one", 1, thread_harts(1));
    take_harts();
    expect("never fewer", harts, thread_harts(1));
    int status, pid = fork(); // a child has one, and may have others of its own
    if (pid == 0) {
        expect("a child's", 1, thread_harts(1));
        take_harts();
        all_of(count, 4);
        expect("counted", 4 * ROUNDS, (long)counter);
        exit(0);
    }
    expect("wait", pid, wait(&status));
    expect("status", 0, status);
}

const struct test hart_tests[] = {{"hartonce", at_once, 0},        {"hartupdates", updates, 0},
                                  {"hartwakeups", wakeups, 0},     {"hartcalls", calls, 0},
                                  {"hartsignals", signals, 0},     {"hartends", ends, 0},
                                  {"hartlost", lost, 0},           {"hartrefused", refused, 0},
                                  {"hartregisters", registers, 0}, {"hartothers", others, 0},
                                  {"hartserved", served, 0},       {"hartquota", quota, 0},
                                  {"hartunmap", unmapped, 0},      {0, 0, 0}};
