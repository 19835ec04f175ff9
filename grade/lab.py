#!/usr/bin/env python3
"""Grades a lab: builds the library OS with the student's files, boots each test, and says what the kernel saw.

    make grade LAB=NAME [SUBMIT=DIR] [TEST=NAMES] [SEED=N] [SEEDS=COUNT]
    lab.py [--build DIR] [--submit DIR] [--test NAMES] [--seed N] [--seeds COUNT] [--out DIR] [--format FORM]... LAB

Without --submit the files of this tree are graded. Of a submission only the lab's own files (labs/NAME/files) are
taken. The seed is drawn anew each time, and printed: with it, a run repeats to the instruction. --seeds does the same
tests under so many schedules of slices. Results go to OUT/results.json after each test; FORM is one of report.py's:
tap, junit, gradescope, prairielearn, autolab; FORM:PATH says where it goes.
"""
import argparse
import concurrent.futures
import functools
import importlib.util
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import evidence
import graded
import patch
import report
import run
from record import Recording

TOP = run.TOP
ALWAYS = ['init', 'sh', 'echo', 'cat', 'ls']  # programs on a test's disk, beside the lab's own
OUTPUT_LIMIT = 1 << 20                        # bytes that a test may say
READABLE = ['kernel/include/exo/', 'libos/', 'user/', 'labs/lab.h']  # headers that a submission may read


class Refused(Exception):
    """A submission that cannot be graded, and why."""


class Lab:
    """labs/NAME: its files and its tests."""

    def __init__(self, name):
        self.name = name
        self.folder = f'{TOP}/labs/{name}'
        if not os.path.isfile(f'{self.folder}/files'):
            labs = sorted(os.path.basename(d) for d in os.listdir(f'{TOP}/labs') if os.path.isfile(f'{TOP}/labs/{d}/files'))
            raise Refused(f'there is no lab "{name}"; there are: {" ".join(labs)}' if name else
                          f'which lab? LAB=NAME; there are: {" ".join(labs)}')
        with open(f'{self.folder}/files', encoding='utf-8') as f:
            self.files = f.read().split()
        self.tests, self.image, self.also, self.floor = [], 'unix', (), 0
        for path, hidden in (('tests', False), ('hidden', True)):
            if os.path.isfile(f'{self.folder}/{path}.py'):
                module = self.load(path)
                self.image = getattr(module, 'IMAGE', self.image)
                self.floor = getattr(module, 'FLOOR', self.floor)
                self.also = getattr(module, 'ALSO', self.also)  # more images that are built of the submission
                for test in module.TESTS:
                    test.hidden = test.hidden or hidden
                    self.tests.append(test)

    def load(self, path):
        spec = importlib.util.spec_from_file_location(f'{self.name}_{path}', f'{self.folder}/{path}.py')
        module = importlib.util.module_from_spec(spec)
        sys.modules[path] = sys.modules[spec.name] = module  # hidden.py may import from tests.py
        spec.loader.exec_module(module)
        return module

    def programs(self, build):
        folder = f'{build}/labs/{self.name}'
        found = []
        for d in (folder, f'{folder}/hidden'):
            if os.path.isdir(d):
                found += [f'{d}/{f}' for f in sorted(os.listdir(d)) if '.' not in f and os.path.isfile(f'{d}/{f}')]
        return found


# ---- building ----

def find(lab, submit, name):
    """A submission's file: as in the tree, or by its last name alone; nothing that only a link leads to."""
    inside = os.path.realpath(submit)
    for path in (name, os.path.basename(name)):
        if os.path.isfile(f'{submit}/{path}') and os.path.realpath(f'{submit}/{path}') == f'{inside}/{path}':
            return f'{submit}/{path}'
    raise Refused(f'the submission has no {os.path.basename(name)}; lab {lab.name} is: {" ".join(lab.files)}')


def stage(lab, submit, out):
    """Copies the lab's own files, and nothing else, to out/src."""
    shutil.rmtree(f'{out}/src', ignore_errors=True)
    for name in lab.files:
        path = find(lab, submit, name)
        if os.path.getsize(path) > 1 << 20:
            raise Refused(f'{name} has more than a megabyte')
        to = f'{out}/src/{name}'
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with open(path, 'rb') as f:
            text = f.read()
        with open(to, 'wb') as f:
            f.write(text)


@functools.lru_cache(maxsize=None)
def sandbox(out, seconds):
    """What a compiler, a linker, and the machine, run under: limits of time, memory and files; and, where bubblewrap is
    there and may, no network, and nothing to write to but `out`."""
    limits = ['bash', '-c', f'ulimit -t {seconds} -v 8000000 -f 400000; exec "$@"', 'limited']
    if not shutil.which('bwrap'):
        return limits
    out = os.path.abspath(out)
    command = ['bwrap', '--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp', '--ro-bind', TOP, TOP,
               '--bind', out, out, '--unshare-all', '--die-with-parent', '--chdir', TOP]
    hidden = [d for lab in os.listdir(f'{TOP}/labs') for d in [f'{TOP}/labs/{lab}/hidden'] if os.path.isdir(d)]
    command += [a for d in hidden for a in ('--tmpfs', d)]
    if subprocess.run(command + ['true'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        return limits
    return command + limits


def read_by(path):
    """The files that a list of the compiler's or the assembler's names, as make would understand it."""
    with open(path, encoding='utf-8', errors='replace') as f:
        text = f.read().replace('\\\n', ' ')
    words = re.findall(r'(?:\\.|[^\s\\])+', text)
    return [re.sub(r'\\(.)', r'\1', w).replace('$$', '$') for w in words if not w.endswith(':')]


def may_read(name, out, source, compilers):
    """Whether a submission may read a file: its own, a public header, one of the compiler's."""
    top = os.path.realpath(TOP)
    path = os.path.normpath(os.path.join(top, name))
    if name == os.path.basename(source) or re.fullmatch(r'/tmp/cc\w+\.s', name) or path.startswith(compilers):
        return True  # the first two: what the assembler calls its input
    if path != os.path.realpath(path) or not os.path.isfile(path):
        return False  # by way of a link, or of what is there for the compiler alone (/proc)
    local = os.path.relpath(path, top)
    return path.startswith(tuple(os.path.realpath(f'{out}/{d}') + '/' for d in ('src', 'sub'))) or \
        (path.endswith('.h') and (local.startswith(tuple(READABLE)) or local.endswith('/include/offsets.h')))


def check_read(out, cross):
    """What was read for the submission is listed in .cpp by the compiler, in .as by the assembler."""
    said = subprocess.run([f'{cross}gcc', '-print-file-name=include'], stdout=subprocess.PIPE, check=True).stdout.decode()
    compilers = os.path.normpath(os.path.dirname(said.strip())) + '/'
    for folder, _, files in os.walk(f'{out}/sub'):
        for listed in [f for f in files if f.endswith(('.cpp', '.as'))]:
            source = os.path.relpath(f'{folder}/{listed}', f'{out}/sub').rsplit('.', 2)[0]
            for name in read_by(f'{folder}/{listed}'):
                if not may_read(name, out, source, compilers):
                    raise Refused(f'{source} reads {name}: a submission may read its own files and the headers of libos/, '
                                  'user/ and kernel/include/')


def made(lab, options, out):
    """make's run for the submission that is in out/src."""
    shutil.rmtree(f'{out}/sub', ignore_errors=True)
    return run.make(['-s', f'BUILD={options.build}', f'OUT={out}', f'SUBMITTED={" ".join(lab.files)}',
                     f'SANDBOX={" ".join(shlex.quote(w).replace("$", "$$") for w in sandbox(out, 60))}',
                     *(f'{out}/{i}.img' for i in (lab.image, *lab.also))],
                    cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def build_lab(lab, submit, options, out):
    """Makes out/IMAGE.img of the submission; Refused, with what the compiler said, if it cannot be."""
    os.makedirs(out, exist_ok=True)
    stage(lab, submit, out)
    make = made(lab, options, out)
    text = make.stdout.decode('utf-8', 'replace').replace(f'{out}/src/', '')
    if os.path.isdir(f'{out}/sub'):
        check_read(out, options.cross)
    if make.returncode:
        said = [line for line in text.rstrip().split('\n') if not line.startswith(('  CC', '  AS', '  LD', 'make: '))]
        raise Refused('it does not build:\n' + '\n'.join(said[:30]))
    return text


def read_source(name):
    with open(f'{TOP}/{name}', encoding='utf-8') as f:
        return f.read()


def build_kernel(lab, name, options):
    """Where the kernel of labs/NAME/kernels/ is; made when it is older than the sound one, or than its diff. Several
    graders may do so at once."""
    diff, folder = f'{lab.folder}/kernels/{name}.diff', f'{options.build}/lab/{lab.name}/kernels'
    elf, age = f'{folder}/{name}.elf', os.path.getmtime
    if os.path.exists(elf) and age(elf) > max(age(diff), age(f'{options.build}/kernel.elf')):
        return elf
    try:
        sources = patch.patched(read_source(os.path.relpath(diff, TOP)), read_source)
    except LookupError as error:
        raise Refused(f'{diff} does not fit this kernel: {error}') from error
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        for source, text in sources.items():
            os.makedirs(os.path.dirname(f'{out}/src/{source}'), exist_ok=True)
            with open(f'{out}/src/{source}', 'w', encoding='utf-8') as f:
                f.write(text)
        if run.make(['-s', f'BUILD={options.build}', f'OUT={out}', f'SUBMITTED={" ".join(sources)}', f'{out}/kernel.elf'],
                    cwd=TOP, stdout=subprocess.DEVNULL).returncode:
            raise Refused(f'the kernel of {diff} does not build')
        os.replace(f'{out}/kernel.elf', elf)
    return elf


# ---- running ----

def first_boots(lab, test):
    """Whether user/first.c is there, and keeps the limit; else the lab's image is what the machine boots."""
    return lab.image == 'unix' or test.images


def plant(disk, contents):
    """Puts bytes at the beginning of extents of a disk that was just made."""
    with open(disk, 'r+b') as f:
        label = f.read(800)
        for name, data in contents.items():
            at = label.index(name.encode().ljust(16, b'\0'), 32)
            f.seek(int.from_bytes(label[at + 16:at + 20], 'little') * graded.PAGE)
            f.write(data)


def write_files(folder, files):
    os.makedirs(folder, exist_ok=True)
    for name, data in files.items():
        with open(f'{folder}/{name}', 'wb') as f:
            f.write(data)
    return [f'{folder}/{name}' for name in files]


class Maker:
    """What a test can make its disk with, if it makes it in its own way."""

    def __init__(self, lab, test, seed, options, out, path):
        self.lab, self.test, self.seed, self.options, self.out, self.path = lab, test, seed, options, out, path

    def fresh(self, i):
        return graded.fresh(self.seed, i)

    def usual(self):
        """The disk that it would have: its path."""
        make_usual(self.lab, self.test, self.seed, self.options, self.out, self.path)
        return self.path

    def boot(self, test):
        """What is seen of another test's run, with this one's seed."""
        return boot(self.lab, test, self.seed, 0, self.options, self.out)


def make_disk(lab, test, seed, options, out, disk):
    make = Maker(lab, test, seed, options, out, disk)
    if test.disk:
        test.disk(make)
    else:
        make.usual()
    if test.tape:
        with open(disk, 'r+b') as f:
            f.truncate(os.path.getsize(disk) + test.tape * graded.PAGE)


def make_usual(lab, test, seed, options, out, disk):
    if not first_boots(lab, test):
        subprocess.run([f'{options.build}/mkfs', '-o', disk, '-s', '2M', '--boot', f'{out}/{lab.image}.img', '--raw',
                        'test=1M', '--fs-size', '0'], check=True, cwd=TOP)
        return
    if lab.image != 'unix':
        libos = [f'{lab.image}={out}/{lab.image}.img'] + [f'{i}={options.build}/{i}.img' for i in test.images]
        subprocess.run([f'{options.build}/mkfs', '-o', disk, '-s', '2M', '--fs-size', '0', '--boot',
                        f'{options.build}/first.img'] + [a for i in libos for a in ('--libos', i)] +
                       [a for r in test.raws for a in ('--raw', r)] +
                       [a for line in test.lines for a in ('--line', line)], check=True, cwd=TOP)
        return
    programs = [f'{options.build}/bin/{p}' for p in ALWAYS] + lab.programs(options.build)
    if test.files:
        programs += write_files(f'{out}/{test.name}.files', test.files(lambda i: graded.fresh(seed, i)))
    extents = 'fs,swap' if test.swap else 'fs'
    command = [f'{options.build}/mkfs', '-o', disk, '-s', test.size, '--boot',
               f'{options.build}/first.img', '--libos', f'unix={out}/unix.img']
    for image in test.images:
        command += ['--libos', f'{image}={options.build}/{image}.img']
    command += ['--line', f'name=unix extents={extents} console {test.unix}']
    command += [a for line in test.lines for a in ('--line', line)]
    subprocess.run(command + (['--swap', test.swap] if test.swap else []) + programs, check=True, cwd=TOP)
    shutil.rmtree(f'{out}/{test.name}.files', ignore_errors=True)


def boot(lab, test, seed, schedule, options, out, kernel=None, name=None, recording=None):
    """Boots once: what was seen. kernel: another than the sound one; recording: a record.Recording of it is made."""
    name = name or test.name
    disk, ram = f'{out}/{name}.disk', f'{out}/{name}.ram'
    make_disk(lab, test, seed, options, out, disk)
    planted = test.plant(seed) if test.plant else {}
    plant(disk, planted)
    if os.path.exists(ram):
        os.unlink(ram)
    args = ['unattended', 'trace=fill', f'trace_kb={test.trace_kb}', f'limit={test.limit}', test.args,
            f'run={test.run.format(seed=seed)}' if test.run else '', f'fresh={seed}',
            f'seed={schedule}' if schedule and test.seeds else '', f'tape={test.tape}' if test.tape else '']
    config = run.Run(test.name, 'lab', cpus=test.cpus, args=' '.join(a for a in args if a), mem=test.mem,
                     extra=run.ICOUNT if test.cpus == 1 and not recording else [])
    command = run.qemu_command(config, options.build, disk, None, ram)
    if kernel:
        command[command.index('-kernel') + 1] = kernel
    if recording:
        command = recording.begin(command)
    guest = run.Guest(sandbox(out, test.wall) + command)
    until = time.monotonic() + test.wall
    clock = None if first_boots(lab, test) else evidence.Clock(ram, f'{options.build}/offsets.json')
    try:
        while guest.read(until, 0.1 if clock else 1) and len(guest.text) < OUTPUT_LIMIT:
            if clock and clock.ms() > test.limit:
                break
    finally:
        late = time.monotonic() >= until
        if recording and not guest.ended:
            guest.process.terminate()  # and not killed: the recording's end is yet to be written
        flooded = len(guest.text) >= OUTPUT_LIMIT
        status = guest.close()
    if clock and clock.ms() > test.limit:  # so it is, too, if it came to an end while nobody looked
        status = graded.LIMIT_STATUS
    program = test.run.split(',')[0] if test.run else ''
    elf = next((f'{p}.elf' for p in lab.programs(options.build) if os.path.basename(p) == program), None)
    libos = graded.Symbols(options.cross, f'{out}/{lab.image}.elf', sandbox(out, 20))
    seen = graded.Seen(test, seed, guest.text[:OUTPUT_LIMIT], status, late, ram, f'{options.build}/offsets.json',
                       graded.Symbols(options.cross, elf) if elf else libos, libos)
    seen.flooded, seen.planted, seen.sound = flooded, planted, None
    seen.images = {i: graded.Symbols(options.cross, f'{options.build}/{i}.elf') for i in test.images}
    seen.disk_path, seen.build = disk, options.build
    with open(disk, 'rb') as f:
        seen.disk_magic, seen.disk_size = f.read(8), os.path.getsize(disk)
    return seen


def judge(seen):
    """(points, status, lines that say why) of a test, given what was seen."""
    if seen.flooded:
        return 0, 'error', [f'it said more than {OUTPUT_LIMIT >> 20} megabyte']
    for which in (seen, seen.sound) if seen.sound else (seen,):
        trouble = which.trouble()
        if trouble:
            return 0, 'error', (['with the sound kernel:'] if which is seen.sound else []) + trouble
    claims = list(seen.test.check(seen))
    wrong = [c for c in claims if not c.ok]
    if not wrong:
        return seen.test.points, 'pass', []
    share = 0 if any(c.must for c in wrong) else sum(c.weight for c in claims if c.ok) / sum(c.weight for c in claims)
    return round(seen.test.points * share, 2), 'fail', [str(c) for c in wrong]


def test_seed(seed, test):
    """Each test draws from numbers of its own; they fit in 48 bits, so that a program reads them easily."""
    return graded.fresh(seed, sum(ord(c) << (i % 8 * 8) for i, c in enumerate(test.name))) >> 16


def note(record, seen, status):
    """What a record says of the run."""
    record['trace'] = seen.evidence.hash()[0] if seen.test.cpus == 1 else ''  # several harts never do quite the same
    last = seen.records[-1].time - seen.records[0].time
    record['guest_ms'] = round(last / (seen.evidence.words()['timebase'] / 1000), 3)
    record['log'] = seen.text[-2000:]
    if status == 'error':
        record['events'] = seen.events()


def do_test(lab, test, seed, schedule, options, out):
    """One record for report.py."""
    began = time.monotonic()
    record = {'id': f'{lab.name}.{test.name}', 'lab': lab.name, 'title': test.name, 'part': test.part,
              'promise': test.promise, 'max': test.points, 'seed': seed, 'schedule': schedule,
              'visibility': 'hidden' if test.hidden else 'visible'}
    try:
        values = test_seed(seed, test)
        seen = boot(lab, test, values, schedule, options, out, test.kernel and build_kernel(lab, test.kernel, options),
                    recording=Recording(f'{out}/replay') if options.record else None)
        if test.kernel:
            seen.sound = boot(lab, test, values, schedule, options, out, None, f'{test.name}.sound')
        points, status, why = judge(seen)
        note(record, seen, status)
    except graded.NoRun as error:
        points, status, why = 0, 'error', error.lines
        note(record, error.seen, status)
    except (evidence.NoEvidence, LookupError, ValueError) as error:
        points, status, why = 0, 'error', [f'what the kernel recorded is not as it should be: {error!r}']
    except Exception as error:  # one test that cannot be judged must not cost the others  # pylint: disable=broad-except
        where = ', '.join(f'{os.path.basename(f.filename)}:{f.lineno}' for f in traceback.extract_tb(error.__traceback__))
        said = getattr(error, 'stderr', None)
        points, status, why = 0, 'error', [f'the grader itself failed: {error!r}, at {where}'] + (
            [said.decode(errors='replace')] if said else [])
    record.update(points=points, status=status, why=why, host_ms=round((time.monotonic() - began) * 1000))
    which = f'LAB={lab.name} TEST={test.name} SEED={seed}' + (f' SEEDS={schedule}-{schedule}' if schedule else '') + \
        (f' SUBMIT={options.submit}' if options.submit else '')
    record['again'] = f'make grade {which}'
    if test.cpus == 1:
        record['backwards'] = f'make replay-gdb {which}'
    for end in ('.ram', '.disk', '.sound.ram', '.sound.disk') if not (options.keep or options.record) else ():
        if os.path.exists(f'{out}/{test.name}{end}'):
            os.unlink(f'{out}/{test.name}{end}')
    return record


def grade(lab, options, say):
    """All records of one grading; say(record) after each."""
    out = options.out or f'{options.build}/lab/{lab.name}'
    tests = [t for t in lab.tests if not options.test or t.name in options.test.replace(',', ' ').split()]
    if not tests:
        raise Refused(f'no test of lab {lab.name} is named "{options.test}"; there are: '
                      f'{" ".join(t.name for t in lab.tests)}')
    if options.record and (len(tests) != 1 or len(options.schedules) > 1 or tests[0].cpus != 1):
        raise Refused('one test can be recorded, under one schedule, on one hart: TEST=NAME, one of '
                      f'{" ".join(t.name for t in lab.tests if t.cpus == 1)}')
    build_lab(lab, options.submit or TOP, options, out)
    for kernel in {t.kernel for t in tests if t.kernel}:
        build_kernel(lab, kernel, options)
    records = []
    schedules = options.schedules or [0]
    folder = {s: f'{out}/{s}' if len(schedules) > 1 else out for s in schedules}
    for path in folder.values() if len(schedules) > 1 else ():
        make_folder(path)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        work = [(t, s) for s in schedules for t in tests if not s or t.seeds]
        for record in pool.map(lambda w: do_test(lab, w[0], options.seed, w[1], options, folder[w[1]]), work):
            records.append(record)
            report.write(out, lab, options, records)
            say(record)
            if record['schedule'] and record['status'] != 'pass' and len(schedules) > 1:
                pool.shutdown(wait=True, cancel_futures=True) if sys.version_info >= (3, 9) else None
                break
    return records


def make_folder(path):
    """For the runs under one of several schedules: anew, with links to the images of the folder above."""
    source = os.path.dirname(path)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    for f in os.listdir(source):
        if f.endswith(('.img', '.elf')):
            os.link(f'{source}/{f}', f'{path}/{f}')


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--submit')
    parser.add_argument('--test')
    parser.add_argument('--seed', type=int)
    parser.add_argument('--seeds', default='')
    parser.add_argument('--out')
    parser.add_argument('--jobs', type=int, default=max(1, min(4, os.cpu_count() or 1)))
    parser.add_argument('--record', action='store_true', help='leave a recording of the one test in OUT: record.py')
    parser.add_argument('--keep', action='store_true', help='leave the disks and memories of the runs in OUT')
    parser.add_argument('--format', action='append', default=[], metavar='FORM[:PATH]')
    parser.add_argument('lab', nargs='?', default='')
    options = parser.parse_args()
    options.seed = secrets.randbelow(1 << 31) if options.seed is None else options.seed
    wrong = [f for f in options.format if f.split(':')[0] not in report.FORMS]
    if wrong:
        parser.error(f'no form of results is named {wrong[0]}; there are: {" ".join(sorted(report.FORMS))}')
    first, _, end = options.seeds.partition('-')
    options.schedules = list(range(int(first), int(end) + 1)) if end else list(range(1, int(first or 0) + 1))
    if options.submit:
        options.submit = os.path.abspath(options.submit)
    return options


def main():
    sys.stdout.reconfigure(line_buffering=True)  # each result when it is there, into a pipe, too
    options = parse()
    os.chdir(TOP)
    run.take_guests_along()
    cross = subprocess.run(['grade/setup', 'cross'], stdout=subprocess.PIPE, check=False).stdout.decode().strip()
    if not cross:
        return 2
    options.cross = cross
    try:
        if options.submit and not os.path.isdir(options.submit):
            raise Refused(f'{options.submit} is no folder')
        lab = Lab(options.lab)
        say = report.Text(lab, options)
        records = grade(lab, options, say.test)
        say.end(records)
    except Refused as error:
        print(f'grade: {error}')
        report.write_refusal(options, str(error))
        return 2
    return 0 if all(r['status'] == 'pass' for r in records) else 1


if __name__ == '__main__':
    try:
        sys.exit(main())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
