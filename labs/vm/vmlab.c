// The programs of the vm lab's tests (tests.py): what each mode does, and in tests.py what the kernel must
// have seen. Marks in the trace say how far a program is.
#include <exo/call.h>
#include "kernel/fcntl.h"
#include "kernel/mman.h"
#include "labs/lab.h"
#include "user/exv6.h"

#define PAGE  4096
#define TABLE 0x200000
#define BAD   ((char *)-1)

extern char end[]; // of the program's data: so that it is among the symbols
static struct page { uint64 word[512]; } room[32] __attribute__((aligned(PAGE)));
static const uint64 constant[8] = {7, 8, 9};

static void mark(uint64 n) { exo_mark(n, (uint64)end); }

static int must_fork(void) {
    int pid = fork();
    if (pid >= 0) return pid;
    printf("vmlab: fork failed\n");
    exit(1);
}

static char *must_grow(uint64 bytes) {
    char *p = sbrk((int)bytes);
    if (p != BAD) return p;
    printf("vmlab: sbrk(%d) failed\n", (int)bytes);
    exit(1);
}

static struct page *must_map(uint64 pages) {
    struct page *p = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != (struct page *)-1) return p;
    printf("vmlab: mmap of %d pages failed\n", (int)pages);
    exit(1);
}

// The i-th of n numbers in an order that derives from the seed: 0 to n-1, each once. n is at most 64.
static int in_order(uint64 seed, uint64 from, int i, int n) {
    static int order[64];
    if (i == 0) {
        for (int k = 0; k < n; k++) order[k] = k;
        for (int k = n - 1; k > 0; k--) {
            int other = (int)(fresh(seed, from + (uint64)k) % (uint64)(k + 1)), t = order[k];
            order[k] = order[other];
            order[other] = t;
        }
    }
    return order[i];
}

static uint64 sum_words(const struct page *p) {
    uint64 sum = 0;
    for (int w = 0; w < 512; w++) sum += p->word[w];
    return sum;
}

// ---- faults ----

// Pages that a process had, full of this, are to come again without.
static void leave_dirt(uint64 seed, int pages) {
    if (must_fork() == 0) {
        struct page *p = (struct page *)must_grow((uint64)pages * PAGE);
        for (int i = 0; i < pages; i++)
            for (int w = 0; w < 512; w++) p[i].word[w] = fresh(seed, 900) | 1;
        exit(0);
    }
    wait(0);
}

static int demand(uint64 seed) {
    int n = 40 + (int)(fresh(seed, 0) % 24);
    uint64 sum = fresh(seed, 1), stored = 0;
    leave_dirt(seed, n);
    in_order(seed, 100, 0, n); // whose own page is there now
    mark(1);
    struct page *p = (struct page *)must_grow((uint64)n * PAGE);
    mark(2);
    for (int i = 0; i < n; i++) {
        int k = in_order(seed, 100, i, n);
        uint64 how = fresh(seed, 200 + (uint64)k) & 3;
        if (how & 1) sum += sum_words(&p[k]); // zeros
        if (how & 2) p[k].word[k] = fresh(seed, (uint64)k);
    }
    mark(3);
    for (int i = 0; i < 32; i++) {
        int k = in_order(seed, 300, i, 32);
        if (fresh(seed, 400 + (uint64)k) & 1) sum += sum_words(&room[k]);
    }
    mark(4);
    for (int k = 0; k < n; k++)
        if (fresh(seed, 200 + (uint64)k) & 2) stored = stored * 31 + sum_words(&p[k]);
    answer("zeros", sum);
    answer("stored", stored);
    return 0;
}

// A child ends by what it does to p; others go on.
static char *target;

static void store(void) { *(volatile char *)target = 1; }
static void load(void) { (void)*(volatile char *)target; }
static void jump(void) { ((void (*)(void))target)(); }

static void killed_by(const char *name, void (*what)(void), void *at) {
    int status = 0;
    target = at;
    int pid = must_fork();
    if (pid == 0) {
        what();
        exit(0);
    }
    while (wait(&status) != pid)
        ;
    answer(name, status == -1);
}

// Somebody who waits, and computes, while others end.
static int bystander(uint64 seed, int fds[2]) {
    pipe(fds);
    if (must_fork() == 0) {
        uint64 value = 0, i = 0;
        close(fds[1]);
        while (read(fds[0], &value, sizeof value) == sizeof value)
            answer(i++ ? "last" : "first", value + seed);
        exit(0);
    }
    close(fds[0]);
    uint64 value = fresh(seed, 1);
    return write(fds[1], &value, sizeof value);
}

static void bystander_ends(uint64 seed, int fds[2]) {
    uint64 value = fresh(seed, 2);
    write(fds[1], &value, sizeof value);
    close(fds[1]);
    wait(0);
}

static int guard(uint64 seed) {
    int fds[2];
    char *top = must_grow((fresh(seed, 0) % 5 + 1) * PAGE),
         *guard_page = (char *)(((uint64)end + PAGE - 1) & -PAGE);
    top = sbrk(0);
    bystander(seed, fds);
    killed_by("guard_top", store, guard_page + PAGE - 8);
    killed_by("guard_bottom", load, guard_page);
    killed_by("past_end", store, top);
    killed_by("far", load, top + 3 * PAGE + fresh(seed, 3) % 1000 * 8);
    killed_by("no_table", store, (char *)0x30000000);
    bystander_ends(seed, fds);
    return 0;
}

static int rights(uint64 seed) {
    int fds[2];
    char *heap = must_grow(4 * PAGE);
    uint64 i = fresh(seed, 0) % 3;
    heap[0] = (char)0x82; // ret
    heap[1] = (char)0x80;
    bystander(seed, fds);
    killed_by("text", store, (void *)rights);
    killed_by("constant", store, (void *)&constant[i]);
    killed_by("run_heap", jump, heap);
    killed_by("run_untouched", jump, heap + 2 * PAGE);
    killed_by("run_data", jump, room);
    answer("constant_is", constant[i]);
    answer("text_is", *(volatile uint *)(uint64)rights != 0);
    bystander_ends(seed, fds);
    return 0;
}

// ---- what a call does with the program's pointers ----

static int pipe_fds[2];

// Does write(), and read(), of n bytes at p fail?
static uint64 both_refused(char *p, int n) {
    int from = write(pipe_fds[1], p, n);
    write(pipe_fds[1], "12345678", 8);
    int to = read(pipe_fds[0], p, 8);
    if (from != -1) read(pipe_fds[0], room, from); // what should not have come
    if (to == -1) read(pipe_fds[0], room, 8);
    return from == -1 && to == -1;
}

static int pointers(uint64 seed) {
    pipe(pipe_fds);
    char *heap = must_grow(8 * PAGE), *top = sbrk(0);
    char *guard_page = (char *)(((uint64)end + PAGE - 1) & -PAGE);
    char *bad[] = {top,
                   top - 4, // the last words are there, the first ones beyond are not
                   guard_page,
                   guard_page - 4,
                   top + fresh(seed, 0) % 100 * PAGE,
                   (char *)0x30000000,
                   (char *)0x3fe00000,
                   (char *)0x40000000,
                   (char *)0x1800000000,
                   (char *)0xffffffe000000000,
                   (char *)(1ul << 38),
                   (char *)~0ul,
                   (char *)-4l};
    for (int i = 0; i < (int)(sizeof bad / sizeof *bad); i++)
        printf("answer bad%d %lx\n", i, both_refused(bad[i], 16));
    answer("negative", write(pipe_fds[1], heap, -1) == -1 && read(pipe_fds[0], heap, -1) == -1);
    // Text can be read, not written.
    uint64 word = 0;
    answer("from_text", (uint64)write(pipe_fds[1], (char *)constant, 8));
    answer("to_text", (uint64)read(pipe_fds[0], (char *)constant, 8) == ~0ul);
    answer("in_pipe", (uint64)read(pipe_fds[0], &word, 8));
    answer("constant", word);
    // Pages that nobody has touched are there as soon as a call needs them.
    uint64 value = fresh(seed, 1), *straddles = (uint64 *)(heap + 2 * PAGE - 4);
    write(pipe_fds[1], &value, 8);
    answer("untouched", (uint64)read(pipe_fds[0], straddles, 8));
    answer("value", *straddles);
    answer("zeros_out", (uint64)write(pipe_fds[1], heap + 5 * PAGE, 100));
    answer("zeros_in", (uint64)read(pipe_fds[0], room, 100));
    answer("zeros", room[0].word[0] + room[0].word[11] + fresh(seed, 2));
    // What a fork shares is the writer's own before a call writes there.
    int status = 0, to_child[2];
    pipe(to_child);
    *straddles = value;
    int pid = must_fork();
    if (pid == 0) {
        char c;
        read(to_child[0], &c, 1);
        answer("childs", *straddles);
        exit(0);
    }
    write(pipe_fds[1], "abcdefgh", 8);
    read(pipe_fds[0], straddles, 8);
    write(to_child[1], "x", 1);
    wait(&status);
    answer("parents", *straddles);
    return status;
}

static int strings(uint64 seed) {
    char *heap = must_grow(PAGE - (uint64)sbrk(0) % PAGE + 2 * PAGE), *top = sbrk(0);
    (void)heap;
    top[-1] = 'x'; // a name that memory ends before
    answer("cut", (uint64)open(top - 1, O_CREATE | O_RDWR) == ~0ul);
    answer("nowhere", (uint64)open((char *)0x30000000, O_RDONLY) == ~0ul);
    answer("far", (uint64)open((char *)~0ul, O_RDONLY) == ~0ul);
    char *name = top - PAGE - 3; // over the end of a page
    for (int i = 0; i < 6; i++) name[i] = (char)('a' + fresh(seed, (uint64)i) % 26);
    name[6] = 0;
    int fd = open(name, O_CREATE | O_RDWR);
    uint64 value = fresh(seed, 7), got = 0;
    write(fd, &value, 8);
    close(fd);
    fd = open(name, O_RDONLY);
    read(fd, &got, 8);
    answer("value", got);
    must_grow(PAGE);
    answer("with_more", (uint64)open(top - 1, O_RDONLY) == ~0ul); // "x": there is none
    return 0;
}

// ---- the commit count ----

// Grows until no more can be had, touching all, and gives it back. How many pages it was.
static int fill(uint64 seed, int step) {
    int n = 0;
    for (char *p; (p = sbrk(step * PAGE)) != BAD; n += step)
        for (int i = 0; i < step; i++) *(uint64 *)(p + i * PAGE) = fresh(seed, (uint64)(n + i));
    return n;
}

static int refuse(uint64 seed) {
    char *start = sbrk(0);
    int step = 3 + (int)(fresh(seed, 0) % 6);
    for (uint64 round = 0; round < 2; round++) {
        mark(1);
        answer(round ? "huge2" : "huge1", sbrk(0x7fffffff) == BAD && sbrk(0) == start);
        answer(round ? "below2" : "below1", sbrk(-0x7fffffff) == BAD && sbrk(0) == start);
        mark(2);
        int n = fill(seed, step);
        mark(3);
        uint64 sum = 0;
        for (int i = 0; i < n; i++) sum = sum * 31 + *(uint64 *)(start + (uint64)i * PAGE);
        answer(round ? "pages2" : "pages1", (uint64)n);
        answer(round ? "sum2" : "sum1", sum);
        sbrk(-n * PAGE);
    }
    mark(4);
    return 0;
}

// Some processes at once, which together want more than there is.
static int crowd(uint64 seed) {
    int before = fill(seed, 1), status, bad = 0;
    sbrk(-before * PAGE);
    for (uint64 child = 0; child < 5; child++) {
        if (must_fork()) continue;
        for (int i = 0; i < 300; i++) // the count alone
            if (sbrk(PAGE) != BAD) sbrk(-PAGE);
        for (uint64 i = 0; i < 12; i++) {
            int n = 20 + (int)(fresh(seed, child * 100 + i) % 80);
            uint64 *p = (uint64 *)sbrk(n * PAGE);
            if ((char *)p == BAD) {
                sleep(0);
                continue;
            }
            for (int k = 0; k < n; k++) {
                if (p[k * 512]) exit(2);
                p[k * 512] = child + 1;
            }
            for (int k = 0; k < n; k++)
                if (p[k * 512] != child + 1) exit(3);
            sbrk(-n * PAGE);
        }
        exit(0);
    }
    for (int i = 0; i < 5; i++)
        if (wait(&status) > 0 && status) bad = status;
    int after = fill(seed, 1);
    answer("lost", (uint64)(before - after));
    answer("bad", (uint64)bad);
    answer("some", before > 100);
    return 0;
}

static int cost(uint64 seed) {
    struct page *p = (struct page *)must_grow(64 * PAGE);
    uint64 sum = fresh(seed, 0);
    mark(1);
    for (int i = 0; i < 64; i++) sum += p[i].word[i]; // no more than a fault each
    mark(2);
    answer("sum", sum);
    return 0;
}

// ---- shrinking ----

// A large heap of which few pages are used; it goes in three steps.
static int shrink(uint64 seed) {
    uint64 start = (uint64)sbrk(0);
    for (uint64 round = 0; round < 3; round++) {
        uint64 from = 1000 * (round + 1), top = start;
        mark(10);
        for (uint64 step = 0; step < 3; step++) {
            uint64 more = fresh(seed, from + step) % (3 * TABLE);
            must_grow(more);
            mark(11 + step);
            for (uint64 k = 0; k < 8; k++) {
                uint64 at = (top + fresh(seed, from + 10 + 8 * step + k) % (more - 8)) & -8ul;
                *(volatile uint64 *)at = at;
            }
            top += more;
        }
        uint64 kept[3] = {0};
        for (uint64 step = 0; step < 3; step++) {
            uint64 less = step == 2 ? top - start : fresh(seed, from + 3 + step) % ((top - start) / 2) & -8ul;
            uint64 sum = fresh(seed, 0);
            top -= less;
            if (step < 2) { // the last word that stays
                kept[step] = (top - 8) & -8ul;
                *(volatile uint64 *)kept[step] = top;
            }
            sbrk(-(int)less);
            for (uint64 s = 0, t = start; s < 3; s++) { // what is left of what was stored
                uint64 more = fresh(seed, from + s) % (3 * TABLE);
                for (uint64 k = 0; k < 8; k++) {
                    uint64 at = (t + fresh(seed, from + 10 + 8 * s + k) % (more - 8)) & -8ul;
                    if (at + 8 <= top) sum += *(volatile uint64 *)at;
                }
                if (kept[s] && kept[s] + 8 <= top) sum += *(volatile uint64 *)kept[s];
                t += more;
            }
            printf("answer left%d.%d %lx\n", (int)round, (int)step, sum);
            mark(14 + step);
        }
    }
    mark(17);
    return 0;
}

// A page that a fork shared is dropped by one of the two, then by the other.
static int shared(uint64 seed) {
    for (int i = 0; i < 32; i++) room[i].word[0] = 1; // all there
    for (uint64 round = 0; round < 3; round++) {
        int n = 10 + (int)(fresh(seed, round) % 20), fds[2];
        mark(1);
        struct page *p = (struct page *)must_grow((uint64)n * PAGE);
        for (int i = 0; i < n; i++) p[i].word[i] = fresh(seed, round * 100 + (uint64)i);
        pipe(fds);
        int pid = must_fork();
        if (pid == 0) {
            uint64 sum = 0;
            char c;
            read(fds[0], &c, 1);
            for (int i = 0; i < n; i++) sum = sum * 31 + p[i].word[i];
            printf("answer child%d %lx\n", (int)round, sum);
            sbrk(-n * PAGE);
            exit(0);
        }
        sbrk(-n * PAGE);
        mark(2);
        for (int i = 0; i < n; i++) room[i].word[0] = fresh(seed, 99); // takes what was freed
        write(fds[1], "x", 1);
        wait(0);
        close(fds[0]);
        close(fds[1]);
    }
    mark(3);
    return 0;
}

static int paged(uint64 seed) {
    char *start = sbrk(0);
    int n = fill(seed, 50);
    uint64 sum = 0;
    for (int i = n - 1; i >= 0; i--) sum = sum * 31 + *(uint64 *)(start + (uint64)i * PAGE);
    answer("pages", (uint64)n);
    answer("sum", sum);
    sbrk(-n * PAGE);
    mark(1);
    answer("again", (uint64)fill(seed, 50));
    return 0;
}

// ---- mappings ----

#define MAPS 6

static int map(uint64 seed) {
    struct page *at[MAPS];
    uint64 pages[MAPS], sum = fresh(seed, 0);
    leave_dirt(seed, 30);
    mark(1);
    for (uint64 i = 0; i < MAPS; i++) {
        pages[i] = 1 + fresh(seed, 10 + i) % 300;
        at[i] = must_map(pages[i]);
        printf("answer at%d %lx\n", (int)i, (uint64)at[i]);
    }
    mark(2);
    for (uint64 i = 0; i < MAPS; i++) {
        for (uint64 k = 0; k < 5; k++) {
            uint64 p = fresh(seed, 100 + 10 * i + k) % pages[i];
            if (at[i][p].word[7] == 0) sum += sum_words(&at[i][p]);
            at[i][p].word[7] = i * 1000 + p + 1;
        }
    }
    mark(3);
    uint64 stored = 0;
    for (uint64 i = 0; i < MAPS; i++)
        for (uint64 k = 0; k < 5; k++)
            stored = stored * 31 + at[i][fresh(seed, 100 + 10 * i + k) % pages[i]].word[7];
    answer("zeros", sum);
    answer("stored", stored);
    answer("no_bytes", mmap(0, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == BAD);
    killed_by("below", load, (char *)at[MAPS - 1] - PAGE);
    return 0;
}

// The pages in parts: the middle, both ends, over two mappings.
static int unmap(uint64 seed) {
    uint64 a = 20 + fresh(seed, 0) % 20, b = 700 + fresh(seed, 1) % 200;
    target = end; // whose page is there now
    for (uint64 round = 0; round < 2; round++) {
        mark(1);
        struct page *p = must_map(a), *q = must_map(b);
        for (uint64 i = 0; i < a; i++) p[i].word[0] = i + seed;
        for (uint64 i = 0; i < b; i += 7) q[i].word[0] = i * seed;
        printf("answer p%d %lx\n", (int)round, (uint64)p);
        printf("answer q%d %lx\n", (int)round, (uint64)q);
        uint64 hole = 3 + fresh(seed, 2) % 5, size = 2 + fresh(seed, 3) % 6, sum = 0;
        mark(2);
        munmap(p + hole, size * PAGE); // in the middle
        mark(3);
        munmap(q, 7 * PAGE);     // the beginning
        munmap(p + a - 1, PAGE); // the end
        mark(4);
        for (uint64 i = 0; i < a - 1; i++)
            if (i < hole || i >= hole + size) sum += p[i].word[0];
        for (uint64 i = 7; i < b; i += 7) sum += q[i].word[0];
        printf("answer left%d %lx\n", (int)round, sum);
        if (round) killed_by("hole", load, p + hole);
        printf("answer fits%d %d\n", (int)round, must_map(size) == p + hole);
        printf("answer nothing%d %d\n", (int)round, munmap(q, 7 * PAGE) == -1);
        munmap(q + b - 5, (a + 5) * PAGE); // over two
        mark(5);
        munmap(q, b * PAGE); // what is left
    }
    mark(6);
    return 0;
}

// All that can be had, by mappings, twice; and then by the heap.
static int mapfull(uint64 seed) {
    uint64 pages = 60 + fresh(seed, 0) % 30, n[2];
    for (int round = 0; round < 2; round++) {
        struct page *at[MAPS * 2];
        mark(1);
        for (n[round] = 0; n[round] < MAPS * 2; n[round]++) {
            struct page *p =
                mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if ((char *)p == BAD) break;
            at[n[round]] = p;
            for (uint64 i = 0; i < pages; i++) p[i].word[i] = fresh(seed, i);
        }
        mark(2);
        answer(round ? "refused2" : "refused1", sbrk((int)pages * PAGE) == BAD);
        for (uint64 i = 0; i < n[round]; i++) munmap(at[i], pages * PAGE);
    }
    answer("maps1", n[0]);
    answer("maps2", n[1]);
    mark(3);
    int heap = fill(seed, (int)pages);
    answer("heap", (uint64)heap / pages);
    return 0;
}

static const struct mode modes[] = {
    {"demand", demand}, {"guard", guard}, {"rights", rights}, {"pointers", pointers}, {"strings", strings},
    {"refuse", refuse}, {"crowd", crowd}, {"cost", cost},     {"shrink", shrink},     {"shared", shared},
    {"paged", paged},   {"map", map},     {"unmap", unmap},   {"mapfull", mapfull},   {0, 0},
};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
