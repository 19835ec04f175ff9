// See pipe.h.
#include "pipe.h"
#include "shared.h"
#include "signal.h"

struct pipe *pipe_new(void) {
    struct pipes *all = &SHARED->pipes;
    struct pipe *p = all->pipe;
    lock_acquire(&all->lock);
    while (p < &all->pipe[NPIPE] && p->used) p++;
    if (p < &all->pipe[NPIPE]) {
        p->head = p->tail = 0;
        p->can_read = p->can_write = p->used = 1;
    } else {
        p = 0;
    }
    lock_release(&all->lock);
    return p;
}

void pipe_close(struct pipe *p, bool write_end) {
    lock_acquire(&p->lock);
    *(write_end ? &p->can_write : &p->can_read) = 0;
    waitq_wake(write_end ? &p->readers : &p->writers);
    bool last = !p->can_read && !p->can_write;
    lock_release(&p->lock);
    if (last) {
        lock_acquire(&SHARED->pipes.lock);
        p->used = 0;
        lock_release(&SHARED->pipes.lock);
    }
}

static u32 min(u32 a, u32 b) { return a < b ? a : b; }

// How many of n bytes, from the ring's byte i on, lie in one piece.
static u32 piece(u32 i, u32 n) { return min(n, PIPE_BYTES - i % PIPE_BYTES); }

// What those who sleep want first is the lock: so they are woken after its release.
static void release_and_wake(struct pipe *p, struct waitq *q) {
    u64 sleepers = q->bits;
    q->bits = 0;
    lock_release(&p->lock);
    wake_all(sleepers);
}

int pipe_read(struct pipe *p, void *to, int n) {
    int done = 0;
    lock_acquire(&p->lock);
    while (p->head == p->tail && p->can_write && n > 0) {
        if (interrupted()) {
            lock_release(&p->lock);
            return -1;
        }
        waitq_sleep(&p->readers, &p->lock);
    }
    while (done < n && p->head != p->tail) {
        u32 m = piece(p->head, min(n - done, p->tail - p->head));
        if (!user_ok((u8 *)to + done, m, true)) {
            done = done ? done : -1;
            break;
        }
        __builtin_memcpy((u8 *)to + done, &p->ring[p->head % PIPE_BYTES], m);
        p->head += m;
        done += m;
    }
    release_and_wake(p, &p->writers);
    return done;
}

int pipe_write(struct pipe *p, const void *from, int n) {
    int done = 0;
    lock_acquire(&p->lock);
    while (done < n) {
        while (p->tail - p->head == PIPE_BYTES && p->can_read && !interrupted()) {
            waitq_wake(&p->readers);
            waitq_sleep(&p->writers, &p->lock);
        }
        if (!p->can_read || interrupted()) {
            if (!p->can_read || killed() || done == 0)
                done = -1; // a handler is to run: what went in, went in
            break;
        }
        u32 m = piece(p->tail, min(n - done, PIPE_BYTES - (p->tail - p->head)));
        if (!user_ok((const u8 *)from + done, m, false)) {
            done = done ? done : -1;
            break;
        }
        __builtin_memcpy(&p->ring[p->tail % PIPE_BYTES], (const u8 *)from + done, m);
        p->tail += m;
        done += m;
    }
    release_and_wake(p, &p->readers);
    return done;
}
