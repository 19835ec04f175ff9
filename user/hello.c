// Lab hello: a libOS of the smallest kind, on bare kernel calls. The machine boots it in place of first.c, so
// it is account 1 and owns all there is. Boot arguments say what to do: pages=N words, each in a page of its
// own, from page number at=N of the address space on, made of fresh=N.
#include "rt/rt.h"
#include "bootarg.h"

#define TABLES 8

static ppn_t root; // of the address space it runs in
static struct {
    va_t va;
    u64 level;
} linked[TABLES]; // by it, in this order
static u32 nlinked;

static void must(i64 err, const char *what) {
    if (!err) return;
    print("hello: %s: error %ld\n", what, err);
    exo_halt(1);
}

void rt_fault(struct exo_uarea *ua) {
    print("hello: fault %lu at %lx, pc %lx\n", ua->fault.cause, ua->fault.tval, ua->fault.epc);
    exo_halt(1);
}

static ppn_t take(void) {
    struct exo_ret page = exo_page_alloc(0, 0);
    must(page.err, "page_alloc");
    return (ppn_t)page.val;
}

// A table for va's entry of `level`, and before it the one above, if that is missing too.
static void link(va_t va, u64 level) {
    va &= -((va_t)EXO_PAGE << 9 * (level + 1));
    ppn_t table = take();
    i64 err = exo_pt_link(root, va, level, table);
    if (err == E_TABLE) {
        link(va, level + 1);
        err = exo_pt_link(root, va, level, table);
    }
    must(err, "pt_link");
    linked[nlinked].va = va;
    linked[nlinked++].level = level;
}

// The word, on the console, out of a page of its own.
static void say(va_t va, u64 value) {
    ppn_t page = take();
    struct exo_ret r = exo_bind(root, va, page, PTE_R | PTE_W, 0);
    if (r.err == E_TABLE) {
        link(va, 0);
        r = exo_bind(root, va, page, PTE_R | PTE_W, 0);
    }
    must(r.err, "bind");
    u64 n = print_to((char *)va, EXO_PAGE, "hello %lx\n", value);
    must(exo_cons_write((char *)va, n).err, "cons_write");
}

static void give_back(va_t va) {
    struct exo_ret old = exo_unbind(root, va, 0);
    must(old.err, "unbind");
    must(exo_page_free(PTE_PPN(old.val)), "page_free");
}

int main(void);
int main(void) {
    va_t at = boot_number("at", 0x50000) * EXO_PAGE;
    u64 n = boot_number("pages", 1), fresh = boot_number("fresh", 0);
    root = EXO_ENVS[self() & EXO_EID_INDEX].root;
    for (u64 i = 0; i < n; i++) say(at + i * EXO_PAGE, fresh + i);
    must(rt_yield(0), "yield");
    for (u64 i = 0; i < n; i++) give_back(at + i * EXO_PAGE);
    while (nlinked--) {
        struct exo_ret table = exo_pt_unlink(root, linked[nlinked].va, linked[nlinked].level);
        must(table.err, "pt_unlink");
        must(exo_page_free(table.val), "page_free");
    }
    exo_halt(0);
    return 1;
}
