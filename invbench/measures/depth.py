"""Variance of the features along the depth of a flow, from noise to data: the data of the paper's Fig. 3b and 3c."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.flows import ConditionalFlow

__all__ = ["variance_profile"]


@torch.no_grad()
def variance_profile(flow: ConditionalFlow, latents: list[Tensor], y: Tensor) -> list[tuple[str, float]]:
    """(layer name, variance over batch and positions, mean over channels) after each layer; float64 sums."""
    profile = []
    for name, h in flow.trace(latents, y):
        wide = h.double().movedim(1, 0).flatten(1)
        profile.append((name, wide.var(1, correction=0).mean().item()))
    return profile
