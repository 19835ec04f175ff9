// Processes: the table, the life of an entry, and how one process sleeps until another wakes it.
//
// An entry belongs to whoever made it until it is PROC_LIVE, then to the process itself, and from PROC_ZOMBIE
// on to the parent that reaps it; state, parent, pid and status are under the table's lock. What only
// the process itself needs is not here but in its u-area (upcall.h) or in its private memory.
//
// Sleeping is built on one counter a process, in the page of wake words that the kernel's wakeup predicates
// read. Who wants to sleep reads its own counter under the lock that guards the condition, releases the lock,
// and waits until the counter has changed; so no wakeup is lost. Wakeups may be spurious: the condition is
// tested again. proc.c has the table and the calls, sleep.c the sleeping.
#ifndef EXV6_PROC_H
#define EXV6_PROC_H

// Of `signals`, beside those numbered from 1 to 30. Its offset, for upcall.S.
#define PROC_END 1 // it is to end
#define PROC_LOOK \
    0x80000000 // something is to be seen to where it leaves the libOS: an alarm, a thread that it woke
#define PROC_SIGNALS 20

#ifndef __ASSEMBLER__
#include <exo/abi.h>
#include <stdbool.h>
#include "kernel/param.h"
#include "kernel/procinfo.h"
#include "lock.h"

enum proc_state {
    PROC_FREE,
    PROC_NEW, // being made by fork
    PROC_LIVE,
    PROC_ZOMBIE, // ended; its address space and entry wait for the parent
    PROC_REAPED, // being taken apart by the parent
};

struct proc {
    u32 state; // enum proc_state
    int pid;
    struct proc *parent;
    int status;                   // of a zombie
    u32 signals, caught, ignored; // signal.h
    u32 serves;                   // it answers calls (rpc.h)
    u32 inside;                   // what it holds that others wait for (robust.h): its own to change
    u32 revived;                  // how often another environment has taken its place
    int group; // a number that processes share with their parents, until one of them says otherwise
    eid_t eid;
    u32 hart;
    u32 slot;
    ppn_t root;
    u64 sz;       // end of the program, ...
    va_t map;     // ... and where its mappings begin (map.h)
    u64 charged;  // pages it may use at most, taken from the commit count (vm.h)
    u32 resident; // of the program's pages, those that are there (pager.h); [io, io_end) of them must stay
    u32 lost;     // some were taken by force
    va_t io, io_end;
    va_t threads; // end of its threads' slots (thread.h); 0: none
    u32 workers;  // worker.h; worker i is on the hart i + 1 after this one's, with this slot there
    eid_t worker[EXO_NHART - 1];
    u8 worker_slot[EXO_NHART - 1];
    char name[16];
    u64 frames[16]; // of the buffer cache, those bound in `root`: a bit for each (vm.c)
};

struct proc_table {
    struct lock lock;
    int last_pid;
    eid_t reviver;           // who is giving a process another environment (robust.h); 0: nobody
    struct proc proc[NPROC]; // [0] is process 1, init
};

struct proc *me(void);
u32 proc_index(const struct proc *); // 0..NPROC-1: for tables that run beside this one
struct proc *proc_at(u32 index);
bool killed(void); // this process, or thread, is to end

u64 wake_read(void); // own counter
void wake(struct proc *);
void wake_all(u64 set); // a bit for each process, by index

// Sleeps until the own counter is not `seen`, or time (exo_time()) is `until`; ~0 for no limit. False, at
// once or after the sleep, if interrupted() (signal.h).
bool wake_wait(u64 seen, u64 until);

// Sleeps until the own counter is not `seen`, or EXO_WORDS->stops not `stops`; a kill matters only as it
// changes the counter.
void wake_sleep(u64 seen, u64 stops);
void stop_or_alarm(u64 seen, u64 stops); // the same, or until an alarm's time has come

// The same with a call of rpc.h, which ends it, too: as upcall_receive().
i64 wake_receive(u64 *words, u64 seen);

// Sleeps until the own counter is not `seen` or EXO_WORDS->input is not `input`; false as above.
bool input_wait(u64 seen, u64 input);

// The same with EXO_WORDS->stops; and with both.
bool stop_wait(u64 seen, u64 stops);
bool stop_or_input_wait(u64 seen, u64 stops, u64 input);

// Sleeps until EXO_WORDS->completions is not `completions`. May come back early; a kill does not matter.
void disk_wait(u64 completions);

// For threads, of which each sleeps for an event of its own (thread.h): whether that has come; the sum of all
// that any of them may sleep for, which only grows; and a sleep until that is not `seen` any more, or time is
// `until`.
struct event;
bool event_happened(const struct event *);
u64 event_all(void);
void event_wait(u64 seen, u64 until);

// A set of sleeping processes, guarded by the lock of what they wait for.
struct waitq {
    u64 bits;
};
void waitq_sleep(struct waitq *, struct lock *); // releases the lock, sleeps, takes it again
void waitq_wake(struct waitq *);                 // wakes all; the caller holds the lock

// For fork: an entry in state PROC_NEW with a pid, a hart and a slot there, child of this process, or NULL;
// it comes to life, and may have ended when its pid is returned; or it is not needed after all.
struct proc *proc_new(void);
int proc_run(struct proc *);
void proc_cancel(struct proc *);

// An entry for one more worker of this process, without an environment yet; its index, or -1.
int proc_add_worker(void);
u32 proc_worker_hart(const struct proc *, u32 worker);

// The first process, which is this one.
void proc_start(void);

// A signal for p, with the table's lock unless p is the caller. For all processes of a group, or if that is 0
// for the one with this pid: 0, or -1 if there is none.
void proc_signal(struct proc *p, int sig);
int proc_send(int pid, int group, int sig);

void proc_exit(int status) __attribute__((noreturn));
#define KILLED (-1) // status of a process that did not end by itself

int sys_wait(int *status);
int sys_exit(int status);
int sys_kill(int pid);
int sys_getpid(void);
// Entry `index` of the table: 1 if it is in use and *to tells of it, 0 if not; -1: there is none, or no
// memory at `to`.
int sys_procinfo(int index, struct procinfo *to);

#define TICK (EXO_WORDS->timebase / 10) // the unit of sleep, uptime and alarm
int sys_sleep(int ticks);
int sys_uptime(void);

_Static_assert(offsetof(struct proc, signals) == PROC_SIGNALS, "struct proc");

#endif
#endif
