// Random operations on the file system, each done to a simple model too: result and error must be the same,
// and so must the whole tree now and then, with fsck finding nothing. The disk is small: it fills up, and
// what is refused for that reason must have changed nothing. An argument is the number of a run to repeat.
#include "grade/host/strict.h"
#include "libos/super.c"
#include "libos/log.c"
#include "libos/logmark.c"
#include "libos/recover.c"
#include "libos/fs.c"
#include "libos/inode.c"
#include "libos/direct.c"
#include "libos/dir.c"
#include "libos/path.c"
#include "mkfs/format.c"
#include "mkfs/check.c"
#include "mkfs/replay.c"
#include "mkfs/host.c"

#define NODES   200
#define ENTRIES 80
#define HANDLES 6
#define BIG     70000 // bytes: past the direct blocks

// ---- the model ----

struct node {
    int type, nlink, handles; // type FS_FREE: not in use
    u16 major;
    u64 size;
    u8 *data;
    int parent, nentries; // of a directory; "." and ".." are not among its entries
    struct {
        char name[FS_NAME + 1];
        int node;
    } entry[ENTRIES];
};

static struct node nodes[NODES];
static int cwd; // as m_find's result
static u64 seed;

static u32 below(u32 n) { return (random_u64(&seed) >> 33) % n; }

static int m_new(int type) {
    for (int i = 1; i < NODES; i++)
        if (nodes[i].type == FS_FREE) {
            nodes[i] = (struct node){.type = type, .nlink = 1, .data = calloc(1, BIG)};
            return i;
        }
    abort();
}

// Frees what has neither name nor user.
static void m_drop(int n) {
    if (n && nodes[n].nlink == 0 && nodes[n].handles == 0) {
        free(nodes[n].data);
        nodes[n] = (struct node){0};
    }
}

static u32 m_used(void) {
    u32 n = 0;
    for (int i = 0; i < NODES; i++) n += nodes[i].type != FS_FREE;
    return n;
}

// What `name` is in directory n: a node, or an error.
static int m_entry(int n, const char *name) {
    struct node *d = &nodes[n];
    if (d->type != FS_DIR) return FS_E_TYPE;
    if (!strcmp(name, ".")) return n;
    if (d->nlink == 0) return FS_E_NONE;
    if (!strcmp(name, "..")) return d->parent;
    for (int i = 0; i < d->nentries; i++)
        if (!strcmp(d->entry[i].name, name)) return d->entry[i].node;
    return FS_E_NONE;
}

// The node that path names, or the directory of its last name, or an error.
static int m_find(const char *path, int parent, char *name) {
    char copy[200], *save;
    int n = *path == '/' ? 0 : cwd;
    strcpy(copy, path);
    char *part = strtok_r(copy, "/", &save);
    if (parent && !part) return FS_E_NAME;
    while (part) {
        char *rest = strtok_r(0, "/", &save);
        snprintf(name, FS_NAME + 1, "%s", part);
        if (parent && !rest) return n;
        if ((n = m_entry(n, name)) < 0) return n;
        part = rest;
    }
    return n;
}

static void m_name(int dir, const char *name, int n) {
    struct node *d = &nodes[dir];
    strcpy(d->entry[d->nentries].name, name);
    d->entry[d->nentries++].node = n;
    if (nodes[n].type == FS_DIR) {
        nodes[n].parent = dir;
        d->nlink++;
    }
}

static int m_create(const char *path, int type) {
    char name[FS_NAME + 1];
    int dir = m_find(path, 1, name), n;
    if (dir < 0) return dir;
    if ((n = m_entry(dir, name)) >= 0) return type == FS_FILE && nodes[n].type != FS_DIR ? 0 : FS_E_EXISTS;
    if (n != FS_E_NONE) return n;
    if (nodes[dir].nlink == 0) return FS_E_NONE;
    if (m_used() == fs->super.ninodes - 1) return FS_E_INODES;
    m_name(dir, name, m_new(type));
    return 0;
}

static int m_link(const char *old, const char *new) {
    char name[FS_NAME + 1];
    int n = m_find(old, 0, name), dir, other;
    if (n < 0) return n;
    if (nodes[n].type == FS_DIR) return FS_E_TYPE;
    if ((dir = m_find(new, 1, name)) < 0) return dir;
    if ((other = m_entry(dir, name)) != FS_E_NONE) return other < 0 ? other : FS_E_EXISTS;
    if (nodes[dir].nlink == 0) return FS_E_NONE;
    m_name(dir, name, n);
    nodes[n].nlink++;
    return 0;
}

static int m_unlink(const char *path) {
    char name[FS_NAME + 1];
    int dir = m_find(path, 1, name), n, i = 0;
    if (dir < 0) return dir;
    if (!strcmp(name, ".") || !strcmp(name, "..")) return FS_E_NAME;
    if ((n = m_entry(dir, name)) < 0) return n;
    if (nodes[n].type == FS_DIR && nodes[n].nentries) return FS_E_NOTEMPTY;
    struct node *d = &nodes[dir];
    while (strcmp(d->entry[i].name, name)) i++;
    d->entry[i] = d->entry[--d->nentries];
    d->nlink -= nodes[n].type == FS_DIR;
    nodes[n].nlink--;
    m_drop(n);
    return 0;
}

// ---- both ----

static struct inode *fs_cwd;
static struct {
    struct inode *ip;
    int node;
} handle[HANDLES];
static int wrong;

static void differ(const char *what, const char *path, i64 expected, i64 saw) {
    if (expected == saw) return;
    if (wrong++ < 10)
        printf("# %s %s: expected %lld, saw %lld\n", what, path, (long long)expected, (long long)saw);
}

// A refusal for lack of room is believed if there was hardly any: true if `err` is one.
static int no_room(int err) {
    if (err == FS_E_SPACE && fs->nfree > 3) differ("no space with free blocks", "", 0, fs->nfree);
    return err == FS_E_SPACE;
}

static const char *random_path(void) {
    static const char *const names[] = {
        "a", "b", "c", "d", "e", "f", "g", ".", "..", "longer name 12", "longer name 12345", "h", "i", "j"};
    static char paths[2][200];
    static int turn;
    char *p = paths[turn ^= 1];
    int n = 1 + below(3);
    strcpy(p, below(3) ? "" : "/");
    while (n--) {
        strcat(p, names[below(sizeof names / sizeof names[0])]);
        if (n || below(20) == 0) strcat(p, below(9) ? "/" : "///");
    }
    return below(100) ? p : "";
}

static int do_create(const char *path, int type) {
    struct inode *ip;
    op_begin(&fs->log);
    int err = path_create(fs, &fs_cwd, path, type, 3, 4, &ip);
    if (err == 0) inode_drop(fs, ip);
    op_end(&fs->log);
    return err;
}

static int do_find(const char *path, struct inode **ip) {
    op_begin(&fs->log);
    int err = path_find(fs, &fs_cwd, path, ip);
    op_end(&fs->log);
    return err;
}

static void do_put(struct inode *ip) {
    op_begin(&fs->log);
    inode_put(fs, ip);
    op_end(&fs->log);
}

static void step_write(int h) {
    struct node *n = &nodes[handle[h].node];
    static u8 data[FS_WRITE_MAX];
    u64 off = below(3) ? n->size : below(n->size + 1), len = 1 + below(below(3) ? 6000 : FS_WRITE_MAX);
    if (n->type != FS_FILE || off + len > BIG) return;
    for (u64 i = 0; i < len; i++) data[i] = random_u64(&seed) >> 20;
    op_begin(&fs->log);
    inode_lock(fs, handle[h].ip);
    i64 done = inode_write(fs, handle[h].ip, off, data, len, 0);
    inode_unlock(fs, handle[h].ip);
    op_end(&fs->log);
    if (done != (i64)len && fs->nfree > 3) differ("short write with free blocks", "", len, done);
    if (done > 0) {
        memcpy(n->data + off, data, done);
        n->size = off + done > n->size ? off + done : n->size;
    }
}

static void compare_file(struct inode *ip, struct node *n, const char *name) {
    static u8 data[BIG + 100];
    if (inode_lock(fs, ip)) {
        differ("lock", name, 0, 1);
        return;
    }
    differ("type", name, n->type, ip->d.type);
    differ("nlink", name, n->nlink, ip->d.nlink);
    if (n->type == FS_FILE) {
        u64 off = below(2) ? 0 : below(n->size + 1);
        differ("size", name, n->size - off, inode_read(fs, ip, off, data, sizeof data, 0));
        differ("contents", name, 0, memcmp(data, n->data + off, n->size - off));
    }
    if (n->type == FS_DEVICE) differ("major", name, 3, ip->d.major);
    inode_unlock(fs, ip);
}

static void step(void) {
    const char *path = random_path(), *other = random_path();
    char name[FS_NAME + 1];
    struct inode *ip;
    int n, h = below(HANDLES), type, err;
    switch (below(13)) {
    case 0:
    case 1:
    case 2:
        type = below(8) == 0 ? FS_DEVICE : below(3) ? FS_FILE : FS_DIR;
        err = do_create(path, type);
        if (!no_room(err)) differ("create", path, m_create(path, type), err);
        break;
    case 3:
        op_begin(&fs->log);
        err = path_link(fs, &fs_cwd, path, other);
        op_end(&fs->log);
        if (!no_room(err)) differ("link", other, m_link(path, other), err);
        break;
    case 4:
    case 5:
        op_begin(&fs->log);
        err = path_unlink(fs, &fs_cwd, path);
        op_end(&fs->log);
        differ("unlink", path, m_unlink(path), err);
        break;
    case 6: // open, or close what was open
        if (handle[h].ip) {
            do_put(handle[h].ip);
            nodes[handle[h].node].handles--;
            m_drop(handle[h].node);
            handle[h].ip = 0;
            break;
        }
        n = m_find(path, 0, name);
        err = do_find(path, &handle[h].ip);
        differ("find", path, n < 0 ? n : 0, err);
        if (err)
            handle[h].ip = 0;
        else
            nodes[handle[h].node = n].handles++;
        break;
    case 7:
        n = m_find(path, 0, name);
        err = do_find(path, &ip);
        differ("chdir", path, n < 0 ? n : 0, err);
        if (err || nodes[n].type != FS_DIR) {
            if (err == 0) do_put(ip);
            break;
        }
        do_put(fs_cwd);
        nodes[cwd].handles--;
        m_drop(cwd);
        fs_cwd = ip;
        cwd = n;
        nodes[cwd].handles++;
        break;
    case 8:
        if (handle[h].ip && nodes[handle[h].node].type == FS_FILE) {
            op_begin(&fs->log);
            inode_lock(fs, handle[h].ip);
            differ("trunc", "", 0, inode_trunc(fs, handle[h].ip));
            inode_unlock(fs, handle[h].ip);
            op_end(&fs->log);
            nodes[handle[h].node].size = 0;
        }
        break;
    case 9:
        if (handle[h].ip) compare_file(handle[h].ip, &nodes[handle[h].node], "handle");
        break;
    default:
        if (handle[h].ip) step_write(h);
    }
}

// Everything under directory n of the model is under dp, and nothing else.
static void compare_tree(struct inode *dp, int n, int depth) {
    struct node *d = &nodes[n];
    u64 live = 0;
    struct fs_dirent e;
    compare_file(dp, d, "directory");
    for (u64 off = 0; inode_read(fs, dp, off, &e, sizeof e, 0) == sizeof e; off += sizeof e)
        live += e.inum != 0;
    differ("entries", "", d->nentries + 2, live);
    for (int i = 0; i < d->nentries; i++) {
        struct inode *ip;
        char name[FS_NAME] = {0};
        u32 inum;
        u64 off;
        memcpy(name, d->entry[i].name, strlen(d->entry[i].name));
        inode_lock(fs, dp);
        int err = dir_find(fs, dp, name, &inum, &off);
        inode_unlock(fs, dp);
        differ("entry", d->entry[i].name, 0, err);
        if (err || inode_get(fs, inum, &ip)) continue;
        int child = d->entry[i].node;
        if (nodes[child].type == FS_DIR)
            compare_tree(ip, child, depth + 1);
        else
            compare_file(ip, &nodes[child], d->entry[i].name);
        do_put(ip);
    }
}

static void close_all(void) {
    for (int h = 0; h < HANDLES; h++)
        if (handle[h].ip) {
            do_put(handle[h].ip);
            nodes[handle[h].node].handles--;
            m_drop(handle[h].node);
            handle[h].ip = 0;
        }
    do_put(fs_cwd);
    nodes[cwd].handles--;
    m_drop(cwd);
    fs_cwd = inode_dup(fs, &root);
    cwd = 0;
    nodes[cwd].handles++;
}

static void remove_tree(int n, char *path) {
    u64 len = strlen(path);
    while (nodes[n].nentries) {
        int child = nodes[n].entry[0].node;
        snprintf(path + len, 200 - len, "/%s", nodes[n].entry[0].name);
        if (nodes[child].type == FS_DIR) remove_tree(child, path);
        op_begin(&fs->log);
        differ("remove", path, 0, path_unlink(fs, &fs_cwd, path));
        op_end(&fs->log);
        m_unlink(path);
        path[len] = 0;
    }
}

static void run(u64 number) {
    char path[400] = "";
    seed = number * 0x9e3779b97f4a7c15 + 1;
    disk_new(32 + below(70), 64);
    u32 nfree = fs->nfree;
    nodes[0] = (struct node){.type = FS_DIR, .nlink = 1, .handles = 1, .data = calloc(1, BIG)};
    fs_cwd = inode_dup(fs, &root);
    cwd = 0;
    for (int i = 0; i < 3000 && !wrong; i++) {
        step();
        if (i % 300 == 299) compare_tree(root, 0, 0);
    }
    close_all();
    compare_tree(root, 0, 0);
    differ("fsck", "", 0, violations());
    differ("sync", "", 0, fs_sync(fs));
    differ("mount", "", 0, mount(50));
    fs_cwd = inode_dup(fs, &root);
    compare_tree(root, 0, 0);
    remove_tree(0, path);
    u64 blocks = (root->d.size + FS_BLOCK_SIZE - 1) / FS_BLOCK_SIZE;
    differ("blocks free at last", "", nfree, fs->nfree + blocks - 1);
    differ("fsck", "", 0, violations());
    free(nodes[0].data);
    nodes[0] = (struct node){0};
}

int main(int argc, char **argv) {
    u64 first = argc > 1 ? strtoull(argv[1], 0, 0) : 1, n = argc > 1 ? 1 : 40;
    for (u64 i = first; i < first + n && !wrong; i++) {
        run(i);
        if (wrong) printf("# in run %llu\n", (unsigned long long)i);
    }
    check("40 runs of 3000 random operations agree with the model", 0, wrong);
    return finish();
}
