// Threads of one process: its memory, its files, and a stack each. They take turns at the end of every slice,
// by stride scheduling: whoever has twice the tickets has twice the processor. One that waits, in any call or
// for another thread, leaves the processor to the others. exec() and exit() end the others. A child made by
// fork() has the calling thread alone; of mutexes that others held, and malloc() has one, nobody will release
// its copies: it should call exec() soon.
//
// The first group is the library OS; the rest, from thread.c, is made of it.
#ifndef USER_THREAD_H
#define USER_THREAD_H

#include "kernel/types.h"

int thread_new(void (*fn)(void *), void *arg, void *sp, int tickets); // a number, or -1; tickets: 1..1000
int thread_exit(uint *word)
    __attribute__((noreturn)); // *word = 0, and wakes who waits for that; word may be 0
int thread_self(void);         // own number; 0 is the process's first
int thread_yield(void);
// From now on the threads run on so many harts at once, if there are as many: how many it is now. Each call
// of the library OS is made on the process's first hart, by one thread after the other.
int thread_harts(int harts);
int thread_tickets(int tickets); // own, from now on; the first thread has 1 otherwise
// Sleeps while *word is `value`, until woken, or at most so many microseconds unless negative: 0 if it was
// woken, 1 if *word was another or time is up.
int thread_wait(const uint *word, uint value, int usec);
int thread_wake(const uint *word, int n); // wakes at most n that wait on it, longest first: how many

// A thread with a stack from malloc(): 0 if there is no memory or no thread left. Each must be joined, once.
struct thread;
struct thread *thread_start(void (*fn)(void *), void *arg, int tickets);
void thread_join(struct thread *);

// All bytes 0: unlocked. Not recursive.
struct mutex {
    uint word;
};
void mutex_lock(struct mutex *);
int mutex_try(struct mutex *); // whether it was free, and is locked now
void mutex_unlock(struct mutex *);

// All bytes 0. Who waits holds the mutex; waking may be early, so the condition is to be tested again.
struct cond {
    uint turns;
};
void cond_wait(struct cond *, struct mutex *);
void cond_signal(struct cond *);
void cond_broadcast(struct cond *);

#endif
