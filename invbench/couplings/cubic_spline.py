"""The monotone cubic spline of Cubic-Spline Flows."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.bins import shares
from invbench.couplings.box_spline import BoxSpline, Columns
from invbench.couplings.cubic import cubic_extremes, cubic_segment, cubic_segment_inverse
from invbench.registry import coupling

__all__ = ["CubicSpline"]

EPS = 1e-3  # by this share a knot slope stays away from 0 and from Steffen's limit


@coupling("cubic-spline")
class CubicSpline(BoxSpline):
    """K = 8 cubic bins on [−B, B], B = 3, increasing by Steffen's condition d_k ≤ 2·min(s_{k−1},
    s_k); identity outside.

    Parameters, raw: K widths, K heights (at least ``floor`` = 1e-3 of the box), K − 1 knot slopes d
    = 2·min(s_{k−1}, s_k)·(ε + (1 − 2ε)·sigmoid(raw)), ε = 1e-3. The slope at ±B is 1, or 2s where
    the outer bin is too flat for that: a kink there. Zero parameters give the identity.

    Bounds over all parameters, s the mean slope of a bin, σ = floor/(1 − (K − 1)·floor) ≤ s ≤ 1/σ:

        2ε·σ ≤ c′ ≤ max(1.5/σ, 2(1 − ε)·ρ),
        ρ = (1 − (K − 2)·floor)/(2·floor) for K ≥ 3, ρ = 1 for K = 2.

    Proof. On a bin c′ = 6s·ξη + d₀·η(η − 2ξ) + d₁·ξ(ξ − 2η), which is linear in its end slopes.

    Upper bound: c′ ≤ max(1.5s, d₀, d₁). For ξ in [1/3, 2/3] neither coefficient of d₀, d₁ is
    positive, and 6s·ξη ≤ 1.5s. For ξ < 1/3 d₁ only lowers c′; without it c′ ≤ 1.5s·(1 − ξ²) if
    d₀ ≤ 1.5s, else it falls from d₀. ξ > 2/3 is the mirror image. A knot has
    d ≤ 2(1 − ε)·min(s, s′) of its two bins, and min(s, s′) ≤ (h + h′)/(w + w′) ≤ ρ, since two bins
    fill the box at most. The outer ends are at most 1.

    Lower bound: c′ has the Bernstein coefficients d₀, 3s − d₀ − d₁, d₁, so c′ ≥ min(d₀, d₁) unless
    the middle one is less. Then both ends lie in [s/2, 2s], and c′ ≥ s/2 at all corners of that
    square. An inner d is at least 2ε·σ.

    1.5/σ is approached by a steep bin between two flat ones, 2(1 − ε)·ρ by two smallest bins that
    share the height; the latter is larger when floor is close to 1/K. The curve can pass a knot at
    2B·(1 − K·floor) from the diagonal, and cannot pass 2B·(1 − (K − 1)·floor). The inverse
    is in closed form (``cubic``).
    """

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
        pair = (
            1.0 if bins == 2 else (1 - (bins - 2) * floor) / (2 * floor)
        )  # largest mean slope of two bins side by side
        self.slope_range = (2 * EPS * flattest, max(1.5 / flattest, 2 * (1 - EPS) * pair))  # type: ignore[misc]
        self.displacement = 2 * self.box * (1 - (bins - 1) * floor)  # type: ignore[misc]

    def bins_of(self, params: Tensor) -> tuple[list[Tensor], list[Tensor], Columns]:
        raw, k = params.unbind(0), self.bins
        widths = [2 * self.box * share for share in shares(raw[:k], self.floor)]
        heights = [2 * self.box * share for share in shares(raw[k : 2 * k], self.floor)]
        mean = [h / w for h, w in zip(heights, widths, strict=True)]
        share = [2 * (EPS + (1 - 2 * EPS) * torch.sigmoid(r)) for r in raw[2 * k :]]
        inner = [
            f * torch.minimum(a, b) for f, a, b in zip(share, mean[:-1], mean[1:], strict=True)
        ]
        slopes = [(2 * mean[0]).clamp(max=1), *inner, (2 * mean[-1]).clamp(max=1)]
        first = [d / (3 * s) for d, s in zip(slopes[:-1], mean, strict=True)]
        last = [d / (3 * s) for d, s in zip(slopes[1:], mean, strict=True)]
        return widths, heights, [first, [1 - a - b for a, b in zip(first, last, strict=True)], last]
