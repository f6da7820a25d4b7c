"""The sinh-arcsinh transformation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise
from invbench.registry import coupling

__all__ = ["SinhArcsinh"]

SKEW_LIMIT = 16.0  # e^16 ≈ 1e7


def _power(x: Tensor, log_delta: Tensor, skew: Tensor) -> Tensor:
    """sinh(δ·asinh x + ε) by powers: σ(P − 1/P)/2 with P = (|x| + √(1 + x²))^δ·e^(σε), σ the sign
    of x.

    The rounding of an exponent of 70 would cost 70 u; a power costs one or two. Where the exponent
    is below 1, P − 1/P would cancel, and sinh is accurate.
    """
    delta = torch.exp(log_delta)
    sign = torch.where(x < 0, -1.0, 1.0).to(x.dtype)
    near = delta * torch.asinh(x) + skew
    size = x.abs().clamp(max=1e9)  # sqrt(1 + x²) is |x| long before x² overflows
    root = torch.where(x.abs() < 1e9, torch.sqrt(1 + size * size), x.abs())
    # in halves, which overflow only where the result does
    half = torch.pow(x.abs() + root, delta / 2)
    power = half * torch.exp(sign * skew) * half
    return torch.where(
        near.abs() < 1, torch.sinh(near.clamp(-1, 1)), sign * (power - 1 / power) / 2
    )


def _log_slope(a: Tensor, log_delta: Tensor, skew: Tensor) -> Tensor:
    """log(δ·cosh(δa + ε)/cosh a); the large parts of both log cosh are subtracted first.

    |δa + ε| − |a| is (δ − 1)|a| + σε where δa + ε has the sign σ of a, else −(δ + 1)|a| − σε.
    """
    arg = torch.exp(log_delta) * a + skew
    sign = torch.where(a < 0, -1.0, 1.0).to(a.dtype)
    same = torch.where(a < 0, arg < 0, arg >= 0)
    excess = torch.where(
        same,
        torch.expm1(log_delta) * a.abs() + sign * skew,
        -(torch.exp(log_delta) + 1) * a.abs() - sign * skew,
    )
    return (
        log_delta
        + excess
        + torch.log1p(torch.exp(-2 * arg.abs()))
        - torch.log1p(torch.exp(-2 * a.abs()))
    )


@coupling("sinh-arcsinh")
class SinhArcsinh(CheckedElementwise):
    """y = sinh(δ·asinh x + ε),  c′ = δ·cosh(δ·asinh x + ε)/sqrt(1 + x²).

    Parameters, raw: (δ, ε), with δ = limit^tanh(raw) in (1/limit, limit), limit = 2; ε saturates at
    ±16. No shift. Zero parameters give the identity. The inverse is the same map with 1/δ and −ε/δ.
    Tails grow like |x|^δ: for δ > 1 the slope has no upper bound, for δ < 1 it falls to 0, and for
    δ = 1 the tails have the slopes e^±ε.
    """

    n_params = 2
    working = torch.float64
    slope_range = (0.0, math.inf)
    displacement = math.inf
    tail_slopes_equal = False
    metadata = {
        "citation": "Jones, Pewsey: Sinh-arcsinh distributions, Biometrika 2009",
        "year": 2009,
        "family": "elementary",
        "formula": "y = sinh(δ·asinh x + ε)",
    }

    def __init__(self, limit: float = 2.0) -> None:
        super().__init__()
        if not 1 < limit < math.inf:
            raise ValueError(f"sinh-arcsinh: limit must be a number above 1, got {limit!r}")
        self.limit = float(limit)

    def _shape(self, params: Tensor) -> tuple[Tensor, Tensor]:
        return math.log(self.limit) * torch.tanh(params[0]), params[1].clamp(
            -SKEW_LIMIT, SKEW_LIMIT
        )

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_delta, skew = self._shape(params)
        return _power(x, log_delta, skew), _log_slope(torch.asinh(x), log_delta, skew)

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_delta, skew = self._shape(params)
        skew = -skew * torch.exp(-log_delta)
        return _power(y, -log_delta, skew), _log_slope(torch.asinh(y), -log_delta, skew)

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Exact over all x. For δ > 1 the minimum is where δ·tanh(δa + ε) = tanh a. For δ < 1 the
        maximum is 1 over the minimum of the inverse map. For δ = 1 the tails have e^±ε."""
        dtype = params.dtype
        log_delta, skew = self._shape(params.double())
        steep = log_delta.abs()
        tilt = torch.where(log_delta >= 0, skew, -skew * torch.exp(-log_delta))
        least = self._least(steep, tilt)
        infinite = torch.full_like(least, math.inf)
        low = torch.where(log_delta >= 0, least, torch.zeros_like(least))
        high = torch.where(log_delta > 0, infinite, torch.exp(-torch.log(least)))
        return low.to(dtype), high.to(dtype)

    def _least(self, log_delta: Tensor, skew: Tensor) -> Tensor:
        """inf c′ for δ ≥ 1: the root of δ·tanh(δa + ε) − tanh a, between −ε/δ and −ε/(δ − 1), by
        bisection."""
        delta = torch.exp(log_delta)
        first = -skew / delta
        last = -skew / torch.expm1(log_delta).clamp(min=1e-12)  # as good as infinite where δ = 1
        for _ in range(100):
            middle = first + (last - first) / 2
            passed = (delta * torch.tanh(delta * middle + skew) - torch.tanh(middle)) * torch.sign(
                skew
            ) < 0
            first, last = torch.where(passed, first, middle), torch.where(passed, middle, last)
        return torch.exp(_log_slope(first + (last - first) / 2, log_delta, skew))

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        log_delta, skew = self._shape(params)
        grown = torch.where(log_delta > 0, math.inf, 0.0).to(skew.dtype)
        return tuple(torch.where(log_delta == 0, torch.exp(s * skew), grown) for s in (-1, 1))  # type: ignore[return-value]
