"""What `make gdb` knows of exv6 beyond symbols; GDB's Python loads it (gdb -x), nothing else does.

    exo envs            environments, and the image and program of each; * runs on this hart
    exo slots           which environment each slot of each hart is for
    exo page PPN        a page's record, and where it is bound
    exo pt VA [EID]     how an address is translated, level by level
    exo trace [N]       the last N records of the kernel's trace (BOOTARGS=trace=ring)
    exo symbols [NAME]  those of the program and image that run here, as at each stop; or those of the program NAME
    exo break NAME PLACE   a breakpoint in the program or image NAME alone
    $exo_in("NAME")     for conditions: whether NAME is what runs; $exo_eid(): who

Page numbers and eids are in hexadecimal, as ps and these commands show them. At each stop the symbols of the running
environment's program and image take the place of the last one's. Which they are is told by what lies in its memory: the
ELF file of the build that has the same text.

All is read from the guest's physical memory, by layouts that the build made of the kernel's headers (evidence.py), so it
is the same whichever address space is in force.
"""
import contextlib
import glob
import os
import struct
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import evidence  # noqa: E402  pylint: disable=wrong-import-position

PAGE = 4096
PTE_V, PTE_RWX = 1, 14
IMAGE, PROGRAM = 0x40000000, 0  # where the text of either is, whatever it begins with
DIRECT = (1 << 38) - 1          # of a kernel address, the bits that are the physical one
USER_END = 1 << 38


class Elf:
    """What a file's executable segments hold."""

    def __init__(self, path):
        self.path, self.segments = path, []
        with open(path, 'rb') as f:
            self.raw = f.read(PAGE)
            size, n = struct.unpack_from('<HH', self.raw, 54)
            f.seek(struct.unpack_from('<Q', self.raw, 32)[0])
            headers = f.read(size * n)
            for kind, flags, offset, va, _, length, _, _ in struct.iter_unpack('<IIQQQQQQ', headers):
                if kind == 1 and flags & 1:
                    f.seek(offset)
                    self.segments.append((va, f.read(length)))

    def page(self, va):
        """A page of text, or None if it has none there."""
        for start, text in self.segments:
            if start <= va < start + len(text):
                return text[va - start:va - start + PAGE].ljust(PAGE, b'\0')
        return None


class Files:
    """The build's programs and images, by the first page of their text."""

    def __init__(self, build):
        self.build, self.found = build, {PROGRAM: {}, IMAGE: {}}
        for pattern in ('*.elf', 'bin/*.elf', 'labs/*/*.elf', 'labs/*/hidden/*.elf', 'lab/*/*.elf'):
            for path in sorted(glob.glob(f'{build}/{pattern}')):
                self.add(path)

    def add(self, path):
        try:
            elf = Elf(path)
        except (OSError, struct.error):
            return
        for base, found in self.found.items():
            if elf.page(base):
                found.setdefault(elf.page(base), []).append(elf)

    def match(self, base, read):
        """The path of the file whose text is at `base`, given read(va): a page there, or None."""
        found, va = self.found[base].get(read(base), []), base + PAGE
        while len(found) > 1:
            there = read(va)
            if not there:
                break
            found = [elf for elf in found if elf.page(va) == there] or found[:1]
            va += PAGE
        return found[0].path if found else None

    def named(self, name):
        for base in (PROGRAM, IMAGE):
            for elves in self.found[base].values():
                for elf in elves:
                    if short(elf.path) == name:
                        return base, elf.path
        raise gdb.GdbError(f'exo: {name}: no program or image of that name was built in {self.build}')


def short(path):
    return os.path.splitext(os.path.basename(path))[0] if path else '-'


@contextlib.contextmanager
def physical():
    """GDB's addresses are physical ones meanwhile: QEMU's stub can do that."""
    def mode(on):
        if '"OK"' not in gdb.execute(f'maintenance packet Qqemu.PhyMemMode:{on}', to_string=True):
            raise gdb.GdbError('exo: this is no QEMU, or there is no machine: make qemu-gdb')
    mode(1)
    try:
        yield
    finally:
        mode(0)


class Machine(evidence.Evidence):
    """The machine under GDB."""

    def __init__(self, build):  # pylint: disable=super-init-not-called
        self.layout = evidence.Layout(f'{build}/offsets.json')
        self.find('this machine', f'{build}/offsets.json')

    def peek(self, pa, n):
        with physical():
            try:
                return gdb.selected_inferior().read_memory(pa, n).tobytes()
            except gdb.MemoryError as error:
                raise evidence.NoEvidence(f'{pa:#x} is not in this memory') from error

    def env(self, eid):
        at = eid & self.layout.defines['EXO_EID_INDEX']
        env = self.table('envs', at, 1)[0] if at < self.head['envs']['n'] else {'eid': 0}
        return env if eid and env['eid'] == eid else None

    def running(self):
        """The environment that runs on the selected thread's hart, or None."""
        kernel = gdb.objfiles()[0].lookup_global_symbol('harts')
        if not kernel:
            return None
        harts, hart = int(kernel.value().address), kernel.type.target()
        cur = next(f.bitpos // 8 for f in hart.fields() if f.name == 'cur')
        frame, user = gdb.newest_frame(), int(gdb.parse_and_eval('$priv')) == 0
        for register in ('sscratch',) if user else ('tp', 'sscratch'):  # kernel/trap.S
            at = (int(frame.read_register(register)) & (1 << 64) - 1) - (harts & (1 << 64) - 1)
            if 0 <= at < kernel.type.sizeof and at % hart.sizeof == 0:
                env = struct.unpack('<Q', self.peek((harts + at + cur) & DIRECT, 8))[0]
                return self.env(struct.unpack('<I', self.peek(env & DIRECT, 4))[0]) if env else None
        return None

    def walk(self, root, va):
        """(level, where the entry lies, entry) from the root on, as long as there is a next one."""
        ppn = root
        for level in (2, 1, 0):
            at = ppn * PAGE + (va >> 12 + 9 * level & 511) * 8
            pte = struct.unpack('<Q', self.peek(at, 8))[0]
            yield level, at, pte
            if not pte & PTE_V or pte & PTE_RWX:
                return
            ppn = pte >> 10 & (1 << 44) - 1

    def page_at(self, root, va):
        """What lies in the page of an address space, or None."""
        *_, (level, _, pte) = self.walk(root, va)
        return self.peek((pte >> 10 & (1 << 44) - 1) * PAGE, PAGE) if level == 0 and pte & PTE_V else None

    def bound(self, root, ppn):
        """The user addresses at which an address space binds a page."""
        def look(table, level, va):
            for i, pte in enumerate(struct.unpack('<512Q', self.peek(table * PAGE, PAGE))):
                to, at = pte >> 10 & (1 << 44) - 1, va + (i << 12 + 9 * level)
                if not pte & PTE_V or at >= USER_END:
                    continue
                if level and not pte & PTE_RWX:
                    yield from look(to, level - 1, at)
                elif not level and to == ppn:
                    yield at, pte
        return look(root, 2, 0)

    def last(self, n):
        """The newest n records of all harts."""
        records, size = [], self.layout.size('trace_rec')
        for ring in self.read()['ring'][:self.head['nharts']]:
            for i in range(max(0, ring['head'] - min(n, ring['n'])), ring['head']):
                records.append(self.decode(self.peek(ring['pa'] + i % ring['n'] * size, size)))
        return sorted((r for r in records if r['seq']), key=lambda r: r['seq'])[-n:]


class Followed:
    """Whose symbols GDB has, beside the kernel's."""

    def __init__(self, build):
        self.build, self.files, self.loaded = build, None, {PROGRAM: None, IMAGE: None}

    def who(self):
        """(machine, the environment that runs); None of it if the kernel has not come that far."""
        try:
            machine = Machine(self.build)
            return machine, machine.running()
        except (evidence.NoEvidence, gdb.error, OSError):
            return None, None

    def of(self, machine, env):
        """(program, image) of an environment: paths, or None."""
        self.files = self.files or Files(self.build)
        return tuple(self.files.match(base, lambda va: machine.page_at(env['root'], va)) for base in (PROGRAM, IMAGE))

    def load(self, base, path):
        """Whether it is another than before; an environment that has none here leaves what was there."""
        old = self.loaded[base]
        if not path or path == old:
            return False
        if old:
            try:
                gdb.execute(f'remove-symbol-file "{os.path.abspath(old)}"', to_string=True)
            except gdb.error:
                pass  # somebody else has removed it
        gdb.execute(f'add-symbol-file "{path}"', to_string=True)
        self.loaded[base] = path
        return True

    def stop(self, _=None):
        """At a stop."""
        machine, env = self.who()
        if not env:
            return False
        program, image = self.of(machine, env)
        changed = [self.load(PROGRAM, program), self.load(IMAGE, image)]
        if any(changed):
            print(f'[environment {env["eid"]:x} of account {env["account"]}: {short(image)}'
                  f'{" runs " + short(program) if program else ""}]')
        return any(changed)


def number(word, what):
    """As the commands' tables show it, or an expression of GDB's."""
    try:
        return int(word, 16)
    except ValueError:
        try:
            return int(gdb.parse_and_eval(word)) & (1 << 64) - 1
        except gdb.error as error:
            raise gdb.GdbError(f'exo: {word}: no {what}: {error}') from error


class Command(gdb.Command):
    """exo COMMAND: a word of the list above."""

    name, words, least, most = '', '', 0, 0

    def __init__(self, followed):
        super().__init__(f'exo {self.name}', gdb.COMMAND_DATA)
        self.followed = followed

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if not self.least <= len(words) <= self.most:
            raise gdb.GdbError(f'usage: exo {self.name} {self.words}'.rstrip())
        try:
            self.run(*words)
        except (evidence.NoEvidence, OSError) as error:
            raise gdb.GdbError(f'exo: {error}') from error

    def run(self, *words):
        raise NotImplementedError

    def machine(self):
        return Machine(self.followed.build)

    @staticmethod
    def whose(machine, word=None):
        """The environment named, or else the one that runs."""
        env = machine.env(number(word, 'eid')) if word else machine.running()
        if not env:
            raise gdb.GdbError(f'exo: there is no environment {word}: exo envs' if word else
                               'exo: no environment runs on this hart: name one of exo envs')
        return env


class Envs(Command):
    """Environments, and the image and the program of each; * is the one that runs on this hart."""
    name = 'envs'

    def run(self):
        machine = self.machine()
        here = machine.running()

        def more(env):
            program, image = self.followed.of(machine, env)
            star = '*' if here and here['eid'] == env['eid'] else ' '
            return f'{star} {short(image)}' + (f' {short(program)}' if program else '')
        evidence.print_envs(machine, more)


class Slots(Command):
    """Which environment each slot of each hart is for."""
    name = 'slots'

    def run(self):
        evidence.print_slots(self.machine())


class PageRecord(Command):
    """The record of a physical page, and the addresses at which it is bound."""
    name, words, least, most = 'page', 'PPN', 1, 1

    def run(self, word):
        machine = self.machine()
        ppn, base = number(word, 'page number'), machine.layout.defines['EXO_PPN_BASE']
        n = machine.head['pages']['n']
        if not base <= ppn < base + n:
            raise gdb.GdbError(f'exo: {ppn:x} is no page: they are {base:x} to {base + n - 1:x}')
        print(describe(machine, ppn))
        envs = [v for v in machine.table('envs') if v['eid']]
        for root in sorted({v['root'] for v in envs}):
            eids = ', '.join(f'{v["eid"]:x}' for v in envs if v['root'] == root)
            for va, pte in machine.bound(root, ppn):
                print(f'  bound at {va:#x} ({machine.layout.bits("PTE_", pte & 0xff)}) in root {root:x}: eid {eids}')


def describe(machine, ppn):
    """A page's record in a line."""
    page = machine.table('pages', ppn - machine.layout.defines['EXO_PPN_BASE'], 1)[0]
    kind = machine.layout.enums['page_type'].get(page['type'], '?')[5:].lower()
    owner = f'account {page["account"]}' if kind not in ('free', 'kernel') else 'nobody'
    return f'page {ppn:x}: {kind}, {owner}, binds {page["binds"]}, pins {page["pins"]}, tag {page["tag"]:#x}' + \
        (', kept' if page['flags'] & machine.layout.defines['PAGE_KEEP'] else '')


class PageTable(Command):
    """How the environment that runs, or another, translates an address: the entries that the hardware follows."""
    name, words, least, most = 'pt', 'VA [EID]', 1, 2

    def run(self, word, eid=None):
        machine = self.machine()
        try:
            va = int(gdb.parse_and_eval(word)) & (1 << 64) - 1
        except gdb.error as error:
            raise gdb.GdbError(f'exo: {word}: no address: {error}') from error
        env = self.whose(machine, eid)
        print(f'{va:#x} of environment {env["eid"]:x}, root {env["root"]:x}')
        for level, at, pte in machine.walk(env['root'], va):
            ppn = pte >> 10 & (1 << 44) - 1
            what = f'table {ppn:x}' if level and not pte & PTE_RWX else \
                f'{ppn << 12 | va & (PAGE << 9 * level) - 1:#x}, {machine.layout.bits("PTE_", pte & 0x3ff)}'
            print(f'  level {level}, entry {va >> 12 + 9 * level & 511:3} at {at:#x}: {pte:016x}  ' +
                  (what if pte & PTE_V else 'nothing' + (", but the library OS's word" if pte else '')))
        if pte & PTE_V and not level and ppn < machine.layout.defines['EXO_PPN_BASE'] + machine.head['pages']['n']:
            print(f'  {describe(machine, ppn)}')


class Trace(Command):
    """The last N records (20) of the kernel's trace; to have one, boot with BOOTARGS=trace=ring."""
    name, words, most = 'trace', '[N]', 1

    def run(self, word='20'):
        machine = self.machine()
        if not word.isdigit():
            raise gdb.GdbError(f'exo: {word}: how many records?')
        if not any(ring['n'] for ring in machine.head['ring']):
            raise gdb.GdbError('exo: this machine keeps no trace: make qemu-gdb BOOTARGS=trace=ring')
        evidence.print_records(machine, machine.last(int(word)))


class Symbols(Command):
    """The symbols of what runs on this hart, as at each stop; or those of the program or image NAME."""
    name, words, most = 'symbols', '[NAME]', 1

    def run(self, name=None):
        self.followed.files = Files(self.followed.build)
        if name:
            self.followed.load(*self.followed.files.named(name))
        elif not self.followed.stop():
            print('[as before: ' + ', '.join(short(p) for p in self.followed.loaded.values() if p) + ']')


class Break(Command):
    """A breakpoint in the program or image NAME alone: others have other code at the same addresses."""
    name, words, least, most = 'break', 'NAME PLACE', 2, 2

    def run(self, name, place):
        self.followed.files = self.followed.files or Files(self.followed.build)
        base, path = self.followed.files.named(name)
        self.followed.load(base, path)
        try:
            places = [sal for sal in gdb.decode_line(place)[1] or () if sal.pc >> 30 == base >> 30 or
                      (base and sal.pc >> 12 == 0x3ffff)]
        except gdb.error as error:
            raise gdb.GdbError(f'exo: {error}') from error
        if not places:
            raise gdb.GdbError(f'exo: {name} has no {place}')
        for sal in places:
            gdb.Breakpoint(f'*{sal.pc:#x}').condition = f'$exo_in("{name}")'


class In(gdb.Function):
    """$exo_in("NAME"): whether the program or the image NAME runs on this hart."""

    def __init__(self, followed):
        super().__init__('exo_in')
        self.followed = followed

    def invoke(self, name):  # pylint: disable=arguments-differ
        machine, env = self.followed.who()
        return int(bool(env) and name.string() in [short(p) for p in self.followed.of(machine, env)])


class Eid(gdb.Function):
    """$exo_eid(): the environment that runs on this hart; 0: none."""

    def __init__(self, followed):
        super().__init__('exo_eid')
        self.followed = followed

    def invoke(self):  # pylint: disable=arguments-differ
        env = self.followed.who()[1]
        return env['eid'] if env else 0


class Exo(gdb.Command):
    """What the exokernel's tables say: help exo."""

    def __init__(self):
        super().__init__('exo', gdb.COMMAND_DATA, prefix=True)

    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError(f'exo: there is no command {argument.split()[0]}: help exo')
        print('\n'.join(line[4:] for line in __doc__.splitlines() if line.startswith('    ')))


def main():
    build = os.environ.get('EXO_BUILD', 'build')
    followed = Followed(build)
    Exo()
    for make in (Envs, Slots, PageRecord, PageTable, Trace, Symbols, Break, In, Eid):
        make(followed)
    gdb.events.stop.connect(followed.stop)


main()
