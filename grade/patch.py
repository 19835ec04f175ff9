"""Diffs that go by what lines are, not by their numbers: for the labs' wrong solutions and for kernels with a hole."""


def hunks(text):
    """(file, old lines, new lines) of a diff. Lines are found by what they are, not by their numbers."""
    name, old, new, inside = None, [], [], False
    for line in text.split('\n') + ['@@']:
        if line.startswith('--- '):
            continue
        if line.startswith('+++ '):
            following = line[4:].split('\t')[0].strip()
        if line.startswith(('@@', '+++ ')):
            if inside and (old or new):
                yield name, '\n'.join(old) + '\n', '\n'.join(new) + '\n'
            old, new, inside = [], [], line.startswith('@@')
            if line.startswith('+++ '):
                name = following[2:] if following.startswith('b/') else following
        elif inside and line[:1] in (' ', '-', '+'):
            old += [line[1:]] if line[0] in ' -' else []
            new += [line[1:]] if line[0] in ' +' else []


def patched(text, read):
    """{file: its new text} of a diff; read(file) is the old one. LookupError if the lines are not there once."""
    out = {}
    for name, old, new in hunks(text):
        before = out.get(name) or read(name)
        if before.count(old) != 1:
            raise LookupError(f'these lines are {before.count(old)} times in {name}:\n{old}')
        out[name] = before.replace(old, new)
    return out
