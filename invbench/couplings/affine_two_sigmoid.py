"""The affine coupling of Jet."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.affine import Affine
from invbench.registry import coupling

__all__ = ["AffineTwoSigmoid"]

LOWEST = -80.0  # 2·sigmoid(−80) ≈ 4e-35: 1/s is still a float32


@coupling("affine-two-sigmoid")
class AffineTwoSigmoid(Affine):
    """y = (x + t)·s,  s = 2·sigmoid(a),  log c′ = log 2 + logsigmoid(a).

    Parameters: (a, t). Zero parameters give the identity. a saturates at −80, where 1/s leaves
    float32.
    """

    slope_range = (2 / (1 + math.exp(-LOWEST)), 2.0)
    metadata = {
        "citation": (
            "Kolesnikov, Susano Pinto, Tschannen: Jet, A Modern Transformer-Based "
            "Normalizing Flow, TMLR 2025"
        ),
        "year": 2024,
        "family": "affine",
        "formula": "y = (x + t)·s, s = 2·sigmoid(a)",
    }

    def _scale(self, params: Tensor) -> tuple[Tensor, Tensor]:
        a = params[0].clamp(min=LOWEST)
        # log 2σ(a) = log1p(tanh(a/2)) is accurate near a = 0, where log s ≈ a/2
        near = torch.log1p(torch.tanh(a.clamp(-2, 2) / 2))
        far = torch.nn.functional.logsigmoid(a) + math.log(2)
        return 2 * torch.sigmoid(a), torch.where(a.abs() < 2, near, far)
