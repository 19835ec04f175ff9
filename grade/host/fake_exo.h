// What the libOS stands on, for tests of libos/ on the host: the kernel's calls for disk and console here,
// processes and locks in fake_proc.h. Included by tests as source, before any file of libos/; takes the place
// of <exo/call.h>. The disk finishes its requests late and out of order, and some not well. A page in two
// requests, or one that changes while the disk takes it, is counted in `breaches`.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXO_CALL_H
#include <exo/abi.h>

#undef EXO_WORDS
#undef EXO_EXTS
#undef EXO_REQS
#define EXO_WORDS (&words)
#define EXO_EXTS  ((const volatile struct exo_ext *)exts)
#define EXO_REQS  ((const volatile struct exo_req *)reqs)
#undef EXO_ENVS
#define EXO_ENVS ((const volatile struct exo_env *)envs)

struct exo_ret {
    i64 err;
    u64 val, val2;
};

static struct exo_words words;
static struct exo_ext exts[EXO_NEXT];
static struct exo_req reqs[2 * EXO_NREQ];
static struct exo_env envs[EXO_EID_INDEX + 1]; // of processes, by index + 1

#define BPOLICY_PRIVATE static __thread // of bpolicy.c
#include "libos/shared.h"
#include "libos/signal.h"

static struct shared shared;
#undef SHARED
#define SHARED (&shared)

#define ACCOUNT 2          // of the libOS
#define STEPS   (20 << 20) // more than any run takes

#include "grade/host/fake_proc.h"

// ---- the disk ----

#define DISK_START 7 // of the extent, on the device
#define EXTENT     3
#define FRAME_PPN  0x80000

static u8 *media, *bad; // the extent's bytes; 1 for each block that cannot be read or written
static u8 *frames;      // ppn FRAME_PPN + i is at frames + 4096 * i
static u32 nframes;
static u8 *in_flight; // frames, and then the pages of the arena
static u64 sums[2 * EXO_NREQ];
static u32 spare_records = EXO_NREQ; // others have the rest
static u32 submits[3], most_blocks, most_active, flush_fails;
static void (*watch_disk)(const struct exo_req *, int ended); // is told of every beginning and end

#define ARENA_PPN   0x90000 // of the programs' memory
#define ARENA_PAGES (sizeof arena / EXO_PAGE)

static u32 page_index(ppn_t ppn) {
    if (ppn - FRAME_PPN < nframes) return ppn - FRAME_PPN;
    if (ppn - ARENA_PPN < ARENA_PAGES) return nframes + (ppn - ARENA_PPN);
    breach("no such page");
    return 0;
}

static u8 *page_at(ppn_t ppn) {
    u32 i = page_index(ppn);
    return i < nframes ? frames + (u64)i * EXO_PAGE : arena + (u64)(i - nframes) * EXO_PAGE;
}

__attribute__((unused)) static u32 fake_pages(const void *at, u32 n, int write, ppn_t *ppn) {
    u32 i = 0;
    for (; i < n && user_ok((const u8 *)at + (u64)i * EXO_PAGE, EXO_PAGE, write); i++)
        ppn[i] = ARENA_PPN + ((const u8 *)at - arena) / EXO_PAGE + i;
    return i;
}

static u64 sum_of(const struct exo_req *q) {
    u64 sum = 0;
    for (u32 i = 0; i < q->count; i++)
        for (u64 *w = (u64 *)page_at(q->ppns[i]), *end = w + 512; w < end; w++) sum = sum * 31 + *w;
    return sum;
}

static u32 active(void) {
    u32 n = 0;
    for (u32 i = 0; i < 2 * EXO_NREQ; i++) n += reqs[i].state == REQ_ACTIVE;
    return n;
}

// So many requests are refused because what the kernel wants back is overdue (pager.h), if that is the
// reason.
static u32 unpinnable;
static bool is_overdue = true;

bool pager_overdue(void) {
    if (!unpinnable || !is_overdue) return false;
    unpinnable--;
    return true;
}

static struct exo_ret submit_request(u64 op, u64 count, u64 ext, u64 offset, u64 array) {
    const ppn_t *ppns = (const ppn_t *)array;
    turn(NOTHING);
    if (array % 8 || (count && (array ^ (array + count * sizeof *ppns - 1)) >> 12))
        return (struct exo_ret){.err = E_ADDR};
    if (op > DISK_FLUSH || (op == DISK_FLUSH) != (count == 0) || count > EXO_REQ_BLOCKS || ext != EXTENT ||
        offset + count > exts[ext].count)
        return (struct exo_ret){.err = E_ARG};
    if (unpinnable) return (struct exo_ret){.err = E_FIXED};
    u32 n = 0;
    struct exo_req *q = 0;
    for (u32 i = 0; i < EXO_NREQ; i++) {
        struct exo_req *r = &reqs[(ACCOUNT - 1) * EXO_NREQ + i];
        n += r->state != REQ_FREE;
        if (!q && r->state == REQ_FREE) q = r;
    }
    if (n >= spare_records) return (struct exo_ret){.err = E_FULL};
    u32 index = q - reqs;
    *q = (struct exo_req){
        .id = ((q->id >> 16) + 1) << 16 | index, .state = REQ_ACTIVE, .op = op, .count = count};
    q->account = ACCOUNT;
    q->ext = ext;
    q->block = exts[ext].start + offset;
    for (u32 i = 0; i < count; i++) {
        if (in_flight[page_index(ppns[i])]++) breach("a frame in two requests");
        q->ppns[i] = ppns[i];
        if (op == DISK_READ) memset(page_at(ppns[i]), 0xdd, EXO_PAGE);
    }
    sums[index] = sum_of(q);
    submits[op]++;
    if (count > most_blocks) most_blocks = count;
    if (active() > most_active) most_active = active();
    if (watch_disk) watch_disk(q, 0);
    return (struct exo_ret){.val = q->id};
}

static struct exo_ret exo_disk_done(u64 id) {
    turn(NOTHING);
    struct exo_req *q = &reqs[id & 0xffff];
    if ((id & 0xffff) >= 2 * EXO_NREQ || q->id != id || q->state == REQ_FREE)
        return (struct exo_ret){.err = E_REQ};
    if (q->state != REQ_DONE) return (struct exo_ret){.err = E_BUSY};
    q->state = REQ_FREE;
    return (struct exo_ret){.val = (u64)(i64)q->status};
}

// Finishes one request, whichever; 0 if there is none.
static int disk_step(void) {
    u32 n = active();
    if (n == 0) return 0;
    struct exo_req *q = reqs;
    for (u32 pick = draw(n);; q++)
        if (q->state == REQ_ACTIVE && pick-- == 0) break;
    u64 first = q->block - DISK_START;
    if (sum_of(q) != sums[q - reqs]) breach("a buffer changed while the disk had it");
    for (u32 i = 0; i < q->count; i++)
        if (bad[first + i]) q->status = E_IO;
    if (q->op == DISK_FLUSH && flush_fails) q->status = E_IO;
    for (u32 i = 0; i < q->count; i++) {
        u8 *block = media + (first + i) * EXO_PAGE, *frame = page_at(q->ppns[i]);
        in_flight[page_index(q->ppns[i])]--;
        if (q->status && (bad[first + i] || draw(2))) // what a failed request has done is anyone's guess
            continue;
        if (q->op == DISK_READ)
            memcpy(frame, block, EXO_PAGE);
        else
            memcpy(block, frame, EXO_PAGE);
    }
    if (watch_disk) watch_disk(q, 1);
    q->state = REQ_DONE;
    words.completions++;
    return 1;
}

#define exo_disk_submit(op, count, ext, offset, ppns, cap) submit_request(op, count, ext, offset, (u64)(ppns))

// A disk of nblocks, all zero, and a cache of nbufs over it.
static void disk_new(u32 nblocks, u32 nbufs) {
    ppn_t ppn[CACHE_LEAST];
    free(bad);
    free(in_flight);
    if (nblocks != exts[EXTENT].count) { // fresh memory takes the host long
        free(media);
        media = malloc((u64)nblocks * EXO_PAGE);
    }
    if (nbufs != nframes) {
        free(frames);
        frames = aligned_alloc(EXO_PAGE, (u64)nbufs * EXO_PAGE);
    }
    memset(media, 0, (u64)nblocks * EXO_PAGE);
    memset(frames, 0xee, (u64)nbufs * EXO_PAGE);
    bad = calloc(nblocks, 1);
    in_flight = calloc(nbufs + ARENA_PAGES, 1);
    nframes = nbufs;
    memset(reqs, 0, sizeof reqs);
    memset(submits, 0, sizeof submits);
    most_blocks = most_active = 0;
    exts[EXTENT] = (struct exo_ext){.start = DISK_START, .count = nblocks, .account = ACCOUNT, .name = "fs"};
    for (u32 i = 0; i < nbufs; i++) ppn[i] = FRAME_PPN + i;
    memset(&shared, 0, sizeof shared);
    bcache_setup(&shared.cache, EXTENT, nbufs, frames, ppn);
}

// ---- the console ----

static const char *typed; // what will be typed
static u32 typed_left;
static char kernel_ring[256];
static u32 ring_used;
static char screen[1 << 16];
static u32 screen_used;

static int console_step(void) {
    u32 n = typed_left ? 1 + draw(typed_left < 40 ? typed_left : 40) : 0;
    for (u32 i = 0; i < n && ring_used < sizeof kernel_ring; i++) {
        kernel_ring[ring_used++] = *typed++;
        typed_left--;
        words.input++;
    }
    return n > 0;
}

static u64 cons_clip(const void *p, u64 n) {
    u64 page = EXO_PAGE - (u64)p % EXO_PAGE;
    n = n < page ? n : page;
    return n < EXO_CONS_MAX ? n : EXO_CONS_MAX;
}

static i64 cons_error; // what both calls answer, if not 0

__attribute__((unused)) static struct exo_ret exo_cons_write(const void *p, u64 n) {
    turn(NOTHING);
    if (cons_error) return (struct exo_ret){.err = cons_error};
    n = cons_clip(p, n);
    if (n > sizeof screen - 1 - screen_used) return (struct exo_ret){.err = E_ADDR};
    memcpy(screen + screen_used, p, n);
    screen_used += n;
    screen[screen_used] = 0;
    return (struct exo_ret){.val = n};
}

__attribute__((unused)) static struct exo_ret exo_cons_read(void *p, u64 n) {
    turn(NOTHING);
    if (cons_error) return (struct exo_ret){.err = cons_error};
    n = cons_clip(p, n);
    n = n < ring_used ? n : ring_used;
    memcpy(p, kernel_ring, n);
    memmove(kernel_ring, kernel_ring + n, ring_used - n);
    ring_used -= n;
    return (struct exo_ret){.val = n};
}

__attribute__((unused)) static void type_in(const char *text) {
    typed = text;
    typed_left = strlen(text);
}

// ---- the end ----

static int finish_tests(void) {
    check("nothing that must not be", 0, breaches);
    free(media);
    free(bad);
    free(frames);
    free(in_flight);
    return failures > 0;
}
