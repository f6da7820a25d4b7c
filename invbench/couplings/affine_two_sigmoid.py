"""The affine coupling of Jet."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.design import Design, shift
from invbench.registry import coupling

__all__ = ["AffineTwoSigmoid"]

LOWEST = -80.0  # 2·sigmoid(−80) ≈ 4e-35: below it 1/s leaves float32


@coupling("affine-two-sigmoid")
class AffineTwoSigmoid(Design):
    """y = (x + t)·s,  s = 2·sigmoid(a),  log c′ = log 2 + logsigmoid(a).

    Parameters: (a, t). Zero parameters give the identity. a saturates at −80, where 1/s leaves float32.
    """

    n_params = 2
    slope_range = (2 / (1 + math.exp(-LOWEST)), 2.0)
    displacement = float("inf")
    tail_slopes_equal = False
    metadata = {
        "citation": "Kolesnikov, Susano Pinto, Tschannen: Jet, A Modern Transformer-Based Normalizing Flow, TMLR 2025",
        "year": 2024,
        "family": "affine",
        "formula": "y = (x + t)·s, s = 2·sigmoid(a)",
    }

    def _scale(self, params: Tensor) -> tuple[Tensor, Tensor]:
        a = params[0].clamp(min=LOWEST)
        # log 2σ(a) = log1p(tanh(a/2)) keeps the bits near a = 0, where log s = a/2
        near = torch.log1p(torch.tanh(a.clamp(-2, 2) / 2))
        far = torch.nn.functional.logsigmoid(a) + math.log(2)
        return 2 * torch.sigmoid(a), torch.where(a.abs() < 2, near, far)

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
