// torment: a boot image for tests. It is first.c, but does something bad to one of the library OSes again and
// again:
//     torment=NAME.SEED.COUNT     (boot argument) COUNT times, at moments drawn from SEED, to that of line
//     NAME
// ends it; or takes back at once all memory above its reserve, for a while; or has user/guest.c's hostile one
// in its place for a while. When that is over it says so, if the console is free. What the others do must be
// as if nothing had been.
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

static u64 number(const char **s) {
    u64 n = 0;
    for (; **s >= '0' && **s <= '9'; ++*s) n = n * 10 + (u64)(**s - '0');
    *s += **s == '.';
    return n;
}

// The victim, and how often; 0 without such an argument.
static struct libos *read_args(u64 *count) {
    static char copy[sizeof EXO_WORDS->bootargs];
    static const char key[] = "torment=";
    for (u32 i = 0; i < sizeof copy; i++) copy[i] = EXO_WORDS->bootargs[i];
    for (const char *s = copy; *s; s++) {
        u32 n = 0;
        while (key[n] && s[n] == key[n]) n++;
        if (key[n]) continue;
        char name[sizeof hostile.name] = "";
        for (s += n, n = 0; *s && *s != '.' && n < sizeof name - 1; n++) name[n] = *s++;
        s += *s == '.';
        state = number(&s);
        *count = number(&s);
        for (u32 i = 0; i < label.nlines; i++)
            if (str_eq(label.line[i].name, name)) return &libos[i];
    }
    return 0;
}

// All that are started go on being looked after.
static void pass(u64 msec) {
    for (u64 until = exo_time() + msec * ms; exo_time() < until;) step(until);
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
    pass(draw(100, 400));
    l->line = line;
    end(l);
}

int main(void);
int main(void) {
    u64 count = 0;
    begin();
    struct libos *victim = read_args(&count);
    for (u64 i = 0; victim && i < count; i++) {
        pass(draw(20, 300));
        switch (draw(0, 2)) {
        case 0: end(victim); break;
        case 1: starve(victim); break;
        default: replace(victim);
        }
    }
    if (victim) {
        end(victim);
        while (EXO_ACCTS[victim->account].state != ACCT_FREE) wait_event(events(), 0, exo_time() + ms);
        if (EXO_WORDS->console == self_account()) print("\ntorment: done\n");
    }
    for (;;) step(exo_time() + LOOK_MS * ms);
}
