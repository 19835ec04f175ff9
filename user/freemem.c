// freemem : what must be as it was when other programs are gone: free pages, environments, and doomed pages,
// from the kernel's exported records. It counts itself, always alike.
#include <exo/abi.h>

#include "kernel/types.h"
#include "user/user.h"

int main(void) {
    uint envs = 0, doomed = 0;
    uint64 free = EXO_WORDS->free;
    for (int i = 0; i < EXO_NENV; i++) envs += EXO_ENVS[i].eid != 0;
    for (int i = 1; i <= EXO_NACCT; i++)
        if (EXO_ACCTS[i].state != ACCT_FREE) doomed += EXO_ACCTS[i].doomed;
    printf("free %lu envs %u doomed %u\n", free, envs, doomed);
    return 0;
}
