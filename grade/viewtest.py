#!/usr/bin/env python3
"""Tests of what shows a machine: grade/calls.py, grade/watch.py.

    viewtest.py [--build DIR] [TEST ...]
"""
import argparse
import fcntl
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

import gdbtest
import run

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Wrong(Exception):
    """What was shown is not as it should be."""


def expect(what, expected, saw):
    if expected != saw:
        raise Wrong(f'{what}: expected {expected!r}, saw {saw!r}')


def boot(options, args, ram):
    """A machine with the RAM file `ram`."""
    if os.path.exists(ram):
        os.unlink(ram)
    config = run.Run('view', 'unix', args=args, extra=run.ICOUNT)
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
    for what, pattern in (('a read', r'eid +[0-9a-f]+  disk_submit\(read 1, ext [0-9a-f]+, offset [0-9a-f]+'),
                          ('a fault', r'--- FAULT: load page fault at 0x[0-9a-f]+, pc [0-9a-f]+'),
                          ('a binding', r'bind\(root [0-9a-f]+, va 0x[0-9a-f]+, ppn [0-9a-f]+, bits RWAD, cap 0\)'),
                          ('a refusal', r'protect\(.*\) refused: E_UNBOUND, no binding'),
                          ('the sum', r'^calls: .*\d+ bind.*\d+ protect \(\d+ refused\)')):
        if not re.search(pattern, text, re.M):
            raise Wrong(f'{what} is not shown:\n{text[-1000:]}')


class Terminal:
    """watch.py in a terminal of 80 columns and 24 lines."""

    def __init__(self, options, ram, *more):
        self.screen, self.text = [], ''
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
        env = {k: v for k, v in os.environ.items() if k not in ('COLUMNS', 'LINES', 'NO_COLOR')}
        self.process = subprocess.Popen([sys.executable, f'{TOP}/grade/watch.py', '--rate', '10', '--offsets',
                                         f'{options.build}/offsets.json', *more, ram], stdin=side, stdout=side, env=env)
        os.close(side)

    def key(self, k):
        os.write(self.main, k.encode())

    def frame(self, wanted, seconds=20):
        """The lines of the first frame in which the pattern `wanted` is found."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.main], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.main, 65536).decode('utf-8', 'replace')
                except OSError:  # it has ended
                    break
            frames = self.text.split('\033[H')
            for f in frames[1:-1] + [f for f in frames[-1:] if f.endswith('\033[J')]:
                plain = re.sub(r'\033\[[0-9;?]*[A-Za-z]', '', f).replace('\r', '')
                if re.search(wanted, plain):
                    self.text = ''
                    return plain.split('\n')
        raise Wrong(f'no frame has {wanted!r}; the last is\n{self.text[-2000:]}')

    def leave(self):
        self.key('q')
        end = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.main], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.main, 65536).decode('utf-8', 'replace')
                except OSError:
                    pass
        status = self.process.poll()
        self.stop()
        expect('exit status after q', 0, status)
        expect('the terminal is given back', True, '\033[?25h\033[?1049l' in self.text)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.main)


def fits(lines):
    expect('lines of a frame', True, len(lines) <= 24)
    expect('lines that are too long', [], [line for line in lines if len(line) > 80])


def watch(options):
    """Beside a machine at its prompt: the overview, an address space; and once more when the machine is gone."""
    ram = f'{options.folder}/watch.ram'
    terminal = Terminal(options, ram)
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


TESTS = [calls, watch] + gdbtest.TESTS


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('test', nargs='*')
    options = parser.parse_args()
    os.chdir(TOP)
    options.folder, failed = f'{options.build}/view', 0
    shutil.rmtree(options.folder, ignore_errors=True)
    os.makedirs(options.folder)
    for test in [t for t in TESTS if not options.test or t.__name__ in options.test]:
        try:
            test(options)
            print(f'ok views: {test.__name__}', flush=True)
        except (Wrong, gdbtest.Wrong, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f'not ok views: {test.__name__}: {error}', flush=True)
    shutil.rmtree(options.folder, ignore_errors=True)
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
