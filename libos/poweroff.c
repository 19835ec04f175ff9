// Ends the machine. Only the boot image may; it listens at a door on each hart (user/first.h).
#include <exo/call.h>
#include "file.h"
#include "lib.h"
#include "upcall.h"

// The door serves another, it or this process has moved or been interrupted, or the slice is over.
static bool may_yet(i64 err) { return err == E_STATE || err == E_HOME || err == E_MASKED || err == E_TIME; }

int sys_poweroff(int code) {
    i64 err;
    if (code < 0 || code > 255) return -1;
    if (fs_freeze(the_fs())) print("poweroff: not all could be written to the disk\n");
    upcall_fp_save();
    do {
        u32 hart = EXO_ENVS[SELF->first.eid & EXO_EID_INDEX].home;
        u64 words[UPCALL_WORDS] = {FIRST_POWEROFF, (u64)code};
        err = upcall_call(SELF->first.door[hart], SELF->first.door_cap, words);
        if (err == 0) err = (i64)words[0]; // E_TIME: the slice was over in the middle
        if (may_yet(err)) lock_pause();
    } while (may_yet(err));
    upcall_fp_load();
    fs_thaw(the_fs());
    return -1;
}
