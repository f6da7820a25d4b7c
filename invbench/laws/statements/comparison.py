"""What the laws compare: the results of two calls, bit by bit or within rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import Effort, magnitude, unit_roundoff
from invbench.laws.judging.rounding import per_row, rounding_violations
from invbench.laws.judging.units import log_det_unit, scale_of, tolerance_unit
from invbench.laws.law import Tally, Violation
from invbench.laws.subject import Subject

__all__ = ["DIRECTIONS", "call", "differs", "from_same_numbers", "same_bits", "same_pair"]

DIRECTIONS = ("forward", "inverse")


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal everywhere, NaN at the same places included."""
    return torch.equal(a.nan_to_num(nan=1.2345), b.nan_to_num(nan=1.2345)) and torch.equal(
        a.isnan(), b.isnan()
    )


def call(subject: Subject, inverse: bool, v: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    """(value, log_det) of a direction, without gradients."""
    with torch.no_grad():
        return subject.direction(inverse)(v, cond)


def same_pair(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> bool:
    return all(same_bits(one, other) for one, other in zip(a, b, strict=True))


def differs(
    case: LawCase, inverse: bool, got: tuple[Tensor, Tensor], what: str, kept: Tensor | None = None
) -> Iterator[Violation | Tally]:
    """``got`` against the plain call, or against its rows ``kept``. The units are those of the
    whole case: a layer that may mix rows gives other units for some rows."""
    subject = case.subject
    u = unit_roundoff(subject.dtype)
    rows = torch.arange(case.x.shape[0]) if kept is None else kept
    value, log_det = (v[rows] for v in case.result(inverse))
    # where the plain call is finite, this must be
    valid = per_row(value.isfinite(), subject.elementwise).cpu()
    error = magnitude(subject, (got[0] - value).cpu().double())

    def unit(some: Tensor, effort: Effort) -> Tensor:
        whole = u * scale_of(case, inverse, together=False, effort=effort) + tolerance_unit(
            case, inverse
        )
        return whole[rows][some]

    def log_unit(some: Tensor, effort: Effort) -> Tensor:
        return log_det_unit(case, inverse, together=False, effort=effort)[rows][some]

    yield from rounding_violations(error, unit, valid, what, least=u, latent=inverse)
    if not subject.has_log_det:
        return
    error = (got[1] - log_det).cpu().double().abs()
    valid = log_det.isfinite().cpu()
    yield from rounding_violations(
        error, log_unit, valid, f"log_det of {what}", least=u, latent=inverse
    )
    if not torch.equal(value.isnan(), got[0].isnan()):
        yield Violation(1, 0, f"{what} has NaN elsewhere")


def from_same_numbers(
    case: LawCase, what: str, ways: Callable[[Tensor], Tensor], cond: Tensor | None
) -> Iterator[Violation | Tally]:
    """Another way to hand over the same numbers must give the same result."""
    for inverse in case.subject.directions:
        with torch.no_grad():
            got = case.subject.direction(inverse)(ways(case.inputs(inverse)), cond)
        yield from differs(case, inverse, got, f"{DIRECTIONS[inverse]} of {what}")
