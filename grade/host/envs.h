// Environments that run, for tests of kernel/env.c, slot.c, transfer.c and the traps: the machine of memory.h
// with these files in it, four harts with control registers, a timer and interrupts between them. A test is
// the user code: it sets registers and traps. A hart with nothing to run leaves the kernel by wfi and goes on
// there when it is woken.
#ifndef ENVS_H
#define ENVS_H

#include <fcntl.h>
#include <sanitizer/asan_interface.h>
#include <ucontext.h>
#include <unistd.h>
#include <exo/types.h>

#define REAL_ENVS
static const char *host_stvec;
static u64 host_sstatus, host_sip, host_sie, host_scause, host_stval, host_0x14d;
static void host_wfi(void), host_lock_wait(u32 ticket, u32 turn);
#define csr_set(csr, v)         (host_##csr |= (v))
#define csr_clear(csr, v)       (host_##csr &= ~(u64)(v))
#define wfi()                   host_wfi()
#define lock_wait(ticket, lock) host_lock_wait(ticket, (lock)->turn)

#include "grade/host/memory.h"
#include "kernel/predicate.c"
#define release env_release // page.c has one, too
#include "kernel/env.c"
#undef release
#include "kernel/slot.c"
#include "kernel/transfer.c"
#include "kernel/trap.c"
#include "grade/host/recount.h"

// ---- what the kernel's other files provide ----

struct machine machine;
volatile u64 panic_owner;
char trap_fast[1], trap_full[1];
static u64 seed; // the boot argument
static u64 f_regs[HARTS][33];

const char *boot_arg(const char *name) {
    (void)name;
    return NULL;
}

u64 boot_number(const char *name, u64 otherwise) { return strcmp(name, "seed") || !seed ? otherwise : seed; }

void hart_stop(void) {
    panic("hart_stop");
    abort();
}

static void need_fp(void) {
    if (!(host_sstatus & SSTATUS_FS)) panic("floating-point registers are used while FS is Off");
}

void fp_zero(void) {
    need_fp();
    memset(f_regs[this_hart->index], 0, sizeof(*f_regs));
}

void fp_save(struct exo_forced *f) {
    need_fp();
    memcpy(f->f, f_regs[this_hart->index], sizeof(f->f));
    f->fcsr = f_regs[this_hart->index][32];
}

void fp_load(const struct exo_forced *f) {
    need_fp();
    memcpy(f_regs[this_hart->index], f->f, sizeof(f->f));
    f_regs[this_hart->index][32] = f->fcsr;
}

u32 plic_claim(void) { return 0; }

void plic_complete(u32 irq) { (void)irq; }

void console_input(void) {}

void disk_interrupt(u32 irq) { (void)irq; }

void disk_tick(void) {}

enum exo_error pins_error(const ppn_t *ppns, u32 n, u32 account, u32 more) // code_make pins by itself
{
    (void)ppns, (void)n, (void)account, (void)more;
    return E_FIXED;
}

#define NOT_HERE(name)                                             \
    struct ret do_##name(u64 a0, u64 a1, u64 a2, u64 a3, u64 a4) { \
        panic("do_" #name);                                        \
        return fail(E_CALL);                                       \
    }
NOT_HERE(ext_split)
NOT_HERE(ext_join)
NOT_HERE(ext_give)
NOT_HERE(ext_set)
NOT_HERE(disk_submit)
NOT_HERE(disk_done)
NOT_HERE(cons_write)
NOT_HERE(cons_read)
NOT_HERE(cons_give)
NOT_HERE(cap_new)
NOT_HERE(mark)
NOT_HERE(halt)

static u64 draw_state = 1;
static inline u32 draw(u32 n) {
    draw_state ^= draw_state << 13;
    draw_state ^= draw_state >> 7;
    draw_state ^= draw_state << 17;
    return (u32)(draw_state >> 20) % n;
}

// ---- harts ----

static struct csrs { u64 satp, sstatus, sip, timer; } csrs[HARTS]; // of those that are not this_hart

// From here on this hart acts.
static void on(u32 h) {
    csrs[this_hart->index] = (struct csrs){host_satp, host_sstatus, host_sip, host_0x14d};
    this_hart = &harts[h];
    host_satp = csrs[h].satp;
    host_sstatus = csrs[h].sstatus;
    host_sip = csrs[h].sip;
    host_0x14d = csrs[h].timer;
}

static struct csrs csrs_of(u32 h) {
    return h == this_hart->index ? (struct csrs){host_satp, host_sstatus, host_sip, host_0x14d} : csrs[h];
}

static u32 ipis[HARTS], timers; // interrupts sent to each; timers set through the firmware

static long firmware(u64 ext, u64 x0) {
    if (ext == SBI_EXT_TIME) {
        host_0x14d = x0;
        timers++;
    }
    for (u32 i = 0; ext == SBI_EXT_IPI && i < HARTS; i++)
        if (x0 >> harts[i].id & 1) {
            *(i == this_hart->index ? &host_sip : &csrs[i].sip) |= SIE_SSIE;
            ipis[i]++;
        }
    return 0;
}

static void host_lock_wait(u32 ticket, u32 turn) {
    if (ticket != turn) panic("the lock is taken twice");
}

// Each hart is in the kernel on a stack of its own, so that one which sleeps is in the middle of it.
static struct {
    ucontext_t at;
    bool sleeps;
    u8 stack[1 << 17] __attribute__((aligned(16)));
} inside[HARTS];
static ucontext_t outside;
static void (*kernel_entry)(void);

static void host_wfi(void) {
    u32 h = this_hart->index;
    inside[h].sleeps = true;
    swapcontext(&inside[h].at, &outside);
    inside[h].sleeps = false;
}

static void into_kernel(void) { kernel_entry(); }

static void lock_free(void) {
    if (kernel_lock.next != kernel_lock.turn) panic("the lock is held on the way out");
}

static void kernel(void (*f)(void)) {
    u32 h = this_hart->index;
    ucontext_t *at = &inside[h].at;
    if (inside[h].sleeps) // a test takes it out of there
        ASAN_UNPOISON_MEMORY_REGION(inside[h].stack, sizeof(inside[h].stack));
    inside[h].sleeps = false;
    getcontext(at);
    at->uc_stack.ss_sp = inside[h].stack;
    at->uc_stack.ss_size = sizeof(inside[h].stack);
    at->uc_link = &outside;
    makecontext(at, into_kernel, 0);
    kernel_entry = f;
    swapcontext(&outside, at);
    lock_free();
}

static void nothing(void) {}

// AddressSanitizer warns, once, that it does not follow who changes stacks.
static void first_change(void) {
    int err = dup(2), none = open("/dev/null", O_WRONLY);
    dup2(none, 2);
    kernel(nothing);
    dup2(err, 2);
    close(none);
    close(err);
}

// A hart that slept has these interrupts pending.
static void wake(u32 h, u64 why) {
    on(h);
    if (!inside[h].sleeps) panic("hart %u is woken and does not sleep", h);
    host_sip |= why;
    swapcontext(&outside, &inside[h].at);
    host_sip &= ~SIE_STIE;
    lock_free();
}

static inline struct exo_env *cur(void) { return this_hart->cur; }

static void trap(u64 cause) {
    if (!this_hart->cur) panic("a trap on a hart that runs nobody");
    host_scause = cause;
    kernel(trap_c);
}

// The current environment's call, and what it finds in a0 if it is still the one that runs.
static i64 ecall(u64 nr, u64 x0, u64 x1, u64 x2, u64 x3, u64 x4) {
    u64 *x = this_hart->regs.x;
    x[10] = x0, x[11] = x1, x[12] = x2, x[13] = x3, x[14] = x4, x[17] = nr;
    trap(CAUSE_ECALL);
    return (i64)x[10];
}
#define yield(eid) ecall(EXO_YIELD, eid, 0, 0, 0, 0)
#define reply()    ecall(EXO_REPLY, 0, 0, 0, 0, 0)

// 0, or the error in t6 if it was refused.
static inline i64 transfer(u64 nr, u64 eid, cap_t cap) {
    const struct exo_env *e = this_hart->cur;
    this_hart->regs.x[16] = eid;
    this_hart->regs.x[15] = cap;
    (void)ecall(nr, 0, 0, 0, 0, 0);
    return this_hart->cur == e ? (i64)this_hart->regs.x[31] : 0;
}
#define call(eid)  transfer(EXO_CALL, eid, 0)
#define sends(eid) transfer(EXO_SEND, eid, 0)

// The timer goes off on this hart: once is the end of the slice, twice an abort.
static inline void timer_fires(void) {
    host_time = host_time > host_0x14d ? host_time : host_0x14d;
    trap(CAUSE_INTERRUPT | 5);
}

// The interrupts that other harts sent reach hart h.
static void poked(u32 h) {
    on(h);
    if (!(host_sip & SIE_SSIE)) return;
    if (this_hart->cur)
        trap(CAUSE_INTERRUPT | 1);
    else
        wake(h, 0);
}

static inline void all_poked(void) {
    u32 h = this_hart->index;
    for (u32 n = 0; n < 2 * HARTS; n++) poked(n % HARTS);
    on(h);
}

// ---- environments ----

static va_t entry_pc(const struct exo_env *e, u32 which) {
    return 0x10000 * (u64)(e - envs + 1) + 0x100 * which;
}

static void entries_init(struct exo_env *e) {
    for (u32 i = 0; i < 4; i++) env_ua(e)->entry[i] = entry_pc(e, i);
}

// A call in the name of an account, none of whose environments may be running.
static struct exo_env nobody;
#define IN_NAME_OF(n, call)                                                           \
    ({                                                                                \
        struct exo_env *cur_ = this_hart->cur;                                        \
        nobody = (struct exo_env){.account = (u8)(n), .root = cur_ ? cur_->root : 0}; \
        this_hart->cur = &nobody;                                                     \
        __auto_type r_ = call;                                                        \
        this_hart->cur = cur_;                                                        \
        r_;                                                                           \
    })

enum { UVA = 0x10000000 };

// Ready to be entered.
static struct exo_env *env_make(u32 account, ppn_t root, ppn_t uarea, u32 hart) {
    struct ret r = IN_NAME_OF(account, do_env_new(hart, root, uarea, UVA + (u64)uarea % 256 * EXO_PAGE, 0));
    if (r.err) panic("no environment: %ld", (long)r.err);
    struct exo_env *e = env_get(r.val);
    entries_init(e);
    e->state &= ~ENV_STOPPED;
    return e;
}

static inline struct exo_env *env_on(u32 account, ppn_t root, u32 hart) {
    return env_make(account, root, IN_NAME_OF(account, page()), hart);
}

// It runs, and its hart is the one that acts.
static void as(struct exo_env *e) {
    on(e->home);
    if (this_hart->cur == e) return;
    leave();
    this_hart->idle = 0;
    enter_prologue(e);
}

static inline void fill(u32 hart, u32 slot, const struct exo_env *e) {
    struct ret r =
        IN_NAME_OF(slots[hart * EXO_NSLOT + slot].account, do_slot_set(hart, slot, e ? e->eid : 0, 0, 0));
    if (r.err) panic("slot_set: %ld", (long)r.err);
}

// Account 1 and its child 2 with 30 environments; e1 runs on hart 0, from slot 0; e2 on hart 1, from slot 32;
// the other harts sleep. Slots 32 to 47 are account 2's.
static void boot(void) {
    memset(csrs, 0, sizeof(csrs));
    memset(ipis, 0, sizeof(ipis));
    host_satp = host_sstatus = host_sip = host_0x14d = 0;
    memset(&kernel_lock, 0, sizeof(kernel_lock));
    machine.sstc = true;
    other_sbi = firmware;
    seed = 0;
    this_hart = harts;
    first_change();
    start_with(768, 150);
    words->timebase = 10000000;
    words->slice = 100000;
    words->budget = 20000;
    for (u32 i = 0; i < EXO_NENV; i++)
        if (!envs[i].eid) envs[i].state = ENV_FREE;
    (void)IN_NAME_OF(1, do_acct_set(2, 150, 30, 4, 4));
    for (u32 i = 0; i < HARTS; i++) {
        slot_init(i);
        (void)IN_NAME_OF(1, do_slot_give(i, 32, 16, 2, 0));
        on(i);
        ready_update();
        if (i > 1) kernel(dispatch);
    }
    on(0);
    fill(0, 0, e1);
    fill(1, 32, e2);
}

// Ends those of all[n] that still have these eids, and frees the pages that were their u-areas.
static inline void end_all(struct exo_env *const *all, const eid_t *eids, u32 n) {
    ppn_t u[EXO_DEPTH + 1];
    on(3);
    for (u32 i = 0; i < n; i++) {
        u[i] = all[i]->uarea;
        if (all[i]->eid == eids[i]) (void)IN_NAME_OF(1, do_env_end(eids[i], 0, 0, 0, 0));
    }
    all_poked();
    for (u32 i = 0; i < n; i++)
        if (IN_NAME_OF(1, do_page_free(u[i], 0, 0, 0, 0)).err) panic("a u-area is still in use");
}

static inline void regs_mark(u64 mark) {
    for (u32 i = 1; i < 32; i++) this_hart->regs.x[i] = mark + i;
    this_hart->regs.pc = mark;
}

static inline u32 regs_differ(u64 mark) {
    u32 n = this_hart->regs.pc != mark;
    for (u32 i = 1; i < 32; i++) n += this_hart->regs.x[i] != mark + i;
    return n;
}

// A predicate: true once the word is not w0, or from time w1 on.
static inline ppn_t predicate(u64 **word) {
    ppn_t code = page(), named = page();
    if (!code_make(pg(code), pg(named))) panic("no predicate");
    static const struct pred_insn insn[] = {{PRED_LD, 5, 1, 0, 0},
                                            {PRED_SUB, 6, 5, 1, 0},
                                            {PRED_BLTU, 0, 4, 2, 1},
                                            {PRED_LI, 6, 0, 0, 1},
                                            {PRED_RET, 0, 6, 0, 0}};
    struct pred_code *c = ppn_to_va(code);
    c->n = sizeof(insn) / sizeof(*insn);
    memcpy(c->insn, insn, sizeof(insn));
    *word = ppn_to_va(named);
    **word = 7;
    return code;
}

#endif
