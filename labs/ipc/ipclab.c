// The programs of the ipc lab's tests (tests.py): what each mode does, and in tests.py what the kernel must
// have seen. Those of part B use no pipe.
#include "labs/lab.h"

#include <exo/call.h>
#include "user/exv6.h"
#include "user/kernel/mman.h"
#include "user/rpc.h"
#include "user/signals.h"
#include "user/thread.h"

#define NOWHERE ((void *)0x3f000000) // no program has memory there
#define BAD     (-1)

static void fail(const char *what) {
    printf("ipclab: %s failed\n", what);
    exit(1);
}

static int must_fork(void) {
    int pid = fork();
    if (pid < 0) fail("fork");
    return pid;
}

static void must_pipe(int *fds) {
    if (pipe(fds) < 0) fail("pipe");
}

static int status_of(int pid) {
    int status = 99, done;
    while ((done = wait(&status)) != pid)
        if (done < 0) return 99;
    return status;
}

static void end(int pid) {
    kill(pid);
    status_of(pid);
}

// Memory that children share.
static void *shared(void) {
    void *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == (void *)-1) fail("mmap");
    return p;
}

// ---- time ----

static inline uint64 cycle(void) {
    uint64 c;
    __asm__ volatile("rdcycle %0" : "=r"(c));
    return c;
}

// So many instructions.
static void burn(uint64 n) {
    n = n / 2 + 1;
    __asm__ volatile("1: addi %0, %0, -1\nbnez %0, 1b" : "+r"(n));
}

// Until a slice of this process has ended: the number of instructions, so far, of the next one, but for
// always the same few if all between the two was used up, too.
static uint64 slice_begins(void) {
    uint64 last, now;
    for (last = cycle(); (now = cycle()) - last < 300; last = now) continue;
    return now;
}

// To that instruction, but for always the same few.
static void until(uint64 to) {
    uint64 now = cycle();
    if (to > now) burn(to - now);
}

// How long such a slice is from there, if all have their usual length.
static uint64 slice_length(void) {
    sleep(1);
    uint64 from = slice_begins(), last, now;
    until(from + EXO_WORDS->slice * 100 - 20000);
    for (last = cycle(); (now = cycle()) - last < 300; last = now) continue;
    return last - from;
}

// ---- pipes ----

// Byte i of what goes through them.
static char byte(uint64 seed, uint64 i) {
    static uint64 value, at = ~0ul;
    if (at != i / 8) {
        at = i / 8;
        value = fresh(seed, at);
    }
    return (char)(value >> i % 8 * 8);
}

static char buffer[16384];

// Writes bytes [from, to) in pieces of drawn lengths, `most` at most: 0, or what write() returned.
static int put(int fd, uint64 seed, uint64 from, uint64 to, uint64 most) {
    for (uint64 i = from, n; i < to; i += n) {
        n = 1 + fresh(seed, 1000000 + i) % most;
        if (n > to - i) n = to - i;
        for (uint64 j = 0; j < n; j++) buffer[j] = byte(seed, i + j);
        int done = write(fd, buffer, (int)n);
        if (done != (int)n) return done;
    }
    return 0;
}

static uint64 add_bytes(uint64 sum, const char *p, int n) {
    for (int i = 0; i < n; i++) sum = sum * 31 + (uchar)p[i];
    return sum;
}

// Reads `n` bytes, or to the end, in pieces of drawn lengths; their sum.
static uint64 get(int fd, uint64 seed, uint64 n, uint64 most) {
    uint64 sum = 0;
    int got = 1;
    for (uint64 i = 0; i < n && got > 0; i += (uint64)got) {
        uint64 m = 1 + fresh(seed, 2000000 + i) % most;
        got = read(fd, buffer, (int)(m < n - i ? m : n - i));
        if (got < 0) fail("read");
        sum = add_bytes(sum, buffer, got);
    }
    return sum;
}

// One writes, the other reads to the end; then a piece that is as large as a pipe, and a larger one.
static int bytes(uint64 seed) {
    int fds[2], pid;
    must_pipe(fds);
    put(fds[1], seed, 0, 1000, 1000);
    answer("first", get(fds[0], seed, 1000, 1000));
    if ((pid = must_fork()) == 0) {
        close(fds[0]);
        exit(put(fds[1], seed, 1000, 20000, 2000) != 0);
    }
    close(fds[1]);
    answer("sum", get(fds[0], seed, 19000, 3000));
    answer("end", (uint64)read(fds[0], buffer, 10));
    answer("writer", (uint64)status_of(pid));
    close(fds[0]);
    must_pipe(fds);
    if ((pid = must_fork()) == 0) {
        for (uint64 i = 0; i < 15000; i++) buffer[i] = byte(seed, i);
        if (write(fds[1], buffer, 4096) != 4096) exit(1);
        exit(write(fds[1], buffer + 4096, 10904) != 10904);
    }
    answer("large", get(fds[0], seed, 15000, 5000));
    answer("wrote", (uint64)status_of(pid));
    return 0;
}

#define WORDS 700 // of each writer

struct result {
    uint64 count, sum, wrong;
};

// Word i of writer w.
static uint64 word_of(uint64 seed, uint64 w, uint64 i) {
    return w << 56 | i << 40 | (fresh(seed, w * WORDS + i) & 0xffffffffff);
}

static void write_words(int fd, uint64 seed, uint64 w) {
    for (uint64 i = 0; i < WORDS; i++) {
        uint64 word = word_of(seed, w, i);
        if (write(fd, &word, sizeof word) != sizeof word) exit(1);
    }
    exit(0);
}

// No word is torn, as the ring holds a whole number of them; and those of one writer come in their order.
static void read_words(int fd, uint64 seed, uint64 r, struct result *to) {
    uint64 next[3] = {0};
    int got;
    for (uint64 k = 0; (got = read(fd, buffer, 8 * (int)(1 + fresh(seed, 5000 + 100 * r + k) % 60))) > 0;
         k++) {
        if (got % 8) to->wrong++;
        for (uint64 *p = (uint64 *)buffer; p < (uint64 *)(buffer + got); p++) {
            uint64 w = *p >> 56, i = *p >> 40 & 0xffff;
            if (w > 2 || i < next[w])
                to->wrong++;
            else
                next[w] = i + 1;
            to->count++;
            to->sum += *p;
        }
    }
    exit(got < 0);
}

// Both of two that sleep are woken, and there is a word for one of them.
static void one_each(int *fds, uint64 seed) {
    int status[2];
    for (int i = 0; i < 2; i++)
        if (must_fork() == 0) exit(read(fds[0], buffer, 8) != 8);
    for (int i = 0; i < 2; i++) {
        sleep(1);
        uint64 word = fresh(seed, 0);
        write(fds[1], &word, sizeof word);
    }
    for (int i = 0; i < 2; i++)
        if (wait(&status[i]) < 0) status[i] = 99;
    answer("one", (uint64)(status[0] + status[1]));
}

static int many(uint64 seed) {
    struct result *each = shared(), all = {0, 0, 0};
    int fds[2], failed = 0;
    must_pipe(fds);
    one_each(fds, seed);
    for (uint64 i = 0; i < 6; i++) {
        if (must_fork()) continue;
        close(fds[i % 2 == 0]);
        if (i % 2) write_words(fds[1], seed, i / 2);
        read_words(fds[0], seed, i / 2, &each[i / 2]);
    }
    close(fds[0]);
    close(fds[1]);
    for (int i = 0, status; i < 6; i++) failed += wait(&status) < 0 || status;
    for (int i = 0; i < 3; i++) {
        all.count += each[i].count;
        all.sum += each[i].sum;
        all.wrong += each[i].wrong;
    }
    answer("words", all.count);
    answer("sum", all.sum);
    answer("wrong", all.wrong + (uint64)failed);
    return 0;
}

// A reader waits, first while its parent computes, then while all sleep.
static int idle(uint64 seed) {
    int fds[2];
    must_pipe(fds);
    int pid = must_fork();
    if (pid == 0) {
        close(fds[1]);
        answer("first", get(fds[0], seed, 8, 1));
        answer("second", get(fds[0], seed, 8, 1));
        exit(0);
    }
    sleep(1);
    burn(40000000);
    put(fds[1], seed, 0, 8, 8);
    sleep(2);
    put(fds[1], seed, 8, 16, 8);
    status_of(pid);
    return 0;
}

// A writer waits for room, in the same way.
static int full(uint64 seed) {
    int fds[2];
    must_pipe(fds);
    int pid = must_fork();
    if (pid == 0) {
        close(fds[0]);
        exit(put(fds[1], seed, 0, 12288, 1000) != 0);
    }
    close(fds[1]);
    sleep(1);
    burn(40000000);
    uint64 sum = get(fds[0], seed, 4096, 4096);
    answer("first", sum);
    sleep(2);
    answer("second", get(fds[0], seed, 8192, 4096));
    answer("writer", (uint64)status_of(pid));
    return 0;
}

static int ends(uint64 seed) {
    int fds[2], pid;
    must_pipe(fds);
    put(fds[1], seed, 0, 100, 50);
    close(fds[1]);
    answer("left", get(fds[0], seed, 1000, 30)); // which ends at the end
    answer("empty", (uint64)read(fds[0], buffer, 10));
    close(fds[0]);

    must_pipe(fds);
    close(fds[0]);
    answer("nobody", (uint64)write(fds[1], buffer, 10));
    close(fds[1]);

    must_pipe(fds); // who sleeps when the last of the other end goes
    if ((pid = must_fork()) == 0) {
        close(fds[1]);
        exit(40 + read(fds[0], buffer, 10));
    }
    int copy = dup(fds[1]);
    close(fds[1]);
    sleep(1);
    close(copy);
    answer("reader", (uint64)status_of(pid));
    close(fds[0]);
    must_pipe(fds);
    if ((pid = must_fork()) == 0) {
        close(fds[0]);
        exit(40 + write(fds[1], buffer, 10000));
    }
    sleep(1);
    close(fds[0]);
    answer("writer", (uint64)status_of(pid));
    return 0;
}

// What its killed users leave of a pipe is as if they had stopped using it.
static int killed(uint64 seed) {
    int fds[2], pid;
    must_pipe(fds);
    if ((pid = must_fork()) == 0) exit(read(fds[0], buffer, 10));
    sleep(1);
    kill(pid);
    answer("reader", (uint64)status_of(pid));
    put(fds[1], seed, 0, 3000, 3000);
    answer("after", get(fds[0], seed, 3000, 5000));
    if ((pid = must_fork()) == 0) exit(put(fds[1], seed, 0, 12288, 12288));
    sleep(1);
    kill(pid);
    answer("writer", (uint64)status_of(pid));
    close(fds[1]);
    answer("rest", get(fds[0], seed, 10000, 1000)); // which ends at the end
    return 0;
}

static volatile int came;

static void handler(int sig) {
    (void)sig;
    came++;
}

// A signal's handler calls away who sleeps: a reader, and a writer, which says how much is in.
static int interrupted(uint64 seed) {
    int fds[2], pid;
    must_pipe(fds);
    if ((pid = must_fork()) == 0) {
        signal(SIGALRM, handler);
        alarm(1);
        int none = read(fds[0], buffer, 10);
        for (uint64 i = 0; i < 6000; i++) buffer[i] = byte(seed, i);
        alarm(1);
        int some = write(fds[1], buffer, 6000);
        alarm(1);
        int more = write(fds[1], buffer, 6000);
        answer("read", (uint64)none);
        answer("written", (uint64)some);
        answer("more", (uint64)more);
        answer("handlers", (uint64)came);
        exit(0);
    }
    close(fds[1]);
    status_of(pid);
    answer("sum", get(fds[0], seed, 10000, 10000));
    return 0;
}

static const char constant[64] = "constant";

// No memory at a pointer: -1, and what was to move stays.
static int memory(uint64 seed) {
    int fds[2], wrong = 0;
    must_pipe(fds);
    put(fds[1], seed, 0, 500, 500);
    wrong += read(fds[0], NOWHERE, 8) != BAD;
    wrong += read(fds[0], (void *)0x8000000000000000, 8) != BAD;
    wrong += read(fds[0], (void *)EXO_WINDOW, 8) != BAD;
    wrong += read(fds[0], (void *)constant, 8) != BAD;
    wrong += write(fds[1], NOWHERE, 8) != BAD;
    wrong += write(fds[1], (void *)0xffffffffffffffff, 8) != BAD;
    answer("wrong", (uint64)wrong);
    put(fds[1], seed, 500, 1000, 500);
    answer("nothing", (uint64)(read(fds[0], buffer, 0) + write(fds[1], buffer, 0)));
    answer("sum", get(fds[0], seed, 1000, 100));
    char *p = sbrk(8192); // pages that are not there yet
    put(fds[1], seed, 0, 3000, 3000);
    int got = read(fds[0], p + 2600, 3000);
    answer("fresh", add_bytes(0, p + 2600, got));
    return 0;
}

// Many after one another, which leave bytes behind, and as many as a process can have.
static int again(uint64 seed) {
    int fds[14], wrong = 0;
    for (uint64 i = 0; i < 100; i++) {
        must_pipe(fds);
        char in = byte(seed, i), out = 0;
        write(fds[1], &in, 1);
        wrong += read(fds[0], &out, 1) != 1 || out != in;
        write(fds[1], "left", (int)(i % 5));
        close(fds[i % 2]);
        close(fds[1 - i % 2]);
    }
    answer("wrong", (uint64)wrong);
    for (uint64 round = 0; round < 8; round++) {
        int n = 0;
        while (n < 12 && pipe(fds + n) == 0) n += 2;
        if (n != 12) fail("pipe");
        int pid = must_fork();
        if (pid == 0) {
            for (int i = 0; i < n; i += 2) put(fds[i + 1], seed, 100 * round, 100 * round + 100, 100);
            exit(0);
        }
        uint64 sum = 0;
        status_of(pid);
        for (int i = 0; i < n; i += 2) sum += get(fds[i], seed, 100, 100);
        for (int i = 0; i < n; i++) close(fds[i]);
        printf("answer round%d %lx\n", (int)round, sum);
    }
    return 0;
}

// Where the end of a slice comes, in instructions after the beginning of a call of the libOS.
#define AIMS 24
#define STEP 20

static uint64 aimed(uint64 seed, uint64 i) { return 20 + i * STEP + fresh(seed, 0) % STEP; }

// One round with the other process, which sleeps in read(go) until this one is interrupted, somewhere in
// read() or write(); then its answer comes.
static int aim(int go, int fd, int writes, uint64 length, uint64 after) {
    char c = 1;
    sleep(1);
    uint64 from = slice_begins();
    write(go, "", 1);
    until(from + length - after);
    return writes ? write(fd, &c, 1) : read(fd, &c, 1);
}

// The end of a slice comes in a read of an empty pipe, in each round elsewhere; and in a write to a full one.
static int wakeup(uint64 seed) {
    int go[2], fds[2], room[2], n = 0;
    must_pipe(go);
    must_pipe(fds);
    must_pipe(room);
    write(room[1], buffer, 4096);
    int pid = must_fork();
    if (pid == 0) {
        char c;
        close(go[1]);
        for (int i = 0; read(go[0], &c, 1) == 1; i++) {
            if (i < AIMS)
                write(fds[1], &c, 1);
            else
                read(room[0], &c, 1);
        }
        exit(0);
    }
    uint64 length = slice_length();
    for (uint64 i = 0; i < AIMS; i++) n += aim(go[1], fds[0], 0, length, aimed(seed, i));
    answer("reads", (uint64)n);
    for (uint64 i = 0; i < AIMS; i++) n += aim(go[1], room[1], 1, length, aimed(seed, i));
    answer("writes", (uint64)n - AIMS);
    close(go[1]);
    status_of(pid);
    return 0;
}

// 64 KiB, 4 KiB at a time, between two marks.
static int throughput(uint64 seed) {
    static char data[4096];
    int fds[2];
    for (uint64 i = 0; i < 4096; i++) data[i] = byte(seed, i);
    must_pipe(fds);
    int pid = must_fork();
    if (pid == 0) {
        close(fds[0]);
        for (int i = 0; i < 16; i++)
            if (write(fds[1], data, 4096) != 4096) exit(1);
        exit(0);
    }
    close(fds[1]);
    sleep(1);
    int n = 0, got, last = 0;
    exo_mark(seed, 1);
    while ((got = read(fds[0], buffer, 4096)) > 0) {
        n += got;
        last = got;
    }
    exo_mark(seed, 2);
    status_of(pid);
    answer("bytes", (uint64)n);
    answer("last", add_bytes(0, buffer, last));
    return 0;
}

// ---- calls ----

enum { WORK, BURN, SLEEP, DIE, END, HANG, OPS = 8 };

static void message(struct rpc *m, uint64 op, uint64 seed, uint64 n) {
    for (uint64 i = 0; i < RPC_WORDS; i++) m->word[i] = fresh(seed, n * RPC_WORDS + i);
    m->word[0] = (m->word[0] & ~7ul) | op;
    m->pid = 0;
}

// The answer has something of each word, and whom it is for.
static void work(struct rpc *m) {
    for (uint64 i = 0; i < RPC_WORDS - 1; i++) m->word[i] = m->word[i] * m->word[i + 1] + i;
    m->word[RPC_WORDS - 1] = (uint64)m->pid;
}

static uint64 add_words(uint64 sum, const struct rpc *m) {
    for (int i = 0; i < RPC_WORDS - 1; i++) sum = sum * 31 + m->word[i];
    return sum;
}

static void serve(void) {
    struct rpc m = {.pid = 0};
    for (uint64 op = WORK; op != END;) {
        if (rpc_next(&m)) fail("rpc_next");
        op = m.word[0] % OPS;
        if (op == BURN) burn(12000000);
        if (op == SLEEP) sleep(1);
        if (op == DIE) exit(7);
        while (op == HANG) sleep(100);
        work(&m);
    }
    if (rpc_answer(&m)) fail("rpc_answer");
    exit(0);
}

// It waits for its first request after a tick.
static int start_server(void) {
    int pid = must_fork();
    if (pid == 0) serve();
    sleep(1);
    return pid;
}

// Asks n times; the answers' sum, in which a wrong one is seen.
static uint64 ask(int pid, uint64 op, uint64 seed, uint64 from, uint64 n) {
    struct rpc m;
    uint64 sum = 0;
    for (uint64 i = from; i < from + n; i++) {
        message(&m, op, seed, i);
        if (rpc_call(pid, &m)) fail("rpc_call");
        sum = add_words(sum, &m);
        if (m.word[RPC_WORDS - 1] != (uint64)getpid()) fail("an answer, which was another's,");
    }
    return sum;
}

static int asked(int pid, uint64 op) {
    struct rpc m = {.word = {op}};
    return rpc_call(pid, &m);
}

static int calls(uint64 seed) {
    int pid = start_server();
    answer("sum", ask(pid, WORK, seed, 0, 100));
    answer("ended", (uint64)asked(pid, END));
    answer("status", (uint64)status_of(pid));
    return 0;
}

static int cost(uint64 seed) {
    struct rpc m;
    int pid = start_server();
    message(&m, WORK, seed, 0);
    uint64 first = m.word[0];
    for (int i = 0; i < 40; i++) {
        m.word[0] = first;
        if (rpc_call(pid, &m)) fail("rpc_call");
    }
    answer("pid", (uint64)getpid());
    answer("sum", add_words(0, &m));
    end(pid);
    return 0;
}

// Several clients at once, of a server that is longer at it than a slice.
static int clients(uint64 seed) {
    uint64 *sum = shared();
    int pid = start_server(), status = 0, failed = 0, c[4];
    for (uint64 i = 0; i < 4; i++) {
        if ((c[i] = must_fork()) == 0) {
            for (uint64 j = 0; j < 10; j++)
                sum[i] += ask(pid, j % 5 == i % 5 ? BURN : WORK, seed, 10 * i + j, 1);
            exit(0);
        }
    }
    for (int i = 0; i < 4; i++) failed += wait(&status) < 0 || status;
    for (int i = 0; i < 4; i++) printf("answer client%d %lx\n", i, sum[i]);
    answer("failed", (uint64)failed);
    end(pid);
    return 0;
}

// The server has another hart.
static int home(uint64 seed) {
    int pid[2] = {start_server(), start_server()};
    answer("first", ask(pid[0], WORK, seed, 0, 20));
    answer("second", ask(pid[1], WORK, seed, 20, 20));
    answer("slow", ask(pid[0], SLEEP, seed, 40, 1) + ask(pid[1], SLEEP, seed, 40, 1));
    end(pid[0]);
    end(pid[1]);
    return 0;
}

// A child that asks, and tells by its status what came of it.
static int client(int pid, uint64 op) {
    int c = must_fork();
    if (c == 0) exit(40 + asked(pid, op));
    return c;
}

static int dies(uint64 seed) {
    int pid = start_server(), c[2];
    answer("before", ask(pid, WORK, seed, 0, 1));
    answer("transfer", (uint64)asked(pid, DIE));
    answer("status", (uint64)status_of(pid));
    answer("after", (uint64)asked(pid, WORK));
    pid = start_server(); // killed at work, by transfer for the first, with the second in its box
    c[0] = client(pid, HANG);
    sleep(1);
    c[1] = client(pid, WORK);
    sleep(1);
    kill(pid);
    answer("first", (uint64)status_of(c[0]));
    answer("second", (uint64)status_of(c[1]));
    return 0;
}

// Clients that are killed while they are served, and while they wait for that. The server serves on.
static int gone(uint64 seed) {
    int pid = start_server(), c[2];
    for (uint64 i = 0; i < 3; i++) {
        c[0] = client(pid, SLEEP);
        burn(15000000);
        c[1] = client(pid, i % 2 ? SLEEP : WORK);
        burn(15000000);
        int first = i != 1; // which of them goes first
        kill(c[!first]);
        answer(i == 0 ? "first" : i == 1 ? "second" : "third", (uint64)status_of(c[!first]));
        kill(c[first]);
        status_of(c[first]);
        answer(i == 0 ? "next" : i == 1 ? "more" : "last", ask(pid, WORK, seed, i, 1));
    }
    end(pid);
    return 0;
}

static int refused(uint64 seed) {
    struct rpc m, *aside = (struct rpc *)((char *)&m + 4);
    int none = must_fork();
    if (none == 0)
        for (;;) sleep(100);
    int pid = start_server(), wrong = 0;
    wrong += asked(none, WORK) != BAD;
    wrong += asked(0, WORK) != BAD;
    wrong += asked(BAD, WORK) != BAD;
    wrong += asked(30000, WORK) != BAD;
    wrong += asked(getpid(), WORK) != BAD;
    answer("pids", (uint64)wrong);
    wrong = 0;
    wrong += rpc_call(pid, NOWHERE) != BAD;
    wrong += rpc_call(pid, (struct rpc *)0x8000000000000000) != BAD;
    wrong += rpc_call(pid, (struct rpc *)constant) != BAD;
    wrong += rpc_call(pid, aside) != BAD;
    wrong += rpc_next(NOWHERE) != BAD;
    wrong += rpc_next((struct rpc *)constant) != BAD;
    wrong += rpc_answer(NOWHERE) != BAD;
    answer("pointers", (uint64)wrong);
    m.pid = none;
    answer("unasked", (uint64)rpc_answer(&m));
    answer("sum", ask(pid, WORK, seed, 0, 3));
    end(none);
    end(pid);
    return 0;
}

// A server with a handler: rpc_next() ends for it, and no request is lost.
static void serve_signals(uint64 *interrupts) {
    struct rpc m = {.pid = 0};
    signal(SIGUSR1, handler);
    for (;;) {
        if (rpc_next(&m)) {
            ++*interrupts;
            if (m.pid || !came) exit(1);
            continue;
        }
        if (m.word[0] % OPS == END) break;
        work(&m);
    }
    rpc_answer(&m);
    exit(0);
}

static void alarmed(int pid) {
    signal(SIGALRM, handler);
    alarm(2);
    exit(40 + 10 * asked(pid, WORK) + came);
}

static int signals(uint64 seed) {
    uint64 *interrupts = shared(), sum = 0;
    int pid = must_fork();
    if (pid == 0) serve_signals(interrupts);
    sleep(1);
    for (uint64 i = 0; i < 10; i++) {
        sum = sum * 31 + ask(pid, WORK, seed, i, 1);
        sigsend(pid, SIGUSR1);
        if (i % 2) sleep(1);
    }
    answer("sum", sum);
    answer("interrupts", *interrupts > 0);
    end(pid);
    pid = start_server(); // an alarm for who waits in the box of a server that is busy
    int busy = client(pid, HANG);
    sleep(1);
    int c = must_fork();
    if (c == 0) alarmed(pid);
    answer("alarm", (uint64)status_of(c));
    end(busy);
    end(pid);
    return 0;
}

static void nothing(void *unused) { (void)unused; }

static void one_more_thread(void) {
    struct thread *t = thread_start(nothing, 0, 1);
    if (!t) fail("thread_start");
    thread_join(t);
}

static int server_pid;
static uint64 the_seed;

static void ask_some(void *to) {
    uint64 *sum = to;
    *sum = ask(server_pid, WORK, the_seed, *sum, 2);
}

static void serve_some(void *unused) {
    struct rpc m = {.pid = 0};
    (void)unused;
    for (;;) {
        if (rpc_next(&m)) fail("rpc_next");
        if (m.word[0] % OPS == SLEEP) sleep(1);
        work(&m);
    }
}

// A server of three threads, which serve at once; then clients that are threads of one process.
static void several_threads(uint64 seed) {
    struct thread *t[3];
    uint64 *sum = shared();
    server_pid = must_fork();
    the_seed = seed;
    if (server_pid == 0) {
        for (int i = 0; i < 2; i++)
            if (!thread_start(serve_some, 0, 1)) fail("thread_start");
        serve_some(0);
    }
    sleep(1);
    for (uint64 i = 0; i < 3; i++) {
        if (must_fork()) continue;
        sum[i] = ask(server_pid, SLEEP, seed, 2 * i, 2);
        exit(0);
    }
    for (int i = 0; i < 3; i++) wait(0);
    for (int i = 0; i < 3; i++) printf("answer process%d %lx\n", i, sum[i]);
    for (uint64 i = 0; i < 3; i++) {
        sum[i] = 2 * i;
        if (!(t[i] = thread_start(ask_some, &sum[i], 1))) fail("thread_start");
    }
    for (int i = 0; i < 3; i++) {
        thread_join(t[i]);
        printf("answer thread%d %lx\n", i, sum[i]);
    }
    end(server_pid);
}

// One that calls all the time, by transfer, does not keep out one that cannot, as it has threads.
static int threads(uint64 seed) {
    int pid = start_server(), busy = must_fork();
    if (busy == 0)
        for (uint64 i = 0;; i++) ask(pid, BURN, seed, i, 1);
    one_more_thread();
    answer("sum", ask(pid, WORK, seed, 0, 4));
    end(busy);
    end(pid);
    several_threads(seed);
    return 0;
}

// Servers come and go, by their own will and not.
static int pages(uint64 seed) {
    for (uint64 i = 0; i < 8; i++) {
        int pid = start_server();
        printf("answer round%d %lx\n", (int)i, ask(pid, WORK, seed, i, 5));
        if (i % 2) asked(pid, DIE);
        end(pid);
    }
    return 0;
}

#define ROUNDS 64 // of calls, which are longer

// A server that is interrupted in rpc_next(), in each round elsewhere, and asked just then: its client uses
// up its slices until the round has begun. The steps are half as long, as a request that comes while the
// server has a lock makes its next round another.
static void serve_aimed(uint64 seed, volatile uint64 *round) {
    struct rpc m = {.pid = 0};
    uint64 length = slice_length();
    for (uint64 i = 0;; i++) {
        if (rpc_next(&m)) fail("rpc_next");
        work(&m);
        if (rpc_answer(&m)) fail("rpc_answer");
        m.pid = 0;
        uint64 from = slice_begins();
        ++*round;
        until(from + length - aimed(seed, i) / 2);
    }
}

static void server_window(uint64 seed) {
    volatile uint64 *round = shared();
    uint64 sum = 0;
    int pid = must_fork();
    if (pid == 0) serve_aimed(seed, round);
    sleep(2);
    for (uint64 i = 0; i < 2 * ROUNDS; i++) {
        sum = sum * 31 + ask(pid, WORK, seed, i, 1);
        while (*round == i) continue;
    }
    answer("server", sum);
    end(pid);
}

// The same of a client, whose message goes to the server's box as it has had threads.
static int window(uint64 seed) {
    struct rpc m;
    server_window(seed);
    int pid = start_server();
    one_more_thread();
    uint64 length = slice_length(), sum = 0;
    for (uint64 i = 0; i < ROUNDS; i++) {
        message(&m, WORK, seed, i);
        sleep(1);
        until(slice_begins() + length - aimed(seed, i));
        if (rpc_call(pid, &m)) fail("rpc_call");
        sum = add_words(sum, &m);
    }
    answer("client", sum);
    end(pid);
    return 0;
}

static const struct mode modes[] = {
    {"bytes", bytes},
    {"many", many},
    {"idle", idle},
    {"full", full},
    {"ends", ends},
    {"killed", killed},
    {"interrupted", interrupted},
    {"memory", memory},
    {"again", again},
    {"wakeup", wakeup},
    {"throughput", throughput},
    {"calls", calls},
    {"cost", cost},
    {"clients", clients},
    {"home", home},
    {"dies", dies},
    {"gone", gone},
    {"refused", refused},
    {"signals", signals},
    {"threads", threads},
    {"pages", pages},
    {"window", window},
    {0, 0},
};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
