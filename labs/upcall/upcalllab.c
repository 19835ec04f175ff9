// The programs of the upcall lab's tests (tests.py): what each mode does, and in tests.py what the kernel
// must have seen.
#include <exo/call.h>
#include "kernel/fcntl.h"
#include "labs/lab.h"
#include "user/signals.h"

#define PAGE 4096
#define BAD  ((char *)-1)

extern char end[]; // of the program's data: so that it is among the symbols

static void mark(uint64 n) { exo_mark(n, (uint64)end); }

static int must_fork(void) {
    int pid = fork();
    if (pid >= 0) return pid;
    printf("upcalllab: fork failed\n");
    exit(1);
}

static char *must_grow(uint64 pages) {
    char *p = sbrk((int)(pages * PAGE));
    if (p != BAD) return p;
    printf("upcalllab: sbrk failed\n");
    exit(1);
}

// ---- all registers over one instruction ----

// What the registers x1 to x31 hold before and after; x3 (gp, the libOS's) and x9 (s1, which says where this
// is) are not set. f0 to f31 and fcsr the same.
static struct regs { uint64 in[32], out[32], kept[16], fin[33], fout[33]; } regs;

// do_NAME(&regs): one instruction with the registers as in `in`; and what they are then.
__asm__(".macro all op, at\n"
        ".irp r, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, "
        "27, 28, 29, 30, 31\n"
        "\\op x\\r, \\at + 8 * \\r(s1)\n"
        ".endr\n"
        ".endm\n"
        ".macro kept op, base\n"
        ".set i, 512\n"
        ".irp r, 1, 2, 4, 8, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 9\n"
        "\\op x\\r, i(\\base)\n"
        ".set i, i + 8\n"
        ".endr\n"
        ".endm\n"
        ".macro all_f op, at\n"
        ".irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, "
        "25, 26, 27, 28, 29, 30, 31\n"
        "\\op f\\r, \\at + 8 * \\r(s1)\n"
        ".endr\n"
        ".endm\n"
        ".macro try name, insn:vararg\n"
        ".globl do_\\name\n"
        ".type do_\\name, @function\n"
        "do_\\name:\n"
        "kept sd, a0\n"
        "mv s1, a0\n"
        "all ld, 0\n"
        "\\insn\n"
        "all sd, 256\n"
        "kept ld, s1\n"
        "ret\n"
        ".endm\n"
        ".text\n"
        "try load_ra, lb zero, 0(ra)\n"
        "try store_sp, sd t3, 0(sp)\n"
        "try load_t0, ld t0, 0(t0)\n"
        "try store_t1, sd t0, 0(t1)\n"
        "try amo_t2, amoadd.d a0, a5, (t2)\n"
        "try store_s0, sd s2, 0(s0)\n"
        "try load_a0, lw a7, 0(a0)\n"
        "try store_a7, sd sp, 0(a7)\n"
        "try load_t6, lhu t5, 0(t6)\n"
        "try store_s11, sd ra, 0(s11)\n"
        "try load_a5, ld a4, 0(a5)\n"
        "try call, ecall\n"
        // t0 times round, with nothing but registers
        ".globl do_spin\n"
        ".type do_spin, @function\n"
        "do_spin:\n"
        "kept sd, a0\n"
        "mv s1, a0\n"
        "all ld, 0\n"
        "1: addi t0, t0, -1\n"
        "bnez t0, 1b\n"
        "all sd, 256\n"
        "kept ld, s1\n"
        "ret\n"
        ".globl do_float\n"
        ".type do_float, @function\n"
        "do_float:\n"
        "kept sd, a0\n"
        "mv s1, a0\n"
        "ld t1, 640 + 256(s1)\n"
        "fscsr t1\n"
        "all_f fld, 640\n"
        "all ld, 0\n"
        "fsd f5, 0(a1)\n"
        "fld f7, 8(a2)\n"
        "1: addi t0, t0, -1\n"
        "bnez t0, 1b\n"
        "all sd, 256\n"
        "all_f fsd, 904\n"
        "frcsr t1\n"
        "sd t1, 904 + 256(s1)\n"
        "kept ld, s1\n"
        "ret\n");

#define TRIES(X)   \
    X(load_ra, 1)  \
    X(store_sp, 2) \
    X(load_t0, 5)  \
    X(store_t1, 6) \
    X(amo_t2, 7) X(store_s0, 8) X(load_a0, 10) X(store_a7, 17) X(load_t6, 31) X(store_s11, 27) X(load_a5, 15)
#define DECLARE(name, base) void do_##name(struct regs *);
#define ENTRY(name, base)   {do_##name, base},

TRIES(DECLARE)
void do_call(struct regs *);
void do_spin(struct regs *);
void do_float(struct regs *);

static const struct {
    void (*run)(struct regs *);
    int base;
} tries[] = {TRIES(ENTRY)};

#define NTRIES (sizeof tries / sizeof *tries)

static void fill(uint64 seed, uint64 i) {
    for (uint64 r = 0; r < 32; r++) regs.in[r] = fresh(seed, 10000 + 32 * i + r);
}

static uint64 hash(uint64 h) {
    for (int r = 1; r < 32; r++)
        if (r != 3 && r != 9) h = h * 31 + regs.out[r];
    return h;
}

// ---- page faults and calls ----

#define PAGES 120

// Each faults on a page of its own, at an instruction and an offset that are drawn.
static uint64 all_tries(uint64 seed, char *p) {
    uint64 h = fresh(seed, 0);
    for (uint64 i = 0; i < PAGES; i++) {
        uint64 which = fresh(seed, 1000 + i) % NTRIES,
               at = (uint64)p + i * PAGE + fresh(seed, 2000 + i) % (PAGE - 8) / 8 * 8;
        fill(seed, i);
        regs.in[tries[which].base] = at;
        tries[which].run(&regs);
        h = hash(h) * 31 + *(uint64 *)at;
    }
    return h;
}

static int survive(uint64 seed) {
    char *p = must_grow(PAGES);
    fill(seed, 0); // whose page is there then
    mark(1);
    uint64 h = all_tries(seed, p);
    mark(2);
    answer("registers", h);
    return 0;
}

// xv6's way to call: an exception. This one gets the process's number.
static uint64 calls(uint64 seed, uint64 n) {
    uint64 h = fresh(seed, 1), pid = (uint64)getpid();
    for (uint64 i = 0; i < n; i++) {
        if (i % 16 == 0) fill(seed, 500 + i / 16);
        regs.in[17] = 11; // SYS_getpid
        do_call(&regs);
        regs.out[10] -= pid;
        h = hash(h);
    }
    return h;
}

static int direct(uint64 seed) {
    char *p = must_grow(PAGES);
    fill(seed, 0); // whose page is there then
    mark(1);
    uint64 h = calls(seed, 200);
    mark(2);
    uint64 g = all_tries(seed, p);
    mark(3);
    answer("calls", h);
    answer("faults", g);
    return 0;
}

static int cost(uint64 seed) {
    uint64 h = calls(seed, 16);
    mark(1);
    for (int i = 0; i < 500; i++) do_call(&regs);
    mark(2);
    answer("calls", h);
    return 0;
}

// Slices so short that many end in the libOS's way in, or its way back.
static int ticks(uint64 seed) {
    char *p = must_grow(PAGES);
    uint64 h = calls(seed, 12000), g = all_tries(seed, p);
    answer("calls", h);
    answer("faults", g);
    return 0;
}

static int floating(uint64 seed) {
    char *p = must_grow(PAGES);
    uint64 h = fresh(seed, 0);
    for (uint64 i = 0; i < 30; i++) {
        for (uint64 r = 0; r < 32; r++) regs.fin[r] = fresh(seed, 20000 + 32 * i + r);
        regs.fin[32] = i % 5 << 5 | (i & 31); // rounding mode and flags
        fill(seed, i);
        regs.in[5] = 20000 + fresh(seed, 3000 + i) % 40000; // t0: rounds
        regs.in[11] = (uint64)p + 2 * i * PAGE + 8;
        regs.in[12] = (uint64)p + (2 * i + 1) * PAGE + 8;
        do_float(&regs);
        for (int r = 0; r < 33; r++) h = h * 31 + regs.fout[r];
        h = hash(h) * 31 + *(uint64 *)regs.in[11];
    }
    answer("registers", h);
    return 0;
}

// ---- the libOS's own faults ----

#define BLOCKS 60

// read(), by ecall, in the middle of registers that must not change; adds to *changed how many did.
static int exceptional_read(int fd, void *at, int n, uint64 *changed) {
    fill((uint64)fd, 0);
    regs.in[17] = 5;
    regs.in[10] = (uint64)fd;
    regs.in[11] = (uint64)at;
    regs.in[12] = (uint64)n;
    do_call(&regs);
    for (int r = 1; r < 32; r++) *changed += r != 3 && r != 9 && r != 10 && regs.out[r] != regs.in[r];
    return (int)regs.out[10];
}

// A file that was written by another process: whoever reads it uses frames of the cache for the first time,
// deep inside the libOS. The first child calls read(); for the others that is an exception, too.
static int own(uint64 seed) {
    static uint64 block[PAGE / 8];
    int fd = open("data", O_CREATE | O_RDWR), status;
    for (uint64 b = 0; b < BLOCKS; b++) {
        for (uint64 w = 0; w < PAGE / 8; w++) block[w] = fresh(seed, b) + w * b;
        if (write(fd, block, PAGE) != PAGE) return 1;
    }
    close(fd);
    mark(1);
    for (int child = 0; child < 3; child++) {
        if (must_fork() == 0) {
            uint64 sum = 0, changed = 0;
            fd = open("data", O_RDONLY);
            for (int n;
                 (n = child ? exceptional_read(fd, block, 1000, &changed) : read(fd, block, 1000)) > 0;)
                for (int w = 0; w < n / 8; w++) sum = sum * 31 + block[w];
            printf("answer sum%d %lx\n", child, sum);
            printf("answer changed%d %lx\n", child, changed);
            exit(0);
        }
        wait(&status);
    }
    return 0;
}

// ---- what nothing serves ----

static void wild_load(uint64 x) { (void)*(volatile char *)(0x30000000 + x % 10000 * 8); }
static void wild_store(uint64 x) { *(volatile char *)(0x20000000 + x % 10000 * 8) = 1; }
static void wild_jump(uint64 x) { ((void (*)(void))(0x10000000 + x % 10000 * 8))(); }
static void wild_instruction(uint64 x) { __asm__ volatile(".word 0xffffffff\n" : : "r"(x)); }
static void wild_break(uint64 x) { __asm__ volatile("ebreak\n" : : "r"(x)); }
static void wild_call(uint64 x) {
    __asm__ volatile("mv a7, %0\n"
                     "ecall\n"
                     :
                     : "r"(100 + x % 100)
                     : "a0", "a7");
}
static void wild_floating(uint64 x) { // an illegal instruction while floating point is on
    __asm__ volatile("fcvt.d.l f0, %0\n"
                     ".word 0xffffffff\n"
                     :
                     : "r"(x)
                     : "f0");
}

static const struct {
    const char *name;
    void (*run)(uint64 x);
} wilds[] = {
    {"load", wild_load},         {"store", wild_store},
    {"jump", wild_jump},         {"instruction", wild_instruction},
    {"break", wild_break},       {"call", wild_call},
    {"floating", wild_floating},
};

// Somebody who waits, and computes, while others end.
static void bystander(uint64 seed, int fds[2]) {
    pipe(fds);
    if (must_fork() == 0) {
        uint64 value = 0, i = 0;
        close(fds[1]);
        while (read(fds[0], &value, sizeof value) == sizeof value) {
            fill(seed, i);
            regs.in[5] = 3000;
            do_spin(&regs);
            answer(i++ ? "last" : "first", hash(value));
        }
        exit(0);
    }
    close(fds[0]);
    uint64 value = fresh(seed, 1);
    write(fds[1], &value, sizeof value);
}

static void bystander_ends(uint64 seed, int fds[2]) {
    uint64 value = fresh(seed, 2);
    write(fds[1], &value, sizeof value);
    close(fds[1]);
    wait(0);
}

static int wild(uint64 seed) {
    int fds[2], status;
    bystander(seed, fds);
    for (uint64 i = 0; i < sizeof wilds / sizeof *wilds; i++) {
        int pid = must_fork();
        if (pid == 0) {
            wilds[i].run(fresh(seed, 10 + i));
            exit(0);
        }
        while (wait(&status) != pid)
            ;
        answer(wilds[i].name, status == -1);
    }
    bystander_ends(seed, fds);
    return 0;
}

static uint64 deep(uint64 n) {
    volatile uint64 room[16];
    room[n % 16] = n;
    return n > 1000000 ? room[0] : deep(n + 1) + room[n % 16];
}

// A fault whose stack is not there, and some with no stack at all that are served.
static int stack(uint64 seed) {
    int fds[2], status = 0;
    bystander(seed, fds);
    int pid = must_fork();
    if (pid == 0) exit((int)deep(fresh(seed, 3) % 16));
    while (wait(&status) != pid)
        ;
    answer("overflow", status == -1);
    static const uint64 sps[] = {0, 8, ~0ul, 0x40000000, 0x30000001, 0xffffffe000000000};
    char *p = must_grow(sizeof sps / 8);
    uint64 h = fresh(seed, 4);
    for (uint64 i = 0; i < sizeof sps / 8; i++) {
        fill(seed, i);
        regs.in[2] = sps[i];
        regs.in[8] = (uint64)p + i * PAGE;
        do_store_s0(&regs);
        h = hash(h) * 31 + *(uint64 *)regs.in[8];
    }
    answer("without", h);
    bystander_ends(seed, fds);
    return 0;
}

// ---- handlers ----

// A handler's word that it ran is a page of its own: the kernel sees the fault, and where it was.
static char *next;
static volatile int handled[2];

static void spoil(void) { // all that the program may have had in a register
    __asm__ volatile(
        ".irp r, 1, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, "
        "29, "
        "30, 31\n"
        "li x\\r, -\\r\n"
        ".endr\n"
        ".irp r, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31\n"
        "fcvt.d.l f\\r, t0\n"
        ".endr\n"
        :
        :
        : "ra", "t0", "t1", "t2", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3", "s4",
          "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6", "memory", "fs0", "fs1", "fs2",
          "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11");
}

static void first_handler(int sig) {
    *(volatile int *)next = sig;
    next += PAGE;
    handled[0]++;
    spoil();
}

static void second_handler(int sig) {
    *(volatile int *)next = sig;
    next += PAGE;
    handled[1]++;
    spoil();
}

static uint64 signals_seen(char *from) {
    uint64 h = 0;
    for (; from < next; from += PAGE) h = h * 31 + *(uint64 *)from;
    return h;
}

// At the end of a call of the libOS.
static int handled_(uint64 seed) {
    char *p = next = must_grow(40);
    uint64 wrong = 0;
    for (int sig = 1; sig < 31; sig++)
        if (sig != SIGKILL) signal(sig, sig & 1 ? first_handler : second_handler);
    mark(1);
    for (uint64 i = 0; i < 20; i++) {
        int sig = 1 + (int)(fresh(seed, i) % 30);
        if (sig == SIGKILL) sig = 8;
        char *before = next;
        if (sigsend(getpid(), sig) != 0) wrong++;
        if (next != before + PAGE) wrong += 100;
    }
    mark(2);
    answer("wrong", wrong);
    answer("signals", signals_seen(p));
    answer("refused", signal(SIGKILL, first_handler) == -1 && signal(0, first_handler) == -1 &&
                          signal(31, first_handler) == -1);
    signal(SIGUSR1, SIG_IGN);
    sigsend(getpid(), SIGUSR1);
    answer("ignored", next == p + 20 * PAGE);
    return 0;
}

// A child sends the parent signals, one after the other is handled, while the parent does `what`.
static int while_it(uint64 seed, uint64 what(uint64 seed, uint64 i), int wanted) {
    int fds[2], parent = getpid(), status;
    char *p = next = must_grow(60);
    uint64 h = fresh(seed, 0), rounds = 0;
    handled[0] = handled[1] = 0;
    signal(SIGUSR1, first_handler);
    signal(SIGUSR2, second_handler);
    pipe(fds);
    int pid = must_fork();
    if (pid == 0) {
        char c;
        for (int i = 0; i < wanted; i++) {
            read(fds[0], &c, 1);
            for (volatile uint64 k = fresh(seed, 300 + (uint64)i) % 3000; k; k--) continue;
            sigsend(parent, i & 1 ? SIGUSR2 : SIGUSR1);
        }
        exit(0);
    }
    close(fds[0]);
    for (int sent = 0; sent < wanted; sent++) {
        write(fds[1], "x", 1);
        while (handled[0] + handled[1] == sent && rounds < 20000) {
            uint64 saw = what(seed, rounds % 16);
            if (rounds < 16) h = h * 31 + saw;
            if (saw != what(seed, rounds % 16)) handled[0] = 1000;
            rounds++;
        }
    }
    wait(&status);
    answer("firsts", (uint64)handled[0]);
    answer("seconds", (uint64)handled[1]);
    for (; rounds < 16; rounds++) h = h * 31 + what(seed, rounds);
    answer("registers", h);
    answer("signals", signals_seen(p));
    return 0;
}

static uint64 my_sp(void) {
    uint64 sp;
    __asm__ volatile("mv %0, sp" : "=r"(sp));
    return sp;
}

static uint64 spin_round(uint64 seed, uint64 i) {
    fill(seed, i);
    regs.in[2] = my_sp() - 64;
    regs.in[4] = 0; // tp is the libOS's where several harts may run the program
    regs.in[5] = 500 + regs.in[6] % 1000;
    do_spin(&regs);
    regs.out[2] -= regs.in[2];
    return hash(0);
}

static uint64 pid; // asked for once: a call of the libOS hears of signals itself

static uint64 call_round(uint64 seed, uint64 i) {
    uint64 h = 0;
    fill(seed, i);
    regs.in[2] = my_sp() - 64;
    regs.in[4] = 0; // tp is the libOS's where several harts may run the program
    regs.in[17] = 11;
    for (int k = 0; k < 30; k++) {
        do_call(&regs);
        if (k % 6) continue;
        regs.out[2] -= regs.in[2];
        regs.out[10] -= pid;
        h = hash(h);
    }
    return h;
}

static uint64 float_round(uint64 seed, uint64 i) {
    static uint64 words[2];
    uint64 h = 0;
    for (uint64 r = 0; r < 32; r++) regs.fin[r] = fresh(seed, 20000 + 32 * i + r);
    regs.fin[32] = i % 5 << 5;
    fill(seed, i);
    regs.in[2] = my_sp() - 64;
    regs.in[4] = 0; // tp is the libOS's where several harts may run the program
    regs.in[5] = 500 + regs.in[6] % 1000;
    regs.in[11] = regs.in[12] = (uint64)words;
    words[1] = 0;
    do_float(&regs);
    for (int r = 0; r < 33; r++) h = h * 31 + regs.fout[r];
    regs.out[2] = regs.out[11] = regs.out[12] = 0;
    return hash(h);
}

static int interrupted(uint64 seed) { return while_it(seed, spin_round, 20); }
static int between(uint64 seed) {
    pid = (uint64)getpid();
    return while_it(seed, call_round, 20);
}
static int keeps_float(uint64 seed) { return while_it(seed, float_round, 20); }

static uint64 mixed_round(uint64 seed, uint64 i) {
    return spin_round(seed, i) * 31 * 31 + call_round(seed, i) * 31 + float_round(seed, i);
}

static int mixed(uint64 seed) {
    pid = (uint64)getpid();
    return while_it(seed, mixed_round, 40);
}

// Handlers within handlers: the one of another signal may come, its own waits.
static void nesting(int sig) {
    int other = sig == SIGUSR1 ? SIGUSR2 : SIGUSR1, me = sig == SIGUSR2, first = handled[me]++ == 0;
    *(volatile int *)next = sig;
    next += PAGE;
    if (first) {
        sigsend(getpid(), sig);   // blocked until this one returns
        sigsend(getpid(), other); // at once, unless it runs already
    }
    *(volatile int *)next = sig + 100;
    next += PAGE;
    spoil();
}

static int nested(uint64 seed) {
    char *p = next = must_grow(40);
    int sig = fresh(seed, 0) & 1 ? SIGUSR1 : SIGUSR2;
    signal(SIGUSR1, nesting);
    signal(SIGUSR2, nesting);
    sigsend(getpid(), sig);
    answer("handlers", (uint64)(next - p) / PAGE);
    answer("order", signals_seen(p));
    answer("blocked", sigblock(0));
    return 0;
}

static int blocked(uint64 seed) {
    char *p = next = must_grow(40);
    uint64 wrong = 0;
    signal(SIGUSR1, first_handler);
    signal(SIGUSR2, second_handler);
    signal(SIGALRM, second_handler);
    if (sigblock(1u << SIGUSR1) != 0) wrong |= 1;
    for (uint64 i = 0; i <= fresh(seed, 0) % 3; i++) sigsend(getpid(), SIGUSR1);
    if (next != p) wrong |= 2;
    sigsend(getpid(), SIGUSR2);
    if (next != p + PAGE) wrong |= 4;
    if (sigblock(0) != 1u << SIGUSR1 || next != p + 2 * PAGE) wrong |= 8; // once, however often it was sent
    sigblock(~0u);
    sigsend(getpid(), SIGUSR1);
    if (sigpause(0) != -1 || next != p + 3 * PAGE) wrong |= 16;
    sigsend(getpid(), SIGUSR1);
    if (next != p + 3 * PAGE) wrong |= 32; // blocked as before
    if (sigblock(0) != ~0u) wrong |= 256;  // all that was blocked before it
    alarm(1);
    if (sleep(1000) != -1 || next != p + 5 * PAGE) wrong |= 64;
    int fds[2];
    char c;
    pipe(fds);
    alarm(1);
    if (read(fds[0], &c, 1) != -1 || next != p + 6 * PAGE) wrong |= 128;
    answer("wrong", wrong);
    answer("signals", signals_seen(p));
    return 0;
}

// What has no handler, and a handler for which there is no stack, ends a process, and it alone.
static int ends(uint64 seed) {
    int fds[2], status, signals[] = {SIGUSR1, SIGTERM, 1 + (int)(fresh(seed, 0) % 8), SIGALRM};
    bystander(seed, fds);
    for (uint64 i = 0; i < 5; i++) {
        int pid = must_fork();
        if (pid == 0) {
            if (i < 4) {
                sigsend(getpid(), signals[i]);
                exit(0);
            }
            signal(SIGUSR1, first_handler);
            int me = getpid();
            if (must_fork() == 0) {
                sigsend(me, SIGUSR1);
                exit(0);
            }
            fill(seed, 0);
            regs.in[2] = 64; // no room for a frame
            regs.in[5] = ~0ul;
            do_spin(&regs);
            exit(0);
        }
        while (wait(&status) != pid)
            ;
        printf("answer ended%d %d\n", (int)i, status == -1);
    }
    sigsend(getpid(), SIGCHLD); // does nothing
    bystander_ends(seed, fds);
    return 0;
}

static const struct mode modes[] = {
    {"survive", survive},
    {"direct", direct},
    {"cost", cost},
    {"ticks", ticks},
    {"float", floating},
    {"own", own},
    {"wild", wild},
    {"stack", stack},
    {"handled", handled_},
    {"interrupted", interrupted},
    {"between", between},
    {"keeps_float", keeps_float},
    {"mixed", mixed},
    {"nested", nested},
    {"blocked", blocked},
    {"ends", ends},
    {0, 0},
};

int main(int argc, char **argv) { return run_mode(modes, argc, argv); }
