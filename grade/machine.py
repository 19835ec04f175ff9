"""What a trace says happened: replays the kernel's records and keeps who owns which page, what every address space
binds, and which environments there are, as the kernel had them after each record.

    m = Machine(layout)
    for r in records:
        m.step(r)          m.spaces[root].at[va], m.held[account], m.envs[eid] ...

Everything comes from records that the kernel wrote (kernel/include/exo/trace.h); no mark, and no word of a program.
A and D bits are the hardware's and in no record.
"""
import collections
import struct

REC = struct.Struct('<QQIHBB5Q')
Record = collections.namedtuple('Record', 'seq time eid event hart account w')
Binding = collections.namedtuple('Binding', 'ppn bits')

VALID, READ, WRITE, EXEC = 1, 2, 4, 8


def records_of(evidence):
    """All records of a run whose rings did not wrap, of all harts, in their order."""
    records = []
    for ring in evidence.read()['ring'][:evidence.head['nharts']]:
        at = ring['pa'] - 0x80000000
        raw = evidence.ram[at:at + min(ring['head'], ring['n']) * REC.size]
        records += [Record(*f[:6], f[6:]) for f in REC.iter_unpack(raw)]
    return sorted(records) if evidence.head['nharts'] > 1 else records


class Space:
    """An address space: what is bound where."""

    def __init__(self, root):
        self.root, self.at, self.tables = root, {}, {}

    def pages(self, begin=0, end=1 << 38):
        return {va: b for va, b in self.at.items() if begin <= va < end}


class Env:
    """An environment, as long as it lives; `parent` is the one that made it."""

    def __init__(self, eid, root, account, parent, uva):
        self.eid, self.root, self.account, self.parent, self.uva = eid, root, account, parent, uva
        self.runs = 0  # slices begun


class Machine:
    """The state after the records stepped through so far."""

    def __init__(self, layout):
        self.nr = {name: number for number, name in layout.calls.items()}
        self.event = {name[6:].lower(): number for number, name in layout.enums['trace_event'].items()}
        self.refused = layout.defines['TRACE_REFUSED']
        self.spaces, self.envs, self.owner = {}, {}, {}
        self.held = collections.Counter()
        self.writers = {}  # ppn: {(root, va)} that may write it
        self.order = []    # every environment ever, oldest first
        calls = {'page_alloc': self.page_alloc, 'page_free': self.page_free, 'page_give': self.page_give,
                 'pt_link': self.pt_link, 'pt_unlink': self.pt_unlink, 'bind': self.bind, 'protect': self.protect,
                 'unbind': self.unbind, 'env_new': self.env_new, 'env_space': self.env_space}
        self.do = {self.nr[name]: f for name, f in calls.items()}
        self.do.update({self.event['end']: self.env_end, self.event['sweep']: self.sweep,
                        self.event['slice']: self.slice})

    def named(self, name):
        """The event number of a call or another event, as in Record.event."""
        return self.nr.get(name) or self.event[name]

    def step(self, r):
        f = self.do.get(r.event)
        if f:
            f(r)

    def of(self, account):
        """Environments that the account ever had, oldest first."""
        return [e for e in self.order if e.account == account]

    # ---- pages ----

    def own(self, ppn, account):
        old = self.owner.pop(ppn, 0)
        self.held[old] -= old != 0
        if account:
            self.owner[ppn] = account
            self.held[account] += 1

    def page_alloc(self, r):
        self.own(r.w[4], r.account)

    def page_free(self, r):
        self.own(r.w[0], 0)

    def page_give(self, r):
        self.own(r.w[0], r.w[1])

    def sweep(self, r):
        self.own(r.w[0], 0)

    # ---- address spaces ----

    def space(self, root):
        return self.spaces.setdefault(root & 0xffffffff, Space(root & 0xffffffff))

    def put(self, root, va, binding):
        space = self.space(root)
        old = space.at.pop(va, None)
        key = (space.root, va)
        if old and old.bits & WRITE:
            self.writers[old.ppn].discard(key)
        if binding:
            space.at[va] = binding
            if binding.bits & WRITE:
                self.writers.setdefault(binding.ppn, set()).add(key)

    def pt_link(self, r):
        if r.w[2] == 2:
            self.spaces[r.w[0]] = Space(r.w[0])
        else:
            self.space(r.w[0]).tables[(r.w[2], r.w[1])] = r.w[3]

    def pt_unlink(self, r):
        if r.w[2] == 2:
            self.spaces.pop(r.w[0], None)
        else:
            self.space(r.w[0]).tables.pop((r.w[2], r.w[1]), None)

    def bind(self, r):
        self.put(r.w[0], r.w[1], Binding(r.w[2], r.w[3] & 0x3ff))

    def protect(self, r):
        old = self.space(r.w[0]).at.get(r.w[1])
        if old:
            self.put(r.w[0], r.w[1], Binding(old.ppn, old.bits & ~r.w[2] | r.w[3] & 0x3ff))

    def unbind(self, r):
        self.put(r.w[0], r.w[1], None)

    # ---- environments ----

    def env_new(self, r):
        env = Env(r.w[4], r.w[1], self.owner.get(r.w[1], r.account), r.eid, r.w[3])
        self.envs[env.eid] = env
        self.order.append(env)

    def env_space(self, r):
        if r.w[0] in self.envs:
            self.envs[r.w[0]].root = r.w[1]

    def env_end(self, r):
        self.envs.pop(r.w[0], None)

    def slice(self, r):
        if r.eid in self.envs:
            self.envs[r.eid].runs += 1
