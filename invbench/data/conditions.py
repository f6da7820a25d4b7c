"""What a flow's condition holds beside, or in place of, a photograph."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["equalise", "sizes_only", "with_equalised"]


def with_equalised(y: Tensor) -> Tensor:
    """(…, 3, H, W) → (…, 6, H, W): a whole photograph and its ``equalise``, to be cropped
    together."""
    return torch.cat((y, equalise(y)), dim=-3)


def equalise(image: Tensor) -> Tensor:
    """(…, H, W) in [0, 1], each channel by itself: level v → round(255·(N(v) − n₀)/(N − n₀))/255,
    clamped at 0.

    Levels are the 256 of an 8-bit file, N(v) counts the pixels at or below v, n₀ those at the
    lowest level there is, N all of them; a channel of one level stays as it is. OpenCV's
    ``equalizeHist``, up to ties in the rounding. Has no gradient.
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
    """(B, 3, H, W) → (B, 0, H, W): the condition of a flow that has none, which tells only how many
    images of what size."""
    return x[:, :0]
