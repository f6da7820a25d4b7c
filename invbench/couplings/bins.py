"""Bins of a spline: their sizes from raw parameters, the bin that holds a value, and what belongs
to it.

Everything is a list with one tensor per bin, so that K bins are K elementwise operations: they fuse
into one kernel, and no gather, sort or cumulative sum over a last dimension is needed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

__all__ = ["edges", "passed", "select", "shares", "softplus_slope", "weights"]

STEEPEST = 1e4  # knot slopes saturate there: four of them can still be multiplied in float32


def weights(raw: Sequence[Tensor]) -> list[Tensor]:
    """softmax over the list."""
    largest = reduce(torch.maximum, raw)
    exps = [torch.exp(r - largest) for r in raw]
    total = reduce(torch.add, exps)
    return [e / total for e in exps]


def shares(raw: Sequence[Tensor], floor: float) -> list[Tensor]:
    """Positive numbers that sum to 1, none below ``floor``: floor + (1 − K·floor)·softmax(raw)."""
    return [floor + (1 - len(raw) * floor) * share for share in weights(raw)]


def edges(sizes: Sequence[Tensor], start: float) -> list[Tensor]:
    """Left edges of the bins, from ``start``."""
    first = torch.full_like(sizes[0], start)
    return list(itertools.accumulate(sizes[:-1], initial=first))


def passed(v: Tensor, left: Sequence[Tensor]) -> list[Tensor]:
    """Whether v lies beyond the left edge, for every bin but the first."""
    return [v >= edge for edge in left[1:]]


def select(beyond: Sequence[Tensor], columns: Sequence[Tensor]) -> Tensor:
    """The entry of v's own bin."""
    chosen = columns[0]
    for mask, column in zip(beyond, columns[1:], strict=True):
        chosen = torch.where(mask, column, chosen)
    return chosen


def softplus_slope(raw: Tensor, floor: float) -> Tensor:
    """Knot slope floor + softplus(raw + log(e^(1−floor) − 1)), 1 at raw = 0; saturates at 1e4."""
    offset = math.log(math.expm1(1 - floor))
    # 20 would lose 2e-9
    return floor + torch.nn.functional.softplus((raw + offset).clamp(max=STEEPEST), threshold=80)
