"""MATLAB-style bicubic resampling, the one that super-resolution data sets are made with."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["bicubic", "quantise"]


def _cubic(t: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = −1/2 (Keys 1981, eq. 15)."""
    a, a2, a3 = t.abs(), t.abs() ** 2, t.abs() ** 3
    inner = 1.5 * a3 - 2.5 * a2 + 1
    outer = -0.5 * a3 + 2.5 * a2 - 4 * a + 2
    return torch.where(a <= 1, inner, torch.where(a <= 2, outer, torch.zeros_like(t)))


@lru_cache(maxsize=64)
def _matrix(size: int, scale: float) -> Tensor:
    """The (⌈size·scale⌉, size) float64 matrix of one axis: kernel widened by 1/scale when shrinking, edges mirrored."""
    out = math.ceil(size * scale)
    shrink = min(scale, 1.0)
    centre = (torch.arange(out, dtype=torch.float64) + 0.5) / scale - 0.5
    reach = 2 / shrink
    taps = torch.floor(centre - reach)[:, None] + torch.arange(math.ceil(2 * reach) + 2)
    weights = shrink * _cubic(shrink * (centre[:, None] - taps))
    weights = weights / weights.sum(1, keepdim=True)
    mirrored = taps.long() % (2 * size)
    mirrored = torch.where(mirrored < size, mirrored, 2 * size - 1 - mirrored)
    return torch.zeros(out, size, dtype=torch.float64).scatter_add_(1, mirrored, weights)


def bicubic(image: Tensor, scale: float) -> Tensor:
    """Resize (…, H, W) by ``scale`` as MATLAB's ``imresize(…, 'bicubic')`` does, antialiased when shrinking; unclamped.

    Linear in the image; dtype and device are kept. Non-finite pixels spread as the sums carry them.
    """
    rows = _matrix(image.shape[-2], scale).to(image)
    columns = _matrix(image.shape[-1], scale).to(image)
    return rows @ image @ columns.T


def quantise(image: Tensor) -> Tensor:
    """Clamp to [0, 1] and round to the 256 grey levels of an 8-bit file."""
    return (image.clamp(0, 1) * 255).round() / 255
