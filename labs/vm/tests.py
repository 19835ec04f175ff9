"""What the vm lab promises, and how each promise is seen. The programs are in vmlab.c."""
import collections

from graded import EXEC, PAGE, PROGRAM_END, U64, WRITE, Test, at_least, at_most, equal, holds

TABLE = 0x200000
LIBOS = 0x40000000
CACHE = 0x1800200000, 0x1800600000  # frames of the buffer cache: the libOS binds them by faults of its own
UNIX = 2                            # the library OS's account
STORE, LOAD, FETCH = 15, 13, 12     # scause of page faults
DEMAND = 'vmlab,demand,{seed}'


def up(n, unit=PAGE):
    return (n + unit - 1) // unit * unit


# ---- what the kernel saw of the test's process ----

class Process:
    """The process that init runs, once it has its program: its records, with the machine after each."""

    def __init__(self, seen):
        self.seen = seen
        last = seen.end()
        self.env = last.of(UNIX)[1]
        self.root, self.eid = self.env.root, self.env.eid
        self.guard = up(seen.program.address('end'))
        self.heap = self.guard + 2 * PAGE  # a page of stack between

    def replay(self):
        for r, m in self.seen.replay():
            env = m.envs.get(self.eid)
            if env and env.root == self.root:
                yield r, m

    def marks(self):
        """(number, record, machine) at each mark of its own, in order."""
        for r, m in self.replay():
            if r.event == m.named('mark') and r.eid == self.eid:
                yield r.w[0], r, m

    def pages(self, m, begin, end):
        return m.spaces[self.root].pages(begin, end)

    def tables(self, m, end=PROGRAM_END):
        """Where its level-0 tables begin."""
        return sorted(va for level, va in m.spaces[self.root].tables if level == 0 and va < end)

    def bound(self, begin, end):
        """{stretch after which mark: [(va, bits, machine)]}: what was bound there, in order."""
        mark, found = 0, collections.defaultdict(list)
        for r, m in self.replay():
            if r.event == m.named('mark') and r.eid == self.eid:
                mark = r.w[0]
            elif r.event == m.named('bind') and r.w[0] & 0xffffffff == self.root and begin <= r.w[1] < end:
                found[mark].append((r.w[1], r.w[3], m))
        return found


def process(seen):
    if not hasattr(seen, 'process'):
        seen.process = Process(seen)
    return seen.process


def marked(seen, expected):
    """The program came through all its stretches, in order."""
    saw = [n for n, _, _ in process(seen).marks()]
    return equal('stretches of the program that were begun', expected, saw, must=True)


def faults(seen, pred):
    """(record, env) of page faults that the kernel gave to an environment of the Unix library OS."""
    upcall = seen.number('upcall')
    return [r for r in seen.records if r.event == upcall and r.account == UNIX and r.w[0] == 0 and
            r.w[3] in (STORE, LOAD, FETCH) and pred(r)]


def no_page_refused(seen):
    return equal('pages that the kernel refused: a fault must find its page', 0,
                 len(seen.of('page_alloc', UNIX, refused=True)), must=True)


def no_doom(seen):
    """No page was freed that somebody still bound."""
    return equal('pages freed while an address space still bound them', 0,
                 len([r for r in seen.of('doom') if r.w[1] == UNIX]), must=True)


def in_order(seen, first, n):
    order = list(range(n))
    for k in range(n - 1, 0, -1):
        other = seen.fresh(first + k) % (k + 1)
        order[k], order[other] = order[other], order[k]
    return order


def all_of(claims):
    """Many claims as one: the first that does not hold."""
    last = None
    for last in claims:
        if not last.ok:
            break
    if last:
        yield last


def where(base, pages):
    return [(p - base) // PAGE for p in pages]


# ---- demand ----

def touched(seen):
    n = 40 + seen.fresh(0) % 24
    return n, [k for k in in_order(seen, 100, n) if seen.fresh(200 + k) & 3]


def demand(seen):
    p = process(seen)
    n, pages = touched(seen)
    bss = [k for k in in_order(seen, 300, 32) if seen.fresh(400 + k) & 1]
    room = seen.program.address('room')
    heap, data = p.bound(p.heap, p.heap + n * PAGE), p.bound(room, room + 32 * PAGE)
    yield marked(seen, [1, 2, 3, 4])
    yield equal('heap pages bound by sbrk() itself', [], where(p.heap, [va for va, _, _ in heap[1]]), must=True)
    yield equal('heap pages bound, in order of their first use', pages, where(p.heap, [va for va, _, _ in heap[2]]), must=True)
    yield equal('bss pages bound, in order of their first use', bss, where(room, [va for va, _, _ in data[3]]))
    yield equal('heap pages bound after that', [], where(p.heap, [va for va, _, _ in heap[3] + heap[4]]))
    yield equal('of them executable', [], [hex(va) for va, bits, _ in heap[2] + data[3] if bits & EXEC], must=True)
    held = {mark: m.held[UNIX] for mark, _, m in p.marks()}
    yield equal('pages that the library OS came to hold while so many were touched', len(pages) + len(bss),
                held.get(4, 0) - held.get(2, 0), 2)


def zeroed(seen):
    p = process(seen)
    n, pages = touched(seen)
    yield equal('heap pages bound', len(pages), len(p.bound(p.heap, p.heap + n * PAGE)[2]), must=True)
    total = 0
    for k in range(n):
        if seen.fresh(200 + k) & 2:
            total = (total * 31 + seen.fresh(k)) & U64
    yield seen.answered('zeros', seen.fresh(1), must=True)
    yield seen.answered('stored', total)


def killed(seen, name, cause, va):
    """A child that did this ended by it, at once, and nothing was bound there for it."""
    yield seen.answered(name, 1)
    hits = faults(seen, lambda r: r.w[3] == cause and r.w[4] == va)
    yield equal(f'faults of the child at {va:#x} ("{name}"): one, and the end', 1, len(hits), must=True)
    if not hits:
        return
    env, ended = hits[0].eid, None
    for r in seen.of('end'):
        if r.w[0] == env and r.seq > hits[0].seq:
            ended = ended or r
    yield holds(f'the child that made it ended ("{name}")', ended, must=True)
    late = [r for r in seen.of('bind') + seen.of('protect') if r.eid == env and r.seq > hits[0].seq and r.w[1] == va & -PAGE]
    yield equal(f'what was bound, or made usable, there for it ("{name}")', 0, len(late), must=True)


def others_go_on(seen, n):
    yield seen.answered('first', (seen.fresh(1) + seen.seed) & U64)
    yield seen.answered('last', (seen.fresh(2) + seen.seed) & U64)
    stops = [r for r in seen.of('stop') if r.w[1] >= 2]
    yield equal('environments that the kernel had to stop', 0, len(stops), must=True)
    ran = {r.eid for r in seen.of('slice', UNIX)}
    yield at_least('environments that ran: init, the program and its children', n + 3, len(ran), must=True)


def guard(seen):
    p = process(seen)
    top = p.heap + (seen.fresh(0) % 5 + 1) * PAGE
    for name, cause, va in [('guard_top', STORE, p.guard + PAGE - 8), ('guard_bottom', LOAD, p.guard),
                            ('past_end', STORE, top), ('far', LOAD, top + 3 * PAGE + seen.fresh(3) % 1000 * 8),
                            ('no_table', STORE, 0x30000000)]:
        yield from killed(seen, name, cause, va)
    yield from others_go_on(seen, 5)


def rights(seen):
    p = process(seen)
    i, at = seen.fresh(0) % 3, seen.program.address
    for name, cause, va in [('text', STORE, at('rights')), ('constant', STORE, at('constant') + 8 * i),
                            ('run_heap', FETCH, p.heap), ('run_untouched', FETCH, p.heap + 2 * PAGE),
                            ('run_data', FETCH, at('room'))]:
        yield from killed(seen, name, cause, va)
    yield seen.answered('constant_is', 7 + i)
    yield seen.answered('text_is', 1)
    yield from others_go_on(seen, 5)


# ---- pointers ----

def no_own_faults(seen):
    """The libOS looked before it followed: no fault of its own but for frames of the cache."""
    bad = faults(seen, lambda r: r.w[2] >= LIBOS and not CACHE[0] <= r.w[4] < CACHE[1])
    return equal('page faults of the library OS itself, by following a pointer of the program\'s', [],
                 [f'{r.w[4]:#x} at {seen.where(r.w[2])}' for r in bad], must=True)


def pointers(seen):
    yield no_own_faults(seen)
    for i in range(13):
        yield seen.answered(f'bad{i}', 1)
    yield seen.answered('negative', 1)
    yield seen.answered('from_text', 8)
    yield seen.answered('to_text', 1, must=True)
    yield seen.answered('constant', 7)
    yield seen.answered('untouched', 8)
    yield seen.answered('value', seen.fresh(1))
    yield seen.answered('zeros_out', 100)
    yield seen.answered('zeros_in', 100)
    yield seen.answered('zeros', seen.fresh(2))
    yield seen.answered('childs', seen.fresh(1), must=True)
    yield seen.answered('parents', int.from_bytes(b'abcdefgh', 'little'))
    p = process(seen)
    pages = p.bound(p.heap, p.heap + 8 * PAGE)[0]
    saw = sorted({(va - p.heap) // PAGE for va, _, _ in pages} - {7})  # which a call may look at and then be refused
    yield equal('heap pages that came to be bound: those that calls needed', [1, 2, 5], saw, 2)


def strings(seen):
    yield no_own_faults(seen)
    for name in ('cut', 'nowhere', 'far', 'with_more'):
        yield seen.answered(name, 1)
    yield seen.answered('value', seen.fresh(7), must=True)
    name = bytes(ord('a') + seen.fresh(i) % 26 for i in range(6))
    disk = seen.disk()
    yield holds('the file of that name is in the directory on the disk', name + b'\0' in disk, must=True)
    yield holds('what was written to it is on the disk', seen.fresh(7).to_bytes(8, 'little') in disk, must=True)


# ---- the commit count ----

def pages_sum(seen, order):
    total = 0
    for i in order:
        total = (total * 31 + seen.fresh(i)) & U64
    return total


def refuse(seen):
    p = process(seen)
    n = seen.answers.get('pages1', 0)
    yield marked(seen, [1, 2, 3, 1, 2, 3, 4])
    yield no_page_refused(seen)
    for name in ('huge1', 'huge2', 'below1', 'below2'):
        yield seen.answered(name, 1)
    yield seen.answered('sum1', pages_sum(seen, range(n)), must=True)
    yield seen.answered('sum2', pages_sum(seen, range(n)))
    yield seen.answered('pages2', n)
    at = [(mark, m.held[UNIX], p.tables(m), len(p.pages(m, p.heap, PROGRAM_END))) for mark, _, m in p.marks()]
    held = [h for mark, h, _, _ in at if mark in (1, 2, 4)]
    yield equal('pages held before and after what was refused, and after each round', held[:1] * 5, held, must=True)
    tables = [t for mark, _, t, _ in at if mark in (1, 2, 4)]
    yield equal('the same of its tables', tables[:1] * 5, tables, must=True)
    full = [(h, b) for mark, h, _, b in at if mark == 3]
    reserve = seen.evidence.table('accts')[UNIX]['reserve']
    yield at_least(f'pages held at most: nearly its reserve of {reserve}', reserve - 80, min([h for h, _ in full] or [0]))
    yield equal('heap pages bound when it was full', [n, n], [b for _, b in full])


def crowd(seen):
    yield no_page_refused(seen)
    yield no_doom(seen)
    yield seen.answered('bad', 0)
    yield seen.answered('lost', 0, must=True)
    yield seen.answered('some', 1)
    made = {e.eid for e in seen.end().of(UNIX)}
    yield at_least('environments that the kernel saw run', 7, len({r.eid for r in seen.of('slice', UNIX)} & made), must=True)


def cost(seen):
    """The reference takes 2,435 instructions a fault, what it costs the kernel to record it included; the kernel's zeroing of the
    page is the most."""
    p = process(seen)
    at = {mark: r.time for mark, r, _ in p.marks()}
    yield marked(seen, [1, 2])
    bound = p.bound(p.heap, p.heap + 64 * PAGE)[1]
    yield equal('pages bound by so many faults', 64, len({va for va, _, _ in bound}), must=True)
    yield seen.answered('sum', seen.fresh(0))
    each = seen.instructions(at[2] - at[1]) // 64 if 1 in at and 2 in at else None
    yield at_most('instructions of the first use of a page', COST * 16 // 10, each, 2)
    yield at_most('the same, within a tenth of what it takes the reference', COST * 11 // 10, each)


COST = 2435


# ---- growing and shrinking ----

class Heap:
    """What `shrink` does, in order: at each mark, where the heap ends and what of it has been stored to."""

    def __init__(self, seen, start):
        self.marks = []
        for n in range(3):
            first, top, reads, memory = 1000 * (n + 1), start, [], {}
            self.add(10, top, reads, memory)
            for step in range(3):
                more = seen.fresh(first + step) % (3 * TABLE)
                self.add(11 + step, top + more, reads, memory)
                for k in range(8):
                    at = (top + seen.fresh(first + 10 + 8 * step + k) % (more - 8)) & -8
                    memory[at] = at
                    reads.append(at)
                top += more
            for step in range(3):
                top -= top - start if step == 2 else seen.fresh(first + 3 + step) % ((top - start) // 2) & -8
                if step < 2:
                    memory[(top - 8) & -8] = top
                    reads.append((top - 8) & -8)
                self.add(14 + step, top, reads, memory)
        self.add(17, start, [], {})

    def add(self, mark, top, reads, memory):
        pages = sorted({at & -PAGE for at in memory if at & -PAGE < top})
        self.marks.append((mark, top, pages, sum(memory[at] for at in reads if at + 8 <= top) & U64))


def heap_marks(seen):
    """(mark, top, pages) as promised, beside the machine as it was."""
    p = process(seen)
    plan = Heap(seen, p.heap)
    for (mark, top, pages, _), (_, _, m) in zip(plan.marks, p.marks()):
        yield p, mark, top, pages, m


MARKS = [10, 11, 12, 13, 14, 15, 16] * 3 + [17]


def each_table(seen):
    for p, mark, top, pages, m in heap_marks(seen):
        wanted = list(range(0, top, TABLE))
        yield equal(f'tables of a program that ends at {top:#x} (stretch {mark})', [hex(t) for t in wanted],
                    [hex(t) for t in p.tables(m)], must=True)


def tables(seen):
    yield marked(seen, MARKS)
    yield from all_of(each_table(seen))


def each_page(seen):
    for p, mark, top, pages, m in heap_marks(seen):
        if mark > 13:
            yield equal(f'heap pages bound when it had shrunk to {top:#x}', [hex(va) for va in pages],
                        [hex(va) for va in sorted(p.pages(m, p.heap, PROGRAM_END))], must=True)


def shrink(seen):
    yield marked(seen, MARKS)
    yield from all_of(each_page(seen))
    held, base = [], None
    for p, mark, top, pages, m in heap_marks(seen):
        tables_more = len(p.tables(m)) - len(range(0, p.heap, TABLE))
        base = m.held[UNIX] if base is None else base
        held.append((mark, m.held[UNIX] - base - tables_more, len(pages)))
    yield equal('pages held beyond those at the start and tables, when it was largest and after each step',
                [n for mark, _, n in held if mark > 13], [h for mark, h, _ in held if mark > 13], 3, must=True)
    plan = Heap(seen, process(seen).heap)
    for n in range(3):
        for step in range(3):
            yield seen.answered(f'left{n}.{step}', (plan.marks[7 * n + 4 + step][3] + seen.fresh(0)) & U64)


def shared(seen):
    p = process(seen)
    yield marked(seen, [1, 2] * 3 + [3])
    yield no_doom(seen)
    for n in range(3):
        pages, total = 10 + seen.fresh(n) % 20, 0
        for i in range(pages):
            total = (total * 31 + seen.fresh(n * 100 + i)) & U64
        yield seen.answered(f'child{n}', total)
    held = [m.held[UNIX] for mark, _, m in p.marks() if mark in (1, 3)]
    yield equal('pages held before the second round, the third, and after it', held[1:2] * 3, held[1:], must=True)


def paged(seen):
    n = seen.answers.get('pages', 0)
    p = process(seen)
    blocks = {1: 0, 0: 0}
    for r in seen.of('disk_end'):
        if r.w[1] >> 16 & 0xff == UNIX and r.w[1] & 0xff in blocks:
            blocks[r.w[1] & 0xff] += r.w[1] >> 8 & 0xff
    yield marked(seen, [1])
    yield seen.answered('sum', pages_sum(seen, range(n - 1, -1, -1)), must=True)
    yield at_least('pages that went to the disk', 500, blocks[1], must=True)
    yield at_least('pages that came back', 500, blocks[0], must=True)
    yield seen.answered('again', n)
    most = max(m.held[UNIX] for _, m in p.replay())
    yield holds('there were more heap pages than the library OS ever held', n > most, f'{n} and {most}', must=True)


# ---- mappings ----

MAPS = 6


def map_(seen):
    p = process(seen)
    yield marked(seen, [1, 2, 3])
    at = [seen.answers.get(f'at{i}', 0) for i in range(MAPS)]
    pages = [1 + seen.fresh(10 + i) % 300 for i in range(MAPS)]
    end = PROGRAM_END
    for i in range(MAPS):
        end -= pages[i] * PAGE
        yield equal(f'where mapping {i} is: right below the one before', hex(end), hex(at[i]), must=True)
    used = set()
    first = []
    for i in range(MAPS):
        for k in range(5):
            va = at[i] + seen.fresh(100 + 10 * i + k) % pages[i] * PAGE
            if va not in used:
                first.append(va)
            used.add(va)
    bound = p.bound(p.heap, PROGRAM_END)
    yield equal('pages of mappings bound by mmap() itself', [], [hex(va) for va, _, _ in bound[1]], must=True)
    yield equal('pages bound, in order of their first use', [hex(va) for va in first],
                [hex(va) for va, _, _ in bound[2]], must=True)
    for mark, _, m in p.marks():
        if mark == 2:
            yield equal('tables of the mappings', [hex(t) for t in range(end & -TABLE, PROGRAM_END, TABLE)],
                        [hex(t) for t in p.tables(m) if t >= up(p.heap, TABLE)], 2)
    total = 0
    for i in range(MAPS):
        for k in range(5):
            total = (total * 31 + i * 1000 + seen.fresh(100 + 10 * i + k) % pages[i] + 1) & U64
    yield seen.answered('zeros', seen.fresh(0))
    yield seen.answered('stored', total)
    yield seen.answered('no_bytes', 1)
    yield from killed(seen, 'below', LOAD, at[-1] - PAGE)


def unmap(seen):
    p = process(seen)
    a, b = 20 + seen.fresh(0) % 20, 700 + seen.fresh(1) % 200
    hole, size = 3 + seen.fresh(2) % 5, 2 + seen.fresh(3) % 6
    yield marked(seen, [1, 2, 3, 4, 5] * 2 + [6])
    high = PROGRAM_END - a * PAGE
    low = high - b * PAGE
    for n in range(2):
        yield seen.answered(f'p{n}', high)
        yield seen.answered(f'q{n}', low)
        total = sum(i + seen.seed for i in range(a - 1) if not hole <= i < hole + size)
        total += sum(i * seen.seed for i in range(7, b, 7))
        yield seen.answered(f'left{n}', total & U64)
        yield seen.answered(f'fits{n}', 1)
        yield seen.answered(f'nothing{n}', 1)
    whole = {high + i * PAGE for i in range(a)} | {low + i * PAGE for i in range(0, b, 7)}
    holed = whole - {high + i * PAGE for i in range(hole, hole + size)}
    parts = holed - {low, high + (a - 1) * PAGE}
    last = {va for va in parts if va < low + (b - 5) * PAGE}
    for mark, _, m in p.marks():
        wanted = {1: set(), 2: whole, 3: holed, 4: parts, 5: last, 6: set()}[mark]
        saw = set(p.pages(m, p.heap + TABLE, PROGRAM_END))
        yield equal(f'pages of mappings that are missing, and that are too many (stretch {mark})', [[], []],
                    [sorted(hex(va) for va in wanted - saw), sorted(hex(va) for va in saw - wanted)], must=True)
        if mark in (1, 6):
            yield equal(f'tables of mappings when there are none (stretch {mark})', [],
                        [hex(t) for t in p.tables(m) if t >= up(p.heap, TABLE)])
    held = [m.held[UNIX] for mark, _, m in p.marks() if mark in (1, 6)]
    yield equal('pages held before each round and after the last', held[:1] * 3, held, must=True)
    yield from killed(seen, 'hole', LOAD, high + hole * PAGE)


def mapfull(seen):
    p = process(seen)
    yield marked(seen, [1, 2, 1, 2, 3])
    yield no_page_refused(seen)
    maps = seen.answers.get('maps1', 0)
    yield holds('several mappings could be made, and then no more', 2 <= maps < 12, f'{maps}', must=True)
    yield seen.answered('maps2', maps, must=True)
    yield seen.answered('refused1', 1)
    yield seen.answered('refused2', 1)
    yield at_least('heap, in units of a mapping, when they were gone', maps - 1, seen.answers.get('heap'))
    held = [m.held[UNIX] for mark, _, m in p.marks() if mark in (1, 3)]
    yield equal('pages held before each round and after the last', held[:1] * 3, held, must=True)


TESTS = [
    Test('demand', 10, 'a page is bound when it is first touched, and no other', DEMAND, demand, part='A'),
    Test('zeroed', 5, 'it comes zeroed, and keeps what is stored there', DEMAND, zeroed, part='A'),
    Test('guard', 8, 'what is not the program\'s kills who touches it, and nobody else', 'vmlab,guard,{seed}', guard, part='A'),
    Test('rights', 7, 'text is not written, and only text is run', 'vmlab,rights,{seed}', rights, part='A'),
    Test('pointers', 10, 'a call looks at a pointer before it follows it', 'vmlab,pointers,{seed}', pointers, part='A'),
    Test('strings', 5, 'the same of names', 'vmlab,strings,{seed}', strings, part='A'),
    Test('cost', 5, 'the first use of a page costs little more than its zeroing', 'vmlab,cost,{seed}', cost, part='A'),
    Test('tables', 7, 'there is a table for each 2 MiB of the program, and no other', 'vmlab,shrink,{seed}', tables, part='B'),
    Test('shrink', 10, 'what the heap gives up is given back, and the rest stays', 'vmlab,shrink,{seed}', shrink, part='B'),
    Test('shared', 5, 'of a page that others have, only the binding goes', 'vmlab,shared,{seed}', shared, part='B'),
    Test('refuse', 7, 'what there is no room for is refused, and nothing is lost', 'vmlab,refuse,{seed}', refuse, part='B',
         unix='envs=10 pages=1500'),
    Test('turns', 2, 'the commit count holds wherever a slice ends', 'vmlab,crowd,{seed}', crowd, part='B',
         unix='envs=20 pages=1100', args='slice=100', limit=20000, seeds=False),
    Test('crowd', 2, 'and among processes on four harts', 'vmlab,crowd,{seed}', crowd, part='B',
         unix='envs=20 pages=1100', cpus=4, limit=20000, trace_kb=4096),
    Test('paged', 3, 'pages can go to the disk and come back', 'vmlab,paged,{seed}', paged, part='B', mem='48M', swap='4M'),
    Test('map', 4, 'a mapping has its place, its tables, and pages on demand', 'vmlab,map,{seed}', map_, part='C'),
    Test('unmap', 4, 'any part of mappings can go, and its place is free', 'vmlab,unmap,{seed}', unmap, part='C'),
    Test('mapfull', 2, 'mappings count, too', 'vmlab,mapfull,{seed}', mapfull, part='C', unix='envs=10 pages=1100'),
]
