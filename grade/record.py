#!/usr/bin/env python3
"""Records a run, repeats it exactly, and repeats it under GDB, forwards and backwards: QEMU's record and replay.

    make record [PROG='ls /'], make replay, make replay-gdb and beside it make gdb
    record.py [--folder DIR] [--build DIR] [--disk FILE] [--mem SIZE] [--args 'WORDS'] record
    record.py [--folder DIR] replay
    record.py [--folder DIR] [--listen WHERE] gdb

What comes from outside the machine (what is typed, the time) goes into DIR as it comes; the rest follows from the kernel
and the disk, so a recording is good for these alone. One hart, and a disk in RAM. reverse.py is what goes backwards.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
import tty

import reverse
import run

ICOUNT = 'shift=0'  # with sleep=off it hangs
PAUSE = 0.005       # seconds from byte to byte


class NoRecording(Exception):
    """There is none that could be replayed."""


def digest(path):
    with open(path, 'rb') as f:
        return hashlib.blake2b(f.read(), digest_size=16).hexdigest()


def version(qemu):
    return subprocess.run([qemu, '--version'], stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()[0]


def after(command, option):
    return command[command.index(option) + 1] if option in command else None


def private(command):
    """The same machine, its memory no file: a replay's is nobody else's."""
    if '-object' not in command:
        return command
    at = command.index('-object')
    return [word.replace(',memory-backend=ram', '') for word in command[:at] + command[at + 2:]]


class Recording:
    """A folder: the log, and the machine: its command, and what the files that it names held."""

    def __init__(self, folder):
        self.folder, self.about = folder, f'{folder}/machine.json'
        lab = re.search(r'lab/(\w+)/replay$', folder)
        self.how = f'make record LAB={lab[1]} TEST=NAME' if lab else 'make record, or make record PROG=\'ls /\''

    def icount(self, command, mode):
        return command + ['-icount', f'{ICOUNT},rr={mode},rrfile={self.folder}/log']

    def begin(self, command):
        """The command that records what `command` runs, a machine of one hart without -icount."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        files = {path: digest(path) for path in (after(command, '-kernel'), after(command, '-initrd')) if path}
        with open(self.about, 'w', encoding='utf-8') as f:
            json.dump({'command': command, 'files': files, 'qemu': version(command[0])}, f, indent=1)
        return self.icount(command, 'record')

    def finished(self):
        """QEMU writes the head of its log at the end."""
        try:
            with open(f'{self.folder}/log', 'rb') as f:
                return any(f.read(4))
        except FileNotFoundError:
            return False

    def again(self):
        """The command that replays it, if all is as it was."""
        try:
            with open(self.about, encoding='utf-8') as f:
                about = json.load(f)
        except FileNotFoundError as error:
            raise NoRecording(f'no recording in {self.folder}: {self.how}') from error
        if not self.finished():
            raise NoRecording(f'the recording in {self.folder} was not finished: {self.how}')
        command = about['command']
        other = [path for path, was in about['files'].items() if not os.path.exists(path) or digest(path) != was]
        if other:
            raise NoRecording(f'the recording in {self.folder} is of another {" and another ".join(other)} than there '
                              'is now; once more: ' + self.how)
        if version(command[0]) != about['qemu']:
            raise NoRecording(f'the recording in {self.folder} was made by {about["qemu"]}; once more: {self.how}')
        return self.icount(private(command), 'replay')

    def kernel(self):
        with open(self.about, encoding='utf-8') as f:
            return after(json.load(f)['command'], '-kernel')


def machine(options):
    """The machine that is recorded: that of `make run`, but for its disk and its one hart."""
    args = f'epoch={int(time.time())} {options.args}'
    return run.qemu_command(run.Run('record', 'unix', args=args, mem=options.mem), options.build, options.disk, None)


def at_terminal(command, stdin=None):
    """Runs QEMU; its status. Ctrl-c is for QEMU alone, which ends by it. (A monitor behind the console would be left by
    Ctrl-a x, but what is typed there does not come again in a replay.)"""
    qemu = subprocess.Popen(command, cwd=run.TOP, stdin=stdin)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: qemu.terminate())
    return qemu.wait()


def typed_slowly(command):
    """at_terminal(), but what is typed reaches QEMU a byte at a time: while it records it takes no heed of whether the
    serial line's queue, of 16 bytes, has room, and the end of a pasted line would be lost."""
    read, write = os.pipe()
    before = termios.tcgetattr(0) if os.isatty(0) else None

    def feed():
        while data := os.read(0, 1024):
            for byte in data:
                os.write(write, bytes([byte]))
                time.sleep(PAUSE)

    if before:
        tty.setcbreak(0)
    threading.Thread(target=feed, daemon=True).start()
    try:
        return at_terminal(command, stdin=read)
    finally:
        if before:
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def record(options):
    print('  Ctrl-c ends the recording; so does poweroff', flush=True)
    status = typed_slowly(Recording(options.folder).begin(machine(options)))
    print(f'  recorded in {options.folder}{f"; exit status {status}" if status else ""}: make replay, make replay-gdb')
    return status


def replay(options):
    return at_terminal(Recording(options.folder).again())


def debug(options):
    recording = Recording(options.folder)
    command, kernel = recording.again(), recording.kernel()
    gdb = 'make gdb' if os.path.basename(kernel) == 'kernel.elf' else f'make gdb KERNEL={kernel}'
    print(f'  the recording in {options.folder} waits for {gdb}, in another terminal; Ctrl-c leaves', flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return reverse.serve(command, options.listen)
    except KeyboardInterrupt:
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--folder', default='build/replay')
    parser.add_argument('--disk', default='build/fs.img')
    parser.add_argument('--mem', default='128M')
    parser.add_argument('--args', default='', help='boot arguments')
    parser.add_argument('--listen', default='build/gdb.sock', help='for GDB: a port, or a socket in the file system')
    parser.add_argument('what', choices=['record', 'replay', 'gdb'])
    options = parser.parse_args()
    os.chdir(run.TOP)
    try:
        return {'record': record, 'replay': replay, 'gdb': debug}[options.what](options)
    except (NoRecording, OSError) as error:
        print(f'record: {error}')
        return 2


if __name__ == '__main__':
    sys.exit(main())
