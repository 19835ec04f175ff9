// The file system after power cuts: processes change files, now and then one calls fsync, and afterwards it
// is tried what would be on the disk had the power been cut at each moment (powercut.h). Every such disk must
// be sound for fsck, be mounted, and hold of each process a state that it had between its last completed
// fsync and its last call; and the same state once the power is cut while it is mounted.
#include "grade/host/fake_exo.h"
#include "libos/super.c"
#include "libos/drain.c"
#include "libos/log.c"
#include "libos/logmark.c"
#include "libos/recover.c"
#include "libos/fs.c"
#include "libos/inode.c"
#include "libos/direct.c"
#include "libos/dir.c"
#include "libos/path.c"
#include "libos/bcache.c"
#include "libos/bdisk.c"
#include "libos/bpolicy.c"
#include "libos/braw.c"
#include "mkfs/format.c"
#define bad    fsck_bad
#define claim  fsck_claim
#define dot    fsck_dot
#define dotdot fsck_dotdot
#include "mkfs/check.c"
#include "mkfs/replay.c"
#undef bad
#include "grade/host/powercut.h"

void *grab(u64 n, u64 size) // for fsck
{
    return calloc(n ? n : 1, size);
}

// Whole disks come and go here: their memory is to be used again soon.
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "quarantine_size_mb=4:allocator_release_to_os_interval_ms=-1";
}

#define fs (&shared.fs)

#define PROCS 3
#define NAMES 6     // of each process's files
#define BIG   60000 // bytes of one, at most: past the direct blocks
#define OPS   120   // of each process

// ---- what a process knows of its files ----

struct node {
    u32 nlink, size;
    u64 sum;
    u8 data[BIG];
};

static struct worker {
    struct node *name[NAMES], node[NAMES + 1];
    int has_dir; // the last two names are in a directory that comes and goes
    u32 nstates; // states[i] was there after i changes
    u64 state[OPS + 1];
    u32 began[OPS + 1]; // when the change that led there began
    u32 nsyncs;
    struct {
        u32 state, time;
    } sync[OPS];        // completed then, with that state
    struct inode *open; // a file of its own, which may have lost its name
} workers[PROCS];

static struct inode *root;

static u64 mix(u64 sum, u64 value) {
    sum = (sum ^ value) * 0x9e3779b97f4a7c15;
    return sum ^ sum >> 29;
}

static u64 sum_data(const u8 *data, u32 size) {
    u64 sum = size;
    for (u32 i = 0; i < size; i += 8) {
        u64 word = 0;
        memcpy(&word, data + i, size - i < 8 ? size - i : 8);
        sum = mix(sum, word);
    }
    return sum;
}

static void path_of(u32 w, u32 name, char *path) {
    sprintf(path, name < NAMES - 2 ? "/p%u/%c" : "/p%u/dir/%c", w, 'a' + name);
}

static u64 state_of(struct worker *w) {
    u64 sum = mix(1, w->has_dir);
    for (u32 i = 0; i < NAMES; i++) {
        u32 same = 0;
        while (w->name[same] != w->name[i]) same++;
        if (w->name[i]) sum = mix(mix(mix(mix(sum, i), same), w->name[i]->nlink), w->name[i]->sum);
    }
    return sum;
}

static int copy_all(void *to, const void *from, u64 n) {
    memcpy(to, from, n);
    return 0;
}

// The same of what is on the disk.
static u64 state_found(u32 w) {
    u8 *data = arena; // at a page: so what is long enough is read without a copy
    struct inode *ip;
    char path[40];
    u32 inums[NAMES] = {0};
    sprintf(path, "/p%u/dir", w);
    op_begin(&fs->log);
    int has_dir = path_find(fs, &root, path, &ip) == 0;
    if (has_dir) inode_put(fs, ip);
    u64 sum = mix(1, has_dir);
    for (u32 i = 0; i < NAMES; i++) {
        path_of(w, i, path);
        if (path_find(fs, &root, path, &ip)) continue;
        u32 same = 0;
        inums[i] = ip->inum;
        while (inums[same] != ip->inum) same++;
        if (inode_lock(fs, ip) == 0) {
            i64 n = inode_read(fs, ip, 0, data, BIG + 1, copy_all);
            sum = mix(mix(mix(mix(sum, i), same), ip->d.nlink), n < 0 ? 1 : sum_data(data, n));
            inode_unlock(fs, ip);
        }
        inode_put(fs, ip);
    }
    op_end(&fs->log);
    return sum;
}

// ---- changes ----

static void drop(struct inode *ip) {
    op_begin(&fs->log);
    inode_put(fs, ip);
    op_end(&fs->log);
}

static void unname(struct worker *w, u32 name) {
    w->name[name]->nlink--;
    w->name[name] = 0;
}

static struct node *new_node(struct worker *w) {
    struct node *n = w->node;
    while (n->nlink) n++;
    n->nlink = 1;
    n->size = 0;
    n->sum = sum_data(n->data, 0);
    return n;
}

static int write_file(struct worker *w, u32 name, struct inode *ip) {
    struct node *n = w->name[name];
    u32 off = draw(3) ? n->size : draw(n->size + 1), len = 1 + draw(draw(3) ? 5000 : FS_WRITE_MAX);
    // Often whole blocks from whole pages, so that they go to the disk without a copy.
    if (n->size % EXO_PAGE == 0 && draw(3)) {
        off = n->size;
        len = EXO_PAGE * (4 + draw(5));
    }
    if (off + len > BIG) len = BIG - off;
    u8 *from = arena + (w - workers) * 2 * FS_WRITE_MAX + (draw(3) ? 0 : draw(EXO_PAGE));
    if (len > EXO_PAGE && draw(2)) len -= (off + len) % EXO_PAGE;
    for (u32 i = 0; i < len; i++) n->data[off + i] = from[i] = draw(256);
    i64 done = inode_write(fs, ip, off, from, len, copy_all);
    if (off + len > n->size) n->size = off + len;
    n->sum = sum_data(n->data, n->size);
    return done == len ? 0 : -1;
}

static int change_file(struct worker *w, u32 name, const char *path, int empty) {
    struct inode *ip;
    int err = path_find(fs, &root, path, &ip);
    if (err) return err;
    if ((err = inode_lock(fs, ip)) == 0) {
        if (empty) {
            w->name[name]->size = 0;
            w->name[name]->sum = sum_data(0, 0);
            err = inode_trunc(fs, ip);
        } else {
            err = write_file(w, name, ip);
        }
        inode_unlock(fs, ip);
    }
    if (err == 0 && !w->open && draw(3) == 0)
        w->open = ip;
    else
        inode_put(fs, ip);
    return err;
}

static int change_dir(struct worker *w, u32 index) {
    char path[40];
    struct inode *ip;
    sprintf(path, "/p%u/dir", index);
    if (w->has_dir && (w->name[NAMES - 1] || w->name[NAMES - 2])) return 0;
    w->has_dir ^= 1;
    if (!w->has_dir) return path_unlink(fs, &root, path);
    int err = path_create(fs, &root, path, FS_DIR, 0, 0, &ip);
    if (err == 0) inode_drop(fs, ip);
    return err;
}

// One op; changes what the worker knows likewise.
static int change(struct worker *w, u32 index) {
    u32 name = draw(w->has_dir ? NAMES : NAMES - 2), other = draw(w->has_dir ? NAMES : NAMES - 2),
        what = draw(12);
    char path[40], to[40];
    struct inode *ip;
    path_of(index, name, path);
    path_of(index, other, to);
    if (what == 0) return change_dir(w, index);
    if (!w->name[name]) {
        w->name[name] = new_node(w);
        int err = path_create(fs, &root, path, FS_FILE, 0, 0, &ip);
        if (err == 0) inode_drop(fs, ip);
        return err;
    }
    if (what == 1 && !w->name[other]) {
        w->name[other] = w->name[name];
        w->name[name]->nlink++;
        return path_link(fs, &root, path, to);
    }
    if (what < 4) {
        unname(w, name);
        return path_unlink(fs, &root, path);
    }
    return change_file(w, name, path, what == 4);
}

static u32 errors;

static void work(void *arg) {
    u32 index = (u64)arg;
    struct worker *w = &workers[index];
    for (u32 i = 1; i <= OPS; i++) {
        w->began[i] = tape->time;
        op_begin(&fs->log);
        errors += change(w, index) != 0;
        op_end(&fs->log);
        w->state[i] = state_of(w);
        w->nstates = i;
        if (w->open && draw(4) == 0) {
            drop(w->open);
            w->open = 0;
        }
        if (draw(6)) continue;
        errors += fs_sync(fs) != 0;
        w->sync[w->nsyncs].state = i;
        w->sync[w->nsyncs++].time = tape->time;
    }
    if (w->open) drop(w->open);
}

static void prepare(void *arg) {
    struct inode *ip;
    char path[40];
    (void)arg;
    if (fs_mount(fs, sizeof shared.fs_memory, &shared.cache) || inode_get(fs, FS_ROOT, &root)) abort();
    fs->pages = fake_pages;
    for (u32 i = 0; i < PROCS; i++) {
        sprintf(path, "/p%u", i);
        op_begin(&fs->log);
        if (path_create(fs, &root, path, FS_DIR, 0, 0, &ip)) abort();
        inode_drop(fs, ip);
        op_end(&fs->log);
        workers[i].state[0] = state_of(&workers[i]);
    }
    if (fs_sync(fs)) abort();
}

// ---- after the cut ----

static u32 points, again, unsound, unmountable, lost, unequal, unclean, replayed, nameless;
static u64 first_found[PROCS]; // of the first mount after a cut

static void remount(void *arg) {
    struct fs_found found;
    (void)arg;
    unsound += fs_examine(media, exts[EXTENT].count, stdout, "# fsck", &found) != 0;
    replayed += found.records;
    nameless += found.nameless;
    if (fs_mount(fs, sizeof shared.fs_memory, &shared.cache) || inode_get(fs, FS_ROOT, &root)) {
        unmountable++;
        return;
    }
    fs->pages = fake_pages;
    for (u32 i = 0; i < PROCS; i++) first_found[i] = state_found(i);
    if (fs_freeze(fs) || fs_examine(media, exts[EXTENT].count, stdout, "# fsck", &found) || found.records ||
        found.nameless)
        unclean++;
    fs_thaw(fs);
}

// A machine with the disk after a power cut.
static void start_after(const struct tape *t, u32 time, enum loss loss) {
    disk_new(t->nblocks, CACHE_LEAST);
    tape_cut(t, media, time, loss);
}

static void check_states(u32 time) {
    for (u32 i = 0; i < PROCS; i++) {
        struct worker *w = &workers[i];
        u32 from = 0, to = 0;
        for (u32 s = 0; s < w->nsyncs; s++)
            if (w->sync[s].time <= time) from = w->sync[s].state;
        while (to < w->nstates && w->began[to + 1] <= time) to++;
        u32 at = from;
        while (at <= to && w->state[at] != first_found[i]) at++;
        if (at > to && lost++ < 5)
            printf("# cut at %u: process %u is in no state of %u..%u\n", time, i, from, to);
    }
}

static void mount_again(struct tape *t) {
    tape = t;
    spawn(remount, 0);
    run();
    tape = 0;
}

// Cuts the power at a random moment of the mount that was recorded, and mounts again.
static void cut_again(const struct tape *mounting) {
    u64 want[PROCS];
    memcpy(want, first_found, sizeof want);
    start_after(mounting, draw(mounting->time + 1), draw(LOSSES));
    mount_again(0);
    again++;
    unequal += memcmp(want, first_found, sizeof want) != 0;
}

static void check_cut(const struct tape *t, u32 time, enum loss loss) {
    struct tape mounting;
    int twice = draw(3) == 0;
    start_after(t, time, loss);
    if (twice) tape_begin(&mounting, t->nblocks);
    mount_again(twice ? &mounting : 0);
    check_states(time);
    points++;
    if (!twice) return;
    cut_again(&mounting);
    tape_erase(&mounting);
}

// ---- all processes at once ----

static void crowd_one(void *arg) {
    u8 *data = arena + self % 16 * EXO_PAGE * 8 + 100;
    char path[40];
    struct inode *ip;
    (void)arg;
    sprintf(path, "/c%u", self);
    op_begin(&fs->log);
    int err = path_create(fs, &root, path, FS_FILE, 0, 0, &ip);
    if (err == 0) inode_unlock(fs, ip);
    op_end(&fs->log);
    errors += err != 0;
    for (u32 i = 0; i < 6 && err == 0; i++) {
        op_begin(&fs->log);
        inode_lock(fs, ip);
        errors += inode_write(fs, ip, draw(2) ? 0 : ip->d.size, data, EXO_PAGE * 4, copy_all) != EXO_PAGE * 4;
        inode_unlock(fs, ip);
        op_end(&fs->log);
        inode_lock(fs, ip);
        errors += inode_read(fs, ip, 0, data, EXO_PAGE * 4, copy_all) != EXO_PAGE * 4;
        inode_unlock(fs, ip);
        if (draw(8) == 0) errors += fs_sync(fs) != 0;
    }
    op_begin(&fs->log);
    path_unlink(fs, &root, path);
    if (err == 0) inode_put(fs, ip);
    op_end(&fs->log);
}

// With the smallest cache for a file system: nobody waits for a frame that never comes. With the usual one,
// too.
static void crowd(u32 nbufs) {
    struct fs_super s;
    disk_new(3000, nbufs);
    fs_layout(&s, 3000, 64, 1);
    fs_format(media, &s);
    spawn(prepare, 0);
    run();
    for (u32 i = 0; i < 45; i++) spawn(crowd_one, 0); // as many as there are inodes in memory
    run();
}

// ---- all of it ----

static void workload(u64 seed, u32 step) {
    chance = seed;
    struct fs_super s;
    u32 nblocks = 560 + draw(400);
    disk_pace = 1 + draw(20);
    memset(workers, 0, sizeof workers);
    disk_new(nblocks, CACHE_LEAST);
    if (fs_layout(&s, nblocks, 64, seed) > nblocks) abort();
    s.log_blocks = 19 + draw(120);
    place(&s);
    s.sum = label_sum(0, &s, offsetof(struct fs_super, sum));
    fs_format(media, &s);
    spawn(prepare, 0);
    run();
    struct tape t;
    tape_begin(&t, nblocks);
    tape = &t;
    for (u64 i = 0; i < PROCS; i++) spawn(work, (void *)i);
    run();
    tape = 0;
    for (u32 time = draw(step); time <= t.time; time += step)
        check_cut(&t, time, (time / step + seed) % LOSSES);
    tape_erase(&t);
}

int main(int argc, char **argv) {
    u64 seed = argc > 1 ? strtoull(argv[1], 0, 0) : 1, n = argc > 1 ? 1 : 6;
    u32 step = argc > 2 ? strtoul(argv[2], 0, 0) : 3;
    suite = "crash";
    for (u64 i = seed; i < seed + n; i++) workload(i, step);
    crowd(NPROC + 2 * (BUF_HELD - 1) + 17);
    crowd(CACHE_LEAST);
    printf("# %u power cuts and %u more while mounting; %u transactions replayed, %u inodes without names\n",
           points, again, replayed, nameless);
    check("no change fails", 0, errors);
    check("cut anywhere: fsck", 0, unsound);
    check("cut anywhere: it can be mounted", 0, unmountable);
    check("cut anywhere: what was synced is there, and nothing that was never there", 0, lost);
    check("cut anywhere: mounted, nothing is left to replay or to free", 0, unclean);
    check("cut while mounting: it comes to the same", 0, unequal);
    if (argc == 1) check("power was cut 1000 times", 1, points >= 1000);
    if (argc == 1) check("blocks were written past the log", 1, straight >= 100);
    return finish_tests();
}
