"""Bicubic resampling as in MATLAB, with which super-resolution data sets are made, and with other
kernels.

Training recipes, the track ``sr`` and LR-PSNR use ``bicubic`` and then ``quantise``: borders are
mirrored, and values are rounded once, at the end. ``downscale_as_shipped`` reproduces the
low-resolution files of a data set, which were rounded after each axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "BICUBIC",
    "SHIPPED",
    "Kernel",
    "Shipped",
    "bicubic",
    "downscale_as_shipped",
    "gaussian",
    "quantise",
    "resample",
]

Border = Literal["mirror", "replicate"]


@dataclass(frozen=True)
class Kernel:
    """A kernel k(t) = ``weight(t)``, 0 for |t| ≥ ``reach``, with t in pixels of the coarser grid.
    Its users normalise it."""

    weight: Callable[[Tensor], Tensor]
    reach: float


def _cubic(t: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = −1/2 (Keys 1981, eq. 15)."""
    a, a2, a3 = t.abs(), t.abs() ** 2, t.abs() ** 3
    inner = 1.5 * a3 - 2.5 * a2 + 1
    outer = -0.5 * a3 + 2.5 * a2 - 4 * a + 2
    return torch.where(a <= 1, inner, torch.where(a <= 2, outer, torch.zeros_like(t)))


BICUBIC = Kernel(_cubic, 2.0)


def _bell(t: Tensor, sigma: float) -> Tensor:
    return torch.exp(-0.5 * (t / sigma) ** 2)


@lru_cache(maxsize=16)
def gaussian(sigma: float) -> Kernel:
    """The kernel exp(−t²/(2σ²)), cut at 4σ; σ in pixels of the coarser grid."""
    return Kernel(partial(_bell, sigma=sigma), 4 * sigma)


@lru_cache(maxsize=64)
def _matrix(size: int, scale: float, kernel: Kernel, border: Border) -> Tensor:
    """The matrix of one axis, (⌈size·scale⌉, size) float64. When shrinking, the kernel is widened
    by 1/scale."""
    out = math.ceil(size * scale)
    shrink = min(scale, 1.0)
    centre = (torch.arange(out, dtype=torch.float64) + 0.5) / scale - 0.5
    reach = kernel.reach / shrink
    taps = torch.floor(centre - reach)[:, None] + torch.arange(math.ceil(2 * reach) + 2)
    weights = shrink * kernel.weight(shrink * (centre[:, None] - taps))
    weights = weights / weights.sum(1, keepdim=True)
    if border == "replicate":
        inside = taps.long().clamp(0, size - 1)
    else:
        inside = taps.long() % (2 * size)
        inside = torch.where(inside < size, inside, 2 * size - 1 - inside)
    return torch.zeros(out, size, dtype=torch.float64).scatter_add_(1, inside, weights)


def resample(
    image: Tensor, scale: float, kernel: Kernel = BICUBIC, border: Border = "mirror"
) -> Tensor:
    """Resize an image (…, H, W) by ``scale`` with ``kernel``, antialiased when shrinking; the
    result is not clamped.

    It is linear in the image, and keeps dtype and device. Pixels that are not finite spread over
    the reach of the kernel, or further.
    """
    rows = _matrix(image.shape[-2], scale, kernel, border).to(image)
    columns = _matrix(image.shape[-1], scale, kernel, border).to(image)
    return rows @ image @ columns.T


def bicubic(image: Tensor, scale: float) -> Tensor:
    """Resize an image (…, H, W) by ``scale`` as MATLAB's ``imresize(…, 'bicubic')`` resizes one of
    floating-point numbers."""
    return resample(image, scale)


def quantise(image: Tensor) -> Tensor:
    """The image, clamped to [0, 1] and rounded to the 256 levels of an 8-bit file."""
    return (image.clamp(0, 1) * 255).round() / 255


@dataclass(frozen=True)
class Shipped:
    """How low-resolution files were made: rounded to 8 bits after each axis or once, and what lies
    beyond the border."""

    rounding: Literal["per-axis", "once"]
    border: Border


# (data set, scale) → how its files were made, found by comparison with them: those of Urban100 are
# equal, those of Set5 but for ties, by one level
SHIPPED: dict[tuple[str, int], Shipped] = {
    ("Set5", 2): Shipped("per-axis", "mirror"),
    ("Set5", 3): Shipped("per-axis", "mirror"),
    ("Set5", 4): Shipped("per-axis", "mirror"),
    ("Set5", 8): Shipped("once", "mirror"),
    ("Urban100", 4): Shipped("per-axis", "replicate"),
}


def _level(grey: Tensor) -> Tensor:
    """Rounded to 0 … 255, ties up as in MATLAB; 1e-9 because a tie may come out a bit too low."""
    return (grey + 0.5 + 1e-9).floor().clamp(0, 255)


def downscale_as_shipped(
    image: Tensor,
    scale: int,
    rounding: Literal["per-axis", "once"] = "per-axis",
    border: Border = "mirror",
) -> Tensor:
    """An image (…, H, W) in [0, 1], cropped to multiples of ``scale`` and reduced by it, as
    MATLAB's ``imresize`` reduces one of 8 bits.

    MATLAB works along one axis after the other, rows of the result first, and stores 8 bits in
    between: ``per-axis``. ``SHIPPED`` has the rounding and border that reproduce the files of a
    data set within one grey level. Trainings and tests use ``quantise(bicubic(…))`` instead, which
    differs by at most two levels in single pixels. Computed in float64, in the image's dtype
    outside.
    """
    height, width = (side - side % scale for side in image.shape[-2:])
    grey = (image[..., :height, :width].double() * 255).round()
    rows = _matrix(height, 1 / scale, BICUBIC, border).to(grey)
    columns = _matrix(width, 1 / scale, BICUBIC, border).to(grey)
    half = rows @ grey
    if rounding == "per-axis":
        half = _level(half)
    return (_level(half @ columns.T) / 255).to(image)
