// mv from to : gives a file another name; into a directory, under its old one. A file that has the name goes.
// A directory cannot be moved: its .. would go on naming the old place.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/param.h"
#include "user/user.h"
#include "user/pathname.h"

static int refuse(const char *what, const char *name) {
    fprintf(2, "mv: %s %s\n", what, name);
    return 1;
}

int main(int argc, char **argv) {
    char path[MAXPATH];
    struct stat from, to;
    if (argc != 3) {
        fprintf(2, "usage: mv from to\n");
        return 1;
    }
    if (stat(argv[1], &from) < 0) return refuse("no file", argv[1]);
    if (from.type == T_DIR) return refuse("cannot move the directory", argv[1]);
    const char *name = target_of(argv[1], argv[2], path);
    if (!name) return refuse("path too long:", argv[2]);
    if (stat(name, &to) == 0) {
        if (to.ino == from.ino) return refuse("the same file:", name);
        if (to.type == T_DIR || unlink(name) < 0) return refuse("cannot replace", name);
    }
    if (link(argv[1], name) < 0) return refuse("cannot make", name);
    if (unlink(argv[1]) < 0) return refuse("cannot remove", argv[1]);
    return 0;
}
