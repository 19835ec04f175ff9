// Processes: fork, exec, wait, exit, kill, sleep, pipes.
#include <exo/abi.h>

#include "ut.h"

static char buf[2048];

static void end_with(void *p) { exit(*(int *)p); }

static void statuses(void) {
    static int codes[] = {0, 1, 2, 255, -1, -5, 100000};
    for (uint i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        expect("status", codes[i], status_of(end_with, &codes[i]));
    expect("wait for nobody", BAD, wait(0));
    int status, pid = spawn(end_with, &codes[1]);
    expect("wait without status", pid, wait(0));
    expect("nobody is left", BAD, wait(&status));
}

static void forever(void *unused) {
    (void)unused;
    for (;;) getpid();
}

static void sleeper(void *unused) {
    (void)unused;
    sleep(10000);
    exit(3);
}

static void pipe_reader(void *unused) {
    (void)unused;
    int fds[2];
    pipe(fds);
    read(fds[0], buf, 1);
    exit(3);
}

static void console_reader(void *unused) {
    (void)unused;
    read(0, buf, 1);
    exit(3);
}

static void waiter(void *unused) {
    (void)unused;
    int pid = spawn(sleeper, 0);
    (void)pid;
    wait(0);
    exit(3);
}

static void killed_while(const char *what, void (*run)(void *)) {
    int status = 0, pid = spawn(run, 0);
    sleep(1);
    expect(what, 0, kill(pid));
    expect("wait", pid, wait(&status));
    expect(what, BAD, status);
}

static void kills(void) {
    killed_while("running", forever);
    killed_while("asleep", sleeper);
    killed_while("reading a pipe", pipe_reader);
    killed_while("reading the console", console_reader);
    expect("kill of nobody", BAD, kill(0x7fffffff));
    expect("of -1", BAD, kill(-1));
}

static void kill_of_a_parent(void) {
    int status, pid = spawn(waiter, 0);
    sleep(1);
    expect("kill", 0, kill(pid));
    expect("wait", pid, wait(&status));
    kill(pid + 1); // its child, init's by now
    sleep(1);
}

static void two_children(void) {
    static int zero;
    for (int i = 0; i < 200; i++) {
        spawn(end_with, &zero);
        spawn(end_with, &zero);
        if (wait(0) < 0 || wait(0) < 0) fail("wait", 0, BAD);
    }
}

static void leave_orphan(void *unused) {
    (void)unused;
    static int zero;
    spawn(end_with, &zero);
}

static void orphans(void) {
    for (int i = 0; i < 100; i++) expect("status", 0, status_of(leave_orphan, 0));
}

static void fork_to_the_end(void *unused) {
    (void)unused;
    while (fork() >= 0) continue; // every child goes on here
}

static void forks_of_forks(void) {
    int pid = spawn(fork_to_the_end, 0);
    expect("wait", pid, wait(0));
    sleep(10);
    static int zero;
    for (int i = 0; i < 100; i++) { // those of them that still end are init's
        int child = fork();
        if (child == 0) exit(zero);
        if (child > 0) {
            wait(0);
            return;
        }
        sleep(1);
    }
    fail("fork afterwards", 1, BAD);
}

static void no_processes(void) {
    int n = 0, fds[2];
    pipe(fds);
    for (int pid; (pid = fork()) >= 0; n++)
        if (pid == 0) {
            close(fds[1]);
            read(fds[0], buf, 1);
            exit(0);
        }
    if (n < 20 || n >= NPROC) fail("children", NPROC - 4, n);
    close(fds[1]);
    for (int i = 0; i < n; i++)
        if (wait(0) < 0) fail("wait", 0, BAD);
    expect("one more", BAD, wait(0));
}

// What a process costs beyond the pages of its program: tables, u-area, the libOS's private memory.
static void fifty_processes(void) {
    int fds[2];
    pipe(fds);
    uint64 before = EXO_WORDS->free;
    for (int i = 0; i < 50; i++) {
        int pid = fork();
        if (pid < 0) fail("processes", 50, i);
        if (pid == 0) {
            close(fds[1]);
            read(fds[0], buf, 1);
            exit(0);
        }
    }
    sleep(2); // all have come to their read
    uint64 each = (before - EXO_WORDS->free) / 50;
    if (each > 24) fail("pages a process", 24, each);
    close(fds[1]);
    for (int i = 0; i < 50; i++)
        if (wait(0) < 0) fail("wait", 0, BAD);
}

static void one_pipe(void) {
    int fds[2], next = 0, got, total = 0;
    expect("pipe", 0, pipe(fds));
    if (fork() == 0) {
        close(fds[0]);
        for (int n = 0, seq = 0; n < 5; n++) {
            for (int i = 0; i < 1033; i++) buf[i] = seq++;
            expect("write", 1033, write(fds[1], buf, 1033));
        }
        exit(0);
    }
    close(fds[1]);
    for (int most = 1; (got = read(fds[0], buf, most)) > 0; total += got) {
        for (int i = 0; i < got; i++) expect("byte", next++ & 0xff, buf[i] & 0xff);
        most = most * 2 < (int)sizeof(buf) ? most * 2 : (int)sizeof(buf);
    }
    expect("end", 0, got);
    expect("total", 5 * 1033, total);
    wait(0);
}

static void closed_pipes(void) {
    int fds[2];
    pipe(fds);
    expect("write to the end that reads", BAD, write(fds[0], "x", 1));
    expect("read from the end that writes", BAD, read(fds[1], buf, 1));
    close(fds[0]);
    expect("write to nobody", BAD, write(fds[1], "x", 1));
    close(fds[1]);
    pipe(fds);
    expect("write", 3, write(fds[1], "abc", 3));
    close(fds[1]);
    expect("what was left", 3, read(fds[0], buf, sizeof(buf)));
    expect("then the end", 0, read(fds[0], buf, sizeof(buf)));
}

static void writer_is_killed(void) {
    int fds[2], status, pid;
    pipe(fds);
    if ((pid = fork()) == 0) {
        close(fds[0]);
        for (;;) write(fds[1], buf, sizeof(buf));
    }
    sleep(1);
    expect("kill", 0, kill(pid));
    expect("wait", pid, wait(&status));
    expect("status", BAD, status);
}

static void exec_echo(void *p) {
    char *argv[] = {"echo", p, 0};
    close(1);
    if (open("out", O_CREATE | O_WRONLY) != 1) exit(2);
    exec("echo", argv);
    exit(3);
}

static void execs(void) {
    expect("echo", 0, status_of(exec_echo, "OK"));
    int fd = open("out", O_RDONLY);
    expect("read", 3, read(fd, buf, 3));
    expect("O", 'O', buf[0]);
    expect("K", 'K', buf[1]);
    close(fd);
    unlink("out");
    char *argv[] = {"x", 0};
    expect("of nothing", BAD, exec("nosuch", argv));
    expect("of a directory", BAD, exec(".", argv));
    expect("of text", BAD, exec("README", argv));
    make_file("short", "\x7f"
                       "ELF");
    expect("of a header cut short", BAD, exec("short", argv));
    unlink("short");
}

static void large_arguments(void) {
    static char *argv[MAXARG + 1], text[400], page[PGSIZE + 1];
    memset(text, ' ', sizeof(text) - 1);
    for (int i = 0; i < MAXARG - 1; i++) argv[i] = text;
    expect("more than a page of them", BAD, exec("echo", argv));
    memset(page, 'x', PGSIZE);
    char *one[] = {"echo", page, 0};
    expect("one of a page", BAD, exec("echo", one));
    static char *many[MAXARG + 2];
    for (int i = 0; i < MAXARG + 1; i++) many[i] = "x";
    expect("too many", BAD, exec("echo", many));
}

static void exec_without_memory(void *p) {
    for (char *a; (a = sbrk(PGSIZE)) != (char *)-1;) a[0] = 1;
    for (int i = 0; i < *(int *)p; i++) sbrk(-PGSIZE);
    char *argv[] = {"echo", "x", 0};
    close(1);
    exec("echo", argv);
}

static void little_memory(void) {
    static int pages[] = {0, 1, 2, 4, 8, 16};
    for (uint i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        int status = status_of(exec_without_memory, &pages[i]);
        if (status != 0 && status != BAD && status != 1) fail("status", 0, status);
    }
}

static void times(void) {
    int before = uptime();
    expect("sleep", 0, sleep(3));
    int passed = uptime() - before;
    if (passed < 3) fail("ticks", 3, passed);
    expect("sleep of nothing", 0, sleep(0));
}

static void preemption(void) {
    int status, pids[3];
    for (int i = 0; i < 3; i++) pids[i] = spawn(forever, 0);
    sleep(2);
    for (int i = 0; i < 3; i++) expect("kill", 0, kill(pids[i]));
    for (int i = 0; i < 3; i++) {
        if (wait(&status) < 0) fail("wait", 0, BAD);
        expect("status", BAD, status);
    }
}

const struct test process_tests[] = {
    {"statuses", statuses, 0},
    {"kills", kills, 0},
    {"kill_of_a_parent", kill_of_a_parent, 0},
    {"two_children", two_children, 0},
    {"orphans", orphans, 0},
    {"forks_of_forks", forks_of_forks, 1},
    {"no_processes", no_processes, 0},
    {"fifty_processes", fifty_processes, 0},
    {"one_pipe", one_pipe, 0},
    {"closed_pipes", closed_pipes, 0},
    {"writer_is_killed", writer_is_killed, 0},
    {"execs", execs, 0},
    {"large_arguments", large_arguments, 0},
    {"little_memory", little_memory, 1},
    {"times", times, 0},
    {"preemption", preemption, 0},
    {0, 0, 0},
};
