"""What is tested of the thread lab besides."""
from graded import Test
from tests import beacons, shares


def changed(seen):
    """Few tickets at first, then many: against ten, all the time."""
    at = [s.record.time for s in beacons(seen, 'changing')]
    when = at[0] if at else 0
    yield from shares(seen, {'changing': 1 + seen.fresh(0) % 3, 'spinner0': 10}, until=when, percent=3, whole=False)
    yield from shares(seen, {'changing': 30 + seen.fresh(1) % 30, 'spinner0': 10}, since=when, percent=3, whole=False)
    yield seen.answered('end', seen.fresh(2))


TESTS = [
    Test('changed', 2, 'a thread can change its tickets', 'threadlab,change,{seed}', changed, part='C', args='slice=500',
         limit=500),
]
