// Signals: handlers, and what goes with them; see signal.h.
//
// TO WRITE, for part B; what is below "the rest" is there. In order:
//
//   1. signal_due(): of the bits in this process's `signals` those that are neither blocked nor PROC_END
//      or PROC_LOOK. PROC_LOOK is cleared by looking; and an alarm whose time has come (SELF->alarm) is
//      a SIGALRM sent to oneself (proc_signal), once.
//   2. call(): c is what the program was about to do. Lay it on the program's own stack (struct frame,
//      16-byte aligned), if there is one (user_ok); and let c be a call of the handler that returns to
//      SYS_sigreturn. The signal is blocked until then: what this call blocked, and nothing that was
//      blocked before.
//   3. signal_take(): call() for each that is due, the lowest number first. Floating point belongs into
//      the context: upcall_fp_save() puts it into SELF->save->f. If the process is to end, it ends here.
//   4. signal_leave(), at the end of a call or a fault, is signal_take() if one is due; a killed process
//      ends, and at the very end thread_pass(c). signal_resume(), at the start of a slice: *SELF->save
//      with the kernel's frame (upcall_take_frame) is what was interrupted; copy it first.
//      thread_resume() goes on.
//   5. sys_sigreturn(): the frame is where the handler left sp, which entry.S has put at SELF->stack -
//      16. The program can have changed it: look before you follow. Other signals may be due by now.
//   6. sys_sigpause(): blocks `set` instead, sleeps (wake_wait) until a handler was called, and leaves
//      blocked what was before; the handler is called where this call ends.
#include "signal.h"

#include <exo/call.h>
#include "kernel/syscall.h"
#include "lib.h"
#include "proc.h"
#include "thread.h"
#include "upcall.h"
#include "vm.h"

#define NSIG 31

static struct {
    u64 handler[NSIG];
    u32 blocked;
    u32 before;   // sys_sigpause: blocked again after the handler that it waits for
    bool pausing; // no such handler was called yet
} own;

// On the program's stack, below what it has there.
struct frame {
    struct context context;
    u64 blocked; // by this handler: other threads' may begin and end meanwhile
};

_Static_assert(sizeof(struct frame) % 16 == 0, "the stack's alignment");

static u32 bit(int sig) { return 1u << sig; }

u64 signal_alarm(void) { return SELF->alarm; }

u32 signal_due(void) { return 0; }

bool interrupted(void) { return signal_due() || killed(); }

// ---- calling handlers ----

static void not_written(void) {
    static bool said;
    if (!said) print("signal: libos/signal.c is not written yet\n");
    said = true;
}

void signal_take(struct context *c) { not_written(); }

void signal_leave(struct context *c) {
    if (killed()) proc_exit(KILLED);
    not_written();
}

void signal_resume(void) {
    not_written();
    proc_exit(KILLED);
}

int sys_sigreturn(void) {
    not_written();
    proc_exit(KILLED);
}

int sys_sigpause(u32 set) {
    not_written();
    return -1;
}

// ---- the rest ----

static void set(int sig, u64 handler) {
    struct proc *p = me();
    bool ignored = handler == (u64)SIG_IGN || (handler == (u64)SIG_DFL && sig == SIGCHLD);
    bool caught = handler > (u64)SIG_IGN;
    own.handler[sig] = caught ? handler : 0;
    p->ignored = ignored ? p->ignored | bit(sig) : p->ignored & ~bit(sig);
    p->caught = caught ? p->caught | bit(sig) : p->caught & ~bit(sig);
}

void signal_exec(void) {
    for (int sig = 1; sig < NSIG; sig++)
        if (own.handler[sig]) set(sig, (u64)SIG_DFL);
    // What came for a handler and was not handled does what it does without.
    u32 *signals = &me()->signals,
        left = __atomic_load_n(signals, __ATOMIC_SEQ_CST) & ~(PROC_LOOK | bit(SIGCHLD));
    if (left) __atomic_fetch_or(signals, PROC_END, __ATOMIC_SEQ_CST);
    __atomic_fetch_and(signals, PROC_END, __ATOMIC_SEQ_CST);
    own.blocked = 0;
    own.pausing = false;
}

static bool is_signal(int sig) { return sig > 0 && sig < NSIG; }

int sys_signal(int sig, u64 handler) {
    if (!is_signal(sig) || sig == SIGKILL || handler >= LIBOS_TABLE) return -1;
    set(sig, handler);
    return 0;
}

int sys_sigsend(int pid, int sig) { return is_signal(sig) ? proc_send(pid, 0, sig) : -1; }

u32 sys_sigblock(u32 set) {
    u32 before = own.blocked;
    own.blocked = set;
    return before;
}

u32 sys_alarm(u32 ticks) {
    u64 now = exo_time(), was = SELF->alarm, left = was != ~0ul && was > now ? was - now : 0;
    SELF->alarm = ticks ? now + ticks * TICK : ~0ul;
    return (u32)((left + TICK - 1) / TICK);
}
