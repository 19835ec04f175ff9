// Processes for tests of libos/ on the host: how they sleep and wake (proc.h), lock (lock.h), and what memory
// their programs have (vm.h). Included by fake_exo.h.
//
// Each process is a thread, but only one runs at a time; at every lock, call and wait it is drawn who goes
// on, and whether the devices do something. So every run with the same seed is the same run, and a test tries
// many. What must not be is counted in `breaches`; if nobody can go on, or it does not end, the test ends
// there.

// ---- results and chance ----

static int checks, failures, breaches;
static const char *suite = "";
static u64 chance = 1;

__attribute__((unused)) static void check(const char *name, long long expected, long long saw) {
    checks++;
    failures += expected != saw;
    if (expected == saw)
        printf("ok %s: %s\n", suite, name);
    else
        printf("not ok %s: %s: expected %lld, saw %lld\n", suite, name, expected, saw);
    fflush(stdout);
}

static void breach(const char *what) {
    if (breaches++ < 10) printf("# breach: %s\n", what);
}

static u32 draw(u32 below) {
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
static u32 nactors, spawned, running = ~0u;
static u64 now, steps;
static u32 disk_pace = 8; // the disk does something in one turn of so many
static __thread u32 self;

static int disk_step(void);
static int console_step(void);

static int ready(const struct actor *a) {
    switch (a->why) {
    case ON_LOCK: return a->lock->holder == 0;
    case ON_WAKE: return a->counter != a->seen || now >= a->until;
    case ON_INPUT: return a->counter != a->seen || words.input != a->word;
    case ON_DISK: return words.completions != a->word;
    default: return a->why == NOTHING;
    }
}

static void stuck(void) {
    printf("not ok %s: someone can go on: expected 1, saw 0\n", suite);
    for (u32 i = 0; i < nactors; i++) printf("# process %u waits for %d\n", i, (int)actor[i].why);
    fflush(stdout);
    _Exit(1);
}

// Who goes on; nactors if all are done.
static u32 next_actor(void) {
    for (u32 idle = 0;; idle++) {
        u32 alive = 0, can[NPROC], n = 0;
        if (draw(disk_pace) == 0 || idle) {
            disk_step();
            console_step();
        }
        now++;
        for (u32 i = 0; i < nactors; i++) {
            alive += actor[i].why != DONE;
            if (actor[i].why != DONE && ready(&actor[i])) can[n++] = i;
        }
        if (n && draw(16) == 0) { // a wakeup for nothing, perhaps; but not when no other could go on
            u32 i = draw(nactors);
            if (actor[i].why == ON_WAKE || actor[i].why == ON_DISK) return i;
        }
        if (n) return can[draw(n)];
        if (!alive) return nactors;
        if (idle > 10000 || ++steps > STEPS) stuck();
    }
}

// Lets another run, perhaps; returns when this one may go on.
static void turn(enum why why) {
    struct actor *a = &actor[self];
    a->why = why;
    if (++steps > STEPS) stuck();
    running = next_actor();
    if (running < nactors)
        pthread_cond_signal(&actor[running].turn);
    else if (nactors)
        pthread_cond_signal(&actor[NPROC - 1].turn); // the test itself
    while (why != DONE && running != self) pthread_cond_wait(&a->turn, &baton);
    if (why != DONE) a->why = NOTHING;
}

static void *begin_actor(void *arg) {
    self = (struct actor *)arg - actor;
    pthread_mutex_lock(&baton);
    while (running != self) pthread_cond_wait(&actor[self].turn, &baton);
    actor[self].why = NOTHING;
    actor[self].body(actor[self].arg);
    if (actor[self].locks) breach("a process ends with a lock");
    envs[self + 1].eid = 0;
    turn(DONE);
    pthread_mutex_unlock(&baton);
    return 0;
}

// A process with the next index, at most NPROC - 1 in all.
static u32 spawn(void (*body)(void *), void *arg) {
    struct actor *a = &actor[nactors];
    *a = (struct actor){.body = body, .arg = arg};
    pthread_cond_init(&a->turn, 0);
    eid_t eid = ++spawned * (EXO_EID_INDEX + 1) + nactors + 1;
    shared.procs.proc[nactors] = (struct proc){.state = PROC_LIVE, .pid = (int)nactors + 1, .eid = eid};
    envs[nactors + 1].eid = eid;
    pthread_create(&a->thread, 0, begin_actor, a);
    return nactors++;
}

// Runs what was spawned, and what that spawns, to the end.
static void run(void) {
    pthread_mutex_lock(&baton);
    steps = 0;
    running = next_actor();
    pthread_cond_init(&actor[NPROC - 1].turn, 0);
    pthread_cond_signal(&actor[running].turn);
    while (running < nactors) pthread_cond_wait(&actor[NPROC - 1].turn, &baton);
    pthread_mutex_unlock(&baton);
    for (u32 i = 0; i < nactors; i++) pthread_join(actor[i].thread, 0);
    nactors = 0;
    running = ~0u;
}

struct proc *me(void) {
    return &shared.procs.proc[self];
}

u32 proc_index(const struct proc *p) { return p - shared.procs.proc; }

bool killed(void) { return me()->signals & PROC_END; }
bool interrupted(void) { return me()->signals; } // no handler, and nothing blocked, here

u64 wake_read(void) { return actor[self].counter; }

void wake(struct proc *p) { actor[proc_index(p)].counter++; }

void wake_all(u64 set) {
    for (u32 i = 0; i < NPROC; i++) actor[i].counter += set >> i & 1;
}

__attribute__((unused)) static void kill_proc(u32 i) {
    shared.procs.proc[i].signals = PROC_END;
    wake(&shared.procs.proc[i]);
}

__attribute__((unused)) static void signal_proc(u32 i) {
    shared.procs.proc[i].signals = 1u << SIGUSR1;
    wake(&shared.procs.proc[i]);
}

void robust_look(void); // nobody dies here
void robust_look(void) {}

static int killed_group; // the last that was
int proc_send(int pid, int group, int sig) {
    if (pid == 0 && sig == SIGINT) killed_group = group;
    return 0;
}

bool wake_wait(u64 seen, u64 until) {
    if (interrupted()) return false;
    actor[self].seen = seen;
    actor[self].until = until;
    turn(ON_WAKE);
    return !interrupted();
}

__attribute__((unused)) void wake_sleep(u64 seen, u64 stops) {
    (void)stops;
    actor[self].seen = seen;
    actor[self].until = ~0ul;
    turn(ON_WAKE);
}

bool input_wait(u64 seen, u64 input) {
    if (actor[self].locks) breach("a wait for input under a lock");
    if (interrupted()) return false;
    actor[self].seen = seen;
    actor[self].word = input;
    turn(ON_INPUT);
    return !interrupted();
}

void disk_wait(u64 completions) {
    if (shared.cache.lock.holder == self + 1) breach("a wait for the disk under the cache's lock");
    actor[self].word = completions;
    turn(ON_DISK);
}

void waitq_sleep(struct waitq *q, struct lock *l) {
    u64 seen = wake_read();
    q->bits |= 1ul << self;
    lock_release(l);
    wake_wait(seen, ~0ul);
    lock_acquire(l);
    q->bits &= ~(1ul << self);
}

void waitq_wake(struct waitq *q) {
    u64 bits = q->bits;
    q->bits = 0;
    wake_all(bits);
}

// ---- locks ----

static void (*at_lock)(
    const struct lock *); // what another thread of the process does while this one waits for it

void lock_acquire(struct lock *l) {
    if (at_lock) at_lock(l);
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

void lock_release(struct lock *l) {
    if (l->holder != self + 1) breach("a lock released that was not held");
    l->holder = 0;
    actor[self].locks--;
    turn(NOTHING);
}

void lock_pause(void) { turn(NOTHING); }

// ---- programs' memory: one arena; all else is not there ----

static u8 arena[1 << 20] __attribute__((aligned(4096)));

bool user_ok(const void *p, u64 n, bool write) {
    (void)write;
    u64 at = (u64)p - (u64)arena;
    turn(NOTHING); // it may bring in a page
    return at <= sizeof arena && n <= sizeof arena - at;
}

int user_str(const char *p, char *out, int max) {
    for (int i = 0; i < max; i++) {
        if (!user_ok(p + i, 1, false)) return -1;
        out[i] = p[i];
        if (!out[i]) return i;
    }
    return -1;
}
