// See lineedit.h. At the end of the line a key is simply echoed; elsewhere what follows it is shown again and
// the cursor taken back, byte by byte. So a line may be longer than the screen is wide, as long as what is
// edited stands in its last row.
#include "kernel/types.h"
#include "user/user.h"
#include "user/lineedit.h"

#define CTRL(c) ((c) - '@')
#define ESC     27
#define DEL     127

struct edit {
    char *text;
    int max, n, at; // n bytes of text, cursor before byte `at`
    int over;       // it had more than max - 1 bytes once
    struct history *h;
    int shown; // which line of the history, counted as h->n counts; h->n: a new one
};

static void put(const char *s, int n) { write(2, s, n); }

static void back(int n) {
    while (n-- > 0) put("\b", 1);
}

// What stands from the cursor on, and `blanks` more where the line has become shorter.
static void show_rest(struct edit *e, int blanks) {
    put(e->text + e->at, e->n - e->at);
    for (int i = 0; i < blanks; i++) put(" ", 1);
    back(e->n - e->at + blanks);
}

static void go(struct edit *e, int at) {
    if (at < 0 || at > e->n) return;
    back(e->at - at);
    if (at > e->at) put(e->text + e->at, at - e->at);
    e->at = at;
}

static void insert(struct edit *e, char c) {
    if (e->n == e->max - 1) {
        e->over = 1;
        put(&c, 1);
        return;
    }
    memmove(e->text + e->at + 1, e->text + e->at, e->n - e->at);
    e->text[e->at] = c;
    e->n++;
    put(&c, 1);
    e->at++;
    if (e->at < e->n) show_rest(e, 0);
}

// Removes [from, to) and leaves the cursor there.
static void cut(struct edit *e, int from, int to) {
    if (from < 0 || from >= to) return;
    go(e, from);
    memmove(e->text + from, e->text + to, e->n - to);
    e->n -= to - from;
    show_rest(e, to - from);
}

static int word_start(const struct edit *e) {
    int i = e->at;
    while (i > 0 && e->text[i - 1] == ' ') i--;
    while (i > 0 && e->text[i - 1] != ' ') i--;
    return i;
}

// A line of the history in place of this one; what was being typed is not kept.
static void show(struct edit *e, int which) {
    int oldest = e->h->n > HISTORY ? e->h->n - HISTORY : 0;
    if (which < oldest || which > e->h->n) return;
    cut(e, 0, e->n);
    e->shown = which;
    if (which == e->h->n) return;
    for (const char *s = e->h->line[which % HISTORY]; *s; s++) insert(e, *s);
}

static void remember(struct history *h, const char *text, int n) {
    if (n == 0 || n >= (int)sizeof(h->line[0])) return;
    if (h->n && strcmp(h->line[(h->n - 1) % HISTORY], text) == 0) return;
    strcpy(h->line[h->n++ % HISTORY], text);
}

static int get(int keys) {
    uchar c;
    return read(keys, &c, 1) == 1 ? c : -1;
}

// An escape begins ESC [ A or ESC O A, ESC [ 3 ~ and so on.
int read_key(int keys) {
    static const struct {
        char last, number;
        short key;
    } sequences[] = {{'A', 0, UP},         {'B', 0, DOWN},  {'C', 0, RIGHT},    {'D', 0, LEFT},
                     {'H', 0, HOME},       {'F', 0, END},   {'~', '1', HOME},   {'~', '7', HOME},
                     {'~', '4', END},      {'~', '8', END}, {'~', '3', DELETE}, {'~', '5', PAGE_UP},
                     {'~', '6', PAGE_DOWN}};
    int c = get(keys), number = 0;
    if (c != ESC) return c;
    c = get(keys);
    if (c != '[' && c != 'O') return c < 0 ? c : OTHER;
    while ((c = get(keys)) >= 0 && c < '@')
        if (!number) number = c;
    for (uint i = 0; i < sizeof(sequences) / sizeof(*sequences); i++)
        if (sequences[i].last == c && (c != '~' || sequences[i].number == number)) return sequences[i].key;
    return c < 0 ? c : OTHER;
}

// One key. Nonzero when the line is over: 1, LINE_END or LINE_BREAK.
static int key(struct edit *e, int k) {
    switch (k) {
    case -1: return LINE_END;
    case '\r':
    case '\n': return 1;
    case CTRL('C'): return LINE_BREAK;
    case CTRL('D'):
        if (e->n == 0) return LINE_END;
        cut(e, e->at, e->at < e->n ? e->at + 1 : e->at);
        break;
    case DELETE: cut(e, e->at, e->at < e->n ? e->at + 1 : e->at); break;
    case CTRL('H'):
    case DEL: cut(e, e->at - 1, e->at); break;
    case CTRL('A'):
    case HOME: go(e, 0); break;
    case CTRL('E'):
    case END: go(e, e->n); break;
    case CTRL('B'):
    case LEFT: go(e, e->at - 1); break;
    case CTRL('F'):
    case RIGHT: go(e, e->at + 1); break;
    case CTRL('P'):
    case UP: show(e, e->shown - 1); break;
    case CTRL('N'):
    case DOWN: show(e, e->shown + 1); break;
    case CTRL('K'): cut(e, e->at, e->n); break;
    case CTRL('U'): cut(e, 0, e->at); break;
    case CTRL('W'): cut(e, word_start(e), e->at); break;
    default:
        if (k >= ' ' && k < LEFT) insert(e, (char)k);
    }
    return 0;
}

int edit_line(int keys, const char *prompt, char *to, int max, struct history *h) {
    struct edit e = {to, max, 0, 0, 0, h, h->n};
    int over = 0;
    put(prompt, strlen(prompt));
    while (!over) over = key(&e, read_key(keys));
    if (over == LINE_BREAK) put("^C", 2);
    put("\n", 1);
    if (over != 1) return over;
    if (e.over) return LINE_LONG;
    to[e.n] = 0;
    remember(h, to, e.n);
    return e.n;
}
