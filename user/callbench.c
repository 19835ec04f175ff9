// callbench : what an exchange of a few words with another process on the same hart costs, in instructions
// where the cycle counter counts those (`make bench`): by rpc_call(), and through two pipes.
#include "user/rpc.h"
#include "user/user.h"

#define ROUNDS 200

static uint64 cycle(void) {
    uint64 c;
    __asm__ volatile("rdcycle %0" : "=r"(c));
    return c;
}

static int one_more(struct rpc *m) {
    m->word[0]++;
    return 1;
}

// The median, as a slice may end in any of them.
static void row(const char *name, uint64 *took) {
    for (int i = 1; i < ROUNDS; i++)
        for (int j = i; j && took[j] < took[j - 1]; j--) {
            uint64 t = took[j];
            took[j] = took[j - 1];
            took[j - 1] = t;
        }
    printf("bench %s %lu\n", name, took[ROUNDS / 2]);
}

static void by_call(void) {
    static uint64 took[ROUNDS];
    struct rpc m = {.word = {0}};
    int pid = fork();
    if (pid == 0) rpc_serve(one_more);
    sleep(2);
    for (int i = 0; i < ROUNDS; i++) {
        uint64 from = cycle();
        if (rpc_call(pid, &m) || m.word[0] != (uint64)i + 1) exit(1);
        took[i] = cycle() - from;
    }
    kill(pid);
    wait(0);
    row("rpc-call", took);
}

static void by_pipes(void) {
    static uint64 took[ROUNDS];
    struct rpc m = {.word = {0}};
    int there[2], back[2];
    if (pipe(there) || pipe(back)) exit(1);
    int pid = fork();
    if (pid == 0) {
        while (read(there[0], &m, sizeof(m)) == sizeof(m)) {
            one_more(&m);
            write(back[1], &m, sizeof(m));
        }
        exit(0);
    }
    sleep(2);
    for (int i = 0; i < ROUNDS; i++) {
        uint64 from = cycle();
        if (write(there[1], &m, sizeof(m)) != sizeof(m) || read(back[0], &m, sizeof(m)) != sizeof(m)) exit(1);
        took[i] = cycle() - from;
    }
    kill(pid);
    wait(0);
    row("rpc-pipes", took);
}

int main(void) {
    by_call();
    by_pipes();
    return 0;
}
