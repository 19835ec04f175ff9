// The virtio block device (Virtual I/O Device 1.1: 2.6 split rings, 4.2 MMIO, 5.2 block), one queue, several
// requests in flight. The device is believed in nothing it can be caught at: one that names a descriptor it
// was not given, completes twice or invents a status is reset and off, and its requests end in E_IO. Only
// disk.c calls it.
#include "disk.h"

#ifndef mmio_read // a host test has its own device
#define mmio_read(pa)     (*(volatile u32 *)pa_to_va(pa))
#define mmio_write(pa, v) (*(volatile u32 *)pa_to_va(pa) = (v))
#endif

// Registers. Those of the queue's parts hold 64 bits, each in two of 32; the capacity is in sectors.
enum { MAGIC = 0x00, VERSION = 0x04, DEVICE = 0x08, OFFERS = 0x10, OFFERS_SEL = 0x14 };
enum { ACCEPTS = 0x20, ACCEPTS_SEL = 0x24, QUEUE_SEL = 0x30, QUEUE_MAX = 0x34, QUEUE_NUM = 0x38 };
enum { QUEUE_READY = 0x44, NOTIFY = 0x50, INTERRUPT = 0x60, INTERRUPT_ACK = 0x64, STATUS = 0x70 };
enum { QUEUE_DESC = 0x80, QUEUE_AVAIL = 0x90, QUEUE_USED = 0xa0, GENERATION = 0xfc, CAPACITY = 0x100 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64, FAILED = 128 };
enum { FEATURE_FLUSH = 1 << 9, FEATURE_VERSION_1 = 1 << 0 }; // the latter among features 32 and up
enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, STATUS_UNSUPPORTED = 2, STATUS_NONE = 0xff };
enum { DESC_NEXT = 1, DESC_WRITE = 2 };
enum { RING = 256, CHAIN = EXO_REQ_BLOCKS + 2, FLIGHTS = RING / CHAIN };
enum { SECTORS = EXO_PAGE / 512, PATIENCE = 100000 };

static struct desc {
    u64 pa;
    u32 len;
    u16 flags, next;
} desc[RING] __attribute__((aligned(16)));

static volatile struct { u16 flags, index, ring[RING], spare; } avail __attribute__((aligned(4)));

static volatile struct {
    u16 flags, index;
    struct {
        u32 id, len;
    } ring[RING];
    u16 spare;
} used __attribute__((aligned(4)));

// A request the device has, its chain being desc[i * CHAIN] and on.
static struct flight {
    struct exo_req *req; // NULL: none
    u32 len;             // bytes the device writes, its status included
    struct {
        u32 type, reserved;
        u64 sector;
    } head;
    volatile u8 status;
} flights[FLIGHTS];

static pa_t base;
static u32 num, flying;
static u16 seen; // used entries looked at
static bool off, can_flush;

#define get(reg)    mmio_read(base + (reg))
#define put(reg, v) mmio_write(base + (reg), v)

static void put_pa(u32 reg, const volatile void *p) {
    pa_t pa = va_to_pa((const void *)p);
    put(reg, (u32)pa);
    put(reg + 4, (u32)(pa >> 32));
}

static bool reset(void) {
    put(STATUS, 0);
    for (u32 i = 0; i < PATIENCE; i++)
        if (get(STATUS) == 0) return true;
    return false;
}

static void flight_end(struct flight *f, i32 status) {
    struct exo_req *r = f->req;
    f->req = NULL;
    flying--;
    disk_complete(r, status);
}

static void broken(const char *how) {
    off = true;
    kprintf("disk: %s; it is off%s\n", how, reset() ? "" : ", but does not reset");
    for (u32 i = 0; i < FLIGHTS; i++)
        if (flights[i].req) flight_end(&flights[i], E_IO);
}

static void link_desc(u32 i, const volatile void *p, u32 len, u32 flags) {
    desc[i] = (struct desc){va_to_pa((const void *)p), len, (u16)flags, (u16)(i + 1)};
}

static void virtio_start(struct exo_req *r) {
    static const u32 types[] = {[DISK_READ] = TYPE_IN, [DISK_WRITE] = TYPE_OUT, [DISK_FLUSH] = TYPE_FLUSH};
    if (off || (r->op == DISK_FLUSH && !can_flush)) { // a device without flush keeps nothing back
        disk_complete(r, off ? E_IO : 0);
        return;
    }
    u32 i = 0;
    while (flights[i].req) i++;
    struct flight *f = &flights[i];
    bool in = r->op == DISK_READ;
    f->req = r;
    f->len = 1 + (in ? r->count * EXO_PAGE : 0);
    f->head.type = types[r->op];
    f->head.sector = r->op == DISK_FLUSH ? 0 : r->block * SECTORS;
    f->status = STATUS_NONE;

    u32 d = i * CHAIN;
    link_desc(d, &f->head, sizeof(f->head), DESC_NEXT);
    for (u32 n = 0; n < r->count; n++)
        link_desc(d + 1 + n, ppn_to_va(r->ppns[n]), EXO_PAGE, DESC_NEXT | (in ? DESC_WRITE : 0));
    link_desc(d + 1 + r->count, &f->status, 1, DESC_WRITE);
    flying++;
    avail.ring[avail.index % num] = (u16)d;
    fence_io(); // the entry, before the index that offers it
    avail.index++;
    fence_io();
    put(NOTIFY, 0);
}

// One entry of the used ring. Returns what is wrong with it, or NULL.
static const char *take(u32 id, u32 len) {
    if (id % CHAIN || id / CHAIN >= FLIGHTS || !flights[id / CHAIN].req)
        return "completed what was not asked for";
    struct flight *f = &flights[id / CHAIN];
    if (len > f->len) return "wrote more than there was room for";
    u8 status = f->status;
    if (len == f->len && status > STATUS_UNSUPPORTED) return "gave no status";
    flight_end(f, len == f->len && status == 0 ? 0 : E_IO);
    return NULL;
}

static void virtio_poll(u64 now) {
    if (off) return;
    put(INTERRUPT_ACK, get(INTERRUPT)); // before looking: what comes later interrupts again
    fence_io();
    u32 n = (u16)(used.index - seen);
    const char *wrong = get(STATUS) & NEEDS_RESET ? "asks to be reset"
                        : n > flying              ? "completed more than was asked for"
                                                  : NULL;
    fence_io(); // the entries, after the index that says they are there
    for (; n && !wrong; n--, seen++) wrong = take(used.ring[seen % num].id, used.ring[seen % num].len);
    if (wrong) broken(wrong);
}

static u64 capacity(void) {
    u64 sectors;
    u32 generation, tries = PATIENCE;
    do {
        generation = get(GENERATION);
        sectors = get(CAPACITY) | (u64)get(CAPACITY + 4) << 32;
    } while (generation != get(GENERATION) && --tries);
    return sectors / SECTORS;
}

// The steps of 3.1.1, in its order. Returns what the device lacks, or NULL.
static const char *set_up(void) {
    if (get(VERSION) != 2) return "old interface (QEMU: -global virtio-mmio.force-legacy=false)";
    if (!reset()) return "does not reset";
    put(STATUS, ACKNOWLEDGE);
    put(STATUS, ACKNOWLEDGE | DRIVER);
    put(OFFERS_SEL, 1);
    if (!(get(OFFERS) & FEATURE_VERSION_1)) return "is not a version 1 device";
    put(OFFERS_SEL, 0);
    can_flush = get(OFFERS) & FEATURE_FLUSH;
    put(ACCEPTS_SEL, 1);
    put(ACCEPTS, FEATURE_VERSION_1);
    put(ACCEPTS_SEL, 0);
    put(ACCEPTS, can_flush ? FEATURE_FLUSH : 0);
    put(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    if (!(get(STATUS) & FEATURES_OK)) return "does not accept our features";
    put(QUEUE_SEL, 0);
    u32 most = get(QUEUE_MAX);
    for (num = RING; num > most; num /= 2)
        ;
    if (num < CHAIN) return "has too short a queue";
    put(QUEUE_NUM, num);
    put_pa(QUEUE_DESC, desc);
    put_pa(QUEUE_AVAIL, &avail);
    put_pa(QUEUE_USED, &used);
    fence_io();
    put(QUEUE_READY, 1);
    put(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    return NULL;
}

bool virtio_open(struct disk *d) {
    for (u32 i = 0; i < VIRTIO_SLOTS; i++) {
        base = VIRTIO_PA + i * EXO_PAGE;
        if (get(MAGIC) != 0x74726976 || get(DEVICE) != 2) continue;
        const char *lacks = set_up();
        if (lacks) {
            put(STATUS, FAILED);
            kprintf("disk: device %u %s\n", i, lacks);
            continue;
        }
        *d = (struct disk){capacity(), 1 + i, num / CHAIN, virtio_start, virtio_poll, NULL};
        return true;
    }
    return false;
}
