"""A module whose digest a test has written down."""

from __future__ import annotations

import math


def pinned(x: float, *rest: int, scale: float = 2.0, **more: str) -> str:
    """What a digest has to read: f-strings, matches, walrus, comprehensions, decorators."""
    match rest:
        case [first, *_] if (n := first) > 0:
            return f"{n!r:>{4}} {x:.2f} {scale}" + "".join(f"{k}={v}" for k, v in more.items())
        case _:
            pass
    return str({i: [j + 1 for j in ()] for i in ()} if False else math.inf)
