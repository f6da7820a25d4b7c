"""A split whose learned Gaussian has a bounded mean and a bounded scale."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from invbench.flows.split import Split

__all__ = ["BoundedSplit"]

MEAN, LOGS = 3.0, 0.5  # least upper bounds of |mean| and logs


class BoundedSplit(Split):
    """``Split`` with mean = 3·tanh(m/3) and logs = 0.5 − softplus(0.5 − l), m and l the outputs of
    the conditioner.

    Small scales stay free, large ones are excluded: logs ≈ l far below 0.5, and logs < 0.5 always.
    So the half that enters a decode is at most 3 + e^0.5·|ε|, whatever the conditioner says.
    """

    def moments(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        mean, logs = super().moments(raw)
        # torch's own threshold of 20 would cost an error of 2e-9
        return MEAN * (mean / MEAN).tanh(), LOGS - F.softplus(LOGS - logs, threshold=80)

    def reach(self, radius: float) -> float:
        """sup |x₂| over latents |ε| ≤ ``radius`` and all outputs of the conditioner."""
        return MEAN + radius * math.exp(LOGS)
