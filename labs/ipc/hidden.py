"""Tests of the ipc lab that students see at the end. The program is hidden/ipcchain.c."""
from graded import U64, Test, at_least, equal

UNIX, LENGTH = 2, 7


def ask(word, i):
    """What server i of the chain answers; the first asks nobody."""
    more = ask(word, i - 1) if i else word
    return [(more[w] * 3 + i + word[(w + 1) % 8]) & U64 for w in range(8)]


def chain(seen):
    envs = [e.eid for e in seen.end().of(UNIX)[1:]]
    ran = {r.eid for r in seen.of('slice')} | {r.w[0] for r in seen.of('call')}
    yield equal('children that the kernel saw run', LENGTH + 1, sum(e in ran for e in envs[1:]), must=True)
    pairs = {(r.eid, r.w[0]) for r in seen.of('call') if r.eid in envs}
    yield at_least('pairs of processes between which calls were tried', 4, len(pairs), must=True)
    words = [seen.fresh(1000 + i) for i in range(2000)]
    total = 0
    for word in words[::100]:
        for w in ask([(word + w) & U64 for w in range(8)], LENGTH - 1):
            total = (total * 31 + w) & U64
    yield seen.answered('words', len(words))
    yield seen.answered('total', sum(words) & U64, must=True)
    yield seen.answered('sum', total, 2)


TESTS = [Test('chain', 2, 'servers ask servers, however many in a row', 'ipcchain,chain,{seed}', chain, part='B', hidden=True)]
