// See signal.h.
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

u32 signal_due(void) {
    struct proc *p = me();
    if (exo_time() >= SELF->alarm) {
        SELF->alarm = ~0ul;
        proc_signal(p, SIGALRM);
    }
    if (p->signals & PROC_LOOK) __atomic_fetch_and(&p->signals, ~PROC_LOOK, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&p->signals, __ATOMIC_SEQ_CST) & ~own.blocked & ~(PROC_END | PROC_LOOK);
}

bool interrupted(void) { return signal_due() || killed(); }

// ---- calling handlers ----

static void call(struct context *c, int sig) {
    va_t at = (c->x[2] - sizeof(struct frame)) & ~15ul;
    struct frame *f = (struct frame *)at;
    u32 more = bit(sig) & ~(own.pausing ? own.before : own.blocked);
    own.blocked |= bit(sig);
    if (!user_ok(f, sizeof(*f), true)) proc_exit(KILLED);
    f->context = *c;
    f->blocked = more;
    c->x[0] = own.handler[sig];
    c->x[1] = LIBOS_TABLE + 8 * SYS_sigreturn;
    c->x[2] = at;
    c->x[10] = (u64)sig;
}

void signal_take(struct context *c) {
    u32 begun = 0;
    if (SELF->fp_on) upcall_fp_save();
    memcpy(c->f, SELF->save->f, sizeof(c->f));
    for (u32 due; (due = signal_due());) {
        int sig = 1;
        while (!(due & bit(sig))) sig++;
        __atomic_fetch_and(&me()->signals, ~bit(sig), __ATOMIC_SEQ_CST);
        if (!own.handler[sig]) continue; // any more: as if it had not come
        begun |= bit(sig);
        call(c, sig);
    }
    if (own.pausing) own.blocked = own.before | begun;
    own.pausing = false;
    if (killed()) proc_exit(KILLED);
}

void signal_leave(struct context *c) {
    if (killed()) proc_exit(KILLED);
    if (signal_due()) signal_take(c);
    thread_pass(c);
}

void signal_resume(void) {
    struct context c = *SELF->save;
    upcall_take_frame(&c);
    signal_take(&c);
    thread_resume(&c);
}

int sys_sigreturn(void) {
    const struct frame *f = *(const struct frame *const *)(SELF->stack - 16); // where entry.S keeps sp
    if ((va_t)f % 16 || !user_ok(f, sizeof(*f), false)) proc_exit(KILLED);
    struct context c = f->context;
    own.blocked &= ~(u32)f->blocked;
    if (SELF->fp_on) upcall_fp_save();
    memcpy(SELF->save->f, c.f, sizeof(c.f));
    signal_take(&c);
    thread_resume(&c);
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

int sys_sigpause(u32 set) {
    u32 before = sys_sigblock(set);
    if (!own.pausing) own.before = before; // another thread may be in here
    own.pausing = true;
    while (own.pausing) {
        u64 seen = wake_read();
        if (!wake_wait(seen, ~0ul)) break; // the handler is called where this call ends
    }
    return -1;
}

u32 sys_alarm(u32 ticks) {
    u64 now = exo_time(), was = SELF->alarm, left = was != ~0ul && was > now ? was - now : 0;
    SELF->alarm = ticks ? now + ticks * TICK : ~0ul;
    return (u32)((left + TICK - 1) / TICK);
}
