"""The additive coupling of NICE."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.registry import coupling

__all__ = ["Additive"]


@coupling("additive")
class Additive(CheckedElementwise):
    """y = x + t, log c′ = 0.  Parameters: t.  Zero parameters give the identity."""

    n_params = 1
    slope_range = (1.0, 1.0)
    displacement = 0.0
    tail_slopes_equal = True
    metadata = {
        "citation": "Dinh, Krueger, Bengio: NICE, ICLR workshop 2015",
        "year": 2015,
        "family": "affine",
        "formula": "y = x + t",
    }

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return x + shift(params[0]), torch.zeros_like(x)

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return y - shift(params[0]), torch.zeros_like(y)

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        one = torch.ones_like(params[0])
        return one, one
