// Calls between processes. A server asks for the next request, which answers the last one at the same time; a
// client sends a message of a few words and sleeps until its answer is there. It goes by one of two ways, and
// programs do not see which:
//
//     transfer  The server waits, alone in its process, and has the client's hart as its home. The message
//               stays in the registers, and the client's slices go along (SOSP95, Protected Control
//               Transfers): no lock is taken, and nobody is woken.
//     box       Else the message lies in shared memory until the server comes by, and the client sleeps.
//
// A call by transfer is not interrupted by handlers of signals: they run when it is over.
#ifndef EXV6_RPC_H
#define EXV6_RPC_H

#include <exo/types.h>
#include "kernel/param.h"
#include "lock.h"
#include "user/rpc.h"

enum box_state { BOX_EMPTY, BOX_ASKED, BOX_TAKEN, BOX_ANSWERED };

// What a process asks of another.
struct box {
    u32 state;
    int pid, server; // whose it is, and for whom
    u64 word[RPC_WORDS];
};

struct rpcs {
    struct lock lock;
    struct box box[NPROC]; // by the client's index
};

// A process that asks pid and waits for the answer, which takes the place of *m: 0; -1: pid is no server, or
// ended; or it did not answer before this process was killed or, if it had not begun, had a handler to run.
int sys_rpc_call(int pid, struct rpc *m);

// Answers the client m->pid, whom it served until now, with *m. 0, or -1: there is no memory at m.
int sys_rpc_answer(const struct rpc *m);

// The same if m->pid is not 0; then waits for a request: 0, and it is in *m. -1: a handler is to run; no
// answer was lost.
int sys_rpc_next(struct rpc *m);

#endif
