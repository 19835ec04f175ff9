"""What the upcall lab promises, and how each promise is seen. The programs are in upcalllab.c."""
import re

from graded import PAGE, U64, UNIX, Test, at_least, at_most, equal, holds, sum_of

LIBOS = 0x40000000
CACHE = 0x1800200000, 0x1800600000  # frames of the buffer cache: used first in the middle of the libOS
ILLEGAL, BREAK, ECALL, FETCH, LOAD, STORE = 2, 3, 8, 12, 13, 15
FAULT, EPILOGUE = 0, 1  # of entry[]
PAGES = 120
CALLS = 12000  # of `ticks`
SHORT = 'slice=100'     # microseconds: the shortest, which end anywhere

# As in upcalllab.c: name, the register that has the address, cause, and what the instruction does: (register that
# is loaded, register that is stored). An atomic operation's cause is QEMU's to choose: it may load first.
TRIES = [('load_ra', 1, LOAD, None, None), ('store_sp', 2, STORE, None, 28), ('load_t0', 5, LOAD, 5, None),
         ('store_t1', 6, STORE, None, 5), ('amo_t2', 7, None, 10, 15), ('store_s0', 8, STORE, None, 18),
         ('load_a0', 10, LOAD, 17, None), ('store_a7', 17, STORE, None, 2), ('load_t6', 31, LOAD, 30, None),
         ('store_s11', 27, STORE, None, 1), ('load_a5', 15, LOAD, 14, None)]


def up(n):
    return (n + PAGE - 1) // PAGE * PAGE


# ---- what the kernel saw ----

class Process:
    """The process that init runs: its environment, and what its program's addresses are."""

    def __init__(self, seen):
        self.seen = seen
        self.eid = seen.end().of(UNIX)[1].eid
        self.heap = up(seen.program.address('end')) + 2 * PAGE

    def faults(self, *causes):
        return [r for r in faults(self.seen, *causes) if r.eid == self.eid]

    def marks(self):
        return {r.w[0]: r for r in self.seen.of('mark') if r.eid == self.eid}


def process(seen):
    if not hasattr(seen, 'process'):
        seen.process = Process(seen)
    return seen.process


def faults(seen, *causes):
    """FAULT upcalls of the Unix library OS: w = entry, pc entered, epc, cause, tval."""
    upcall = seen.number('upcall')
    return [r for r in seen.records if r.event == upcall and r.account == UNIX and r.w[0] == FAULT and
            (not causes or r.w[3] in causes)]


def in_program(records):
    return [r for r in records if r.w[2] < LIBOS]


def none_stopped(seen):
    wrong = [r for r in seen.of('stop') if r.w[1] >= 2] + seen.of('abort', UNIX)
    return equal('environments that the kernel had to stop or to take off the hart by force', 0, len(wrong), must=True)


def no_kernel(seen):
    """resume's first argument says which frame: of a fault none comes back that way."""
    back = [r for r in seen.of('resume', UNIX) if r.w[0] == 0]
    return equal('returns from an exception that asked the kernel', 0, len(back), must=True)


# ---- what registers must hold ----

def filled(seen, i):
    return [seen.fresh(10000 + 32 * i + r) for r in range(32)]


def hashed(h, out):
    for r in range(1, 32):
        if r not in (3, 9):
            h = (h * 31 + out[r]) & U64
    return h


def all_tries(seen, heap):
    """(hash, [(cause, address)]) of what all_tries() does."""
    h, plan = seen.fresh(0), []
    for i in range(PAGES):
        _, base, cause, loaded, stored = TRIES[seen.fresh(1000 + i) % len(TRIES)]
        at = heap + i * PAGE + seen.fresh(2000 + i) % (PAGE - 8) // 8 * 8
        out = filled(seen, i)
        out[base] = at
        word = out[stored] if stored else 0
        if loaded:
            out[loaded] = 0
        h = (hashed(h, out) * 31 + word) & U64
        plan.append((cause, at))
    return h, plan


def calls(seen, n):
    h, out = seen.fresh(1), []
    for i in range(n):
        if i % 16 == 0:
            out = filled(seen, 500 + i // 16)
        out[17], out[10] = 11, 0
        h = hashed(h, out)
    return h


def page_faults(seen, plan):
    saw = [(r.w[3], r.w[4]) for r in in_program(process(seen).faults(LOAD, STORE))]
    both = {va for c, va in plan if c is None}
    saw = [(None if va in both else c, hex(va)) for c, va in saw if plan[0][1] & -PAGE <= va <= (plan[-1][1] | PAGE - 1)]
    return equal('page faults, each once, in order (cause, address)', [(c, hex(va)) for c, va in plan], saw, must=True)


# ---- the tests: exceptions ----

def survive(seen):
    h, plan = all_tries(seen, process(seen).heap)
    yield page_faults(seen, plan)
    yield none_stopped(seen)
    yield seen.answered('registers', h, must=True)


def float_in(seen, i):
    return [seen.fresh(20000 + 32 * i + r) for r in range(32)] + [i % 5 << 5 | i & 31]


def floating(seen):
    p, h = process(seen), seen.fresh(0)
    for i in range(30):
        f = float_in(seen, i)
        word, f[7] = f[5], 0
        for x in f:
            h = (h * 31 + x) & U64
        out = filled(seen, i)
        out[5], out[11], out[12] = 0, p.heap + 2 * i * PAGE + 8, p.heap + (2 * i + 1) * PAGE + 8
        out[6] = filled(seen, i)[6]
        h = (hashed(h, out) * 31 + word) & U64
    yield none_stopped(seen)
    yield at_least('times that floating point was found off, by an exception', 10, len(p.faults(ILLEGAL)), must=True)
    first = [r.w[4] & -PAGE for r in in_program(p.faults(LOAD, STORE))]
    wanted = [p.heap + k * PAGE for k in range(60)]
    yield equal('pages that floating-point instructions faulted on', 60, len(set(first) & set(wanted)), must=True)
    yield seen.answered('registers', h, must=True)


def direct(seen):
    p = process(seen)
    h, plan = all_tries(seen, p.heap)
    at = p.marks()
    yield no_kernel(seen)
    yield none_stopped(seen)
    ecalls = [r for r in in_program(p.faults(ECALL)) if at and at[1].seq < r.seq < at[2].seq]
    yield equal('calls by ecall that came as exceptions', 200, len(ecalls), must=True)
    yield page_faults(seen, plan)
    between = [r for r in seen.records if r.eid == p.eid and at[1].seq < r.seq < at[2].seq and r not in ecalls] if at else []
    allowed = {seen.number(n) for n in ('slice', 'slice_end', 'upcall', 'yield', 'resume')}
    yield equal('what else the process asked of the kernel meanwhile', [],
                sorted({seen.names.get(r.event, hex(r.event)) for r in between if r.event not in allowed}))
    yield seen.answered('calls', calls(seen, 200))
    yield seen.answered('faults', h)


def cost(seen):
    """The reference takes 448 instructions to and fro, what it costs the kernel to record it included."""
    p = process(seen)
    at = p.marks()
    ecalls = [r for r in in_program(p.faults(ECALL)) if len(at) == 2 and at[1].seq < r.seq < at[2].seq]
    yield equal('calls by ecall between the marks', 500, len(ecalls), must=True)
    yield seen.answered('calls', calls(seen, 16))
    each = seen.instructions(at[2].time - at[1].time) // 500 if len(at) == 2 else None
    yield at_most('instructions of a call by exception, and back', COST * 16 // 10, each, 2)
    yield at_most('the same, within a tenth of what it takes the reference', COST * 11 // 10, each)


COST = 448


def ticks(seen):
    p = process(seen)
    h, plan = all_tries(seen, p.heap)
    upcall = seen.number('upcall')
    ends = [r for r in seen.records if r.event == upcall and r.eid == p.eid and r.w[0] == EPILOGUE]
    inside = [r for r in ends if r.w[2] >= LIBOS]
    yield none_stopped(seen)
    yield no_kernel(seen)
    yield at_least('ends of a slice inside the library OS, on the way in or back', 5, len(inside), must=True)
    yield at_least('exceptions', CALLS + PAGES, len(in_program(p.faults())), must=True)
    yield seen.answered('calls', calls(seen, CALLS), must=True)
    yield seen.answered('faults', h, must=True)


def own(seen):
    first = seen.end().of(UNIX)[2:5]
    for n, env in enumerate(first):
        mine = [r for r in faults(seen, LOAD, STORE) if r.eid == env.eid]
        frames = [r.w[4] & -PAGE for r in mine if r.w[2] >= LIBOS and CACHE[0] <= r.w[4] < CACHE[1]]
        yield at_least(f'faults of child {n} in the library OS itself, on frames of the cache', 60, len(frames), must=True)
        yield equal('of them, such as came more than once', 0, len(frames) - len(set(frames)), must=True)
        total = 0
        for b in range(60):
            for w in range(512):
                total = (total * 31 + seen.fresh(b) + w * b) & U64
        yield seen.answered(f'sum{n}', total, must=True)
        yield seen.answered(f'changed{n}', 0, must=True)
    yield equal('children', 3, len(first), must=True)
    yield none_stopped(seen)


def others_go_on(seen):
    for n, name in ((1, 'first'), (2, 'last')):
        out = filled(seen, n - 1)
        out[5] = 0
        yield seen.answered(name, hashed(seen.fresh(n), out))
    yield none_stopped(seen)


def killed_by(seen, name, cause, tval, function):
    """A child that made this exception, once, ended by it; and it was reported, with the place."""
    hits = [r for r in in_program(faults(seen, cause)) if (tval is None or r.w[4] == tval) and
            (function is None or seen.where(r.w[2]).startswith(f'{function}()'))]
    eids = [r.eid for r in hits]
    yield equal(f'exceptions of the child "{name}" (cause {cause}): one, and the end', 1, len(hits), must=True)
    if not hits:
        return
    ended = [r for r in seen.of('end') if r.w[0] == eids[0] and r.seq > hits[0].seq]
    yield holds(f'the child "{name}" ended', ended, must=True)
    pc = hits[0].w[2]
    yield holds(f'the report tells where it was: pc {pc:#x}', re.search(rf'^pid \d+ \(upcalllab\): .*\n +pc 0x0*{pc:x}\b', seen.text, re.M | re.I))


def wild(seen):
    x = [seen.fresh(10 + i) for i in range(7)]
    for name, cause, tval, function in [
            ('load', LOAD, 0x30000000 + x[0] % 10000 * 8, 'wild_load'),
            ('store', STORE, 0x20000000 + x[1] % 10000 * 8, 'wild_store'),
            ('jump', FETCH, 0x10000000 + x[2] % 10000 * 8, None),
            ('instruction', ILLEGAL, None, 'wild_instruction'), ('break', BREAK, None, 'wild_break'),
            ('call', ECALL, None, 'wild_call')]:
        yield seen.answered(name, 1)
        if cause == ILLEGAL:  # perhaps floating point was off: that was tried first
            illegal = [r for r in in_program(faults(seen, ILLEGAL)) if seen.where(r.w[2]).startswith('wild_instruction()')]
            yield holds('an illegal instruction was tried at most once more', 1 <= len(illegal) <= 2, f'{len(illegal)} times', must=True)
        else:
            yield from killed_by(seen, name, cause, tval, function)
    yield seen.answered('floating', 1)
    nested = [r for r in faults(seen) if r.w[2] >= LIBOS and CACHE[0] <= r.w[4] < CACHE[1]]
    yield at_least('faults while a fault was served: reports read the program\'s file', 3, len(nested), must=True)
    yield from others_go_on(seen)


def stack(seen):
    p = process(seen)
    guard = up(seen.program.address('end'))
    hits = [r for r in in_program(faults(seen, STORE)) if guard <= r.w[4] < guard + PAGE]
    yield equal('faults on the page below the stack: one, and the end', 1, len(hits), must=True)
    yield seen.answered('overflow', 1)
    h = seen.fresh(4)
    for i, sp in enumerate([0, 8, U64, 0x40000000, 0x30000001, 0xffffffe000000000]):
        out = filled(seen, i)
        out[2], out[8] = sp, p.heap + i * PAGE
        h = (hashed(h, out) * 31 + out[18]) & U64
    yield seen.answered('without', h, must=True)
    yield from others_go_on(seen)


# ---- the tests: handlers ----

def pages_of(seen, function, eid):
    """Pages that a handler touched first, in order: so often it ran."""
    return [r.w[4] & -PAGE for r in in_program(faults(seen, STORE)) if r.eid == eid and
            seen.where(r.w[2]).startswith(f'{function}()')]


def handled(seen):
    p = process(seen)
    signals = [1 + seen.fresh(i) % 30 for i in range(20)]
    signals = [8 if s == 9 else s for s in signals]
    for odd, name in ((1, 'first_handler'), (0, 'second_handler')):
        wanted = [p.heap + i * PAGE for i, s in enumerate(signals) if s & 1 == odd]
        yield equal(f'runs of {name}(), by the pages that it used first', [hex(va) for va in wanted],
                    [hex(va) for va in pages_of(seen, name, p.eid)], must=True)
    yield seen.answered('wrong', 0, must=True)
    yield seen.answered('signals', sum_of(signals))
    yield seen.answered('refused', 1)
    yield seen.answered('ignored', 1)
    yield none_stopped(seen)


def round_hash(seen, i, kind):
    out = filled(seen, i)
    out[2] = out[4] = 0
    if kind == 'spin':
        out[5] = 0
        return hashed(0, out)
    if kind == 'mixed':
        parts = [round_hash(seen, i, k) for k in ('spin', 'call', 'float')]
        return (parts[0] * 31 * 31 + parts[1] * 31 + parts[2]) & U64
    if kind == 'call':
        h = 0
        out[10], out[17] = 0, 11
        for _ in range(5):
            h = hashed(h, out)
        return h
    h = 0
    f = float_in(seen, i)
    f[7], f[32] = 0, i % 5 << 5
    for x in f:
        h = (h * 31 + x) & U64
    out[5] = out[11] = out[12] = 0
    return hashed(h, out)


def while_it(seen, kind, sent=20):
    p = process(seen)
    ran = []
    for name in ('first_handler', 'second_handler'):
        pages = pages_of(seen, name, p.eid)
        ran += pages
        yield equal(f'runs of {name}(), by the pages that it used first', sent // 2, len(pages), must=True)
    yield equal('pages that handlers used, each once', [hex(p.heap + i * PAGE) for i in range(sent)],
                [hex(va) for va in sorted(ran)], must=True)
    h = seen.fresh(0)
    for i in range(16):
        h = (h * 31 + round_hash(seen, i, kind)) & U64
    yield seen.answered('registers', h, must=True)
    yield seen.answered('firsts', sent // 2)
    yield seen.answered('seconds', sent // 2)
    yield seen.answered('signals', sum_of([10, 12] * (sent // 2)))
    yield none_stopped(seen)


def came_by(seen, inside):
    """Runs of handlers before which the process's slice had ended inside the library OS, serving an exception; or in
    the program."""
    p, upcall, slice_end = process(seen), seen.number('upcall'), seen.number('slice_end')
    serves, ended, where, n = False, False, None, 0
    for r in seen.records:
        if r.eid != p.eid:
            continue
        if r.event == slice_end:
            where = serves if not ended else where  # it held the end back while the frame was in use, and then left
            ended = False
        elif r.event == upcall and r.w[0] == EPILOGUE:
            ended, where = True, r.w[2] >= LIBOS
        elif r.event == upcall and r.w[0] == FAULT:
            serves = r.w[3] == ECALL
            if seen.where(r.w[2]).split('()')[0] in ('first_handler', 'second_handler') and where is not None:
                n += where == inside
                where = None
    return n


def interrupted(seen):
    yield from while_it(seen, 'spin')
    yield at_least('handlers that ran between two instructions, where a slice had ended', 3, came_by(seen, False), must=True)


def between(seen):
    yield from while_it(seen, 'call')
    yield no_kernel(seen)
    yield at_least('calls by ecall meanwhile', 480, len(in_program(process(seen).faults(ECALL))), must=True)
    yield at_least('handlers that ran where an exception ended, in the middle of which a slice had', 1, came_by(seen, True), must=True)


def keeps_float(seen):
    yield from while_it(seen, 'float')
    yield at_least('times that floating point was found off', 5, len(process(seen).faults(ILLEGAL)), must=True)


def nested(seen):
    p = process(seen)
    sig, other = (10, 12) if seen.fresh(0) & 1 else (12, 10)
    # the first: itself is blocked; the other begins at once and sends two in vain, of which its own comes after it
    order = [sig, other, other + 100, other, other + 100, sig + 100, sig, sig + 100]
    yield equal('pages that handlers used, in order', [hex(p.heap + i * PAGE) for i in range(8)],
                [hex(va) for va in pages_of(seen, 'nesting', p.eid)], must=True)
    yield seen.answered('handlers', 8)
    yield seen.answered('order', sum_of(order), must=True)
    yield seen.answered('blocked', 0)


def blocked(seen):
    p = process(seen)
    for name, wanted in (('first_handler', [1, 2, 3]), ('second_handler', [0, 4, 5])):
        yield equal(f'runs of {name}(), by the pages that it used first', wanted,
                    [(va - p.heap) // PAGE for va in pages_of(seen, name, p.eid)], must=True)
    yield seen.answered('wrong', 0)
    yield seen.answered('signals', sum_of([12, 10, 10, 10, 14, 14]))


def ends(seen):
    for i in range(5):
        yield seen.answered(f'ended{i}', 1)
    made = [e.eid for e in seen.end().of(UNIX)[2:]]
    gone = {r.w[0] for r in seen.of('end')}
    yield at_least('environments that the kernel saw begin and end: children', 7, len([e for e in made if e in gone]), must=True)
    yield from others_go_on(seen)


TESTS = [
    Test('survive', 14, 'a page fault at any instruction changes no register', 'upcalllab,survive,{seed}', survive, part='A'),
    Test('direct', 10, 'the way back from an exception needs no kernel', 'upcalllab,direct,{seed}', direct, part='A'),
    Test('float', 5, 'floating point is put on when it is used, and kept', 'upcalllab,float,{seed}', floating, part='A',
         args=SHORT, seeds=False),
    Test('own', 8, 'the library OS may fault itself, at any depth', 'upcalllab,own,{seed}', own, part='A'),
    Test('wild', 8, 'what nobody serves ends its process, with a report, and no other', 'upcalllab,wild,{seed}', wild, part='A'),
    Test('stack', 5, 'the program\'s stack is not relied on', 'upcalllab,stack,{seed}', stack, part='A'),
    Test('ticks', 10, 'a slice may end at any instruction of that', 'upcalllab,ticks,{seed}', ticks, part='A', args=SHORT,
         seeds=False),
    Test('cost', 5, 'an exception costs little more than its registers', 'upcalllab,cost,{seed}', cost, part='A'),
    Test('handled', 6, 'a handler runs where a call ends', 'upcalllab,handled,{seed}', handled, part='B'),
    Test('interrupted', 8, 'it runs between two instructions, and the program goes on', 'upcalllab,interrupted,{seed}',
         interrupted, part='B', args=SHORT, seeds=False),
    Test('between', 5, 'it runs where an exception ends', 'upcalllab,between,{seed}', between, part='B', args=SHORT, seeds=False),
    Test('keeps_float', 3, 'floating point, too, is as it was', 'upcalllab,keeps_float,{seed}', keeps_float, part='B',
         args=SHORT, seeds=False),
    Test('nested', 4, 'handlers nest; each blocks its own signal', 'upcalllab,nested,{seed}', nested, part='B'),
    Test('blocked', 4, 'signals can be blocked, and waited for', 'upcalllab,blocked,{seed}', blocked, part='B'),
    Test('ends', 2, 'without a handler, or a stack for it, the process ends', 'upcalllab,ends,{seed}', ends, part='B'),
]
