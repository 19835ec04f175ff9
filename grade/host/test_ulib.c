// Tests of what is linked into every Unix program (user/ulib.c, printf.c, umalloc.c) and of grep's matcher,
// on the host, under the sanitizers. Random tests draw from a fixed row and compare with the C library.
#include "grade/host/shim.h"
#include "user/kernel/types.h"
#include "user/kernel/stat.h"
#include "user/user.h"

#include "user/ulib.c"
#include "user/printf.c"
#include "user/umalloc.c"

static int locked, wrong; // of malloc's mutex
void mutex_lock(struct mutex *m) { wrong += m != &lock || locked++; }
void mutex_unlock(struct mutex *m) { wrong += m != &lock || --locked; }

#define main   grep_main
#define buf    grep_buf
#define format grep_format
#include "user/grep.c"
#undef main

static void test_strings(void) {
    char s[32], t[] = "0123456789";
    check_int("strlen of nothing", 0, strlen(""));
    check_int("strlen", 5, strlen("hello"));
    check_int("strcpy returns its target", 1, strcpy(s, "abc") == s);
    check_text("strcpy", "abc", s);
    check_int("strcmp equal", 0, strcmp("abc", "abc"));
    check_int("strcmp less", 1, strcmp("abc", "abd") < 0);
    check_int("strcmp prefix", 1, strcmp("ab", "abc") < 0 && strcmp("abc", "ab") > 0);
    check_int("strcmp compares as unsigned", 1, strcmp("\xff", "a") > 0);
    check_text("strchr finds the first", "ll", strchr("hell", 'l'));
    check_int("strchr finds nothing", 1, strchr("hell", 'x') == 0);
    check_int("strchr does not find the final 0", 1, strchr("hell", 0) == 0);
    check_int("atoi", 1234, atoi("1234x5"));
    check_int("atoi knows no sign", 0, atoi("-3"));
    check_int("atoi of nothing", 0, atoi(""));
    check_int("atoi past its range ends", atoi("99999999999999999999"), atoi("99999999999999999999"));
    memmove(t + 2, t, 6);
    check_text("memmove up", "0101234589", t);
    memmove(t, t + 2, 6);
    check_text("memmove down", "0123454589", t);
    memmove(t, t + 1, 0);
    memmove(t, t + 1, -1);
    check_text("memmove of nothing", "0123454589", t);
    memcpy(s, "xyz", 4);
    check_text("memcpy", "xyz", s);
    check_int("memset returns its target", 1, memset(s, 0x141, 3) == s);
    check_text("memset", "AAA", s);
    check_int("memcmp equal", 0, memcmp("abc", "abd", 2));
    check_int("memcmp is unsigned", 1, memcmp("\xff", "\1", 1) > 0);
    check_int("memcmp of nothing", 0, memcmp("a", "b", 0));
}

static void test_gets(void) {
    char s[8];
    feed("one\ntwo\rthree four\n", 19);
    check_text("gets keeps the line end", "one\n", gets(s, sizeof(s)));
    check_text("gets ends at a return", "two\r", gets(s, sizeof(s)));
    check_text("gets stops when full", "three f", gets(s, sizeof(s)));
    check_text("gets goes on", "our\n", gets(s, sizeof(s)));
    check_text("gets at the end", "", gets(s, sizeof(s)));
    feed("x", 1);
    check_text("gets with room for the 0 only", "", gets(s, 1));
    check_text("gets without a line end", "x", gets(s, sizeof(s)));
    feed(0, 0);
}

static void test_stat(void) {
    struct stat st;
    check_int("stat of a directory", T_DIR, stat("/", &st) == 0 ? st.type : -1);
    check_int("stat of nothing", -1, stat("/no/such/file", &st));
}

#define PRINTS(name, expected, ...)          \
    do {                                     \
        capture(1);                          \
        printf(__VA_ARGS__);                 \
        check_text(name, expected, written); \
    } while (0)

static void test_printf(void) {
    static char longer[CHUNK * 2 + 10];
    PRINTS("printf of plain text", "plain", "plain");
    PRINTS("%d", "0 7 -7 2147483647 -2147483648", "%d %d %d %d %d", 0, 7, -7, 0x7fffffff, (int)0x80000000);
    PRINTS("%u", "4294967295", "%u", -1);
    PRINTS("%x", "0 FF FFFFFFFF", "%x %x %x", 0, 255, -1);
    PRINTS("%ld", "-9223372036854775808", "%ld", (long)(1UL << 63));
    PRINTS("%lu %llu", "18446744073709551615 1", "%lu %llu", ~0UL, 1UL);
    PRINTS("%lx %lld", "123456789ABCDEF0 -2", "%lx %lld", 0x123456789abcdef0UL, -2L);
    PRINTS("%l alone", "18446744073709551615.", "%l.", ~0UL);
    PRINTS("%l at the end", "5", "%l", 5UL);
    PRINTS("%p", "0x00000000DEADBEEF", "%p", (void *)0xdeadbeef);
    PRINTS("%s and %c", "[abc] [] x", "[%s] [%s] %c", "abc", "", 'x');
    PRINTS("%s of a null pointer", "(null)", "%s", (char *)0);
    PRINTS("%%", "100%", "100%%");
    PRINTS("unknown conversion", "%q5", "%q%d", 5);
    PRINTS("% at the end", "50%", "50%");
    capture(2);
    fprintf(2, "%s-%d", "err", 3);
    check_text("fprintf", "err-3", written);
    check_int("a call is one write", 1, writes);
    capture(1);
    printf("");
    check_int("nothing is no write", 0, writes);
    memset(longer, 'a', sizeof(longer) - 1);
    PRINTS("long text", longer, "%s", longer);
    check_int("long text is few writes", 3, writes);
}

static void test_printf_random(void) {
    static const struct {
        char *ours, *host;
    } forms[] = {{"%d", "%d"},   {"%u", "%u"},  {"%x", "%X"}, {"%ld", "%ld"},     {"%lu", "%lu"},
                 {"%lx", "%lX"}, {"%l", "%lu"}, {"%c", "%c"}, {"%p", "0x%016lX"}, {"%llx", "%llX"}};
    int wrong = 0;
    for (int i = 0; i < 20000; i++) {
        char expected[64];
        int f = draw(sizeof(forms) / sizeof(forms[0]));
        uint64 x = ((uint64)draw(1u << 31) << 33 ^ draw(1u << 31)) >> draw(64);
        if (strcmp(forms[f].ours, "%c") == 0) x = 1 + x % 127;
        host_number(expected, sizeof(expected), forms[f].host, x);
        capture(1);
        printf(forms[f].ours, x);
        wrong += strcmp(expected, written) != 0;
    }
    capture(-1);
    check_int("20000 random conversions as the C library's", 0, wrong);
}

#define BLOCKS 200

static struct {
    uchar *p;
    uint n;
    uchar mark;
} blocks[BLOCKS];

static int is_sound(int i) {
    for (uint k = 0; k < blocks[i].n; k++) {
        if (blocks[i].p[k] != blocks[i].mark) return 0;
    }
    return ((uint64)blocks[i].p & 15) == 0;
}

static void test_malloc_random(void) {
    int wrong = 0, refused = 0;
    for (int step = 0; step < 50000; step++) {
        int i = draw(BLOCKS);
        if (blocks[i].p) {
            wrong += !is_sound(i);
            free(blocks[i].p);
            blocks[i].p = 0;
            continue;
        }
        uint n = draw(10) ? draw(300) : draw(40000);
        blocks[i].p = malloc(n);
        refused += !blocks[i].p;
        blocks[i].n = n;
        blocks[i].mark = step;
        if (blocks[i].p) memset(blocks[i].p, step, n);
        if (step % 1000 == 0) sbrk(draw(50)); // the program moves the break itself
    }
    for (int i = 0; i < BLOCKS; i++) {
        wrong += blocks[i].p && !is_sound(i);
        free(blocks[i].p);
    }
    check_int("malloc refuses nothing it has room for", 0, refused);
    check_int("blocks keep their bytes and are aligned", 0, wrong);
}

static void free_twice(void) {
    void *p = malloc(10);
    free(p);
    capture(2);
    free(p);
}

static void free_wild(void) {
    char *p = malloc(100);
    *(uint64 *)(p + 32) = 32; // looks like a block's header
    free(p);
    capture(2);
    free(p + 48);
}

static void test_malloc(void) {
    char *p[3];
    for (int i = 0; i < 3; i++) p[i] = malloc(20000);
    long size = heap_size();
    check_int("small blocks share what sbrk gave", 65536, size);
    free(p[0]);
    free(p[2]);
    free(p[1]);
    p[0] = malloc(60000);
    check_int("freed neighbours become one block", size, heap_size());
    free(p[0]);
    free(0);
    p[0] = malloc(0);
    check_int("malloc(0) gives something", 1, p[0] != 0);
    free(p[0]);
    test_malloc_random();
    check_int("a block larger than any heap", 1, malloc(0xffffffff) == 0);
    long limit = heap_size() + 8192;
    limit_heap(limit);
    check_int("no room", 1, malloc(10 << 20) == 0);
    char *last = 0, *q;
    while ((q = malloc(1000)) != 0) {
        *(char **)q = last;
        last = q;
    }
    check_int("the last of the heap is used when no large piece is to be had", 1, limit - heap_size() < 1024);
    while (last) {
        q = *(char **)last;
        free(last);
        last = q;
    }
    p[0] = malloc(60000);
    check_int("malloc serves again after it ran dry", 1, p[0] != 0);
    free(p[0]);
    check_int("free twice is noticed", 1, in_child(free_twice));
    check_int("free of a place within free memory is noticed", 1, in_child(free_wild));
}

static int match(const char *pattern, const char *line) {
    struct pattern p;
    compile(&p, pattern);
    int found = matches(&p, line, line + strlen(line));
    free(p.items);
    return found;
}

static void test_matcher(void) {
    static const struct {
        char *pattern, *line;
        int found;
    } cases[] = {
        {"", "", 1},         {"", "x", 1},       {"^$", "", 1},          {"^$", "x", 0},
        {"b", "abc", 1},     {"^b", "abc", 0},   {"b$", "abc", 0},       {"c$", "abc", 1},
        {"a.c", "abc", 1},   {"a.c", "ac", 0},   {"ab*c", "ac", 1},      {"ab*c", "abbbc", 1},
        {"^a*$", "aaa", 1},  {"^a*$", "aab", 0}, {".*", "", 1},          {"^.*c$", "abc", 1},
        {"*a", "*a", 1},     {"*a", "a", 0},     {"^*", "*x", 1},        {"a$b", "a$b", 1},
        {"a^b", "a^b", 1},   {"$", "x", 1},      {"a*a*a*b", "aaab", 1}, {"a**", "aa*", 1},
        {"x*$y", "xx$y", 1}, {"aa*a$", "ba", 0},
    };
    char longer[2001];
    int wrong = 0, n = sizeof(cases) / sizeof(cases[0]);
    for (int i = 0; i < n; i++)
        check_int(cases[i].pattern, cases[i].found, match(cases[i].pattern, cases[i].line));
    for (int i = 0; i < 20000; i++) {
        char pattern[9], line[9];
        int k, doubled = 0, longest = draw(9);
        for (k = 0; k < longest; k++) {
            pattern[k] = "aab.*^$"[draw(7)];
            doubled |= k > 0 && pattern[k] == '*' && pattern[k - 1] == '*';
        }
        pattern[k] = 0;
        longest = draw(9);
        for (k = 0; k < longest; k++) line[k] = "aab*^$"[draw(6)];
        line[k] = 0;
        if (!doubled) wrong += match(pattern, line) != host_match(pattern, line);
    }
    check_int("20000 random patterns as the C library's", 0, wrong);
    memset(longer, 'a', 2000);
    longer[2000] = 0;
    check_int("a pattern that would run away", 0, match("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", longer));
}

static void grep_says(const char *name, char *pattern, const char *text, int bytes, const char *expected,
                      int ends) {
    char *argv[] = {"grep", pattern, 0};
    capture(1);
    feed(text, bytes);
    int status = grep_main(2, argv);
    check_text(name, expected, written);
    check_int(name, ends, status);
    feed(0, 0);
    capture(-1);
}

static void test_grep(void) {
    static char text[20000], expected[20000];
    grep_says("grep", "an", "ant\nbee\nbanana\n", 15, "ant\nbanana\n", 0);
    grep_says("grep finds nothing", "x", "ant\nbee\n", 8, "", 1);
    grep_says("grep of a last line without an end", "bee", "ant\nbee", 7, "bee\n", 0);
    grep_says("grep of nothing", "", "", 0, "", 1);
    grep_says("grep past a zero byte", "b$", "a\0b\n", 4, "a", 0);
    memset(text, 'y', sizeof(text));
    memmove(text, "z\n", 2);
    memmove(text + 15000, "\nz!\n", 4);
    memset(expected, 'y', sizeof(expected));
    memmove(expected, text + 15001, 3);
    grep_says("grep past a line of 15000 bytes", "z!", text, sizeof(text), "z!\n", 0);
    memmove(expected, text + 2, 14999);
    expected[14999] = 0;
    grep_says("grep of a line of 15000 bytes", "^y*yy$", text, 15001, expected, 0);
}

int main(void) {
    test_malloc(); // first: it looks at the size of the heap
    check_int("malloc locks its list, once", 0, wrong + locked);
    test_strings();
    test_gets();
    test_stat();
    test_printf();
    test_printf_random();
    test_matcher();
    test_grep();
    return check_end();
}
