// head [-lines] [file...] : the first lines, ten if not said otherwise, of each file or of standard input.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/fs.h"
#include "user/user.h"

static char buf[BSIZE];

static void head(int fd, const char *name, int lines) {
    int n = 0;
    while (lines > 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
        int end = 0;
        while (end < n && lines > 0) lines -= buf[end++] == '\n';
        if (write(1, buf, end) != end) {
            fprintf(2, "head: cannot write\n");
            exit(1);
        }
    }
    if (n < 0) {
        fprintf(2, "head: cannot read %s\n", name);
        exit(1);
    }
}

int main(int argc, char **argv) {
    int lines = 10, i = 1;
    if (argc > 1 && argv[1][0] == '-') {
        lines = atoi(argv[1] + 1);
        i = 2;
    }
    if (i == argc) head(0, "standard input", lines);
    for (; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            fprintf(2, "head: cannot open %s\n", argv[i]);
            return 1;
        }
        head(fd, argv[i], lines);
        close(fd);
    }
    return 0;
}
