"""Conditions that are no plain photograph: an equalised one beside it, or sizes only."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["equalise", "sizes_only", "with_equalised"]


def with_equalised(y: Tensor) -> Tensor:
    """(…, 3, H, W) → (…, 6, H, W): a whole photograph beside its ``equalise``, so that both are
    cropped together."""
    return torch.cat((y, equalise(y)), dim=-3)


def equalise(image: Tensor) -> Tensor:
    """Histogram equalisation of an image (…, H, W) in [0, 1], channel by channel: level v becomes
    max(0, round(255·(N(v) − n₀)/(N − n₀)))/255. It has no gradient.

    Levels are the 256 of an 8-bit file. N(v) counts the pixels at or below v, n₀ those at the
    lowest level that occurs, N all pixels. A channel with one level stays as it is. It is OpenCV's
    ``equalizeHist``, up to ties in the rounding.
    """
    flat = image.detach().reshape(-1, image.shape[-2] * image.shape[-1])
    levels = (flat.nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * 255).round().long()
    counts = torch.zeros(len(flat), 256, dtype=torch.float64, device=image.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=torch.float64))
    below = counts.cumsum(1)
    first = counts.gather(1, levels.amin(1, keepdim=True))
    spread = levels.shape[1] - first
    table = ((below - first).clamp(min=0) / spread.clamp(min=1) * 255).round()
    table = torch.where(
        spread > 0, table, torch.arange(256, dtype=torch.float64, device=image.device)
    )
    return (table.gather(1, levels) / 255).to(image.dtype).reshape(image.shape)


def sizes_only(x: Tensor) -> Tensor:
    """(B, 3, H, W) → (B, 0, H, W): the condition of an unconditional flow, which tells only the
    number and the size of images."""
    return x[:, :0]
