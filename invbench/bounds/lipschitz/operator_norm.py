"""Operator norms of linear maps from above."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["convolution_norm", "matrix_norm"]

ROUNDING = 1 + 1e-10  # far more than the float64 decompositions below can lose
GRID = 32  # frequencies per axis, for a large image
EXACT = 1024  # frequencies up to which the image's own grid is taken


def matrix_norm(weight: Tensor) -> float:
    """‖W‖₂ of a matrix by its singular values in float64, widened by 1e-10; infinite where W is not
    finite."""
    wide = weight.detach().double().cpu()
    if not wide.isfinite().all():
        return math.inf
    return torch.linalg.matrix_norm(wide, 2).item() * ROUNDING if wide.numel() else 0.0


def convolution_norm(kernel: Tensor, height: int, width: int) -> float:
    """An upper bound on ‖x ↦ conv(x, kernel)‖₂ over inputs of height × width, with zero padding and
    stride 1.

    ``kernel``: (outputs, inputs, k, m). The map is a part of the circular convolution on
    (height + k − 1) × (width + m − 1). The norm of that is the largest singular value of the
    kernel's Fourier transform over this grid of frequencies (Sedghi, Gupta, Long, ICLR 2019). For a
    large grid 32 × 32 frequencies do: σmax² is the largest of trigonometric polynomials of degrees
    k − 1 and m − 1, and such a polynomial exceeds its maximum on N equispaced points by a factor of
    at most 1/cos(π(k − 1)/N) per dimension.
    """
    outputs, inputs, k, m = kernel.shape
    wide = kernel.detach().double().cpu()
    if not wide.isfinite().all():
        return math.inf
    if k == m == 1:
        return matrix_norm(wide[:, :, 0, 0])
    grid, excess = (height + k - 1, width + m - 1), 1.0
    if math.prod(grid) > EXACT:
        grid = (GRID, GRID)
        excess = 1 / math.sqrt(
            math.cos(math.pi * (k - 1) / GRID) * math.cos(math.pi * (m - 1) / GRID)
        )
    if inputs > outputs:
        wide = wide.transpose(0, 1)
    transformed = torch.fft.rfft2(wide, s=grid).permute(2, 3, 0, 1).flatten(0, 1)
    gram = transformed.mH @ transformed  # the smaller side; Hermitian
    return math.sqrt(max(torch.linalg.eigvalsh(gram)[:, -1].max().item(), 0.0)) * excess * ROUNDING
