#!/usr/bin/env python3
"""Tests of the grader itself: prints `ok labs: NAME` or `not ok labs: NAME: why`.

    labtest.py [--build DIR]

Two gradings of one seed say the same, to the kernel's last record; every form of results is as its platform describes
it; a grading that is cut short leaves what it had; what cannot be graded is refused and says why; a batch goes on where
it stopped; a handout gives nothing away, and works. That each lab grades as it says is staff.py's, and of that a part is
done here: starters, references, cheats.
"""
import argparse
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as tree

import lab as grading
import report
import staff
from expect import Wrong, each, expect

TOP = grading.TOP
LAB = 'fork'  # the one that most of this is tried on


def run(options, *args, out='labtest'):
    command = [sys.executable, 'grade/lab.py', '--build', options.build, '--out', f'{options.build}/lab/{out}', *args, LAB]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return said.returncode, said.stdout.decode()


def results(options, out='labtest'):
    with open(f'{options.build}/lab/{out}/results.json', encoding='utf-8') as f:
        return json.load(f)


# ---- tests ----

def repeats(options):
    seen = []
    for jobs in ('1', '2'):
        run(options, '--seed', '7', '--test', 'child,copies', '--jobs', jobs)
        seen.append([(r['id'], r['points'], r['trace'], r['guest_ms']) for r in results(options)['tests']])
    expect('the second grading of one seed', seen[0], seen[1])
    run(options, '--seed', '8', '--test', 'child')
    if results(options)['tests'][0]['trace'] == seen[0][0][2]:
        raise Wrong('another seed left the same trace')


def schedules(options):
    """Several schedules at once, each with what was submitted now: not what the folders had from before."""
    expect('the reference under two schedules', 0, run(options, '--seed', '7', '--seeds', '2', '--test', 'child,again')[0])
    expect('runs', [1, 1, 2, 2], [r['schedule'] for r in results(options)['tests']])
    status, said = run(options, '--seed', '7', '--seeds', '2', '--test', 'child', '--submit', 'labs/fork/starter')
    expect('the starter after it', (1, 'score: 0/10'), (status, said.strip().splitlines()[-1]))


def forms(options):
    args = [a for form in report.FORMS for a in ('--format', form)]
    status, said = run(options, '--seed', '7', '--test', 'child,shares', '--submit', 'labs/fork/starter', *args)
    folder = f'{options.build}/lab/labtest'
    expect('exit status of a grading with failures', 1, status)
    expect('score', 'score: 0/20', said.strip().splitlines()[-1])
    check_gradescope(json.load(open(f'{folder}/gradescope.json', encoding='utf-8')))
    check_prairielearn(json.load(open(f'{folder}/prairielearn.json', encoding='utf-8')))
    with open(f'{folder}/autolab.txt', encoding='utf-8') as f:
        last = json.loads(f.read().splitlines()[-1])
    expect('Autolab scores', {'child': 0, 'shares': 0}, last['scores'])
    with open(f'{folder}/results.tap', encoding='utf-8') as f:
        check_tap(f.read().splitlines(), 2)
    check_junit(tree.parse(f'{folder}/results.xml').getroot(), 2)


def check_gradescope(r):
    for t in r['tests']:
        if set(t) - {'score', 'max_score', 'status', 'name', 'name_format', 'number', 'output', 'output_format', 'tags',
                     'visibility', 'extra_data'}:
            raise Wrong(f'a Gradescope test has fields that it does not know: {sorted(t)}')
        if t['status'] not in ('passed', 'failed') or not isinstance(t['score'], (int, float)):
            raise Wrong(f'a Gradescope test is {t}')
        if t['visibility'] not in ('hidden', 'after_due_date', 'after_published', 'visible'):
            raise Wrong(f'visibility {t["visibility"]}')


def check_prairielearn(r):
    expect('PrairieLearn fields', {'gradable', 'score', 'tests'}, set(r))
    if not 0 <= r['score'] <= 1 or any('max_points' not in t for t in r['tests']):
        raise Wrong(f'PrairieLearn: {r}')


def check_tap(lines, n):
    expect('TAP version', 'TAP version 14', lines[0])
    expect('TAP plan', f'1..{n}', lines[1])
    points = [line for line in lines if re.match(r'(not )?ok \d+ - ', line)]
    expect('TAP points', [str(i + 1) for i in range(n)], [re.search(r'ok (\d+)', p)[1] for p in points])
    expect('TAP blocks', lines.count('  ---'), lines.count('  ...'))


def check_junit(root, n):
    expect('JUnit root', 'testsuites', root.tag)
    suite = root.find('testsuite')
    expect('JUnit tests', str(n), suite.get('tests'))
    cases = suite.findall('testcase')
    expect('JUnit cases', n, len(cases))
    bad = sum(c.find('failure') is not None for c in cases), sum(c.find('error') is not None for c in cases)
    expect('JUnit failures and errors', (suite.get('failures'), suite.get('errors')), tuple(map(str, bad)))


def hidden(options):
    """A hidden test is not shown before the end, on any platform."""
    record = {'id': 'x.y', 'lab': 'x', 'title': 'y', 'part': '', 'promise': 'p', 'points': 1, 'max': 2, 'status': 'fail',
              'why': ['w'], 'again': 'a', 'visibility': 'hidden', 'seed': 1, 'host_ms': 1}
    expect('Gradescope', 'after_published', json.loads(report.gradescope([record], options))['tests'][0]['visibility'])
    expect('PrairieLearn', [], json.loads(report.prairielearn([record], options))['tests'])
    expect('Autolab', {}, json.loads(report.autolab([record], options).splitlines()[0])['Test'])


def refused(options):
    cases = {'a file too few': ({'fork.c': ''}, r'the submission has no cow\.c'),
             'an error': ({'fork.c': 'int x', 'cow.c': ''}, r'it does not build:\nlibos/fork\.c:1:'),
             'a symbol too few': ({'fork.c': '', 'cow.c': ''}, r'undefined reference to .sys_fork'),
             'a header of its own choice': ({'fork.c': '#include "/etc/passwd"\n', 'cow.c': ''}, r'reads .*etc/passwd'),
             'what its compiler calls otherwise': ({'fork.c': f'#include "/proc/self/cwd/labs/fork/tests.py"\n', 'cow.c': ''},
                                                   r'reads /proc/self/cwd'),
             'the same, by the assembler': ({'fork.c': '__asm__(".incbin \\"/proc/self/cwd/labs/fork/tests.py\\"");\n',
                                             'cow.c': ''}, r'reads /proc/self/cwd'),
             'the reference': ({'fork.c': '#include "libos/fork.c"\n', 'cow.c': ''}, r'reads .*libos/fork\.c')}
    for name, (files, pattern) in cases.items():
        folder = f'{options.build}/lab/labtest.files'
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for f, text in files.items():
            with open(f'{folder}/{f}', 'w', encoding='utf-8') as out:
                out.write(text)
        status, said = run(options, '--submit', folder, '--format', 'prairielearn')
        expect(f'status for {name}', 2, status)
        if not re.search(pattern, said) or 'refused' not in results(options):
            raise Wrong(f'{name}: expected {pattern}, saw {said[-300:]}')
        with open(f'{options.build}/lab/labtest/prairielearn.json', encoding='utf-8') as f:
            expect('gradable', False, json.load(f)['gradable'])
    shutil.rmtree(folder)
    os.makedirs(folder)
    os.symlink(os.path.abspath('libos'), f'{folder}/libos')
    status, said = run(options, '--submit', folder)
    expect('a link to the reference', (2, True), (status, 'the submission has no fork.c' in said))
    status, said = run(options, '--test', 'nosuch')
    expect('status for a test that is not', 2, status)


# What a student's fork() does wrong, and what the grader must say of it.
BROKEN = {
    'crash': ('*(volatile int *)(u64)me()->pid = 1;', [r'store page fault at 0x2', r'broken\(\) at fork\.c:\d+', r'sys_fork\(\) at fork\.c:\d+']),
    'loop': ('for (;;) __asm__ volatile("");', [r'no progress', r'broken\(\) at fork\.c:\d+|sys_fork\(\) at fork\.c:\d+']),
    'deadlock': ('wake_wait(wake_read(), ~0ul);', [r'deadlock: nobody could run any more']),
    'double': ('__atomic_fetch_or(&UAREA->mask, 1, __ATOMIC_SEQ_CST); *(volatile int *)(u64)me()->pid = 1;', [r'the kernel stopped environment|fault while one was']),
}


def fails_fast(options):
    """Who crashes, hangs or waits for nothing hears of it, with the line, before the limit of the guest's time."""
    folder = f'{options.build}/lab/labtest.files'
    for name, (code, patterns) in BROKEN.items():
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        shutil.copyfile('libos/cow.c', f'{folder}/cow.c')
        with open('libos/fork.c', encoding='utf-8') as f:
            text = f.read()
        broken = f'static __attribute__((noinline)) void broken(void) {{ {code} }}\n\nint sys_fork(void) {{\n' \
                 '    if (me()->pid != 1) broken();\n'
        with open(f'{folder}/fork.c', 'w', encoding='utf-8') as f:
            f.write(text.replace('int sys_fork(void) {\n', broken))
        _, said = run(options, '--submit', folder, '--test', 'child', '--seed', '1')
        missing = [p for p in patterns if not re.search(p, said)]
        if missing:
            raise Wrong(f'{name}: expected {missing[0]}, saw {said[-1500:]}')
        test = results(options)['tests'][0]
        if not test.get('events') or test['guest_ms'] > 1000:
            raise Wrong(f'{name}: {test["guest_ms"]} ms, {len(test.get("events", []))} events')


def machines(path):
    """Processes that are machines with this file."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', encoding='latin-1') as f:
                words = f.read()
        except OSError:
            continue  # it has ended
        if 'qemu-system' in words and path in words:
            found.append(int(pid))
    return found


def terminated(options):
    """Who is told to end takes the machine along; seen on the tests' runner, as a sandbox's machine ends anyhow."""
    name, until = 'shell-1-virtio', time.monotonic() + 60
    disk = f'{options.build}/test/{name}.disk'
    with subprocess.Popen([sys.executable, 'grade/run.py', '--build', options.build, name], stdout=subprocess.DEVNULL) as runner:
        while not (before := machines(disk)) and time.monotonic() < until:
            time.sleep(0.01)
        for pid in before:
            os.kill(pid, signal.SIGSTOP)  # it would go on otherwise, or end by itself
        runner.terminate()
    while (after := machines(disk)) and time.monotonic() < until:
        time.sleep(0.01)
    for pid in after:
        os.kill(pid, signal.SIGKILL)
    expect('machines before, and after', (1, []), (len(before), after))


def batch(options):
    folder = f'{options.build}/lab/labtest.batch'
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(f'{options.build}/batch/{LAB}', ignore_errors=True)
    for name, source in (('one', 'labs/fork/starter'), ('two', 'labs/fork/starter'), ('none', None)):
        os.makedirs(f'{folder}/{name}')
        for f in os.listdir(source) if source else []:
            shutil.copyfile(f'{source}/{f}', f'{folder}/{name}/{f}')
    command = [sys.executable, 'grade/batch', '--build', options.build, '--seed', '3', LAB, folder]
    subprocess.run(command + ['--only', 'two'], stdout=subprocess.PIPE, check=True)
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    expect('what the second call says', ['none: refused: the submission has no fork.c; lab fork is: libos/fork.c libos/cow.c',
                                         'one: 0/100', 'two: graded before'], said[:3])
    with open(said[3], encoding='utf-8', newline='') as f:
        rows = list(csv.DictReader(f))
    expect('rows of the table', [('none', '0'), ('one', '0'), ('two', '0')], [(r['name'], r['score']) for r in rows])
    expect('a column a test', True, all(t.name in rows[0] for t in grading.Lab(LAB).tests))


def one_seed(options):
    """Of several that begin a batch at once, one draws the seed."""
    folder = f'{options.build}/lab/labtest.seed'
    shutil.rmtree(folder, ignore_errors=True)
    code = f"import runpy; print(runpy.run_path('grade/batch')['kept_seed']({folder!r}, None))"
    waiting = [subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                env={**os.environ, 'PYTHONPATH': 'grade'}) for _ in range(8)]
    seeds = [p.communicate()[0].strip() for p in waiting]
    expect('seeds', (8, 1, True), (len(seeds), len(set(seeds)), seeds[0].isdigit()))
    expect('files left', ['seed'], os.listdir(folder))


def shared(options):
    """What gradings share is made before them, so that no two that run at once make it: each makes its own files only."""
    out = f'{options.build}/lab/labtest'
    for name in staff.labs():
        lab = grading.Lab(name)
        os.makedirs(out, exist_ok=True)
        grading.stage(lab, TOP, out)
        make = grading.made(lab, options, out)
        expect(f'make for lab {name}', 0, make.returncode)
        compiled = re.findall(r'^  (?:CC|AS|HOSTCC) +(\S+)$', make.stdout.decode(), re.M)
        expect(f'compiled for lab {name}', sorted(lab.files), sorted(compiled))


def gradescope(options):
    path = f'{options.build}/gradescope-{LAB}.zip'
    staff.gradescope(argparse.Namespace(build=options.build, lab=[LAB]))
    with staff.zipfile.ZipFile(path) as z:
        names = {i.filename: i.external_attr >> 16 & 0o777 for i in z.infolist()}
    expect('modes of the scripts at the root', (0o755, 0o755), (names.get('setup.sh'), names.get('run_autograder')))
    expect('mutants and cheats in the zip', [], [n for n in names if 'mutants/' in n or 'cheats/' in n])


def handout(options):
    """The students' tree of one lab: it builds from what is in it, and its starter fails as it should."""
    to = f'{options.build}/lab/handout'
    shutil.rmtree(to, ignore_errors=True)
    staff.handout(argparse.Namespace(build=options.build, cross=options.cross, to=to, lab=[LAB], staff=''))
    for path, _, files in os.walk(to):
        bad = [f for f in files if f.endswith('.diff') or 'hidden' in f]
        expect('what is not for students', ([], False), (bad, os.path.basename(path) in ('mutants', 'starter', 'cheats')))
    said = grading.run.make(['-s', 'grade', f'LAB={LAB}', 'TEST=child', 'SEED=1'], cwd=to,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()
    if 'not written yet' not in said or 'score: 0/10' not in said:
        raise Wrong(f'the handout\'s first grading: {said[-600:]}')


TESTS = [repeats, schedules, forms, hidden, refused, fails_fast, terminated, batch, one_seed, shared, gradescope, handout]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('test', nargs='*')
    options = parser.parse_args()
    os.chdir(TOP)
    options.cross = subprocess.run(['grade/setup', 'cross'], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    return each('labs', TESTS, options, grading.Refused, LookupError, ValueError, subprocess.CalledProcessError)


if __name__ == '__main__':
    sys.exit(main())
