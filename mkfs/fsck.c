// Checks a disk image: label, images of the boot image and the libOSes, file system.
//
//   fsck [-r] IMG
//
// What the file system's log holds is taken as if it were in place already: mounting will do that. With -r it
// is put in place on the image, and the log emptied; without, nothing is changed. Prints a line for each
// violation, and one for each thing that mounting will see to. Status 0: no violation; 1: some, or the image
// cannot be read or written.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fsimage.h"
#include "host.h"

static const u8 *extent_data(const u8 *disk, const struct label_extent *e) {
    return disk + (u64)e->start * DISK_BLOCK_SIZE;
}

static u32 check_image(const u8 *disk, const struct label_extent *e) {
    enum label_error err =
        image_check((const struct image_header *)extent_data(disk, e), (u64)e->count * DISK_BLOCK_SIZE);
    if (err) printf("fsck: extent \"%s\": %s\n", e->name, label_error_name(err));
    return err != LABEL_OK;
}

// ---- the file system ----

static u32 examine_fs(const u8 *mem, u32 nblocks) {
    struct fs_found f;
    u32 n = fs_examine(mem, nblocks, stdout, "fsck: fs", &f);
    if (f.records) printf("fsck: fs: mounting will replay %u transactions, %u blocks\n", f.records, f.blocks);
    if (f.nameless) printf("fsck: fs: mounting will free %u inodes that have lost their names\n", f.nameless);
    return n;
}

static void put_block(int fd, const u8 *data, u64 block) {
    if (pwrite(fd, data, DISK_BLOCK_SIZE, (off_t)(block * DISK_BLOCK_SIZE)) != DISK_BLOCK_SIZE)
        die("block %llu cannot be written: %s", (unsigned long long)block, strerror(errno));
}

// The anchor goes last, and alone: so whatever ends this program, it can be run again.
static void replay_image(u8 *disk, const struct label_extent *e, const char *path) {
    u8 *mem = disk + (u64)e->start * DISK_BLOCK_SIZE;
    const struct fs_super *s = (const struct fs_super *)mem;
    u32 records, blocks;
    if (!fs_super_ok(s, e->count) || !fs_log(mem, &records, &blocks) || records == 0) return;
    u8 *was = grab(s->nblocks, FS_BLOCK_SIZE);
    memcpy(was, mem, (u64)s->nblocks * FS_BLOCK_SIZE);
    fs_replay(mem);
    int fd = open(path, O_WRONLY);
    if (fd < 0) die("%s: %s", path, strerror(errno));
    for (u64 b = s->inode_start; b < s->nblocks; b++)
        if (memcmp(was + b * FS_BLOCK_SIZE, mem + b * FS_BLOCK_SIZE, FS_BLOCK_SIZE))
            put_block(fd, mem + b * FS_BLOCK_SIZE, e->start + b);
    if (fsync(fd)) die("%s: %s", path, strerror(errno));
    put_block(fd, mem + (u64)s->log_start * FS_BLOCK_SIZE, e->start + s->log_start);
    if (fsync(fd) || close(fd)) die("%s: %s", path, strerror(errno));
    printf("fsck: fs: %u transactions replayed, %u blocks\n", records, blocks);
    free(was);
}

// ---- all of it ----

// Violations of an image of so many blocks, whose log is replayed first if there is a path to write to.
static u32 check_disk(u8 *disk, u64 nblocks, const char *replay_to) {
    const struct label *l = (const struct label *)disk;
    enum label_error err = label_check(l, nblocks);
    if (err) {
        printf("fsck: %s\n", label_error_name(err));
        return 1;
    }
    u32 n = 0;
    for (u32 i = 0; i < l->nextents; i++) {
        const struct label_extent *e = &l->extent[i];
        int is_image = strcmp(e->name, BOOT_EXTENT) == 0;
        for (u32 j = 0; j < l->nlines; j++) is_image |= strcmp(e->name, l->line[j].image) == 0;
        if (is_image) n += check_image(disk, e);
        if (strcmp(e->name, "fs")) continue;
        if (replay_to) replay_image(disk, e, replay_to);
        n += examine_fs(extent_data(disk, e), e->count);
    }
    return n;
}

int main(int argc, char **argv) {
    u64 size;
    program = "fsck";
    int replays = argc > 1 && strcmp(argv[1], "-r") == 0;
    if (argc != 2 + replays) die("one argument is wanted: the image; before it -r, to replay the log");
    const char *path = argv[1 + replays];
    u8 *disk = read_file(path, &size);
    u32 n = check_disk(disk, size / DISK_BLOCK_SIZE, replays ? path : 0);
    if (n) printf("fsck: %s: %u violations\n", path, n);
    free(disk);
    return n > 0;
}
