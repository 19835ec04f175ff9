"""What the pager lab promises, and how each promise is seen. The programs are in pagerlab.c."""
from graded import PAGE, PROGRAM_END, U64, UNIX, Test, at_least, at_most, births, equal, fresh, holds, sum_of

MOST, HOT = 2000, 24
READ, WRITE, FAULT = 0, 1, 0


# ---- what the right answers are ----

def data(seed, n):
    return [fresh(seed, i) for i in range(n)]


def changed(values, by):
    return [(v * 5 + by) & U64 for v in values]


def child_seed(seen, i):
    return (seen.seed << 8) + i


# ---- what the kernel saw ----

def swap_extent(seen):
    return [bytes(e['name']).rstrip(b'\0') for e in seen.evidence.table('exts')].index(b'swap')


class Swap:
    """What went to the extent `swap` and came from there: (time, blocks) of requests, and all blocks."""

    def __init__(self, seen):
        extent = swap_extent(seen)
        self.requests = {READ: [], WRITE: []}
        for r in seen.of('disk_start'):
            if r.w[2] == extent:
                self.requests[r.w[1] & 0xff].append((r.time, r.w[1] >> 8 & 0xff))
        self.blocks = {op: sum(n for _, n in requests) for op, requests in self.requests.items()}


def paged(seen, least):
    """So many pages really went to the disk, and came back."""
    swap = Swap(seen)
    yield at_least('pages that the kernel saw written to the swap extent', least, swap.blocks[WRITE], must=True)
    yield at_least('pages that it saw read from there', least, swap.blocks[READ], must=True)


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


def robbed(seen):
    """(roots of the address spaces that had a page of a program taken by force, environments then)."""
    roots, envs, shown = set(), {}, {}
    for r, m in seen.replay():
        if r.event == m.event['repo'] and r.w[0] == UNIX:
            if not shown:
                envs = {e.eid: e.root for e in m.of(UNIX) if e.eid in m.envs}
                for root in envs.values():
                    for b in m.space(root).pages(0, PROGRAM_END).values():
                        shown.setdefault(b.ppn, set()).add(root)
            roots |= shown.get(r.w[1], set())
        elif r.event not in (m.event['doom'], m.event['sweep']):
            shown = {}
    return roots, envs


# ---- the tests ----

def twice(seen):
    yield from paged(seen, 800)
    yield seen.answered('sum', sum_of(changed(data(seen.seed, 800), seen.fresh(MOST))), must=True)


def drawn(seen):
    yield from paged(seen, 300)
    values, read = data(seen.seed, 600), 0
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
    total, swap = 0, Swap(seen)
    for _ in range(4):
        total = (total * 3 + sum_of(data(seen.seed, 600))) & U64
    yield seen.answered('sum', total, must=True)
    yield at_least('pages read from the disk in four rounds over 600 pages', 800, swap.blocks[READ], must=True)
    yield at_most('pages written to it, of 600 that were stored to once', 640, swap.blocks[WRITE], must=True)


def full(seen):
    yield from paged(seen, 256)
    n = min(seen.answers.get('pages', 0), MOST)
    yield at_least('pages that the program was given', 580, n, must=True)
    values, total = data(seen.seed, n), 0
    for _ in range(3):
        for i in reversed(range(n)):
            total = (total * 31 + values[i]) & U64
            values[i] = (values[i] + (i if i % 3 == 0 else 0)) & U64
    yield seen.answered('sum', total, must=True)


def warm(seen):
    """The reference has none after the first, or a few if the hand is just there when all pages have been used."""
    yield from paged(seen, 300)
    values, hot, total = data(seen.seed, 600), sum(seen.fresh(MOST + h) for h in range(HOT)), 0
    for _ in range(4):
        for v in values:
            total = (total * 31 + v + hot) & U64
    yield seen.answered('sum', total, must=True)
    base = seen.program.address('hot')
    faults = [r for r in seen.of('upcall', UNIX) if r.w[0] == FAULT and base <= r.w[4] < base + HOT * PAGE]
    yield at_most(f'page faults at {HOT} pages that are in use all the time', 3 * HOT, len(faults), must=True)
    yield at_most('such faults, if they go only when all others are in use as well', 2 * HOT, len(faults), 2)


def forks(seen):
    def half(values, odd):
        return [(v + odd + 1) & U64 if i % 2 == odd else v for i, v in enumerate(values)]
    values = data(seen.seed, 500)
    away = []
    for _, m, parent, kid in births(seen):
        away.append(len([va for va in m.space(parent.root).pages(0, PROGRAM_END)]))
    yield equal('children that the kernel saw set running', 2, len(away), must=True)
    yield at_most('pages of a parent of 500 that were there when it forked', 450, max(away or [999]), must=True)
    yield from paged(seen, 100)
    yield seen.answered('child1', sum_of(half(values, 1)), must=True)
    yield seen.answered('before', sum_of(values), must=True)
    values = half(values, 1)
    yield seen.answered('child0', sum_of(half(values, 0)), must=True)
    values = half(values, 1)
    yield seen.answered('parent', sum_of(values), must=True)
    yield seen.answered('after', sum_of(values), must=True)


def again(seen):
    yield from paged(seen, 300)
    held = [m.held[UNIX] for _, m, _, _ in births(seen)]
    yield equal('children that the kernel saw set running', 4, len(held), must=True)
    for i in range(4):
        seed = child_seed(seen, i)
        yield seen.answered(f'child{i:x}', sum_of(fresh(seed, p if p < 250 else p + 500) for p in range(500)), must=True)
    yield at_most('pages that the library OS held at each child\'s birth, after the first', held[1], max(held[1:]))


def works(seen, processes, pages, least):
    yield from paged(seen, least)
    for i in range(processes):
        seed = child_seed(seen, i)
        values = data(seed, pages)
        for k in range(3):
            values = changed(values, k + fresh(seed, MOST))
        yield seen.answered(f'child{i:x}', sum_of(values), must=True)
    yield seen.answered('parent', sum_of(data(seen.seed, pages)))


def pair(seen):
    yield from works(seen, 2, 240, 100)
    swap, written = swap_extent(seen), set()
    for r, m in seen.replay():
        if r.event == m.event['disk_start'] and r.w[2] == swap and r.w[1] & 0xff == WRITE:
            written |= {hex(va) for _, va in m.writers.get(r.w[4], ()) if va < PROGRAM_END}
    yield equal('pages that a program could store to while they were being written', [], sorted(written), must=True)


def crowd(seen):
    yield from works(seen, 4, 150, 50)


def asked(seen):
    yield from given_back(seen)
    yield equal('pages with wrong contents', None, seen.answers.get('wrong'), must=True)
    yield seen.answered('rounds', 1)
    yield seen.answered('end', seen.fresh(MOST), must=True)


def asleep(seen):
    yield from given_back(seen)
    yield seen.answered('sum', sum_of(data(seen.seed, 800)), must=True)


def taken(seen):
    """Processes, as they are born: init, the test's own, three that sleep, the victim, and one that comes later."""
    force = seen.of('repo')
    yield at_least('pages taken by force', 1, len(force), must=True)
    roots, envs = robbed(seen)
    yield equal('pages whose contents the victim saw change', None, seen.answers.get('wrong'), must=True)
    born = seen.end().of(UNIX)
    ends = {r.w[0]: r.time for r in seen.of('end')}
    victim = born[5].eid if len(born) > 5 else 0
    yield holds('the victim lived until its pages were taken', victim in envs and ends.get(victim, 0) > force[0].time,
                must=True)
    yield holds('pages of the victim were taken', envs.get(victim) in roots, must=True)
    yield seen.answered('victim', 1)
    yield seen.answered('sum', sum_of(data(seen.seed, 20)))
    for i in range(3):
        lost = envs.get(born[2 + i].eid) in roots  # then it has to end
        yield seen.answered(f'sleeper{i:x}', None if lost else sum_of(data(child_seed(seen, i), 100)))
    yield seen.answered('busy', sum_of(changed(data(seen.seed, 700), 7)))


def cost(seen):
    """The reference reads 2325 pages and writes 2324, with 150 requests, and takes 41,100,000 instructions."""
    yield from paged(seen, 1200)
    values = data(seen.seed, 800)
    for k in range(2):
        values = changed(values, k)
    yield seen.answered('sum', sum_of(values), must=True)
    swap = Swap(seen)
    reads, writes = swap.requests[READ], swap.requests[WRITE]
    spent = seen.instructions(reads[-1][0] - reads[0][0])
    for much, limit in (('far more than the reference', 1.6), ('a tenth more than the reference', 1.1)):
        yield at_most(f'pages moved, {much}', int(4649 * limit), sum(swap.blocks.values()))
        yield at_most(f'requests to write, {much}', int(150 * limit), len(writes))
        yield at_most(f'instructions from the first page read to the last, {much}', int(41100000 * limit), spent)


def test(*args, line='name=rest image=guest envs=1 slots=4 args=rest', swap='8M', **more):
    """On a machine where the library OS has 800 pages, half of them for programs, and somebody is promised the rest."""
    return Test(*args, mem='48M', unix='envs=100 pages=800', swap=swap, lines=[line], images=['guest'], **more)


def wanted(held, ms, keep):
    """The line of somebody who is promised so many pages that the library OS can have some 500 more than its own 800; and
    who wants all of them, so many ms after it holds `held`, for `keep` ms."""
    return f'name=want image=guest envs=1 slots=4 pages=2000 args=want.{held}.{ms}.1910.{keep}'


TESTS = [
    test('twice', 10, 'a program has twice the memory that there is', 'pagerlab,twice,{seed}', twice, part='A'),
    test('drawn', 5, 'whatever the order in which it uses it', 'pagerlab,drawn,{seed}', drawn, part='A'),
    test('again', 10, 'no page is lost when a program gives up memory or ends, nor a slot', 'pagerlab,again,{seed}', again,
         part='A', swap='2M'),
    test('forks', 10, 'a fork shares what is on the disk, too', 'pagerlab,forks,{seed}', forks, part='A',
         swap='4M'),
    test('pair', 5, 'nobody stores to a page that is on its way', 'pagerlab,pair,{seed}', pair, part='A', args='disk=7',
         limit=9000),
    test('crowd', 5, 'so with four harts', 'pagerlab,crowd,{seed}', crowd, part='A', cpus=4, trace_kb=4096, limit=20000),
    test('clean', 5, 'what the disk has already is not written again', 'pagerlab,clean,{seed}', clean, part='B'),
    test('full', 5, 'all that is promised can be had: what has no slot, and cannot go, hides nothing that can',
         'pagerlab,full,{seed}', full, part='B', swap='1M'),
    test('warm', 10, 'what is in use stays while there is something that is not', 'pagerlab,warm,{seed}', warm, part='B'),
    test('cost', 5, 'a page costs little to put out and to bring in', 'pagerlab,cost,{seed}', cost, part='B'),
    test('asked', 10, 'pages that are wanted back are given back in time', 'pagerlab,asked,{seed}', asked, part='C',
         line=wanted(1150, 1, 9999), args='grace=60'),
    test('asleep', 5, 'also while all processes sleep, and with a slow disk', 'pagerlab,asleep,{seed}', asleep, part='C',
         line=wanted(1150, 100, 9999), args='grace=100 disk=5', limit=4000),
    test('taken', 10, 'who loses a page by force ends, and nobody else', 'pagerlab,taken,{seed}', taken, part='C',
         line=wanted(1100, 1, 50), args='grace=0'),
]
