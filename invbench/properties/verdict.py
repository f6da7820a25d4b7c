"""Errors against rounding units: which are defects, which are the conditioning of the map."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.properties.conditioning import SLACK
from invbench.properties.law import Violation

__all__ = ["LOST", "beyond_rounding", "per_row"]

LOST = 1e4  # a sound round trip that loses more than this many u is reported as ill-conditioned


def per_row(valid: Tensor, elementwise: bool) -> Tensor:
    """A layer's row counts only when all its elements do."""
    return valid if elementwise else valid.flatten(1).all(1)


def beyond_rounding(
    error: Tensor, unit: Tensor, valid: Tensor, what: str, natural: Tensor | None = None
) -> Iterator[Violation]:
    """A defect where error > SLACK·unit; else ill-conditioned where error > LOST·natural. NaN errors count as infinite."""
    if not error.numel():
        return
    error = torch.where(valid, error.nan_to_num(nan=torch.inf), torch.zeros_like(error))
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


def _most(ratio: Tensor) -> tuple[float, int]:
    at = int(ratio.argmax())
    return ratio.flatten()[at].item(), at // max(1, ratio[0].numel())
