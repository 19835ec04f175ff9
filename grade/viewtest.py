#!/usr/bin/env python3
"""Tests of what shows a machine: grade/calls.py, grade/watch.py; and, by pagetest.py, of the page of a trace.

    viewtest.py [--build DIR] [TEST ...]
"""
import argparse
import concurrent.futures
import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time

import browser
import evidence
import gdbtest
import pagetest
import run
from expect import Wrong, each, expect

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def boot(options, args, ram, extra=tuple(run.ICOUNT)):
    """A machine with the RAM file `ram`."""
    if os.path.exists(ram):
        os.unlink(ram)
    config = run.Run('view', 'unix', args=args, extra=extra)
    return run.Guest(run.qemu_command(config, options.build, f'{options.build}/fs.img', None, ram))


def until(guest, text, seconds=60):
    end = time.monotonic() + seconds
    while text not in guest.text:
        if time.monotonic() > end or not guest.read(end, 1):
            raise Wrong(f'the machine never said {text!r}; it said {guest.text[-300:]!r}')


def shown(options, tool, ram):
    return subprocess.run([sys.executable, f'{TOP}/grade/{tool}.py', '--offsets', f'{options.build}/offsets.json', ram],
                          stdout=subprocess.PIPE, check=True).stdout.decode()


def calls(options):
    """A program that opens what is not there: its calls, with names; a refusal, with its check."""
    ram = f'{options.folder}/calls.ram'
    guest = boot(options, 'trace=ring trace_kb=4096 run=cat,README,nosuch', ram)
    try:
        until(guest, 'cannot open nosuch')
        while guest.read(time.monotonic() + 30, 1):
            pass
    finally:
        status = guest.close()
    expect('exit status of cat', 1, status)
    text = shown(options, 'calls', ram)
    for what, pattern in (('a read', r'eid +[0-9a-f]+  disk_submit\(op read, count 1, ext [0-9a-f]+, offset [0-9a-f]+'),
                          ('a fault', r'--- FAULT: load page fault at 0x[0-9a-f]+, pc [0-9a-f]+'),
                          ('a binding', r'bind\(root [0-9a-f]+, va 0x[0-9a-f]+, ppn [0-9a-f]+, bits RWAD, cap 0\)'),
                          ('a refusal', r'protect\(.*\) refused: E_UNBOUND, no binding'),
                          ('the sum', r'^calls: .*\d+ bind.*\d+ protect \(\d+ refused\)')):
        if not re.search(pattern, text, re.M):
            raise Wrong(f'{what} is not shown:\n{text[-1000:]}')


class Terminal:
    """One of grade/'s programs in a terminal of 80 columns and 24 lines."""

    def __init__(self, program, *words):
        self.text, self.last = '', ''
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
        env = {k: v for k, v in os.environ.items() if k not in ('COLUMNS', 'LINES', 'NO_COLOR')}
        self.process = subprocess.Popen([sys.executable, f'{TOP}/grade/{program}.py', *words], stdin=side, stdout=side, env=env)
        os.close(side)

    def key(self, k):
        os.write(self.main, k.encode())

    def read(self, seconds):
        """Takes what it says within that time; False when it has ended."""
        if select.select([self.main], [], [], seconds)[0]:
            try:
                self.text += os.read(self.main, 65536).decode('utf-8', 'replace')
            except OSError:
                return False
        return True

    def frame(self, wanted, seconds=20):
        """The lines of the first frame in which the pattern `wanted` is found."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(0.2):
            frames = self.text.split('\033[H')
            for f in frames[1:-1] + [f for f in frames[-1:] if f.endswith('\033[J')]:
                plain = re.sub(r'\033\[[0-9;?]*[A-Za-z]', '', f).replace('\r', '')
                if re.search(wanted, plain):
                    self.text, self.last = '', f
                    return plain.split('\n')
        raise Wrong(f'no frame has {wanted!r}; the last is\n{self.text[-2000:]}')

    def leave(self):
        self.key('q')
        end = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.1)
        status = self.process.poll()
        self.stop()
        expect('exit status after q', 0, status)
        expect('the terminal is given back', True, '\033[?25h\033[?1049l' in self.text)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()  # so that it ends its own machine
            self.process.wait(30)
        os.close(self.main)


def watching(options, ram):
    return Terminal('watch', '--rate', '10', '--offsets', f'{options.build}/offsets.json', ram)


def fits(lines):
    expect('lines of a frame', True, len(lines) <= 24)
    expect('lines that are too long', [], [line for line in lines if len(line) > 80])


def watch(options):
    """Beside a machine at its prompt: the overview, an address space; and once more when the machine is gone."""
    ram = f'{options.folder}/watch.ram'
    terminal = watching(options, ram)
    try:
        fits(terminal.frame('no machine yet'))
        guest = boot(options, 'trace=ring', ram)
        try:
            until(guest, '$ ')
            fits(terminal.frame(r'\nKKKKK[^$]*\nhart 0 (?:.*\n){3}(?: +[0-9a-f]+ +\d+ +\d+ [A-Z].*\n){3}'))
            terminal.key('j')
            terminal.key('j')
            terminal.key('\r')
            lines = terminal.frame('tables of level 1')
            fits(lines)
            ranges = [line for line in lines if re.match(r' +[0-9a-f]+ +[0-9a-f]+ +\d+  [r-][w-][x-]', line)]
            expect('ranges of an address space', True, len(ranges) >= 3)
            terminal.key('\r')
            terminal.key('a')
            terminal.key('c')
            fits(terminal.frame('pages a digit'))
        finally:
            guest.process.kill()
            guest.close()
        terminal.frame('stands still')
        terminal.leave()
    finally:
        if terminal.process.poll() is None:
            terminal.stop()


def transfer_cost():
    """What a demonstration says of it is what `make bench` has."""
    with open(f'{TOP}/grade/bench.accepted', encoding='ascii') as f:
        cost = {name: int(n) for name, n in map(str.split, f)}
    return rf'takes\s{cost["call-there"]}\sthere\sand\s{cost["call"] - cost["call-there"]}\sback'


# What must be seen of each demonstration: in this order.
SEEN = {
    'bind': ['page_alloc', r'bind\(.* bits RW', 'calls of this step\n  none', 'refused: E_CAP', 'refused: E_BITS', 'refused: E_OWNER',
             'page_free', 'free, of nobody'],
    'cow': ['nobody binds any', 'W{32}\n.*page faults 32, bindings made 32', '={32}\n.*={32}\n.*page faults 0, bindings made 32',
            'r{4}={28}\n.*W{4}={28}\n.*page faults 4', 'r{8}={4}WW=', r'environment +\w+ +W{32}\n.*bindings made 0'],
    'quantum': ['thread-live', 'thread-all', r'EPILOGUE\) (?!0)\d+, each until', 'floating point asked for 0', 'floating point asked for [1-9]'],
    'abort': ['by force 0', 'ABORT', 'by force 1', 'skip', r'STOPPED.*\(owes\)', 'none: it has ended', 'Three library OSes',
              'asked for [1-9]', 'taken by force [1-9]', 'ok first.lets_it_live'],
    'pct': [transfer_cost(), 'an empty kernel call', 'there and back', '42 came back', r'call\(eid \w+\)\n.*reply', '2000 in all', 'refused: E_EID'],
    'disk': ['00 00 00 00', 'disk_submit.op read, count 1', 'This is block 3', 'disk_submit.op write, count 1', 'refused: E_ARG', 'refused: E_CAP'],
    'predicate': ['if r5 < r1 skip 2', 'WAITING', 'Woken so far: 0', 'it has run', 'refused: E_CODE', 'refused: E_OWNER'],
    'two-libos': ['unix +[1-9]', 'ended once', 'ended three times', r'unix: \d+'],
    'crash': [r'0 of \d+|\d+ of \d+', r'(\d+) disks that a power cut could have left; after the log.s replay \1\s+of them'],
}


def demo(options, name):
    said = subprocess.run([sys.executable, f'{TOP}/grade/demo.py', '--build', options.build, '--plain', '--pace', '0', name],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120)
    text, at = said.stdout.decode(), 0
    if said.returncode:
        raise Wrong(f'demo-{name} ended with {said.returncode}: {text[-600:]}')
    expect(f'a trace of demo-{name}', True, os.path.exists(f'{options.build}/demo-{name}.html'))
    for pattern in SEEN[name]:
        match = re.compile(pattern).search(text, at)
        if not match:
            raise Wrong(f'demo-{name} does not show {pattern!r} after what came before:\n{text[at:][:1500]}')
        at = match.start()


def keys(options):
    """A demonstration in a terminal: 80 columns, 24 lines; a key goes on, q leaves; p stays, past the pace."""
    terminal = Terminal('demo', '--build', options.build, '--pace', '3', 'bind')
    try:
        terminal.frame('step 1: ')
        terminal.key('p')
        time.sleep(3.5)
        terminal.read(0.1)
        expect('shown after p', '', terminal.text)
        terminal.leave()
    finally:
        if terminal.process.poll() is None:
            terminal.stop()
    terminal = Terminal('demo', '--build', options.build, '--pace', '60', 'bind')
    try:
        fits(terminal.frame('step 1: .*\n(?:.*\n)*.*page_alloc'))
        terminal.key(' ')
        fits(terminal.frame('step 2: '))
        terminal.key('\n')
        fits(terminal.frame('step 3: '))
        terminal.leave()
    finally:
        if terminal.process.poll() is None:
            terminal.stop()


def demos(options):
    """Each says what it has to say, and has notes."""
    expect('demonstrations with notes', sorted(SEEN), sorted(os.listdir(f'{TOP}/grade/demos')))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in pool.map(lambda name: demo(options, name), SEEN):
            pass


def editor(options):
    """VS Code's files: the targets that its tasks make are there, the labs are all, and its debugger's port is the machine's."""
    read = {}
    for path in ('.vscode/tasks.json', '.vscode/launch.json', '.vscode/settings.json', '.vscode/extensions.json',
                 '.devcontainer/devcontainer.json'):
        with open(f'{TOP}/{path}', encoding='utf-8') as f:
            read[path] = json.load(f)
    tasks = {t['label']: t for t in read['.vscode/tasks.json']['tasks']}
    for task in tasks.values():
        words = [re.sub(r'\$.*', 'hello', w) for w in task['args']]
        expect('what a task runs', 'make', task['command'])
        made = run.make(['-n', f'BUILD={options.build}', *words], cwd=TOP, stdout=subprocess.DEVNULL)
        expect(f'make -n {" ".join(words)}', 0, made.returncode)
    launch = read['.vscode/launch.json']['configurations'][0]
    expect('the debugger\'s port', f'GDBPORT={launch["miDebuggerServerAddress"].split(":")[1]}', tasks[launch['preLaunchTask']]['args'][1])
    labs = [d for d in os.listdir(f'{TOP}/labs') if os.path.isfile(f'{TOP}/labs/{d}/files')]
    expect('labs', sorted(labs), sorted(read['.vscode/tasks.json']['inputs'][0]['options']))


TESTS = [calls, watch, keys, demos, editor] + pagetest.TESTS + gdbtest.TESTS


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('test', nargs='*')
    options = parser.parse_args()
    os.chdir(TOP)
    run.take_guests_along()
    options.folder = f'{options.build}/view'
    shutil.rmtree(options.folder, ignore_errors=True)
    os.makedirs(options.folder)
    failed = each('views', TESTS, options, browser.NoBrowser, evidence.NoEvidence, subprocess.SubprocessError)
    shutil.rmtree(options.folder, ignore_errors=True)
    return failed


if __name__ == '__main__':
    sys.exit(main())
