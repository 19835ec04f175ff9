"""What the fs lab promises, and how each promise is seen. The programs are in fslab.c.

The kernel keeps what was written to the disk, in its order, with the flushes (Seen.tape()). build/cuts makes of that
every disk that a power cut could have left (mkfs/cuts.c), up to a bound, and says what each is worth once its log is
replayed as libos/fsformat.h has it: whether fsck passes, and which files there are. Here it is judged whether those are
files that there may be: all that was done up to some call, and that is one between the last that was made durable and
the last that had begun. The submission's own recovery is tried on the same disks (labs/fs/image/recover.c)."""
import bisect
import collections
import os
import re
import struct
import subprocess

import volume
from graded import U64, Claim, NoRun, Test, at_least, at_most, equal, fresh

UNIX = 2
STEP = 0x9e3779b97f4a7c15
CALL, SYNC = 0x6361, 0x7379  # fslab.c's marks
READ, WRITE, FLUSH = range(3)
BLOCK = volume.BLOCK
NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'sub/a', 'sub/b']
RECORD_MAGIC, ANCHOR_MAGIC = 0x52474f4c36565845, 0x41474f4c36565845
ALSO = ['recover']


# ---- what files there may be ----

def content(value, n):
    """What fslab.c's bytes() gives."""
    data = b''.join(struct.pack('<Q', (value + i * STEP) & U64) for i in range((n + 7) // 8))
    return data[:n]


def fold(data):
    total = 0
    for (word,) in struct.iter_unpack('<Q', data + bytes(-len(data) % 8)):
        total = (total * 31 + word) & U64
    return total


class Files:
    """A directory as the calls so far have made it; states[i] is what there was after i calls."""

    def __init__(self, at):
        self.at, self.names, self.states, self.folds = at, {}, [{}], {}

    def path(self, name):
        return f'{self.at}/{name}'

    def has_parent(self, name):
        return '/' not in name or 'sub' in self.names

    def done(self):
        state = {self.at: ('directory', 0, 0)}
        for name, file in self.names.items():
            if file is None:
                state[self.path(name)] = ('directory', 0, 0)
            else:
                links = sum(other is file for other in self.names.values())
                if file[0] not in self.folds:
                    self.folds[file[0]] = fold(file[0])
                state[self.path(name)] = (links, len(file[0]), self.folds[file[0]])
        self.states.append(state)

    def make(self, name, value, n):
        fits = self.has_parent(name)
        if fits:
            self.names.setdefault(name, [b''])[0] = b''
        self.done()
        if fits:
            self.names[name][0] = content(value, n)
            self.done()

    def append(self, name, value, n):
        file = self.names.get(name)
        if file is not None and len(file[0]) <= 30000:
            file[0] += content(value, n)
        self.done()

    def link(self, name, other):
        if name in self.names and other not in self.names and self.has_parent(other):
            self.names[other] = self.names[name]
        self.done()

    def unlink(self, name):
        self.names.pop(name, None)
        self.done()

    def mkdir(self):
        self.names.setdefault('sub', None)
        self.done()

    def rmdir(self):
        if not any(name.startswith('sub/') for name in self.names):
            self.names.pop('sub', None)
        self.done()

    def change(self, r, value):
        name, other = NAMES[(r >> 8) % 8], NAMES[(r >> 16) % 8]
        n, blocks, what = 1 + (r >> 24) % 9000, BLOCK * (1 + (r >> 24) % 8), r % 12
        if what < 4:
            self.make(name, value, blocks if what == 3 else n)
        elif what < 6:
            self.append(name, value, blocks if what == 5 else n)
        elif what < 8:
            self.link(name, other)
        elif what < 10:
            self.unlink(name)
        elif what == 10:
            self.mkdir()
        else:
            self.rmdir()


def begun(seed, with_sync=True):
    files = Files('/w')
    files.done()
    if with_sync:
        files.make('sync', seed, 8)
    return files


def changes_of(seed, n):
    files = begun(seed)
    for i in range(n):
        files.change(fresh(seed, i), fresh(seed, 1000 + i))
    return {0: files}


def bare_of(seed):
    files = begun(seed)
    for i in range(20):
        r = fresh(seed, i)
        name = NAMES[r % 6]
        if r & 64:
            files.unlink(name)
        files.append(name, r, BLOCK * (4 + (r >> 8) % 3))
        files.make(NAMES[r // 7 % 6], r, BLOCK * (4 + (r >> 16) % 5))
    return {0: files}


def order_of(seed):
    files = begun(seed, False)
    for i in range(40):
        files.make(NAMES[i % 6], fresh(seed, i), 1 + fresh(seed, 100 + i) % 12000)
    return {0: files}


def together_of(seed):
    all_files = {0: begun(seed, False)}
    for who in range(1, 4):
        files = all_files[who] = Files(f'/w/p{who}')
        files.done()
        for i in range(16):
            r = fresh(seed, who * 100 + i)
            files.make(NAMES[r % 5], r, 1 + (r >> 8) % 5000)
            if r >> 32 & 1:
                files.unlink(NAMES[r // 5 % 5])
    return all_files


# ---- when it was what ----

class Timeline:
    """Which calls had begun, and which were promised, when so many blocks had been written."""

    def __init__(self, seen):
        mark, start, end = seen.number('mark'), seen.number('disk_start'), seen.number('disk_end')
        self.began, self.ended = [0], [0]  # of each write, counted from 1
        self.calls, self.syncs = collections.defaultdict(list), collections.defaultdict(list)
        requests = {}
        for r in seen.records:
            if r.event == mark and r.account == UNIX and r.w[0] & 0xffff in (CALL, SYNC):
                (self.calls if r.w[0] & 0xffff == CALL else self.syncs)[r.w[0] >> 16].append((r.seq, r.w[1]))
            elif r.event == start:
                requests[r.w[0]] = r.seq
            elif r.event == end and r.w[1] & 0xff == WRITE:
                count = r.w[1] >> 8 & 0xff
                self.began += [requests[r.w[0]]] * count
                self.ended += [r.seq] * count
        self.began.append(1 << 62)

    def before_calls(self):
        """How many writes there were before any call had begun."""
        first = min([marks[0][0] for marks in self.calls.values()] or [self.began[-1]])
        return next(n for n, seq in enumerate(self.began) if seq >= first) - 1

    @staticmethod
    def last(marks, seq):
        i = bisect.bisect_left(marks, (seq, 0))
        return marks[i - 1][1] if i else 0

    def may_be(self, who, n, lossy):
        """(least, most) calls whose effects may be there after n writes; lossy: before the flush that comes next."""
        return (self.last(self.syncs[who], self.ended[n] if lossy else self.began[n + 1]),
                self.last(self.calls[who], self.began[n + 1]))


def tell(found, state):
    """How what was found differs from what may be there."""
    for path in sorted(set(found) | set(state)):
        f, s = found.get(path), state.get(path)
        if f == s:
            continue
        name = path[3:] or path
        if f is None:
            return f'{name} is lost'
        if s is None:
            return f'{name} is there, which it should not be'
        if f[1] != s[1]:
            return f'{name} has {f[1]} bytes, not {s[1]}'
        if f[2] != s[2]:
            return f'{name} has other contents'
        return f'{name} counts {f[0]} links, not {s[0]}'
    return 'nothing'


class Cuts:
    """What build/cuts says of a run's writes. cut: (writes, kind, violations, state, hash, next, begun)."""

    def __init__(self, seen, out=None):
        base = f'{seen.disk_path}'
        self.path = out or f'{base}.cuts'
        with open(f'{base}.tape', 'wb') as f:
            f.write(seen.disk()[-seen.test.tape * BLOCK:])
        said = subprocess.run([f'{seen.build}/cuts', base, f'{base}.tape', str(seen.seed), self.path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        os.unlink(f'{base}.tape')
        if not out and os.path.exists(self.path):
            os.unlink(self.path)
        self.trouble = said.stderr.decode().strip()
        self.cuts, self.states, self.broken = [], [], {}
        lines = iter(said.stdout.decode('utf-8', 'replace').splitlines())
        for line in lines:
            words = line.split(' ')
            if words[0] == 'cut':
                self.cuts.append((int(words[1]), words[2], int(words[3]), int(words[4]), int(words[5], 16), int(words[6]),
                                  int(words[7])))
            elif words[0] == 'broken':
                self.broken[len(self.cuts)] = ' '.join(words[3:])
            elif words[0] == 'state':
                self.states.append(self.state(lines))
        self.writes = max((c[0] for c in self.cuts), default=0)

    @staticmethod
    def state(lines):
        found = {}
        for line in lines:
            if line == 'end':
                break
            path, kind, links, size, total = line.rsplit(' ', 4)
            found[path] = ('directory', 0, 0) if kind == '1' else (int(links), int(size), int(total, 16))
        return found

    def where(self, i):
        """After write 17 of 42, without write 15."""
        n, kind = self.cuts[i][:2]
        which = re.sub(r'\D', '', kind)
        kind = re.sub(r'\d', '', kind)
        text = {'all': '', 'torn': ', which is there in part', 'without': f', without write {which}',
                'only': f', with write {which} alone of those since the flush',
                'some': ', with some of those since the flush'}[kind]
        return f'after write {n} of {self.writes}{text}'

    def claims(self, least):
        yield Claim(self.trouble, not self.trouble, must=True)
        yield at_least('power cuts tried', least, len(self.cuts), must=True)
        yield at_least('blocks written', 60, self.writes, must=True)
        wrong = [f'{self.where(i)}: fsck says: {text}' for i, text in sorted(self.broken.items())]
        yield from some('power cuts after which the file system is damaged', wrong)

    def legal(self, seen, all_files, lower):
        """Claims that each process's files are those that it had between two calls; `lower`: not before the last fsync."""
        times, wrong, lost = Timeline(seen), [], []
        if len(times.ended) != self.writes + 1:
            yield Claim('the trace and the tape differ in what was written', False, must=True)
            return
        cache = {}
        for i, (n, kind, bad, state, *_) in enumerate(self.cuts):
            if bad:
                continue
            for who, files in all_files.items():
                least, most = times.may_be(who, n, kind != 'all0')
                key = (who, least, most, state)
                if key not in cache:
                    cache[key] = self.judge(files, all_files, least, most, state)
                if cache[key]:
                    (lost if cache[key][0] == 'lost' else wrong).append(f'{self.where(i)}: {cache[key][1]}')
        if lower:
            yield from some('power cuts after which something is gone that fsync had returned for', lost)
        yield from some('power cuts after which files are in a state that no call has left', wrong)

    def at_end(self, files):
        """A claim that nothing is missing when the machine was switched off, not cut."""
        state = next(state for n, kind, _, state, *_ in reversed(self.cuts) if kind == 'all0' and n == self.writes)
        found = {} if state >= len(self.states) else self.states[state]
        yield equal('what is wrong with the files after the end', 'nothing', tell(found, files.states[-1]), must=True)

    def judge(self, files, all_files, least, most, state):
        others = tuple(f.at for f in all_files.values() if f is not files and f.at.startswith(files.at + '/'))
        found = {p: v for p, v in self.states[state].items() if p == files.at or p.startswith(files.at + '/')}
        found = {p: v for p, v in found.items() if not any(p == o or p.startswith(o + '/') for o in others)}
        if found in files.states[least:most + 1]:
            return None
        if found in files.states[:least]:
            return 'lost', tell(found, files.states[least])
        near = min(files.states[least:most + 1] or [{}],
                   key=lambda s: sum(found.get(p) != s.get(p) for p in set(found) | set(s)))
        return 'wrong', tell(found, near)


def some(what, wrong):
    yield equal(what, 0, len(wrong), must=True)
    for text in wrong[:3]:
        yield Claim(text, False, weight=0)


# ---- the log itself ----

def label_sum(seed, data):
    total = seed ^ 0xcbf29ce484222325
    for (word,) in struct.iter_unpack('<Q', data):
        total = (total ^ word) * 0x100000001b3 & U64
        total ^= total >> 32
    return total


Record = collections.namedtuple('Record', 'sequence blocks data')


class Order:
    """Follows the writes, and says which broke the rules of libos/log.h."""

    def __init__(self, seen):
        v = self.v = volume.Volume(seen.disk())
        self.ring = v.log_blocks - 1
        self.first = v.log_start + 1
        with open(seen.disk_path, 'rb') as f:
            base = f.read()
        was = volume.Volume(base)
        self.slots = [was.block(self.first + i) for i in range(self.ring)]
        self.slot_time = [0] * self.ring
        self.tail, self.sequence = self.anchor(was.block(v.log_start))
        self.wrong, self.records, self.anchors = [], 0, 0
        self.newest = {}    # block: (data, whether its record is durable), of the newest whole record that has it
        self.home = {}      # block: data in its place, durably
        self.pending = {}   # block: data written there since the last flush
        self.live = []      # records since the anchor: (record, slots)
        self.heads = {}
        n = 0
        for entry in seen.tape():
            if entry is None:
                self.flush()
                continue
            n += 1
            block = entry[0] - v.start
            if block == v.log_start:
                self.move(n, entry[1])
            elif self.first <= block < self.first + self.ring:
                self.log(n, block - self.first, entry[1])
            elif block >= v.inode_start:
                self.place(n, block, entry[1])
        self.writes = n

    @staticmethod
    def anchor(data):
        magic, _, _, sequence, tail = struct.unpack_from('<QQQQI', data)
        return (tail, sequence) if magic == ANCHOR_MAGIC else (None, None)

    def name(self, block):
        v = self.v
        kind = 'inodes' if block < v.bitmap_start else 'bitmap' if block < v.data_start else 'data'
        return f'block {block} ({kind})'

    def blame(self, n, text):
        self.wrong.append(f'write {n}: {text}')

    def log(self, n, slot, data):
        for record, slots in self.live:
            if slot in slots:
                self.blame(n, f'record {record.sequence} was written over before the anchor had moved past it, durably')
        self.slots[slot], self.slot_time[slot] = data, n
        self.heads[slot] = struct.unpack_from('<Q', data)[0] == RECORD_MAGIC
        self.look()

    def look(self):
        """Is there a whole record that was not there before?"""
        for slot, is_head in list(self.heads.items()):
            if not is_head:
                continue
            _, _, _, sequence, count = struct.unpack_from('<QQQQI', self.slots[slot])
            slots = [(slot + i) % self.ring for i in range(count + 1)]
            if count >= self.ring or any(r.sequence == sequence for r, _ in self.live):
                continue
            total = label_sum(0, self.slots[slot][:BLOCK - 8])
            for s in slots[1:]:
                total = label_sum(total, self.slots[s])
            if total == struct.unpack_from('<Q', self.slots[slot], BLOCK - 8)[0]:
                blocks = struct.unpack_from(f'<{count}I', self.slots[slot], 40)
                self.live.append((Record(sequence, blocks, [self.slots[s] for s in slots[1:]]), slots))
                self.records += 1
                self.heads[slot] = False
                for b, s in zip(blocks, slots[1:]):
                    self.newest[b] = (self.slots[s], False)

    def flush(self):
        self.newest = {b: (data, True) for b, (data, _) in self.newest.items()}
        self.home.update(self.pending)
        self.pending = {}
        if hasattr(self, 'moved') and self.moved is not None:
            self.live = [(r, s) for r, s in self.live if r.sequence >= self.moved]
            self.moved = None

    def place(self, n, block, data):
        record = self.newest.get(block)
        if record is None:
            self.blame(n, f'{self.name(block)} went to its place, and no record in the log has it')
        elif not record[1]:
            self.blame(n, f'{self.name(block)} went to its place before its record was durable')
        elif record[0] != data:
            self.blame(n, f'{self.name(block)} went to its place as no record has it')
        self.pending[block] = data

    def move(self, n, data):
        _, sequence = self.anchor(data)
        self.anchors += 1
        if sequence is None:
            self.blame(n, 'the anchor is no anchor')
            return
        for record, _ in self.live:
            for block, data_ in zip(record.blocks, record.data):
                newer = any(block in r.blocks for r, _ in self.live if r.sequence > record.sequence)
                if record.sequence < sequence and not newer and self.home.get(block) != data_:
                    self.blame(n, f'the anchor moved past record {record.sequence} before {self.name(block)} was in its '
                               'place, durably')
        self.moved = sequence


# ---- the tests ----

def count(seen, op):
    return len([r for r in seen.of('disk_start') if r.w[1] & 0xff == op and r.w[1] >> 16 == UNIX])


def whole(seen):
    cuts = Cuts(seen)
    yield from cuts.claims(300)
    files = changes_of(seen.seed, 56)
    yield from cuts.legal(seen, files, False)
    yield from cuts.at_end(files[0])


def durable(seen):
    cuts = Cuts(seen)
    yield from cuts.claims(300)
    yield from cuts.legal(seen, changes_of(seen.seed, 26), True)
    yield at_least('flushes', 10, count(seen, FLUSH), must=True)


def order(seen):
    followed = Order(seen)
    yield at_least('records that were written to the log', 8, followed.records, must=True)
    yield at_least('times that the anchor moved', 3, followed.anchors, must=True)
    yield from some('writes that came too early', followed.wrong)
    final = volume.Volume(seen.disk())
    right, found = order_of(seen.seed)[0].states[-1], found_at_end(final)
    yield equal('files that are not as they were written, at the end', [],
                sorted(p[3:] for p in right if p != '/w' and found.get(p) != right[p][1:]))


def found_at_end(v):
    where, found = v.names.get('w'), {}
    for name, (inum, _) in v.entries(where).items() if where else ():
        if name not in ('.', '..'):
            data = v.read(inum)
            found[f'/w/{name}'] = (len(data), fold(data))
    return found


def together(seen):
    cuts = Cuts(seen)
    yield from cuts.claims(200)
    yield from cuts.legal(seen, together_of(seen.seed), True)
    runs = {r.eid for r in seen.of('mark') if r.w[0] & 0xffff == CALL}
    yield at_least('processes that changed files', 4, len(runs), must=True)


def full(seen):
    v = volume.Volume(seen.disk())
    right = {}
    for who in range(1, 5):
        for i in range(12):
            data = content(seen.fresh(who * 100 + i), 24000)
            right[f'/w/f{who}{i % 4}'] = (len(data), data)
    right = {p: (n, fold(data)) for p, (n, data) in right.items()}
    found = found_at_end(v)
    yield seen.answered('wrong', 0)
    yield equal('files that are not as they were written', [], sorted(p[3:] for p in right if found.get(p) != right[p]),
                must=True)
    anchors = [r for r in seen.of('disk_start') if r.w[1] & 0xff == WRITE and r.w[3] == v.start + v.log_start]
    yield at_least('times that the log began anew', 4, len(anchors), must=True)


def group(seen):
    """The reference takes 1."""
    v = volume.Volume(seen.disk())
    found = found_at_end(v)
    right = {f'/w/g{chr(97 + who)}': content(seen.fresh(who), 96) + content(seen.fresh(100 + who), 8) for who in range(1, 13)}
    yield equal('files that are not as they were written', [],
                sorted(p[3:] for p in right if found.get(p) != (104, fold(right[p]))), must=True)
    syncs = [r for r in seen.of('mark') if r.w[0] & 0xffff == SYNC]
    yield equal('processes for which fsync returned', 12, len({r.eid for r in syncs if r.w[0] >> 16}), must=True)
    begin, end = syncs[0].seq, syncs[-1].seq
    flushes = [r for r in seen.of('disk_end') if r.w[1] & 0xff == FLUSH and begin < r.seq < end]
    first = min(r.seq for r in syncs if r.w[0] >> 16)
    yield at_least('flushes before the first of them returned', 1, len([r for r in flushes if r.seq < first]), must=True)
    yield at_most('flushes for twelve processes that all call fsync', 6, len(flushes), 2)
    yield at_most('the same, as few as the reference', 2, len(flushes))


def cost(seen):
    """The reference takes 5.48 blocks, 1.26 flushes and 90,800 instructions for each file."""
    times = [r.time for r in seen.of('mark') if r.w[0] & 0xffff == CALL]
    yield at_least('calls', 50, len(times), must=True)
    begins, last = times[3], times[-1]
    inside = [r for r in seen.of('disk_start') if begins <= r.time <= last and r.w[1] >> 16 == UNIX]
    blocks = sum(r.w[1] >> 8 & 0xff for r in inside if r.w[1] & 0xff == WRITE) / 23
    flushes = len([r for r in inside if r.w[1] & 0xff == FLUSH]) / 23
    each = seen.instructions(last - begins) // 23
    yield at_least('blocks written for each file', 3, blocks, must=True)
    yield at_least('flushes for each file', 1, flushes, must=True)
    for what, saw, part, right in (('blocks written', blocks, 8.8, 6.03), ('flushes', flushes, 2.02, 1.39),
                                   ('instructions', each, 145000, 99900)):
        yield at_most(f'{what} for each file that is made and synced twice', part, saw)
        yield at_most('the same, within a tenth of what it takes the reference', right, saw)


# ---- logs that were made by hand ----

def make_record(v, sequence, pairs, spoil=False, generation=None):
    """A record's blocks, head first; pairs: [(block, data)]."""
    magic_id = struct.unpack_from('<QQ', v.block(0), 48)
    head = bytearray(BLOCK)
    struct.pack_into('<QQQQI', head, 0, RECORD_MAGIC, magic_id[0], magic_id[1] if generation is None else generation,
                     sequence, len(pairs))
    struct.pack_into(f'<{len(pairs)}I', head, 40, *(b for b, _ in pairs))
    total = label_sum(0, bytes(head[:BLOCK - 8]))
    for _, data in pairs:
        total = label_sum(total, data)
    struct.pack_into('<Q', head, BLOCK - 8, total ^ spoil)
    return [bytes(head)] + [data for _, data in pairs]


def page(value):
    return content(value, BLOCK)


def six_files(value):
    return {f'r{i}': page(value(300 + i)) for i in range(6)}


def new_contents(value, torn):
    """What r0 to r5 have once the log is replayed."""
    new = {0: 400, 1: 411, 2: 412, 3: 403}
    if not torn:
        new[4] = 420
    return [page(value(new.get(i, 300 + i))) for i in range(6)]


def log_made(torn):
    """The disk with records of which the second goes round the end of the ring and changes a block of the first again."""
    def make(maker):
        path = maker.usual()
        with open(path, 'rb') as f:
            image = bytearray(f.read())
        v, value = volume.Volume(bytes(image)), maker.fresh
        block = [v.blocks(v.names[f'r{i}'])[0] for i in range(6)]
        ring = v.log_blocks - 1
        data = {n: page(value(n)) for n in (400, 401, 403, 411, 412, 420, 430)}
        records = [make_record(v, 7, [(block[0], data[400]), (block[1], data[401])]),
                   make_record(v, 8, [(block[1], data[411]), (block[2], data[412])]),
                   make_record(v, 9, [(block[3], data[403])]),
                   make_record(v, 10, [(block[4], data[420])], spoil=torn)]
        # One more, whole, which must not come: it is another generation's, or follows one that is not whole.
        records.append(make_record(v, 11, [(block[5], data[430])], generation=None if torn else 99))
        at = tail = ring - 4
        for record in records:
            for b in record:
                to = (v.start + v.log_start + 1 + at % ring) * BLOCK
                image[to:to + BLOCK] = b
                at += 1
        anchor = bytearray(BLOCK)
        struct.pack_into('<QQQQI', anchor, 0, ANCHOR_MAGIC, *struct.unpack_from('<QQ', v.block(0), 48), 7, tail)
        struct.pack_into('<Q', anchor, 40, label_sum(0, bytes(anchor[:40])))
        to = (v.start + v.log_start) * BLOCK
        image[to:to + BLOCK] = anchor
        with open(path, 'wb') as f:
            f.write(image)
        return path
    return make


def replayed(torn):
    def check(seen):
        v, right = volume.Volume(seen.disk()), new_contents(seen.fresh, torn)
        wrong = [f'r{i}' for i in range(6) if v.read(v.names[f'r{i}']) != right[i]]
        yield equal('files that are not as the log had them, on the disk at the end', [], wrong, must=True)
        for i in range(6):
            yield seen.answered(f'r{i}', fold(right[i]))
        heads = [struct.unpack_from('<QQQQ', data) for block, data in (e for e in seen.tape() if e)
                 if v.log_start < block - v.start < v.log_start + v.log_blocks]
        new = [h[3] for h in heads if h[0] == RECORD_MAGIC]
        yield at_least('records that were written afterwards', 1, len(new), must=True)
        yield at_least('the number of the first of them', 11, min(new, default=0), 2)
        cuts = Cuts(seen)
        yield Claim(cuts.trouble, not cuts.trouble, must=True)
        n, anchors = Timeline(seen).before_calls(), []
        for i, (block, data) in enumerate([e for e in seen.tape() if e][:n]):
            if block - v.start == v.log_start:
                n = n if anchors else i + 1  # until then it is recovery that writes
                anchors.append(struct.unpack_from('<QQQQ', data)[3])
        bad = [f'{cuts.where(i)}: fsck says: {text}' for i, text in sorted(cuts.broken.items()) if cuts.cuts[i][0] <= n]
        yield at_least('the number in the anchor when the log had been replayed', 11, anchors[-1] if anchors else 7, 2)
        lost = [f'{cuts.where(i)}: what the log had is not in place, nor in the log'
                for i, c in enumerate(cuts.cuts) if c[0] <= n and not c[2] and c[4] != cuts.cuts[0][4]]
        yield from some('power cuts, while the log is replayed, which leave the file system damaged', bad)
        yield from some('power cuts, while the log is replayed, after which something of it is gone', lost)
    return check


# ---- the submission's recovery, on every one of the disks ----

def all_cuts(maker):
    """Has another test's program run, makes the disks, and a disk with all of them."""
    seen = maker.boot(source())
    trouble = seen.trouble()
    cuts = None if trouble else Cuts(seen, f'{maker.path}.all')
    for end in ('disk', 'ram') if not maker.options.keep else ():
        os.unlink(f'{maker.out}/{seen.test.name}.{end}')
    if trouble or cuts.trouble:
        raise NoRun(['the disks are made of what "fslab changes" writes, which is run as in the test "whole"; that run failed:'] +
                    (trouble or [cuts.trouble]), seen)
    maker.test.kept[maker.path] = cuts
    size = os.path.getsize(cuts.path) // BLOCK
    command = [f'{maker.options.build}/mkfs', '-o', maker.path, '-s', str(size + 200), '--boot',
               f'{maker.options.build}/first.img', '--libos', f'recover={maker.out}/recover.img', '--raw', f'cuts={size}',
               '--fs-size', '0', '--line', 'name=recover pages=4000 envs=2 console extents=cuts']
    subprocess.run(command, check=True)
    with open(maker.path, 'r+b') as f, open(cuts.path, 'rb') as data:
        image = f.read(BLOCK)
        start = next(struct.unpack_from('<16sI', image, at)[1] for at in range(32, 800, 24)
                     if image[at:at + 5] == b'cuts\0')
        f.seek(start * BLOCK)
        f.write(data.read())
    os.unlink(cuts.path)
    return maker.path


def anywhere(seen):
    cuts = seen.test.kept.pop(seen.disk_path)
    said = {m[1]: (int(m[2], 16), int(m[3], 16), int(m[4]), int(m[5]), int(m[6])) for m in
            re.finditer(r'^cut (\d+x?) ([0-9a-f]+) ([0-9a-f]+) (\d+) (\d+) (\d+)$', seen.text, re.M)}
    failed, wrong, again, reused, second = [], [], [], [], []
    for i, (n, _, bad, _, right, following, is_begun) in enumerate(cuts.cuts):
        if bad:
            continue
        if str(i) not in said:
            failed.append(f'{cuts.where(i)}: it never came back')
            continue
        error, saw, _, once_more, sequence = said[str(i)]
        if error:
            failed.append(f'{cuts.where(i)}: log_recover() returned -{error}')
        elif saw != right:
            wrong.append(f'{cuts.where(i)}: the blocks are not as the log had them')
        elif once_more:
            again.append(f'{cuts.where(i)}: ' + {1: 'the second time it failed', 2: 'the second time it still wrote something',
                                                3: 'it did not release all that it held'}.get(once_more, '?'))
        elif is_begun and sequence <= following:
            reused.append(f'{cuts.where(i)}: record {following} was begun, and its number would be given again')
        if f'{i}x' in said and (said[f'{i}x'][0] or said[f'{i}x'][1] != right):
            second.append(f'{cuts.where(i)}, and once more during recovery')
    yield at_least('disks that were recovered', 300, len(said), must=True)
    yield at_least('of them, those with something to put in place', 60, len([s for s in said.values() if s[2]]), must=True)
    yield from some('disks that were not recovered', failed)
    yield from some('disks that were recovered wrongly', wrong)
    yield from some('disks that were wrong when recovery was cut off, and came again', second)
    yield equal('disks whose log was not empty then', 0, len(again))
    yield from (Claim(text, False, weight=0) for text in again[:2])
    yield equal('records whose numbers would be given twice', 0, len(reused))
    yield from (Claim(text, False, weight=0) for text in reused[:2])


def source():
    return run('source', 0, '', 'changes', whole, tape=1100)


def run(name, points, promise, mode, check, **kwargs):
    kwargs = {'size': '3M', 'part': 'A', **kwargs}
    return Test(name, points, promise, f'fslab,{mode},{{seed}}', check, **kwargs)


TESTS = [
    run('order', 10, 'nothing goes to its place before its record is durable', 'order', order, tape=1100),
    run('whole', 15, 'whenever the power goes, a call is there as a whole or not at all', 'changes', whole, tape=1100),
    run('durable', 10, 'what fsync returned for is there', 'durable', durable, tape=1100),
    run('together', 7, 'that of several processes too', 'together', together, tape=1100),
    run('full', 8, 'who finds the log full waits, and does not fail', 'full', full),
    run('replay', 10, 'what was committed is in place after mounting', 'replay', replayed(False), tape=200, part='B',
        files=six_files, disk=log_made(False)),
    run('torn', 5, 'a record that is not whole is none, nor is what follows it', 'replay', replayed(True), tape=200, part='B',
        files=six_files, disk=log_made(True)),
    run('anywhere', 15, 'recovery makes every disk whole that a cut can leave, and when it is cut itself', '', anywhere, part='B',
        disk=all_cuts, seeds=False, limit=6000),
    run('group', 7, 'many that wait for the disk share a commit', 'group', group, args='disk=5', limit=3000, part='C'),
    run('cost', 8, 'a commit costs what it must', 'cost', cost, part='C'),
]
TESTS[7].run, TESTS[7].kept = '', {}
