"""What goes wrong while a condition is made. These corruptions start from the ground truth x,
(3, s·h, s·w), not from y."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.corruptions.base import Batch, corruption
from invbench.corruptions.blur import gaussian_blur
from invbench.corruptions.tone import blend
from invbench.data.resample import BICUBIC, Kernel, gaussian, quantise, resample

__all__: list[str] = []


def _shrink(batch: Batch, kernel: Kernel, high: list[Tensor]) -> Tensor:
    """Each image alone: the rounding of a product of matrices depends on size and alignment."""
    return quantise(torch.stack([resample(x, 1 / batch.scale, kernel) for x in high])).to(batch.low)


@corruption("eurban", (0.5, 1.0, 2.0, 4.0, 8.0), needs_high=True)
def eurban(batch: Batch) -> Tensor:
    """Our enhanced Urban100 (the paper's is not published): unsharp mask before downscaling, x' =
    Q(x + a·(x − G₂x)), y' = Q(bicubic(x')); G₂: Gaussian blur, σ = 2 pixels of x, cut at 3σ; Q: to
    8 bits."""
    enhanced = [quantise(x + batch.strength * (x - gaussian_blur(x, 2.0))) for x in batch.truth()]
    return _shrink(batch, BICUBIC, enhanced)


@corruption("kernel", (0.5, 0.7, 1.0, 1.4, 2.0), needs_high=True)
def kernel(batch: Batch) -> Tensor:
    """Downscaled from x by a Gaussian kernel of standard deviation σ pixels of y instead of
    bicubic, to 8 bits (as in blind super-resolution; Gu et al. 2019)."""
    return _shrink(batch, gaussian(batch.strength), [x.clone() for x in batch.truth()])


@corruption("aliasing", (0.0, 0.25, 0.5, 0.75, 1.0), needs_high=True)
def aliasing(batch: Batch) -> Tensor:
    """Downscaled from x by the mean of each s×s block (box kernel) at a = 0, by one pixel of it
    (nearest neighbour, no filter) at a = 1: Q((1 − a)·box + a·nearest)."""
    s, x = batch.scale, batch.truth()
    cells = [x[..., i::s, j::s] for i in range(s) for j in range(s)]
    box = torch.zeros_like(cells[0])
    for cell in cells:
        box += cell
    nearest = x[..., s // 2 :: s, s // 2 :: s]
    return quantise(blend(box / s**2, nearest, batch.strength)).to(batch.low)
