"""The piecewise-quadratic spline of Neural Importance Sampling."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.bins import shares
from invbench.couplings.box_spline import BoxSpline, Columns
from invbench.registry import coupling

__all__ = ["QuadraticSpline"]


@coupling("quadratic-spline")
class QuadraticSpline(BoxSpline):
    """K = 8 bins on [−B, B], B = 3, on which c′ is linear between its values v at the knots; v = 1
    at ±B, and the identity outside.

    With ξ = (x − x_k)/w, η = 1 − ξ:  c′ = v₀η + v₁ξ,  c = y_k + w·ξ·(v₀(1 + η) + v₁ξ)/2. For the
    share f = (y − y_k)/h of the bin's height, c′ = sqrt((1 − f)·v₀² + f·v₁²) and ξ = f·(v₀ +
    v₁)/(v₀ + c′): sums of positive terms.

    Parameters, raw: K widths, K − 1 masses. The two fixed ends leave the area 2B − (w₁ + w_K)/2,
    which the interior knots share; v_k = mass/((w_{k−1} + w_k)/2). Shares are
    floor + (1 − n·floor)·softmax, floor = 1e-3. Zero parameters give the identity. No value moves
    by more than 2B, and a curve can come within 1 % of that.
    """

    least_bins = 4
    metadata = {
        "citation": (
            "Müller, McWilliams, Rousselle, Gross, Novák: Neural Importance Sampling, ACM ToG 2019"
        ),
        "year": 2019,
        "family": "spline",
        "formula": "c′ piecewise linear on 8 bins in (−3, 3), identity outside",
    }

    def __init__(self, bins: int = 8, box: float = 3.0, floor: float = 1e-3) -> None:
        super().__init__(bins, box, floor)
        self.n_params = 2 * bins - 1
        self.displacement = 2 * self.box  # type: ignore[misc]
        most = 1 - (bins - 2) * floor
        # largest where both bins at a knot and both outer bins are smallest; smallest where the
        # first bin is widest
        self.slope_range = (floor * (1 + (bins - 2) * floor) / most, (1 - floor) * most / floor)  # type: ignore[misc]

    def bins_of(self, params: Tensor) -> tuple[list[Tensor], list[Tensor], Columns]:
        raw, k = params.unbind(0), self.bins
        widths = [2 * self.box * share for share in shares(raw[:k], self.floor)]
        area = 2 * self.box - (widths[0] + widths[-1]) / 2
        masses = shares(raw[k:], self.floor)
        one = torch.ones_like(area)
        inner = [
            area * m / ((a + b) / 2)
            for m, a, b in zip(masses, widths[:-1], widths[1:], strict=True)
        ]
        slopes = [one, *inner, one]
        heights = [w * (a + b) / 2 for w, a, b in zip(widths, slopes[:-1], slopes[1:], strict=True)]
        return widths, heights, [slopes[:-1], slopes[1:]]

    def segment(self, xi: Tensor, s: Tensor, v0: Tensor, v1: Tensor) -> tuple[Tensor, Tensor]:
        eta = 1 - xi
        return xi * (v0 * (1 + eta) + v1 * xi) / (v0 + v1), torch.log(v0 * eta + v1 * xi)

    def segment_inverse(
        self, f: Tensor, s: Tensor, v0: Tensor, v1: Tensor
    ) -> tuple[Tensor, Tensor]:
        slope = torch.sqrt((1 - f) * v0 * v0 + f * v1 * v1)
        return f * (v0 + v1) / (v0 + slope), torch.log(slope)

    def segment_extremes(self, s: Tensor, v0: Tensor, v1: Tensor) -> tuple[Tensor, Tensor]:
        return torch.minimum(v0, v1), torch.maximum(v0, v1)
