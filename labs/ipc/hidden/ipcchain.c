// Servers that ask servers, more of them than calls by transfer may be nested; with a reader and a writer of
// a pipe at the same time.
#include "labs/lab.h"

#include "user/rpc.h"

#define LENGTH 7

static void serve(int next, uint64 i) {
    struct rpc m = {.pid = 0};
    for (;;) {
        if (rpc_next(&m)) exit(1);
        struct rpc in = m, more = m;
        if (next && rpc_call(next, &more)) exit(1);
        for (int w = 0; w < RPC_WORDS; w++) m.word[w] = more.word[w] * 3 + i + in.word[(w + 1) % RPC_WORDS];
    }
}

static int chain(uint64 seed) {
    int pid[LENGTH], next = 0, fds[2], n = 0;
    uint64 sum = 0, total = 0, word;
    for (uint64 i = 0; i < LENGTH; i++) {
        if ((pid[i] = fork()) == 0) serve(next, i);
        next = pid[i];
    }
    sleep(1);
    if (pipe(fds) < 0) exit(1);
    int writer = fork();
    if (writer == 0) {
        close(fds[0]);
        for (uint64 i = 0; i < 2000; i++) {
            word = fresh(seed, 1000 + i);
            if (write(fds[1], &word, sizeof word) != sizeof word) exit(1);
        }
        exit(0);
    }
    close(fds[1]);
    while (read(fds[0], &word, sizeof word) == sizeof word) {
        total += word;
        if (n++ % 100) continue;
        struct rpc m;
        for (uint64 w = 0; w < RPC_WORDS; w++) m.word[w] = word + w;
        m.pid = 0;
        if (rpc_call(next, &m)) exit(1);
        for (int w = 0; w < RPC_WORDS; w++) sum = sum * 31 + m.word[w];
    }
    answer("words", (uint64)n);
    answer("total", total);
    answer("sum", sum);
    for (int i = 0; i < LENGTH; i++) kill(pid[i]);
    while (wait(0) > 0) continue;
    return 0;
}

static const struct mode modes[] = {{"chain", chain}, {0, 0}};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
