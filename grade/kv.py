"""What the key-value library OS (user/kv/) leaves in its extent, and what it must be.

    kv.py DISK     shows the report of a disk image that has an extent `store`
"""
import collections
import struct
import sys

SIZE = '4M'  # of its extent in the tests
EXTENT = b'store'
BLOCK = 4096
KEYS = 12000
MAGIC = 0x3676786579656b76
FIELDS = 'magic run seed ops done digest wrong hits misses written given cycles'
Report = collections.namedtuple('Report', FIELDS)
WORD = (1 << 64) - 1


def expected(seed, ops):
    """The digest of all answers."""
    state, digest, version = seed, 0, {}

    def draw(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & WORD
        return (state >> 33) % n

    for i in range(ops):
        a, b, what = draw(KEYS), draw(KEYS), draw(10)
        key = min(a, b)
        if what < 4:
            version[key], answer = i + 1, 1
        elif what < 9:
            answer = first_word(key, version[key]) if key in version else 0
        else:
            answer = int(version.pop(key, None) is not None)
        digest = ((digest ^ answer) * 0x100000001b3) & WORD
    return digest


def first_word(key, version):
    x = key << 32 ^ version
    x = ((x ^ x >> 30) * 0xbf58476d1ce4e5b9) & WORD
    return x ^ x >> 27


def report(disk):
    """What it wrote last; None before it did, or if there is no such extent in the label (kernel/include/exo/image.h)."""
    with open(disk, 'rb') as f:
        label = f.read(BLOCK)
        for at in range(32, 32 + 24 * struct.unpack_from('<I', label, 12)[0], 24):
            name, start = struct.unpack_from('<16sI', label, at)
            if name.rstrip(b'\0') == EXTENT:
                f.seek(start * BLOCK)
                r = Report(*struct.unpack_from('<12Q', f.read(BLOCK)))
                return r if r.magic == MAGIC else None
    return None


def wrong_with(r):
    """What is not as it must be: '' if nothing."""
    if not r or r.done < r.ops:
        return 'it has not come to its end'
    if r.wrong:
        return f'{r.wrong} wrong answers'
    want = expected(r.seed, r.ops)
    return '' if r.digest == want else f'digest of its answers: expected {want:x}, saw {r.digest:x}'


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    r = report(sys.argv[1])
    if not r:
        sys.exit('no report')
    print(' '.join(f'{name} {value}' for name, value in r._asdict().items() if name != 'magic'))
    print(wrong_with(r) or 'all as it must be')


if __name__ == '__main__':
    main()
