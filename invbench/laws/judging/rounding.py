"""Errors against rounding units: which are defects, which are the conditioning of the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from invbench.laws.judging.conditioning import APPEAL, FIRST, SLACK, Effort
from invbench.laws.law import Tally, Violation

__all__ = ["LOST", "Unit", "per_row", "rounding_violations"]

# the rounding units, or a function that gives those of some rows with some effort
Unit = Tensor | Callable[[Tensor, Effort], Tensor]

LOST = 1e4  # a sound round trip that loses more than this many u is reported as ill-conditioned
APPEALS = 6  # rows that may appeal


def per_row(valid: Tensor, elementwise: bool) -> Tensor:
    """A layer's row counts only when all its elements do."""
    return valid if elementwise else valid.flatten(1).all(1)


def rounding_violations(
    error: Tensor,
    unit: Unit,
    valid: Tensor,
    what: str,
    natural: Tensor | None = None,
    least: float | Tensor = 0.0,
    latent: bool = False,
    explain: Callable[[int], str] | None = None,
) -> Iterator[Violation | Tally]:
    """A defect where error > SLACK·unit, also on appeal with more effort; else ill-conditioned
    where error > LOST·natural. NaN errors count as infinite.

    A unit costs many more calls than an error, so it may be a function of row numbers. It is
    computed only for rows with an error above SLACK·least, where ``least`` is below every unit: the
    others cannot be defects. ``explain(row)`` describes the row in the message. The tally counts
    valid rows whose unit, where it was computed, is finite.
    """
    if not error.numel():
        return
    error = torch.where(valid, error.nan_to_num(nan=torch.inf), torch.zeros_like(error))
    units = unit if isinstance(unit, Tensor) else _units_of(unit, error, least)
    asked = error > SLACK * (least if isinstance(least, Tensor) else torch.full_like(error, least))
    lost_rows = (valid & asked & ~units.isfinite()).reshape(len(error), -1).any(1)
    usable = valid.reshape(len(error), -1).any(1)
    yield Tally(int((usable & ~lost_rows).sum()), len(error))
    ratio = torch.where(error > 0, error / units, torch.zeros_like(error)).nan_to_num(
        nan=0.0, posinf=torch.inf
    )
    if not isinstance(unit, Tensor) and ratio.max() > SLACK:
        ratio = _after_appeal(unit, error, units, ratio)
    worst, row = _most(ratio)
    if worst > SLACK:
        off = error.flatten()[int(ratio.argmax())].item()
        message = f"{what} is off by {off:.3g}, {worst:.3g} times what rounding explains"
        if explain is not None:
            message += f"; {explain(row)}"
        yield Violation(worst, SLACK, message, row=row, latent=latent)
    elif natural is not None:
        # an infinite error whose unit is infinite too says nothing about conditioning; the law
        # ``finite`` judges it
        lost, row = _most((error / natural).nan_to_num(nan=0.0, posinf=0.0))
        if lost > LOST:
            message = (
                f"{what} loses {lost:.3g} u, all of it explained by the conditioning of the map"
            )
            yield Violation(lost, LOST, message, kind="ill-conditioned", row=row, latent=latent)


def _units_of(
    unit: Callable[[Tensor, Effort], Tensor], error: Tensor, least: float | Tensor
) -> Tensor:
    """The units of suspicious rows; Inf in the others, which are no defects then."""
    units = torch.full_like(error, torch.inf)
    suspects = (error > SLACK * least).reshape(error.shape[0], -1).any(1).nonzero()[:, 0]
    if len(suspects):
        units[suspects] = unit(suspects, FIRST).nan_to_num(nan=torch.inf).to(units)
    return units


def _after_appeal(
    unit: Callable[[Tensor, Effort], Tensor], error: Tensor, units: Tensor, ratio: Tensor
) -> Tensor:
    """The ratios after the worst rows have appealed. The others do not count as defects."""
    of_rows = ratio.reshape(len(ratio), -1).amax(1)
    rows = of_rows.topk(min(APPEALS, len(of_rows))).indices
    rows = rows[of_rows[rows] > SLACK]
    more = torch.maximum(units[rows], unit(rows, APPEAL).nan_to_num(nan=torch.inf))
    ratios = torch.zeros_like(ratio)
    ratios[rows] = (
        torch.where(error[rows] > 0, error[rows] / more, torch.zeros_like(error[rows]))
        .nan_to_num(nan=0.0, posinf=torch.inf)
        .to(ratios)
    )
    return ratios


def _most(ratio: Tensor) -> tuple[float, int]:
    at = int(ratio.argmax())
    return ratio.flatten()[at].item(), at // max(1, ratio[0].numel())
