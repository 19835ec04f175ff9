"""The vm lab's hidden test: sequences of calls that no test shows. The program is hidden/vmsoup.c."""
import importlib.util
import os

from graded import PAGE, PROGRAM_END, U64, Test, equal

spec = importlib.util.spec_from_file_location('vm_tests', os.path.join(os.path.dirname(__file__), 'tests.py'))
shown = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shown)


class Model:
    """What the address space must have after each operation: words stored by page, places of mappings, the heap's end."""

    def __init__(self, seen, start):
        self.seen, self.start, self.top = seen, start, start
        self.pages, self.maps, self.sum = {}, {}, seen.fresh(0)

    def place(self, n):
        end = PROGRAM_END
        while True:
            over = [(at, pages) for at, pages in self.maps.values() if at < end and at + pages * PAGE > end - n * PAGE]
            if not over:
                return end - n * PAGE
            end = max(over)[0]

    def drop(self, begin, end):
        self.pages = {va: words for va, words in self.pages.items() if not begin <= va < end}

    def touch(self, va, word):
        words = self.pages.setdefault(va, {})
        self.sum = (self.sum * 31 + words.get(word, 0)) & U64
        words[word] = words.get(word, 0) + 1

    def step(self, i):
        fresh = self.seen.fresh
        what, x, m = fresh(10 * i) % 5, fresh(10 * i + 1), fresh(10 * i + 2) % 4
        if what == 0:
            self.top += x % 300 * PAGE
        elif what == 1:
            self.top -= x % ((self.top - self.start) // PAGE + 1) * PAGE
            self.drop(self.top, PROGRAM_END // 2)
        elif what == 2 and m not in self.maps:
            n = 1 + x % 200
            self.maps[m] = (self.place(n), n)
        elif what == 3 and m in self.maps:
            at, n = self.maps.pop(m)
            self.drop(at, at + n * PAGE)
        else:
            for k in range(6):
                y = fresh(10 * i + 3 + k)
                if k % 2 and m in self.maps:
                    self.touch(self.maps[m][0] + y % self.maps[m][1] * PAGE, y % 512)
                elif self.top > self.start:
                    self.touch(self.start + y % ((self.top - self.start) // PAGE) * PAGE, y % 512)

    def tables(self):
        low = min([at for at, _ in self.maps.values()] or [PROGRAM_END])
        return list(range(0, self.top, shown.TABLE)) + list(range(low & -shown.TABLE, PROGRAM_END, shown.TABLE))


def each_step(seen):
    p = shown.process(seen)
    model, base = Model(seen, p.heap), None
    for mark, _, m in p.marks():
        if mark > 100:
            model.step(mark - 100)
        saw = p.pages(m, p.heap, PROGRAM_END)
        yield equal(f'pages that are missing, and that are too many, after {mark - 100} operations', [[], []],
                    [sorted(hex(va) for va in model.pages if va not in saw),
                     sorted(hex(va) for va in saw if va not in model.pages)], must=True)
        yield equal(f'tables after {mark - 100} operations', [hex(t) for t in model.tables()],
                    [hex(t) for t in p.tables(m)], must=True)
        extra = m.held[shown.UNIX] - len(model.pages) - len(p.tables(m))
        base = extra if base is None else base
        yield equal(f'pages held, beyond those and tables, after {mark - 100} operations', base, extra, must=True)
    yield seen.answered('sum', model.sum, must=True)


def soup(seen):
    yield shown.marked(seen, list(range(100, 161)))
    yield from shown.all_of(each_step(seen))


TESTS = [
    Test('soup', 4, 'heap and mappings, in any order', 'vmsoup,soup,{seed}', soup, part='C'),
]
