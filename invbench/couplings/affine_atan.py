"""The affine coupling of FrEIA."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.log_affine import LogAffine
from invbench.registry import coupling

__all__ = ["AffineAtan"]


@coupling("affine-atan")
class AffineAtan(LogAffine):
    """y = s·x + t,  log s = clamp·0.636·atan(a), clamp = 2, so |log s| < 0.99903·clamp.

    Parameters: (a, t). Zero parameters give the identity. Raises ``ValueError`` unless clamp > 0.
    """

    slope_range = (math.exp(-0.636 * math.pi), math.exp(0.636 * math.pi))
    metadata = {
        "citation": "Ardizzone et al.: FrEIA, 2018 (coupling_layers.py, GLOWCouplingBlock)",
        "year": 2018,
        "family": "affine",
        "formula": "y = s·x + t, log s = 2·0.636·atan(a)",
    }

    def __init__(self, clamp: float = 2.0) -> None:
        super().__init__()
        if not 0 < clamp < 80:
            raise ValueError(f"affine-atan: clamp must lie between 0 and 80, got {clamp!r}")
        self.clamp = float(clamp)
        widest = 0.636 * self.clamp * math.pi / 2
        self.slope_range = (math.exp(-widest), math.exp(widest))  # type: ignore[misc]

    def log_scale(self, a: Tensor) -> Tensor:
        return self.clamp * 0.636 * torch.atan(a)
