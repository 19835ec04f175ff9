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
ABI = f'{TOP}/kernel/include/exo/abi.h'
UNIX = 2
ENV_RUN = 0
RIGHTS = [(2, 'R'), (4, 'W'), (8, 'X'), (16, 'U'), (64, 'A'), (128, 'D'), (256, '8'), (512, '9')]
CAUSES = {2: 'illegal instruction', 3: 'breakpoint', 8: 'ecall', 12: 'fetch page fault', 13: 'load page fault',
          15: 'store page fault'}
ENTRIES = ['FAULT', 'EPILOGUE', 'PROLOGUE', 'CALL']
TOLD = ('upcall', 'abort', 'stop', 'end', 'broken', 'pending', 'revoke', 'repo', 'no_call')
QUIET = ('slice', 'slice_end', 'skip', 'run')


def manual():
    """({call: names of its arguments}, {error: what it means}), as the header has them."""
    with open(ABI, encoding='utf-8') as f:
        text = f.read()
    calls = {}
    heads = '\n'.join(re.findall(r'^ \* (\w+\(.*?\))(?:  | ->|$)', text, re.M))
    for name, arguments in re.findall(r'(\w+)\(([^)\n]*)\)', heads):
        calls[name] = [re.sub(r' or 0$|^array of .*', lambda m: '' if m[0] == ' or 0' else 'array', a.strip())
                       for a in arguments.split(',') if a.strip()]
    calls.update(call=['eid'], send=['eid'], reply=[])
    return calls, dict(re.findall(r'^ +(E_\w+) = -\d+, +/\* (.*?) \*/$', text, re.M))


def value(call, name, word):
    """A word as a reader wants it."""
    if name in ('bits', 'clear', 'set'):
        return ''.join(letter for bit, letter in RIGHTS if word & bit) or '0'
    if name == 'va':
        return f'{word:#x}'
    if (call, name) == ('env_ctl', 'op'):
        return ('run', 'stop', 'recall')[word] if word < 3 else str(word)
    if name in ('n', 'level', 'hart', 'slot', 'account', 'on', 'unzeroed', 'keep'):
        return str(word - (1 << 64) if word >> 63 else word)
    return f'{word:x}'


class Calls:
    """A run's records, as lines."""

    def __init__(self, e):
        self.e, self.layout = e, e.layout
        self.names, self.means = manual()
        self.refused = self.layout.defines['TRACE_REFUSED']
        self.events = {n: name[6:].lower() for n, name in self.layout.enums['trace_event'].items()}
        self.errors = self.layout.enums['exo_error']
        self.begin = e.words()['boot_time']
        self.ticks = e.words()['timebase'] / 1000

    def call(self, name, r):
        names = self.names.get(name, [])
        words = list(r.w[:4])
        if len(names) > 4:  # the fifth argument lies in the upper half of the first
            words = [words[0] & 0xffffffff] + words[1:] + [words[0] >> 32]
        if names[:1] == ['op | count << 8']:
            op = self.layout.enums['disk_op'].get(words[0] & 0xff, '?')[5:].lower()
            names, words = [op] + names[1:], [words[0] >> 8] + words[1:]
        said = ', '.join(f'{n} {value(name, n, w)}' for n, w in zip(names, words))
        if not r.event & self.refused:
            return f'{name}({said})' + (f' = {r.w[4]:x}' if r.w[4] else '')
        error = self.errors.get(r.w[4] - (1 << 64), str(r.w[4]))
        return f'{name}({said}) refused: {error}, {self.means.get(error, "?")}'

    def told(self, name, r):
        if name == 'upcall':
            if r.w[0] != 0:
                return f'--- {ENTRIES[r.w[0]]} at {r.w[2]:x}' if r.w[0] < 4 else f'--- upcall {r.w[0]}'
            cause = CAUSES.get(r.w[3], f'cause {r.w[3]}')
            return f'--- FAULT: {cause}' + (f' at {r.w[4]:#x}' if r.w[3] > 8 else '') + f', pc {r.w[2]:x}'
        return f'--- {name} ' + ' '.join(f'{w:x}' for w in r.w)

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
