#!/usr/bin/env python3
"""A running machine, as its kernel's tables have it: `make watch`, beside `make qemu`.

    watch.py [--offsets FILE] [--frames N] [--rate N] [--plain] RAM

Reads the guest's RAM, which the guest neither notices nor pays for. Pages by type and owner, the slots of each hart,
environments with what they do, disk extents and requests. Keys: up and down (or k and j) pick an environment, Enter
shows its address space, a changes between types and owners, c turns colour off, q leaves. --plain: no colour (so does
NO_COLOR in the environment); --frames: ends by itself; --rate: redraws a second.
"""
import argparse
import collections
import os
import select
import shutil
import struct
import sys
import termios
import time
import tty

import evidence

PAGE = 4096
PTE_V, PTE_R, PTE_W, PTE_X, PTE_U, PTE_A, PTE_D = (1 << i for i in (0, 1, 2, 3, 4, 6, 7))
PTE_COW = 1 << 8  # of the Unix library OS (libos/fork.h)
LETTERS = {'FREE': '.', 'DATA': 'd', 'PT0': 't', 'PT1': 't', 'ROOT': 'R', 'UAREA': 'u', 'CODE': 'c', 'DOOMED': 'x',
           'KERNEL': 'K'}
COLOURS = [37, 33, 36, 32, 35, 34, 31, 93, 96, 92, 95, 94, 91]  # by account; 0: nobody's
RECORD = struct.Struct('<16xIH2xQ32x')
SAMPLE = 4000   # records a frame that are looked at, at most
RATES = ('slice', 'upcall', 'fault', 'bind', 'yield', 'denied')  # a second, of the trace
ESCAPES = {'[A': 'k', '[B': 'j', 'OA': 'k', 'OB': 'j'}


class Machine:
    """What is looked at, frame by frame."""

    def __init__(self, path, offsets):
        self.path, self.offsets = path, offsets
        self.e, self.inode, self.heads, self.last, self.moved = None, None, {}, None, time.monotonic()
        self.rates, self.since = {}, None

    def open(self):
        """Whether there is a kernel to look at; a machine that was started anew is another file."""
        try:
            inode = os.stat(self.path).st_ino
            if self.e and inode == self.inode:
                return True
            self.e = None
            self.e, self.inode = evidence.Evidence(self.path, self.offsets), inode
            self.heads, self.rates, self.since, self.last = {}, {}, None, None
            return True
        except (evidence.NoEvidence, OSError, ValueError):
            return False

    def offset(self, struct_name, field):
        return self.e.layout.structs[struct_name]['fields'][field][0]

    def used(self, name, kind, field):
        """(number, record) of those of a table whose `field` is not 0."""
        raw, size = self.e.raw_table(name)
        at = self.offset(kind, field)
        width = self.e.layout.structs[kind]['fields'][field][1]
        for i in range(len(raw) // size):
            if any(raw[i * size + at:i * size + at + width]):
                yield i, self.e.layout.decode(kind, raw, i * size)

    def look(self):
        """Everything but the pages' map, once a frame."""
        e = self.e
        e.read()
        self.words = e.words()
        self.envs = [v for _, v in self.used('envs', 'exo_env', 'eid')]
        self.accounts = dict(self.used('accts', 'exo_acct', 'state'))
        self.exts = dict(self.used('exts', 'exo_ext', 'count'))
        self.reqs = [r for _, r in self.used('reqs', 'exo_req', 'state')]
        raw, _ = self.e.raw_table('slots')
        per = e.layout.defines['EXO_NSLOT']
        slots = list(struct.iter_unpack('<IB3x', raw))
        self.slots = [slots[h * per:(h + 1) * per] for h in range(e.head['nharts'])]
        now = (e.head['seq'], self.words['ticks'])
        if now != self.last:
            self.last, self.moved = now, time.monotonic()
        self.count()

    def count(self):
        """Rates of each environment, of what came into the trace since the last frame."""
        now, found, seen, fresh = time.monotonic(), collections.Counter(), 0, 0
        layout = self.e.layout
        names = {v: k[6:].lower() for v, k in layout.enums['trace_event'].items()}
        upcall = next(v for v, k in names.items() if k == 'upcall')
        for hart, ring in enumerate(self.e.head['ring'][:self.e.head['nharts']]):
            start, head, n = self.heads.get(hart, ring['head']), ring['head'], ring['n']
            self.heads[hart] = head
            if not ring['pa'] or head == start:
                continue
            fresh += head - start
            first = max(start, head - min(n, SAMPLE))
            at = ring['pa'] - evidence.RAM_BASE
            whole = self.e.ram[at:at + n * RECORD.size]
            begin, end = first % n, head % n
            parts = [whole[begin * RECORD.size:end * RECORD.size]] if begin < end else \
                [whole[begin * RECORD.size:], whole[:end * RECORD.size]]
            for part in parts:
                for eid, event, w0 in RECORD.iter_unpack(part):
                    seen += 1
                    found[eid, 'fault' if event == upcall and w0 == 0 else event] += 1
        if self.since is None or now - self.since < 0.01:
            self.since = now
            return
        scale = (fresh / seen if seen else 1) / (now - self.since)
        self.since = now
        refused = layout.defines['TRACE_REFUSED']
        rates = collections.defaultdict(collections.Counter)
        for (eid, event), times in found.items():
            name = event if event == 'fault' else names.get(event) or layout.calls.get(event & ~refused, '')
            if event != 'fault' and event & refused:
                name = 'denied'
            rates[eid][{'protect': 'bind', 'unbind': 'bind', 'wait': 'yield'}.get(name, name)] += times * scale
        self.rates = rates

    def pages(self):
        """(types, accounts): a byte a page."""
        return self.e.column('pages', 'type'), self.e.column('pages', 'account')

    def word(self, ppn, i):
        at = (ppn << 12) - evidence.RAM_BASE + 8 * i
        return struct.unpack_from('<Q', self.e.ram, at)[0] if 0 <= at <= len(self.e.ram) - 8 else 0

    def space(self, root):
        """((tables of level 1, of level 0), [(va, pages, bits, ppn of the first)]): what an address space binds."""
        ranges, tables = [], [0, 0]
        base = self.e.layout.defines.get('EXO_PPN_BASE', 0x80000)

        def walk(ppn, level, va):
            at = (ppn << 12) - evidence.RAM_BASE
            if not 0 <= at <= len(self.e.ram) - PAGE:
                return
            for i, pte in enumerate(struct.unpack_from('<512Q', self.e.ram, at)):
                if not pte & PTE_V or (level == 2 and i >= 256):
                    continue
                where, to = va + (i << 12 + 9 * level), pte >> 10 & (1 << 44) - 1
                if level and not pte & (PTE_R | PTE_W | PTE_X):
                    tables[2 - level] += 1
                    walk(to, level - 1, where)
                elif not level:
                    ranges.append([where, 1, pte & 0x3ff & ~(PTE_A | PTE_D), to])
        walk(root, 2, 0)
        raw, size = self.e.raw_table('pages')
        binds, joined = self.offset('exo_page', 'binds'), []
        for va, n, bits, ppn in ranges:
            at = (ppn - base) * size + binds
            shared = struct.unpack_from('<I', raw, at)[0] > 1 if 0 <= at < len(raw) - 4 else False
            last = joined[-1] if joined else None
            if last and last[0] + last[1] * PAGE == va and last[2] == bits and last[4] == shared:
                last[1] += n
            else:
                joined.append([va, n, bits, ppn, shared])
        return tables, joined


def digit(n):
    """One character for a number; they come again after 36."""
    return '0123456789abcdefghijklmnopqrstuvwxyz'[n % 36]


class Screen:
    """Rows of characters, each with an account whose colour it has; None: the terminal's."""

    def __init__(self, colour):
        self.colour, self.rows = colour, []

    def add(self, *pieces):
        """Pieces: text, or (text, account), or (text, 'title')."""
        self.rows.append([p if isinstance(p, tuple) else (p, None) for p in pieces])

    def paint(self, text, how):
        if how is None or not text:
            return text
        if how in ('title', 'picked'):
            return f'\033[7m{text}\033[0m'
        if not self.colour:
            return text
        return f'\033[{COLOURS[how % len(COLOURS)]}m{text}\033[0m'

    def text(self, width, height):
        lines = []
        for row in self.rows[:height]:
            left, line = width, ''
            for text, how in row:
                text = text[:left]
                left -= len(text)
                line += self.paint(text, how)
            lines.append(line + '\033[K')
        return '\033[H' + '\n'.join(lines) + '\033[J'


class Watch:
    """What is shown, and what keys do to it."""

    def __init__(self, machine, colour):
        self.m, self.colour, self.owners, self.picked, self.inside, self.top = machine, colour, False, 0, False, 0

    def key(self, k):
        if k in 'jk':
            step = 1 if k == 'j' else -1
            if self.inside:
                self.top = max(0, self.top + step)
            else:
                self.picked += step
        elif k in '\r\n':
            self.inside, self.top = not self.inside, 0
        elif k == 'a':
            self.owners = not self.owners
        elif k == 'c':
            self.colour = not self.colour
        return k != 'q'

    def frame(self, width, height):
        s = Screen(self.colour)
        if not self.m.open():
            s.add((' exv6: no machine yet ', 'title'))
            s.add('')
            s.add(f'`make qemu` in another terminal starts one; its memory is {self.m.path}.')
            return s.text(width, height)
        self.m.look()
        self.title(s)
        if self.inside and self.m.envs:
            self.address_space(s, height)
        else:
            self.overview(s, width, height)
        return s.text(width, height)

    def title(self, s):
        w, m = self.m.words, self.m
        still = time.monotonic() - m.moved
        seconds = w['ticks'] / 100
        state = f', stands still for {still:.0f} s' if still > 2 else ''
        s.add((f' exv6  harts {w["nharts"]}  {len(m.e.ram) >> 20} MiB  {seconds:.1f} s{state}  free '
               f'{w["free"]} of {w["npages"]}  promised {w["promised"]}  taken '
               f'{sum(a["repossessed"] for a in m.accounts.values())} ', 'title'))

    def overview(self, s, width, height):
        m = self.m
        harts = min(len(m.slots), max(2, (height - 12) // 3))
        rows = max(4, (height - 7 - harts - 2) // 2)
        self.map(s, min(width, 160), rows)
        for h in range(harts):
            runs = [v for v in m.envs if v['home'] == h and v['state'] & m.e.layout.defines.get('ENV_RUNNING', 0)]
            who = f' {runs[0]["eid"]:x}' if runs else ' idle'
            s.add(f'hart {h} ', *self.slot_pieces(m.slots[h]), who)
        exts = '  '.join(f'{bytes(x["name"]).split(bytes(1))[0].decode("ascii", "replace")} {x["count"]}'
                         for x in m.exts.values() if x['account'])
        s.add(f'disk   {exts}   in flight: '
              f'{sum(r["state"] in (1, 2) for r in m.reqs)}, done: {sum(r["state"] == 3 for r in m.reqs)}')
        traced = any(r['n'] for r in m.e.head['ring'])
        s.add('   eid acct hart state           pages' + ''.join(f'{n:>7.6}' for n in RATES) +
              ('' if traced else '   rates: BOOTARGS=trace=ring'))
        room = height - len(s.rows) - 1
        self.picked = max(0, min(self.picked, len(m.envs) - 1))
        first = max(0, self.picked - room + 1)
        for i, v in list(enumerate(m.envs))[first:first + room]:
            state = m.e.layout.bits('ENV_', v['state'])
            row = f'{v["eid"]:6x} {v["account"]:4} {v["home"]:4} {state:14.14}{self.held(v):7}' + \
                ''.join(f'{m.rates.get(v["eid"], {}).get(n, 0):7.0f}' for n in RATES)
            s.add((row, 'picked' if i == self.picked else v['account']))
        while len(s.rows) < height - 1:
            s.add('')
        s.add(' k, j: pick   Enter: its address space   a: owners   c: colour   q: leave')

    def held(self, env):
        """Pages of its account."""
        account = self.m.accounts.get(env['account'])
        return account['held'] if account else 0

    @staticmethod
    def slot_pieces(slots):
        """A hart's slots: of each the last digit of who runs in it, - for nobody, in the colour of its account."""
        return [(digit(eid) if eid else '-', account) for eid, account in slots]

    def map(self, s, width, rows):
        types, owners = self.m.pages()
        named = {v: LETTERS.get(k[5:], '?') for v, k in self.m.e.layout.enums['page_type'].items()}
        cells = width * rows
        per = -(-len(types) // cells)
        s.add(f'{per} pages a digit: the account; . free  K kernel' if self.owners else
              f'{per} pages a letter: . free d data t,R tables u u-area c code x doomed K kernel')
        nobody = [kind for kind, letter in named.items() if letter in '.K']
        line = []
        for i in range(0, len(types), per):
            part = types[i:i + per]
            kind = max(set(part), key=part.count)
            owner = None if kind in nobody else owners[i + part.index(kind)]
            letter = named.get(kind, '?')
            if self.owners and owner is not None:
                letter = digit(owner)
            line.append((letter, owner))
            if len(line) == width:
                s.add(*line)
                line = []
        if line:
            s.add(*line)

    def address_space(self, s, height):
        m = self.m
        self.picked = max(0, min(self.picked, len(m.envs) - 1))
        v = m.envs[self.picked]
        tables, ranges = m.space(v['root'])
        s.add(f'env {v["eid"]:x}, account {v["account"]}: root {v["root"]:x}; {tables[0]} tables of level 1, '
              f'{tables[1]} of level 0; {sum(r[1] for r in ranges)} pages')
        s.add(f'{"from":>12} {"to":>12} {"pages":>6}  rights  first page')
        room = height - 4
        self.top = max(0, min(self.top, len(ranges) - room))
        for va, n, bits, ppn, shared in ranges[self.top:self.top + room]:
            rights = ''.join(letter if bits & bit else '-' for bit, letter in
                             ((PTE_R, 'r'), (PTE_W, 'w'), (PTE_X, 'x'), (PTE_U, 'u'), (PTE_COW, 'c')))
            s.add(f'{va:12x} {va + n * PAGE - 1:12x} {n:6}  {rights}   {ppn:x}{"  shared" if shared else ""}')
        while len(s.rows) < height - 1:
            s.add('')
        s.add(' k j: scroll   Enter: back   q: leave      c: copied when written to')


def keys(text):
    """Letters, arrows as such."""
    while text:
        if text[0] == '\033' and text[1:3] in ESCAPES:
            yield ESCAPES[text[1:3]]
            text = text[3:]
        else:
            yield text[0]
            text = text[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ram')
    parser.add_argument('--offsets', default=evidence.OFFSETS)
    parser.add_argument('--frames', type=int, default=0)
    parser.add_argument('--rate', type=float, default=4)
    parser.add_argument('--plain', action='store_true')
    options = parser.parse_args()
    watch = Watch(Machine(options.ram, options.offsets), not options.plain and not os.environ.get('NO_COLOR'))
    terminal = sys.stdin.isatty()
    before = termios.tcgetattr(sys.stdin) if terminal else None
    sys.stdout.write('\033[?1049h\033[?25l')
    try:
        if terminal:
            tty.setcbreak(sys.stdin)
        n, on = 0, True
        while on and (not options.frames or n < options.frames):
            n += 1
            sys.stdout.write(watch.frame(*shutil.get_terminal_size()))
            sys.stdout.flush()
            until = time.monotonic() + 1 / options.rate
            while on and time.monotonic() < until:
                ready = select.select([sys.stdin] if terminal else [], [], [], max(0, until - time.monotonic()))[0]
                if ready:
                    for k in keys(os.read(sys.stdin.fileno(), 64).decode('ascii', 'replace')):
                        on = on and watch.key(k)
                    break
    except KeyboardInterrupt:
        pass
    finally:
        sys.stdout.write('\033[?25h\033[?1049l')
        if terminal:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
    return 0


if __name__ == '__main__':
    sys.exit(main())
