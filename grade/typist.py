"""Typing at a guest's shell and reading what comes: what the sessions of shell.py, files.py and crash.py are made of.

A test is a function of a Shell that raises Wrong; Lines turns tests into what run.py prints.
"""
import re
import time

LIMIT = 60  # seconds for a line: the machine may be busy


class Wrong(Exception):
    """What a test found."""


class Lost(Exception):
    """The shell does not answer; nothing more can be tested."""


def expect(what, want, saw):
    if want != saw:
        raise Wrong(f'{what}: expected {want!r}, saw {saw!r}')


def expect_match(what, pattern, saw):
    match = re.fullmatch(pattern, saw)
    if not match:
        raise Wrong(f'{what}: expected {pattern!r}, saw {saw!r}')
    return match


class Shell:
    """A shell at its prompt. `at`: what the guest said before is done with."""

    def __init__(self, guest, until):
        self.guest, self.until, self.at = guest, until, 0

    def wait(self, pattern, limit=LIMIT):
        """Up to the pattern and its match; the text before it."""
        start = self.at
        end = self.guest.wait_for(pattern, start, min(self.until, time.monotonic() + limit))
        if end is None:
            raise Lost(f'no {pattern!r}, but {self.guest.text[start:][-300:]!r}')
        self.at = end
        return self.guest.text[start:end]

    def prompt(self, limit=LIMIT):
        return self.wait(r'^\$ ', limit)[:-2]

    def run(self, line, typed=None, limit=LIMIT):
        """What a line prints. `typed`: the keys, if they are not the line's."""
        self.guest.type((typed or line) + '\n')
        said = self.prompt(limit)
        if typed is None:
            expect('echo', line, said.split('\n')[0])
        return said.partition('\n')[2]

    def prints(self, line, want):
        expect(line, want, self.run(line))

    def start(self, line):
        """Runs a line that ends in &; the numbers of its processes."""
        said = self.run(line)
        expect_match(line, r'(\[\d+\]\n)+', said)
        return re.findall(r'\d+', said)

    def memory(self):
        said = self.run('freemem')
        return expect_match('freemem', r'free (\d+) envs (\d+) doomed (\d+) swap (\d+)\n', said).group(0)

    def settle(self, before, limit=10):
        """All is as it was; what ended behind the shell's back may take a moment."""
        late = time.monotonic() + limit
        while (now := self.memory()) != before and time.monotonic() < late:
            time.sleep(0.1)
        expect('memory after it', before, now)


class Lines:
    """What run.py prints."""

    def __init__(self, run):
        self.run, self.lines = run, []

    def test(self, name, test, *args):
        """Does one test; its remark, if it returns any, is printed. False if the shell is lost."""
        try:
            remark = test(*args)
        except (Wrong, Lost) as why:
            self.lines.append((False, f'not ok {self.run.name}/{name}: {why}'))
            return not isinstance(why, Lost)
        if isinstance(remark, str):
            self.lines.append((None, f'# {self.run.name}: {remark}'))
        self.lines.append((True, f'ok {self.run.name}/{name}'))
        return True
