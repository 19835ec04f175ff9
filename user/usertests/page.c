// Paging: programs that use more memory than there is. Run by name only, on a machine whose swap extent is
// larger than its memory (grade/run.py pager-1).
#include <exo/abi.h>

#include "ut.h"

#include "kernel/mman.h"
#include "kernel/pagerinfo.h"
#include "kernel/procinfo.h"
#include "user/exv6.h"
#include "user/signals.h"
#include "user/thread.h"

#define WORDS (PGSIZE / sizeof(uint64))

static struct pagerinfo pager(void) {
    struct pagerinfo p;
    expect("pagerinfo", 0, pagerinfo(&p));
    return p;
}

// So many pages of n parts of 10 of what is free.
static uint64 part(uint64 n) { return EXO_WORDS->free * n / 10; }

static uint64 *more(uint64 pages) {
    char *from = sbrk((int)(PGSIZE - (uint64)sbrk(0) % PGSIZE));
    if (from == (char *)BAD || sbrk((int)(pages * PGSIZE)) == (char *)BAD) fail("sbrk", (long)pages, -1);
    return (uint64 *)PGROUNDUP((uint64)from);
}

static uint64 mix(uint64 x) {
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15;
    x ^= x >> 29;
    return x * 0xbf58476d1ce4e5b9;
}

// A page is filled so that any other's contents in its place, or older ones of its own, are found out.
static void fill(uint64 *page, uint64 what) {
    for (uint i = 0; i < WORDS; i += 37) page[i] = mix(what + i);
}

static void check(const uint64 *page, uint64 what) {
    for (uint i = 0; i < WORDS; i += 37)
        if (page[i] != mix(what + i)) fail("a page's word", (long)mix(what + i), (long)page[i]);
}

// What page i of `who` is filled with the n'th time.
static uint64 contents(uint64 who, uint64 i, uint64 n) { return who << 48 ^ i << 16 ^ n << 8; }

static void twice(void) {
    struct pagerinfo before = pager();
    uint64 memory = part(10), n = 2 * memory, *at = more(n);
    for (uint64 i = 0; i < n; i++) fill(at + i * WORDS, contents(1, i, 0));
    for (uint64 i = 0; i < n; i++) {
        check(at + i * WORDS, contents(1, i, 0));
        fill(at + i * WORDS, contents(1, i, 1));
    }
    for (uint64 i = n; i-- > 0;) check(at + i * WORDS, contents(1, i, 1));
    struct pagerinfo after = pager();
    if (after.out - before.out < memory) fail("pages put out", (long)memory, (long)(after.out - before.out));
    if (after.in - before.in < memory) fail("pages brought in", (long)memory, (long)(after.in - before.in));
}

// What the disk has already need not be written again.
static void only_read(void) {
    uint64 n = part(13), *at = more(n);
    for (uint64 i = 0; i < n; i++) fill(at + i * WORDS, contents(2, i, 0));
    for (uint64 i = 0; i < n; i++) check(at + i * WORDS, contents(2, i, 0));
    struct pagerinfo before = pager();
    for (int round = 0; round < 2; round++)
        for (uint64 i = 0; i < n; i++) check(at + i * WORDS, contents(2, i, 0));
    struct pagerinfo after = pager();
    uint64 out = after.out - before.out, dropped = after.dropped - before.dropped;
    if (out < part(3) || dropped < out * 9 / 10) fail("dropped of those put out", (long)out, (long)dropped);
}

static void at_random(void) {
    uint64 n = part(14), seed = 42, *at = more(n);
    uchar *times = malloc((uint)n);
    if (!times) fail("malloc", 1, 0);
    for (uint64 i = 0; i < n; i++) {
        times[i] = 0;
        fill(at + i * WORDS, contents(3, i, 0));
    }
    for (uint64 i = 0; i < n; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        uint64 k = (seed >> 33) % n;
        check(at + k * WORDS, contents(3, k, times[k]));
        if (seed >> 32 & 1) fill(at + k * WORDS, contents(3, k, ++times[k]));
    }
    for (uint64 i = 0; i < n; i++) check(at + i * WORDS, contents(3, i, times[i]));
}

// All that the library OS promises, so that swap is full: what the disk has not cannot go, and lies at both
// ends, where the clock looks first; what can go is between, and in use.
static void full(void) {
    uint64 n = 0, low = 64, *at = more(0);
    for (uint64 step = part(10); step; step /= 2)
        while (sbrk((int)(step * PGSIZE)) != (char *)BAD) n += step;
    for (uint64 i = low; i < n; i++) fill(at + i * WORDS, contents(8, i, 0));
    for (uint64 i = 0; i < low; i++) fill(at + i * WORDS, contents(8, i, 0));
    for (uint64 i = n; i-- > 0;) check(at + i * WORDS, contents(8, i, 0));
    for (uint64 i = n; i-- > 0;) {
        check(at + i * WORDS, contents(8, i, 0));
        if (i % 2) fill(at + i * WORDS, contents(8, i, 1));
    }
    for (uint64 i = 0; i < n; i++) check(at + i * WORDS, contents(8, i, i % 2));
    struct pagerinfo after = pager();
    if (after.used < after.slots * 9 / 10) fail("slots in use", (long)after.slots, (long)after.used);
}

// ---- several processes ----

static uint64 *shared_at, shared_n;

static void change_half(void *who) {
    uint64 me = (uint64)who;
    for (uint64 i = me; i < shared_n; i += 2) fill(shared_at + i * WORDS, contents(me + 5, i, 1));
    for (uint64 i = 0; i < shared_n; i++)
        check(shared_at + i * WORDS, i % 2 == me % 2 && i >= me ? contents(me + 5, i, 1) : contents(4, i, 0));
}

// Pages that a fork left shared, those on the disk among them, are each one's own.
static void forks(void) {
    shared_n = part(7);
    shared_at = more(shared_n);
    for (uint64 i = 0; i < shared_n; i++) fill(shared_at + i * WORDS, contents(4, i, 0));
    int a = spawn(change_half, (void *)0), b = spawn(change_half, (void *)1), status;
    for (uint64 i = 0; i < shared_n; i++) check(shared_at + i * WORDS, contents(4, i, 0));
    for (int i = 0; i < 2; i++) {
        int pid = wait(&status);
        expect("a child", 1, pid == a || pid == b);
        expect("status", 0, status);
    }
    for (uint64 i = 0; i < shared_n; i++) check(shared_at + i * WORDS, contents(4, i, 0));
}

// The same with pages on the disk, and some brought in and changed since: what is there, what the disk has,
// and what either of both has changed are told apart.
static void forks_apart(void) {
    shared_n = part(11);
    shared_at = more(shared_n);
    for (uint64 i = 0; i < shared_n; i++) fill(shared_at + i * WORDS, contents(4, i, 7));
    for (uint64 i = 0; i < shared_n; i++) fill(shared_at + i * WORDS, contents(4, i, 0));
    for (uint64 me = 0; me < 2; me++) {
        expect("status", 0, status_of(change_half, (void *)me));
        for (uint64 i = 0; i < shared_n; i++) check(shared_at + i * WORDS, contents(4, i, 0));
        for (uint64 i = me; i < shared_n; i += 2) fill(shared_at + i * WORDS, contents(4, i, 0));
    }
    int status, pid = spawn(change_half, (void *)0);
    for (uint64 i = 0; i < shared_n; i++) {
        check(shared_at + i * WORDS, contents(4, i, 0));
        fill(shared_at + i * WORDS, contents(4, i, 1));
    }
    for (uint64 i = 0; i < shared_n; i++) check(shared_at + i * WORDS, contents(4, i, 1));
    expect("wait", pid, wait(&status));
    expect("status", 0, status);
}

static void one_of_four(void *who) {
    uint64 me = (uint64)who + 10, *at = more(shared_n);
    for (uint64 round = 0; round < 3; round++) {
        for (uint64 i = 0; i < shared_n; i++) {
            if (round) check(at + i * WORDS, contents(me, i, round - 1));
            fill(at + i * WORDS, contents(me, i, round));
        }
    }
    sbrk(-(int)(shared_n / 2 * PGSIZE));
    for (uint64 i = 0; i < shared_n / 2 - 1; i++) check(at + i * WORDS, contents(me, i, 2));
}

static void crowd(void) {
    int status;
    shared_n = part(4);
    for (uint64 i = 0; i < 4; i++) spawn(one_of_four, (void *)i);
    for (int i = 0; i < 4; i++) {
        wait(&status);
        expect("status", 0, status);
    }
}

static void killed(void) {
    int status, pid[3];
    shared_n = part(5);
    for (uint64 round = 0; round < 4; round++) {
        for (uint64 i = 0; i < 3; i++) pid[i] = spawn(one_of_four, (void *)i);
        sleep(1 + (int)round);
        for (int i = 0; i < 3; i++) kill(pid[i]);
        for (int i = 0; i < 3; i++) wait(&status);
    }
}

static void runs(void *unused) {
    char *args[] = {"grep", "no such line", "tpage", 0};
    (void)unused;
    exec("grep", args);
    exit(9);
}

// Programs begin and end while memory is short.
static void execs(void) {
    uint64 n = part(12), *at = more(n);
    for (uint64 i = 0; i < n; i++) fill(at + i * WORDS, contents(6, i, 0));
    make_file("tpage", "another line\n");
    for (int i = 0; i < 8; i++) expect("grep finds nothing", 1, status_of(runs, 0));
    for (uint64 i = 0; i < n; i++) check(at + i * WORDS, contents(6, i, 0));
    unlink("tpage");
}

// ---- what the libOS does with a program's memory ----

// Takes pages from whoever has some.
static void busy(void *unused) {
    (void)unused;
    uint64 n = part(8), *at = more(n);
    for (uint64 round = 0;; round++)
        for (uint64 i = 0; i < n; i++) {
            if (round) check(at + i * WORDS, contents(12, i, round - 1));
            fill(at + i * WORDS, contents(12, i, round));
        }
}

static volatile int rings;

static void ring(int sig) {
    (void)sig;
    rings++;
}

// Who waits for a page most of the time hardly ever sees a slice's end. It hears of signals all the same: of
// an alarm, without a call; and of its end.
static void signals(void) {
    int status, others[2];
    uint64 n = part(8), second = EXO_WORDS->timebase;
    for (int i = 0; i < 2; i++) others[i] = spawn(busy, 0);
    uint64 *at = more(n);
    signal(SIGALRM, ring);
    for (int round = 0; round < 5; round++) {
        int before = rings;
        alarm(2);
        uint64 late = r_time() + second;
        for (uint64 i = 0; rings == before; i = (i + 1) % n) {
            fill(at + i * WORDS, contents(19, i, 0));
            if (rings == before && r_time() > late) fail("alarms", round + 1, rings);
        }
    }
    uint64 late = r_time() + 5 * second;
    for (int i = 0; i < 2; i++) expect("kill", 0, kill(others[i]));
    for (int i = 0; i < 2; i++) expect("killed", BAD, (wait(&status), status));
    if (r_time() > late) fail("seconds to end", 5, (long)((r_time() - late) / second + 5));
}

static void files(void) {
    int status, other = spawn(busy, 0);
    uint64 n = part(8), *at = more(n), step = 32;
    for (uint64 i = 0; i < n; i++) fill(at + i * WORDS, contents(7, i, 0));
    int fd = open("tpage", O_CREATE | O_RDWR | O_TRUNC), bytes = (int)(step * PGSIZE);
    for (uint64 i = 0; i + step <= n; i += 8 * step) {
        expect("write", bytes, write(fd, at + i * WORDS, (int)bytes));
        expect("write, not aligned", 1000, write(fd, (char *)(at + i * WORDS) + 3500, 1000));
    }
    close(fd);
    fd = open("tpage", O_RDONLY);
    for (uint64 i = 0; i + step <= n; i += 8 * step) {
        uint64 to = (i + 4 * step) % (n - step);
        expect("read", bytes, read(fd, at + to * WORDS, (int)bytes));
        for (uint64 k = 0; k < step; k++) {
            check(at + (to + k) * WORDS, contents(7, i + k, 0));
            fill(at + (to + k) * WORDS, contents(7, to + k, 0));
        }
        expect("read, not aligned", 1000, read(fd, (char *)(at + to * WORDS) + 3500, 1000));
        fill(at + to * WORDS, contents(7, to, 0));
        fill(at + (to + 1) * WORDS, contents(7, to + 1, 0));
    }
    close(fd);
    expect("unlink", 0, unlink("tpage"));
    for (uint64 i = 0; i < n; i++) check(at + i * WORDS, contents(7, i, 0));
    expect("kill", 0, kill(other));
    expect("wait", other, wait(&status));
}

static void pipes(void) {
    int fds[2], status;
    uint64 n = part(12), *at = more(n);
    for (uint64 i = 0; i < n; i++) fill(at + i * WORDS, contents(8, i, 0));
    expect("pipe", 0, pipe(fds));
    int pid = fork();
    if (pid == 0) {
        uint64 *page = malloc(PGSIZE);
        close(fds[1]);
        for (uint64 i = 0; i < n; i += 16) {
            for (int got = 0, m; got < PGSIZE; got += m)
                if ((m = read(fds[0], (char *)page + got, PGSIZE - got)) <= 0) fail("read", PGSIZE, got);
            check(page, contents(8, i, 0));
        }
        exit(0);
    }
    if (pid < 0) fail("fork", 0, pid);
    close(fds[0]);
    for (uint64 i = 0; i < n; i += 16) expect("write", PGSIZE, write(fds[1], at + i * WORDS, PGSIZE));
    close(fds[1]);
    expect("wait", pid, wait(&status));
    expect("status", 0, status);
}

// ---- threads ----

static uint64 *thread_at, thread_n;

static void one_thread(void *who) {
    uint64 me = (uint64)who;
    for (uint64 round = 0; round < 2; round++)
        for (uint64 i = me; i < thread_n; i += 3) {
            check(thread_at + i * WORDS, contents(9, i, round));
            fill(thread_at + i * WORDS, contents(9, i, round + 1));
        }
}

// While one waits for a page, others run, and perhaps for the same.
static void threads(void) {
    struct thread *t[3];
    thread_n = part(12);
    thread_at = more(thread_n);
    for (uint64 i = 0; i < thread_n; i++) fill(thread_at + i * WORDS, contents(9, i, 0));
    for (uint64 i = 0; i < 3; i++)
        if (!(t[i] = thread_start(one_thread, (void *)i, 1))) fail("thread_start", 1, 0);
    for (int i = 0; i < 3; i++) thread_join(t[i]);
    for (uint64 i = 0; i < thread_n; i++) check(thread_at + i * WORDS, contents(9, i, 2));
}

// ---- mappings ----

#define FILE_PAGES 64ul

static uint64 *map(uint64 pages, int prot, int flags, int fd) {
    void *at = mmap(0, pages * PGSIZE, prot, flags, fd, 0);
    if (at == (void *)BAD) fail("mmap", (long)pages, BAD);
    return at;
}

// Private ones go and come as the heap does, and fork shares them; a shared one stays.
static void maps(void) {
    int rw = PROT_READ | PROT_WRITE, fd = open("tpage", O_CREATE | O_RDWR | O_TRUNC),
        bytes = FILE_PAGES * PGSIZE;
    uint64 n = part(9), few = part(2), *heap = more(FILE_PAGES);
    for (uint64 i = 0; i < FILE_PAGES; i++) fill(heap + i * WORDS, contents(14, i, 0));
    expect("write", bytes, write(fd, heap, bytes));
    uint64 *read_only = map(FILE_PAGES, PROT_READ, MAP_PRIVATE, fd),
           *file = map(FILE_PAGES, rw, MAP_SHARED, fd);
    uint64 *copy = map(FILE_PAGES, rw, MAP_PRIVATE, fd), *own = map(n, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (uint64 i = 0; i < FILE_PAGES; i += 2) fill(copy + i * WORDS, contents(15, i, 0));
    for (uint64 i = 0; i < FILE_PAGES; i += 2) fill(file + i * WORDS, contents(16, i, 0));
    for (uint64 i = 0; i < n; i++) fill(own + i * WORDS, contents(4, i, 0));
    shared_at = own;
    shared_n = n;
    heap = more(few);
    struct pagerinfo before = pager();
    for (uint64 round = 0; round < 2; round++) {
        for (uint64 i = 0; i < few; i++) fill(heap + i * WORDS, contents(17, i, round));
        int status, pid = spawn(change_half, (void *)round);
        for (uint64 i = 0; i < n; i++) check(own + i * WORDS, contents(4, i, 0));
        for (uint64 i = 0; i < FILE_PAGES; i++) {
            check(read_only + i * WORDS, contents(14, i, 0));
            check(copy + i * WORDS, i % 2 ? contents(14, i, 0) : contents(15, i, 0));
            check(file + i * WORDS, i % 2 ? contents(14, i, 0) : contents(16, i, 0));
        }
        for (uint64 i = 0; i < few; i++) check(heap + i * WORDS, contents(17, i, round));
        expect("wait", pid, wait(&status));
        expect("status", 0, status);
    }
    if (pager().out - before.out < part(2)) fail("put out", (long)part(2), (long)(pager().out - before.out));
    heap = more(n);
    for (uint64 round = 0; round < 3; round++)
        for (uint64 i = 0; i < n; i++) fill(heap + i * WORDS, contents(18, i, round));
    uint64 *same = map(FILE_PAGES, PROT_READ, MAP_SHARED, fd);
    for (uint64 i = 0; i < FILE_PAGES; i += 2) check(same + i * WORDS, contents(16, i, 0));
    expect("munmap", 0, munmap(file, FILE_PAGES * PGSIZE));
    close(fd);
    fd = open("tpage", O_RDONLY);
    expect("read", bytes, read(fd, heap, bytes));
    for (uint64 i = 0; i < FILE_PAGES; i++)
        check(heap + i * WORDS, i % 2 ? contents(14, i, 0) : contents(16, i, 0));
    unlink("tpage");
}

#define RACE_PAGES 700ul

static volatile uint64 *race_at;

static void race_stores(void *from) {
    for (;;)
        for (uint64 i = (uint64)from; i < RACE_PAGES; i += 8) race_at[i * WORDS] = i;
}

// Threads that wait for their pages while another gives up the memory: they end the process, and it alone.
static void race(void *how) {
    race_at = (uint64)how % 2 ? map(RACE_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
                              : more(RACE_PAGES);
    for (uint64 i = 0; i < 8; i++)
        if (!thread_start(race_stores, (void *)i, 1)) fail("thread_start", 1, 0);
    sleep(2 + (int)((uint64)how % 5));
    if ((uint64)how % 2)
        munmap((void *)race_at, RACE_PAGES * PGSIZE);
    else
        sbrk(-(int)((RACE_PAGES - 1) * PGSIZE));
    sleep(1);
    exit(0);
}

static void races(void) {
    int status, others[2];
    shared_n = part(7);
    for (uint64 i = 0; i < 2; i++) others[i] = spawn(busy, (void *)i);
    for (uint64 how = 0; how < 4; how++) status_of(race, (void *)how);
    for (int i = 0; i < 2; i++) expect("kill", 0, kill(others[i]));
    for (int i = 0; i < 2; i++) expect("killed", BAD, (wait(&status), status));
}

// ---- the kernel wants pages back, for another account (grade/run.py pager-revoke) ----

static const volatile struct exo_acct *account(void) {
    struct procinfo p;
    for (int i = 0, used; (used = procinfo(i, &p)) >= 0; i++)
        if (used && p.pid == getpid()) return &EXO_ACCTS[EXO_ENVS[p.eid & EXO_EID_INDEX].account];
    fail("procinfo", 1, 0);
}

#define PATIENCE 1200 // ticks

// Uses more pages than the account is granted, until so many were given back on request or taken by force.
static void use_more(void *given) {
    struct pagerinfo p, before = pager();
    uint64 n = *(const volatile uint64 *)given, *at = more(n);
    int late = uptime() + PATIENCE;
    for (uint64 i = 0; i < n; i++) fill(at + i * WORDS, contents(11, i, 0));
    for (uint64 round = 0;; round++) {
        for (uint64 i = 0; i < n; i++) {
            check(at + i * WORDS, contents(11, i, round));
            fill(at + i * WORDS, contents(11, i, round + 1));
        }
        p = pager();
        if (p.given - before.given > n / 8 && p.out - before.out > n / 2) return;
        if (uptime() > late) fail("pages given back", (long)n / 8, (long)(p.given - before.given));
    }
}

// So many that an account with `reserve` has to give back some of them.
static uint64 too_many(void) { return 2 * account()->reserve; }

static void revoked(void) {
    uint64 n = too_many();
    expect("status", 0, status_of(use_more, &n));
    expect("taken by force", 0, (long)pager().taken);
}

static void deaf(void) {
    uint64 n = too_many();
    expect("killed", BAD, status_of(use_more, &n));
    expect("given back", 0, (long)pager().given);
    if (pager().taken == 0) fail("taken by force", 1, 0);
}

// ---- counts ----

// What a process gives up, its slots included, others can have.
static void given_up(void) {
    struct pagerinfo before = pager();
    for (int round = 0; round < 3; round++) {
        uint64 n = part(14), *at = more(n);
        for (uint64 i = 0; i < n; i++) fill(at + i * WORDS, contents(round, i, 0));
        for (uint64 i = 0; i < n; i++) check(at + i * WORDS, contents(round, i, 0));
        sbrk(-(int)(n * PGSIZE));
    }
    struct pagerinfo after = pager();
    if (after.used > before.used + 100) fail("slots in use", before.used, after.used);
}

static void refusals(void) {
    struct pagerinfo p = pager();
    expect("swap is larger than memory", 1, p.slots > part(10));
    expect("nowhere", BAD, pagerinfo((struct pagerinfo *)0x30000000));
    expect("text", BAD, pagerinfo((struct pagerinfo *)(void *)0));
    expect("the kernel's", BAD, pagerinfo((struct pagerinfo *)0xffffffc080200000));
    uint64 much = part(10) + p.slots;
    expect("more than both", BAD, (long)sbrk((int)(much * PGSIZE)));
}

const struct test page_tests[] = {
    {"pagerefuse", refusals, BY_NAME},   {"pagetwice", twice, BY_NAME},
    {"pageread", only_read, BY_NAME},    {"pagerandom", at_random, BY_NAME},
    {"pagefull", full, BY_NAME},         {"pagefork", forks, BY_NAME},
    {"pageapart", forks_apart, BY_NAME}, {"pagecrowd", crowd, BY_NAME},
    {"pagekill", killed, BY_NAME},       {"pageexec", execs, BY_NAME},
    {"pagesignal", signals, BY_NAME},    {"pagefile", files, BY_NAME},
    {"pagepipe", pipes, BY_NAME},        {"pagethread", threads, BY_NAME},
    {"pagemap", maps, BY_NAME},          {"pagerace", races, BY_NAME},
    {"pagegive", given_up, BY_NAME},     {"pagerevoke", revoked, BY_NAME},
    {"pagedeaf", deaf, BY_NAME},         {0, 0, 0},
};
