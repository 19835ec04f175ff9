// cp from to : copies a file; into a directory, under its old name.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/fs.h"
#include "kernel/param.h"
#include "user/user.h"
#include "user/pathname.h"

static char buf[4 * BSIZE];

static int refuse(const char *what, const char *name) {
    fprintf(2, "cp: %s %s\n", what, name);
    return 1;
}

int main(int argc, char **argv) {
    char path[MAXPATH];
    struct stat from, to;
    int n;
    if (argc != 3) {
        fprintf(2, "usage: cp from to\n");
        return 1;
    }
    int in = open(argv[1], O_RDONLY);
    if (in < 0 || fstat(in, &from) < 0) return refuse("cannot open", argv[1]);
    if (from.type == T_DIR) return refuse("cannot copy the directory", argv[1]);
    const char *name = target_of(argv[1], argv[2], path);
    if (!name) return refuse("path too long:", argv[2]);
    if (stat(name, &to) == 0 && to.ino == from.ino) return refuse("the same file:", name);
    int out = open(name, O_WRONLY | O_CREATE | O_TRUNC);
    if (out < 0) return refuse("cannot open", name);
    while ((n = read(in, buf, sizeof(buf))) > 0)
        if (write(out, buf, n) != n) return refuse("cannot write", name);
    return n < 0 ? refuse("cannot read", argv[1]) : 0;
}
