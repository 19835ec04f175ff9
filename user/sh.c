// sh : the shell. Reads lines and runs them: commands, pipes |, redirections < > >>, lists ; and background
// &, groups ( ), comments #, and cd and exit, which it does itself. If its input is the console it prompts,
// lines can be edited, and ^C kills the job that runs in front, and what else the line had. It waits for the
// commands of that job and for nothing else; those in the background belong to init, which reaps them.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/param.h"
#include "user/user.h"
#include "user/exv6.h"
#include "user/lineedit.h"
#include "user/sh.h"

static int talks;       // someone sits at the other end
static int keys = -1;   // where their keys come from; -1: this is a child, or input is not the console
static int interrupted; // ^C: nothing more of this line is run

static void run_list(struct job *j);

static void cd(char **argv) {
    const char *to = argv[1] ? argv[1] : "/";
    if (argv[1] && argv[2])
        fprintf(2, "sh: cd: too many words\n");
    else if (chdir(to) < 0)
        fprintf(2, "sh: cannot go to %s\n", to);
}

// True if the shell did the command itself.
static int run_builtin(char **argv) {
    if (!argv || !argv[0]) return 0;
    if (strcmp(argv[0], "exit") == 0) exit(argv[1] ? atoi(argv[1]) : 0);
    if (strcmp(argv[0], "cd") != 0) return 0;
    cd(argv);
    return 1;
}

// Makes `fd` be known as `as`, 0 or 1. All lower ones are open, so dup() finds that place first.
static void move(int fd, int as) {
    if (fd == as) return;
    close(as);
    if (dup(fd) != as) {
        fprintf(2, "sh: cannot redirect\n");
        exit(1);
    }
    close(fd);
}

static void redirect(const struct redirection *r) {
    int fd = open(r->path, r->mode);
    if (fd < 0) {
        fprintf(2, "sh: cannot open %s\n", r->path);
        exit(1);
    }
    move(fd, r->fd);
}

// Becomes the command. A plain name that is not here is looked for in the root directory.
static void run_command(char **argv) __attribute__((noreturn));
static void run_command(char **argv) {
    char path[MAXPATH];
    struct stat st;
    exec(argv[0], argv);
    int exists = stat(argv[0], &st) == 0;
    if (!exists && !strchr(argv[0], '/') && strlen(argv[0]) + 1 < sizeof(path)) {
        path[0] = '/';
        strcpy(path + 1, argv[0]);
        exec(path, argv);
        exists = stat(path, &st) == 0;
    }
    fprintf(2, "sh: %s: %s\n", argv[0], exists ? "cannot be run" : "not found");
    exit(127);
}

static void run_stage(struct stage *s) __attribute__((noreturn));
static void run_stage(struct stage *s) {
    for (struct redirection *r = s->redirections; r; r = r->next) redirect(r);
    if (s->group)
        run_list(s->group);
    else if (s->argv[0] && !run_builtin(s->argv))
        run_command(s->argv);
    exit(0);
}

// Starts one stage, reading from `in` unless that is -1, in a group of processes (0: one of its own). Returns
// what the next one reads from, -1 for nothing, or -2 if this one could not be started.
static int start_stage(struct stage *s, int in, int group) {
    int ends[2] = {-1, -1};
    if (s->next && pipe(ends) < 0) {
        fprintf(2, "sh: no pipe to be had\n");
        return -2;
    }
    s->pid = fork();
    if (s->pid == 0) {
        if (keys >= 0) {
            setgroup(group);
            close(keys);
            keys = -1;
        }
        if (in >= 0) move(in, 0);
        if (s->next) {
            close(ends[0]);
            move(ends[1], 1);
        }
        run_stage(s);
    }
    if (s->next) close(ends[1]);
    if (s->pid > 0) return ends[0];
    fprintf(2, "sh: cannot fork\n");
    if (s->next) close(ends[0]);
    return -2;
}

// Starts all stages; if one cannot be, those before it find nobody reading, and end.
static void start_job(struct job *j) {
    int in = -1;
    for (struct stage *s = j->stages; s; s = s->next) s->pid = 0;
    for (struct stage *s = j->stages; s && in != -2; s = s->next) {
        int out = start_stage(s, in, j->stages->pid);
        if (keys >= 0 && s == j->stages && s->pid > 0) front(s->pid);
        if (in >= 0) close(in);
        in = out;
    }
}

static int runs(struct job *j) {
    for (struct stage *s = j->stages; s; s = s->next) {
        if (s->pid > 0) return 1;
    }
    return 0;
}

static void wait_for(struct job *j) {
    while (runs(j)) {
        int pid = wait(0);
        if (pid < 0) return;
        for (struct stage *s = j->stages; s; s = s->next) {
            if (s->pid == pid) s->pid = 0;
        }
    }
}

// A child starts the job and ends at once, which leaves the job to init.
static void run_behind(struct job *j) {
    int pid = fork();
    if (pid < 0) {
        fprintf(2, "sh: cannot fork\n");
        return;
    }
    if (pid == 0) {
        close(keys);
        keys = -1;
        start_job(j);
        for (struct stage *s = j->stages; s && talks; s = s->next) {
            if (s->pid > 0) fprintf(2, "[%d]\n", s->pid);
        }
        exit(0);
    }
    int done;
    do {
        done = wait(0);
    } while (done != pid && done >= 0);
}

static void run_list(struct job *j) {
    for (; j && !interrupted; j = j->next) {
        struct stage *s = j->stages;
        if (j->background) {
            run_behind(j);
        } else if (s->next || s->redirections || !run_builtin(s->argv)) {
            start_job(j);
            wait_for(j);
            if (keys >= 0) interrupted = front(0);
        }
    }
}

// Reads a line a byte at a time: what follows belongs to the commands it starts. Returns its length, -1 at
// the end of input, or -2 if it did not fit (all of it has been read then).
static int read_line(char *to, int max) {
    int n = 0, over = 0, got;
    char c = 0;
    while ((got = read(0, &c, 1)) == 1 && c != '\n') {
        if (c == 0) continue;
        if (n == max - 1)
            over = 1;
        else
            to[n++] = c;
    }
    if (over) return -2;
    to[n] = 0;
    return got == 1 || n > 0 ? n : -1;
}

// The same from the console.
static int edit(char *to, int max) {
    static struct history history;
    int n;
    do {
        n = edit_line(keys, "$ ", to, max, &history);
    } while (n == LINE_BREAK);
    return n;
}

// Sees to it that 0, 1 and 2 are open, as move() needs.
static void open_standard(void) {
    int fd;
    while ((fd = open("console", O_RDWR)) >= 0) {
        if (fd > 2) {
            close(fd);
            return;
        }
    }
}

int main(void) {
    static char text[LINE_BYTES];
    static struct line line;
    struct stat st;
    int n;
    open_standard();
    talks = fstat(0, &st) == 0 && st.type == T_DEVICE;
    if (talks) keys = open("/keys", O_RDONLY);
    if (keys >= 0) front(0);
    for (;;) {
        if (talks && keys < 0) fprintf(2, "$ ");
        n = keys >= 0 ? edit(text, sizeof(text)) : read_line(text, sizeof(text));
        interrupted = 0;
        if (n == -1) return 0;
        if (n == -2)
            fprintf(2, "sh: line longer than %d bytes\n", LINE_BYTES - 1);
        else if (parse_line(&line, text) < 0)
            fprintf(2, "sh: %s\n", line.error);
        else
            run_list(line.jobs);
    }
}
