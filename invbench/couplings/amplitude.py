"""A signed amplitude between limits of different size."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["amplitude"]


def amplitude(raw: Tensor, least: float, most: float) -> Tensor:
    """least·most·(eʳ − 1)/(most + least·eʳ), r = ``raw``: it increases from −least to most, and is
    0 at r = 0. Nothing cancels or overflows."""
    decay = torch.exp(-raw.abs())
    growing = -torch.expm1(-raw.clamp(min=0)) / (most * decay + least)
    falling = torch.expm1(raw.clamp(max=0)) / (most + least * decay)
    return least * most * torch.where(raw >= 0, growing, falling)
