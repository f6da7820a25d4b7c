"""The inputs of the low-light flow's encoder: twelve channels of a dark photograph, computed
without learned weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from invbench.data.conditions import equalise

__all__ = ["colour_map", "encoder_inputs", "noise_map"]

DARK, NO_LIGHT = 1e-3, 1e-4


def encoder_inputs(y: Tensor) -> Tensor:
    """A dark photograph (B, 3, H, W), or a crop of one beside the same crop of its ``equalise``,
    (B, 6, H, W) → (B, 12, H, W).

    Channels, with low⁺ = max(low, 0):
    0–2   log(low⁺ + 10⁻³);
    3–5   the histogram-equalised photograph (``equalise``): of y itself when it has three channels;
    6–8   ``colour_map`` c;
    9–11  ``noise_map`` of c.

    Wang et al., AAAI 2022, "The conditional encoder"; constants and order as in the authors' code.
    Raises ``ValueError`` for another number of channels.
    """
    if y.ndim != 4 or y.shape[1] not in (3, 6):
        raise ValueError(
            f"a condition is (B, 3, H, W), or (B, 6, H, W) with its equalised photograph, not "
            f"{tuple(y.shape)}"
        )
    low = y[:, :3].clamp(min=0)
    equalised = y[:, 3:] if y.shape[1] == 6 else equalise(low)
    colour = colour_map(low)
    return torch.cat(((low + DARK).log(), equalised, colour, noise_map(colour)), dim=1)


def colour_map(low: Tensor) -> Tensor:
    """(B, 3, H, W): c = (low + 10⁻³)/(Σ over channels of (low + 10⁻³) + 10⁻⁴), the colour without
    the brightness."""
    lit = low + DARK
    return lit / (lit.sum(1, keepdim=True) + NO_LIGHT)


def noise_map(colour: Tensor) -> Tensor:
    """(B, 3, H, W): max(|∂ₓc|, |∂ᵧc|) with ∂c = (c[i+1] − c[i−1])/2 and c = 0 outside. It shows
    edges, and in the dark the noise."""
    padded = F.pad(colour, (1, 1, 1, 1))
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.maximum(across.abs(), down.abs())
