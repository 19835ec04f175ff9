// sort [-r] [-n] [file...] : the lines of all files together, or of standard input, in the order of their
// bytes, or of the numbers they begin with; -r backwards. Lines that are equal stay as they were.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

static char *text;
static uint used, room;
static int backwards, numbers;

static int fail(const char *what, const char *name) {
    fprintf(2, "sort: %s%s\n", what, name);
    exit(1);
}

static void grow(uint bytes) {
    char *more = malloc(bytes);
    if (!more) fail("no memory for so much", "");
    memmove(more, text, used);
    free(text);
    text = more;
    room = bytes;
}

static void take(int fd, const char *name) {
    int n;
    do {
        if (room - used < 4096) grow(room * 2 + 8192);
        n = read(fd, text + used, 4096);
        if (n < 0) fail("cannot read ", name);
        used += n;
    } while (n > 0);
    if (used && text[used - 1] != '\n') text[used++] = '\n';
}

// The next line's start; a line ends with its newline.
static char *next_line(char *s) {
    while (*s++ != '\n') continue;
    return s;
}

static int signed_number(const char *s) { return *s == '-' ? -atoi(s + 1) : atoi(s); }

static int before(const char *a, const char *b) {
    int d = numbers ? signed_number(a) - signed_number(b) : 0;
    if (d == 0 && !numbers) {
        while (*a == *b && *a != '\n') a++, b++;
        d = *a == '\n' ? (*b == '\n' ? 0 : -1) : *b == '\n' ? 1 : (uchar)*a - (uchar)*b;
    }
    return backwards ? d > 0 : d < 0;
}

// Merges pairs of sorted runs, each of `run` lines, from one array to the other.
static void merge(char **from, char **to, uint n, uint run) {
    for (uint start = 0; start < n; start += 2 * run) {
        uint a = start, middle = start + run < n ? start + run : n, b = middle;
        uint end = middle + run < n ? middle + run : n;
        for (uint i = start; i < end; i++)
            to[i] = a < middle && (b == end || !before(from[b], from[a])) ? from[a++] : from[b++];
    }
}

int main(int argc, char **argv) {
    int i = 1;
    uint n = 0;
    for (; i < argc && argv[i][0] == '-'; i++) {
        backwards |= strcmp(argv[i], "-r") == 0;
        numbers |= strcmp(argv[i], "-n") == 0;
        if (strcmp(argv[i], "-r") && strcmp(argv[i], "-n")) {
            fprintf(2, "usage: sort [-r] [-n] [file...]\n");
            return 1;
        }
    }
    if (i == argc) take(0, "standard input");
    for (; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) fail("cannot open ", argv[i]);
        take(fd, argv[i]);
        close(fd);
    }
    for (char *s = text; s < text + used; s = next_line(s)) n++;
    char **lines = malloc((n + 1) * sizeof(*lines)), **other = malloc((n + 1) * sizeof(*lines)), *s = text;
    if (!lines || !other) fail("no memory for so many lines", "");
    for (uint k = 0; k < n; k++, s = next_line(s)) lines[k] = s;
    for (uint run = 1; run < n; run *= 2) {
        merge(lines, other, n, run);
        char **swap = lines;
        lines = other;
        other = swap;
    }
    for (uint k = 0; k < n; k++) {
        int length = next_line(lines[k]) - lines[k];
        if (write(1, lines[k], length) != length) fail("cannot write", "");
    }
    return 0;
}
