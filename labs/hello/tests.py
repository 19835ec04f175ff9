"""What the hello lab promises. The image is user/hello.c; it is booted in place of first.c, and the boot arguments
say how many words, and where."""
from graded import PAGE, EXEC, WRITE, Test, equal, holds

IMAGE = 'hello'
FIRST = 1  # its account
READ = 2
THERE = {(1, 0x40000000), (0, 0x40000000)}  # tables that the kernel made for the image


# ---- what the right answers are ----

def argument(seen, name, otherwise):
    words = dict(w.split('=') for w in seen.test.args.split())
    return int(words.get(name, otherwise))


def places(seen):
    at, n = argument(seen, 'at', 0x50000), argument(seen, 'pages', 1)
    return [(at + i) * PAGE for i in range(n)]


def tables(seen):
    """(level, va) of those that have to be linked."""
    return {(level, va & -(PAGE << 9 * (level + 1))) for va in places(seen) for level in (0, 1)} - THERE


def words(seen):
    return [f'hello {seen.seed + i:x}' for i in range(len(places(seen)))]


# ---- what the kernel saw ----

def hexes(numbers):
    return [hex(n) for n in sorted(numbers)]


def order(seen):
    """The calls that were granted, without those that repeat the one before."""
    names = [seen.names[r.event] for r in seen.records if r.event in seen.layout.calls]
    return [a for a, b in zip(names, [None] + names) if a != b]


def only_tables_missed(seen):
    """A bind or pt_link that finds no table is how one learns that it is missing. Nothing else may be refused."""
    wrong = [seen.describe(r) for r in seen.records
             if r.event & seen.refused and seen.evidence.error(r.w[4]) != 'E_TABLE']
    return equal('calls that the kernel refused, E_TABLE aside', [], wrong)


def bound(seen):
    """Each place shows a page that was taken from the free list, to read and write, and no two the same."""
    taken, seen_at = set(), {}
    for r, m in seen.replay():
        if r.event == m.named('page_alloc'):
            taken.add(r.w[4])
        if r.event == m.named('bind'):
            b = m.space(r.w[0]).at[r.w[1]]
            if r.w[1] in places(seen) and r.w[2] in taken and b.bits & (READ | WRITE | EXEC) == READ | WRITE:
                seen_at[r.w[1]] = r.w[2]
    yield equal('where a page of its own was bound, to read and write', hexes(places(seen)), hexes(seen_at), must=True)
    yield equal('pages bound there', len(places(seen)), len(set(seen_at.values())))


def said(seen):
    """The words are on the console, and all that is there came out of those pages while they were bound."""
    elsewhere, pages = [], set()
    for r, m in seen.replay():
        if r.event != m.named('cons_write'):
            continue
        page = r.w[0] & -PAGE
        if page in places(seen) and any(page in s.at for s in m.spaces.values()):
            pages.add(page)
        else:
            elsewhere.append(seen.describe(r))
    yield equal('console output that came from elsewhere', [], elsewhere, must=True)
    yield equal('pages out of which something was written to the console', hexes(places(seen)), hexes(pages), must=True)
    text = seen.text.split('\n')[1:]  # after the kernel's line
    yield equal('words on the console', words(seen), [line for line in text if line], must=True)


def yielded(seen):
    """Once, to nobody by name; and it came back and went on."""
    yields = [r for r in seen.of('yield') if r.w[0] == 0]
    written = seen.of('cons_write')
    yield equal('yields to whoever is next', 1, len(yields), must=True)
    if not yields:
        return
    after = [r for r in seen.of('slice') if r.seq > yields[0].seq]
    yield holds('it was entered again after the yield', after, must=True)
    timer = [r for r in seen.of('slice_end') if r.w[1] == 1 and r.seq < yields[0].seq]
    begun = [r.seq for r in seen.of('slice') if r.seq < yields[0].seq]
    yield holds('the slice ended by that yield, not by the timer', not timer or timer[-1].seq < begun[-1], must=True)
    yield holds('the yield came after the words', written and yields[0].seq > written[-1].seq)
    back = [r for name in ('unbind', 'page_free') for r in seen.of(name)]
    yield holds('and before anything was given back', all(r.seq > yields[0].seq for r in back))


def returned(seen):
    """All is as it was before: pages, tables, bindings."""
    m = seen.end()
    freed = {r.w[0] for r in seen.of('page_free')}
    got = {r.w[4] for r in seen.of('page_alloc')}
    left = [f'{va:x}' for space in m.spaces.values() for va in sorted(space.at)]
    yield holds('pages were taken', got, must=True)
    yield equal('pages held at the end, over those at the start', 0, m.held[FIRST], must=True)
    yield equal('pages freed that it had not taken', [], hexes(freed - got), must=True)
    yield equal('bindings left', [], left)
    yield equal('tables left', [], sorted(t for s in m.spaces.values() for t in s.tables))
    yield equal('pages freed while they were still bound', [], hexes(r.w[0] for r in seen.of('doom')))
    free = sum(p['type'] == 0 for p in seen.evidence.table('pages'))
    yield equal('free pages, by the kernel\'s count', free, seen.evidence.words()['free'])


# ---- the tests ----

def page(seen):
    got = len(seen.of('page_alloc'))
    yield equal('pages taken from the free list', len(places(seen)), got, must=True)
    yield only_tables_missed(seen)


def all_said(seen):
    yield from bound(seen)
    yield from said(seen)


def back(seen):
    yield from bound(seen)
    yield from returned(seen)
    yield equal('calls, in this order', 'page_alloc bind cons_write yield unbind page_free', ' '.join(order(seen)))


def whole(seen):
    """Words where tables are missing: these and no others are linked, and all is given back."""
    yield from bound(seen)
    yield from said(seen)
    linked = {(r.w[2], r.w[1]) for r in seen.of('pt_link')}
    yield equal('tables linked: level, address', sorted(tables(seen)), sorted(linked), must=True)
    yield equal('pages taken from the free list', len(places(seen)) + len(tables(seen)), len(seen.of('page_alloc')))
    yield from returned(seen)
    yield from yielded(seen)
    yield only_tables_missed(seen)


def test(name, points, promise, check, args, part):
    return Test(name, points, promise, '', check, args=args, part=part, limit=60, trace_kb=512, mem='32M')


NEAR = 'at=262400'  # where the image's own table reaches

TESTS = [
    test('page', 10, 'a page is taken from the free list, and only one', page, NEAR, 'A'),
    test('bound', 15, 'it is bound where the boot argument says, to read and write', bound, NEAR, 'A'),
    test('word', 20, 'the word is on the console, and came out of that page', all_said, NEAR, 'A'),
    test('yield', 10, 'the rest of the slice is given up once, and the next one goes on from there', yielded, NEAR, 'A'),
    test('back', 15, 'the page is unbound and freed, and as many are free as before', back, NEAR, 'A'),
    test('table', 10, 'a table is linked where the kernel has none, and given back', whole, '', 'B'),
    test('tables', 5, 'and the one above it, if that is missing, too', whole, 'at=16777216', 'B'),
    test('several', 10, 'several pages, some of which share a table', whole, 'at=328190 pages=5', 'B'),
]
