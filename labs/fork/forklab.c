// The programs of the fork lab's tests (tests.py): what each mode does, and in tests.py what the kernel must
// have seen.
#include "labs/lab.h"
#include "user/kernel/fcntl.h"

#define PAGES 48

static struct page { uint64 word[512]; } data[PAGES];
static const uint64 constant[512] = {42};

// A page's word is anywhere in it.
static uint64 *word(int p) { return &data[p].word[p * 37 % 512]; }

static void fill(uint64 seed) {
    for (int p = 0; p < PAGES; p++) *word(p) = fresh(seed, p);
}

static uint64 sum(void) {
    uint64 sum = 0;
    for (int p = 0; p < PAGES; p++) sum = sum * 31 + *word(p);
    return sum;
}

// Does side 0 (the parent) or 1 (the child) write to page p?
static int chosen(uint64 seed, int side, int p) { return fresh(seed, 100 + p) >> side & 1; }

static void change(uint64 seed, int side) {
    for (int p = 0; p < PAGES; p++)
        if (chosen(seed, side, p)) *word(p) += (uint64)(side + 1);
}

static int must_fork(void) {
    int pid = fork();
    if (pid >= 0) return pid;
    printf("forklab: fork failed\n");
    exit(1);
}

// Some children, each of which ends with a status of its own.
static int child(uint64 seed) {
    int n = 3 + (int)(fresh(seed, 0) % 5), pid[8];
    for (int i = 0; i < n; i++) {
        pid[i] = must_fork();
        if (pid[i] == 0) exit((int)(fresh(seed, (uint64)i + 1) & 127));
    }
    for (int i = 0; i < n; i++) {
        int status = -1, done = wait(&status);
        for (int j = 0; j < n; j++)
            if (pid[j] == done) printf("answer child%d %x\n", j, status);
    }
    return 0;
}

// Both sides write, each to pages of its own choice, and neither sees what the other wrote: the parent first,
// while the child lives.
static int isolated(uint64 seed) {
    int fds[2];
    char c = 0;
    fill(seed);
    if (pipe(fds) < 0) return 1;
    int pid = must_fork();
    if (pid == 0) {
        read(fds[0], &c, 1);
        answer("before", sum());
        change(seed, 1);
        answer("child", sum());
        exit(0);
    }
    change(seed, 0);
    write(fds[1], &c, 1);
    wait(0);
    answer("parent", sum());
    return 0;
}

// A child of a child of a child ...
static int nested(uint64 seed) {
    int depth = 4 + (int)(fresh(seed, 0) % 4);
    fill(seed);
    for (int i = 0; i < depth; i++) {
        int pid = must_fork();
        if (pid) {
            int status = 0;
            wait(&status);
            printf("answer level%d %lx\n", i, sum());
            exit(status);
        }
        *word(i) += fresh(seed, 200 + (uint64)i);
    }
    printf("answer level%d %lx\n", depth, sum());
    exit(0);
}

// Descriptors go along, and what one of the two reads the other will not.
static int files(uint64 seed) {
    int fds[2];
    uint64 value = fresh(seed, 0), got = 0;
    if (pipe(fds) < 0) return 1;
    int pid = must_fork();
    if (pid == 0) {
        close(fds[1]);
        if (read(fds[0], &got, sizeof got) == sizeof got) answer("pipe", got);
        exit(0);
    }
    write(fds[1], &value, sizeof value);
    close(fds[1]);
    wait(0);
    int fd = open("shared", O_CREATE | O_RDWR);
    pid = must_fork();
    if (pid == 0) {
        write(fd, "12345678", 8);
        exit(0);
    }
    wait(0);
    write(fd, &value, sizeof value);
    close(fd);
    fd = open("shared", O_RDONLY);
    read(fd, &got, sizeof got);
    read(fd, &got, sizeof got);
    answer("offset", got);
    return 0;
}

// What a program keeps in registers over fork(), floating point too.
static int registers(uint64 seed) {
    double a = (double)(fresh(seed, 0) & 0xffff), b = (double)(fresh(seed, 1) & 0xffff), c = 0;
    asm volatile("fmv.d fs0, %0\nfmv.d fs1, %1" : : "f"(a), "f"(b) : "fs0", "fs1");
    int pid = must_fork();
    asm volatile("fmul.d %0, fs0, fs1" : "=f"(c));
    if (pid == 0) {
        answer("child", (uint64)c);
        exit(0);
    }
    wait(0);
    answer("parent", (uint64)c);
    return 0;
}

// What nobody may write to stays so: a child that writes to a constant ends, and it alone.
static int constants(uint64 seed) {
    int pid = must_fork(), status = 0;
    if (pid == 0) {
        *(volatile uint64 *)&constant[1] = seed;
        answer("written", constant[1]);
        exit(0);
    }
    wait(&status);
    answer("killed", status == -1);
    answer("value", constant[0] + constant[1]);
    return 0;
}

// The child ends; then the parent writes to all pages that it had shared.
static int last(uint64 seed) {
    fill(seed);
    int pid = must_fork();
    if (pid == 0) exit(0);
    wait(0);
    for (int p = 0; p < PAGES; p++) ++*word(p);
    answer("sum", sum());
    return 0;
}

static int again(uint64 seed) {
    fill(seed);
    for (int i = 0; i < 12; i++) {
        int pid = must_fork();
        if (pid == 0) {
            change(seed, 1);
            exit(0);
        }
        wait(0);
    }
    answer("sum", sum());
    return 0;
}

// As many as there can be, twice.
static int exhausted(uint64 seed) {
    for (int round = 0; round < 2; round++) {
        int fds[2], n = 0, pid;
        char c;
        pipe(fds);
        while ((pid = fork()) > 0) n++;
        if (pid == 0) {
            close(fds[1]);
            read(fds[0], &c, 1);
            exit(0);
        }
        answer(round ? "second" : "first", (uint64)n);
        close(fds[0]);
        close(fds[1]);
        while (wait(0) > 0)
            ;
    }
    answer("end", fresh(seed, 0));
    return 0;
}

// A process with much memory forks over and over; the children do nothing.
static int cost(uint64 seed) {
    char *p = sbrk(200 * 4096);
    for (int i = 0; i < 200; i++) p[i * 4096] = (char)fresh(seed, (uint64)i);
    for (int i = 0; i < 6; i++) {
        int pid = must_fork();
        if (pid == 0) exit(0);
        wait(0);
    }
    return 0;
}

static const struct mode modes[] = {
    {"child", child},
    {"isolated", isolated},
    {"nested", nested},
    {"files", files},
    {"registers", registers},
    {"constants", constants},
    {"last", last},
    {"again", again},
    {"exhausted", exhausted},
    {"cost", cost},
    {0, 0},
};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
