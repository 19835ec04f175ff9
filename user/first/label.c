// Checks the disk's label and an image's header before anyone acts on them: for mkfs, fsck, and the boot
// image, which loads libOSes. (The kernel checks of the label what protection needs: start.c.) Freestanding;
// changes nothing.
#include <exo/abi.h>
#include <exo/image.h>

_Static_assert(DISK_BLOCK_SIZE == EXO_PAGE, "a block is a page");

static const char *const names[LABEL_ERRORS] = {
    [LABEL_OK] = "label is sound",
    [LABEL_E_MAGIC] = "not a label",
    [LABEL_E_VERSION] = "label of another version",
    [LABEL_E_SUM] = "label's checksum is wrong",
    [LABEL_E_DEVICE] = "label is for a disk of another size",
    [LABEL_E_COUNT] = "too many extents or lines",
    [LABEL_E_SPARE] = "spare field not zero",
    [LABEL_E_SELF] = "extent 0 is not the label",
    [LABEL_E_EXTENT_NAME] = "bad name of an extent",
    [LABEL_E_EXTENT_TWICE] = "two extents of one name",
    [LABEL_E_EXTENT_BOUNDS] = "extent empty or outside the disk",
    [LABEL_E_EXTENT_ORDER] = "extents overlap or are not in order",
    [LABEL_E_LINE_NAME] = "bad name in a line",
    [LABEL_E_LINE_TWICE] = "two lines of one name",
    [LABEL_E_LINE_IMAGE] = "line's image is no extent",
    [LABEL_E_LINE_GIVES] = "line gives an extent it cannot give",
    [LABEL_E_LINE_EMPTY] = "line without environments",
    [LABEL_E_LINE_QUOTA] = "line asks for more than there can be",
    [LABEL_E_LINE_FLAGS] = "unknown flag in a line",
    [LABEL_E_LINE_CONSOLE] = "console given twice",
    [LABEL_E_LINE_ARGS] = "bad arguments in a line",
    [LABEL_E_IMAGE_MAGIC] = "not an image",
    [LABEL_E_IMAGE_VERSION] = "image of another version",
    [LABEL_E_IMAGE_SPARE] = "spare field of an image not zero",
    [LABEL_E_IMAGE_ALIGN] = "image's segments are not whole pages",
    [LABEL_E_IMAGE_ROOM] = "image larger than its extent",
    [LABEL_E_IMAGE_LIMITS] = "image outside user addresses",
    [LABEL_E_IMAGE_ENTRY] = "image's entry outside its text",
};

const char *label_error_name(enum label_error e) {
    return (unsigned)e < LABEL_ERRORS ? names[e] : "unknown error";
}

static int all_zero(const void *p, u64 n) {
    const u8 *b = p;
    for (u64 i = 0; i < n; i++)
        if (b[i]) return 0;
    return 1;
}

// Terminated, printable from `first` on ('!' refuses spaces), NULs up to its end.
static int text_ok(const char *s, u32 size, char first) {
    u32 n = 0;
    while (n < size && s[n] >= first && s[n] <= '~') n++;
    return n < size && all_zero(s + n, size - n);
}

static int name_ok(const char name[LABEL_NAME]) { return name[0] && text_ok(name, LABEL_NAME, '!'); }

// One of the two at least is terminated.
static int name_eq(const char *a, const char *b) {
    for (; *a == *b; a++, b++)
        if (!*a) return 1;
    return 0;
}

static enum label_error check_extent(const struct label *l, u32 i) {
    const struct label_extent *e = &l->extent[i];
    if (!name_ok(e->name)) return LABEL_E_EXTENT_NAME;
    for (u32 j = 0; j < i; j++)
        if (name_eq(l->extent[j].name, e->name)) return LABEL_E_EXTENT_TWICE;
    if (e->count == 0 || e->start >= l->nblocks || e->count > l->nblocks - e->start)
        return LABEL_E_EXTENT_BOUNDS;
    if (i && e->start < (u64)l->extent[i - 1].start + l->extent[i - 1].count) return LABEL_E_EXTENT_ORDER;
    return LABEL_OK;
}

static enum label_error check_line(const struct label *l, u32 i) {
    const struct label_line *n = &l->line[i];
    if (!name_ok(n->name)) return LABEL_E_LINE_NAME;
    for (u32 j = 0; j < i; j++)
        if (name_eq(l->line[j].name, n->name)) return LABEL_E_LINE_TWICE;
    if (!name_ok(n->image) || !label_find(l, n->image)) return LABEL_E_LINE_IMAGE;
    if ((n->extents & 1) || n->extents >> (l->nextents - 1) > 1) return LABEL_E_LINE_GIVES;
    for (u32 j = 0; j < i; j++)
        if (l->line[j].extents & n->extents) return LABEL_E_LINE_GIVES;
    if (n->envs == 0) return LABEL_E_LINE_EMPTY;
    if (n->pages >> 31 || n->envs > EXO_NENV || n->accounts > EXO_NACCT || n->more_extents > EXO_NEXT ||
        n->slots > EXO_NSLOT)
        return LABEL_E_LINE_QUOTA;
    if (n->flags & ~LINE_CONSOLE) return LABEL_E_LINE_FLAGS;
    for (u32 j = 0; j < i; j++)
        if (l->line[j].flags & n->flags & LINE_CONSOLE) return LABEL_E_LINE_CONSOLE;
    if (!text_ok(n->args, LABEL_ARGS, ' ')) return LABEL_E_LINE_ARGS;
    return n->spare ? LABEL_E_SPARE : LABEL_OK;
}

// The first defect of a label that lies on a device of device_blocks, or LABEL_OK.
enum label_error label_check(const struct label *l, u64 device_blocks) {
    if (l->magic != LABEL_MAGIC) return LABEL_E_MAGIC;
    if (l->version != LABEL_VERSION) return LABEL_E_VERSION;
    if (l->sum != label_sum(0, l, offsetof(struct label, sum))) return LABEL_E_SUM;
    if (l->nblocks == 0 || l->nblocks > device_blocks) return LABEL_E_DEVICE;
    if (l->nextents > LABEL_EXTENTS || l->nlines > LABEL_LINES) return LABEL_E_COUNT;
    if (l->spare0 || !all_zero(l->spare, sizeof l->spare) ||
        !all_zero(&l->extent[l->nextents], (LABEL_EXTENTS - l->nextents) * sizeof l->extent[0]) ||
        !all_zero(&l->line[l->nlines], (LABEL_LINES - l->nlines) * sizeof l->line[0]))
        return LABEL_E_SPARE;
    if (l->nextents == 0 || !name_eq(l->extent[0].name, LABEL_EXTENT) || l->extent[0].start != 0 ||
        l->extent[0].count != 1)
        return LABEL_E_SELF;
    enum label_error e = LABEL_OK;
    for (u32 i = 0; i < l->nextents && !e; i++) e = check_extent(l, i);
    for (u32 i = 0; i < l->nlines && !e; i++) e = check_line(l, i);
    return e;
}

const struct label_extent *label_find(const struct label *l, const char *name) {
    for (u32 i = 0; i < l->nextents; i++)
        if (name_eq(l->extent[i].name, name)) return &l->extent[i];
    return 0;
}

// The first defect of an image that begins an extent of extent_bytes, or LABEL_OK.
enum label_error image_check(const struct image_header *h, u64 extent_bytes) {
    if (h->magic != IMAGE_MAGIC) return LABEL_E_IMAGE_MAGIC;
    if (h->version != IMAGE_VERSION) return LABEL_E_IMAGE_VERSION;
    if (h->spare0 || !all_zero(h->spare, sizeof h->spare)) return LABEL_E_IMAGE_SPARE;
    if ((h->load | h->text | h->rodata | h->data | h->bss | h->stack) % EXO_PAGE) return LABEL_E_IMAGE_ALIGN;
    u64 stored = (u64)h->text + h->rodata + h->data;
    if (stored > extent_bytes) return LABEL_E_IMAGE_ROOM;
    u64 span = stored + h->bss + EXO_PAGE + h->stack;
    if (h->load == 0 || h->load >= EXO_USER_END || span > EXO_USER_END - h->load) return LABEL_E_IMAGE_LIMITS;
    if (h->entry < h->load + IMAGE_HEADER_SIZE || h->entry >= h->load + h->text || h->entry % 2)
        return LABEL_E_IMAGE_ENTRY;
    return LABEL_OK;
}
