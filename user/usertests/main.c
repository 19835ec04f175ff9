// The runner; see ut.h. Lines: `ok NAME`, `not ok NAME: why`, and at the end `N passed, N failed`.
#include <exo/abi.h>

#include "ut.h"

#include "kernel/pagerinfo.h"
#include "user/exv6.h"

static const struct test *const all[] = {memory_tests,  file_tests,   name_tests, process_tests,
                                         pointer_tests, thread_tests, page_tests, signal_tests,
                                         rpc_tests,     map_tests,    hart_tests};
static const char *running = "usertests";

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PATIENCE 50 // tenths of a second

void fail(const char *what, long expected, long saw) {
    printf("not ok %s: %s: expected %ld, saw %ld\n", running, what, expected, saw);
    exit(1);
}

void expect(const char *what, long expected, long saw) {
    if (expected != saw) fail(what, expected, saw);
}

int spawn(void (*what)(void *), void *arg) {
    int pid = fork();
    if (pid < 0) fail("fork", 0, pid);
    if (pid == 0) {
        what(arg);
        exit(0);
    }
    return pid;
}

int status_of(void (*what)(void *), void *arg) {
    int status = 12345, pid = spawn(what, arg);
    expect("wait", pid, wait(&status));
    return status;
}

void make_file(const char *path, const char *text) {
    int fd = open(path, O_CREATE | O_WRONLY | O_TRUNC), n = strlen(text);
    if (fd < 0) fail(path, 0, fd);
    expect("write", n, write(fd, text, n));
    expect("close", 0, close(fd));
}

char *name_of(const char *prefix, int n) {
    static char name[MAXPATH];
    char digits[12];
    int i = 0, at = strlen(prefix);
    strcpy(name, prefix);
    do digits[i++] = '0' + n % 10;
    while (n /= 10);
    while (i) name[at++] = digits[--i];
    name[at] = 0;
    return name;
}

struct memory {
    uint64 free;
    int envs;
};

static struct memory memory(void) {
    struct pagerinfo pager;
    pagerinfo(&pager);
    struct memory m = {EXO_WORDS->free - pager.away, 0};
    for (int i = 0; i < EXO_NENV; i++) m.envs += EXO_ENVS[i].eid != 0;
    return m;
}

// What ends elsewhere may take a moment.
static int all_back(struct memory before) {
    for (int i = 0; i < PATIENCE; i++) {
        struct memory now = memory();
        if (now.free >= before.free && now.envs <= before.envs) return 1;
        sleep(1);
    }
    return 0;
}

static int run(const struct test *t) {
    struct memory before = memory();
    int status = -2, pid;
    running = t->name;
    pid = fork();
    if (pid == 0) {
        t->run();
        exit(0);
    }
    if (pid < 0 || wait(&status) != pid) {
        printf("not ok %s: cannot be run\n", t->name);
        return 0;
    }
    if (status) {
        if (status != 1) printf("not ok %s: its process ended with %d\n", t->name, status);
        return 0;
    }
    if (!all_back(before)) {
        struct memory now = memory();
        printf("not ok %s: expected %lu free pages and %d environments, saw %lu and %d\n", t->name,
               before.free, before.envs, now.free, now.envs);
        return 0;
    }
    printf("ok %s\n", t->name);
    return 1;
}

static int wanted(const struct test *t, int argc, char **argv) {
    int quick = argc > 1 && strcmp(argv[1], "-q") == 0;
    if (argc - quick < 2) return quick ? !t->slow : t->slow != BY_NAME;
    for (int i = 1 + quick; i < argc; i++)
        if (strcmp(argv[i], t->name) == 0) return 1;
    return 0;
}

int main(int argc, char **argv) {
    int passed = 0, failed = 0;
    for (uint i = 0; i < COUNT(all); i++)
        for (const struct test *t = all[i]; t->name; t++) {
            if (!wanted(t, argc, argv)) continue;
            if (run(t))
                passed++;
            else
                failed++;
        }
    if (passed + failed == 0) {
        fprintf(2, "usage: usertests [-q] [test...]\n");
        return 1;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
