"""What the thread lab promises, and how each promise is seen. The programs are in threadlab.c: each thread runs in a
function of its own, so that the address where a slice ended, or an ecall was made (a beacon), tells which one it was."""
import bisect
import collections

from graded import PROGRAM_END, U64, UNIX, Claim, Test, at_least, at_most, equal, sum_of

FAULT, EPILOGUE = 0, 1
ILLEGAL, ECALL = 2, 8

# Where the kernel saw a thread: `kind` is beacon, slice (its end) or illegal; `who` the function.
Sight = collections.namedtuple('Sight', 'record kind who')


# ---- what the kernel saw ----

def process(seen):
    """The test's process: its environment, the number of the record since which it has run the program, its root."""
    m = seen.end()
    env = (m.of(UNIX) + [None, None])[1]  # the first is init
    if not env:
        raise LookupError('no process was made for the test')
    moves = [r for r in seen.of('env_space') if r.w[0] == env.eid]
    return env.eid, moves[-1].seq if moves else 0, env.root


def function(seen, pc):
    if not hasattr(seen, 'functions'):
        seen.functions = sorted((address, name) for name, address in seen.program.names().items() if '$' not in name)
    at = bisect.bisect(seen.functions, (pc, '~')) - 1
    return seen.functions[at][1] if at >= 0 and pc < PROGRAM_END else ''


def sights(seen, *kinds):
    eid, since, _ = process(seen)
    for r in seen.of('upcall'):
        if r.eid != eid or r.seq < since or r.w[2] >= PROGRAM_END:
            continue
        kind = 'slice' if r.w[0] == EPILOGUE else {ECALL: 'beacon', ILLEGAL: 'illegal'}.get(r.w[3], 'fault')
        if r.w[0] in (FAULT, EPILOGUE) and kind in kinds:
            yield Sight(r, kind, function(seen, r.w[2]))


def beacons(seen, *names):
    return [s for s in sights(seen, 'beacon') if not names or s.who in names]


def own(seen):
    """The records of the test's process."""
    eid, since, _ = process(seen)
    return [r for r in seen.records if r.eid == eid and r.seq >= since]


def slices(seen, names):
    """[(who, begin, end)] in `time`, of all slices that ended in a thread."""
    found, begin = [], None
    for r in own(seen):
        if r.event == seen.number('slice'):
            begin = r.time
        elif r.event == seen.number('upcall') and r.w[0] == EPILOGUE and begin is not None:
            who = function(seen, r.w[2])
            if who in names:
                found.append((who, begin, r.time))
            begin = None
    return found


def near(what, want, off, saw, must=True):
    return Claim(what, abs(saw - want) <= off, f'{want:.1f}, give or take {off}', f'{saw:.1f}', must=must)


def ms(seen, ticks):
    return seen.instructions(ticks) / 1000000


def interrupted(seen, names, n):
    """Each of them was interrupted, without a call, as often as promised."""
    count = collections.Counter(s.who for s in sights(seen, 'slice') if s.who in names)
    fewest = min(names, key=lambda name: count[name])
    return at_least(f'slices that ended in {fewest}(), seen by the kernel', n, count[fewest], must=True)


def alternate(seen, names, n):
    """Slices that ended in one and were followed by one of another."""
    turn = slices(seen, names)
    return at_least('slices after which another of the threads went on', n,
                    sum(a[0] != b[0] for a, b in zip(turn, turn[1:])), must=True)


def shares(seen, tickets, since=0, until=1 << 63, percent=2, least=40, whole=True):
    """Time that each thread had, against its tickets: in all, and at any moment."""
    turns = [t for t in slices(seen, tickets) if since <= t[1] and t[2] <= until]
    total, had, worst = sum(tickets.values()), collections.Counter(), 0
    for who, begin, end in turns:
        had[who] += end - begin
        time = sum(had.values())
        worst = max([worst] + [abs(had[w] - time * t / total) for w, t in tickets.items()])
    time = sum(had.values())
    yield at_least('ms that the threads had', least, ms(seen, time), must=True)
    for who, n in tickets.items():
        want, got = 100 * n / total, 100 * had[who] / time if time else 0
        yield near(f'percent of the time that {who}() had', want, percent, got)
    if whole:
        longest = max(end - begin for _, begin, end in turns) if turns else 0
        yield at_most('slices that one was ahead or behind, at any moment', 2.5, worst / longest if longest else None)


# ---- A: turns that are given up ----

def mixed(seen, steps):
    value = seen.fresh(0)
    factor = {'O': seen.fresh(2) | 1, 'M': seen.fresh(3) | 1}
    for s in steps:
        value = (value * factor[s] + (1 if s == 'O' else 3)) & U64
    return value


def turns(seen):
    steps = 20 + seen.fresh(1) % 20
    order = [s.who for s in beacons(seen, 'turns_first', 'turns_other')]
    yield equal('steps that the kernel saw', 2 * steps, len(order), must=True)
    yield equal('steps after one of the same thread', 0, sum(a == b for a, b in zip(order, order[1:])), must=True)
    yield seen.answered('value', mixed(seen, 'MO' * steps))


def kept(seen):
    names = [f'kept{i}' for i in range(4)]
    order = [s.who for s in beacons(seen, *names)]
    yield equal('rounds that the kernel saw', 48, len(order), must=True)
    yield at_most('rounds after one of the same thread', 4, sum(a == b for a, b in zip(order, order[1:])), must=True)
    for i in range(4):
        v = [seen.fresh(12 * i + j) for j in range(12)]
        for _ in range(12):
            for j in range(12):
                v[j] = (v[j] + v[(j + 1) % 12]) & U64
        total = 0
        for x in v:
            total = (total * 31 + x) & U64
        yield seen.answered(f'kept{i}', total)


def drawn_order(seen, n):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = seen.fresh(i) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def waits(seen):
    first = 1 + seen.fresh(50) % 4
    order = [f'waiter{i}' for i in drawn_order(seen, 6)]
    woken = [s.who for s in beacons(seen, *order, 'wait_other', 'wait_time')]
    yield equal('who was woken first, one after the other', order[:first], woken[:first], must=True)
    yield equal('who was woken at all', sorted(order), sorted(woken[:6]), must=True)
    yield equal('who was woken, or waited, at last', ['wait_other', 'wait_time', 'wait_time'], woken[6:], must=True)
    for name, value in (('none', 0), ('rest', 6 - first), ('results', 0), ('unchanged', 9), ('woken', 1), ('other', 0),
                        ('differs', 1), ('timed', 1)):
        yield seen.answered(name, value)
    timed = [s.record.time for s in beacons(seen, 'wait_time')]
    waited = ms(seen, timed[-1] - timed[0]) if timed else 0
    yield at_least('ms that a wait of 3 ms took', 3, waited, must=True)
    yield at_most('ms that a wait of 3 ms took', 14, waited)


def left(seen, begin, end):
    """Calls by which the process gave up the hart in the middle of a slice."""
    found, over = 0, False
    leaving = [seen.number('wait'), seen.number('yield')]
    for r in own(seen):
        if r.event == seen.number('upcall'):
            over = r.w[0] == EPILOGUE
        elif r.event in leaving and begin <= r.seq <= end:
            found += not over
    return found


def sleeps(seen):
    sleepers = ['sleep_reader', 'sleep_parent', 'sleep_timed']
    at = {name: [s.record.seq for s in beacons(seen, name)] for name in sleepers + ['sleep_busy']}
    yield equal('times that each was seen before and after its call', [2, 2, 2], [len(at[s]) for s in sleepers], must=True)
    if any(len(at[s]) != 2 for s in sleepers):
        return
    began, ended = max(at[s][0] for s in sleepers), min(at[s][1] for s in sleepers[:2])
    steps = [seq for seq in at['sleep_busy'] if began < seq < ended]
    yield at_least('turns of the fourth thread while the others were in their calls', 25, len(steps), must=True)
    yield equal('times that the process left the hart though the fourth could run', 0,
                left(seen, began, steps[-1]) if steps else None, 2)
    yield equal('in which order their calls ended', ['sleep_timed', 'sleep_parent', 'sleep_reader'],
                sorted(sleepers, key=lambda s: at[s][1]), must=True)
    yield seen.answered('read', seen.fresh(0), must=True)
    yield seen.answered('status', seen.fresh(1) & 127)
    yield seen.answered('timed', 1)


def quiet(seen):
    at = {name: [s.record for s in beacons(seen, name)] for name in ('quiet_sleeper', 'quiet_timed')}
    yield equal('times that each was seen before and after', [2, 2], [len(a) for a in at.values()], must=True)
    if any(len(a) != 2 for a in at.values()):
        return
    begin, end = max(a[0].seq for a in at.values()), min(a[1].seq for a in at.values())
    between = [r for r in own(seen) if begin <= r.seq <= end]
    yield at_least('waits on a predicate, when no thread could run', 1,
                   sum(r.event == seen.number('wait') for r in between), must=True)
    yield at_most('slices that the process had meanwhile', 4, sum(r.event == seen.number('slice') for r in between), must=True)
    for name, want in (('quiet_sleeper', 100), ('quiet_timed', 60)):
        slept = ms(seen, at[name][1].time - at[name][0].time)
        yield near(f'ms that {name}() slept', want, 12, slept, False)
    yield seen.answered('ended', (2 + seen.fresh(0)) & U64)


# ---- B: turns that end with the slice ----

SPINNERS = [f'spinner{i}' for i in range(4)]


def preempt(seen):
    yield interrupted(seen, SPINNERS[:3], 5)
    turn = slices(seen, SPINNERS[:3])
    yield equal('slices of the thread that had the one before', 0, sum(a[0] == b[0] for a, b in zip(turn, turn[1:])),
                must=True)
    yield seen.answered('end', seen.fresh(0))


def registers(seen):
    names = [f'regs{i}' for i in range(3)]
    yield interrupted(seen, names, 4)
    yield alternate(seen, names, 8)
    for i in range(3):
        v = [seen.fresh(32 * i + j) for j in range(32)]
        first, more = v[1], 0
        for _ in range(60000):
            first += v[30] + more
            more += first
        values = v[:1] + [first & U64] + v[2:5] + [(x + more) & U64 for x in v[5:31]]
        yield seen.answered(f'regs{i}', sum_of(values))


def floats(seen):
    names = ['floats0', 'floats1', 'spinner0']
    yield interrupted(seen, names, 3)
    yield alternate(seen, names, 6)
    yield equal('rounds of those that give up their turns', 50, len(beacons(seen, 'floats2', 'floats3')), must=True)
    for i in range(4):
        v, rounds = [seen.fresh(40 * i + j) & 0xfffff for j in range(32)], 30000 if i < 2 else 25
        values = [x + rounds * v[31] for x in v[:31]] + [v[31], seen.fresh(40 * i + 32) % 5]
        yield seen.answered(f'floats{i}', sum_of(values), 2)
    needless, unused, on, asked = 0, 0, False, False
    first = min((s.record.seq for s in sights(seen, 'illegal')), default=0)
    for r in own(seen):
        if r.seq < first:
            continue
        if r.event == seen.number('upcall'):
            asked = r.w[0] == FAULT and r.w[3] == ILLEGAL
        elif r.event == seen.number('slice'):
            on = False
        elif r.event == seen.number('fp'):
            needless += r.w[0] == 1 and not asked
            unused += r.w[0] == 0 and not on
            on = r.w[0] == 1
    yield equal('times that floating point was turned on for a thread that had not asked for it', 0, needless, 2)
    yield equal('times that it was turned off though it was not on', 0, unused, 2)


def counted(seen):
    return sum(2000 * seen.fresh(i) for i in range(4)) & U64


def mutex(seen):
    order = [s.who for s in beacons(seen, *[f'counter{i}' for i in range(4)])]
    yield interrupted(seen, ['count_inside'], 5)
    yield equal('threads that had begun before one had ended', 4, len(set(order[:4])), must=True)
    yield seen.answered('count', counted(seen), must=True)
    yield seen.answered('free', 1)


def passed_on(seen):
    values = [seen.fresh(2 * i + n) for i in range(1200) for n in range(2)]
    return sum(v * 0x9e3779b97f4a7c15 for v in values) & U64


def condition(seen):
    ended = [s.who for s in beacons(seen)]
    yield equal('who ended', ['consumer0', 'consumer1', 'producer0', 'producer1'], sorted(ended), must=True)
    yield at_least('slices that ended meanwhile', 4, len(list(sights(seen, 'slice'))), must=True)
    yield seen.answered('sum', passed_on(seen), must=True)
    yield seen.answered('taken', 2400)


def held_at(seen, name):
    """Pages that the library OS held at each beacon in that function."""
    numbers = {s.record.seq for s in beacons(seen, name)}
    return [m.held[UNIX] for r, m in seen.replay() if r.seq in numbers]


def life(seen):
    held = held_at(seen, 'life_round')
    yield equal('rounds that the kernel saw', 4, len(held), must=True)
    yield equal('pages held after each round, but the first', held[1:2] * 3, held[1:4], must=True)
    total = 0
    for i in range(4):
        total += 1
        for j in range(27):
            total = (total * 31 + seen.fresh(27 * i + j) ** 2) & U64
    yield seen.answered('sum', total)


def ends(seen):
    children = seen.end().of(UNIX)[2:]
    ended = {r.w[0] for r in seen.of('end')}
    yield equal('children that were made, and ended', 18, sum(c.eid in ended for c in children), must=True)
    held = held_at(seen, 'ends_round')
    yield equal('rounds that the kernel saw', 3, len(held), must=True)
    yield equal('pages held after each round, but the first', held[1:2] * 2, held[1:3], must=True)
    total = 0
    for i in range(3):
        for status in (seen.fresh(i) & 63, 0, seen.fresh(10 + i) & 63, -1, 0):
            total = (total * 31 + status) & U64
    yield seen.answered('sum', total)
    yield seen.answered('gone', 12)


# ---- C: shares, and what it costs ----

def stride(seen):
    yield from shares(seen, dict(zip(SPINNERS, (3, 2, 1))))
    yield seen.answered('end', seen.fresh(0))


def drawn(seen):
    yield from shares(seen, {s: 1 + seen.fresh(i) % 90 for i, s in enumerate(SPINNERS)})
    yield seen.answered('end', seen.fresh(0))


def late(seen):
    woken = [s.record.time for s in beacons(seen, 'late')]
    yield equal('times that the third thread woke', 1, len(woken), must=True)
    if not woken:
        return
    yield from shares(seen, {'spinner0': 1, 'spinner1': 1}, until=woken[0], percent=4, least=25, whole=False)
    turn = [t for t in slices(seen, SPINNERS[:2] + ['late']) if t[1] >= woken[0]]
    yield at_least('slices after that', 30, len(turn), must=True)
    had = sum(end - begin for who, begin, end in turn[:12] if who == 'late')
    part = 100 * had / sum(end - begin for _, begin, end in turn[:12]) if turn else 0
    yield near('percent of the next 12 slices that it had', 33, 17, part)
    yield seen.answered('end', seen.fresh(0))


def early(seen):
    """Of the time on the hart up to each sight, that thread had what passed since the one before, or since the slice's
    beginning."""
    had, turn, begin = collections.Counter(), 0, None
    where = {s.record.seq: s.who for s in sights(seen, 'slice', 'beacon')}
    for r in own(seen):
        if r.event == seen.number('slice'):
            begin = r.time
        elif r.seq in where and begin is not None:
            had[where[r.seq]] += r.time - begin
            turn += where[r.seq] == 'early_yields' and r.w[0] == FAULT
            begin = r.time
    two = had['early_yields'] + had['spin'] + had['spinner0']
    part = 100 * (two - had['spinner0']) / two if two else 0
    yield at_least('turns that it gave up early, seen by the kernel', 30, turn, must=True)
    yield at_least('slices of the other process', 30, sum(r.eid not in (process(seen)[0], 0) and r.w[1] == 1
                                                           for r in seen.of('slice_end', UNIX)), must=True)
    yield near('percent of the time that it had, as one of two with as many tickets', 50, 3, part)
    yield seen.answered('end', seen.fresh(1))


def voluntary(seen):
    """The reference takes 305 instructions, the loop's own included."""
    marks = [r for r in seen.of('mark') if r.w[0] == seen.seed]
    yield seen.answered('value', mixed(seen, 'O' + 'MO' * 99), must=True)
    yield equal('marks', [1, 2], [r.w[1] for r in marks], must=True)
    if len(marks) != 2:
        return
    between = [r for r in seen.records if marks[0].seq < r.seq < marks[1].seq]
    yield equal('kernel events during 196 switches', 0, len(between))
    cost = seen.instructions(marks[1].time - marks[0].time) / 196
    yield at_most('instructions of a switch, thread_yield() included', 490, cost)
    yield at_most('the same, within a tenth of what it takes the reference', 336, cost)


def involuntary(seen):
    """The reference takes 1146 instructions: most are the kernel's, its records included."""
    spent, who, begin, over = [], [], None, None
    for r in own(seen):
        name = seen.names.get(r.event)
        if name == 'upcall' and r.w[0] == EPILOGUE:
            begin = r.time
        elif name == 'yield' and begin is not None:
            over, begin = r.time - begin, None
        elif name == 'slice':
            start = r.time
        elif name == 'mark' and over is not None:
            spent.append(over + r.time - start)
            who.append(r.w[1])
            over = None
        else:
            over = over if name == 'slice_end' else None
    yield at_least('switches at the end of a slice', 20, sum(a != b for a, b in zip(who, who[1:])), must=True)
    cost = seen.instructions(sum(spent)) / len(spent) if spent else None
    yield at_most('instructions from the end of a thread\'s turn to the next one\'s', 1830, cost)
    yield at_most('the same, within a tenth of what it takes the reference', 1260, cost)
    yield seen.answered('end', seen.fresh(0))


def harts(seen):
    _, since, root = process(seen)
    roots = {env.eid: env.root for env in seen.end().of(UNIX)}
    used = {r.hart for r in seen.of('slice', UNIX) if r.seq >= since and roots.get(r.eid) == root}
    yield at_least('harts on which the process had slices', 2, len(used), must=True)
    yield seen.answered('harts', 4)
    yield seen.answered('count', counted(seen), must=True)
    yield seen.answered('sum', passed_on(seen), must=True)
    yield seen.answered('taken', 2400)


def lab(mode):
    return f'threadlab,{mode},{{seed}}'


TESTS = [
    Test('turns', 8, 'a thread that gives up its turn goes on where it was, after the other', lab('turn'), turns,
         part='A', limit=200),
    Test('kept', 6, 'what a function keeps over a call it finds again', lab('kept'), kept, part='A', limit=200),
    Test('waits', 8, 'who waits on a word is woken, longest first, or at its time', lab('waiting'), waits, part='A',
         args='slice=1000', limit=200),
    Test('sleeps', 8, 'a thread in a call that takes time leaves the hart to its siblings', lab('sleeps'), sleeps,
         part='A', args='slice=1000', limit=200),
    Test('quiet', 6, 'when all of them sleep, the process does', lab('quiet'), quiet, part='A', limit=300),
    Test('preempt', 8, 'the end of a slice is the end of a turn, without any call', lab('preempt'), preempt, part='B',
         args='slice=1000', limit=200, seeds=False),  # who had a short slice may have the next one, too
    Test('registers', 6, 'a thread that was interrupted finds all its registers as they were', lab('registers'),
         registers, part='B', args='slice=200', limit=200),
    Test('floats', 8, 'floating point, too, at the cost of those who use it', lab('floats'), floats, part='B',
         args='slice=200', limit=200),
    Test('mutex', 4, 'no update is lost of what a mutex guards', lab('mutex'), mutex, part='B', args='slice=100', limit=200),
    Test('condition', 4, 'no waking is lost', lab('condition'), condition, part='B', args='slice=100', limit=200),
    Test('life', 4, 'threads end, are joined, and their pages serve the next ones', lab('life'), life, part='B', limit=200),
    Test('ends', 6, 'exit, exec and kill end them all; fork takes one along', lab('ends'), ends, part='B',
         args='slice=500', limit=300),
    Test('stride', 4, 'time goes by tickets: 3:2:1', lab('stride'), stride, part='C', args='slice=500', limit=300),
    Test('drawn', 3, 'time goes by tickets, whatever they are', lab('drawn'), drawn, part='C', args='slice=500', limit=300),
    Test('late', 3, 'who slept does not catch up', lab('sleeper'), late, part='C', args='slice=500', limit=300),
    Test('early', 3, 'who gives up its turns early has its share all the same', lab('early'), early, part='C',
         args='slice=1000', limit=400, seeds=False),  # over slices of one length that is exact
    Test('voluntary', 3, 'a switch is a few hundred instructions, none of them the kernel\'s', lab('voluntary'),
         voluntary, part='C', limit=200),
    Test('involuntary', 3, 'at the end of a slice what is live is saved, and no more', lab('involuntary'), involuntary,
         part='C', args='slice=500', limit=200),
    Test('harts', 3, 'on several harts, too, no update and no waking is lost', lab('harts'), harts, part='C', cpus=4,
         mem='128M', trace_kb=8192, limit=20000, seeds=False),
]
