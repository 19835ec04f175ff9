"""Graded tests: one boot each, judged by what the kernel recorded of it. A lab's tests.py is a table of Test.

A check is a generator of claims over what was seen (class Seen). Claims that fail cost their share of the test's points;
one that is marked `must` costs them all. So that no program can talk its way to a mark, a check rests on the kernel's
records, on the disk, or on answers to values that derive from the run's seed; and it is only asked at all if the
machine ended as it should: by itself, with the status that was promised, nothing stopped, no record lost.
"""
import collections
import functools
import os
import re
import struct
import subprocess

import evidence
import machine

LIMIT_STATUS, FULL_STATUS, PANIC_STATUS = 5, 4, 3  # of QEMU: user/first.c, trace.h, the kernel's panic()
PROGRAM_END = 0x3fe00000
UNIX = 2     # the Unix library OS's account
ENV_RUN = 0  # of env_ctl
PAGE = 4096
U64 = (1 << 64) - 1
WRITE, EXEC = machine.WRITE, machine.EXEC


def fresh(seed, i):
    """Value number i of a seed, as labs/lab.h has it."""
    z = (seed + (i + 1) * 0x9e3779b97f4a7c15) & U64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & U64
    z = (z ^ z >> 27) * 0x94d049bb133111eb & U64
    return z ^ z >> 31


def sum_of(values):
    """As the labs' programs fold what they have."""
    total = 0
    for v in values:
        total = (total * 31 + v) & U64
    return total


def births(seen):
    """(record, machine, parent, child) whenever a process of the test sets another running."""
    run = seen.number('env_ctl')
    for r, m in seen.replay():
        if r.event == run and r.w[1] == ENV_RUN and r.eid in m.envs and r.w[0] in m.envs:
            parent, child = m.envs[r.eid], m.envs[r.w[0]]
            if parent in m.of(UNIX)[1:]:  # the first is init
                yield r, m, parent, child


class Test:
    """One line of a lab's table.

    name, points, promise: what must be so, in a sentence; run: the line that init runs, words with commas, `{seed}` in
    it; check: a generator of claims, given a Seen; part: of the lab, for a subtotal; limit: milliseconds of the guest's
    time; status: exit status expected; hidden: not shown to students before the end; mem, unix (of its line in the
    manifest), swap, lines, raws, images: the machine; files: {name: bytes} that its disk has, given a function as
    Seen.fresh; size: of the disk; disk: makes it in its own way, given a lab.Maker; tape: blocks that the kernel has for
    what is written to it (Seen.tape()); plant: what lies in raw extents, {name: bytes} of a seed; seeds: whether slices of
    drawn lengths must make no difference; stops: whether an environment that the kernel stops is a failure; kernel: one of
    labs/NAME/kernels/. The machine is then booted a second time, with the sound one: Seen.sound."""

    def __init__(self, name, points, promise, run, check, part='', limit=300, status=0, hidden=False, mem='64M',
                 unix='envs=100', swap=None, trace_kb=16384, args='', seeds=True, cpus=1, wall=120, lines=(), images=(),
                 raws=(), plant=None, kernel='', stops=True, files=None, size=None, disk=None, tape=0):
        self.name, self.points, self.promise, self.run, self.check = name, points, promise, run, check
        self.part, self.limit, self.status, self.hidden, self.mem = part, limit, status, hidden, mem
        self.unix, self.swap, self.trace_kb, self.args, self.seeds = unix, swap, trace_kb, args, seeds
        self.cpus, self.wall, self.lines, self.images, self.files = cpus, wall, lines, images, files
        self.raws, self.plant, self.kernel, self.stops = raws, plant, kernel, stops
        self.size, self.disk, self.tape = size or ('16M' if swap else '4M'), disk, tape


class NoRun(Exception):
    """A test's own run could not begin, as another that it needs did not end well: lines that say why, and that one's Seen."""

    def __init__(self, lines, seen):
        super().__init__('\n'.join(lines))
        self.lines, self.seen = lines, seen


class Claim:
    """Something promised, and what was seen of it. weight: its share; must: without it nothing else counts."""

    def __init__(self, what, ok, expected='', saw='', weight=1, must=False):
        self.what, self.ok, self.expected, self.saw, self.weight, self.must = what, ok, expected, saw, weight, must

    def __str__(self):
        return f'{self.what}: expected {self.expected}, saw {self.saw}' if str(self.expected) else self.what


def equal(what, expected, saw, weight=1, must=False):
    return Claim(what, expected == saw, show(expected), show(saw), weight, must)


def at_most(what, limit, saw, weight=1, must=False):
    return Claim(what, saw is not None and saw <= limit, f'at most {amount(limit)}', amount(saw), weight, must)


def at_least(what, limit, saw, weight=1, must=False):
    return Claim(what, saw is not None and saw >= limit, f'at least {amount(limit)}', amount(saw), weight, must)


def holds(what, ok, saw='', weight=1, must=False):
    """A claim for which there is only yes or no; `saw` tells of the no."""
    return Claim(what, bool(ok), 'so', saw or 'not so', weight, must)


def amount(value):
    return str(value) if isinstance(value, int) else show(value)


def show(value):
    if value is None:
        return 'nothing'
    if isinstance(value, float):
        return f'{value:.4g}'
    if isinstance(value, int) and abs(value) > 9999999:
        return hex(value)
    if isinstance(value, (list, tuple, set)):
        shown = [show(v) for v in list(value)[:6]]
        return ', '.join(shown + ['...'] * (len(value) > 6)) or 'none'
    return str(value)


@functools.lru_cache(maxsize=64)
def names_in(tool, path, changed):
    """{name: address} of an ELF file, as it is since the time `changed`."""
    said = subprocess.run([*tool, path], stdout=subprocess.PIPE, check=True).stdout.decode()
    words = [line.split() for line in said.splitlines()]
    return {w[2]: int(w[0], 16) for w in words if len(w) == 3}


class Symbols:
    """Names and lines of an ELF file's addresses, by the cross tools; under: what these run under, as the file may be
    of a submission."""

    def __init__(self, cross, path, under=()):
        self.cross, self.path, self.under, self.lines = cross, path, tuple(under), {}

    def names(self):
        """{name: address}."""
        return names_in((*self.under, f'{self.cross}nm'), self.path, os.stat(self.path).st_mtime_ns)

    def address(self, name):
        return self.names()[name]

    def where(self, pc):
        """function at file:line, or '' for an address of none."""
        if pc not in self.lines:
            said = subprocess.run([*self.under, f'{self.cross}addr2line', '-f', '-s', '-e', self.path, hex(pc)], check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode('utf-8', 'replace')
            function, _, line = said.strip().partition('\n')
            line = line.split(' ')[0]
            self.lines[pc] = '' if not function or function == '??' else \
                f'{function}()' + ('' if line.startswith('??') else f' at {line}')
        return self.lines[pc]


class Seen:
    """What was seen of one run: the console, the status, and the kernel's records and tables."""

    def __init__(self, test, seed, text, status, late, ram, offsets, symbols, libos):
        self.test, self.seed, self.status, self.late = test, seed, status, late
        self.text = text[text.find('\nexv6: ') + 1:] if '\nexv6: ' in text else text
        self.program, self.libos = symbols, libos  # Symbols of the test's program and of the image
        self.evidence, self.last = evidence.Evidence(ram, offsets), None
        self.layout = self.evidence.layout
        self.records = machine.records_of(self.evidence)
        self.names = {number: name for number, name in self.layout.calls.items()}
        self.names.update({n: name[6:].lower() for n, name in self.layout.enums['trace_event'].items()})
        self.refused = self.layout.defines['TRACE_REFUSED']
        self.answers = collections.OrderedDict(
            (m[1], int(m[2], 16)) for m in re.finditer(r'^answer ([\w.]+) ([0-9a-fA-F]+)$', self.text, re.M))

    def fresh(self, i):
        return fresh(self.seed, i)

    def number(self, name):
        """Of a call or another event, as in Record.event."""
        return next(n for n, other in self.names.items() if other == name)

    def answered(self, name, expected, weight=1, must=False):
        """A claim about one answer."""
        return equal(f'answer "{name}"', expected, self.answers.get(name), weight, must)

    def replay(self):
        """(record, machine after it) for all."""
        m = machine.Machine(self.layout)
        for r in self.records:
            m.step(r)
            yield r, m

    def end(self):
        """The machine after the last record."""
        if not self.last:
            self.last = machine.Machine(self.layout)
            for r in self.records:
                self.last.step(r)
        return self.last

    def of(self, name, account=None, refused=False):
        """Records of one kind."""
        number = self.number(name) | (self.refused if refused else 0)
        return [r for r in self.records if r.event == number and account in (None, r.account)]

    def instructions(self, ticks):
        """Of `time`: with -icount shift=0 one takes a nanosecond."""
        return ticks * (1000000000 // self.evidence.words()['timebase'])

    def peek(self, ppn, offset=0, count=1):
        """Words of a page as it was at the end."""
        return struct.unpack_from(f'<{count}Q', self.evidence.ram, (ppn << 12) - 0x80000000 + offset)

    def disk(self):
        """The RAM disk as it was at the end; it lies where QEMU puts an initrd."""
        size, mem = self.disk_size, len(self.evidence.ram)
        at = 0x200000 + min(mem // 2, 128 << 20)
        if self.evidence.ram[at:at + 8] != self.disk_magic:
            raise LookupError('the disk is not where it was put')
        return self.evidence.ram[at:at + size]

    def tape(self):
        """What was written to the disk: a block's number and its new data, or None for a flush; in their order."""
        raw = self.disk()[-self.test.tape * PAGE:]
        at = self.layout.defines['TAPE_BLOCKS'] * PAGE
        n, lost = struct.unpack_from('<QQ', raw)
        if lost:
            raise LookupError(f'it wrote to the disk {n} times, more than there is room for')
        for block in struct.unpack_from(f'<{n}Q', raw, 32):
            yield None if block == U64 else (block, raw[at:at + PAGE])
            at += 0 if block == U64 else PAGE

    def describe(self, r):
        """One record, for people."""
        name = self.names.get(r.event & ~self.refused, hex(r.event))
        words = ' '.join(f'{w:x}' for w in r.w[:4])
        if r.event & self.refused:
            last = self.evidence.error(r.w[4])
        else:
            last = f'= {r.w[4]:x}' if r.event & 0x100 else f'{r.w[4]:x}'
        ms = (r.time - self.records[0].time) / (self.evidence.words()['timebase'] / 1000)
        return f'{r.seq:7} {ms:9.3f} ms  account {r.account} eid {r.eid:5x}  {name}({words}) {last}'

    def where(self, pc):
        return (self.program if pc < PROGRAM_END else self.libos).where(pc)

    # ---- how it ended ----

    def trouble(self):
        """Why the check need not be asked, in lines; [] if the machine ended as it should."""
        t = self.test
        if self.late:
            return [f'the machine did not end, even after {t.wall} s of this host\'s time']
        if self.status == PANIC_STATUS:
            return ['the kernel panicked'] + self.tail(12)
        if self.status == FULL_STATUS:
            return [f'it made more than {len(self.records)} kernel events, so many that the record of them is full']
        stops = [r for r in self.of('stop') if r.w[1] >= 2 and t.stops]
        if stops:
            return self.stopped(stops[0]) + self.tail(8)
        if self.status == LIMIT_STATUS:
            return self.hang() + self.tail(8)
        if self.status == 255 != t.status:
            return ['the test\'s program was killed'] + self.tail(12)
        if self.status != t.status:
            return [f'exit status {self.status}, expected {t.status}'] + self.tail(8)
        return []

    def stopped(self, r):
        why = self.layout.enums['stop_reason'].get(r.w[1], '?')[5:].lower()
        text = {'double': 'a fault while one was being taken', 'owes': 'it overran its slices'}.get(why, why)
        return [f'the kernel stopped environment {r.w[0]:x}: {text}; cause {r.w[2]}, address {r.w[3]:#x}',
                f'    pc {r.w[4]:#x} {self.where(r.w[4])}']

    def hang(self):
        """Nobody could run, or somebody ran and nothing came of it."""
        late = self.records[-1].time - self.evidence.words()['timebase'] // 20  # the last 50 ms
        ran = collections.Counter(r.eid for r in self.of('slice_end') if r.time > late and r.w[1] == 1)
        if not any(e['eid'] for e in self.evidence.table('envs')):
            return ['nobody is left: the last environment ended, and did not end the machine']
        if not ran and self.of('acct_gone') and not any(e['eid'] and e['account'] > 1 for e in self.evidence.table('envs')):
            return ['the library OS ended, as often as the boot image started it']
        if not ran:
            waits = {r.eid for r in self.of('wait')}
            left = [e for e in self.evidence.table('envs') if e['eid'] in waits and e['account'] > 1]
            return [f'deadlock: nobody could run any more; {len(left)} environments wait for what does not come']
        eid, n = ran.most_common(1)[0]
        last = [r for r in self.of('upcall') if r.eid == eid and r.w[0] == 1]
        lines = [f'no progress: within {self.test.limit} ms it was not over; environment {eid:x} used up its slices']
        return lines + [f'    pc {pc:#x} {self.where(pc)}' for pc in [last[-1].w[2]] if last]

    def tail(self, n):
        """What it said last, with the lines that addresses in it stand for."""
        lines = self.text.rstrip('\n').split('\n')[-n:]
        return [f'    | {re.sub(r"(0x[0-9a-f]{4,})( [^ ]+)?$", self.with_line, line)}' for line in lines]

    def with_line(self, match):
        where = self.where(int(match[1], 16))
        return match[0] + (f' ({where})' if where else '')

    def events(self, n=20):
        return [self.describe(r) for r in self.records[-n:]]
