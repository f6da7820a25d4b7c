"""Patterns of other weights that a layer is given."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["WEIGHTS"]

# pattern -> (weights, N(0, 1) of their shape, 2^k) to new weights
WEIGHTS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "initial": lambda w, drawn, scale: w,
    "scaled": lambda w, drawn, scale: w * scale,
    "noise": lambda w, drawn, scale: w + scale * drawn / _fan_in(w),
    "saturated": lambda w, drawn, scale: scale * (drawn.sign() + 0.1 * drawn) / _fan_in(w),
    "reflected": lambda w, drawn, scale: _reflected(w),
}


def _fan_in(w: Tensor) -> float:
    return float(w[0].numel()) ** 0.5 if w.ndim > 1 else 1.0


def _reflected(w: Tensor) -> Tensor:
    """A square matrix with its first row negated: its determinant changes sign. Anything else
    stays."""
    square = w.ndim >= 2 and w.shape[0] == w.shape[1] == w[0].numel()
    return torch.cat((-w[:1], w[1:])) if square else w
