// What the libOS stands on, for tests of libos/ on the host: processes that sleep and wake (proc.h), locks
// (lock.h), the program's memory (vm.h), and the kernel's calls for disk and console. Included by tests as
// source, before any file of libos/; takes the place of <exo/call.h>.
//
// Each process is a thread, but only one runs at a time; at every lock, call and wait it is drawn who goes
// on, and whether the disk finishes something, which it does late and out of order. So every run with the
// same seed is the same run, and a test tries many. What must not be (a lock taken twice or held in the wrong
// place, a page in two requests, one that changes while the disk takes it, nobody able to go on) is counted
// in `breaches`.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXO_CALL_H
#include <exo/abi.h>

#undef EXO_WORDS
#undef EXO_EXTS
#undef EXO_REQS
#define EXO_WORDS (&words)
#define EXO_EXTS  ((const volatile struct exo_ext *)exts)
#define EXO_REQS  ((const volatile struct exo_req *)reqs)

struct exo_ret {
    i64 err;
    u64 val, val2;
};

static struct exo_words words;
static struct exo_ext exts[EXO_NEXT];
static struct exo_req reqs[2 * EXO_NREQ];

#include "libos/shared.h"

static struct shared shared;
#undef SHARED
#define SHARED (&shared)

#define ACCOUNT 2 // of the libOS

// ---- results and chance ----

static int checks, failures, breaches;
static const char *suite = "";
static u64 chance = 1;

__attribute__((unused)) static void check(const char *name, long long expected, long long saw)
{
    checks++;
    failures += expected != saw;
    if (expected == saw)
        printf("ok %s: %s\n", suite, name);
    else
        printf("not ok %s: %s: expected %lld, saw %lld\n", suite, name, expected, saw);
    fflush(stdout);
}

static void breach(const char *what)
{
    if (breaches++ < 10)
        printf("# breach: %s\n", what);
}

static u32 draw(u32 below)
{
    chance = chance * 6364136223846793005 + 1442695040888963407;
    return (u32)(chance >> 33) % below;
}

// ---- processes ----

enum why { NOTHING, NEW, ON_LOCK, ON_WAKE, ON_INPUT, ON_DISK, DONE };

static struct actor {
    pthread_t thread;
    pthread_cond_t turn;
    void (*body)(void *);
    void *arg;
    enum why why; // it does not go on
    struct lock *lock;
    u64 counter, seen, word, until;
    u32 locks; // that it holds
} actor[NPROC];

static pthread_mutex_t baton = PTHREAD_MUTEX_INITIALIZER;
static u32 nactors, running = ~0u;
static u64 now, steps, steps_max = ~0ul;
static u32 disk_pace = 8; // the disk does something in one turn of so many
static __thread u32 self;

static int disk_step(void);
static int console_step(void);

static int ready(const struct actor *a)
{
    switch (a->why) {
    case ON_LOCK:
        return a->lock->holder == 0;
    case ON_WAKE:
        return a->counter != a->seen || now >= a->until || draw(64) == 0;
    case ON_INPUT:
        return a->counter != a->seen || words.input != a->word;
    case ON_DISK:
        return words.completions != a->word || draw(64) == 0;
    default:
        return a->why == NOTHING;
    }
}

static void stuck(void)
{
    printf("not ok %s: someone can go on: expected 1, saw 0\n", suite);
    for (u32 i = 0; i < nactors; i++)
        printf("# process %u waits for %d\n", i, (int)actor[i].why);
    fflush(stdout);
    _Exit(1);
}

// Who goes on; nactors if all are done.
static u32 next_actor(void)
{
    for (u32 idle = 0;; idle++) {
        u32 alive = 0, can[NPROC], n = 0;
        if (draw(disk_pace) == 0 || idle) {
            disk_step();
            console_step();
        }
        now++;
        for (u32 i = 0; i < nactors; i++) {
            alive += actor[i].why != DONE;
            if (actor[i].why != DONE && ready(&actor[i]))
                can[n++] = i;
        }
        if (n)
            return can[draw(n)];
        if (!alive)
            return nactors;
        if (idle > 10000 || ++steps > steps_max)
            stuck();
    }
}

// Lets another run, perhaps; returns when this one may go on.
static void turn(enum why why)
{
    struct actor *a = &actor[self];
    a->why = why;
    if (++steps > steps_max)
        stuck();
    running = next_actor();
    if (running < nactors)
        pthread_cond_signal(&actor[running].turn);
    else if (nactors)
        pthread_cond_signal(&actor[NPROC - 1].turn); // the test itself
    while (why != DONE && running != self)
        pthread_cond_wait(&a->turn, &baton);
    if (why != DONE)
        a->why = NOTHING;
}

static void *begin_actor(void *arg)
{
    self = (struct actor *)arg - actor;
    pthread_mutex_lock(&baton);
    while (running != self)
        pthread_cond_wait(&actor[self].turn, &baton);
    actor[self].why = NOTHING;
    actor[self].body(actor[self].arg);
    if (actor[self].locks)
        breach("a process ends with a lock");
    turn(DONE);
    pthread_mutex_unlock(&baton);
    return 0;
}

// A process with the next index, at most NPROC - 1 in all.
static u32 spawn(void (*body)(void *), void *arg)
{
    struct actor *a = &actor[nactors];
    *a = (struct actor){.body = body, .arg = arg};
    pthread_cond_init(&a->turn, 0);
    shared.procs.proc[nactors] = (struct proc){.state = PROC_LIVE, .pid = (int)nactors + 1};
    pthread_create(&a->thread, 0, begin_actor, a);
    return nactors++;
}

// Runs what was spawned, and what that spawns, to the end.
static void run(void)
{
    pthread_mutex_lock(&baton);
    running = next_actor();
    pthread_cond_init(&actor[NPROC - 1].turn, 0);
    pthread_cond_signal(&actor[running].turn);
    while (running < nactors)
        pthread_cond_wait(&actor[NPROC - 1].turn, &baton);
    pthread_mutex_unlock(&baton);
    for (u32 i = 0; i < nactors; i++)
        pthread_join(actor[i].thread, 0);
    nactors = 0;
    running = ~0u;
}

struct proc *me(void)
{
    return &shared.procs.proc[self];
}

u32 proc_index(const struct proc *p)
{
    return p - shared.procs.proc;
}

bool killed(void)
{
    return me()->killed;
}

u64 wake_read(void)
{
    return actor[self].counter;
}

void wake(struct proc *p)
{
    actor[proc_index(p)].counter++;
}

__attribute__((unused)) static void kill_proc(u32 i)
{
    shared.procs.proc[i].killed = 1;
    wake(&shared.procs.proc[i]);
}

bool wake_wait(u64 seen, u64 until)
{
    if (killed())
        return false;
    actor[self].seen = seen;
    actor[self].until = until;
    turn(ON_WAKE);
    return !killed();
}

bool input_wait(u64 seen, u64 input)
{
    if (actor[self].locks)
        breach("a wait for input under a lock");
    if (killed())
        return false;
    actor[self].seen = seen;
    actor[self].word = input;
    turn(ON_INPUT);
    return !killed();
}

void disk_wait(u64 completions)
{
    if (shared.cache.lock.holder == self + 1)
        breach("a wait for the disk under the cache's lock");
    actor[self].word = completions;
    turn(ON_DISK);
}

void waitq_sleep(struct waitq *q, struct lock *l)
{
    u64 seen = wake_read();
    q->bits |= 1ul << self;
    lock_release(l);
    wake_wait(seen, ~0ul);
    lock_acquire(l);
    q->bits &= ~(1ul << self);
}

void waitq_wake(struct waitq *q)
{
    for (u32 i = 0; i < NPROC; i++)
        actor[i].counter += q->bits >> i & 1;
    q->bits = 0;
}

// ---- locks ----

void lock_acquire(struct lock *l)
{
    turn(NOTHING);
    if (l->holder == self + 1) {
        printf("not ok %s: lock taken twice\n", suite);
        abort();
    }
    while (l->holder) {
        actor[self].lock = l;
        turn(ON_LOCK);
    }
    l->holder = self + 1;
    actor[self].locks++;
}

void lock_release(struct lock *l)
{
    if (l->holder != self + 1)
        breach("a lock released that was not held");
    l->holder = 0;
    actor[self].locks--;
    turn(NOTHING);
}

void lock_pause(void)
{
    turn(NOTHING);
}

// ---- programs' memory: one arena; all else is not there ----

static u8 arena[1 << 20] __attribute__((aligned(4096)));

bool user_ok(const void *p, u64 n, bool write)
{
    (void)write;
    u64 at = (u64)p - (u64)arena;
    turn(NOTHING); // it may bring in a page
    return at <= sizeof arena && n <= sizeof arena - at;
}

int user_str(const char *p, char *out, int max)
{
    for (int i = 0; i < max; i++) {
        if (!user_ok(p + i, 1, false))
            return -1;
        out[i] = p[i];
        if (!out[i])
            return i;
    }
    return -1;
}

// ---- the disk ----

#define DISK_START 7 // of the extent, on the device
#define EXTENT     3
#define FRAME_PPN  0x80000

static u8 *media, *bad; // the extent's bytes; 1 for each block that cannot be read or written
static u8 *frames;      // ppn FRAME_PPN + i is at frames + 4096 * i
static u32 nframes;
static u8 *in_flight; // frames
static u64 sums[2 * EXO_NREQ];
static u32 spare_records = EXO_NREQ; // others have the rest
static u32 submits[3], most_blocks, most_active, flush_fails;

static u64 sum_of(const struct exo_req *q)
{
    u64 sum = 0;
    for (u32 i = 0; i < q->count; i++)
        for (u64 *w = (u64 *)(frames + (u64)(q->ppns[i] - FRAME_PPN) * EXO_PAGE), *end = w + 512; w < end;
             w++)
            sum = sum * 31 + *w;
    return sum;
}

static u32 active(void)
{
    u32 n = 0;
    for (u32 i = 0; i < 2 * EXO_NREQ; i++)
        n += reqs[i].state == REQ_ACTIVE;
    return n;
}

static struct exo_ret submit_request(u64 op, u64 count, u64 ext, u64 offset, u64 array)
{
    const ppn_t *ppns = (const ppn_t *)array;
    turn(NOTHING);
    if (array % 8 || (count && (array ^ (array + count * sizeof *ppns - 1)) >> 12))
        return (struct exo_ret){.err = E_ADDR};
    if (op > DISK_FLUSH || (op == DISK_FLUSH) != (count == 0) || count > EXO_REQ_BLOCKS || ext != EXTENT ||
        offset + count > exts[ext].count)
        return (struct exo_ret){.err = E_ARG};
    u32 n = 0;
    struct exo_req *q = 0;
    for (u32 i = 0; i < EXO_NREQ; i++) {
        struct exo_req *r = &reqs[(ACCOUNT - 1) * EXO_NREQ + i];
        n += r->state != REQ_FREE;
        if (!q && r->state == REQ_FREE)
            q = r;
    }
    if (n >= spare_records)
        return (struct exo_ret){.err = E_FULL};
    u32 index = q - reqs;
    *q = (struct exo_req){
        .id = ((q->id >> 16) + 1) << 16 | index, .state = REQ_ACTIVE, .op = op, .count = count};
    q->account = ACCOUNT;
    q->ext = ext;
    q->block = exts[ext].start + offset;
    for (u32 i = 0; i < count; i++) {
        u32 f = ppns[i] - FRAME_PPN;
        if (f >= nframes || in_flight[f]++)
            breach("a frame in two requests");
        q->ppns[i] = ppns[i];
        if (op == DISK_READ)
            memset(frames + (u64)f * EXO_PAGE, 0xdd, EXO_PAGE);
    }
    sums[index] = sum_of(q);
    submits[op]++;
    if (count > most_blocks)
        most_blocks = count;
    if (active() > most_active)
        most_active = active();
    return (struct exo_ret){.val = q->id};
}

static struct exo_ret exo_disk_done(u64 id)
{
    turn(NOTHING);
    struct exo_req *q = &reqs[id & 0xffff];
    if ((id & 0xffff) >= 2 * EXO_NREQ || q->id != id || q->state == REQ_FREE)
        return (struct exo_ret){.err = E_REQ};
    if (q->state != REQ_DONE)
        return (struct exo_ret){.err = E_BUSY};
    q->state = REQ_FREE;
    return (struct exo_ret){.val = (u64)(i64)q->status};
}

// Finishes one request, whichever; 0 if there is none.
static int disk_step(void)
{
    u32 n = active();
    if (n == 0)
        return 0;
    struct exo_req *q = reqs;
    for (u32 pick = draw(n);; q++)
        if (q->state == REQ_ACTIVE && pick-- == 0)
            break;
    u64 first = q->block - DISK_START;
    if (sum_of(q) != sums[q - reqs])
        breach("a buffer changed while the disk had it");
    for (u32 i = 0; i < q->count; i++)
        if (bad[first + i])
            q->status = E_IO;
    if (q->op == DISK_FLUSH && flush_fails)
        q->status = E_IO;
    for (u32 i = 0; i < q->count; i++) {
        u8 *block = media + (first + i) * EXO_PAGE,
           *frame = frames + (u64)(q->ppns[i] - FRAME_PPN) * EXO_PAGE;
        in_flight[q->ppns[i] - FRAME_PPN]--;
        if (q->status && (bad[first + i] || draw(2))) // what a failed request has done is anyone's guess
            continue;
        if (q->op == DISK_READ)
            memcpy(frame, block, EXO_PAGE);
        else
            memcpy(block, frame, EXO_PAGE);
    }
    q->state = REQ_DONE;
    words.completions++;
    return 1;
}

#define exo_disk_submit(op, count, ext, offset, ppns, cap) submit_request(op, count, ext, offset, (u64)(ppns))

// A disk of nblocks, all zero, and a cache of nbufs over it.
static void disk_new(u32 nblocks, u32 nbufs)
{
    ppn_t ppn[CACHE_FRAMES];
    free(media);
    free(bad);
    free(frames);
    free(in_flight);
    media = calloc(nblocks, EXO_PAGE);
    bad = calloc(nblocks, 1);
    frames = aligned_alloc(EXO_PAGE, (u64)nbufs * EXO_PAGE);
    memset(frames, 0xee, (u64)nbufs * EXO_PAGE);
    in_flight = calloc(nbufs, 1);
    nframes = nbufs;
    memset(reqs, 0, sizeof reqs);
    memset(submits, 0, sizeof submits);
    most_blocks = most_active = 0;
    exts[EXTENT] = (struct exo_ext){.start = DISK_START, .count = nblocks, .account = ACCOUNT, .name = "fs"};
    for (u32 i = 0; i < nbufs; i++)
        ppn[i] = FRAME_PPN + i;
    memset(&shared, 0, sizeof shared);
    bcache_setup(&shared.cache, EXTENT, nbufs, frames, ppn);
}

// ---- the console ----

static const char *typed; // what will be typed
static u32 typed_left;
static char kernel_ring[256];
static u32 ring_used;
static char screen[1 << 16];
static u32 screen_used;

static int console_step(void)
{
    u32 n = typed_left ? 1 + draw(typed_left < 40 ? typed_left : 40) : 0;
    for (u32 i = 0; i < n && ring_used < sizeof kernel_ring; i++) {
        kernel_ring[ring_used++] = *typed++;
        typed_left--;
        words.input++;
    }
    return n > 0;
}

static u64 cons_clip(const void *p, u64 n)
{
    u64 page = EXO_PAGE - (u64)p % EXO_PAGE;
    n = n < page ? n : page;
    return n < EXO_CONS_MAX ? n : EXO_CONS_MAX;
}

static i64 cons_error; // what both calls answer, if not 0

__attribute__((unused)) static struct exo_ret exo_cons_write(const void *p, u64 n)
{
    turn(NOTHING);
    if (cons_error)
        return (struct exo_ret){.err = cons_error};
    n = cons_clip(p, n);
    if (n > sizeof screen - 1 - screen_used)
        return (struct exo_ret){.err = E_ADDR};
    memcpy(screen + screen_used, p, n);
    screen_used += n;
    screen[screen_used] = 0;
    return (struct exo_ret){.val = n};
}

__attribute__((unused)) static struct exo_ret exo_cons_read(void *p, u64 n)
{
    turn(NOTHING);
    if (cons_error)
        return (struct exo_ret){.err = cons_error};
    n = cons_clip(p, n);
    n = n < ring_used ? n : ring_used;
    memcpy(p, kernel_ring, n);
    memmove(kernel_ring, kernel_ring + n, ring_used - n);
    ring_used -= n;
    return (struct exo_ret){.val = n};
}

__attribute__((unused)) static void type_in(const char *text)
{
    typed = text;
    typed_left = strlen(text);
}
