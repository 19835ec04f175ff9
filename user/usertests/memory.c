// The heap, the stack, and what a program must not touch.
#include "ut.h"

static char zeros[10000];

static void bss_is_zero(void) {
    for (uint i = 0; i < sizeof(zeros); i++) expect("byte", 0, zeros[i]);
}

static void sbrk_by_bytes(void) {
    char *a = sbrk(0);
    for (int i = 0; i < 5000; i++) {
        char *b = sbrk(1);
        expect("old end", (long)(a + i), (long)b);
        *b = 1;
    }
    expect("all back", (long)(a + 5000), (long)sbrk(-5000));
    expect("end", (long)a, (long)sbrk(0));
}

static void sbrk_gives_zeros(void) {
    char *a = sbrk(3 * PGSIZE);
    memset(a, 7, 3 * PGSIZE);
    sbrk(-3 * PGSIZE);
    expect("again", (long)a, (long)sbrk(3 * PGSIZE));
    for (int i = 0; i < 3 * PGSIZE; i += 64) expect("byte", 0, a[i]);
}

static void sbrk_refuses(void) {
    char *a = sbrk(0);
    expect("2 GiB", BAD, (long)sbrk(0x7fffffff));
    expect("end", (long)a, (long)sbrk(0));
    *(volatile char *)sbrk(1) = 1;
}

static void touch(void *p) { *(volatile char *)p = 1; }
static void look(void *p) { (void)*(volatile char *)p; }

static void heap_ends(void) {
    char *a = sbrk(2 * PGSIZE);
    a = (char *)PGROUNDUP((uint64)a);
    touch(a);
    sbrk(a - sbrk(0));
    expect("a byte past the end", BAD, status_of(touch, a));
}

static void all_memory(void) {
    int pages = 0;
    char *first = sbrk(0);
    for (char *a; (a = sbrk(PGSIZE)) != (char *)-1; pages++) a[PGSIZE - 1] = 1;
    if (pages < 100) fail("pages", 100, pages);
    for (int i = 0; i < pages; i++) expect("mark", 1, first[(uint64)i * PGSIZE + PGSIZE - 1]);
    expect("fork without memory", BAD, fork());
    sbrk(-(pages / 2) * PGSIZE);
    expect("half", (long)(first + (uint64)(pages - pages / 2) * PGSIZE), (long)sbrk(0));
}

static void malloc_to_the_end(void) {
    void *list = 0, **p;
    while ((p = malloc(10001))) {
        *p = list;
        list = p;
    }
    while (list) {
        void *next = *(void **)list;
        free(list);
        list = next;
    }
    p = malloc(20 * 1024);
    if (!p) fail("malloc afterwards", 1, 0);
    free(p);
}

static void shrink_to_nothing(void *unused) {
    (void)unused;
    sbrk(-(int)(uint64)sbrk(0));
}

static void odd_sizes(void *unused) {
    (void)unused;
    int size = (int)(uint64)sbrk(0);
    sbrk(10 * PGSIZE + 2048 - size);
    sbrk(-10);
    *(volatile char *)(sbrk(0) - 1) = 1;
}

static void heap_may_vanish(void) {
    expect("a program without memory", BAD, status_of(shrink_to_nothing, 0));
    int status = status_of(odd_sizes, 0); // the stack may be gone with it
    if (status != 0 && status != BAD) fail("status", 0, status);
}

static void forbidden(void) {
    static const uint64 at[] = {
        0,         KERNBASE,  KERNBASE + 0x1000000, MAXVA - PGSIZE, MAXVA - 2 * PGSIZE, MAXVA, MAXVA * 2 - 8,
        1ul << 62, 1ul << 63, ~0ul << 38,           ~0ul - 4095};
    for (uint i = 0; i < sizeof(at) / sizeof(*at); i++) {
        expect("store", BAD, status_of(touch, (void *)at[i]));
        if (at[i]) expect("load", BAD, status_of(look, (void *)at[i]));
    }
}

static void all_of_the_kernel(void) {
    for (uint64 a = KERNBASE; a < KERNBASE + 2000000; a += 50000)
        expect("load", BAD, status_of(look, (void *)a));
}

static void jump(void *p) { ((void (*)(void))p)(); }

static void jumps(void) {
    static int data = 0x8067; // ret
    expect("to data", BAD, status_of(jump, &data));
    expect("to the heap", BAD, status_of(jump, sbrk(PGSIZE)));
    expect("to nothing", BAD, status_of(jump, (void *)0x30000000));
}

static void below_the_stack(void *unused) {
    (void)unused;
    touch((char *)(r_sp() - PGSIZE - r_sp() % PGSIZE)); // the page below is the guard
}

static int deep(int n) {
    volatile char room[256];
    room[0] = (char)n;
    return n > 1000000 ? room[0] : deep(n + 1) + room[0];
}

static void overflow(void *unused) {
    (void)unused;
    deep(0);
}

static void stack_ends(void) {
    expect("the guard", BAD, status_of(below_the_stack, 0));
    expect("an overflow", BAD, status_of(overflow, 0));
}

static void copies(void *p) {
    int *shared = p;
    expect("as it was", 1, *shared);
    *shared = 2;
    expect("as written", 2, *shared);
}

static void fork_copies(void) {
    static int data = 1;
    int stack = 1, *heap = (int *)sbrk(PGSIZE);
    *heap = 1;
    expect("data", 0, status_of(copies, &data));
    expect("stack", 0, status_of(copies, &stack));
    expect("heap", 0, status_of(copies, heap));
    expect("sum", 3, data + stack + *heap);
}

const struct test memory_tests[] = {
    {"bss_is_zero", bss_is_zero, 0},
    {"sbrk_by_bytes", sbrk_by_bytes, 0},
    {"sbrk_gives_zeros", sbrk_gives_zeros, 0},
    {"sbrk_refuses", sbrk_refuses, 0},
    {"heap_ends", heap_ends, 0},
    {"all_memory", all_memory, 0},
    {"malloc_to_the_end", malloc_to_the_end, 0},
    {"heap_may_vanish", heap_may_vanish, 0},
    {"forbidden", forbidden, 0},
    {"all_of_the_kernel", all_of_the_kernel, 1},
    {"jumps", jumps, 0},
    {"stack_ends", stack_ends, 0},
    {"fork_copies", fork_copies, 0},
    {0, 0, 0},
};
