// A runtime just large enough to write small libOSes in C: upcall entries that keep one C thread of control
// per environment going across slices, the calls that C cannot make itself, and printing.
//
// tp holds the u-area of the running environment throughout. Its libOS part begins with struct rt: what the
// upcalls of entry.S save, and the hooks by which a program takes part in them.
#ifndef USER_RT_H
#define USER_RT_H

#include <exo/abi.h>
#include <exo/image.h>
#include "../first.h"

// Offsets from the u-area that entry.S uses.
#define RT_SAVED     0x500
#define RT_SAVE      0x508
#define RT_MSG       0x588
#define RT_FP_ON     0x590
#define RT_STACK     0x598
#define RT_MAIN      0x5a0
#define RT_ARG       0x5a8
#define RT_ON_FAULT  0x5b0
#define RT_ON_CALL   0x5b8
#define RT_CALLSTACK 0x5c0
#define RT_TRY       0x5c8
#define RT_REGS      0x5e0
#define RT_FREGS     0x6e0
#define MSG_WORDS    17 // of a transfer: a0-a4, s0-s11

#ifndef __ASSEMBLER__
#include <exo/call.h>
#include <stdarg.h>
#include <stdbool.h>

struct rt {
    struct first_args first; // as the boot image left it; of other environments only eid is set
    u64 spare[10];
    u64 saved;    // nonzero: `save` holds the thread; the next prologue goes on with it
    u64 save[16]; // ra, sp, gp, tp, s0-s11
    u64 *msg;     // where the reply of a call goes
    u64 fp_on;    // an epilogue must save the f registers
    u64 stack;    // with main and arg: how the first prologue begins
    void (*main)(u64 arg);
    u64 arg;
    bool (*on_fault)(struct exo_uarea *ua); // true: go on at ua->fault.epc; NULL or false: rt_fault()
    void (*on_call)(u64 msg[MSG_WORDS], eid_t client); // a transfer came: turns its message into the reply
    u64 call_stack;                                    // top of the stack on_call uses
    u64 try_sp;                                        // rt_try_jump is under way
    u64 spare2[2];
    u64 regs[32];  // an epilogue's; [i] is x<i>, [0] unused
    u64 fregs[33]; // f0-f31, fcsr
    u64 user[32];  // the program's own
};

static inline struct exo_uarea *uarea(void) {
    struct exo_uarea *ua;
    __asm__("mv %0, tp" : "=r"(ua));
    return ua;
}
static inline struct rt *rt_of(struct exo_uarea *ua) { return (struct rt *)ua->libos; }
static inline struct rt *rt(void) { return rt_of(uarea()); }
static inline eid_t self(void) { return rt()->first.eid; }
static inline u32 self_account(void) { return EXO_ENVS[self() & EXO_EID_INDEX].account; }

// entry.S: the upcall entries, and the calls that end the slice. Each returns 0 or the kernel's error.
extern const u64 rt_entries[4];
i64 rt_yield(eid_t to);
i64 rt_wait(u64 code, u64 w0, u64 w1, u64 w2, eid_t to);
i64 rt_stop(void);                                     // stops itself, until someone sets it running
i64 rt_call(eid_t eid, cap_t cap, u64 msg[MSG_WORDS]); // the reply replaces the message
i64 rt_send(eid_t eid, cap_t cap, const u64 msg[MSG_WORDS]);
i64 rt_reply(const u64 msg[MSG_WORDS]); // returns only an error
i64 rt_resume(u64 frame);               // returns only an error
// Ends the machine, by the boot image's door (first.h).
static inline void rt_power_off(u64 status) {
    for (;;) {
        u64 msg[MSG_WORDS] = {FIRST_POWEROFF, status};
        u32 hart = EXO_ENVS[self() & EXO_EID_INDEX].home;
        rt_call(rt()->first.door[hart], rt()->first.door_cap, msg);
        rt_yield(0);
    }
}
// Loads, stores or jumps to what may not be there: the cause of the fault it took, or -1 if it took none.
i64 rt_try_load(va_t va, u64 *value);
i64 rt_try_store(va_t va, u64 value);
i64 rt_try_jump(va_t va); // the code there must return

// rt.c
// Makes a u-area page, seen here at `ua`, into one whose environment starts in main(arg) on that stack.
void rt_env_init(struct exo_uarea *ua, void (*main)(u64), u64 arg, va_t stack_top);
void rt_exit(void) __attribute__((noreturn)); // ends this environment
void rt_fault(struct exo_uarea *ua);          // an unexpected fault; the program defines it
i64 rt_fp(u64 on); // floating point on: the f registers are then saved by an epilogue, but by no yield
i64 rt_map(ppn_t root, va_t va, ppn_t ppn, u64 bits); // bind of an own page, the error alone
void rt_write(const char *s, u64 n);
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2))); // %d %u %x %lx %ld %lu %s %c %p %%
u64 print_to(char *out, u64 size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
u64 vprint_to(char *out, u64 size, const char *fmt, va_list args);
bool str_eq(const char *a, const char *b);
void *memset(void *p, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

// image.ld and the header: the image's own segments, and top of its stack.
extern const struct image_header image;
extern char rodata_start[], data_start[], bss_start[], bss_end[], stack_bottom[], stack_top[];

_Static_assert(UA_LIBOS + offsetof(struct rt, saved) == RT_SAVED, "struct rt");
_Static_assert(UA_LIBOS + offsetof(struct rt, msg) == RT_MSG, "struct rt");
_Static_assert(UA_LIBOS + offsetof(struct rt, stack) == RT_STACK, "struct rt");
_Static_assert(UA_LIBOS + offsetof(struct rt, call_stack) == RT_CALLSTACK, "struct rt");
_Static_assert(UA_LIBOS + offsetof(struct rt, try_sp) == RT_TRY, "struct rt");
_Static_assert(UA_LIBOS + offsetof(struct rt, regs) == RT_REGS, "struct rt");
_Static_assert(UA_LIBOS + offsetof(struct rt, fregs) == RT_FREGS, "struct rt");
_Static_assert(sizeof(struct rt) <= EXO_PAGE - UA_LIBOS, "struct rt");
#endif

#endif
