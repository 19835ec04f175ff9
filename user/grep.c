// grep pattern [file...] : the lines that match. In a pattern ^ is the start of the line, $ its end, . any
// character, and * any number of the one before it; all else means itself. Ends with 0 if a line matched, 1
// if none did, 2 if something went wrong.
//
// The pattern is a row of items, and the matcher walks all ways through it at once: item i is `live` if the
// items before it can have eaten what was read so far. So a line costs its length times the pattern's, and no
// pattern recurses or runs away.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/fs.h"
#include "user/user.h"

struct item {
    char c;
    char any;  // a dot: c does not matter
    char star; // may be repeated, or left out
    char live;
};

struct pattern {
    struct item *items; // the last stands for the end of the pattern
    int n;              // items before that one
    int at_start;
    int at_end;
};

static void *must_have(void *p) {
    if (!p) {
        fprintf(2, "grep: out of memory\n");
        exit(2);
    }
    return p;
}

static void compile(struct pattern *p, const char *s) {
    uint size = (strlen(s) + 1) * sizeof(struct item);
    p->items = memset(must_have(malloc(size)), 0, size);
    p->n = 0;
    p->at_end = 0;
    p->at_start = s[0] == '^';
    for (s += p->at_start; *s; s++) {
        if (s[0] == '$' && s[1] == 0) {
            p->at_end = 1;
            break;
        }
        struct item *it = &p->items[p->n++];
        it->c = s[0];
        it->any = s[0] == '.';
        it->star = s[1] == '*';
        s += it->star;
    }
}

// Enters the pattern at its start, if `start`, and goes past whatever may be left out.
static void advance(struct pattern *p, int start) {
    struct item *it = p->items;
    it[0].live |= start;
    for (int i = 0; i < p->n; i++) it[i + 1].live |= it[i].live & it[i].star;
}

static int eats(const struct item *it, char c) { return it->live && (it->any || it->c == c); }

// An item is live after c if it is repeated and ate c, or if the one before it is not and did.
static void eat(struct pattern *p, char c) {
    struct item *it = p->items;
    for (int i = p->n; i >= 0; i--) {
        int stays = it[i].star && eats(&it[i], c);
        int comes = i > 0 && !it[i - 1].star && eats(&it[i - 1], c);
        it[i].live = stays || comes;
    }
}

static int matches(struct pattern *p, const char *line, const char *end) {
    for (int i = 0; i <= p->n; i++) p->items[i].live = 0;
    advance(p, 1);
    for (; line < end; line++) {
        if (p->items[p->n].live && !p->at_end) return 1;
        eat(p, *line);
        advance(p, !p->at_start);
    }
    return p->items[p->n].live;
}

static int show(struct pattern *p, const char *line, const char *end) {
    if (!matches(p, line, end)) return 0;
    int n = end - line;
    if (write(1, line, n) != n || write(1, "\n", 1) != 1) {
        fprintf(2, "grep: cannot write\n");
        exit(2);
    }
    return 1;
}

static char *buf; // what was read and not yet looked at starts here
static int room;  // bytes buf can take

static void more_room(int used) {
    char *bigger = must_have(malloc(2 * room));
    memmove(bigger, buf, used);
    free(buf);
    buf = bigger;
    room *= 2;
}

static int search(struct pattern *p, int fd, const char *name) {
    int found = 0, used = 0, n;
    while ((n = read(fd, buf + used, room - used)) > 0) {
        int line = 0, at = used;
        used += n;
        for (; at < used; at++) {
            if (buf[at] != '\n') continue;
            found |= show(p, buf + line, buf + at);
            line = at + 1;
        }
        used -= line;
        memmove(buf, buf + line, used);
        if (used == room) more_room(used);
    }
    if (n < 0) {
        fprintf(2, "grep: cannot read %s\n", name);
        exit(2);
    }
    if (used > 0) found |= show(p, buf, buf + used);
    return found;
}

int main(int argc, char **argv) {
    struct pattern p;
    int found = 0;
    if (argc < 2) {
        fprintf(2, "usage: grep pattern [file...]\n");
        return 2;
    }
    compile(&p, argv[1]);
    room = BSIZE;
    buf = must_have(malloc(room));
    if (argc == 2) found = search(&p, 0, "standard input");
    for (int i = 2; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY);
        if (fd < 0) {
            fprintf(2, "grep: cannot open %s\n", argv[i]);
            return 2;
        }
        found |= search(&p, fd, argv[i]);
        close(fd);
    }
    return !found;
}
