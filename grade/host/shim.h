// Lets user/'s code run on the host for its tests: every name of user/user.h gets a prefix, so that it cannot
// meet the C library's, and shim.c gives the system calls a meaning. Included before anything of user/, in
// files that include no header of the host.
#ifndef GRADE_HOST_SHIM_H
#define GRADE_HOST_SHIM_H

#define fork     x_fork
#define exit     x_exit
#define wait     x_wait
#define pipe     x_pipe
#define read     x_read
#define kill     x_kill
#define exec     x_exec
#define fstat    x_fstat
#define chdir    x_chdir
#define dup      x_dup
#define getpid   x_getpid
#define sbrk     x_sbrk
#define sleep    x_sleep
#define uptime   x_uptime
#define open     x_open
#define write    x_write
#define mknod    x_mknod
#define unlink   x_unlink
#define link     x_link
#define mkdir    x_mkdir
#define close    x_close
#define fsync    x_fsync
#define poweroff x_poweroff
#define stat     x_stat
#define gets     x_gets
#define atoi     x_atoi
#define strlen   x_strlen
#define strcpy   x_strcpy
#define strcmp   x_strcmp
#define strchr   x_strchr
#define memset   x_memset
#define memmove  x_memmove
#define memcpy   x_memcpy
#define memcmp   x_memcmp
#define printf   x_printf
#define fprintf  x_fprintf
#define malloc   x_malloc
#define free     x_free

// Results. Each check prints `ok NAME` or `not ok NAME: expected X, saw Y`; check_end() gives the exit
// status.
void check_int(const char *name, long expected, long saw);
void check_text(const char *name, const char *expected, const char *saw);
int check_end(void);

// Writes to this descriptor land in `written` (and are counted) instead of a file; -1 for none.
void capture(int fd);
extern char written[];
extern int writes;

void feed(const char *text, int bytes); // what reads of descriptor 0 find; a null pointer for the real one
void limit_heap(long bytes);            // past which sbrk() fails
long heap_size(void);
int in_child(void (*f)(void)); // the exit status of a child that ran f, or -1 if it was killed

// What `program` writes to 1 and 2, run on this input in a process of its own, until it ends.
const char *output_of(int (*program)(void), const char *input);

unsigned draw(unsigned below); // the next of a fixed row of random numbers
int host_number(char *to, int size, const char *format, unsigned long x); // the C library's printf
int host_match(const char *pattern, const char *line);                    // and its regular expressions

#endif
