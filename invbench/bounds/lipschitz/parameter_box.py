"""What is known of a coupling over a box of its raw parameters: slopes, and how far the parameters
move the value."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ParameterBox", "nearest_zero"]

WIDER = 1 + 1e-12


@dataclass(frozen=True)
class ParameterBox:
    """Per element: slopes of c in [low, high] over all parameters of the box and all x of its own
    (all x at all, but for affine-asymmetric),

    ``by_params``: sup sqrt(Σ_j (∂c/∂p_j)²) at fixed x; ``by_params_inverse``: the same of c⁻¹ at
    fixed y, = sup over x of that / c′. None where no rule is known. ``tier``: U2 from the box, U1
    from constants of the architecture.
    """

    low: Tensor
    high: Tensor
    by_params: Tensor | None
    by_params_inverse: Tensor | None
    tier: str = "U2"

    def wider(self) -> ParameterBox:
        """Every bound moved outward by 1e-12 of itself: thousands of roundings of float64."""
        moved, back = self.by_params, self.by_params_inverse
        return ParameterBox(
            self.low / WIDER,
            self.high * WIDER,
            None if moved is None else moved * WIDER,
            None if back is None else back * WIDER,
            self.tier,
        )


def nearest_zero(lo: Tensor, hi: Tensor) -> Tensor:
    """min |v| over [lo, hi]."""
    return torch.where((lo <= 0) & (hi >= 0), 0.0, torch.minimum(lo.abs(), hi.abs()))
