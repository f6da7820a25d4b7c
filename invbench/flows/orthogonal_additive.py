"""An orthogonal mixing followed by an additive coupling: the control that preserves volume."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invbench.couplings import Additive
from invbench.flows.conditioner import Conditioner
from invbench.flows.coupling import ConditionalCoupling

__all__ = ["OrthogonalAdditive"]


class OrthogonalAdditive(nn.Module):
    """z = A(Qx): Q orthogonal, A the additive coupling z₂ = x₂ + t(x₁, cond); log_det = 0.

    Q = exp(S − Sᵀ) with a free matrix S, orthogonal to rounding and of determinant 1. x: (B, D).
    """

    def __init__(self, channels: int, cond_channels: int, conditioner: Conditioner) -> None:
        super().__init__()
        self.coupling = ConditionalCoupling(
            Additive(), channels, channels // 2, cond_channels, conditioner
        )
        self.skew = nn.Parameter(torch.zeros(channels, channels))

    def _rotation(self) -> Tensor:
        skew = self.skew - self.skew.T
        # there is no matrix_exp in half precision
        wide = skew.float() if skew.dtype in (torch.bfloat16, torch.float16) else skew
        return torch.linalg.matrix_exp(wide).to(skew)

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.coupling(x @ self._rotation().T, cond)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, log_det = self.coupling.inverse(z, cond)
        return x @ self._rotation(), log_det
