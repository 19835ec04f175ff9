"""What the fork lab promises, and how each promise is seen. The programs are in forklab.c."""
from graded import PAGE, PROGRAM_END, U64, UNIX, WRITE, Test, at_most, births, equal, holds, sum_of

PAGES = 48


# ---- what the right answers are ----

def data(seen):
    return [seen.fresh(p) for p in range(PAGES)]


def chosen(seen, side):
    return [p for p in range(PAGES) if seen.fresh(100 + p) >> side & 1]


def changed(seen, side):
    picked = set(chosen(seen, side))
    return [(v + side + 1) & U64 if p in picked else v for p, v in enumerate(data(seen))]


# ---- what the kernel saw ----

def program(m, env):
    return m.spaces[env.root].pages(0, PROGRAM_END)


def bind_nothing_twice(seen):
    """No page of a program is writable in two address spaces, at any moment."""
    twice = set()
    for r, m in seen.replay():
        if seen.names.get(r.event) in ('bind', 'protect') and r.w[1] < PROGRAM_END:
            b = m.space(r.w[0]).at.get(r.w[1])
            if b and b.bits & WRITE and len({root for root, va in m.writers[b.ppn] if va < PROGRAM_END}) > 1:
                twice.add(r.w[1])
    return equal('pages that two processes could both write to', [], sorted(twice), must=True)


def forked(seen, n):
    """Children were made by the kernel's calls, as many as promised, and ran."""
    made = [(child.eid, r.seq) for r, m, parent, child in births(seen)]
    ran = {r.eid for r in seen.of('slice')}
    return equal('children that the kernel saw run', n, len([e for e, _ in made if e in ran]), must=True)


# ---- the tests ----

def child(seen):
    n = 3 + seen.fresh(0) % 5
    yield forked(seen, n)
    for i in range(n):
        yield seen.answered(f'child{i}', seen.fresh(i + 1) & 127)


def isolated(seen):
    yield forked(seen, 1)
    yield seen.answered('child', sum_of(changed(seen, 1)))
    yield seen.answered('before', sum_of(data(seen)), must=True)
    yield seen.answered('parent', sum_of(changed(seen, 0)))


def nested(seen):
    depth = 4 + seen.fresh(0) % 4
    yield forked(seen, depth)
    values = data(seen)
    for i in range(depth + 1):
        yield seen.answered(f'level{i}', sum_of(values))
        values[i] = (values[i] + seen.fresh(200 + i)) & U64


def files(seen):
    yield forked(seen, 2)
    yield seen.answered('pipe', seen.fresh(0))
    yield seen.answered('offset', seen.fresh(0))


def registers(seen):
    yield forked(seen, 1)
    product = (seen.fresh(0) & 0xffff) * (seen.fresh(1) & 0xffff)
    yield seen.answered('child', product, must=True)
    yield seen.answered('parent', product, must=True)


def constants(seen):
    yield forked(seen, 1)
    page = seen.program.address('constant') & -PAGE
    writable, born = [], False
    for r, m in seen.replay():
        born = born or (r.event == m.named('env_ctl') and m.envs.get(r.w[0]) in m.of(UNIX)[2:])
        if born and seen.names.get(r.event) in ('bind', 'protect') and r.w[1] == page:
            b = m.space(r.w[0]).at.get(page)
            writable += [r.seq] if b and b.bits & WRITE else []
    yield equal('times that the constant\'s page became writable', 0, len(writable), must=True)
    yield seen.answered('killed', 1)
    yield seen.answered('value', 42, must=True)


def shares(seen):
    yield forked(seen, 1)
    yield seen.answered('before', sum_of(data(seen)), must=True)
    yield bind_nothing_twice(seen)
    for _, m, parent, kid in births(seen):
        a, b = program(m, parent), program(m, kid)
        yield equal('pages that the child lacks', [], sorted(hex(va) for va in a if va not in b), must=True)
        yield equal('pages of its own that the child was born with', [],
                    sorted(hex(va) for va in b if va not in a or a[va].ppn != b[va].ppn), 2)
        yield equal('pages that one of the two could write to at its birth', [],
                    sorted(hex(va) for s in (a, b) for va in s if s[va].bits & WRITE))


def copies(seen):
    """The parent writes first, so it gets copies of all that it writes to; the child, of what is still shared."""
    yield forked(seen, 1)
    yield bind_nothing_twice(seen)
    base = seen.program.address('data')
    kid, own, theirs = None, set(), set()
    for r, m in seen.replay():
        if kid and r.event == m.named('bind') and 0 <= r.w[1] - base < PAGES * PAGE:
            page, root = (r.w[1] - base) // PAGE, r.w[0] & 0xffffffff
            if r.w[2] != shared.get(r.w[1]):
                (own if root == kid.root else theirs if root == parent.root else set()).add(page)
        if not kid and r.event == m.named('env_ctl') and m.envs.get(r.w[0]) in m.of(UNIX)[2:]:
            kid, parent = m.envs[r.w[0]], m.envs[r.eid]
            shared = {va: b.ppn for va, b in program(m, kid).items()}
    wrote = chosen(seen, 0)
    yield equal('pages that the parent got copies of', wrote, sorted(theirs), must=True)
    yield equal('pages that the child got copies of', [p for p in chosen(seen, 1) if p not in wrote], sorted(own), must=True)
    yield seen.answered('child', sum_of(changed(seen, 1)))
    yield seen.answered('parent', sum_of(changed(seen, 0)))


def last(seen):
    yield forked(seen, 1)
    yield seen.answered('sum', sum_of((v + 1) & U64 for v in data(seen)), must=True)
    base, end, gone, allocated, bound = seen.program.address('data'), None, False, 0, 0
    end = base + PAGES * PAGE
    for r, m in seen.replay():
        gone = gone or (r.event == m.named('end') and len(m.of(UNIX)) == 3)
        if gone and r.event == m.named('bind') and base <= r.w[1] < end:
            bound += 1
    yield equal('pages copied for the parent after the child had ended', 0, bound)


def again(seen):
    yield forked(seen, 12)
    held = [m.held[UNIX] for _, m, _, _ in births(seen)]
    yield equal('pages that the library OS held at each child\'s birth, after the first', [held[1]] * (len(held) - 1),
                held[1:], must=True)
    yield seen.answered('sum', sum_of(data(seen)))


def exhausted(seen):
    n = seen.answers.get('first')
    yield holds('some children could be made', n, f'{n} children', must=True)
    yield forked(seen, 2 * (n or 0))
    held = [(m.held[UNIX], len(m.envs)) for _, m, _, _ in births(seen)]
    firsts = [held[i] for i in (0, n or 0) if i < len(held)]
    yield equal('pages held, and environments, at the first birth of each round', firsts[:1] * 2, firsts, must=True)
    yield seen.answered('second', n)
    yield seen.answered('end', seen.fresh(0))


def cost(seen):
    """The reference takes 461,500 instructions a round, what it costs the kernel to record it included."""
    yield forked(seen, 6)
    times = [r.time for r, _, _, _ in births(seen)]
    rounds = [seen.instructions(b - a) for a, b in zip(times, times[1:])]
    worst = max(rounds) if rounds else None
    yield at_most('instructions of a fork, exit and wait of a process of 200 pages and more', 750000, worst, 2)
    yield at_most('the same, within a tenth of what it takes the reference', 508000, worst)


TESTS = [
    Test('child', 10, 'a child begins as its parent was, and its parent gets its exit status', 'forklab,child,{seed}', child,
         part='A'),
    Test('isolated', 10, 'what one side writes the other does not see', 'forklab,isolated,{seed}', isolated, part='A'),
    Test('nested', 10, 'a child can fork, and its child', 'forklab,nested,{seed}', nested, part='A'),
    Test('files', 5, 'a child has its parent\'s descriptors, and shares their offsets', 'forklab,files,{seed}', files,
         part='A'),
    Test('registers', 5, 'both sides go on with the registers as they were, floating point too',
         'forklab,registers,{seed}', registers, part='A'),
    Test('again', 10, 'no page is lost by a fork, a copy, an exit', 'forklab,again,{seed}', again, part='A'),
    Test('exhausted', 10, 'a fork for which there is no room fails, and leaves nothing behind', 'forklab,exhausted,{seed}',
         exhausted, part='A', unix='envs=8'),
    Test('shares', 10, 'a fork copies no page, and leaves none writable on either side', 'forklab,isolated,{seed}', shares,
         part='B'),
    Test('copies', 10, 'exactly the pages that are written to are copied', 'forklab,isolated,{seed}', copies, part='B'),
    Test('constants', 5, 'what could not be written to before cannot be now', 'forklab,constants,{seed}', constants,
         part='B'),
    Test('last', 5, 'the last of those who shared a page takes it without a copy', 'forklab,last,{seed}', last, part='B'),
    Test('cost', 5, 'a fork costs what binding its pages costs', 'forklab,cost,{seed}', cost, part='B'),
]
for each in TESTS:
    each.trace_kb = 4096  # twice what any of them needs
