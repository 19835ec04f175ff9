// All that a program written for xv6-riscv (August 2022 and later) may call, and fsync. What else goes beyond
// that is in exv6.h, so that such a program may use those names for itself. The first group is the library
// OS, reached through its jump table (kernel/syscall.h); the rest is linked into each program from ulib.c,
// printf.c and umalloc.c.
#ifndef USER_USER_H
#define USER_USER_H

#include "kernel/types.h"

struct stat;

// Processes. A parent gets a child's exit status from wait(); both fail with -1.
int fork(void);
int exec(const char *path, char **argv);
int exit(int status) __attribute__((noreturn));
int wait(int *status);
int kill(int pid);
int getpid(void);
char *sbrk(int bytes); // the old end of the heap, or (char *)-1
int sleep(int ticks);
int uptime(void); // in ticks

// Descriptors
int open(const char *path, int mode);
int close(int fd);
int read(int fd, void *to, int bytes);
int write(int fd, const void *from, int bytes);
int dup(int fd);
int pipe(int *fds);
int fstat(int fd, struct stat *st);

// Names
int link(const char *old, const char *name);
int unlink(const char *path);
int mkdir(const char *path);
int mknod(const char *path, short major, short minor);
int chdir(const char *path);

// Not in xv6: returns once all that was written to fd is on the disk.
int fsync(int fd);

// ulib.c
int stat(const char *path, struct stat *st);
char *gets(char *to, int max);
int atoi(const char *s);
uint strlen(const char *s);
char *strcpy(char *to, const char *from);
int strcmp(const char *a, const char *b);
char *strchr(const char *s, char c);
void *memset(void *to, int byte, uint n);
void *memmove(void *to, const void *from, int n);
void *memcpy(void *to, const void *from, uint n);
int memcmp(const void *a, const void *b, uint n);

// printf.c
void printf(const char *format, ...);
void fprintf(int fd, const char *format, ...);

// umalloc.c
void *malloc(uint bytes);
void free(void *block);

#endif
