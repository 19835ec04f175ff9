"""What grade/demo.py shows of a machine: each scene is a generator of (line, style), given a Look."""
import re
import struct

import calls
import evidence
import machine

PAGE = 4096
BAR = 22    # a bar's width: with what stands beside it, it fits in 80 columns
STRIP = 72  # characters of slices
SHOWN = 9   # kernel calls of a step that are shown
DULL = {'cons_read', 'cons_write', 'poke', 'mark'}


class Look:
    """The machine now, and what it recorded since the step before."""

    def __init__(self, e, records, marks, account):
        self.e, self.records, self.marks, self.account = e, records, marks, account
        self.calls = calls.Calls(e)
        self.layout = e.layout

    def mine(self):
        return [r for r in self.records if r.account == self.account]

    def number(self, event):
        """Of a call or another event, as in Record.event."""
        return next(n for names in (self.calls.events, self.layout.calls) for n, name in names.items() if name == event)

    def page(self, ppn):
        return self.e.table('pages')[ppn - self.layout.defines['EXO_PPN_BASE']]

    def bytes_of(self, ppn, n):
        at = (ppn << 12) - evidence.RAM_BASE
        return self.e.ram[at:at + n]

    def pte(self, root, va):
        """The entry for va of an address space; 0 if there is no table."""
        for level in (2, 1, 0):
            (entry,) = struct.unpack_from('<Q', self.bytes_of(root, PAGE), (va >> 12 + 9 * level & 511) * 8)
            if not entry & 1 or level == 0:
                return entry
            root = entry >> 10 & (1 << 44) - 1
        return 0


def kernel_calls(look):
    """The step's calls, as strace would have them; the same again and again is counted."""
    lines = []
    for r in look.mine():
        name = look.layout.calls.get(r.event & ~look.calls.refused)
        if not name or name in DULL or (name in ('wait', 'yield') and not r.event & look.calls.refused):
            continue
        text = look.calls.call(name, r)
        if lines and lines[-1][0].split('(')[0] == text.split('(')[0] and not r.event & look.calls.refused:
            lines[-1][1] += 1
        else:
            lines.append([text, 1, bool(r.event & look.calls.refused)])
    yield 'calls of this step', 'head'
    for text, times, refused in lines[-SHOWN:] or [['none', 1, False]]:
        yield '  ' + text + (f'   ({times} times)' if times > 1 else ''), 'no' if refused else 'yes'


def page_record(look):
    if 'page' not in look.marks:
        return
    ppn = int(look.marks['page'], 16)
    p = look.page(ppn)
    kind = look.layout.enums['page_type'][p['type']][5:].lower()
    yield f'the kernel\'s record of page {ppn:x}', 'head'
    owner = 'nobody' if kind == 'free' else f'account {p["account"]}'
    yield f'  {kind}, of {owner}; bindings {p["binds"]}, pinned {p["pins"]}', None
    if kind == 'data' and p['account'] == look.account:
        yield from dump(look.bytes_of(ppn, 64))


def dump(data):
    for at in range(0, len(data), 16):
        row = data[at:at + 16]
        yield f'  {at:04x}  {row.hex(" ")}  {"".join(chr(b) if 32 <= b < 127 else "." for b in row)}', None


def env_record(look):
    if 'env' not in look.marks:
        return
    eid = int(look.marks['env'], 16)
    v = look.e.table('envs')[eid & look.layout.defines['EXO_EID_INDEX']]
    yield f'the kernel\'s record of environment {eid:x}', 'head'
    if v['eid'] != eid:
        yield '  none: it has ended', None
        return
    state = look.layout.bits('ENV_', v['state']) if v['state'] else 'READY'
    why = ' (' + look.layout.enums['stop_reason'][v['stop']][5:].lower() + ')' if 'STOPPED' in state else ''
    yield f'  {state}{why}; slices {v["slices"]}, aborts {v["aborts"]}, owes {v["excess"]}', None


def slices(look):
    """The hart's last slices, and how the ends of them came."""
    begin, end, abort, upcall, skip, fp = (look.number(n) for n in ('slice', 'slice_end', 'abort', 'upcall', 'skip', 'fp'))
    strip, count, saving, left = [], {'epilogue': 0, 'abort': 0, 'fp': 0, 'skip': 0}, [], None
    us = look.e.words()['timebase'] / 1e6
    for r in look.records:
        if r.event == begin:
            strip.append(f'{r.eid & 0xfff:x}')
        elif r.event == upcall and r.w[0] == 1:
            count['epilogue'], left = count['epilogue'] + 1, r.time
        elif r.event == end and left is not None:
            saving.append((r.time - left) / us)
            left = None
        elif r.event == abort:
            count['abort'] += 1
            strip.append('ABORT')
        elif r.event == skip:
            count['skip'] += 1
            strip.append('skip')
        elif r.event == fp and r.w[0] == 1:
            count['fp'] += 1
    yield 'who ran on the hart, slice by slice, the last on the right', 'head'
    while len(' '.join(strip)) > STRIP:
        strip.pop(0)
    yield '  ' + ' '.join(strip), None
    mean = f', each until it yielded: {sum(saving) / len(saving):.1f} us' if saving else ''
    yield f'  ends by the library (EPILOGUE) {count["epilogue"]}{mean}', 'yes'
    yield f'  by force {count["abort"]}, slots skipped {count["skip"]}; floating point asked for {count["fp"]} times', \
        'no' if count['abort'] else None


def transfers(look):
    """Calls and replies of the step, one by one, then how many."""
    lines = []
    for r in look.mine():
        name = look.layout.calls.get(r.event & ~look.calls.refused)
        if name in ('call', 'send', 'reply'):
            lines.append((f'  eid {r.eid:x}  {look.calls.call(name, r)}', bool(r.event & look.calls.refused)))
    yield 'transfers of this step', 'head'
    for text, refused in lines[-6:]:
        yield text, 'no' if refused else 'yes'
    yield f'  {len(lines)} in all', None


def bars(look):
    """Numbers that the program measured."""
    rows = [b.rsplit(': ', 1) for b in look.marks.get('bar', [])]
    most = max([int(n) for _, n in rows] or [1])
    wide = max([len(what) for what, _ in rows] or [1])
    yield 'measured', 'head'
    for what, n in rows:
        yield f'  {what:{wide}} {int(n):6}  {"#" * max(1, round(BAR * int(n) / most))}', 'yes'


def predicate(look):
    if 'code' not in look.marks:
        return
    raw = look.bytes_of(int(look.marks['code'], 16), PAGE)
    n, pages = struct.unpack_from('<II', raw)
    page = struct.unpack_from('<4I', raw, 8)
    ops = {number: name[5:].lower() for number, name in look.layout.enums['pred_op'].items()}
    yield f'the code page: {n} instructions, {pages} page of its own ({page[1]:x})', 'head'
    for i in range(min(n, 8)):
        op, d, a, b, imm = struct.unpack_from('<BBBBi', raw, 32 + 8 * i)
        name = ops.get(op, '?')
        text = {'li': f'r{d} = {imm}', 'ld': f'r{d} = page {a} [r{b} + {imm}]', 'ret': f'return r{a}'}.get(name) or \
            (f'if r{a} {"==" if name == "beq" else "!=" if name == "bne" else "<" if name == "bltu" else ">="} r{b} skip {imm}'
             if name.startswith('b') else f'r{d} = r{a} {name} r{b}')
        yield f'  {i}  {name:5} {text}', None


def spaces(look):
    """A range of pages in each address space of the account that has any of it."""
    if 'range' not in look.marks:
        return
    start, n = look.marks['range'].split()
    start, n = int(start, 16), int(n)
    seen = {}
    rows = []
    for v in look.e.table('envs'):
        if not v['eid'] or v['account'] != look.account:
            continue
        entries = [look.pte(v['root'], start + i * PAGE) for i in range(n)]
        if any(entry & 1 for entry in entries):
            rows.append((v['eid'], entries))
            for entry in entries:
                if entry & 1:
                    seen.setdefault(entry >> 10, []).append(v['eid'])
    yield 'pages:  . none   W own, writable   r own, read-only   = shared', 'head'
    for eid, entries in rows:
        cells = ''.join('.' if not e & 1 else '=' if len(seen[e >> 10]) > 1 else 'W' if e & machine.WRITE else 'r' for e in entries)
        yield f'  environment {eid:4x}   {cells}', 'yes'
    if not rows:
        yield '  nobody binds any', None
    bind, upcall = look.number('bind'), look.number('upcall')
    faults = sum(r.event == upcall and r.w[0] == 0 and start <= r.w[4] < start + n * PAGE for r in look.mine())
    binds = sum(r.event == bind and start <= r.w[1] < start + n * PAGE for r in look.mine())
    yield f'  in this step: page faults {faults}, bindings made {binds}; different pages now {len(seen)}', None


def accounts(look):
    """Who holds how much, who was asked for some, what was taken."""
    names = {1: 'first'}
    names.update({int(a): n for a, n in re.findall(r'(\d+)=(\S+)', look.marks.get('names', ''))})
    words, table = look.e.words(), look.e.table('accts')
    most = max([1] + [a['held'] for a in table if a['state']])
    yield f'accounts: pages held (of {words["npages"]}; free {words["free"]})', 'head'
    for i, a in enumerate(table):
        if not a['state']:
            continue
        bar = '#' * -(-BAR * a['held'] // most)
        asked = f'  asked for {a["revoke_target"]}' if a['revoke_deadline'] else ''
        taken = f'  taken by force {a["repossessed"]}' if a['repossessed'] else ''
        yield f'  {i:2} {names.get(i, ""):8} {a["held"]:6} {bar:{BAR}}{asked}{taken}', 'no' if taken else 'yes'


def both(*scenes):
    def scene(look):
        for one in scenes:
            yield from one(look)
    return scene
