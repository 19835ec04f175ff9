// edit file : changes a text on the screen (VT100, 80 by 24). Arrows, Home, End, Page Up and Down move;
// Delete, Backspace and Enter do what they say; ^K cuts a line, ^Y puts back the one cut last; ^S saves; ^Q
// ends, asking once more if changes were not saved. A tab is shown as one blank. The file is written under
// another name first: so the old one is whole until the new one is.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/stat.h"
#include "kernel/param.h"
#include "user/user.h"
#include "user/lineedit.h"

#define ROWS    23 // of text; the status line is below
#define COLUMNS 80
#define CTRL(c) ((c) - '@')
#define DEL     127

struct line {
    char *text;
    int n, room;
};

static struct line *lines;
static int nlines, room_for_lines;
static int row, column;      // the cursor, in the text
static int top, left;        // what the screen begins with
static int changed;          // since it was saved
static struct line cut_last; // by ^K
static const char *path, *message = "^S saves, ^Q ends";

static void end(int status) {
    printf("\033[%d;1H\033[K\n", ROWS + 1);
    exit(status);
}

// A larger block with the same contents.
static void *grow(void *old, uint used, uint bytes) {
    void *more = malloc(bytes);
    if (!more) {
        printf("\033[%d;1H\033[Kedit: no memory left; nothing was saved\n", ROWS + 1);
        exit(1);
    }
    memmove(more, old, used);
    free(old);
    return more;
}

// ---- the text ----

static void line_insert(struct line *l, int at, char c) {
    if (l->n == l->room) {
        l->room = l->room * 2 + 16;
        l->text = grow(l->text, l->n, l->room);
    }
    memmove(l->text + at + 1, l->text + at, l->n - at);
    l->text[at] = c;
    l->n++;
}

static void lines_insert(int at, struct line l) {
    if (nlines == room_for_lines) {
        room_for_lines = room_for_lines * 2 + 64;
        lines = grow(lines, nlines * sizeof(*lines), room_for_lines * sizeof(*lines));
    }
    memmove(lines + at + 1, lines + at, (nlines - at) * sizeof(*lines));
    lines[at] = l;
    nlines++;
}

// The line is not freed. One is always left.
static void lines_remove(int at) {
    nlines--;
    memmove(lines + at, lines + at + 1, (nlines - at) * sizeof(*lines));
    if (nlines == 0) lines_insert(0, (struct line){0, 0, 0});
}

static void split(void) {
    struct line rest = {0, 0, 0}, *l = &lines[row];
    for (int i = column; i < l->n; i++) line_insert(&rest, rest.n, l->text[i]);
    l->n = column;
    lines_insert(++row, rest);
    column = 0;
}

// The next line's text goes behind this one's.
static void join(void) {
    if (row + 1 == nlines) return;
    struct line next = lines[row + 1];
    for (int i = 0; i < next.n; i++) line_insert(&lines[row], lines[row].n, next.text[i]);
    free(next.text);
    lines_remove(row + 1);
}

static void delete_here(void) {
    struct line *l = &lines[row];
    if (column == l->n) {
        join();
        return;
    }
    memmove(l->text + column, l->text + column + 1, l->n - column - 1);
    l->n--;
}

static void cut(void) {
    free(cut_last.text);
    cut_last = lines[row];
    lines_remove(row);
    column = 0;
}

static void paste(void) {
    struct line copy = {0, 0, 0};
    for (int i = 0; i < cut_last.n; i++) line_insert(&copy, i, cut_last.text[i]);
    lines_insert(row++, copy);
    column = 0;
}

// ---- the file ----

static void load(void) {
    static char buf[4096];
    struct line l = {0, 0, 0};
    struct stat st;
    int fd = open(path, O_RDONLY), n = 0;
    if (fd >= 0 && (fstat(fd, &st) < 0 || st.type != T_FILE)) {
        fprintf(2, "edit: %s is not a file\n", path);
        exit(1);
    }
    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
        for (int i = 0; i < n; i++) {
            if (buf[i] != '\n') {
                line_insert(&l, l.n, buf[i]);
                continue;
            }
            lines_insert(nlines, l);
            l = (struct line){0, 0, 0};
        }
    if (n < 0) {
        fprintf(2, "edit: cannot read %s\n", path);
        exit(1);
    }
    if (l.n || nlines == 0) lines_insert(nlines, l);
    if (fd < 0) message = "a new file";
    close(fd);
}

static int write_all(int fd) {
    for (int i = 0; i < nlines; i++) {
        struct line *l = &lines[i];
        if (nlines == 1 && l->n == 0) break; // no line at all
        line_insert(l, l->n, '\n');
        l->n--;
        if (write(fd, l->text, l->n + 1) != l->n + 1) return -1;
    }
    return fsync(fd);
}

static void save(void) {
    static const char other[] = "edit.new";
    unlink(other);
    int fd = open(other, O_WRONLY | O_CREATE | O_TRUNC);
    message = "NOT saved: the disk is full, or the file cannot be made";
    if (fd < 0) return;
    int failed = write_all(fd);
    close(fd);
    if (!failed) {
        unlink(path);
        failed = link(other, path);
    }
    unlink(other);
    if (failed) return;
    message = "saved";
    changed = 0;
}

// ---- the screen ----

// All of it is put together first, so that it appears at once.
static void draw(void) {
    static char out[(ROWS + 1) * (COLUMNS + 16)];
    int n = 0;
    if (row < top) top = row;
    if (row >= top + ROWS) top = row - ROWS + 1;
    if (column < left) left = column;
    if (column >= left + COLUMNS) left = column - COLUMNS + 1;
    for (int i = 0; i < ROWS; i++) {
        memmove(out + n, i ? "\r\n\033[K" : "\033[H\033[K", i ? 5 : 6);
        n += i ? 5 : 6;
        if (top + i >= nlines) {
            out[n++] = '~';
            continue;
        }
        struct line *l = &lines[top + i];
        for (int c = left; c < l->n && c < left + COLUMNS; c++)
            out[n++] = (uchar)l->text[c] < ' ' || l->text[c] == DEL ? ' ' : l->text[c];
    }
    write(1, out, n);
    printf("\r\n\033[K%s%s, line %d of %d: %s\033[%d;%dH", path, changed ? " (changed)" : "", row + 1, nlines,
           message, row - top + 1, column - left + 1);
    message = "";
}

static void move(int rows) {
    row += rows;
    row = row < 0 ? 0 : row >= nlines ? nlines - 1 : row;
    if (column > lines[row].n) column = lines[row].n;
}

static void move_side(int by) {
    if (column + by >= 0 && column + by <= lines[row].n) {
        column += by;
    } else if (row + by >= 0 && row + by < nlines) {
        row += by;
        column = by < 0 ? lines[row].n : 0;
    }
}

// True if the key moved only.
static int moves(int k) {
    switch (k) {
    case UP: move(-1); return 1;
    case DOWN: move(1); return 1;
    case PAGE_UP: move(-ROWS); return 1;
    case PAGE_DOWN: move(ROWS); return 1;
    case LEFT: move_side(-1); return 1;
    case RIGHT: move_side(1); return 1;
    case HOME: column = 0; return 1;
    case END: column = lines[row].n; return 1;
    default: return 0;
    }
}

static void key(int k) {
    static int asked;
    if (k < 0) end(1);
    if (k == CTRL('Q')) {
        if (!changed || asked) end(0);
        message = "not saved: ^Q once more loses the changes";
    }
    asked = k == CTRL('Q');
    if (asked || moves(k)) return;
    if (k == CTRL('S')) {
        save();
        return;
    }
    if (k == CTRL('H') || k == DEL) {
        if (row == 0 && column == 0) return;
        move_side(-1);
        delete_here();
    } else if (k == DELETE) {
        delete_here();
    } else if (k == '\r' || k == '\n') {
        split();
    } else if (k == CTRL('K')) {
        cut();
    } else if (k == CTRL('Y')) {
        paste();
    } else if (k == '\t' || (k >= ' ' && k < LEFT)) {
        line_insert(&lines[row], column++, (char)k);
    } else {
        return;
    }
    if (row >= nlines) row = nlines - 1;
    changed = 1;
}

int main(int argc, char **argv) {
    int keys = open("/keys", O_RDONLY);
    if (argc != 2 || keys < 0) {
        fprintf(2, argc != 2 ? "usage: edit file\n" : "edit: no keys\n");
        return 1;
    }
    read(keys, 0, 0); // from here on keys are ours
    path = argv[1];
    load();
    printf("\033[2J");
    for (;;) {
        draw();
        key(read_key(keys));
    }
}
