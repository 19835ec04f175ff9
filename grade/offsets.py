#!/usr/bin/env python3
"""From the kernel's public headers to a C program that prints, as JSON, where their fields lie.

offsets.py HEADER... >offsets.c; what that prints when compiled and run is build/offsets.json, from which evidence.py
reads guest memory. So every layout comes from the compiler and the headers, and none is written down twice. The
headers are simple C: one level of braces, no bit fields, no function pointers.
"""
import re
import sys


def without_comments(text):
    return re.sub(r'/\*.*?\*/|//[^\n]*', ' ', text, flags=re.S)


def bodies(kind, text):
    """Name and body of each `kind NAME { ... };`."""
    return re.findall(r'\b%s\s+(\w+)\s*\{([^{}]*)\}\s*;' % kind, text)


def fields(body):
    """(type, name, is an array) of each field of a structure."""
    for declaration in filter(str.strip, body.split(';')):
        kind, declarators = re.match(r'\s*(?:struct\s+)?(\w+)\s+(.*)', declaration, re.S).groups()
        for name, array in re.findall(r'(?:^|,)\s*(\w+)\s*(\[)?', declarators):
            yield kind, name, bool(array)


def emit_struct(name, body):
    print(f'    s = printf("%s\\"{name}\\": {{\\"size\\": %zu, \\"fields\\": {{", s ? ",\\n" : "", '
          f'sizeof(struct {name}));')
    for i, (kind, field, array) in enumerate(fields(body)):
        whole = f'(*(struct {name} *)0).{field}'
        one = whole + '[0]' if array else whole
        print(f'    printf("{", " if i else ""}\\"{field}\\": [%zu, %zu, %zu, \\"{kind}\\"]", '
              f'offsetof(struct {name}, {field}), sizeof({one}), sizeof({whole}) / sizeof({one}));')
    print('    printf("}}");')


def emit_values(group, names):
    print(f'    s = printf("%s\\"{group}\\": {{", s ? ",\\n" : "");')
    for i, name in enumerate(names):
        print(f'    printf("{", " if i else ""}\\"{name}\\": %lld", (long long)({name}));')
    print('    printf("}");')


def main(paths):
    texts = [open(path, encoding='utf-8').read() for path in paths]
    text = without_comments('\n'.join(texts))
    print('#include <stdio.h>')
    for path in paths:
        print(f'#include "{path}"')
    print('int main(void)\n{\n    int s = 0;\n    printf("{\\"structs\\": {\\n");')
    for name, body in bodies('struct', text):
        emit_struct(name, body)
    print('    s = 0;\n    printf("},\\n\\"enums\\": {\\n");')
    for name, body in bodies('enum', text):
        emit_values(name, [v.split('=')[0].strip() for v in body.split(',') if v.strip()])
    print('    s = 0;\n    printf("},\\n\\"defines\\": {\\n");')
    emit_values('all', re.findall(r'^#define[ \t]+(\w+)[ \t]+\(?[0-9]', text, flags=re.M))
    print('    puts("}}");\n    return 0;\n}')


main(sys.argv[1:])
