// The device tree: one walk over the structure block (Devicetree Specification 0.4, chapter 5), which keeps
// the few properties the kernel wants. Every offset and length is checked against the block that holds it
// before it is used. Called once, at boot; host tests compile it as it is.
#include <stdbool.h>
#include "fdt.h"

enum { BEGIN_NODE = 1, END_NODE, PROP, NOP, END = 9 };
enum { HEADER = 40, MAX_PATH = 128 };

// Unit addresses left out, so all cpus are "/cpus/cpu"; while a property is looked at, its name comes last.
struct path {
    char text[MAX_PATH];
    u32 length;
};

// What memory and cpu numbers are made of on this machine; a tree that says otherwise is refused.
static const struct {
    const char *path;
    u32 value;
} cells[] = {
    {"/#address-cells", 2},      {"/#size-cells", 2},
    {"/cpus/#address-cells", 1}, {"/reserved-memory/#address-cells", 2},
    {"/cpus/#size-cells", 0},    {"/reserved-memory/#size-cells", 2},
};

static u32 be32(const u8 *p) { return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3]; }

static u64 be64(const u8 *p) { return (u64)be32(p) << 32 | be32(p + 4); }

static bool begins(const char *text, const char *with) {
    while (*with && *text == *with) text++, with++;
    return !*with;
}

static bool same(const char *a, const char *b) { return begins(a, b) && begins(b, a); }

static bool terminated(const u8 *p, u32 size) {
    for (u32 i = 0; i < size; i++)
        if (!p[i]) return true;
    return false;
}

// "/" and the name up to its unit address; the root's name is empty, and nothing is added.
static bool path_push(struct path *p, const char *name) {
    for (u32 i = 0; *name && *name != '@'; i++) {
        if (p->length >= MAX_PATH - 2) return false;
        if (i == 0) p->text[p->length++] = '/';
        p->text[p->length++] = *name++;
    }
    p->text[p->length] = 0;
    return true;
}

static void path_pop(struct path *p) {
    while (p->length && p->text[--p->length] != '/')
        ;
    p->text[p->length] = 0;
}

// An extension is a whole word after an underscore, as in rv64imac_zicsr_sstc.
static bool has_sstc(const char *isa) {
    for (; *isa; isa++)
        if (begins(isa, "_sstc") && (!isa[5] || isa[5] == '_')) return true;
    return false;
}

// A reg property of memory: pairs of start and length.
static const char *memory_reg(struct machine *m, const u8 *v, u32 size, bool reserved) {
    for (; size >= 16; v += 16, size -= 16) {
        u64 start = be64(v), length = be64(v + 8);
        bool kernel = start <= KERNEL_PA && length > KERNEL_PA - start;
        if (reserved && kernel) return "the kernel's own memory is reserved";
        if (reserved && start > KERNEL_PA && length && start < m->reserved) m->reserved = start;
        if (!reserved && kernel) m->ram.end = length < RAM_LIMIT - start ? start + length : RAM_LIMIT;
    }
    return NULL;
}

static const char *cpu_reg(struct machine *m, const u8 *v, u32 size) {
    if (size != 4) return "cpu of a strange number";
    u32 id = be32(v);
    if (id != m->hart[0] && id < MAX_HART_ID && m->nharts < EXO_NHART) m->hart[m->nharts++] = id;
    return NULL;
}

static void copy(void *to, const u8 *from, u32 size) {
    for (u32 i = 0; i < size; i++) ((u8 *)to)[i] = from[i];
}

static const char *property(struct machine *m, const char *path, const char *name, const u8 *v, u32 size) {
    u64 number = size == 4 ? be32(v) : size == 8 ? be64(v) : 0;
    for (u32 i = 0; i < sizeof(cells) / sizeof(*cells); i++)
        if (same(path, cells[i].path) && number != cells[i].value) return "numbers of a strange size";

    if (same(path, "/memory/reg") || (begins(path, "/reserved-memory/") && same(name, "reg")))
        return memory_reg(m, v, size, path[1] == 'r');
    if (same(path, "/cpus/cpu/reg")) return cpu_reg(m, v, size);
    if (same(path, "/cpus/timebase-frequency"))
        m->timebase = (u32)number;
    else if (same(path, "/chosen/linux,initrd-start"))
        m->initrd.start = number;
    else if (same(path, "/chosen/linux,initrd-end"))
        m->initrd.end = number;
    else if (same(path, "/chosen/rng-seed"))
        copy(m->seed, v, m->seed_size = size < sizeof(m->seed) ? size : sizeof(m->seed));
    else if (same(path, "/cpus/cpu/riscv,isa")) {
        if (!terminated(v, size)) return "text without an end";
        m->sstc = m->sstc && has_sstc((const char *)v);
    } else if (same(path, "/chosen/bootargs")) {
        if (!terminated(v, size) || size > sizeof(m->bootargs)) return "boot arguments too long";
        copy(m->bootargs, v, size);
    }
    return NULL;
}

// `size` is a multiple of 4, and so is every step.
static const char *walk(struct machine *m, const u8 *p, u32 size, const u8 *names, u32 names_size) {
    struct path path = {0};
    for (u32 used; size >= 4; p += used, size -= used) {
        used = 4;
        switch (be32(p)) {
        case BEGIN_NODE:
            if (!terminated(p + 4, size - 4) || !path_push(&path, (const char *)p + 4))
                return "name of a node too long";
            while (p[used++])
                ;
            break;
        case END_NODE: path_pop(&path); break;
        case PROP: {
            u32 length = size >= 12 ? be32(p + 4) : 0, name = size >= 12 ? be32(p + 8) : ~0u;
            if (name >= names_size || !terminated(names + name, names_size - name) || length > size - 12)
                return "property outside the tree";
            struct path full = path;
            if (!path_push(&full, (const char *)names + name)) return "name of a property too long";
            const char *error = property(m, full.text, (const char *)names + name, p + 12, length);
            if (error) return error;
            used = 12 + length;
            break;
        }
        case NOP: break;
        case END: return NULL;
        default: return "unknown word in the tree";
        }
        used = (used + 3) & ~3u;
    }
    return "tree without an end";
}

static bool inside(u64 total, u32 offset, u32 size) { return offset <= total && size <= total - offset; }

u64 fdt_size(const u8 *blob) {
    u32 total = be32(blob + 4);
    return be32(blob) == 0xd00dfeed && total >= HEADER && total <= FDT_MAX_SIZE ? total : 0;
}

const char *fdt_parse(const u8 *blob, u64 size, u64 boot_hart, struct machine *m) {
    if ((uintptr_t)blob % FDT_ALIGN || size < HEADER || !fdt_size(blob) || fdt_size(blob) > size)
        return "no device tree";
    u32 structs = be32(blob + 8), structs_size = be32(blob + 36);
    u32 names = be32(blob + 12), names_size = be32(blob + 32);
    if (be32(blob + 20) < 17 || be32(blob + 24) > 17) return "device tree of another version";
    if (structs % 4 || structs_size % 4 || !inside(fdt_size(blob), structs, structs_size) ||
        !inside(fdt_size(blob), names, names_size))
        return "device tree's blocks are outside it";

    *m = (struct machine){.nharts = 1, .hart = {boot_hart}, .sstc = true, .reserved = RAM_LIMIT};
    const char *error = walk(m, blob + structs, structs_size, blob + names, names_size);
    if (error) return error;
    m->ram.start = KERNEL_PA;
    m->ram.end = (m->ram.end < m->reserved ? m->ram.end : m->reserved) & -(u64)EXO_PAGE;
    if (m->ram.end <= KERNEL_PA || boot_hart >= MAX_HART_ID || !m->timebase)
        return "no memory, boot hart or timebase";
    if (m->initrd.end &&
        (m->initrd.start < KERNEL_PA || m->initrd.start >= m->initrd.end || m->initrd.end > m->ram.end))
        return "initrd outside memory";
    return NULL;
}
