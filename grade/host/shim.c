// The host's side of shim.h: system calls of user/user.h as Linux has them, with captured output, prepared
// input and a heap of fixed place; and what the tests use to report.
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAP (64 << 20)

struct x_stat { // as in user/kernel/stat.h
    int dev;
    unsigned ino;
    short type;
    short nlink;
    unsigned long size;
};

char written[1 << 16];
int writes;

static char heap[HEAP] __attribute__((aligned(4096)));
static long heap_used, heap_limit = HEAP;
static int captured = -1, checks, failures;
static size_t written_used;
static const char *input;
static size_t input_left;

void check_int(const char *name, long expected, long saw) {
    checks++;
    failures += expected != saw;
    if (expected == saw)
        printf("ok %s\n", name);
    else
        printf("not ok %s: expected %ld, saw %ld\n", name, expected, saw);
    fflush(stdout);
}

// Text of several lines on one, so that a result is a line.
static void say(const char *s) {
    for (; *s; s++) {
        if (*s == '\n')
            fputs("\\n", stdout);
        else
            putchar(*s);
    }
}

void check_text(const char *name, const char *expected, const char *saw) {
    int same = strcmp(expected, saw) == 0;
    checks++;
    failures += !same;
    say(same ? "ok " : "not ok ");
    say(name);
    if (!same) {
        say(": expected \"");
        say(expected);
        say("\", saw \"");
        say(saw);
        say("\"");
    }
    putchar('\n');
    fflush(stdout);
}

int check_end(void) { return failures > 0 || checks == 0; }

void capture(int fd) {
    captured = fd;
    written_used = 0;
    written[0] = 0;
    writes = 0;
}

void feed(const char *text, int bytes) {
    input = text;
    input_left = bytes;
}

void limit_heap(long bytes) { heap_limit = bytes; }

long heap_size(void) { return heap_used; }

int in_child(void (*f)(void)) {
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        f();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

// The input goes through a file, so that a shell that stops reading blocks nobody. The program runs in an
// empty directory of its own, and must leave it so.
const char *output_of(int (*program)(void), const char *text) {
    int out[2];
    size_t used = 0;
    ssize_t n;
    char dir[] = "/tmp/exv6-XXXXXX";
    FILE *in = tmpfile();
    if (!in || !mkdtemp(dir) || pipe(out) < 0 || fputs(text, in) < 0 || fflush(in) != 0)
        return "(the host has no file or pipe to spare)";
    rewind(in);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(dir) < 0) _exit(1);
        dup2(fileno(in), 0);
        dup2(out[1], 1);
        dup2(out[1], 2);
        for (int fd = 3; fd < 1024; fd++) close(fd);
        _exit(program());
    }
    fclose(in);
    close(out[1]);
    while ((n = read(out[0], written + used, sizeof(written) - 1 - used)) > 0) used += n;
    close(out[0]);
    waitpid(pid, 0, 0);
    written[used] = 0;
    return rmdir(dir) == 0 ? written : "(files were left behind)";
}

unsigned draw(unsigned below) {
    static unsigned long x = 20240229;
    x = x * 6364136223846793005UL + 1442695040888963407UL;
    return (x >> 33) % below;
}

int host_number(char *to, int size, const char *format, unsigned long x) {
    return snprintf(to, size, format, x);
}

int host_match(const char *pattern, const char *line) {
    regex_t re;
    if (regcomp(&re, pattern, REG_NOSUB) != 0) return -1;
    int found = regexec(&re, line, 0, 0, 0) == 0;
    regfree(&re);
    return found;
}

int x_write(int fd, const void *from, int n) {
    if (fd != captured || fd < 0) return write(fd, from, n);
    if (n < 0 || written_used + n >= sizeof(written)) return -1;
    memcpy(written + written_used, from, n);
    written_used += n;
    written[written_used] = 0;
    writes++;
    return n;
}

int x_read(int fd, void *to, int n) {
    if (fd != 0 || !input) return read(fd, to, n);
    size_t got = (size_t)n < input_left ? (size_t)n : input_left;
    memcpy(to, input, got);
    input += got;
    input_left -= got;
    return got;
}

int x_open(const char *path, int mode) {
    if (strcmp(path, "console") == 0) return open("/dev/null", O_RDWR);
    return open(path,
                (mode & 3) | (mode & 0x200 ? O_CREAT : 0) | (mode & 0x400 ? O_TRUNC : 0) |
                    (mode & 0x800 ? O_APPEND : 0),
                0666);
}

int x_fstat(int fd, struct x_stat *to) {
    struct stat st;
    if (fstat(fd, &st) < 0) return -1;
    to->dev = 1;
    to->ino = st.st_ino;
    to->type = S_ISDIR(st.st_mode) ? 1 : S_ISCHR(st.st_mode) ? 3 : 2;
    to->nlink = st.st_nlink;
    to->size = st.st_size;
    return 0;
}

// A name in / that is not there is looked for among the host's commands.
int x_exec(const char *path, char **argv) {
    execv(path, argv);
    if (path[0] == '/' && !strchr(path + 1, '/')) execvp(path + 1, argv);
    return -1;
}

char *x_sbrk(int n) {
    if (heap_used + n > heap_limit || heap_used + n < 0) return (char *)-1;
    heap_used += n;
    return heap + heap_used - n;
}

int x_wait(int *to) {
    int status;
    int pid = wait(&status);
    if (pid > 0 && to) *to = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return pid;
}

void x_exit(int status) { _exit(status); }

int x_fork(void) { return fork(); }

int x_pipe(int *fds) { return pipe(fds); }

int x_close(int fd) { return close(fd); }

int x_dup(int fd) { return dup(fd); }

int x_chdir(const char *path) { return chdir(path); }
