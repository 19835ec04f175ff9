// late : starts two children of one group, the second only after ^C has ended the first. The ^C was for the
// second one, too, which must end as it joins: "late: -1".
#include "kernel/types.h"
#include "user/user.h"
#include "user/exv6.h"

static int start(int group, int ticks) {
    int pid = fork();
    if (pid == 0) {
        setgroup(group);
        sleep(ticks);
        exit(0);
    }
    return pid;
}

int main(void) {
    int first = start(0, 10000), status = 0;
    front(first);
    printf("late: ready\n");
    wait(0);
    start(first, 20);
    wait(&status);
    printf("late: %d\n", status);
    return 0;
}
