"""What the pager lab promises, and how each promise is seen. The programs are in pagerlab.c."""
from graded import PAGE, PROGRAM_END, U64, Test, at_least, at_most, equal, fresh, holds

UNIX = 2  # the library OS's account
MOST, HOT = 2000, 24
READ, WRITE, FAULT = 0, 1, 0
ENV_RUN = 0


# ---- what the right answers are ----

def sum_of(values, total=0):
    for v in values:
        total = (total * 31 + v) & U64
    return total


def data(seen, n, by=0):
    return [fresh(seen.seed if by is None else seen.seed + by, i) for i in range(n)]


def changed(values, by):
    return [(v * 5 + by) & U64 for v in values]


# ---- what the kernel saw ----

class Swap:
    """Blocks that went to the extent `swap` and came from there, with when; and who asked for how many."""

    def __init__(self, seen):
        names = [bytes(e['name']).rstrip(b'\0') for e in seen.evidence.table('exts')]
        self.extent = names.index(b'swap') if b'swap' in names else None
        self.of = {READ: [], WRITE: []}
        for r in seen.of('disk_start'):
            if r.w[2] == self.extent:
                self.of[r.w[1] & 0xff].append((r.time, r.w[3], r.w[1] >> 8 & 0xff))
        self.blocks = {op: sum(n for _, _, n in of) for op, of in self.of.items()}


def paged(seen, least):
    """It was no trick: so many pages really went to the disk and came back."""
    swap = Swap(seen)
    yield at_least('pages written to the swap extent, as the kernel saw it', least, swap.blocks[WRITE], must=True)
    yield at_least('pages read from there', least, swap.blocks[READ], must=True)


def births(seen):
    """(record, machine, parent, child) whenever a process of the test sets another running."""
    run = seen.number('env_ctl')
    for r, m in seen.replay():
        if r.event == run and r.w[1] == ENV_RUN and r.eid in m.envs and r.w[0] in m.envs:
            parent, child = m.envs[r.eid], m.envs[r.w[0]]
            if parent in m.of(UNIX)[1:]:  # the first is init
                yield r, m, parent, child


def given_back(seen):
    """Every request was fulfilled by its deadline, by the library OS itself, and without too much zeal."""
    number = next(n for n, name in seen.layout.enums['trace_event'].items() if name == 'TRACE_REVOKE')  # not the call's
    reserve = seen.evidence.table('accts')[UNIX]['reserve']
    asked, most, deadline, who, late, zeal = 0, None, 0, None, 0, 0
    for r, m in seen.replay():
        held = m.held[UNIX]
        if most is not None and held <= most:  # done: what it gives in this slice is for this
            most, target, who = None, most, r.eid
        elif most is not None and r.time >= deadline:
            most, late = None, late + 1
        if who == r.eid and r.event == m.event['slice_end']:
            zeal, who = max(zeal, target - held), None
        if r.event == number and r.w[0] == UNIX:
            asked, most, deadline = asked + 1, max(r.w[1], reserve), r.w[2]
    yield at_least('requests for pages', 1, asked, must=True)
    yield equal('requests not fulfilled by their deadlines', 0, late + (most is not None), must=True)
    yield equal('pages taken by force', 0, len(seen.of('repo')), must=True)
    yield at_most('pages given back beyond what was asked for', 64, zeal)


# ---- the tests ----

def twice(seen):
    yield from paged(seen, 800)
    values = changed(data(seen, 800), seen.fresh(MOST))
    yield seen.answered('sum', sum_of(values))
    yield seen.answered('again', sum_of(changed(values, 1)))


def drawn(seen):
    yield from paged(seen, 300)
    values, read = data(seen, 600), 0
    for k in range(1500):
        draw = seen.fresh(MOST + k)
        if draw >> 32 & 1:
            values[draw % 600] = (values[draw % 600] + draw) & U64
        else:
            read = (read * 31 + values[draw % 600]) & U64
    yield seen.answered('read', read)
    yield seen.answered('sum', sum_of(values))


def clean(seen):
    yield from paged(seen, 200)
    total = 0
    for _ in range(4):
        total = (total * 3 + sum_of(data(seen, 600))) & U64
    yield seen.answered('sum', total, must=True)
    swap = Swap(seen)
    yield at_least('pages read from the disk in four rounds over 600 pages', 800, swap.blocks[READ], must=True)
    yield at_most('pages written, of 600 that were written to once and then only read', 640, swap.blocks[WRITE])


def warm(seen):
    yield from paged(seen, 400)
    values, h, total = data(seen, 600), sum(seen.fresh(MOST + h) for h in range(HOT)), 0
    for _ in range(4):
        for v in values:
            total = (total * 31 + v + h) & U64
    yield seen.answered('sum', total, must=True)
    base = seen.program.address('hot')
    faults = [r for r in seen.of('upcall', UNIX) if r.w[0] == FAULT and base <= r.w[4] < base + HOT * PAGE]
    yield at_most(f'page faults at {HOT} pages in use all the time', 3 * HOT, len(faults), 2)
    yield at_most(f'the same', 2 * HOT, len(faults))


def forks(seen):
    def half(values, odd):
        return [(v + odd + 1) & U64 if i % 2 == odd else v for i, v in enumerate(values)]
    values = data(seen, 500)
    born = list(births(seen))
    yield equal('children that the kernel saw set running', 2, len(born), must=True)
    yield from paged(seen, 100)
    yield seen.answered('child1', sum_of(half(values, 1)))
    yield seen.answered('before', sum_of(values))
    values = half(values, 1)
    yield seen.answered('child0', sum_of(half(values, 0)))
    values = half(values, 1)
    yield seen.answered('parent', sum_of(values))
    yield seen.answered('after', sum_of(values))


def again(seen):
    yield from paged(seen, 1000)
    for i in range(8):
        seed = (seen.seed << 8) + i
        values = [fresh(seed, p if p < 300 else p + 600) for p in range(600)]
        yield seen.answered(f'child{i:x}', sum_of(values))
    held = [m.held[UNIX] for _, m, _, _ in births(seen)]
    yield equal('children', 8, len(held), must=True)
    yield at_most('pages held at a child\'s birth, after the second', held[1] if len(held) > 1 else 0, max(held[1:] or [9999]))


def works(seen, processes, pages):
    yield from paged(seen, 100)
    for i in range(processes):
        seed = (seen.seed << 8) + i
        values = [fresh(seed, p) for p in range(pages)]
        for k in range(3):
            values = changed(values, k + fresh(seed, MOST))
        yield seen.answered(f'child{i:x}', sum_of(values))
    yield seen.answered('parent', sum_of(data(seen, pages)))


def pair(seen):
    yield from works(seen, 2, 240)


def crowd(seen):
    yield from works(seen, 4, 200)


def asked(seen):
    yield from given_back(seen)
    yield equal('pages with wrong contents', None, seen.answers.get('wrong'), must=True)
    yield seen.answered('rounds', 1)
    yield seen.answered('end', seen.fresh(MOST))


def asleep(seen):
    yield from given_back(seen)
    yield seen.answered('sum', sum_of(data(seen, 800)), must=True)


def taken(seen):
    force = len(seen.of('repo'))
    yield at_least('pages taken by force', 1, force, must=True)
    yield equal('pages with contents of another, or none, that the victim saw', None, seen.answers.get('wrong'), must=True)
    yield seen.answered('victim', 1)
    yield seen.answered('sum', sum_of(data(seen, 20)))
    for i in range(3):
        yield seen.answered(f'sleeper{i:x}', sum_of(fresh((seen.seed << 8) + i, p) for p in range(30)))


def after(seen):
    yield seen.answered('busy', sum_of(changed(data(seen, 900), 7)))


def cost(seen):
    swap = Swap(seen)
    print(seen.records[-1].time - seen.records[0].time, swap.blocks, {k: len(v) for k, v in swap.of.items()})
    yield holds('x', 1)


def test(*args, rest='name=rest image=guest envs=1 slots=4 args=rest', **more):
    """On a machine where the library OS has 800 pages, half of them for programs, and others are promised the rest."""
    return Test(*args, mem='48M', unix='envs=100 pages=800', swap=more.pop('swap', '8M'), lines=[rest], images=['guest'],
                **more)


def wanted(held, ms, keep):
    """Somebody who is promised so many pages that the library OS can have some 480 more than its own 800; and who wants
    all of them, so many ms after it holds `held`, for `keep` ms."""
    return f'name=want image=guest envs=1 slots=4 pages=1900 args=want.{held}.{ms}.1810.{keep}'


TESTS = [
    test('twice', 8, 'a program has twice the memory that there is', 'pagerlab,twice,{seed}', twice, part='A'),
    test('drawn', 7, 'the same in an order that is drawn', 'pagerlab,drawn,{seed}', drawn, part='A'),
    test('clean', 10, 'what the disk has already is not written again', 'pagerlab,clean,{seed}', clean, part='A'),
    test('warm', 10, 'what is in use stays while there is something that is not', 'pagerlab,warm,{seed}', warm, part='A'),
    test('forks', 10, 'x', 'pagerlab,forks,{seed}', forks, part='A'),
    test('again', 10, 'x', 'pagerlab,again,{seed}', again, part='A', swap='4M'),
    test('pair', 10, 'x', 'pagerlab,pair,{seed}', pair, part='A', args='disk=7', limit=8000),
    test('crowd', 5, 'x', 'pagerlab,crowd,{seed}', crowd, part='A', cpus=4, trace_kb=4096, limit=8000),
    test('asked', 10, 'x', 'pagerlab,asked,{seed}', asked, part='B', rest=wanted(1150, 1, 100000)),
    test('asleep', 5, 'x', 'pagerlab,asleep,{seed}', asleep, part='B', rest=wanted(1150, 100, 100000), args='grace=100'),
    test('taken', 5, 'x', 'pagerlab,taken,{seed}', taken, part='C', rest=wanted(1200, 1, 50), args='grace=0'),
    test('after', 5, 'x', 'pagerlab,taken,{seed}', after, part='C', rest=wanted(1200, 1, 50), args='grace=0'),
    test('cost', 5, 'x', 'pagerlab,cost,{seed}', cost, part='C'),
]
