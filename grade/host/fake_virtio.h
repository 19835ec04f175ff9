// A virtio block device for host tests: the registers of a version 2 MMIO device, one queue, and a store. It
// takes requests on notification and completes them only when told to, in any order, honestly or not. It
// aborts if the driver breaks the rules: the steps of set-up, the rings' limits, descriptors it may not use,
// blocks outside. Included before kernel/virtio.c.
#ifndef GRADE_HOST_FAKE_VIRTIO_H
#define GRADE_HOST_FAKE_VIRTIO_H

#include "fake_kernel.h"

static u32 mmio_read(pa_t pa);
static void mmio_write(pa_t pa, u32 v);
#define mmio_read  mmio_read
#define mmio_write mmio_write

enum { STORE = 64, DEVICE_AT = 0x10003000, DEVICE_IRQ = 3, CHAIN_MAX = 20 };

static struct device {
    u32 version, id, queue_max, refuse_features, stuck; // how it is
    u64 offers, accepts, sectors;
    u32 offers_sel, accepts_sel, num, ready, status, interrupt, generation;
    u64 ring[3];
    u16 taken, used;
    struct taken {
        u16 head;
        u32 type, blocks;
        u64 block;
        void *page[CHAIN_MAX];
        u8 *status;
    } pending[64];
    u32 npending, total;
    u8 store[STORE][EXO_PAGE];
} dev;

struct fake_desc {
    u64 pa;
    u32 len;
    u16 flags, next;
};

// Rings lie in static memory, anywhere: so by integer arithmetic.
static void *at(u64 pa) { return (void *)((u64)host_ram + pa - (u64)EXO_PPN_BASE * EXO_PAGE); }

static u32 mmio_read(pa_t pa) {
    if (pa < DEVICE_AT || pa >= DEVICE_AT + EXO_PAGE)
        return pa % EXO_PAGE == 0 ? 0x74726976 : 0; // an empty slot
    CHECK(pa % 4 == 0);
    switch (pa - DEVICE_AT) {
    case 0x00: return 0x74726976;
    case 0x04: return dev.version;
    case 0x08: return dev.id;
    case 0x10: return (u32)(dev.offers >> 32 * dev.offers_sel);
    case 0x34: return dev.queue_max;
    case 0x60: return dev.interrupt;
    case 0x70: return dev.status & ~(dev.refuse_features ? 8u : 0);
    case 0xfc: // changes once while the capacity is being read
        return dev.generation ? dev.generation-- : 0;
    case 0x100: return (u32)(dev.generation == 1 ? 0xffffffff : dev.sectors);
    case 0x104: return (u32)(dev.sectors >> 32);
    }
    CHECK(!"a register that is not read");
    return 0;
}

// Checks a chain as the device would and keeps what it asks for.
static void take_chain(u16 head) {
    const struct fake_desc *table = at(dev.ring[0]), *d = &table[head];
    struct taken *t = &dev.pending[dev.npending++];
    CHECK(dev.npending <= 64 && head < dev.num);
    for (u32 i = 0; i < dev.npending - 1; i++) CHECK(dev.pending[i].head != head);
    *t = (struct taken){.head = head};
    const u8 *h = at(d->pa);
    CHECK(d->len == 16 && d->flags == 1);
    memcpy(&t->type, h, 4);
    memcpy(&t->block, h + 8, 8);
    CHECK(t->block % 8 == 0 && (t->type == 0 || t->type == 1 || t->type == 4));
    t->block /= 8;
    for (d = &table[d->next]; d->flags & 1; d = &table[d->next]) {
        CHECK(d < table + dev.num && d->len == EXO_PAGE && t->blocks < 16);
        CHECK((d->flags & 2) == (t->type == 0 ? 2 : 0));
        t->page[t->blocks++] = at(d->pa);
        CHECK((u8 *)at(d->pa) >= ram && (u8 *)at(d->pa) <= ram + sizeof(ram) - EXO_PAGE &&
              d->pa % EXO_PAGE == 0);
    }
    CHECK(d->len == 1 && d->flags == 2);
    t->status = at(d->pa);
    CHECK(t->type == 4 ? t->blocks == 0 && t->block == 0 : t->blocks >= 1);
    CHECK(t->block + t->blocks <= STORE);
    CHECK(t->type != 4 || dev.accepts & 1 << 9);
    dev.total++;
}

static void mmio_write(pa_t pa, u32 v) {
    CHECK(pa >= DEVICE_AT && pa < DEVICE_AT + EXO_PAGE && pa % 4 == 0);
    u32 reg = (u32)(pa - DEVICE_AT);
    switch (reg) {
    case 0x14: dev.offers_sel = v; return;
    case 0x20:
        CHECK(dev.status == 3);
        dev.accepts |= (u64)v << 32 * dev.accepts_sel;
        return;
    case 0x24: dev.accepts_sel = v; return;
    case 0x30: CHECK(v == 0); return;
    case 0x38:
        CHECK(v <= dev.queue_max && (v & (v - 1)) == 0 && dev.status == 11);
        dev.num = v;
        return;
    case 0x44:
        CHECK(v == 1 && dev.num && dev.ring[0] % 16 == 0 && dev.ring[1] % 2 == 0 && dev.ring[2] % 4 == 0);
        dev.ready = v;
        return;
    case 0x50: {
        CHECK(v == 0 && dev.status == 15 && dev.ready);
        const volatile u16 *avail = at(dev.ring[1]);
        for (; dev.taken != avail[1]; dev.taken++) take_chain(avail[2 + dev.taken % dev.num]);
        return;
    }
    case 0x64:
        CHECK((v & ~dev.interrupt) == 0);
        dev.interrupt &= ~v;
        return;
    case 0x70:
        if (v == 0 && dev.stuck) return;
        dev.status = v;
        if (v == 0) {
            dev.ready = dev.taken = dev.used = dev.interrupt = dev.num = 0;
            dev.accepts = dev.npending = 0;
        }
        CHECK(!(v & 8) || !(dev.accepts & ~dev.offers));
        return;
    case 0x80:
    case 0x84:
    case 0x90:
    case 0x94:
    case 0xa0:
    case 0xa4: {
        u64 *r = &dev.ring[(reg - 0x80) / 16];
        *r = reg & 4 ? (*r & 0xffffffff) | (u64)v << 32 : (*r & ~0xffffffffUL) | v;
        return;
    }
    }
    CHECK(!"a register that is not written");
}

static void use_entry(u32 id, u32 len) {
    volatile u16 *used = at(dev.ring[2]);
    volatile u32 *entry = (volatile u32 *)(used + 2) + dev.used % dev.num * 2;
    entry[0] = id;
    entry[1] = len;
    used[1] = ++dev.used;
    dev.interrupt |= 1;
}

// Carries pending request i out and takes it off the list. Returns its head; the length goes to *len.
static u32 carry_out(u32 i, u8 status, u32 *len) {
    struct taken t = dev.pending[i];
    for (u32 b = 0; b < t.blocks; b++) {
        if (t.type == 0)
            memcpy(t.page[b], dev.store[t.block + b], EXO_PAGE);
        else
            memcpy(dev.store[t.block + b], t.page[b], EXO_PAGE);
    }
    *t.status = status;
    *len = 1 + (t.type == 0 ? t.blocks * EXO_PAGE : 0);
    dev.npending--;
    memmove(&dev.pending[i], &dev.pending[i + 1], (dev.npending - i) * sizeof(t));
    return t.head;
}

static void complete(u32 i, u8 status) {
    u32 len, head = carry_out(i, status, &len);
    use_entry(head, len);
}

static void device_new(void) {
    memset(&dev, 0, sizeof(dev));
    dev.version = 2;
    dev.id = 2;
    dev.queue_max = 1024;
    dev.offers = 1UL << 32 | 1 << 28 | 1 << 9 | 1 << 6;
    dev.sectors = STORE * 8;
    for (u32 i = 0; i < STORE; i++)
        for (u32 j = 0; j < EXO_PAGE; j++) dev.store[i][j] = (u8)(i * 7 + j);
}

#endif
