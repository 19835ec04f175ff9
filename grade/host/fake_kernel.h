// The rest of the kernel, for host tests of the parts that hold pages: page records and pins by their
// contract in kernel/kernel.h, with every misuse of it an abort; a caller; the lists of what was traced and
// printed. Included once, before the kernel sources under test; those read `time` from host_time.
#ifndef GRADE_HOST_FAKE_KERNEL_H
#define GRADE_HOST_FAKE_KERNEL_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long host_time, time_step; // each read of `time` adds the step
static void (*on_time)(void);              // called at each read, if set
#define csr_read(csr) (on_time ? on_time() : (void)0, host_time += time_step)
#include "kernel/kernel.h"
#undef trap_panic

#define CHECK(...)                                                                                        \
    do {                                                                                                  \
        if (!(__VA_ARGS__)) {                                                                             \
            printf("not ok %s: expected %s, saw otherwise (line %d)\n", current, #__VA_ARGS__, __LINE__); \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

static const char *current = "start";
static int failures;

static void check(const char *name, i64 expected, i64 saw) {
    current = name;
    failures += expected != saw;
    if (expected == saw)
        printf("ok %s\n", name);
    else
        printf("not ok %s: expected %lld, saw %lld\n", name, (long long)expected, (long long)saw);
}

static u64 random_state = 0x9e3779b97f4a7c15;
static inline u64 draw64(void) {
    u64 z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
static inline u64 draw_below(u64 n) { return draw64() % n; }

// ---- RAM, its records, and a few accounts ----

enum { NPAGES = 256 };
static u8 ram[NPAGES * EXO_PAGE] __attribute__((aligned(EXO_PAGE)));
u8 *host_ram = ram;
static struct exo_page page_records[NPAGES];
struct exo_page *pages = page_records;
u32 npages = NPAGES;
struct exo_env envs[EXO_EID_INDEX + 1];
struct exo_acct accts[EXO_NACCT + 1];
static union {
    struct exo_words words;
    u64 whole_page[EXO_PAGE / 8];
} word_page __attribute__((aligned(EXO_PAGE)));
struct exo_words *words = &word_page.words;
struct hart harts[EXO_NHART];
struct hart *this_hart = harts;
u32 nharts = 1;
u32 work;
struct machine machine;
static u32 pokes;

static void call_as(u32 account) {
    this_hart->cur = &envs[0];
    envs[0].eid = 0x80;
    envs[0].account = (u8)account;
}

static inline ppn_t ppn_at(u32 i) { return EXO_PPN_BASE + i; }

bool fix_room(u32 account, u32 n) { return accts[account].fixed + n <= accts[account].reserve; }

static void fixed_step(struct exo_page *p, bool was) {
    accts[p->account].fixed += (u32)page_fixed(p) - (u32)was;
    CHECK(accts[p->account].fixed <= accts[p->account].reserve);
}

void page_settype(struct exo_page *p, u32 type) {
    bool was = page_fixed(p);
    p->type = (u8)type;
    fixed_step(p, was);
}

void page_pin(struct exo_page *p) {
    bool was = page_fixed(p);
    CHECK(p->type == PAGE_DATA);
    p->pins++;
    fixed_step(p, was);
}

void page_unpin(struct exo_page *p) {
    bool was = page_fixed(p);
    CHECK((p->type == PAGE_DATA || p->type == PAGE_DOOMED || p->type == PAGE_CODE) && p->pins > 0);
    p->pins--;
    fixed_step(p, was);
    if (p->type == PAGE_DOOMED && !p->pins) p->type = PAGE_FREE;
}

// User addresses are offsets into RAM, whose page 0 nobody has mapped; its last page is read-only.
void *user_object(va_t va, u64 n, u64 align, bool write) {
    if (va % align || va < EXO_PAGE || va >= sizeof(ram) || va % EXO_PAGE + n > EXO_PAGE) return NULL;
    return write && va / EXO_PAGE == NPAGES - 1 ? NULL : ram + va;
}

void poke_idle(void) { pokes++; }

// ---- what the kernel says ----

static char said[256];

int kprintf(const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(said, sizeof(said), format, args);
    va_end(args);
    return n;
}

const char *boot_arg(const char *name);
static const char *bootargs = "";

const char *boot_arg(const char *name) {
    const char *p = strstr(bootargs, name);
    return !p ? NULL : p[strlen(name)] == '=' ? p + strlen(name) + 1 : "";
}

u64 boot_number(const char *name, u64 otherwise) {
    const char *p = boot_arg(name);
    return p && *p ? strtoull(p, NULL, 10) : otherwise;
}

#endif
