"""Laws of value: round trips, accuracy, finiteness, monotonicity."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.properties.case import Case
from invbench.properties.conditioning import magnitude, rounding_scale, unit_roundoff, value_spread
from invbench.properties.law import Violation, law
from invbench.properties.subject import Subject
from invbench.properties.verdict import Unit, beyond_rounding, per_row

EXTREMES = (7, 14, 30, 100)  # powers of 2 that the condition is set to


def round_trip(case: Case, inverse_first: bool, what: str) -> Iterator[Violation]:
    """There and back again; the unit is the rounding of both ways, with that of the first pushed through the second."""
    subject, twin = case.subject, case.subject.twin()
    u = unit_roundoff(subject.dtype)
    x, cond = case.double()
    wide = case.ours(inverse_first)[0].cpu().double()
    natural = u * (magnitude(subject, x) + 1)

    def unit(rows: Tensor) -> Tensor:
        middle, some = wide[rows], None if cond is None else cond[rows]
        with torch.no_grad():
            moved = value_spread(twin, middle, some, case.unit(inverse_first)(rows), not inverse_first)
            # the way back rounds as well: its own scale at the middle point
            return natural[rows] + moved + u * rounding_scale(twin, middle, some, u, not inverse_first)

    valid = per_row(case.representable(case.exact(inverse_first)[0]) & case.representable(x), subject.elementwise)
    error = magnitude(subject, case.back(inverse_first)[0].cpu().double() - x)
    yield from beyond_rounding(error, unit, valid, what, natural, least=natural + u)


@law("round-trip-x")
def round_trip_x(subject: Subject, case: Case) -> Iterator[Violation]:
    """inverse(forward(x)) = x within 30 times what rounding and the conditioning of the inverse explain."""
    yield from round_trip(case, False, "inverse(forward(x))")


@law("round-trip-z")
def round_trip_z(subject: Subject, case: Case) -> Iterator[Violation]:
    """forward(inverse(z)) = z within 30 times what rounding and the conditioning of the forward map explain: a
    backward-error test that a wrong root cannot pass."""
    yield from round_trip(case, True, "forward(inverse(z))")


@law("double-precision", needs=("wider", "rebuild"), scope="few")
def double_precision(subject: Subject, case: Case) -> Iterator[Violation]:
    """A float64 caller gets float64 accuracy: inverse(forward(x)) of the same layer, built in float64, returns x within 30 rounding
    units of float64. A constant of float32 or a cast on the way loses half the digits."""
    wide = Case(subject.rebuilt(torch.float64), case.recipe, *case.double())
    found = round_trip(wide, False, "in float64, inverse(forward(x))")
    yield from (violation for violation in found if violation.kind == "defect")


@law("accuracy", needs=("wider",))
def accuracy(subject: Subject, case: Case) -> Iterator[Violation]:
    """Forward and inverse agree with the float64 twin (on the CPU) within 30 rounding units: no precision is lost on the way, on
    any device."""
    u = unit_roundoff(subject.dtype)
    for inverse, what in ((False, "forward"), (True, "inverse")):
        exact, _ = case.exact(inverse)
        error = magnitude(subject, case.ours(inverse)[0].cpu().double() - exact)
        valid = per_row(case.representable(exact), subject.elementwise)
        least = u * (1 + magnitude(subject, exact))
        yield from beyond_rounding(error, case.unit(inverse), valid, what, least=least)


@law("finite")
def finite(subject: Subject, case: Case) -> Iterator[Violation]:
    """Finite in, finite out, wherever the exact result (of the float64 twin) is representable; never NaN in float64, and no
    infinite log_det beside a finite value there."""
    for inverse, what in ((False, "forward"), (True, "inverse")):
        exact, exact_log = case.exact(inverse)
        bad = exact.isnan() | (exact.isfinite() & ~_per_element(exact_log, exact).isfinite())
        yield from _not_finite(bad | _missing(case, inverse), what)


@law("extreme-conditions", needs=("condition",), scope="few")
def extreme_conditions(subject: Subject, case: Case) -> Iterator[Violation]:
    """A condition of ±2⁷ … ±2¹⁰⁰ raises nothing, and gives a finite result wherever that of the float64 twin is finite and
    representable. (For a coupling the condition is the raw parameters: a network may output anything.)"""
    assert case.cond is not None
    sign = torch.where(case.cond < 0, -1.0, 1.0).to(case.cond)
    for power in EXTREMES:
        size = min(2.0**power, torch.finfo(subject.dtype).max / 8)
        extreme = Case(subject, case.recipe, case.x, sign * size)
        for inverse, what in ((False, "forward"), (True, "inverse")):
            yield from _not_finite(_missing(extreme, inverse), f"{what} under a condition of ±2^{power}")


def _missing(case: Case, inverse: bool) -> Tensor:
    """Where the exact result is representable and ours is not finite. Of a layer, the whole row must be: where one element overflows, so
    do the hidden values that the others and the log_det are made of."""
    if case.subject.dtype == torch.float64:
        return torch.zeros_like(case.exact(inverse)[0], dtype=torch.bool)
    (exact, exact_log), (value, log_det) = case.exact(inverse), (v.cpu() for v in case.ours(inverse))
    due = case.representable(exact)
    if not case.subject.elementwise:
        due = _per_element(due.flatten(1).all(1), value)
    due = due & _per_element(case.representable(exact_log), value)
    return due & ~(value.isfinite() & _per_element(log_det, value).isfinite())


def _not_finite(bad: Tensor, what: str) -> Iterator[Violation]:
    if bad.any():
        row = int(bad.flatten(1).any(1).int().argmax())
        message = f"{what} is not finite on {int(bad.sum())} of {bad.numel()} elements"
        yield Violation(float(bad.sum()), 0.0, message, row=row)


def _per_element(per_row: Tensor, like: Tensor) -> Tensor:
    return per_row.reshape(-1, *[1] * (like.ndim - 1)).expand_as(like)


@law("monotone", needs=("elementwise",))
def monotone(subject: Subject, case: Case) -> Iterator[Violation]:
    """c is monotone on a sorted grid and between adjacent floats, up to 30 rounding units; and so is its inverse."""
    u = unit_roundoff(subject.dtype)
    twin = subject.twin()
    assert case.cond is not None
    # the same parameters for every point of the grid: one parameter set per column
    some = case.x[:256]
    x = torch.cat((some, torch.nextafter(some, torch.full_like(some, torch.inf)))).sort(0).values
    cond = case.cond[:1].expand(x.shape[0], *case.cond.shape[1:])
    wide_x, wide_cond = x.cpu().double(), cond.cpu().double()

    def units(inverse: bool) -> Unit:
        """The larger unit of both neighbours."""

        def unit(rows: Tensor) -> Tensor:
            both = torch.cat((rows, rows + 1))
            scale = rounding_scale(twin, wide_x[both], wide_cond[both], u, inverse)
            return u * torch.maximum(*scale.chunk(2))

        return unit

    for inverse, what in ((False, "forward"), (True, "inverse")):
        with torch.no_grad():
            y = subject.log_slopes(x, cond, inverse)[0].cpu().double()
            steps = y[1:] - y[:-1]
            steps = steps * torch.where(y[-1:] < y[:1], -1.0, 1.0)
            yield from beyond_rounding(
                (-steps).clamp(min=0), units(inverse), steps.isfinite(), f"order of {what}", least=u
            )
