"""Tests of the pager lab that are not shown before the end. The program is hidden/pagermap.c."""
import importlib.util
import os

SPEC = importlib.util.spec_from_file_location('pager_shared', os.path.join(os.path.dirname(__file__), 'tests.py'))
shared = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(shared)
data, sum_of = shared.data, shared.sum_of


def mapped(seen):
    yield from shared.paged(seen, 500)
    values = data(seen.seed, 500)
    yield seen.answered('mapped', sum_of(values))
    yield seen.answered('heap', sum_of(data(seen.seed + 1, 100)))
    for i in range(3):
        yield seen.answered(f'round{i}', sum_of(data(seen.seed + 2 + i, 450)), must=True)
        yield seen.answered(f'left{i}', sum_of(values[:250]), must=True)


TESTS = [
    shared.test('mapped', 5, 'what a program maps goes and comes as its heap does', 'pagermap,mapped,{seed}', mapped, part='A',
                swap='3M'),
]
