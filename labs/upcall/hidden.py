"""The upcall lab's hidden test: all at once, with the shortest slices. The program is upcalllab.c."""
import importlib.util
import os

from graded import Test

spec = importlib.util.spec_from_file_location('upcall_tests', os.path.join(os.path.dirname(__file__), 'tests.py'))
shown = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shown)


def storm(seen):
    yield from shown.while_it(seen, 'mixed', 40)
    yield shown.no_kernel(seen)


TESTS = [
    Test('storm', 3, 'exceptions, handlers and ends of slices, all at once', 'upcalllab,mixed,{seed}', storm, part='B',
         args=shown.SHORT, seeds=False),
]
