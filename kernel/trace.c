// The kernel's evidence: where its tables are, and a ring of records a hart. Each hart writes its own ring,
// with interrupts off and no lock; the reader is a host program that looks at the guest's RAM, at any moment.
#include "kernel.h"

struct evidence evidence; // entry.S points to it
u32 trace_on;

#define TABLE(t, count) ((struct evidence_table){va_to_pa((const void *)(t)), (count), sizeof(*(t))})

static u32 trace_mode(void) {
    const char *mode = boot_arg("trace");
    if (!mode) return TRACE_OFF;
    if (mode[0] != 'f' && mode[0] != 'r') panic("boot argument trace: ring or fill is wanted");
    return mode[0] == 'f' ? TRACE_FILL : TRACE_RING;
}

void trace_init(void) {
    struct evidence *e = &evidence;
    u32 records = (u32)(machine.ram.end / EXO_PAGE) - EXO_PPN_BASE; // of pages: page_init() comes later
    e->version = EVIDENCE_VERSION;
    e->size = sizeof(*e);
    e->nharts = nharts;
    e->words = TABLE(words, 1);
    e->envs = TABLE(envs, EXO_NENV);
    e->accts = TABLE(accts, EXO_NACCT + 1);
    e->slots = TABLE(slots, nharts * EXO_NSLOT);
    e->exts = TABLE(exts, EXO_NEXT);
    e->reqs = TABLE(reqs, EXO_NACCT * EXO_NREQ);
    e->pages = TABLE(pages, records);
    e->mode = trace_mode();
    u64 n = boot_number("trace_kb", 1024) * 1024 / sizeof(struct trace_rec);
    for (u32 i = 0; i < nharts && n && e->mode; i++) {
        // Nobody looks at a record before it was written: so megabytes need not be zeroed.
        e->ring[i].pa = va_to_pa(boot_room(n * sizeof(struct trace_rec), sizeof(struct trace_rec)));
        e->ring[i].n = n;
    }
    __atomic_store_n(&e->magic, EVIDENCE_MAGIC, __ATOMIC_RELEASE);
    trace_on = n && e->mode;
    if (trace_on) trace(TRACE_BOOT, records, nharts, words->timebase, 0, 0);
}

void trace(u32 event, u64 w0, u64 w1, u64 w2, u64 w3, u64 w4) {
    struct trace_ring *ring = &evidence.ring[this_hart->index];
    if (evidence.mode == TRACE_FILL && ring->head == ring->n) halt(TRACE_FULL_STATUS);
    const struct exo_env *cur = this_hart->cur;
    struct trace_rec *r = (struct trace_rec *)pa_to_va(ring->pa) + ring->head % ring->n;
    u64 seq = __atomic_add_fetch(&evidence.seq, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&r->seq, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); // who finds a new word below finds no old number
    *r = (struct trace_rec){.time = csr_read(time),
                            .eid = cur ? cur->eid : 0,
                            .event = (u16)event,
                            .hart = (u8)this_hart->index,
                            .account = cur ? cur->account : 0,
                            .w = {w0, w1, w2, w3, w4}};
    __atomic_store_n(&r->seq, seq, __ATOMIC_RELEASE);
    __atomic_store_n(&ring->head, ring->head + 1, __ATOMIC_RELEASE);
}

// Of each call: how many arguments it has, and in bit 3 + i whether argument i is a capability.
#define CAP(i)                       (8 << (i))
#define ARGS(nr, name, number, caps) [EXO_##nr - EXO_CALLS] = (number) | (caps) << 3,
static const u8 args_of[EXO_CALLS_END - EXO_CALLS] = {EXO_FAST_CALLS(ARGS) EXO_LOCKED_CALLS(ARGS)};

void trace_call(u64 nr, const u64 args[5], struct ret ret) {
    if (nr < EXO_CALLS || nr >= EXO_CALLS_END) {
        trace(TRACE_NO_CALL, nr, 0, 0, 0, 0);
        return;
    }
    u32 what = args_of[nr - EXO_CALLS];
    u64 w[5] = {0};
    for (u32 i = 0; i < (what & 7); i++) w[i] = what & CAP(i) ? args[i] != 0 : args[i];
    if ((what & 7) == 5) w[0] = (u32)w[0] | w[4] << 32;
    u64 val = nr == EXO_CAP_NEW ? ret.val != 0 : ret.val;
    trace((u32)nr | (ret.err ? TRACE_REFUSED : 0), w[0], w[1], w[2], w[3], ret.err ? (u64)ret.err : val);
}
