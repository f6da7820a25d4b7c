"""The affine coupling of zuko."""

from __future__ import annotations

import math

from torch import Tensor

from invbench.couplings.log_affine import LogAffine
from invbench.registry import coupling

__all__ = ["AffineSoftclip"]


@coupling("affine-softclip")
class AffineSoftclip(LogAffine):
    """y = s·x + t,  log s = a/(1 + |a/log ε|), so s in (ε, 1/ε); ε = 1e-3.

    Parameters: (a, t). Zero parameters give the identity. Raises ``ValueError`` unless 0 < slope <
    1.
    """

    slope_range = (1e-3, 1e3)
    metadata = {
        "citation": "Rozet et al.: zuko, 2022 (transforms.py, MonotonicAffineTransform)",
        "year": 2022,
        "family": "affine",
        "formula": "y = s·x + t, log s = a/(1 + |a/log 1e-3|)",
    }

    def __init__(self, slope: float = 1e-3) -> None:
        super().__init__()
        if not 0 < slope < 1:
            raise ValueError(f"affine-softclip: slope must lie between 0 and 1, got {slope!r}")
        self.slope = float(slope)
        self.slope_range = (self.slope, 1 / self.slope)  # type: ignore[misc]

    def log_scale(self, a: Tensor) -> Tensor:
        return a / (1 + (a / math.log(self.slope)).abs())
