// Calls between processes, on one hart and between harts: answers are the server's, and each client's own.
#include "ut.h"

#include "user/rpc.h"
#include "user/signals.h"
#include "user/thread.h"

#define ADD   1 // word 1 + word 2, in word 0; the others stay
#define SLOW  2 // the same, and takes more than a slice
#define SLEEP 3 // the same, after a tick
#define DIE   4
#define END   5
#define HANG  6

static int serve(struct rpc *m) {
    uint64 what = m->word[0];
    int from = uptime();
    if (what == DIE) exit(3);
    if (what == SLOW)
        for (volatile int i = 0; i < 300000; i++) {
        }
    if (what == SLEEP) sleep(1);
    while (what == HANG) expect("time goes on", 1, uptime() >= from);
    m->word[0] = m->word[1] + m->word[2];
    m->word[7] = (uint64)m->pid;
    return what != END;
}

static void server(void *unused) {
    (void)unused;
    rpc_serve(serve);
}

// The server is none before its first rpc_next().
static void ask(int pid, struct rpc *m) {
    for (int late = uptime() + 100; rpc_call(pid, m);)
        if (uptime() > late) fail("rpc_call", 0, BAD);
}

static void add(int pid, uint64 how, uint64 a, uint64 b) {
    struct rpc m = {.word = {how, a, b, a * 3, b * 5, a ^ b, ~a, 0}};
    ask(pid, &m);
    expect("the answer", (long)(a + b), (long)m.word[0]);
    expect("of whom", getpid(), (long)m.word[7]);
    for (int i = 1; i < 7; i++) {
        uint64 same[] = {0, a, b, a * 3, b * 5, a ^ b, ~a};
        expect("words that stay", (long)same[i], (long)m.word[i]);
    }
}

static void ends(int pid, uint64 how, int with) {
    int status;
    struct rpc m = {.word = {how}};
    if (how == END) ask(pid, &m);
    expect("wait", pid, wait(&status));
    expect("the server's status", with, status);
}

static void calls(void) {
    int a = spawn(server, 0), b = spawn(server, 0); // of two harts, one may be ours
    for (uint64 i = 0; i < 500; i++) {
        add(a, ADD, i, i * i);
        add(b, ADD, i + 7, i);
    }
    for (uint64 i = 0; i < 5; i++) {
        add(a, SLOW, i, i);
        add(b, SLEEP, i, i);
    }
    ends(a, END, 0);
    ends(b, END, 0);
}

static void client(void *pid) {
    for (uint64 i = 0; i < 300; i++) add((int)(uint64)pid, i % 50 ? ADD : SLOW, i, (uint64)getpid());
}

static void many(void) {
    int status, pid = spawn(server, 0), n = 8;
    for (int i = 0; i < n; i++) spawn(client, (void *)(uint64)pid);
    for (int i = 0; i < n; i++) {
        if (wait(&status) == pid) fail("the server's end", 0, status);
        expect("a client's status", 0, status);
    }
    ends(pid, END, 0);
}

// A server asks another, as a client.
static int next_server;

static int forward(struct rpc *m) {
    add(next_server, ADD, m->word[1], m->word[2]);
    m->word[0] = 2 * (m->word[1] + m->word[2]);
    return m->word[1] != 99;
}

static void forwards(void *unused) {
    (void)unused;
    rpc_serve(forward);
}

static void chain(void) {
    int status;
    next_server = spawn(server, 0);
    int first = spawn(forwards, 0);
    for (uint64 i = 0; i < 100; i++) {
        struct rpc m = {.word = {0, i, 1}};
        ask(first, &m);
        expect("twice", (long)(2 * (i + 1)), (long)m.word[0]);
    }
    expect("wait", first, wait(&status));
    expect("status", 0, status);
    ends(next_server, END, 0);
}

static void idle(void *unused) {
    (void)unused;
    for (;;) sleep(1000);
}

static void refused(void) {
    struct rpc m = {.word = {ADD}};
    int pid = spawn(idle, 0);
    expect("no server", BAD, rpc_call(pid, &m));
    expect("no process", BAD, rpc_call(30000, &m));
    expect("itself", BAD, rpc_call(getpid(), &m));
    kill(pid);
    wait(0);
    pid = spawn(server, 0);
    add(pid, ADD, 1, 2);
    expect("no memory", BAD, rpc_call(pid, (struct rpc *)0x3f000000));
    expect("the kernel's", BAD, rpc_call(pid, (struct rpc *)0x8000000000000000));
    expect("not aligned", BAD, rpc_call(pid, (struct rpc *)((char *)&m + 4)));
    expect("no memory", BAD, rpc_next((struct rpc *)0x3f000000));
    expect("no memory", BAD, rpc_answer((struct rpc *)0x3f000000));
    m.pid = pid;
    expect("nobody waits for this answer", 0, rpc_answer(&m));
    add(pid, ADD, 3, 4);
    ends(pid, END, 0);
}

static void server_dies(void) {
    for (int i = 0; i < 8; i++) { // on each of the harts
        struct rpc m = {.word = {DIE}};
        int pid = spawn(server, 0);
        add(pid, ADD, 1, 2);
        expect("rpc_call", BAD, rpc_call(pid, &m));
        ends(pid, 0, 3);
        expect("nobody is there", BAD, rpc_call(pid, &m));
    }
}

static void hangs(void *pid) {
    struct rpc m = {.word = {HANG}};
    ask((int)(uint64)pid, &m);
}

static void sleeps_there(void *pid) { add((int)(uint64)pid, SLEEP, 1, 2); }

static void client_dies(void) {
    int status, pid = spawn(server, 0);
    for (int i = 0; i < 6; i++) {
        int c = spawn(sleeps_there, (void *)(uint64)pid);
        if (i % 2) sleep(0);
        kill(c);
        expect("wait", c, wait(&status));
        add(pid, ADD, 1, 2); // the server serves on
    }
    int c = spawn(hangs, (void *)(uint64)pid);
    sleep(2);
    kill(c);
    expect("wait", c, wait(&status));
    kill(pid);
    ends(pid, 0, BAD);
}

static volatile int came;

static void handler(int sig) {
    (void)sig;
    came++;
}

// A signal for a server is handled between two requests, and costs none of them.
static int count_signals(struct rpc *m) {
    m->word[3] = (uint64)came;
    return serve(m);
}

static void counts_signals(void *unused) {
    (void)unused;
    signal(SIGUSR1, handler);
    rpc_serve(count_signals);
}

static void signals(void) {
    struct rpc m;
    int pid = spawn(counts_signals, 0);
    for (uint64 i = 0; i < 50; i++) {
        m = (struct rpc){.word = {ADD, i, 1}};
        ask(pid, &m);
        expect("the answer", (long)i + 1, (long)m.word[0]);
        expect("sigsend", 0, sigsend(pid, SIGUSR1));
    }
    sleep(1);
    m = (struct rpc){.word = {END, 1, 1}};
    ask(pid, &m);
    if (m.word[3] == 0) fail("signals", 1, 0);
    ends(pid, 0, 0);
}

// ---- threads ----

static int server_pid;

static void thread_client(void *arg) {
    for (uint64 i = 0; i < 100; i++) add(server_pid, ADD, i, (uint64)arg);
}

static void serves(void *unused) {
    (void)unused;
    rpc_serve(serve);
}

static void threads_serve(void *unused) {
    (void)unused;
    struct thread *t[3];
    for (int i = 0; i < 3; i++)
        if (!(t[i] = thread_start(serves, 0, 1))) fail("thread_start", 1, 0);
    for (int i = 0; i < 3; i++) thread_join(t[i]);
}

static void process_client(void *arg) {
    for (uint64 i = 0; i < 8; i++) add(server_pid, SLEEP, i, (uint64)arg);
}

static void threads(void) {
    struct thread *t[3];
    int status;
    server_pid = spawn(threads_serve, 0);
    add(server_pid, ADD, 1, 2);
    for (uint64 i = 0; i < 3; i++)
        if (!(t[i] = thread_start(thread_client, (void *)i, 1))) fail("thread_start", 1, 0);
    for (int i = 0; i < 3; i++) thread_join(t[i]);
    for (uint64 i = 0; i < 3; i++) spawn(process_client, (void *)i); // all of them served at once
    for (int i = 0; i < 3; i++) {
        if (wait(&status) == server_pid) fail("the server's end", 0, status);
        expect("a client's status", 0, status);
    }
    for (int i = 0; i < 3; i++) { // each ends one
        struct rpc m = {.word = {END}};
        ask(server_pid, &m);
    }
    ends(server_pid, 0, 0);
}

static void calls_without_end(void *pid) {
    for (uint64 i = 0;; i++) add((int)(uint64)pid, ADD, i, 1);
}

static void nothing(void *unused) { (void)unused; }

// One that calls all the time does not keep others out, which do not call by transfer as they have threads.
static void fair(void) {
    int pid = spawn(server, 0), busy = spawn(calls_without_end, (void *)(uint64)pid), from = uptime();
    struct thread *t = thread_start(nothing, 0, 1);
    if (!t) fail("thread_start", 1, 0);
    for (uint64 i = 0; i < 20; i++) add(pid, ADD, i, 2);
    if (uptime() > from + 100) fail("ticks for 20 calls", 100, uptime() - from);
    thread_join(t);
    kill(busy);
    expect("wait", busy, wait(0));
    ends(pid, END, 0);
}

// A child made while another thread waits for an answer has nothing to do with that.
static void child_client(void *unused) {
    (void)unused;
    struct thread *t = thread_start(nothing, 0, 1);
    if (!t) fail("thread_start", 1, 0);
    thread_join(t);
    add(server_pid, ADD, 5, 6);
}

static void slow_client(void *unused) {
    (void)unused;
    add(server_pid, SLEEP, 1, 2);
}

static void forks(void) {
    server_pid = spawn(server, 0);
    add(server_pid, ADD, 1, 2);
    struct thread *t = thread_start(slow_client, 0, 1);
    if (!t) fail("thread_start", 1, 0);
    sleep(0);
    thread_yield();
    int status, pid = spawn(child_client, 0);
    expect("wait", pid, wait(&status));
    expect("the child's status", 0, status);
    thread_join(t);
    ends(server_pid, END, 0);
}

// ---- alarms ----

static void alarm_client(void *how) {
    int pid = server_pid;
    struct rpc m = {.word = {ADD, 1, 2}};
    if (how) signal(SIGALRM, handler);
    alarm(3);
    expect("rpc_call", BAD, rpc_call(pid, &m));
    expect("the handler", 1, came);
}

// A server that is busy for long: whoever waits in its box is called away by an alarm.
static void alarms(void) {
    int status;
    server_pid = spawn(server, 0);
    add(server_pid, ADD, 1, 2);
    int c = spawn(hangs, (void *)(uint64)server_pid);
    sleep(2);
    int from = uptime();
    expect("with a handler", 0, status_of(alarm_client, (void *)1));
    expect("without", BAD, status_of(alarm_client, 0));
    if (uptime() - from > 60) fail("ticks", 60, uptime() - from);
    kill(server_pid);
    kill(c);
    for (int i = 0; i < 2; i++)
        if (wait(&status) < 0) fail("wait", 0, BAD);
}

const struct test rpc_tests[] = {{"rpccalls", calls, 0},
                                 {"rpcmany", many, 0},
                                 {"rpcchain", chain, 0},
                                 {"rpcrefused", refused, 0},
                                 {"rpcserverdies", server_dies, 0},
                                 {"rpcclientdies", client_dies, 0},
                                 {"rpcfair", fair, 0},
                                 {"rpcsignals", signals, 0},
                                 {"rpcthreads", threads, 0},
                                 {"rpcfork", forks, 0},
                                 {"rpcalarm", alarms, 0},
                                 {0, 0, 0}};
