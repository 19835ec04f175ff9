// Tests of the shell on the host, under the sanitizers: its parser on chosen and on random lines, and the
// whole of it running the host's commands.
#include "grade/host/shim.h"
#include "user/kernel/types.h"
#include "user/kernel/fcntl.h"
#include "user/user.h"
#include "user/sh.h"

#include "user/ulib.c"
#include "user/printf.c"
#include "user/shparse.c"

#define show   edit_show
#define put    edit_put
#define insert edit_insert
#define take   edit_take
#include "user/lineedit.c"
#undef show
#undef put
#undef insert
#undef take

int setgroup(int group) { return group < 0 ? -1 : 0; }
int front(int group) { return group < 0 ? -1 : 0; }

#define main sh_main
#include "user/sh.c"
#undef main

static struct line line;
static char shown[1 << 16];
static uint shown_used;

static void show(const char *s) {
    uint n = strlen(s);
    if (shown_used + n < sizeof(shown)) {
        strcpy(shown + shown_used, s);
        shown_used += n;
    }
}

static void show_list(struct job *j);

static void show_stage(struct stage *s) {
    if (s->group) {
        show("(");
        show_list(s->group);
        show(")");
    } else {
        for (char **w = s->argv; *w; w++) {
            show(w == s->argv ? "" : " ");
            show(*w);
        }
    }
    for (struct redirection *r = s->redirections; r; r = r->next) {
        show(r->fd == 0 ? " <" : r->mode & O_APPEND ? " >>" : " >");
        show(r->path);
    }
}

static void show_list(struct job *j) {
    for (; j; j = j->next) {
        for (struct stage *s = j->stages; s; s = s->next) {
            show_stage(s);
            show(s->next ? "|" : "");
        }
        show(j->background ? "&" : j->next ? ";" : "");
    }
}

// A line in a form of its own, or why it is none.
static const char *meaning(const char *text) {
    shown_used = 0;
    shown[0] = 0;
    if (parse_line(&line, text) < 0) return line.error;
    show_list(line.jobs);
    return shown;
}

static void test_parser(void) {
    static const char *cases[][2] = {
        {"", ""},
        {"  \t \n", ""},
        {"# nothing", ""},
        {"ls", "ls"},
        {"  echo  a#b c # d | e\n", "echo a#b c"},
        {"a|b | c", "a|b|c"},
        {"a;b& c ;d &", "a;b&c;d&"},
        {"cat<in>out", "cat <in >out"},
        {"> out", " >out"},
        {"a >> log b", "a b >>log"},
        {"(a;b)|(c&)>f", "(a;b)|(c&) >f"},
        {"<f (a)", "(a) <f"},
        {"((a))", "((a))"},
        {"((((((((a))))))))", "((((((((a))))))))"},
        {"(((((((((a)))))))))", "parentheses nest too deep"},
        {";", "syntax error near ;"},
        {"a;;b", "syntax error near ;"},
        {"a && b", "syntax error near &"},
        {"| a", "syntax error near |"},
        {"a |", "syntax error: the line ends too early"},
        {"a | # b", "syntax error: the line ends too early"},
        {"a >", "syntax error: the line ends too early"},
        {"a > > b", "syntax error near >"},
        {"a >>> b", "syntax error near >"},
        {"a > ; b", "syntax error near ;"},
        {"( )", "syntax error near )"},
        {"(a", "syntax error: the line ends too early"},
        {"a)", "syntax error near )"},
        {"a (b)", "syntax error near ("},
        {"(a) b", "syntax error near b"},
        {"(a)(b)", "syntax error near ("},
    };
    for (uint i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_text(cases[i][0], cases[i][1], meaning(cases[i][0]));
}

static const char *many(const char *unit, const char *last) {
    static char text[LINE_BYTES];
    uint n = 0;
    text[0] = 0;
    while (n + strlen(unit) + strlen(last) < sizeof(text)) {
        strcpy(text + n, unit);
        n += strlen(unit);
    }
    strcpy(text + n, last);
    return text;
}

static void test_limits(void) {
    static char text[LINE_BYTES];
    char words[2 * MAXARG + 1];
    for (int i = 0; i < MAXARG; i++) memmove(words + 2 * i, "w ", 2);
    words[2 * MAXARG] = 0;
    check_text("a word too many", "too many words in a command", meaning(words));
    words[2 * MAXARG - 3] = 0;
    check_text("as many words as there may be", words, meaning(words));
    check_text("only (", "parentheses nest too deep", meaning(many("(", "")));
    check_text("only )", "syntax error near )", meaning(many(")", "")));
    check_text("too many jobs", "line too complex", meaning(many("a;", "b")));
    check_text("one long word", many("x", ""), meaning(many("x", "")));
    strcpy(text, many("x", " > y > "));
    check_text("an error after a long word", "syntax error: the line ends too early", meaning(text));
    strcpy(text, many("x", ""));
    memmove(text, "(a) ", 4);
    check_int("an error about a long word is cut", sizeof(line.error) - 1, strlen(meaning(text)));
}

// Lines that are nearly sensible, and lines of any bytes. A tree that is shown must read as itself.
static void test_random(void) {
    static const char *parts[] = {"a",  "bc", " ",   ";", "&",  "|", "(",  ")",
                                  "<f", ">g", ">>h", "#", "\t", ">", "(x)"};
    static char text[LINE_BYTES], first[sizeof(shown)];
    int wrong = 0, trees = 0;
    for (int i = 0; i < 200000; i++) {
        uint n = 0, longest = draw(i % 100 ? 40 : sizeof(text) - 4);
        while (n < longest) {
            if (i % 4 == 0) {
                text[n++] = 1 + draw(255);
                continue;
            }
            const char *part = parts[draw(sizeof(parts) / sizeof(parts[0]))];
            strcpy(text + n, part);
            n += strlen(part);
        }
        text[n] = 0;
        strcpy(first, meaning(text));
        if (line.error[0]) continue;
        trees++;
        wrong += strcmp(first, meaning(first)) != 0;
    }
    check_int("random lines: every tree that is shown reads as itself", 0, wrong);
    check_int("random lines: many have a meaning", 1, trees > 20000);
}

static void runs_as(const char *input, const char *expected) {
    check_text(input, expected, output_of(sh_main, input));
}

static void test_running(void) {
    static char text[3 * LINE_BYTES];
    runs_as("", "");
    runs_as("echo a b\n\n# c\necho d", "a b\nd\n");
    runs_as("echo one | cat | tr n m\n", "ome\n");
    runs_as("echo a; echo b", "a\nb\n");
    runs_as("cd /; pwd; cd /nowhere; cd; pwd", "/\nsh: cannot go to /nowhere\n/\n");
    runs_as("(cd /; pwd) | cat; (echo a; echo b) | tr ab xy", "/\nx\ny\n");
    runs_as("echo 1 > f; echo 2 >> f; cat < f; > f; cat f; (echo 3; echo 4) > f | cat; cat f f; rm f",
            "1\n2\n3\n4\n3\n4\n");
    runs_as("nosuch; echo on", "sh: nosuch: not found\non\n");
    runs_as("/etc; cat < /no/file; echo > /no/file; echo on",
            "sh: /etc: cannot be run\nsh: cannot open /no/file\nsh: cannot open /no/file\non\n");
    runs_as("a | | b\necho on", "sh: syntax error near |\non\n");
    runs_as("echo a | exit 3; echo b; exit; echo c", "b\n");
    runs_as("sleep 0.3 & echo first; sleep 0.5; echo last", "first\nlast\n");
    runs_as("(sleep 0.5; echo behind) & echo before", "before\nbehind\n");
    runs_as("ls /proc/self/fd | wc -l; ls /proc/self/fd | cat | wc -l", "4\n4\n");
    runs_as("yes | head -n 1; yes | cat | head -n 1", "y\ny\n");
    runs_as("cat\nthis is what cat reads", "this is what cat reads");
    memset(text, 'x', 2 * LINE_BYTES);
    strcpy(text + 2 * LINE_BYTES, "\necho on");
    check_text("a line too long", "sh: line longer than 1023 bytes\non\n", output_of(sh_main, text));
    memmove(text, "echo ", 5);
    strcpy(text + LINE_BYTES - 1, "\necho on");
    check_int("a line just short enough", LINE_BYTES - 5 + 3, strlen(output_of(sh_main, text)));
}

// Keys at random, escape sequences among them: no byte is written outside the line, which ends as it must.
static void random_keys(void) {
    static const char *const pieces[] = {"\x1b[A",  "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H",   "\x1b[F",
                                         "\x1b[3~", "\x1bO",  "\x1b[",  "\x08",   "\x7f",     "\x15",
                                         "\x17",    "\x0b",   "\x01",   "\x05",   "\x04",     "\x10",
                                         "\x0e",    "a b",    "word ",  "x",      "\xc3\xa9", "\x1b"};
    static struct history h;
    static char keys[4096];
    int wrong = 0, ended = 0;
    capture(2);
    for (int round = 0; round < 2000; round++) {
        char text[24];
        int used = 0;
        for (uint n = draw(40); n > 0; n--) {
            const char *piece = pieces[draw(sizeof(pieces) / sizeof(*pieces))];
            strcpy(keys + used, piece);
            used += strlen(piece);
        }
        if (draw(8)) keys[used++] = draw(2) ? '\r' : '\n';
        feed(keys, used);
        int n = edit_line(0, "$ ", text, sizeof(text), &h);
        wrong += n >= (int)sizeof(text) || n < LINE_BREAK || (n >= 0 && strlen(text) != (uint)n);
        ended += n >= 0;
    }
    capture(-1);
    feed(0, 0);
    check_int("2,000 lines of random keys: none is wrong", 0, wrong);
    check_int("and many are lines", 1, ended > 200);
}

int main(void) {
    test_parser();
    test_limits();
    test_random();
    test_running();
    random_keys();
    return check_end();
}
