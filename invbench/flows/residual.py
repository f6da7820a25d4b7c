"""The invertible residual block of i-ResNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ResidualBlock"]

ITERATIONS = 400


class ResidualBlock(nn.Module):
    """z = x + g(x),  g(x) = L·W₂·tanh(W₁x + b₁) + b₂ with ‖W₁‖ = ‖W₂‖ = 1, so that Lip(g) ≤ L < 1
    (Behrmann et al., ICML 2019).

    x: (B, D). log_det = log|det(I + g′(x))|, exact, from the D×D Jacobian I + L·W₂·diag(tanh′)·W₁.
    Every call divides the weights by their spectral norms, from an exact SVD. The inverse iterates
    x ← z − g(x), which contracts by L, until x is a fixed point in its dtype, at most 400 times.
    ‖J‖ ≤ 1 + L and ‖J⁻¹‖ ≤ 1/(1 − L).

    Raises ``ValueError`` unless 0 < lipschitz < 1.
    """

    def __init__(self, channels: int, width: int, lipschitz: float = 0.7) -> None:
        super().__init__()
        if not 0 < lipschitz < 1:
            raise ValueError(f"lipschitz must lie between 0 and 1, got {lipschitz!r}")
        self.lipschitz = lipschitz
        self.first = nn.Linear(channels, width)
        self.last = nn.Linear(width, channels)

    def _weights(self) -> tuple[Tensor, Tensor]:
        first, last = self.first.weight, self.last.weight
        return first / torch.linalg.matrix_norm(
            first, 2
        ), self.lipschitz * last / torch.linalg.matrix_norm(last, 2)

    def _residual(self, x: Tensor, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """(g(x), tanh of the hidden layer)."""
        hidden = torch.tanh(x @ first.T + self.first.bias)
        return hidden @ last.T + self.last.bias, hidden

    @staticmethod
    def _jacobian(hidden: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """I + g′(x), (B, D, D)."""
        return (
            torch.eye(first.shape[1]).to(hidden)
            + (last * (1 - hidden * hidden)[:, None, :]) @ first
        )

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        weights = self._weights()
        g, hidden = self._residual(x, *weights)
        return x + g, torch.linalg.slogdet(self._jacobian(hidden, *weights))[1]

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        weights = self._weights()
        with torch.no_grad():
            x, unit = z, 2 * torch.finfo(z.dtype).eps
            for _ in range(ITERATIONS):
                x, before = z - self._residual(x, *weights)[0], x
                if (
                    ((x - before).abs() <= unit * torch.maximum(x.abs(), z.abs()))
                    .logical_or(~z.isfinite())
                    .all()
                ):
                    break
        g, hidden = self._residual(x, *weights)
        jacobian = self._jacobian(hidden, *weights)
        if torch.is_grad_enabled() and (g.requires_grad or z.requires_grad):
            # it is 0, and its gradient is that of the implicit function, (I + g′)⁻¹
            change = (z - z.detach()) - (g - g.detach())
            x = x + torch.linalg.solve(jacobian.detach(), change[..., None])[..., 0]
            jacobian = self._jacobian(self._residual(x, *weights)[1], *weights)
        return x, -torch.linalg.slogdet(jacobian)[1]
