// threadbench : what a change of threads costs, in instructions, where the cycle counter counts those (`make
// bench`): at the end of a slice, of threads that use no floating point and of such that do, with all their
// registers saved and restored then; and by thread_yield().
#include "user/bench.h"
#include "user/thread.h"

#define ROUNDS 51

static volatile int turn; // whose last() it was
static volatile uint64 last;
static uint64 gap[ROUNDS];
static volatile int n;

// From one thread's last look at the counter to the next one's first. One that was interrupted between its
// look and the store has not seen the change: its gap is wrong, and much larger. That may be half of them.
static void count(int me, uint64 now) {
    if (now > last && n < ROUNDS) gap[n++] = now - last;
    turn = me;
    last = now;
}

static void integers(void *arg) {
    int me = *(int *)arg;
    uint64 now, x = 1;
    while (n < ROUNDS) {
        __asm__ volatile("add %0, %0, %0" : "+r"(x));
        now = cycle();
        if (turn == me)
            last = now;
        else
            count(me, now);
    }
}

static void floats(void *arg) {
    int me = *(int *)arg;
    uint64 now;
    double x = 1;
    while (n < ROUNDS) {
        __asm__ volatile("fadd.d %0, %0, %0" : "+f"(x));
        now = cycle();
        if (turn == me)
            last = now;
        else
            count(me, now);
    }
}

static void yields(void *arg) {
    int me = *(int *)arg;
    while (n < ROUNDS) {
        count(me, cycle());
        last = cycle();
        thread_yield();
    }
}

static void row(const char *name, void (*fn)(void *)) {
    static int number[2] = {1, 2};
    n = 0;
    struct thread *a = thread_start(fn, &number[0], 1), *b = thread_start(fn, &number[1], 1);
    if (!a || !b) {
        fprintf(2, "threadbench: no threads\n");
        exit(1);
    }
    thread_join(a);
    thread_join(b);
    bench_row(name, gap, ROUNDS, ROUNDS / 4);
}

int main(void) {
    row("thread-live", integers);
    row("thread-all", floats);
    row("thread-yield", yields);
    return 0;
}
