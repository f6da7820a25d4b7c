"""The non-uniform cubic B-spline, bi-Lipschitz and twice continuously differentiable."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.bins import shares, weights
from invbench.couplings.box_spline import BoxSpline, Columns
from invbench.couplings.cubic import cubic_extremes, cubic_segment, cubic_segment_inverse
from invbench.registry import coupling

__all__ = ["BSpline"]


@coupling("b-spline")
class BSpline(BoxSpline):
    """A cubic B-spline on K = 8 bins of [−B, B], B = 3; the identity outside. It is twice
    continuously differentiable, also at ±B.

    c′ is the quadratic B-spline Σ r_i·N_i with K + 2 coefficients. Its first and last two are 1, so
    that c′ = 1 and c″ = 0 at ±B. The others are r_i = ρ + (1 − ρ)·π_i·M/G_i, where G_i is a third
    of the width of N_i's three bins, M = ΣG_i, and π = softmax of raw values weighted by G: then Σ
    r_i·G_i = M, the box maps onto itself, and r_i ≥ ρ = 0.1. On the bin of widths w between a and
    b, c′ has the Bernstein coefficients

        d = (w·r_{i−1} + a·r_i)/(a + w),   r_i,   d⁺ = (b·r_i + w·r_{i+1})/(w + b),   h = w·(d + r_i
        + d⁺)/3.

    Parameters, raw: K widths (at least 0.05 of the box), K − 2 coefficients. Zero parameters give
    the identity. inf c′ = ρ, on three bins without mass. sup c′ and the displacement are largest
    where one coefficient has all the mass, over three smallest bins beside the fixed coefficient 1.
    Both are evaluated on that curve.
    """

    least_bins = 6
    metadata = {
        "citation": "Hong, Chun: Neural Diffeomorphic Non-uniform B-spline Flows, AAAI 2023",
        "year": 2023,
        "family": "spline",
        "formula": "non-uniform cubic B-spline, 8 bins in (−3, 3), c′ ≥ 0.1; identity outside",
    }

    segment = staticmethod(cubic_segment)
    segment_inverse = staticmethod(cubic_segment_inverse)
    segment_extremes = staticmethod(cubic_extremes)

    def __init__(
        self, bins: int = 8, box: float = 3.0, floor: float = 0.05, least: float = 0.1
    ) -> None:
        super().__init__(bins, box, floor)
        if not 0 < least < 1:
            raise ValueError(f"b-spline: least must lie between 0 and 1, got {least!r}")
        self.least = float(least)
        self.n_params = 2 * bins - 2
        steepest = torch.zeros(self.n_params, 1, dtype=torch.float64)
        steepest[bins // 2] = 1e3  # one wide bin in the middle; the first three are smallest ...
        steepest[bins] = 1e3  # ... and the first free coefficient lies over them
        self.slope_range = (self.least, self.slope_bounds(steepest)[1].item())  # type: ignore[misc]
        x = torch.linspace(-self.box, self.box, 8193, dtype=torch.float64)
        moved = (self.encode(x, steepest.expand(-1, x.numel()))[0] - x).abs().max().item()
        self.displacement = moved * (1 + 1e-4)  # type: ignore[misc]  # the grid may miss the top by 1e-5 of it

    def bins_of(self, params: Tensor) -> tuple[list[Tensor], list[Tensor], Columns]:
        raw, k = params.unbind(0), self.bins
        widths = [2 * self.box * share for share in shares(raw[:k], self.floor)]
        thirds = [(a + b + c) / 3 for a, b, c in zip(widths, widths[1:], widths[2:], strict=False)]
        total = torch.stack(thirds).sum(0)
        share = weights([r + torch.log(g) for r, g in zip(raw[k:], thirds, strict=True)])
        one, zero = torch.ones_like(widths[0]), torch.zeros_like(widths[0])
        free = [
            self.least + (1 - self.least) * p * total / g
            for p, g in zip(share, thirds, strict=True)
        ]
        r = [one, one, *free, one, one]
        before, after = [zero, *widths[:-1]], [*widths[1:], zero]
        first = [
            (w * r[i] + a * r[i + 1]) / (a + w)
            for i, (a, w) in enumerate(zip(before, widths, strict=True))
        ]
        last = [
            (b * r[i + 1] + w * r[i + 2]) / (w + b)
            for i, (w, b) in enumerate(zip(widths, after, strict=True))
        ]
        sums = [d + m + e for d, m, e in zip(first, r[1:-1], last, strict=True)]
        heights = [w * total / 3 for w, total in zip(widths, sums, strict=True)]
        columns = [
            [v / total for v, total in zip(column, sums, strict=True)]
            for column in (first, r[1:-1], last)
        ]
        return widths, heights, columns
