// See map.h. On top: objects and their pages; below: mappings, fork and exit, and the calls.
// Where mappings are, place.c says.
#include "map.h"

#include <exo/call.h>
#include "file.h"
#include "lib.h"
#include "pager.h"
#include "pages.h"
#include "proc.h"
#include "shared.h"
#include "space.h"
#include "upcall.h"
#include "vm.h"

#define MAPS (&SHARED->maps)

static u64 pages_of(u64 bytes) { return (bytes + EXO_PAGE - 1) / EXO_PAGE; }

struct mapping *map_at(const struct proc *p, u32 i) {
    return &MAPS->map[proc_index(p)][i];
}

// ---- objects ----

// A link with a page, after the object's last. With the lock. False if there are enough.
static bool link_add(struct object *o, ppn_t ppn) {
    u32 n = MAPS->free;
    if (n)
        MAPS->free = MAPS->link[n].next;
    else if (MAPS->fresh == MAP_LINKS || MAPS->fresh == SHARED->frames)
        return false;
    else
        n = ++MAPS->fresh;
    MAPS->link[n].ppn = ppn;
    MAPS->link[n].next = 0;
    if (o->pages++)
        MAPS->link[o->last].next = n;
    else
        o->first = n;
    o->last = n;
    return true;
}

static u32 link_at(const struct object *o, u32 page) {
    u32 n = o->first;
    while (page--) n = MAPS->link[n].next;
    return n;
}

// The file's, or a new one; 0: too many. Its inode is the caller's, too.
static struct object *object_get(struct inode *ip) {
    struct object *found = 0;
    lock_acquire(&MAPS->lock);
    for (struct object *o = MAPS->object; o < &MAPS->object[MAP_OBJECTS]; o++) {
        if (o->refs && ip && o->ip == ip) {
            found = o;
            break;
        }
        if (!o->refs && !found) found = o;
    }
    if (found && found->refs++ == 0) {
        *found = (struct object){.refs = 1, .ip = ip};
        if (ip) inode_dup(the_fs(), &found->ip);
    }
    lock_release(&MAPS->lock);
    return found;
}

// Nobody else knows it any more.
static void free_links(const struct object *o) {
    ppn_t ppn[EXO_BATCH_MAX];
    u32 n = 0;
    for (u32 link = o->first, left = o->pages; left--; link = MAPS->link[link].next) {
        ppn[n++] = MAPS->link[link].ppn;
        if (n == EXO_BATCH_MAX || left == 0) {
            space_free_pages(ppn, n);
            n = 0;
        }
    }
    if (o->pages) {
        MAPS->link[o->last].next = MAPS->free;
        MAPS->free = o->first;
    }
}

static void object_put(struct object *o) {
    struct inode *ip = 0;
    lock_acquire(&MAPS->lock);
    if (--o->refs == 0) {
        ip = o->ip;
        o->ip = 0;
        free_links(o);
        vm_charge(&o->charged, 0);
    }
    lock_release(&MAPS->lock);
    if (!ip) return;
    op_begin(&the_fs()->log);
    inode_put(the_fs(), ip);
    op_end(&the_fs()->log);
}

// More of the file for a page that has it up to o->size: all that it can have now. With the inode locked.
static bool read_more(struct object *o, ppn_t ppn) {
    u64 size = inode_stat(o->ip).size, in = o->size % EXO_PAGE, n = size > o->size ? size - o->size : 0;
    if (n > EXO_PAGE - in) n = EXO_PAGE - in;
    bool ok = n == 0 || (exo_bind(SELF->root, SCRATCH_VA, ppn, SPACE_RW, 0).err == 0 &&
                         inode_read(the_fs(), o->ip, o->size, (u8 *)SCRATCH_VA + in, n, 0) == (i64)n);
    if (n) exo_unbind(SELF->root, SCRATCH_VA, 0);
    if (ok) o->size += n;
    return ok;
}

// An object's next page: the file's, or a zeroed one.
static ppn_t next_page(struct object *o) {
    struct exo_ret page = page_new(false);
    if (page.err) return 0;
    if (pager_keep((ppn_t)page.val) && (!o->ip || read_more(o, (ppn_t)page.val))) return (ppn_t)page.val;
    exo_page_free(page.val);
    return 0;
}

// Sees to it that it has so many pages: of a file with its inode locked, of an anonymous one when it is made.
// What could be had stays, if not all.
static bool object_grow(struct object *o, u64 pages) {
    if (o->size % EXO_PAGE && !read_more(o, MAPS->link[o->last].ppn)) return false;
    while (o->pages < pages) {
        ppn_t ppn = vm_charge(&o->charged, o->charged + 1) ? next_page(o) : 0;
        lock_acquire(&MAPS->lock);
        bool ok = ppn && link_add(o, ppn);
        lock_release(&MAPS->lock);
        if (ok) continue;
        if (ppn) exo_page_free(ppn);
        if (o->ip) o->size = (u64)o->pages * EXO_PAGE;
        vm_charge(&o->charged, o->pages);
        return false;
    }
    return true;
}

// ---- pages ----

// Not what is past the file's end, nor what has been appended since it was read.
static bool write_page(struct object *o, u64 at, ppn_t ppn) {
    struct fs *fs = the_fs();
    if (exo_bind(SELF->root, SCRATCH_VA, ppn, PTE_R | PTE_A, 0).err) return false;
    op_begin(&fs->log);
    bool ok = inode_lock(fs, o->ip) == 0;
    if (ok) {
        u64 size = inode_stat(o->ip).size, off = at * EXO_PAGE;
        if (size > o->size) size = o->size;
        u64 n = off < size ? size - off : 0;
        if (n > EXO_PAGE) n = EXO_PAGE;
        ok = n == 0 || inode_write(fs, o->ip, off, (void *)SCRATCH_VA, n, 0) == (i64)n;
        inode_unlock(fs, o->ip);
    }
    op_end(&fs->log);
    exo_unbind(SELF->root, SCRATCH_VA, 0);
    return ok;
}

// What was stored in [va, end), which is of this shared mapping, goes to the file. A page that is stored to
// meanwhile has its D bit again.
static bool write_back(const struct proc *p, const struct mapping *m, va_t va, va_t end) {
    bool ok = true;
    if (!m->object->ip || !m->writable) return true;
    for (; va < end; va += EXO_PAGE) {
        struct exo_ret pte = exo_protect(p->root, va, PTE_D, 0, 0);
        if (pte.err || !(pte.val & PTE_D)) continue;
        if (write_page(m->object, m->at + (va - m->va) / EXO_PAGE, PTE_PPN(pte.val))) continue;
        exo_protect(p->root, va, 0, PTE_D, 0);
        ok = false;
    }
    return ok;
}

// An object's pages stay. What was stored is known for certain only when there is no way to it any more.
static bool drop_shared(struct proc *p, const struct mapping *m, va_t va, va_t end, bool write) {
    bool ok = true;
    for (; va < end; va += EXO_PAGE) {
        pager_enter();
        struct exo_ret pte = exo_unbind(p->root, va, 0);
        if (pte.err == 0) p->resident -= pte.val & PTE_V;
        pager_leave();
        if (write && m->object->ip && pte.err == 0 && pte.val & PTE_V && pte.val & PTE_D)
            ok &= write_page(m->object, m->at + (va - m->va) / EXO_PAGE, PTE_PPN(pte.val));
    }
    return ok;
}

static bool bind_shared(struct proc *p, const struct mapping *m) {
    bool ok = true;
    pager_enter();
    for (u32 i = 0, link = link_at(m->object, m->at); i < m->pages && ok; i++, link = MAPS->link[link].next) {
        ok = exo_bind(p->root, m->va + i * EXO_PAGE, MAPS->link[link].ppn,
                      PTE_R | PTE_A | (m->writable ? PTE_W : 0), 0)
                 .err == 0;
        p->resident += ok;
    }
    pager_leave();
    return ok;
}

// Drops the pages [va, end), which were of m: the table says so no more. False if they could not be written.
static bool drop(struct proc *p, const struct mapping *m, va_t va, va_t end, bool write) {
    if (m->object) return drop_shared(p, m, va, end, write);
    pager_enter();
    space_drop(p->root, va, end, &p->resident);
    pager_leave();
    vm_charge(&p->charged, p->charged - (end - va) / EXO_PAGE);
    return true;
}

// Of a private mapping that was filled: no more stores, wherever its pages are by now.
static bool forbid_stores(struct proc *p, const struct mapping *m) {
    bool ok = true;
    pager_enter();
    for (va_t va = m->va; va < map_end(m) && ok; va += EXO_PAGE) {
        u64 pte = PTE_OF(va);
        if (!(pte & PTE_V)) {
            ok = exo_unbind(p->root, va, pte & ~(u64)PTE_W).err == 0;
        } else {
            struct exo_ret was = exo_protect(p->root, va, PTE_W | PTE_D, 0, 0);
            ok = was.err == 0;
            if (ok && was.val & PTE_D) pager_changed(PTE_PPN(pte));
        }
    }
    pager_leave();
    return ok;
}

// ---- making and dropping mappings ----

struct wish {
    struct inode *ip; // 0: anonymous
    u64 pages, at;    // pages, from the file's page `at` on
    bool shared, writable;
};

static bool fill_private(struct mapping *m, const struct wish *w) {
    u64 size = inode_stat(w->ip).size, off = w->at * EXO_PAGE, n = size - off;
    if (n > w->pages * EXO_PAGE) n = w->pages * EXO_PAGE;
    bool ok = inode_read(the_fs(), w->ip, off, (void *)m->va, n, copy_out) == (i64)n;
    user_pages_done();
    return ok && (w->writable || forbid_stores(me(), m));
}

static bool fill_shared(struct mapping *m, const struct wish *w) {
    m->at = (u32)w->at;
    m->object = object_get(w->ip);
    return m->object && object_grow(m->object, w->at + w->pages) && bind_shared(me(), m);
}

static bool fill_from_file(struct mapping *m, const struct wish *w) {
    if (inode_lock(the_fs(), w->ip)) return false;
    struct fs_stat st = inode_stat(w->ip);
    bool ok = st.type == FS_FILE && w->at + w->pages <= pages_of(st.size);
    if (ok) ok = w->shared ? fill_shared(m, w) : fill_private(m, w);
    inode_unlock(the_fs(), w->ip);
    return ok;
}

static bool fill(struct mapping *m, const struct wish *w) {
    if (w->ip) return fill_from_file(m, w);
    return !w->shared || fill_shared(m, w);
}

static va_t make(struct proc *p, const struct wish *w) {
    struct mapping *m = map_unused(p);
    va_t va = map_place(p, w->pages);
    u64 charge = w->shared ? 0 : w->pages;
    if (!m || !va || !vm_charge(&p->charged, p->charged + charge)) return 0;
    if (!map_tables(p, va)) {
        vm_charge(&p->charged, p->charged - charge);
        return 0;
    }
    *m = (struct mapping){.va = va, .pages = (u32)w->pages, .writable = w->writable};
    if (fill(m, w)) return va;
    struct mapping was = *m;
    *m = (struct mapping){0};
    if (!w->shared || was.object) drop(p, &was, va, map_end(&was), false);
    if (was.object) object_put(was.object);
    map_tables_drop(p);
    return 0;
}

// Takes [va, end) out of m, as far as it is m's. -1, and nothing done, if there is no room for what is left;
// 1: it is done, but could not be written.
static int cut(struct proc *p, struct mapping *m, va_t va, va_t end) {
    struct mapping was = *m;
    if (va < was.va) va = was.va;
    if (end > map_end(&was)) end = map_end(&was);
    int parts = map_cut(p, m, va, end);
    if (parts < 0) return -1;
    if (parts == 2 && was.object) {
        lock_acquire(&MAPS->lock);
        was.object->refs++;
        lock_release(&MAPS->lock);
    }
    bool ok = drop(p, &was, va, end, true);
    if (parts == 0 && was.object) object_put(was.object);
    return !ok;
}

static int unmap(struct proc *p, va_t va, va_t end) {
    struct mapping *m = map_find(p, va, end);
    int err = m ? 0 : -1;
    for (; m; m = map_find(p, va, end)) {
        int wrong = cut(p, m, va, end);
        if (wrong) err = -1;
        if (wrong < 0) break; // only the first has something left on both sides
    }
    map_tables_drop(p);
    return err;
}

static int sync(struct proc *p, va_t va, va_t end) {
    bool ok = true;
    if (!map_find(p, va, end)) return -1;
    EACH_MAP(p, m) {
        if (!m->pages || !m->object || m->va >= end || va >= map_end(m)) continue;
        ok &= write_back(p, m, va > m->va ? va : m->va, end < map_end(m) ? end : map_end(m));
    }
    return fs_sync(the_fs()) == 0 && ok ? 0 : -1;
}

// ---- fork and exit ----

bool map_fork(struct proc *child) {
    struct mapping *to = map_at(child, 0);
    if (!space_grow(child->root, table_begin(me()->map), PROGRAM_END)) return false;
    memcpy(to, map_at(me(), 0), sizeof(MAPS->map[0]));
    lock_acquire(&MAPS->lock);
    for (u32 i = 0; i < NMAP; i++)
        if (to[i].pages && to[i].object) to[i].object->refs++;
    lock_release(&MAPS->lock);
    child->map = me()->map;
    return true;
}

void map_drop(struct proc *p, bool write) {
    if (p->map == PROGRAM_END) return;
    EACH_MAP(p, m) {
        struct mapping was = *m;
        if (!was.pages) continue;
        *m = (struct mapping){0};
        drop(p, &was, was.va, map_end(&was), write);
        if (was.object) object_put(was.object);
    }
    map_tables_drop(p);
}

// ---- calls ----

// What the arguments ask for, but for the file's size and type; *f is its descriptor's, or 0.
static bool understand(struct wish *w, u64 bytes, int prot, int flags, struct file *f, u64 offset) {
    int kind = flags & (MAP_SHARED | MAP_PRIVATE);
    *w = (struct wish){.pages = pages_of(bytes),
                       .at = offset / EXO_PAGE,
                       .shared = kind == MAP_SHARED,
                       .writable = prot & PROT_WRITE};
    if (bytes == 0 || bytes > PROGRAM_END || offset % EXO_PAGE || offset > FS_MAX_SIZE) return false;
    if ((prot & ~PROT_WRITE) != PROT_READ || (kind != MAP_SHARED && kind != MAP_PRIVATE)) return false;
    if (flags & ~(MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS)) return false;
    if (flags & MAP_ANONYMOUS) return !f && offset == 0 && w->writable;
    if (!f || f->kind != FILE_INODE || !f->readable || (w->shared && w->writable && !f->writable))
        return false;
    w->ip = f->ip;
    return true;
}

char *sys_mmap(u64 at, u64 bytes, int prot, int flags, int fd, u64 offset) {
    struct wish w;
    struct file *f = fd_get(fd);
    va_t va = 0;
    bool named = flags & MAP_ANONYMOUS ? fd == -1 : f != 0;
    if (at == 0 && named && understand(&w, bytes, prot, flags, f, offset) && thread_space_enter()) {
        va = make(me(), &w);
        thread_space_leave();
    }
    file_put(f);
    return va ? (char *)va : (char *)-1;
}

static int change(int what(struct proc *, va_t, va_t), va_t va, u64 bytes) {
    if (va % EXO_PAGE || va >= PROGRAM_END || bytes == 0 || bytes > PROGRAM_END - va) return -1;
    if (!thread_space_enter()) return -1;
    int err = what(me(), va, va + pages_of(bytes) * EXO_PAGE);
    thread_space_leave();
    return err;
}

int sys_munmap(va_t va, u64 bytes) { return change(unmap, va, bytes); }

int sys_msync(va_t va, u64 bytes) { return change(sync, va, bytes); }
