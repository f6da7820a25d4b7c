"""An increasing cubic segment in Bernstein form: value, inverse, slopes.

On the unit square, with the mean slope s, end slopes 3s·q₀ and 3s·q₁, and q = 1 − q₀ − q₁:

    v(ξ)  = 3ξη²·q₀ + 3ξ²η·(1 − q₁) + ξ³,   η = 1 − ξ
    c′(ξ) = 3s·(q₀η² + 2qξη + q₁ξ²)

It increases when q₀, q₁ > 0 and q > −√(q₀·q₁). All terms of v are positive, and so are those of c′
when q ≥ 0. For q₀, q₁ ≤ 2/3 the terms of c′ are at most three times their sum.

The inverse is in closed form. With m = q − q₀ and b = q₀ + q₁ − 2q, v = 3q₀ξ + 3mξ² + bξ³. For
v/ξ = q₀ + ω, the slope of the chord from 0,

    ω³ − 3p·ω = 2r,   p = q₀² + m·v,   2r = 2q₀³ + 3m·q₀·v + b·v².

ω ≥ 0, since v/ξ = 3q₀η² + 3(1 − q₁)ξη + ξ² ≥ q₀: for q ≥ 0 because 1 − q₁ ≥ q₀ and
3η² + 3ξη + ξ² ≥ 1, and for q₀, q₁ ≤ 2/3 because it is at least 7/8. So ξ = v/(q₀ + ω) does not
cancel. Another real root of the cubic in ξ lies outside of [0, 1], where 1/ξ < 1, so ω is the
largest root. By Viète for r² < p³, ω = 2√p·cos(arccos(r/p^(3/2))/3); else by Cardano, A³ = r +
√(r² − p³), B = p/A, ω = 2r/(A² + B² − p), which is A + B and does not cancel where p < 0. Rounding
p and r by u of their terms moves v by a few u·v.
"""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.root import through_root

__all__ = ["cubic_extremes", "cubic_segment", "cubic_segment_inverse"]


def cubic_segment(
    xi: Tensor, s: Tensor, q0: Tensor, q: Tensor, q1: Tensor
) -> tuple[Tensor, Tensor]:
    """(v, log c′) at ξ in [0, 1]."""
    v, slope = _value_and_slope(xi, q0, q, q1)
    return v, torch.log(s * slope)


def _value_and_slope(xi: Tensor, q0: Tensor, q: Tensor, q1: Tensor) -> tuple[Tensor, Tensor]:
    """(v, v′) at ξ."""
    eta = 1 - xi
    share = q0 * eta * eta + 2 * q * xi * eta + q1 * xi * xi
    return xi * (3 * eta * (q0 * eta + (q0 + q) * xi) + xi * xi), 3 * share


def cubic_segment_inverse(
    v: Tensor, s: Tensor, q0: Tensor, q: Tensor, q1: Tensor
) -> tuple[Tensor, Tensor]:
    """(ξ, log c′ at ξ) of the root in [0, 1]."""
    with torch.no_grad():
        xi = _root(v, q0, q, q1)
        # One step of Newton's method, in the bracket that v(0) = 0 and v(1) = 1 prove. |v″| ≤ 6, so
        # over a step of v′/24 the slope changes by a quarter: the residual falls, also where the
        # slope is so small that its rounding would throw a longer step across the bracket.
        value, slope = _value_and_slope(xi, q0, q, q1)
        step = torch.minimum(torch.maximum((v - value) / slope, -slope / 24), slope / 24)
        xi = (xi + step).clamp(0, 1)
    xi, minus = through_root(xi, v, lambda xi: cubic_segment(xi, torch.ones_like(s), q0, q, q1))
    return xi, torch.log(s) - minus


def _root(v: Tensor, q0: Tensor, q: Tensor, q1: Tensor) -> Tensor:
    """ξ in closed form, up to a few roundings."""
    # in units of e, since sixth powers of small q₀ and v leave float32
    e = q0 + torch.sqrt(v)
    start, share = q0 / e, v / e / e
    m, b = q - q0, q0 + q1 - 2 * q
    p = start * start + m * share
    r = start * (start * start + 1.5 * m * share) + 0.5 * b * share * share * e
    rest = r * r - p * p * p
    root = torch.sqrt(p.clamp(min=0))
    angle = torch.acos((r / (root * p)).clamp(-1, 1)) / 3
    a = (r + torch.sqrt(rest.clamp(min=0))).clamp(min=0).pow(1 / 3)
    other = p / a
    omega = torch.where(rest < 0, 2 * root * torch.cos(angle), 2 * r / (a * a + other * other - p))
    return (v / e / (start + omega)).clamp(0, 1)


def cubic_extremes(s: Tensor, q0: Tensor, q: Tensor, q1: Tensor) -> tuple[Tensor, Tensor]:
    """The exact (min, max) of c′, from its ends and its vertex, where that lies inside."""
    bend = q0 + q1 - 2 * q
    at = ((q0 - q) / torch.where(bend == 0, torch.ones_like(bend), bend)).clamp(0, 1)
    eta = 1 - at
    shares = torch.stack((q0, q1, q0 * eta * eta + 2 * q * at * eta + q1 * at * at))
    return 3 * s * shares.amin(0), 3 * s * shares.amax(0)
