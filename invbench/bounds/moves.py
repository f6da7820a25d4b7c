"""How far the inverse of a design moves a value, for all parameters h:
|c⁻¹(v; h) − v| ≤ displacement + shift_bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

from invbench.couplings import RQ, BSpline, CubicSpline, LinearRational, QuadraticSpline
from invbench.couplings.base import Elementwise
from invbench.couplings.compiled import CompiledCoupling

__all__ = ["Move", "move_of", "uncompiled"]

# splines that are the identity outside their box and have no shift; a subclass may add one, so the
# class itself is looked up
WITHOUT_SHIFT = (RQ, BSpline, CubicSpline, LinearRational, QuadraticSpline)


@dataclass(frozen=True)
class Move:
    """``bound`` ≥ sup |c⁻¹(v; h) − v| over all v and parameters h; infinite with a ``reason``."""

    bound: float
    reason: str = ""


def uncompiled(design: Elementwise) -> Elementwise:
    """The design itself, where it was compiled."""
    return design.design if isinstance(design, CompiledCoupling) else design


def move_of(design: Elementwise) -> Move:
    """displacement + shift_bound, as the design declares them. A design that declares no
    ``shift_bound`` counts as having an unbounded shift."""
    design = uncompiled(design)
    name, displacement, shift = (
        type(design).__name__,
        getattr(design, "displacement", None),
        _shift_bound(design),
    )
    if displacement is None:
        return Move(math.inf, f"{name} declares no displacement")
    if not 0 <= displacement < math.inf:
        return Move(math.inf, f"{name} has an unbounded displacement")
    if not 0 <= shift < math.inf:
        return Move(math.inf, f"{name} has an unbounded shift")
    return Move(displacement + shift)


def _shift_bound(design: Elementwise) -> float:
    found = getattr(design, "shift_bound", None)
    if found is not None:
        return float(found)
    return 0.0 if type(design) in WITHOUT_SHIFT else math.inf
