"""What a grading found, one record a test, and the forms in which grading platforms want it.

A record is a dict: id, lab, title, part, promise, points, max, status (pass, fail, error: the machine did not end as it
should), why (lines: expected and seen), again (the command that repeats it), backwards (that which repeats it under GDB,
if there is one), visibility (visible, hidden), seed,
schedule, trace (a hash of all the kernel recorded), guest_ms, host_ms, log. results.json, the whole of it, is rewritten
after each test, so that whoever is cut short has what there was until then.
"""
import json
import os
from xml.sax.saxutils import escape, quoteattr


def total(records):
    return round(sum(r['points'] for r in records), 2), sum(r['max'] for r in records)


class Text:
    """For people, as it goes."""

    def __init__(self, lab, options):
        self.lab, self.shown = lab, False
        self.width = max(len(t.name) for t in lab.tests)
        what = f'the files in {options.submit}' if options.submit else 'this tree\'s'
        print(f'lab {lab.name}: {what}: {" ".join(lab.files)}; seed {options.seed}', flush=True)

    def test(self, r):
        word = {'pass': 'ok  ', 'fail': 'FAIL', 'error': 'FAIL'}[r['status']]
        schedule = f" (slices of seed {r['schedule']})" if r['schedule'] else ''
        print(f"  {word} {r['title']:{self.width}}  {r['points']:g}/{r['max']}  {r['promise']}{schedule}")
        for line in r['why']:
            print(f'         {line}')
        if r.get('events') and not self.shown:  # those of the others are in results.json
            self.shown = True
            print('         the last kernel events:')
            for line in r['events']:
                print(f'             {line}')
        if r['why']:
            print(f"         again: {r['again']}", flush=True)
            if 'backwards' in r:
                print(f"         in a debugger, backwards, too: {r['backwards']}", flush=True)

    def end(self, records):
        parts = sorted({r['part'] for r in records if r['part']})
        for part in parts if len(parts) > 1 else []:
            points, most = total([r for r in records if r['part'] == part])
            print(f'part {part}: {points:g}/{most}')
        points, most = total(records)
        print(f'score: {points:g}/{most}', flush=True)


# ---- forms ----

def tap(records, options):
    lines = ['TAP version 14', f'1..{len(records)}']
    for i, r in enumerate(records):
        lines.append(f"{'ok' if r['status'] == 'pass' else 'not ok'} {i + 1} - {r['id']}: {r['promise']}".replace('#', '\\#'))
        lines += ['  ---', f"  points: {r['points']:g}", f"  max: {r['max']}", f"  duration_ms: {r['host_ms']}"]
        if r['why']:
            lines.append('  message: ' + json.dumps('\n'.join(r['why'])))
        lines.append('  ...')
    return '\n'.join(lines) + '\n'


def junit(records, options):
    bad = [r for r in records if r['status'] == 'fail']
    error = [r for r in records if r['status'] == 'error']
    head = f'tests="{len(records)}" failures="{len(bad)}" errors="{len(error)}" skipped="0" ' \
           f'time="{sum(r["host_ms"] for r in records) / 1000:.3f}"'
    name = quoteattr(f'exv6.{records[0]["lab"]}' if records else 'exv6')
    points, most = total(records)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites {head}>', f'  <testsuite name={name} {head}>',
             '    <properties>', f'      <property name="score" value="{points:g}"/>',
             f'      <property name="max_score" value="{most}"/>', '    </properties>']
    for r in records:
        lines.append(f'    <testcase classname={name} name={quoteattr(r["title"])} time="{r["host_ms"] / 1000:.3f}">')
        text = '\n'.join(r['why'] + [f'again: {r["again"]}'])
        if r['status'] != 'pass':
            kind = 'failure' if r['status'] == 'fail' else 'error'
            lines.append(f'      <{kind} message={quoteattr(r["why"][0] if r["why"] else kind)} type="{kind}">'
                         f'{escape(printable(text))}</{kind}>')
        lines.append(f'      <system-out>points {r["points"]:g} of {r["max"]}: {escape(r["promise"])}</system-out>')
        lines.append('    </testcase>')
    return '\n'.join(lines + ['  </testsuite>', '</testsuites>', ''])


def printable(text):
    """Without the characters that XML has no place for."""
    return ''.join(c if c in '\n\t' or c >= ' ' else '?' for c in text)


def explained(r):
    return '\n'.join([r['promise']] + r['why'] + ([f'again: {r["again"]}'] if r['why'] else []))


def gradescope(records, options):
    """https://gradescope-autograders.readthedocs.io/en/latest/specs/"""
    tests = [{'name': f"{r['part'] + ' ' if r['part'] else ''}{r['title']}", 'score': r['points'], 'max_score': r['max'],
              'status': 'passed' if r['status'] == 'pass' else 'failed', 'output': explained(r), 'output_format': 'text',
              'visibility': 'after_published' if r['visibility'] == 'hidden' else 'visible',
              'extra_data': {'seed': r['seed'], 'trace': r.get('trace', '')}} for r in records]
    return json.dumps({'tests': tests, 'stdout_visibility': 'hidden', 'visibility': 'visible',
                       'execution_time': round(sum(r['host_ms'] for r in records) / 1000)}, indent=1)


def prairielearn(records, options):
    """https://docs.prairielearn.com/externalGrading/"""
    points, most = total(records)
    tests = [{'name': r['title'], 'description': r['promise'], 'points': r['points'], 'max_points': r['max'],
              'output': '\n'.join(r['why'])} for r in records if r['visibility'] != 'hidden']
    return json.dumps({'gradable': True, 'score': points / most if most else 0, 'tests': tests}, indent=1)


def autolab(records, options):
    """https://docs.autolabproject.com/lab/: the last line, with a problem for each test; the line before, for people."""
    stages = {'_presentation': 'semantic', 'stages': ['Test'],
              'Test': {r['title']: {'passed': r['status'] == 'pass', **({'hint': r['why'][0]} if r['why'] else {})}
                       for r in records if r['visibility'] != 'hidden'}}
    scores = {'scores': {r['title']: r['points'] for r in records}, 'scoreboard': [total(records)[0]]}
    return json.dumps(stages) + '\n' + json.dumps(scores) + '\n'


FORMS = {'tap': (tap, 'results.tap'), 'junit': (junit, 'results.xml'), 'gradescope': (gradescope, 'gradescope.json'),
         'prairielearn': (prairielearn, 'prairielearn.json'), 'autolab': (autolab, 'autolab.txt')}


def put(path, text):
    """Whole or not at all."""
    with open(f'{path}.new', 'w', encoding='utf-8') as f:
        f.write(text)
    os.replace(f'{path}.new', path)


def write(out, lab, options, records):
    points, most = total(records)
    put(f'{out}/results.json', json.dumps({'lab': lab.name, 'seed': options.seed, 'points': points, 'max': most,
                                           'expected_tests': len(lab.tests), 'tests': records}, indent=1))
    for make, path in forms(options, out):
        put(path, make(records, options))


def forms(options, out):
    for form in options.format:
        name, _, path = form.partition(':')
        yield FORMS[name][0], path or f'{out}/{FORMS[name][1]}'


def write_refusal(options, why):
    """No test was run: one that stands for all, but where a platform has a form for that."""
    out = options.out or f'{options.build}/lab/{options.lab}'
    os.makedirs(out, exist_ok=True)
    put(f'{out}/results.json', json.dumps({'lab': options.lab, 'seed': options.seed, 'refused': why, 'tests': []}, indent=1))
    record = {'id': f'{options.lab}.build', 'lab': options.lab, 'title': 'build', 'part': '', 'promise': 'it can be graded',
              'points': 0, 'max': 1, 'status': 'error', 'why': why.split('\n'), 'again': f'make grade LAB={options.lab}',
              'visibility': 'visible', 'seed': options.seed, 'host_ms': 0}
    for make, path in forms(options, out):
        if make is prairielearn:
            put(path, json.dumps({'gradable': False, 'format_errors': [why], 'message': why}))
        else:
            put(path, make([record], options))
