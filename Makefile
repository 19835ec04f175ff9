# exv6: everything is built, run and tested from here.
#
#   make setup        install what is missing          make qemu       boot it; Ctrl-a x leaves
#   make              build all                        make qemu-gdb   boot it, waiting for a debugger
#   make test         every test                       make gdb        a debugger for make qemu-gdb
#   make bench        the figures                      make clean      remove what was built
#   make grade LAB=fork   grade a lab                  make doctor     are the tools there, and recent?
#   make run PROG='ls /'  one program                  make calls PROG='ls /'   and its kernel calls
#   make record, make replay   a run, and the same again     make replay-gdb   once more, under make gdb, backwards, too
#   make qemu RAM=build/ram                            make watch RAM=build/ram   beside it: what is going on in it
#   make demo-NAME    a demonstration for a lecture: bind cow quantum abort pct disk predicate two-libos crash
#   make trace PROG='ls /'   a run as a page for a browser; make trace RAM=build/ram   of a make qemu RAM=... BOOTARGS=trace=ring
#   make staff-check, handout, staff-notes, gradescope   for course staff: grade/staff.py
#
# Variables: CPUS=1..8 MEM=128M, BOOTARGS='words for the kernel', UPROGS+=NAME (also put user/NAME.c on the
# disk), DISK=FILE, RAM=FILE (the guest's memory, shared with host programs), QEMUEXTRA='...', DEFS=-DX,
# BUILD=build, PAGE=build/trace.html (make trace), TRACE_KB=16384 (its records, a hart), V=1 (show the commands).
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

$(if $(filter-out 1 2 3 4 5 6 7 8,$(CPUS)),$(error CPUS=$(CPUS): it is 1 to 8))

# Parts of the tree that are there. A part that is missing is not built, and nothing fails.
there = $(foreach f,$1,$(if $(wildcard $f),$f))

# Programs of the file system, each made of user/NAME.c or of user/NAME/*.c; `make UPROGS+=mine` adds user/mine.c. What
# several of them share is in ULIB.
override UPROGS += $(patsubst user/%.c,%,$(call there,$(patsubst %,user/%.c,\
    init sh ls cat echo wc grep head tail sort seq hexdump mkdir rm ln mv cp kill sleep date sync forktest ps top edit \
    poweroff))) usertests
# Programs that go wrong on purpose, for grade/shell.py: on the tests' disk only.
TESTPROGS := $(filter-out $(UPROGS),$(patsubst user/%.c,%,$(call there,$(patsubst %,user/%.c,\
    loop late fill crash freemem filetest chaos threadbench storebench callbench copybench shows stray))))
ULIB := $(call there,$(patsubst %,user/%.c,start ulib printf umalloc thread rpc shparse lineedit pathname))
# Images, each in an extent of its own: `first` is the machine's policy, which the kernel starts; tests boot
# others in its place, or have it start guest. NAME is made of user/NAME.c, user/NAME/ and the runtime in user/rt/; `unix` of libos/.
IMAGES := $(foreach i,first ktest minimal hello bench guest victim kv copier torment demo,$(if $(wildcard user/$i.c user/$i/*.c),$i)) $(if $(wildcard user/attack/zero.c),attack)
UNIX   := $(if $(wildcard libos/unix.ld),unix)

DEMOS := $(notdir $(wildcard grade/demos/*))

.PHONY: all setup doctor have-qemu have-gdb have-python have-browser qemu qemu-gdb gdb run calls watch trace record replay replay-gdb pictures $(DEMOS:%=demo-%) have-prog test host-test guest-test bench lab-base grade staff-check handout gradescope staff-notes clean FORCE
PROGRAMS := $(UPROGS:%=$(BUILD)/bin/%)
TESTPROGRAMS := $(TESTPROGS:%=$(BUILD)/bin/%) $(BUILD)/bin/xv6calls
FSIMG := $(if $(wildcard mkfs/mkfs.c),$(if $(filter first,$(IMAGES)),$(BUILD)/fs.img))
TESTIMG := $(FSIMG:%/fs.img=%/testfs.img)

# As many jobs as there are CPUs, unless the command line says otherwise.
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:

# What boots, and all that is built: the tests' images, too.
SYSTEM := $(BUILD)/kernel.elf $(FSIMG) compile_commands.json
all: $(SYSTEM) $(PROGRAMS) $(patsubst %,$(BUILD)/%.img,$(IMAGES) $(UNIX))

# ---- tools ---------------------------------------------------------------------------------------

# A browser is installed for the tests alone.
setup:
	@grade/setup install $(if $(filter test guest-test,$(MAKECMDGOALS)),browser)

# With setup among the goals it comes before all else, under -j too.
FIRST := $(filter setup,$(MAKECMDGOALS))

# The command for a tool, looked for once; without one make stops, after grade/setup has said what is wanted.
tool   = $(or $(shell grade/setup $1),$(error this needs a tool that is missing))
CROSS  = $(eval CROSS := $(call tool,cross))$(CROSS)
HOSTCC = $(eval HOSTCC := $(call tool,hostcc))$(HOSTCC)
QEMU   = $(eval QEMU := $(call tool,qemu))$(QEMU)
PYTHON = $(eval PYTHON := $(call tool,python))$(PYTHON)
GDB    = $(eval GDB := $(call tool,gdb))$(GDB)

CC      = $(CROSS)gcc
AR      = $(CROSS)ar
OBJCOPY = $(CROSS)objcopy
NM      = $(CROSS)nm

comma  := ,
empty  :=
space  := $(empty) $(empty)
WARN   := -Wall -Wextra -Wno-unused-parameter $(if $(CI),-Werror)
TARGET := -std=gnu11 -O2 -g $(WARN) -ffreestanding -fno-common -fno-pie -fno-stack-protector -mcmodel=medany \
          -fno-omit-frame-pointer -fno-strict-aliasing -msmall-data-limit=0 -MMD -MP
SOFT   := -march=rv64imac_zicsr_zifencei -mabi=lp64
HARD   := -march=rv64gc_zicsr_zifencei -mabi=lp64d
LINK   := -nostdlib -static -no-pie -Wl,--build-id=none,-z,max-page-size=4096,-z,noexecstack

# What a file is compiled with depends on its folder. Only programs use the floating-point registers.
KFLAGS := $(TARGET) $(SOFT) -Wstrict-prototypes -Wmissing-prototypes -Ikernel -Ikernel/include \
          -I$(BUILD)/include $(DEFS)
LFLAGS := $(TARGET) $(SOFT) -Ilibos -Iuser -I. -Ikernel/include -I$(BUILD)/include $(DEFS)
UFLAGS := $(TARGET) $(HARD) -fno-builtin -fno-delete-null-pointer-checks -Iuser -I. -Ikernel/include $(DEFS)
HFLAGS := -std=gnu11 -O1 -g $(WARN) -MMD -MP -Iuser -I. -Ikernel/include -Ikernel $(DEFS)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

flags = $(if $(filter kernel/%,$1),$(KFLAGS),\
    $(if $(findstring /image/,$1),$(LFLAGS),$(if $(filter $(foreach p,$(UPROGS) $(TESTPROGS) xv6,user/$p.c user/$p/%) $(ULIB) labs/%,$1),$(UFLAGS),$(LFLAGS))))

# Everything compiled is newer than this, which is newer than the last change of what compiles it.
BASIS := $(BUILD)/flags Makefile
$(BUILD)/flags: FORCE | $(FIRST)
	@mkdir -p $(@D); flags='$(CC) $(KFLAGS) $(LFLAGS) $(UFLAGS) $(HOSTCC) $(HFLAGS) $(SANITIZE)'; \
	    test "$$flags" = "$$(cat $@ 2>/dev/null)" || echo "$$flags" >$@

# One line a step; `make V=1` shows the commands.
Q   := $(if $(V),,@)
say = $(if $(V),,@echo '  $1')

# ---- where a file's object comes from -------------------------------------------------------------

# A lab's files (labs/NAME/files) may come from elsewhere: those named in SUBMITTED from OUT/src, and what is made of them
# lies in OUT, beside the build. Those of the labs named in STAFF, and those that this tree has not got, are supplied as
# objects of the staff's (labs/objects/, in a tree made by `make handout`). A kernel with a hole (labs/NAME/kernels/) is
# made in the same way.
OUT ?= $(BUILD)
SUBMITTED ?=
STAFF ?=
SUPPLIED := $(patsubst labs/objects/%.o,%,$(wildcard labs/objects/libos/*.o))
SUPPLIED := $(filter-out $(wildcard libos/*.[cS]),$(SUPPLIED)) $(if $(STAFF),$(filter $(SUPPLIED),\
    $(shell cat $(STAFF:%=labs/%/files))))
object  = $(if $(filter $1,$(SUBMITTED)),$(OUT)/sub/$1.o,$(if $(filter $1,$(SUPPLIED)),labs/objects/$1.o,$(BUILD)/$1.o))
objects = $(foreach f,$1,$(call object,$f))

# ---- kernel --------------------------------------------------------------------------------------

# offsets.c is not linked: its assembly has a line `->NAME value` for each offset that the .S files use.
KSRCS := $(filter-out kernel/offsets.c,$(sort $(wildcard kernel/*.c kernel/*.S)))
KOBJS := $(call objects,$(KSRCS))
OFFSETS := $(if $(wildcard kernel/offsets.c),$(BUILD)/include/offsets.h)

$(BUILD)/%.c.o: %.c $(BASIS)
	$(call say,CC $<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(call flags,$<) -c -o $@ $<

$(BUILD)/%.S.o: %.S $(OFFSETS) $(BASIS)
	$(call say,AS $<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(call flags,$<) -c -o $@ $<

$(BUILD)/include/offsets.h: kernel/offsets.c $(BASIS)
	@mkdir -p $(@D) $(BUILD)/kernel
	$(Q)$(CC) $(KFLAGS) -MF $(BUILD)/kernel/offsets.d -MT $@ -S -o $(BUILD)/offsets.s $<
	$(Q)sed -n 's/^.*->\([A-Za-z_0-9]*\) \(.*\)$$/#define \1 \2/p' $(BUILD)/offsets.s >$@

# Linked twice: the second time with the names of its functions, which lie behind all text and so move none.
KLINK = $(CC) $(KFLAGS) $(LINK) -Wl,-T,kernel/kernel.ld
KTABLE := $(OUT)/kernel/symbols

$(OUT)/kernel.elf: $(KOBJS) kernel/kernel.ld kernel/symbols.awk
	$(call say,LD $@)
	@mkdir -p $(@D)/kernel
	$(Q)$(KLINK) -o $(KTABLE).elf $(KOBJS)
	$(Q)$(NM) -n $(KTABLE).elf | awk -f kernel/symbols.awk >$(KTABLE).S
	$(Q)$(CC) $(KFLAGS) -c -o $(KTABLE).o $(KTABLE).S
	$(Q)$(KLINK) -o $@ $(KOBJS) $(KTABLE).o

# ---- programs, images, disk ----------------------------------------------------------------------

# The names of the libOS's calls: entry n of the table at LIBOS_TABLE. A program's own functions come first.
$(BUILD)/calls.ld: user/kernel/syscall.h $(BASIS)
	@awk '$$2 == "LIBOS_TABLE" { at = $$3 } \
	    $$2 ~ /^SYS_/ { print "PROVIDE(" substr($$2, 5) " = " at " + 8 * " $$3 ");" }' $< >$@

$(BUILD)/user/ulib.a: $(ULIB:%=$(BUILD)/%.o)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define program_rule
$(BUILD)/bin/$1.elf: $$(patsubst %,$(BUILD)/%.o,$$(or $$(wildcard user/$1/*.c),user/$1.c)) $(BUILD)/user/ulib.a \
    user/user.ld $(BUILD)/calls.ld
	$$(call say,LD $$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(UFLAGS) $(LINK) -Wl,-T,user/user.ld -o $$@ $$(filter %.o,$$^) $(BUILD)/user/ulib.a \
	    $(BUILD)/calls.ld -lgcc
endef
$(foreach p,$(UPROGS) $(TESTPROGS),$(eval $(call program_rule,$p)))

$(PROGRAMS) $(TESTPROGRAMS): $(BUILD)/bin/%: $(BUILD)/bin/%.elf
	$(Q)$(OBJCOPY) --strip-debug $< $@

# The labs' test programs: labs/NAME/*.c and labs/NAME/hidden/*.c, each linked with the library of user/.
LABSRCS := $(wildcard labs/*/*.c labs/*/hidden/*.c)
define lab_program_rule
$(BUILD)/$(1:.c=.elf): $(BUILD)/$1.o $(BUILD)/user/ulib.a user/user.ld $(BUILD)/calls.ld
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(UFLAGS) $(LINK) -Wl,-T,user/user.ld -o $$@ $$< $(BUILD)/user/ulib.a $(BUILD)/calls.ld -lgcc
$(BUILD)/$(1:.c=): $(BUILD)/$(1:.c=.elf)
	$(Q)$$(OBJCOPY) --strip-debug $$< $$@
endef
$(foreach f,$(LABSRCS),$(eval $(call lab_program_rule,$f)))

# One program as xv6-riscv would have it, which asks for its calls by ecall.
$(BUILD)/bin/xv6calls.elf: $(BUILD)/user/xv6/xv6calls.c.o $(BUILD)/user/xv6/usys.S.o user/xv6/xv6.ld
	$(call say,LD $@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(UFLAGS) $(LINK) -Wl,-T,user/xv6/xv6.ld -o $@ $(filter %.o,$^)

# A submission is compiled and linked in a sandbox, if grade/ gives one; what was read for it is listed.
SANDBOX ?=
# A warning about a submission is for its author to read; it costs no points.
$(OUT)/sub/%.o: $(OUT)/src/% $(OFFSETS) $(BASIS)
	$(call say,CC $*)
	@mkdir -p $(@D)
	$(Q)$(SANDBOX) $(CC) $(filter-out -MMD -MP -Werror,$(call flags,$*)) -MD -MF $@.cpp -Wa,--MD,$@.as -c -o $@ $<

define image_rule
$(OUT)/$1.elf: $$(call objects,$$(wildcard user/$1.c user/$1/*.[cS] user/rt/*.[cS])) user/rt/image.ld
	$$(call say,LD $$@)
	$$(Q)$$(SANDBOX) $$(CC) $$(LFLAGS) $(LINK) -Wl,-T,user/rt/image.ld,--defsym,LOAD=0x40000000,--defsym,STACK=0x4000 \
	    -o $$@ $$(filter %.o,$$^)
endef
$(foreach i,$(IMAGES),$(eval $(call image_rule,$i)))

# Images that a lab's tests boot beside or in place of the Unix libOS: labs/NAME/image/IMAGE.c, with the files of libos/
# that labs/NAME/image/libos names.
LABIMAGES := $(wildcard labs/*/image/*.c)
define lab_image_rule
$(OUT)/$(basename $(notdir $1)).elf: $$(call objects,$1 $$(shell cat $(dir $1)libos) $$(wildcard user/rt/*.[cS])) user/rt/image.ld
	$$(call say,LD $$@)
	$$(Q)$$(SANDBOX) $$(CC) $$(LFLAGS) $(LINK) -Wl,-T,user/rt/image.ld,--defsym,LOAD=0x40000000,--defsym,STACK=0x8000 \
	    -o $$@ $$(filter %.o,$$^)
endef
$(foreach f,$(LABIMAGES),$(eval $(call lab_image_rule,$f)))

$(OUT)/unix.elf: $(call objects,$(sort $(wildcard libos/*.[cS]) $(SUPPLIED))) libos/unix.ld
	$(call say,LD $@)
	$(Q)$(SANDBOX) $(CC) $(LFLAGS) $(LINK) -Wl,-T,libos/unix.ld -o $@ $(filter %.o,$^)

$(OUT)/%.img: $(OUT)/%.elf
	$(Q)$(SANDBOX) $(OBJCOPY) -O binary $< $@

# Programs of this machine: mkfs and fsck, of mkfs/, the libOS's file system and the label's checks.
$(BUILD)/tools/%.c.o: %.c $(BASIS)
	$(call say,HOSTCC $<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HFLAGS) -O2 -fno-strict-aliasing -c -o $@ $<

TOOLSRCS := $(filter-out mkfs/mkfs.c mkfs/fsck.c mkfs/cuts.c,$(wildcard mkfs/*.c)) user/first/label.c \
    $(call there,$(patsubst %,libos/%.c,super direct fs inode dir path))
MKFS := $(call there,mkfs/mkfs.c mkfs/fsck.c mkfs/cuts.c)
$(MKFS:mkfs/%.c=$(BUILD)/%): $(BUILD)/%: $(BUILD)/tools/mkfs/%.c.o $(TOOLSRCS:%=$(BUILD)/tools/%.o)
	$(Q)$(HOSTCC) -o $@ $^

# Where the fields of the kernel's records lie, for what reads guest memory: grade/evidence.py.
RECORDS := kernel/include/exo/abi.h kernel/include/exo/trace.h
$(BUILD)/offsets.json: grade/offsets.py $(RECORDS) kernel/include/exo/types.h $(BASIS)
	@mkdir -p $(BUILD)/tools
	$(Q)$(PYTHON) grade/offsets.py $(RECORDS) >$(BUILD)/tools/offsets.c
	$(Q)$(HOSTCC) $(HFLAGS) -MF $(BUILD)/tools/offsets.d -o $(BUILD)/tools/offsets $(BUILD)/tools/offsets.c
	$(Q)$(BUILD)/tools/offsets >$@

# The disk. Account 1 keeps 20 environments; the Unix libOS gets the rest, and the pages and slots left. On both.img there
# is the key-value libOS besides, with an extent of its own: it does 30000 operations drawn from 7 (user/kv/kv.c).
$(TESTIMG): $(TESTPROGRAMS)
$(BUILD)/both.img: $(BUILD)/kv.img
$(BUILD)/both.img: BESIDE := --libos kv=$(BUILD)/kv.img --raw store=4M \
    --line 'name=kv image=kv pages=300 envs=1 slots=4 extents=store args=7.30000'
# A disk is made anew, without what was saved on it, when a program of it changed, or one is wanted that it has not got.
$(BUILD)/uprogs: FORCE | $(FIRST)
	@mkdir -p $(@D); for p in $(UPROGS); do grep -qx "$$p" $@ 2>/dev/null || { printf '%s\n' $(UPROGS) >$@; break; }; done

$(BUILD)/fs.img $(TESTIMG) $(BUILD)/both.img: $(BUILD)/mkfs $(BUILD)/first.img $(UNIX:%=$(BUILD)/%.img) $(PROGRAMS) $(BUILD)/uprogs \
    $(call there,README)
	$(call say,MKFS $@)
	$(Q)$(BUILD)/mkfs -o $@ -s 32M --boot $(BUILD)/first.img --swap 8M $(BESIDE) \
	    $(if $(UNIX),--libos unix=$(BUILD)/unix.img --line 'name=unix envs=100 extents=fs$(comma)swap console') \
	    $(filter $(PROGRAMS) $(TESTPROGRAMS) README,$^)

# ---- run -----------------------------------------------------------------------------------------

DISK    ?= $(FSIMG)
LAB     ?=
# Where GDB finds the machine: a socket of this build's, so that no two users meet. GDBPORT=N: a port of this host instead.
GDBPORT ?=
STUB    = -S -gdb $(if $(GDBPORT),tcp:localhost:$(GDBPORT),unix:$(BUILD)/gdb.sock$(comma)server=on$(comma)wait=off)
SHARED = -machine virt,memory-backend=ram \
    -object memory-backend-file,id=ram,size=$(MEM),mem-path=$(RAM),share=on
QEMUFLAGS = $(if $(RAM),$(SHARED),-machine virt) -m $(MEM) -smp $(CPUS) -nographic -no-reboot \
    $(if $(DISK),-global virtio-mmio.force-legacy=false \
        -drive file=$(DISK)$(comma)if=none$(comma)format=raw$(comma)id=disk \
        -device virtio-blk-device$(comma)drive=disk$(comma)bus=virtio-mmio-bus.0) \
    -kernel $(BUILD)/kernel.elf -append 'epoch=$(shell date +%s) $(BOOTARGS)' $(QEMUEXTRA)

# Silent if the tools are there, and recent enough.
doctor: | $(FIRST)
	@grade/setup doctor

have-qemu: | $(FIRST)
	@grade/setup doctor gmake cross hostcc qemu

have-gdb have-python have-browser: have-%: | $(FIRST)
	@grade/setup doctor $*

qemu: have-qemu $(SYSTEM) $(DISK) $(if $(RAM),$(BUILD)/offsets.json)
	@$(if $(RAM),rm -f $(RAM))
	$(Q)$(QEMU) $(QEMUFLAGS)

# Beside it, of a machine whose memory is a file: `make qemu RAM=build/ram` and `make watch RAM=build/ram`.
watch: have-python $(BUILD)/offsets.json
	@$(if $(RAM),,echo "RAM=FILE says which machine's: make qemu RAM=build/ram, make watch RAM=build/ram"; exit 2)
	@$(PYTHON) grade/watch.py --offsets $(BUILD)/offsets.json $(RAM)

qemu-gdb: have-qemu have-gdb $(SYSTEM) $(DISK) $(BUILD)/offsets.json
	@rm -f $(BUILD)/gdb.sock; echo '  waiting for make gdb in another terminal; Ctrl-a x leaves'
	$(Q)$(QEMU) $(QEMUFLAGS) $(STUB)

# One program, from the boot arguments: `make run PROG='grep exv6 README'`; QEMU ends with its exit status. `calls` shows
# then which kernel calls it made (grade/calls.py); TRACE_KB: of memory for them, on each hart.
PROG     ?=
TRACE_KB ?= 16384
run calls trace: override BOOTARGS += unattended run=$(subst $(space),$(comma),$(strip $(PROG)))
run: have-prog have-qemu $(SYSTEM) $(DISK)
	$(Q)$(QEMU) $(QEMUFLAGS)

calls trace: override BOOTARGS += trace=ring trace_kb=$(TRACE_KB)
calls: override RAM := $(BUILD)/calls.ram
calls: CPUS := 1
calls: have-prog have-qemu have-python $(SYSTEM) $(DISK) $(BUILD)/offsets.json
	@rm -f $(RAM)
	$(Q)$(QEMU) $(QEMUFLAGS) || echo "  exit status $$?"
	@$(PYTHON) grade/calls.py --offsets $(BUILD)/offsets.json $(RAM); rm -f $(RAM)

# A demonstration for a lecture: grade/demo.py; grade/demos/NAME says what to say.
$(DEMOS:%=demo-%): demo-%: have-qemu have-python lab-base $(SYSTEM) $(patsubst %,$(BUILD)/%.img,demo guest kv torment) $(BUILD)/bin/shows $(BUILD)/bin/threadbench
	@$(PYTHON) grade/demo.py --build $(BUILD) $*

# The trace of one program's run, or of a machine whose memory is RAM, running or not, as one page for a browser: PAGE.
PAGE ?= $(BUILD)/trace.html
ifneq ($(strip $(PROG)),)
trace: override RAM := $(BUILD)/trace.ram
trace: have-prog have-qemu have-python $(SYSTEM) $(DISK) $(BUILD)/offsets.json
	@rm -f $(RAM)
	$(Q)$(QEMU) $(QEMUFLAGS) || echo "  exit status $$?"
	@$(PYTHON) grade/tracepage.py --offsets $(BUILD)/offsets.json --out $(PAGE) $(RAM); status=$$?; rm -f $(RAM); exit $$status
else
trace: have-python $(BUILD)/offsets.json
	@$(if $(RAM),,echo "PROG='program word ...' or RAM=FILE says of what: make trace PROG='ls /'; or make qemu RAM=build/ram \
	    BOOTARGS=trace=ring, and make trace RAM=build/ram"; exit 2)
	@$(PYTHON) grade/tracepage.py --offsets $(BUILD)/offsets.json --out $(PAGE) $(RAM)
endif

# For README and slides: build/pictures.
pictures: have-qemu have-python have-browser lab-base $(SYSTEM) $(BUILD)/unix.img $(BUILD)/demo.img $(BUILD)/bin/shows $(BUILD)/bin/threadbench
	@$(PYTHON) grade/pictures.py --build $(BUILD)

have-prog:
	@$(if $(PROG),,echo "PROG='program word ...' says which program"; exit 2)
	@$(if $(findstring $(comma),$(PROG)),echo "PROG: a comma would begin another word: use the shell"; exit 2)

# A run in a machine of one hart with its disk in RAM, for `replay` to repeat exactly, and `replay-gdb` under make gdb: there
# it goes backwards, too. Of PROG alone, as `run`; or of what is typed; or, with LAB, of a graded test.
RECORDING = $(if $(LAB),$(BUILD)/lab/$(LAB)/replay,$(BUILD)/replay)
RECORD    = $(PYTHON) grade/record.py --folder $(RECORDING)
record: override BOOTARGS += $(if $(PROG),run=$(subst $(space),$(comma),$(strip $(PROG))))
record: $(if $(LAB),lab-base,have-qemu have-python $(SYSTEM) $(DISK))
	@$(if $(filter command,$(origin CPUS)),test $(CPUS) = 1 || { echo 'CPUS=$(CPUS): one hart is all that can be recorded'; exit 2; })
	@$(if $(findstring $(comma),$(PROG)),echo "PROG: a comma would begin another word: type it at make record's shell"; exit 2)
	@$(if $(LAB),$(GRADE) --record || test $$? = 1,$(RECORD) --build $(BUILD) --disk $(DISK) --mem $(MEM) --args '$(BOOTARGS)' record)

replay replay-gdb: have-qemu have-python
replay:
	@$(RECORD) replay

replay-gdb: have-gdb $(if $(LAB),record)
	@rm -f $(BUILD)/gdb.sock; $(RECORD) --listen $(or $(GDBPORT),$(BUILD)/gdb.sock) gdb

# GDB of make qemu-gdb and make replay-gdb; without Python in it there is no `exo`. KERNEL=FILE: another than this build's.
# No question is asked: nothing is loaded by itself, nothing fetched.
KERNEL  ?= $(BUILD)/kernel.elf
GDBARGS ?=
gdb: have-gdb $(BUILD)/offsets.json
	@$(if $(GDBPORT),,test -S $(BUILD)/gdb.sock || { echo 'no machine waits: make qemu-gdb, in another terminal'; exit 2; })
	$(Q)EXO_BUILD=$(BUILD) DEBUGINFOD_URLS= $(GDB) -q -iex 'set auto-load no' -ex 'set architecture riscv:rv64' \
	    -ex 'set trust-readonly-sections on' -ex 'set breakpoint pending off' $(if $(shell $(GDB) --configuration | grep -e --with-python),-x grade/exogdb.py) \
	    -ex 'target remote $(or $(GDBPORT:%=:%),$(BUILD)/gdb.sock)' $(GDBARGS) $(KERNEL)

# ---- tests ---------------------------------------------------------------------------------------

# grade/host/test_NAME.c includes the sources it tests and prints lines `ok NAME` and `not ok NAME: ...`.
HTESTS := $(patsubst grade/host/%.c,$(BUILD)/host/%,$(wildcard grade/host/test_*.c))

$(BUILD)/host/%.o: grade/host/%.c $(BASIS)
	$(call say,HOSTCC $<)
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) $(HFLAGS) $(SANITIZE) -c -o $@ $<

$(HTESTS): $(BUILD)/host/test_%: $(BUILD)/host/test_%.o
	$(Q)$(HOSTCC) $(SANITIZE) -o $@ $^

$(filter %/test_sh %/test_ulib,$(HTESTS)): $(BUILD)/host/shim.o

# Its threads switch stacks, which AddressSanitizer does not follow.
$(BUILD)/host/test_lock $(BUILD)/host/test_lock.o: SANITIZE := -fsanitize=undefined -fno-sanitize-recover=undefined

# Tests of the libOS's borders are grade/stubs.py's, those in QEMU run.py's, crash.py's and bench.py's; they print the
# same lines.
# $(call done,what,command): runs it, and says how it ended, and after how many seconds.
done = from=$$(date +%s); $(2); echo "done $(1) $$? $$(($$(date +%s) - from))";
# What those of the host say: they run beside each other, like all that make makes.
HOSTSAID := $(HTESTS:%=%.said)
$(HOSTSAID): %.said: % FORCE
	@{ $(call done,$<,$<) } >$@ 2>&1

# What grade/lab.py needs, but for what is made of a submission.
LABNEEDS := $(BUILD)/kernel.elf $(patsubst %,$(BUILD)/%.img,$(filter first victim guest,$(IMAGES))) $(BUILD)/mkfs $(BUILD)/fsck \
    $(BUILD)/cuts $(BUILD)/offsets.json $(PROGRAMS) $(patsubst %.c,$(BUILD)/%,$(LABSRCS)) $(LABIMAGES:%=$(BUILD)/%.o)
GUESTNEEDS := $(TESTIMG) $(LABNEEDS)
GUESTRUN = $(if $(wildcard grade/run.py),\
    $(call done,grade/stubs.py,$(PYTHON) grade/stubs.py --build $(BUILD) --cross '$(CROSS)') \
    $(call done,grade/run.py,$(PYTHON) grade/run.py --build $(BUILD)) \
    $(call done,grade/crash.py,$(PYTHON) grade/crash.py --build $(BUILD)) \
    $(call done,grade/bench.py,$(PYTHON) grade/bench.py --build $(BUILD) --test) \
    $(call done,grade/viewtest.py,$(PYTHON) grade/viewtest.py --build $(BUILD)) \
    $(call done,grade/labtest.py,$(PYTHON) grade/labtest.py --build $(BUILD)) \
    $(call done,grade/staff.py,$(PYTHON) grade/staff.py --build $(BUILD) quick),:;)

host-test: $(HOSTSAID)
	@cat /dev/null $(HOSTSAID) | awk -f grade/count.awk

guest-test: have-qemu have-browser all $(GUESTNEEDS)
	@{ $(GUESTRUN) } | awk -f grade/count.awk

test: have-qemu have-browser all $(HOSTSAID) $(GUESTNEEDS)
	@{ cat /dev/null $(HOSTSAID); $(GUESTRUN) } | awk -f grade/count.awk

bench: have-qemu all $(GUESTNEEDS)
	$(Q)$(PYTHON) grade/bench.py --build $(BUILD)

# ---- labs ----------------------------------------------------------------------------------------

TEST   ?=
SEED   ?=
SEEDS  ?=
SUBMIT ?=

# What grade/lab.py needs of the tree itself, whatever is graded: so make is run a second time for the submission alone.
lab-base: have-qemu have-python $(LABNEEDS)

GRADE = $(PYTHON) grade/lab.py --build $(BUILD) $(if $(TEST),--test '$(TEST)') $(if $(SEED),--seed $(SEED)) \
    $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SUBMIT),--submit '$(SUBMIT)') $(if $(LAB),'$(LAB)')
grade: lab-base
	@$(GRADE)

staff-check: all lab-base
	@$(PYTHON) grade/staff.py --build $(BUILD) check $(LAB)

# The students' tree: `make handout LABS="vm fork" HANDOUT=DIR`; STAFF="vm": the staff's object of it goes along.
LABS    ?=
HANDOUT ?=
SUBMISSIONS ?=

handout: all
	@test -n '$(LABS)' -a -n '$(HANDOUT)' || { echo 'make handout LABS="fork ..." HANDOUT=DIR'; exit 2; }
	@$(PYTHON) grade/staff.py --build $(BUILD) --to '$(HANDOUT)' --staff '$(STAFF)' handout $(LABS)

# For Gradescope: a zip with setup.sh and run_autograder at its root.
gradescope: have-python
	@test -n '$(LAB)' || { echo 'make gradescope LAB=fork'; exit 2; }
	@$(PYTHON) grade/staff.py --build $(BUILD) gradescope $(LAB)

staff-notes:
	@$(PYTHON) grade/staff.py notes $(SUBMISSIONS)

# ---- the rest ------------------------------------------------------------------------------------

# For clangd: how each source is compiled. A folder is newer than this when files came or went.
CSRCS := $(filter %.c,$(KSRCS)) $(wildcard libos/*.c) $(wildcard user/*.c user/*/*.c)
compile_commands.json: $(BASIS) $(wildcard kernel libos user)
	@{ echo '['; $(foreach f,$(CSRCS),echo '$(if $(filter-out $(firstword $(CSRCS)),$f),$(comma)){"directory":\
	"$(CURDIR)"$(comma) "file": "$f"$(comma) "command": \
	"$(CC) $(filter-out -MMD -MP,$(call flags,$f)) -c $f"}';) \
	echo ']'; } >$@

clean:
	rm -rf $(BUILD) compile_commands.json

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d)
