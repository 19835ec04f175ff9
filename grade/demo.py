#!/usr/bin/env python3
"""Demonstrations for lectures: `make demo-NAME`.

    demo.py [--build DIR] [--pace SECONDS] [--plain] NAME

Boots a machine, and shows after each step what the kernel recorded of it: calls, page records, address spaces, slots,
accounts. Enter or space goes on, p stays until then, q leaves; without a key it goes on by itself, so that all of it
takes less than a minute. grade/demos/NAME says what to say meanwhile. --pace: seconds a step (0: at once); --plain: one
picture below the other, no colour (so it is when the output is no terminal).
"""
import argparse
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import textwrap
import time
import tty

import evidence
import lab as grading
import machine
import run
import tracepage
from scenes import PAGE, Look, accounts, bars, both, env_record, kernel_calls, page_record, predicate, slices, spaces, transfers

TOP = run.TOP
WALL = 90           # seconds that a machine may take, keys aside
KILLS = ['once', 'twice', 'three times']  # how often the store of two-libos is ended
ICOUNT = ['-icount', 'shift=0']  # real time while nobody runs: a key is waited for
TRACE = 'trace=ring trace_kb=16384'


class Stop(Exception):
    """The lecturer leaves."""


# ---- the demonstrations ----

class Demo:
    """title; paper: the section; scene: what is shown of a Look; args: of user/demo/ or user/shows.c; play: how it goes."""

    def __init__(self, title, paper, scene, args, play):
        self.title, self.paper, self.scene, self.args, self.play = title, paper, scene, args, play


def mkfs(options, *words):
    subprocess.run([f'{options.build}/mkfs', '-o', options.disk, *words], check=True, cwd=TOP)


def bare_disk(options, args):
    mkfs(options, '-s', '2M', '--fs-size', '0', '--boot', f'{options.build}/first.img', '--libos',
         f'demo={options.build}/demo.img', '--raw', 'data=64K', '--line',
         f'name=demo image=demo extents=data console envs=4 slots=8 pages=200 args={args}')
    text = b'This is block 3 of the extent "data". Nobody has copied it.  '
    grading.plant(options.disk, {'data': bytes(3 * PAGE) + text * 8})


def unix_disk(options, first, *more, size='4M'):
    programs = [f'{options.build}/bin/{p}' for p in ('init', 'sh', 'echo', 'shows', 'threadbench')]
    mkfs(options, '-s', size, '--boot', f'{options.build}/{first}.img', '--libos', f'unix={options.build}/unix.img', *more, *programs)


def bare(options, demo, screen, args=None, scene=None, trace=TRACE):
    bare_disk(options, args or demo.args)
    steps(options, demo, screen, boot(options, 'demo', trace, ICOUNT), scene or demo.scene)


def unix(options, demo, screen, args=None, scene=None, trace=TRACE):
    unix_disk(options, 'first', '--line', 'name=unix extents=fs console envs=40')
    steps(options, demo, screen, boot(options, 'demo', f'{trace} run=shows,{args or demo.args}', ICOUNT), scene or demo.scene)


def pct(options, demo, screen):
    bare(options, demo, screen, 'pct-cost', bars, '')  # a trace costs more than what is measured
    bare(options, demo, screen)


def quantum(options, demo, screen):
    unix(options, demo, screen, 'threads', bars, 'slice=1000')  # short ones: so many are soon over
    unix(options, demo, screen)


def steps(options, demo, screen, guest, scene):
    """A machine that says what it has done, and waits for a key."""
    follow, marks, at, said = None, {}, 0, []
    try:
        while True:
            match = next_line(guest, at)
            if match is None:
                break
            line, at = match
            if line == '@ begin':
                follow = Follow(options)
                follow.new()
                guest.type('\n')
            elif line.startswith('@ '):
                what, _, value = line[2:].partition(' ')
                if what == 'bar':
                    marks.setdefault(what, []).append(value)
                else:
                    marks[what] = value
            elif line.startswith('# '):
                screen.step += 1
                screen.show(demo, scene, line[2:], Look(follow.e, follow.new(), marks, 2), said)
                said = []
                screen.wait()
                guest.type('\n')
            elif line.startswith('bench '):
                marks.setdefault('bar', []).append(line[6:].replace(' ', ': '))
            elif follow and line.strip():
                said.append(line)
    finally:
        status = guest.close()
    if status != 0:
        raise grading.Refused(f'the machine ended with {status}: {guest.text[-400:]}')


class Follow:
    """The records of a running machine, as they come."""

    def __init__(self, options):
        self.e, self.start = evidence.Evidence(options.ram, f'{options.build}/offsets.json'), {}

    def new(self):
        raw, _ = self.e.raw_trace(self.start)
        return sorted(machine.Record(*f[:6], f[6:]) for f in map(machine.REC.unpack, raw))


def next_line(guest, at):
    """(the line that begins at `at`, where the next does); None at the end."""
    until = time.monotonic() + WALL
    while '\n' not in guest.text[at:]:
        if not guest.read(until):
            return None
    end = guest.text.index('\n', at)
    return guest.text[at:end], end + 1


def boot(options, name, args, extra=(), **more):
    if os.path.exists(options.ram):
        os.unlink(options.ram)
    config = run.Run(name, 'demo', args=args, mem=more.pop('mem', '64M'), extra=list(extra), **more)
    return run.Guest(run.qemu_command(config, options.build, options.disk, None, options.ram))


def watched(options, demo, screen, guest, names, caption, until, stand=False):
    """A machine that goes by itself, until `until` holds or Enter is pressed: a picture as often as the caption changes, and
    on a terminal as it goes; or it stands still with each new caption, until a key or the pace lets it go on."""
    follow, last, end = None, None, time.monotonic() + WALL
    marks = {'names': ' '.join(f'{k}={v}' for k, v in names.items())}
    try:
        while True:
            guest.read(time.monotonic() + 1, 0.02 if stand else 0.3)
            try:
                follow = follow or Follow(options)
            except (evidence.NoEvidence, OSError, ValueError):
                continue
            finally:
                if guest.ended or time.monotonic() > end:
                    raise grading.Refused(f'the machine did not come to its end: {guest.text[-400:]}')
            follow.e.read()
            look = Look(follow.e, [], marks, 2)
            text, over = caption(look, guest), until(look, guest)
            if text and (text != last or over or screen.live and not stand):
                screen.step += stand
                screen.show(demo, accounts, text, look, guest.text[guest.text.find('exv6: '):].split('\n')[1:-1][-3:])
                if over or stand:
                    end += stood(guest, screen)
                last = text
            if over or (not stand and screen.goes_on(0)):
                break
    finally:
        guest.close()


def stood(guest, screen):
    """The machine stands still while the picture is looked at. Returns the seconds that it did."""
    since = time.monotonic()
    guest.process.send_signal(signal.SIGSTOP)
    try:
        screen.wait()
    finally:
        guest.process.send_signal(signal.SIGCONT)
    return time.monotonic() - since


def two_libos(options, demo, screen):
    kv = run.kv
    unix_disk(options, 'torment', '--libos', f'kv={options.build}/kv.img', '--raw', f'store={kv.SIZE}',
              '--line', 'name=unix extents=fs console envs=40 pages=3000',
              '--line', 'name=kv image=kv pages=300 envs=4 slots=8 extents=store args=7.100000', size='64M')
    apart = max(1000, int(screen.pace * 1000))  # ms
    guest = boot(options, 'two', f'trace=ring torment=kv.5.{len(KILLS)}.e torment_ms={apart} run=shows,count',
                 disk='virtio', mem='128M')
    stores = set()  # environments, one after the other

    def caption(look, guest):
        stores.update(v['eid'] for v in look.e.table('envs') if v['eid'] and v['account'] == 3)
        if 'unix: 1' not in guest.text:
            return None
        if len(stores) < 2:
            return 'Two library OSes, each with pages, slots and an extent of its own: a Unix that counts, and a key-value store.'
        times = KILLS[min(len(stores) - 1, len(KILLS)) - 1]
        return f'The store was ended {times}, and begun anew. The Unix goes on counting: it never knew.'

    watched(options, demo, screen, guest, {2: 'unix', 3: 'kv'}, caption,
            lambda look, guest: len(stores) > len(KILLS))


def abort(options, demo, screen):
    bare(options, demo, screen)
    mkfs(options, '-s', '2M', '--fs-size', '0', '--boot', f'{options.build}/first.img', '--libos',
         f'guest={options.build}/guest.img', '--line', 'name=keep image=guest envs=1 slots=4 pages=200 args=keep',
         '--line', 'name=give image=guest envs=1 slots=4 pages=200 args=give', '--line', 'name=judge image=guest envs=1 slots=4 pages=200 console args=judge')
    guest = boot(options, 'abort', 'trace=ring', ['-icount', 'shift=3,sleep=off'])
    asked = []

    def caption(look, guest):
        accts = look.e.table('accts')
        asked.extend(1 for a in accts if a['revoke_deadline'])
        if 'done' in guest.text:
            return 'It has what it wanted. "keep" lives on with what it was left, and its record says how many were taken.'
        if any(a['repossessed'] for a in accts):
            return 'Memory now. "keep" was asked, and did not answer: past the deadline its pages are taken, one by one.'
        if asked:
            return 'Memory now. There is none left; "give" is asked for pages, and gives them back in time.'
        return 'Memory now. Three library OSes: one keeps all it has, one gives back, one wants more.' if accts[3]['held'] else None

    watched(options, demo, screen, guest, {2: 'keep', 3: 'give', 4: 'judge'}, caption, lambda look, guest: 'done' in guest.text, stand=True)


def crash(options, demo, screen):
    fs = grading.Lab('fs')
    if not fs.tests:
        raise grading.Refused('this tree has no tests of lab fs, one of which it shows')
    tests = sys.modules['fs_tests']
    test = next(t for t in fs.tests if t.tape)
    out = f'{options.folder}/crash'
    os.makedirs(out, exist_ok=True)
    for end in ('img', 'elf'):
        shutil.copyfile(f'{options.build}/unix.{end}', f'{out}/unix.{end}')
    screen.say(demo, 'A program makes, changes and removes files. The kernel keeps each write to the disk, in order.')
    seen = grading.boot(fs, test, 7, 0, options, out)
    if seen.trouble():
        raise grading.Refused('; '.join(seen.trouble()))
    cuts = tests.Cuts(seen)
    total = cuts.writes
    screen.wait()
    for part in range(1, 5):
        n = total * part // 4
        screen.picture(demo, f'The power is cut after each write, also where writes were lost or torn: {n} of {total}.',
                       list(grid(cuts, n)))
        screen.wait()
    whole = sum(c[2] == 0 for c in cuts.cuts)
    screen.picture(demo, f'{len(cuts.cuts)} disks that a power cut could have left; after the log\'s replay {whole} of them are '
                   f'whole. Different sets of files found: {len(cuts.states)}.', list(grid(cuts, total)))
    screen.wait()
    shutil.copyfile(f'{out}/{test.name}.ram', options.ram)


def grid(cuts, n):
    """A letter for each moment: . whole however it was cut, x not."""
    bad = {c[0] for c in cuts.cuts if c[2]}
    letters = ''.join('x' if i in bad else '.' for i in range(n))
    yield 'a letter for each write:   . whole, whatever was lost   x not whole', 'head'
    for at in range(0, len(letters), 72):
        yield '  ' + letters[at:at + 72], 'yes'


DEMOS = {
    'bind': Demo('A secure binding, made and refused', 'Secure Bindings', both(kernel_calls, page_record), 'bind', bare),
    'cow': Demo('Copy-on-write, by a library', 'Application-level Virtual Memory', spaces, 'cow', unix),
    'quantum': Demo('The end of a slice is an upcall', 'Processor Time Slices', slices, 'quantum', quantum),
    'abort': Demo('Who will not let go', 'The Abort Protocol', both(slices, env_record), 'abort', abort),
    'pct': Demo('A call with nothing saved', 'Protected Control Transfers', both(transfers, env_record), 'pct', pct),
    'disk': Demo('One block, straight to a page', 'Secure Bindings; Application-level I/O', both(kernel_calls, page_record), 'disk', bare),
    'predicate': Demo('When shall I run again? Downloaded code', 'Downloading Code', both(predicate, env_record, kernel_calls),
                      'predicate', bare),
    'two-libos': Demo('Two library OSes, and one is killed', 'Library Operating Systems', accounts, 'two-libos', two_libos),
    'crash': Demo('Power cut at every write', 'Application-level I/O', None, 'crash', crash),
}


# ---- showing ----

class Screen:
    """A terminal, whole pictures; or any output, one picture below the other."""
    STYLE = {'head': '\033[1m', 'yes': '\033[32m', 'no': '\033[31m', 'title': '\033[7m', 'caption': '\033[1;33m'}

    def __init__(self, options):
        self.live = sys.stdout.isatty() and not options.plain
        self.keys = self.live and sys.stdin.isatty()
        self.pace = options.pace if options.pace is not None else (5 if self.live else 0)
        self.step, self.before = 0, None
        if self.keys:
            self.before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        if self.live:
            print('\033[?1049h\033[?25l', end='', flush=True)

    def close(self):
        if self.live:
            print('\033[?25h\033[?1049l', end='', flush=True)
        if self.before:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.before)

    def key(self, seconds):
        if not self.keys or not select.select([sys.stdin], [], [], seconds)[0]:
            return ''
        return os.read(sys.stdin.fileno(), 16).decode('utf-8', 'replace')[:1]

    def goes_on(self, seconds):
        """Whether the lecturer says so within that time."""
        k = self.key(seconds)
        while k == 'p':
            k = self.key(None)
        if k == 'q':
            raise Stop()
        return k in ('\n', '\r', ' ') if k else False

    def wait(self):
        until = time.monotonic() + self.pace
        while self.pace and time.monotonic() < until:
            if not self.keys:
                time.sleep(max(0, until - time.monotonic()))
            elif self.goes_on(until - time.monotonic()):
                break

    def show(self, demo, scene, caption, look, said):
        lines = list(scene(look))
        if said:
            lines += [('the program said', 'head')] + [(f'  {line}', None) for line in said[-5:]]
        self.picture(demo, caption, lines)

    def say(self, demo, caption):
        self.picture(demo, caption, [])

    def picture(self, demo, caption, lines):
        width, height = shutil.get_terminal_size() if self.live else (200, 1000)
        step = f'step {self.step}: ' if self.step else ''
        rows = [(f' {step}{demo.title} ', 'title'), (f' SOSP 1995: {demo.paper}', None), ('', None)]
        rows += [(part, 'caption') for part in textwrap.wrap(caption, min(width, 100) - 2)] + [('', None)]
        rows += [(part, style) for line, style in lines for part in wrapped(line, width)]
        if self.live:
            rows = rows[:height - 2] + [('', None)] * (height - 2 - len(rows)) + \
                [(' Enter: next   p: pause   q: leave' if self.keys else '', None)]
        text = ''.join(self.paint(row, style) + '\n' for row, style in rows)
        print(('\033[H' + text.rstrip('\n').replace('\n', '\033[K\n') + '\033[J') if self.live else text, end='', flush=True)

    def paint(self, text, style):
        return f'{self.STYLE[style]}{text}\033[0m' if self.live and style and 'NO_COLOR' not in os.environ else text


def wrapped(line, width):
    """The line, in pieces no longer than the width, further in from the second on."""
    indent = ' ' * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, width, subsequent_indent=indent) or ['']


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--pace', type=float)
    parser.add_argument('--plain', action='store_true')
    parser.add_argument('name')
    options = parser.parse_args()
    os.chdir(TOP)
    demo = DEMOS.get(options.name)
    if not demo:
        sys.exit(f'demo: there is none of the name "{options.name}"; there are: {" ".join(DEMOS)}')
    options.folder = f'{options.build}/demo'
    os.makedirs(options.folder, exist_ok=True)
    options.disk, options.ram = (f'{options.folder}/{options.name}.{end}' for end in ('disk', 'ram'))
    options.cross = subprocess.run(['grade/setup', 'cross'], stdout=subprocess.PIPE, check=False).stdout.decode().strip()
    for end in (signal.SIGTERM, signal.SIGHUP):  # the machine goes, too
        signal.signal(end, stop)
    screen = Screen(options)
    trouble = None
    try:
        demo.play(options, demo, screen)
    except (Stop, KeyboardInterrupt):
        pass
    except (grading.Refused, evidence.NoEvidence, OSError, subprocess.CalledProcessError) as error:
        trouble = f'demo: {error}'
    finally:
        screen.close()
    if trouble:
        sys.exit(trouble)
    print(f'what to say: grade/demos/{options.name}; its trace, for a browser: {leave_page(options)}')


def stop(*_):
    raise Stop()


def leave_page(options):
    path = f'{options.build}/demo-{options.name}.html'
    try:
        page = tracepage.page(*tracepage.trace_of(options.ram, f'{options.build}/offsets.json'))
    except (evidence.NoEvidence, OSError, ValueError) as error:
        return f'none ({error})'
    with open(path, 'w', encoding='utf-8') as f:
        f.write(page)
    return path


if __name__ == '__main__':
    main()
