"""The base class of the rational-quadratic splines with K bins."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.bins import shares
from invbench.couplings.box_spline import BoxSpline, Columns
from invbench.couplings.rational_quadratic import segment, segment_inverse, slope_extremes

__all__ = ["RQSpline"]


class RQSpline(BoxSpline):
    """Parameters, raw: K widths, K heights, K − 1 slopes of the interior knots; the slopes at ±B
    are 1.

    Widths and heights are 2B·(floor + (1 − K·floor)·softmax(raw)). A design states ``knot_slope``,
    increasing, 1 at 0. Zero parameters give the identity.
    """

    segment = staticmethod(segment)
    segment_inverse = staticmethod(segment_inverse)
    segment_extremes = staticmethod(slope_extremes)

    def __init__(self, bins: int, box: float, floor: float) -> None:
        super().__init__(bins, box, floor)
        self.n_params = 3 * bins - 1

    def knot_slope(self, raw: Tensor) -> Tensor:
        """The slope at an interior knot: increasing in raw, 1 at 0."""
        raise NotImplementedError

    def bins_of(self, params: Tensor) -> tuple[list[Tensor], list[Tensor], Columns]:
        raw, k = params.unbind(0), self.bins
        widths = [2 * self.box * share for share in shares(raw[:k], self.floor)]
        heights = [2 * self.box * share for share in shares(raw[k : 2 * k], self.floor)]
        one = torch.ones_like(widths[0])
        slopes = [one, *(self.knot_slope(r) for r in raw[2 * k :]), one]
        return widths, heights, [slopes[:-1], slopes[1:]]
