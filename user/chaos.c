// chaos seed : begins a process that works on files, and after a time drawn from the seed (for three seeds of
// four, once it holds something then) ends its environment by a kernel call that the library OS knows nothing
// of. That process must end as a killed one does, whatever it was doing; another, which works on files and
// pipes meanwhile, must not notice.
// chaos end : ends its own environment, which leaves no place to go on from, while it holds something.
#include <exo/call.h>

#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/procinfo.h"
#include "user/user.h"
#include "user/exv6.h"
#include "libos/shared.h" // what every process of the library OS could look at

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

// Sends a byte through a child and back.
static int through_child(char c) {
    int to[2], from[2], status;
    char got = 0;
    if (pipe(to) < 0 || pipe(from) < 0) return -1;
    if (fork() == 0) {
        read(to[0], &got, 1);
        write(from[1], &got, 1);
        exit(7);
    }
    write(to[1], &c, 1);
    read(from[0], &got, 1);
    close(to[0]);
    close(to[1]);
    close(from[0]);
    close(from[1]);
    return wait(&status) > 0 && status == 7 && got == c ? 0 : -1;
}

static int through_file(char c) {
    static const char name[] = "bystand";
    int fd = open(name, O_CREATE | O_RDWR | O_TRUNC), ok = 1;
    memset(buf, c, 5000);
    ok &= write(fd, buf, 5000) == 5000;
    close(fd);
    memset(buf, 0, sizeof(buf));
    fd = open(name, O_RDONLY);
    ok &= read(fd, buf, sizeof(buf)) == 5000;
    for (int i = 0; i < 5000; i++) ok &= buf[i] == c;
    close(fd);
    return ok && unlink(name) == 0 ? 0 : -1;
}

static int stand_by(uint64 until) {
    int rounds = 0;
    do {
        if (through_child('a' + rounds % 26) < 0 || through_file('A' + rounds % 26) < 0) return 1;
        rounds++;
    } while (exo_time() < until);
    return 0;
}

static struct proc *find(int pid) {
    struct procinfo p;
    for (int i = 0, used; (used = procinfo(i, &p)) >= 0; i++)
        if (used && p.pid == pid) return &SHARED->procs.proc[i];
    return 0;
}

static void end_itself(void) {
    struct proc *p = find(getpid());
    p->inside++;
    exo_env_end(p->eid);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "end") == 0) end_itself();
    uint64 x = argc == 2 ? atoi(argv[1]) * 0x9e3779b97f4a7c15 : 0;
    if (x == 0) {
        fprintf(2, "usage: chaos seed, or chaos end\n");
        return 1;
    }
    uint64 at = exo_time() + 200000 + (x >> 40) % 300000; // in 20 to 50 ms
    uint64 until = at + 200000;
    int victim = fork();
    if (victim == 0) work();
    int bystander = fork();
    if (bystander == 0) exit(stand_by(until));
    const volatile struct proc *p = find(victim);
    while (exo_time() < at || (x % 4 && exo_time() < until && !p->inside)) continue;
    exo_env_end(p->eid);
    for (int n = 0; n < 2; n++) {
        int status, pid = wait(&status);
        if (pid == victim && status != -1) printf("chaos: the victim's status is %d\n", status);
        if (pid == bystander && status != 0) printf("chaos: the bystander's status is %d\n", status);
        if (pid != victim && pid != bystander) printf("chaos: wait gives %d\n", pid);
    }
    printf("chaos: done\n");
    return 0;
}
