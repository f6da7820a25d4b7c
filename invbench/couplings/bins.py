"""The bins of a spline: their sizes from raw parameters, and the bin that holds a value.

Columns are lists with one tensor per bin. So K bins are K elementwise operations, which compile
into one kernel without a gather, a sort or a cumulative sum over a dimension.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

__all__ = ["edges", "passed", "select", "shares", "softplus_slope", "weights"]

STEEPEST = 1e4  # of a knot slope: a product of four is still a float32


def weights(raw: Sequence[Tensor]) -> list[Tensor]:
    """softmax over the K tensors of the list."""
    largest = reduce(torch.maximum, raw)
    exps = [torch.exp(r - largest) for r in raw]
    total = reduce(torch.add, exps)
    return [e / total for e in exps]


def shares(raw: Sequence[Tensor], floor: float) -> list[Tensor]:
    """Positive numbers that sum to 1, none below ``floor``: floor + (1 − K·floor)·softmax(raw)."""
    return [floor + (1 - len(raw) * floor) * share for share in weights(raw)]


def edges(sizes: Sequence[Tensor], start: float) -> list[Tensor]:
    """The left edges of the bins; the first is ``start``."""
    first = torch.full_like(sizes[0], start)
    return list(itertools.accumulate(sizes[:-1], initial=first))


def passed(v: Tensor, left: Sequence[Tensor]) -> list[Tensor]:
    """For every bin but the first, whether v lies at or beyond its left edge."""
    return [v >= edge for edge in left[1:]]


def select(beyond: Sequence[Tensor], columns: Sequence[Tensor]) -> Tensor:
    """The entry of the bin that holds v; ``beyond`` is from ``passed``."""
    chosen = columns[0]
    for mask, column in zip(beyond, columns[1:], strict=True):
        chosen = torch.where(mask, column, chosen)
    return chosen


def softplus_slope(raw: Tensor, floor: float) -> Tensor:
    """A knot slope floor + softplus(raw + log(e^(1−floor) − 1)): 1 at raw = 0, at most about
    1e4."""
    offset = math.log(math.expm1(1 - floor))
    # torch's own threshold of 20 would cost an error of 2e-9
    return floor + torch.nn.functional.softplus((raw + offset).clamp(max=STEEPEST), threshold=80)
