"""What tests of host programs say when something is not as promised."""


class Wrong(Exception):
    """What was seen is not as it should be."""


def expect(what, expected, saw):
    if expected != saw:
        raise Wrong(f'{what}: expected {repr(expected)[:300]}, saw {repr(saw)[:300]}')


def each(area, tests, options, *caught):
    """Does the tests, functions of `options`, that options.test names, or all: whether one failed. caught: what else of
    exceptions costs that test alone."""
    failed = 0
    for test in [t for t in tests if not options.test or t.__name__ in options.test]:
        try:
            test(options)
            print(f'ok {area}: {test.__name__}', flush=True)
        except (Wrong, OSError, *caught) as error:
            failed += 1
            print(f'not ok {area}: {test.__name__}: {error}', flush=True)
    return failed != 0
