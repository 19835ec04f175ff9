// What the kernel needs to find on a disk: block 0, the label, and the header of a flat image.
//
// The label names extents (runs of 4 KiB blocks) and carries the manifest: which libOS the boot image starts,
// from which extent, with what. mkfs writes it; the kernel reads the extents, the boot image the manifest. An
// image is what objcopy -O binary makes of a boot image or a libOS; its linker script and first .S source
// emit the header. All fields are little-endian; spare bytes are 0. user/first/label.c checks both
// structures; nothing else should.
#ifndef EXV6_IMAGE_H
#define EXV6_IMAGE_H

#define DISK_BLOCK_SIZE 4096

#define LABEL_MAGIC   0x4c4542414c365845 // "EX6LABEL"
#define LABEL_VERSION 1
#define LABEL_EXTENTS 32
#define LABEL_LINES   16
#define LABEL_NAME    16 // bytes of a name, its NUL included
#define LABEL_ARGS    128
#define LABEL_EXTENT  "label" // extent 0 is the label itself: so the boot image reads it like any other block
#define BOOT_EXTENT   "boot"  // holds the image of environment 1
#define LINE_CONSOLE  1       // flag: the console is given to this libOS

#define IMAGE_MAGIC       0x4547414d49365845 // "EX6IMAGE"
#define IMAGE_VERSION     1
#define IMAGE_HEADER_SIZE 64

#ifndef __ASSEMBLER__
#include <exo/types.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the structures below are laid over the disk's bytes");

// `count` blocks from `start`, behind those of the extent before. The name is printable, without spaces, not
// empty, and padded with NULs.
struct label_extent {
    char name[LABEL_NAME];
    u32 start;
    u32 count;
};

// One libOS to start. Bit i of `extents` gives it extent[i]; no extent is given twice. `pages` is its
// reserve, 0 for what is left; envs, accounts and more_extents are quotas, the last beyond the extents given;
// slots are those of each hart, 0 for the rest. args is handed on as it is.
struct label_line {
    char name[LABEL_NAME];
    char image[LABEL_NAME]; // name of the extent that holds its image
    u32 extents;
    u32 pages;
    u32 envs;
    u32 accounts;
    u32 more_extents;
    u32 slots;
    u32 flags;
    u32 spare;
    char args[LABEL_ARGS];
};

struct label {
    u64 magic;
    u32 version;
    u32 nextents; // in use, from extent[0]; the others are 0
    u32 nlines;   // likewise, from line[0]
    u32 spare0;
    u64 nblocks; // of the whole disk, the label included
    struct label_extent extent[LABEL_EXTENTS];
    struct label_line line[LABEL_LINES];
    u8 spare[216];
    u64 sum; // label_sum(everything before it)
};

// The first 64 bytes of an image and of its text segment. In memory, from `load`: text (R-X), rodata (R--),
// data (RW-), bss (RW-, zeroed), one page left unmapped, stack (RW-, zeroed). All sizes are whole pages, so
// block i of the image is page i of memory; the image holds text, rodata and data. An image whose text must
// begin with something else (a jump table at a fixed va) loads one page lower.
struct image_header {
    u64 magic;
    u32 version;
    u32 spare0;
    u64 entry; // va, in the text after this header
    u64 load;  // va of this header
    u32 text;  // bytes, as the rest
    u32 rodata;
    u32 data;
    u32 bss;
    u32 stack;
    u32 spare[3];
};

_Static_assert(sizeof(struct label_extent) == 24, "label_extent");
_Static_assert(offsetof(struct label_line, extents) == 32, "label_line.extents");
_Static_assert(offsetof(struct label_line, args) == 64, "label_line.args");
_Static_assert(sizeof(struct label_line) == 192, "label_line");
_Static_assert(offsetof(struct label, nblocks) == 24, "label.nblocks");
_Static_assert(offsetof(struct label, extent) == 32, "label.extent");
_Static_assert(offsetof(struct label, line) == 800, "label.line");
_Static_assert(offsetof(struct label, sum) == DISK_BLOCK_SIZE - 8, "label.sum");
_Static_assert(sizeof(struct label) == DISK_BLOCK_SIZE, "label");
_Static_assert(offsetof(struct image_header, entry) == 16, "image_header.entry");
_Static_assert(offsetof(struct image_header, text) == 32, "image_header.text");
_Static_assert(sizeof(struct image_header) == IMAGE_HEADER_SIZE, "image_header");

// What is wrong with a label or an image, in the order of the checks; label_error_name() gives the words.
enum label_error {
    LABEL_OK,
    LABEL_E_MAGIC,
    LABEL_E_VERSION,
    LABEL_E_SUM,
    LABEL_E_DEVICE,        // the label says more blocks than the device has, or none
    LABEL_E_COUNT,         // more extents or lines than a label holds
    LABEL_E_SPARE,         // a field that is not in use is not 0
    LABEL_E_SELF,          // extent 0 is not "label", block 0
    LABEL_E_EXTENT_NAME,   // empty, not terminated, not printable or not padded with NULs
    LABEL_E_EXTENT_TWICE,  // two extents of one name
    LABEL_E_EXTENT_BOUNDS, // empty, or it ends outside the disk
    LABEL_E_EXTENT_ORDER,  // it begins before the one ahead of it ends
    LABEL_E_LINE_NAME,
    LABEL_E_LINE_TWICE,
    LABEL_E_LINE_IMAGE,   // it names no extent
    LABEL_E_LINE_GIVES,   // it gives an extent that is not there, the label, or one given before
    LABEL_E_LINE_EMPTY,   // no environment to start with
    LABEL_E_LINE_QUOTA,   // more of something than the kernel has records for
    LABEL_E_LINE_FLAGS,   // an unknown flag
    LABEL_E_LINE_CONSOLE, // a second line with the console
    LABEL_E_LINE_ARGS,    // not terminated, not printable or not padded with NULs
    LABEL_E_IMAGE_MAGIC,
    LABEL_E_IMAGE_VERSION,
    LABEL_E_IMAGE_SPARE,
    LABEL_E_IMAGE_ALIGN,  // load or a size is not whole pages
    LABEL_E_IMAGE_ROOM,   // text, rodata and data are more than its extent holds
    LABEL_E_IMAGE_LIMITS, // it does not fit the user half of the address space, or would use page 0
    LABEL_E_IMAGE_ENTRY,  // outside the text, inside the header, or odd
    LABEL_ERRORS,
};

// All four are in user/first/label.c and need nothing else. They trust no byte of what they are given.
enum label_error label_check(const struct label *l, u64 device_blocks);
const struct label_extent *label_find(const struct label *l,
                                      const char *name); // 0: none. Of a checked label only.
enum label_error image_check(const struct image_header *h, u64 extent_bytes);
const char *label_error_name(enum label_error e);

// Sum of n bytes, n a multiple of 8, p aligned to 8; `seed` is 0 or the sum of what came before. Each step
// maps sums one to one, so a single changed word always shows.
static inline u64 label_sum(u64 seed, const void *p, u64 n) {
    const u64 __attribute__((may_alias)) *word = p;
    u64 sum = seed ^ 0xcbf29ce484222325;
    for (u64 i = 0; i < n / 8; i++) {
        sum = (sum ^ word[i]) * 0x100000001b3;
        sum ^= sum >> 32;
    }
    return sum;
}

#endif
#endif
