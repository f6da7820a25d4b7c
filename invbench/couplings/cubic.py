"""An increasing cubic segment in Bernstein form: value, inverse, slopes.

On the unit square, with the mean slope s, end slopes 3s·q₀ and 3s·q₁, and q = 1 − q₀ − q₁:

    v(ξ)  = 3ξη²·q₀ + 3ξ²η·(1 − q₁) + ξ³,   η = 1 − ξ
    c′(ξ) = 3s·(q₀η² + 2qξη + q₁ξ²)

It increases when q₀, q₁ > 0 and q > −√(q₀·q₁). All terms of v are positive, and so are those of c′
when q ≥ 0. For q₀, q₁ ≤ 2/3 the terms of c′ are at most three times their sum.
"""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.root import monotone_root, through_root

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
    """(ξ, log c′ at ξ) of the root in [0, 1], which v(0) = 0 and v(1) = 1 prove to be a bracket."""
    xi = monotone_root(
        _value_and_slope, v, torch.zeros_like(v), torch.ones_like(v), given=(q0, q, q1)
    )
    xi, minus = through_root(xi, v, lambda xi: cubic_segment(xi, torch.ones_like(s), q0, q, q1))
    return xi, torch.log(s) - minus


def cubic_extremes(s: Tensor, q0: Tensor, q: Tensor, q1: Tensor) -> tuple[Tensor, Tensor]:
    """The exact (min, max) of c′, from its ends and its vertex, where that lies inside."""
    bend = q0 + q1 - 2 * q
    at = ((q0 - q) / torch.where(bend == 0, torch.ones_like(bend), bend)).clamp(0, 1)
    eta = 1 - at
    shares = torch.stack((q0, q1, q0 * eta * eta + 2 * q * at * eta + q1 * at * at))
    return 3 * s * shares.amin(0), 3 * s * shares.amax(0)
