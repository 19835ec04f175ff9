// Tests of libos/poweroff.c: it asks again as long as the door may yet serve it, and gives up with -1 only
// when it is told no. The door is a script of errors and answers.
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

#define EXO_CALL_H
#include <exo/abi.h>

#undef EXO_ENVS
static struct exo_env envs[EXO_EID_INDEX + 1];
#define EXO_ENVS ((const volatile struct exo_env *)envs)

#include "libos/poweroff.c"

static int failures, calls, pauses, frozen, fp_saved;
static struct {
    i64 err;
    u64 answer;
} script[8];

static void check(const char *name, int expected, int saw) {
    failures += expected != saw;
    if (expected == saw)
        printf("ok poweroff: %s\n", name);
    else
        printf("not ok poweroff: %s: expected %d, saw %d\n", name, expected, saw);
}

static struct fs *const no_fs = 0;
struct fs *the_fs(void) {
    return no_fs;
}
int fs_freeze(struct fs *fs) { return frozen++, fs != no_fs; }
void fs_thaw(struct fs *fs) { frozen -= fs == no_fs; }
void lock_pause(void) { pauses++; }
void print(const char *fmt, ...) { (void)fmt; }
void upcall_fp_save(void) { fp_saved++; }
void upcall_fp_load(void) { fp_saved--; }

i64 upcall_call(eid_t to, cap_t cap, u64 *words) {
    if (to != 77 || cap != 88 || words[0] != FIRST_POWEROFF || words[1] != 3) failures++;
    words[0] = (u64)script[calls].answer;
    return script[calls++].err;
}

int main(void) {
    void *at =
        mmap((void *)UA_VA, EXO_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (at != (void *)UA_VA) return 1;
    SELF->first.eid = 5;
    SELF->first.door_cap = 88;
    envs[5].home = 2;
    SELF->first.door[2] = 77;

    check("a code below 0", -1, sys_poweroff(-1));
    check("a code past 255", -1, sys_poweroff(256));
    check("nobody was asked", 0, calls + frozen);

    i64 again[] = {E_STATE, E_HOME, E_TIME, E_MASKED};
    for (int i = 0; i < 4; i++) script[i].err = again[i];
    script[4].answer = (u64)E_TIME; // the door's slice was over in the middle
    script[5].answer = (u64)E_ARG;
    check("a door that says no", -1, sys_poweroff(3));
    check("was asked again as long as it may serve", 6, calls);
    check("with a pause after each time", 5, pauses);
    check("then all goes on", 0, frozen + fp_saved);

    calls = 0;
    script[0].err = E_CAP;
    check("a door that is closed", -1, sys_poweroff(3));
    check("is asked once", 1, calls);
    return failures != 0;
}
