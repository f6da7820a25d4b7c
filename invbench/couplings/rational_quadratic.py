"""A rational-quadratic segment (Durkan et al., Neural Spline Flows, NeurIPS 2019): value, inverse,
slopes.

A segment maps [0, w] to [0, h]. With its mean slope s = h/w, its end slopes d0 and d1, and ξ = x/w,

    D(ξ)  = s·(ξ² + (1−ξ)²) + (d0 + d1)·ξ(1−ξ)
    c(ξ)  = h·(s·ξ² + d0·ξ(1−ξ)) / D
    c′(ξ) = s²·(d1·ξ² + 2s·ξ(1−ξ) + d0·(1−ξ)²) / D²

Every sum has terms of one sign, so nothing cancels. All tensors broadcast together.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["log_slope", "segment", "segment_inverse", "slope_extremes"]


def log_slope(xi: Tensor, s: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    """log c′ at ξ in [0, 1]; finite for positive s, d0, d1."""
    return segment(xi, s, d0, d1)[1]


def segment(xi: Tensor, s: Tensor, d0: Tensor, d1: Tensor) -> tuple[Tensor, Tensor]:
    """(c/h, log c′) at ξ in [0, 1]. One logarithm is enough: with s ≥ 1e-3 and slopes below 1e13
    its argument is a normal float32."""
    eta = 1 - xi
    cross = xi * eta
    denominator = s * (xi * xi + eta * eta) + (d0 + d1) * cross
    numerator = d1 * xi * xi + 2 * s * cross + d0 * eta * eta
    ratio = s / denominator
    return (s * xi * xi + d0 * cross) / denominator, torch.log(ratio * ratio * numerator)


def segment_inverse(v: Tensor, s: Tensor, d0: Tensor, d1: Tensor) -> tuple[Tensor, Tensor]:
    """(ξ, log c′ at ξ) of the root of c(ξ)/h = v, for v in [0, 1].

    With ω = 1 − v and A = d0·ω − d1·v, the discriminant R² = A² + 4s²·v·ω is a sum of squares. It
    is positive, because A = d0 at v = 0 and A = −d1 at v = 1. E = |A| + R adds two terms of one
    sign, so neither form of the root cancels, and both denominators are positive.
    """
    omega = 1 - v
    a = d0 * omega - d1 * v
    positive = a >= 0
    # where instead of abs, whose derivative at 0 would be 0
    e = torch.where(positive, a, -a) + torch.sqrt(a * a + 4 * s * s * v * omega)
    near, far = 2 * s * v, 2 * s * omega
    xi = torch.where(positive, near, e) / (e + torch.where(positive, near, far))
    return xi, log_slope(xi, s, d0, d1)


def slope_extremes(s: Tensor, d0: Tensor, d1: Tensor) -> tuple[Tensor, Tensor]:
    """The exact (min, max) of c′ over ξ in [0, 1], evaluated in float64, returned in the dtype
    given.

    With σ = d0 + d1 − 2s, m = d0·d1 − s² and p = σξ + (s − d0), interior critical points solve
    p³ + 3mp − (d1 − d0)m = 0. The extremes are at the ends or at the real roots with ξ in (0, 1).
    All three roots are computed by Cardano's formula in complex arithmetic, polished by Newton's
    method, and clamped into [0, 1]. A point too many does no harm: any c′ in the segment lies in
    the range.
    """
    dtype = s.dtype
    s, d0, d1 = torch.broadcast_tensors(s.double(), d0.double(), d1.double())
    sigma, m, delta = d0 + d1 - 2 * s, d0 * d1 - s * s, d1 - d0
    # p³ + 3mp − δm = 0; |δ|² + 4m = (d0 + d1)² − 4s² under the root
    r = torch.sqrt(torch.complex((d0 + d1) ** 2 - 4 * s * s, torch.zeros_like(s)))
    plus, minus = m * (delta + r) / 2, m * (delta - r) / 2
    big = torch.where(plus.abs() >= minus.abs(), plus, minus)
    cube = torch.where(big.abs() > 0, big, torch.ones_like(big)) ** (1 / 3)
    low, high = torch.minimum(d0, d1), torch.maximum(d0, d1)
    safe_sigma = torch.where(sigma.abs() > 0, sigma, torch.ones_like(sigma))
    for k in range(3):
        turn = torch.polar(
            torch.ones((), dtype=torch.float64),
            torch.tensor(2 * torch.pi * k / 3, dtype=torch.float64),
        )
        u = cube * turn
        p = (u - m / u).real
        for _ in range(2):
            gradient = 3 * (p * p + m)
            step = (p**3 + 3 * m * p - delta * m) / torch.where(
                gradient.abs() > 0, gradient, torch.ones_like(p)
            )
            p = torch.where(gradient.abs() > 0, p - step, p)
        xi = ((p + d0 - s) / safe_sigma).nan_to_num(0.5).clamp(0, 1)
        slope = log_slope(xi, s, d0, d1).exp()
        low, high = torch.minimum(low, slope), torch.maximum(high, slope)
    return low.to(dtype), high.to(dtype)
