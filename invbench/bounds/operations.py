"""Interval rules for the operations of encoders, priors and base images, beside those of
conditioners.

Importing this file adds them to the table of the intervals. None of them carries a bound on a
Jacobian.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from invbench.bounds.lipschitz.interval import RULES, Interval, Unsupported

__all__ = ["ConditionBox"]

U = torch.finfo(torch.float64).eps


class ConditionBox(Interval):
    """A box of conditions: an interval with a length, the number of its rows."""

    def __len__(self) -> int:
        return self.shape[0]


def _plain(v: Interval, name: str) -> None:
    if v.gain is not None:
        raise Unsupported(f"no interval rule for {name} of what carries a Jacobian")


def _matmul(a: Any, b: Any) -> Interval:
    """constant @ interval or interval @ constant: the matrix maps the centre, its absolute values
    map the radius."""
    left = isinstance(b, Interval)
    v, matrix = (b, a) if left else (a, b)
    if not isinstance(v, Interval) or not isinstance(matrix, Tensor):
        raise Unsupported("no interval rule for a product of two intervals")
    _plain(v, "matmul")
    matrix = matrix.detach().double()
    radius = (v.hi - v.lo) / 2
    centre = v.lo + radius

    def apply(m: Tensor, x: Tensor) -> Tensor:
        return m @ x if left else x @ m

    out, spread = apply(matrix, centre), apply(matrix.abs(), radius)
    lost = (matrix.shape[-1 if left else 0] + 4) * U * apply(matrix.abs(), centre.abs() + radius)
    return Interval(out - spread - lost, out + spread + lost)


def _pixel_unshuffle(v: Interval, factor: int) -> Interval:
    _plain(v, "pixel_unshuffle")
    return Interval(F.pixel_unshuffle(v.lo, factor), F.pixel_unshuffle(v.hi, factor))


def _expand(v: Interval, *sizes: int) -> Interval:
    _plain(v, "expand")
    return Interval(v.lo.expand(*sizes), v.hi.expand(*sizes))


def _constant(v: Interval, size: Any, value: float) -> Interval:
    full = v.lo.new_full(size, value)
    return Interval(full, full)


RULES |= {
    "matmul": _matmul,
    "rmatmul": lambda own, other: _matmul(other, own),
    "pixel_unshuffle": _pixel_unshuffle,
    "expand": _expand,
    "new_full": _constant,
    "new_zeros": lambda v, *size: _constant(
        v, size[0] if isinstance(size[0], tuple) else size, 0.0
    ),
    "to": lambda own, like: own.detach().double() if isinstance(like, Interval) else own,
}
