// exec: builds the new program in an address space of its own, moves the environment over, and only then
// takes the old one apart; so a failure leaves the old program as it was (but for its mappings, should the
// kernel refuse the very last step). Nothing in the file is trusted.
#include "exec.h"

#include <exo/call.h>
#include "elf.h"
#include "file.h"
#include "lib.h"
#include "map.h"
#include "pager.h"
#include "proc.h"
#include "shared.h"
#include "signal.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"

#define SEGMENTS 16 // loadable or not

// A program under construction.
struct build {
    ppn_t root;
    u64 sz;     // as it will be
    u64 tables; // the size that has tables
    u64 charged;
    u32 resident; // its pages
    u64 taken;    // pager_taken(), before it had any
    va_t entry, sp;
    u64 argc;
    struct program program;
    u32 nsegments;
    struct elf_segment segment[SEGMENTS];
};

static struct program current;

const struct program *program(void) { return &current; }

static u64 page_up(u64 n) { return (n + EXO_PAGE - 1) & ~(u64)(EXO_PAGE - 1); }

// ---- the file ----

static bool read_at(struct inode *ip, u64 off, void *to, u64 n) {
    return inode_read(the_fs(), ip, off, to, n, 0) == (i64)n;
}

static bool header_ok(const struct elf_header *h) {
    return h->magic == ELF_MAGIC && h->class == ELF_CLASS64 && h->order == ELF_LITTLE &&
           h->version == ELF_VERSION && h->type == ELF_EXEC && h->machine == ELF_RISCV &&
           h->phentsize == sizeof(struct elf_segment) && h->phnum <= SEGMENTS;
}

// Segments begin on a page, in rising order, so that no page has two; none is both writable and executable.
static bool segment_ok(const struct elf_segment *s, u64 end) {
    return s->vaddr % EXO_PAGE == 0 && s->vaddr >= end && s->vaddr <= PROGRAM_END &&
           s->memsz <= PROGRAM_END - s->vaddr && s->filesz <= s->memsz &&
           (s->flags & (ELF_W | ELF_X)) != (ELF_W | ELF_X) && s->flags & (ELF_R | ELF_W | ELF_X);
}

// Reads and checks what the headers say, and finds where the program will end.
static bool read_headers(struct build *b, struct inode *ip) {
    struct elf_header h;
    if (!read_at(ip, 0, &h, sizeof(h)) || !header_ok(&h) || h.phoff > FS_MAX_SIZE) return false;
    if (!read_at(ip, h.phoff, b->segment, h.phnum * sizeof(b->segment[0]))) return false;
    b->entry = h.entry;
    for (u32 i = 0; i < h.phnum; i++) {
        struct elf_segment s = b->segment[i];
        if (s.type != ELF_LOAD || s.memsz == 0) continue;
        if (!segment_ok(&s, page_up(b->sz))) return false;
        b->sz = s.vaddr + s.memsz;
        if (s.flags & ELF_X) b->program.text_end = b->sz;
        b->segment[b->nsegments++] = s;
    }
    b->program.guard = page_up(b->sz);
    b->sz = b->program.guard + 2ul * EXO_PAGE; // the guard, and a page of stack
    b->program.inum = ip->inum;
    return b->entry < b->program.text_end && b->sz <= PROGRAM_END;
}

// ---- pages of the new program ----

// Binds a new page at SCRATCH_VA, to be filled there, and at va of the new program.
static bool add_page(struct build *b, va_t va, u32 flags) {
    struct exo_ret page = page_new(false);
    if (page.err) return false;
    u64 bits = PTE_R | PTE_A; // W needs R in a PTE
    bits |= flags & ELF_W ? PTE_W | PTE_D : 0;
    bits |= flags & ELF_X ? PTE_X : 0;
    if (exo_bind(b->root, va, page.val, bits, 0).err) {
        exo_page_free(page.val);
        return false;
    }
    b->resident++;
    return exo_bind(SELF->root, SCRATCH_VA, page.val, SPACE_RW, 0).err == 0;
}

// What the file has of a segment is read now; the rest comes on demand.
static bool load_segment(struct build *b, struct inode *ip, const struct elf_segment *s) {
    for (u64 done = 0; done < s->filesz; done += EXO_PAGE) {
        u64 n = s->filesz - done < EXO_PAGE ? s->filesz - done : EXO_PAGE;
        if (!add_page(b, s->vaddr + done, s->flags)) return false;
        if (s->offset > FS_MAX_SIZE || !read_at(ip, s->offset + done, (void *)SCRATCH_VA, n)) return false;
    }
    // A page that no demand would bring in as it should be: it is not to be written.
    for (u64 va = page_up(s->vaddr + s->filesz); !(s->flags & ELF_W) && va < s->vaddr + s->memsz;
         va += EXO_PAGE)
        if (!add_page(b, va, s->flags)) return false;
    return true;
}

static bool load(struct build *b, struct inode *ip) {
    if (!read_headers(b, ip) || !vm_charge(&b->charged, vm_cost(b->sz) + (thread_slot() ? THREAD_STACK : 0)))
        return false;
    if (!space_new(&b->root, true)) return false;
    if (!space_grow(b->root, 0, b->sz)) return false;
    b->tables = b->sz;
    for (u32 i = 0; i < b->nsegments; i++)
        if (!load_segment(b, ip, &b->segment[i])) return false;
    return true;
}

static bool load_file(struct build *b, const char *path) {
    struct fs *fs = the_fs();
    struct inode *ip;
    bool ok = false;
    op_begin(&fs->log);
    if (path_find(fs, file_cwd(), path, &ip) == 0) {
        if (inode_lock(fs, ip) == 0) {
            ok = inode_stat(ip).type == FS_FILE && load(b, ip);
            inode_unlock(fs, ip);
        }
        inode_put(fs, ip);
    }
    op_end(&fs->log);
    return ok;
}

// ---- arguments ----

// Copies string s to the top of what is free of the stack page, which is at SCRATCH_VA. Its address for the
// new program, or 0 if it does not fit or is not there.
static va_t push_string(struct build *b, const char *s, bool user) {
    va_t stack = b->program.guard + EXO_PAGE;
    u64 n = 0;
    do {
        if (user && (n == 0 || (va_t)(s + n) % EXO_PAGE == 0) && !user_ok(s + n, 1, false)) return 0;
        if (n == b->sp - stack) return 0;
    } while (s[n++]);
    u64 room = (n + 15) & ~15ul;
    if (room > b->sp - stack) return 0;
    b->sp -= room;
    memcpy((void *)(SCRATCH_VA + b->sp - stack), s, n);
    return b->sp;
}

// The stack as a program finds it: strings, below them argv with its final 0, at sp.
static bool push_args(struct build *b, char **argv, bool user) {
    va_t stack = b->program.guard + EXO_PAGE, at[MAXARG + 1];
    b->sp = b->sz;
    if (!add_page(b, stack, ELF_R | ELF_W)) return false;
    for (b->argc = 0;; b->argc++) {
        if (b->argc >= MAXARG || (user && !user_ok(&argv[b->argc], sizeof(char *), false))) return false;
        if (argv[b->argc] == 0) break;
        at[b->argc] = push_string(b, argv[b->argc], user);
        if (at[b->argc] == 0) return false;
    }
    at[b->argc] = 0;
    u64 n = (b->argc + 1) * sizeof(va_t), room = (n + 15) & ~15ul;
    if (room > b->sp - stack) return false;
    b->sp -= room;
    memcpy((void *)(SCRATCH_VA + b->sp - stack), at, n);
    return true;
}

// ---- the change ----

static void set_name(struct proc *p, const char *path) {
    const char *last = path;
    for (; *path; path++)
        if (*path == '/' && path[1]) last = path + 1;
    u32 n = 0;
    for (; n < sizeof(p->name) - 1 && last[n] && last[n] != '/'; n++) p->name[n] = last[n];
    memset(p->name + n, 0, sizeof(p->name) - n);
}

static void become(struct build *b, const char *path) {
    struct proc *p = me();
    ppn_t old_root = SELF->root;
    u64 old_sz = p->sz, old_charged = p->charged, frames[sizeof(p->frames) / 8];
    memcpy(frames, p->frames, sizeof(frames));
    SELF->root = b->root;
    memset(p->frames, 0, sizeof(p->frames));
    p->sz = b->sz;
    p->resident = b->resident;
    p->charged = b->charged;
    space_shrink(old_root, old_sz, 0, 0);
    pager_leave();
    current = b->program;
    set_name(p, path);
    thread_forget();
    signal_exec();
    p->serves = 0;
    space_free(old_root, frames, p->threads);
    vm_charge(&old_charged, 0);
    upcall_fp_save();
    memset(SELF->save->f, 0, sizeof(SELF->save->f));
}

int exec_file(const char *path, char **argv, bool user) {
    struct build b;
    memset(&b, 0, sizeof(b));
    b.taken = pager_taken();
    bool ok = load_file(&b, path) && push_args(&b, argv, user) && b.taken == pager_taken();
    exo_unbind(SELF->root, SCRATCH_VA, 0);
    bool left = ok && !thread_alone(); // another thread ends the process
    if (ok && !left) {
        map_drop(me(), true);
        pager_enter();       // which goes by root and sz
        me()->root = b.root; // before it is so: what comes now can go on on either (robust.h)
        if (b.taken == pager_taken() && exo_env_space(SELF->first.eid, b.root, UA_VA) == 0) {
            become(&b, path);
            if (killed()) proc_exit(KILLED);
            upcall_enter(b.entry, b.sp, b.argc, b.sp);
        }
        me()->root = SELF->root;
        pager_leave();
    }
    if (b.root) {
        pager_enter();
        space_shrink(b.root, b.tables, 0, 0);
        pager_leave();
        space_free(b.root, 0, me()->threads);
    }
    vm_charge(&b.charged, 0);
    if (left) thread_leave();
    return -1;
}

int sys_exec(const char *path, char **argv) {
    char name[MAXPATH];
    if (user_str(path, name, sizeof(name)) < 0 || !thread_space_enter()) return -1;
    int err = exec_file(name, argv, true);
    thread_space_leave();
    return err;
}
