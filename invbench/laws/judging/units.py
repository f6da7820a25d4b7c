"""Rounding units of a case: what one rounding may cost a value, a round trip, a log-determinant.

Every unit is computed on the float64 reference, for some rows and with some effort. A row that
appeals gets the larger effort, to which simulated rounding belongs (``jitter``). The tolerance that
a layer declares is part of its unit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import (
    FIRST,
    SLACK,
    Effort,
    log_det_spread,
    log_det_weight_spread,
    magnitude,
    rounding_scale,
    undone_unit,
    unit_roundoff,
    value_spread,
)
from invbench.laws.judging.jitter import jittered

__all__ = [
    "log_det_unit",
    "log_slope_unit",
    "round_trip_unit",
    "scale_of",
    "tolerance_unit",
    "value_unit",
]

TAIL = 3.0  # the worst of thousands of rows against the worst of a few simulations
# roundings, times the slack of 30, that cancellation inside may cost a layer with its own weights
OWN = 100.0
TOLERATED = 2.0  # a stopping rule bounds the last step, not the error


def value_unit(case: LawCase, inverse: bool) -> Callable[[Tensor, Effort], Tensor]:
    """One unit of the forward error of a direction."""

    def of(rows: Tensor, effort: Effort = FIRST) -> Tensor:
        part, reference = case.part(rows), case.subject.float64_reference()
        first = unit_roundoff(case.subject.dtype) * scale_of(part, inverse, effort=effort)
        unit = first
        for value, _ in _simulated(case, *part.float64_inputs(inverse), inverse, effort):
            moved = magnitude(reference, value - part.exact(inverse)[0])
            unit = torch.maximum(unit, _excused(case, first, moved, magnitude(reference, value)))
        return unit + tolerance_unit(part, inverse)

    return of


def round_trip_unit(case: LawCase, inverse: bool) -> Callable[[Tensor, Effort], Tensor]:
    """One unit of |B(A(v)) − v|, with A in the dtype and B the other direction in float64."""

    def of(rows: Tensor, effort: Effort = FIRST) -> Tensor:
        u, reference = unit_roundoff(case.subject.dtype), case.subject.float64_reference()
        v, cond = case.float64_inputs(inverse)
        v, cond = v[rows], None if cond is None else cond[rows]
        w = case.elementwise(inverse)[0].cpu().double()[rows]
        with torch.no_grad():
            first = undone_unit(reference, v, w, cond, u, inverse, effort)
            unit = first
            for value, _ in _simulated(case, v, cond, inverse, effort):
                plain, back = (
                    case.call(reference, not inverse, there, cond)[0]
                    for there in (case.exact(inverse)[0][rows], value)
                )
                moved = magnitude(reference, back - plain)
                unit = torch.maximum(unit, _excused(case, first, moved, magnitude(reference, v)))
            return unit + _round_trip_tolerance(case, v, w, cond, not inverse)

    return of


def tolerance_unit(case: LawCase, inverse: bool) -> Tensor | float:
    """What the declared tolerance adds to a unit of the forward error."""
    tolerance = case.subject.declaration.tolerance
    if tolerance is None:
        return 0.0
    value = case.exact(inverse)[0]
    return TOLERATED / SLACK * tolerance * (1 + magnitude(case.subject, value))


def _round_trip_tolerance(
    case: LawCase, v: Tensor, w: Tensor, cond: Tensor | None, inverse: bool
) -> Tensor | float:
    """What the tolerance adds to a unit of |B(w) − v|: w may be off by it, and so may B."""
    tolerance = case.subject.declaration.tolerance
    if tolerance is None:
        return 0.0
    delta = tolerance * (1 + magnitude(case.subject, w))
    moved = value_spread(case.subject.float64_reference(), w, cond, delta, inverse)
    return TOLERATED / SLACK * (moved + tolerance * (1 + magnitude(case.subject, v)))


def _simulated(
    case: LawCase, v: Tensor, cond: Tensor | None, inverse: bool, effort: Effort
) -> list[tuple[Tensor, Tensor]]:
    """(value, log_det) under simulated rounding; none at the first effort."""
    if effort is FIRST:
        return []
    reference = case.subject.float64_reference()
    return jittered(reference, v, cond, unit_roundoff(case.subject.dtype), inverse)


def _excused(case: LawCase, unit: Tensor, moved: Tensor, size: Tensor) -> Tensor:
    """The unit with what a simulation excuses.

    Under weights that were made to strain the layer, it excuses everything. With the layer's own
    weights, it excuses a few hundred roundings, or so many times what conditioning explains.
    """
    moved = TAIL * moved.nan_to_num(nan=torch.inf)
    if case.recipe.weights == "initial":
        own = OWN * unit_roundoff(case.subject.dtype) * (1 + size.nan_to_num(nan=0.0))
        # a unit on appeal is of steps 16 times as long
        moved = torch.minimum(moved, torch.maximum(own, OWN / 16 * unit))
    return torch.maximum(unit, moved)


def scale_of(case: LawCase, inverse: bool, together: bool = True, effort: Effort = FIRST) -> Tensor:
    """S of ``conditioning`` at the inputs: one rounding error of the direction is about u·S."""

    def compute() -> Tensor:
        reference, u = case.subject.float64_reference(), unit_roundoff(case.subject.dtype)
        with torch.no_grad():
            return rounding_scale(
                reference, *case.float64_inputs(inverse), u, inverse, together, effort
            )

    return case.once(("scale", inverse, together, effort), compute)


def log_det_unit(
    case: LawCase, inverse: bool, together: bool = True, effort: Effort = FIRST
) -> Tensor:
    """One rounding error of log_det, per row: u·(1 + |log_det|)·D, and what a rounding of x or of
    the weights does to it."""

    def compute() -> Tensor:
        spread = log_slope_unit(case, inverse, together, effort)
        per_row = spread.flatten(1).sum(1) if case.subject.elementwise else spread
        size = 1 + case.exact(inverse)[1].abs()
        u = unit_roundoff(case.subject.dtype)
        return u * size * max(1, case.x[:1].numel()) + per_row

    return case.once(("log unit", inverse, together, effort), compute)


def log_slope_unit(
    case: LawCase, inverse: bool, together: bool = True, effort: Effort = FIRST
) -> Tensor:
    """What a rounding of the input and of the weights does to the exact log_det (log-slope, for a
    coupling)."""
    u, reference = unit_roundoff(case.subject.dtype), case.subject.float64_reference()
    v, cond = case.float64_inputs(inverse)
    tolerance = case.subject.declaration.tolerance or 0.0
    with torch.no_grad():
        delta = max(u, tolerance / 4) * (magnitude(reference, v) + 1)
        moved = log_det_spread(reference, v, cond, delta, inverse, together, effort)
        moved = moved + log_det_weight_spread(reference, v, cond, u, inverse, effort)
        if inverse:  # its log_det is taken at the rounded result as well
            w = case.exact(inverse)[0]
            delta = u * (magnitude(reference, w) + 1)
            moved = moved + log_det_spread(reference, w, cond, delta, not inverse, together, effort)
        first = moved
        for _, log_det in _simulated(case, v, cond, inverse, effort):
            off = (log_det - case.exact_elementwise(inverse)[1]).abs()
            moved = torch.maximum(moved, _excused(case, first, off, log_det.abs()))
    own = TOLERATED / SLACK * tolerance * (1 + case.exact_elementwise(inverse)[1].abs())
    return moved + own
