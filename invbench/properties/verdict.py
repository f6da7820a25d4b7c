"""Errors against rounding units: which are defects, which are the conditioning of the map."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from invbench.properties.conditioning import SLACK
from invbench.properties.law import Violation

__all__ = ["LOST", "Unit", "beyond_rounding", "per_row"]

Unit = Tensor | Callable[[Tensor], Tensor]  # the rounding units, or a function that gives those of some rows

LOST = 1e4  # a sound round trip that loses more than this many u is reported as ill-conditioned


def per_row(valid: Tensor, elementwise: bool) -> Tensor:
    """A layer's row counts only when all its elements do."""
    return valid if elementwise else valid.flatten(1).all(1)


def beyond_rounding(
    error: Tensor,
    unit: Unit,
    valid: Tensor,
    what: str,
    natural: Tensor | None = None,
    least: float | Tensor = 0.0,
) -> Iterator[Violation]:
    """A defect where error > SLACK·unit; else ill-conditioned where error > LOST·natural. NaN errors count as infinite.

    A unit costs many more calls of the twin than an error of the subject, so it may be a function of row numbers. It is asked only for
    rows with an error above SLACK·least, where ``least`` is below every unit: in the others no unit could make a defect of it.
    """
    if not error.numel():
        return
    error = torch.where(valid, error.nan_to_num(nan=torch.inf), torch.zeros_like(error))
    if not isinstance(unit, Tensor):
        unit = _units_of(unit, error, least)
    ratio = torch.where(error > 0, error / unit, torch.zeros_like(error)).nan_to_num(nan=0.0, posinf=torch.inf)
    worst, row = _most(ratio)
    if worst > SLACK:
        off = error.flatten()[int(ratio.argmax())].item()
        message = f"{what} is off by {off:.3g}, {worst:.3g} times what rounding explains"
        yield Violation(worst, SLACK, message, row=row)
    elif natural is not None:
        # an infinite error whose unit is infinite too says nothing about conditioning; the law ``finite`` judges it
        lost, row = _most((error / natural).nan_to_num(nan=0.0, posinf=0.0))
        if lost > LOST:
            message = f"{what} loses {lost:.3g} u, all of it explained by the conditioning of the map"
            yield Violation(lost, LOST, message, kind="ill-conditioned", row=row)


def _units_of(unit: Callable[[Tensor], Tensor], error: Tensor, least: float | Tensor) -> Tensor:
    """The units of rows under suspicion; Inf in the others, which accuses nobody."""
    units = torch.full_like(error, torch.inf)
    suspects = (error > SLACK * least).reshape(error.shape[0], -1).any(1).nonzero()[:, 0]
    if len(suspects):
        units[suspects] = unit(suspects)
    return units


def _most(ratio: Tensor) -> tuple[float, int]:
    at = int(ratio.argmax())
    return ratio.flatten()[at].item(), at // max(1, ratio[0].numel())
