"""A case against a library: what it returns, the right value by a second method, and whether the
two differ.

A script of this folder needs its library, torch and mpmath, nothing else: ``python of_nflows.py``
lists its cases, ``python of_nflows.py NAME`` shows one and exits 0 while the defect is there, 1
once it is mended.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import torch

__all__ = ["CASES", "Case", "Shown", "case", "command", "inverted", "number", "raised", "run"]

mp.mp.dps = 60
SEVERITIES = ("ordinary inputs", "edge", "beyond any data")


@dataclass(frozen=True)
class Shown:
    """What one run of a case saw."""

    got: str
    right: str
    wrong: bool


@dataclass(frozen=True)
class Case:
    """One accusation. ``second``: the method that says what is right, other than the library's
    own."""

    library: str
    distribution: str  # on the package index
    name: str
    layer: str
    what: str
    inputs: str
    second: str
    severity: str
    kind: str  # defect, or limit: the design's or the documentation's own words allow it
    show: Callable[[], Shown]


CASES: dict[tuple[str, str], Case] = {}


def case(
    library: str,
    name: str,
    *,
    layer: str,
    what: str,
    inputs: str,
    second: str,
    severity: str,
    kind: str = "defect",
    distribution: str = "",
) -> Callable[[Callable[[], Shown]], Callable[[], Shown]]:
    """Register a function without arguments as a case."""
    if severity not in SEVERITIES or kind not in ("defect", "limit"):
        raise ValueError(f"{name}: {severity!r}, {kind!r}")

    def decorate(show: Callable[[], Shown]) -> Callable[[], Shown]:
        CASES[library, name] = Case(
            library,
            distribution or library,
            name,
            layer,
            what,
            inputs,
            second,
            severity,
            kind,
            show,
        )
        return show

    return decorate


def number(value: Any, digits: int = 9) -> str:
    """A float, a one-element tensor or an mpmath number in so many digits."""
    if isinstance(value, torch.Tensor):
        value = value.detach().reshape(-1)[0].item()
    return mp.nstr(mp.mpf(value), digits)


def inverted(
    got: Any, right: Any, y: float, forward: Callable[[float], Any], wrong: float
) -> Shown:
    """An inverse that is off by more than ``wrong``, confirmed twice: by ``right``, found in 60
    digits, and by the library's own forward, which at ``right`` gives y back and at what was got
    does not, or cannot.
    """
    value, at_right = got.item(), forward(float(right)).item()
    at_got = forward(value).item() if value == value else float("nan")
    off = not abs(value - right) <= wrong
    agrees = abs(at_right - y) < 1e-3 * (1 + abs(y)) and not abs(at_got - y) <= 5 * abs(
        at_right - y
    )
    right_text = f"x = {number(right)}, where its own forward gives {number(at_right)}"
    return Shown(
        f"x = {number(value)}, where its own forward gives {number(at_got)}",
        right_text,
        off and agrees,
    )


def raised(function: Callable[[], Any]) -> str:
    """The type and first line of what a call raises; empty when it returns."""
    try:
        function()
    except Exception as error:  # whatever the library raises is the finding
        text = str(error).partition("\n")[0]
        return f"{type(error).__name__}: {text}"[:150].removesuffix(": ")
    return ""


def command(c: Case) -> str:
    module = c.show.__module__ if c.show.__module__.startswith("of_") else f"of_{c.library.lower()}"
    return f"python benchmarks/evidence/libraries/{module}.py {c.name}"


def run() -> None:
    """The command line of a script: the names of cases to show, none to list them."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    names = sys.argv[1:]
    mine = {c.name: c for c in CASES.values()}
    if not names:
        print("\n".join(f"{c.name}: {c.what}" for c in mine.values()))
        return
    unknown = [n for n in names if n not in mine]
    if unknown:
        sys.exit(f"no case {', '.join(unknown)}; there are {', '.join(mine)}")
    there = True
    for name in names:
        c, shown = mine[name], mine[name].show()
        print(f"{c.library}, {c.layer}: {c.what}\n  inputs  {c.inputs}\n  got     {shown.got}")
        print(
            f"  right   {shown.right}  ({c.second})\n  "
            f"{'the defect shows' if shown.wrong else 'mended'}"
        )
        there &= shown.wrong
    sys.exit(0 if there else 1)
