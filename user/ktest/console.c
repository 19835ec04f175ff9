// The console: cons_write, cons_read, cons_give.
#include "kt.h"

static void write(void) {
    ppn_t p = page_new(), q = page_new();
    char *w = map(p, RW);
    u64 bad;
    memset(w, '\n', EXO_PAGE);
    memcpy(w, "# a line by cons_write\n", 23);
    struct exo_ret r = exo_cons_write(w, 23);
    CHECK(r.err, 0);
    CHECK(r.val, 23);
    CHECK(exo_cons_write(w, 0).err, 0);
    CHECK(exo_cons_write(w, 0).val, 0);
    memset(w, ' ', EXO_PAGE);
    CHECK(exo_cons_write(w, EXO_CONS_MAX).val, EXO_CONS_MAX);
    CHECK(exo_cons_write(w, EXO_CONS_MAX + 1).val, EXO_CONS_MAX);
    CHECK(exo_cons_write(w, ~0ul).val, EXO_CONS_MAX);
    CHECK(exo_cons_write(w + EXO_PAGE - 7, 100).val, 7); // to the end of the page
    w[EXO_PAGE - 1] = '\n';
    CHECK(exo_cons_write(w + EXO_PAGE - 1, ~0ul).val, 1);
    static const va_t nowhere[] = {0, 0x1000, 0x80000000, EXO_USER_END, EXO_WINDOW, 0xffffffc080200000, ~0ul};
    for (u32 i = 0; i < sizeof nowhere / 8; i++) {
        kt_with = nowhere[i];
        CHECK(exo_cons_write((void *)nowhere[i], 1).err, E_ADDR);
        CHECK(exo_cons_read((void *)nowhere[i], 1).err, E_ADDR);
    }
    kt_with = 0;
    for (EACH_BAD(bad, acct)) CHECK(exo_cons_give(bad), E_ACCT);
    CHECK(exo_cons_give(0), E_ACCT);
    CHECK(exo_cons_give(1), E_KIN);
    win_end(w);
    CHECK(exo_cons_write(w, 1).err, E_ADDR);
    page_end(p);
    page_end(q);
}

// Nothing is typed here: that is no error. What it would write to must be writable, and is not touched.
static void read(void) {
    ppn_t p = page_new();
    char *w = map(p, RW);
    memset(w, 'x', 64);
    struct exo_ret r = exo_cons_read(w, 64);
    CHECK(r.err, 0);
    CHECK(r.val, 0);
    CHECK(w[0], 'x');
    CHECK(exo_cons_read(w, 0).err, 0);
    CHECK(exo_cons_read(w + EXO_PAGE - 1, ~0ul).err, 0);
    CHECK(exo_protect(kt_root, (va_t)w, PTE_W, 0, 0).err, 0);
    CHECK(exo_cons_read(w, 1).err, E_ADDR);
    CHECK(exo_cons_write(w, 0).err, 0);
    win_end(w);
    w = map(p, PTE_X); // not to be read either
    CHECK(exo_cons_write(w, 1).err, E_ADDR);
    win_end(w);
    page_end(p);
}

static void child(u64 unused) {
    char text[32] __attribute__((aligned(32))) = "# a line of a child's\n";
    (void)unused;
    CHECK(exo_cons_write(text, 22).err, E_OWNER);
    CHECK(exo_cons_read(text, 1).err, E_OWNER);
    CHECK(exo_cons_write(NULL, 1).err, E_ADDR);
    CHECK(exo_cons_give(1), E_OWNER);
    CHECK(exo_cons_give(self_account()), E_OWNER);
    CHECK(exo_cons_give(0), E_ACCT);
    sh->w[0] = 1;
    while (!sh->w[1]) rt_yield(0);
    CHECK(EXO_WORDS->console, self_account());
    CHECK(exo_cons_write(text, 22).val, 22);
    CHECK(exo_cons_read(text, 1).err, 0);
    CHECK(exo_cons_give(self_account()), E_KIN);
    if (sh->w[2]) CHECK(exo_cons_give(1), 0);
    rt_exit();
}

// To a child; back by its own hand, or with its end.
static void give(void) {
    char text[8] __attribute__((aligned(8))) = "#\n";
    for (u32 back = 0; back < 2; back++) {
        struct child c;
        sh->w[0] = sh->w[1] = 0;
        sh->w[2] = back;
        if (!child_new(&c, CHILD_PAGES, 1, 0, 0, 0, child, 0)) return;
        child_run(&c);
        WAIT(sh->w[0]);
        CHECK(exo_cons_give(c.acct), 0);
        CHECK(EXO_WORDS->console, c.acct);
        CHECK(exo_cons_write(text, 2).err, E_OWNER);
        CHECK(exo_cons_read(text, 2).err, E_OWNER);
        CHECK(exo_cons_give(c.acct), E_OWNER);
        sh->w[1] = 1;
        WAIT(!env_lives(c.eid));
        CHECK(EXO_WORDS->console, back ? 1 : c.acct);
        child_end(&c);
        CHECK(EXO_WORDS->console, 1);
        CHECK(exo_cons_write(text, 2).err, 0);
    }
    struct exo_ret r = exo_acct_new(1, 0, 0, 0);
    CHECK(exo_acct_end(r.val), 0);
    if (EXO_ACCTS[r.val].state == ACCT_ENDING) CHECK(exo_cons_give(r.val), E_STATE);
    acct_gone((u32)r.val);
}

static const struct test console_tests[] = {T(write), T(read), T(give)};
AREA(console);
