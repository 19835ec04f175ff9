// shows cow | quantum | threads | count : what the Unix library OS has for demonstrations (grade/demo.py).
// Lines that begin with '#' say what has just been done; then it waits for a line typed. Those with '@' tell
// what to show of it.
#include "user/bench.h"
#include "kernel/mman.h"
#include "user/exv6.h"

#define PAGE  4096
#define PAGES 32

static void wait_for_key(void) {
    char line[16];
    if (read(0, line, sizeof line) <= 0) exit(1);
}

static void step(const char *what) {
    printf("# %s\n", what);
    wait_for_key();
}

static void must(int ok, const char *what) {
    if (ok) return;
    printf("shows: no %s\n", what);
    exit(1);
}

static void store(char *page, int from, int to) {
    for (int i = from; i < to; i++) page[i * PAGE]++;
}

static void cow(void) {
    int go[2], done[2];
    char byte = 0, *page = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(page != (char *)-1 && pipe(go) == 0 && pipe(done) == 0, "memory");
    printf("@ range %p %d\n", page, PAGES);
    step("A process has asked for 32 pages, and has touched none. It has none: memory comes on demand.");
    store(page, 0, PAGES);
    step("It has stored to each: 32 faults, 32 pages, bound writable.");
    int pid = fork();
    must(pid >= 0, "child");
    if (pid == 0) {
        for (int from = 0; from < 8; from += 4) {
            read(go[0], &byte, 1);
            store(page, from, from + 4);
            write(done[1], &byte, 1);
        }
        read(go[0], &byte, 1);
        exit(0);
    }
    step("fork(): a second address space with the same pages. No page was copied; neither may write.");
    write(go[1], &byte, 1);
    read(done[0], &byte, 1);
    step("The child has stored to four: four faults, four copies. The rest is still shared.");
    write(go[1], &byte, 1);
    read(done[0], &byte, 1);
    store(page, 12, 14);
    step("Four more by the child, and two by the parent: whoever stores first gets the copy.");
    write(go[1], &byte, 1);
    wait(0);
    step("The child has ended. Its copies are free; what it shared has one owner again.");
    store(page, 0, PAGES);
    step("The parent stores to all: where it is alone with a page it only takes the right to write back. No "
         "copies.");
    munmap(page, PAGES * PAGE);
}

static void compute(uint64 cycles) {
    volatile uint64 n = 0;
    for (uint64 from = cycle(); cycle() - from < cycles;) n++;
}

static void compute_float(uint64 cycles) {
    volatile double x = 1;
    for (uint64 from = cycle(); cycle() - from < cycles;) x = x * 1.0001;
}

static void both(void (*other)(uint64)) {
    int pid = fork();
    must(pid >= 0, "child");
    if (pid == 0) {
        other(100000000);
        exit(0);
    }
    compute(100000000);
    wait(0);
}

static void quantum(void) {
    step("Two processes are about to compute. The slice is 10 ms; what happens at its end is the library's "
         "business.");
    both(compute);
    step("At the end of each slice the kernel calls the library (EPILOGUE): it saves what is live, and "
         "yields. No abort.");
    both(compute_float);
    step("Now one of them uses floating point. It asks for it in each slice; only its registers are saved, "
         "only then.");
}

// Where no trace is kept, which would cost more than what is measured.
static void threads(void) {
    char *argv[] = {"threadbench", 0};
    int pid = fork();
    if (pid == 0) {
        exec(argv[0], argv);
        exit(1);
    }
    wait(0);
    step("A change of threads in instructions: live registers, all of them, and by the thread's own will. "
         "What is live only the library knows: a kernel that saves for you saves all.");
}

// A line now and then, for as long as the machine is watched.
static void count(void) {
    for (int i = 1;; i++) {
        printf("unix: %d\n", i);
        sleep(3);
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*fn)(void);
    } shows[] = {{"cow", cow}, {"quantum", quantum}, {"threads", threads}, {"count", count}};
    for (uint i = 0; argc == 2 && i < sizeof shows / sizeof *shows; i++)
        if (strcmp(argv[1], shows[i].name) == 0) {
            printf("@ begin\n");
            if (shows[i].fn != count) wait_for_key();
            shows[i].fn();
            return 0;
        }
    fprintf(2, "usage: shows cow|quantum|threads|count\n");
    return 1;
}
