"""Noise that is independent from value to value."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.corruptions.base import Batch, corruption
from invbench.corruptions.poisson import levels, photons

__all__: list[str] = []


@corruption("noise", (0.02, 0.05, 0.1, 0.2, 0.4))
def noise(batch: Batch) -> Tensor:
    """clamp(y + σ·n, 0, 1), n standard normal."""
    return (
        batch.low + batch.strength * torch.special.ndtri(batch.uniform().double()).to(batch.low)
    ).clamp(0, 1)


@corruption("shot", (200.0, 60.0, 25.0, 10.0, 4.0))
def shot(batch: Batch) -> Tensor:
    """min(P/N, 1), P Poisson of mean N·y, y at its nearest of 256 grey levels, N photons at white:
    few photons, much noise."""
    counts = photons(levels(batch.low), batch.strength, 1, batch.uniform())
    return (counts.to(batch.low) / batch.strength).clamp(0, 1)


@corruption("impulse", (0.01, 0.03, 0.1, 0.2, 0.4))
def impulse(batch: Batch) -> Tensor:
    """Salt and pepper: each value becomes 0 with probability p/2, 1 with probability p/2."""
    u, half = batch.uniform(), batch.strength / 2
    salted = torch.where(u > 1 - half, torch.ones_like(u), batch.low)
    return torch.where(u < half, torch.zeros_like(u), salted)


@corruption("hot-pixel", (0.001, 0.003, 0.01, 0.03, 0.1))
def hot_pixel(batch: Batch) -> Tensor:
    """⌈p·h·w⌉ values at random places and channels are 1: stuck sites of a sensor."""
    count = math.ceil(batch.strength * batch.low[0, 0].numel())
    places = batch.uniform().flatten(1).topk(count).indices
    return batch.low.flatten(1).scatter(1, places, 1.0).reshape(batch.low.shape)
