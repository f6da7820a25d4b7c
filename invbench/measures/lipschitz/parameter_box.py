"""A coupling over a box of its raw parameters: slopes, and how far the parameters move the value (numerics.md, section 2).

``RULES`` maps a design to its rule. A design without one falls back on its declared ``slope_range`` for the slopes (tier U1), and its
sensitivity to the parameters is not available. All in float64, elementwise, and widened by 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.couplings import RQ, Additive, Affine, AffineExp, AffineFloor, AffineTanh, ModifiedRQ, RQBounded
from invbench.couplings.base import Elementwise
from invbench.couplings.bins import shares
from invbench.couplings.fused import Fused
from invbench.couplings.rational_quadratic import slope_extremes
from invbench.couplings.rq_spline import RQSpline
from invbench.measures.lipschitz.interval import Interval, Unsupported

__all__ = ["ParameterBox", "decoded_box", "over_box", "rational_quadratic_range"]

WIDER = 1 + 1e-12
PIECES = 16  # of ξ in [0, 1], over which the derivatives of a segment are bounded one by one


@dataclass(frozen=True)
class ParameterBox:
    """Per element: slopes of c in [low, high] over all x and all parameters of the box, and

    ``by_params``: sup sqrt(Σ_j (∂c/∂p_j)²) at fixed x; ``by_params_inverse``: the same of c⁻¹ at fixed y, = sup over x of that / c′.
    None where no rule is known. ``tier``: U2 from the box, U1 from constants of the architecture.
    """

    low: Tensor
    high: Tensor
    by_params: Tensor | None
    by_params_inverse: Tensor | None
    tier: str


def over_box(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """Bounds of a design over params (n_params, *x.shape) and x. Raises ``Unsupported`` where nothing certified is known."""
    design = design.design if isinstance(design, Fused) else design
    if rule := RULES.get(type(design)):  # not for subclasses: a rule knows one formula
        found = rule(design, params, x)
        return ParameterBox(
            found.low / WIDER,
            found.high * WIDER,
            None if found.by_params is None else found.by_params * WIDER,
            None if found.by_params_inverse is None else found.by_params_inverse * WIDER,
            found.tier,
        )
    if design.slope_range is None:
        raise Unsupported(f"{type(design).__name__} has no rule for a box of parameters and declares no slope_range")
    low, high = design.slope_range
    return ParameterBox(torch.full_like(x.lo, low), torch.full_like(x.lo, high), None, None, "U1")


def _additive(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    one = torch.ones_like(x.lo)
    return ParameterBox(one, one, one, one, "U2")


def _affine(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """(x + t)·s(a): ∂c/∂a = (x + t)·s′, ∂c/∂t = s; of the inverse: (x + t)·s′/s and 1. s′ = σ(1 − σ) peaks at a = −2."""
    assert isinstance(design, Affine)
    a, t = Interval(params.lo[0], params.hi[0]), Interval(params.lo[1], params.hi[1])
    sigma = (a + 2.0).sigmoid()
    low, high = sigma.lo + design.floor, sigma.hi + design.floor
    peak = torch.minimum(torch.maximum(torch.full_like(low, 0.5), sigma.lo), sigma.hi)
    steepest = peak * (1 - peak)
    # σ(1 − σ)/(σ + floor) peaks at σ = sqrt(f² + f) − f
    peak = torch.full_like(low, math.sqrt(design.floor**2 + design.floor) - design.floor)
    peak = torch.minimum(torch.maximum(peak, sigma.lo), sigma.hi)
    relative = peak * (1 - peak) / (peak + design.floor)
    reach = (x + t).magnitude
    return ParameterBox(
        low, high, torch.hypot(reach * steepest, high), torch.hypot(reach * relative, torch.ones_like(low)), "U2"
    )


def _log_affine(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """x·exp(l(a)) + t: ∂c/∂a = x·s·l′, ∂c/∂t = 1; of the inverse: x·l′ and 1/s."""
    assert isinstance(design, (AffineExp, AffineTanh))
    low, high = (design.log_scale(end).exp() for end in (params.lo[0], params.hi[0]))
    if isinstance(design, AffineTanh):
        nearest = torch.where(
            (params.lo[0] <= 0) & (params.hi[0] >= 0), 0.0, torch.minimum(params.lo[0].abs(), params.hi[0].abs())
        )
        steepest = math.log(design.limit) * (1 - torch.tanh(nearest) ** 2)
    else:
        steepest = torch.ones_like(low)
    reach = x.magnitude
    return ParameterBox(
        low,
        high,
        torch.hypot(reach * high * steepest, torch.ones_like(low)),
        torch.hypot(reach * steepest, 1 / low),
        "U2",
    )


def rational_quadratic_range(s: Interval, d0: Interval, d1: Interval) -> tuple[Tensor, Tensor]:
    """Slopes of a rational-quadratic segment over a box of (s, d0, d1): least at s_lo and a corner (lo, lo), (lo, hi), (hi, lo) or (hi, hi)
    of the end slopes; at most max(d_hi, 2·s_hi²/(s_hi + d_lo)), and the exact maximum where the box is a point."""
    corners = [(p, q) for p in (d0.lo, d0.hi) for q in (d1.lo, d1.hi)]
    low = torch.stack([slope_extremes(s.lo, p, q)[0] for p, q in corners]).amin(0)
    least, most = torch.minimum(d0.lo, d1.lo), torch.maximum(d0.hi, d1.hi)
    bound = torch.maximum(most, 2 * s.hi**2 / (s.hi + least))
    point = (s.lo == s.hi) & (d0.lo == d0.hi) & (d1.lo == d1.hi)
    exact = slope_extremes(s.hi, d0.hi, d1.hi)[1]
    return low, torch.where(point, exact, bound)


def _rq_spline(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """Bins from softmax shares, bounded one against all others; knot slopes increase with their raw values."""
    assert isinstance(design, RQSpline)
    k = design.bins
    w_lo, w_hi = _share_ends(design, params, 0)
    h_lo, h_hi = _share_ends(design, params, k)
    one = Interval(torch.ones_like(x.lo), torch.ones_like(x.lo))
    knots = [
        Interval(design.knot_slope(params.lo[j]), design.knot_slope(params.hi[j])) for j in range(2 * k, 3 * k - 1)
    ]
    ends = [one, *knots, one]
    low, high = one.lo, one.lo
    for j in range(k):
        lo, hi = rational_quadratic_range(Interval(h_lo[j] / w_hi[j], h_hi[j] / w_lo[j]), ends[j], ends[j + 1])
        low, high = torch.minimum(low, lo), torch.maximum(high, hi)
    return ParameterBox(low, high, None, None, "U2")


def _share_ends(design: RQSpline, params: Interval, start: int) -> tuple[list[Tensor], list[Tensor]]:
    """Least and largest share per bin: its own raw value at one end, all others at the other."""
    lo, hi = params.lo[start : start + design.bins].unbind(0), params.hi[start : start + design.bins].unbind(0)
    ends: tuple[list[Tensor], list[Tensor]] = ([], [])
    for j in range(design.bins):
        for found, own, others in zip(ends, (lo, hi), (hi, lo), strict=True):
            found.append(shares([own[i] if i == j else others[i] for i in range(design.bins)], design.floor)[j])
    return ends


def _modified_rq(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """The two bins in turn, the right one as the left one mirrored; t enters with slope 1, and 1/c′ in the inverse."""
    assert isinstance(design, ModifiedRQ)
    raw = [Interval(params.lo[j], params.hi[j]) for j in range(3)]
    knot = Interval(design._knot_slope(raw[2].lo), design._knot_slope(raw[2].hi))
    one = torch.ones_like(x.lo)
    low, high = one, one
    moved, moved_inverse = torch.zeros_like(one), torch.zeros_like(one)
    for w_raw, h_raw in ((raw[0], raw[1]), (-raw[0], -raw[1])):
        w = Interval(design._share(w_raw.lo), design._share(w_raw.hi))
        h = Interval(design._share(h_raw.lo), design._share(h_raw.hi))
        s = Interval(h.lo / w.hi, h.hi / w.lo)
        lo, hi = rational_quadratic_range(s, Interval(one, one), knot)
        low, high = torch.minimum(low, lo), torch.maximum(high, hi)
        chains = [_sigmoid_derivative(r) * 2 * design.box for r in (w_raw, h_raw)]
        forward, inverse = _segment_sensitivity(s, h, knot, chains)
        moved, moved_inverse = torch.maximum(moved, forward), torch.maximum(moved_inverse, inverse)
    return ParameterBox(low, high, torch.hypot(moved, one), torch.hypot(moved_inverse, 1 / low), "U2")


def _sigmoid_derivative(raw: Interval) -> Tensor:
    nearest = torch.where((raw.lo <= 0) & (raw.hi >= 0), 0.0, torch.minimum(raw.lo.abs(), raw.hi.abs()))
    at = torch.sigmoid(-nearest)
    return at * (1 - at)


def _segment_sensitivity(s: Interval, h: Interval, d: Interval, chains: list[Tensor]) -> tuple[Tensor, Tensor]:
    """sup over ξ of sqrt(Σ (∂c/∂raw)²) over (w, h, d) at fixed x, and of the same divided by c′; end slopes (1, d).

    With η = 1 − ξ, D = s(ξ² + η²) + (1 + d)ξη, v = (sξ² + ξη)/D, v_s = ξη(dξ² − η²)/D², c′ = s·v_ξ:
    ∂c/∂h = v + s·v_s,  ∂c/∂w = −(ξ·c′ + s²·v_s),  ∂c/∂d = −h·ξη(sξ² + ξη)/D². Every sum has terms of one sign but dξ² − η².
    """
    forward, inverse = torch.zeros_like(s.lo), torch.zeros_like(s.lo)
    w_chain, h_chain = chains
    d_chain = d.hi  # |∂d/∂raw| ≤ d
    for piece in range(PIECES):
        a, b = piece / PIECES, (piece + 1) / PIECES  # ξ in [a, b], η in [1 − b, 1 − a]
        p, q = 1 - b, 1 - a
        cross_lo, cross_hi = min(a * q, b * p), (0.25 if a <= 0.5 <= b else max(a * q, b * p))
        squares_lo = 0.5 if a <= 0.5 <= b else min(a * a + q * q, b * b + p * p)
        squares_hi = max(a * a + q * q, b * b + p * p)
        # at one ξ the terms are weights that sum to ξ² + η² + 2ξη = 1, so D lies between the least and the largest of s, (1 + d)/2
        d_lo = torch.maximum(s.lo * squares_lo + (1 + d.lo) * cross_lo, torch.minimum(s.lo, (1 + d.lo) / 2))
        d_hi = torch.minimum(s.hi * squares_hi + (1 + d.hi) * cross_hi, torch.maximum(s.hi, (1 + d.hi) / 2))
        v = ((s.hi * b * b + cross_hi) / d_lo).clamp(max=1)
        bend = cross_hi * torch.maximum((d.hi * b * b - p * p).abs(), (d.lo * a * a - q * q).abs()) / d_lo**2
        slope_hi = s.hi**2 * (d.hi * b * b + 2 * s.hi * cross_hi + q * q) / d_lo**2
        slope_lo = s.lo**2 * (d.lo * a * a + 2 * s.lo * cross_lo + p * p) / d_hi**2
        by_h = (v + s.hi * bend) * h_chain
        by_w = (b * slope_hi + s.hi**2 * bend) * w_chain
        by_d = h.hi * cross_hi * (s.hi * b * b + cross_hi) / d_lo**2 * d_chain
        size = torch.sqrt(by_h**2 + by_w**2 + by_d**2)
        forward, inverse = torch.maximum(forward, size), torch.maximum(inverse, size / slope_lo)
    return forward, inverse


def decoded_box(design: Elementwise, y: Interval, params: Interval) -> Interval:
    """A box that holds c⁻¹(y; params). Raises ``Unsupported`` for a design without a rule.

    Affine: interval arithmetic. Box splines: identity outside (−B, B), so an end inside moves no further than to ±B.
    """
    design = design.design if isinstance(design, Fused) else design
    kind = type(design)
    t = Interval(params.lo[-1], params.hi[-1])
    if kind in (Additive, Affine, AffineFloor, AffineExp, AffineTanh):
        box = over_box(design, params, Interval(torch.zeros_like(y.lo), torch.zeros_like(y.lo)))
        shrink = Interval(1 / box.high, 1 / box.low)
        return y * shrink - t if kind in (Affine, AffineFloor) else (y - t) * shrink
    if kind in (ModifiedRQ, RQ, RQBounded):
        v = y - t if kind is ModifiedRQ else y
        b = float(design.box)  # type: ignore[arg-type]
        return Interval(torch.where(v.lo.abs() < b, -b, v.lo), torch.where(v.hi.abs() < b, b, v.hi))
    raise Unsupported(f"no interval rule for the inverse of {kind.__name__}")


RULES: dict[type[Elementwise], Callable[[Elementwise, Interval, Interval], ParameterBox]] = {
    Additive: _additive,
    Affine: _affine,
    AffineFloor: _affine,
    AffineExp: _log_affine,
    AffineTanh: _log_affine,
    ModifiedRQ: _modified_rq,
    RQ: _rq_spline,
    RQBounded: _rq_spline,
}
