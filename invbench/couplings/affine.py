"""The affine coupling of SRFlow, FS-NCSR and LLFlow."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.registry import coupling

__all__ = ["Affine"]


@coupling("affine")
class Affine(CheckedElementwise):
    """y = (x + t)·s,  s = sigmoid(a + 2) + floor,  log c′ = log s.

    Parameters: (a, t). Zero parameters give y = 0.8809·x, from which the released models start.
    s lies in (floor, 1 + floor); the released floor is 1e-4.
    """

    n_params = 2
    floor = 1e-4
    slope_range = (1e-4, 1.0001)
    displacement = float("inf")
    tail_slopes_equal = False
    metadata = {
        "citation": "Lugmayr et al.: SRFlow, ECCV 2020 (released code)",
        "year": 2020,
        "family": "affine",
        "formula": "y = (x + t)·s, s = sigmoid(a + 2) + 1e-4",
    }

    def _scale(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """(s, log s). For a + 2 > 0, s = 1 + (floor − sigmoid(−a − 2)), so log1p is accurate near
        s = 1."""
        a = params[0] + 2
        near_one = self.floor - torch.sigmoid(-a)
        s = torch.sigmoid(a) + self.floor
        return s, torch.where(a > 0, torch.log1p(near_one.clamp(min=-0.75)), torch.log(s))

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        s, log_s = self._scale(params)
        return (x + shift(params[1])) * s, log_s

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        s, log_s = self._scale(params)
        return y / s - shift(params[1]), -log_s

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        s, _ = self._scale(params)
        return s, s

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        return self.slope_bounds(params)
