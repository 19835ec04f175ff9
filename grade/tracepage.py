#!/usr/bin/env python3
"""A run's trace as one page for a browser, which needs nothing else: `make trace RAM=build/ram`.

    tracepage.py [--offsets FILE] [--out FILE] RAM

RAM is the memory of a machine that ran, or runs, with trace=ring. What the page does is in grade/trace.html; here the
records and what is needed to read them are put into it: the records as columns of numbers, deflated.
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
LEVEL = 4  # of deflate
CODES = ((1, 'B'), (2, 'H'), (4, 'I'))  # bytes of a number in a column


def columns(layout, raw):
    """([name, bytes of a number, values] of each, and the numbers of all one after another, the widest first).

    The fields of struct trace_rec; of 64 bits: the lower half, and as NAME_up the upper. Of seq, what it grew by. Values:
    if there are but few, they, and the numbers are which of them it is; of one alone there are no numbers; or None.
    """
    made = []
    for name, numbers in fields(layout, raw):
        if name == 'seq':
            numbers = array.array('I', [1] + [b - a & 0xffffffff for a, b in zip(numbers, numbers[1:])])
        values = few(numbers)
        if values and len(values) == 1:
            made.append((name, 0, values, b''))
        elif values:
            number_of = {value: i for i, value in enumerate(values)}
            made.append((name, 1, values, bytes(map(number_of.__getitem__, numbers))))
        else:
            made.append((name, numbers.itemsize, None, little(numbers)))
    made.sort(key=lambda column: -column[1])
    return [column[:3] for column in made], b''.join(column[3] for column in made)


def few(numbers):
    """The values of a column, if a byte can say which; None if there are more."""
    if numbers == array.array(numbers.typecode, numbers[:1]) * len(numbers):
        return [numbers[0]]
    values = set(numbers[::1009])
    if len(values) <= 256:
        values.update(numbers)
    return sorted(values) if numbers.itemsize > 1 and len(values) <= 256 else None


def fields(layout, raw):
    """(name, the numbers of all records) of each field, as columns() takes them apart."""
    views = {}
    for width, code in CODES:
        views[width] = array.array(code)
        views[width].frombytes(raw)
        if sys.byteorder == 'big':
            views[width].byteswap()
    for field, (offset, size, count, _) in layout.structs['trace_rec']['fields'].items():
        width = min(size, 4)
        for k in range(count * size // width):
            name = field + (str(k * width // size) if count > 1 else '') + ('_up' if k * width % size else '')
            yield name, views[width][offset // width + k::layout.size('trace_rec') // width]


def little(numbers):
    if sys.byteorder == 'big':
        numbers.byteswap()
    return numbers.tobytes()


def named(kind):
    """A kind of calls.Field for JSON, whose keys are strings; with the errors, whose names are shown, it is as it was."""
    return {str(value): name for value, name in kind.items()} if isinstance(kind, dict) else kind


def described(of):
    return {name: [field._replace(kind=named(field.kind)) for field in parts] for name, parts in of.items()}


def facts(e, missed, name):
    """What the page must know besides the records: names, errors, and the pages as they were at the end."""
    lines, layout, words = calls.Calls(e), e.layout, e.words()
    return {
        'name': name, 'missed': missed, 'harts': e.head['nharts'], 'begin': lines.begin, 'ticks': lines.ticks,
        'bootargs': bytes(words['bootargs']).split(b'\0')[0].decode('ascii', 'replace'),
        'refused': lines.refused, 'calls': layout.calls, 'events': lines.events,
        'arguments': described(lines.arguments), 'words': described(lines.words),
        'errors': named(lines.errors), 'means': lines.means,
        'entries': calls.ENTRIES, 'causes': named(calls.CAUSES), 'rights': calls.RIGHTS,
        'first_page': layout.defines['EXO_PPN_BASE'], 'first_call': layout.defines['EXO_CALLS'],
        'types': {number: kind[5:].lower() for number, kind in layout.enums['page_type'].items()},
        'pages': {field: base64.b64encode(e.column('pages', field)).decode() for field in ('type', 'account')},
    }


def page(layout, known, raw):
    """The page: `known` is facts(), `raw` the records as they lie in memory, in order."""
    names, numbers = columns(layout, raw)
    size = layout.size('trace_rec')
    name, known = known['name'], dict(known, columns=names, records=len(raw) // size,
                                      first=int.from_bytes(raw[:8], 'little'))
    data = base64.b64encode(zlib.compress(numbers, LEVEL)).decode()
    with open(TEMPLATE, encoding='utf-8') as f:
        text = f.read()
    # what is read as script must not close it
    known = json.dumps(known).replace('<', '\\u003c')
    return text.replace('@NAME@', html.escape(name)).replace('@FACTS@', known).replace('@RECORDS@', data)


def trace_of(path, offsets):
    """(layout, facts, records) of a RAM file: what page() takes."""
    if not os.path.exists(path):
        raise evidence.NoEvidence(f'{path}: there is no such file; `make qemu RAM={path} BOOTARGS=trace=ring` makes one')
    e = evidence.Evidence(path, offsets)
    if not any(ring['n'] for ring in e.head['ring']):
        raise evidence.NoEvidence(f'{path}: this machine keeps no trace; say `make qemu RAM={path} BOOTARGS=trace=ring`')
    found, missed = e.raw_trace()
    if not found:
        raise evidence.NoEvidence(f'{path}: there is no record in its trace yet')
    found.sort(key=lambda r: r[7::-1])  # seq, whose last byte counts most
    return e.layout, facts(e, missed, os.path.basename(path)), b''.join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('ram')
    parser.add_argument('--offsets', default=evidence.OFFSETS)
    parser.add_argument('--out', default=OUT)
    options = parser.parse_args()
    try:
        layout, known, raw = trace_of(options.ram, options.offsets)
        text = page(layout, known, raw)
        with open(options.out, 'w', encoding='utf-8') as f:
            f.write(text)
    except (evidence.NoEvidence, OSError, ValueError) as error:
        sys.exit(f'trace: {error}')
    n = len(raw) // layout.size('trace_rec')
    print(f'{options.out}: {n} records, {len(text) / 1e6:.1f} MB; a browser opens it')
    if known['missed']:
        print(f'  {known["missed"]} earlier records were written over: more room with BOOTARGS="trace=ring trace_kb=65536"')


if __name__ == '__main__':
    main()
