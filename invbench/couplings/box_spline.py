"""The base class of the splines on a box: K bins on [−B, B] → [−B, B], the identity outside."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from invbench.couplings.bins import edges, passed, select
from invbench.couplings.checked_elementwise import CheckedElementwise

__all__ = ["BoxSpline"]

Columns = list[list[Tensor]]


class BoxSpline(CheckedElementwise):
    """c maps K bins of widths w onto K bins of heights h; c(x) = x outside (−B, B), without a
    shift.

    A design states ``bins_of(params)``: the widths, the heights and further columns, K tensors
    each. It also states the segment on the unit square, with s = h/w: ``segment(xi, s, *columns) ->
    (v, log c′)``, ``segment_inverse(v, s, *columns) -> (xi, log c′)`` and ``segment_extremes(s,
    *columns) -> (inf c′, sup c′)``. Raises ``ValueError`` unless bins ≥ ``least_bins``, box > 0 and
    0 < floor < 1/bins.
    """

    tail_slopes_equal = True
    least_bins = 2

    def __init__(self, bins: int, box: float, floor: float) -> None:
        super().__init__()
        if not (isinstance(bins, int) and bins >= self.least_bins):
            raise ValueError(
                f"{type(self).__name__}: bins must be an integer, at least {self.least_bins}, "
                f"got {bins!r}"
            )
        if not (0 < box < math.inf and 0 < floor < 1 / bins):
            raise ValueError(
                f"{type(self).__name__}: {box=} must be positive and {floor=} lie in (0, 1/bins)"
            )
        self.bins, self.box, self.floor = bins, float(box), float(floor)

    def bins_of(self, params: Tensor) -> tuple[list[Tensor], list[Tensor], Columns]:
        """(widths, heights, further columns), lists of K tensors each."""
        raise NotImplementedError

    def segment(self, xi: Tensor, s: Tensor, *columns: Any) -> tuple[Tensor, Tensor]:
        """(v, log c′) at ξ in [0, 1]."""
        raise NotImplementedError

    def segment_inverse(self, v: Tensor, s: Tensor, *columns: Any) -> tuple[Tensor, Tensor]:
        """(ξ, log c′ at ξ) of the root of segment(ξ) = v in [0, 1]."""
        raise NotImplementedError

    def segment_extremes(self, s: Tensor, *columns: Any) -> tuple[Tensor, Tensor]:
        """(inf c′, sup c′) over the segment."""
        raise NotImplementedError

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        widths, heights, columns = self.bins_of(params)
        left = edges(widths, -self.box)
        # clamped first, so that the branch that is not selected puts no NaN into gradients
        inner = x.clamp(-self.box, self.box)
        beyond = passed(inner, left)
        w, h = select(beyond, widths), select(beyond, heights)
        xi = ((inner - select(beyond, left)) / w).clamp(max=1)
        v, log_slope = self.segment(xi, h / w, *(select(beyond, column) for column in columns))
        y = select(beyond, edges(heights, -self.box)) + h * v
        inside = x.abs() < self.box
        return torch.where(inside, y, x), torch.where(inside, log_slope, torch.zeros_like(x))

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        widths, heights, columns = self.bins_of(params)
        left = edges(heights, -self.box)
        inner = y.clamp(-self.box, self.box)
        beyond = passed(inner, left)
        w, h = select(beyond, widths), select(beyond, heights)
        v = ((inner - select(beyond, left)) / h).clamp(max=1)
        xi, log_slope = self.segment_inverse(
            v, h / w, *(select(beyond, column) for column in columns)
        )
        x = select(beyond, edges(widths, -self.box)) + w * xi
        inside = y.abs() < self.box
        return torch.where(inside, x, y), torch.where(inside, -log_slope, torch.zeros_like(y))

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Exact over all x: the extremes of every bin and of the tails' slope 1."""
        widths, heights, columns = self.bins_of(params)
        s = torch.stack(heights) / torch.stack(widths)
        low, high = self.segment_extremes(s, *(torch.stack(column) for column in columns))
        return low.amin(0).clamp(max=1), high.amax(0).clamp(min=1)
