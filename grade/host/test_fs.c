// Tests of the file system (libos/): each promise of fs.h on its own. Every change goes through strict.h, and
// fsck's check must find nothing wrong after each part.
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

// ---- one operation, one op ----

static int make(const char *path, enum fs_type type) {
    struct inode *ip;
    op_begin(&fs->log);
    int err = path_create(fs, &root, path, type, 1, 2, &ip);
    if (err == 0) inode_drop(fs, ip);
    op_end(&fs->log);
    return err;
}

static int remove_path(const char *path) {
    op_begin(&fs->log);
    int err = path_unlink(fs, &root, path);
    op_end(&fs->log);
    return err;
}

static int link_path(const char *old, const char *name) {
    op_begin(&fs->log);
    int err = path_link(fs, &root, old, name);
    op_end(&fs->log);
    return err;
}

static struct inode *find(const char *path) {
    struct inode *ip;
    op_begin(&fs->log);
    int err = path_find(fs, &root, path, &ip);
    op_end(&fs->log);
    if (err == 0 && inode_lock(fs, ip) == 0) inode_unlock(fs, ip); // has read it
    return err ? 0 : ip;
}

static int find_error(const char *path) {
    struct inode *ip;
    op_begin(&fs->log);
    int err = path_find(fs, &root, path, &ip);
    if (err == 0) inode_put(fs, ip);
    op_end(&fs->log);
    return err;
}

static void put(struct inode *ip) {
    op_begin(&fs->log);
    inode_put(fs, ip);
    op_end(&fs->log);
}

static struct fs_stat stat_of(const char *path) {
    struct inode *ip = find(path);
    struct fs_stat st = {0};
    if (ip && inode_lock(fs, ip) == 0) {
        st = inode_stat(ip);
        inode_unlock(fs, ip);
    }
    if (ip) put(ip);
    return st;
}

static i64 write_at(struct inode *ip, u64 off, const void *p, u64 n, fs_copy *copy) {
    op_begin(&fs->log);
    inode_lock(fs, ip);
    i64 done = inode_write(fs, ip, off, p, n, copy);
    inode_unlock(fs, ip);
    op_end(&fs->log);
    return done;
}

static i64 read_at(struct inode *ip, u64 off, void *p, u64 n, fs_copy *copy) {
    inode_lock(fs, ip);
    i64 done = inode_read(fs, ip, off, p, n, copy);
    inode_unlock(fs, ip);
    return done;
}

static int trunc_all(struct inode *ip) {
    op_begin(&fs->log);
    inode_lock(fs, ip);
    int err = inode_trunc(fs, ip);
    inode_unlock(fs, ip);
    op_end(&fs->log);
    return err;
}

// Byte i of the test files: differs between blocks and within them.
static u8 pattern(u64 i) { return i * 7 + i / FS_BLOCK_SIZE * 13; }

// Appends until the file has `size` bytes; returns its size.
static u64 fill(struct inode *ip, u64 size) {
    static u8 chunk[FS_WRITE_MAX];
    u64 at = ip->d.size;
    while (at < size) {
        u64 n = size - at < sizeof chunk ? size - at : sizeof chunk;
        for (u64 i = 0; i < n; i++) chunk[i] = pattern(at + i);
        i64 done = write_at(ip, at, chunk, n, 0);
        if (done > 0) at += done;
        if (done < (i64)n) break;
    }
    return at;
}

// The first byte that is not the pattern's; the size if there is none.
static u64 compare(struct inode *ip) {
    static u8 chunk[65536 + 5];
    u64 at = 0;
    for (i64 n; (n = read_at(ip, at, chunk, sizeof chunk, 0)) > 0; at += n)
        for (i64 i = 0; i < n; i++)
            if (chunk[i] != pattern(at + i)) return at + i;
    return at;
}

// ---- tests ----

static void test_names(void) {
    disk_new(400, 64);
    check("new file", 0, make("/a", FS_FILE));
    check("create of a file that is there opens it", 0, make("a", FS_FILE));
    check("create of a directory that is there", FS_E_EXISTS, make("a", FS_DIR));
    check("mkdir", 0, make("/d", FS_DIR));
    check("mkdir twice", FS_E_EXISTS, make("d", FS_DIR));
    check("create over a directory", FS_E_EXISTS, make("d", FS_FILE));
    check("create over a device opens it", 0, make("dev", FS_DEVICE) | make("dev", FS_FILE));
    check("device over a device", FS_E_EXISTS, make("dev", FS_DEVICE));
    check("no such directory", FS_E_NONE, make("/x/y", FS_FILE));
    check("a file as a directory", FS_E_TYPE, make("/a/y", FS_FILE));
    check("create of the empty path", FS_E_NAME, make("", FS_FILE));
    check("create of /", FS_E_NAME, make("//", FS_DIR));
    check("create of . opens nothing", FS_E_EXISTS, make(".", FS_FILE));
    check("nested", 0, make("d/e", FS_DIR) | make("d/e/f", FS_FILE));
    check("slashes and dots", stat_of("/d/e/f").inum, stat_of("//d/./e/../e///f").inum);
    check(".. of the root", FS_ROOT, stat_of("/../..").inum);
    check("the empty path is the current directory", FS_ROOT, stat_of("").inum);
    check("nlink of a directory counts its directories", 2, stat_of("d").nlink);
    check("size of an empty directory", 32, stat_of("d/e").size - 16);
    check("names are cut to 14", 0, make("12345678901234", FS_DIR) | make("12345678901234567/x", FS_FILE));
    check("a longer name is the same", stat_of("12345678901234/x").inum, stat_of("123456789012345/x").inum);
    check("13 characters are another", FS_E_NONE, find_error("1234567890123"));

    check("unlink of .", FS_E_NAME, remove_path("d/."));
    check("unlink of ..", FS_E_NAME, remove_path("d/e/.."));
    check("unlink of /", FS_E_NAME, remove_path("/"));
    check("unlink of nothing", FS_E_NONE, remove_path("d/x"));
    check("unlink of a directory in use", FS_E_NOTEMPTY, remove_path("d/e"));
    check("link of a directory", FS_E_TYPE, link_path("d", "d2"));
    check("link to a name that is there", FS_E_EXISTS, link_path("a", "d/e"));
    check("link to the empty path", FS_E_NAME, link_path("a", ""));
    check("link of nothing", FS_E_NONE, link_path("x", "y"));
    check("links refused changed nothing", 1, stat_of("a").nlink);
    check("link", 0, link_path("a", "d/a2"));
    check("is counted", 2, stat_of("a").nlink);
    check("the first name goes", 0, remove_path("a"));
    check("the second stays", 1, stat_of("d/a2").nlink);
    struct inode *ip = find("d/a2");
    ip->d.nlink = FS_MAX_LINKS;
    check("too many links", FS_E_LINKS, link_path("d/a2", "b"));
    ip->d.nlink = 1;
    put(ip);
    struct inode *dp = find("d");
    dp->d.nlink = FS_MAX_LINKS;
    check("too many directories", FS_E_LINKS, make("d/z", FS_DIR));
    dp->d.nlink = 2;
    put(dp);
    check("emptied, a directory goes", 0, remove_path("d/e/f") | remove_path("d/e"));
    check("and is not counted", 1, stat_of("d").nlink);
    check("names: fsck", 0, violations());
}

static int copies_left;
static int failing_copy(void *to, const void *from, u64 n) {
    if (copies_left-- <= 0) return -1;
    memcpy(to, from, n);
    return 0;
}

static void test_bytes(void) {
    disk_new(4000, 64);
    u8 buf[100], big_buf[5 * FS_BLOCK_SIZE] = {0};
    u32 nfree = fs->nfree;
    make("f", FS_FILE);
    struct inode *f = find("f");
    check("read of an empty file", 0, read_at(f, 0, buf, 10, 0));
    check("write past the end", FS_E_RANGE, write_at(f, 1, "x", 1, 0));
    check("too long a write", FS_E_RANGE, write_at(f, 0, big_buf, FS_WRITE_MAX + 1, 0));
    check("write of nothing", 0, write_at(f, 0, "", 0, 0));
    check("hello", 5, write_at(f, 0, "hello", 5, 0));
    check("overwrite", 3, write_at(f, 4, "abc", 3, 0));
    check("read past the end is cut", 4, read_at(f, 3, buf, sizeof buf, 0));
    check("and right", 0, memcmp(buf, "labc", 4));
    check("read at the end", 0, read_at(f, 7, buf, 1, 0));
    check("read far past the end", 0, read_at(f, 1ull << 60, buf, 1, 0));
    check("trunc", 0, trunc_all(f));
    check("gives its block back", nfree, fs->nfree);

    // Sizes at which indirect blocks come in: 10 direct, 1024 single, then double.
    static const u64 blocks[] = {1, 10, 11, 1033, 1034, 1035, 1036, 2058, 2059, 2060};
    static const u32 indirect[] = {0, 0, 1, 1, 1, 3, 3, 3, 4, 4};
    int wrong = 0;
    for (u32 i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        u64 size = blocks[i] * FS_BLOCK_SIZE;
        wrong += fill(f, size) != size || compare(f) != size;
        wrong += nfree - fs->nfree != blocks[i] + indirect[i];
        wrong += fill(f, size - 1) != size || violations();
    }
    check("files of 1 to 2060 blocks", 0, wrong);
    check("sync", 0, fs_sync(fs));
    check("mounted again", 0, mount(10));
    check("counts the same free blocks", nfree - 2064, fs->nfree);
    f = find("f");
    check("and finds the same bytes", 2060 * FS_BLOCK_SIZE, compare(f));
    check("trunc of a large file", 0, trunc_all(f));
    check("gives all back", nfree, fs->nfree);
    f->d.size = FS_MAX_SIZE;
    check("write past the largest size", FS_E_RANGE, write_at(f, FS_MAX_SIZE, "x", 1, 0));
    f->d.size = 0;

    // The last block of the largest file, with nothing before it.
    u32 way[3], saw = 0;
    op_begin(&fs->log);
    for (u32 i = 0; i < 3; i++) wrong += block_alloc(fs, 0, &way[i]);
    op_end(&fs->log);
    for (u32 i = 0; i < 2; i++) ((u32 *)block_now(way[i]))[1023] = way[i + 1];
    f->d.addr[11] = way[0];
    wrong += inode_block(fs, f, FS_MAX_SIZE / FS_BLOCK_SIZE - 1, &saw);
    check("block 1049609", way[2], saw);
    f->d.size = FS_MAX_SIZE;
    check("trunc of it", 0, wrong + trunc_all(f));
    check("gives all three back", nfree, fs->nfree);

    copies_left = 2;
    i64 n = write_at(f, 0, big_buf, sizeof big_buf, failing_copy);
    check("a write stops where memory ends", 2 * FS_BLOCK_SIZE, n);
    check("without a block too many", nfree - 2, fs->nfree);
    copies_left = 0;
    check("a write of no memory", FS_E_COPY, write_at(f, 2 * FS_BLOCK_SIZE, big_buf, 1, failing_copy));
    copies_left = 1;
    check("a read stops where memory ends", FS_BLOCK_SIZE,
          read_at(f, 0, big_buf, sizeof big_buf, failing_copy));
    copies_left = 0;
    check("a read to no memory", FS_E_COPY, read_at(f, 0, big_buf, 1, failing_copy));
    fill(f, 1034 * FS_BLOCK_SIZE);
    u32 before = fs->nfree;
    check("at the double indirect block too", FS_E_COPY, write_at(f, f->d.size, big_buf, 1, failing_copy));
    check("nothing stays allocated", before, fs->nfree);
    put(f);
    check("bytes: fsck", 0, violations());
}

static void test_open_unlinked(void) {
    disk_new(400, 64);
    make("f", FS_FILE);
    u32 nfree = fs->nfree;
    struct inode *f = find("f");
    fill(f, 50000);
    check("unlink of an open file", 0, remove_path("f"));
    check("its name is gone", FS_E_NONE, find_error("f"));
    check("its bytes are not", 50000, compare(f));
    check("its number is not given again", 1, make("g", FS_FILE) == 0 && stat_of("g").inum != f->inum);
    u32 inum = f->inum;
    put(f);
    check("the last reference gives all back", nfree, fs->nfree);
    make("h", FS_FILE);
    check("and the number", inum, stat_of("h").inum);

    make("d", FS_DIR);
    struct inode *was_root = root, *d = find("d");
    remove_path("d");
    root = d; // as a current directory
    check("a removed directory finds itself", d->inum, stat_of(".").inum);
    check("but no ..", FS_E_NONE, find_error(".."));
    check("and takes no file", FS_E_NONE, make("x", FS_FILE));
    check("nor directory", FS_E_NONE, make("x", FS_DIR));
    check("nor link", FS_E_NONE, link_path("/g", "x"));
    root = was_root;
    put(d);
    check("open and unlinked: fsck", 0, violations());

    // The machine stops while a file is open that has no name.
    make("f", FS_FILE);
    f = find("f");
    fill(f, 100000);
    remove_path("f");
    check("sync", 0, fs_sync(fs));
    struct fs_found found;
    check("it has an inode without a name, which is no violation", 0,
          fs_examine(dev.disk, dev.nblocks, stdout, "# fsck", &found));
    check("but is found", 1, found.nameless);
    check("the log holds all", 1, found.records > 0);
    check("mounting", 0, mount(10));
    check("frees it", nfree, fs->nfree);
    check("nameless: fsck", 0, violations());
}

static void test_full(void) {
    disk_new(300, 64);
    u32 nfree = fs->nfree, i = 0, lost = 0;
    u64 want = 0, have = 0;
    char name[16];
    static const char text[2 * FS_BLOCK_SIZE] = "text";
    make("d", FS_DIR);
    u32 nfree_d = fs->nfree;
    for (; have == want; i++) {
        snprintf(name, sizeof name, "d/f%u", i);
        if (make(name, FS_FILE)) break;
        struct inode *ip = find(name);
        want = 95000 + i;
        have = fill(ip, want);
        lost += compare(ip) != have;
        put(ip);
    }
    check("filling ends with a short write", 1, have < want && have > 0);
    check("no byte of it is lost", 0, lost);
    check("no block is left over", 0, fs->nfree);
    check("fsck of a full disk", 0, violations());
    struct inode *ip = find("d/f0");
    u64 room = -ip->d.size % FS_BLOCK_SIZE;
    check("append to a full disk fills the last block", room, write_at(ip, ip->d.size, text, sizeof text, 0));
    check("and no more", FS_E_SPACE, write_at(ip, ip->d.size, text, sizeof text, 0));
    put(ip);
    check("mkdir on a full disk", FS_E_SPACE, make("e", FS_DIR));
    check("leaves no name", FS_E_NONE, find_error("e"));
    u32 made = 0;
    int err;
    for (;; made++) { // the directory needs a block for its 257th entry; inodes may be used up before
        snprintf(name, sizeof name, "d/z%u", made);
        if ((err = make(name, FS_FILE))) break;
    }
    check("files end with the inodes", FS_E_INODES, err);
    check("directories too", FS_E_INODES, make("q", FS_DIR));
    check("nothing is torn", 0, violations());
    while (made--) {
        snprintf(name, sizeof name, "d/z%u", made);
        lost += remove_path(name) != 0;
    }
    while (i--) {
        snprintf(name, sizeof name, "d/f%u", i);
        lost += remove_path(name) != 0;
    }
    check("emptied again", 0, lost);
    check("all blocks are back", nfree_d, fs->nfree);
    check("and the directory's", 0, remove_path("d"));
    check("to the last", nfree, fs->nfree);
    check("full and empty: fsck", 0, violations());

    // Room for inodes, none for the directory that names them.
    disk_new(300, 600);
    for (i = 0; i < 254; i++) {
        snprintf(name, sizeof name, "f%u", i);
        lost += make(name, FS_FILE) != 0;
    }
    ip = find("f0");
    fill(ip, 2 << 20);
    check("no block is left", 0, fs->nfree);
    check("a directory that cannot grow takes no file", FS_E_SPACE, make("one more", FS_FILE));
    check("no link", FS_E_SPACE, link_path("f0", "another"));
    check("which is not counted", 1, stat_of("f0").nlink);
    trunc_all(ip);
    put(ip);
    check("now it grows", 0, make("one more", FS_FILE) | link_path("f0", "another"));
    check("with the next inode", stat_of("f253").inum + 1, stat_of("one more").inum);
    check("a directory's growth: fsck", 0, lost + violations());
}

static void test_tables(void) {
    disk_new(300, 64);
    struct inode *held[8];
    char name[16];
    check("no memory for an inode", FS_E_MEMORY, fs_mount(fs, FS_MEMORY(1) - 1, &dev.cache));
    mount(4);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "f%d", i);
        make(name, FS_FILE);
        held[i] = find(name);
    }
    check("the table of inodes is full", FS_E_TABLE, make("f3", FS_FILE));
    check("finding fails too", FS_E_NONE, find_error("f3"));
    put(held[0]);
    check("until one is put back", 0, make("f3", FS_FILE));
    put(held[1]);
    put(held[2]);
    check("full table: fsck", 0, violations());

    dev.disk[8]++;
    check("another version", FS_E_FORMAT, mount(4));
    dev.disk[8]--;
    dev.cache.nblocks = 299;
    check("larger than its extent", FS_E_FORMAT, mount(4));
    dev.cache.nblocks = 300;
    check("mounts", 0, mount(4));
}

// What a failing disk may leave behind: something lost, but nothing that two could use.
static int damage(void) {
    static const char *const harmless[] = {"is lost",       "nothing names", "nlink is",    "no path leads",
                                           "past its size", "named 0 times", "no \".\" and"};
    static char text[1 << 16];
    FILE *out = fmemopen(text, sizeof text, "w");
    fs_check(dev.disk, dev.nblocks, out, "");
    fclose(out);
    int n = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
        u32 i = 0;
        while (i < sizeof harmless / sizeof harmless[0] && !strstr(line, harmless[i])) i++;
        if (i == sizeof harmless / sizeof harmless[0]) {
            n++;
            printf("# %s\n", line);
        }
    }
    return n;
}

// Each read of a block fails once: nothing stays held, the next operation works, no damage is done.
static void test_io_errors(void) {
    int stuck = 0, damaged = 0, n, over = 0;
    for (n = 1; !over; n++) {
        disk_new(400, 64);
        make("d", FS_DIR);
        make("d/f", FS_FILE);
        struct inode *ip = find("d/f");
        fill(ip, 60000);
        fail_in = n;
        make("d/g", FS_DIR);
        link_path("d/f", "l");
        fill(ip, 100000);
        compare(ip);
        remove_path("d/f");
        put(ip);
        remove_path("l");
        remove_path("d/g");
        over = fail_in > 0;
        fail_in = 0;
        stuck += !at_rest() || make("after", FS_FILE) != 0;
        damaged += fs_sync(fs) || damage() || mount(50) || damage();
    }
    check("a failing disk leaves nothing locked", 0, stuck);
    check("nor damage", 0, damaged);
    check("many reads were made to fail", 1, n > 100);
}

// A log that cannot be written: when the transaction is full nothing more is changed.
static void test_log_errors(void) {
    disk_new(400, 64);
    char name[16];
    u32 i, lost = 0;
    int err = 0;
    make("d", FS_DIR);
    make("d/f", FS_FILE);
    struct inode *ip = find("d/f");
    fail_log = 1;
    check("sync without a log", FS_E_IO, fs_sync(fs));
    for (i = 0; i < 60 && err == 0; i++) {
        snprintf(name, sizeof name, "d%u", i);
        err = make(name, FS_DIR);
    }
    check("in the end no directory can be made", FS_E_IO, err);
    check("nor a file written", FS_E_IO, write_at(ip, 0, "x", 1, 0));
    check("nor linked", FS_E_IO, link_path("d/f", "l"));
    check("which is not counted", 1, stat_of("d/f").nlink);
    check("nor removed", FS_E_IO, remove_path("d/f"));
    check("nor emptied", FS_E_IO, trunc_all(ip));
    check("but found and read", 0, find_error("d") | find_error("d0"));
    check("nothing stays held", 1, at_rest());
    fail_log = 0;
    check("a log that can be written again takes all", 0, make("after", FS_FILE));
    check("what was refused was not done", FS_E_NONE, find_error(name));
    while (--i) {
        snprintf(name, sizeof name, "d%u", i - 1);
        lost += remove_path(name) != 0;
    }
    put(ip);
    check("what was not refused was", 0, lost);
    check("log errors: fsck", 0, violations());
}

int main(void) {
    test_names();
    test_bytes();
    test_open_unlinked();
    test_full();
    test_tables();
    test_io_errors();
    test_log_errors();
    return finish();
}
