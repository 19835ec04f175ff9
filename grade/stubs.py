#!/usr/bin/env python3
"""Can any file of libos/ be taken out and rebuilt? For each, the image is linked with a stub in its place that has the
same functions, each of which returns -1; and what it offers must be functions alone, declared in a header unless
only assembly calls them.

    stubs.py --build DIR --cross PREFIX        prints `ok stubs: FILE` or `not ok stubs: FILE: why`
"""
import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ASSEMBLY = ['libos/entry.S', 'libos/fault.S', 'libos/thread.S', 'libos/upcall.S', 'libos/worker.S']


def symbols(cross, path):
    """(name, kind) of what an object offers to others: T is a function, all else data."""
    said = subprocess.run([f'{cross}nm', '-g', '--defined-only', path], stdout=subprocess.PIPE, check=True).stdout
    return [tuple(line.split()[:0:-1]) for line in said.decode().splitlines()]


def stub(names):
    lines = ['.text']
    for name in names:
        lines += [f'.globl {name}', f'{name}:', 'li a0, -1', 'ret']
    return '\n'.join(lines) + '\n'


def check(source, objects, headers, options):
    """What is wrong with this file's borders, or None."""
    own = f'{options.build}/{source}.o'
    offers = symbols(options.cross, own)
    data = [name for name, kind in offers if kind not in 'Tt']
    if data:
        return f'its variables are seen by others: {", ".join(data)}'
    hidden = [name for name, _ in offers if not re.search(rf'\b{name}\s*\(|\bcall +{name}$', headers, re.M)]
    if hidden:
        return f'declared in no header: {", ".join(hidden)}'
    base = f'{options.build}/stubs/{os.path.basename(source)}'
    with open(f'{base}.S', 'w', encoding='ascii') as f:
        f.write(stub(name for name, _ in offers))
    gcc = [f'{options.cross}gcc', '-march=rv64imac_zicsr_zifencei', '-mabi=lp64', '-mcmodel=medany']
    subprocess.run(gcc + ['-c', '-o', f'{base}.o', f'{base}.S'], check=True)
    link = subprocess.run(gcc + ['-nostdlib', '-static', '-no-pie', '-Wl,-S,-T,libos/unix.ld', '-o', f'{base}.elf',
                                 f'{base}.o'] + [o for o in objects if o != own],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return f'the others do not link: {link.stdout.decode()[-300:]}' if link.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--cross', default='riscv64-unknown-elf-')
    options = parser.parse_args()
    os.chdir(TOP)
    os.makedirs(f'{options.build}/stubs', exist_ok=True)
    sources = sorted(glob.glob('libos/*.c'))
    objects = [f'{options.build}/{s}.o' for s in sources + ASSEMBLY]
    headers = ''
    for path in sorted(glob.glob('libos/*.h')) + ASSEMBLY:
        with open(path, encoding='utf-8') as f:
            headers += f.read()
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda source: check(source, objects, headers, options), sources))
    for source, wrong in zip(sources, found):
        failed += wrong is not None
        print(f'not ok stubs: {source}: {wrong}' if wrong else f'ok stubs: {source}')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
