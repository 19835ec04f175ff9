// The file system used by several processes at once: four threads make, remove, link, write and read the same
// few names. No deadlock, no reference left over, and a sound file system whenever it is frozen. Clean under
// ThreadSanitizer too.
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

static void *worker(void *arg) {
    u64 state = (u64)arg * 0x2545f4914f6cdd1d + 7;
    static const char *const names[] = {"x", "y", "d", "d/x", "d/y", "d/e", "d/e/x", "d/e/../y", "z", "/d/z"};
    static u8 data[20000];
    for (int i = 0; i < 4000; i++) {
        const char *path = names[(random_u64(&state) >> 33) % 10],
                   *to = names[(random_u64(&state) >> 40) % 10];
        struct inode *ip = 0;
        u32 what = (random_u64(&state) >> 33) % 8;
        op_begin(&fs->log);
        if (what < 3) {
            if (path_create(fs, &root, path, what ? FS_FILE : FS_DIR, 0, 0, &ip) == 0) {
                if (ip->d.type == FS_FILE)
                    inode_write(fs, ip, ip->d.size, data, (random_u64(&state) >> 33) % sizeof data, 0);
                inode_drop(fs, ip);
            }
        } else if (what < 5) {
            path_unlink(fs, &root, path);
        } else if (what == 5) {
            path_link(fs, &root, path, to);
        } else if (path_find(fs, &root, path, &ip) == 0) {
            u8 back[9000];
            if (inode_lock(fs, ip) == 0) {
                if (what == 6)
                    inode_read(fs, ip, 0, back, sizeof back, 0);
                else if (ip->d.type == FS_FILE)
                    inode_trunc(fs, ip);
                inode_unlock(fs, ip);
            }
            inode_put(fs, ip);
        }
        op_end(&fs->log);
        if (i % 200 == 0) {
            if (fs_freeze(fs) || fs_check(dev.disk, dev.nblocks, stdout, "# fsck"))
                breach("frozen, but not sound");
            fs_thaw(fs);
        }
    }
    return 0;
}

int main(void) {
    pthread_t t[4];
    disk_new(400, 64);
    for (u64 i = 0; i < 4; i++) pthread_create(&t[i], 0, worker, (void *)(i + 1));
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    check("4 threads, stopped now and then: fsck", 0, breaches + violations());
    u32 refs = 0;
    for (u32 i = 0; i < fs->ninodes; i++) refs += fs->inode[i].refs;
    check("4 threads: no reference is left", 1, refs);
    return finish();
}
