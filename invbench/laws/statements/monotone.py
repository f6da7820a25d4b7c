"""The law of order: a coupling is monotone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import (
    FIRST,
    Effort,
    rounding_scale,
    unit_roundoff,
)
from invbench.laws.judging.rounding import rounding_violations
from invbench.laws.law import Tally, Violation, law
from invbench.laws.statements.comparison import DIRECTIONS
from invbench.laws.subject import Subject


@law(
    "monotone",
    needs=("elementwise",),
    reference="the order of floats; rounding by the float64 reference",
)
def monotone(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """c is monotone on a sorted grid and between adjacent floats, up to 30 rounding units; so is
    its inverse."""
    u = unit_roundoff(subject.dtype)
    reference = subject.float64_reference()
    assert case.cond is not None
    for inverse in subject.directions:
        # the same parameters for every point of the grid: one parameter set per column
        some = case.inputs(inverse)[:256]
        x = (
            torch.cat((some, torch.nextafter(some, torch.full_like(some, torch.inf))))
            .sort(0)
            .values
        )
        cond = case.cond[:1].expand(x.shape[0], *case.cond.shape[1:])
        with torch.no_grad():
            y = subject.log_slopes(x, cond, inverse)[0].cpu().double()
            steps = y[1:] - y[:-1]
            steps = steps * torch.where(y[-1:] < y[:1], -1.0, 1.0)
            unit = _larger_of_neighbours(
                reference, x.cpu().double(), cond.cpu().double(), u, inverse, subject
            )
            said = list(
                rounding_violations(
                    (-steps).clamp(min=0),
                    unit,
                    steps.isfinite(),
                    f"order of {DIRECTIONS[inverse]}",
                    least=u,
                )
            )
        yield from said  # outside of no_grad, which would hold for the caller too


def _larger_of_neighbours(
    reference: Subject, x: Tensor, cond: Tensor, u: float, inverse: bool, subject: Subject
) -> Callable[[Tensor, Effort], Tensor]:
    tolerance = subject.declaration.tolerance or 0.0

    def unit(rows: Tensor, effort: Effort = FIRST) -> Tensor:
        both = torch.cat((rows, rows + 1))
        scale = rounding_scale(reference, x[both], cond[both], u, inverse, effort=effort)
        value = reference.log_slopes(x[both], cond[both], inverse)[0]
        return torch.maximum(*(u * scale + tolerance / 4 * (1 + value.abs())).chunk(2))

    return unit
