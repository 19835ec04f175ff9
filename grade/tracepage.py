#!/usr/bin/env python3
"""A run's trace as one page for a browser, which needs nothing else: `make trace RAM=build/ram`.

    tracepage.py [--offsets FILE] [--out FILE] RAM

RAM is the memory of a machine that ran, or runs, with trace=ring. What the page does is in grade/trace.html; here the
records and what is needed to read them are put into it: the records as columns of 32-bit numbers, deflated.
"""
import argparse
import array
import base64
import html
import json
import os
import sys
import zlib

import calls
import evidence

TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'trace.html')
OUT = 'build/trace.html'
# Of struct trace_rec, which is sixteen of them. `what`: event, hart, account. A word: its lower half, then its upper.
COLUMNS = ['seq', 'seq_up', 'time', 'time_up', 'eid', 'what'] + [f'{w}{up}' for w in range(5) for up in ('', '_up')]


def columns(raw):
    """(names of the columns that hold anything, all their numbers one after another)."""
    words = array.array('I')
    words.frombytes(raw)
    if sys.byteorder == 'big':
        words.byteswap()
    held = [(name, words[i::len(COLUMNS)]) for i, name in enumerate(COLUMNS)]
    held = [(name, column) for name, column in held if any(column)]
    if sys.byteorder == 'big':
        for _, column in held:
            column.byteswap()
    return [name for name, _ in held], b''.join(column.tobytes() for _, column in held)


def named(kind):
    """A kind of calls.Field for JSON, whose keys are strings; with the errors, whose names are shown, it is as it was."""
    return {str(value): name for value, name in kind.items()} if isinstance(kind, dict) else kind


def fields(of):
    return {name: [field._replace(kind=named(field.kind)) for field in parts] for name, parts in of.items()}


def facts(e, missed, name):
    """What the page must know besides the records: names, errors, and the pages as they were at the end."""
    lines, layout, words = calls.Calls(e), e.layout, e.words()
    return {
        'name': name, 'missed': missed, 'harts': e.head['nharts'], 'begin': lines.begin, 'ticks': lines.ticks,
        'bootargs': bytes(words['bootargs']).split(b'\0')[0].decode('ascii', 'replace'),
        'refused': lines.refused, 'calls': layout.calls, 'events': lines.events,
        'arguments': fields(lines.arguments), 'words': fields(lines.words),
        'errors': named(lines.errors), 'means': lines.means,
        'entries': calls.ENTRIES, 'causes': named(calls.CAUSES), 'rights': calls.RIGHTS,
        'first_page': layout.defines['EXO_PPN_BASE'],
        'types': {number: kind[5:].lower() for number, kind in layout.enums['page_type'].items()},
        'pages': {field: base64.b64encode(e.column('pages', field)).decode() for field in ('type', 'account')},
    }


def page(known, raw):
    """The page: `known` is facts(), `raw` the records as they lie in memory, in order."""
    names, numbers = columns(raw)
    known = dict(known, columns=names, records=len(raw) // (4 * len(COLUMNS)))
    packed = zlib.compressobj(6)
    data = base64.b64encode(packed.compress(numbers) + packed.flush()).decode()
    with open(TEMPLATE, encoding='utf-8') as f:
        text = f.read()
    # what is read as script must not close it
    for mark, what in (('@NAME@', html.escape(known['name'])), ('@FACTS@', json.dumps(known).replace('<', '\\u003c')),
                       ('@RECORDS@', data)):
        text = text.replace(mark, what, 1)
    return text


def trace_of(path, offsets):
    """(facts, records) of a RAM file."""
    if not os.path.exists(path):
        raise evidence.NoEvidence(f'{path}: there is no such file; `make qemu RAM={path} BOOTARGS=trace=ring` makes one')
    e = evidence.Evidence(path, offsets)
    if not any(ring['n'] for ring in e.head['ring']):
        raise evidence.NoEvidence(f'{path}: this machine keeps no trace; say `make qemu RAM={path} BOOTARGS=trace=ring`')
    found, missed = e.raw_trace()
    if not found:
        raise evidence.NoEvidence(f'{path}: there is no record in its trace yet')
    found.sort(key=lambda r: r[7::-1])  # seq, whose last byte counts most
    return facts(e, missed, os.path.basename(path)), b''.join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ram')
    parser.add_argument('--offsets', default=evidence.OFFSETS)
    parser.add_argument('--out', default=OUT)
    options = parser.parse_args()
    try:
        known, raw = trace_of(options.ram, options.offsets)
        text = page(known, raw)
        with open(options.out, 'w', encoding='utf-8') as f:
            f.write(text)
    except (evidence.NoEvidence, OSError, ValueError) as error:
        sys.exit(f'trace: {error}')
    n = len(raw) // (4 * len(COLUMNS))
    print(f'{options.out}: {n} records, {len(text) / 1e6:.1f} MB; a browser opens it')
    if known['missed']:
        print(f'  {known["missed"]} earlier records were written over: more room with BOOTARGS="trace=ring trace_kb=65536"')


if __name__ == '__main__':
    main()
