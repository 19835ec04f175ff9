// callbench : what an exchange of a few words with another process on the same hart costs, in instructions
// where the cycle counter counts those (`make bench`): by rpc_call(), and through two pipes.
#include "user/bench.h"
#include "user/rpc.h"

#define ROUNDS 200

static int one_more(struct rpc *m) {
    m->word[0]++;
    return 1;
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
    bench_row("rpc-call", took, ROUNDS, ROUNDS / 2);
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
    bench_row("rpc-pipes", took, ROUNDS, ROUNDS / 2);
}

int main(void) {
    by_call();
    by_pipes();
    return 0;
}
