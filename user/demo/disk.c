// One block of the disk, straight into one page (SOSP95, Secure Bindings): the kernel has no buffer in
// between.
#include "demo.h"

static u32 own_extent(void) {
    for (u32 i = 0; i < EXO_WORDS->nexts; i++)
        if (EXO_EXTS[i].count && EXO_EXTS[i].account == self_account()) return i;
    return EXO_NEXT;
}

static i64 wait_for(struct exo_ret request) {
    const volatile struct exo_req *r = &EXO_REQS[request.val & 0xffff];
    if (request.err) return request.err;
    while (r->state != REQ_DONE) rt_yield(0);
    return (i64)exo_disk_done(request.val).val;
}

void demo_disk(void) {
    static ppn_t to[8] __attribute__((aligned(64)));
    u32 ext = own_extent();
    to[0] = new_page();
    print("@ page %x\n", to[0]);
    step("An extent of the disk is mine: number %u, %u blocks. So is page %x. It is all zeros.", ext,
         EXO_EXTS[ext].count, to[0]);

    struct exo_ret request = exo_disk_submit(DISK_READ, 1, ext, 3, to, 0);
    step("Block 3 of it, into that page: the request has a number, %lx, and the page is pinned as long as it "
         "lasts.",
         request.val);

    wait_for(request);
    step("It is there. The page was never mapped: the device wrote it, and no processor copied it.");

    request = exo_disk_submit(DISK_WRITE, 1, ext, 0, to, 0);
    wait_for(request);
    step("The same page, out to block 0. That was a copy from block to block, and nobody looked at it.");

    exo_disk_submit(DISK_READ, 1, ext, EXO_EXTS[ext].count, to, 0);
    step("A block past the extent's end: refused. The check is two comparisons.");

    exo_disk_submit(DISK_READ, 1, 0, 0, to, 0);
    step("Extent 0 is the boot image's. I show no capability for it: refused, and nothing was read.");
}
