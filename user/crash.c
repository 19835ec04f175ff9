// crash kind : does what a program must not, so that it is stopped alone and reported. `outer` and `inner`
// are there for the backtrace to show.
#include <exo/abi.h>

#include "kernel/types.h"
#include "kernel/memlayout.h"
#include "user/user.h"

#define NOWHERE 0x30000000 // far above any heap, below the library OS

static void load(void) { (void)*(volatile char *)NOWHERE; }

static void store(void) { *(volatile char *)NOWHERE = 1; }

static void text(void) { *(volatile char *)(uint64)load = 1; }

static void window(void) { *(volatile uint64 *)EXO_WORDS = 1; }

static void kernel(void) { (void)*(volatile char *)KERNBASE; }

static void beyond(void) // no address: bits 63 to 39 are not all alike
{
    (void)*(volatile char *)(1UL << 50);
}

static void jump(void) { ((void (*)(void))(uint64)NOWHERE)(); }

static void heap(void) {
    uint *code = malloc(16);
    code[0] = 0x8082; // ret
    ((void (*)(void))code)();
}

static void illegal(void) { __asm__ volatile(".word 0"); }

static void privileged(void) { __asm__ volatile("csrr t0, sstatus" ::: "t0"); }

static void breakpoint(void) { __asm__ volatile("ebreak"); }

// One that xv6 does not have either.
static void ecall(void) { __asm__ volatile("li a7, 77\n ecall" ::: "a0", "a1", "a2", "a7", "memory"); }

static int deep(volatile int *above) {
    volatile int here[64];
    here[0] = *above + 1;
    return here[0] > 0 ? deep(here) + here[0] : 0;
}

static void stack(void) {
    volatile int top = 0;
    deep(&top);
}

static void no_stack(void) {
    __asm__ volatile("li sp, 8\n sd zero, -16(sp)"); // on a stack that is none
}

static void no_frames(void) { __asm__ volatile("li s0, 0x2fffffff8\n ld t0, -8(zero)" ::: "t0"); }

static const struct kind {
    const char *name;
    void (*run)(void);
} kinds[] = {
    {"load", load},       {"store", store},           {"text", text},           {"window", window},
    {"kernel", kernel},   {"beyond", beyond},         {"jump", jump},           {"heap", heap},
    {"illegal", illegal}, {"privileged", privileged}, {"ecall", ecall},         {"breakpoint", breakpoint},
    {"stack", stack},     {"no_stack", no_stack},     {"no_frames", no_frames},
};

#define NOT_LAST __asm__ volatile("") // so that the call before it is no jump

static void __attribute__((noinline)) inner(const struct kind *k) {
    k->run();
    NOT_LAST;
}

static void __attribute__((noinline)) outer(const struct kind *k) {
    inner(k);
    NOT_LAST;
}

int main(int argc, char **argv) {
    for (uint i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (argc > 1 && strcmp(argv[1], kinds[i].name) == 0) outer(&kinds[i]);
    fprintf(2, "crash: it goes on\n");
    return 1;
}
