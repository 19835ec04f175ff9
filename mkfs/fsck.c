// Checks a disk image: label, images of the boot image and the libOSes, file system. Changes nothing.
//
//   fsck IMG
//
// Prints a line for each violation. Status 0: none; 1: some, or the image cannot be read.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

// Violations of an image of so many blocks.
static u32 check_disk(const u8 *disk, u64 nblocks) {
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
        if (strcmp(e->name, "fs") == 0) n += fs_check(extent_data(disk, e), e->count, stdout, "fsck: fs");
    }
    return n;
}

int main(int argc, char **argv) {
    u64 size;
    program = "fsck";
    if (argc != 2) die("one argument is wanted: the image");
    u8 *disk = read_file(argv[1], &size);
    u32 n = check_disk(disk, size / DISK_BLOCK_SIZE);
    if (n) printf("fsck: %s: %u violations\n", argv[1], n);
    free(disk);
    return n > 0;
}
