"""Tests of the whole system, by typing at the Unix image's shell and reading what comes: for grade/run.py.

A session is a list of tests. Each types lines and compares what they print; after each all pages and
environments must have come back. session(), stress(), usertests(), deaths() and what dies() makes are what run.py calls
as Run.talk: they get the run, its guest, when to give up, and a test's name if only that one is wanted; they return
lines (passed, text), where passed is None for a remark.
"""
import functools
import os
import re
import subprocess
import time

import kv
from typist import LIMIT, Lines, Lost, Shell, Wrong, expect, expect_match

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
START_LIMIT = 5  # seconds of a host CPU from QEMU's start to the prompt
IDLE_LIMIT = 15  # percent of a CPU
LINE_BYTES = 1023  # of the shell


def readme():
    with open(os.path.join(TOP, 'README'), encoding='latin-1') as f:
        return f.read()


def wc(text, name=''):
    return f'{text.count(chr(10))} {len(text.split())} {len(text)} {name}\n'


def lines_with(word, text):
    return ''.join(line for line in text.splitlines(True) if word in line)


# ---- the shell ----

def ls_wc(sh):
    expect('ls | wc', wc(sh.run('ls')), sh.run('ls | wc'))


def cat_grep(sh):
    sh.prints('cat README | grep exo > x; cat x', lines_with('exo', readme()))
    sh.prints('rm x', '')


def pipe_of_three(sh):
    the, of_the = lines_with('the', readme()), lines_with('of', lines_with('the', readme()))
    sh.prints('cat README | grep the | wc', wc(the))
    sh.prints('cat README | grep the | grep of | cat | wc', wc(of_the))


def append(sh):
    sh.prints('echo one > f; echo two >> f; echo three >> f; cat f', 'one\ntwo\nthree\n')
    sh.prints('echo four > f; cat < f; rm f', 'four\n')


def lists_and_groups(sh):
    sh.prints('echo a; (echo b; echo c); echo d # e', 'a\nb\nc\nd\n')
    sh.prints('(echo a; (echo b c; echo d) | cat) | wc', '3 4 8 \n')


def background(sh):
    sh.start('(sleep 5; echo late) &')
    sh.prints('echo soon', 'soon\n')
    sh.wait(r'late\n')


def unknown_command(sh):
    sh.prints('nosuch', 'sh: nosuch: not found\n')
    sh.prints('cat < nosuch', 'sh: cannot open nosuch\n')
    sh.prints('README', 'sh: README: cannot be run\n')
    expect_match('| wc', 'sh: .+\n', sh.run('| wc'))


def long_line(sh):
    words = 'x' * (LINE_BYTES - len('echo  y')) + ' y'
    sh.prints('echo ' + words, words + '\n')
    sh.prints('echo ' + words + 'z', f'sh: line longer than {LINE_BYTES} bytes\n')


def editing(sh):
    expect('^H and DEL', 'abc\n', sh.run('echo abc', 'echo axy\b\x7fbc'))
    expect('^U', 'abc\n', sh.run('echo abc', 'nosuch\x15echo abc'))


# Keys, and the line that they make.
EDITS = [
    ('echo ac\x1b[Db', 'echo abc'), ('cho x\x01e', 'echo x'), ('cho x\x1b[He\x1b[Fy', 'echo xy'),
    ('echo abXc\x1b[D\x1b[D\x1b[3~', 'echo abc'), ('echo abXc\x02\x02\x04', 'echo abc'),
    ('echo a b c\x17\x17d', 'echo a d'), ('echo a bcd\x1b[D\x1b[D\x1b[D\x0b', 'echo a'),
    ('nosuch echo x\x01\x06\x06\x06\x06\x06\x06\x06\x15', 'echo x'), ('echo \x1b[Z\x1bq\x1b[5~x', 'echo x'),
]


def line_editing(sh):
    for keys, line in EDITS:
        expect(repr(keys), line[5:] + '\n', sh.run(line, keys))


def history(sh):
    for word in ('one', 'two', 'two', 'three'):
        sh.prints(f'echo {word}', f'{word}\n')
    for keys, want in (('\x1b[A', 'three'), ('\x1b[A\x1b[A\x1b[A\x1b[B', 'two'), ('\x10' * 4, 'one'),
                       ('\x1b[A\x1b[A\x1b[B\x1b[Becho new', 'new'), ('\x1b[Aer', 'newer')):
        expect(repr(keys), want + '\n', sh.run('', keys))


def give_up_line(sh):
    sh.guest.type('nosuch\x03')
    expect('^C', 'nosuch^C\n', sh.prompt())
    sh.prints('echo x', 'x\n')


def interrupt(sh):
    behind = sh.start('sleep 1000 &')
    for line in ('loop', 'sleep 1000', 'loop f | cat | loop', 'cat', '(loop; echo never)', 'sleep 1000; echo never',
                 'sh -c', 'cat README | (sleep 1000; cat)'):
        sh.guest.type(line + '\n')
        sh.wait(re.escape(line) + r'\n')
        time.sleep(0.2)
        sh.guest.type('\x03')
        if line == 'sh -c':  # another shell: at its prompt ^C gives up a line
            sh.prompt()
            expect('^C', '^C\n', sh.prompt())
            sh.guest.type('loop\n')
            sh.wait(r'loop\n')
            time.sleep(0.2)
            sh.guest.type('\x03')
            expect('^C', '^C\n', sh.prompt())
            sh.guest.type('exit\n')
            expect('exit', 'exit\n', sh.prompt())
            continue
        expect(line, '^C\n', sh.prompt())
    sh.guest.type('late\n')
    sh.wait(r'late: ready\n')
    sh.guest.type('\x03')
    expect('who joins a group after its ^C', '^C\nlate: -1\n', sh.prompt())
    sh.prints('echo x', 'x\n')
    sh.prints(f'kill {" ".join(behind)}', '')


def end_of_input(sh):
    sh.guest.type('cat | wc\n' 'some words\n' '\x04')
    expect('cat | wc', wc('some words\n'), sh.prompt().split('\n', 2)[2])


def new_shell(sh):
    sh.guest.type('exit\n')
    expect('exit', 'exit\ninit: starting sh\n', sh.prompt())


def large_file(sh):
    text = readme()
    sh.prints(f'cat {" ".join(["README"] * 8)} > a', '')
    sh.prints(f'cat {" ".join(["a"] * 8)} > b; cat b b b b > c; rm a b', '')
    sh.prints('wc c', wc(text * 256, 'c'))
    sh.prints('cat c | wc; rm c', wc(text * 256))


def names(sh):
    before = sh.run('ls')
    sh.prints('mkdir d d/e; echo text > d/f; ln d/f d/e/g; rm d/f; cat d/e/g', 'text\n')
    expect_match('ls d', r'\. +1 \d+ \d+\n\.\. +1 1 \d+\ne +1 \d+ \d+\n', sh.run('ls d'))
    sh.prints('cd d/e; cat g ../e/g; cd', 'text\ntext\n')
    sh.prints('rm d', 'rm: cannot remove d\n')
    sh.prints('rm d/e/g d/e d', '')
    sh.prints('cat d/e/g', 'cat: cannot open d/e/g\n')
    expect('ls', before, sh.run('ls'))


def programs(sh):
    """Each once, and what it says when it cannot."""
    text = readme()
    lines = text.splitlines(True)
    sh.prints('seq 12 | tail -3', '10\n11\n12\n')
    sh.prints('seq -1 1; seq 2 1', '-1\n0\n1\n')
    sh.prints('seq x', 'usage: seq [first] last\n')
    sh.prints('tail README', ''.join(lines[-10:]))
    sh.prints('tail -3 nosuch', 'tail: cannot open nosuch\n')
    sh.prints('seq 11 | sort', ''.join(sorted(f'{i}\n' for i in range(1, 12))))
    sh.prints('seq 11 | sort -n -r | tail -2', '2\n1\n')
    sh.prints('sort README', ''.join(sorted(lines)))
    sh.prints('sort nosuch', 'sort: cannot open nosuch\n')
    sh.prints('echo 0123456789abcdef | hexdump',
              '00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n'
              f'00000010  0a{" " * 48}|.|\n')
    sh.prints('cp README a; mv a b; cp b /c; cat b c | wc', wc(text * 2))
    sh.prints('mkdir d; cp b d; mv c d; cat d/b d/c | wc; rm b d/b d/c d', wc(text * 2))
    sh.prints('mv a b', 'mv: no file a\n')
    sh.prints('cp README README', 'cp: the same file: README\n')
    sh.prints('cp . b', 'cp: cannot copy the directory .\n')
    sh.prints('sync', '')
    sh.prints('date', 'date: nobody told the machine the time (boot argument epoch=SECONDS)\n')
    expect_match('top -1', r'\d+ pages: .*\neid\t.*\n(\d+\t.*\n)+\d+\t2\t.*\t\d+\t\d+ sh\n(\d+\t.*\n)*', sh.run('top -1'))
    sh.guest.type('top\n')
    sh.wait(r'q ends it\n')
    sh.guest.type('q')
    expect_match('q', r'(?s)[^q]*', sh.prompt())


def editor(sh):
    def typed(keys, until):
        sh.guest.type(keys)
        sh.wait(until)
    typed('edit t\n', 'a new file')
    typed('hello\rworld\x1b[A\x1b[FX\x13', r't, line 1 of 2: saved')
    sh.guest.type('\x11')
    sh.prompt()
    sh.prints('cat t', 'helloX\nworld\n')
    typed('edit t\n', 'line 1 of 2')
    typed('lost\x11', r'\(changed\), line 1 of 2: not saved')
    sh.guest.type('\x11')
    sh.prompt()
    sh.prints('cat t', 'helloX\nworld\n')
    typed('edit t\n', 'line 1 of 2')
    typed('\x0b\x1b[F\r\x19\x1b[A\x7f\x08!\x1b[3~\x13', 'saved')  # cut, a line, put back, joined
    sh.guest.type('\x11')
    sh.prompt()
    sh.prints('cat t; rm t', 'worl!elloX\n\n')
    sh.prints('edit', 'usage: edit file\n')
    sh.prints('edit .', 'edit: . is not a file\n')


def ps(sh):
    said = sh.run('ps')
    processes, envs, accounts, pages = said.split('\n\n')
    table = [line.split('\t') for line in processes.splitlines()[1:]]
    expect('processes', ['init', 'sh', 'ps'], [row[6] for row in table])
    expect('parents', [row[0] for row in table[:2]], [row[1] for row in table[1:]])
    for row in table:
        if not 0 < int(row[5]) <= 24:
            raise Wrong(f'expected at most 24 private pages, saw {row[5]} of {row[6]}')
    rows = [line.split('\t') for line in envs.splitlines()[1:]]
    account = {int(r[0]): int(r[5]) for r in (line.split('\t') for line in accounts.splitlines()[1:])}
    total, counts = re.fullmatch(r'(\d+) pages: (.*)\n', pages).groups()
    expect('the sum of the pages', int(total), sum(map(int, re.findall(r'\d+(?= [a-z])', counts))))
    for number, used in account.items():
        expect(f'environments of account {number}', used, sum(int(r[1]) == number for r in rows))
    expect('processes: init, sh, ps', 3, account[2])
    if not any(r[7] == 'running' for r in rows):
        raise Wrong(f'nobody runs: {envs!r}')


# ---- programs that go wrong ----

def forktest(sh):
    expect_match('forktest', r'fork test\nfork test OK: \d+ children\n', sh.run('forktest'))


def kill_loop(sh):
    pids = sh.start('loop &') + sh.start('loop f &') + sh.start('loop f &') + sh.start('loop f | loop &')
    expect_match('ps', r'(?s).*\n\n.*', sh.run('ps'))
    sh.prints('cat README | grep exo | wc', wc(lines_with('exo', readme())))
    sh.prints('kill ' + ' '.join(pids), '')


def xv6calls(sh):
    """A program that knows only xv6's ecalls; each call says whether it did what it should."""
    said = sh.run('xv6calls')
    expect('what failed', [], re.findall('^not ok .*', said, re.M))
    expect('calls that did', 22, len(re.findall('^ok ', said, re.M)))
    expect('the end', 'all ok', said.split('\n')[-2])


def fill(sh):
    free, swap = (int(re.search(what + r' (\d+)', sh.memory())[1]) for what in ('free', 'swap'))
    pages = int(expect_match('fill', r'fill: (\d+) pages\n', sh.run('fill'))[1])
    if not free * 0.8 + swap < pages < free + swap:
        raise Wrong(f'of {free} free pages fill got {pages}')
    sh.prints('echo still here', 'still here\n')


SYMBOL = r'0x[\da-f]+ {}(\.[\w.]+)?\+0x[\da-f]+\n'
CALLED = '    called from ' + SYMBOL
INNER = ''.join(CALLED.format(f) for f in ('inner', 'outer', 'main', '_start'))
# what crash is told, the cause, the address, where pc is if it has no symbol, who called
CRASHES = [
    ('load', 'load page fault', '30000000'),
    ('store', 'store page fault', '30000000'),
    ('text', 'store page fault', '[0-9a-f]+'),
    ('window', 'store page fault', 'ffffffe000000000'),
    ('kernel', 'load page fault', '80000000'),
    ('beyond', 'load page fault', '4000000000000'),
    ('jump', 'instruction page fault', '30000000', '0x30000000\n'),
    ('heap', 'instruction page fault', '([0-9a-f]+)', r'0x\2\n'),
    ('illegal', 'illegal instruction', '0'),
    ('privileged', 'illegal instruction', '100022f3'),
    ('ecall', 'unknown call', '0'),
    ('breakpoint', 'breakpoint', '[0-9a-f]+'),
    ('stack', 'store page fault', '[0-9a-f]+', SYMBOL.format('deep'),
     f'({CALLED.format("deep")})+' + CALLED.format('stack') + INNER),
    ('no_stack', 'store page fault', 'f{15}8'),
    ('no_frames', 'load page fault', 'f{15}8', SYMBOL.format('no_frames'), CALLED.format('inner')),
]


def report_of(kind, cause, address, pc=None, calls=INNER):
    return rf'pid (\d+) \(crash\): {cause} at 0x{address}\n    pc {pc or SYMBOL.format(kind)}{calls}'


def crash(sh, what):
    expect_match(f'crash {what[0]}', report_of(*what), sh.run(f'crash {what[0]}'))


def crash_alone(sh):
    said = sh.run('echo a; crash load | cat; (crash store; echo b); echo c')
    expect_match('three of which two crash', f'a\n{report_of(*CRASHES[0])}{report_of(*CRASHES[1])}b\nc\n', said)


# ---- sessions ----

TESTS = [ls_wc, cat_grep, pipe_of_three, append, lists_and_groups, background, unknown_command, long_line, editing,
         line_editing, history, give_up_line, interrupt, end_of_input, new_shell, large_file, names, programs, editor, ps, forktest, kill_loop, xv6calls, fill, crash_alone]
TESTS = [(t.__name__, t) for t in TESTS] + [(f'crash_{c[0]}', functools.partial(crash, what=c)) for c in CRASHES]


def repeated_forks(sh):
    for _ in range(20):
        forktest(sh)


def repeated_pipes(sh):
    text = readme()
    for _ in range(20):
        sh.prints('cat README README | grep e | cat | grep x | wc', wc(lines_with('x', lines_with('e', text * 2))))


def repeated_kills(sh):
    for _ in range(20):
        pids = sh.start('loop & loop f & loop f | cat | loop &')
        crash_alone(sh)
        sh.prints('kill ' + ' '.join(pids), '')


STRESS = [(t.__name__, t) for t in (repeated_forks, repeated_pipes, repeated_kills)]


def cpu_time(pid):
    """Seconds that a process had of the host's CPUs; None where the host does not tell."""
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as f:
            fields = f.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
    except OSError:
        return None


def idle(sh):
    """Harts with nothing to do sleep: the share of a host CPU that QEMU takes, in percent."""
    time.sleep(0.5)
    before, start = cpu_time(sh.guest.process.pid), time.monotonic()
    if before is None:
        return None
    time.sleep(3)
    share = 100 * (cpu_time(sh.guest.process.pid) - before) / (time.monotonic() - start)
    if share > IDLE_LIMIT:
        raise Wrong(f'expected at most {IDLE_LIMIT} % of a host CPU at the prompt, saw {share:.0f} %')
    return f'{share:.1f} % of a host CPU at the prompt'


def start(sh):
    """Counted in the time that QEMU had of the host's CPUs, so that a busy host fails nobody."""
    sh.wait(r'^\$ ')
    seconds = cpu_time(sh.guest.process.pid)
    if seconds is None:
        seconds = time.monotonic() - sh.guest.started
    if seconds > START_LIMIT:
        raise Wrong(f'expected at most {START_LIMIT} s, saw {seconds:.2f} s')
    return f'{seconds:.2f} s from the start of QEMU to the prompt'


def checked(sh, test, before):
    remark = test(sh)
    sh.settle(before)
    return remark


def power_off(sh, code):
    sh.guest.type(f'poweroff {code}\n')
    while sh.guest.read(min(sh.until, time.monotonic() + LIMIT)):
        pass


def talk(run, guest, until, tests):
    sh, lines = Shell(guest, until), Lines(run)
    if not lines.test('start', start, sh):
        return lines.lines
    before = sh.memory()
    for name, test in tests:
        if not lines.test(name, checked, sh, test, before):
            return lines.lines
    if run.cpus > 1:
        lines.test('idle', idle, sh)
    power_off(sh, run.status)
    return lines.lines


def session(run, guest, until, only):
    return talk(run, guest, until, [t for t in TESTS if only in (None, t[0])])


def stress(run, guest, until, only):
    return talk(run, guest, until, [t for t in STRESS if only in (None, t[0])])


def usertests(run, guest, until, only):
    """The libOS's own tests, which print a line each; what they kill on purpose is reported in between."""
    sh, lines = Shell(guest, until), Lines(run)
    if not lines.test('start', start, sh):
        return lines.lines
    try:
        said = sh.run(f'usertests {only or ""}', limit=run.wall)
    except Lost as why:
        return lines.lines + [(False, f'not ok {run.name}: {why}')]
    for before, ok, name in re.findall(r'^((?:(?!ok |not ok ).*\n)*)(ok|not ok) (.*)$', said, re.M):
        if ok != 'ok':
            lines.lines += [(None, f'# {run.name}: {line}') for line in before.splitlines()[-12:]]
        lines.lines.append((ok == 'ok', f'{ok} {run.name}/{name}'))
    results = re.findall(r'^(ok|not ok) ', said, re.M)
    counted = [results.count('ok'), results.count('not ok')]
    lines.test('count', expect_match, 'usertests', rf'(?s).*\n{counted[0]} passed, {counted[1]} failed\n', said)
    power_off(sh, run.status)
    return lines.lines


def threads(run, guest, until, only):
    """Those of them that have threads, and do not take long where every instruction is counted."""
    return usertests(run, guest, until, only or 'threads threadmutex threadcond threadstride threadwait threadwake '
                                                'threadfork threadall')


def paging(run, guest, until, only):
    """Those with more memory than there is."""
    return usertests(run, guest, until, only or 'pagerefuse pagetwice pageread pagerandom pagefull pagefork pageapart pagecrowd '
                                                'pagekill pageexec pagesignal pagefile pagepipe pagethread pagemap pagerace '
                                                'pagegive')


def revoked(run, guest, until, only):
    """Another account is given pages that the library OS had above what it was promised."""
    return usertests(run, guest, until, only or 'pagerevoke')


def deaf(run, guest, until, only):
    """It does not answer: pages are taken by force, and who lost some ends; perhaps usertests itself, so that only a prompt
    tells; perhaps the shell, which init starts again. What is said of who ends may come between output and the prompt."""
    sh, lines = Shell(guest, until), Lines(run)
    if lines.test('start', start, sh):
        guest.type('usertests pagedeaf\n')
        lines.test('told', sh.wait, r'^pid \d+ \(usertests\): \d+ pages of its memory were taken back\n')
        lines.test('ended', sh.wait, r'^(\$ |pid \d+ \(usertests\): (load|store|instruction) page fault|ok pagedeaf\n)')
        guest.type('echo still here\n')
        if lines.test('goes_on', sh.wait, r'^still here\n'):
            power_off(sh, run.status)
    return lines.lines


def kv_ends(disk, limit=60):
    """Waits for the key-value library OS's report; what is wrong with it."""
    late = time.monotonic() + limit
    while not ((report := kv.report(disk)) and report.done == report.ops) and time.monotonic() < late:
        time.sleep(0.1)
    return kv.wrong_with(report)


def asked_for_memory(run, guest, until, only):
    """The store is asked for memory again and again. It gives some, goes on with fewer pages, and has lost nothing."""
    lines = Lines(run)
    lines.test('kv', lambda: expect('the store', '', kv_ends(run.path)))
    report = kv.report(run.path)
    if report:
        lines.test('gave', lambda: expect('pages given back', True, report.given > 0))
        lines.test('never_ended', lambda: expect('starts', 1, report.run))
    return lines.lines


def beside_kv(run, guest, until, only):
    """Two library OSes at once: the other's answers are all right, and this one goes on."""
    sh, lines = Shell(guest, until), Lines(run)
    if lines.test('start', start, sh):
        lines.test('ls_wc', ls_wc, sh)
        lines.test('forktest', forktest, sh)
        lines.test('kv', lambda: expect('the store', '', kv_ends(run.path)))
        lines.test('goes_on', sh.prints, 'echo still here', 'still here\n')
        power_off(sh, run.status)
    return lines.lines


TORMENTS = int(os.environ.get('TORMENTS', '25'))


def expect_more(what, least, saw):
    if saw < least:
        raise Wrong(f'{what}: expected at least {least}, saw {saw}')


def numbers(n):
    return ''.join(f'{i}\n' for i in range(1, n + 1))


def answers(sh):
    """What the Unix library OS says and keeps, to the byte."""
    text = numbers(3000)
    sh.prints('seq 1 3000 > t', '')
    sh.prints('cat t | wc', wc(text))
    sh.prints('cp t t2; cat t t2 | grep 7 | wc', wc(lines_with('7', text * 2)))
    sh.prints('sort t2 > s; head s', ''.join(sorted(text.splitlines(True))[:10]))
    sh.prints('mkdir d; mv t2 d/t3; cat d/t3 t | tail', ''.join(text.splitlines(True)[-10:]))
    sh.prints('rm d/t3 d t s; ls d', 'ls: cannot open d\n')
    forktest(sh)


def unharmed(run, guest, until, only):
    """The other library OS is ended, starved and replaced by a hostile one; this one's answers are as ever."""
    sh, lines = Shell(guest, until), Lines(run)
    if lines.test('start', start, sh):
        rounds, late = 0, time.monotonic() + TORMENTS * 0.4
        while time.monotonic() < late and lines.lines[-1][0]:
            lines.test(f'answers_{rounds}', answers, sh)
            rounds += 1
        lines.test('inflicted', lambda: expect_more('starts of the store', TORMENTS // 3, kv.report(run.path).run))
        power_off(sh, run.status)
    return lines.lines


def tormented(run, guest, until, only):
    """This one is; and then the other's answers must be right, and this one comes back."""
    sh, lines = Shell(guest, until), Lines(run)
    lines.test('over', lambda: bool(sh.wait(r'^torment: done\n', 60 + TORMENTS)))
    if not lines.test('comes_back', lambda: bool(sh.wait(r'^\$ ', 20))):
        lines.lines += [(None, f'# {run.name}: {line}') for line in guest.text.splitlines()[-20:]]
    else:
        lines.test('inflicted', lambda: expect_more('starts of init', TORMENTS // 3, guest.text.count('init: starting sh')))
        lines.test('kv', lambda: expect('the store', '', kv_ends(run.path, 60 + TORMENTS)))
        lines.test('kv_whole', lambda: expect('starts of the store', 1, kv.report(run.path).run))
        lines.test('answers', answers, sh)
        power_off(sh, run.status)
    return lines.lines


CHAOS = 100  # processes that are ended while they hold something
CHAOS_MOST = 600  # and all that are ended


def one_death(sh, seed):
    """Nobody else notices. Was it inside the library OS, with something that others wait for?"""
    sh.guest.type(f'chaos {seed}\n')
    said = sh.wait(r'^chaos: done\n\$ ', limit=20)
    expect_match('what it says', rf'chaos {seed}\n(pid \d+ \(chaos\) lost (its environment inside the library OS|an environment)\n)?'
                                 r'chaos: done\n\$ ', said)
    return 'inside' in said


def without_chaos(sh):
    """Free pages, what those that were ended have left in files put away."""
    sh.run('rm ' + ' '.join(f'chaos.{t}{i}' for t in range(3) for i in range(5)))
    return sh.run('freemem')


def begins_again(sh):
    """Who holds something and has no place to go on from takes the library OS along; it comes back, files whole."""
    sh.guest.type('chaos end\n')
    said = sh.wait(r'^init: starting sh\n\$ ', limit=20)
    expect_match('what it says', r'(?s).*\npid \d+ \(chaos\) died inside the library OS and cannot go on\n'
                                 r'the library OS starts again\n.*', said)
    sh.prints('cat README | wc', wc(readme()))


def deaths(run, guest, until, only):
    """Processes that die at any moment, holding what others need or not: all others go on, and nothing is lost."""
    sh, lines = Shell(guest, until), Lines(run)
    if not lines.test('start', start, sh):
        return lines.lines
    inside = []
    sh.run('chaos 1')
    before = without_chaos(sh)
    while sum(inside) < CHAOS and len(inside) < CHAOS_MOST:
        seed = len(inside) + 1
        if not lines.test(f'seed_{seed}', lambda s: inside.append(one_death(sh, s)), seed):
            return lines.lines
    lines.test('inside', expect, f'of {len(inside)} that died, inside the library OS', CHAOS, sum(inside))
    lines.test('pages', expect, 'free pages', before, without_chaos(sh))
    lines.test('begins_again', begins_again, sh)
    power_off(sh, run.status)
    return lines.lines


def ended(run, status, disk, fsck):
    """How QEMU ended, and what was left on a disk that is not in RAM."""
    lines = Lines(run)
    lines.test('status', expect, "QEMU's status", run.status, status)
    if run.disk == 'virtio':
        said = subprocess.run([fsck, disk], stdout=subprocess.PIPE, check=False)
        lines.test('fsck', expect, 'fsck', (0, b''), (said.returncode, said.stdout))
    return lines.lines


# ---- machines that cannot start ----

def dies(pattern):
    """A run in which the kernel must end with a panic that says this."""
    def talk_of(run, guest, until, only):
        while guest.read(until):
            pass
        lines = Lines(run)
        lines.test('panic', expect_match, 'what it said last', rf'(?s).*\npanic: {pattern}\n.*', guest.text)
        return lines.lines
    return talk_of


def types(line):
    """A run of one line typed at the prompt, and no more."""
    def talk_of(run, guest, until, only):
        sh, lines = Shell(guest, until), Lines(run)
        if lines.test('start', start, sh):
            lines.test(line, sh.run, line)
            power_off(sh, run.status)
        return lines.lines
    return talk_of


def says(pattern):
    """A run that is over when it has said this: it would go on for ever."""
    def talk_of(run, guest, until, only):
        lines = Lines(run)
        found = guest.wait_for(pattern, 0, until) is not None
        lines.test('says', expect, f'what matches {pattern!r}', True, found or guest.text[-500:])
        return lines.lines
    return talk_of


def overwrite(at, data):
    """Damages a disk: other bytes at that place."""
    def damage(disk):
        with open(disk, 'r+b') as f:
            f.seek(at)
            f.write(data)
    return damage
