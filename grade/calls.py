#!/usr/bin/env python3
"""The kernel calls of a program, as strace would show them: `make calls PROG='cat README'`.

    calls.py [--offsets FILE] [--all] RAM

RAM is the memory of a machine that init had run one program in (the boot argument run=). Shown are the calls of that
program's process and of all that it made, with the names that kernel/include/exo/abi.h gives their arguments; a refusal
with the check that refused; page faults and what else the kernel told them. --all: slices, and init's calls, too.
"""
import argparse
import collections
import os
import re
import sys

import evidence
import machine

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADERS = [f'{TOP}/kernel/include/exo/{name}.h' for name in ('abi', 'trace')]
UNIX = 2
ENV_RUN = 0
RIGHTS = [(2, 'R'), (4, 'W'), (8, 'X'), (16, 'U'), (64, 'A'), (128, 'D'), (256, '8'), (512, '9')]
CAUSES = {2: 'illegal instruction', 3: 'breakpoint', 8: 'ecall', 12: 'fetch page fault', 13: 'load page fault',
          15: 'store page fault'}
ENTRIES = ['FAULT', 'EPILOGUE', 'PROLOGUE', 'CALL']
TOLD = ('upcall', 'abort', 'stop', 'end', 'broken', 'pending', 'revoke', 'repo', 'no_call')
ADDRESSES = ('va', 'pc', 'pc entered', 'epc', 'tval', 'mask')
DECIMAL = ('n', 'level', 'hart', 'harts', 'slot', 'account', 'parent', 'on', 'unzeroed', 'keep', 'count', 'npages',
           'timebase', 'slices', 'excess', 'pages', 'envs', 'accts', 'exts', 'pages to be held', 'deadline')

# A part of a record: its name, in which of the words it lies and at which bits, and how it is written (see write()).
Field = collections.namedtuple('Field', 'name word shift width kind')


def manual():
    """({call: names of its arguments}, {event: names of its words}, {error: what it means}), as the headers have them."""
    abi, trace = (open(path, encoding='utf-8').read() for path in HEADERS)
    calls = {}
    heads = '\n'.join(re.findall(r'^ \* (\w+\(.*?\))(?:  | ->|:|$)', abi, re.M))
    for name, arguments in re.findall(r'(\w+)\(([^)\n]*)\)', heads):
        calls[name] = [re.sub(r' or 0$|^array of .*', lambda m: '' if m[0] == ' or 0' else 'array', a.strip())
                       for a in arguments.split(',') if a.strip()]
    calls.update(call=['eid'], send=['eid'], reply=[])
    events = {name.lower(): [word.strip() for word in words.split(':')[0].split(',')]
              for name, words in re.findall(r'^    TRACE_(\w+)(?: = 1)?, +/\* (.*?) \*/$', trace, re.M)}
    return calls, events, dict(re.findall(r'^ +(E_\w+) = -\d+, +/\* (.*?) \*/$', abi, re.M))


def kind_of(layout, record, name):
    """How a word of that name in that record is written: 'hex', '0x', 'int', 'rights', or {value: its name}."""
    if name.startswith('enum '):
        return dict(layout.enums[name[5:]])
    if name == 'op':
        enum = 'disk_op' if record.startswith('disk') else 'env_op'
        return {v: k.split('_', 1)[1].lower() for v, k in layout.enums[enum].items()}
    if name in ('status', 'error'):
        return dict(layout.enums['exo_error'])
    if name == 'cause':
        return CAUSES
    if name in ('bits', 'clear', 'set'):
        return 'rights' if record in ('bind', 'protect') else 'hex'
    if name in ADDRESSES:
        return '0x'
    return 'int' if name in DECIMAL or (record, name) == ('halt', 'code') else 'hex'


def fields_of(layout, record, names, folded):
    """The parts of a record. Folded: the fifth lies in the upper half of the first's word. `a | b << 8`: as it says."""
    fields = []
    for i, name in enumerate(names):
        word, base, width = (0, 32, 32) if folded and i == 4 else (i, 0, 32 if folded and i == 0 else 64)
        parts = [(part.split(' << ') + ['0'])[:2] for part in name.split(' | ')]
        for (part, shift), (_, end) in zip(parts, parts[1:] + [('', str(width))]):
            kind = kind_of(layout, record, part)
            fields.append(Field(part.replace('enum ', ''), word, base + int(shift), int(end) - int(shift), kind))
    return fields


def signed(word):
    return word - (1 << 64) if word >> 63 else word


def write(kind, word):
    """A word as a reader wants it."""
    if kind == 'rights':
        return ''.join(letter for bit, letter in RIGHTS if word & bit) or '0'
    if kind == 'hex':
        return f'{word:x}'
    if kind == '0x':
        return f'{word:#x}'
    return str(signed(word)) if kind == 'int' else kind.get(signed(word), str(signed(word)))


class Calls:
    """A run's records, as lines."""

    def __init__(self, e):
        self.e, self.layout = e, e.layout
        arguments, words, self.means = manual()
        self.refused = self.layout.defines['TRACE_REFUSED']
        self.events = {n: name[6:].lower() for n, name in self.layout.enums['trace_event'].items()}
        self.errors = self.layout.enums['exo_error']
        self.arguments = {name: fields_of(self.layout, name, names, len(names) > 4) for name, names in arguments.items()}
        self.words = {name: fields_of(self.layout, name, names, False) for name, names in words.items()}
        self.begin = e.words()['boot_time']
        self.ticks = e.words()['timebase'] / 1000

    @staticmethod
    def said(fields, r):
        return ', '.join(f'{f.name} {write(f.kind, r.w[f.word] >> f.shift & (1 << f.width) - 1)}' for f in fields)

    def call(self, name, r):
        said = self.said(self.arguments.get(name, []), r)
        if not r.event & self.refused:
            return f'{name}({said})' + (f' = {r.w[4]:x}' if r.w[4] else '')
        error = self.errors.get(signed(r.w[4]), str(r.w[4]))
        return f'{name}({said}) refused: {error}, {self.means.get(error, "?")}'

    def told(self, name, r):
        if name == 'upcall' and r.w[0] == 0:
            return f'--- FAULT: {write(CAUSES, r.w[3])}' + (f' at {r.w[4]:#x}' if r.w[3] > 8 else '') + f', pc {r.w[2]:x}'
        if name == 'upcall' and r.w[0] < len(ENTRIES):
            return f'--- {ENTRIES[r.w[0]]} at {r.w[2]:x}'
        return f'--- {name} ' + self.said(self.words.get(name, []), r)

    def text(self, r):
        """A record, as a line."""
        name = self.layout.calls.get(r.event & ~self.refused)
        return self.call(name, r) if name else self.told(self.events.get(r.event, hex(r.event)), r)

    def lines(self, records, everything):
        """(time in ms, eid, text) of the program's; what it made, and how often each call was made."""
        run = next(n for n, name in self.layout.calls.items() if name == 'env_ctl')
        init, begun, mine = None, False, set()
        for r in records:
            if r.account != UNIX:
                continue
            init = init or r.eid
            name = self.layout.calls.get(r.event & ~self.refused)
            if r.event == run and r.w[1] == ENV_RUN and (r.eid == init or r.eid in mine):
                mine.add(r.w[0])
            begun = begun or bool(mine)
            if not everything and r.eid not in mine:
                continue
            text = self.call(name, r) if name else None
            if not name:
                event = self.events.get(r.event, '')
                if event in TOLD and not (event == 'upcall' and r.w[0] in (1, 2)) or everything:
                    text = self.told(event, r)
            if text:
                yield (r.time - self.begin) / self.ticks, r.eid, text, name, bool(r.event & self.refused)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ram')
    parser.add_argument('--offsets', default=evidence.OFFSETS)
    parser.add_argument('--all', action='store_true')
    options = parser.parse_args()
    try:
        e = evidence.Evidence(options.ram, options.offsets)
        records = machine.records_of(e)
        missed = sum(max(0, ring['head'] - ring['n']) for ring in e.read()['ring'][:e.head['nharts']])
        made, refused = collections.Counter(), collections.Counter()
        if missed:
            print(f'({missed} earlier records were written over: more room with TRACE_KB=)')
        for ms, eid, text, name, no in Calls(e).lines(records, options.all):
            print(f'{ms:10.3f} ms  eid {eid:4x}  {text}')
            if name:
                made[name] += 1
                refused[name] += no
        print('calls: ' + (', '.join(f'{n} {name}' + (f' ({refused[name]} refused)' if refused[name] else '')
                                     for name, n in made.most_common()) or 'none'))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (evidence.NoEvidence, OSError, ValueError) as error:
        sys.exit(f'calls: {error}')


if __name__ == '__main__':
    main()
