// See rpc.h.
#include "rpc.h"

#include <exo/call.h>
#include "shared.h"
#include "signal.h"
#include "upcall.h"

#define ALL (&SHARED->rpcs)

_Static_assert(RPC_WORDS == UPCALL_WORDS, "a message in registers");

#define NOBODY (-1) // who called is no process that is known

static struct {
    int client;      // who is served by transfer; 0: nobody
    u32 seen, asked; // the last client, and the last server, by index
    u64 looked;      // the own counter before the last look at the boxes, which found nothing
    int asking;      // the own pid: one of the threads has the process's box; a child's is another
} own;

static bool is_server(const struct proc *p, int pid) {
    return p->state == PROC_LIVE && p->pid == pid && p->serves &&
           EXO_ENVS[p->eid & EXO_EID_INDEX].eid == p->eid;
}

// ---- the server ----

// With the lock nothing of the program's is touched: that may mean to wait for a page.
static void copy(u64 *to, const u64 *from) {
    for (u32 i = 0; i < RPC_WORDS; i++) to[i] = from[i];
}

// The oldest request is not known: whoever comes next after the last one served.
static bool take(struct rpc *to) {
    static u32 last;
    bool found = false;
    struct rpc m;
    lock_acquire(&ALL->lock);
    for (u32 n = 0; n < NPROC && !found; n++) {
        last = (last + 1) % NPROC;
        struct box *b = &ALL->box[last];
        if (b->state != BOX_ASKED || b->server != me()->pid) continue;
        b->state = BOX_TAKEN;
        copy(m.word, b->word);
        m.pid = b->pid;
        found = true;
    }
    lock_release(&ALL->lock);
    if (found) *to = m;
    return found;
}

// The client may have ended, or given up.
static void answer_box(int client, const u64 *word) {
    lock_acquire(&ALL->lock);
    for (u32 i = 0; i < NPROC; i++) {
        struct box *b = &ALL->box[i];
        if (b->state != BOX_TAKEN || b->pid != client || b->server != me()->pid) continue;
        copy(b->word, word);
        b->state = BOX_ANSWERED;
        wake(proc_at(i));
        break;
    }
    lock_release(&ALL->lock);
}

// A call by transfer came from eid.
static void called_by(eid_t eid, struct rpc *m, const u64 *word) {
    u32 n = 0;
    while (n < NPROC && proc_at(own.seen)->eid != eid) { // the same as last time, most often
        own.seen = (own.seen + 1) % NPROC;
        n++;
    }
    own.client = n < NPROC ? proc_at(own.seen)->pid : NOBODY;
    copy(m->word, word);
    m->pid = own.client;
}

// Answers a call by transfer. The next one may come at once, unless mask says otherwise: who from, or <= 0.
static i64 reply(u64 *word, u64 mask) {
    i64 eid;
    own.client = 0;
    if (SELF->fp_on) upcall_fp_save();
    while ((eid = upcall_reply(word, mask)) == E_TIME &&
           EXO_ENVS[SELF->first.eid & EXO_EID_INDEX].state & ENV_SERVING)
        upcall_yield(0); // that slice is over
    return eid;
}

int sys_rpc_answer(const struct rpc *m) {
    u64 word[RPC_WORDS];
    if ((va_t)m % sizeof(u64) || !user_ok(m, sizeof(*m), false)) return -1;
    copy(word, m->word);
    if (m->pid && m->pid == own.client)
        reply(word, MASK_LIBOS);
    else
        answer_box(m->pid, word);
    return 0;
}

int sys_rpc_next(struct rpc *m) {
    u64 word[RPC_WORDS];
    i64 eid = 0;
    if ((va_t)m % sizeof(u64) || !user_ok(m, sizeof(*m), true)) return -1;
    int client = m->pid;
    copy(word, m->word);
    me()->serves = 1;
    m->pid = 0;
    if (client && client == own.client)
        eid = reply(word, wake_read() == own.looked ? 0 : MASK_LIBOS); // boxes have their turn, too
    else if (client)
        answer_box(client, word);
    while (eid <= 0) {
        u64 seen = wake_read();
        if (interrupted()) return -1;
        if (take(m)) return 0;
        own.looked = seen;
        if (SELF->fp_on) upcall_fp_save();
        if (thread_any())
            wake_wait(seen, ~0ul);
        else
            eid = wake_receive(word, seen);
    }
    called_by((eid_t)eid, m, word);
    return 0;
}

// ---- the client ----

// By transfer: 0, E_DEAD, or another error: nothing was asked, or this process was killed meanwhile.
static i64 transfer(eid_t to, struct rpc *m) {
    u64 word[RPC_WORDS];
    copy(word, m->word);
    if (SELF->fp_on) upcall_fp_save();
    if (killed()) return E_TIME; // who kills it later calls it back
    i64 err = upcall_call(to, 0, word);
    if (err == 0) copy(m->word, word);
    return err;
}

static void ask(struct box *to, struct proc *server, int pid, const struct rpc *m) {
    struct box b = {.state = BOX_ASKED, .pid = me()->pid, .server = pid};
    copy(b.word, m->word);
    lock_acquire(&ALL->lock);
    *to = b;
    lock_release(&ALL->lock);
    wake(server);
}

// Done with it, one way or the other?
static bool answered(struct box *b, const struct proc *server, struct rpc *m, int *result) {
    u64 word[RPC_WORDS];
    lock_acquire(&ALL->lock);
    bool gone = !is_server(server, b->server), asked = b->state == BOX_ASKED, called = interrupted();
    *result = b->state == BOX_ANSWERED ? 0 : -1;
    bool over = *result == 0 || gone || killed() || (asked && called);
    copy(word, b->word);
    if (over) b->state = BOX_EMPTY;
    lock_release(&ALL->lock);
    if (*result == 0) copy(m->word, word);
    return over;
}

static int by_box(struct proc *server, int pid, struct rpc *m) {
    struct box *b = &ALL->box[SELF->index];
    int result;
    for (;;) {
        u64 seen = wake_read();
        if (own.asking != me()->pid) break;
        if (!wake_wait(seen, ~0ul)) return -1;
    }
    own.asking = me()->pid;
    ask(b, server, pid, m);
    for (;;) {
        u64 seen = wake_read(), stops = EXO_WORDS->stops;
        if (answered(b, server, m, &result)) break;
        stop_or_alarm(seen, stops);
    }
    own.asking = 0;
    wake(me());
    return result;
}

int sys_rpc_call(int pid, struct rpc *m) {
    if ((va_t)m % sizeof(u64) || !user_ok(m, sizeof(*m), true)) return -1;
    for (u32 n = 0; n < NPROC; n++, own.asked = (own.asked + 1) % NPROC) {
        struct proc *p = proc_at(own.asked);
        if (!is_server(p, pid) || p == me()) continue;
        i64 err = thread_any() || p->hart != me()->hart ? E_HOME : transfer(p->eid, m);
        if (err == 0 || err == E_DEAD || killed()) return err ? -1 : 0; // E_DEAD: it had begun
        return by_box(p, pid, m);
    }
    return -1;
}
