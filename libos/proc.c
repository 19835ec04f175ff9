// The process table, and what ends a process or follows from its end; see proc.h. Called by programs (wait,
// exit, kill, sleep...), by fork for entries of the table, by whatever finds that a process cannot go on.
#include "proc.h"

#include <exo/call.h>
#include "crash.h"
#include "file.h"
#include "lib.h"
#include "map.h"
#include "shared.h"
#include "robust.h"
#include "signal.h"
#include "space.h"
#include "tty.h"
#include "upcall.h"
#include "vm.h"
#include "worker.h"

#define TABLE (&SHARED->procs)
#define INIT  (&TABLE->proc[0])

struct proc *me(void) {
    return SELF->proc;
}

struct proc *proc_at(u32 index) {
    return &TABLE->proc[index];
}

u32 proc_index(const struct proc *p) { return (u32)(p - TABLE->proc); }

static const volatile struct exo_env *env(eid_t eid) { return &EXO_ENVS[eid & EXO_EID_INDEX]; }

// ---- entries ----

u32 proc_worker_hart(const struct proc *p, u32 worker) {
    return (u32)((p->hart + 1 + worker) % EXO_WORDS->nharts);
}

// The slots that entries have on each hart, a bit for each, and how many environments that is. They are
// theirs whether the kernel's slot record says so already or not.
struct slots {
    u32 count[EXO_NHART];
    u64 taken[EXO_NHART];
    u32 workers; // of those environments
};

static void count_slots(struct slots *s) {
    memset(s, 0, sizeof(*s));
    for (struct proc *o = TABLE->proc; o < &TABLE->proc[NPROC]; o++) {
        if (o->state == PROC_FREE) continue;
        s->count[o->hart]++;
        s->taken[o->hart] |= 1UL << o->slot;
        s->workers += o->workers;
        for (u32 i = 0; i < o->workers; i++) {
            s->count[proc_worker_hart(o, i)]++;
            s->taken[proc_worker_hart(o, i)] |= 1UL << o->worker_slot[i];
        }
    }
}

// A slot of that hart that no entry has; EXO_NSLOT: none.
static u32 free_slot(const struct slots *s, u32 hart) {
    u32 slot = 0;
    while (slot < EXO_NSLOT &&
           (EXO_SLOTS[hart * EXO_NSLOT + slot].account != SHARED->account || s->taken[hart] >> slot & 1))
        slot++;
    return slot;
}

// The hart with the fewest environments that has a slot for one more.
static bool find_slot(struct proc *p) {
    struct slots s;
    bool found = false;
    count_slots(&s);
    for (u32 hart = 0; hart < EXO_WORDS->nharts; hart++) {
        u32 slot = free_slot(&s, hart);
        if (slot == EXO_NSLOT || (found && s.count[hart] >= s.count[p->hart])) continue;
        p->hart = hart;
        p->slot = slot;
        found = true;
    }
    return found;
}

// Of the account's environments each process's own is kept for it.
int proc_add_worker(void) {
    struct proc *p = me();
    struct slots s;
    int i = -1;
    lock_acquire(&TABLE->lock);
    count_slots(&s);
    bool room = NPROC + s.workers < EXO_ACCTS[SHARED->account].envs && p->workers + 1 < EXO_WORDS->nharts;
    u32 slot = room ? free_slot(&s, proc_worker_hart(p, p->workers)) : EXO_NSLOT;
    if (slot < EXO_NSLOT) {
        i = (int)p->workers++;
        p->worker_slot[i] = (u8)slot;
        p->worker[i] = 0;
    }
    lock_release(&TABLE->lock);
    return i;
}

struct proc *proc_new(void) {
    struct proc *p = TABLE->proc;
    lock_acquire(&TABLE->lock);
    while (p < &TABLE->proc[NPROC] && p->state != PROC_FREE) p++;
    if (p == &TABLE->proc[NPROC] || !find_slot(p)) {
        lock_release(&TABLE->lock);
        return 0;
    }
    struct proc fresh = {.state = PROC_NEW,
                         .pid = ++TABLE->last_pid,
                         .parent = me(),
                         .hart = p->hart,
                         .slot = p->slot,
                         .map = PROGRAM_END,
                         .group = me()->group,
                         .caught = me()->caught,
                         .ignored = me()->ignored};
    memcpy(fresh.name, me()->name, sizeof(fresh.name));
    *p = fresh;
    lock_release(&TABLE->lock);
    return p;
}

static void set_state(struct proc *p, u32 state) {
    lock_acquire(&TABLE->lock);
    p->state = state;
    lock_release(&TABLE->lock);
}

int proc_run(struct proc *p) {
    int pid = p->pid;
    set_state(p, PROC_LIVE);
    exo_env_ctl(p->eid, ENV_RUN);
    return pid;
}

void proc_cancel(struct proc *p) {
    vm_charge(&p->charged, 0);
    set_state(p, PROC_FREE);
}

void proc_start(void) {
    SELF->proc = INIT;
    SELF->ends = &INIT->signals;
    SELF->index = 0;
    SELF->root = env(SELF->first.eid)->root;
    *INIT = (struct proc){.state = PROC_LIVE,
                          .pid = 1,
                          .eid = SELF->first.eid,
                          .root = SELF->root,
                          .map = PROGRAM_END,
                          .ignored = 1u << SIGCHLD};
    INIT->hart = env(INIT->eid)->home;
    TABLE->last_pid = 1;

    // One slot, on the hart where it is.
    bool found = false;
    for (u32 i = 0; i < EXO_WORDS->nharts * EXO_NSLOT; i++) {
        if (EXO_SLOTS[i].eid != INIT->eid) continue;
        if (!found && i / EXO_NSLOT == INIT->hart) {
            INIT->slot = i % EXO_NSLOT;
            found = true;
        } else {
            exo_slot_set(i / EXO_NSLOT, i % EXO_NSLOT, 0);
        }
    }
}

// ---- the end ----

// Children of one that ends are init's.
static void give_children(const struct proc *from) {
    for (struct proc *p = TABLE->proc; p < &TABLE->proc[NPROC]; p++) {
        if (p->state != PROC_FREE && p->parent == from) {
            p->parent = INIT;
            wake(INIT);
        }
    }
}

void proc_exit(int status) {
    static bool ending; // a fault in here comes back here: what it came from is left out
    struct proc *p = me();
    if (!thread_alone()) thread_leave();
    if (!ending) {
        ending = true;
        map_drop(p, true);
        file_exit();
        tty_exit();
    }
    vm_shrink(p, 0);

    lock_acquire(&TABLE->lock);
    struct proc *parent = p->parent;
    give_children(p);
    p->status = status;
    p->state = PROC_ZOMBIE;
    if (parent) proc_signal(parent, SIGCHLD);
    lock_release(&TABLE->lock);
    if (parent)
        wake(parent); // last of all, as it will wait for this environment to be gone
    else
        print("init has ended: status %d\n", status);
    for (;;) {
        exo_env_end(SELF->first.eid);
        lock_pause();
    }
}

int sys_exit(int status) { proc_exit(status); }

// A child that broke down and cannot go on.
static void put_down(struct proc *p) {
    set_state(p, PROC_REAPED);
    robust_look(); // it may hold something
    if (env(p->eid)->eid == p->eid) {
        crash_stopped(p);
        exo_env_end(p->eid);
    }
    worker_end(p);
    file_cancel(p);
    lock_acquire(&TABLE->lock);
    give_children(p);
    lock_release(&TABLE->lock);
}

// Its environment may still be on its way out, on this hart or another.
static void reap(struct proc *p) {
    while (env(p->eid)->eid == p->eid) lock_pause();
    exo_slot_set(p->hart, p->slot, 0);
    map_drop(p, false); // if it broke down
    vm_shrink(p, 0);
    space_free(p->root, p->frames, p->threads);
    vm_charge(&p->charged, 0);
    set_state(p, PROC_FREE);
}

// A child that has ended or broken down, or NULL. Whether there is any child.
static struct proc *find_ended(bool *any) {
    *any = false;
    for (struct proc *p = TABLE->proc; p < &TABLE->proc[NPROC]; p++) {
        if (p->parent != me() || (p->state != PROC_LIVE && p->state != PROC_ZOMBIE)) continue;
        *any = true;
        if (p->state == PROC_ZOMBIE || robust_died(p)) return p;
    }
    return 0;
}

int sys_wait(int *status) {
    if (status && !user_ok(status, sizeof(*status), true)) return -1;
    for (;;) {
        u64 seen = wake_read(), stops = EXO_WORDS->stops, input = EXO_WORDS->input;
        bool any, watches = tty_watch();
        if (me() == INIT) robust_look_all();
        lock_acquire(&TABLE->lock);
        struct proc *p = find_ended(&any);
        bool broken = p && p->state == PROC_LIVE;
        if (p && !broken) p->state = PROC_REAPED; // to one of several threads that wait
        lock_release(&TABLE->lock);
        if (broken && robust_revive(p)) continue;
        if (p) {
            int pid = p->pid;
            if (status) *status = broken ? KILLED : p->status;
            if (broken) put_down(p);
            reap(p);
            return pid;
        }
        if (!any || !(watches ? stop_or_input_wait(seen, stops, input) : stop_wait(seen, stops))) return -1;
    }
}

// ---- other calls ----

void proc_signal(struct proc *p, int sig) {
    u32 bit = 1u << sig, end = p->caught & bit ? 0 : PROC_END;
    if (p->ignored & bit) return;
    __atomic_fetch_or(&p->signals, end ? end : bit, __ATOMIC_SEQ_CST);
    wake(p);
    if (p->state == PROC_NEW) return; // it finds that when its fork() ends
    u32 stop = env(p->eid)->stop;     // one that was told to stop goes on, to its end
    if (end && (stop == STOP_NEW || stop == STOP_CTL)) exo_env_ctl(p->eid, ENV_RUN);
    if (end) exo_env_ctl(p->eid, ENV_RECALL); // from a server, if it is at one
}

int proc_send(int pid, int group, int sig) {
    int result = -1;
    lock_acquire(&TABLE->lock);
    for (struct proc *p = TABLE->proc; p < &TABLE->proc[NPROC]; p++) {
        bool there = p->state == PROC_LIVE || p->state == PROC_ZOMBIE || (group && p->state == PROC_NEW);
        if (!there || p == INIT) continue;
        if (group ? p->group != group : p->pid != pid) continue;
        proc_signal(p, sig);
        result = 0;
    }
    lock_release(&TABLE->lock);
    return result;
}

int sys_kill(int pid) { return proc_send(pid, 0, SIGKILL); }

int sys_procinfo(int index, struct procinfo *to) {
    struct procinfo info;
    if (index < 0 || index >= NPROC || !user_ok(to, sizeof(info), true)) return -1;
    memset(&info, 0, sizeof(info)); // what lies between the fields, too
    lock_acquire(&TABLE->lock);
    const struct proc *p = &TABLE->proc[index];
    bool used = p->state == PROC_LIVE || p->state == PROC_ZOMBIE;
    if (used) {
        info.pid = p->pid;
        info.parent = p->parent ? p->parent->pid : 0;
        info.group = p->group;
        info.ended = p->state == PROC_ZOMBIE;
        info.eid = p->eid;
        u32 pages = (u32)((p->sz + EXO_PAGE - 1) / EXO_PAGE);
        info.pages = pages + map_pages(p);
        info.private = (u32)(vm_cost(p->sz) - pages);
        memcpy(info.name, p->name, sizeof(info.name));
    }
    lock_release(&TABLE->lock);
    if (used) *to = info;
    return used;
}

int sys_getpid(void) { return me()->pid; }

int sys_sleep(int ticks) {
    u64 until = exo_time() + (ticks > 0 ? (u64)ticks * TICK : 0);
    for (;;) {
        u64 seen = wake_read();
        if (exo_time() >= until) return killed() ? -1 : 0;
        if (!wake_wait(seen, until)) return -1;
    }
}

int sys_uptime(void) { return (int)((exo_time() - EXO_WORDS->boot_time) / TICK); }
