// ls [path...] : a line for each file, or for each entry of a directory: name, type, inode number, size.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/fs.h"
#include "kernel/param.h"
#include "user/user.h"
#include "user/pathname.h"

static void show(const char *name, struct stat *st) {
    char padded[DIRSIZ + 1];
    uint n = strlen(name);
    if (n < DIRSIZ) {
        memmove(padded, name, n);
        memset(padded + n, ' ', DIRSIZ - n);
        padded[DIRSIZ] = 0;
        name = padded;
    }
    printf("%s %d %u %lu\n", name, st->type, st->ino, st->size);
}

static int list(int fd, const char *dir) {
    static struct dirent entries[BSIZE / sizeof(struct dirent)];
    char path[MAXPATH];
    uint n = strlen(dir);
    int got, failed = 0;
    if (n + 1 + DIRSIZ + 1 > sizeof(path)) {
        fprintf(2, "ls: %s: path too long\n", dir);
        return 1;
    }
    strcpy(path, dir);
    if (n > 0 && path[n - 1] != '/') path[n++] = '/';
    while ((got = read(fd, entries, sizeof(entries))) > 0) {
        for (uint i = 0; i < got / sizeof(entries[0]); i++) {
            struct stat st;
            if (entries[i].inum == 0) continue;
            memmove(path + n, entries[i].name, DIRSIZ);
            path[n + DIRSIZ] = 0;
            if (stat(path, &st) < 0) {
                fprintf(2, "ls: cannot stat %s\n", path);
                failed = 1;
                continue;
            }
            show(path + n, &st);
        }
    }
    if (got < 0) fprintf(2, "ls: cannot read %s\n", dir);
    return failed || got < 0;
}

static int ls(const char *path) {
    struct stat st;
    int failed = 0, fd = open(path, O_RDONLY);
    if (fd < 0) {
        fprintf(2, "ls: cannot open %s\n", path);
        return 1;
    }
    if (fstat(fd, &st) < 0) {
        fprintf(2, "ls: cannot stat %s\n", path);
        failed = 1;
    } else if (st.type == T_DIR) {
        failed = list(fd, path);
    } else {
        show(last_part(path), &st);
    }
    close(fd);
    return failed;
}

int main(int argc, char **argv) {
    int failed = 0;
    if (argc < 2) return ls(".");
    for (int i = 1; i < argc; i++) failed |= ls(argv[i]);
    return failed;
}
