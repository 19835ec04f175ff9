// A disk that remembers every write and flush, and what could be on it had the power been cut at any moment:
// what a flush has confirmed is there; of what was written since, or was being written, each block may be
// there or not, and of several writes of one block any one, with those before it gone. Included by tests as
// source, after fake_exo.h.

#define NEVER (~0u)

struct tape {
    u32 time; // counts beginnings and ends of requests
    u32 nblocks;
    u8 *base; // the disk at time 0
    struct taped {
        u32 block;
        u32 began, ended; // times; ended is NEVER before it has
        u8 *data;
    } * write;
    u32 nwrites, room;
    u32 *solid; // at each time: all that had ended before this one is durable
    u32 flush_began[2 * EXO_NREQ];
};

static struct tape *tape; // what the disk is recorded on now; 0: nothing is

static void tape_add(u32 block, ppn_t ppn) {
    if (tape->nwrites == tape->room) {
        tape->room = tape->room ? tape->room * 2 : 256;
        tape->write = realloc(tape->write, tape->room * sizeof *tape->write);
    }
    struct taped *w = &tape->write[tape->nwrites++];
    *w = (struct taped){block, tape->time, NEVER, malloc(EXO_PAGE)};
    memcpy(w->data, page_at(ppn), EXO_PAGE);
}

static u32 straight; // writes from programs' pages

static void tape_watch(const struct exo_req *q, int ended) {
    if (!tape || q->op == DISK_READ) return;
    u32 *began = &tape->flush_began[q - reqs], solid = tape->solid[tape->time++];
    tape->solid = realloc(tape->solid, (tape->time + 1) * sizeof *tape->solid);
    if (q->op == DISK_FLUSH && !ended) *began = tape->time;
    tape->solid[tape->time] = q->op == DISK_FLUSH && ended && *began > solid ? *began : solid;
    u32 first = q->block - DISK_START;
    straight += !ended && q->count && q->ppns[0] >= ARENA_PPN;
    if (!ended)
        for (u32 i = 0; i < q->count; i++) tape_add(first + i, q->ppns[i]);
    for (u32 i = ended ? tape->nwrites : 0; i-- > 0;) {
        struct taped *w = &tape->write[i];
        if (w->block - first < q->count && w->ended == NEVER) w->ended = tape->time;
    }
}

static void tape_erase(struct tape *t) {
    for (u32 i = 0; i < t->nwrites; i++) free(t->write[i].data);
    free(t->write);
    free(t->solid);
    free(t->base);
}

// An empty one, with the disk as it is.
static void tape_begin(struct tape *t, u32 nblocks) {
    *t = (struct tape){.nblocks = nblocks, .base = malloc((u64)nblocks * EXO_PAGE)};
    memcpy(t->base, media, (u64)nblocks * EXO_PAGE);
    t->solid = calloc(1, sizeof *t->solid);
    watch_disk = tape_watch;
}

// What is lost of what had ended and no flush had confirmed. LOSE_OLD: what came before some moment;
// LOSE_SECTORS: some sectors of any block.
enum loss { LOSE_NOTHING, LOSE_ALL, LOSE_SOME, LOSE_OLD, LOSE_SECTORS, LOSSES };

static void keep_sectors(u8 *block, const u8 *data) {
    for (u32 at = 0; at < EXO_PAGE; at += 512)
        if (draw(2)) memcpy(block + at, data + at, 512);
}

// What is on the disk after a power cut at that time.
static void tape_cut(const struct tape *t, u8 *image, u32 time, enum loss loss) {
    u8 *fixed = calloc(t->nblocks, 1); // the device has kept this state of it, but no later one
    u32 solid = t->solid[time], since = solid + draw(time - solid + 1);
    memcpy(image, t->base, (u64)t->nblocks * EXO_PAGE);
    for (const struct taped *w = t->write; w < t->write + t->nwrites && w->began <= time; w++) {
        int there = w->ended < solid;
        if (!there && loss == LOSE_NOTHING) there = w->ended <= time;
        if (!there && loss == LOSE_SOME) there = !fixed[w->block] && draw(2);
        if (!there && loss == LOSE_OLD) there = w->began >= since;
        if (there)
            memcpy(image + (u64)w->block * EXO_PAGE, w->data, EXO_PAGE);
        else if (loss == LOSE_SECTORS)
            keep_sectors(image + (u64)w->block * EXO_PAGE, w->data);
        if (w->ended >= solid && draw(4) == 0) fixed[w->block] = 1;
    }
    free(fixed);
}
