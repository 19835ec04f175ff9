"""A test of the cache lab that students do not see; the program is in hidden/mixlab.c."""
import cache_tests as t


def mixed(seen):
    """All policies' notes must be right whichever is asked: one after another is chosen."""
    picks = list(t.favourites(seen))
    phases = [(t.LRU, t.once()), (t.CLOCK, picks[:200]), (t.MRU, t.once()), (t.LRU, t.once()), (t.LRU, picks[200:300]),
              (t.CLOCK, picks[300:500])]
    order = [(i, policy) for policy, phase in phases for i in phase]
    yield from t.Judge(seen, t.Disk(seen), order, t.FILES).claims()
    yield seen.answered('total', t.total_of(seen, [i for i, _ in order]))


TESTS = [t.files('mixed', 5, 'whichever policy is asked next, its notes are right', 'mixlab,mixed,{seed}', mixed, part='B')]
