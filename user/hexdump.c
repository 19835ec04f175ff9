// hexdump [file...] : sixteen bytes a line: where they are, in hexadecimal, and as characters.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

static void digits(uint64 v, int n) {
    char text[16];
    for (int i = n; i-- > 0; v /= 16) text[i] = "0123456789abcdef"[v % 16];
    write(1, text, n);
}

// All of `size` bytes, unless the input ends.
static int fill(int fd, uchar *to, int size) {
    int n = 0, got;
    while (n < size && (got = read(fd, to + n, size - n)) > 0) n += got;
    return n;
}

static void dump(int fd) {
    uchar row[16];
    uint64 at = 0;
    for (int n; (n = fill(fd, row, sizeof(row))) > 0; at += n) {
        char text[20] = "  |";
        digits(at, 8);
        for (int i = 0; i < 16; i++) {
            write(1, "  ", i % 8 ? 1 : 2);
            if (i < n)
                digits(row[i], 2);
            else
                write(1, "  ", 2);
        }
        for (int i = 0; i < n; i++) text[3 + i] = row[i] >= ' ' && row[i] < 127 ? row[i] : '.';
        text[3 + n] = '|';
        write(1, text, 4 + n);
        write(1, "\n", 1);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) dump(0);
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            fprintf(2, "hexdump: cannot open %s\n", argv[i]);
            return 1;
        }
        dump(fd);
        close(fd);
    }
    return 0;
}
