#!/usr/bin/env python3
"""Power cuts under the whole system, in QEMU: prints `ok crash/NAME` and `not ok crash/NAME: why`, as run.py does.

    crash.py [--build DIR] [--points N] [--seed N] [--cpus N]

A guest runs `filetest sync` on a disk whose writes and flushes QEMU records (its driver blklogwrites). Then it is
tried what would be on the disk had the power been cut: after each write, and with each of the writes since the last
flush kept or lost by chance. build/fsck -r must find nothing wrong there, and each file that was synced must be whole:
a process begins version n + 1 of its files when version n is synced (user/filetest.c), so who has written a block of
the one has synced the other.
QEMU is killed at the end, as Ctrl-a x would: what fsync returned for must be there.
"""
import argparse
import os
import random
import re
import struct
import subprocess
import sys
import time

import run
import typist

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BLOCK = 4096
PROCS, VERSIONS = 3, 40
MARK = 0x6b656570
LOG_MAGIC = 0x6a736677736872
LOG_FLUSH, LOG_DISCARD = 1, 4


class Files:
    """The file system of an image: files of the root directory."""

    def __init__(self, image):
        self.image = image
        for at in range(32, 800, 24):
            name, start, _ = struct.unpack_from('<16sII', image, at)
            if name.rstrip(b'\0') == b'fs':
                self.start = start
        self.inodes = struct.unpack_from('<I', self.block(0), 28)[0]
        self.names = {}
        entries = self.read(1)
        for at in range(0, len(entries), 16):
            inum, name = struct.unpack_from('<H14s', entries, at)
            if inum:
                self.names[name.rstrip(b'\0').decode('latin-1')] = inum

    def block(self, number):
        at = (self.start + number) * BLOCK
        return self.image[at:at + BLOCK]

    def read(self, inum):
        """The bytes of a file without double indirect blocks."""
        inode = struct.unpack_from('<HHHHQ12I', self.block(self.inodes + inum // 64), inum % 64 * 64)
        size, blocks = inode[4], list(inode[5:15])
        if inode[15]:
            blocks += struct.unpack('<1024I', self.block(inode[15]))
        return b''.join(self.block(b) for b in blocks[:-(-size // BLOCK)])[:size]


def version_of(block):
    """(process, version) if a block is of a synced file."""
    word, again = struct.unpack_from('<QQ', block)
    return (word >> 8 & 0xff, word >> 16 & 0xffff) if word == again and word >> 32 == MARK else None


def contents(process, version):
    return b''.join(struct.pack('<Q', MARK << 32 | version << 16 | process << 8 | b) * (BLOCK // 8)
                    for b in range(1 + version * 7 % 20))


def missing(image, synced):
    """What of the files that were synced is not there; None if all is."""
    files = Files(image)
    for process, version in synced.items():
        name = f'keep{process}{version % 4}'
        if name not in files.names:
            return f'{name}, version {version}, is not there'
        if files.read(files.names[name]) != contents(process, version):
            return f'{name} is not version {version}'
    return None


def read_log(path):
    """(flags, byte, data) of each write and flush."""
    entries = []
    with open(path, 'rb') as f:
        magic, _, count, sector = struct.unpack('<QQQI', f.read(28))
        if magic != LOG_MAGIC:
            raise typist.Wrong('no log of writes')
        at = sector
        for _ in range(count):
            f.seek(at)
            first, n, flags, _ = struct.unpack('<QQQQ', f.read(32))
            at += sector
            data = b''
            if not flags & LOG_DISCARD:
                f.seek(at)
                data = f.read(n * sector)
                at += n * sector
            entries.append((flags, first * sector, data))
    return entries


def begun(entries):
    """After each entry: the latest version of which each process has written something."""
    now, result = {}, []
    for _, _, data in entries:
        for at in range(0, len(data), BLOCK):
            found = version_of(data[at:at + BLOCK])
            if found and found[1] > now.get(found[0], 0):
                now = {**now, found[0]: found[1]}
        result.append(now)
    return result


def apply(image, entry, chance=None):
    """Writes an entry to an image; block by block as chance will have it."""
    _, start, data = entry
    for at in range(0, len(data), BLOCK):
        if chance is None or chance.random() < 0.5:
            image[start + at:start + at + BLOCK] = data[at:at + BLOCK]


class Cuts:
    """Images after power cuts, in rising order of the time."""

    def __init__(self, base, entries, chance):
        self.solid, self.entries, self.chance = bytearray(base), entries, chance
        self.pending, self.next = [], 0

    def until(self, last, lose):
        """After entry `last`; with `lose`, what no flush has confirmed is there or not."""
        while self.next <= last:
            self.pending.append(self.entries[self.next])
            if self.entries[self.next][0] & LOG_FLUSH:
                for entry in self.pending:
                    apply(self.solid, entry)
                self.pending = []
            self.next += 1
        image = bytearray(self.solid)
        for entry in self.pending:
            apply(image, entry, self.chance if lose else None)
        return image


def after_fsck(fsck, path, image):
    """The image once its log is replayed."""
    with open(path, 'wb') as f:
        f.write(image)
    said = subprocess.run([fsck, '-r', path], stdout=subprocess.PIPE, check=False)
    if said.returncode:
        raise typist.Wrong(f'fsck: expected status 0, saw {said.returncode}: {said.stdout[:300]!r}')
    with open(path, 'rb') as f:
        return f.read(), b'replayed' in said.stdout


def power_cuts(options, base, entries, disk):
    chance = random.Random(options.seed)
    points = sorted(chance.sample(range(len(entries)), min(options.points, len(entries))))
    cuts, versions, replays, begins = Cuts(base, entries, chance), begun(entries), 0, time.monotonic()
    typist.expect('versions begun', {p: VERSIONS for p in range(PROCS)}, versions[-1])
    for i, point in enumerate(points):
        image, replayed = after_fsck(f'{options.build}/fsck', disk, cuts.until(point, i % 2))
        replays += replayed
        typist.expect(f'what is missing after write {point} of {len(entries)} (seed {options.seed})', None,
                     missing(image, {p: v - 1 for p, v in versions[point].items() if v > 1}))
    if replays < len(points) // 10:
        raise typist.Wrong(f'of {len(points)} cuts only {replays} had something to replay')
    return (f'{len(points)} power cuts in {len(entries)} writes and flushes, {replays} with a replay, '
            f'in {time.monotonic() - begins:.0f} s')


def killed(options, disk, copy, text):
    """What fsync returned for before QEMU was killed."""
    synced = {}
    for process, version in re.findall(r'^synced (\d) (\d{4})$', text, re.M):
        synced[int(process)] = int(version)
    typist.expect('processes that synced', PROCS, len(synced))
    with open(disk, 'rb') as f:
        image, _ = after_fsck(f'{options.build}/fsck', copy, f.read())
    typist.expect('what is missing', None, missing(image, synced))


def start(options, disk, log):
    command = [os.environ.get('QEMU', 'qemu-system-riscv64'), '-machine', 'virt', '-m', '64M', '-smp',
               str(options.cpus), '-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot', '-kernel',
               f'{options.build}/kernel.elf', '-append', 'unattended', '-global', 'virtio-mmio.force-legacy=false',
               '-blockdev', f'driver=blklogwrites,node-name=x0,file.driver=file,file.filename={disk},'
               f'log.driver=file,log.filename={log},log-sector-size=512', '-device', 'virtio-blk-device,drive=x0']
    return run.Guest(command)


def work(options, disk, log, until):
    """Has the guest do its work, and kills it. What it said."""
    guest = start(options, disk, log)
    try:
        sh = typist.Shell(guest, until)
        sh.prompt()
        guest.type(f'filetest sync {PROCS} {VERSIONS}\n')
        sh.wait('filetest: synced all', 120)
    finally:
        guest.close()
    return guest.text


def do(options, lines):
    os.makedirs(f'{options.build}/test', exist_ok=True)
    disk, log, copy = (f'{options.build}/test/crash.{name}' for name in ('disk', 'log', 'copy'))
    run.make_unix_disk(run.Run('crash', 'testfs', size='8M'), options.build, disk)
    with open(disk, 'rb') as f:
        base = f.read()
    with open(log, 'wb') as f:
        f.truncate(1 << 30)
    try:
        text = work(options, disk, log, time.monotonic() + 180)
    except typist.Lost as why:
        lines.lines.append((False, f'not ok crash/work: {why}'))
        return
    lines.test('killed', killed, options, disk, copy, text)
    lines.test('power_cuts', power_cuts, options, base, read_log(log), copy)
    for path in (log, copy):
        os.unlink(path)


class Named:
    name = 'crash'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--points', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--cpus', type=int, default=4)
    options = parser.parse_args()
    os.chdir(TOP)
    run.take_guests_along()
    results, lines = run.Results(), typist.Lines(Named)
    do(options, lines)
    results.put(lines.lines)
    print(f'{results.passed} passed, {results.failed} failed')
    return 1 if results.failed else 0


if __name__ == '__main__':
    sys.exit(main())
