// Calls to a server process, which may be on any hart. A message is a few words; more goes by a pipe or a
// file.
#ifndef USER_RPC_H
#define USER_RPC_H

#include "kernel/types.h"

#define RPC_WORDS 8

struct rpc {
    uint64 word[RPC_WORDS];
    int pid; // in the server: the client
};

// Asks pid; the answer takes the place of the message. 0, or -1: it is no server, it ended before it
// answered, or a signal's handler is to run and it had not begun.
int rpc_call(int pid, struct rpc *m);

// For a server: answers m->pid, if that is not 0, and waits for the next request. 0, or -1 if a signal's
// handler is to run; m->pid is 0 then. A process is a server from its first one on.
int rpc_next(struct rpc *m);

// Answers m->pid, and waits for nothing. 0, or -1: there is no memory at m.
int rpc_answer(const struct rpc *m);

// Serves until `serve` returns 0: called with each request, in whose place it leaves the answer.
void rpc_serve(int (*serve)(struct rpc *m));

#endif
