// The device tree: one walk over the structure block (Devicetree Specification 0.4, chapter 5), which keeps the
// few properties the kernel wants. Every offset, length and cell count is checked against the block that holds it
// before it is used. Called once, at boot; host tests compile it as it is.
#include <stdbool.h>
#include "fdt.h"

enum { BEGIN_NODE = 1, END_NODE, PROP, NOP, END = 9 };
enum { MAX_DEPTH = 16 };

// Where in the tree the walk is, as far as it matters.
enum place { OTHER, ROOT, MEMORY, CHOSEN, CPUS, CPU, RESERVED, RESERVED_CHILD };

struct level {
    enum place place;
    u32 address_cells, size_cells; // of the children's reg
};

struct walk {
    const u8 *structs, *strings;
    u32 structs_size, strings_size, at;
    struct level level[MAX_DEPTH];
    u32 depth;
    u64 boot_hart;
    bool boot_hart_seen;
    // The cpu node we are in:
    u64 cpu;
    bool cpu_named, cpu_off, cpu_sstc;
    struct machine *m;
};

struct prop {
    const char *name;
    const u8 *value;
    u32 size;
};

static u32 be32(const u8 *p)
{
    return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static u64 be64(const u8 *p)
{
    return (u64)be32(p) << 32 | be32(p + 4);
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

// A node's name without its unit address.
static bool named(const char *node, const char *name)
{
    while (*name && *node == *name)
        node++, name++;
    return !*name && (!*node || *node == '@');
}

static bool terminated(const u8 *p, u32 size)
{
    for (u32 i = 0; i < size; i++)
        if (!p[i])
            return true;
    return false;
}

static bool in_range(const struct range *r, u64 start, u64 end)
{
    return r->start <= start && start < end && end <= r->end;
}

// Entry i of a reg property; false past its end, or if it is not one.
static bool reg_entry(const struct prop *p, const struct level *parent, u32 i, u64 *start, u64 *size)
{
    u32 ac = parent->address_cells, sc = parent->size_cells;
    if (ac < 1 || ac > 2 || sc > 2)
        return false;
    u32 bytes = (ac + sc) * 4;
    if (i >= p->size / bytes)
        return false;
    const u8 *v = p->value + i * bytes;
    *start = ac == 2 ? be64(v) : be32(v);
    v += ac * 4;
    *size = sc == 2 ? be64(v) : sc == 1 ? be32(v) : 0;
    return true;
}

// The part of [start, start + size) below RAM_LIMIT.
static struct range clip(u64 start, u64 size)
{
    if (start >= RAM_LIMIT)
        return (struct range){RAM_LIMIT, RAM_LIMIT};
    return (struct range){start, size < RAM_LIMIT - start ? start + size : RAM_LIMIT};
}

static void memory_reg(struct walk *w, const struct prop *p, const struct level *parent)
{
    u64 start, size;
    for (u32 i = 0; reg_entry(p, parent, i, &start, &size); i++) {
        struct range r = clip(start, size);
        r.start = (r.start + EXO_PAGE - 1) & -(u64)EXO_PAGE;
        r.end &= -(u64)EXO_PAGE;
        if (r.start <= KERNEL_PA && KERNEL_PA < r.end)
            w->m->ram = r;
    }
}

static const char *reserve(struct machine *m, u64 start, u64 size)
{
    struct range r = clip(start, size);
    if (r.start == r.end)
        return 0;
    if (m->nreserved == MAX_RESERVED)
        return "too many reserved ranges";
    m->reserved[m->nreserved++] = (struct range){r.start & -(u64)EXO_PAGE,
                                                 (r.end + EXO_PAGE - 1) & -(u64)EXO_PAGE};
    return 0;
}

static const char *reserved_reg(struct walk *w, const struct prop *p, const struct level *parent)
{
    u64 start, size;
    const char *error = 0;
    for (u32 i = 0; !error && reg_entry(p, parent, i, &start, &size); i++)
        error = reserve(w->m, start, size);
    return error;
}

// The extension, as a whole word after its underscore: rv64imac_zicsr_sstc.
static bool isa_has(const char *isa, const char *extension)
{
    for (; *isa; isa++) {
        if (*isa != '_')
            continue;
        const char *a = isa + 1, *b = extension;
        while (*b && *a == *b)
            a++, b++;
        if (!*b && (!*a || *a == '_'))
            return true;
    }
    return false;
}

static const char *cpu_prop(struct walk *w, const struct prop *p, const struct level *parent)
{
    const char *text = (const char *)p->value;
    u64 size;
    if (same(p->name, "reg")) {
        w->cpu_named = reg_entry(p, parent, 0, &w->cpu, &size);
        return w->cpu_named ? 0 : "cpu without a number";
    }
    if (same(p->name, "riscv,isa") || same(p->name, "status")) {
        if (!terminated(p->value, p->size))
            return "text without an end";
        if (p->name[0] == 'r')
            w->cpu_sstc = isa_has(text, "sstc");
        else
            w->cpu_off = !same(text, "okay") && !same(text, "ok");
    }
    return 0;
}

static const char *cpu_end(struct walk *w)
{
    struct machine *m = w->m;
    if (!w->cpu_named || w->cpu_off || w->cpu >= MAX_HART_ID)
        return 0;
    for (u32 i = w->boot_hart_seen ? 0 : 1; i < m->nharts; i++)
        if (m->hart[i] == w->cpu)
            return "two cpus of one number";
    if (w->cpu == w->boot_hart)
        w->boot_hart_seen = true;
    else if (m->nharts < EXO_NHART)
        m->hart[m->nharts++] = w->cpu;
    else
        return 0;
    m->sstc = m->sstc && w->cpu_sstc;
    return 0;
}

static const char *chosen_prop(struct walk *w, const struct prop *p)
{
    struct machine *m = w->m;
    if (same(p->name, "bootargs")) {
        if (!terminated(p->value, p->size) || p->size > sizeof(m->bootargs))
            return "boot arguments too long";
        for (u32 i = 0; i < p->size; i++)
            m->bootargs[i] = (char)p->value[i];
    } else if (same(p->name, "rng-seed")) {
        m->seed_size = p->size < sizeof(m->seed) ? p->size : sizeof(m->seed);
        for (u32 i = 0; i < m->seed_size; i++)
            m->seed[i] = p->value[i];
    } else if (same(p->name, "linux,initrd-start") || same(p->name, "linux,initrd-end")) {
        if (p->size != 4 && p->size != 8)
            return "initrd address of a strange size";
        u64 pa = p->size == 8 ? be64(p->value) : be32(p->value);
        *(p->name[13] == 's' ? &m->initrd.start : &m->initrd.end) = pa;
    }
    return 0;
}

static const char *property(struct walk *w, const struct prop *p)
{
    struct level *here = &w->level[w->depth - 1];
    const struct level *parent = w->depth > 1 ? here - 1 : here;

    if (p->size == 4 && same(p->name, "#address-cells"))
        here->address_cells = be32(p->value);
    else if (p->size == 4 && same(p->name, "#size-cells"))
        here->size_cells = be32(p->value);
    else if (here->place == MEMORY && same(p->name, "reg"))
        memory_reg(w, p, parent);
    else if (here->place == RESERVED_CHILD && same(p->name, "reg"))
        return reserved_reg(w, p, parent);
    else if (here->place == CPUS && p->size == 4 && same(p->name, "timebase-frequency"))
        w->m->timebase = be32(p->value);
    else if (here->place == CPU)
        return cpu_prop(w, p, parent);
    else if (here->place == CHOSEN)
        return chosen_prop(w, p);
    return 0;
}

static enum place place_of(const struct walk *w, const char *name)
{
    if (w->depth == 0)
        return ROOT;
    switch (w->level[w->depth - 1].place) {
    case ROOT:
        return named(name, "memory")            ? MEMORY
               : named(name, "chosen")          ? CHOSEN
               : named(name, "cpus")            ? CPUS
               : named(name, "reserved-memory") ? RESERVED
                                                : OTHER;
    case CPUS:
        return named(name, "cpu") ? CPU : OTHER;
    case RESERVED:
        return RESERVED_CHILD;
    default:
        return OTHER;
    }
}

// The walk's next step. True while there is more; *error says why it ended, if not at the tree's end.
static bool step(struct walk *w, const char **error)
{
    const u8 *p = w->structs + w->at;
    u32 left = w->structs_size - w->at; // a multiple of 4
    u32 used = 4;
    *error = "tree cut short";
    if (left < 4)
        return false;
    left -= 4;
    switch (be32(p)) {
    case BEGIN_NODE: {
        if (!terminated(p + 4, left))
            return false;
        const char *name = (const char *)p + 4;
        if (w->depth == MAX_DEPTH) {
            *error = "tree too deep";
            return false;
        }
        w->level[w->depth] = (struct level){place_of(w, name), 2, 1};
        if (w->level[w->depth++].place == CPU)
            w->cpu_named = w->cpu_off = w->cpu_sstc = false;
        while (p[used++]) // its name, and the NUL
            ;
        *error = 0;
        break;
    }
    case END_NODE:
        if (w->depth == 0)
            return false;
        *error = w->level[--w->depth].place == CPU ? cpu_end(w) : 0;
        break;
    case PROP: {
        if (left < 8)
            return false;
        u32 size = be32(p + 4), name = be32(p + 8);
        if (size > left - 8 || w->depth == 0 || name >= w->strings_size ||
            !terminated(w->strings + name, w->strings_size - name))
            return false;
        *error = property(w, &(struct prop){(const char *)w->strings + name, p + 12, size});
        used = 12 + size;
        break;
    }
    case NOP:
        *error = 0;
        break;
    case END:
        *error = w->depth ? "tree ends inside a node" : 0;
        return false;
    default:
        *error = "unknown word in the tree";
        return false;
    }
    w->at += (used + 3) & ~3u; // not past the end: left and structs_size are multiples of 4
    return !*error;
}

// A block of the tree, by two words of its header.
static bool block_ok(u64 total, u32 offset, u32 size, u32 align)
{
    return offset % align == 0 && offset >= FDT_HEADER && offset <= total && size <= total - offset;
}

u64 fdt_size(const u8 *blob)
{
    u32 total = be32(blob + 4);
    return be32(blob) == 0xd00dfeed && total >= FDT_HEADER && total <= FDT_MAX_SIZE ? total : 0;
}

static const char *memory_reservations(struct machine *m, const u8 *p, u32 size)
{
    for (; size >= 16; p += 16, size -= 16) {
        if (!be64(p) && !be64(p + 8))
            return 0;
        const char *error = reserve(m, be64(p), be64(p + 8));
        if (error)
            return error;
    }
    return "list of reserved memory without an end";
}

const char *fdt_parse(const u8 *blob, u64 size, u64 boot_hart, struct machine *m)
{
    if ((uintptr_t)blob % FDT_ALIGN || size < FDT_HEADER)
        return "no device tree";
    u64 total = fdt_size(blob);
    if (!total || total > size)
        return "no device tree";
    u32 structs = be32(blob + 8), strings = be32(blob + 12), reservations = be32(blob + 16);
    u32 version = be32(blob + 20), compatible = be32(blob + 24);
    u32 strings_size = be32(blob + 32), structs_size = be32(blob + 36);
    if (version < 17 || compatible > 17)
        return "device tree of another version";
    if (structs_size % 4 || !block_ok(total, structs, structs_size, 4) ||
        !block_ok(total, strings, strings_size, 1) || !block_ok(total, reservations, 16, 8))
        return "device tree's blocks are outside it";

    struct walk w = {.structs = blob + structs,
                     .strings = blob + strings,
                     .structs_size = structs_size,
                     .strings_size = strings_size,
                     .boot_hart = boot_hart,
                     .m = m};
    *m = (struct machine){.nharts = 1, .hart = {boot_hart}, .sstc = true};
    const char *error = memory_reservations(m, blob + reservations, (u32)total - reservations);
    while (!error && step(&w, &error))
        ;
    if (error)
        return error;
    if (m->ram.end <= m->ram.start || !w.boot_hart_seen || !m->timebase)
        return "no memory, boot hart or timebase";
    if ((m->initrd.start || m->initrd.end) && !in_range(&m->ram, m->initrd.start, m->initrd.end))
        return "initrd outside memory";
    return 0;
}
