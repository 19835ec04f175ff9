// Program loading: an ELF file from the file system becomes the program of this process.
#ifndef EXV6_EXEC_H
#define EXV6_EXEC_H

#include <exo/types.h>
#include <stdbool.h>

// What is known of the program that this process runs.
struct program {
    va_t guard;    // page below the stack, never there; of no use while sz is 0
    va_t text_end; // instructions lie below
    u32 inum;      // of the file it came from
};
const struct program *program(void);

// Does not come back if it succeeds. -1, and the old program goes on, if path is not an ELF64 file for this
// machine, or pages or room for the arguments run out. argv is the program's if `user`, and checked.
int exec_file(const char *path, char **argv, bool user);

int sys_exec(const char *path, char **argv);

#endif
