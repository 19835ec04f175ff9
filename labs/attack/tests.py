"""What the attack lab promises: each exploit breaks what its kernel should have kept, and nothing under the sound kernel.

Two libOSes are on the disk: the victim, account 2, and the attacker, account 3 (user/attack/attack.h). What is asked is
always what has become of the victim, as the kernel's tables, the memory and the disk have it at the end; an exploit may
say what it likes. The kernel of a test has one hole, labs/attack/kernels/; the same is then booted with the sound one."""
import hashlib
import struct

from graded import PAGE, Claim, Test, holds, show

IMAGE = 'attack'
VICTIM, ATTACKER = 2, 3
FREE, DATA = 0, 1  # enum page_type
NOTICE = 0x2071ce  # the tag of a page: user/attack/attack.h
BASE = 0x80000     # EXO_PPN_BASE


def plant(seed):
    """What lies in the victim's extent. Its first word is the secret."""
    return {'secret': hashlib.shake_256(f'attack {seed}'.encode()).digest(4 * PAGE)}


# ---- what has become of the victim ----

def pages(seen, account):
    """(ppn, record) of those that are the account's."""
    return [(BASE + i, p) for i, p in enumerate(seen.evidence.table('pages'))
            if p['account'] == account and p['type'] != FREE]


def memory(seen, ppn):
    at = (ppn - BASE) * PAGE
    return seen.evidence.ram[at:at + PAGE]


def leaked(seen):
    """The secret, where it lies in pages of the attacker's."""
    secret = seen.planted['secret'][:8]
    return [f'page {ppn:x}' for ppn, _ in pages(seen, ATTACKER) if secret in memory(seen, ppn)]


def notice_changed(seen):
    """The page that all may read and only the victim may write."""
    return [f'page {ppn:x}' for ppn, p in pages(seen, VICTIM)
            if p['tag'] == NOTICE and memory(seen, ppn) != seen.planted['secret'][PAGE:2 * PAGE]]


def disk_changed(seen):
    """Blocks of the victim's extent."""
    was = seen.planted['secret']
    start = next(e['start'] for e in seen.evidence.table('exts') if bytes(e['name']).rstrip(b'\0') == b'secret')
    now = seen.disk()[start * PAGE:][:len(was)]
    return [f'block {i}' for i in range(len(was) // PAGE) if now[i * PAGE:][:PAGE] != was[i * PAGE:][:PAGE]]


def cheated(seen):
    """Pages that the victim was promised and did not get."""
    victim, words = seen.evidence.table('accts')[VICTIM], seen.evidence.words()
    refused = [f'refused at {r.time}' for r in seen.of('page_alloc', VICTIM, refused=True)
               if victim['held'] < victim['reserve']]
    return refused[:1] if words['promised'] > words['free'] else []


def entries(seen):
    """Where an environment of an image made with user/rt is entered: FAULT, EPILOGUE, PROLOGUE, CALL."""
    return [seen.images['victim'].address(name) for name in ('fault_entry', 'epilogue_entry', 'prologue_entry', 'call_entry')]


def hijacked(seen):
    """The victim's environment is entered where it did not say, or the kernel had to stop it."""
    env = seen.end().of(VICTIM)[0]
    uareas = [v['uarea'] for v in seen.evidence.table('envs') if v['eid'] == env.eid]
    now = [list(seen.peek(ppn, 16, 4)) for ppn in uareas]
    wrong = [f'entries {", ".join(hex(w) for w in e)}' for e in now if e != entries(seen)]
    wrong += [f'upcall at {r.w[1]:x}' for r in seen.of('upcall') if r.eid == env.eid and r.w[1] not in entries(seen)]
    return (wrong + [f'stopped at {r.w[4]:x}' for r in seen.of('stop') if r.w[0] == env.eid])[:4]


# ---- the tests ----

def victim_lives(seen):
    """The exploit had somebody to attack."""
    return holds('the victim began', seen.end().of(VICTIM), must=True)


def last_word(seen):
    """Of the exploit, for who wrote it."""
    lines = [line for line in seen.text.split('\n')[1:] if line]
    return f'; the console says last: {lines[-1][:100]}' if lines else ''


def judged(what, harm):
    def check(seen):
        yield victim_lives(seen)
        yield victim_lives(seen.sound)
        done, sound = harm(seen), harm(seen.sound)
        yield Claim(f'with the kernel that has the hole, {what}', done, 'yes', f'no{last_word(seen)}', must=True)
        yield Claim(f'with the sound kernel, {what}', not sound, 'no', show(sound), must=True)
    return check


steals = judged('the victim\'s secret is in the attacker\'s memory', leaked)

LINES = ['name=victim image=victim pages={victim} envs=4 slots=4 extents=secret args={mode}',
         'name=attack image=attack pages=200 envs=4 slots=4 extents=mine console args={name}']


def test(name, points, promise, check, part, mode='holds', victim=200, **more):
    lines = [line.format(victim=victim, mode=mode, name=name) for line in LINES]
    settings = dict(limit=2000, mem='24M', trace_kb=8192)
    settings.update(more)
    return Test(name, points, promise, '', check, part=part, kernel=name, plant=plant, stops=False, lines=lines,
                images=('victim',), raws=('mine=16K', 'secret=16K'), **settings)


TESTS = [
    test('zero', 8, 'a page that is not zeroed tells the victim\'s secret', steals, 'A', mode='frees'),
    test('cap', 6, 'any capability opens the victim\'s page', steals, 'A'),
    test('protect', 8, 'a page that may be read is written to',
         judged('the victim\'s notice is changed', notice_changed), 'A'),
    test('table', 12, 'a page table is written by hand', steals, 'A'),
    test('owner', 6, 'the victim\'s extent is opened', steals, 'B'),
    test('extent', 8, 'a request goes past the end of its extent',
         judged('the victim\'s blocks are changed', disk_changed), 'B'),
    test('reserve', 8, 'all free pages are taken, promised or not',
         judged('the victim was refused a page below its reserve', cheated), 'B', mode='grows', victim=400),
    test('uarea', 10, 'the victim is entered where it did not say',
         judged('the victim\'s environment is not entered where it should be', hijacked), 'C'),
    test('fp', 10, 'floating-point registers tell the victim\'s secret', steals, 'C', mode='counts'),
    test('predicate', 12, 'a predicate reads a page that has changed hands', steals, 'C', mode='takes', limit=5000),
    test('tlb', 12, 'a hart goes on using a binding that is gone', steals, 'C', mode='takes', cpus=2, limit=20000,
         mem='32M', trace_kb=4096),
]
