// freemem : what must be as it was when other programs are gone: free pages (less those that processes have
// on the disk), environments, and doomed pages, from the kernel's exported records. It counts itself, always
// alike. But its parent may still be about to copy a page that they shared, and hold one more for a moment:
// so it looks when all others wait.
#include <exo/abi.h>

#include "kernel/pagerinfo.h"
#include "kernel/types.h"
#include "user/exv6.h"
#include "user/user.h"

#define PATIENCE 50 // tenths of a second

static int busy(void) {
    int n = 0;
    for (uint i = 0; i < EXO_WORDS->nharts * EXO_NSLOT; i++) {
        uint eid = EXO_SLOTS[i].eid;
        const volatile struct exo_env *e = &EXO_ENVS[eid & EXO_EID_INDEX];
        n += eid && e->eid == eid && !(e->state & (ENV_WAITING | ENV_STOPPED));
    }
    return n;
}

int main(void) {
    uint envs = 0, doomed = 0;
    for (int i = 0; i < PATIENCE && busy() > 1; i++) sleep(1);
    struct pagerinfo pager;
    pagerinfo(&pager);
    long free = (long)(EXO_WORDS->free - pager.away);
    for (int i = 0; i < EXO_NENV; i++) envs += EXO_ENVS[i].eid != 0;
    for (int i = 1; i <= EXO_NACCT; i++)
        if (EXO_ACCTS[i].state != ACCT_FREE) doomed += EXO_ACCTS[i].doomed;
    printf("free %ld envs %u doomed %u swap %u\n", free, envs, doomed, pager.slots);
    return 0;
}
