// See host.h.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <exo/image.h>
#include "host.h"

const char *program = "?";

void die(const char *format, ...) {
    va_list args;
    fflush(stdout);
    va_start(args, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void *grab(u64 n, u64 size) {
    void *p = calloc(n ? n : 1, size);
    if (!p) die("out of memory: %llu bytes", (unsigned long long)n * size);
    return p;
}

u8 *read_file(const char *path, u64 *size) {
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st)) die("%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) die("%s: not a regular file", path);
    *size = st.st_size;
    u8 *data = grab(*size / DISK_BLOCK_SIZE + 1, DISK_BLOCK_SIZE);
    if (fread(data, 1, *size, f) != *size) die("%s: cannot be read", path);
    fclose(f);
    return data;
}
