"""The cubic-rational coupling: a local change of slope, of free width, with tails of slope 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.amplitude import amplitude
from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.couplings.root import through_root
from invbench.registry import coupling

__all__ = ["CubicRational"]

FARTHEST = 1e12  # a·x/(1 + (x/w)²) is below u·x from |x/w| = 3e8 on, in float64
LARGE = 1e5  # |v| up to which v⁶ stays finite in float32; beyond, the move is below u·|v|
LOG_WIDTH_LIMIT = 30.0


@coupling("cubic-rational")
class CubicRational(CheckedElementwise):
    """y = x + a·x/(1 + (x/w)²) + t,  −1 < a < 8,  w > 0.

    With u = x/w and q = u², c′ = 1 + a·(1 − q)/(1 + q)². It lies between 1 + a (at q = 0) and
    1 − a/8 (at q = 3), so c increases for −1 < a < 8. Parameters, raw: (r_a, r_w, t), with
    a = (1 − floor)·8(e^r_a − 1)/(e^r_a + 8) and w = e^r_w; r_w saturates at ±30. floor = 0.1 keeps
    c′ in [floor, 9 − 8·floor]. Zero parameters give the identity. A value moves by up to |a|·w/2,
    which has no bound.

    The inverse, in units of w, is the root of u + a·u/(1 + u²) = v, the only real one of the
    cubic u³ − v·u² + (1 + a)·u − v. With u = s + v/3 it is s³ + 3p·s = 2r, p = (1 + a − v²/3)/3,
    r = v·(v²/27 + (2 − a)/6). Cardano: s = A + B, A³ = |r| + √(r² + p³), B = p/A, with the sign of
    r. The sum cancels where p > 0, and s = 2r/(A² + B² + p), which is equal, does not.
    Raises ``ValueError`` unless 0 < floor < 1.
    """

    n_params = 3
    tail_slopes_equal = True
    metadata = {
        "citation": (
            "Gerdes, Cheng: Analytic Bijections for Smooth and Interpretable "
            "Normalizing Flows, ICML 2026"
        ),
        "year": 2026,
        "family": "rational",
        "formula": "y = x + a·x/(1 + (x/w)²) + t, −0.9 < a < 7.2, w free",
    }

    def __init__(self, floor: float = 0.1) -> None:
        super().__init__()
        if not 0 < floor < 1:
            raise ValueError(
                f"{type(self).__name__}: floor must lie between 0 and 1, got {floor!r}"
            )
        self.floor = float(floor)
        self.slope_range = (self.floor, 9 - 8 * self.floor)  # type: ignore[misc]
        self.displacement = math.inf  # type: ignore[misc]

    def _amplitude(self, raw: Tensor) -> Tensor:
        return amplitude(raw, 1 - self.floor, 8 * (1 - self.floor))

    def shift_of(self, params: Tensor) -> Tensor:
        """t, of the last parameter."""
        return shift(params[2])

    def _log_width(self, raw: Tensor) -> Tensor:
        return raw.clamp(-LOG_WIDTH_LIMIT, LOG_WIDTH_LIMIT)

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        a, log_w = self._amplitude(params[0]), self._log_width(params[1])
        t = self.shift_of(params)
        u = (x * torch.exp(-log_w)).clamp(-FARTHEST, FARTHEST)
        return x + a * x / (1 + u * u) + t, self._log_slope(u, a)

    def _log_slope(self, u: Tensor, a: Tensor) -> Tensor:
        # 1 + a(1 − q)/(1 + q)² as a sum that does not cancel, for either sign of a:
        # a < 0: (1 + a) + |a|·q(q + 3)/(1 + q)²;  a > 0: (1 − a/8) + (a/8)·(q − 3)²/(1 + q)²
        q = u * u
        below = -a * (q / (1 + q)) * ((q + 3) / (1 + q))
        above = a / 8 * ((q - 3) / (1 + q)) ** 2
        return torch.where(a < 0, torch.log1p(a + below), torch.log1p(above - a / 8))

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        a, log_w = self._amplitude(params[0]), self._log_width(params[1])
        t = self.shift_of(params)
        with torch.no_grad():
            u = _root((y - t) * torch.exp(-log_w), a)
            x = torch.where(u.abs() < FARTHEST, u * torch.exp(log_w), y - t)
        return through_root(x, y, lambda x: self.encode(x, params))

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        a = self._amplitude(params[0])
        return torch.minimum(1 + a, 1 - a / 8), torch.maximum(1 + a, 1 - a / 8)


def _root(v: Tensor, a: Tensor) -> Tensor:
    """u with u + a·u/(1 + u²) = v, by Cardano's formula."""
    near = v.clamp(-LARGE, LARGE)
    square = near * near
    p = ((1 + a) - square / 3) / 3
    r = near * (square / 27 + (2 - a) / 6)
    first = (r.abs() + torch.sqrt((r * r + p * p * p).clamp(min=0))).pow(1 / 3)
    second = p / first
    u = 2 * r / (first * first + second * second + p) + near / 3
    u = torch.where(square < torch.finfo(v.dtype).tiny, v / (1 + a), u)  # r would lose its digits
    return torch.where(v.abs() <= LARGE, u, v - a / v)
