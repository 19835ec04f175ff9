"""What the hello lab asks once the work is handed in: the same, at another place."""
from graded import Test
import importlib.util
import os

spec = importlib.util.spec_from_file_location('hello', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tests.py'))
hello = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hello)

TESTS = [hello.test('crossing', 5, 'pages in two tables of either level', hello.whole, 'at=786430 pages=4', 'B')]
