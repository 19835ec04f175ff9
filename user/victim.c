// The victim of lab attack: a libOS that has something to lose, and does nothing wrong. What it has stands in
// user/attack/attack.h. What it does besides, its line of the manifest says:
//     holds    nothing
//     frees    frees the secret's page, as it has read it, and not the notice's
//     takes    takes a page off the free list when it sees that somebody else gave one up, and reads the
//     secret there counts   keeps the secret's first words in floating-point registers, and computes grows
//     when the attacker holds no more and no less than a while ago, takes what it was promised
#define VICTIM_IMAGE
#include "attack/attack.h"
#include "nap.h"

#define TAKES 32 // pages, at most

static ppn_t root;
static u32 extent;

static void nap(u64 ms) { nap_at(PLACE(9), ms); }

void rt_fault(struct exo_uarea *ua) {
    (void)ua;
    rt_exit();
}

// Of what account 1 gave it, its one extent.
static u32 own_extent(void) {
    u32 i = 0;
    while (i < EXO_WORDS->nexts && !(EXO_EXTS[i].count && EXO_EXTS[i].account == VICTIM)) i++;
    return i;
}

static bool read_block(u64 block, ppn_t page) {
    ppn_t ppns[1] __attribute__((aligned(8))) = {page};
    struct exo_ret request = exo_disk_submit(DISK_READ, 1, extent, block, ppns, 0), done;
    while ((done = exo_disk_done(request.val)).err == E_BUSY) nap(1);
    return !request.err && !done.err && !done.val;
}

static void take(void) {
    struct exo_ret page = exo_page_alloc(0, 0);
    if (!page.err) read_block(0, (ppn_t)page.val);
}

// It need not say that it takes the same page again: whoever was its last owner is in the page's record.
static void takes(void) {
    for (u32 n = 0;; nap(1)) {
        u32 last = EXO_PAGES[EXO_WORDS->free_head - EXO_PPN_BASE].account;
        if (!last || last == VICTIM || n == TAKES) continue;
        take();
        n++;
    }
}

static void counts(const u64 *secret) {
    rt_fp(1);
    __asm__ volatile(".option push\n.option arch, +d\n"
                     ".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16\n"
                     "fld f\\i, 8 * \\i(%0)\n.endr\n"
                     ".option pop\n"
                     :
                     : "r"(secret)
                     : "memory");
    for (;;) continue;
}

static void grows(void) {
    const volatile struct exo_acct *theirs = &EXO_ACCTS[ATTACKER], *own = &EXO_ACCTS[VICTIM];
    for (u32 held = 0; !held || held != theirs->held || held <= theirs->reserve; nap(5)) held = theirs->held;
    while (own->held < own->reserve && !exo_page_alloc(0, 1).err) continue;
    for (;;) nap(10);
}

static ppn_t show(u64 block, va_t va) {
    struct exo_ret page = exo_page_alloc(0, 0);
    if (page.err || !read_block(block, (ppn_t)page.val)) rt_exit();
    rt_map(root, va, (ppn_t)page.val, PTE_R | PTE_W);
    return (ppn_t)page.val;
}

int main(void);
int main(void) {
    struct first_args *args = &rt()->first;
    first_self(args);
    root = EXO_ENVS[self() & EXO_EID_INDEX].root;
    extent = own_extent();
    nap(1); // once: then it needs no page any more
    ppn_t secret = show(0, PLACE(0)), notice = show(1, PLACE(1));
    cap_t friend = exo_cap_new().val;
    exo_page_set(secret, friend, friend, SECRET, 0);
    if (str_eq(args->args, "frees")) {
        exo_unbind(root, PLACE(0), 0);
        exo_page_free(secret);
    }
    exo_page_set(notice, PUBLIC, friend, NOTICE, 0); // it is ready
    if (str_eq(args->args, "takes")) takes();
    if (str_eq(args->args, "counts")) counts((const u64 *)PLACE(0));
    if (str_eq(args->args, "grows")) grows();
    for (;;) nap(10);
}
