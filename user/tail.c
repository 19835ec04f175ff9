// tail [-lines] [file...] : the last lines, ten if not said otherwise, of each file or of standard input.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

#define ROOM 65536 // so much of the end is kept

static char ring[ROOM];

static int tail(int fd, const char *name, int lines) {
    uint64 all = 0;
    int n;
    while ((n = read(fd, ring + all % ROOM, ROOM - all % ROOM)) > 0) all += n;
    if (n < 0) {
        fprintf(2, "tail: cannot read %s\n", name);
        return 1;
    }
    uint64 oldest = all > ROOM ? all - ROOM : 0, at = all;
    for (int seen = 0; at > oldest; at--) {
        if (ring[(at - 1) % ROOM] == '\n' && at != all && ++seen == lines) break;
    }
    if (lines <= 0) at = all;
    while (at < all) {
        uint64 piece = ROOM - at % ROOM < all - at ? ROOM - at % ROOM : all - at;
        if (write(1, ring + at % ROOM, piece) != (int)piece) {
            fprintf(2, "tail: cannot write\n");
            return 1;
        }
        at += piece;
    }
    return 0;
}

int main(int argc, char **argv) {
    int lines = 10, i = 1, failed = 0;
    if (argc > 1 && argv[1][0] == '-') {
        lines = atoi(argv[1] + 1);
        i = 2;
    }
    if (i == argc) return tail(0, "standard input", lines);
    for (; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            fprintf(2, "tail: cannot open %s\n", argv[i]);
            failed = 1;
            continue;
        }
        failed |= tail(fd, argv[i], lines);
        close(fd);
    }
    return failed;
}
