"""Image quality of samples against ground truth. Images in [0, 1], shape (B, 3, H, W).

Samples are clamped to [0, 1] first; +Inf becomes 1, −Inf and NaN become 0. Identical images have a
PSNR of 100 dB instead of infinity, so that means and deviations exist.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from invbench.data.resample import bicubic, quantise

__all__ = ["PSNR_CEILING", "displayable", "lr_psnr", "psnr", "rescaled", "ssim"]

PSNR_CEILING = 100.0


def displayable(samples: Tensor) -> Tensor:
    """Samples as a screen shows them: clamped to [0, 1], with NaN black."""
    return samples.nan_to_num(nan=0.0, posinf=1.0, neginf=0.0).clamp(0, 1)


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """−10·log10 of the mean squared error over pixels and channels, (B,), in dB, at most 100."""
    error = (displayable(images).double() - truth.double()).square().flatten(1).mean(1)
    return (-10 * torch.log10(error.clamp(min=1e-300))).clamp(max=PSNR_CEILING)


def rescaled(images: Tensor, truth: Tensor) -> Tensor:
    """x·mean(truth)/mean(x), clamped to [0, 1], in float64: the clamped x at the brightness of the
    ground truth, with means over pixels and channels. A black image stays black.

    LLFlow's released test does this before it takes the PSNR (Wang et al., AAAI 2022; its means are
    of grey values), so the exposure does not count.
    """
    shown = displayable(images).double()
    mean = shown.flatten(1).mean(1)
    target = truth.double().flatten(1).mean(1)
    factor = torch.where(mean > 0, target / mean, torch.ones_like(mean))
    return (shown * factor.view(-1, *[1] * (images.ndim - 1))).clamp(0, 1)


def ssim(images: Tensor, truth: Tensor) -> Tensor:
    """SSIM (Wang et al. 2004) with an 11×11 Gaussian of σ = 1.5, mean over channels, (B,)."""
    value = structural_similarity_index_measure(
        displayable(images),
        truth.expand_as(images),
        data_range=1.0,
        sigma=1.5,
        kernel_size=11,
        reduction="none",
    )
    assert isinstance(value, Tensor)
    return value.reshape(-1)


def lr_psnr(samples: Tensor, low: Tensor, scale: int) -> Tensor:
    """LR-PSNR (NTIRE 2021), (B,), in dB: the sample is clamped to [0, 1], rounded to 8 bits,
    reduced by bicubic ÷ scale, rounded again, and compared with ``low`` (B, 3, h, w)."""
    return psnr(quantise(bicubic(quantise(displayable(samples)), 1 / scale)), low)
