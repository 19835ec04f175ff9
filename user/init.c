// The first process. Opens the console for everyone, keeps a shell running, and takes the exit status of
// every process whose parent is gone. It never ends. But with the boot argument run=PROGRAM,WORD,... it runs
// that, and then the machine ends with its exit status (255: it was killed).
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/file.h"
#include "user/user.h"
#include "user/bootarg.h"
#include "user/exv6.h"

#define WORDS 16 // of run=, at most

static char *shell[] = {"sh", 0};

static void open_console(void) {
    if (open("console", O_RDWR) < 0) {
        mknod("console", CONSOLE, 0);
        open("console", O_RDWR);
    }
    dup(0);
    dup(0);
    mknod("keys", KEYS, 0); // may be there
}

// Runs it and returns its exit status when it has ended, having reaped whatever else did.
static int run(char **argv) {
    int pid = fork(), status = -1;
    if (pid < 0) {
        printf("init: cannot fork\n");
        return -1;
    }
    if (pid == 0) {
        exec(argv[0], argv);
        printf("init: cannot run %s\n", argv[0]);
        exit(127);
    }
    int done;
    do {
        done = wait(&status);
    } while (done != pid && done >= 0);
    return status;
}

static void run_once(const volatile char *line) {
    static char text[512], *argv[WORDS + 1];
    int n = 0;
    argv[n++] = text;
    for (char *p = text; *line && *line != ' ' && p < text + sizeof(text) - 1; line++, p++) {
        *p = *line == ',' ? 0 : *line;
        if (!*p && n < WORDS) argv[n++] = p + 1;
    }
    poweroff(run(argv) & 255);
}

int main(void) {
    open_console();
    const volatile char *line = boot_arg("run");
    if (line) run_once(line);
    for (;;) {
        int start = uptime();
        printf("init: starting sh\n");
        run(shell);
        if (uptime() - start < 10) // one that cannot live must not take the machine with it
            sleep(10);
    }
}
