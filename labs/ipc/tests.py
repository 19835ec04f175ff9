"""What the ipc lab promises, and how each promise is seen. The programs are in ipclab.c.

A run's processes are known by the kernel's records of environments: the test's own first, then its children in the order
of their birth."""
from statistics import median

from graded import U64, Test, at_least, at_most, equal, fresh, holds

UNIX = 2  # the library OS's account
NEVER = U64
ENV_RUN = 0
PIPE = 4096
AIMS, ROUNDS = 24, 64  # as in ipclab.c
WORK, BURN, SLEEP = 0, 1, 2


# ---- what the right answers are ----

def stream(seen, begin, end):
    """Bytes [begin, end) of what goes through pipes."""
    first = begin // 8
    words = b''.join(seen.fresh(i).to_bytes(8, 'little') for i in range(first, (end + 7) // 8))
    return words[begin - first * 8:end - first * 8]


def bytes_sum(data):
    total = 0
    for c in data:
        total = (total * 31 + c) & U64
    return total


def answers_sum(seen, op, begin, n, total=0):
    """Of a server's answers to messages begin, begin + 1, ..."""
    for k in range(begin, begin + n):
        word = [seen.fresh(k * 8 + i) for i in range(8)]
        word[0] = word[0] & ~7 | op
        for i in range(7):
            total = (total * 31 + word[i] * word[i + 1] + i) & U64
    return total


# ---- what the kernel saw ----

def ms(seen, n):
    """So many milliseconds of `time`."""
    return n * (seen.evidence.words()['timebase'] // 1000)


def processes(seen):
    """The test's process and its children, oldest first."""
    if not hasattr(seen, 'processes'):
        seen.processes = [e.eid for e in seen.end().of(UNIX)[1:]]
    return seen.processes


def process(seen, i):
    p = processes(seen)
    return p[i] if i < len(p) else 0


def made(seen, n):
    """As many children as promised, which ran."""
    ran = {r.eid for r in seen.of('slice')}
    return equal('children that the kernel saw run', n, sum(e in ran for e in processes(seen)[1:]), must=True)


def of(seen, eid, name, after=0, before=U64, refused=False):
    return [r for r in seen.of(name, refused=refused) if r.eid == eid and after < r.seq < before]


def waits(seen, eid, after=0, before=U64):
    """When it went to sleep."""
    return of(seen, eid, 'wait', after, before)


def slept(seen, who, i, n=1):
    """Process i slept on a predicate, n times at least."""
    return at_least(f'times that the {who} slept on a predicate', n, len(waits(seen, process(seen, i))), must=True)


def calls(seen, client=None, server=None):
    """The calls that were made, of those that were tried: a refusal follows at once."""
    number, found, last = seen.number('call'), [], {}
    for r in seen.records:
        if r.event == number:
            found.append(r)
            last[r.hart] = len(found) - 1
        elif r.event == number | seen.refused:
            found[last[r.hart]] = None
    return [r for r in found if r and client in (None, r.eid) and server in (None, r.w[0])]


def ended(seen, i, before=None):
    """The kernel saw process i end, and not with the machine."""
    eid = process(seen, i)
    return holds(f'child {i} ended', any(r.w[0] == eid for r in seen.of('end')), must=True)


def births(seen):
    """(pages that the library OS held) whenever the test's process set a child running."""
    run, first = seen.number('env_ctl'), process(seen, 0)
    return [m.held[UNIX] for r, m in seen.replay() if r.event == run and r.w[1] == ENV_RUN and r.eid == first and
            r.w[0] in processes(seen)]


def nothing_lost(seen, n):
    """In so many rounds, of which each has one birth. By how the two ends of a round come after one another it is a page
    more or less."""
    held = births(seen)
    yield made(seen, n)
    yield at_most('pages that the library OS held at a child\'s birth, more than at the second', 2,
                  max(held[1:]) - held[1] if len(held) > 1 else None, must=True)


# ---- pipes ----

def bytes_(seen):
    yield made(seen, 2)
    yield slept(seen, 'writer, of more than the pipe holds,', 1)
    yield seen.answered('first', bytes_sum(stream(seen, 0, 1000)))
    yield seen.answered('sum', bytes_sum(stream(seen, 1000, 20000)))
    yield seen.answered('end', 0)
    yield seen.answered('writer', 0)
    yield seen.answered('large', bytes_sum(stream(seen, 0, 15000)))
    yield seen.answered('wrote', 0)


def many(seen):
    n = 700
    yield made(seen, 8)
    yield seen.answered('one', 0)
    words = [w << 56 | i << 40 | seen.fresh(w * n + i) & 0xffffffffff for w in range(3) for i in range(n)]
    yield at_least('sleeps of the readers and writers', 3, sum(len(waits(seen, p)) for p in processes(seen)[1:]), must=True)
    yield seen.answered('words', len(words), must=True)
    yield seen.answered('sum', sum(words) & U64)
    yield seen.answered('wrong', 0)


def smp(seen):
    harts = {r.hart for p in processes(seen)[1:] for r in of(seen, p, 'slice')}
    yield at_least('harts that they ran on', 2, len(harts), must=True)
    yield from many(seen)


def asleep(seen, who):
    """Child 1 slept while there was nothing for it to do: from its first sleep to when its parent, which computed and then did
    something for it, slept again."""
    child, parent = process(seen, 1), process(seen, 0)
    yield made(seen, 1)
    first = waits(seen, child)[:1]
    yield holds(f'the {who} slept on a predicate', first, 'it did not', must=True)
    if not first:
        return
    end = next((r.seq for r in waits(seen, parent, first[0].seq) if r.time - first[0].time > ms(seen, 110)), U64)
    had = of(seen, child, 'slice', first[0].seq, end)
    yield at_most(f'slices that the {who} had meanwhile', 1, len(had), must=True)
    timed = [r for r in waits(seen, child) if abs(r.w[3] - r.time) < ms(seen, 100000)]
    yield equal(f'sleeps of the {who} that were to end after some time', 0, len(timed))
    yield at_most(f'slices that the {who} had from then on, in all', 12, len(of(seen, child, 'slice', first[0].seq)))


def idle(seen):
    yield from asleep(seen, 'reader')
    yield seen.answered('first', bytes_sum(stream(seen, 0, 8)))
    yield seen.answered('second', bytes_sum(stream(seen, 8, 16)))


def full(seen):
    yield from asleep(seen, 'writer')
    yield seen.answered('first', bytes_sum(stream(seen, 0, 4096)))
    yield seen.answered('second', bytes_sum(stream(seen, 4096, 12288)))
    yield seen.answered('writer', 0)


def ends(seen):
    yield made(seen, 2)
    for i, who in ((1, 'reader'), (2, 'writer')):
        yield slept(seen, who, i)
        yield ended(seen, i)
    yield seen.answered('left', bytes_sum(stream(seen, 0, 100)))
    yield seen.answered('empty', 0)
    yield seen.answered('nobody', U64)
    yield seen.answered('reader', 40)
    yield seen.answered('writer', 39)


def killed(seen):
    yield made(seen, 2)
    for i, who in ((1, 'reader'), (2, 'writer')):
        yield slept(seen, who, i)
        yield ended(seen, i)
    yield seen.answered('reader', U64)
    yield seen.answered('after', bytes_sum(stream(seen, 0, 3000)))
    yield seen.answered('writer', U64)
    yield seen.answered('rest', bytes_sum(stream(seen, 0, PIPE)))


def interrupted(seen):
    yield made(seen, 1)
    yield slept(seen, 'child, which is called away three times,', 1, 3)
    yield seen.answered('read', U64)
    yield seen.answered('written', PIPE)
    yield seen.answered('more', U64)
    yield seen.answered('handlers', 3)
    yield seen.answered('sum', bytes_sum(stream(seen, 0, PIPE)))


def memory(seen):
    yield seen.answered('wrong', 0)
    yield seen.answered('nothing', 0)
    yield seen.answered('sum', bytes_sum(stream(seen, 0, 1000)), must=True)
    yield seen.answered('fresh', bytes_sum(stream(seen, 0, 3000)), must=True)


def again(seen):
    yield from nothing_lost(seen, 8)
    yield seen.answered('wrong', 0)
    for i in range(8):
        yield seen.answered(f'round{i}', 6 * bytes_sum(stream(seen, 100 * i, 100 * i + 100)) & U64)


def wakeup(seen):
    yield made(seen, 1)
    yield slept(seen, 'other process, which waits in each round,', 1, 2 * AIMS)
    yield slept(seen, 'process that is interrupted', 0, 2 * AIMS)
    yield seen.answered('reads', AIMS)
    yield seen.answered('writes', AIMS)


def throughput(seen):
    """The reference takes 135,800 instructions, the records that the kernel makes included."""
    yield made(seen, 1)
    marks = of(seen, process(seen, 0), 'mark')
    yield equal('marks', [1, 2], [r.w[1] for r in seen.of('mark')], must=True)
    yield seen.answered('bytes', 65536, must=True)
    yield seen.answered('last', bytes_sum(stream(seen, 0, PIPE)), must=True)
    took = seen.instructions(marks[1].time - marks[0].time) if len(marks) == 2 else None
    yield at_most('instructions for 64 KiB, 4 KiB at a time', 217000, took, 2)
    yield at_most('the same, within a tenth of what it takes the reference', 149000, took)


# ---- calls ----

def transfer(seen):
    client, server = process(seen, 0), process(seen, 1)
    yield made(seen, 1)
    done = calls(seen, client, server)
    replies = of(seen, server, 'reply')
    yield at_least('calls, of 101, that went from client to server by transfer', 95, len(done), must=True)
    yield at_least('replies of the server', 95, len(replies), must=True)
    if len(done) < 2:
        return
    own = {'call', 'reply', 'slice', 'slice_end', 'upcall', 'yield', 'resume'} | ({'wait'} if len(done) < 101 else set())
    other = {seen.names[r.event] for r in seen.records if r.eid in (client, server) and not r.event & seen.refused and
             done[0].seq < r.seq < done[-2].seq} - own
    yield equal('what else the two had of the kernel meanwhile', [], sorted(other))
    yield seen.answered('sum', answers_sum(seen, WORK, 0, 100))
    yield seen.answered('ended', 0)
    yield seen.answered('status', 0)


def cost(seen):
    """The reference takes 2,500 instructions, the two records that the kernel makes included."""
    done = calls(seen, process(seen, 0), process(seen, 1))
    yield at_least('calls, of 40, that went by transfer', 36, len(done), must=True)
    word = [seen.fresh(i) for i in range(8)]
    first = word[0] & ~7
    for _ in range(40):
        word[0] = first
        word = [(word[i] * word[i + 1] + i) & U64 for i in range(7)] + [seen.answers.get('pid', 0)]
    total = 0
    for w in word[:7]:
        total = (total * 31 + w) & U64
    yield seen.answered('sum', total, must=True)
    took = [b.time - a.time for a, b in zip(done, done[1:])]
    each = seen.instructions(median(took)) if took else None
    yield at_most('instructions of a call and its answer', 4000, each, 2)
    yield at_most('the same, within a tenth of what it takes the reference', 2750, each)


def clients(seen):
    yield made(seen, 5)
    four = processes(seen)[2:]
    yield at_least('sleeps of the clients, while the server was at another\'s request', 3,
                   sum(len(waits(seen, c)) for c in four), must=True)
    yield at_most('slices that a client had, at most', 60, max([len(of(seen, c, 'slice')) for c in four] or [0]))
    for i in range(4):
        total = sum(answers_sum(seen, BURN if j % 5 == i else WORK, 10 * i + j, 1) for j in range(10))
        yield seen.answered(f'client{i}', total & U64)
    yield seen.answered('failed', 0)


def home(seen):
    yield made(seen, 2)
    hart = [{r.hart for r in of(seen, p, 'slice')} for p in processes(seen)]
    far = [i for i in range(1, len(hart)) if not hart[i] & hart[0]]
    yield holds('a server has another hart than its client', far, 'all have one', must=True)
    for i in far:
        yield equal('calls that went to another hart by transfer', 0,
                    len(calls(seen, process(seen, 0), process(seen, i))), must=True)
    yield slept(seen, 'client, for an answer that takes its time,', 0)
    yield at_most('slices that the client had', 5000, len(of(seen, process(seen, 0), 'slice')))
    yield seen.answered('first', answers_sum(seen, WORK, 0, 20))
    yield seen.answered('second', answers_sum(seen, WORK, 20, 20))
    yield seen.answered('slow', 2 * answers_sum(seen, SLEEP, 40, 1) & U64)


def broken(seen):
    """Clients whose calls were ended by the end of the server."""
    return {r.w[0] for r in seen.of('broken')}


def dies(seen):
    yield made(seen, 4)
    ends_of = broken(seen)
    yield holds('the server ended in the middle of a call by transfer', process(seen, 0) in ends_of, must=True)
    yield holds('so did the second server', process(seen, 3) in ends_of, must=True)
    yield slept(seen, 'client in the box', 4)
    yield seen.answered('before', answers_sum(seen, WORK, 0, 1))
    yield seen.answered('transfer', U64)
    yield seen.answered('status', 7)
    yield seen.answered('after', U64)
    yield seen.answered('first', 39)
    yield seen.answered('second', 39)


def gone(seen):
    yield made(seen, 7)
    for i in range(2, 8):
        yield ended(seen, i)
    for name in ('first', 'second', 'third'):
        yield seen.answered(name, U64)
    for i, name in enumerate(('next', 'more', 'last')):
        yield seen.answered(name, answers_sum(seen, WORK, i, 1), must=True)


def refused(seen):
    yield made(seen, 2)
    yield seen.answered('pids', 0)
    yield seen.answered('pointers', 0)
    yield seen.answered('unasked', 0)
    yield seen.answered('sum', answers_sum(seen, WORK, 0, 3), must=True)


def signals(seen):
    yield made(seen, 4)
    total = 0
    for i in range(10):
        total = (total * 31 + answers_sum(seen, WORK, i, 1)) & U64
    yield seen.answered('sum', total, must=True)
    yield seen.answered('interrupts', 1)
    yield slept(seen, 'client that its alarm calls away', 4)
    yield seen.answered('alarm', 31)


def threads(seen):
    yield made(seen, 6)
    yield at_least('calls of the one that calls all the time', 3, len(calls(seen, process(seen, 2), process(seen, 1))),
                   must=True)
    yield seen.answered('sum', answers_sum(seen, WORK, 0, 4))
    yield equal('calls by transfer to or from a process with threads', 0,
                len(calls(seen, process(seen, 0))) + len(calls(seen, None, process(seen, 3))), must=True)
    times = [r.time for p in processes(seen)[4:7] for r in of(seen, p, 'wait')]
    yield at_most('ms from the first request to the last, of six that take 100 ms, of which three can be served at once', 300,
                  (max(times) - min(times)) // ms(seen, 1) if times else None, 2)
    for i in range(3):
        yield seen.answered(f'process{i}', answers_sum(seen, SLEEP, 2 * i, 2))
        yield seen.answered(f'thread{i}', answers_sum(seen, WORK, 2 * i, 2))


def pages(seen):
    yield from nothing_lost(seen, 8)
    for i in range(8):
        yield seen.answered(f'round{i}', answers_sum(seen, WORK, i, 5))


def window(seen):
    yield made(seen, 2)
    yield slept(seen, 'client', 0, ROUNDS)
    for name in ('server', 'client'):
        total = 0
        for i in range(2 * ROUNDS if name == 'server' else ROUNDS):
            total = (total * 31 + answers_sum(seen, WORK, i, 1)) & U64 if name == 'server' else \
                answers_sum(seen, WORK, i, 1, total)
        yield seen.answered(name, total)


def lab(name, points, part, promise, check, mode=None, **more):
    more.setdefault('trace_kb', 4096)
    more.setdefault('limit', 1000)
    return Test(name, points, promise, f'ipclab,{mode or name},{{seed}}', check, part=part, **more)


TESTS = [
    lab('bytes', 6, 'A', 'what is written is read: all of it, once, in order', bytes_),
    lab('many', 5, 'A', 'any number of readers and writers share a pipe, and no write is torn', many),
    lab('idle', 6, 'A', 'a reader of an empty pipe sleeps until something is there', idle),
    lab('full', 5, 'A', 'a writer to a full pipe sleeps until there is room', full),
    lab('ends', 6, 'A', 'an end that is closed is seen at the other, by who sleeps there too', ends),
    lab('killed', 4, 'A', 'a process that is killed as it sleeps on a pipe ends, and the pipe is as before', killed),
    lab('interrupted', 3, 'A', 'a handler of a signal calls away who sleeps', interrupted),
    lab('memory', 3, 'A', 'a pointer that leads nowhere gives -1, and no byte is lost', memory),
    lab('again', 3, 'A', 'pipes are used again, empty, and no page is lost', again),
    lab('wakeup', 5, 'A', 'no wakeup is lost, wherever the slice ends', wakeup, limit=15000, args='slice=1000'),
    lab('smp', 3, 'A', 'the same readers and writers on four harts', smp, mode='many', cpus=4, trace_kb=2048, mem='128M',
        limit=5000),
    lab('throughput', 4, 'A', '64 KiB cost what copying them costs', throughput),
    lab('calls', 7, 'B', 'a call goes by protected control transfer, its words in registers', transfer),
    lab('cost', 5, 'B', 'a call costs two transfers and little more', cost),
    lab('clients', 5, 'B', 'each of several clients gets its own answers, and sleeps while the server is busy', clients,
        limit=2000),
    lab('home', 4, 'B', 'a server on another hart is asked through its box', home, cpus=2, limit=5000),
    lab('dies', 5, 'B', 'a server that ends leaves no client waiting', dies),
    lab('gone', 4, 'B', 'a client that ends leaves a server that goes on serving', gone, limit=3000),
    lab('refused', 3, 'B', 'no call to what is no server, and none without memory', refused),
    lab('signals', 3, 'B', 'a handler interrupts waiting, and loses no request and no answer', signals, limit=3000),
    lab('threads', 3, 'B', 'processes of several threads ask and serve, and nobody is kept out', threads, limit=3000),
    lab('pages', 2, 'B', 'no page is lost as servers come and go', pages, limit=2000),
    lab('window', 4, 'B', 'no request and no answer is lost, wherever the slice ends', window, limit=25000, args='slice=1000'),
]
