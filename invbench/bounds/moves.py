"""How far the inverse of a design moves a value, whatever its parameters: |c⁻¹(v; h) − v| ≤
displacement + shift_bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

from invbench.couplings import RQ, BSpline, CubicSpline, LinearRational, QuadraticSpline, RQBounded
from invbench.couplings.base import Elementwise
from invbench.couplings.compiled import CompiledCoupling

__all__ = ["Move", "move_of", "uncompiled"]

# splines that are the identity outside their box, without a shift; by the very class: a subclass
# may add one
WITHOUT_SHIFT = (RQ, RQBounded, BSpline, CubicSpline, LinearRational, QuadraticSpline)


@dataclass(frozen=True)
class Move:
    """``bound`` = sup |c⁻¹(v; h) − v| over v and all parameters h; infinite with a ``reason``, or
    where the design does not say."""

    bound: float
    reason: str = ""


def uncompiled(design: Elementwise) -> Elementwise:
    return design.design if isinstance(design, CompiledCoupling) else design


def move_of(design: Elementwise) -> Move:
    """displacement + shift_bound, as the design declares them; a design that says nothing of its
    shift has a free one."""
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
