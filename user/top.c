// top : who used the machine in the last second, redrawn each second; q or ^C ends it. `top -1` shows it
// once. Names and private pages are the library OS's, all else comes from the kernel's exported records, by
// loads: slices are counted by the kernel for each environment.
#include <exo/abi.h>

#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "kernel/procinfo.h"
#include "user/user.h"
#include "user/exv6.h"

#define ROWS 16

static u64 before[EXO_NENV], slices[EXO_NENV];
static eid_t eids[EXO_NENV];

static void sample(void) {
    for (int i = 0; i < EXO_NENV; i++) {
        const volatile struct exo_env *e = &EXO_ENVS[i];
        before[i] = eids[i] == e->eid ? slices[i] : 0;
        eids[i] = e->eid;
        slices[i] = e->slices;
    }
}

static const char *state_of(const volatile struct exo_env *e) {
    uint s = e->state;
    return s & ENV_STOPPED   ? "stopped"
           : s & ENV_RUNNING ? "running"
           : s & ENV_CALLING ? "calling"
           : s & ENV_WAITING ? "waiting"
                             : "ready";
}

static void show_pages(void) {
    uint held = 0;
    for (int i = 1; i <= EXO_NACCT; i++)
        if (EXO_ACCTS[i].state != ACCT_FREE) held += EXO_ACCTS[i].held;
    printf("%lu pages: %lu free, %u held by accounts, %lu doomed; %d harts, up %d s\n", EXO_WORDS->npages,
           EXO_WORDS->free, held, EXO_WORDS->doomed, (int)EXO_WORDS->nharts, uptime() / 10);
}

// The process whose environment this is: false if it is another libOS's.
static int process_of(eid_t eid, struct procinfo *p) {
    for (int i = 0, used; (used = procinfo(i, p)) >= 0; i++)
        if (used && p->eid == eid) return 1;
    return 0;
}

// The busiest first: each row takes the largest that was not shown yet.
static void show(void) {
    char shown[EXO_NENV] = {0};
    show_pages();
    printf("eid\taccount\thart\tslices\tin 1 s\tstate\tprivate\tpid name\n");
    for (int row = 0; row < ROWS; row++) {
        int best = -1;
        for (int i = 0; i < EXO_NENV; i++)
            if (eids[i] && !shown[i] && (best < 0 || slices[i] - before[i] > slices[best] - before[best]))
                best = i;
        if (best < 0) break;
        shown[best] = 1;
        const volatile struct exo_env *e = &EXO_ENVS[best];
        struct procinfo p;
        printf("%u\t%d\t%d\t%lu\t%lu\t%s", eids[best], e->account, e->home, slices[best],
               slices[best] - before[best], state_of(e));
        if (process_of(eids[best], &p)) printf("\t%u\t%d %s", p.private, p.pid, p.name);
        printf("\n");
    }
}

// Has q or ^C been typed since `input` keys had been? A read would wait for the next key.
static int quit(int keys, u64 *input) {
    for (; *input != EXO_WORDS->input; ++*input) {
        char c;
        if (read(keys, &c, 1) != 1 || c == 'q' || c == 3) return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    int once = argc == 2 && strcmp(argv[1], "-1") == 0, keys = open("/keys", O_RDONLY);
    u64 input = EXO_WORDS->input;
    if (argc > 1 && !once) {
        fprintf(2, "usage: top [-1]\n");
        return 1;
    }
    sample();
    if (!once) read(keys, 0, 0); // from here on keys are ours
    for (int tenths = 1; once || keys < 0 || !quit(keys, &input); tenths++) {
        sleep(1);
        if (tenths % 10) continue;
        sample();
        if (!once) printf("\033[H\033[J");
        show();
        if (once) break;
        printf("q ends it\n");
    }
    return 0;
}
