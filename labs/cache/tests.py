"""What the cache lab promises, and how each promise is seen: by the disk's requests, of which the kernel has records.
The programs are in cachelab.c, what they share in files.h.

A disk has FILES files of which only the first block is used, so that nothing is read ahead and each request to read is
of one block into one frame. A program that opens and reads f007 uses, in this order: the blocks of the directory up to
that which has the name, the block of its inode, its data. With that known, a policy's choices can be judged one by one:
class Judge."""
import collections
import struct

import volume
from graded import U64, Claim, Test, at_least, at_most, equal

UNIX = 2          # the library OS's account
FILES = 310
FAVOURITES = 900
FRAMES = 256      # of a cache as small as it can be
SMALL = 'envs=100 pages=1800'
BIG = 10
STEP = 0x9e3779b97f4a7c15
LRU, CLOCK, MRU = range(3)
POLICIES = ['LRU', 'the clock', 'MRU']
READ, DISK_WRITE, FLUSH = range(3)


# ---- what is on the disk ----

def words(first):
    return [(first + j * STEP) & U64 for j in range(512)]


def pack(values):
    return struct.pack('<512Q', *values)


def make_files(value):
    """What the disk has, given fresh()."""
    files = {'pad': bytes(40 * volume.BLOCK)}  # so that what is read ahead of a program's file is none of the others
    files.update((f'f{i:03}', pack(words(value(i))) + b'.') for i in range(FILES))
    files['big'] = b''.join(pack(words(value(9000 + b))) for b in range(BIG))
    return files


def folded(values):
    fold = 0
    for v in values:
        fold = (fold * 31 + v) & U64
    return fold


def total_of(seen, order, changed=()):
    """The total of look(i) for all i in order; changed: {i: its first word}."""
    fold, total = {}, 0
    for i in order:
        if i not in fold:
            value = words(seen.fresh(i))
            if i in changed:
                value[0] = changed[i]
            fold[i] = folded(value)
        total = (total * 31 + fold[i]) & U64
    return total


# ---- what the disk was asked for ----

Request = collections.namedtuple('Request', 'seq op block count ppn')


class Disk:
    """The file system's blocks, and requests for them in the order in which they began."""

    def __init__(self, seen):
        self.volume = volume.Volume(seen.disk())
        self.entries = self.volume.entries()
        self.requests = []
        for r in seen.of('disk_start', account=None):
            if r.w[1] >> 16 == UNIX:
                self.requests.append(Request(r.seq, r.w[1] & 0xff, r.w[3] - self.volume.start, r.w[1] >> 8 & 0xff, r.w[4]))

    def block_of(self, name):
        return self.volume.blocks(self.entries[name][0])[0] if name in self.entries else None

    def files(self):
        """{block: number of the file whose first it is}."""
        return {self.block_of(f'f{i:03}'): i for i in range(FILES) if f'f{i:03}' in self.entries}

    def of(self, op, block):
        return [q for q in self.requests if q.op == op and q.block <= block < q.block + q.count]


def reads_of(disk, files):
    return [len(disk.of(READ, disk.block_of(f'f{i:03}'))) for i in files]


def read_once(seen, disk, files):
    wrong = [f'f{i:03} {n} times' for i, n in zip(files, reads_of(disk, files)) if n != 1]
    return equal('blocks of files that were not read exactly once', [], wrong, must=True)


def read_apart(seen):
    submit, end, under_way, twice = seen.number('disk_submit'), seen.number('disk_end'), {}, set()
    for r in seen.records:
        if r.event == submit and r.account == UNIX and r.w[0] & 0xff == READ:
            blocks = range(r.w[2], r.w[2] + (r.w[0] >> 8 & 0xff))
            twice |= {b for b in blocks if any(b in other for other in under_way.values())}
            under_way[r.w[4]] = blocks
        elif r.event == end:
            under_way.pop(r.w[0], None)
    return equal('blocks that were being read into two frames at a time', [], sorted(twice), must=True)


def on_disk(disk, changed):
    """The files whose first word is not what it should be on the disk. changed: {(i, at): value}."""
    wrong = []
    for (i, at), value in changed.items():
        saw = struct.unpack_from('<Q', disk.volume.block(disk.block_of(f'f{i:03}')), at * 8)[0]
        wrong += [f'f{i:03}'] if saw != value else []
    return equal('files that are not as they were written, on the disk at the end', [], wrong, must=True)


# ---- replacement ----

class Judge:
    """Follows a known order of uses, and looks at which frame was taken at each read that the disk was asked for.

    accesses: (number of the file, policy of who reads it). What the cache holds is what its frames were last read for.
    Until more has been used than fits it still holds blocks of before, which nobody knows: so the first `warm` accesses
    are not judged. The frames' numbers are the order in which the library OS got their pages."""

    def __init__(self, seen, disk, accesses, warm):
        self.disk, self.warm = disk, warm
        self.wrong, self.choices = [], 0
        self.names = {None: 'something older'}
        self.used = {}       # block: when it was last used; all that the cache holds
        self.mru = set()     # blocks whose last user had chosen CACHE_MRU
        self.marked = set()  # blocks used since the clock's hand passed
        self.hand = None     # number of the frame that it took last
        self.frame = {}      # block: its frame, where that is known
        self.number = {}
        for r in seen.of('page_alloc'):
            self.number.setdefault(r.w[4], len(self.number))
        self.pinned = self.find_pinned()
        order = self.blocks_of(accesses)
        known, files = {block for block, _, _ in order}, disk.files()
        reads = collections.deque(q for q in disk.requests if q.op == READ and q.block in known)
        self.before([q for q in disk.requests if q.op == READ], files)
        while reads and reads[0].block not in files:
            reads.popleft()
        self.now = 0
        for block, policy, step in order:
            self.use(block, policy, step, reads)
        if reads:
            self.blame('the last', f'{len(reads)} blocks were read when nobody used them, as {self.names[reads[0].block]}')
            self.choices = 0

    def before(self, reads, files):
        """What was read until the first of the files: while there are unused frames, they are taken in their order."""
        ppn_of = {n: ppn for ppn, n in self.number.items()}
        for q in reads:
            if q.block in files:
                break
            for k in range(q.count):
                ppn = ppn_of.get(self.number.get(q.ppn, -1 << 20) + k)
                self.frame = {b: other for b, other in self.frame.items() if other != ppn}
                self.frame[q.block + k] = ppn

    def find_pinned(self):
        """Blocks that init has changed, which the log keeps: the entries and inodes of its devices."""
        v, pinned = self.disk.volume, {self.disk.volume.inode_block(volume.ROOT)}
        for name in ('console', 'keys'):
            if name in self.disk.entries:
                inum, index = self.disk.entries[name]
                pinned |= {v.inode_block(inum), v.blocks(volume.ROOT)[index]}
        return pinned

    def blocks_of(self, accesses):
        v, order = self.disk.volume, []
        directory = v.blocks(volume.ROOT)
        for step, (i, policy) in enumerate(accesses):
            inum, index = self.disk.entries[f'f{i:03}']
            data = self.disk.block_of(f'f{i:03}')
            self.names[data] = f'f{i:03}'
            self.names[v.inode_block(inum)] = f'the block of f{i:03}\'s inode'
            order += [(b, policy, step) for b in directory[:index + 1] + [v.inode_block(inum), data]]
        self.names.update((b, 'the directory') for b in directory)
        return order

    def use(self, block, policy, step, reads):
        judged = step >= self.warm
        if reads and reads[0].block == block:
            self.read(block, policy, step, reads.popleft().ppn, judged)
        elif judged and block not in self.used:
            self.blame(step, f'{self.names[block]} was not read, though the cache cannot have had it')
        self.now += 1
        self.used[block] = self.now
        self.marked.add(block)
        (self.mru.add if policy == MRU else self.mru.discard)(block)

    def read(self, block, policy, step, ppn, judged):
        if judged and block in self.used:
            self.blame(step, f'{self.names[block]} was read again, though nothing had taken its frame')
        victim = next((b for b, other in self.frame.items() if other == ppn), None)
        if judged:
            self.choices += 1
            right = self.clock(ppn) if policy == CLOCK else self.by_use(policy)
            hidden = [b for b in self.used if b not in self.frame and b not in self.pinned]
            if victim is None and (right in hidden or policy == CLOCK and hidden):
                victim = right if right in hidden else min(hidden, key=self.used.get)  # in a frame that nobody knows
            elif victim != right:
                self.blame(step, f'to read {self.names[block]} the frame of {self.tell(victim)} was taken; by '
                           f'{POLICIES[policy]} it is that of {self.tell(right)}')
        for gone in (self.used, self.frame):
            gone.pop(victim, None)
        self.marked.discard(victim)
        self.frame[block] = ppn

    def by_use(self, policy):
        spare = [b for b in self.used if b not in self.pinned]
        oldest = min(spare, key=self.used.get)
        if policy == MRU and oldest in self.mru:
            return max((b for b in spare if b in self.mru), key=self.used.get)
        return oldest

    def clock(self, ppn):
        """What the hand comes to. It may begin anywhere: then it goes round once, as all have been used."""
        before, self.hand = self.hand, self.number[ppn]
        if before is None:
            self.marked.clear()
            return next((b for b, other in self.frame.items() if other == ppn), None)
        place = {b: (self.number[other] - before - 1) % (1 << 32) for b, other in self.frame.items()
                 if b in self.used and b not in self.pinned}
        turn = sorted(place, key=place.get)
        for b in turn + turn:
            if b not in self.marked:
                return b
            self.marked.discard(b)
        return None

    def tell(self, block):
        return self.names.get(block, f'block {block}') + (
            f' (used {self.now - self.used[block]} uses ago)' if block in self.used else '')

    def blame(self, step, text):
        self.wrong.append(f'access {step}: {text}')

    def claims(self):
        yield at_least('frames that were taken for other blocks', 30, self.choices, must=True)
        yield equal('choices that the policy would not have made', 0, len(self.wrong), 2,
                    must=len(self.wrong) > self.choices / 4)
        if self.wrong:
            yield Claim(f'the first: {self.wrong[0]}', False, weight=0)


# ---- the tests ----

def hit(seen):
    disk = Disk(seen)
    order = [seen.fresh(5000 + i) % 300 for i in range(20)]
    yield read_once(seen, disk, sorted(set(order)))
    yield seen.answered('total', total_of(seen, order * 3))


def shared(seen):
    disk, shift = Disk(seen), seen.seed % 60
    yield read_apart(seen)
    yield read_once(seen, disk, range(200, 260))
    for who in range(3):
        order = [FILES - 20 + who] + [200 + (i * (11 if who == 2 else 7) + shift) % 60 for i in range(60)]
        yield seen.answered(f'reader{who}', total_of(seen, order))


def fresh_blocks(seen):
    disk = Disk(seen)
    right = {f'new{i:02}': struct.pack('<Q', seen.fresh(3000 + i)) for i in range(24)}
    found = {name: disk.block_of(name) for name in right}
    yield equal('files that are not on the disk', [], [n for n, b in found.items() if b is None], must=True)
    wrong = [n for n, b in found.items() if disk.volume.block(b)[:8] != right[n]]
    yield equal('files that are not as they were written', [], wrong, must=True)
    wrong = [n for n, b in found.items() if any(disk.volume.block(b)[8:])]
    yield equal('files whose new block is not zero past their end', [], wrong)
    yield equal('new blocks that were read from the disk', [], [n for n, b in found.items() if disk.of(READ, b)])


def changes(seen, n):
    return {i: seen.fresh(4000 + i) for i in range(n)}


def dirty(seen):
    disk, changed = Disk(seen), changes(seen, 300)
    yield on_disk(disk, {(i, 0): v for i, v in changed.items()})
    lost = []
    for i in range(300):
        block = disk.block_of(f'f{i:03}')
        read = disk.of(READ, block)[:1]
        if read:
            taken = next((q for q in disk.requests if q.op == READ and q.ppn == read[0].ppn and q.seq > read[0].seq), None)
            wrote = [q for q in disk.of(DISK_WRITE, block) if taken and read[0].seq < q.seq < taken.seq]
            lost += [f'f{i:03}'] if taken and not wrote else []
    yield equal('files that were changed, and not in their places when their frames were taken', [], lost, must=True)
    yield seen.answered('total', total_of(seen, range(300), changed))


def kept(seen):
    disk, changed = Disk(seen), changes(seen, 30)
    yield on_disk(disk, {(i, 0): v for i, v in changed.items()})
    early = []
    log = range(disk.volume.log_start + 1, disk.volume.log_start + disk.volume.log_blocks)
    commit = next((q.seq for q in disk.requests if q.op == DISK_WRITE and q.block in log), 0)
    for i in range(30):
        early += [f'f{i:03}' for q in disk.of(DISK_WRITE, disk.block_of(f'f{i:03}')) if q.seq < commit]
    yield equal('blocks that went to their places before their transaction was in the log', [], early, must=True)
    yield equal('blocks that were read once more though the log keeps them', [],
                [f'f{i:03}' for i, n in enumerate(reads_of(disk, range(30))) if n > 1])
    yield seen.answered('total', total_of(seen, list(range(30, 300)) * 2 + list(range(30)), changed))


def held(seen):
    turns = collections.Counter(r.eid for r in seen.of('slice_end') if r.w[1] == 1)
    yield at_least('slices of one of the two that ended in the middle of its work', 5, max(turns.values(), default=0))
    yield at_least('reads of files meanwhile', 3000, sum(reads_of(Disk(seen), range(300))), must=True)
    yield seen.answered('wrong', 0, must=True)
    yield seen.answered('total', total_of(seen, list(range(300)) * 20))


def once():
    return list(range(FILES - 1, -1, -1))


def favourites(seen):
    for i in range(FAVOURITES):
        r = seen.fresh(5000 + i)
        yield (r >> 8) % (100 if r & 1 else FILES)


def favour(policy):
    def check(seen):
        order = once() + list(favourites(seen))
        judge = Judge(seen, Disk(seen), [(i, LRU if n < FILES else policy) for n, i in enumerate(order)], FILES)
        yield from judge.claims()
        yield seen.answered('total', total_of(seen, order))
    return check


def mru(seen):
    disk = Disk(seen)
    judge = Judge(seen, disk, [(i, LRU) for i in once()] + [(i, MRU) for i in once() * 3], FILES)
    yield from judge.claims()
    yield at_most(f'reads of {FILES} files, four times each, by a cache of {FRAMES} frames', FILES + 3 * 150,
                  sum(reads_of(disk, range(FILES))))
    total = total_of(seen, once())
    for _ in range(3):
        total = (total * 31 + total_of(seen, once())) & U64
    yield seen.answered('total', total)


def own(seen):
    disk, order, child, parent = Disk(seen), [(i, LRU) for i in once()], MRU, total_of(seen, once())
    others = [FILES - 1 - i % (FILES - 50) for i in range(480)]
    for turn in range(24):
        mine = [((turn * 20 + i) * 7 + seen.seed % 40) % 40 for i in range(20)]
        order += [(i, LRU) for i in mine] + [(i, MRU) for i in others[turn * 20:turn * 20 + 20]]
    judge = Judge(seen, disk, order, FILES)
    yield from judge.claims()
    yield equal('files of the one that were read again, as the other took their frames', [],
                [f'f{i:03}' for i, n in enumerate(reads_of(disk, range(40))) if n > 1])
    for i in [i for i, policy in order[FILES:] if policy == LRU]:
        parent = (parent * 31 + total_of(seen, [i])) & U64
    for i in others:
        child = (child * 31 + total_of(seen, [i])) & U64
    yield seen.answered('first', LRU)
    yield seen.answered('none', U64 - 1)
    yield seen.answered('second', MRU)
    yield seen.answered('parent', parent)
    yield seen.answered('child', child)


def racing(seen):
    disk, last = Disk(seen), {}
    for who in range(5):
        for i in range(100):
            r = seen.fresh(10000 + who * 1000 + i)
            last[((r >> 8) % 280, who)] = r
    yield on_disk(disk, last)
    yield read_apart(seen)
    yield at_least('blocks read', 300, len([q for q in disk.requests if q.op == READ]), must=True)


def cost(seen):
    """The reference takes 1,220 instructions."""
    disk = Disk(seen)
    times = {i: [r.time for r in seen.of('disk_start') if r.w[3] - disk.volume.start == disk.block_of(f'f{i:03}')]
             for i in range(1, 5)}
    yield equal('reads of each file', [1] * 4, [len(times[i]) for i in times], must=True)
    each = seen.instructions(times[4][0] - times[3][0]) // 1024 if all(times.values()) else None
    yield at_most('instructions of a read() of 8 bytes that finds its block', 1950, each)
    yield at_most('the same, within a tenth of what it takes the reference', 1340, each)


def files(name, *args, **kwargs):
    """A line of the table: all tests have these files, and a small cache."""
    kwargs = {'size': '8M', 'unix': SMALL, 'files': make_files, 'part': 'A', **kwargs}
    return Test(name, *args, **kwargs)


TESTS = [
    files('hit', 8, 'a block that was read is not read again', 'cachelab,hit,{seed}', hit),
    files('shared', 7, 'what one process has read another finds, even while it is being read', 'cachelab,shared,{seed}',
          shared, args='disk=5', limit=4000),
    files('fresh', 5, 'a new block is zero, and is not read', 'cachelab,fresh,{seed}', fresh_blocks),
    files('dirty', 10, 'a changed block is written before its frame is used for another', 'cachelab,dirty,{seed}', dirty),
    files('kept', 7, 'what the log keeps stays in memory, and away from its place', 'cachelab,kept,{seed}', kept),
    files('held', 5, 'a frame that somebody holds is not used for another block', 'cachelab,held,{seed}', held),
    files('racing', 8, 'several processes on several harts change and read the same blocks', 'cachelab,racing,{seed}',
          racing, cpus=4, args='disk=3', limit=12000, mem='128M', trace_kb=8192),
    files('lru', 15, 'what nobody has used for longest goes first', 'cachelab,lru,{seed}', favour(LRU)),
    files('clock', 10, 'the clock spares what was used since its hand passed', 'cachelab,clock,{seed}', favour(CLOCK),
          part='B'),
    files('mru', 10, 'of what is read again and again a part is always found', 'cachelab,mru,{seed}', mru, part='B'),
    files('own', 5, 'each process has its own policy, and what others use is safe from it', 'cachelab,own,{seed}', own,
          part='B'),
    files('cost', 5, 'to find a block costs little', 'cachelab,cost,{seed}', cost),
]
