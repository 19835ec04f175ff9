#!/usr/bin/env python3
"""For course staff: the students' tree, their answers, and whether every lab grades as it says.

    make staff-check [LAB=NAME]                          staff.py [--build DIR] check [LAB]...
    make handout LABS="vm fork" HANDOUT=DIR [STAFF=...]  staff.py handout --to DIR [--staff "LAB..."] LAB...
    make staff-notes [SUBMISSIONS=DIR]                   staff.py notes [DIR]
    make gradescope LAB=NAME                             staff.py gradescope LAB: build/gradescope-NAME.zip

For every lab: the starter builds, boots and scores its floor; the reference (the tree's own files) scores full marks;
each of labs/NAME/mutants/ fails the tests that it names and no others; each of grade/cheats/NAME/ gets no point on the
tests that it names. A mutant or cheat is a diff against the reference, or a file in its place, whose first lines say what
it does and, after `caught by:`, which tests must catch it (`none: ` and a reason: it is refused before any test).
`quick`, for `make test`, leaves out the mutants, and tries two tests of each cheat.
"""
import argparse
import concurrent.futures
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile

import lab as grading
import report
from patch import hunks

TOP = grading.TOP


class Variant:
    """One wrong solution: its name, what it says of itself, and how to make its files of the reference's."""

    def __init__(self, path):
        self.path, self.name = path, os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding='utf-8') as f:
            self.text = f.read()
        match = re.search(r'caught by:([^\n]*)', self.text)
        if not match:
            raise grading.Refused(f'{path}: no line says `caught by:`')
        self.refused = match[1].strip().startswith('none:')
        said, _, perhaps = match[1].replace('*/', ' ').partition('(perhaps ')  # by what runs on several harts
        self.caught, self.perhaps = set() if self.refused else set(said.split()), set(perhaps.rstrip(') ').split())

    def make(self, lab, to):
        """Writes the lab's files to the folder `to`, changed."""
        shutil.rmtree(to, ignore_errors=True)
        os.makedirs(to)
        for name in lab.files:
            shutil.copyfile(f'{TOP}/{name}', f'{to}/{os.path.basename(name)}')
        if not self.path.endswith('.diff'):
            shutil.copyfile(self.path, f'{to}/{self.target(lab)}')
            return
        for name, old, new in hunks(self.text):
            path = f'{to}/{os.path.basename(name)}'
            with open(path, encoding='utf-8') as f:
                text = f.read()
            if text.count(old) != 1:
                raise grading.Refused(f'{self.path}: these lines are {text.count(old)} times in {name}:\n{old}')
            with open(path, 'w', encoding='utf-8') as f:
                f.write(text.replace(old, new))

    def target(self, lab):
        """Which of the lab's files a whole one replaces: the first line says so, else it is the first."""
        match = re.search(r'instead of:? ([\w./]+)', self.text)
        return os.path.basename(match[1] if match else lab.files[0])


# ---- the students' tree ----

# Not for students: what is wrong on purpose, what they do not see before the end, and tests of the libOS's insides.
STAFFS_OWN = re.compile(r'labs/[^/]+/(mutants/|hidden|starter/)|grade/(cheats|host)/|grade/(staff|labtest|crash|stubs|seeds)\.py$|\.ci/')


def tracked():
    said = subprocess.run(['git', 'ls-files', '-z'], stdout=subprocess.PIPE, check=True).stdout.decode()
    return [f for f in said.split('\0') if f and os.path.isfile(f)]


def supply(options, to, name):
    """The staff's object of a file, with no more in it than what linking needs."""
    path = f'{to}/labs/objects/{name}.o'
    os.makedirs(os.path.dirname(path), exist_ok=True)
    subprocess.run([f'{options.cross}objcopy', '--strip-debug', '--strip-unneeded', f'{options.build}/{name}.o', path],
                   check=True)


def handout(options):
    """Makes the tree, and says what is in it."""
    to, chosen = options.to, [grading.Lab(n) for n in options.lab]
    if os.path.exists(to) and os.listdir(to):
        raise grading.Refused(f'{to} is there already, and not empty')
    every = [grading.Lab(n) for n in labs()]
    own = {f for lab in every for f in lab.files}
    theirs = {f: lab for lab in chosen for f in lab.files}
    staff = {f for n in options.staff.split() for f in grading.Lab(n).files}
    others = tuple(f'labs/{lab.name}/' for lab in every if lab not in chosen and lab.name not in options.lab)
    for name in tracked():
        if STAFFS_OWN.search(name) or name.startswith(others) or (name in own and name not in theirs):
            continue
        source = f'{theirs[name].folder}/starter/{os.path.basename(name)}' if name in theirs else name
        os.makedirs(os.path.dirname(f'{to}/{name}') or to, exist_ok=True)
        shutil.copy(source, f'{to}/{name}')
    for lab in every:  # of the others only what is needed to link
        if lab.name not in options.lab:
            os.makedirs(f'{to}/labs/{lab.name}', exist_ok=True)
            shutil.copyfile(f'{lab.folder}/files', f'{to}/labs/{lab.name}/files')
        for name in lab.files:
            if name.startswith('libos/') and (name not in theirs or name in staff):
                supply(options, to, name)
    wrong = leaks(options, to, [f for f in theirs if f not in staff])
    if wrong:
        raise grading.Refused('the handout would give away ' + '; '.join(wrong))
    print(f'{to}: labs {" ".join(options.lab)}; to write: {" ".join(sorted(theirs))}')


def lines(path):
    """Those long enough to tell something; of a diff, without its signs."""
    with open(path, encoding='utf-8', errors='replace') as f:
        stripped = {line.lstrip('+- ').strip() for line in f}
    return {line for line in stripped if len(line) > 30 and not line.startswith(('//', '#include'))}


def secrets(options, of):
    """Lines of the chosen labs' references that no starter has, and no other file that students get."""
    own = {f for name in labs() for f in grading.Lab(name).files}
    public = {line for f in tracked() if f not in own and not STAFFS_OWN.search(f) for line in lines(f)}
    return {line: f for f, lab in of.items() for line in lines(f) - public - lines(f'{lab.folder}/starter/{os.path.basename(f)}')}


def leaks(options, to, names):
    """What of the chosen labs' solutions lies in the tree: a line of source, or an object with a function of theirs."""
    found = []
    of = {f: lab for lab in (grading.Lab(n) for n in options.lab) for f in lab.files}
    secret = secrets(options, {f: of[f] for f in names})
    functions = {f: name for name in names if name.startswith('libos/') for f in offered(options, f'{options.build}/{name}.o')}
    for folder, _, files in os.walk(to):
        for f in files:
            path = f'{folder}/{f}'
            if f.endswith('.o'):
                both = offered(options, path) & set(functions)
                found += [f'{path} ({", ".join(sorted(both))})'] if both else []
                continue
            told = lines(path) & set(secret)
            if told:
                found.append(f'{path}: {sorted(told)[0]}')
    return found


def offered(options, path):
    """Functions that an object has for others."""
    said = subprocess.run([f'{options.cross}nm', '-g', '--defined-only', path], stdout=subprocess.PIPE, check=True)
    return {line.split()[-1] for line in said.stdout.decode().splitlines() if line.strip()}


# ---- Gradescope (https://gradescope-autograders.readthedocs.io/en/latest/specs/) ----

SETUP_SH = '''#!/usr/bin/env bash
# Once, when the image of the machine is made.
set -e
cd /autograder/source/exv6
apt-get update && apt-get install -y --no-install-recommends make git
make setup lab-base
'''

RUN_AUTOGRADER = '''#!/usr/bin/env bash
# Once for each submission. results.json is written anew after each test, so that who runs out of time keeps the rest.
cd /autograder/source/exv6
mkdir -p /autograder/results
python3 grade/lab.py --submit /autograder/submission --format gradescope:/autograder/results/results.json {lab}
exit 0
'''


def gradescope(options):
    """Everything that is tracked but what only proves the grader, under exv6/; and the two scripts at the root."""
    lab = grading.Lab(options.lab[0])
    path = f'{options.build}/gradescope-{lab.name}.zip'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as z:
        for name, text in (('setup.sh', SETUP_SH), ('run_autograder', RUN_AUTOGRADER.format(lab=lab.name))):
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            z.writestr(entry, text)
        for name in tracked():
            if not re.search(r'labs/[^/]+/mutants/|grade/cheats/', name):
                z.write(name, f'exv6/{name}')
    print(path)


# ---- notes ----

def notes(options):
    """Answers and hours out of submissions, each in a folder: labs/NAME/answers.txt or answers.txt; and known cheats."""
    for folder in options.lab:
        for student in sorted(os.listdir(folder)):
            for base, _, files in os.walk(f'{folder}/{student}'):
                for f in sorted(files):
                    if f == 'answers.txt':
                        with open(f'{base}/{f}', encoding='utf-8', errors='replace') as text:
                            said = text.read().strip()
                        hours = re.search(r'(?i)hours?:?\s*([\d.]+)|([\d.]+)\s*hours?', said)
                        took = f' ({next(g for g in hours.groups() if g)} hours)' if hours else ''
                        print(f'== {student}{took}\n{said}\n')
    print('Ways to cheat that the grader knows, each tried by staff-check:')
    for name in sorted(os.listdir('grade/cheats')):
        for f in sorted(os.listdir(f'grade/cheats/{name}')):
            with open(f'grade/cheats/{name}/{f}', encoding='utf-8') as text:
                print(f'  {name} {os.path.splitext(f)[0]}: {text.readline().strip().lstrip("/* ")}')


def wrong_in_handout(lab):
    """What a handout says of tests and points that is not so; None if all is. Students see no hidden tests."""
    try:
        with open(f'{lab.folder}/README', encoding='utf-8') as f:
            text = f.read()
    except OSError as error:
        return str(error)
    if not 0 < len(text.split()) <= 1200:
        return f'{len(text.split())} words; a handout has 1 to 1200'
    shown = {t.name: t for t in lab.tests if not t.hidden}
    right = {f'part {p}': sum(t.points for t in shown.values() if t.part == p) for p in {t.part for t in shown.values()}}
    right['score'] = sum(t.points for t in shown.values())
    for what, points in re.findall(r'^ +(part \w|score): [\d.]+/([\d.]+)$', text, re.M):
        if right.get(what) != float(points):
            return f'{what}: expected {right.get(what)} points, saw {points}'
    for part, points in re.findall(r'^Part (\w): .*\((\d+) points\)$', text, re.M):
        if right.get(f'part {part}') != float(points):
            return f'part {part}: expected {right.get(f"part {part}")} points, saw {points}'
    for name, points, promise in re.findall(r'^ +(?:ok|FAIL) +(\w+) +[\d.]+/([\d.]+) +(.*)$', text, re.M):
        test, promise = shown.get(name), re.sub(r' *\[\.\.\.\]$', '', promise)
        if not test or test.points != float(points) or not test.promise.startswith(promise):
            return f'"{name} {points} {promise}" is not what the test has'
    for several, one in re.findall(rf"LAB={lab.name} TEST=(?:'([^']+)'|(\w+))", text):
        unknown = set(several.split() or [one]) - set(shown)
        if unknown:
            return f'there is no test {" ".join(sorted(unknown))}'
    return None


class Checker:
    """Grades variants, and counts."""

    def __init__(self, options, scratch):
        self.options, self.scratch, self.passed, self.failed = options, scratch, 0, 0

    def result(self, name, wrong):
        self.passed += not wrong
        self.failed += bool(wrong)
        print(f'not ok staff-check {name}: {wrong}' if wrong else f'ok staff-check {name}', flush=True)

    def grade(self, lab, submit, name, tests=None):
        out = f'{self.scratch}/{lab.name}-{name}'
        options = argparse.Namespace(**{**vars(self.options), 'jobs': 1}, submit=submit, test=tests, schedules=None, keep=False,
                                     format=[], record=None, out=out)
        try:
            return grading.grade(lab, options, lambda record: None)
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def starter(self, lab):
        for name in lab.files:
            if not os.path.isfile(f'{lab.folder}/starter/{os.path.basename(name)}'):
                return f'no starter/{os.path.basename(name)}'
        records = self.grade(lab, f'{lab.folder}/starter', 'starter')
        points, _ = report.total(records)
        said = sum(bool(re.search(r'not written', r.get('log', ''))) for r in records)
        if points != lab.floor:
            return f'it scores {points:g}, and its floor is {lab.floor}'
        return None if said else 'no run says that something is not written yet'

    def reference(self, lab):
        records = self.grade(lab, TOP, 'reference')
        wrong = [f"{r['title']}: {'; '.join(r['why'])}" for r in records if r['status'] != 'pass']
        return '\n    '.join(wrong) if wrong else None

    def variant(self, lab, v, no_points):
        to = f'{self.options.build}/lab/check/{lab.name}-{v.name}.files'
        v.make(lab, to)
        try:
            some = ' '.join(sorted(v.caught)[:2]) if self.options.do == 'quick' else None
            records = self.grade(lab, to, v.name, some)
        except grading.Refused as error:
            return None if v.refused else f'refused: {error}'
        if v.refused:
            return 'it was not refused'
        unknown = (v.caught | v.perhaps) - {t.name for t in lab.tests}
        if unknown:
            return f'there are no tests {" ".join(sorted(unknown))}'
        if no_points:
            paid = [r['title'] for r in records if r['title'] in v.caught and r['points']]
            return f'it has points of {" ".join(paid)}' if paid else None
        lost = {r['title'] for r in records if r['status'] != 'pass'}
        missed, more = v.caught - lost, lost - v.caught - v.perhaps
        why = [f"{r['title']}: {r['why'][0]}" for r in records if r['title'] in more]
        return ((f'not caught by {" ".join(sorted(missed))} ' if missed else '') +
                (f'caught by {" ".join(sorted(more))}, too ({why[0]})' if more else '')) or None

    def variants(self, lab, folder, no_points):
        """(what it is, how it is tried) of each."""
        what = 'cheat' if no_points else 'mutants'
        for f in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            name = os.path.splitext(f)[0]
            if not self.options.only or name in self.options.only:
                yield f'{lab.name} {what} {name}', lambda path=f'{folder}/{f}': self.variant(lab, Variant(path), no_points)

    def work(self, lab):
        """The same of all that is tried for a lab."""
        yield f'{lab.name} starter', functools.partial(self.starter, lab)
        yield f'{lab.name} reference', functools.partial(self.reference, lab)
        if self.options.do != 'quick':
            yield from self.variants(lab, f'{lab.folder}/mutants', False)
        yield from self.variants(lab, f'{TOP}/grade/cheats/{lab.name}', True)
        yield f'{lab.name} README', functools.partial(wrong_in_handout, lab)

    @staticmethod
    def tried(name, do):
        """The name, and what is wrong of it, if anything is."""
        try:
            return name, do()
        except (grading.Refused, OSError) as error:
            return name, str(error)

    def check(self, names):
        """As much at a time as there are jobs: each does its tests one after another."""
        every = [w for name in names for w in self.work(grading.Lab(name))]
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for name, wrong in pool.map(lambda w: self.tried(*w), every):
                self.result(name, wrong)

    def tarball(self, names):
        """What students unpack: of each lab alone nothing of a solution; of all, that each lab is built and graded there."""
        to = f'{self.options.build}/lab/check/handout'
        shutil.rmtree(to, ignore_errors=True)
        for name in names:
            try:
                handout(argparse.Namespace(**{**vars(self.options), 'lab': [name], 'staff': '', 'to': f'{to}/{name}'}))
                self.result(f'{name} handout', None)
            except grading.Refused as error:
                self.result(f'{name} handout', str(error))
        every = ' '.join(names)
        handout(argparse.Namespace(**{**vars(self.options), 'lab': names, 'staff': every, 'to': f'{to}/all/exv6'}))
        shutil.unpack_archive(shutil.make_archive(f'{to}/labs', 'gztar', f'{to}/all'), f'{to}/unpacked')
        for name in names:
            lab = grading.Lab(name)
            test = next(t.name for t in lab.tests if not t.hidden)
            said = grading.run.make(['-s', 'grade', f'LAB={name}', f'TEST={test}', 'SEED=1'], drop=['CI'],
                                    cwd=f'{to}/unpacked/exv6', stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()
            ran = re.search(r'^score: 0/\d+$', said, re.M) and 'the grader itself failed' not in said
            self.result(f'{name} tarball', None if ran else said[-600:])


def labs():
    return sorted(d for d in os.listdir(f'{TOP}/labs') if os.path.isfile(f'{TOP}/labs/{d}/files'))


def room(options):
    """A folder for the runs' memories and disks: in this machine's memory, where it has a gigabyte of it for files."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder goes, too
    memory = '/dev/shm'
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30:
        return tempfile.TemporaryDirectory(dir=memory, prefix='exv6-')
    os.makedirs(f'{options.build}/lab', exist_ok=True)
    return tempfile.TemporaryDirectory(dir=os.path.abspath(f'{options.build}/lab'), prefix='check-')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--jobs', type=int, default=max(1, min(4, os.cpu_count() or 1)))
    parser.add_argument('--only', nargs='+', default=[], help='of the wrong solutions and cheats, those of these names')
    parser.add_argument('--to', help='where the handout goes')
    parser.add_argument('--staff', default='', help='labs among the chosen ones of which the staff\'s objects go along')
    parser.add_argument('do', choices=['check', 'quick', 'handout', 'gradescope', 'notes'])
    parser.add_argument('lab', nargs='*')
    options = parser.parse_args()
    os.chdir(TOP)
    options.cross = subprocess.run(['grade/setup', 'cross'], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    if options.do not in ('check', 'quick'):
        try:
            return {'handout': handout, 'gradescope': gradescope, 'notes': notes}[options.do](options)
        except grading.Refused as error:
            print(f'{options.do}: {error}')
            return 2
    names = options.lab or labs()
    with room(options) as scratch:
        checker = Checker(options, scratch)
        checker.check(names)
    if options.do == 'check' and not options.only:
        checker.tarball(names)
    print(f'{checker.passed} passed, {checker.failed} failed')
    return 1 if checker.failed else 0


if __name__ == '__main__':
    sys.exit(main())
