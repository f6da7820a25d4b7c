"""A 1×1 convolution whose matrix is orthogonal, whatever its weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invbench.flows.conv1x1 import Conv1x1

__all__ = ["OrthogonalConv1x1"]

POLISHING = 4  # Newton–Schulz steps: from the error of a float16 to that of a float64


class OrthogonalConv1x1(nn.Module):
    """z = W x at every position, W = Q₀·exp(A − Aᵀ); log_det = 0.

    x: (B, C) or (B, C, H, W). Q₀ is a random orthogonal matrix, a buffer; A is free and starts at
    0, so that W starts where that of ``Conv1x1`` does. exp of a skew matrix is a rotation, so the
    inverse is Wᵀ, and neither direction enlarges |x|₂. W is computed in float64 and rounded once.
    Before that Q₀ is made orthogonal to float64, whatever dtype it was stored in:
    Q ← Q(3I − QᵀQ)/2 converges to the nearest orthogonal matrix quadratically. ``cond`` is ignored.
    """

    start: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        start = torch.linalg.qr(torch.randn(channels, channels))[0].contiguous()
        self.register_buffer("start", start)
        self.skew = nn.Parameter(torch.zeros(channels, channels))

    def matrix(self) -> Tensor:
        """W in float64."""
        start = self.start.double()
        for _ in range(POLISHING):
            start = 1.5 * start - 0.5 * start @ (start.T @ start)
        skew = self.skew.double()
        return start @ torch.linalg.matrix_exp(skew - skew.T)

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return Conv1x1._mix(self.matrix().to(x.dtype), x), x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return Conv1x1._mix(self.matrix().T.to(z.dtype), z), z.new_zeros(z.shape[0])
