"""Poisson numbers by inversion of one uniform number each: the same on every device."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from scipy.special import pdtr
from torch import Tensor

__all__ = ["levels", "photons"]


def levels(y: Tensor) -> Tensor:
    """The nearest of the 256 grey levels of values in [0, 1], as int64."""
    return (y.clamp(0, 1) * 255).round().long()


@lru_cache(maxsize=32)
def _table(white: float, power: int) -> tuple[Tensor, int]:
    """(level + P(N ≤ k | mean = white·(level/255)^power) for all levels and k < K, K).

    Flattened, (256·K,), the numbers ascend, so one search finds k for values of any level.
    """
    length = math.ceil(white + 10 * math.sqrt(white) + 20)  # the tail beyond is below 1e-20
    level = torch.arange(256, dtype=torch.float64)[:, None]
    mean = white * (level / 255) ** power
    below = torch.as_tensor(pdtr(torch.arange(length).double()[None].numpy(), mean.numpy()))
    below[:, -1] = 1
    return (level + below).flatten(), length


def photons(level: Tensor, white: float, power: int, u: Tensor) -> Tensor:
    """N = min{k: P(Poisson ≤ k) ≥ u} with the mean white·(level/255)^power, per value.

    ``level``: int64 in 0 … 255; ``u``: uniform numbers in (0, 1) of its shape. Returns int64.
    """
    table, length = _table(white, power)
    found = torch.searchsorted(table.to(u.device), level.double() + u.double())
    return found - level * length
