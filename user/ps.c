// ps : what the machine is doing. First the library OS's processes; then, read from the kernel's exported
// records, which every program can see and none can change, environments with their slots, accounts, and
// pages by type. Nobody stops meanwhile, so figures of different lines may differ by what happened in
// between.
#include <exo/abi.h>

#include "kernel/types.h"
#include "kernel/procinfo.h"
#include "user/user.h"
#include "user/exv6.h"

static const char *stop_names[] = {"new", "told to", "double fault", "owes", "aborted twice"};
static const char *page_names[] = {"free",   "data", "table 0", "table 1", "root",
                                   "u-area", "code", "doomed",  "kernel"};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *state_of(const volatile struct exo_env *e) {
    uint state = e->state, stop = e->stop;
    if (state & ENV_STOPPED) return stop < COUNT(stop_names) ? stop_names[stop] : "stopped";
    if (state & ENV_RUNNING) return "running";
    if (state & ENV_CALLING) return "calling";
    if (state & ENV_SERVING) return "serving";
    return state & ENV_WAITING ? "waiting" : "ready";
}

static int slots_of(eid_t eid) {
    int n = 0;
    for (u64 i = 0; i < EXO_WORDS->nharts * EXO_NSLOT; i++) n += EXO_SLOTS[i].eid == eid;
    return n;
}

static void show_processes(void) {
    struct procinfo p;
    printf("pid\tparent\tgroup\teid\tpages\tprivate\tname\n");
    for (int i = 0, used; (used = procinfo(i, &p)) >= 0; i++)
        if (used)
            printf("%d\t%d\t%d\t%u\t%u\t%u\t%s%s\n", p.pid, p.parent, p.group, p.eid, p.pages, p.private,
                   p.name, p.ended ? " (ended)" : "");
}

static void show_environments(void) {
    printf("\neid\taccount\thart\tslots\tslices\taborts\troot\tstate\n");
    for (int i = 0; i < EXO_NENV; i++) {
        const volatile struct exo_env *e = &EXO_ENVS[i];
        eid_t eid = e->eid;
        if (eid != 0)
            printf("%u\t%d\t%d\t%d\t%lu\t%lu\t%x\t%s\n", eid, e->account, e->home, slots_of(eid), e->slices,
                   e->aborts, e->root, state_of(e));
    }
}

static void show_accounts(void) {
    printf("\naccount\tparent\treserve\theld\tfixed\tenvs\trequests\n");
    for (int i = 1; i <= EXO_NACCT; i++) {
        const volatile struct exo_acct *a = &EXO_ACCTS[i];
        if (a->state != ACCT_FREE)
            printf("%d\t%d\t%u\t%u\t%u\t%u\t%u\n", i, a->parent, a->reserve, a->held, a->fixed, a->envs_used,
                   a->requests);
    }
}

static void show_pages(void) {
    uint count[COUNT(page_names)] = {0};
    u64 all = EXO_WORDS->npages;
    for (u64 i = 0; i < all; i++) {
        uint type = EXO_PAGES[i].type;
        if (type < COUNT(count)) count[type]++;
    }
    printf("\n%lu pages:", all);
    for (uint i = 0; i < COUNT(count); i++) printf("%s %u %s", i > 0 ? "," : "", count[i], page_names[i]);
    printf("\n");
}

int main(void) {
    show_processes();
    show_environments();
    show_accounts();
    show_pages();
    return 0;
}
