// The programs of the pager lab's tests (tests.py). They run where the library OS has some 400 pages for
// programs, and use more.
#include <exo/abi.h>

#include "labs/lab.h"
#include "user/exv6.h"
#include "user/kernel/mman.h"

#define MOST 2000 // pages
#define HOT  24
#define LOW  32

struct page {
    uint64 word[512];
};

static struct page hot[HOT] __attribute__((aligned(4096)));
static struct page *at; // pages of this process
static uint64 n;        // how many

// What page i has for us: a word that lies elsewhere in each.
static uint64 *word(uint64 i) { return &at[i].word[i * 37 % 512]; }

static void more(uint64 pages) {
    uint64 from = (uint64)sbrk(0), gap = -from % sizeof(struct page);
    n = pages;
    if (sbrk((int)(gap + pages * sizeof(struct page))) == (char *)-1) {
        printf("pagerlab: no memory\n");
        exit(1);
    }
    at = (struct page *)(from + gap);
}

static void fill(uint64 seed) {
    for (uint64 i = 0; i < n; i++) *word(i) = fresh(seed, i);
}

// Of all pages, in order.
static uint64 sum(void) {
    uint64 sum = 0;
    for (uint64 i = 0; i < n; i++) sum = sum * 31 + *word(i);
    return sum;
}

// Changes every page.
static void change(uint64 by) {
    for (uint64 i = 0; i < n; i++) *word(i) = *word(i) * 5 + by;
}

// A child that does that and answers NAME0, NAME1 ...
static int child(void (*does)(uint64), uint64 with) {
    int pid = fork();
    if (pid == 0) {
        does(with);
        exit(0);
    }
    if (pid < 0) {
        printf("pagerlab: fork failed\n");
        exit(1);
    }
    return pid;
}

// Another program, this one in another mode: it has no page in common with this process.
static int start(const char *mode, uint64 seed) {
    char digits[24], *p = digits + sizeof digits - 1;
    char *argv[] = {"pagerlab", (char *)mode, 0, 0};
    int pid = fork();
    if (pid) return pid;
    *p = 0;
    do *--p = (char)('0' + seed % 10);
    while (seed /= 10);
    argv[2] = p;
    exec("pagerlab", argv);
    exit(1);
}

// ---- more memory than there is ----

static int twice(uint64 seed) {
    more(800);
    fill(seed);
    change(fresh(seed, MOST));
    answer("sum", sum());
    return 0;
}

// Reads and writes in an order that is drawn.
static int drawn(uint64 seed) {
    uint64 read = 0;
    more(600);
    fill(seed);
    for (uint64 k = 0; k < 1500; k++) {
        uint64 draw = fresh(seed, MOST + k), i = draw % n;
        if (draw >> 32 & 1)
            *word(i) += draw;
        else
            read = read * 31 + *word(i);
    }
    answer("read", read);
    answer("sum", sum());
    return 0;
}

// All that it is given, so that swap is full. What has no slot then, and so cannot go, lies at both ends;
// what can go is between them, and in use.
static int full(uint64 seed) {
    uint64 total = 0;
    more(LOW);
    while (sbrk(sizeof(struct page)) != (char *)-1) n++;
    for (uint64 i = LOW; i < n; i++) *word(i) = fresh(seed, i);
    for (uint64 i = 0; i < LOW; i++) *word(i) = fresh(seed, i);
    for (int round = 0; round < 3; round++)
        for (uint64 i = n; i-- > 0;) {
            total = total * 31 + *word(i);
            if (i % 3 == 0) *word(i) += i;
        }
    answer("pages", n);
    answer("sum", total);
    return 0;
}

// Written once, then only read.
static int clean(uint64 seed) {
    uint64 total = 0;
    more(600);
    fill(seed);
    for (int round = 0; round < 4; round++) total = total * 3 + sum();
    answer("sum", total);
    return 0;
}

// Some pages are used all the time, the others in turn.
static int warm(uint64 seed) {
    uint64 total = 0;
    for (uint64 h = 0; h < HOT; h++) hot[h].word[h] = fresh(seed, MOST + h);
    more(600);
    for (int round = 0; round < 4; round++)
        for (uint64 i = 0; i < n; i++) {
            if (round == 0) *word(i) = fresh(seed, i);
            total = total * 31 + *word(i);
            for (uint64 h = 0; h < HOT; h++) total += hot[h].word[h];
        }
    answer("sum", total);
    return 0;
}

// ---- several processes ----

// The pages with odd numbers, or the others.
static void change_half(uint64 odd) {
    for (uint64 i = odd; i < n; i += 2) *word(i) += odd + 1;
}

static void changes(uint64 odd) {
    change_half(odd);
    printf("answer child%d %lx\n", (int)odd, sum());
}

static int forks(uint64 seed) {
    more(500);
    fill(seed);
    child(changes, 1);
    wait(0);
    answer("before", sum());
    change_half(1);
    child(changes, 0);
    change_half(1);
    answer("parent", sum());
    wait(0);
    answer("after", sum());
    return 0;
}

// Gives up memory and uses more, and ends with much of it on the disk.
static void grows(uint64 seed) {
    more(500);
    fill(seed);
    sbrk(-250 * 4096);
    sbrk(250 * 4096);
    for (uint64 i = 250; i < n; i++) *word(i) += fresh(seed, i + n);
    printf("answer child%lx %lx\n", seed & 0xff, sum());
}

static int again(uint64 seed) {
    for (uint64 i = 0; i < 4; i++) {
        child(grows, (seed << 8) + i);
        wait(0);
    }
    return 0;
}

// How many have filled their memory, and are to before any goes on: else, on a busy host, one may be over
// before the next has begun, and there is room for each.
static uint *filled, wanted;

static void meet(void) {
    __atomic_fetch_add(filled, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(filled, __ATOMIC_SEQ_CST) < wanted) sleep(1);
}

static void works(uint64 seed) {
    fill(seed);
    if (wanted) meet();
    for (uint64 round = 0; round < 3; round++) change(round + fresh(seed, MOST));
    printf("answer child%lx %lx\n", seed & 0xff, sum());
}

static int many(uint64 seed, uint64 processes, uint64 pages) {
    more(pages);
    fill(seed);
    for (uint64 i = 0; i < processes; i++) child(works, (seed << 8) + i);
    for (uint64 i = 0; i < processes; i++) wait(0);
    answer("parent", sum());
    return 0;
}

static int pair(uint64 seed) { return many(seed, 2, 240); }

static int crowd(uint64 seed) {
    filled = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (filled == (void *)-1) return 1;
    wanted = 4;
    return many(seed, wanted, 150);
}

// ---- pages that are wanted back ----

static uint64 now(void) {
    uint64 time;
    asm volatile("rdtime %0" : "=r"(time));
    return time;
}

static const volatile struct exo_acct *unix_account(void) { return &EXO_ACCTS[2]; }

// Has all that is promised and all that is not, and uses it until much has been given back.
static int asked(uint64 seed) {
    uint64 rounds = 0, late = now() + EXO_WORDS->timebase / 5;
    more(800);
    fill(seed);
    uint64 most = unix_account()->held;
    while (unix_account()->held + 150 > most && now() < late) {
        change(3);
        rounds++;
    }
    for (uint64 i = 0; i < n; i++) {
        uint64 expected = fresh(seed, i);
        for (uint64 k = 0; k < rounds; k++) expected = expected * 5 + 3;
        if (*word(i) != expected) answer("wrong", i);
    }
    answer("rounds", rounds != 0);
    answer("end", fresh(seed, MOST));
    return 0;
}

// Has it, and sleeps.
static int asleep(uint64 seed) {
    more(800);
    fill(seed);
    sleep(4);
    answer("sum", sum());
    return 0;
}

// ---- pages that are taken ----

// Has some, and sleeps until it is told to go on: who comes later gets its pages.
static int sleeper(uint64 seed) {
    char c;
    more(100);
    fill(seed);
    write(6, "r", 1);
    read(3, &c, 1);
    printf("answer sleeper%lx %lx\n", seed & 0xff, sum());
    return 0;
}

// Has much, and stores to all of it again and again; or until it finds that something is wrong with it.
static int victim(uint64 seed) {
    more(1300);
    fill(seed);
    for (uint64 round = 0;; round++)
        for (uint64 i = 0; i < n; i++) {
            if (*word(i) != fresh(seed, i) + round) {
                answer("wrong", i);
                return 1;
            }
            ++*word(i);
        }
}

static void busy(uint64 seed) {
    more(700);
    fill(seed);
    change(7);
    answer("busy", sum());
}

static int taken(uint64 seed) {
    int status = 0, go[2], ready[2];
    char c;
    pipe(go);    // 3 and 4
    pipe(ready); // 5 and 6
    more(20);
    fill(seed);
    for (uint64 i = 0; i < 3; i++) {
        start("sleeper", (seed << 8) + i);
        read(ready[0], &c, 1);
    }
    start("victim", seed);
    wait(&status);
    answer("victim", status == -1);
    sleep(1);
    child(busy, seed);
    wait(0);
    for (int i = 0; i < 3; i++) write(go[1], "g", 1);
    for (int i = 0; i < 3; i++) wait(0);
    answer("sum", sum());
    return 0;
}

// ---- what it costs ----

static int cost(uint64 seed) {
    more(800);
    fill(seed);
    for (uint64 round = 0; round < 2; round++) change(round);
    answer("sum", sum());
    return 0;
}

static const struct mode modes[] = {
    {"twice", twice}, {"drawn", drawn},     {"full", full},     {"clean", clean},
    {"warm", warm},   {"forks", forks},     {"again", again},   {"pair", pair},
    {"crowd", crowd}, {"asked", asked},     {"asleep", asleep}, {"taken", taken},
    {"cost", cost},   {"sleeper", sleeper}, {"victim", victim}, {0, 0},
};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
