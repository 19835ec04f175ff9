// Tests of the kernel's device tree parser on the host: what it finds in a tree like QEMU's, that it refuses
// what is wrong with its own words, and that no change to any byte makes it read outside the tree. Every tree
// is parsed in a heap block of exactly its size, so that AddressSanitizer sees the first byte too far.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernel/fdt.c"

static int checks, failures;

static void check_text(const char *name, const char *expected, const char *saw) {
    checks++;
    if ((expected && saw) ? !strcmp(expected, saw) : expected == saw) {
        printf("ok fdt: %s\n", name);
        return;
    }
    failures++;
    printf("not ok fdt: %s: expected %s, saw %s\n", name, expected ? expected : "no error",
           saw ? saw : "no error");
}

static void check(const char *name, u64 expected, u64 saw) {
    char e[32], s[32];
    snprintf(e, sizeof(e), "0x%llx", (unsigned long long)expected);
    snprintf(s, sizeof(s), "0x%llx", (unsigned long long)saw);
    check_text(name, e, s);
}

// ---- a tree, written as it is read: nodes and properties in order ----

static u8 structs[8192], strings[4096], tree[16384];
static u32 nstructs, nstrings;
static u32 version = 17;

static void put(u32 v) {
    u8 b[4] = {v >> 24, v >> 16, v >> 8, v};
    memcpy(structs + nstructs, b, 4);
    nstructs += 4;
}

static void put_bytes(const void *p, u32 n) {
    memcpy(structs + nstructs, p, n);
    memset(structs + nstructs + n, 0, -n & 3);
    nstructs += (n + 3) & ~3u;
}

static void node(const char *name) {
    put(BEGIN_NODE);
    put_bytes(name, strlen(name) + 1);
}

static void end(void) { put(END_NODE); }

static void prop(const char *name, const void *value, u32 size) {
    put(PROP);
    put(size);
    put(nstrings);
    strcpy((char *)strings + nstrings, name);
    nstrings += strlen(name) + 1;
    put_bytes(value, size);
}

static void text(const char *name, const char *value) { prop(name, value, strlen(value) + 1); }

// n 32-bit words.
static void put_cells(const char *name, u32 n, const u32 *v) {
    u8 b[64];
    for (u32 i = 0; i < n * 4; i++) b[i] = v[i / 4] >> (24 - i % 4 * 8);
    prop(name, b, n * 4);
}
#define CELLS(name, ...) put_cells(name, sizeof((u32[]){__VA_ARGS__}) / 4, (u32[]){__VA_ARGS__})

static void word(u32 at, u32 v) {
    u8 b[4] = {v >> 24, v >> 16, v >> 8, v};
    memcpy(tree + at, b, 4);
}

// Header, one empty reservation, structure block, strings. Returns the size.
static u32 seal(void) {
    u32 r = 40, s = r + 16, t = s + nstructs, total = t + nstrings;
    memset(tree, 0, sizeof(tree));
    memcpy(tree + s, structs, nstructs);
    memcpy(tree + t, strings, nstrings);
    u32 header[] = {0xd00dfeed, total, s, t, r, version, 16, 0, nstrings, nstructs};
    for (u32 i = 0; i < 10; i++) word(i * 4, header[i]);
    return total;
}

static void start(void) {
    nstructs = nstrings = 0;
    node("");
    CELLS("#address-cells", 2);
    CELLS("#size-cells", 2);
}

static void cpu(u32 id, const char *isa) {
    char name[16];
    snprintf(name, sizeof(name), "cpu@%x", id);
    node(name);
    CELLS("reg", id);
    if (isa) text("riscv,isa", isa);
    node("interrupt-controller");
    CELLS("#interrupt-cells", 1);
    end();
    end();
}

static void cpus(u32 n) {
    node("cpus");
    CELLS("#address-cells", 1);
    CELLS("#size-cells", 0);
    CELLS("timebase-frequency", 10000000);
    for (u32 i = 0; i < n; i++) cpu(i, "rv64imafdch_zicsr_zba_sstc");
    end();
}

static void memory(u32 high, u32 low, u32 size_high, u32 size_low) {
    node("memory@80000000");
    text("device_type", "memory");
    CELLS("reg", high, low, size_high, size_low);
    end();
}

static u32 finish(void) {
    end();
    put(END);
    return seal();
}

static struct machine m;

// In a block of `size` bytes, not one more.
static const char *parse(u32 size, u64 hart) {
    u8 *block = malloc(size ? size : 1);
    memcpy(block, tree, size);
    const char *error = fdt_parse(block, size, hart, &m);
    free(block);
    return error;
}

static u32 good(u32 harts) {
    start();
    node("chosen");
    text("bootargs", "unattended seed=7");
    prop("rng-seed", "0123456789abcdef0123456789abcdef", 32);
    CELLS("linux,initrd-start", 0x84200000);
    CELLS("linux,initrd-end", 0, 0x84300010);
    end();
    node("reserved-memory");
    CELLS("#address-cells", 2);
    CELLS("#size-cells", 2);
    node("mmode_resv0@80000000");
    CELLS("reg", 0, 0x80000000, 0, 0x40000);
    end();
    node("two");
    CELLS("reg", 0, 0x87ffe800, 0, 0x100, 0, 0x87fff000, 0, 0x1000);
    end();
    node("by-size");
    CELLS("size", 0, 0x1000);
    end();
    end();
    memory(0, 0x80000000, 0, 0x08000000);
    put(NOP);
    cpus(harts);
    node("soc");
    node("memory@1000"); // no memory of ours: not under the root
    CELLS("reg", 0, 0, 0, 0x90000000);
    end();
    end();
    return finish();
}

static void test_good(void) {
    u32 size = good(3);
    check_text("a good tree", NULL, parse(size, 1));
    check("memory starts with the kernel", 0x80200000, m.ram.start);
    check("memory ends before what is reserved", 0x87ffe000, m.ram.end);
    check("harts", 3, m.nharts);
    check("the boot hart is first", 1, m.hart[0]);
    check("the others follow", 0x0002, m.hart[1] << 8 | m.hart[2]);
    check("Sstc", 1, m.sstc);
    check("timebase", 10000000, m.timebase);
    check_text("boot arguments", "unattended seed=7", m.bootargs);
    check("seed", 32, m.seed_size);
    check("seed's last byte", 'f', m.seed[31]);
    check("initrd of 32 bits starts", 0x84200000, m.initrd.start);
    check("initrd of 64 bits ends", 0x84300010, m.initrd.end);
    size = good(12);
    check_text("twelve harts", NULL, parse(size, 11));
    check("of which eight are used", 8, m.nharts);
    check("the boot hart among them", 11, m.hart[0]);
}

// One thing at a time is different from what QEMU says.
static void test_strange(void) {
    start();
    memory(0, 0x80000000, 0, 0x01000000);
    node("memory@100000000");
    CELLS("reg", 1, 0, 0, 0x08000000);
    end();
    cpus(1);
    check_text("two banks", NULL, parse(finish(), 0));
    check("the one with the kernel is used", 0x81000000, m.ram.end);
    check("no initrd", 0, m.initrd.end);

    start();
    memory(0, 0x80000000, 0xffffffff, 0xffffffff);
    cpus(1);
    check_text("memory that wraps around", NULL, parse(finish(), 0));
    check("ends at the limit", RAM_LIMIT, m.ram.end);

    start();
    memory(0, 0x80000801, 0, 0x01000000);
    cpus(1);
    check_text("memory of an odd end", NULL, parse(finish(), 0));
    check("ends with a page", 0x81000000, m.ram.end);

    start();
    memory(0, 0x80000000, 0, 0x01000000);
    node("cpus");
    CELLS("timebase-frequency", 1);
    cpu(0, "rv64imac_sstcx_xsstc");
    cpu(64, "rv64imac_sstc");
    end();
    check_text("other cpus", NULL, parse(finish(), 0));
    check("number 64 is not used", 1, m.nharts);
    check("sstcx and xsstc are not sstc", 0, m.sstc);

    start();
    memory(0, 0x80000000, 0, 0x01000000);
    cpus(1);
    node("reserved-memory");
    node("late");
    CELLS("reg", 0, 0x80f00000, 0, 0x1000);
    end();
    node("none");
    CELLS("reg", 0, 0x80e00000, 0, 0);
    end();
    end();
    check_text("reserved memory after memory", NULL, parse(finish(), 0));
    check("ends the memory", 0x80f00000, m.ram.end);
}

static void without(const char *name, const char *error, int memory_too, int cpus_too) {
    start();
    if (memory_too) memory(0, 0x80000000, 0, 0x01000000);
    if (cpus_too) cpus(2);
    check_text(name, error, parse(finish(), 0));
}

static void test_bad(void) {
    without("no memory", "no memory, boot hart or timebase", 0, 1);
    without("no cpus", "no memory, boot hart or timebase", 1, 0);
    u32 size = good(2);
    check_text("a boot hart past the limit", "no memory, boot hart or timebase", parse(size, 64));
    check_text("no room for a header", "no device tree", parse(39, 0));
    check_text("cut short", "no device tree", parse(size - 1, 0));
    tree[0] = 0;
    check_text("no magic number", "no device tree", parse(size, 0));
    seal();
    word(4, 0xfffffff0);
    check_text("a size past the limit", "no device tree", parse(size, 0));
    version = 16;
    seal();
    check_text("an old version", "device tree of another version", parse(size, 0));
    version = 17;
    seal();
    word(8, size);
    check_text("structures outside", "device tree's blocks are outside it", parse(size, 0));
    seal();
    word(36, 0xfffffffc);
    check_text("a structure block too large", "device tree's blocks are outside it", parse(size, 0));
    seal();
    word(8, 90);
    check_text("structures not aligned", "device tree's blocks are outside it", parse(size, 0));
    seal();
    word(36, nstructs - 4);
    check_text("no end mark", "tree without an end", parse(size, 0));

    static char many[2000];
    memset(many, 'x', sizeof(many) - 1);
    start();
    for (u32 i = 0; i < 100; i++) node("n");
    check_text("too deep", "name of a node too long", parse(finish(), 0));
    start();
    node(many);
    check_text("a long name", "name of a node too long", parse(finish(), 0));
    start();
    text(many, "");
    check_text("a long name of a property", "name of a property too long", parse(finish(), 0));
    start();
    put(7);
    check_text("an unknown word", "unknown word in the tree", parse(finish(), 0));
    start();
    put(PROP);
    put(0x7fffffff);
    put(0);
    check_text("a property too long", "property outside the tree", parse(finish(), 0));
    start();
    put(PROP);
    put(0);
    put(0x7fffffff);
    check_text("a property without a name", "property outside the tree", parse(finish(), 0));
    start();
    CELLS("#address-cells", 1);
    check_text("addresses of one cell", "numbers of a strange size", parse(finish(), 0));
    start();
    node("cpus");
    CELLS("#address-cells", 2);
    check_text("cpus of two cells", "numbers of a strange size", parse(finish(), 0));
    start();
    node("cpus");
    node("cpu@0");
    CELLS("reg", 0, 0);
    check_text("a cpu of two cells", "cpu of a strange number", parse(finish(), 0));
    start();
    node("cpus");
    node("cpu@0");
    prop("riscv,isa", "rv64", 4);
    check_text("text without an end", "text without an end", parse(finish(), 0));
    start();
    node("chosen");
    CELLS("linux,initrd-start", 0x70000000);
    CELLS("linux,initrd-end", 0x90000000);
    end();
    memory(0, 0x80000000, 0, 0x01000000);
    cpus(1);
    check_text("initrd outside memory", "initrd outside memory", parse(finish(), 0));
    start();
    node("chosen");
    text("bootargs", many);
    check_text("boot arguments too long", "boot arguments too long", parse(finish(), 0));
    start();
    node("reserved-memory");
    node("r");
    CELLS("reg", 0, 0x80000000, 0, 0x201000);
    check_text("the kernel reserved", "the kernel's own memory is reserved", parse(finish(), 0));
}

static u64 random_state = 1;

static u32 draw(u32 n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (u32)(random_state >> 32) % n;
}

// What holds of every tree that is accepted.
static int sound(void) {
    int ok = m.nharts >= 1 && m.nharts <= EXO_NHART && m.timebase && m.seed_size <= sizeof(m.seed) &&
             memchr(m.bootargs, 0, sizeof(m.bootargs)) && m.ram.start == KERNEL_PA && KERNEL_PA < m.ram.end &&
             m.ram.end <= RAM_LIMIT && m.ram.end % EXO_PAGE == 0;
    for (u32 i = 0; i < m.nharts; i++) ok = ok && m.hart[i] < MAX_HART_ID && (!i || m.hart[i] != m.hart[0]);
    return ok && (!m.initrd.end || (m.initrd.start < m.initrd.end && m.initrd.end <= m.ram.end));
}

static void test_mutations(void) {
    static const u32 edges[] = {0, 1, 2, 3, 4, 9, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    u32 unsound = 0, accepted = 0, size = good(2);
    static u8 original[sizeof(tree)];
    memcpy(original, tree, sizeof(tree));
    for (u32 i = 0; i < 200000; i++) {
        memcpy(tree, original, sizeof(tree));
        for (u32 n = 1 + draw(4); n; n--) {
            switch (draw(3)) {
            case 0: tree[draw(size)] ^= 1u << draw(8); break;
            case 1: tree[draw(size)] = draw(256); break;
            default: word(draw(size / 4) * 4, edges[draw(10)]);
            }
        }
        if (!parse(draw(8) ? size : draw(size), draw(3))) {
            accepted++;
            unsound += !sound();
        }
    }
    check("200,000 changed trees: accepted ones are sound", 0, unsound);
    check("some are accepted", 1, accepted > 1000 && accepted < 199000);
}

int main(void) {
    test_good();
    test_strange();
    test_bad();
    test_mutations();
    return failures > 0;
}
