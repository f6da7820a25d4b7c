"""Blur, and its opposite. Beyond its border an image is continued by its last row or column."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from invbench.corruptions.base import Batch, corruption

__all__ = ["gaussian_blur", "weighted_sum"]

Taps = tuple[tuple[int, int, float], ...]  # rows down, columns to the right, weight


def weighted_sum(image: Tensor, taps: Taps) -> Tensor:
    """Σ_k weight_k·image[p + (rows_k, columns_k)] at every place p of an image (…, h, w).

    The products are added one by one in the order of ``taps``, so every device rounds alike.
    """
    height, width = image.shape[-2:]
    reach_y, reach_x = max(abs(dy) for dy, _, _ in taps), max(abs(dx) for _, dx, _ in taps)
    rows = torch.arange(-reach_y, height + reach_y, device=image.device).clamp(0, height - 1)
    columns = torch.arange(-reach_x, width + reach_x, device=image.device).clamp(0, width - 1)
    padded = image[..., rows, :] if reach_y else image
    padded = padded[..., columns] if reach_x else padded
    total = torch.zeros_like(image)
    for dy, dx, weight in taps:
        top, left = reach_y + dy, reach_x + dx
        total += weight * padded[..., top : top + height, left : left + width]
    return total


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """The image (…, h, w) under a Gaussian of standard deviation σ pixels, cut at 3σ: rows first,
    then columns."""
    reach = math.ceil(3 * sigma)
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-reach, reach + 1)]
    taps = [(k - reach, weight / sum(weights)) for k, weight in enumerate(weights)]
    blurred = weighted_sum(image, tuple((k, 0, weight) for k, weight in taps))
    return weighted_sum(blurred, tuple((0, k, weight) for k, weight in taps))


@corruption("gaussian-blur", (0.5, 1.0, 1.5, 2.5, 4.0))
def gaussian(batch: Batch) -> Tensor:
    """Gaussian blur of standard deviation σ pixels, cut at 3σ."""
    return gaussian_blur(batch.low, batch.strength).clamp(0, 1)


@lru_cache(maxsize=16)
def _disc(radius: float) -> Taps:
    reach = math.ceil(radius + 0.5)
    found = [
        (dy, dx, min(max(radius + 0.5 - math.hypot(dy, dx), 0.0), 1.0))
        for dy in range(-reach, reach + 1)
        for dx in range(-reach, reach + 1)
    ]
    total = sum(weight for _, _, weight in found)
    return tuple((dy, dx, weight / total) for dy, dx, weight in found if weight > 0)


@corruption("defocus", (0.75, 1.25, 2.0, 3.0, 4.0))
def defocus(batch: Batch) -> Tensor:
    """Mean over a disc of radius r pixels, its edge weighted clamp(r + 1/2 − distance, 0, 1): a
    lens out of focus."""
    return weighted_sum(batch.low, _disc(batch.strength)).clamp(0, 1)


def _segment(length: float, angle: float) -> Taps:
    count = round(length)
    weights: dict[tuple[int, int], float] = {}
    for k in range(count):
        t = k - (count - 1) / 2
        y, x = t * math.sin(angle), t * math.cos(angle)
        top, left = math.floor(y), math.floor(x)
        for dy, wy in ((top, 1 - (y - top)), (top + 1, y - top)):
            for dx, wx in ((left, 1 - (x - left)), (left + 1, x - left)):
                weights[dy, dx] = weights.get((dy, dx), 0.0) + wy * wx / count
    return tuple((dy, dx, weight) for (dy, dx), weight in sorted(weights.items()) if weight > 1e-9)


@corruption("motion-blur", (3.0, 5.0, 9.0, 13.0, 19.0))
def motion_blur(batch: Batch) -> Tensor:
    """Mean of L points one pixel apart on a segment centred at the pixel, its angle uniform in [0,
    π) per image; bilinear between pixels."""
    taps = [_segment(batch.strength, math.pi * u) for (u,) in batch.numbers(1)]
    return torch.stack([weighted_sum(y, t) for y, t in zip(batch.low, taps, strict=True)]).clamp(
        0, 1
    )


@corruption("sharpen", (0.5, 1.0, 2.0, 4.0, 8.0))
def sharpen(batch: Batch) -> Tensor:
    """Unsharp mask, clamp(y + a·(y − blur(y)), 0, 1); blur: 5×5 Gaussian, σ = 1, edges
    replicated."""
    y = batch.low
    taps = torch.exp(-0.5 * torch.arange(-2, 3, dtype=y.dtype, device=y.device) ** 2)
    taps = taps / taps.sum()
    kernel = (taps[:, None] * taps).expand(3, 1, 5, 5)

    def blur(image: Tensor) -> Tensor:
        return F.conv2d(F.pad(image[None], (2, 2, 2, 2), mode="replicate"), kernel, groups=3)[0]

    return (y + batch.strength * (y - batch.one_by_one(blur))).clamp(0, 1)
