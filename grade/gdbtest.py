"""Tests of make gdb's commands (grade/exogdb.py), of backtraces, and of record and replay: part of viewtest.py."""
import os
import re
import subprocess
import sys
import time

import record
import run
from expect import Wrong

GDB_WALL = 60


def gdb(options, sock, commands, *more):
    """What GDB says in a batch; each command by itself, so that an error is said and no end."""
    script = f'{options.folder}/commands.gdb'
    with open(script, 'w', encoding='utf-8') as f:
        f.write('\n'.join(commands) + '\n')
    tool = subprocess.run(['grade/setup', 'gdb'], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    wait_for(sock)
    said = subprocess.run([tool, '-q', '-nx', '-batch', '-iex', 'set auto-load no', '-ex', 'set architecture riscv:rv64',
                           '-ex', 'set trust-readonly-sections on', *more, '-ex', f'target remote {sock}', '-x', script,
                           f'{options.build}/kernel.elf'], env=dict(os.environ, EXO_BUILD=options.build, DEBUGINFOD_URLS=''),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=GDB_WALL).stdout
    return said.decode()


def wait_for(path, seconds=40):
    end = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise Wrong(f'nobody made {path}')
        time.sleep(0.05)


def said_all(text, patterns):
    """All of them, in this order."""
    at = 0
    for what, pattern in patterns:
        match = re.compile(pattern, re.M).search(text, at)
        if not match:
            raise Wrong(f'{what}: {pattern!r} is not in what GDB said:\n{text[-3000:]}')
        at = match.end()


def follow(options, args, script, wanted, *more):
    """A machine that runs `cat README`, under GDB."""
    sock = f'{options.folder}/gdb.sock'
    config = run.Run('gdb', 'unix', args=f'{args} run=cat,README', extra=run.ICOUNT)
    guest = run.Guest(run.qemu_command(config, options.build, f'{options.build}/fs.img', None) +
                      ['-S', '-gdb', f'unix:{sock},server=on,wait=off'])
    try:
        said_all(gdb(options, sock, script, *more), wanted)
    finally:
        guest.process.kill()
        guest.close()
        os.unlink(sock)


def commands(options):
    """The exo commands, symbols that follow, and a backtrace from the kernel to the program; and GDB without Python."""
    python = ['-x', 'grade/exogdb.py']
    follow(options, 'trace=ring', ['exo break cat main', 'continue', 'tbreak do_cons_write', 'continue', 'backtrace',
                                   'exo envs', 'exo slots', 'exo pt $sp', 'exo pt 0x18', 'exo page 0x80500', 'exo trace 3'],
           [('a breakpoint of one program', r'^Breakpoint 1, main .*user/cat.c'),
            ('the kernel', r'^#0 +do_cons_write'), ('its border', r'<signal handler called>'),
            ('the library OS', r' sys_write .*libos/file.c'), ('its gate', r'<signal handler called>'),
            ('the program', r' main .*user/cat.c'),
            ('environments', r'^ +[0-9a-f]+ +1 +0 WAITING .* first$'), ('who runs', r' RUNNING .* \* unix cat$'),
            ('slots', r'^hart 0 slot +2: eid +[0-9a-f]+ account 2'),
            ('tables', r'level 0, entry .*[0-9a-f]+, V\|'), ('a page', r'page [0-9a-f]+: data, account 2, binds 1'),
            ('a page by its number', r'^page 80500: '), ('records', r'(?:^ +\d+ +\d+ us .*\n){3}')], *python)
    follow(options, '', ['exo symbols unix', 'tbreak upcall_fault', 'continue', 'backtrace', 'exo trace'],
           [('a fault', r'^#0 +upcall_fault'), ('its upcall', r'<signal handler called>'),
            ('who made it', r'^#2 +(0x\w+ in )?\w+ \('), ('no trace', r'keeps no trace')], *python)
    follow(options, '', ['tbreak first_start', 'continue', 'backtrace'], [('where the kernel begins', r' boot_high .*\n(?!Backtrace stopped)')])
    follow(options, '', ['tbreak do_cons_write', 'continue', 'backtrace 2', 'exo envs'],
           [('the kernel', r'^#0 +do_cons_write'), ('its border', r'^#1 +<signal handler called>'),
            ('no Python, no exo', r'Undefined command: "exo"')])


def planted(name):
    """The line of user/stray.c that goes astray."""
    with open('user/stray.c', encoding='utf-8') as f:
        return next(i for i, line in enumerate(f, 1) if name in line)


def backwards(options):
    """A recording replays the same; from the wrong value a watchpoint leads back to the store that made it."""
    folder, sock = f'{options.folder}/replay', f'{options.folder}/back.sock'
    tool = [sys.executable, 'grade/record.py', '--build', options.build, '--folder', folder]
    says = [subprocess.run(tool + more, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=GDB_WALL, check=False).stdout.decode()
            for more in (['replay'], ['--disk', f'{options.build}/testfs.img', '--args', 'run=stray', 'record'], ['replay'])]
    said_all(says[0], [('no recording', 'no recording in ')])
    for text in says[1:]:
        said_all(text, [('the wrong value', r'stray: account 0 has 26, should have 1000')])
    guest = run.Guest(tool + ['--listen', sock, 'gdb'])
    try:
        text = gdb(options, sock, ['exo break stray wrong', 'continue', 'watch -l bank.balance[0]', 'reverse-continue',
                                   'info line *$pc', 'backtrace'], '-x', 'grade/exogdb.py')
        said_all(text, [('the wrong value is found', r'^Breakpoint 1, wrong'),
                        ('its change', r'^Old value = 26\nNew value = 1000$'),
                        ('the store', rf'^Line {planted("bank.last[at] = amount")} of "user/stray.c"'),
                        ('who made it', r'^#1 .* move ')])
    finally:
        guest.process.terminate()
        guest.close()
    with open(f'{folder}/machine.json', encoding='utf-8') as f:
        about = f.read()
    with open(f'{folder}/machine.json', 'w', encoding='utf-8') as f:
        f.write(about.replace(record.digest(f'{options.build}/kernel.elf'), '0' * 32))
    text = subprocess.run(tool + ['replay'], stdout=subprocess.PIPE, check=False).stdout.decode()
    said_all(text, [('another kernel', r'is of another \S*kernel.elf than there is now')])


def pasted(options):
    """A line that comes at once, longer than the serial line's queue, is recorded whole, and comes again."""
    tool = [sys.executable, 'grade/record.py', '--build', options.build, '--folder', f'{options.folder}/replay']
    digits = '0123456789' * 5
    guest = run.Guest(tool + ['--disk', f'{options.build}/fs.img', 'record'])
    try:
        end = time.monotonic() + GDB_WALL
        if guest.wait_for(r'^\$ ', 0, end):
            guest.type(f'echo {digits} | wc; poweroff\n')
            while guest.read(end):
                pass
    finally:
        guest.process.terminate()  # so that it ends its own machine
        guest.close()
    again = subprocess.run(tool + ['replay'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=GDB_WALL, check=False)
    for text in guest.text, again.stdout.decode().replace('\r', ''):
        said_all(text, [('what was typed', rf'^\$ echo {digits} . wc; poweroff\n1 1 51')])


TESTS = [commands, backwards, pasted]
