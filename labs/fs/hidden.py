"""A test of the fs lab that students do not see; the program is in fslab.c."""
import fs_tests as t


def bare(seen):
    """Blocks that were written past the log are durable before the transaction that leads to them."""
    cuts = t.Cuts(seen)
    yield from cuts.claims(300)
    yield from cuts.legal(seen, t.bare_of(seen.seed), True)


TESTS = [t.run('bare', 5, 'what is written past the log is there when its transaction is', 'bare', bare, tape=1100)]
