// See rpc.h: the server's loop.
#include "user/rpc.h"

void rpc_serve(int (*serve)(struct rpc *m)) {
    struct rpc m = {.pid = 0};
    int more = 1;
    while (more)
        if (rpc_next(&m) == 0) more = serve(&m);
    rpc_answer(&m);
}
