"""The affine coupling of RealNVP."""

from __future__ import annotations

import math

from torch import Tensor

from invbench.couplings.log_affine import LogAffine
from invbench.registry import coupling

__all__ = ["AffineExp"]

LIMIT = 80.0  # e^±80 ≈ 1e±35: s and 1/s are still normal float32


@coupling("affine-exp")
class AffineExp(LogAffine):
    """y = e^a·x + t,  log c′ = a.

    Parameters: (a, t). Zero parameters give the identity. a saturates at ±80, where e^a leaves
    float32.
    """

    slope_range = (math.exp(-LIMIT), math.exp(LIMIT))
    metadata = {
        "citation": "Dinh, Sohl-Dickstein, Bengio: Density Estimation Using Real NVP, ICLR 2017",
        "year": 2017,
        "family": "affine",
        "formula": "y = e^a·x + t",
    }

    def log_scale(self, a: Tensor) -> Tensor:
        return a.clamp(-LIMIT, LIMIT)
