"""The fork lab's hidden test: a tree of processes that no test shows. The program is hidden/forest.c."""
import importlib.util
import os

from graded import U64, Test, births, equal, sum_of

spec = importlib.util.spec_from_file_location('fork_tests', os.path.join(os.path.dirname(__file__), 'tests.py'))
shown = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shown)

PAGES = 40


def grow(fresh, pages, identity, depth, sums):
    """What the process has in the end; sums: {process: its sum}, of it and all below it."""
    children = 3 if depth == 0 else fresh(identity * 1000 + 999) % 3 if depth < 3 else 0
    for step in range(children + 1):
        for i in range(5):
            p = fresh(identity * 1000 + step * 10 + i) % PAGES
            pages[p] = (pages[p] * 31 + identity) & U64
        if step < children:
            grow(fresh, list(pages), 4 * identity + step, depth + 1, sums)
    sums[identity] = sum_of(pages)


def forest(seen):
    pages, rounds = [seen.fresh(p) for p in range(PAGES)], ({}, {}, {})
    for sums in rounds:
        grow(seen.fresh, pages, 1, 0, sums)
    yield shown.forked(seen, sum(len(sums) - 1 for sums in rounds))
    yield shown.bind_nothing_twice(seen)
    for identity, total in rounds[-1].items():  # an answer is what was said last
        yield seen.answered(f'sum{identity}', total, must=True)
    root = seen.end().of(shown.UNIX)[1].eid
    held = [m.held[shown.UNIX] for _, m, parent, _ in births(seen) if parent.eid == root]
    yield equal('pages that the library OS held when the second round began, and the third', held[3:4] * 2, held[3::3])


TESTS = [
    Test('forest', 5, 'a family, of which all write at once', 'forest,forest,{seed}', forest, part='B', limit=1000),
]
