#!/usr/bin/env python3
"""Pictures of what shows a machine: `make pictures` leaves them in build/pictures.

    pictures.py [--build DIR]

watch.png: make watch, beside a machine that is busy; space.png: an address space in it; trace.png: the page that make
trace makes of it; demo.png: a step of a demonstration.
"""
import argparse
import html
import os
import re
import sys
import time

import browser
import run
import tracepage
from expect import Wrong
from viewtest import Terminal, boot, until, watching

TOP = run.TOP
PALETTE = ['#1c1c1c', '#e5534b', '#57ab5a', '#e0b93e', '#539bf5', '#b083f0', '#39c5cf', '#d0d0d0']
PAGE = '''<meta charset="utf-8"><body style="margin:0;background:#111"><pre id="t" style="margin:0;padding:16px;display:inline-block;
color:#e6e6e6;font:20px/1.25 'DejaVu Sans Mono',monospace">@LINES@</pre>'''


def painted(frame):
    """A frame of a terminal as HTML: what it says in colours, bold or reversed."""
    out, colour, bold, reverse = [], None, False, False
    for piece in re.split(r'(\033\[[0-9;?]*[A-Za-z])', frame.replace('\r', '')):
        if not piece.startswith('\033'):
            text = html.escape(piece)
            style = ('background:#e6e6e6;color:#111' if reverse else f'color:{PALETTE[colour]}' if colour is not None else '') + \
                (';font-weight:bold' if bold else '')
            out.append(f'<span style="{style}">{text}</span>' if style and text else text)
        elif piece.endswith('m'):
            for code in map(int, re.findall(r'\d+', piece) or ['0']):
                if code == 0:
                    colour, bold, reverse = None, False, False
                elif code in (1, 7):
                    bold, reverse = bold or code == 1, reverse or code == 7
                elif 30 <= code % 60 <= 37:
                    colour = code % 10
    return PAGE.replace('@LINES@', ''.join(out))


def shoot(options, name, page):
    path = f'{options.folder}/{name}.html'
    with open(path, 'w', encoding='utf-8') as f:
        f.write(page)
    with browser.Browser(options.folder, 1280, 800) as b:
        b.open(path)
        box = b.run("const r = document.getElementById('t').getBoundingClientRect(); return [r.width, r.height]")
        clip = {'x': 0, 'y': 0, 'width': box[0], 'height': box[1], 'scale': 1}
        save(options, name, browser.base64.b64decode(b.devtools('Page.captureScreenshot', clip=clip)['data']))
    os.unlink(path)


def save(options, name, png):
    with open(f'{options.folder}/{name}.png', 'wb') as f:
        f.write(png)
    print(f'{options.folder}/{name}.png')


def last_frame(terminal, seconds):
    """The raw text of the last whole frame."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        terminal.read(0.2)
    frames = [f for f in terminal.text.split('\033[H') if f.endswith('\033[J')]
    if not frames:
        sys.exit('pictures: nothing was shown')
    return frames[-1]


def demonstrated(options):
    terminal = Terminal('demo', '--build', options.build, '--pace', '60', 'cow')
    try:
        for step in range(1, 5):
            terminal.frame(f'step {step}: ', 30)
            if step < 4:
                terminal.key(' ')
        shoot(options, 'demo', painted(terminal.last))
    finally:
        terminal.stop()


def watched(options, ram):
    terminal = watching(options, ram)
    try:
        shoot(options, 'watch', painted(last_frame(terminal, 2)))
        terminal.key('j')
        terminal.key('j')
        terminal.key('j')
        terminal.key('\r')
        shoot(options, 'space', painted(last_frame(terminal, 2)))
    finally:
        terminal.stop()


def traced(options, ram):
    path = f'{options.folder}/trace.html'
    with open(path, 'w', encoding='utf-8') as f:
        f.write(tracepage.page(*tracepage.trace_of(ram, f'{options.build}/offsets.json')))
    with browser.Browser(options.folder, 1280, 720) as b:
        b.open(path)
        b.until('return document.documentElement.dataset.ready')
        b.keys(*'++++')
        save(options, 'trace', b.png())


def with_guest(options, ram, how, do):
    guest = boot(options, how[0], ram, how[1])
    try:
        do(guest)
    finally:
        guest.process.kill()
        guest.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default='build')
    options = parser.parse_args()
    os.chdir(TOP)
    options.folder = f'{options.build}/pictures'
    os.makedirs(options.folder, exist_ok=True)
    ram = f'{options.folder}/ram'
    try:
        demonstrated(options)
        with_guest(options, ram, ('trace=ring', ()), lambda guest: (until(guest, '$ '), guest.type('forktest\n' * 40),
                                                                  watched(options, ram)))
        with_guest(options, ram, ('trace=ring trace_kb=4096 run=cat,README', run.ICOUNT), lambda guest: until(guest, 'paper'))
        traced(options, ram)
    except (browser.NoBrowser, Wrong) as error:
        sys.exit(f'pictures: {error}')
    finally:
        if os.path.exists(ram):
            os.unlink(ram)


if __name__ == '__main__':
    main()
