// chaos seed : begins a process that works on files, and after a time drawn from the seed ends its
// environment by a kernel call that the library OS knows nothing of. Says whether this process still lives
// then; if the other held something, all are gone, and init begins again.
#include <exo/call.h>

#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/procinfo.h"
#include "user/user.h"
#include "user/exv6.h"

static char buf[20000];

static void work(void) {
    for (int i = 0;; i++) {
        char name[] = "chaos.0";
        int fds[2];
        name[6] += i % 5;
        int fd = open(name, O_CREATE | O_RDWR | O_TRUNC);
        write(fd, buf, sizeof(buf));
        if (i % 3 == 0) fsync(fd);
        close(fd);
        if (i % 2) unlink(name);
        pipe(fds);
        if (fork() == 0) exit(0);
        wait(0);
        close(fds[0]);
        close(fds[1]);
    }
}

static eid_t eid_of(int pid) {
    struct procinfo p;
    for (int i = 0, used; (used = procinfo(i, &p)) >= 0; i++)
        if (used && p.pid == pid) return p.eid;
    return 0;
}

int main(int argc, char **argv) {
    uint64 x = argc == 2 ? atoi(argv[1]) * 0x9e3779b97f4a7c15 : 0;
    if (x == 0) {
        fprintf(2, "usage: chaos seed\n");
        return 1;
    }
    int pid = fork();
    if (pid == 0) work();
    eid_t eid = eid_of(pid);
    uint64 until = exo_time() + 200000 + (x >> 40) % 300000; // 20 to 50 ms
    while (exo_time() < until) continue;
    exo_env_end(eid);
    wait(0);
    int fd = open("README", O_RDONLY);
    printf("chaos: %d bytes\n", read(fd, buf, 100));
    return 0;
}
