// forktest : forks until that fails, then waits for every child. A fork that fails must leave the parent as
// it was; every child must be found once, with its own status, and then no more.
#include "kernel/types.h"
#include "user/user.h"

#define LIMIT 1000

static int pids[LIMIT];

static void fail(const char *what, int n) {
    fprintf(2, "forktest: %s (%d)\n", what, n);
    exit(1);
}

// Ends no child before all are there, so that none makes room for another.
static int fork_all(int *gate) {
    int n;
    for (n = 0; n < LIMIT; n++) {
        int pid = fork();
        if (pid < 0) break;
        if (pid == 0) {
            char c;
            close(gate[1]);
            read(gate[0], &c, 1);
            exit(n & 0xff);
        }
        pids[n] = pid;
    }
    return n;
}

static void wait_one(int n) {
    int status, pid = wait(&status);
    if (pid < 0) fail("a child is missing", pid);
    for (int i = 0; i < n; i++) {
        if (pids[i] != pid) continue;
        if (status != (i & 0xff)) fail("wrong exit status", status);
        pids[i] = 0;
        return;
    }
    fail("not a child, or seen before", pid);
}

int main(void) {
    int gate[2];
    printf("fork test\n");
    if (pipe(gate) < 0) fail("no pipe", 0);
    int n = fork_all(gate);
    if (n == LIMIT) fail("fork never failed", n);
    if (n == 0) fail("not one fork", n);
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < n; i++) wait_one(n);
    if (wait(0) != -1) fail("a child too many", n);
    printf("fork test OK: %d children\n", n);
    return 0;
}
