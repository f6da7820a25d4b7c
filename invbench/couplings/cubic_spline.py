"""The monotone cubic spline of Cubic-Spline Flows."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.bins import shares
from invbench.couplings.box_spline import BoxSpline, Columns
from invbench.couplings.cubic import cubic_extremes, cubic_segment, cubic_segment_inverse
from invbench.registry import coupling

__all__ = ["CubicSpline"]


@coupling("cubic-spline")
class CubicSpline(BoxSpline):
    """K = 8 cubic bins on [−B, B], B = 3, increasing by Steffen's condition d_k ≤ 2·min(s_{k−1}, s_k); identity outside.

    Parameters, raw: K widths, K heights (at least 1e-3 of the box), K − 1 knot slopes d = 2·min(s_{k−1}, s_k)·(ε + (1 − 2ε)·sigmoid(raw)),
    ε = 1e-3. The slope at ±B is 1, or 2s where the outer bin is too flat for that: a kink there. Zero parameters give the identity.

    With s in [σ, 1/σ], σ = floor/(1 − (K − 1)·floor): c′ ≥ 2ε·σ at a knot, c′ < 1.5/σ in the middle of a steep bin.
    The curve passes a knot at 2B·(1 − K·floor) from the diagonal and cannot pass 2B·(1 − (K − 1)·floor).
    The inverse is a Newton iteration in its bin; the closed form of a cubic's root cancels.
    """

    closed_inverse = False
    metadata = {
        "citation": "Durkan, Bekasov, Murray, Papamakarios: Cubic-Spline Flows, ICML workshop 2019",
        "year": 2019,
        "family": "spline",
        "formula": "8 cubic bins in (−3, 3) with Steffen's slopes, identity outside",
    }

    segment = staticmethod(cubic_segment)
    segment_inverse = staticmethod(cubic_segment_inverse)
    segment_extremes = staticmethod(cubic_extremes)

    def __init__(self, bins: int = 8, box: float = 3.0, floor: float = 1e-3) -> None:
        super().__init__(bins, box, floor)
        self.n_params = 3 * bins - 1
        flattest = floor / (1 - (bins - 1) * floor)
        self.slope_range = (2 * 1e-3 * flattest, 1.5 / flattest)  # type: ignore[misc]
        self.displacement = 2 * self.box * (1 - (bins - 1) * floor)  # type: ignore[misc]

    def bins_of(self, params: Tensor) -> tuple[list[Tensor], list[Tensor], Columns]:
        raw, k = params.unbind(0), self.bins
        widths = [2 * self.box * share for share in shares(raw[:k], self.floor)]
        heights = [2 * self.box * share for share in shares(raw[k : 2 * k], self.floor)]
        mean = [h / w for h, w in zip(heights, widths, strict=True)]
        share = [2 * (1e-3 + (1 - 2e-3) * torch.sigmoid(r)) for r in raw[2 * k :]]
        inner = [f * torch.minimum(a, b) for f, a, b in zip(share, mean[:-1], mean[1:], strict=True)]
        slopes = [(2 * mean[0]).clamp(max=1), *inner, (2 * mean[-1]).clamp(max=1)]
        first = [d / (3 * s) for d, s in zip(slopes[:-1], mean, strict=True)]
        last = [d / (3 * s) for d, s in zip(slopes[1:], mean, strict=True)]
        return widths, heights, [first, [1 - a - b for a, b in zip(first, last, strict=True)], last]
