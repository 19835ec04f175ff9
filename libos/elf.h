// ELF64 as far as programs need it: what exec loads, and where a fault's report finds the names of functions.
#ifndef EXV6_ELF_H
#define EXV6_ELF_H

#include <exo/types.h>

#define ELF_MAGIC   0x464c457f
#define ELF_CLASS64 2
#define ELF_LITTLE  1
#define ELF_VERSION 1
#define ELF_EXEC    2
#define ELF_RISCV   243

#define ELF_LOAD   1 // segment types
#define ELF_X      1 // segment flags
#define ELF_W      2
#define ELF_R      4
#define ELF_SYMTAB 2 // section type
#define ELF_FUNC   2 // symbol type

struct elf_header {
    u32 magic;
    u8 class, order, version, abi;
    u8 pad[8];
    u16 type, machine;
    u32 version2;
    u64 entry;
    u64 phoff, shoff;
    u32 flags;
    u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
    u32 type, flags;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_section {
    u32 name, type;
    u64 flags, addr, offset, size;
    u32 link, info;
    u64 align, entsize;
};

struct elf_symbol {
    u32 name;
    u8 info, other; // type is info & 15
    u16 section;
    u64 value, size;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF header");
_Static_assert(sizeof(struct elf_segment) == 56, "ELF program header");
_Static_assert(sizeof(struct elf_section) == 64, "ELF section header");
_Static_assert(sizeof(struct elf_symbol) == 24, "ELF symbol");

#endif
