"""Shapes of layers' inputs: dimension 1 is channels, the dimensions behind it are positions."""

from __future__ import annotations

import math

from torch import Tensor

__all__ = ["per_channel", "positions", "sum_events"]


def per_channel(v: Tensor, x: Tensor) -> Tensor:
    """View a (C,) vector so that it broadcasts over x of shape (B, C, …)."""
    return v.view(1, -1, *[1] * (x.ndim - 2))


def positions(x: Tensor) -> int:
    """Number of positions (pixels) of x of shape (B, C, …)."""
    return math.prod(x.shape[2:])


def sum_events(v: Tensor) -> Tensor:
    """Sum over everything but the batch: (B, …) → (B,)."""
    return v.flatten(1).sum(1)
