// xv6calls : a program linked for xv6-riscv's ecall interface (usys.S, xv6.ld) and nothing else, which this
// library OS runs as it is. It tries each call, and prints `ok NAME` or `not ok NAME`.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/stat.h"

int fork(void);
int exit(int) __attribute__((noreturn));
int wait(int *);
int pipe(int *);
int read(int, void *, int);
int kill(int);
int exec(const char *, char **);
int fstat(int, struct stat *);
int chdir(const char *);
int dup(int);
int getpid(void);
char *sbrk(int);
int sleep(int);
int uptime(void);
int open(const char *, int);
int write(int, const void *, int);
int mknod(const char *, short, short);
int unlink(const char *);
int link(const char *, const char *);
int mkdir(const char *);
int close(int);

static int failed;

static int length(const char *s) {
    int n = 0;
    while (s[n]) n++;
    return n;
}

static void say(const char *s) { write(1, s, length(s)); }

static void check(const char *name, int ok) {
    say(ok ? "ok " : "not ok ");
    say(name);
    say("\n");
    failed += !ok;
}

static int same(const char *a, const char *b, int n) {
    while (n && *a == *b) a++, b++, n--;
    return n == 0;
}

static void files(void) {
    struct stat st;
    char got[16] = "";
    check("mkdir", mkdir("xdir") == 0 && mkdir("xdir") == -1);
    check("chdir", chdir("xdir") == 0 && chdir("nowhere") == -1);
    int fd = open("file", O_CREATE | O_RDWR);
    check("open", fd >= 0 && open("nothing", O_RDONLY) == -1);
    check("write", write(fd, "some text", 9) == 9 && write(99, "x", 1) == -1);
    int copy = dup(fd);
    check("dup", copy >= 0 && copy != fd && write(copy, "!", 1) == 1);
    check("close", close(fd) == 0 && close(copy) == 0 && close(copy) == -1);
    fd = open("file", O_RDONLY);
    check("read", read(fd, got, sizeof got) == 10 && same(got, "some text!", 10));
    check("read to nowhere", read(fd, (void *)0x30000000, 1) == -1 || read(fd, got, 1) == 0);
    check("fstat", fstat(fd, &st) == 0 && st.type == T_FILE && st.size == 10 && st.nlink == 1);
    close(fd);
    check("link", link("file", "other") == 0 && link("nothing", "else") == -1);
    check("unlink", unlink("file") == 0 && unlink("other") == 0 && unlink("other") == -1);
    check("mknod", mknod("device", 1, 0) == 0 && unlink("device") == 0);
    check("back", chdir("/") == 0 && unlink("xdir") == 0);
}

static void processes(char *self) {
    int fds[2], status = 0, me = getpid(), pid;
    char c = 0;
    check("pipe", pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        c = getpid() == me ? 'x' : 'y';
        write(fds[1], &c, 1);
        exit(17);
    }
    check("fork", pid > 0 && read(fds[0], &c, 1) == 1 && c == 'y');
    check("wait", wait(&status) == pid && status == 17 && wait(&status) == -1);
    pid = fork();
    if (pid == 0) {
        char *args[] = {self, "child", 0};
        exec(self, args);
        exit(1);
    }
    check("exec", wait(&status) == pid && status == 23);
    pid = fork();
    if (pid == 0) {
        char *args[] = {"echo", "from", "a", "program", "of", "ours", 0};
        exec("echo", args);
        exit(1);
    }
    check("exec of another kind", wait(&status) == pid && status == 0);
    pid = fork();
    if (pid == 0)
        for (;;) {
        }
    check("kill", kill(pid) == 0 && wait(&status) == pid && status == -1 && kill(99999) == -1);
}

static void memory_and_time(void) {
    char *at = sbrk(100000);
    at[0] = at[99999] = 7;
    check("sbrk",
          at != (char *)-1 && at[0] + at[99999] == 14 && sbrk(-100000) == at + 100000 && sbrk(0) == at);
    int before = uptime();
    check("sleep", sleep(2) == 0 && uptime() - before >= 2);
}

// Every register but a0 is as it was.
static void registers(void) {
    uint64 bad;
    __asm__ volatile("li s2, 2\n li s11, 11\n li t0, 5\n li t1, 6\n li t6, 31\n li a1, 111\n li a6, 116\n"
                     "li a7, 11\n ecall\n"
                     "addi s2, s2, -2\n addi s11, s11, -11\n addi t0, t0, -5\n addi t1, t1, -6\n"
                     "addi t6, t6, -31\n addi a1, a1, -111\n addi a6, a6, -116\n addi a7, a7, -11\n"
                     "or s2, s2, s11\n or s2, s2, t0\n or s2, s2, t1\n or s2, s2, t6\n or s2, s2, a1\n"
                     "or s2, s2, a6\n or %0, s2, a7\n"
                     : "=r"(bad)
                     :
                     : "s2", "s11", "t0", "t1", "t6", "a0", "a1", "a6", "a7", "memory");
    check("registers", bad == 0);
}

static int main(int argc, char **argv) {
    if (argc > 1) return same(argv[1], "child", 6) ? 23 : 1;
    files();
    processes(argv[0]);
    memory_and_time();
    registers();
    say(failed ? "failed\n" : "all ok\n");
    return failed;
}

void _main(int argc, char **argv) __attribute__((noreturn));
void _main(int argc, char **argv) { exit(main(argc, argv)); }
