// Many operations under one lock: results, the first that fails, and the array's own checks.
#include "kt.h"

static struct exo_op ops[EXO_BATCH_MAX] __attribute__((aligned(EXO_PAGE)));

static void all(void) {
    struct exo_op o[6] __attribute__((aligned(512)));
    ppn_t p = page_new();
    va_t va = (va_t)win_new();
    o[0] = (struct exo_op){.op = EXO_PAGE_ALLOC};
    o[1] = (struct exo_op){.op = EXO_BIND, .root = kt_root, .va = va, .ppn = p, .bits = RW};
    o[2] = (struct exo_op){.op = EXO_PROTECT, .root = kt_root, .va = va, .bits = PTE_W << 16 | PTE_S0};
    o[3] = (struct exo_op){.op = EXO_UNBIND, .root = kt_root, .va = va, .word = 0x40};
    o[4] = (struct exo_op){.op = EXO_UNBIND, .root = kt_root, .va = va, .word = 0};
    o[5] = (struct exo_op){.op = EXO_PAGE_FREE, .ppn = p};
    struct exo_ret r = exo_batch(o, 6);
    CHECK(r.err, 0);
    CHECK(r.val, 6);
    CHECK(page_of(o[0].ppn)->type, PAGE_DATA);
    CHECK(o[1].word, 0);
    CHECK(o[1].binds, ~0ul);
    CHECK(o[2].word, (u64)p << 10 | PTE_V | PTE_U | RW);
    CHECK(o[2].binds, 1);
    CHECK(o[3].word, (u64)p << 10 | PTE_V | PTE_U | PTE_R | PTE_S0);
    CHECK(o[3].binds, 0);
    CHECK(o[4].word, 0x40);
    CHECK(o[4].binds, ~0ul);
    CHECK(page_of(p)->type, PAGE_FREE);
    CHECK(exo_page_free(o[0].ppn), 0);
    win_end((void *)va);
}

// What was done stays done; the one that failed changed nothing, nor did those after it.
static void stops(void) {
    ppn_t p = page_new();
    for (u32 at = 0; at < 4; at++) {
        va_t va[4];
        for (u32 i = 0; i < 4; i++) {
            va[i] = (va_t)win_new();
            ops[i] = (struct exo_op){
                .op = EXO_BIND, .root = kt_root, .va = va[i], .ppn = i == at ? 1 : p, .bits = PTE_R};
        }
        struct exo_ret r = exo_batch(ops, 4);
        CHECK(r.err, E_PPN);
        CHECK(r.val, at);
        CHECK(page_of(p)->binds, at);
        for (u32 i = 0; i < 4; i++) {
            CHECK(pte_at(kt_root, va[i]) & PTE_V, i < at);
            win_end((void *)va[i]);
        }
    }
    page_end(p);
}

static void each_error(void) {
    static const u32 not_batched[] = {0,           EXO_NULL,      EXO_YIELD,     EXO_BATCH,
                                      EXO_PT_LINK, EXO_PAGE_SET,  EXO_PAGE_GIVE, EXO_ENV_END,
                                      EXO_HALT,    EXO_CALLS_END, 0xffffffff};
    ppn_t p = page_new();
    for (u32 i = 0; i < sizeof not_batched / 4; i++) {
        kt_with = not_batched[i];
        ops[0] = (struct exo_op){.op = not_batched[i], .root = kt_root, .va = WIN, .ppn = p, .bits = PTE_R};
        struct exo_ret r = exo_batch(ops, 1);
        CHECK(r.err, E_ARG);
        CHECK(r.val, 0);
    }
    kt_with = 0;
    ops[0] = (struct exo_op){.op = EXO_BIND, .root = kt_root, .va = WIN + 1, .ppn = p, .bits = PTE_R};
    CHECK(exo_batch(ops, 1).err, E_VA);
    ops[0] = (struct exo_op){.op = EXO_BIND, .root = kt_root, .va = WIN, .ppn = p, .bits = PTE_V};
    CHECK(exo_batch(ops, 1).err, E_BITS);
    ops[0] = (struct exo_op){.op = EXO_BIND, .root = p, .va = WIN, .ppn = p, .bits = PTE_R};
    CHECK(exo_batch(ops, 1).err, E_TYPE);
    ops[0] = (struct exo_op){.op = EXO_PROTECT, .root = kt_root, .va = WIN, .bits = PTE_V << 16};
    CHECK(exo_batch(ops, 1).err, E_BITS);
    ops[0] = (struct exo_op){.op = EXO_UNBIND, .root = kt_root, .va = WIN, .word = 1};
    CHECK(exo_batch(ops, 1).err, E_BITS);
    ops[0] = (struct exo_op){.op = EXO_PAGE_ALLOC, .ppn = p};
    CHECK(exo_batch(ops, 1).err, E_TYPE);
    ops[0] = (struct exo_op){.op = EXO_PAGE_FREE, .ppn = 1};
    CHECK(exo_batch(ops, 1).err, E_PPN);
    page_end(p);
}

static void array(void) {
    ppn_t p = page_new();
    char *w = map(p, RW);
    struct exo_op null = {.op = EXO_UNBIND, .root = kt_root, .va = (va_t)win_new(), .word = 0};
    for (u32 i = 0; i < EXO_BATCH_MAX; i++) memcpy(w + i * sizeof null, &null, sizeof null);
    CHECK(exo_batch((void *)w, EXO_BATCH_MAX).val, EXO_BATCH_MAX);
    CHECK(exo_batch((void *)w, 0).err, E_ARG);
    CHECK(exo_batch((void *)w, EXO_BATCH_MAX + 1).err, E_ARG);
    CHECK(exo_batch((void *)w, ~0ul).err, E_ARG);
    CHECK(exo_batch((void *)w, 1ul << 61).err, E_ARG);
    CHECK(exo_batch(NULL, 0).err, E_ARG);
    CHECK(exo_batch(NULL, 1).err, E_ADDR);
    CHECK(exo_batch((void *)(w + 1), 1).err, E_ADDR);
    CHECK(exo_batch((void *)(w + 4), 1).err, E_ADDR);
    CHECK(exo_batch((void *)(w + EXO_PAGE - sizeof null), 1).err, E_ARG); // the last one fits; there is none
    CHECK(exo_batch((void *)(w + EXO_PAGE - sizeof null + 8), 1).err, E_ADDR);
    CHECK(exo_batch((void *)(w + EXO_PAGE - sizeof null), 2).err, E_ADDR);
    CHECK(exo_batch((void *)EXO_WINDOW, 1).err, E_ADDR);
    CHECK(exo_batch((void *)EXO_USER_END, 1).err, E_ADDR);
    CHECK(exo_batch((void *)0xffffffc080200000, 1).err, E_ADDR);
    CHECK(exo_batch((void *)~7ul, 1).err, E_ADDR);
    CHECK(exo_protect(kt_root, (va_t)w, PTE_W, 0, 0).err, 0);
    CHECK(exo_batch((void *)w, 1).err, E_ADDR); // results could not be written
    win_end(w);
    CHECK(exo_batch((void *)w, 1).err, E_ADDR);
    win_end((void *)null.va);
    page_end(p);
}

// A batch that takes away the page it lies in: what it says after that is written to nobody's page.
static void own_page(void) {
    ppn_t p = page_new();
    struct exo_op *o = map(p, RW);
    va_t va = (va_t)o;
    o[0] = (struct exo_op){.op = EXO_UNBIND, .root = kt_root, .va = va, .word = 0};
    o[1] = (struct exo_op){.op = EXO_PAGE_FREE, .ppn = p};
    o[2] = (struct exo_op){.op = EXO_PAGE_ALLOC, .ppn = p};
    o[3] = (struct exo_op){.op = EXO_UNBIND, .root = kt_root, .va = va, .word = 0x80};
    struct exo_ret r = exo_batch(o, 4);
    CHECK(r.err, E_ARG); // zeroed under it: the fourth has no op
    CHECK(r.val, 3);
    CHECK(page_of(p)->type, PAGE_DATA);
    win_end(o);
    page_end(p);
}

static void hundred(void) {
    u32 n = 100;
    va_t va[100];
    u64 free = EXO_WORDS->free;
    for (u32 i = 0; i < n; i++) ops[i] = (struct exo_op){.op = EXO_PAGE_ALLOC, .bits = 1};
    CHECK(exo_batch(ops, n).val, n);
    CHECK(EXO_WORDS->free, free - n);
    for (u32 i = 0; i < n; i++) {
        va[i] = (va_t)win_new();
        ops[i] = (struct exo_op){.op = EXO_BIND, .root = kt_root, .va = va[i], .ppn = ops[i].ppn, .bits = RW};
    }
    CHECK(exo_batch(ops, n).val, n);
    for (u32 i = 0; i < n; i++) *(u64 *)va[i] = i;
    for (u32 i = 0; i < n; i++) ops[i] = (struct exo_op){.op = EXO_UNBIND, .root = kt_root, .va = va[i]};
    CHECK(exo_batch(ops, n).val, n);
    for (u32 i = 0; i < n; i++) {
        CHECK(ops[i].binds, 0);
        ops[i] = (struct exo_op){.op = EXO_PAGE_FREE, .ppn = PTE_PPN(ops[i].word)};
        CHECK(rt_try_store(va[i], 0), 15);
        win_end((void *)va[i]);
    }
    CHECK(exo_batch(ops, n).val, n);
    CHECK(EXO_WORDS->free, free);
}

static const struct test batch_tests[] = {
    T(all), T(stops), T(each_error), T(array), T(own_page), T(hundred),
};
AREA(batch);
