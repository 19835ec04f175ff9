"""What tests of host programs say when something is not as promised."""


class Wrong(Exception):
    """What was seen is not as it should be."""


def expect(what, expected, saw):
    if expected != saw:
        raise Wrong(f'{what}: expected {repr(expected)[:300]}, saw {repr(saw)[:300]}')
