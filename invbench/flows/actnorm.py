"""Activation normalisation (Kingma and Dhariwal, Glow, NeurIPS 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invbench.flows.shapes import per_channel, positions

__all__ = ["ActNorm"]


class ActNorm(nn.Module):
    """z = (x + b)·exp(logs) per channel; log_det = positions · Σ logs.

    x: (B, C) or (B, C, H, W). In training mode the first batch sets b and logs so that z has mean 0
    and variance 1 per channel. Until then the layer is the identity in evaluation mode. ``cond`` is
    ignored.
    """

    initialised: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.logs = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set b and logs from the batch ``x``; a channel without variance keeps the scale 1."""
        dims = [d for d in range(x.ndim) if d != 1]
        std, mean = x.std(dims, correction=0), x.mean(dims)
        self.bias.copy_(-mean)
        varies = std > 1e-6 * (1 + mean.abs())  # less is the rounding of a constant
        self.logs.copy_(torch.where(varies, -std.clamp(min=1e-6).log(), torch.zeros_like(std)))
        self.initialised.fill_(True)

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.training and not self.initialised:
            self.initialise(x)
        z = (x + per_channel(self.bias, x)) * per_channel(self.logs.exp(), x)
        return z, self._log_det(x)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = z * per_channel((-self.logs).exp(), z) - per_channel(self.bias, z)
        return x, -self._log_det(z)

    def _log_det(self, x: Tensor) -> Tensor:
        return (self.logs.sum() * positions(x)).expand(x.shape[0])
