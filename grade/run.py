#!/usr/bin/env python3
"""Runs the tests that need QEMU, several at a time, and prints what each found.

    run.py [--build DIR] [--jobs N] [--list] [--verbose] [--only AREA[.NAME]] [RUN...]

A run boots one image in one configuration (RUNS, below). Test images print `ok NAME`, `not ok NAME: why`, `skip NAME` and,
last, `done`; a run that ends without it, or not at all, is a failure that shows the last lines. What failed comes
with the command that repeats it. Lines of this program: `ok RUN/NAME`, `not ok RUN/NAME: why`. With names of
runs, or parts of names, it does only those; --only is handed on to the test image. The last line counts.
"""
import argparse
import concurrent.futures
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import evidence
import files
import kv
import shell

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ICOUNT = ['-icount', 'shift=0,sleep=off']
NO_SSTC = ['-cpu', 'rv64,sstc=off']  # the timer is the firmware's


class Run:
    """One boot. disk: 'ram', 'virtio' or 'none'; wall: seconds after which QEMU is killed; status: of QEMU, expected;
    talk: what types at it and reads the answers (shell.py); damage: what changes the disk before the boot; twice:
    boots again, and compares the traces; lines: the manifest, for the boot image first and the libOS guest; size: of
    the disk, if one with a file system is made for this run, raw: of one without (in RAM it is the guest's); swap: of
    the extent of that name, if there is to be one;
    unix: what else the line of the Unix libOS says then; first: the boot
    image."""

    def __init__(self, name, image, cpus=1, args='', disk='ram', mem='128M', wall=240, status=0, extra=(), talk=None,
                 damage=None, twice=False, lines=(), size=None, raw='4M', swap=None, unix='', first='first'):
        self.name, self.image, self.cpus, self.args, self.disk, self.mem = name, image, cpus, args, disk, mem
        self.wall, self.status, self.extra, self.twice = wall, status, list(extra), twice
        self.talk, self.damage, self.lines, self.size = talk, damage, lines, size
        self.raw, self.swap, self.unix, self.first = raw, swap, unix, first


RUNS = [
    Run('minimal', 'minimal'),
    Run('minimal-16M', 'minimal', cpus=4, mem='16M', disk='virtio'),
    Run('ktest-1', 'ktest'),
    Run('ktest-4', 'ktest', cpus=4, disk='virtio'),
    Run('ktest-1-virtio', 'ktest', disk='virtio', args='only=disk'),
    Run('ktest-1-late', 'ktest', args='disk=7 only=disk'),
    Run('ktest-1-twin', 'ktest', args='twin'),
    Run('ktest-4-twin', 'ktest', cpus=4, args='twin'),
    Run('ktest-1-seed', 'ktest', args='seed=5 twin'),
    Run('ktest-4-timer', 'ktest', cpus=4, args='only=smp', extra=NO_SSTC),
    Run('ktest-1-trace', 'ktest', args='trace=ring'),
    Run('ktest-1-icount', 'ktest', args='budget=100', extra=ICOUNT),
    Run('ktest-1-repeat', 'ktest', args='nowfi budget=100 seed=3 disk=4 trace=ring trace_kb=98304', mem='256M',
        extra=ICOUNT, twice=True),
    Run('minimal-repeat', 'minimal', args='nowfi trace=ring', extra=ICOUNT, twice=True),
    Run('first-memory', 'first', mem='64M', extra=['-icount', 'shift=3,sleep=off'],
        lines=['name=keep pages=200 args=keep', 'name=give pages=200 args=give', 'name=judge pages=200 console args=judge']),
    Run('first-restarts', 'first', status=None, lines=['name=die pages=200 args=die'],
        talk=shell.says('first: die ended; once more\n' * 3 + 'first: die ended too often\n')),
    Run('shell-1', 'testfs', talk=shell.session),
    Run('shell-4', 'testfs', cpus=4, talk=shell.session),
    Run('shell-4-timer', 'testfs', cpus=4, extra=NO_SSTC, talk=shell.session),
    Run('shell-1-virtio', 'testfs', disk='virtio', status=1, talk=shell.session),
    Run('shell-4-virtio', 'testfs', cpus=4, disk='virtio', talk=shell.session),
    Run('shell-16M', 'testfs', cpus=4, disk='virtio', mem='16M', talk=shell.session),
    Run('shell-stress', 'testfs', cpus=4, disk='virtio', talk=shell.stress),
    Run('files-large', 'testfs', disk='virtio', size='96M', talk=files.large),
    Run('files-large-4', 'testfs', cpus=4, disk='virtio', size='96M', talk=files.large),
    Run('files-full', 'testfs', disk='virtio', size='24M', talk=files.full),
    Run('files-full-4', 'testfs', cpus=4, disk='virtio', size='24M', talk=files.full),
    Run('usertests-1', 'testfs', talk=shell.usertests),
    Run('usertests-4', 'testfs', cpus=4, disk='virtio', talk=shell.usertests),
    Run('usertests-32M', 'testfs', cpus=4, mem='32M', disk='virtio', talk=shell.usertests),
    Run('threads-icount', 'testfs', args='budget=100', extra=ICOUNT, talk=shell.threads),
    Run('threads-seed', 'testfs', args='budget=100 seed=11', extra=ICOUNT, talk=shell.threads),
    Run('kv', 'testfs', cpus=2, disk='virtio', size='64M', swap='8M', unix='pages=12000', talk=shell.beside_kv,
        lines=['name=kv image=kv pages=300 extents=store args=7.30000']),
    Run('kv-asked', 'testfs', disk='virtio', size='64M', swap='8M', unix='pages=12000', first='torment', status=None,
        args='torment=kv.7.1000.a', talk=shell.asked_for_memory, lines=['name=kv image=kv pages=150 extents=store args=7.30000']),
    Run('torment-kv', 'testfs', cpus=4, disk='virtio', mem='48M', size='64M', swap='8M', unix='pages=4000', first='torment',
        args=f'torment=kv.5.{shell.TORMENTS}', talk=shell.unharmed, lines=['name=kv image=kv pages=300 extents=store args=7.30000']),
    Run('torment-unix', 'testfs', disk='virtio', mem='48M', size='64M', swap='8M', unix='pages=4000', first='torment',
        args=f'torment=unix.6.{shell.TORMENTS}', talk=shell.tormented,
        lines=[f'name=kv image=kv pages=300 extents=store args=7.{4000 * shell.TORMENTS}']),
    Run('pager-revoke', 'testfs', disk='virtio', mem='32M', size='64M', swap='24M', unix='pages=2600', talk=shell.revoked,
        lines=['name=squeeze pages=1200 args=squeeze']),
    Run('pager-revoke-4', 'testfs', cpus=4, disk='virtio', mem='32M', size='64M', swap='24M', unix='pages=2600',
        talk=shell.revoked, lines=['name=squeeze pages=1200 args=squeeze']),
    Run('pager-deaf', 'testfs', cpus=4, disk='virtio', mem='32M', size='64M', swap='24M', unix='pages=2600 args=deaf',
        talk=shell.deaf, lines=['name=squeeze pages=1200 args=squeeze']),
    Run('pager-1', 'testfs', disk='virtio', mem='16M', size='64M', swap='24M', talk=shell.paging),
    Run('pager-4', 'testfs', cpus=4, disk='virtio', mem='20M', size='64M', swap='24M', talk=shell.paging),
    Run('deaths-1', 'testfs', disk='virtio', talk=shell.deaths),
    Run('deaths-4', 'testfs', cpus=4, disk='virtio', talk=shell.deaths),
    Run('bad-trace', 'testfs', args='trace=off', status=3, talk=shell.dies('boot argument trace: ring or fill is wanted')),
    Run('bad-number', 'testfs', args='slice=5ms', status=3, talk=shell.dies('boot argument slice: a number is wanted')),
    Run('bad-slice', 'testfs', args='slice=99', status=3, talk=shell.dies('boot argument slice: 100 to 1000000 microseconds, not 99')),
    Run('no-disk', 'testfs', disk='none', status=3, talk=shell.dies('no disk: .*')),
    Run('bad-label', 'testfs', status=3, talk=shell.dies("the disk's label: its checksum is wrong"),
        damage=shell.overwrite(40, b'x')),
    Run('bad-image', 'testfs', status=3, talk=shell.dies('extent .boot. holds no boot image'),
        damage=shell.overwrite(4096, bytes(8))),
]

# Disks that the build makes: the machine's own, and one with the tests' programs besides.
DISKS = {'unix': 'fs.img', 'testfs': 'testfs.img'}


def make(words, drop=(), **how):
    """Runs a make that takes nothing from the one that may be running this, nor the variables in `drop`."""
    env = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', *drop)}
    return subprocess.run(['make', *words], env=env, check=False, **how)


class Guest:
    """A QEMU and what it said so far. Ends with it: close() kills it, by its own process id, if it still runs."""
    running = set()

    def __init__(self, command, fds=()):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=TOP, pass_fds=fds)
        self.running.add(self)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.text = ''
        self.ended = False
        self.started = time.monotonic()

    def read(self, until, pause=1):
        """Takes what there is or comes soon; False when nothing more will come, or it is `until`."""
        if not self.selector.select(max(0, min(until - time.monotonic(), pause))):
            return time.monotonic() < until
        data = os.read(self.process.stdout.fileno(), 65536)
        self.text += data.decode('latin-1').replace('\r', '')
        self.ended = not data
        return not self.ended

    def wait_for(self, pattern, start, until):
        """The end of the first match of pattern in what it says from `start` on; None if it does not come."""
        while True:
            match = re.compile(pattern, re.M).search(self.text, start)
            if match:
                return match.end()
            if not self.read(until):
                return None

    def type(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def close(self):
        """Its exit status; None if it had to be killed. Whose output has ended is about to go: on a busy machine that
        may take seconds."""
        try:
            return self.process.wait(timeout=30 if self.ended else 0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:
            self.running.discard(self)
            self.process.stdin.close()
            self.process.stdout.close()
            self.selector.close()


def take_guests_along():
    """A program that is told to end, by timeout(1) or a make that is, takes its machines along."""
    def stop(*_):
        for guest in list(Guest.running):
            guest.process.kill()
        os._exit(128 + signal.SIGTERM)
    signal.signal(signal.SIGTERM, stop)


class Results:
    """Lines of all runs, in whole pieces."""

    def __init__(self):
        self.lock = threading.Lock()
        self.passed = self.failed = 0

    def put(self, lines):
        with self.lock:
            for ok, text in lines:
                self.passed += ok is True
                self.failed += ok is False
                print(text)
            sys.stdout.flush()


def qemu_command(run, build, disk, only, ram=None):
    args = ['unattended'] + [a for a in run.args.split() if not (only and a.startswith('only='))]
    args += [f'only={only}'] if only else []
    command = [os.environ.get('QEMU', 'qemu-system-riscv64'), '-machine', 'virt' + (',memory-backend=ram' if ram else ''),
               '-m', run.mem, '-smp', str(run.cpus), '-display', 'none', '-monitor', 'none', '-serial', 'stdio',
               '-no-reboot', '-kernel', f'{build}/kernel.elf', '-append', ' '.join(args), '-seed', '1'] + run.extra
    if ram:
        command += ['-object', f'memory-backend-file,id=ram,size={run.mem},mem-path={ram},share=on']
    if run.disk != 'virtio':
        return command + (['-initrd', disk] if run.disk == 'ram' else [])
    return command + ['-global', 'virtio-mmio.force-legacy=false', '-drive', f'file={disk},if=none,format=raw,id=x0',
                      '-device', 'virtio-blk-device,drive=x0']


# Raw ones, of the images that have any.
EXTENTS = {'kv': [f'store={kv.SIZE}'], 'copier': ['from=16M', 'to=16M']}


def guest_lines(run, build):
    """Of the manifest, beside the first; a line that names no image is one of user/guest.c. And the extents that they name."""
    lines = [line if 'image=' in line else f'image=guest {line}' for line in run.lines]
    images = sorted({re.search(r'image=(\w+)', line)[1] for line in lines} | ({'guest'} if run.first == 'torment' else set()))
    return ([a for i in images for a in ('--libos', f'{i}={build}/{i}.img')] +
            [a for i in images for e in EXTENTS.get(i, []) for a in ('--raw', e)] +
            [a for line in lines for a in ('--line', f'envs=1 slots=4 {line}')])


def make_unix_disk(run, build, path):
    """A disk with the Unix image and all programs, swap if a size is given, and a file system that takes the rest."""
    programs = sorted(f'{build}/bin/{f}' for f in os.listdir(f'{build}/bin')
                      if '.' not in f and os.path.isfile(f'{build}/bin/{f}'))
    subprocess.run([f'{build}/mkfs', '-o', path, '-s', run.size, '--boot', f'{build}/{run.first}.img', '--libos',
                    f'unix={build}/unix.img', '--line', f'name=unix envs=100 extents=fs{",swap" if run.swap else ""} console {run.unix}'] +
                   guest_lines(run, build) + (['--swap', run.swap] if run.swap else []) + programs, check=True)


def make_disk(run, build):
    os.makedirs(f'{build}/test', exist_ok=True)
    disk = f'{build}/test/{run.name}.disk'
    if run.size:
        make_unix_disk(run, build, disk)
    elif run.image in DISKS:
        shutil.copyfile(f'{build}/{DISKS[run.image]}', disk)
    else:
        subprocess.run([f'{build}/mkfs', '-o', disk, '-s', run.raw, '--boot', f'{build}/{run.image}.img', '--raw', 'test=1M',
                        '--fs-size', '0'] + guest_lines(run, build), check=True)
    if run.damage:
        run.damage(disk)
    return disk


def repeat(run, only):
    return f'    repeat: grade/run.py --verbose {f"--only {only} " if only else ""}{run.name}'


def quote_end(text, n=12):
    return [f'    | {line}' for line in text.rstrip('\n').split('\n')[-n:]]


def read_results(run, text, status, late, options):
    """(passed, line) for each test the image reported, and for the run itself if it did not end well."""
    lines = []
    notes = []
    done = False
    for line in text.split('\n'):
        kind = re.match(r'(ok|not ok|skip) ([\w.]+)(.*)', line)
        if kind and kind[1] == 'ok':
            lines.append((True, f'ok {run.name}/{kind[2]}'))
        elif kind and kind[1] == 'not ok':
            shown = [f'not ok {run.name}/{kind[2]}{kind[3]}'] + [f'    {n}' for n in notes]
            lines.append((False, '\n'.join(shown + [repeat(run, options.only or kind[2])])))
        elif line.startswith('# ') and ': ' in line:
            notes.append(line[2:])
            continue
        elif line == 'done':
            done = True
        notes = []
    failed = any(not ok for ok, _ in lines)
    if not done or status is None or (status != run.status and not failed):
        why = (f'no end within {run.wall} s' if late else
               f'it ended with status {status}, expected {run.status}' if done else
               f'it ended early, with status {status}')
        lines.append((False, '\n'.join([f'not ok {run.name}: {why}; its last lines:'] + quote_end(text) +
                                       [repeat(run, options.only)])))
    return lines


def boot(run, options, ram=None, follower=None):
    """Boots it once: what it said, its status, whether it was too late, what run.talk found. ram: a file for its
    memory, where the follower reads its trace."""
    run.path = disk = make_disk(run, options.build)
    command = qemu_command(run, options.build, disk, options.only, ram)
    if options.verbose:
        print(shlex.join(command), flush=True)
    guest = Guest(command)
    until = time.monotonic() + run.wall
    shown = 0
    lines = None
    try:
        if run.talk:
            lines = run.talk(run, guest, until, options.only)
        else:
            while guest.read(until, 0.05 if follower else 1):
                if follower:
                    follower.take()
                if options.verbose:
                    sys.stdout.write(guest.text[shown:])
                    sys.stdout.flush()
                    shown = len(guest.text)
    finally:
        late = time.monotonic() >= until
        status = guest.close()
    if run.talk:
        lines += shell.ended(run, status, disk, f'{options.build}/fsck')
        lines = [(ok, text if ok is not False else f'{text}\n{repeat(run, options.only)}') for ok, text in lines]
    return guest.text, status, late, lines


def compare(run, options, traces):
    """Did two runs leave the same trace, to the record?"""
    a, b = traces
    if a.count == b.count > 0 and a.chunks == b.chunks:
        return (True, f'ok {run.name}/trace')
    at = [i for i, (x, y) in enumerate(zip(a.chunks, b.chunks)) if x != y][:1] or [min(len(a.chunks), len(b.chunks))]
    shown = [f'    {t.evidence.decode(t.chunks[i][1])}' for i in (at[0], at[0] + 1) for t in traces if i < len(t.chunks)]
    return (False, '\n'.join([f'not ok {run.name}/trace: expected two equal traces, saw {a.count} and {b.count} records, '
                              f'different after {at[0] * a.CHUNK}; there and {a.CHUNK} further:'] + shown +
                             [repeat(run, options.only)]))


def do_run(run, options, results):
    traces = []
    try:
        for i in range(2 if run.twice else 1):
            ram = f'{options.build}/test/{run.name}.ram{i}' if run.twice else None
            if ram and os.path.exists(ram):
                os.unlink(ram)
            follower = evidence.Follower(ram, f'{options.build}/offsets.json') if ram else None
            text, status, late, lines = boot(run, options, ram, follower)
            if ram:
                follower.finish()
                traces.append(follower)
                os.unlink(ram)
        results.put(lines if lines is not None else read_results(run, text, status, late, options))
        if run.twice:
            results.put([compare(run, options, traces)])
    except (OSError, subprocess.CalledProcessError, evidence.NoEvidence) as error:
        results.put([(False, f'not ok {run.name}: {error}\n{repeat(run, options.only)}')])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--jobs', type=int, default=max(1, min(4, os.cpu_count() or 1)))
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--verbose', action='store_true')
    parser.add_argument('--only')
    parser.add_argument('run', nargs='*')
    options = parser.parse_args()
    os.chdir(TOP)
    take_guests_along()
    names = [r.name for r in RUNS]
    runs = [r for r in RUNS if not options.run or
            any(n == r.name or (n not in names and n in r.name) for n in options.run)]
    if options.list:
        print('\n'.join(f'{r.name:16} {r.image:8} cpus={r.cpus} disk={r.disk} {r.args}' for r in runs))
        return 0
    results = Results()
    with concurrent.futures.ThreadPoolExecutor(1 if options.verbose else options.jobs) as pool:
        for future in [pool.submit(do_run, run, options, results) for run in runs]:
            future.result()
    print(f'{results.passed} passed, {results.failed} failed')
    return 1 if results.failed else 0


if __name__ == '__main__':
    sys.exit(main())
