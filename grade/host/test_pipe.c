// Tests of pipes and of the terminal (libos/pipe.c, tty.c), through descriptors.
#include "grade/host/fake_unix.h"

// ---- pipes ----

static void close_end(void *arg) {
    int *fds = arg;
    for (int i = 0; i < 30; i++) lock_pause();
    sys_close(fds[0]);
    sys_close(fds[1]);
}

static void read_all(void *arg) {
    int *fds = arg, got;
    sys_close(fds[1]);
    while ((got = sys_read(fds[0], data(), 1 + draw(2000))) > 0) fds[2] += got;
}

static int answer;

static void read_once(void *arg) { answer = sys_read(*(int *)arg, data(), 100); }

static void write_much(void *arg) { answer = sys_write(((int *)arg)[1], data(), 10000); }

static void kill_waiting(u32 child) {
    for (int i = 0; i < 200; i++) lock_pause();
    kill_proc(child);
    wait_(child);
}

static void signal_waiting(u32 child) {
    for (int i = 0; i < 200; i++) lock_pause();
    signal_proc(child);
    wait_(child);
    shared.procs.proc[child].signals = 0;
}

static void pipes(void *arg) {
    (void)arg;
    int fds[3], more[2];
    check("pipe", 0, pipe_(fds));
    check("its ends are the lowest descriptors", 1, fds[0] == 0 && fds[1] == 1);
    check("the wrong ends", -2, sys_read(fds[1], data(), 1) + sys_write(fds[0], data(), 1));
    check("fstat", -1, stat_(fds[0]).type);
    check("write", 5, write_(fds[1], "hello"));
    check("read in parts", 1, reads(fds[0], 2, "he") && reads(fds[0], 100, "llo"));
    u32 child = fork_(close_end, fds);
    write_(fds[1], "x");
    sys_close(fds[1]);
    check("what was written is read after the end is closed", 1, reads(fds[0], 100, "x"));
    check("at the end once all copies are closed", 1, reads(fds[0], 100, ""));
    wait_(child);
    check("and again", 1, reads(fds[0], 100, ""));
    sys_close(fds[0]);
    pipe_(fds);
    sys_close(fds[0]);
    check("write when nobody can read", -1, write_(fds[1], "x"));
    sys_close(fds[1]);
    pipe_(fds);
    fork_(close_end, fds);
    sys_close(fds[0]);
    check("a writer that waits for room when the last reader goes", -1, sys_write(fds[1], data(), 20000));
    pipe_(more);
    check("a pipe used again is empty", 1, write_(more[1], "new") == 3 && reads(more[0], 100, "new"));
    kill_waiting(fork_(read_once, more));
    check("a reader that is killed", -1, answer);
    kill_waiting(fork_(write_much, more));
    check("a writer that is killed", -1, answer);
    sys_read(more[0], data(), 10000);
    signal_waiting(fork_(read_once, more));
    check("a reader that has a signal", -1, answer);
    signal_waiting(fork_(write_much, more));
    check("a writer that has one: what is in", PIPE_BYTES, answer);
    signal_waiting(fork_(write_much, more));
    check("and one that put in nothing", -1, answer);
    for (int fd = 0; fd < NOFILE; fd++) sys_close(fd);
    pipe_(fds);
    fds[2] = 0;
    child = fork_(read_all, fds);
    sys_close(fds[0]);
    int total = 0;
    for (u32 i = 0; i < 100; i++) total += sys_write(fds[1], data(), draw(3000));
    int copy = sys_dup(fds[1]);
    sys_close(fds[1]);
    for (u32 i = 0; i < 50; i++) lock_pause();
    check("no end before the last copy of the write end is closed", 0, actor[child].why == DONE);
    sys_close(copy);
    wait_(child);
    check("what was written is read", total, fds[2]);
}

// Writer i of many writes i and a running number, 8 bytes at a time, that nobody may tear or lose.
struct many {
    int fds[2];
    u32 writers, readers, records, got, wrong;
    u32 sum[8];
};

static void write_many(void *arg) {
    struct many *m = arg;
    sys_close(m->fds[0]);
    for (u32 i = 0; i < m->records; i++) {
        u32 word = self << 20 | i;
        memcpy(data(), &word, 4);
        m->wrong += sys_write(m->fds[1], data(), 4) != 4;
    }
}

// The ring's size is a multiple of 4, and so is every write: so is every read.
static void read_many(void *arg) {
    struct many *m = arg;
    int got;
    u32 last[NPROC] = {0};
    sys_close(m->fds[1]);
    while ((got = sys_read(m->fds[0], data(), 4 * (1 + draw(100)))) > 0) {
        for (int i = 0; i < got; i += 4) {
            u32 word;
            memcpy(&word, data() + i, 4);
            m->got++;
            m->sum[(word >> 20) % 8] += word & 0xfffff;
            m->wrong += (word & 0xfffff) < last[word >> 20]; // each reader finds a writer's in order
            last[word >> 20] = word & 0xfffff;
        }
    }
    m->wrong += got != 0;
}

static void many_ends(void *arg) {
    struct many *m = arg;
    u32 wrong = 0, n = m->records;
    m->got = m->wrong = 0;
    memset(m->sum, 0, sizeof m->sum);
    pipe_(m->fds);
    for (u32 i = 0; i < m->writers + m->readers; i++) fork_(i < m->writers ? write_many : read_many, m);
    sys_close(m->fds[0]);
    sys_close(m->fds[1]);
    for (u32 i = 1; i <= m->writers + m->readers; i++) wait_(i);
    for (u32 i = 1; i <= m->writers; i++) wrong += m->sum[i] != n * (n - 1) / 2;
    m->wrong += wrong + (m->got != n * m->writers);
}

// ---- the terminal ----

static int screen_is(const char *text) {
    int same = strcmp(screen, text) == 0;
    if (!same) printf("# the screen shows \"%s\"\n", screen);
    screen_used = 0;
    screen[0] = 0;
    return same;
}

static void read_lines(void *arg) {
    u32 *lines = arg;
    int got;
    while ((got = sys_read(0, data(), 200)) > 0) {
        breaches += got != 41 || data()[40] != '\n';
        for (int i = 0; i < 40; i++) breaches += data()[i] != data()[0];
        lines[data()[0]]++;
    }
    breaches += got < 0;
}

static void terminal(void *arg) {
    (void)arg;
    sys_mknod(name("console"), CONSOLE, 0);
    int fd = open_("console", O_RDWR);
    type_in("hello\r");
    check("a line", 1, reads(fd, 100, "hello\n"));
    check("echoed", 1, screen_is("hello\n"));
    type_in("helx\x7flox\x08\n");
    check("erase", 1, reads(fd, 100, "hello\n"));
    check("on the screen too", 1, screen_is("helx\b \blox\b \b\n"));
    type_in("\x7f\x08wrong\x15right\n");
    check("kill the line; nothing to erase", 1, reads(fd, 100, "right\n"));
    check("on the screen too", 1, screen_is("wrong\b \b\b \b\b \b\b \b\b \bright\n"));
    type_in("\xc3\xa9\x7f\xe2\x82\xac\x7fz\n");
    check("characters of several bytes are erased whole", 1, reads(fd, 100, "z\n"));
    check("on the screen too", 1, screen_is("\xc3\xa9\b \b\xe2\x82\xac\b \bz\n"));
    type_in("abcdef\n");
    check("a line read in parts", 1, reads(fd, 3, "abc") && reads(fd, 3, "def") && reads(fd, 3, "\n"));
    type_in("one\n\ntwo\n");
    check("a line a read", 1, reads(fd, 100, "one\n") && reads(fd, 100, "\n") && reads(fd, 100, "two\n"));
    type_in("\x04");
    check("^D is the end of input", 1, reads(fd, 100, ""));
    type_in("ab\x04next\n");
    check("^D after something ends that first", 1, reads(fd, 100, "ab") && reads(fd, 100, ""));
    check("and does not stay", 1, reads(fd, 100, "next\n"));
    check("no bytes are asked for", 0, sys_read(fd, data(), 0));
    static char long_line[3000];
    memset(long_line, 'x', sizeof long_line - 2);
    long_line[sizeof long_line - 2] = '\n';
    type_in(long_line);
    u32 total = 0;
    int got = 0;
    while (total < sizeof long_line - 1 && (got = sys_read(fd, data(), 5000)) > 0) total += got;
    check("a line longer than the ring comes in pieces", sizeof long_line - 1, total);
    check("the last of which ends it", '\n', data()[got - 1]);
    screen_used = 0;
    cons_error = E_OWNER;
    check("a console that is not ours", -2, sys_read(fd, data(), 1) + sys_write(fd, data(), 1));
    cons_error = 0;
    u32 child = fork_(read_once, &fd);
    kill_waiting(child);
    check("a reader that is killed", -1, answer);
    memset(arena + 1000, 'y', 10000);
    check("output over several pages", 10000, sys_write(fd, arena + 1000, 10000));
    check("is all there", 10000, strlen(screen));
}

// What was typed before anybody looked.
static void at_once(const char *text) {
    memcpy(kernel_ring + ring_used, text, strlen(text));
    ring_used += strlen(text);
}

static void keys_and_front(void *arg) {
    (void)arg;
    sys_mknod(name("console"), CONSOLE, 0);
    sys_mknod(name("keys"), KEYS, 0);
    screen_used = screen[0] = 0;
    int fd = open_("console", O_RDWR), keys = open_("keys", O_RDONLY);
    at_once("a\x7f\x03\r");
    check("keys come as they are", 1, reads(keys, 2, "a\x7f") && reads(keys, 100, "\x03\r"));
    check("and are not echoed", 1, screen_is(""));
    at_once("half");
    check("who does not watch takes nothing", 0, tty_watch() || screen_used);
    check("nobody was in front", 0, sys_front(7));
    check("who watches does", 1, tty_watch() && screen_is("half"));
    check("what it took is there for keys too", 1, reads(keys, 100, "half"));
    check("a negative group", -1, sys_front(-1));
    me()->group = 7;
    check("nothing is read of no bytes", 0, sys_read(keys, data(), 0));
    at_once("xy");
    check("a group in front that reads keys keeps them", 1, tty_watch() && screen_is(""));
    check("all of them", 1, reads(keys, 100, "xy"));
    me()->group = 0;
    sys_read(keys, data(), 0);
    at_once("lost\x03"
            "kept\n");
    check("^C", 1, tty_watch() && screen_is("lost^C\nkept\n"));
    check("kills the group in front", 7, killed_group);
    check("and its line is gone", 1, reads(fd, 100, "kept\n"));
    check("whoever watches is told", 1, sys_front(0));
    check("once", 0, sys_front(8));
    killed_group = 0;
    screen_used = 0;
    for (u32 i = 0; i < 30; i++) {
        static char much[101];
        memset(much, 'z', sizeof much - 1);
        at_once(much);
        tty_watch();
    }
    at_once("\x03");
    check("^C behind more than the ring holds", 8, (tty_watch(), killed_group));
    tty_exit();
    check("who ends does not watch", 0, tty_watch());
}

static void readers(void *arg) {
    (void)arg;
    static char paste[26 * 41 + 4];
    u32 lines[256] = {0}, wrong = 0;
    for (u32 i = 0; i < 26; i++) {
        memset(paste + i * 41, 'a' + i, 40);
        paste[i * 41 + 40] = '\n';
    }
    memcpy(paste + 26 * 41, "\x04\x04\x04", 4);
    sys_mknod(name("console"), CONSOLE, 0);
    open_("console", O_RDWR);
    type_in(paste);
    for (u32 i = 0; i < 3; i++) fork_(read_lines, lines);
    for (u32 i = 1; i <= 3; i++) wait_(i);
    for (u32 i = 0; i < 26; i++) wrong += lines['a' + i] != 1;
    check("26 lines at once, three readers: each line to one", 0, wrong);
    paste[26 * 41] = 0;
    check("and echoed in order", 0, strcmp(screen, paste));
}

int main(int argc, char **argv) {
    u32 seeds = argc > 1 ? strtoul(argv[1], 0, 10) : 8, wrong = 0;
    suite = "pipe";
    on_new_disk(300, pipes, 0);
    for (u32 seed = 1; seed <= seeds; seed++) {
        struct many m = {.writers = 1 + seed % 4, .readers = 1 + seed % 3, .records = 400};
        chance = seed;
        on_new_disk(300, many_ends, &m);
        wrong += m.wrong;
    }
    check("many readers and writers: nothing lost or out of order", 0, wrong);
    suite = "tty";
    on_new_disk(300, terminal, 0);
    on_new_disk(300, keys_and_front, 0);
    on_new_disk(300, readers, 0);
    return finish_tests();
}
