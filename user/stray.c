// Goes wrong on purpose, for `make replay-gdb` (README, "When something breaks"): a store goes astray, and
// long after it a balance is wrong that nobody has touched.
#include "kernel/types.h"
#include "user/user.h"

#define ACCOUNTS 8
#define HISTORY  16 // movements that are remembered

static struct {
    long last[HISTORY]; // amounts, newest over oldest
    long balance[ACCOUNTS];
    unsigned movements;
} bank;

static __attribute__((noinline)) void remember(long amount) {
    unsigned at = bank.movements++ % (HISTORY + 1);
    bank.last[at] = amount; // once in 17 times this is balance[0]
}

static void move(int from, int to, long amount) {
    bank.balance[from] -= amount;
    bank.balance[to] += amount;
    remember(amount);
}

static __attribute__((noinline)) void wrong(long should) {
    fprintf(2, "stray: account 0 has %d, should have %d\n", (int)bank.balance[0], (int)should);
    exit(1);
}

int main(void) {
    for (int i = 0; i < ACCOUNTS; i++) bank.balance[i] = 1000;
    for (int i = 0; i < 30; i++) move(1 + i % 7, 1 + (i + 3) % 7, 10 + i);
    for (int i = 0; i < 20; i++) sleep(0); // much else is done meanwhile
    if (bank.balance[0] != 1000) wrong(1000);
    printf("stray: account 0 has 1000\n");
    return 0;
}
