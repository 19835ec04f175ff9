// torment: a boot image for tests. It is first.c, but does something bad to one of the library OSes again and
// again:
//     torment=NAME.SEED.COUNT[.KINDS]     (boot argument)
// COUNT times, at moments drawn from SEED (or torment_ms=MS apart), to that of line NAME, something drawn
// from KINDS, or of all:
//     a   asks for memory, as first.c does when it is short
//     e   ends it
//     s   starves it: takes back at once all memory above its reserve, for a while
//     r   has user/guest.c's hostile one in its place for a while
// When that is over it says so, if the console is free. What the others do must be as if nothing had been;
// and what is asked for memory only does, too.
#define main first_main
#include "first.c"
#include "first/label.c"
#undef main

static u64 state;
static struct label_line hostile;

static u64 draw(u64 from, u64 to) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return from + (state >> 33) % (to - from + 1);
}

static u64 number(const volatile char **s) {
    u64 n = 0;
    for (; **s >= '0' && **s <= '9'; ++*s) n = n * 10 + (u64)(**s - '0');
    *s += **s == '.';
    return n;
}

static void word(const volatile char **s, char *to, u32 size) {
    for (u32 n = 0; **s && **s != '.' && **s != ' ' && n < size - 1; n++) *to++ = *(*s)++;
    *s += **s == '.';
    *to = 0;
}

// The victim, how often, and what; 0 without such an argument.
static struct libos *read_args(u64 *count, char kinds[8]) {
    const volatile char *s = boot_arg("torment");
    char name[sizeof hostile.name];
    if (!s) return 0;
    word(&s, name, sizeof name);
    state = number(&s);
    *count = number(&s);
    word(&s, kinds, 8);
    for (u32 i = 0; i < label.nlines; i++)
        if (str_eq(label.line[i].name, name)) return &libos[i];
    return 0;
}

// All that are started go on being looked after.
static void pass(u64 msec) {
    for (u64 until = exo_time() + msec * ms; exo_time() < until;) step(until);
}

static void ask(struct libos *l) {
    const volatile struct exo_acct *a = &EXO_ACCTS[l->account];
    u32 above = l->account && a->held > a->reserve ? a->held - a->reserve : 0;
    if (above) exo_revoke(l->account, draw(1, above), exo_time() + GRACE_MS * ms);
}

static void end(struct libos *l) {
    if (l->account) exo_acct_end(l->account);
    l->starts = 0; // it is not its fault
}

static void starve(struct libos *l) {
    for (u64 until = exo_time() + draw(20, 200) * ms; exo_time() < until;) {
        u32 held = EXO_ACCTS[l->account].held;
        if (l->account && held) exo_revoke(l->account, held, exo_time());
        step(exo_time() + ms);
    }
}

static void replace(struct libos *l) {
    const struct label_line *line = l->line;
    hostile = *line;
    memcpy(hostile.image, "guest", sizeof "guest");
    memcpy(hostile.args, "hostile", sizeof "hostile");
    l->line = &hostile;
    end(l);
    pass(draw(200, 600));
    l->line = line;
    end(l);
}

static const struct {
    char kind;
    void (*inflict)(struct libos *);
} torment[] = {{'a', ask}, {'e', end}, {'s', starve}, {'r', replace}};

#define KINDS (sizeof torment / sizeof *torment)

static bool has(const char *s, char c) {
    while (*s && *s != c) s++;
    return *s != 0;
}

// Whether it did harm.
static bool one(struct libos *l, const char *kinds) {
    u64 i;
    do i = draw(0, KINDS - 1);
    while (!has(kinds, torment[i].kind));
    torment[i].inflict(l);
    return torment[i].kind != 'a';
}

int main(void);
int main(void) {
    u64 count = 0, gap = boot_number("torment_ms", 0);
    char kinds[8] = "";
    bool harmed = false;
    begin();
    struct libos *victim = read_args(&count, kinds);
    for (u64 i = 0; victim && i < count; i++) {
        pass(gap ? gap : draw(20, 300));
        harmed |= one(victim, *kinds ? kinds : "aesr");
    }
    if (harmed) { // the last one is unharmed
        end(victim);
        while (EXO_ACCTS[victim->account].state != ACCT_FREE)
            wait_event(EXO_WORDS->stops, 0, exo_time() + ms);
    }
    if (victim && EXO_WORDS->console == self_account()) print("\ntorment: done\n");
    for (;;) step(exo_time() + LOOK_MS * ms);
}
