// chaos seed : begins a process that works on files, pipes and mappings, for every other seed with three
// threads on as many harts as there are, and after a time drawn from the seed (for three seeds of four, once
// it holds something then) ends its environment by a kernel call that the library OS knows nothing of; or one
// that it has on another hart. That process must end as a killed one does, whatever it was doing; another,
// which works on files and pipes meanwhile, must not notice. chaos end : ends its own environment, which
// leaves no place to go on from, while it holds something.
#include <exo/call.h>

#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/mman.h"
#include "kernel/procinfo.h"
#include "user/user.h"
#include "user/thread.h"
#include "user/exv6.h"
#include "libos/shared.h" // what every process of the library OS could look at

static char buf[20000];

static void map(int fd) {
    char *file = mmap(0, 3000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *own = mmap(0, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (file != (char *)-1) file[9] = 1;
    if (own != (char *)-1) own[9] = 1;
    if (file != (char *)-1) munmap(file, 3000);
    if (own != (char *)-1) munmap(own, 3 * 4096);
}

static void work(void *unused) {
    (void)unused;
    for (int i = 0;; i++) {
        char name[] = "chaos.00";
        int fds[2];
        name[6] += thread_self();
        name[7] += i % 5;
        int fd = open(name, O_CREATE | O_RDWR | O_TRUNC);
        write(fd, buf, sizeof(buf));
        if (i % 3 == 0) fsync(fd);
        if (i % 4 == 0) map(fd);
        close(fd);
        if (i % 2) unlink(name);
        pipe(fds);
        if (fork() == 0) exit(0);
        wait(0);
        close(fds[0]);
        close(fds[1]);
    }
}

static void crowd(void) {
    thread_harts(8);
    for (int i = 0; i < 2; i++) thread_start(work, 0, 1);
    work(0);
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
    if (victim == 0 && x >> 8 & 1) crowd();
    if (victim == 0) work(0);
    int bystander = fork();
    if (bystander == 0) exit(stand_by(until));
    const volatile struct proc *p = find(victim);
    while (exo_time() < at || (x % 4 && exo_time() < until && !p->inside)) continue;
    exo_env_end(x >> 9 & 1 && p->workers ? p->worker[0] : p->eid);
    for (int n = 0; n < 2; n++) {
        int status, pid = wait(&status);
        if (pid == victim && status != -1) printf("chaos: the victim's status is %d\n", status);
        if (pid == bystander && status != 0) printf("chaos: the bystander's status is %d\n", status);
        if (pid != victim && pid != bystander) printf("chaos: wait gives %d\n", pid);
    }
    printf("chaos: done\n");
    return 0;
}
