"""A rational-quadratic spline whose knot slopes and bins are bounded on both sides."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.bounded_shift import bounded_shift, shift_option
from invbench.couplings.box_spline import Columns
from invbench.couplings.rational_quadratic import slope_extremes
from invbench.couplings.rq_spline import RQSpline
from invbench.registry import coupling

__all__ = ["RQBounded"]


@coupling("rq-bounded")
class RQBounded(RQSpline):
    """K = 8 rational-quadratic bins on [−B, B], B = 3; knot slopes δ^tanh(raw) in (1/δ, δ), δ = 4;
    bins of at least ``floor`` = 0.05 of the box.

    The mean slope of a bin lies in [s, 1/s], s = floor/(1 − (K − 1)·floor), so c′ is bounded on
    both sides. The lower bound is the least slope of a segment with the mean slope s and ends δ or
    1/δ. The upper bound is max(δ, 2·m²/(m + 1/δ)) with m = 1/s, since a segment with the mean slope
    m and ends of at least d has c′ ≤ max(ends, 2m²/(m + d)). The curve comes nearest to the upper
    left corner of the box on a smallest square bin with ends δ and 1/δ, at ξ = 1/(1 + √δ):
    sup |c⁻¹(y) − y| = 2B·(1 − (K − 1)·floor − 2·floor/(1 + √δ)) for K ≥ 3.

    The design has no shift. The option ``shift`` = T adds one, c(x) + T·tanh(raw/T), with a
    parameter of its own behind the others; T = Inf leaves it free. Raises ``ValueError`` unless
    limit > 1, bins ≥ 3 and T > 0.
    """

    metadata = {
        "citation": "invbench, after Durkan et al.: Neural Spline Flows, NeurIPS 2019",
        "year": 2026,
        "family": "spline",
        "formula": (
            "8 rational-quadratic bins in (−3, 3), knot slopes in [1/4, 4], bins ≥ 0.05; "
            "identity outside"
        ),
    }

    def __init__(
        self,
        bins: int = 8,
        box: float = 3.0,
        floor: float = 0.05,
        limit: float = 4.0,
        shift: float | None = None,
    ) -> None:
        super().__init__(bins, box, floor)
        self.shift_bound = shift_option("rq-bounded", shift, 0.0)
        self.n_params += self.shift_bound > 0
        if not (1 < limit < math.inf and bins >= 3):
            raise ValueError(f"rq-bounded: {limit=} must be above 1 and {bins=} at least 3")
        self.limit = float(limit)
        flattest = floor / (1 - (bins - 1) * floor)
        ends = torch.tensor(
            [[1 / limit, 1 / limit], [1 / limit, limit], [limit, limit]], dtype=torch.float64
        )
        low, _ = slope_extremes(
            torch.full((3,), flattest, dtype=torch.float64), ends[:, 0], ends[:, 1]
        )
        high = max(self.limit, 2 / flattest**2 / (1 / flattest + 1 / self.limit))
        self.slope_range = (low.min().item(), high)  # type: ignore[misc]
        lost = (bins - 1) * floor + 2 * floor / (1 + math.sqrt(self.limit))
        self.displacement = 2 * self.box * (1 - lost)  # type: ignore[misc]

    def shift_of(self, params: Tensor) -> Tensor:
        """t, of the last parameter; without the option there is none."""
        return bounded_shift(params[-1], self.shift_bound)

    def bins_of(self, params: Tensor) -> tuple[list[Tensor], list[Tensor], Columns]:
        return super().bins_of(params[:-1] if self.shift_bound else params)

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        y, log_slope = super().encode(x, params)
        return y + self.shift_of(params) if self.shift_bound else y, log_slope

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return super().decode(y - self.shift_of(params) if self.shift_bound else y, params)

    def knot_slope(self, raw: Tensor) -> Tensor:
        return torch.exp(math.log(self.limit) * torch.tanh(raw))
