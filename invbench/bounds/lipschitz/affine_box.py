"""Rules for the affine and the cubic-rational couplings over a box of their raw parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from invbench.bounds.lipschitz.interval import Interval
from invbench.bounds.lipschitz.parameter_box import ParameterBox, nearest_zero
from invbench.couplings import (
    Affine,
    AffineAsymmetric,
    AffineAtan,
    AffineExp,
    AffineSoftclip,
    AffineTanh,
    AffineTwoSigmoid,
    CubicRational,
)
from invbench.couplings.base import Elementwise
from invbench.couplings.log_affine import LogAffine

__all__ = [
    "additive",
    "affine",
    "affine_asymmetric",
    "affine_two_sigmoid",
    "cubic_rational",
    "log_affine",
]


def additive(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """x + t: all derivatives are 1."""
    one = torch.ones_like(x.lo)
    return ParameterBox(one, one, one, one)


def affine(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """(x + t)·s(a): ∂c/∂a = (x + t)·s′, ∂c/∂t = s; of the inverse (x + t)·s′/s and 1. s′ = σ(1 − σ)
    peaks at a = −2."""
    assert isinstance(design, Affine)
    a, t = Interval(params.lo[0], params.hi[0]), Interval(params.lo[1], params.hi[1])
    sigma = (a + 2.0).sigmoid()
    low, high = sigma.lo + design.floor, sigma.hi + design.floor
    peak = _into(0.5, sigma)
    # σ(1 − σ)/(σ + floor) peaks at σ = sqrt(f² + f) − f
    relative = _into(math.sqrt(design.floor**2 + design.floor) - design.floor, sigma)
    relative = relative * (1 - relative) / (relative + design.floor)
    reach = (x + t).magnitude
    forward = torch.hypot(reach * peak * (1 - peak), high)
    return ParameterBox(low, high, forward, torch.hypot(reach * relative, torch.ones_like(low)))


def _into(peak: float, box: Interval) -> Tensor:
    """The point of the box nearest to ``peak``, where a function with its one maximum at the peak
    is largest."""
    return torch.minimum(torch.maximum(torch.full_like(box.lo, peak), box.lo), box.hi)


def affine_two_sigmoid(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """(x + t)·2σ(a): ∂c/∂a = (x + t)·2σ(1 − σ); of the inverse (x + t)·(1 − σ)."""
    assert isinstance(design, AffineTwoSigmoid)
    t = Interval(params.lo[1], params.hi[1])
    ends = [design._scale(end[:1])[0] for end in (params.lo, params.hi)]
    peak = _into(0.5, Interval(ends[0] / 2, ends[1] / 2))
    reach = (x + t).magnitude
    forward = torch.hypot(reach * 2 * peak * (1 - peak), ends[1])
    inverse = torch.hypot(reach * torch.sigmoid(-params.lo[0]), torch.ones_like(reach))
    return ParameterBox(ends[0], ends[1], forward, inverse)


# sup |l′| over all |a| ≥ the given number, l = log s: l′ falls with |a| for each of them
STEEPEST: dict[type[LogAffine], Callable[[Any, Tensor], Tensor]] = {
    AffineAtan: lambda design, a: 0.636 * design.clamp / (1 + a * a),
    AffineExp: lambda design, a: torch.ones_like(a),
    AffineSoftclip: lambda design, a: 1 / (1 + a / abs(math.log(design.slope))) ** 2,
    AffineTanh: lambda design, a: math.log(design.limit) * (1 - torch.tanh(a) ** 2),
}


def log_affine(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """x·exp(l(a)) + t: ∂c/∂a = x·s·l′, ∂c/∂t = 1; of the inverse: x·l′ and 1/s."""
    assert isinstance(design, LogAffine)
    low, high = (design.log_scale(end).exp() for end in (params.lo[0], params.hi[0]))
    steepest = STEEPEST[type(design)](design, nearest_zero(params.lo[0], params.hi[0]))
    reach, one = x.magnitude, torch.ones_like(low)
    return ParameterBox(
        low, high, torch.hypot(reach * high * steepest, one), torch.hypot(reach * steepest, 1 / low)
    )


def affine_asymmetric(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """e^(−b(a))·G(x) + t, with G = g⁻¹ and G′ = exp(max(|x| − τ, 0)): ∂c/∂a = b′·e^(−b)·G; of the
    inverse b′·G/G′ ≤ b′·min(|x|, max(τ, 1)).

    b′ = (2/π)/(1 + (a/α)²) is continuous at 0 and falls with |a|, slower for a larger α.
    """
    assert isinstance(design, AffineAsymmetric)
    b_lo, b_hi = (design._decoding_log_scale(end) for end in (params.lo[0], params.hi[0]))
    widest = torch.where(params.lo[0] < 0, max(design.shrink, design.stretch), design.stretch)
    steepest = 2 / math.pi / (1 + (nearest_zero(params.lo[0], params.hi[0]) / widest) ** 2)
    reach = x.magnitude
    beyond = (reach - design.tail).clamp(min=0)
    low, high = torch.exp(-b_hi), torch.exp(-b_lo) * torch.exp(beyond)
    value = reach.clamp(max=design.tail) + torch.expm1(beyond)
    forward = torch.hypot(steepest * torch.exp(-b_lo) * value, torch.ones_like(low))
    inverse = torch.hypot(steepest * reach.clamp(max=max(design.tail, 1.0)), 1 / low)
    return ParameterBox(low, high, forward, inverse)


def cubic_rational(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """x + a·x/(1 + u²) + t, u = x/w: |∂c/∂a| = |x|/(1 + u²) ≤ min(|x|, w/2) and |∂c/∂w| =
    |a|·2|u|³/(1 + u²)².

    |u|³/(1 + u²)² grows up to u = √3. Slopes lie between 1 + a and 1 − a/8.
    """
    assert isinstance(design, CubicRational)
    a_lo, a_hi = (design._amplitude(end) for end in (params.lo[0], params.hi[0]))
    w_lo, w_hi = (design._log_width(end).exp() for end in (params.lo[1], params.hi[1]))
    low, high = torch.minimum(1 + a_lo, 1 - a_hi / 8), torch.maximum(1 + a_hi, 1 - a_lo / 8)
    least, most = 1 - design.floor, 8 * (1 - design.floor)
    # da/draw = least·most·(most + least)·e^r/(most + least·e^r)² has one peak, at r =
    # log(most/least)
    r = _into(math.log(most / least), Interval(params.lo[0], params.hi[0]))
    chain_a = (
        least * most * (most + least) / (most * torch.exp(-r / 2) + least * torch.exp(r / 2)) ** 2
    )
    u = (x.magnitude / w_lo).clamp(max=math.sqrt(3))
    bend = torch.maximum(a_lo.abs(), a_hi.abs()) * 2 * u**3 / (1 + u * u) ** 2
    # w = e^raw or width·(1e-3 + …·σ(raw)): dw/draw ≤ w for both
    forward = torch.sqrt(
        (torch.minimum(x.magnitude, w_hi / 2) * chain_a) ** 2 + (bend * w_hi) ** 2 + 1
    )
    return ParameterBox(low, high, forward, forward / low)
