# exv6: everything is built, run and tested from here.
#
#   make setup        install what is missing          make qemu       boot it; Ctrl-a x leaves
#   make              build all                        make qemu-gdb   boot it, waiting for a debugger
#   make test         every test                       make gdb        a debugger for make qemu-gdb
#   make bench        the figures                      make clean      remove what was built
#
# Variables: CPUS=1..8 MEM=128M, BOOTARGS='words for the kernel', UPROGS+=NAME (one more program, user/NAME.c),
# DEFS=-DX, RAM=FILE (the guest's memory, shared with host programs), QEMUEXTRA='...', BUILD=build.
#
# The cross compiler is looked for when a recipe first needs it, not while this file is read, so that
# `make setup qemu` works on a machine that has none yet.

CPUS      ?= 2
MEM       ?= 128M
BUILD     ?= build
BOOTARGS  ?=
DEFS      ?=
RAM       ?=
QEMUEXTRA ?=
QEMU      ?= qemu-system-riscv64
HOSTCC    ?= gcc
PYTHON    ?= python3

# Programs of the file system image, those of them that exist; `make UPROGS+=mine` adds user/mine.c.
override UPROGS += $(foreach p,init sh ls cat echo wc grep mkdir rm ln kill forktest ps poweroff,\
    $(if $(wildcard user/$p.c),$p))
# Flat images that the kernel can start: the machine's policy, and others that tests boot instead.
FLATS := $(foreach p,first ktest minimal,$(if $(wildcard user/$p.c),$p))

.PHONY: all setup doctor qemu qemu-gdb gdb test host-test bench clean FORCE
.DELETE_ON_ERROR:
.SUFFIXES:

all: $(BUILD)/kernel.elf

# ---- tools -----------------------------------------------------------------------------------------------------

CROSS    = $(eval CROSS := $(shell grade/setup cross))$(or $(CROSS),$(error no cross compiler))
CC       = $(CROSS)gcc
OBJCOPY  = $(CROSS)objcopy
NM       = $(CROSS)nm

setup:
	@grade/setup install $(filter test,$(MAKECMDGOALS))

# With setup among the goals, it comes before all else, under -j too.
FIRST := $(filter setup,$(MAKECMDGOALS))

WARN     := -Wall -Wextra $(if $(CI),-Werror)
COMMON   := -std=gnu11 -O2 -g $(WARN) -ffreestanding -fno-common -fno-pie -fno-stack-protector -mcmodel=medany \
            -fno-omit-frame-pointer -msmall-data-limit=0 -MMD -MP
KFLAGS   := $(COMMON) -march=rv64imac_zicsr_zifencei -mabi=lp64 -fno-strict-aliasing -Wstrict-prototypes \
            -Wmissing-prototypes -Ikernel -Ikernel/include -I$(BUILD)/include $(DEFS)
LINK     := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack
HOSTFLAGS := -std=gnu11 -O1 -g $(WARN) -MMD -MP -Ikernel/include $(DEFS)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -Ikernel -I.

# Holds the flags of the last build; newer than every object when they have changed.
$(BUILD)/flags: FORCE | $(FIRST)
	@mkdir -p $(@D)
	@flags='$(CC) $(KFLAGS) $(HOSTCC) $(HOSTFLAGS)'; \
	    test "$$flags" = "$$(cat $@ 2>/dev/null)" || echo "$$flags" >$@

BASIS := $(BUILD)/flags Makefile

# ---- kernel ----------------------------------------------------------------------------------------------------

KSRCS := $(filter-out kernel/offsets.c,$(sort $(wildcard kernel/*.c kernel/*.S)))
KOBJS := $(KSRCS:%=$(BUILD)/%.o)

$(BUILD)/%.c.o: %.c $(BASIS)
	@mkdir -p $(@D)
	$(CC) $(KFLAGS) -c -o $@ $<

$(BUILD)/%.S.o: %.S $(BASIS)
	@mkdir -p $(@D)
	$(CC) $(KFLAGS) -c -o $@ $<

# Linked twice: the second time with the names of its functions, which lie behind all text and so move none.
KLINK = $(CC) $(KFLAGS) $(LINK) -Wl,-T,kernel/kernel.ld
KTABLE := $(BUILD)/kernel/symbols

$(BUILD)/kernel.elf: $(KOBJS) kernel/kernel.ld kernel/symbols.awk
	$(KLINK) -o $(KTABLE).elf $(KOBJS)
	$(NM) -n $(KTABLE).elf | awk -f kernel/symbols.awk >$(KTABLE).S
	$(CC) $(KFLAGS) -c -o $(KTABLE).o $(KTABLE).S
	$(KLINK) -o $@ $(KOBJS) $(KTABLE).o

# ---- run -------------------------------------------------------------------------------------------------------

QEMUFLAGS = -machine virt$(if $(RAM),$(comma)memory-backend=ram) -m $(MEM) -smp $(CPUS) -nographic -no-reboot \
    $(if $(RAM),-object memory-backend-file$(comma)id=ram$(comma)size=$(MEM)$(comma)mem-path=$(RAM)$(comma)share=on) \
    -kernel $(BUILD)/kernel.elf $(if $(BOOTARGS),-append '$(BOOTARGS)') $(QEMUEXTRA)
comma := ,

qemu: all
	@grade/setup qemu $(QEMU)
	$(QEMU) $(QEMUFLAGS)

clean:
	rm -rf $(BUILD) compile_commands.json

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d)
