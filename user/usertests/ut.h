// usertests: what a program may expect of the Unix library OS, tried call by call. Each test runs in a
// process of its own and ends with exit(0), or says what is wrong through fail(); afterwards all pages and
// environments it used must have come back.
#ifndef USER_UT_H
#define USER_UT_H

#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/fs.h"
#include "kernel/memlayout.h"
#include "kernel/param.h"
#include "kernel/riscv.h"
#include "user/user.h"

struct test {
    const char *name;
    void (*run)(void);
    int slow; // left out by usertests -q; or run only by name
};
#define BY_NAME 2
extern const struct test memory_tests[], file_tests[], name_tests[], process_tests[], pointer_tests[],
    thread_tests[], page_tests[], signal_tests[], rpc_tests[], map_tests[], hart_tests[]; // up to name 0

// main.c
void fail(const char *what, long expected, long saw) __attribute__((noreturn)); // of this process's test
void expect(const char *what, long expected, long saw);
int spawn(void (*what)(void *), void *arg);     // a child that runs it and exits with 0; its pid
int status_of(void (*what)(void *), void *arg); // the exit status of such a child
void make_file(const char *path, const char *text);
char *name_of(const char *prefix, int n); // prefix and a number; good until the next

#define BAD (-1) // what a call that fails returns, and the status of a process that was killed

#endif
