"""The affine coupling with a tanh of its log-scale."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.log_affine import LogAffine
from invbench.registry import coupling

__all__ = ["AffineTanh"]


@coupling("affine-tanh")
class AffineTanh(LogAffine):
    """y = s·x + t,  log s = log(limit)·tanh(a), so s in (1/limit, limit); limit = 2.

    Parameters: (a, t). Zero parameters give the identity. Raises ``ValueError`` unless limit > 1.
    """

    slope_range = (0.5, 2.0)
    metadata = {
        "citation": (
            "Dinh, Sohl-Dickstein, Bengio: Density Estimation Using Real NVP, ICLR 2017 "
            "(section 4.1; limit ours)"
        ),
        "year": 2017,
        "family": "affine",
        "formula": "y = s·x + t, log s = log 2·tanh(a)",
    }

    def __init__(self, limit: float = 2.0) -> None:
        super().__init__()
        if not 1 < limit < math.inf:
            raise ValueError(f"affine-tanh: limit must be a number above 1, got {limit!r}")
        self.limit = float(limit)
        self.slope_range = (1 / self.limit, self.limit)  # type: ignore[misc]

    def log_scale(self, a: Tensor) -> Tensor:
        return math.log(self.limit) * torch.tanh(a)
