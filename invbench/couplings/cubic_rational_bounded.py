"""The cubic-rational coupling with a bounded width, and so with a bounded displacement."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.bounded_shift import bounded_shift, shift_option
from invbench.couplings.cubic_rational import CubicRational
from invbench.registry import coupling

__all__ = ["CubicRationalBounded"]


@coupling("cubic-rational-bounded")
class CubicRationalBounded(CubicRational):
    """y = x + a·x/(1 + (x/w)²) + t,  −0.9 < a < 7.2,  w = width·(10⁻³ + (1 − 10⁻³)·sigmoid(raw)),
    width = 0.5.

    |a·x/(1 + (x/w)²)| ≤ |a|·w/2, so the displacement is below 8·(1 − floor)·width/2 = 1.8. Slopes
    lie in [0.1, 8.2]. The formula and the inverse are those of ``cubic-rational``. Zero parameters
    give the identity. With the option ``shift`` = T the shift saturates, t = T·tanh(raw/T), and an
    inverse moves no value by more than displacement + T; slopes and inverse stay what they are.
    None and Inf leave it free. Raises ``ValueError`` unless width > 0 and T > 0.
    """

    metadata = {
        "citation": (
            "invbench, after Gerdes, Cheng: Analytic Bijections for Smooth and "
            "Interpretable Normalizing Flows, ICML 2026"
        ),
        "year": 2026,
        "family": "rational",
        "formula": "y = x + a·x/(1 + (x/w)²) + t, −0.9 < a < 7.2, w ≤ 0.5",
    }

    def __init__(self, floor: float = 0.1, width: float = 0.5, shift: float | None = None) -> None:
        super().__init__(floor)
        if not 0 < width < math.inf:
            raise ValueError(f"cubic-rational-bounded: width must be positive, got {width!r}")
        self.width = float(width)
        self.displacement = 4 * (1 - self.floor) * self.width  # type: ignore[misc]
        self.shift_bound = shift_option("cubic-rational-bounded", shift, math.inf)

    def shift_of(self, params: Tensor) -> Tensor:
        return bounded_shift(params[2], self.shift_bound)

    def _log_width(self, raw: Tensor) -> Tensor:
        return torch.log(self.width * (1e-3 + (1 - 1e-3) * torch.sigmoid(raw)))
