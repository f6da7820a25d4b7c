"""Invertible 1×1 convolution (Kingma and Dhariwal, Glow, NeurIPS 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invbench.flows.shapes import positions

__all__ = ["Conv1x1"]


class Conv1x1(nn.Module):
    """z = W x at every position; log_det = positions · log|det W|.

    x: (B, C) or (B, C, H, W). W starts as a random orthogonal matrix. Its inverse and
    log-determinant are taken in float64, as in the released SRFlow code. ``cond`` is ignored.
    Raises ``torch.linalg.LinAlgError`` in ``inverse`` when W is exactly singular.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels))[0].contiguous())

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._mix(self.weight, x), self._log_det(x)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        inverse = torch.linalg.inv(self.weight.double()).to(z.dtype)
        return self._mix(inverse, z), -self._log_det(z)

    @staticmethod
    def _mix(weight: Tensor, x: Tensor) -> Tensor:
        if x.ndim == 2:
            return x @ weight.T
        return (weight @ x.flatten(2)).view_as(x)

    def _log_det(self, x: Tensor) -> Tensor:
        log_det = torch.linalg.slogdet(self.weight.double())[1].to(x.dtype)
        return (log_det * positions(x)).expand(x.shape[0])
