"""How samples fail: non-finite pixels, pixels out of range, and the largest pixel, before any
clamp."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Explosion", "explosion"]


@dataclass(frozen=True)
class Explosion:
    """Counts over the K samples of one input (Hong, Park, Chun, ICCV 2023, Table 1).

    ``inf``: some sample has a non-finite pixel. ``error``: some sample has a pixel that is not
    finite or lies outside the range. ``plus_inf``, ``minus_inf``, ``nan``, ``out_of_range``,
    ``failed_samples``: numbers of samples. ``max_abs_log10``: the largest log10 |x| over all pixels
    of all samples, infinite when one is not finite.
    """

    samples: int
    plus_inf: int
    minus_inf: int
    nan: int
    out_of_range: int
    failed_samples: int
    max_abs_log10: float

    @property
    def inf(self) -> bool:
        return self.plus_inf + self.minus_inf + self.nan > 0

    @property
    def error(self) -> bool:
        return self.failed_samples > 0


def explosion(samples: Tensor, low: float = -0.5, high: float = 1.5) -> Explosion:
    """Count over samples (K, …). The default range is that of the released test code of Hong et al.
    for images in [0, 1]."""
    flat = samples.detach().flatten(1)
    finite = flat.isfinite()
    outside = (((flat > high) | (flat < low)) & finite).any(1)
    broken = (~finite).any(1)
    largest = (
        flat.abs().nan_to_num(nan=math.inf, posinf=math.inf).max().item() if flat.numel() else 0.0
    )
    return Explosion(
        samples=flat.shape[0],
        plus_inf=int(torch.isposinf(flat).any(1).sum()),
        minus_inf=int(torch.isneginf(flat).any(1).sum()),
        nan=int(flat.isnan().any(1).sum()),
        out_of_range=int(outside.sum()),
        failed_samples=int((outside | broken).sum()),
        max_abs_log10=math.log10(largest) if largest > 0 else -math.inf,
    )
