"""The linear rational spline."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.bins import select, shares, softplus_slope
from invbench.couplings.box_spline import BoxSpline, Columns
from invbench.registry import coupling

__all__ = ["LinearRational"]


@coupling("linear-rational")
class LinearRational(BoxSpline):
    """K = 8 bins on [−B, B], B = 3, each of two linear rational pieces that meet at the share λ of
    its width; the identity outside.

    On the unit square with mean slope s and end slopes a, b, r = sqrt(a/b), q = λr + 1 − λ:

        m = sqrt(a·b)·q/s,   θ ≤ λ:  v = (a/s)·λθ/(λ − θ + mθ),  c′ = a·(λ/(λ − θ + mθ))²,

    with the inverse θ = λv/(m(v_m − v) + v), v_m = λr/q. The second piece is the first one
    mirrored, with 1 − θ, 1 − v, 1 − λ, b and m/r. c′ is monotone on each piece, so its extremes are
    a, b, and a/m² where the pieces meet.

    Parameters, raw: K widths, K heights, K − 1 knot slopes (1e-3 + softplus, saturating at 1e4), K
    splits λ = 0.025 + 0.95·sigmoid. Widths and heights are at least 1e-3 of the box. Where the
    pieces meet c′ can exceed 1e8, like a step, and a float32 sum of widths would place it 15 u off;
    so everything is computed in float64. Zero parameters give the identity.
    sup |c⁻¹(y) − y| = 2B·(1 − (K − 1)·floor).
    """

    working = torch.float64
    slope_range = (0.0, math.inf)
    metadata = {
        "citation": (
            "Dolatabadi, Erfani, Leckie: Invertible Generative Modeling using Linear "
            "Rational Splines, AISTATS 2020"
        ),
        "year": 2020,
        "family": "spline",
        "formula": "8 bins of two linear rational pieces in (−3, 3), identity outside",
    }

    def __init__(self, bins: int = 8, box: float = 3.0, floor: float = 1e-3) -> None:
        super().__init__(bins, box, floor)
        self.n_params = 4 * bins - 1
        self.displacement = 2 * self.box * (1 - (bins - 1) * floor)  # type: ignore[misc]

    def bins_of(self, params: Tensor) -> tuple[list[Tensor], list[Tensor], Columns]:
        raw, k = params.unbind(0), self.bins
        widths = [2 * self.box * share for share in shares(raw[:k], self.floor)]
        heights = [2 * self.box * share for share in shares(raw[k : 2 * k], self.floor)]
        one = torch.ones_like(widths[0])
        slopes = [one, *(softplus_slope(r, 1e-3) for r in raw[2 * k : 3 * k - 1]), one]
        return widths, heights, [slopes[:-1], slopes[1:], list(raw[3 * k - 1 :])]

    def _pieces(
        self, s: Tensor, a: Tensor, b: Tensor, raw: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """(λ, slope at the outer end, m, v_m) of the first piece, and of the mirrored second
        one."""
        near, far = 0.025 + 0.95 * torch.sigmoid(raw), 0.025 + 0.95 * torch.sigmoid(-raw)
        r = torch.sqrt(a / b)
        q = near * r + far
        m = torch.sqrt(a * b) * q / s
        return (near, a, m, near * r / q), (far, b, m / r, far / q)

    def segment(
        self, xi: Tensor, s: Tensor, a: Tensor, b: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        first, second = self._pieces(s, a, b, raw)
        beyond = [xi > first[0]]
        split, slope, m, _ = (select(beyond, pair) for pair in zip(first, second, strict=True))
        theta = torch.minimum(select(beyond, (xi, 1 - xi)), split)
        ratio = split / (split - theta + m * theta)
        v = slope / s * theta * ratio
        return select(beyond, (v, 1 - v)), torch.log(slope * ratio * ratio)

    def segment_inverse(
        self, v: Tensor, s: Tensor, a: Tensor, b: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        first, second = self._pieces(s, a, b, raw)
        beyond = [v > first[3]]
        split, slope, m, middle = (select(beyond, pair) for pair in zip(first, second, strict=True))
        v = torch.minimum(select(beyond, (v, 1 - v)), middle)
        theta = split * v / (m * (middle - v) + v)
        ratio = split / (split - theta + m * theta)
        return select(beyond, (theta, 1 - theta)), torch.log(slope * ratio * ratio)

    def segment_extremes(
        self, s: Tensor, a: Tensor, b: Tensor, raw: Tensor
    ) -> tuple[Tensor, Tensor]:
        (_, _, m, _), _ = self._pieces(s, a, b, raw)
        slopes = torch.stack((a, b, a / (m * m)))
        return slopes.amin(0), slopes.amax(0)
