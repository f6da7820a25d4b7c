"""The rules that bound a coupling over a box of its raw parameters, by the coupling's class.

Without a rule, the slopes are bounded by the declared ``slope_range`` (tier U1), and the
derivatives by the parameters have no bound. All rules are elementwise, in float64, and widened by
1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from invbench.bounds.lipschitz import affine_box, spline_box
from invbench.bounds.lipschitz.interval import Interval, Unsupported
from invbench.bounds.lipschitz.parameter_box import ParameterBox
from invbench.couplings import (
    RQ,
    Additive,
    Affine,
    AffineAsymmetric,
    AffineAtan,
    AffineExp,
    AffineFloor,
    AffineSoftclip,
    AffineTanh,
    AffineTwoSigmoid,
    BSpline,
    CubicRational,
    CubicRationalBounded,
    CubicSpline,
    LinearRational,
    ModifiedRQ,
    QuadraticSpline,
    RQBounded,
)
from invbench.couplings.base import Elementwise
from invbench.couplings.compiled import CompiledCoupling

__all__ = ["DECODED", "RULES", "decoded_box", "over_box", "reciprocal_slope", "shift_over"]

# a rule knows one formula, so the class itself is looked up, not its parents
RULES: dict[type[Elementwise], Callable[[Elementwise, Interval, Interval], ParameterBox]] = {
    Additive: affine_box.additive,
    Affine: affine_box.affine,
    AffineAsymmetric: affine_box.affine_asymmetric,
    AffineAtan: affine_box.log_affine,
    AffineExp: affine_box.log_affine,
    AffineFloor: affine_box.affine,
    AffineSoftclip: affine_box.log_affine,
    AffineTanh: affine_box.log_affine,
    AffineTwoSigmoid: affine_box.affine_two_sigmoid,
    CubicRational: affine_box.cubic_rational,
    CubicRationalBounded: affine_box.cubic_rational,
    ModifiedRQ: spline_box.modified_rq,
    RQ: spline_box.rq_spline,
    RQBounded: spline_box.rq_bounded,
}


def over_box(design: Elementwise, params: Interval, x: Interval) -> ParameterBox:
    """Bounds on a design over boxes of its params (n_params, *x.shape) and of x. Raises
    ``Unsupported`` where there is no rule and no declared slope range."""
    design = design.design if isinstance(design, CompiledCoupling) else design
    if rule := RULES.get(type(design)):
        return rule(design, params, x).wider()
    if design.slope_range is None:
        raise Unsupported(
            f"{type(design).__name__} has no rule for a box of parameters and declares no "
            f"slope_range"
        )
    low, high = design.slope_range
    return ParameterBox(torch.full_like(x.lo, low), torch.full_like(x.lo, high), None, None, "U1")


def decoded_box(design: Elementwise, y: Interval, params: Interval) -> Interval:
    """A box that holds c⁻¹(y; params). Raises ``Unsupported`` for a design without a rule."""
    design = design.design if isinstance(design, CompiledCoupling) else design
    if rule := DECODED.get(type(design)):
        return rule(design, y, params)
    raise Unsupported(f"no interval rule for the inverse of {type(design).__name__}")


def reciprocal_slope(design: Elementwise, params: Interval) -> Interval:
    """An interval of 1/c′, for designs whose slope depends on the parameters alone."""
    zero = torch.zeros_like(params.lo[0])
    slopes = over_box(design, params, Interval(zero, zero))
    return Interval(1 / slopes.high, 1 / slopes.low)


def _shift(params: Interval) -> Interval:
    return Interval(params.lo[-1], params.hi[-1])


def shift_over(design: Elementwise, params: Interval) -> Interval:
    """An interval of the shift t: of the last parameter, or of what the design makes of it, which
    increases with it."""
    if not isinstance(design, CubicRationalBounded | RQBounded):
        return _shift(params)
    if not design.shift_bound:
        zero = torch.zeros_like(params.lo[0])
        return Interval(zero, zero)
    if design.shift_bound == math.inf:
        return _shift(params)
    lo, hi = design.shift_of(params.lo), design.shift_of(params.hi)
    return Interval(lo - 1e-15 * lo.abs(), hi + 1e-15 * hi.abs())


def _shifted_first(design: Elementwise, y: Interval, params: Interval) -> Interval:
    """y/s − t."""
    return y * reciprocal_slope(design, params) - _shift(params)


def _shifted_last(design: Elementwise, y: Interval, params: Interval) -> Interval:
    """(y − t)/s."""
    return (y - _shift(params)) * reciprocal_slope(design, params)


def _soft_tails(design: Elementwise, y: Interval, params: Interval) -> Interval:
    """g((y − t)·e^b), where g increases."""
    assert isinstance(design, AffineAsymmetric)
    v = _shifted_last(design, y, params)
    lo, hi = (
        end.clamp(-design.tail, design.tail)
        + torch.sign(end) * torch.log1p((end.abs() - design.tail).clamp(min=0))
        for end in (v.lo, v.hi)
    )
    return Interval(lo, hi) * Interval(
        torch.full_like(lo, 1 - 1e-12), torch.full_like(lo, 1 + 1e-12)
    )


def _cubic(design: Elementwise, y: Interval, params: Interval) -> Interval:
    """x from v = y − t = x + a·x/(1 + u²): it lies within |a|·w/2 of v, and between v and
    v/(1 + a)."""
    assert isinstance(design, CubicRational)
    v = y - shift_over(design, params)
    a = Interval(design._amplitude(params.lo[0]), design._amplitude(params.hi[0]))
    reach = a.magnitude * design._log_width(params.hi[1]).exp() / 2 * (1 + 1e-12)
    one = torch.ones_like(v.lo)
    between = v * Interval(1 / torch.maximum(1 + a.hi, one), 1 / torch.minimum(1 + a.lo, one))
    return Interval(
        torch.maximum(v.lo - reach, between.lo), torch.minimum(v.hi + reach, between.hi)
    )


def _box_spline(design: Elementwise, y: Interval, params: Interval) -> Interval:
    """The identity outside (−B, B), so an end inside moves to ±B at most."""
    v = y - shift_over(design, params) if isinstance(design, ModifiedRQ | RQBounded) else y
    b = float(design.box)  # type: ignore[arg-type]
    return Interval(torch.where(v.lo.abs() < b, -b, v.lo), torch.where(v.hi.abs() < b, b, v.hi))


DECODED: dict[type[Elementwise], Callable[[Elementwise, Interval, Interval], Interval]] = {
    **dict.fromkeys((Affine, AffineFloor, AffineTwoSigmoid), _shifted_first),
    **dict.fromkeys((Additive, AffineAtan, AffineExp, AffineSoftclip, AffineTanh), _shifted_last),
    AffineAsymmetric: _soft_tails,
    **dict.fromkeys((CubicRational, CubicRationalBounded), _cubic),
    **dict.fromkeys(
        (BSpline, CubicSpline, LinearRational, ModifiedRQ, QuadraticSpline, RQ, RQBounded),
        _box_spline,
    ),
}
