// See crash.h. The program's memory and file are both taken with care: either may be what is broken.
#include "crash.h"

#include <exo/call.h>
#include "elf.h"
#include "exec.h"
#include "file.h"
#include "lib.h"
#include "proc.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"

#define FRAMES 16 // of a backtrace, at most

static const char *cause_name(u64 cause) {
    static const char *const names[] = {
        [0] = "misaligned jump",     [1] = "instruction fetch fault",
        [2] = "illegal instruction", [3] = "breakpoint",
        [4] = "misaligned load",     [5] = "load access fault",
        [6] = "misaligned store",    [7] = "store access fault",
        [8] = "unknown call",        [12] = "instruction page fault",
        [13] = "load page fault",    [15] = "store page fault",
    };
    return cause < sizeof(names) / sizeof(names[0]) && names[cause] ? names[cause] : "exception";
}

// ---- names of functions ----

struct symbols {
    struct inode *ip; // locked
    u64 table, n;     // symbols
    u64 strings, nstrings;
};

static bool read_at(const struct symbols *s, u64 off, void *to, u64 n) {
    return off <= FS_MAX_SIZE && inode_read(the_fs(), s->ip, off, to, n, 0) == (i64)n;
}

static bool read_section(const struct symbols *s, const struct elf_header *h, u32 i, struct elf_section *to) {
    return i < h->shnum && h->shoff <= FS_MAX_SIZE && read_at(s, h->shoff + i * sizeof(*to), to, sizeof(*to));
}

static bool find_symbols(struct symbols *s) {
    struct elf_header h;
    struct elf_section table, strings;
    if (!read_at(s, 0, &h, sizeof(h)) || h.magic != ELF_MAGIC || h.shentsize != sizeof(table)) return false;
    for (u32 i = 0; read_section(s, &h, i, &table); i++) {
        if (table.type != ELF_SYMTAB || !read_section(s, &h, table.link, &strings)) continue;
        s->table = table.offset;
        s->n = table.size / sizeof(struct elf_symbol);
        s->strings = strings.offset;
        s->nstrings = strings.size;
        return true;
    }
    return false;
}

// The function that pc is in.
static bool find_symbol(const struct symbols *s, va_t pc, struct elf_symbol *f) {
    for (u64 i = 0; i < s->n && read_at(s, s->table + i * sizeof(*f), f, sizeof(*f)); i++)
        if ((f->info & 15) == ELF_FUNC && pc >= f->value && pc - f->value < f->size) return true;
    return false;
}

static void print_pc(const struct symbols *s, const char *what, va_t pc) {
    char name[32] = "";
    struct elf_symbol f = {0};
    if (s->ip && find_symbol(s, pc, &f) && f.name < s->nstrings) {
        u64 left = s->nstrings - f.name, n = left < sizeof(name) - 1 ? left : sizeof(name) - 1;
        if (!read_at(s, s->strings + f.name, name, n)) name[0] = 0;
    }
    if (name[0])
        print("%s0x%lx %s+0x%lx\n", what, pc, name, pc - f.value);
    else
        print("%s0x%lx\n", what, pc);
}

// ---- the report ----

// Is `ra` still the return address of the function that pc is in? After a call that this function made it is
// not: then it lies in the function itself. Of unknown functions it is taken to be.
static bool ra_lives(const struct symbols *s, va_t pc, va_t ra) {
    struct elf_symbol f;
    return !s->ip || !find_symbol(s, pc, &f) || ra - f.value >= f.size;
}

// Functions keep a frame pointer: below where it points lie the return address and the caller's frame
// pointer. One that calls no other keeps only the latter, in the place of the former, and any may fault
// before it has made its frame or after it has left it: so the innermost one's caller is in ra, if that still
// lives. After a jump to nowhere it does.
static void backtrace(const struct symbols *s, const struct trap *t) {
    va_t fp = t->s0, end = program()->text_end, epc = t->frame.epc, ra = t->ra;
    bool lives = ra && ra < end && ra_lives(s, epc, ra);
    if (lives) print_pc(s, "    called from ", ra);
    for (u32 i = 0; i < FRAMES; i++) {
        const va_t *frame = (const va_t *)(fp - 16);
        if (fp < 16 || fp % 8 || !user_ok(frame, 16, false)) return;
        va_t next = frame[0];
        if (i == 0 && epc < end && frame[1] >= end)
            next = frame[1];
        else if (frame[1] == 0 || frame[1] >= end)
            return;
        else if (i > 0 || !lives || frame[1] != ra)
            print_pc(s, "    called from ", frame[1]);
        if (next <= fp) return;
        fp = next;
    }
}

// The same inside the libOS, whose functions all keep a frame: as far as the stack goes that sp is in.
static void libos_backtrace(const struct trap *t) {
    bool own = t->sp >= (va_t)stack_bottom && t->sp < (va_t)stack_top;
    va_t fp = t->s0, end = own ? (va_t)stack_top : (t->sp | (THREAD_SLOT - 1)) + 1;
    print("    in the libOS, called from 0x%lx\n", t->ra);
    for (u32 i = 0; i < FRAMES && fp >= t->sp + 16 && fp <= end && fp % 8 == 0; i++) {
        const va_t *frame = (const va_t *)(fp - 16);
        if (frame[1] < LIBOS_TABLE || frame[1] >= (va_t)rodata_start) return;
        print("    called from 0x%lx\n", frame[1]);
        if (frame[0] <= fp) return;
        fp = frame[0];
    }
}

static void report(const struct symbols *s, const struct trap *t) {
    const struct exo_frame *f = &t->frame;
    print("pid %d (%s): %s at 0x%lx\n", me()->pid, me()->name, cause_name(f->cause), f->tval);
    print_pc(s, "    pc ", f->epc);
    backtrace(s, t);
}

void crash(const struct trap *t) {
    struct symbols s = {0};
    struct fs *fs = the_fs();
    struct inode *ip;
    if (t->frame.epc >= LIBOS_TABLE && t->frame.epc < (va_t)rodata_start) {
        // The libOS itself: it may hold any lock, so the file system is left alone.
        report(&s, t);
        libos_backtrace(t);
        proc_exit(KILLED);
    }
    op_begin(&fs->log);
    if (inode_get(fs, program()->inum, &ip) == 0) {
        if (inode_lock(fs, ip) == 0) {
            s.ip = ip;
            if (!find_symbols(&s)) s.ip = 0;
            report(&s, t);
            inode_unlock(fs, ip);
        } else {
            report(&s, t);
        }
        inode_put(fs, ip);
    } else {
        report(&s, t);
    }
    op_end(&fs->log);
    proc_exit(KILLED);
}

void crash_stopped(const struct proc *p) {
    const volatile struct exo_env *e = &EXO_ENVS[p->eid & EXO_EID_INDEX];
    static const char *const why[] = {"", "", "a fault while one was taken", "it overran its slices"};
    print("pid %d (%s): stopped: %s\n", p->pid, p->name, e->stop <= STOP_OWES ? why[e->stop] : "");
    print("    %s at 0x%lx, pc 0x%lx\n", cause_name(e->stop_cause), e->stop_tval, e->stop_pc);
}
