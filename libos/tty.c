// See tty.h.
#include <exo/call.h>
#include "shared.h"
#include "signal.h"
#include "tty.h"

#define CTRL(c) ((c) - '@')
#define DEL     0x7f

// All n bytes, however many calls that takes: one ends at the end of a page, and after EXO_CONS_MAX bytes.
static i64 put(const char *p, u64 n) {
    while (n) {
        struct exo_ret r = exo_cons_write(p, n);
        if (r.err == E_ADDR && user_ok(p, 1, false)) continue; // the pager was faster
        if (r.err) return r.err;
        p += r.val;
        n -= r.val;
    }
    return 0;
}

static u8 *at(struct tty *t, u32 i) { return &t->ring[i % TTY_RING]; }

// Takes the last character off the line: all bytes of it, if it is UTF-8.
static void erase(struct tty *t) {
    while (t->edit != t->ready && (*at(t, --t->edit) & 0xc0) == 0x80)
        ;
    put("\b \b", 3);
}

static void add(struct tty *t, char c) {
    *at(t, t->edit++) = c;
    if (c != CTRL('D')) put(&c, 1);
    if (c == '\n' || c == CTRL('D') || t->edit - t->head == TTY_RING) t->ready = t->edit;
}

static void type(struct tty *t, char c) {
    if (c == CTRL('H') || c == DEL) {
        if (t->edit != t->ready) erase(t);
    } else if (c == CTRL('U')) {
        while (t->edit != t->ready) erase(t);
    } else if (c == CTRL('C') && t->front) {
        put("^C\n", 3);
        t->edit = t->ready;
        t->interrupted = true;
        proc_send(0, t->front, SIGINT);
    } else if (c != 0) {
        add(t, c == '\r' ? '\n' : c);
    }
}

// Takes from the kernel what is typed, as far as the ring has room for it.
static i64 drain(struct tty *t) {
    char got[64] __attribute__((aligned(64))); // so, in one page
    for (;;) {
        u32 room = TTY_RING - (t->edit - t->head);
        bool full = room == 0 && t->front; // nobody reads: all but ^C is lost
        struct exo_ret r = exo_cons_read(got, room < sizeof got && !full ? room : sizeof got);
        if (r.err || r.val == 0) return r.err;
        for (u64 i = 0; i < r.val; i++)
            if (!full || got[i] == CTRL('C')) type(t, got[i]);
    }
}

// Hands over what there is of the first line, up to n bytes.
static int take(struct tty *t, u8 *to, u32 n) {
    u32 m = 0;
    while (m < n && t->head + m != t->ready) {
        u8 c = *at(t, t->head + m);
        if (c == CTRL('D')) break;
        m++;
        if (c == '\n') break;
    }
    if (m == 0) {
        t->head++; // the ^D
        return 0;
    }
    if (!user_ok(to, m, true)) return -1;
    for (u32 i = 0; i < m; i++) to[i] = *at(t, t->head++);
    return m;
}

int tty_read(void *to, int n) {
    struct tty *t = &SHARED->tty;
    int got = n ? -1 : 0;
    bool more = n > 0;
    lock_acquire(&t->lock);
    while (more) {
        u64 seen = wake_read(), input = __atomic_load_n(&EXO_WORDS->input, __ATOMIC_ACQUIRE);
        if (drain(t)) break;
        if (t->head != t->ready) {
            got = take(t, to, n);
            break;
        }
        lock_release(&t->lock);
        more = input_wait(seen, input);
        lock_acquire(&t->lock);
    }
    lock_release(&t->lock);
    return got;
}

// What is in the ring was typed before this device was read, and is no line any more.
static int take_keys(struct tty *t, u8 *to, u32 n) {
    u32 have = t->edit - t->head, m = have < n ? have : n;
    if (m == 0) {
        u8 got[64] __attribute__((aligned(64))); // so, in one page
        struct exo_ret r = exo_cons_read(got, n < sizeof got ? n : sizeof got);
        if (r.err || r.val == 0) return r.err ? -1 : 0;
        if (!user_ok(to, r.val, true)) return -1;
        __builtin_memcpy(to, got, r.val);
        return r.val;
    }
    if (!user_ok(to, m, true)) return -1;
    for (u32 i = 0; i < m; i++) to[i] = *at(t, t->head++);
    if ((i32)(t->ready - t->head) < 0) t->ready = t->head;
    return m;
}

int tty_keys(void *to, int n) {
    struct tty *t = &SHARED->tty;
    int got = 0;
    __atomic_store_n(&t->raw, me()->group, __ATOMIC_RELAXED);
    for (bool more = n > 0; more && got == 0;) {
        u64 seen = wake_read(), input = __atomic_load_n(&EXO_WORDS->input, __ATOMIC_ACQUIRE);
        lock_acquire(&t->lock);
        got = take_keys(t, to, n);
        lock_release(&t->lock);
        if (got == 0 && !(more = input_wait(seen, input))) got = -1;
    }
    return got;
}

int sys_front(int group) {
    struct tty *t = &SHARED->tty;
    if (group < 0) return -1;
    lock_acquire(&t->lock);
    bool was = t->interrupted;
    t->watcher = me();
    t->front = group;
    t->interrupted = false;
    lock_release(&t->lock);
    return was;
}

int sys_setgroup(int group) {
    struct tty *t = &SHARED->tty;
    struct proc *p = me();
    if (group < 0) return -1;
    lock_acquire(&t->lock);
    p->group = group ? group : p->pid;
    if (p->group == t->front && t->interrupted) proc_send(p->pid, 0, SIGINT);
    lock_release(&t->lock);
    return 0;
}

bool tty_watch(void) {
    struct tty *t = &SHARED->tty;
    if (__atomic_load_n(&t->watcher, __ATOMIC_RELAXED) != me()) return false;
    lock_acquire(&t->lock);
    if (t->front == 0 || t->raw != t->front) drain(t);
    lock_release(&t->lock);
    return true;
}

void tty_exit(void) {
    struct tty *t = &SHARED->tty;
    if (__atomic_load_n(&t->watcher, __ATOMIC_RELAXED) != me()) return;
    lock_acquire(&t->lock);
    t->watcher = 0;
    t->front = 0;
    lock_release(&t->lock);
}

int tty_write(const void *from, int n) {
    char out[EXO_CONS_MAX] __attribute__((aligned(EXO_CONS_MAX))); // so, in one page
    int done = 0;
    while (done < n && !killed()) {
        u32 m = n - done < EXO_CONS_MAX ? n - done : EXO_CONS_MAX;
        const u8 *p = (const u8 *)from + done;
        if (!user_ok(p, m, false)) break;
        __builtin_memcpy(out, p, m);
        if (put(out, m)) break;
        done += m;
    }
    return killed() || (done == 0 && n > 0) ? -1 : done;
}
