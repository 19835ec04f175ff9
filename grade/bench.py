#!/usr/bin/env python3
"""What each kernel operation costs, in instructions: `make bench`.

    bench.py [--build DIR] [--test] [--accept]

Boots the kernel's tests with only=bench; the Unix libOS up to its prompt, and there threadbench, callbench, storebench
and copybench; and the libOSes kv and copier. All that under -icount with one hart and the disk in RAM, so that the
counts repeat. Prints them beside the targets and what was measured elsewhere, and the ratio of two forms of one thing;
fails if a count is over its target, or over 5 % above the one accepted before (grade/bench.accepted). --accept writes
that file; --test prints `ok` and `not ok` lines instead of the table.
"""
import argparse
import os
import re
import struct
import subprocess
import sys
import time

import run
import shell
import stub

TOP = run.TOP
ACCEPTED = os.path.join(TOP, 'grade', 'bench.accepted')

# name, what, target (0: none), and for comparison: seL4 16 on a RISC-V board's cycles, xv6-riscv, the prototype
ROWS = [
    ('empty', 'nothing', 0, '', '', ''),
    ('null', 'null call', 22, 122, 1128, 20),
    ('fault', "page fault to the libOS's first instruction", 28, 647, '', 25),
    ('fault-return', 'page fault to handler and back, nothing done', 40, 1423, '', 32),
    ('fault-bind', 'page fault, handler binds a page, load completes', 200, 2169, '', ''),
    ('call-there', "transfer: to the server's first instruction", 45, 249, '', 36),
    ('call', 'transfer: there and back', 95, 541, '', 76),
    ('call-account', 'transfer between accounts, s0-s11 saved', 170, '', '', ''),
    ('yield', 'yield to a named environment: same account', 60, 421, 7400, 51),
    ('yield-account', 'yield to a named environment: another', 95, 421, 7400, 51),
    ('quantum', 'timer, epilogue, yield, next prologue', 110, '', 32121, 87),
    ('bind', 'bind one page', 90, 718, '', ''),
    ('bind-batch', 'bind a page of a batch of 100', 40, '', '', ''),
    ('unbind', 'unbind one page', 90, 672, '', ''),
    ('unbind-batch', 'unbind a page of a batch of 100', 40, '', '', ''),
    ('page-alloc', 'a page, zeroed', 0, '', '', ''),
    ('page-alloc-unzeroed', 'a page taken back, not zeroed', 0, '', '', ''),
    ('page-free', 'a page given back', 0, '', '', ''),
    ('dirty', 'Appel and Li: is a page dirty?', 0, '', '', ''),
    ('prot1', 'Appel and Li: a page less writable', 0, '', '', ''),
    ('prot100', 'Appel and Li: 100 pages less writable', 0, '', '', ''),
    ('unprot100', 'Appel and Li: 100 pages writable again', 0, '', '', ''),
    ('trap', 'Appel and Li: a store refused, C handler', 0, '', '', ''),
    ('appel1', 'Appel and Li: a page: trap, let it go, protect another', 0, '', '', ''),
    ('appel2', 'Appel and Li: a page of prot100: trap, let it go', 0, '', '', ''),
    ('thread-live', 'end of slice, change of threads: integer registers', 0, '', '', ''),
    ('thread-all', 'the same, floating point saved and brought back', 0, '', '', ''),
    ('thread-yield', 'thread_yield(), change of threads', 0, '', '', ''),
    ('rpc-call', 'rpc_call(): to a server process and back, same hart', 0, '', '', ''),
    ('rpc-pipes', 'the same through two pipes', 0, '', '', ''),
    ('store-files', 'a store on files, of the Unix libOS: an operation', 0, '', '', ''),
    ('store-kv', 'the same by a libOS of its own, user/kv/', 0, '', '', ''),
    ('copy-files', '16 MiB from file to file, read() and write()', 0, '', '', ''),
    ('copy-extents', 'the same from extent to extent, user/copier.c', 0, '', '', ''),
    ('scan-lru', 'a file of 1400 pages through 1024 frames: LRU', 0, '', '', ''),
    ('scan-mru', 'the same: MRU', 0, '', '', ''),
    ('prompt', 'first kernel instruction to the prompt, 128 MiB', 5000000, '', 421000000, ''),
]

# Two forms of one thing, the dearer one first.
RATIOS = [('thread-all', 'thread-live'), ('rpc-pipes', 'rpc-call'), ('store-files', 'store-kv'),
          ('copy-files', 'copy-extents'), ('scan-lru', 'scan-mru')]


def rows(config, build):
    """What one boot counted, by name, and all that it said."""
    text, _, _, _ = run.boot(config, argparse.Namespace(build=build, only=None, verbose=False))
    return {name: int(n) for name, n in re.findall(r'^bench ([\w-]+) (-?\d+)$', text, re.M)}, text


def kernel_rows(build):
    config = run.Run('bench', 'ktest', args='only=bench budget=100', extra=run.ICOUNT)
    return rows(config, build)


def program_rows(build, program, size=None):
    config = run.Run(f'bench-{program}', 'testfs', args='budget=100', extra=run.ICOUNT, talk=shell.types(program), size=size)
    return rows(config, build)[0]


def libos_rows(build, raw, line):
    """The same work as a program's, by a library OS that is made for it."""
    config = run.Run('bench-libos', 'first', status=None, extra=run.ICOUNT, talk=shell.says('done\n'), raw=raw, lines=[line])
    return rows(config, build)[0]


def symbol(path, name):
    """Its value in an ELF file: the first symbol table's, whose names are in the section it links to."""
    with open(path, 'rb') as f:
        elf = f.read()
    start, size, count = struct.unpack_from('<Q10xHH', elf, 40)
    sections = [struct.unpack_from('<4xI16xQQI', elf, start + i * size) for i in range(count)]
    at, length, link = next(s[1:] for s in sections if s[0] == 2)
    names = sections[link][1]
    for entry in range(at, at + length, 24):
        offset, value = struct.unpack_from('<I4xQ', elf, entry)
        if elf.startswith(name.encode() + b'\0', names + offset):
            return value
    raise OSError(f'{path}: no {name}')


def prompt_row(build):
    """From the first instruction to the shell's first look at what was typed: the prompt is written then. The
    guest does not notice that it is watched. Not sleep=off, under which time passes for a guest that is stopped;
    until the prompt no hart sleeps, so the counts are the same."""
    config = run.Run('prompt', 'unix', extra=['-icount', 'shift=0'])
    debugger = stub.Debugger(config.wall)
    command = run.qemu_command(config, build, run.make_disk(config, build), None) + debugger.options
    guest = run.Guest(command, [debugger.guests.fileno()])
    debugger.guests.close()
    try:
        first = debugger.time_at(0x80200000)
        last = debugger.time_at(symbol(f'{build}/kernel.elf', 'do_cons_read'))
        prompt = guest.wait_for(r'^\$ ', 0, time.monotonic() + 5)
        return last - first if prompt else None
    finally:
        guest.close()


def accepted():
    if not os.path.exists(ACCEPTED):
        return {}
    with open(ACCEPTED, encoding='ascii') as f:
        return {name: int(n) for name, n in (line.split() for line in f if line.strip())}


def verdict(name, target, saw, before):
    if saw is None:
        return 'expected a count, saw none'
    if target and saw > target:
        return f'expected at most {target}, saw {saw}'
    if name in before and saw > before[name] * 1.05:
        return f'expected at most 5 % over the {before[name]} accepted, saw {saw}'
    return ''


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    parser.add_argument('--test', action='store_true')
    parser.add_argument('--accept', action='store_true')
    options = parser.parse_args()
    os.chdir(TOP)
    run.take_guests_along()
    try:
        saw, text = kernel_rows(options.build)
        for program in ('threadbench', 'callbench', 'storebench'):
            saw.update(program_rows(options.build, program))
        saw.update(program_rows(options.build, 'copybench', size='48M'))
        saw.update(libos_rows(options.build, '16M', 'name=kv image=kv pages=300 console extents=store args=7.2000'))
        saw.update(libos_rows(options.build, '40M', 'name=copier image=copier pages=200 console extents=from,to'))
        saw['prompt'] = prompt_row(options.build)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f'not ok bench: {error}')
    if len(saw) < 2:
        print('\n'.join(run.quote_end(text)))
    before = accepted()
    failed = False
    if not options.test:
        print(f'{"":20}{"":50}{"now":>10}{"target":>10}{"seL4":>7}{"xv6-riscv":>11}{"prototype":>10}')
    for name, what, target, sel4, xv6, prototype in ROWS:
        why = verdict(name, target, saw.get(name), before)
        failed |= bool(why)
        if options.test:
            print(f'not ok bench/{name}: {why}' if why else f'ok bench/{name}')
        else:
            print(f'{name:20}{what:50}{saw.get(name) or 0:10}{target or "":>10}{sel4:>7}{xv6:>11}{prototype:>10}'
                  f'{"  over" if why else ""}')
    for more, less in RATIOS:
        if not options.test and saw.get(more) and saw.get(less):
            print(f'{f"{more} : {less}":70}{saw[more] / saw[less]:10.2f}')
    if options.accept:
        with open(ACCEPTED, 'w', encoding='ascii') as f:
            f.writelines(f'{name} {saw[name]}\n' for name, *_ in ROWS if saw.get(name))
    return 1 if failed and not options.accept else 0


if __name__ == '__main__':
    sys.exit(main())
