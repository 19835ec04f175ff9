#!/usr/bin/env python3
"""Reads what the kernel says of itself in a guest's RAM: exported tables and traces (kernel/include/exo/trace.h).

    make qemu RAM=FILE BOOTARGS=trace=ring        in one terminal, and in another, at any moment or after the end:
    grade/evidence.py FILE [trace|envs|pages|slots|accts|exts|reqs|words|hash]

FILE is the guest's RAM from 0x80000000. Layouts come from the kernel's headers (build/offsets.json). Nothing is
written, the guest notices nothing, and what is printed is what the kernel wrote, whatever user code did.
"""
import argparse
import collections
import hashlib
import json
import mmap
import os
import struct
import sys

RAM_BASE = 0x80000000
CODES = {1: 'B', 2: 'H', 4: 'I', 8: 'Q'}
OFFSETS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'build', 'offsets.json')


class NoEvidence(Exception):
    """The file holds no kernel that has come as far as its tables."""


class Layout:
    """The headers' structures, enumerations and constants, as the compiler laid them out."""

    def __init__(self, path=OFFSETS):
        with open(path, encoding='utf-8') as f:
            self.__dict__.update(json.load(f))
        self.defines = self.defines['all']
        self.enums = {name: {v: k for k, v in values.items()} for name, values in self.enums.items()}
        calls = {v: k[4:].lower() for k, v in self.defines.items()
                 if k.startswith('EXO_') and 0x100 <= v < self.defines['EXO_CALLS_END'] and k != 'EXO_CALLS'}
        self.calls = {nr: calls[nr] for nr in sorted(calls) if nr >= self.defines['EXO_NULL']}

    def decode(self, name, data, at=0):
        """The structure `name` at data[at:] as a dict; nested structures as dicts, arrays as lists."""
        out = {}
        for field, (offset, size, count, kind) in self.structs[name]['fields'].items():
            values = [self.value(kind, size, data, at + offset + i * size) for i in range(count)]
            out[field] = values if count > 1 else values[0]
        return out

    def value(self, kind, size, data, at):
        if kind in self.structs:
            return self.decode(kind, data, at)
        code = CODES[size]
        return struct.unpack_from('<' + (code.lower() if kind in ('i32', 'i64') else code), data, at)[0]

    def size(self, name):
        return self.structs[name]['size']

    def bits(self, prefix, value):
        """Names of the bits of a word of flags."""
        named = {v: k[len(prefix):] for k, v in self.defines.items() if k.startswith(prefix)}
        return '|'.join(named[1 << i] for i in range(64) if value >> i & 1 and 1 << i in named) or '-'


class Evidence:
    """A guest's RAM, running or not."""

    def __init__(self, path, offsets=OFFSETS):
        self.layout = Layout(offsets)
        self.file = open(path, 'rb')
        self.ram = mmap.mmap(self.file.fileno(), 0, prot=mmap.PROT_READ)
        self.find(path, offsets)

    def peek(self, pa, n):
        """What lies at a physical address."""
        at = pa - RAM_BASE
        if not 0 <= at <= len(self.ram) - n:
            raise NoEvidence(f'{pa:#x} is not in this memory')
        return self.ram[at:at + n]

    def find(self, path, offsets):
        """The kernel's tables, of what is named `path`."""
        magic = self.layout.defines['EVIDENCE_MAGIC']
        try:
            found, self.at = struct.unpack('<QQ', self.peek(self.layout.defines['EVIDENCE_HEADER'], 16))
        except NoEvidence:
            found = 0
        if found != magic:
            raise NoEvidence(f'{path}: no kernel in it')
        self.at -= RAM_BASE
        self.read()
        if self.head['magic'] != magic:
            raise NoEvidence(f'{path}: the kernel has not set up its tables')
        if self.head['version'] != self.layout.defines['EVIDENCE_VERSION'] or \
                self.head['size'] != self.layout.size('evidence'):
            raise NoEvidence(f'{path}: another kernel than {offsets} describes')

    def read(self):
        """struct evidence, anew."""
        try:
            self.head = self.layout.decode('evidence', self.peek(self.at + RAM_BASE, self.layout.size('evidence')))
        except NoEvidence as error:
            raise NoEvidence('no evidence where the kernel points') from error
        return self.head

    def table(self, name, first=0, count=None):
        """Records of an exported table, all or some: words, envs, accts, slots, exts, reqs, pages."""
        t = self.head[name]
        kind = {'words': 'exo_words', 'pages': 'exo_page'}.get(name, 'exo_' + name[:-1])
        if t['size'] != self.layout.size(kind):
            raise NoEvidence(f'table {name} is not as described')
        count = t['n'] - first if count is None else count
        raw = self.peek(t['pa'] + first * t['size'], count * t['size'])
        return [self.layout.decode(kind, raw, i * t['size']) for i in range(count)]

    def raw_table(self, name):
        """An exported table's bytes, and the size of a record."""
        t = self.head[name]
        at = t['pa'] - RAM_BASE
        return self.ram[at:at + t['n'] * t['size']], t['size']

    def column(self, name, field):
        """A field of one byte, of all records of an exported table."""
        raw, size = self.raw_table(name)
        return raw[self.layout.structs['exo_' + name[:-1]]['fields'][field][0]::size]

    def words(self):
        return self.table('words')[0]

    def record(self, ring, i):
        """Record i of a ring, raw, or None if it is being written or was overwritten."""
        size = self.layout.size('trace_rec')
        at = ring['pa'] - RAM_BASE + i % ring['n'] * size
        before = struct.unpack_from('<Q', self.ram, at)[0]
        raw = self.ram[at:at + size]
        after = struct.unpack_from('<Q', self.ram, at)[0]
        return raw if before and before == after == struct.unpack_from('<Q', raw)[0] else None

    def raw_trace(self, start=None):
        """(records as they lie in memory, ring by ring; number missed); `start` as for trace()."""
        start = start if start is not None else {}
        found, missed = [], 0
        for hart, ring in enumerate(self.read()['ring'][:self.head['nharts']]):
            if not ring['pa']:
                continue
            first = start.get(hart, 0)
            oldest = max(first, ring['head'] - ring['n'])
            raw = [self.record(ring, i) for i in range(oldest, ring['head'])]
            now = self.layout.decode('evidence', self.ram, self.at)['ring'][hart]['head']
            raw = raw[max(0, now - ring['n'] - oldest):]  # the writer has come round to those before
            if len(raw) > 1 and raw[0] and raw[1] and raw[0][:8][::-1] > raw[1][:8][::-1]:
                raw = raw[1:]  # and to this one, but has not counted it yet
            whole = [r for r in raw if r]
            found += whole
            missed += ring['head'] - first - len(whole)
            start[hart] = ring['head']
        return found, missed

    def trace(self, start=None):
        """(records in order of seq, number missed). `start`: head of each ring when it was read last; is updated."""
        found, missed = self.raw_trace(start)
        return sorted((self.decode(r) for r in found), key=lambda r: r['seq']), missed

    def decode(self, raw):
        """A record as a dict: its fields, its name, and the error if it is a refusal."""
        r = self.layout.decode('trace_rec', raw)
        refused = self.layout.defines['TRACE_REFUSED']
        number = r['event'] & ~refused
        r['call'] = number in self.layout.calls
        r['name'] = self.layout.calls.get(number) or self.layout.enums['trace_event'].get(number, hex(number))
        r['refused'] = bool(r['event'] & refused)
        r['error'] = self.error(r['w'][4]) if r['refused'] else None
        return r

    def error(self, word):
        value = word - (1 << 64) if word >> 63 else word
        return self.layout.enums['exo_error'].get(value, str(value))

    def hash(self, times=True):
        """One value for a whole trace: the same for two runs that did the same. Without `times`: at any times."""
        records, missed = self.raw_trace()
        records.sort(key=lambda r: r[7::-1])  # seq, whose last byte counts most
        if not times:
            records = [r[:8] + bytes(8) + r[16:] for r in records]
        digest = hashlib.sha256(b''.join(records))
        return digest.hexdigest(), len(records), missed


class Follower:
    """The boot hart's trace, read as it grows so that none is missed: for every CHUNK records a digest, and the first."""
    CHUNK = 4096

    def __init__(self, path, offsets=OFFSETS):
        self.path, self.offsets = path, offsets
        self.evidence, self.count, self.rest, self.chunks = None, 0, b'', []

    def take(self):
        """Takes what was written since it last did; must come round before the ring does."""
        if not self.evidence:
            try:
                self.evidence = Evidence(self.path, self.offsets)
            except (NoEvidence, OSError, ValueError):
                return  # not yet
        e, start = self.evidence, self.count
        ring = e.read()['ring'][0]
        if not ring['n']:
            raise NoEvidence(f'{self.path}: no trace')
        size = e.layout.size('trace_rec')
        at, first, end = ring['pa'] - RAM_BASE, start % ring['n'], start % ring['n'] + ring['head'] - start
        raw = e.ram[at + first * size:at + min(end, ring['n']) * size]
        raw += e.ram[at:at + max(0, end - ring['n']) * size]
        if e.read()['ring'][0]['head'] - start >= ring['n']:
            raise NoEvidence(f'{self.path}: the trace was overwritten before it was read')
        self.count = ring['head']
        self.digest(self.rest + raw, size, self.CHUNK)

    def digest(self, raw, size, least):
        chunk = self.CHUNK * size
        at = 0
        while len(raw) - at >= least * size:
            self.chunks.append((hashlib.blake2b(raw[at:at + chunk], digest_size=16).digest(), raw[at:at + size]))
            at += chunk
        self.rest = raw[at:]

    def finish(self):
        """After the guest's end: the last records."""
        self.take()
        if not self.evidence:
            raise NoEvidence(f'{self.path}: no kernel in it')
        self.digest(self.rest, self.evidence.layout.size('trace_rec'), 1)


class Clock:
    """How long a machine has run, by its own time: for one in which nobody keeps a limit."""

    def __init__(self, path, offsets=OFFSETS):
        self.path, self.offsets, self.evidence = path, offsets, None

    def ms(self):
        """Milliseconds from reset to what its kernel recorded last. While nobody runs nothing is recorded, but the boot
        hart ticks, every 10 ms as a rule: half of that is believed."""
        try:
            self.evidence = e = self.evidence or Evidence(self.path, self.offsets)
        except (NoEvidence, OSError, ValueError):
            return 0  # not yet
        words, size, last = e.words(), e.layout.size('trace_rec'), 0
        for ring in e.read()['ring'][:e.head['nharts']]:
            if ring['head']:
                at = ring['pa'] - RAM_BASE + (ring['head'] - 1) % ring['n'] * size
                last = max(last, struct.unpack_from('<Q', e.ram, at + 8)[0])
        return max((last - words['boot_time']) * 1000 // words['timebase'], words['ticks'] * 5) if last else 0


# ---- printing ----

def show_record(e, r):
    w = ' '.join(f'{x:x}' for x in r['w'][:4])
    if r['call']:
        result = r['error'] if r['refused'] else f"= {r['w'][4]:x}"
        return f"{r['name']}({w}) {result}"
    return f"{r['name'][6:].lower()} {w} {r['w'][4]:x}"


def print_records(e, records):
    base = e.words()['timebase'] // 1000000
    for r in records:
        print(f"{r['seq']:8} {r['time'] // base:10} us  hart {r['hart']}  account {r['account']:2}  "
              f"eid {r['eid']:6x}  {show_record(e, r)}")


def print_trace(e):
    records, missed = e.trace()
    print_records(e, records)
    if missed:
        print(f'({missed} records missed)')


def print_envs(e, more=lambda env: ''):
    """more: what else there is to say of an environment."""
    stops = e.layout.enums['stop_reason']
    print('   eid account home state                    root uarea   client callee   slices aborts')
    for v in e.table('envs'):
        if not v['eid']:
            continue
        state = e.layout.bits('ENV_', v['state'])
        if v['state'] & e.layout.defines['ENV_STOPPED']:
            state += ' ' + stops.get(v['stop'], '?')
        print(f"{v['eid']:6x} {v['account']:7} {v['home']:4} {state:24} {v['root']:5x} {v['uarea']:5x} "
              f"{v['client']:8x} {v['callee']:6x} {v['slices']:8} {v['aborts']:6} {more(v)}".rstrip())


def print_pages(e):
    types = e.layout.enums['page_type']
    owned = [(p['account'] if 'FREE' not in types[p['type']] else 0, p['type']) for p in e.table('pages')]
    print('account type        pages')
    for (account, kind), n in sorted(collections.Counter(owned).items()):
        print(f"{account or '-':>7} {types[kind][5:].lower():10} {n:6}")


def print_slots(e):
    per = e.layout.defines['EXO_NSLOT']
    for i, s in enumerate(e.table('slots')):
        if s['eid']:
            print(f"hart {i // per} slot {i % per:2}: eid {s['eid']:6x} account {s['account']}")


def print_table(name):
    def show(e):
        for i, r in enumerate(e.table(name)):
            used = {'accts': 'state', 'exts': 'count', 'reqs': 'state'}.get(name)
            if used and not r[used]:
                continue
            fields = []
            for k, v in r.items():
                if k in ('pad', 'pad2', 'reserved'):
                    continue
                if k in ('name', 'bootargs'):
                    v = bytes(v).split(b'\0')[0].decode('ascii', 'replace')
                fields.append(f'{k} {v}')
            print(f'{i}: ' + ', '.join(fields))
    return show


def print_hash(e):
    digest, n, missed = e.hash()
    print(f'{digest} {n} records, {missed} missed')


SHOWS = {'trace': print_trace, 'envs': print_envs, 'pages': print_pages, 'slots': print_slots, 'hash': print_hash}
SHOWS.update({name: print_table(name) for name in ('words', 'accts', 'exts', 'reqs')})


def main():
    parser = argparse.ArgumentParser(description='What the kernel says of itself in a RAM file.')
    parser.add_argument('ram')
    parser.add_argument('what', nargs='?', default='trace', choices=sorted(SHOWS))
    parser.add_argument('--offsets', default=OFFSETS, help='made by `make build/offsets.json`')
    args = parser.parse_args()
    try:
        SHOWS[args.what](Evidence(args.ram, args.offsets))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (NoEvidence, OSError, ValueError) as error:
        sys.exit(f'evidence: {error}')


if __name__ == '__main__':
    main()
