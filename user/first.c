// The boot image: the machine's policy, in environment 1 of account 1. It reads the manifest in the disk's
// label and, for each line, makes an account, gives it what the line says, loads its image and starts it.
// Then it sleeps until something stopped (a libOS all of whose environments are gone or stopped is started
// again, but not if it lives for less than a second a few times in a row) or memory runs low (it asks back
// what an account holds above its reserve). A libOS ends the machine through a door: see first.h. With the
// boot argument limit=MS it ends it itself, once that much of the machine's time has gone; with grace=MS that
// is how long it leaves who is asked for memory, if that can be done or not.
#include "rt/rt.h"
#include "bootarg.h"

#define WINDOW \
    ((va_t)&image + 0x100000)     // where it looks at pages; the kernel's table for the image covers it
#define UA_TOP       0x3ffffff000 // a libOS's first u-area; the doors' lie below ours
#define MARGIN       64           // pages that a line without a number leaves
#define DOOR_SLOT    1            // of each hart
#define RESTARTS     3
#define GRACE_MS     2000 // to answer a revocation: that may take writing to the disk, on a busy host
#define LOOK_MS      1000
#define SWEEP_MS     10 // an ended account is soon gone
#define MORE_MS      50 // while memory is low
#define LIMIT_STATUS 5  // QEMU's, when the limit has passed

struct libos {
    const struct label_line *line;
    u32 slot, nslots; // of each hart
    u32 account;      // 0: not running
    u32 starts;       // one after another, each of which lived for less than a second
    u64 started;      // the last, in `time`
};

static struct label label __attribute__((aligned(EXO_PAGE)));
static struct libos libos[LABEL_LINES];
static ppn_t root, disk_code, sleep_code;
static eid_t door[EXO_NHART];
static cap_t door_cap;
static u64 ms, grace, limit; // `time`; ~0: none

// ---- doors ----

// A door is run by whoever calls it, and by a slot of its own when its client died in the middle: then, as
// when it is new or a call took it past the end of a slice, it replies once more and waits for nothing, until
// it is called.
extern const char door_call[], door_prologue[], door_epilogue[];
__asm__(".text\n"
        "door_call:\n"
        "    li   t1, 1\n" // FIRST_POWEROFF
        "    bne  a0, t1, 1f\n"
        "    mv   a0, a1\n"
        "    li   a7, 0x12d\n" // EXO_HALT
        "    ecall\n"
        "    j    2f\n"
        "1:  li   a0, -2\n"    // E_ARG
        "2:  li   a7, 0x105\n" // EXO_REPLY: refused, the slice is over or the caller gone
        "    ecall\n"
        "door_epilogue:\n"
        "    li   a0, 0\n"
        "    li   a7, 0x101\n" // EXO_YIELD
        "    ecall\n"
        "door_prologue:\n"
        "    sd   zero, (t0)\n"  // the mask
        "    sd   zero, 8(t0)\n" // and pending: taken by force it has nothing to go on with
        "    mv   s0, t0\n"
        "    li   a0, -27\n"   // E_TIME: the caller may try again
        "    li   a7, 0x105\n" // EXO_REPLY: refused if nobody called
        "    ecall\n"
        "    ld   a0, 0x400(s0)\n" // UA_LIBOS: the page of the predicate `never`
        "    li   a4, 0\n"
        "    li   a7, 0x102\n" // EXO_WAIT
        "    ecall\n"
        "    j    door_epilogue\n");
_Static_assert(FIRST_POWEROFF == 1 && EXO_HALT == 0x12d && EXO_REPLY == 0x105 && EXO_YIELD == 0x101 &&
                   EXO_WAIT == 0x102 && UA_LIBOS == 0x400 && UA_PENDING == 8 && E_ARG == -2 && E_TIME == -27,
               "as written above");

void rt_fault(struct exo_uarea *ua) {
    print("first: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    exo_halt(2);
}

static void must(i64 err, const char *what) {
    if (!err) return;
    print("first: %s: error %ld\n", what, err);
    exo_halt(2);
}

// Shows an own page at the window, or takes it away (0).
static void *look(ppn_t ppn) {
    if (ppn)
        must(rt_map(root, WINDOW, ppn, PTE_R | PTE_W), "window");
    else
        exo_unbind(root, WINDOW, 0);
    return (void *)WINDOW;
}

// ---- sleeping ----

static ppn_t load_code(const struct pred_insn *insn, u32 n) {
    struct exo_ret page = exo_page_alloc(0, 0);
    must(page.err, "a predicate's page");
    struct pred_code *c = look((ppn_t)page.val);
    c->n = n;
    memcpy(c->insn, insn, n * sizeof *insn);
    look(0);
    must(exo_code_load(page.val), "a predicate");
    return (ppn_t)page.val;
}

static const struct pred_insn never[] = {{PRED_RET, 0, 0, 0, 0}};
static const struct pred_insn disk_event[] = {
    {PRED_LD, 5, 0, 0, offsetof(struct exo_words, completions)},
    {PRED_SUB, 5, 5, 1, 0},
    {PRED_RET, 0, 5, 0, 0},
};
static const struct pred_insn any_event[] = {
    {PRED_LD, 5, 0, 0, offsetof(struct exo_words, stops)},
    {PRED_BNE, 0, 5, 1, 4},
    {PRED_LD, 5, 0, 0, offsetof(struct exo_words, free)},
    {PRED_BLTU, 0, 5, 2, 2},
    {PRED_BGEU, 0, 4, 3, 1},
    {PRED_RET, 0, 0, 0, 0},
    {PRED_LI, 5, 0, 0, 1},
    {PRED_RET, 0, 5, 0, 0},
};

// Until a disk request completed since there had been `seen`.
static void wait_disk(u64 seen) { must(rt_wait(disk_code, seen, 0, 0, 0), "wait"); }

// Until something stopped since `seen`, or fewer than `free` pages are free, or it is `time`. What others
// have the disk do wakes nobody here.
static void wait_event(u64 seen, u64 free, u64 time) {
    must(rt_wait(sleep_code, seen, free, time, 0), "wait");
}

static void doors(void) {
    ppn_t never_code = load_code(never, 1);
    door_cap = exo_cap_new().val;
    for (u32 h = 0; h < EXO_WORDS->nharts; h++) {
        struct exo_ret page = exo_page_alloc(0, 0);
        must(page.err, "a door's page");
        struct exo_uarea *ua = look((ppn_t)page.val);
        ua->entry[1] = (va_t)door_epilogue;
        ua->entry[2] = (va_t)door_prologue;
        ua->entry[3] = (va_t)door_call;
        *(u64 *)ua->libos = never_code;
        look(0);
        va_t uva = UA_TOP - (h + 1) * EXO_PAGE;
        struct exo_ret env = exo_env_new(h, root, page.val, uva);
        must(env.err, "a door");
        must(rt_map(root, uva, (ppn_t)page.val, PTE_R | PTE_W), "a door's u-area");
        must(exo_env_accept(env.val, door_cap), "a door");
        must(exo_slot_set(h, DOOR_SLOT, env.val), "a door's slot");
        must(exo_env_ctl(env.val, ENV_RUN), "a door");
        door[h] = (eid_t)env.val;
    }
}

// ---- disk ----

static u32 extent_named(const char *name) {
    for (u32 i = 0; i < EXO_WORDS->nexts; i++) {
        u32 n = 0;
        while (n < sizeof EXO_EXTS[i].name && name[n] && EXO_EXTS[i].name[n] == (u8)name[n]) n++;
        if (EXO_EXTS[i].count && !name[n] && (n == sizeof EXO_EXTS[i].name || !EXO_EXTS[i].name[n])) return i;
    }
    return EXO_NEXT;
}

static i64 disk_read(u32 ext, u64 block, const ppn_t *ppns, u32 n) {
    struct exo_ret request = exo_disk_submit(DISK_READ, n, ext, block, ppns, 0);
    if (request.err) return request.err;
    for (;;) {
        u64 seen = EXO_WORDS->completions;
        struct exo_ret done = exo_disk_done(request.val);
        if (done.err != E_BUSY) return done.err ? done.err : (i64)done.val;
        wait_disk(seen);
    }
}

static void read_label(void) {
    struct exo_ret page = exo_page_alloc(0, 0);
    must(page.err, "the label's page");
    ppn_t ppn[1] __attribute__((aligned(8))) = {(ppn_t)page.val};
    must(disk_read(extent_named(LABEL_EXTENT), 0, ppn, 1), "reading the label");
    memcpy(&label, look(ppn[0]), sizeof label);
    look(0);
    must(exo_page_free(ppn[0]), "the label's page");
    must(label_check(&label, label.nblocks), "the label");
}

// ---- loading ----

// Binds a page of the child's in its space; tables are made on the way, where there is none.
static i64 bind_there(u32 acct, ppn_t to, va_t va, ppn_t ppn, u64 bits) {
    for (;;) {
        i64 err = rt_map(to, va, ppn, bits);
        if (err != E_TABLE) return err;
        struct exo_ret table = exo_page_alloc(0, 0);
        err = table.err ? table.err : exo_page_give(table.val, acct);
        if (!err) err = exo_pt_link(to, va & -(EXO_PAGE * 512ul), 0, table.val);
        if (err == E_TABLE) err = exo_pt_link(to, va & -(EXO_PAGE * 512ul * 512), 1, table.val);
        if (err) return err;
    }
}

// Hands an own page to the child and binds it there.
static i64 place(u32 acct, ppn_t to, va_t va, ppn_t ppn, u64 bits) {
    i64 err = exo_page_give(ppn, acct);
    return err ? err : bind_there(acct, to, va, ppn, bits);
}

static i64 load_zeroed(u32 acct, ppn_t to, va_t va, u64 bytes) {
    i64 err = 0;
    for (va_t end = va + bytes; !err && va < end; va += EXO_PAGE) {
        struct exo_ret page = exo_page_alloc(0, 0);
        err = page.err ? page.err : place(acct, to, va, (ppn_t)page.val, PTE_R | PTE_W);
    }
    return err;
}

static i64 load_blocks(u32 acct, ppn_t to, u32 ext, const struct image_header *h) {
    u32 n = (h->text + h->rodata + h->data) / EXO_PAGE;
    for (u32 i = 0, count; i < n; i += count) {
        ppn_t ppns[EXO_REQ_BLOCKS] __attribute__((aligned(64)));
        for (count = 0; count < EXO_REQ_BLOCKS && i + count < n; count++) {
            struct exo_ret page = exo_page_alloc(0, 0);
            if (page.err) return page.err;
            ppns[count] = (ppn_t)page.val;
        }
        i64 err = disk_read(ext, i, ppns, count);
        for (u32 j = 0; !err && j < count; j++) {
            u64 at = (u64)(i + j) * EXO_PAGE;
            u64 bits = at < h->text ? PTE_R | PTE_X : at < h->text + h->rodata ? PTE_R : PTE_R | PTE_W;
            err = place(acct, to, h->load + at, ppns[j], bits);
        }
        if (err) return err;
    }
    return 0;
}

// The first environment: its u-area tells it what first.h says.
static i64 load_env(struct libos *l, ppn_t to, va_t entry, eid_t *eid) {
    struct exo_ret page = exo_page_alloc(0, 0), env;
    if (page.err) return page.err;
    struct exo_uarea *ua = look((ppn_t)page.val);
    struct first_args *args = (struct first_args *)ua->libos;
    ua->mask = MASK_LIBOS;
    ua->entry[2] = entry;
    memcpy(args->args, l->line->args, LABEL_ARGS);
    args->uarea = (ppn_t)page.val;
    args->door_cap = door_cap;
    memcpy(args->door, door, sizeof door);
    look(0);
    i64 err = exo_page_give(page.val, l->account);
    if (err) return err;
    env = exo_env_new(0, to, page.val, UA_TOP);
    *eid = (eid_t)env.val;
    return env.err ? env.err : bind_there(l->account, to, UA_TOP, (ppn_t)page.val, PTE_R | PTE_W);
}

static i64 load(struct libos *l, eid_t *eid) {
    u32 ext = extent_named(l->line->image);
    struct exo_ret head = exo_page_alloc(0, 0), top = exo_page_alloc(0, 0);
    if (head.err || top.err) return E_RESERVE;
    ppn_t ppn[1] __attribute__((aligned(8))) = {(ppn_t)head.val};
    struct image_header h;
    i64 err = disk_read(ext, 0, ppn, 1);
    if (err) return err;
    memcpy(&h, look(ppn[0]), sizeof h);
    look(0);
    exo_page_free(ppn[0]);
    enum label_error bad = image_check(&h, (u64)EXO_EXTS[ext].count * EXO_PAGE);
    if (bad) {
        print("first: %s: %s\n", l->line->image, label_error_name(bad));
        return E_ARG;
    }
    va_t bss = h.load + h.text + h.rodata + h.data;
    ppn_t to = (ppn_t)top.val;
    err = exo_page_give(to, l->account);
    if (!err) err = exo_pt_link(to, 0, 2, to);
    if (!err) err = load_blocks(l->account, to, ext, &h);
    if (!err) err = load_zeroed(l->account, to, bss, h.bss);
    if (!err) err = load_zeroed(l->account, to, bss + h.bss + EXO_PAGE, h.stack);
    return err ? err : load_env(l, to, h.entry, eid);
}

// ---- memory ----

// Does it still owe pages that it was asked for?
static bool owes(const volatile struct exo_acct *a) {
    u32 target = a->revoke_target > a->reserve ? a->revoke_target : a->reserve;
    return a->revoke_deadline && a->held - a->doomed > target;
}

// Asks the account that holds most above its reserve for it, unless it was asked already: a second request
// would only put the deadline off. True if there is one.
static bool call_back(u64 n) {
    u32 most = 0, from = 0;
    for (u32 i = 0; i < label.nlines; i++) {
        const volatile struct exo_acct *a = &EXO_ACCTS[libos[i].account];
        if (libos[i].account && a->held > a->reserve && a->held - a->reserve > most) {
            most = a->held - a->reserve;
            from = libos[i].account;
        }
    }
    if (from && !owes(&EXO_ACCTS[from])) exo_revoke(from, most < n ? most : n, exo_time() + grace);
    return from != 0;
}

// ---- starting and ending ----

static i64 give(struct libos *l) {
    i64 err = 0;
    for (u32 h = 0; !err && l->nslots && h < EXO_WORDS->nharts; h++)
        err = exo_slot_give(h, l->slot, l->nslots, l->account);
    for (u32 i = 0; !err && i < label.nextents; i++)
        if (l->line->extents >> i & 1) err = exo_ext_give(extent_named(label.extent[i].name), l->account);
    return err;
}

static void start(struct libos *l) {
    const struct label_line *line = l->line;
    const volatile struct exo_acct *mine = &EXO_ACCTS[self_account()];
    u32 left = mine->reserve > mine->held + MARGIN ? mine->reserve - mine->held - MARGIN : 0;
    u32 pages = line->pages ? line->pages : left;
    u32 given = 0;
    for (u32 bits = line->extents; bits; bits &= bits - 1) given++;
    struct exo_ret acct = exo_acct_new(pages, line->envs, line->accounts, line->more_extents + given);
    eid_t eid = 0;
    i64 err = acct.err;
    l->starts++;
    l->started = exo_time();
    if (!err) {
        l->account = (u32)acct.val;
        err = give(l);
        if (!err) err = load(l, &eid);
        if (!err) err = exo_slot_set(0, l->slot, eid);
        if (!err && line->flags & LINE_CONSOLE) err = exo_cons_give(l->account);
        if (!err) err = exo_env_ctl(eid, ENV_RUN);
    }
    if (acct.err) call_back(pages);
    if (err) print("first: %s does not start: error %ld\n", line->name, err);
    if (err && l->account) exo_acct_end(l->account);
}

static bool lives(u32 acct) {
    for (u32 i = 0; i < EXO_NENV; i++)
        if (EXO_ENVS[i].eid && EXO_ENVS[i].account == acct && !(EXO_ENVS[i].state & ENV_STOPPED)) return true;
    return false;
}

// One look at a libOS; an ended account is started again once it is swept. True if that is still to come.
static bool look_after(struct libos *l) {
    u32 state = EXO_ACCTS[l->account].state;
    if (!l->account) { // given up, or there was not enough for an account
        if (l->starts <= RESTARTS && exo_time() - l->started > LOOK_MS * ms) start(l);
        return false;
    }
    if (state == ACCT_RUN && lives(l->account)) return false;
    if (state != ACCT_FREE) {
        i64 err = exo_acct_end(l->account); // E_STATE if it is ending already
        if (!err && exo_time() - l->started > LOOK_MS * ms) l->starts = 0;
        return true;
    }
    l->account = 0;
    if (EXO_WORDS->console == self_account())
        print("first: %s ended%s\n", l->line->name, l->starts > RESTARTS ? " too often" : "; once more");
    if (l->starts <= RESTARTS) start(l);
    return false;
}

// What no line was promised is anyone's.
static void keep_little(void) {
    const volatile struct exo_acct *a = &EXO_ACCTS[self_account()];
    exo_acct_set(self_account(), a->held + MARGIN, a->envs, a->accts, a->exts);
}

// Each line has its slots for good: those that name a number, then the first that does not has all the rest.
static void share_slots(void) {
    u32 next = DOOR_SLOT + 1; // slot 0 is ours
    for (u32 i = 0; i < label.nlines; i++) {
        libos[i].line = &label.line[i];
        libos[i].nslots = label.line[i].slots;
        if (libos[i].nslots > EXO_NSLOT - next) libos[i].nslots = EXO_NSLOT - next;
        libos[i].slot = next;
        next += libos[i].nslots;
    }
    for (u32 i = 0; i < label.nlines; i++)
        if (!libos[i].line->slots) {
            libos[i].slot = next;
            libos[i].nslots = EXO_NSLOT - next;
            next = EXO_NSLOT;
        }
}

// From reset until every line has been started.
static void begin(void) {
    root = EXO_ENVS[self() & EXO_EID_INDEX].root;
    ms = EXO_WORDS->timebase / 1000;
    grace = boot_number("grace", GRACE_MS) * ms;
    u64 most = boot_number("limit", 0);
    limit = most ? EXO_WORDS->boot_time + most * ms : ~0ul;
    disk_code = load_code(disk_event, sizeof disk_event / sizeof *disk_event);
    sleep_code = load_code(any_event, sizeof any_event / sizeof *any_event);
    doors();
    read_label();
    share_slots();
    for (u32 i = 0; i < label.nlines; i++) start(&libos[i]);
    keep_little();
}

// Looks after all of them once, then sleeps until there is something to do, or `time`.
static void step(u64 time) {
    u64 seen = EXO_WORDS->stops, low = EXO_WORDS->npages / 64, soon = 0;
    bool sweeping = false;
    for (u32 i = 0; i < label.nlines; i++) sweeping |= look_after(&libos[i]);
    if (EXO_WORDS->free < low && call_back(low)) soon = exo_time() + MORE_MS * ms;
    if (sweeping) soon = exo_time() + SWEEP_MS * ms;
    if (soon && soon < time) time = soon;
    wait_event(seen, EXO_WORDS->free < low ? 0 : low, time < limit ? time : limit);
    if (exo_time() < limit) return;
    print("first: not over within %lu ms (boot argument limit)\n", boot_number("limit", 0));
    exo_halt(LIMIT_STATUS);
}

int main(void);
int main(void) {
    begin();
    for (;;) step(exo_time() + LOOK_MS * ms);
}
