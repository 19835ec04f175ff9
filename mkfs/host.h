// What mkfs and fsck share as host programs.
#ifndef EXV6_HOST_H
#define EXV6_HOST_H

#include <exo/types.h>

extern const char *program; // begins what die() prints

// Prints the message and ends with status 1.
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

// Zeroed memory, or the end.
void *grab(u64 n, u64 size);

// A whole file, in memory of whole blocks (at least one); *size is its size. Ends the program if it cannot.
u8 *read_file(const char *path, u64 *size);

#endif
