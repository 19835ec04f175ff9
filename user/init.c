// The first process. Opens the console for everyone, keeps a shell running, and takes the exit status of
// every process whose parent is gone. It never ends.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/file.h"
#include "user/user.h"

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

// Starts a shell and returns when it has ended, having reaped whatever else did.
static void run_shell(void) {
    printf("init: starting sh\n");
    int pid = fork();
    if (pid < 0) {
        printf("init: cannot fork\n");
        return;
    }
    if (pid == 0) {
        exec(shell[0], shell);
        printf("init: cannot run %s\n", shell[0]);
        exit(1);
    }
    int done;
    do {
        done = wait(0);
    } while (done != pid && done >= 0);
}

int main(void) {
    open_console();
    for (;;) {
        int start = uptime();
        run_shell();
        if (uptime() - start < 10) // one that cannot live must not take the machine with it
            sleep(10);
    }
}
