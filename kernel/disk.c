// Disk requests: records that anyone may read, blocks of an extent on one side and pinned pages on the other,
// served round robin by account, and the two ends of a request that the drivers stand between. Called with
// the kernel lock held, by disk_submit and disk_done, by the disk's interrupt, and by ticks and idle harts.
#include "disk.h"

struct exo_req reqs[EXO_NACCT * EXO_NREQ] __attribute__((aligned(EXO_PAGE)));

static struct disk disk;
static u32 active; // requests the driver has

// An account's queued requests, oldest first. The queue of account n is queues[n - 1].
static struct queue {
    u8 first, n;
    u8 req[EXO_NREQ];
} queues[EXO_NACCT];
static u32 turn;    // whose queue is next to be served
static u32 waiting; // in all queues

static void release(struct exo_req *r) {
    for (u32 i = 0; i < r->count; i++) page_unpin(page_get(r->ppns[i]));
    exts[r->ext].requests--;
}

static void record_free(struct exo_req *r) {
    accts[r->account].requests--;
    r->state = REQ_FREE;
}

static void trace_req(u32 event, const struct exo_req *r, u64 last) {
    if (trace_on)
        trace(event, r->id, r->op | (u64)r->count << 8 | (u64)r->account << 16, r->ext, r->block, last);
}

static void serve(void) {
    for (; waiting && active < disk.depth; turn = (turn + 1) % EXO_NACCT) {
        struct queue *q = &queues[turn];
        if (!q->n) continue;
        struct exo_req *r = &reqs[turn * EXO_NREQ + q->req[q->first]];
        q->first = (q->first + 1) % EXO_NREQ;
        q->n--;
        waiting--;
        active++;
        r->state = REQ_ACTIVE;
        trace_req(TRACE_DISK_START, r, r->ppns[0]);
        disk.start(r);
    }
    if (disk_due() != ~0UL) work = 1; // ticks poll it
}

// Readers on other harts see the record before they see the count.
void disk_complete(struct exo_req *r, i32 status) {
    active--;
    r->status = status;
    if (!r->account) { // disk_read's
        r->state = REQ_DONE;
        return;
    }
    trace_req(TRACE_DISK_END, r, (u64)(i64)status);
    release(r);
    if (r->state == REQ_ORPHAN) {
        record_free(r);
        return;
    }
    __atomic_store_n(&r->state, REQ_DONE, __ATOMIC_RELEASE);
    __atomic_store_n(&words->completions, words->completions + 1, __ATOMIC_RELEASE);
    poke_idle();
}

enum exo_error pins_error(const ppn_t *ppns, u32 n, u32 account, u32 more) {
    enum exo_error first = E_OK; // errors are numbered downwards in the order of the checks
    for (u32 i = 0; i < n; i++) {
        const struct exo_page *p = page_get(ppns[i]);
        enum exo_error e = !p                      ? E_PPN
                           : p->account != account ? E_OWNER
                           : p->type != PAGE_DATA  ? E_TYPE
                                                   : E_OK;
        if (e && (!first || e > first)) first = e;
        u32 j = 0;
        while (ppns[j] != ppns[i]) j++;
        more += j == i && p && !page_fixed(p);
    }
    return first ? first : fix_room(account, more) ? E_OK : E_FIXED;
}

static struct exo_req *record_find(u32 account) {
    struct exo_req *r = reqs + (u64)(account - 1) * EXO_NREQ;
    for (u32 i = 0; i < EXO_NREQ; i++, r++)
        if (r->state == REQ_FREE) return r;
    return NULL;
}

static struct ret submit(struct exo_req *r, u32 op, u32 count, struct exo_ext *e, u64 block, ppn_t *ppns) {
    u32 account = caller(), index = (u32)(r - reqs);
    *r = (struct exo_req){.id = ((r->id >> 16) % 0xffff + 1) << 16 | index, // a generation is never 0
                          .state = REQ_QUEUED,
                          .op = (u8)op,
                          .count = (u8)count,
                          .account = (u8)account,
                          .ext = (u32)(e - exts),
                          .block = block};
    for (u32 i = 0; i < count; i++) {
        r->ppns[i] = ppns[i];
        page_pin(page_get(ppns[i]));
    }
    e->requests++;
    accts[account].requests++;
    struct queue *q = &queues[account - 1];
    q->req[(q->first + q->n++) % EXO_NREQ] = (u8)(index % EXO_NREQ);
    waiting++;
    serve();
    return done(r->id);
}

struct ret do_disk_submit(u64 what, u64 ext, u64 offset, u64 array, u64 cap) {
    u64 op = what & 0xff, count = what >> 8;
    if (op > DISK_FLUSH || (op == DISK_FLUSH ? count != 0 : count - 1 >= EXO_REQ_BLOCKS)) return fail(E_ARG);
    ppn_t ppns[EXO_REQ_BLOCKS];
    if (count) { // read once: another hart may be writing there
        const volatile ppn_t *from = user_object(array, count * sizeof(*from), 8, false);
        if (!from) return fail(E_ADDR);
        for (u32 i = 0; i < count; i++) ppns[i] = from[i];
    }
    struct exo_ext *e = ext_get(ext);
    if (!e) return fail(E_EXT);
    if (offset > e->count || count > e->count - offset) return fail(E_ARG);
    if (!ext_open(e, cap, op != DISK_READ)) return fail(E_CAP);
    const struct exo_page *p = count ? page_get(ppns[0]) : NULL;
    u32 account = p && owns(caller(), p->account) ? p->account : caller();
    enum exo_error error = pins_error(ppns, (u32)count, account, 0);
    if (error) return fail(error);
    struct exo_req *r = record_find(caller());
    if (!r) return fail(E_FULL);
    return submit(r, (u32)op, (u32)count, e, e->start + offset, ppns);
}

struct ret do_disk_done(u64 id, u64 a1, u64 a2, u64 a3, u64 a4) {
    u64 index = id & 0xffff;
    if (index >= (u64)EXO_NACCT * EXO_NREQ || reqs[index].id != id || reqs[index].state == REQ_FREE)
        return fail(E_REQ);
    struct exo_req *r = &reqs[index];
    if (!owns(caller(), r->account)) return fail(E_OWNER);
    if (r->state != REQ_DONE) return fail(E_BUSY);
    record_free(r);
    return done((u64)(i64)r->status);
}

void disk_orphans(u32 account) {
    struct exo_req *r = reqs + (u64)(account - 1) * EXO_NREQ;
    for (u32 i = 0; i < EXO_NREQ; i++, r++) {
        if (r->state == REQ_ACTIVE) r->state = REQ_ORPHAN;
        if (r->state == REQ_QUEUED) release(r);
        if (r->state == REQ_QUEUED || r->state == REQ_DONE) record_free(r);
    }
    waiting -= queues[account - 1].n;
    queues[account - 1].n = 0;
}

void disk_interrupt(u32 irq) {
    if (!irq || irq != disk.irq) return;
    disk.poll(csr_read(time));
    serve();
}

u64 disk_due(void) { return disk.due ? disk.due() : ~0UL; }

void disk_tick(void) {
    u64 now = csr_read(time);
    if (disk_due() > now) return;
    disk.poll(now);
    serve();
}

u64 disk_open(void) {
    disk = (struct disk){0};
    if (!ramdisk_open(&disk)) virtio_open(&disk);
    if (disk.irq) plic_enable(disk.irq);
    return disk.blocks;
}

bool disk_read(u64 block, void *page) {
    static struct exo_req r;
    if (block >= disk.blocks || active) return false; // the last one did not come back
    r = (struct exo_req){.state = REQ_ACTIVE,
                         .op = DISK_READ,
                         .count = 1,
                         .block = block,
                         .ppns = {(ppn_t)(va_to_pa(page) / EXO_PAGE)}};
    u64 late = csr_read(time) + 5UL * machine.timebase;
    active++;
    disk.start(&r);
    while (r.state == REQ_ACTIVE && csr_read(time) < late) disk.poll(csr_read(time));
    return r.state == REQ_DONE && r.status == 0;
}
