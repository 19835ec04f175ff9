// See thread.h. A mutex is 0 when free, 1 when held, 2 when held while others may wait: so only those who
// have to wait, or to wake, call the library OS (Drepper, "Futexes Are Tricky").
#include "user/thread.h"
#include "user/user.h"

#define STACK 16384

struct thread {
    uint runs;
    void (*fn)(void *);
    void *arg;
};

static void begin(void *arg) {
    struct thread *t = arg;
    t->fn(t->arg);
    thread_exit(&t->runs);
}

struct thread *thread_start(void (*fn)(void *), void *arg, int tickets) {
    struct thread *t = malloc(STACK);
    if (!t) return 0;
    *t = (struct thread){.runs = 1, .fn = fn, .arg = arg};
    if (thread_new(begin, t, (char *)t + STACK, tickets) >= 0) return t;
    free(t);
    return 0;
}

void thread_join(struct thread *t) {
    while (__atomic_load_n(&t->runs, __ATOMIC_ACQUIRE)) thread_wait(&t->runs, 1, -1);
    free(t);
}

int mutex_try(struct mutex *m) {
    uint none = 0;
    return __atomic_compare_exchange_n(&m->word, &none, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void lock_contended(struct mutex *m) {
    while (__atomic_exchange_n(&m->word, 2, __ATOMIC_ACQUIRE)) thread_wait(&m->word, 2, -1);
}

void mutex_lock(struct mutex *m) {
    if (!mutex_try(m)) lock_contended(m);
}

void mutex_unlock(struct mutex *m) {
    if (__atomic_exchange_n(&m->word, 0, __ATOMIC_RELEASE) == 2) thread_wake(&m->word, 1);
}

void cond_wait(struct cond *c, struct mutex *m) {
    uint seen = __atomic_load_n(&c->turns, __ATOMIC_RELAXED);
    mutex_unlock(m);
    thread_wait(&c->turns, seen, -1);
    lock_contended(m); // others may wait for it, too
}

static void wake(struct cond *c, int n) {
    __atomic_fetch_add(&c->turns, 1, __ATOMIC_RELAXED);
    thread_wake(&c->turns, n);
}

void cond_signal(struct cond *c) { wake(c, 1); }

void cond_broadcast(struct cond *c) { wake(c, 0x7fffffff); }
