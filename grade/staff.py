#!/usr/bin/env python3
"""For course staff: does every lab grade as it says?

    make staff-check [LAB=NAME]          staff.py [--build DIR] check [LAB]...

For every lab: the starter builds, boots and scores its floor; the reference (the tree's own files) scores full marks;
each of labs/NAME/mutants/ fails the tests that it names and no others; each of grade/cheats/NAME/ gets no point on the
tests that it names. A mutant or cheat is a diff against the reference, or a file in its place, whose first lines say what
it does and, after `caught by:`, which tests must catch it (`none: ` and a reason: it is refused before any test).
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

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
        self.caught = set() if self.refused else set(match[1].replace('*/', ' ').split())

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


class Checker:
    """Grades variants, and counts."""

    def __init__(self, options):
        self.options, self.passed, self.failed = options, 0, 0

    def result(self, name, wrong):
        self.passed += not wrong
        self.failed += bool(wrong)
        print(f'not ok staff-check {name}: {wrong}' if wrong else f'ok staff-check {name}', flush=True)

    def grade(self, lab, submit, name):
        options = argparse.Namespace(**vars(self.options), submit=submit, test=None, schedules=None, keep=False, format=[],
                                     out=f'{self.options.build}/lab/check/{lab.name}-{name}')
        return grading.grade(lab, options, lambda record: None)

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
            records = self.grade(lab, to, v.name)
        except grading.Refused as error:
            return None if v.refused else f'refused: {error}'
        if v.refused:
            return 'it was not refused'
        unknown = v.caught - {r['title'] for r in records}
        if unknown:
            return f'there are no tests {" ".join(sorted(unknown))}'
        if no_points:
            paid = [r['title'] for r in records if r['title'] in v.caught and r['points']]
            return f'it has points of {" ".join(paid)}' if paid else None
        lost = {r['title'] for r in records if r['status'] != 'pass'}
        missed, more = v.caught - lost, lost - v.caught
        why = [f"{r['title']}: {r['why'][0]}" for r in records if r['title'] in more]
        return ((f'not caught by {" ".join(sorted(missed))} ' if missed else '') +
                (f'caught by {" ".join(sorted(more))}, too ({why[0]})' if more else '')) or None

    def variants(self, lab, folder, no_points):
        for f in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            try:
                v = Variant(f'{folder}/{f}')
                self.result(f'{lab.name} {os.path.basename(folder) if not no_points else "cheat"} {v.name}',
                            self.variant(lab, v, no_points))
            except (grading.Refused, OSError) as error:
                self.result(f'{lab.name} {f}', str(error))

    def check(self, lab):
        for name, do in (('starter', self.starter), ('reference', self.reference)):
            try:
                self.result(f'{lab.name} {name}', do(lab))
            except grading.Refused as error:
                self.result(f'{lab.name} {name}', str(error))
        self.variants(lab, f'{lab.folder}/mutants', False)
        self.variants(lab, f'{TOP}/grade/cheats/{lab.name}', True)
        handout = f'{lab.folder}/README'
        words = len(open(handout, encoding='utf-8').read().split()) if os.path.isfile(handout) else 0
        self.result(f'{lab.name} README', None if 0 < words <= 1200 else f'{words} words; a handout has 1 to 1200')


def labs():
    return sorted(d for d in os.listdir(f'{TOP}/labs') if os.path.isfile(f'{TOP}/labs/{d}/files'))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--jobs', type=int, default=max(1, min(4, os.cpu_count() or 1)))
    parser.add_argument('do', choices=['check'])
    parser.add_argument('lab', nargs='*')
    options = parser.parse_args()
    os.chdir(TOP)
    options.cross = subprocess.run(['grade/setup', 'cross'], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    checker = Checker(options)
    for name in options.lab or labs():
        checker.check(grading.Lab(name))
    print(f'{checker.passed} passed, {checker.failed} failed')
    return 1 if checker.failed else 0


if __name__ == '__main__':
    sys.exit(main())
