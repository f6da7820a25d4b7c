"""Rules for rational-quadratic splines over a box of their raw parameters.

A segment with mean slope s = h/w and end slopes d0, d1 (Durkan et al., NeurIPS 2019) has, with
η = 1 − ξ and D = s(ξ² + η²) + (d0 + d1)ξη, the slope c′ = s²(d1·ξ² + 2s·ξη + d0·η²)/D².
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.bounds.lipschitz.interval import Interval
from invbench.bounds.lipschitz.parameter_box import ParameterBox, nearest_zero
from invbench.couplings import ModifiedRQ, RQBounded
from invbench.couplings.base import Elementwise
from invbench.couplings.bins import shares
from invbench.couplings.rational_quadratic import slope_extremes
from invbench.couplings.rq_spline import RQSpline

__all__ = ["modified_rq", "rational_quadratic_range", "rq_bounded", "rq_spline"]

PIECES = 16  # of [0, 1], over each of which the derivatives of a segment are bounded


def rational_quadratic_range(s: Interval, d0: Interval, d1: Interval) -> tuple[Tensor, Tensor]:
    """(inf, sup) bounds on the slope of a segment over a box of (s, d0, d1).

    It is least at s_lo and a corner of the box of (d0, d1). It is at most
    max(d_hi, 2·s_hi²/(s_hi + d_lo)); where the box is a point, the exact maximum is taken.
    """
    corners = [(p, q) for p in (d0.lo, d0.hi) for q in (d1.lo, d1.hi)]
    low = torch.stack([slope_extremes(s.lo, p, q)[0] for p, q in corners]).amin(0)
    least, most = torch.minimum(d0.lo, d1.lo), torch.maximum(d0.hi, d1.hi)
    bound = torch.maximum(most, 2 * s.hi**2 / (s.hi + least))
    point = (s.lo == s.hi) & (d0.lo == d0.hi) & (d1.lo == d1.hi)
    exact = slope_extremes(s.hi, d0.hi, d1.hi)[1]
    return low, torch.where(point, exact, bound)


def _segment_terms(s: Interval, d0: Interval, d1: Interval, piece: int) -> tuple[Tensor, ...]:
    """Over ξ in the piece [a, b]: bounds (inf c′, sup c′) and upper bounds on |∂v/∂s|, v, |∂v/∂d0|
    and |∂v/∂d1|, v = (sξ² + d0·ξη)/D being the height over h.

    ∂v/∂s = ξη(d1·ξ² − d0·η²)/D², ∂v/∂d0 = ξη(sη² + d1·ξη)/D², ∂v/∂d1 = −ξη(sξ² + d0·ξη)/D². Every
    sum but that in ∂v/∂s has terms of one sign.
    """
    a, b = piece / PIECES, (piece + 1) / PIECES
    p, q = 1 - b, 1 - a  # η in [p, q]
    cross_lo, cross_hi = min(a * q, b * p), (0.25 if a <= 0.5 <= b else max(a * q, b * p))
    squares_lo = 0.5 if a <= 0.5 <= b else min(a * a + q * q, b * b + p * p)
    squares_hi = max(a * a + q * q, b * b + p * p)
    # the weights sum to ξ² + η² + 2ξη = 1, so D lies between s and (d0 + d1)/2
    d_lo = torch.maximum(
        s.lo * squares_lo + (d0.lo + d1.lo) * cross_lo, torch.minimum(s.lo, (d0.lo + d1.lo) / 2)
    )
    d_hi = torch.minimum(
        s.hi * squares_hi + (d0.hi + d1.hi) * cross_hi, torch.maximum(s.hi, (d0.hi + d1.hi) / 2)
    )
    v = ((s.hi * b * b + d0.hi * cross_hi) / d_lo).clamp(max=1)
    bend = (
        cross_hi
        * torch.maximum(
            (d1.hi * b * b - d0.lo * p * p).abs(), (d1.lo * a * a - d0.hi * q * q).abs()
        )
        / d_lo**2
    )
    slope_hi = s.hi**2 * (d1.hi * b * b + 2 * s.hi * cross_hi + d0.hi * q * q) / d_lo**2
    slope_lo = s.lo**2 * (d1.lo * a * a + 2 * s.lo * cross_lo + d0.lo * p * p) / d_hi**2
    by_d0 = cross_hi * (s.hi * q * q + d1.hi * cross_hi) / d_lo**2
    by_d1 = cross_hi * (s.hi * b * b + d0.hi * cross_hi) / d_lo**2
    return slope_lo, slope_hi, bend, v, by_d0, by_d1


def modified_rq(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """Both bins in turn; the right one is the left one mirrored.

    Counted from the outer end of the box: ∂c/∂h = v + s·∂v/∂s, ∂c/∂w = −(ξ·c′ + s²·∂v/∂s),
    ∂c/∂d = h·∂v/∂d1. The shift t has the derivative 1, and 1/c′ in the inverse.
    """
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
        w_chain, h_chain = (_sigmoid_derivative(r) * 2 * design.box for r in (w_raw, h_raw))
        for piece in range(PIECES):
            slope_lo, slope_hi, bend, v, _, by_d = _segment_terms(
                s, Interval(one, one), knot, piece
            )
            by_h = (v + s.hi * bend) * h_chain
            by_w = ((piece + 1) / PIECES * slope_hi + s.hi**2 * bend) * w_chain
            size = torch.sqrt(by_h**2 + by_w**2 + (h.hi * by_d * knot.hi) ** 2)  # |∂d/∂raw| ≤ d
            moved, moved_inverse = (
                torch.maximum(moved, size),
                torch.maximum(moved_inverse, size / slope_lo),
            )
    return ParameterBox(low, high, torch.hypot(moved, one), torch.hypot(moved_inverse, 1 / low))


def _sigmoid_derivative(raw: Interval) -> Tensor:
    at = torch.sigmoid(-nearest_zero(raw.lo, raw.hi))
    return at * (1 - at)


def rq_bounded(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """``rq_spline``; with the option ``shift`` the last parameter moves t by a slope of 1 at
    most."""
    assert isinstance(design, RQBounded)
    found = rq_spline(design, params, x)
    if not design.shift_bound:
        return found
    assert found.by_params is not None and found.by_params_inverse is not None
    return ParameterBox(
        found.low,
        found.high,
        torch.hypot(found.by_params, torch.ones_like(found.low)),
        torch.hypot(found.by_params_inverse, 1 / found.low),
    )


def rq_spline(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """All bins in turn. Their widths and heights are softmax shares; knot slopes increase with
    their raw values.

    With X, Y the left edges of a bin, ∂c/∂X = −c′ and ∂c/∂Y = 1; w, h, d0, d1 are as in a segment.
    Up to a constant, X and w are 2B(1 − K·floor)·P, P a sum of softmax shares. ‖∂P/∂raw‖ is at most
    √2·P(1 − P), since |∂P/∂raw_j| sums to P(1 − P) over the shares in P, and to as much over the
    others.
    """
    assert isinstance(design, RQSpline)
    k, span = design.bins, 2 * design.box
    widths, heights = _share_ends(design, params, 0), _share_ends(design, params, k)
    one = Interval(torch.ones_like(x.lo), torch.ones_like(x.lo))
    raw = [Interval(params.lo[j], params.hi[j]) for j in range(2 * k, 3 * k - 1)]
    ends = [one, *(Interval(design.knot_slope(r.lo), design.knot_slope(r.hi)) for r in raw), one]
    chains = [
        torch.zeros_like(x.lo),
        *(_knot_chain(design, r, d) for r, d in zip(raw, ends[1:-1], strict=True)),
        torch.zeros_like(x.lo),
    ]
    low, high = one.lo, one.lo
    moved, moved_inverse = torch.zeros_like(x.lo), torch.zeros_like(x.lo)
    for j in range(k):
        w, h, d0, d1 = widths[j], heights[j], ends[j], ends[j + 1]
        s = Interval(h.lo / w.hi, h.hi / w.lo)
        lo, hi = rational_quadratic_range(s, d0, d1)
        low, high = torch.minimum(low, lo), torch.maximum(high, hi)
        by_left_x, by_left_y = (span * _edge_chain(design, sizes, j) for sizes in (widths, heights))
        by_w_chain, by_h_chain = (
            span * _softmax_chain(design, sizes[j], 1) for sizes in (widths, heights)
        )
        for piece in range(PIECES):
            slope_lo, slope_hi, bend, v, by_d0, by_d1 = _segment_terms(s, d0, d1, piece)
            # widths, heights and slopes have different raw values, so the groups are orthogonal
            by_widths = (
                slope_hi * by_left_x
                + ((piece + 1) / PIECES * slope_hi + s.hi**2 * bend) * by_w_chain
            )
            by_heights = by_left_y + (v + s.hi * bend) * by_h_chain
            by_slopes = span * h.hi * torch.hypot(by_d0 * chains[j], by_d1 * chains[j + 1])
            size = torch.sqrt(by_widths**2 + by_heights**2 + by_slopes**2)
            moved, moved_inverse = (
                torch.maximum(moved, size),
                torch.maximum(moved_inverse, size / slope_lo),
            )
    return ParameterBox(low, high, moved, moved_inverse)


def _share_ends(design: RQSpline, params: Interval, start: int) -> list[Interval]:
    """The interval of each bin's share: extreme where its raw value is at one end of the box and
    all others are at the other."""
    lo, hi = (
        params.lo[start : start + design.bins].unbind(0),
        params.hi[start : start + design.bins].unbind(0),
    )
    found = []
    for j in range(design.bins):
        ends = [
            shares([own[i] if i == j else others[i] for i in range(design.bins)], design.floor)[j]
            for own, others in ((lo, hi), (hi, lo))
        ]
        found.append(Interval(torch.minimum(*ends), torch.maximum(*ends)))
    return found


def _softmax_chain(design: RQSpline, total: Interval, terms: int) -> Tensor:
    """sup (1 − K·floor)·√2·P(1 − P), where ``terms`` shares sum to a value in ``total``."""
    free = 1 - design.bins * design.floor
    ends = [((end - terms * design.floor) / free).clamp(0, 1) for end in (total.lo, total.hi)]
    peak = torch.minimum(torch.maximum(torch.full_like(ends[0], 0.5), ends[0]), ends[1])
    return free * math.sqrt(2) * peak * (1 - peak)


def _edge_chain(design: RQSpline, sizes: list[Interval], j: int) -> Tensor:
    """``_softmax_chain`` of the left edge of bin j, a sum of j shares."""
    if j == 0:
        return torch.zeros_like(sizes[0].lo)
    lo, hi = (
        torch.stack([getattr(size, end) for size in sizes[:j]]).sum(0) for end in ("lo", "hi")
    )
    return _softmax_chain(design, Interval(lo.clamp(max=1), hi.clamp(max=1)), j)


def _knot_chain(design: RQSpline, raw: Interval, slope: Interval) -> Tensor:
    """sup ∂d/∂raw: d·log δ·(1 − tanh²) for δ^tanh; at most min(1, d) for softplus."""
    if isinstance(design, RQBounded):
        return (
            slope.hi * math.log(design.limit) * (1 - torch.tanh(nearest_zero(raw.lo, raw.hi)) ** 2)
        )
    return slope.hi.clamp(max=1)
