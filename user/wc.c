// wc [file...] : lines, words and bytes of each file, or of standard input.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/fs.h"
#include "user/user.h"

static char buf[BSIZE];

static void count(int fd, const char *name) {
    uint64 lines = 0, words = 0, bytes = 0;
    int in_word = 0, n;
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        bytes += n;
        for (int i = 0; i < n; i++) {
            int blank = strchr(" \t\r\n\v", buf[i]) != 0;
            lines += buf[i] == '\n';
            words += !blank && !in_word;
            in_word = !blank;
        }
    }
    if (n < 0) {
        fprintf(2, "wc: cannot read %s\n", name);
        exit(1);
    }
    printf("%lu %lu %lu %s\n", lines, words, bytes, name);
}

int main(int argc, char **argv) {
    if (argc < 2) count(0, "");
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            fprintf(2, "wc: cannot open %s\n", argv[i]);
            return 1;
        }
        count(fd, argv[i]);
        close(fd);
    }
    return 0;
}
