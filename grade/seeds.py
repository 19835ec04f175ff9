#!/usr/bin/env python3
"""Slices of other lengths at every boot: do threads, pipes and locks lose a wakeup or an update, or starve anyone?

    seeds.py [--build DIR] [--from N] [--cpus N] COUNT     boots COUNT times, with seed=N and up

Each boot runs the tests of usertests that wait for one another. `not ok SEED: why` comes with the command that
repeats it; the last line counts the boots.
"""
import argparse
import concurrent.futures
import os
import sys

import run
import shell

TESTS = 'threadcond threadwait threadwake threadfork threadends one_pipe closed_pipes two_children'


def talk(config, guest, until, _):
    return shell.usertests(config, guest, until, TESTS)


def boot(seed, options):
    config = run.Run(f'seed-{seed}', 'testfs', cpus=options.cpus, args=f'seed={seed}', wall=120, talk=talk)
    text, status, late, lines = run.boot(config, argparse.Namespace(build=options.build, only=None, verbose=False))
    wrong = [line for ok, line in lines if ok is False]
    if late or status is None:
        wrong.append('not ok: not over in time:\n' + '\n'.join(run.quote_end(text)))
    return seed, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--from', dest='first', type=int, default=1)
    parser.add_argument('--cpus', type=int, default=1)
    parser.add_argument('count', type=int)
    options = parser.parse_args()
    os.chdir(run.TOP)
    run.take_guests_along()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for seed, wrong in pool.map(lambda n: boot(n, options), range(options.first, options.first + options.count)):
            failed += bool(wrong)
            for line in wrong:
                print(line)
            if wrong:
                print(f'    repeat: grade/seeds.py --cpus {options.cpus} --from {seed} 1', flush=True)
    print(f'{options.count - failed} passed, {failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
