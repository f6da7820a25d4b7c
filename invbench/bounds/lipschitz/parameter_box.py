"""Bounds on a coupling over a box of its raw parameters: on its slope, and on its derivatives by
the parameters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ParameterBox", "nearest_zero"]

WIDER = 1 + 1e-12


@dataclass(frozen=True)
class ParameterBox:
    """Bounds per element, over all parameters and all x of their boxes.

    ``low``, ``high``: c′ lies between them; for all designs but affine-asymmetric even over all x.
    ``by_params``: sup √(Σ_j (∂c/∂p_j)²) at fixed x. ``by_params_inverse``: the same of c⁻¹ at fixed
    y, which is the sup over x of that square root over c′. None where no rule is known. ``tier``:
    U2 from the box, U1 from constants of the architecture.
    """

    low: Tensor
    high: Tensor
    by_params: Tensor | None
    by_params_inverse: Tensor | None
    tier: str = "U2"

    def wider(self) -> ParameterBox:
        """The bounds, widened by a factor 1 + 1e-12, which is thousands of roundings of float64."""
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
