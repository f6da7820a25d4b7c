"""What the encoder of the low-light flow sees of a dark photograph: twelve channels, none of them learned."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["colour_map", "encoder_inputs", "equalise", "noise_map", "with_equalised"]

DARK, NO_LIGHT = 1e-3, 1e-4


def encoder_inputs(y: Tensor) -> Tensor:
    """(B, 3, H, W), a dark photograph, or (B, 6, H, W), a part of one beside the same part of ``equalise`` of the whole → (B, 12, H, W).

    Channels, with low⁺ = max(low, 0):
    0–2   log(low⁺ + 10⁻³);
    3–5   the histogram-equalised photograph (``equalise``): of y itself when it has three channels;
    6–8   ``colour_map`` c;
    9–11  ``noise_map`` of c.
    Wang et al., AAAI 2022, "The conditional encoder"; constants and order as in the authors' code. Raises ``ValueError`` for other channels.
    """
    if y.ndim != 4 or y.shape[1] not in (3, 6):
        raise ValueError(
            f"a condition is (B, 3, H, W), or (B, 6, H, W) with its equalised photograph, not {tuple(y.shape)}"
        )
    low = y[:, :3].clamp(min=0)
    equalised = y[:, 3:] if y.shape[1] == 6 else equalise(low)
    colour = colour_map(low)
    return torch.cat(((low + DARK).log(), equalised, colour, noise_map(colour)), dim=1)


def with_equalised(y: Tensor) -> Tensor:
    """(…, 3, H, W) → (…, 6, H, W): a whole photograph and its ``equalise``, to be cropped together."""
    return torch.cat((y, equalise(y)), dim=-3)


def equalise(image: Tensor) -> Tensor:
    """(…, H, W) in [0, 1], each channel by itself: level v → round(255·(N(v) − n₀)/(N − n₀))/255, clamped at 0.

    Levels are the 256 of an 8-bit file, N(v) counts the pixels at or below v, n₀ those at the lowest level there is, N all of them; a channel
    of one level stays as it is. OpenCV's ``equalizeHist``, up to ties in the rounding. Has no gradient.
    """
    flat = image.detach().reshape(-1, image.shape[-2] * image.shape[-1])
    levels = (flat.nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * 255).round().long()
    counts = torch.zeros(len(flat), 256, dtype=torch.float64, device=image.device)
    counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=torch.float64))
    below = counts.cumsum(1)
    first = counts.gather(1, levels.amin(1, keepdim=True))
    spread = levels.shape[1] - first
    table = ((below - first).clamp(min=0) / spread.clamp(min=1) * 255).round()
    table = torch.where(spread > 0, table, torch.arange(256, dtype=torch.float64, device=image.device))
    return (table.gather(1, levels) / 255).to(image.dtype).reshape(image.shape)


def colour_map(low: Tensor) -> Tensor:
    """(B, 3, H, W): c = (low + 10⁻³)/(Σ over channels of (low + 10⁻³) + 10⁻⁴), the colour without the brightness."""
    lit = low + DARK
    return lit / (lit.sum(1, keepdim=True) + NO_LIGHT)


def noise_map(colour: Tensor) -> Tensor:
    """(B, 3, H, W): max(|∂ₓc|, |∂ᵧc|), ∂c = (c[i+1] − c[i−1])/2 with c = 0 outside: the edges, and where it is dark the noise."""
    padded = F.pad(colour, (1, 1, 1, 1))
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.maximum(across.abs(), down.abs())
