"""A split by a coupling design in place of a learned Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.base import Elementwise
from invbench.flows.conditioner import Conditioner
from invbench.flows.shapes import sum_events
from invbench.flows.split import Split

__all__ = ["DesignSplit"]


class DesignSplit(Split):
    """z = [z₁, z₂] → z₁ and the latent ε = c(z₂; h(z₁)); log_det = Σ log c′.

    c is a coupling ``design``, and the conditioner maps z₁ to its raw parameters, n_params per
    channel that leaves, in the order that a ``ConditionalCoupling`` takes them. A design that moves
    values by a bounded amount bounds the split too.
    """

    def __init__(self, channels: int, conditioner: Conditioner, design: Elementwise) -> None:
        super().__init__(channels, conditioner, design.n_params)
        self.coupling = design

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z1, z2 = z[:, : self.kept], z[:, self.kept :]
        eps, log_slope = self.coupling(z2, self._params(z1, z2))
        return z1, eps, sum_events(log_slope)

    def inverse(self, z1: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        z2, log_slope = self.coupling.inverse(eps, self._params(z1, eps))
        return torch.cat((z1, z2), dim=1), sum_events(log_slope)

    def _params(self, z1: Tensor, moved: Tensor) -> Tensor:
        raw = self.network(z1)
        return raw.view(raw.shape[0], self.coupling.n_params, *moved.shape[1:]).movedim(1, 0)
