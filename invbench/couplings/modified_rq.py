"""The modified rational-quadratic spline of Hong, Park, Chun (ICCV 2023)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.couplings.rational_quadratic import segment, segment_inverse, slope_extremes
from invbench.registry import coupling

__all__ = ["ModifiedRQ"]

EPS = 1e-3  # the smallest share of the box that a bin may have, and the smallest knot slope
LOG_SLOPE_LIMIT = 30.0  # e³⁰ ≈ 1e13: steeper than 1/u in float32, and its square is still finite


@coupling("modified-rq")
class ModifiedRQ(CheckedElementwise):
    """c(x) = spline(x) + t inside (−B, B), x + t outside (Hong, Park, Chun, ICCV 2023, eq. 13).

    Two rational-quadratic bins with one free knot (x*, y*) of slope d; the end slopes are 1.
    Parameters, raw: (w, h, d, t), with ε = 1e-3 and B = 0.5,

        x* = −B + 2B(ε + (1−2ε)·sigmoid(w)),  y* = −B + 2B(ε + (1−2ε)·sigmoid(h)),
        d  = ε + (1−ε)·exp(d_raw).

    Zero parameters give the identity. Apart from t it moves no value by more than 2B(1−ε). Its
    slope has no bound, because d has none. d_raw saturates at 30, so that A² in the inverse stays
    finite; a steeper knot would look the same in float32.

    The right bin is evaluated as the mirrored left one, from the outer end of the box. So distances
    from ±B are exact near ±B, and only one segment is evaluated per element.
    """

    n_params = 4
    slope_range = (0.0, math.inf)
    displacement = 2 * 0.5 * (1 - EPS)
    tail_slopes_equal = True
    metadata = {
        "citation": (
            "Hong, Park, Chun: On the Robustness of Normalizing Flows for Inverse "
            "Problems in Imaging, ICCV 2023"
        ),
        "year": 2023,
        "family": "spline",
        "formula": "two rational-quadratic bins in (−B, B) + t, identity + t outside; B = 0.5",
    }

    def __init__(self, box: float = 0.5) -> None:
        super().__init__()
        if not 0 < box < math.inf:
            raise ValueError(f"modified-rq: box must be a positive number, got {box!r}")
        self.box = float(box)
        self.displacement = 2 * self.box * (1 - EPS)  # type: ignore[misc]

    def _share(self, raw: Tensor) -> Tensor:
        """The length of a bin; ``_share(raw) + _share(-raw) = 2B``, and both are accurate."""
        return 2 * self.box * (EPS + (1 - 2 * EPS) * torch.sigmoid(raw))

    def _knot_slope(self, raw: Tensor) -> Tensor:
        return EPS + (1 - EPS) * torch.exp(raw.clamp(max=LOG_SLOPE_LIMIT))

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        w_raw, h_raw, d_raw, t = params.unbind(0)
        inside = x.abs() < self.box
        left = x < self._share(w_raw) - self.box
        sign = torch.where(left, 1.0, -1.0).to(x.dtype)
        w, h = self._share(sign * w_raw), self._share(sign * h_raw)
        d = self._knot_slope(d_raw)
        # clamped first, so that the branch that is not selected puts no NaN into gradients
        xi = ((self.box + sign * x.clamp(-self.box, self.box)) / w).clamp(max=1)
        v, log_slope = segment(xi, h / w, torch.ones_like(d), d)
        y = torch.where(inside, sign * (h * v - self.box), x)
        return y + shift(t), torch.where(inside, log_slope, torch.zeros_like(log_slope))

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        w_raw, h_raw, d_raw, t = params.unbind(0)
        y = y - shift(t)
        inside = y.abs() < self.box
        left = y < self._share(h_raw) - self.box
        sign = torch.where(left, 1.0, -1.0).to(y.dtype)
        w, h = self._share(sign * w_raw), self._share(sign * h_raw)
        d = self._knot_slope(d_raw)
        v = ((self.box + sign * y.clamp(-self.box, self.box)) / h).clamp(max=1)
        xi, log_slope = segment_inverse(v, h / w, torch.ones_like(d), d)
        x = torch.where(inside, sign * (w * xi - self.box), y)
        return x, torch.where(inside, -log_slope, torch.zeros_like(log_slope))

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Exact over all x: the extremes of both bins and of the tails' slope 1."""
        w_raw, h_raw, d_raw, _ = params.unbind(0)
        d = self._knot_slope(d_raw)
        one = torch.ones_like(d)
        low, high = one, one
        for sign in (1.0, -1.0):
            lo, hi = slope_extremes(self._share(sign * h_raw) / self._share(sign * w_raw), one, d)
            low, high = torch.minimum(low, lo), torch.maximum(high, hi)
        return low, high
