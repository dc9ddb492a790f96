"""Definitions in every place."""

import functools


@functools.lru_cache(
    maxsize=None,
)
def cached(x):
    def inner():
        async def deep():
            return x
        return deep
    return inner


class Outer:
    size = 1

    @property
    def area(self) -> int:
        """Two
        lines."""
        return (
            self.size
        )

    class Inner(dict):
        def method(self): return lambda: 1

    if size:
        @staticmethod
        def branch(): pass
    else:
        def branch(): pass


async def wait():
    try:
        class Local: ...
    except ValueError:
        def handler():
            pass
    finally:
        pass

match wait:
    case 1:
        def matched(a, /, b, *, c): pass
with open as x:
    for _ in x:
        while x:
            def looped():
                """Only a docstring."""
