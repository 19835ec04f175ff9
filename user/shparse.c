// The shell's grammar (sh.h), read by descent; only parentheses nest, and those no deeper than MAX_NEST. A
// function that returns 0 has left the reason in line.error. Nothing here makes a system call, so the host
// tests drive it too.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/param.h"
#include "user/user.h"
#include "user/sh.h"

enum token { T_END, T_WORD, T_APPEND }; // all other tokens are the character they consist of

struct word {
    struct word *next;
    char text[];
};

struct parser {
    struct line *line;
    const char *at;
    int nest;
};

static struct job *parse_list(struct parser *p);

static const char blanks[] = " \t\r\n\v\f";
static const char marks[] = ";&|()<>";

// Appends to the error as much as it can hold.
static void add_error(struct parser *p, const char *s, uint n) {
    uint used = strlen(p->line->error);
    for (uint i = 0; i < n && used < sizeof(p->line->error) - 1; i++) p->line->error[used++] = s[i];
    p->line->error[used] = 0;
}

static void *refuse(struct parser *p, const char *why) {
    add_error(p, why, strlen(why));
    return 0;
}

static void *take(struct parser *p, uint bytes) {
    struct line *l = p->line;
    uint size = (bytes + 7) / 8 * 8;
    if (size > sizeof(l->room) - l->used) return refuse(p, "line too complex");
    void *got = (char *)l->room + l->used;
    l->used += size;
    return memset(got, 0, size);
}

// The token that comes next; p->at is left at its first character.
static int peek(struct parser *p) {
    while (*p->at && strchr(blanks, *p->at)) p->at++;
    if (*p->at == 0 || *p->at == '#') return T_END;
    if (p->at[0] == '>' && p->at[1] == '>') return T_APPEND;
    return strchr(marks, *p->at) ? *p->at : T_WORD;
}

static uint token_length(struct parser *p) {
    uint n = 0;
    switch (peek(p)) {
    case T_END: return 0;
    case T_WORD:
        while (p->at[n] && !strchr(blanks, p->at[n]) && !strchr(marks, p->at[n])) n++;
        return n;
    case T_APPEND: return 2;
    default: return 1;
    }
}

static void *unexpected(struct parser *p) {
    if (peek(p) == T_END) return refuse(p, "syntax error: the line ends too early");
    refuse(p, "syntax error near ");
    add_error(p, p->at, token_length(p));
    return 0;
}

static struct word *parse_word(struct parser *p) {
    if (peek(p) != T_WORD) return unexpected(p);
    uint n = token_length(p);
    struct word *w = take(p, sizeof(*w) + n + 1);
    if (w) {
        memmove(w->text, p->at, n);
        p->at += n;
    }
    return w;
}

static struct redirection *parse_redirection(struct parser *p) {
    int mark = peek(p);
    struct redirection *r = take(p, sizeof(*r));
    if (!r) return 0;
    p->at += token_length(p);
    r->fd = mark == '<' ? 0 : 1;
    if (mark == '<')
        r->mode = O_RDONLY;
    else
        r->mode = O_WRONLY | O_CREATE | (mark == T_APPEND ? O_APPEND : O_TRUNC);
    struct word *path = parse_word(p);
    if (!path) return 0;
    r->path = path->text;
    return r;
}

static struct job *parse_group(struct parser *p) {
    if (p->nest == MAX_NEST) return refuse(p, "parentheses nest too deep");
    p->nest++;
    p->at++;
    struct job *list = parse_list(p);
    if (!list) return 0;
    if (peek(p) != ')') return unexpected(p);
    p->nest--;
    p->at++;
    return list;
}

static char **argv_of(struct parser *p, struct word *words, int n) {
    if (n >= MAXARG) return refuse(p, "too many words in a command");
    char **argv = take(p, (n + 1) * sizeof(*argv));
    for (int i = 0; argv && i < n; i++, words = words->next) argv[i] = words->text;
    return argv;
}

static struct stage *parse_stage(struct parser *p) {
    struct stage *s = take(p, sizeof(*s));
    if (!s) return 0;
    struct word *words = 0, **last_word = &words;
    struct redirection **last = &s->redirections;
    int n = 0;
    for (;;) {
        int t = peek(p);
        if (t == T_WORD && !s->group) {
            if (!(*last_word = parse_word(p))) return 0;
            last_word = &(*last_word)->next;
            n++;
        } else if (t == '(' && !s->group && n == 0) {
            if (!(s->group = parse_group(p))) return 0;
        } else if (t == '<' || t == '>' || t == T_APPEND) {
            if (!(*last = parse_redirection(p))) return 0;
            last = &(*last)->next;
        } else {
            break;
        }
    }
    if (n == 0 && !s->group && !s->redirections) return unexpected(p);
    if (!s->group && !(s->argv = argv_of(p, words, n))) return 0;
    return s;
}

static struct job *parse_job(struct parser *p) {
    struct job *j = take(p, sizeof(*j));
    if (!j) return 0;
    struct stage **last = &j->stages;
    for (;;) {
        if (!(*last = parse_stage(p))) return 0;
        last = &(*last)->next;
        if (peek(p) != '|') return j;
        p->at++;
    }
}

// At least one job, up to what can follow a list: the end, or whatever the caller says is wrong.
static struct job *parse_list(struct parser *p) {
    struct job *first = 0, **last = &first;
    int t;
    do {
        if (!(*last = parse_job(p))) return 0;
        t = peek(p);
        if (t == ';' || t == '&') {
            (*last)->background = t == '&';
            p->at++;
        }
        last = &(*last)->next;
    } while ((t == ';' || t == '&') && peek(p) != T_END && peek(p) != ')');
    return first;
}

int parse_line(struct line *l, const char *text) {
    struct parser p = {l, text, 0};
    l->jobs = 0;
    l->error[0] = 0;
    l->used = 0;
    if (peek(&p) == T_END) return 0;
    struct job *jobs = parse_list(&p);
    if (jobs && peek(&p) != T_END) jobs = unexpected(&p);
    l->jobs = jobs;
    return jobs ? 0 : -1;
}
