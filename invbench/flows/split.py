"""Multi-scale split with a learned Gaussian for the half that leaves (Glow; SRFlow's Split2d)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invbench.flows.conditioner import Conditioner
from invbench.flows.shapes import sum_events

__all__ = ["Split"]


class Split(nn.Module):
    """z = [z₁, z₂] → z₁ and the latent ε = (z₂ − mean(z₁))·exp(−logs(z₁)); log_det = −Σ logs.

    z₁ is the first half of the channels; ``conditioner`` maps it to mean and logs, ``outputs`` = 2
    numbers per channel that leaves. Its contract differs from that of other layers: ``forward``
    returns (z₁, ε, log_det), and ``inverse`` takes (z₁, ε).
    """

    def __init__(self, channels: int, conditioner: Conditioner, outputs: int = 2) -> None:
        super().__init__()
        self.kept = channels // 2
        self.network = conditioner(self.kept, outputs * (channels - self.kept))

    def moments(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, logs) from the outputs of the conditioner."""
        mean, logs = raw.chunk(2, dim=1)
        return mean, logs

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z1, z2 = z[:, : self.kept], z[:, self.kept :]
        mean, logs = self.moments(self.network(z1))
        return z1, (z2 - mean) * (-logs).exp(), -sum_events(logs)

    def inverse(self, z1: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        mean, logs = self.moments(self.network(z1))
        return torch.cat((z1, mean + eps * logs.exp()), dim=1), sum_events(logs)
