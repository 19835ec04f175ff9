// How a process of the libOS is entered, left and gone on with: the u-area's private part, and the calls that
// give up the processor. upcall.S is the code, and for exceptions fault.S; offsets that they use stand here,
// beside the structure.
//
// One rule keeps it simple: a process has one stack of the libOS's, in use while it is in the libOS. Upcalls
// from the program start at its top, those from libOS code go on below what is there. (A process of several
// threads has one for each, and `stack` and `save` are those of the one that runs: thread.h.)
#ifndef EXV6_UPCALL_H
#define EXV6_UPCALL_H

#include <exo/abi.h>
#include "thread.h"
#include "user/first.h"

// Of the u-area, in every process: beside the libOS, so that it needs no table of its own.
#define UA_VA 0x401fd000

// Offsets from the u-area.
#define SELF_FP_ON  0x4b0
#define SELF_FP_WAS 0x4b8
#define SELF_PROC   0x4c0
#define SELF_RESULT 0x4d0
#define SELF_SAVE   0x4d8
#define SELF_STACK  0x4e0
#define SELF_ENDS   0x4e8
#define SELF_LEFT   0x4f0
#define SELF_OFF    0x4f8
#define SELF_KEPT   0x500
#define SELF_REGS   0x580
#define SELF_WORDS  0x788
#define SELF_ALARM  0x790
// Size of struct context in whole 16 bytes; offsets in struct trap, and its size.
#define CONTEXT_ROOM 528
#define TRAP_FRAME   0
#define TRAP_SP      48
#define TRAP_S0      56
#define TRAP_REGS    64
#define TRAP_SIZE    192

#define STACK_PAGES 3 // as in unix.ld

#ifndef __ASSEMBLER__
#include <stdbool.h>

struct proc;

struct self {
    struct first_args first; // own eid, and how to ask the boot image to power off
    u64 fp_on;  // the f registers are the program's, live on this hart: save them when leaving it
    u64 fp_was; // fp_on when a call that gives up the hart was made
    struct proc *proc;
    u32 index; // in the process table
    ppn_t root;
    u64 result;           // what the call that gave up the hart returns
    struct context *save; // what an epilogue saves of the program: below
    va_t stack;           // top of the libOS's stack
    const u32 *ends;      // not 0: the way back to the program leads to signal_leave()
    u64 left, off;        // `time` when the hart was last given up, and how long it was not had, all told
    u64 kept[16];         // ra, sp, gp, tp, s0-s11: where that call returns to
    // At an epilogue; but t0-t2 and pc are in the kernel's frame. Of libOS code always here.
    struct context context;
    u64 *words; // where upcall_receive() wants the message
    u64 alarm;  // time; ~0: none
};

#define UPCALL_WORDS 8 // of a message: a0-a4, s0-s2

// What a fault upcall leaves on the stack.
struct trap {
    struct exo_frame frame;
    u64 sp, s0;
    u64 ra, tp, a[8], t3, t4, t5, t6;
    u64 spare[2];
};

#define UAREA ((struct exo_uarea *)UA_VA)
#define SELF  ((struct self *)(UA_VA + UA_LIBOS))

// yield and wait of <exo/abi.h>: 0 once this process runs again, or the kernel's error.
i64 upcall_yield(eid_t to);
i64 upcall_wait(ppn_t code, u64 w0, u64 w1, u64 w2, eid_t to);

// Protected control transfer, with messages of UPCALL_WORDS; floating point must be off (upcall_fp_save).
// call: 0, and the answer is in words; or the kernel's error. receive: sleeps as upcall_wait() does, or until
// another environment calls this one: its eid, and what it sent; 0: it was woken; or the kernel's error.
// reply: answers, and then the same, but that it only yields; with MASK_LIBOS as mask it lets no call in.
i64 upcall_call(eid_t to, cap_t cap, u64 *words);
i64 upcall_receive(u64 *words, ppn_t code, u64 w0, u64 w1, u64 w2);
i64 upcall_reply(u64 *words, u64 mask);

// Stores in kept what a process needs to return from this call a second time: 0 now, `result` then.
u64 upcall_fork(u64 kept[16]) __attribute__((returns_twice));

// What the epilogue frame holds of the program becomes part of c; the frame is free then for the next one.
void upcall_take_frame(struct context *c);

// Floating point off, the program's registers in SELF->save->f; and back.
void upcall_fp_save(void);
void upcall_fp_load(void);

// Clears the libOS's bit of mask, and ends the slice here if it ended while that was set.
void upcall_unmask(void);

// Leaves the libOS for a program that starts.
void upcall_enter(va_t pc, va_t sp, u64 argc, va_t argv) __attribute__((noreturn));

// ---- fault.S and fault.c ----

// The entry for exceptions, of the program, or of libOS code that follows one of the program's pointers or
// uses a frame of the cache for the first time; with t0 = u-area. It leaves the registers in a struct trap on
// the libOS's stack, below what is there, and frees the kernel's frame at once: while one exception is served
// another may come. What it returns to is told by the trap, which upcall_fault() may change (ecall.h).
// Returning needs no call of the kernel's. If *SELF->ends is not 0, and it is the program that goes on, it
// does so through signal_leave() and thread_resume().
void upcall_exception(void);

// Serves the exception that *t tells of, so that returning continues what was interrupted; or ends the
// process (crash.h). If the slice ended while the kernel's frame was in use, it ends here.
void upcall_fault(struct trap *t);

// ----

// For upcall.S: the program, interrupted by an abort or an epilogue, is about to go on.
void upcall_forced_on(void);
void upcall_resumed(void);

// The entries for the u-area, in its order.
extern const u64 upcall_entries[4];

_Static_assert(UA_LIBOS + offsetof(struct self, fp_on) == SELF_FP_ON, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, fp_was) == SELF_FP_WAS, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, proc) == SELF_PROC, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, result) == SELF_RESULT, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, kept) == SELF_KEPT, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, context) == SELF_REGS, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, words) == SELF_WORDS, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, alarm) == SELF_ALARM, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, save) == SELF_SAVE, "struct self");
_Static_assert(UA_LIBOS + offsetof(struct self, off) == SELF_OFF, "struct self");
_Static_assert(offsetof(struct context, f) == 256, "struct context, as in regs.h");
_Static_assert(sizeof(struct context) + 8 == CONTEXT_ROOM && CONTEXT_ROOM % 16 == 0, "struct context");
_Static_assert(sizeof(struct self) <= EXO_PAGE - UA_LIBOS, "struct self");
_Static_assert(offsetof(struct trap, sp) == TRAP_SP, "struct trap");
_Static_assert(offsetof(struct trap, ra) == TRAP_REGS, "struct trap");
_Static_assert(sizeof(struct trap) == TRAP_SIZE && TRAP_SIZE % 16 == 0, "struct trap");
#endif

#endif
