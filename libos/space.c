// Building and taking apart address spaces; see space.h. The program's part of one is grow.c's. Called by
// fork, exec, exit, wait, sbrk and mmap, on roots that nobody but the pager touches: one that is being made,
// the caller's own, or that of an ended process.
#include "space.h"

#include <exo/call.h>
#include "lib.h"
#include "lock.h"
#include "pager.h"
#include "shared.h"
#include "upcall.h"

static const struct {
    va_t va;
    u32 level;
} tables[] = {
    {0, 1},         {LIBOS_TABLE, 1}, {SHARED_VA, 1}, {LIBOS_TABLE, 0},
    {WINDOW_VA, 0}, {SHARED_VA, 0},   {CACHE_VA, 0},  {CACHE_VA + TABLE_SPAN, 0},
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

// The batch that is gathering, on a page of its own. No fault is served while one is.
static struct {
    struct exo_op op[EXO_BATCH_MAX];
    u32 n;
} batch __attribute__((aligned(EXO_PAGE)));

struct exo_op *batch_ops(void) {
    return batch.op;
}

bool batch_flush(void) {
    u32 n = batch.n;
    batch.n = 0;
    return n == 0 || exo_batch(batch.op, n).err == 0;
}

bool batch_add(u32 op, ppn_t root, va_t va, ppn_t ppn, u32 bits) {
    if (batch.n == EXO_BATCH_MAX && !batch_flush()) return false;
    batch.op[batch.n++] = (struct exo_op){.op = op, .root = root, .va = va, .ppn = ppn, .bits = bits};
    return true;
}

u64 space_pages(void) {
    u64 data = ((va_t)bss_end - (va_t)data_start) / EXO_PAGE;
    return 1 + TABLES + 1 + data + STACK_PAGES;
}

// Frees the pages that n operations name. One may still be the disk's, if its process was ended in the middle
// of a transfer: the others do not stay with it, and it goes when the request is over.
static void free_named(struct exo_op *op, u32 n) {
    while (n) {
        struct exo_ret r = exo_batch(op, n);
        if (!r.err) return;
        op += r.val;
        n -= (u32)r.val;
        if (r.err == E_PINNED) {
            lock_pause();
            continue;
        }
        op++;
        n--;
    }
}

void space_free_pages(const ppn_t *ppn, u32 n) {
    for (u32 i = 0; i < n; i++) batch.op[i] = (struct exo_op){.op = EXO_PAGE_FREE, .ppn = ppn[i]};
    free_named(batch.op, n);
}

static bool try_alloc(ppn_t *ppn, u32 n) {
    for (u32 i = 0; i < n; i++)
        batch.op[i] =
            (struct exo_op){.op = EXO_PAGE_ALLOC, .bits = 1}; // a table is zeroed when it becomes one
    struct exo_ret r = exo_batch(batch.op, n);
    for (u32 i = 0; i < r.val; i++) ppn[i] = batch.op[i].ppn;
    if (r.err) space_free_pages(ppn, (u32)r.val);
    return r.err == 0;
}

bool space_alloc(ppn_t *ppn, u32 n) {
    while (!try_alloc(ppn, n))
        if (!pager_room(n)) return false;
    return true;
}

static bool make_tables(ppn_t *root) {
    ppn_t page[1 + TABLES];
    if (!space_alloc(page, 1 + TABLES)) return false;
    if (exo_pt_link(page[0], 0, 2, page[0]) != 0) {
        space_free_pages(page, 1 + TABLES);
        return false;
    }
    for (u32 i = 0; i < TABLES; i++) {
        if (exo_pt_link(page[0], tables[i].va, tables[i].level, page[1 + i]) != 0) {
            space_free_pages(page + 1 + i, TABLES - i);
            space_free(page[0], 0, 0);
            return false;
        }
    }
    *root = page[0];
    return true;
}

static bool bind_common(ppn_t root) {
    u32 text = (u32)((va_t)rodata_start - LIBOS_TABLE) / EXO_PAGE;
    u32 all = (u32)((va_t)data_start - LIBOS_TABLE) / EXO_PAGE;
    for (u32 i = 0; i < all; i++)
        if (!batch_add(EXO_BIND, root, LIBOS_TABLE + i * EXO_PAGE, SHARED->text_ppn[i],
                       i < text ? PTE_R | PTE_X | PTE_A : PTE_R | PTE_A))
            return false;
    for (u64 i = 0; i < SHARED_PAGES; i++)
        if (!batch_add(EXO_BIND, root, SHARED_VA + i * EXO_PAGE, SHARED->page_ppn[i], SPACE_RW)) return false;
    return batch_flush();
}

ppn_t space_scratch(void) {
    struct exo_ret page = page_new(false);
    if (page.err) return 0;
    if (exo_bind(SELF->root, SCRATCH_VA, page.val, SPACE_RW, 0).err == 0) return (ppn_t)page.val;
    exo_page_free(page.val);
    return 0;
}

// A new page with the contents of the caller's at va, or 0. It stays bound at SCRATCH_VA until another is.
static ppn_t copy_page(va_t va) {
    struct exo_ret r = page_new(true);
    if (r.err) return 0;
    if (!pager_keep((ppn_t)r.val) || exo_bind(SELF->root, SCRATCH_VA, r.val, SPACE_RW, 0).err) {
        exo_page_free(r.val);
        return 0;
    }
    memcpy((void *)SCRATCH_VA, (const void *)va, EXO_PAGE);
    return (ppn_t)r.val;
}

static ppn_t own_page(va_t va) {
    struct exo_ret r = exo_protect(SELF->root, va, 0, 0, 0);
    return r.err ? 0 : PTE_PPN(r.val);
}

static bool bind_range(ppn_t root, va_t va, va_t end, bool own) {
    for (; va < end; va += EXO_PAGE) {
        ppn_t ppn = own_page(va);
        if (ppn == 0) continue; // below a stack
        if (!own && (ppn = copy_page(va)) == 0) return false;
        if (exo_bind(root, va, ppn, SPACE_RW, 0).err) {
            if (!own) exo_page_free(ppn);
            return false;
        }
    }
    return true;
}

static bool bind_private(ppn_t root, bool own) {
    va_t slot = thread_slot();
    if (!bind_range(root, (va_t)data_start, (va_t)stack_top, own)) return false;
    if (slot && !bind_range(root, slot, slot + THREAD_SLOT, own)) return false;
    if (own) return exo_bind(root, UA_VA, own_page(UA_VA), SPACE_RW, 0).err == 0;
    return exo_unbind(SELF->root, SCRATCH_VA, 0).err == 0;
}

bool space_new(ppn_t *root, bool own) {
    if (!make_tables(root)) return false;
    if (bind_common(*root) && bind_private(*root, own)) return true;
    batch.n = 0;
    exo_unbind(SELF->root, SCRATCH_VA, 0);
    space_free(*root, 0, me()->threads);
    return false;
}

// Back to an ordinary page, which is returned; 0 if there is no table.
static ppn_t unlink_table(ppn_t root, va_t va, u32 level) {
    struct exo_ret r = exo_pt_unlink(root, va, level);
    return r.err ? 0 : (ppn_t)r.val;
}

static void unbind_frames(ppn_t root, const u64 *frames) {
    for (u32 i = 0; i < CACHE_MOST; i++) {
        if (i % 64 == 0 && frames[i / 64] == 0)
            i += 63;
        else if (frames[i / 64] >> i % 64 & 1)
            batch_add(EXO_UNBIND, root, CACHE_VA + (u64)i * EXO_PAGE, 0, 0);
    }
    batch_flush();
}

void space_free(ppn_t root, const u64 *frames, va_t threads) {
    if (frames) unbind_frames(root, frames);
    space_drop(root, LIBOS_TABLE, (va_t)stack_top, 0);
    space_drop(root, THREADS_VA, threads, 0);
    space_drop(root, PAGER_VA, SCRATCH_VA + EXO_PAGE, 0);
    space_drop(root, SHARED_VA, SHARED_VA + SHARED_PAGES * EXO_PAGE, 0);
    ppn_t page[TABLES + 1];
    u32 n = 0;
    for (u32 i = TABLES; i-- > 0;)
        if ((page[n] = unlink_table(root, tables[i].va, tables[i].level))) n++;
    if ((page[n] = unlink_table(root, 0, 2))) n++;
    space_free_pages(page, n);
}
