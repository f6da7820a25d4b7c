"""What the page says of a design itself: where it is from, and its formula as curves."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from invbench.errors import UsageError
from invbench.targets import Target, resolve, without_options

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["designs"]

FACTS = ("formula", "citation", "year", "family")
EDGE, POINTS = 6.0, 97  # of the grid that curves are drawn on
DRAWS = 3  # of parameters, beside all zero
FARTHEST = 1e6  # no value is written beyond it
MOST = 64  # whole numbers as options: what a name from outside may make this page compute


def designs(entries: Iterable[str]) -> dict[str, Any]:
    """Of each entry that ships with invbench: its facts and its curves; a cure (``affine+guard``)
    has those of its design. No entry's own code is imported for the page."""
    import invbench  # registers the built-in ones
    from invbench.registry import COUPLINGS

    assert invbench
    found = {}
    for entry in sorted(entries):
        spec, _, cure = entry.partition("+")
        name = without_options(spec)
        if name not in COUPLINGS or not COUPLINGS[name].obj.__module__.startswith("invbench."):
            continue
        said = COUPLINGS[name].metadata
        own: dict[str, Any] = {"facts": {key: str(said[key]) for key in FACTS if key in said}}
        if options := spec[len(name) :].strip("()"):
            own["facts"]["options"] = f"{options}; the formula is that of the default ones"
        own |= {"design": name} | ({"cure": cure} if cure else {})
        if curves := _curves(spec):
            own["curves"] = curves
        found[entry] = own
    return found


def _curves(spec: str) -> dict[str, Any] | None:
    """Value map and inverse on a grid, float64: of parameters that are all zero, and of three draws
    from N(0, 1). None where the options are none of the design's, or large."""
    try:
        return None if _large(spec) else _drawn(resolve(spec, ("coupling",)))
    except (UsageError, ValueError, RuntimeError):
        return None


def _large(spec: str) -> bool:
    """Whether an option is a whole number beyond ``MOST``, or the name cannot be read."""
    try:
        nodes = list(ast.walk(ast.parse(spec, mode="eval")))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return True
    numbers = (node.value for node in nodes if isinstance(node, ast.Constant))
    return any(isinstance(v, int) and abs(v) > MOST for v in numbers)


def _drawn(target: Target) -> dict[str, Any]:
    import torch

    design = target.make().double()
    grid = torch.linspace(-EDGE, EDGE, POINTS, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    shape = (1 + DRAWS, design.n_params, 1)
    params = torch.randn(shape, generator=generator, dtype=torch.float64)
    params[0] = 0
    lines = []
    with torch.no_grad():
        for k, h in enumerate(params):
            spread = h.expand(-1, POINTS).contiguous()
            lines.append(
                {
                    "label": f"draw {k}" if k else "h = 0",
                    "value": _rounded(design(grid, spread)[0]),
                    "inverse": _rounded(design.inverse(grid, spread)[0]),
                }
            )
    return {"edge": EDGE, "lines": lines}


def _rounded(values: Tensor) -> list[float | None]:
    return [
        round(v, 2) if math.isfinite(v) and abs(v) < FARTHEST else None for v in values.tolist()
    ]
