// What the boot image tells a libOS it starts, and how that libOS asks it for what only account 1 may do.
//
// The libOS is entered at its image's entry by a PROLOGUE with t0 = u-area; this structure is the first of
// the u-area's bytes that the libOS owns (UA_LIBOS). Its stack is where <exo/image.h> says.
//
// On every hart the boot image has a door: an environment that runs only when called. A libOS reaches it from
// any of its environments by
//     call(door[hart the caller is at home on], door_cap): a0 = request, a1 = argument
// t6 != 0: the kernel refused the call (E_STATE, E_HOME: another caller was there first; try again). Else a0
// is the answer.
#ifndef USER_FIRST_H
#define USER_FIRST_H

#define FIRST_POWEROFF 1 // ends the machine with status a1 (0..255); comes back only with an error in a0

// Offsets that assembly uses.
#define FIRST_EID  0x00
#define FIRST_CAP  0x88
#define FIRST_DOOR 0x90
#define FIRST_END  0xb0

#ifndef __ASSEMBLER__
#include <exo/abi.h>
#include <exo/image.h>

struct first_args {
    eid_t eid; // of this environment; 0 from the boot image, which cannot know it before the page is a u-area
    ppn_t uarea;           // this page
    char args[LABEL_ARGS]; // the manifest line's
    cap_t door_cap;
    eid_t door[EXO_NHART]; // by hart
};

// Finds the eid in the exported records, and keeps it there.
static inline eid_t first_self(struct first_args *args) {
    for (u32 i = 0; i < EXO_NENV && !args->eid; i++)
        if (EXO_ENVS[i].uarea == args->uarea) args->eid = EXO_ENVS[i].eid;
    return args->eid;
}

_Static_assert(offsetof(struct first_args, door_cap) == FIRST_CAP, "first_args");
_Static_assert(offsetof(struct first_args, door) == FIRST_DOOR, "first_args");
_Static_assert(sizeof(struct first_args) == FIRST_END, "first_args");
#endif

#endif
