// Calls between processes: see rpc.h for the two ways that a message goes, and what each function promises.
//
// TO WRITE, part B. In order; README says which test to run after each step:
//
//   1. sys_rpc_call() by the box alone: ALL->box[SELF->index] is the caller's own. Under the lock the message
//      goes in; wake() the server; sleep until the box is BOX_ANSWERED. sys_rpc_next() looks for a box that
//      is BOX_ASKED and for this server, or sleeps by wake_wait(); sys_rpc_answer() finds the box that the
//      client has. With the lock no memory of the program's is touched. Read the own counter (wake_read)
//      before you look at what you wait for, never after. Who is to end, or to run a handler (interrupted(),
//      signal.h), returns from sys_rpc_next() with -1 instead of sleeping.
//   2. Who is a server? A process (proc_at) that is PROC_LIVE, with that pid, that has called sys_rpc_next()
//      (`serves`), and whose environment is still there (EXO_ENVS). Pointers: user_ok(), and 8-byte
//      alignment.
//   3. The end of either side. A server may end while a client sleeps: stop_or_alarm() (proc.h) ends a sleep
//      when any environment of the machine has ended, too. A client may end, or be called away by a handler.
//   4. The server waits by wake_receive() (proc.h) instead, which lets a call in: the client's eid, and the
//      words. It answers by upcall_reply() (upcall.h). Both want floating point off: upcall_fp_save().
//   5. The client tries upcall_call() first, if it has one thread and the server's hart is its own. An error
//      other than E_DEAD means that nothing was asked: it goes by the box.
//   6. A reply may let in the next call at once: then the boxes have had no look. Do not let them wait for
//      ever.
#include "rpc.h"

#include <exo/call.h>
#include "lib.h"
#include "shared.h"
#include "signal.h"
#include "upcall.h"

_Static_assert(RPC_WORDS == UPCALL_WORDS, "a message in registers");

int sys_rpc_call(int pid, struct rpc *m) {
    (void)pid;
    (void)m;
    print("rpc: libos/rpc.c is not written yet\n");
    return -1;
}

int sys_rpc_answer(const struct rpc *m) {
    (void)m;
    return -1;
}

int sys_rpc_next(struct rpc *m) {
    (void)m;
    print("rpc: libos/rpc.c is not written yet\n");
    return -1;
}
