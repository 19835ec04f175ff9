"""Tests of what files can be: large ones, and a full disk. For grade/run.py, as shell.py's sessions are; the work is
done by user/filetest.c."""
import shell
import typist

LARGE = 64  # MiB
TIMES = 10


def large_file(sh):
    """A file of 64 MiB is written, read back and removed."""
    said = typist.expect_match('filetest large', r'filetest: (\d+ MiB: .*)\n', sh.run(f'filetest large {LARGE}'))
    return said[1]


def copied_file(sh):
    """The same from and to memory that is not whole pages, so that all goes through the cache and the log."""
    said = typist.expect_match('filetest copied', r'filetest: (\d+ MiB: .*)\n', sh.run(f'filetest copied {LARGE}'))
    return 'through the cache, ' + said[1]


def full_disk(sh):
    """The disk is filled to the last block and emptied, and takes as much each time."""
    said = typist.expect_match('filetest full', r'filetest: (\d+ times (\d+) bytes fill the disk)\n',
                              sh.run(f'filetest full {TIMES}'))
    if int(said[2]) < 16 << 20:
        raise typist.Wrong(f'expected more than 16 MiB to fill the disk, saw {said[2]} bytes')
    return said[1]


def policies(sh):
    """Who reads more than the cache holds again and again is served best with MRU."""
    said = typist.expect_match('filetest policy', r'filetest: (requests with LRU (\d+), clock (\d+), MRU (\d+))\n',
                              sh.run('filetest policy'))
    lru, clock, mru = (int(said[i]) for i in (2, 3, 4))
    if mru > 0.75 * min(lru, clock):
        raise typist.Wrong(f'expected clearly fewest requests with MRU, saw {said[1]}')
    return said[1]


def talk_of(*tests):
    def talk(run, guest, until, only):
        return shell.talk(run, guest, until, [(t.__name__, t) for t in tests if only in (None, t.__name__)])
    return talk


large = talk_of(large_file, copied_file, policies)
full = talk_of(full_disk)
