// Tests of extents, disk requests and both disk drivers, on the host: each call's success and each of its
// errors, at the edges; requests of accounts that end; fairness; what the RAM disk delays; and a virtio
// device that cheats. After everything the pins, counts and records are counted anew and must agree.
#include <setjmp.h>
#include "fake_virtio.h"
#include "kernel/extent.c"
#include "kernel/ramdisk.c"
#include "kernel/virtio.c"
#include "kernel/disk.c"

u32 trace_on = 1, work;
static u32 starts[4096], nstarts; // accounts, in the order in which their requests were begun
static u32 enabled_irq;

void trace(u32 event, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4) {
    (void)w0, (void)w2, (void)w3, (void)w4;
    if (event == TRACE_DISK_START && nstarts < 4096) starts[nstarts++] = (u32)(w1 >> 16);
}

void plic_enable(u32 irq) { enabled_irq = irq; }

static jmp_buf panicked;

void panic(const char *format, ...) {
    snprintf(said, sizeof(said), "%s", format);
    longjmp(panicked, 1);
}

// Accounts: 1; its children 2 (running), 3 (new), 4 (ending), 5 (running); 6 is 2's child. Pages go round
// among 1, 2, 3 and 5; the last 64 are the RAM disk. Extents: 0 = block 0, 1 = blocks 1-31 of account 1, 2 =
// 32-63 of 2.
enum { IMAGE = NPAGES - STORE };

static void world(void) {
    memset(accts, 0, sizeof(accts));
    memset(reqs, 0, sizeof(reqs));
    memset(queues, 0, sizeof(queues));
    memset(exts, 0, sizeof(exts));
    memset(ext_caps, 0, sizeof(ext_caps));
    memset(flight, 0, sizeof(flight));
    memset(flights, 0, sizeof(flights));
    memset((void *)&avail, 0, sizeof(avail));
    memset((void *)&used, 0, sizeof(used));
    memset(page_records, 0, sizeof(page_records));
    active = turn = waiting = flying = seen = nstarts = pokes = 0;
    off = false;
    words->completions = 0;
    words->timebase = 10000000;
    machine.timebase = 10000000;
    host_time = time_step = 0;
    static const u8 state[] = {0, ACCT_RUN, ACCT_RUN, ACCT_NEW, ACCT_ENDING, ACCT_RUN, ACCT_RUN};
    static const u8 parent[] = {0, 0, 1, 1, 1, 1, 2};
    for (u32 i = 1; i <= 6; i++)
        accts[i] = (struct exo_acct){.state = state[i], .parent = parent[i], .reserve = NPAGES, .exts = 4};
    accts[1].exts = EXO_NEXT - 20;
    static const u8 owner[] = {1, 2, 3, 5};
    for (u32 i = 0; i < NPAGES; i++)
        pages[i] = (struct exo_page){.type = i < IMAGE ? PAGE_DATA : PAGE_KERNEL, .account = owner[i % 4]};
    struct label l = {.nextents = 3, .extent = {{"label", 0, 1}, {"one", 1, 31}, {"two", 32, 32}}};
    ext_init(&l);
    exts[2].account = 2;
    accts[1].exts_used--;
    accts[2].exts_used++;
    call_as(1);
}

// The i-th page of an account.
static ppn_t page_of(u32 account, u32 i) { return ppn_at(4 * (i + 1) + (account == 5 ? 3 : account - 1)); }

static void recount(void) {
    u32 pins[NPAGES] = {0}, of_ext[EXO_NEXT] = {0}, of_acct[EXO_NACCT + 1] = {0}, flying_now = 0;
    u32 fixed[EXO_NACCT + 1] = {0}, owned[EXO_NACCT + 1] = {0}, all = 0;
    for (u32 i = 0; i < EXO_NACCT * EXO_NREQ; i++) {
        struct exo_req *r = &reqs[i];
        if (r->state == REQ_FREE) continue;
        CHECK(r->account == i / EXO_NREQ + 1 && (r->id & 0xffff) == i && r->id >> 16);
        of_acct[r->account]++;
        if (r->state == REQ_DONE) continue;
        flying_now += r->state != REQ_QUEUED;
        of_ext[r->ext]++;
        for (u32 j = 0; j < r->count; j++) pins[r->ppns[j] - EXO_PPN_BASE]++;
    }
    for (u32 i = 0; i < NPAGES; i++) {
        CHECK(pages[i].pins == pins[i]);
        fixed[pages[i].account] += page_fixed(&pages[i]);
    }
    for (u32 i = 0; i < EXO_NEXT; i++) {
        CHECK(exts[i].requests == of_ext[i]);
        owned[exts[i].account] += exts[i].count != 0;
    }
    for (u32 i = 1; i <= EXO_NACCT; i++) {
        CHECK(accts[i].requests == of_acct[i] && accts[i].fixed == fixed[i] &&
              accts[i].exts_used == owned[i]);
        u32 queued = 0;
        for (u32 j = 0; j < EXO_NREQ; j++) queued += reqs[(i - 1) * EXO_NREQ + j].state == REQ_QUEUED;
        CHECK(queues[i - 1].n == queued && (!queued || active == disk.depth));
        all += queued;
    }
    CHECK(active == flying_now && waiting == all);
}

static void use_virtio(void) {
    world();
    device_new();
    machine.initrd = (struct range){0, 0};
    CHECK(disk_open() == STORE);
}

static void use_ramdisk(const char *args) {
    world();
    bootargs = args;
    machine.initrd = (struct range){(u64)ppn_at(IMAGE) * EXO_PAGE, (u64)ppn_at(NPAGES) * EXO_PAGE};
    CHECK(disk_open() == STORE);
    for (u32 i = 0; i < STORE * EXO_PAGE; i++) ram[IMAGE * EXO_PAGE + i] = (u8)(i / EXO_PAGE * 7 + i);
}

// ---- calls, as an environment makes them: the array lies at the start of page 1 of RAM ----

static struct ret submit_array(u32 op, u32 count, u64 ext, u64 offset, cap_t cap) {
    return do_disk_submit(op | (u64)count << 8, ext, offset, EXO_PAGE, cap);
}

static struct ret submit_pages(u32 account, u32 op, u32 count, u64 ext, u64 offset) {
    ppn_t *array = (ppn_t *)(ram + EXO_PAGE);
    for (u32 i = 0; i < count && i < EXO_REQ_BLOCKS; i++) array[i] = page_of(account, i);
    call_as(account);
    return submit_array(op, count, ext, offset, 0);
}

static void irq(void) { disk_interrupt(DEVICE_IRQ); }

static i64 finish_as(u32 account, u64 id) {
    call_as(account);
    struct ret r = do_disk_done(id, 0, 0, 0, 0);
    return r.err ? r.err : (i64)r.val;
}

#define SPLIT(e, n)  do_ext_split(e, n, 0, 0, 0)
#define JOIN(a, b)   do_ext_join(a, b, 0, 0, 0)
#define GIVE(e, a)   do_ext_give(e, a, 0, 0, 0)
#define SET(e, r, w) do_ext_set(e, r, w, 0, 0)

static void test_extents(void) {
    use_virtio();
    check("split: no such extent", E_EXT, SPLIT(3, 1).err);
    check("split: past the last record", E_EXT, SPLIT(EXO_NEXT, 1).err);
    check("split: wild name", E_EXT, SPLIT(1UL << 32 | 1, 1).err);
    check("split: another's", E_OWNER, SPLIT(2, 1).err);
    check("split: at 0", E_ARG, SPLIT(1, 0).err);
    check("split: at its end", E_ARG, SPLIT(1, 31).err);
    check("split: wild count", E_ARG, SPLIT(1, 1UL << 32 | 1).err);
    check("split: one block", E_ARG, SPLIT(0, 1).err);
    exts[1].requests = 1;
    check("split: in use", E_BUSY, SPLIT(1, 1).err);
    exts[1].requests = 0;
    accts[1].exts = 2;
    check("split: quota", E_QUOTA, SPLIT(1, 1).err);
    accts[1].exts = EXO_NEXT - 20;
    SET(1, 11, 12);
    struct ret r = SPLIT(1, 30);
    check("split: at its last block", 0, r.err);
    check("split: takes the lowest free record", 3, (i64)r.val);
    check("split: where the rest starts", 31, (i64)exts[3].start);
    check("split: what the rest has", 1, exts[3].count);
    check("split: what is left", 30, exts[1].count);
    check("split: keeps the name", 'o', exts[3].name[0]);
    check("split: keeps the capabilities", 12, (i64)ext_caps[3].w);
    check("split: counts", 3, accts[1].exts_used);
    check("split: nexts", 4, (i64)words->nexts);
    check("split: first block", 0, SPLIT(1, 1).err); // 1: block 1; 4: blocks 2-30

    check("join: no such extent", E_EXT, JOIN(1, 9).err);
    check("join: another's", E_OWNER, JOIN(3, 2).err);
    check("join: with itself", E_ARG, JOIN(1, 1).err);
    check("join: apart", E_ARG, JOIN(1, 3).err);
    check("join: the wrong way round", E_ARG, JOIN(4, 1).err);
    SET(4, 11, 13);
    check("join: another write capability", E_CAP, JOIN(1, 4).err);
    SET(4, 10, 12);
    check("join: another read capability", E_CAP, JOIN(1, 4).err);
    SET(4, 11, 12);
    exts[4].requests = 1;
    check("join: the second in use", E_BUSY, JOIN(1, 4).err);
    exts[4].requests = 0, exts[1].requests = 1;
    check("join: the first in use", E_BUSY, JOIN(1, 4).err);
    exts[1].requests = 0;
    check("join: neighbours", 0, JOIN(1, 4).err);
    check("join: all of it", 30, exts[1].count);
    check("join: the record is free", 0, exts[4].count);
    check("join: no capability stays behind", 0, (i64)(ext_caps[4].r | ext_caps[4].w));
    exts[3].count = 0xffffffff;
    check("join: more than a count holds", E_ARG, JOIN(1, 3).err);
    exts[3].count = 1;
    exts[3].account = 3; // a child that has not run: its parent owns it too
    check("join: of two accounts", E_OWNER, JOIN(1, 3).err);
    exts[3].account = 1;
    check("join: back to what it was", 0, JOIN(1, 3).err);
    recount();

    check("give: no such extent", E_EXT, GIVE(3, 2).err);
    check("give: account 0", E_ACCT, GIVE(1, 0).err);
    check("give: no such account", E_ACCT, GIVE(1, 7).err);
    check("give: wild account", E_ACCT, GIVE(1, 1UL << 32 | 2).err);
    check("give: another's", E_OWNER, GIVE(2, 2).err);
    check("give: to a grandchild", E_KIN, GIVE(1, 6).err);
    check("give: to oneself", E_KIN, GIVE(1, 1).err);
    check("give: to an account that ends", E_STATE, GIVE(1, 4).err);
    exts[1].requests = 1;
    check("give: in use", E_BUSY, GIVE(1, 2).err);
    exts[1].requests = 0;
    accts[2].exts = 1;
    check("give: their quota", E_QUOTA, GIVE(1, 2).err);
    accts[2].exts = 4;
    check("give: to a child", 0, GIVE(1, 2).err);
    check("give: capabilities are 0", 0, (i64)(ext_caps[1].r | ext_caps[1].w));
    check("give: it is theirs", E_OWNER, SET(1, 1, 1).err);
    call_as(2);
    check("give: to a sibling", E_KIN, GIVE(1, 5).err);
    check("give: to the parent", 0, GIVE(1, 1).err);
    check("set: no such extent", E_EXT, SET(200, 1, 1).err);
    check("set: another's", E_OWNER, SET(1, 1, 1).err);
    check("set: own", 0, SET(2, 1, 1).err);
    recount();
    ext_inherit(2, 1);
    check("inherit: owner", 1, exts[2].account);
    check("inherit: quota", EXO_NEXT - 16, accts[1].exts);
    check("inherit: capabilities are 0", 0, (i64)ext_caps[2].r);
    recount();

    call_as(1);
    accts[1].exts = EXO_NEXT;
    accts[1].exts_used = 3;
    exts[1].count = 10000;
    u32 n = 0;
    while (!SPLIT(1, 1 + n).err) // the rest shrinks from above
        exts[1].count = 10000, n++;
    check("split: all records can be used", EXO_NEXT - 3, n);
    check("split: the last one", EXO_NEXT, (i64)words->nexts);
}

static void test_submit_errors(void) {
    use_virtio();
    ppn_t *array = (ppn_t *)(ram + EXO_PAGE);
    memset(array, 0, 64);
    for (u32 i = 0; i < 16; i++) array[i] = page_of(1, i);
    check("submit: no such operation", E_ARG, submit_array(3, 1, 1, 0, 0).err);
    check("submit: read of nothing", E_ARG, submit_array(DISK_READ, 0, 1, 0, 0).err);
    check("submit: write of nothing", E_ARG, submit_array(DISK_WRITE, 0, 1, 0, 0).err);
    check("submit: 17 blocks", E_ARG, submit_array(DISK_READ, 17, 1, 0, 0).err);
    check("submit: wild count", E_ARG, do_disk_submit(1UL << 40 | 1 << 8, 1, 0, EXO_PAGE, 0).err);
    check("submit: flush with blocks", E_ARG, submit_array(DISK_FLUSH, 1, 1, 0, 0).err);
    check("submit: array not aligned", E_ADDR, do_disk_submit(1 << 8, 1, 0, EXO_PAGE + 4, 0).err);
    check("submit: array crosses a page", E_ADDR, do_disk_submit(3 << 8, 1, 0, 2 * EXO_PAGE - 8, 0).err);
    check("submit: array not mapped", E_ADDR, do_disk_submit(1 << 8, 1, 0, 0, 0).err);
    check("submit: no such extent", E_EXT, submit_array(DISK_READ, 1, 3, 0, 0).err);
    check("submit: wild extent", E_EXT, submit_array(DISK_READ, 1, 1UL << 32, 0, 0).err);
    check("submit: one block past the end", E_ARG, submit_array(DISK_READ, 2, 1, 30, 0).err);
    check("submit: from the end on", E_ARG, submit_array(DISK_READ, 1, 1, 31, 0).err);
    check("submit: offset wraps", E_ARG, submit_array(DISK_READ, 2, 1, ~0UL, 0).err);
    check("submit: offset wraps the device", E_ARG, submit_array(DISK_READ, 1, 1, -1UL << 32, 0).err);
    check("submit: another's extent", E_CAP, submit_array(DISK_READ, 1, 2, 0, 0).err);
    ext_caps[2] = (struct caps){5, 6};
    check("submit: wrong capability", E_CAP, submit_array(DISK_READ, 1, 2, 0, 6).err);
    check("submit: read capability for a write", E_CAP, submit_array(DISK_WRITE, 1, 2, 0, 5).err);
    check("submit: read capability for a flush", E_CAP, submit_array(DISK_FLUSH, 0, 2, 0, 5).err);
    array[1] = 0;
    check("submit: page 0", E_PPN, submit_array(DISK_READ, 2, 1, 0, 0).err);
    array[1] = ppn_at(NPAGES);
    check("submit: page past RAM", E_PPN, submit_array(DISK_READ, 2, 1, 0, 0).err);
    array[1] = ppn_at(IMAGE);
    check("submit: the kernel's page", E_PPN, submit_array(DISK_READ, 2, 1, 0, 0).err);
    array[0] = page_of(2, 0);
    check("submit: errors in the order of the checks", E_PPN, submit_array(DISK_READ, 2, 1, 0, 0).err);
    check("submit: another's page", E_OWNER, submit_array(DISK_READ, 1, 1, 0, 0).err);
    array[0] = page_of(1, 0), array[1] = page_of(1, 1);
    for (u32 t = PAGE_FREE; t <= PAGE_DOOMED; t++) {
        pages[page_of(1, 1) - EXO_PPN_BASE].type = (u8)t;
        if (t != PAGE_DATA) CHECK(submit_array(DISK_READ, 2, 1, 0, 0).err == E_TYPE);
    }
    check("submit: pages that are not data", E_TYPE, submit_array(DISK_WRITE, 2, 1, 0, 0).err);
    pages[page_of(1, 1) - EXO_PPN_BASE].type = PAGE_DATA;
    recount();

    accts[1].reserve = 1;
    check("submit: two pages where one may be fixed", E_FIXED, submit_array(DISK_READ, 2, 1, 0, 0).err);
    array[1] = array[0];
    check("submit: one page twice is fixed once", 0, submit_array(DISK_READ, 2, 1, 0, 0).err);
    check("submit: and pinned twice", 2, pages[array[0] - EXO_PPN_BASE].pins);
    check("submit: a page that is fixed needs no room", 0, submit_array(DISK_WRITE, 1, 1, 0, 0).err);
    recount();
    array[0] = page_of(3, 0), array[1] = page_of(3, 1), array[2] = page_of(1, 0);
    check("submit: pages of two accounts, though both are the caller's", E_OWNER,
          submit_array(DISK_READ, 3, 1, 0, 0).err);
    accts[3].reserve = 1;
    check("submit: pages of a child that has not run, its room", E_FIXED,
          submit_array(DISK_READ, 2, 1, 0, 0).err);
    accts[3].reserve = 2;
    check("submit: pages of a child that has not run", 0, submit_array(DISK_READ, 2, 1, 0, 0).err);
    recount();
    while (dev.npending) complete(0, 0);
    irq();
    recount();
    check("submit: nothing stays pinned", 0, accts[1].fixed + accts[3].fixed);
}

static void test_records(void) {
    use_virtio();
    u64 id[EXO_NREQ];
    for (u32 i = 0; i < EXO_NREQ; i++) {
        struct ret r = submit_pages(1, DISK_READ, 1, 1, 0);
        CHECK(!r.err);
        id[i] = r.val;
    }
    check("records: all in use", E_FULL, submit_pages(1, DISK_READ, 1, 1, 0).err);
    check("records: another account has its own", 0, submit_pages(2, DISK_READ, 1, 2, 0).err);
    check("records: the device has as many as it takes", RING / CHAIN, dev.npending);
    recount();
    check("done: in flight", E_BUSY, finish_as(1, id[0]));
    check("done: queued", E_BUSY, finish_as(1, id[15]));
    check("done: another's", E_OWNER, finish_as(2, id[0]));
    check("done: no such record", E_REQ, finish_as(1, 1 << 16 | EXO_NACCT * EXO_NREQ));
    check("done: free record", E_REQ, finish_as(1, reqs[900].id = 1 << 16 | 900));
    reqs[900].id = 0;
    check("done: 0", E_REQ, finish_as(1, 0));
    check("done: wrong generation", E_REQ, finish_as(1, id[0] + (1 << 16)));
    check("done: upper half", E_REQ, finish_as(1, id[0] | 1UL << 32));
    complete(3, 0);
    irq();
    check("done: status", 0, finish_as(1, id[3]));
    check("done: twice", E_REQ, finish_as(1, id[3]));
    u64 again = submit_pages(1, DISK_READ, 1, 1, 0).val;
    check("done: a new id for the record", 1, again != id[3] && (again & 0xffff) == (id[3] & 0xffff));
    check("done: the old id names nothing", E_REQ, finish_as(1, id[3]));
    recount();
    while (dev.npending) {
        complete(draw_below(dev.npending), 0);
        irq();
        recount();
    }
    check("records: all completed", EXO_NREQ + 2, (i64)words->completions);
    check("records: each completion pokes", EXO_NREQ + 2, pokes);
    for (u32 i = 0; i < 70000; i++) {
        u64 r = submit_pages(2, DISK_FLUSH, 0, 2, 0).val;
        CHECK(r >> 16 && r >> 16 <= 0xffff);
        complete(0, 0);
        irq();
        CHECK(finish_as(2, r) == 0);
    }
    check("records: generations go round", 1, accts[2].requests);
}

static void test_orphans(void) {
    use_virtio();
    for (u32 i = 0; i < EXO_NREQ; i++)                         // 14 in flight, 2 queued
        CHECK(!submit_pages(5, DISK_FLUSH, 0, 1, 0).err == 0); // not its extent
    exts[1].account = 5, accts[1].exts_used--, accts[5].exts_used++;
    u64 id[EXO_NREQ];
    for (u32 i = 0; i < EXO_NREQ; i++) id[i] = submit_pages(5, i % 2 ? DISK_READ : DISK_WRITE, 3, 1, 0).val;
    complete(0, 0);
    irq(); // 1 done, 14 in flight, 1 queued
    pages[page_of(5, 0) - EXO_PPN_BASE].type = PAGE_DOOMED;
    accts[5].fixed--;
    accts[5].state = ACCT_ENDING;
    u64 before = words->completions;
    disk_orphans(5);
    recount();
    check("orphans: those in flight stay", 14, accts[5].requests);
    check("orphans: and hold their pages", 14, pages[page_of(5, 0) - EXO_PPN_BASE].pins);
    check("orphans: and the extent", 14, exts[1].requests);
    check("orphans: cannot be collected", E_BUSY, finish_as(5, id[4]));
    check("orphans: one done is free", E_REQ, finish_as(5, id[0]));
    check("orphans: the queued one is free", E_REQ, finish_as(5, id[15]));
    for (u32 i = 0; i < 14; i++) {
        complete(0, (u8)(i % 3));
        irq();
        recount();
    }
    check("orphans: all gone", 0, accts[5].requests);
    check("orphans: silently", (i64)before, (i64)words->completions);
    check("orphans: a doomed page goes with the last", PAGE_FREE, pages[page_of(5, 0) - EXO_PPN_BASE].type);
    check("orphans: none left to begin", 0, dev.npending);
}

// Three accounts keep their queues full: they are begun in turn, and none more often than the others.
static void test_fairness(void) {
    use_virtio();
    accts[5].exts_used++, accts[1].exts_used--, exts[0].account = 5;
    static const u32 who[] = {1, 2, 5}, ext[] = {1, 2, 0};
    for (u32 round = 0; round < 900; round++) {
        for (u32 a = 0; a < 3; a++)
            while (!submit_pages(who[a], DISK_READ, 1, ext[a], 0).err)
                ;
        complete(0, 0);
        irq();
        for (u32 i = 0; i < EXO_NACCT * EXO_NREQ; i++)
            if (reqs[i].state == REQ_DONE) CHECK(finish_as(reqs[i].account, reqs[i].id) == 0);
    }
    u32 wrong = 0; // from the 15th on all three had queues
    for (u32 i = 60; i + 2 < nstarts; i++)
        wrong += starts[i] == starts[i + 1] || starts[i] == starts[i + 2] || starts[i + 1] == starts[i + 2];
    check("fairness: three accounts in turn", 0, wrong);
    check("fairness: something was begun", 1, nstarts > 900);
    u64 block = 0; // and each account's own in order: the queue is first in, first out
    use_virtio();
    for (u32 i = 0; i < EXO_NREQ; i++) CHECK(!submit_pages(1, DISK_READ, 1, 1, i).err);
    for (u32 i = 0; i < EXO_NREQ; i++) {
        wrong += dev.pending[0].block != 1 + block++;
        complete(0, 0);
        irq();
    }
    check("fairness: first in, first out", 0, wrong);
}

// What goes through the device comes back, at the right blocks.
static u32 through(void) {
    u32 wrong = 0;
    for (u32 i = 0; i < 16; i++) memset(ppn_to_va(page_of(2, i)), (int)(0x80 + i), EXO_PAGE);
    struct ret w = submit_pages(2, DISK_WRITE, 16, 2, 16);
    while (disk_due() != ~0UL || dev.npending)
        if (dev.npending) {
            complete(0, 0);
            irq();
        } else {
            host_time = disk_due();
            disk_tick();
        }
    wrong += finish_as(2, w.val) != 0;
    for (u32 i = 0; i < 16; i++) memset(ppn_to_va(page_of(2, i)), 0, EXO_PAGE);
    struct ret r = submit_pages(2, DISK_READ, 5, 2, 13);
    while (dev.npending) {
        complete(0, 0);
        irq();
    }
    host_time += 1000000;
    disk_tick();
    wrong += finish_as(2, r.val) != 0;
    for (u32 i = 0; i < 16; i++) {
        const u8 *page = ppn_to_va(page_of(2, i));
        u8 expected = (u8)(i < 3 ? (32 + 13 + i) * 7 : i < 5 ? 0x80 + i - 3 : 0);
        for (u32 j = 0; j < EXO_PAGE; j++) wrong += page[j] != (u8)(i < 3 ? expected + j : expected);
    }
    recount();
    return wrong;
}

static u64 first_due(void) {
    u64 first = ~0UL;
    for (u32 i = 0; i < EXO_NREQ; i++)
        if (reqs[i].state == REQ_ACTIVE && reqs[i].due < first) first = reqs[i].due;
    return first;
}

static void test_ramdisk(void) {
    use_ramdisk("");
    check("ramdisk: what is written is read", 0, through());
    check("ramdisk: never due", -1, (i64)disk_due());
    check("ramdisk: completes at once", 1, reqs[EXO_NREQ].state == REQ_FREE && words->completions == 2);
    u64 f = submit_pages(1, DISK_FLUSH, 0, 1, 31).val;
    check("ramdisk: flush, at the extent's end", 0, finish_as(1, f));
    use_ramdisk("disk=7");
    check("ramdisk, delayed: what is written is read", 0, through());

    use_ramdisk("disk=7");
    u64 id[EXO_NREQ], shortest = ~0UL, longest = 0;
    for (u32 i = 0; i < EXO_NREQ; i++) id[i] = submit_pages(1, DISK_READ, 1, 1, i).val;
    recount();
    check("ramdisk, delayed: due when the first is", (i64)first_due(), (i64)disk_due());
    check("ramdisk, delayed: nothing is done at once", 0, (i64)words->completions);
    disk_tick();
    check("ramdisk, delayed: nor by a tick too early", 0, (i64)words->completions);
    u32 overtaken = 0, last = 0;
    while (disk_due() != ~0UL) {
        u64 due = disk_due(), before = words->completions;
        host_time = due - 1;
        disk_tick();
        CHECK(words->completions == before);
        host_time = due;
        disk_tick();
        CHECK(words->completions > before && disk_due() == first_due());
        recount();
        for (u32 i = 0; i < EXO_NREQ; i++) {
            if (reqs[i].state != REQ_DONE) continue;
            overtaken += i < last;
            last = i;
            CHECK(finish_as(1, id[i]) == 0);
        }
    }
    check("ramdisk, delayed: all are done", EXO_NREQ, (i64)words->completions);
    check("ramdisk, delayed: some overtook others", 1, overtaken > 0);
    for (u32 i = 0; i < 2000; i++) {
        u64 start = host_time, r = submit_pages(1, DISK_READ, 1, 1, 0).val;
        u64 delay = disk_due() - start;
        shortest = delay < shortest ? delay : shortest;
        longest = delay > longest ? delay : longest;
        host_time = disk_due();
        disk_tick();
        CHECK(finish_as(1, r) == 0);
    }
    check("ramdisk, delayed: 50 us at least", 1, shortest >= 500 && shortest < 1500);
    check("ramdisk, delayed: 5 ms at most", 1, longest <= 50000 && longest > 49000);
    u64 first = reqs[0].due;
    use_ramdisk("disk=7");
    for (u32 i = 0; i < EXO_NREQ; i++) (void)submit_pages(1, DISK_READ, 1, 1, i);
    u64 a = disk_due();
    use_ramdisk("disk=7");
    for (u32 i = 0; i < EXO_NREQ; i++) (void)submit_pages(1, DISK_READ, 1, 1, i);
    check("ramdisk, delayed: a seed repeats", (i64)a, (i64)disk_due());
    check("ramdisk, delayed: time goes on", 1, first > a);
    check("ramdisk: no read at boot while others run", 0, disk_read(5, ram + EXO_PAGE));
    use_ramdisk("disk=7");
    time_step = 1;
    check("ramdisk: read at boot waits", 1, disk_read(5, ram + EXO_PAGE));
    check("ramdisk: and reads", 5 * 7 + 9, ram[EXO_PAGE + 9]);
    check("ramdisk: read at boot past the end", 0, disk_read(STORE, ram + EXO_PAGE));
    check("ramdisk: read at boot is no completion", 0, (i64)words->completions);
    machine.initrd.start += 4;
    if (!setjmp(panicked)) (void)disk_open();
    check("ramdisk: image not aligned", 0, strcmp(said, "the disk's image in RAM is not aligned"));
}

// ---- virtio ----

static i64 open_with(const char *words_said) {
    said[0] = 0;
    u64 blocks = disk_open();
    return blocks || !strstr(said, words_said) ? -1 : 0;
}

static void test_virtio_open(void) {
    use_virtio();
    check("virtio: interrupt of its slot", DEVICE_IRQ, enabled_irq);
    check("virtio: running", 15, dev.status);
    check("virtio: accepts what it knows", (i64)(1UL << 32 | 1 << 9), (i64)dev.accepts);
    check("virtio: queue", RING, dev.num);
    check("virtio: depth", 14, disk.depth);
    world(), device_new();
    dev.id = 1;
    check("virtio: no block device", 0, (i64)disk_open());
    world(), device_new();
    dev.version = 1;
    check("virtio: old interface", 0, open_with("force-legacy=false"));
    check("virtio: refused device knows", FAILED, dev.status);
    world(), device_new();
    dev.offers &= 0xffffffff;
    check("virtio: features without version 1", 0, open_with("version 1"));
    world(), device_new();
    dev.refuse_features = 1;
    check("virtio: features refused", 0, open_with("accept"));
    world(), device_new();
    dev.queue_max = 31;
    check("virtio: queue of 31", 0, open_with("short"));
    world(), device_new();
    dev.queue_max = 0;
    check("virtio: no queue", 0, open_with("short"));
    world(), device_new();
    dev.status = 15, dev.stuck = 1;
    check("virtio: no reset", 0, open_with("reset"));
    world(), device_new();
    dev.queue_max = 63;
    check("virtio: short queue will do", STORE, (i64)disk_open());
    check("virtio: with one in flight", 1, disk.depth);
    check("virtio: short queue: what is written is read", 0, through());
    world(), device_new();
    dev.generation = 3;
    dev.sectors = STORE * 8 + 7;
    check("virtio: capacity that changes while it is read", STORE, (i64)disk_open());
    dev.sectors = 1UL << 40;
    world();
    check("virtio: large capacity", 1L << 37, (i64)disk_open());
    world(), device_new();
    dev.offers &= ~(1UL << 9);
    CHECK(disk_open() == STORE);
    u64 f = submit_pages(1, DISK_FLUSH, 0, 1, 0).val;
    check("virtio: no flush where nothing is kept back", 0, finish_as(1, f));
    check("virtio: and none is asked for", 0, dev.total);
}

static void test_virtio_works(void) {
    use_virtio();
    check("virtio: what is written is read", 0, through());
    ext_caps[2] = (struct caps){5, 6};
    *(ppn_t *)(ram + EXO_PAGE) = page_of(1, 0);
    call_as(1);
    check("virtio: another's extent by read capability", 0, submit_array(DISK_READ, 1, 2, 0, 5).err);
    check("virtio: by write capability", 0, submit_array(DISK_WRITE, 1, 2, 0, 6).err);
    check("virtio: flush by write capability", 0, submit_array(DISK_FLUSH, 0, 2, 0, 6).err);
    check("virtio: flush reads no array", 0, do_disk_submit(DISK_FLUSH, 1, 0, 3, 0).err);
    u64 id[3];
    for (u32 i = 0; i < 3; i++) id[i] = submit_pages(5, DISK_FLUSH, 0, 1, 0).err; // E_CAP: nothing begun
    CHECK(id[0] == (u64)E_CAP);
    complete(0, 1);
    complete(0, 2);
    complete(0, 0);
    u32 len, head = carry_out(0, 0, &len);
    use_entry(head, 0); // the status was written, but it does not say so
    irq();
    check("virtio: the device's error", E_IO, reqs[0].status);
    check("virtio: not supported", E_IO, reqs[1].status);
    check("virtio: no error", 0, reqs[2].status);
    check("virtio: too few bytes", E_IO, reqs[3].status);
    for (u32 i = 0; i < 4; i++) CHECK(finish_as(1, reqs[i].id) == (i == 2 ? 0 : E_IO));
    check("virtio: an error of one is no error of all", 0, through());
    disk_interrupt(0);
    disk_interrupt(10);
    irq();
    check("virtio: interrupts without cause", 0, through());
    // Many rounds of the rings, in any order.
    u32 wrong = 0;
    for (u32 i = 0; i < 3000; i++) {
        (void)submit_pages(1, DISK_READ, 1 + (u32)draw_below(16), 1, draw_below(16));
        (void)submit_pages(2, DISK_WRITE, 1 + (u32)draw_below(16), 2, draw_below(17));
        for (u32 n = (u32)draw_below(4); n && dev.npending; n--) complete((u32)draw_below(dev.npending), 0);
        if (draw_below(2)) irq();
        for (u32 r = 0; r < 2 * EXO_NREQ; r++)
            if (reqs[r].state == REQ_DONE && draw_below(2))
                wrong += finish_as(reqs[r].account, reqs[r].id) != 0;
        recount();
    }
    check("virtio: rings go round", 0, wrong);
    check("virtio: many went through", 1, dev.total > 2000);
    while (dev.npending) {
        complete(0, 0);
        irq();
    }
    recount();
    time_step = 1;
    check("virtio: read at boot gives up", 0, disk_read(1, ram + EXO_PAGE));
}

// Each way to cheat: the device is off after it, all its requests have failed, and so do later ones.
enum cheat {
    WILD_ID,
    ODD_ID,
    HUGE_ID,
    NOT_IN_FLIGHT,
    TWICE,
    TOO_MANY,
    BACKWARDS,
    TOO_LONG,
    NO_STATUS,
    RESET_ME,
    CHEATS
};

static void cheat(enum cheat how) {
    static const char *const names[] = {"id past the ring",     "id inside a chain",
                                        "id of 32 bits",        "id not in flight",
                                        "one request twice",    "more entries than requests",
                                        "ring index goes back", "more bytes than asked",
                                        "status of its own",    "asks to be reset"};
    use_virtio();
    u64 id[5];
    for (u32 i = 0; i < 5; i++)
        id[i] = submit_pages(i % 2 + 1, i < 3 ? DISK_READ : DISK_WRITE, 2, i % 2 + 1, 0).val;
    u32 more = how == NOT_IN_FLIGHT ? 0 : 12; // until some are queued
    for (u32 i = 0; i < more; i++) (void)submit_pages(1, DISK_READ, 1, 1, 0);
    u32 len, head;
    switch (how) {
    case WILD_ID: use_entry(FLIGHTS * CHAIN, 1); break;
    case ODD_ID: use_entry(1, 1); break;
    case HUGE_ID: use_entry(0xffffffee, 1); break;
    case NOT_IN_FLIGHT: use_entry(9 * CHAIN, 1); break;
    case TWICE:
        head = carry_out(4, 0, &len);
        use_entry(head, len);
        use_entry(head, len);
        break;
    case TOO_MANY:
        for (u32 i = 0; i < 15; i++) use_entry(0, 1);
        break;
    case BACKWARDS:
        dev.used -= 2;
        use_entry(0, 1);
        break;
    case TOO_LONG:
        head = carry_out(0, 0, &len);
        use_entry(head, len + 1);
        break;
    case NO_STATUS:
        head = carry_out(0, STATUS_NONE, &len);
        use_entry(head, len);
        break;
    case RESET_ME:
        dev.status |= NEEDS_RESET;
        dev.interrupt |= 2;
        break;
    case CHEATS: break;
    }
    said[0] = 0;
    irq();
    u32 failed = 0, done_now = 0;
    for (u32 i = 0; i < 2 * EXO_NREQ; i++) {
        done_now += reqs[i].state == REQ_DONE;
        failed += reqs[i].state == REQ_DONE && reqs[i].status == E_IO;
    }
    char name[80];
    snprintf(name, sizeof(name), "virtio cheats: %s", names[how]);
    check(name, 1, strstr(said, "it is off") != NULL && dev.status == 0 && off);
    CHECK(done_now == 5 + more && failed >= 3 + more && finish_as(1, id[2]) == E_IO);
    CHECK(finish_as(2, submit_pages(2, DISK_READ, 1, 2, 0).val) == E_IO);
    irq();
    recount();
    CHECK(accts[1].fixed + accts[2].fixed == 0);
}

// ---- everything at random, with what must hold recounted after every step ----

static void step(void) {
    static const u32 who[] = {1, 2, 5};
    u32 a = who[draw_below(3)], e = (u32)draw_below(8), op;
    for (u32 i = 0; i < 8 && exts[e].account != a; i++) // most of the time one of its own
        e = (u32)draw_below(8);
    ppn_t *array = (ppn_t *)(ram + EXO_PAGE);
    for (u32 i = 0; i < EXO_REQ_BLOCKS; i++)
        array[i] = draw_below(50) ? page_of(a, (u32)draw_below(8)) : ppn_at((u32)draw_below(NPAGES + 2));
    call_as(a);
    switch (draw_below(8)) {
    case 0:
    case 1:
    case 2:
        op = (u32)draw_below(3);
        (void)submit_array(op, op < 2 ? 1 + (u32)draw_below(5) : 0, e, draw_below(exts[e].count + 1), 0);
        break;
    case 3:
    case 4: {
        for (u32 i = 0; i < EXO_NREQ; i++)
            if (draw_below(2)) (void)do_disk_done(reqs[(a - 1) * EXO_NREQ + i].id, 0, 0, 0, 0);
        break;
    }
    case 5:
        if (draw_below(3) == 0) (void)SPLIT(e, 1 + draw_below(8));
        for (u32 i = 0; i < 100 && draw_below(20); i++) (void)JOIN(draw_below(8), draw_below(8));
        break;
    case 6: (void)GIVE(draw_below(8), who[draw_below(3)]); break;
    case 7:
        if (draw_below(10) == 0) disk_orphans(a);
        break;
    }
}

static void test_random(bool virtio) {
    if (virtio)
        use_virtio();
    else
        use_ramdisk("disk=99");
    for (u32 i = 1; i <= 5; i++) accts[i].reserve = 6; // fixed pages run out
    accts[5].exts = 4;
    CHECK(!GIVE(0, 5).err);
    for (u32 n = 0; n < 60000; n++) {
        step();
        if (virtio) {
            while (dev.npending && draw_below(3) == 0)
                complete((u32)draw_below(dev.npending), draw_below(9) == 0);
            if (draw_below(2)) irq();
        } else {
            host_time += draw_below(20000);
            disk_tick();
        }
        recount();
    }
    while (dev.npending) {
        complete(0, 0);
        irq();
    }
    host_time = ~0UL;
    for (u32 i = 0; i < 20; i++) disk_tick();
    recount();
    u32 fixed = 0, requests = 0;
    for (u32 a = 1; a <= 6; a++) {
        fixed += accts[a].fixed;
        disk_orphans(a);
        requests += accts[a].requests;
    }
    check(virtio ? "random, virtio: all pins are gone" : "random, RAM disk: all pins are gone", 0, fixed);
    check(virtio ? "random, virtio: all records are free" : "random, RAM disk: all records are free", 0,
          requests);
    check("random: much was done", 1, words->completions > 5000);
    recount();
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_extents();
    test_submit_errors();
    test_records();
    test_orphans();
    test_fairness();
    test_ramdisk();
    test_virtio_open();
    test_virtio_works();
    for (enum cheat c = 0; c < CHEATS; c++) cheat(c);
    test_random(true);
    test_random(false);
    return failures != 0;
}
